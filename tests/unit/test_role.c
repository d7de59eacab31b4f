/* A role runs in a child of its own; the test is its supervisor, at the other end of the socket pair. */
#include "tests/unit/unit.h"

#include "lib/metrics.h"
#include "lib/role.h"

#include <fcntl.h>
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define CONFIG "domains: [a.test]\nprocesses: {user: \"\"}\nstate_dir: /tmp\nlog: {level: error}\n"

/* What the hooks of the role under test saw, a letter each, behind a descriptor that the test reads. */
enum { NOTES_FD = 9 };

static void
note(char c)
{
    assert(write(NOTES_FD, &c, 1) == 1);
}

struct role_under_test {
    pid_t pid;
    int   channel;      /* the supervisor's end */
    int   notes;
};

/* ---- Hooks ----------------------------------------------------------------------------------------------------------------- */

static int open_rc;     /* what the next role's open gives */

static int
note_open(struct role_context *r)
{
    note('o');
    assert(r->listener_count == 0 || r->listeners[0].kind == LISTEN_LMTP);
    return open_rc;
}

static int
note_start(struct role_context *r)
{
    note('s');
    metric_add(METRIC_SMTP_SESSIONS_TOTAL, 41 + r->listener_count);
    return MT_OK;
}

static int
note_store_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    (void)arg;
    (void)in;
    (void)fd;
    note(head->type == MSG_FULL ? 'm' : '?');
    return MT_OK;
}

static void
note_store(struct role_context *r, bool connected)
{
    assert((r->store != NULL) == connected);
    note(connected ? 'C' : 'L');
}

static void
note_drain(struct role_context *r, uint32_t grace_ms)
{
    note(grace_ms == 7 ? 'd' : 'D');
    if (grace_ms != 9)      /* 9: sessions go on */
        role_done(r);
}

static void
note_retire(struct role_context *r)
{
    assert(r->retired && !r->draining);
    note('r');
}

static int
note_supervisor_message(void *arg, const struct msg_head *head, struct reader *in, int *fd)
{
    struct role_context *r = arg;

    (void)in;
    (void)fd;
    note('R');
    return channel_answer(r->supervisor, head->req, MT_OK);
}

static void
note_close(struct role_context *r)
{
    (void)r;
    note('c');
}

static const struct role_hooks hooks = {
    .open = note_open,   .start = note_start, .on_store_message = note_store_message,
    .on_store = note_store, .drain = note_drain, .retire = note_retire, .on_supervisor_message = note_supervisor_message, .close = note_close,
};

/* ---- The supervisor's side --------------------------------------------------------------------------------------------------- */

static int
config_fd(const char *text)
{
    int fd = memfd_create("config", 0);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

static void
run_child(enum role role, int channel, int config, int notes)
{
    int fds[] = { fcntl(channel, F_DUPFD, 20), fcntl(config, F_DUPFD, 20), fcntl(notes, F_DUPFD, 20) };

    dup2(fds[0], ROLE_FD_SUPERVISOR);
    dup2(fds[1], ROLE_FD_CONFIG);
    dup2(fds[2], NOTES_FD);
    for (int fd = NOTES_FD + 1; fd < 64; fd++)
        close(fd);
    _exit(role_run(role, 0, &hooks));
}

static struct role_under_test
begin_with(enum role role, const char *config)
{
    struct role_under_test t;
    int                    channel[2], notes[2], text = config_fd(config);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
    assert_int_equal(pipe(notes), 0);
    t.pid = fork();
    if (t.pid == 0)
        run_child(role, channel[1], text, notes[1]);
    close(channel[1]);
    close(notes[1]);
    close(text);
    t.channel = channel[0];
    t.notes = notes[0];
    return t;
}

static struct role_under_test
begin(enum role role)
{
    open_rc = MT_OK;
    return begin_with(role, CONFIG);
}

/* One message, as lib/channel puts it on the wire: 0x8000 in the type announces a descriptor. */
static void
send_to(struct role_under_test *t, unsigned type, uint64_t req, struct slice fields, int fd)
{
    struct buf    b;
    struct iovec  iov;
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    union {
        struct cmsghdr head;
        char           bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };

    buf_init(&b, 4096);
    msg_head_write(&b, &(struct msg_head){ .version = MSG_VERSION, .type = (uint16_t)(type | (fd != -1 ? 0x8000u : 0)),
                                           .len_bytes = (uint32_t)fields.len, .req = req });
    buf_append_slice(&b, fields);
    iov = (struct iovec){ .iov_base = b.data, .iov_len = b.len };
    if (fd != -1) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = sizeof(control.bytes);
        control.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
    }
    assert_int_equal(sendmsg(t->channel, &msg, 0), b.len);
    buf_fini(&b);
}

