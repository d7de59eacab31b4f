/*
 * fuzz_role_messages - what another role may send to store, and what may lie in its records.
 * The first octet chooses: below FIRST_REQUEST the reader of one kind of bytes, which gets the rest (records also with a checksum that
 * fits, so that their fields are reached); from there on a role, whose requests follow: type u8, length u16, fields. They are
 * dispatched as store/peer.c does, to a store that is kept over many inputs.
 */

#include "lib/change.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/served.h"
#include "store/account.h"
#include "store/peer.h"
#include "store/request.h"

#include <assert.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- Readers ---- */

static void
read_delivery(struct slice bytes)
{
    struct delivery d, again;
    struct reader   r;
    struct buf      b;

    reader_init(&r, bytes);
    if (delivery_read(&r, &d) != MT_OK)
        return;
    assert(d.recipient_count > 0 && d.recipient_count <= DELIVERY_RECIPIENTS_MAX);
    buf_init(&b, 4 * MSG_MAX_BYTES);
    delivery_write(&b, &d);
    assert(b.fault == MT_OK);
    reader_init(&r, buf_slice(&b));
    assert(delivery_read(&r, &again) == MT_OK);
    assert(again.recipient_count == d.recipient_count && again.size_bytes == d.size_bytes);
    delivery_fini(&again);
    delivery_fini(&d);
    buf_fini(&b);
}

static void
read_change(struct slice bytes)
{
    struct change c;
    struct reader r;

    reader_init(&r, bytes);
    change_read(&r, &c);
    if (read_end(&r))
        assert(c.kind > 0 && c.kind < CHANGE_KIND_LIMIT && memchr(c.mailbox, '\0', sizeof(c.mailbox)) != NULL);
}

static void
read_mailbox_state(struct slice bytes)
{
    struct mailbox_state m;
    struct reader        r;

    reader_init(&r, bytes);
    mailbox_state_read(&r, &m);
    assert(memchr(m.name, '\0', sizeof(m.name)) != NULL);
}

static void
read_entry(struct slice bytes)
{
    struct entry e;

    if (entry_read(slice_make("", 0), bytes, &e) == MT_OK)
        assert(e.keywords.len <= ENTRY_KEYWORDS_BYTES);
}

/* But for the version, which an older record may have, and the checksum over it. */
static bool
is_same(struct slice again, struct slice bytes)
{
    return again.len == bytes.len && slice_equal(slice_sub(again, 1, again.len - 1 - RECORD_SUM_BYTES), slice_sub(bytes, 1, bytes.len - 1 - RECORD_SUM_BYTES));
}

