/*
 * fuzz_smtp_session - whole sessions, with store's answers and accidents in between: a row of steps, each an octet for what happens
 * and, where the client sends something, one for how much of the rest. Whatever happens in whichever order: no assertion fails, no
 * memory is misused or lost, and at the end no session and no octet in flight is left.
 */
#include "lib/error.h"
#include "lib/log.h"
#include "lib/tls.h"
#include "smtpd/smtpd.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CLIENTS = 3, HELD_MAX = 16 };

struct fuzz {
    struct role_context role;
    struct smtpd       *smtpd;
    struct channel     *store;              /* store's end */
    uint64_t            held[HELD_MAX];     /* deliveries without an answer */
    unsigned            held_count;
    int                 clients[CLIENTS];
};

static struct fuzz fuzz;

void
role_done(struct role_context *r)
{
    (void)r;
}

/* ---- Store ---------------------------------------------------------------------------------------------------------- */

static int
store_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct delivery d;

    (void)arg;
    if (head->type == MSG_DELIVERED) {
        assert(fuzz.held_count < HELD_MAX);
        fuzz.held[fuzz.held_count++] = head->req;
        return MT_OK;
    }
    assert(head->type == MSG_DELIVER && delivery_read(r, &d) == MT_OK);
    assert((d.size_bytes > MSG_INLINE_BODY_BYTES) == (*fd != -1));
    delivery_fini(&d);
    assert(fuzz.held_count < HELD_MAX);
    fuzz.held[fuzz.held_count++] = head->req;
    return MT_OK;
}

static void
answer(int rc)
{
    for (unsigned i = 0; i < fuzz.held_count; i++) {
        struct buf *b = channel_begin(fuzz.store, MSG_ANSWER, fuzz.held[i]);

        write_u32(b, (uint32_t)rc);
        if (rc == MT_OK) {
            write_u64(b, 1);
            write_u8(b, false);
        }
        channel_end(fuzz.store, -1);
    }
    fuzz.held_count = 0;
}

static void
on_closed(void *arg, int rc)
{
    (void)arg;
    (void)rc;
}

static void
disconnect_store(void)
{
    channel_free(fuzz.store);
    channel_free(fuzz.role.store);
    fuzz.store = fuzz.role.store = NULL;
    fuzz.held_count = 0;
    smtpd_hooks.on_store(&fuzz.role, false);
}

static void
connect_store(void)
{
    struct mailbox_state acme = { .name = "acme", .enabled = true };
    int                  fds[2];

    assert(channel_pair(fds) == MT_OK);
    /* Little room, so that deliveries have to wait for it, too. */
    fuzz.role.store = channel_new(fuzz.role.base, fds[0], 70 * 1000, smtpd_hooks.on_store_message, on_closed, &fuzz.role);
    fuzz.store = channel_new(fuzz.role.base, fds[1], 1024 * 1024, store_message, on_closed, NULL);
    smtpd_hooks.on_store(&fuzz.role, true);
    mailbox_state_write(channel_begin(fuzz.store, MSG_MAILBOX, 0), &acme);
    channel_end(fuzz.store, -1);
    channel_send(fuzz.store, MSG_MAILBOXES_SENT, 0, slice_make("", 0), -1);
}

/* ---- What may happen ------------------------------------------------------------------------------------------------ */

static void
run(void)
{
    for (unsigned i = 0; i < 8; i++)
        event_base_loop(fuzz.role.base, EVLOOP_NONBLOCK);
}

static void
hang_up(unsigned i)
{
    if (fuzz.clients[i] != -1)
        close(fuzz.clients[i]);
    fuzz.clients[i] = -1;
}

static void
connect_client(unsigned i, bool lmtp)
{
    int fds[2];

    hang_up(i);
    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    fuzz.clients[i] = fds[0];
    session_open(fuzz.smtpd, fds[1], "unix", &(struct limit_client){ .trusted = true }, lmtp);
}

static void
read_replies(unsigned i)
{
    char in[65536];

    while (fuzz.clients[i] != -1 && recv(fuzz.clients[i], in, sizeof(in), MSG_DONTWAIT) > 0)
        ;
}

/* The time limit of the oldest session that has one is over. */
static void
let_time_pass(void)
{
    struct session *s = TAILQ_FIRST(&fuzz.smtpd->sessions);

    while (s != NULL && s->deadline.kind == DEADLINE_NONE)
        s = TAILQ_NEXT(s, link);
    if (s != NULL) {
        enum deadline_kind kind = s->deadline.kind;

        deadline_stop(&fuzz.smtpd->deadlines, &s->deadline);
        session_expired(s, kind);
    }
}