static void
send_empty(struct role_under_test *t, enum msg_type type)
{
    send_to(t, type, 0, slice_make("", 0), -1);
}

static void
send_drain(struct role_under_test *t, uint32_t grace_ms)
{
    unsigned char fields[5] = { 0 };

    put_u32(fields, grace_ms);
    send_to(t, MSG_DRAIN, 0, slice_make(fields, sizeof(fields)), -1);
}

/* As MSG_DRAIN with the wish to retire. */
static void
send_retire(struct role_under_test *t, uint32_t grace_ms)
{
    unsigned char fields[5] = { [4] = 1 };

    put_u32(fields, grace_ms);
    send_to(t, MSG_DRAIN, 0, slice_make(fields, sizeof(fields)), -1);
}

/* Waits for a message without fields, or a MSG_ANSWER. */
static void
expect(struct role_under_test *t, enum msg_type type, uint64_t req)
{
    char            bytes[MSG_HEAD_BYTES + 4];
    struct msg_head head;
    size_t          len = MSG_HEAD_BYTES + (type == MSG_ANSWER ? 4 : 0);

    assert_int_equal(recv(t->channel, bytes, len, MSG_WAITALL), len);
    assert_int_equal(msg_head_read(slice_make(bytes, len), &head), MT_OK);
    assert_string_equal(msg_name(head.type), msg_name(type));
    assert_int_equal(head.req, req);
}

/* The exit code, and whether the hooks saw exactly these letters; -1 for a signal. */
static int
end(struct role_under_test *t, const char *notes)
{
    char    seen[64];
    ssize_t n = 0, more;
    int     status;

    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    while ((more = read(t->notes, seen + n, sizeof(seen) - 1 - (size_t)n)) > 0)
        n += more;
    seen[n] = '\0';
    assert_string_equal(seen, notes);
    close(t->notes);
    close(t->channel);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- Tests --------------------------------------------------------------------------------------------------------------------- */

static void
life_goes_in_order(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    send_to(&t, MSG_PING, 77, slice_make("", 0), -1);
    expect(&t, MSG_ANSWER, 77);
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osdc"), EX_OK);
}

static void
end_before_go_opens_nothing(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_drain(&t, 7);
    assert_int_equal(end(&t, ""), EX_OK);
}

static void
drain_may_be_hastened(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    send_drain(&t, 9);
    send_to(&t, MSG_PING, 5, slice_make("", 0), -1);
    expect(&t, MSG_ANSWER, 5);      /* still there, and answering */
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osDdc"), EX_OK);
}

static void
retired_role_goes_on_until_it_is_drained(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    send_retire(&t, 3600000);
    send_to(&t, MSG_PING, 5, slice_make("", 0), -1);
    expect(&t, MSG_ANSWER, 5);
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osrdc"), EX_OK);
}

static void
retired_role_is_drained_when_its_time_is_over(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    send_retire(&t, 0);
    assert_int_equal(end(&t, "osrDc"), EX_OK);
}

static void
what_is_handed_over_arrives(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);
    struct buf             fields;
    int                    page = metrics_create(), listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct metrics        *metrics = metrics_map(page);

    (void)state;
    buf_init(&fields, 256);
    write_u8(&fields, LISTEN_LMTP);
    write_string(&fields, "unix:/x");
    send_to(&t, MSG_LISTENER, 0, buf_slice(&fields), listener);
    buf_clear(&fields);
    write_u8(&fields, ROLE_SMTPD);
    write_u16(&fields, 0);
    send_to(&t, MSG_METRICS, 0, buf_slice(&fields), page);
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    assert_int_equal(metrics_value(metrics, METRIC_SMTP_SESSIONS_TOTAL), 42);
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osdc"), EX_OK);
    buf_fini(&fields);
    metrics_unmap(metrics);
    close(page);
    close(listener);
}

static void
store_comes_goes_and_comes_again(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);
    struct role_under_test store = { 0 };
    int                    first[2], second[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, first), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, second), 0);
    send_to(&t, MSG_STORE, 0, slice_make("", 0), first[1]);     /* before it serves: told after start */
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    store.channel = first[0];
    send_to(&store, MSG_FULL, 0, slice_make("\1", 1), -1);
    send_to(&t, MSG_PING, 1, slice_make("", 0), -1);
    expect(&t, MSG_ANSWER, 1);
    close(first[1]);
    close(first[0]);
    send_to(&t, MSG_STORE, 0, slice_make("", 0), second[1]);
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osCmLCdc"), EX_OK);
    close(second[0]);
    close(second[1]);
}