/* What was read is written again, and must be the same octets. */
#define RECORD_READER(kind) \
    static void read_##kind##_record(struct slice bytes) \
    { \
        struct kind##_record record = { 0 }; \
        struct buf           b; \
        if (kind##_record_read(bytes, &record) != MT_OK) \
            return; \
        buf_init(&b, 4 * RECORD_BYTES_MAX); \
        kind##_record_write(&b, &record); \
        assert(b.fault == MT_OK && is_same(buf_slice(&b), bytes)); \
        buf_fini(&b); \
    }

RECORD_READER(mailbox)
RECORD_READER(folder)
RECORD_READER(message)
RECORD_READER(token)
RECORD_READER(api_key)
RECORD_READER(event)
RECORD_READER(webhook)
RECORD_READER(post)
RECORD_READER(pattern)
RECORD_READER(served)

static const struct {
    void (*read)(struct slice bytes);
    bool   is_record;
} readers[] = {
    { read_delivery, false },      { read_change, false },        { read_mailbox_state, false }, { read_entry, false },        { read_mailbox_record, true },
    { read_folder_record, true },  { read_message_record, true }, { read_token_record, true },   { read_api_key_record, true },
    { read_event_record, true },   { read_webhook_record, true }, { read_post_record, true },    { read_pattern_record, true }, { read_served_record, true },
};

enum { FIRST_REQUEST = 16 };

static void
run_reader(unsigned i, const uint8_t *data, size_t size)
{
    readers[i].read(slice_make(data, size));
    if (readers[i].is_record && size <= RECORD_BYTES_MAX) {
        char *copy = malloc(size + RECORD_SUM_BYTES);

        assert(copy != NULL);
        if (size > 0)
            memcpy(copy, data, size);
        put_u64(copy + size, checksum(slice_make(copy, size)));
        readers[i].read(slice_make(copy, size + RECORD_SUM_BYTES));
        free(copy);
    }
}

/* ---- Requests ---- */

enum { INPUTS_A_STORE = 2000, DRAIN_BYTES = 65536 };

static struct {
    char               dir[64];
    struct event_base *base;
    struct config      config;
    char              *domains[1];
    struct store       store;
    unsigned           inputs;
} service;

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void
stop_service(void)
{
    if (service.base == NULL)
        return;
    store_close(&service.store);
    event_base_free(service.base);
    nftw(service.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    service.base = NULL;
}

static void
start_service(void)
{
    static char    domain[] = "mailtest1.test";
    struct config *c = &service.config;

    if (service.base == NULL) {
        assert(sodium_init() >= 0);
        atexit(stop_service);
        log_set_level(LOG_LEVEL_ERROR);
    }
    stop_service();
    service.inputs = 0;
    snprintf(service.dir, sizeof(service.dir), "%s/fuzz_store.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert(mkdtemp(service.dir) != NULL);
    service.domains[0] = domain;
    *c = (struct config){ .domains = { service.domains, 1 }, .state_dir = service.dir };
    c->store.map_bytes = 64 << 20;
    c->store.commit_messages_max = 100;
    c->store.commit_bytes_max = 1 << 20;
    c->store.readers_max = 16;
    c->retention.inbox_days = c->retention.unmatched_days = c->retention.token_days = 1;
    c->retention.inbox_messages = c->retention.unmatched_messages = 20;
    c->retention.inbox_bytes = c->retention.unmatched_bytes = 1 << 20;
    c->retention.event_days = 2;
    c->retention.result_days = 2;
    c->retention.result_sum_days = 3;
    c->retention.result_count = 10000;
    c->retention.result_bytes = 128 << 20;
    c->store.heartbeat_s = 1;
    c->retention.expire_step = 10;
    c->quota.mailbox_bytes = 1 << 20;
    service.base = event_base_new();
    assert(service.base != NULL && event_base_priority_init(service.base, 2) == 0);
    assert(store_open(&service.store, service.base, c) == MT_OK);
    service.store.peers = peers_new(&service.store);
    assert(service.store.peers != NULL);
}

static void
settle(int fd)
{
    static char drain[DRAIN_BYTES];

    for (unsigned i = 0; i < 4; i++) {
        event_base_loop(service.base, EVLOOP_NONBLOCK);
        while (recv(fd, drain, sizeof(drain), MSG_DONTWAIT) > 0)
            ;
    }
}

/* What is only told has no number to be answered. */
static bool
is_told(uint8_t type)
{
    return type == MSG_SERVING || type == MSG_POST_READY || type == MSG_POST_DONE;
}

/* As it would come over the wire: a head, and the fields. */
static void
send_request(int fd, uint8_t type, struct slice fields, uint64_t req)
{
    struct buf b;

    buf_init(&b, MSG_HEAD_BYTES + UINT16_MAX);
    msg_head_write(&b, &(struct msg_head){ .version = MSG_VERSION, .type = type, .len_bytes = (uint32_t)fields.len, .req = req });
    buf_append_slice(&b, fields);
    (void)!send(fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_fini(&b);
}

static void
run_requests(enum role role, struct slice input)
{
    struct reader r;
    uint64_t      req = 1;
    int           fds[2];

    if (service.base == NULL || service.inputs++ == INPUTS_A_STORE)
        start_service();
    assert(channel_pair(fds) == 0);
    if (peers_add(service.store.peers, role, 0, fds[0]) != MT_OK) {
        close(fds[0]);
        close(fds[1]);
        return;
    }
    reader_init(&r, input);
    while (r.rest.len > 3) {
        uint16_t len;
        uint8_t  type;

        read_u8(&r, &type);
        read_u16(&r, &len);
        send_request(fds[1], type, slice_sub(r.rest, 0, len), is_told(type) ? 0 : req++);
        r.rest = slice_sub(r.rest, len, r.rest.len);
        settle(fds[1]);
    }
    close(fds[1]);
    event_base_loop(service.base, EVLOOP_NONBLOCK);
    event_base_loop(service.base, EVLOOP_NONBLOCK);
    assert(service.store.db != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] < FIRST_REQUEST) {
        if (data[0] < COUNT(readers))
            run_reader(data[0], data + 1, size - 1);
    } else {
        run_requests((enum role)(data[0] % ROLE_COUNT), slice_make(data + 1, size - 1));
    }
    return 0;
}
