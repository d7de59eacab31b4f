/*
 * fuzz_sasl - a client's messages of SASL against a database with one mailbox: an octet for the mechanism, then messages, each up to a line feed.
 * "$" stands for the nonce of the server, without which nobody comes to the proof.
 */
#include "imapd/sasl.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/secret.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGES_MAX = 6, MAP_BYTES = 1 << 20 };

static const char secret[] = "correct-horse";

static struct {
    char          dir[64];
    struct db    *db;
    struct config config;
} world;

static void
remove_world(void)
{
    static const char *const files[] = { "data.mdb", "lock.mdb" };
    char                     path[128];

    db_close(world.db);
    for (unsigned i = 0; i < COUNT(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", world.dir, files[i]);
        (void)!unlink(path);
    }
    (void)!rmdir(world.dir);
}

static void
put(MDB_txn *txn, enum table table, struct slice key, struct slice value)
{
    MDB_val k = { key.len, (void *)(uintptr_t)key.data }, v = { value.len, (void *)(uintptr_t)value.data };

    assert(mdb_put(txn, db_table(world.db, table), &k, &v, 0) == 0);
}

static void
make_world(void)
{
    static char           domain[] = "mailtest1.test", *domains[] = { domain };
    struct mailbox_record m = { .id = 1, .name = slice_of("acme"), .domain = slice_of(domain), .enabled = true };
    struct db_options     options = { .dir = world.dir, .map_bytes = MAP_BYTES, .readers_max = 16, .no_sync = true };
    uint8_t               key[DB_KEY_MAX];
    struct buf            b;
    MDB_txn              *txn;

    log_set_level(LOG_LEVEL_ERROR);
    assert(sodium_init() >= 0);
    snprintf(world.dir, sizeof(world.dir), "%s/fuzz_sasl.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert(mkdtemp(world.dir) != NULL);
    atexit(remove_world);
    assert(db_open(&options, &world.db) == MT_OK);
    world.config.domains = (struct strings){ domains, 1 };
    assert(secret_hash(slice_of(secret), &m.credentials) == MT_OK);
    buf_init(&b, MAP_BYTES);
    assert(mdb_txn_begin(db_env(world.db), NULL, 0, &txn) == 0);
    mailbox_record_write(&b, &m);
    put(txn, TABLE_MAILBOX, db_key_u32(key, m.id), buf_slice(&b));
    buf_clear(&b);
    write_u32(&b, m.id);
    put(txn, TABLE_MAILBOX_NAME, m.name, buf_slice(&b));
    assert(mdb_txn_commit(txn) == 0);
    buf_fini(&b);
}

/* With the server's nonce in place of "$". */
static void
expand(struct buf *out, struct slice message, const struct sasl *s)
{
    for (size_t i = 0; i < message.len; i++) {
        if (message.data[i] == '$')
            buf_append_slice(out, slice_of(s->nonce));
        else
            buf_append_slice(out, slice_sub(message, i, 1));
    }
}

static void
run_messages(struct sasl *s, struct slice in)
{
    enum sasl_result result = SASL_MORE;
    struct buf       out, message;

    buf_init(&out, SASL_MESSAGE_BYTES);
    buf_init(&message, 8 * SASL_MESSAGE_BYTES);
    for (unsigned i = 0; i < MESSAGES_MAX && result == SASL_MORE; i++) {
        size_t len = slice_find(in, '\n');
        char   name[LOGIN_NAME_BYTES + 1];

        buf_clear(&out);
        buf_clear(&message);
        expand(&message, slice_sub(in, 0, len), s);
        in = slice_sub(in, len + 1, in.len);
        if (sasl_begins_try(s, buf_slice(&message), name))
            assert(memchr(name, '\0', sizeof(name)) != NULL);
        result = sasl_step(s, buf_slice(&message), &out);
        assert(result <= SASL_UNREADABLE && out.len <= SASL_MESSAGE_BYTES);
        assert(memchr(s->user, '\0', sizeof(s->user)) != NULL && memchr(s->identity, '\0', sizeof(s->identity)) != NULL);
        assert(result != SASL_CHECK);       /* the mailbox's secret is none that a person chose */
    }
    buf_fini(&message);
    buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sasl s = { 0 };

    if (size == 0)
        return 0;
    if (world.db == NULL)
        make_world();
    sasl_begin(&s, (enum sasl_mechanism)(SASL_PLAIN + data[0] % 3), world.db, &world.config, NULL);
    run_messages(&s, slice_make(data + 1, size - 1));
    sasl_end(&s);
    return 0;
}