static void
only_store_hears_of_peers(void **state)
{
    struct role_under_test t = begin(ROLE_STORE);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    send_to(&t, MSG_RELOAD, 12, slice_make("", 0), -1);
    expect(&t, MSG_ANSWER, 12);
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osRdc"), EX_OK);
}

/* The rights that a failed open would have needed differ: so does what the supervisor tells the shell. */
static void
failed_open_is_an_exit_code(void **state)
{
    static const struct {
        int rc, exit_code;
    } cases[] = {
        { MT_ENOTFOUND, EX_NOINPUT }, { MT_EDENIED, EX_NOPERM },  { MT_EDAMAGED, EX_DATAERR },  { MT_EVERSION, EX_DATAERR },
        { MT_EBUSY, EX_TEMPFAIL },    { MT_EIO, EX_IOERR },       { MT_EFULL, EX_CANTCREAT },   { MT_ENOMEM, EX_OSERR },
        { MT_EINVALID, EX_CONFIG },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct role_under_test t;
        open_rc = cases[i].rc;
        t = begin_with(ROLE_LOOKUP, CONFIG);
        send_empty(&t, MSG_GO);
        assert_int_equal(end(&t, "oc"), cases[i].exit_code);
    }
}

static void
configuration_is_needed(void **state)
{
    struct role_under_test t;

    (void)state;
    t = begin_with(ROLE_SMTPD, "domains: 5\n");
    assert_int_equal(end(&t, ""), EX_CONFIG);
    t = begin_with(ROLE_SMTPD, "");
    assert_int_equal(end(&t, ""), EX_CONFIG);
}

static void
role_ends_when_its_supervisor_is_gone(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    close(t.channel);
    t.channel = dup(t.notes);
    assert_int_equal(end(&t, "osDc"), EX_OK);
}

static void
broken_protocol_ends_the_role(void **state)
{
    static const struct {
        const char   *label;
        enum msg_type type;
        struct slice  fields;
    } cases[] = {
        { "not a supervisor's message", MSG_MINT,     { "", 0 }           },
        { "listener without a socket",  MSG_LISTENER, { "\0\0\0\0\1x", 6 } },
        { "short drain",                MSG_DRAIN,    { "\0\0", 2 }       },
        { "peer before go",             MSG_PEER,     { "\1\0\0", 3 }     },
        { "go with fields",             MSG_GO,       { "x", 1 }          },
        { "page without a memfd",       MSG_METRICS,  { "\1\0\0", 3 }     },
        { "store without a socket",     MSG_STORE,    { "", 0 }           },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct role_under_test t = begin(ROLE_SMTPD);
        send_to(&t, cases[i].type, 0, cases[i].fields, -1);
        if (end(&t, "") != EX_OK)
            fail_msg("%s: no orderly end", cases[i].label);
    }
}

static void
signals_for_the_supervisor_are_not_the_roles(void **state)
{
    struct role_under_test t = begin(ROLE_SMTPD);

    (void)state;
    send_empty(&t, MSG_GO);
    expect(&t, MSG_READY, 0);
    kill(t.pid, SIGINT);
    kill(t.pid, SIGTERM);
    kill(t.pid, SIGHUP);
    send_to(&t, MSG_PING, 3, slice_make("", 0), -1);
    expect(&t, MSG_ANSWER, 3);
    send_drain(&t, 7);
    assert_int_equal(end(&t, "osdc"), EX_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_goes_in_order),
        cmocka_unit_test(end_before_go_opens_nothing),
        cmocka_unit_test(drain_may_be_hastened),
        cmocka_unit_test(retired_role_goes_on_until_it_is_drained),
        cmocka_unit_test(retired_role_is_drained_when_its_time_is_over),
        cmocka_unit_test(what_is_handed_over_arrives),
        cmocka_unit_test(store_comes_goes_and_comes_again),
        cmocka_unit_test(only_store_hears_of_peers),
        cmocka_unit_test(failed_open_is_an_exit_code),
        cmocka_unit_test(configuration_is_needed),
        cmocka_unit_test(role_ends_when_its_supervisor_is_gone),
        cmocka_unit_test(broken_protocol_ends_the_role),
        cmocka_unit_test(signals_for_the_supervisor_are_not_the_roles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