static void
stop_sessions(bool force)
{
    struct session *s, *next;

    for (s = TAILQ_FIRST(&fuzz.smtpd->sessions); s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        session_stop(s, force);
    }
}

/* A mail that is too large to travel inside of its message. */
static void
send_large(int fd)
{
    static char lines[80 * 1000];

    memset(lines, 'x', sizeof(lines));
    for (size_t i = 0; i + 1 < sizeof(lines); i += 64)
        memcpy(lines + i, "\r\n", 2);
    if (send(fd, lines, sizeof(lines), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        run();
}

static void
happen(unsigned what, unsigned client, struct slice *rest)
{
    static const int answers[] = { MT_OK, MT_EQUOTA, MT_EFULL, MT_ENOTFOUND, MT_EIO };
    size_t           len = rest->len > 0 ? (unsigned char)rest->data[0] : 0;

    switch (what) {
    case 0: connect_client(client, false); break;
    case 1: connect_client(client, true); break;
    case 2: hang_up(client); break;
    case 3: answer(answers[len % COUNT(answers)]); break;
    case 4: disconnect_store(); connect_store(); break;
    case 5: let_time_pass(); break;
    case 6: read_replies(client); break;
    case 7: stop_sessions(len % 2 == 1); break;
    case 8: send_large(fuzz.clients[client]); break;
    case 9: flight_pass_expired(&fuzz.smtpd->flight); break;
    case 10: fuzz.role.draining = true; break;
    default:
        *rest = slice_sub(*rest, 1, rest->len);
        if (fuzz.clients[client] != -1)
            send(fuzz.clients[client], rest->data, slice_sub(*rest, 0, len).len, MSG_DONTWAIT | MSG_NOSIGNAL);
        *rest = slice_sub(*rest, len, rest->len);
    }
}

/* ---- Begin and end -------------------------------------------------------------------------------------------------- */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char         folder[] = "/tmp/fuzz-smtp-XXXXXX";
    struct config      *config;
    struct config_error error;
    char                text[512];

    (void)argc;
    (void)argv;
    log_open("fuzz", LOG_LEVEL_ERROR);
    assert(mkdtemp(folder) != NULL);
    snprintf(text, sizeof(text),
             "domains: [mailtest1.test]\nhostname: mx\nstate_dir: %s\nlisten: {smtp: [\"127.0.0.1:2525\"]}\n"
             "tls: {certificate: %s/c.pem, key: %s/k.pem}\n",
             folder, folder, folder);
    assert(config_parse(slice_of(text), "fuzz", &config, &error) == MT_OK);
    config->smtp.in_flight_max_bytes = 100 * 1000;
    config->smtp.message_max_bytes = 200 * 1000;
    assert(tls_self_sign(config->tls.certificate, config->tls.key, (const char *const[]){ "mx" }, 1) == MT_OK);
    fuzz.role = (struct role_context){ .role = ROLE_SMTPD, .base = event_base_new(), .config = config };
    event_base_priority_init(fuzz.role.base, 2);
    assert(smtpd_hooks.open(&fuzz.role) == MT_OK && smtpd_hooks.start(&fuzz.role) == MT_OK);
    unlink(config->tls.certificate);
    unlink(config->tls.key);
    rmdir(folder);
    fuzz.smtpd = fuzz.role.own;
    for (unsigned i = 0; i < CLIENTS; i++)
        fuzz.clients[i] = -1;
    return 0;
}

/* All clients go, store answers what is left: nothing may remain. */
static void
check_end(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        hang_up(i);
    run();
    for (unsigned i = 0; i < CLIENTS && fuzz.smtpd->session_count > 0; i++) {
        answer(MT_OK);
        run();
    }
    assert(fuzz.smtpd->session_count == 0);
    assert(fuzz.smtpd->flight.bytes == 0 && fuzz.smtpd->flight.pass == NULL && TAILQ_EMPTY(&fuzz.smtpd->flight.blocked));
    assert(TAILQ_EMPTY(&fuzz.smtpd->deliver.no_room));
    fuzz.role.draining = false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_make(data, size);

    connect_store();
    connect_client(0, false);
    while (rest.len > 0) {
        unsigned what = (unsigned char)rest.data[0];

        rest = slice_sub(rest, 1, rest.len);
        happen(what % 32, what / 32 % CLIENTS, &rest);
        run();
    }
    check_end();
    disconnect_store();
    return 0;
}
