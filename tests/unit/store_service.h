#ifndef TESTS_UNIT_STORE_SERVICE_H
#define TESTS_UNIT_STORE_SERVICE_H
/* store_service - a store in a scratch folder, and one channel to it, as a role or mailtestctl has. All in one process and one loop. */

#include "tests/unit/unit.h"

#include "lib/record.h"
#include "store/expire.h"
#include "store/peer.h"
#include "store/room.h"
#include "store/store.h"

#include <fcntl.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOMAIN "mailtest1.test"
#define DAY_US (UINT64_C(86400) * 1000000)

enum { HEARD_CHANGES = 64, HEARD_POSTS = 64 };

/* A MSG_POST that was heard. */
struct post_heard {
    uint32_t webhook_id, attempt;
    uint64_t event_id;
    char     url[128], secret[64];
};

struct store_service {
    char               dir[64];
    char              *domains[1];
    struct config      config;
    struct event_base *base;
    struct store       store;
    struct channel    *client;
    uint64_t           next_req;
    bool               answered, closed;
    int                rc;              /* of the last answer */
    struct buf         answer;          /* its fields behind the code */
    struct buf         rows;            /* fields of MSG_ROW, each as write_bytes */
    unsigned           row_count;
    struct change      changes[HEARD_CHANGES];
    unsigned           change_count;
    struct post_heard  posts[HEARD_POSTS];
    unsigned           post_count;
    unsigned           mailbox_count, gone_count;   /* MSG_MAILBOX and MSG_MAILBOX_GONE heard */
    struct mailbox_state mailbox;       /* the last one heard */
    bool               all_sent;
    bool               full;
};

static inline void
service_hear_post(struct store_service *sv, struct reader *r)
{
    struct post_heard *p = &sv->posts[sv->post_count++ % HEARD_POSTS];
    struct slice       event;

    read_u32(r, &p->webhook_id);
    read_u64(r, &p->event_id);
    read_u32(r, &p->attempt);
    read_string(r, p->url, sizeof(p->url));
    read_string(r, p->secret, sizeof(p->secret));
    read_bytes(r, &event, RECORD_BYTES_MAX);
    assert_true(read_end(r));
    assert_int_not_equal(event.len, 0);
}

static int
service_hear(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct store_service *sv = arg;
    uint32_t              rc;

    (void)fd;
    switch (head->type) {
    case MSG_ANSWER:
        read_u32(r, &rc);
        sv->rc = (int)rc;
        sv->answered = head->req == sv->next_req;
        buf_append_slice(&sv->answer, r->rest);
        break;
    case MSG_ROW:
        write_bytes(&sv->rows, r->rest);
        sv->row_count++;
        break;
    case MSG_CHANGED:
        change_read(r, &sv->changes[sv->change_count % HEARD_CHANGES]);
        assert_true(read_end(r));
        sv->change_count++;
        break;
    case MSG_MAILBOX:
        mailbox_state_read(r, &sv->mailbox);
        sv->mailbox_count++;
        break;
    case MSG_MAILBOX_GONE:
        sv->gone_count++;
        break;
    case MSG_MAILBOXES_SENT:
        sv->all_sent = true;
        break;
    case MSG_FULL:
        read_bool(r, &sv->full);
        break;
    case MSG_POST:
        service_hear_post(sv, r);
        break;
    default:
        fail_msg("unexpected message %s", msg_name(head->type));
    }
    return MT_OK;
}

static void
service_closed(void *arg, int rc)
{
    struct store_service *sv = arg;

    (void)rc;
    sv->closed = sv->answered = true;
}

/* Turns the loop until nothing is left to do at once. */
static inline void
service_settle(struct store_service *sv)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(sv->base, EVLOOP_NONBLOCK);
}

static inline void
service_connect(struct store_service *sv, enum role role)
{
    int fds[2];

    channel_free(sv->client);
    assert_int_equal(channel_pair(fds), 0);
    assert_int_equal(peers_add(sv->store.peers, role, 0, fds[0]), MT_OK);
    sv->client = channel_new(sv->base, fds[1], 16 * 1024 * 1024, service_hear, service_closed, sv);
    assert_non_null(sv->client);
    sv->closed = false;
    service_settle(sv);
}

static inline int
service_start(struct store_service *sv)
{
    int rc = store_open(&sv->store, sv->base, &sv->config);

    if (rc != MT_OK)
        return rc;
    sv->store.peers = peers_new(&sv->store);
    assert_non_null(sv->store.peers);
    service_connect(sv, ROLE_CTL);
    return MT_OK;
}

static inline void
service_stop(struct store_service *sv)
{
    store_close(&sv->store);
    channel_free(sv->client);
    sv->client = NULL;
}

