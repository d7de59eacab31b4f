#include "tests/unit/unit.h"

#include "lib/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OUT_LIMIT = 1024 * 1024, FIRST_OCTETS = 64 };

/* One end and what it heard. */
struct end {
    struct event_base *base;
    struct channel    *channel;
    unsigned           heard;           /* messages */
    uint16_t           type;
    uint64_t           req;
    size_t             len;
    char               first[FIRST_OCTETS];
    char               file[FIRST_OCTETS];  /* what stood in the descriptor that came along */
    bool               closed;
    int                closed_rc;
    bool               room;
    int                give;            /* on_message returns this */
    bool               free_inside;
};

struct pair {
    struct event_base *base;
    struct end         a, b;
};

static int
on_message(void *arg, const struct msg_head *head, struct reader *r, int *fd)
{
    struct end *e = arg;

    e->heard++;
    e->type = head->type;
    e->req = head->req;
    e->len = r->rest.len;
    slice_copy(e->first, sizeof(e->first), r->rest);
    if (*fd != -1) {
        ssize_t got = pread(*fd, e->file, sizeof(e->file) - 1, 0);

        e->file[got > 0 ? got : 0] = '\0';
    }
    if (e->free_inside) {
        channel_free(e->channel);
        e->channel = NULL;
    }
    return e->give;
}

static void
on_closed(void *arg, int rc)
{
    struct end *e = arg;

    e->closed = true;
    e->closed_rc = rc;
}

static void
on_room(void *arg)
{
    struct end *e = arg;

    e->room = true;
}

static int
set_up(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    int          fds[2];

    assert_non_null(p);
    p->base = event_base_new();
    assert_int_equal(channel_pair(fds), MT_OK);
    p->a.channel = channel_new(p->base, fds[0], OUT_LIMIT, on_message, on_closed, &p->a);
    p->b.channel = channel_new(p->base, fds[1], OUT_LIMIT, on_message, on_closed, &p->b);
    assert_non_null(p->a.channel);
    assert_non_null(p->b.channel);
    *state = p;
    return 0;
}

static int
tear_down(void **state)
{
    struct pair *p = *state;

    channel_free(p->a.channel);
    channel_free(p->b.channel);
    event_base_free(p->base);
    free(p);
    return 0;
}

/* Turns of the loop until nothing is left to do at once. */
static void
settle(struct pair *p)
{
    for (int i = 0; i < 200; i++)
        event_base_loop(p->base, EVLOOP_NONBLOCK);
}

