#include "tests/unit/unit.h"

#include "ctl/client.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * A store that reads one request after another and sends back, for each, the octets that the script says; in a thread of its own.
 * The client's own requests are counted from 1, which the script relies on.
 */
struct script {
    char       path[108];
    int        listener;
    pthread_t  thread;
    struct buf replies[4];
    unsigned   count;
};

static void
serve_one(int fd, const struct buf *reply)
{
    char            head[MSG_HEAD_BYTES], rest[4096];
    struct msg_head h;
    ssize_t         got = recv(fd, head, sizeof(head), MSG_WAITALL);

    assert(got == (ssize_t)sizeof(head));
    assert(msg_head_read(slice_make(head, sizeof(head)), &h) == MT_OK && h.len_bytes <= sizeof(rest));
    if (h.len_bytes > 0)
        assert(recv(fd, rest, h.len_bytes, MSG_WAITALL) == (ssize_t)h.len_bytes);
    assert(write(fd, reply->data, reply->len) == (ssize_t)reply->len);
}

static void *
serve(void *arg)
{
    struct script *s = arg;
    char           octet;
    int            fd = accept(s->listener, NULL, NULL);

    for (unsigned i = 0; i < s->count; i++)
        if (s->replies[i].len == 0) {
            close(fd);              /* the store goes away */
            return NULL;
        } else {
            serve_one(fd, &s->replies[i]);
        }
    while (read(fd, &octet, 1) > 0)
        continue;                   /* until the client has gone */
    close(fd);
    return NULL;
}

static void
script_start(struct script *s)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(s->path, sizeof(s->path), "/tmp/mailtest-client-%ld", (long)getpid());
    unlink(s->path);
    memcpy(address.sun_path, s->path, sizeof(s->path));
    s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->listener, 1), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void
script_end(struct script *s)
{
    pthread_join(s->thread, NULL);
    close(s->listener);
    unlink(s->path);
    for (unsigned i = 0; i < COUNT(s->replies); i++)
        buf_fini(&s->replies[i]);
}

static void
script_init(struct script *s, unsigned count)
{
    *s = (struct script){ .count = count };
    for (unsigned i = 0; i < COUNT(s->replies); i++)
        buf_init(&s->replies[i], 65536);
}

/* Appends one message. */
static void
add(struct buf *b, enum msg_type type, uint64_t req, struct slice fields)
{
    msg_head_write(b, &(struct msg_head){ .version = MSG_VERSION, .type = (uint16_t)type, .len_bytes = (uint32_t)fields.len, .req = req });
    buf_append_slice(b, fields);
}

#define FIELDS(text) slice_make(text, sizeof(text) - 1)
#define OK_FIELD     "\0\0\0\0"

static int
read_sum(void *arg, struct reader *r)
{
    uint32_t v;

    read_u32(r, &v);
    *(uint32_t *)arg += v;
    return MT_OK;
}

static void
rows_and_answer_are_read_in_order(void **state)
{
    struct script  s;
    struct client *c;
    uint32_t       sum = 0;

    (void)state;
    script_init(&s, 2);
    add(&s.replies[0], MSG_ROW, 1, FIELDS("\0\0\0\1"));
    add(&s.replies[0], MSG_ROW, 1, FIELDS("\0\0\0\2"));
    add(&s.replies[0], MSG_ANSWER, 1, FIELDS(OK_FIELD));
    add(&s.replies[1], MSG_ANSWER, 2, FIELDS(OK_FIELD "\0\0\0\4"));
    script_start(&s);
    assert_rc("connect", client_connect(s.path, &c), MT_OK);
    client_fields(c);
    assert_rc("list", client_call(c, MSG_KEY_LIST, -1, read_sum, NULL, &sum), MT_OK);
    assert_int_equal(sum, 3);
    write_string(client_fields(c), "acme");
    assert_rc("delete", client_call(c, MSG_MAILBOX_DELETE, -1, NULL, read_sum, &sum), MT_OK);
    assert_int_equal(sum, 7);
    client_close(c);
    script_end(&s);
}

static void
what_store_refuses_is_the_result(void **state)
{
    struct script  s;
    struct client *c;

    (void)state;
    script_init(&s, 1);
    add(&s.replies[0], MSG_ANSWER, 1, FIELDS("\0\0\0\x07"));
    script_start(&s);
    assert_rc("connect", client_connect(s.path, &c), MT_OK);
    client_fields(c);
    assert_rc("refused", client_call(c, MSG_KEY_RETIRE, -1, NULL, NULL, NULL), MT_ENOTFOUND);
    client_close(c);
    script_end(&s);
}