/* In memory where there is such a file system: what these tests are about is not the disk, and its sync would be most of their time. */
static inline void
service_make_folder(char dir[64])
{
    snprintf(dir, 64, "%s/test_store.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(dir));
}

/* A scratch folder and a configuration with the usual settings; nothing is opened. */
static inline void
service_init(struct store_service *sv)
{
    static char domain[] = DOMAIN;

    *sv = (struct store_service){ 0 };
    assert_true(sodium_init() >= 0);
    service_make_folder(sv->dir);
    sv->domains[0] = domain;
    sv->config.domains.items = sv->domains;
    sv->config.domains.count = 1;
    sv->config.state_dir = sv->dir;
    sv->config.store.map_bytes = 64 * 1024 * 1024;
    sv->config.store.commit_messages_max = 2000;
    sv->config.store.commit_bytes_max = 64 * 1024 * 1024;
    sv->config.store.readers_max = 16;
    sv->config.retention.inbox_days = 30;
    sv->config.retention.inbox_messages = 100000;
    sv->config.retention.inbox_bytes = 1 << 30;
    sv->config.retention.unmatched_days = 7;
    sv->config.retention.unmatched_messages = 1000;
    sv->config.retention.unmatched_bytes = 100 << 20;
    sv->config.retention.token_days = 90;
    sv->config.retention.expire_step = 200;
    sv->config.retention.event_days = 30;
    sv->config.retention.result_days = 90;
    sv->config.retention.result_sum_days = 730;
    sv->config.retention.result_count = 150000;
    sv->config.retention.result_bytes = 1 << 30;
    sv->config.store.heartbeat_s = 10;
    sv->config.quota.mailbox_bytes = UINT64_C(2) << 30;
    sv->base = event_base_new();
    assert_non_null(sv->base);
    assert_int_equal(event_base_priority_init(sv->base, 2), 0);
    buf_init(&sv->answer, 4 * MSG_MAX_BYTES);
    buf_init(&sv->rows, 64 * 1024 * 1024);
}

static inline int
service_remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void
service_remove_folder(const char *path)
{
    nftw(path, service_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void
service_fini(struct store_service *sv)
{
    service_remove_folder(sv->dir);
    buf_fini(&sv->answer);
    buf_fini(&sv->rows);
    event_base_free(sv->base);
}

/* cmocka's set-up and tear-down: a running store, with mailtestctl's channel. */
static inline int
service_setup(void **state)
{
    struct store_service *sv = malloc(sizeof(*sv));

    assert_non_null(sv);
    service_init(sv);
    assert_rc("start", service_start(sv), MT_OK);
    *state = sv;
    return 0;
}

static inline int
service_teardown(void **state)
{
    struct store_service *sv = *state;

    service_stop(sv);
    service_fini(sv);
    free(sv);
    return 0;
}

/* Sends a request without waiting. */
static inline uint64_t
service_send(struct store_service *sv, enum msg_type type, struct slice fields, int fd)
{
    assert_int_equal(channel_send(sv->client, type, ++sv->next_req, fields, fd), MT_OK);
    return sv->next_req;
}

/* Asks and waits for the answer; its code is returned, its fields are in sv->answer, rows in sv->rows. */
static inline int
service_ask(struct store_service *sv, enum msg_type type, struct slice fields, int fd)
{
    buf_clear(&sv->answer);
    buf_clear(&sv->rows);
    sv->row_count = 0;
    sv->answered = false;
    service_send(sv, type, fields, fd);
    while (!sv->answered)
        assert_int_not_equal(event_base_loop(sv->base, EVLOOP_ONCE), -1);
    return sv->closed ? MT_EPROTO : sv->rc;
}

/* Requests whose fields are strings and numbers: "s" a string, "u" a u32, "U" a u64, "b" an octet, "x" a slice of octets. */
static inline int
service_call(struct store_service *sv, enum msg_type type, const char *form, ...)
{
    struct buf fields;
    va_list    args;
    int        rc;

    buf_init(&fields, MSG_MAX_BYTES);
    va_start(args, form);
    for (; *form != '\0'; form++) {
        if (*form == 's')
            write_string(&fields, va_arg(args, const char *));
        else if (*form == 'u')
            write_u32(&fields, va_arg(args, uint32_t));
        else if (*form == 'U')
            write_u64(&fields, va_arg(args, uint64_t));
        else if (*form == 'x')
            write_bytes(&fields, va_arg(args, struct slice));
        else
            write_u8(&fields, (uint8_t)va_arg(args, int));
    }
    va_end(args);
    rc = service_ask(sv, type, buf_slice(&fields), -1);
    buf_fini(&fields);
    return rc;
}

static inline struct reader
service_answer(const struct store_service *sv)
{
    struct reader r;

    reader_init(&r, buf_slice(&sv->answer));
    return r;
}

static inline void
service_add_mailbox(struct store_service *sv, const char *name)
{
    assert_rc(name, service_call(sv, MSG_MAILBOX_ADD, "ss", name, ""), MT_OK);
}

static inline struct token
service_mint(struct store_service *sv, const char *mailbox)
{
    char          text[TOKEN_CHARS + 1];
    struct reader r;
    struct token  t;

    assert_rc("mint", service_call(sv, MSG_MINT, "sU", mailbox, UINT64_C(0)), MT_OK);
    r = service_answer(sv);
    read_string(&r, text, sizeof(text));
    assert_int_equal(token_decode(slice_of(text), &t), MT_OK);
    return t;
}

/* A message as smtpd hands it over; change what a test needs, then service_deliver. */
struct service_mail {
    struct delivery  d;
    struct recipient recipients[16];
    struct candidate candidates[16];
};

static inline void
service_mail_init(struct service_mail *m, const char *mailbox, const struct token *t, struct slice body)
{
    *m = (struct service_mail){ 0 };
    m->d = (struct delivery){
        .session = { .client_address = slice_of("192.0.2.1"), .client_name = slice_of("mx.customer.example"), .helo = slice_of("mx.customer.example"),
                     .protocol = slice_of("ESMTPS"), .tls_version = slice_of("TLSv1.3"), .tls_cipher = slice_of("TLS_AES_256_GCM_SHA384"),
                     .id = slice_of("4f21a0c3d2e1") },
        .reverse_path = slice_of("sender@customer.example"),
        .trace = slice_of("Received: from mx.customer.example (mx.customer.example [192.0.2.1])\r\n\tby mailtest1.test with ESMTPS id 4f21a0c3d2e1\r\n"
                          "\t(TLSv1.3, TLS_AES_256_GCM_SHA384); Sat, 21 Nov 2026 03:30:00 +0000\r\n"),
        .received_us = UINT64_C(1795233000000000),
        .recipients = m->recipients,
        .recipient_count = 1,
        .parsed = { .subject = slice_of("a test mail"), .from = slice_of("sender@customer.example"), .message_id = slice_of("<1@customer.example>"),
                    .candidates = m->candidates },
        .size_bytes = body.len,
        .body = body,
    };
    m->recipients[0] = (struct recipient){ .mailbox = slice_of(mailbox), .address = slice_of("acme+x@" DOMAIN) };
    if (t != NULL) {
        m->candidates[0] = (struct candidate){ .token = *t, .found_in = PLACE_SUBJECT };
        m->d.parsed.candidate_count = 1;
    }
}

static inline int
service_memfd(struct slice body)
{
    int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd != -1);
    assert_int_equal(write(fd, body.data, body.len), (ssize_t)body.len);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    return fd;
}

/* Hands it over as smtpd; the answer's code, and the id of the first copy. The channel must be that of a ROLE_SMTPD. */
static inline int
service_hand_over(struct store_service *sv, struct service_mail *m, uint64_t *id)
{
    struct slice  body = m->d.body;
    struct buf    fields;
    struct reader r;
    int           rc, fd = -1;

    if (body.len > MSG_INLINE_BODY_BYTES) {
        fd = service_memfd(body);
        m->d.body = slice_make(NULL, 0);
    }
    buf_init(&fields, MSG_MAX_BYTES);
    delivery_write(&fields, &m->d);
    m->d.body = body;
    rc = service_ask(sv, MSG_DELIVER, buf_slice(&fields), fd);
    buf_fini(&fields);
    r = service_answer(sv);
    if (rc == MT_OK && id != NULL)
        read_u64(&r, id);
    return rc;
}

/* One message to one mailbox, from the channel of mailtestctl and back to it. */
static inline int
service_deliver(struct store_service *sv, const char *mailbox, const struct token *t, struct slice body, uint64_t *id)
{
    struct service_mail m;
    int                 rc;

    service_mail_init(&m, mailbox, t, body);
    service_connect(sv, ROLE_SMTPD);
    rc = service_hand_over(sv, &m, id);
    service_connect(sv, ROLE_CTL);
    return rc;
}

/* How many rows a table has. */
static inline uint64_t
rows_in(struct store_service *sv, enum table table)
{
    struct db_view v;
    MDB_stat       st;

    assert_int_equal(store_view(&sv->store, &v), MT_OK);
    assert_int_equal(mdb_stat(v.txn, db_table(sv->store.db, table), &st), 0);
    db_view_end(&v);
    return st.ms_entries;
}

#endif