static int
file_with(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static void
messages_arrive_whole_and_in_order(void **state)
{
    struct pair *p = *state;

    for (uint64_t i = 1; i <= 1000; i++)
        assert_int_equal(channel_send(p->a.channel, MSG_MAILBOX_GONE, i, slice_of("hello"), -1), MT_OK);
    settle(p);
    assert_int_equal(p->b.heard, 1000);
    assert_int_equal(p->b.req, 1000);
    assert_int_equal(p->b.type, MSG_MAILBOX_GONE);
    assert_string_equal(p->b.first, "hello");
    assert_int_equal(channel_answer(p->b.channel, 7, MT_EQUOTA), MT_OK);
    settle(p);
    assert_int_equal(p->a.req, 7);
    assert_int_equal(get_u32(p->a.first), MT_EQUOTA);
}

static void
the_largest_message_passes_and_a_larger_one_is_refused(void **state)
{
    struct pair *p = *state;
    char        *bytes = calloc(1, MSG_MAX_BYTES + 1);

    assert_non_null(bytes);
    assert_int_equal(channel_send(p->a.channel, MSG_DELIVER, 1, slice_make(bytes, MSG_MAX_BYTES + 1), -1), MT_ESIZE);
    assert_int_equal(channel_send(p->a.channel, MSG_DELIVER, 2, slice_make(bytes, MSG_MAX_BYTES), -1), MT_OK);
    settle(p);
    assert_int_equal(p->b.heard, 1);
    assert_int_equal(p->b.req, 2);
    assert_int_equal(p->b.len, MSG_MAX_BYTES);
    free(bytes);
}

static void
descriptors_stay_with_their_messages(void **state)
{
    struct pair *p = *state;

    for (int i = 0; i < 10; i++) {
        char name[16];

        snprintf(name, sizeof(name), "file %d", i);
        assert_int_equal(channel_send(p->a.channel, MSG_PING, 1, slice_of("no file"), -1), MT_OK);
        assert_int_equal(channel_send(p->a.channel, MSG_STORE, 2, slice_of(name), file_with(name)), MT_OK);
        settle(p);
        assert_string_equal(p->b.first, name);
        assert_string_equal(p->b.file, name);
    }
    for (int i = 0; i < 40; i++)
        assert_int_equal(channel_send(p->a.channel, MSG_STORE, 3, slice_of("x"), file_with(i == 39 ? "last" : "x")), MT_OK);
    settle(p);
    assert_int_equal(p->b.heard, 60);
    assert_string_equal(p->b.file, "last");
}

static void
a_full_channel_says_so_and_tells_when_there_is_room(void **state)
{
    struct pair *p = *state;
    char         bytes[1000] = { 0 };
    unsigned     sent = 0;
    int          rc;

    channel_on_room(p->a.channel, on_room);
    while ((rc = channel_send(p->a.channel, MSG_DELIVER, 1, slice_make(bytes, sizeof(bytes)), -1)) == MT_OK)
        sent++;
    assert_int_equal(rc, MT_EFULL);
    assert_true(channel_pending_bytes(p->a.channel) <= OUT_LIMIT + sizeof(bytes) + MSG_HEAD_BYTES);
    settle(p);
    assert_true(p->a.room);
    assert_int_equal(p->b.heard, sent);
    assert_int_equal(channel_send(p->a.channel, MSG_DELIVER, 2, slice_make(bytes, sizeof(bytes)), -1), MT_OK);
    settle(p);
    assert_int_equal(p->b.req, 2);
}

/* So many octets at most are read from a socket, and thrown away; how many there were. */
static size_t
read_away(int fd, size_t most)
{
    static char octets[64 * 1024];
    size_t      got = 0;
    ssize_t     n;

    while (got < most && (n = read(fd, octets, sizeof(octets))) > 0)
        got += (size_t)n;
    return got;
}

/* What has left and lies in the buffer still is nobody's fault: a message is sent or waits, and none is too large for that. */
static void
what_has_left_takes_no_room_from_what_comes(void **state)
{
    enum { ROUNDS = 100, OCTETS = 50 * 1024, WIDE = 16 * OUT_LIMIT };       /* much more than one message may have beyond the limit */
    static char octets[OCTETS];
    struct end  a = { .base = event_base_new() };
    size_t      sent = 0, got = 0;
    int         fds[2];

    (void)state;
    assert_int_equal(channel_pair(fds), MT_OK);
    a.channel = channel_new(a.base, fds[0], WIDE, on_message, on_closed, &a);
    for (int round = 0; round < ROUNDS; round++) {
        int rc;

        while ((rc = channel_send(a.channel, MSG_MAILBOX_GONE, 1, slice_make(octets, sizeof(octets)), -1)) == MT_OK)
            sent += MSG_HEAD_BYTES + sizeof(octets);
        assert_int_equal(rc, MT_EFULL);
        event_base_loop(a.base, EVLOOP_NONBLOCK);
        got += read_away(fds[1], OUT_LIMIT);
    }
    while (channel_pending_bytes(a.channel) > 0) {
        event_base_loop(a.base, EVLOOP_NONBLOCK);
        got += read_away(fds[1], OUT_LIMIT);
    }
    assert_int_equal(got + read_away(fds[1], WIDE), sent);
    channel_free(a.channel);
    close(fds[1]);
    event_base_free(a.base);
}

static void
hostile_bytes_end_the_channel_and_nothing_else(void **state)
{
    static const struct { const char *label; const char *bytes; size_t len; } cases[] = {
        { "another version",     "\0\2\0\1\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
        { "unknown type",        "\0\1\0\6\0\0\0\0\0\0\0\0\0\0\0\0" "\0\1\0\037\0\0\0\0\0\0\0\0\0\0\0\0", 32 },
        { "too long",            "\0\1\0\1\377\377\377\377\0\0\0\0\0\0\0\0", 16 },
        { "announced file lacks", "\0\1\200\1\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct event_base *base = event_base_new();
        struct end         e = { .base = base };
        int                fds[2];

        assert_int_equal(channel_pair(fds), MT_OK);
        e.channel = channel_new(base, fds[0], OUT_LIMIT, on_message, on_closed, &e);
        assert_int_equal(write(fds[1], cases[i].bytes, cases[i].len), (ssize_t)cases[i].len);
        for (int turn = 0; turn < 10; turn++)
            event_base_loop(base, EVLOOP_NONBLOCK);
        if (!e.closed || e.closed_rc != MT_EPROTO)
            fail_msg("%s: the channel lives on", cases[i].label);
        channel_free(e.channel);
        close(fds[1]);
        event_base_free(base);
    }
}

static void
a_message_that_comes_octet_by_octet_is_heard_once(void **state)
{
    static const char bytes[] = "\0\1\0\4\0\0\0\3\0\0\0\0\0\0\0\5abc";
    struct event_base *base = event_base_new();
    struct end         e = { .base = base };
    int                fds[2];

    (void)state;
    assert_int_equal(channel_pair(fds), MT_OK);
    e.channel = channel_new(base, fds[0], OUT_LIMIT, on_message, on_closed, &e);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        assert_int_equal(e.heard, 0);
        assert_int_equal(write(fds[1], bytes + i, 1), 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(e.heard, 1);
    assert_int_equal(e.req, 5);
    assert_string_equal(e.first, "abc");
    channel_free(e.channel);
    close(fds[1]);
    event_base_free(base);
}

static void
the_end_is_told_once_after_all_that_came_before(void **state)
{
    struct pair *p = *state;

    channel_send(p->a.channel, MSG_GO, 1, slice_of("last words"), -1);
    assert_int_equal(channel_flush(p->a.channel), MT_OK);
    channel_free(p->a.channel);
    p->a.channel = NULL;
    settle(p);
    assert_string_equal(p->b.first, "last words");
    assert_true(p->b.closed);
    assert_int_equal(p->b.closed_rc, MT_OK);
    assert_int_equal(channel_send(p->b.channel, MSG_GO, 1, slice_of("x"), -1), MT_ESHUTDOWN);
}

static void
a_refused_message_closes_the_channel(void **state)
{
    struct pair *p = *state;

    p->b.give = MT_EPROTO;
    channel_send(p->a.channel, MSG_GO, 1, slice_of("1"), -1);
    channel_send(p->a.channel, MSG_GO, 2, slice_of("2"), -1);
    settle(p);
    assert_int_equal(p->b.heard, 1);
    assert_true(p->b.closed);
    assert_int_equal(p->b.closed_rc, MT_EPROTO);
}

static void
a_channel_may_be_freed_while_it_is_heard(void **state)
{
    struct pair *p = *state;

    p->b.free_inside = true;
    channel_send(p->a.channel, MSG_GO, 1, slice_of("1"), -1);
    channel_send(p->a.channel, MSG_GO, 2, slice_of("2"), -1);
    settle(p);
    assert_int_equal(p->b.heard, 1);
    assert_true(p->a.closed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(messages_arrive_whole_and_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_message_passes_and_a_larger_one_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(descriptors_stay_with_their_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_channel_says_so_and_tells_when_there_is_room, set_up, tear_down),
        cmocka_unit_test(what_has_left_takes_no_room_from_what_comes),
        cmocka_unit_test_setup_teardown(the_end_is_told_once_after_all_that_came_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_refused_message_closes_the_channel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_channel_may_be_freed_while_it_is_heard, set_up, tear_down),
        cmocka_unit_test(hostile_bytes_end_the_channel_and_nothing_else),
        cmocka_unit_test(a_message_that_comes_octet_by_octet_is_heard_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
