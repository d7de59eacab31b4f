// Drives imapflow for the tests: each line of input is [method, arguments...], each line of output {"result"}, {"failed"} or {"event"}.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { ImapFlow } = require("imapflow");

let client = null;

// What JSON has no words for: sets, maps and large numbers.
function say(line) {
    const plain = (_, value) => {
        if (value instanceof Set)
            return [...value].sort();
        if (value instanceof Map)
            return Object.fromEntries(value);
        return typeof value === "bigint" ? Number(value) : value;
    };
    fs.writeSync(1, JSON.stringify(line, plain) + "\n");
}

const own = {
    async connect(options) {
        if (options.ca)
            options.tls = { ca: fs.readFileSync(options.ca), servername: "localhost" };
        client = new ImapFlow({ logger: false, ...options });
        for (const event of ["exists", "expunge", "flags"])
            client.on(event, data => say({ event, ...data }));
        client.on("error", error => say({ event: "error", text: String(error) }));
        await client.connect();
        return { secure: client.secureConnection, capabilities: [...client.capabilities.keys()], enabled: [...client.enabled] };
    },

    // Every message into a file that has its UID for a name; by UID its flags.
    async mirror(into) {
        const flags = {};
        for await (const message of client.fetch("1:*", { uid: true, flags: true, source: true })) {
            fs.writeFileSync(path.join(into, String(message.uid)), message.source);
            flags[message.uid] = [...message.flags].sort();
        }
        return flags;
    },

    // One message, or a part of it with its encoding undone, as a stream in pieces.
    async save(uid, part, file) {
        const { content } = await client.download(String(uid), part ?? undefined, { uid: true, chunkSize: 1000 });
        const out = fs.createWriteStream(file);
        for await (const piece of content)
            out.write(piece);
        await new Promise(done => out.end(done));
        return true;
    },

    async about(uid, query) {
        return await client.fetchOne(String(uid), query, { uid: true });
    },
};

(async () => {
    // Not awaited in turn: an IDLE goes on until the next call ends it.
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const [method, ...rest] = JSON.parse(line);
        const call = own[method] ? own[method](...rest) : client[method](...rest);
        const answered = Promise.resolve(call).then(result => say({ result: result ?? null }),
            error => say({ failed: String(error), response: error.response, code: error.serverResponseCode }));
        if (method !== "idle")
            await answered;
    }
    await client.logout();
    process.exit(0);
})();