static void
answers_that_do_not_fit_end_the_channel(void **state)
{
    static const struct { const char *label; enum msg_type type; uint64_t req; struct slice fields; } cases[] = {
        { "too short",             MSG_ANSWER,  1, { "\0\0\0", 3 }           },
        { "something left over",   MSG_ANSWER,  1, { OK_FIELD "x", 5 }       },
        { "an unknown error",      MSG_ANSWER,  1, { "\0\0\1\0", 4 }         },
        { "to another request",    MSG_ANSWER,  9, { OK_FIELD, 4 }           },
        { "a row not asked for",   MSG_ROW,     1, { "\0\0\0\1", 4 }         },
        { "not an answer",         MSG_PING,    1, { NULL, 0 }               },
        { "a change cut short",    MSG_CHANGED, 0, { "\1", 1 }               },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct script  s;
        struct client *c;

        script_init(&s, 1);
        add(&s.replies[0], cases[i].type, cases[i].req, cases[i].fields);
        script_start(&s);
        assert_rc(cases[i].label, client_connect(s.path, &c), MT_OK);
        client_fields(c);
        assert_rc(cases[i].label, client_call(c, MSG_KEY_ROTATE, -1, NULL, NULL, NULL), MT_EPROTO);
        client_fields(c);
        assert_int_not_equal(client_call(c, MSG_KEY_ROTATE, -1, NULL, NULL, NULL), MT_OK);
        client_close(c);
        script_end(&s);
    }
}

static void
a_store_that_goes_away_or_is_silent_is_told_apart(void **state)
{
    struct script  s;
    struct client *c;

    (void)state;
    script_init(&s, 1);         /* an empty reply: it closes */
    script_start(&s);
    assert_rc("connect", client_connect(s.path, &c), MT_OK);
    client_fields(c);
    assert_rc("gone", client_call(c, MSG_STATUS, -1, NULL, NULL, NULL), MT_ESHUTDOWN);
    client_close(c);
    script_end(&s);

    script_init(&s, 0);
    script_start(&s);
    assert_rc("connect", client_connect(s.path, &c), MT_OK);
    client_set_patience(c, 1);
    client_fields(c);
    assert_rc("silent", client_call(c, MSG_STATUS, -1, NULL, NULL, NULL), MT_EAGAIN);
    client_close(c);
    script_end(&s);
    assert_rc("nobody", client_connect(s.path, &c), MT_ESHUTDOWN);
}

static bool
is_acme(void *arg, const struct change *change)
{
    ++*(unsigned *)arg;
    return strcmp(change->mailbox, "acme") == 0;
}

static void
add_change(struct buf *b, const char *mailbox)
{
    struct change change = { .kind = CHANGE_ARRIVED };
    struct buf    fields;

    slice_copy(change.mailbox, sizeof(change.mailbox), slice_of(mailbox));
    buf_init(&fields, 4096);
    change_write(&fields, &change);
    add(b, MSG_CHANGED, 0, buf_slice(&fields));
    buf_fini(&fields);
}

static void
a_change_is_not_missed_while_something_else_is_asked(void **state)
{
    struct script  s;
    struct client *c;
    unsigned       seen = 0;

    (void)state;
    script_init(&s, 2);
    add(&s.replies[0], MSG_ANSWER, 1, FIELDS(OK_FIELD));
    add_change(&s.replies[1], "other");
    add_change(&s.replies[1], "acme");
    add(&s.replies[1], MSG_ANSWER, 2, FIELDS(OK_FIELD));
    script_start(&s);
    assert_rc("connect", client_connect(s.path, &c), MT_OK);
    assert_rc("watch", client_watch(c, is_acme, &seen), MT_OK);
    assert_rc("nothing yet", client_wait(c, 1), MT_EAGAIN);
    client_fields(c);
    assert_rc("asked", client_call(c, MSG_STATUS, -1, NULL, NULL, NULL), MT_OK);
    assert_int_equal(seen, 2);
    assert_rc("heard of", client_wait(c, 60000), MT_OK);
    assert_rc("only once", client_wait(c, 1), MT_EAGAIN);
    client_close(c);
    script_end(&s);
}

static void
a_path_too_long_for_a_socket_is_refused(void **state)
{
    char           path[200];
    struct client *c;

    (void)state;
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_rc("long", client_connect(path, &c), MT_EINVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_answer_are_read_in_order),
        cmocka_unit_test(what_store_refuses_is_the_result),
        cmocka_unit_test(answers_that_do_not_fit_end_the_channel),
        cmocka_unit_test(a_store_that_goes_away_or_is_silent_is_told_apart),
        cmocka_unit_test(a_change_is_not_missed_while_something_else_is_asked),
        cmocka_unit_test(a_path_too_long_for_a_socket_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
