#include "tests/unit/unit.h"

#include "checker/steps.h"

#include <stdio.h>

/*
 * A dialogue as a list of events: 'b' connecting begins, 'k' connected, '>' a command, '<' a line of a reply, 'x' the end; each
 * takes place 10 us after the one before.
 */
struct event {
    char        what;
    const char *line;
};

static void
play(struct steps *s, const struct event *events, size_t count)
{
    uint64_t now = 1000;

    steps_init(s);
    for (size_t i = 0; i < count; i++, now += 10)
        switch (events[i].what) {
        case 'b':
            steps_begin(s, STEP_CONNECT, now);
            break;
        case 'k':
            steps_connected(s, now);
            break;
        case '>':
            steps_command(s, now, slice_of(events[i].line));
            break;
        case '<':
            steps_reply(s, now, slice_of(events[i].line));
            break;
        default:
            steps_stop(s, now);
        }
}

/* "connect 10, banner 10/220, …" with "!" for what is not done. */
static const char *
tell(const struct steps *s, char *to, size_t size)
{
    size_t len = 0;

    to[0] = '\0';
    for (unsigned i = 0; i < s->count && len < size; i++)
        len += (size_t)snprintf(to + len, size - len, "%s%s %llu/%u%s", i > 0 ? ", " : "", step_name(s->list[i].kind),
                                (unsigned long long)s->list[i].took_us, s->list[i].code, s->list[i].done ? "" : "!");
    return to;
}

static void
each_step_gets_its_time_and_reply(void **state)
{
    static const struct event events[] = {
        { 'b', NULL },                { 'k', NULL },
        { '<', "220 mx ESMTP\r\n" },  { '>', "EHLO me\r\n" },
        { '<', "250-mx\r\n" },        { '<', "250-SIZE 1\r\n" },
        { '<', "250 STARTTLS\r\n" },  { '>', "STARTTLS\r\n" },
        { '<', "220 go\r\n" },        { '>', "EHLO me\r\n" },
        { '<', "250 mx\r\n" },        { '>', "MAIL FROM:<a@b>\r\n" },
        { '<', "250 ok\r\n" },        { '>', "RCPT TO:<c@d>\r\n" },
        { '<', "250 ok\r\n" },        { '>', "DATA\r\n" },
        { '<', "354 go\r\n" },        { '<', "250 2.0.0 queued\r\n" },
        { '>', "QUIT\r\n" },          { '<', "221 bye\r\n" },
        { 'x', NULL },
    };
    struct steps s;
    char         text[512];

    (void)state;
    play(&s, events, COUNT(events));
    assert_string_equal(tell(&s, text, sizeof(text)),
                        "connect 10/0, banner 10/220, ehlo 30/250, starttls 10/220, tls 10/0, ehlo 10/250, mail 10/250, "
                        "rcpt 10/250, data 10/354, end 10/250, quit 10/221");
    assert_string_equal(s.list[2].reply, "250 mx SIZE 1 STARTTLS");
    assert_string_equal(steps_find(&s, STEP_END)->reply, "250 2.0.0 queued");
    assert_int_equal(s.list[0].at_us, 1000);
    assert_true(steps_accepted(&s));
    assert_null(steps_failed(&s));
}

static void
the_failed_step_is_the_last_before_quit(void **state)
{
    static const struct event refused[] = {
        { 'b', NULL }, { 'k', NULL }, { '<', "220 x" }, { '>', "EHLO x" }, { '<', "250 x" }, { '>', "MAIL FROM:<a@b>" },
        { '<', "250 x" }, { '>', "RCPT TO:<c@d>" }, { '<', "550-5.1.1 no" }, { '<', "550 5.1.1 such user" }, { '>', "QUIT" }, { 'x', NULL },
    };
    static const struct event hello[] = {
        { 'b', NULL }, { 'k', NULL }, { '<', "220 x" }, { '>', "EHLO x" }, { '<', "502 no" }, { '>', "HELO x" }, { '<', "250 x" }, { 'x', NULL },
    };
    static const struct event unconnected[] = { { 'b', NULL }, { 'x', NULL } };
    static const struct event silent[] = { { 'b', NULL }, { 'k', NULL }, { 'x', NULL } };
    static const struct event lost_after_data[] = {
        { 'b', NULL }, { 'k', NULL }, { '<', "220 x" }, { '>', "MAIL" }, { '<', "250 x" }, { '>', "DATA" }, { '<', "354 x" }, { 'x', NULL },
    };
    static const struct event handshake[] = {
        { 'b', NULL }, { 'k', NULL }, { '<', "220 x" }, { '>', "EHLO x" }, { '<', "250 x" }, { '>', "STARTTLS" }, { '<', "220 x" }, { 'x', NULL },
    };
    static const struct event nonsense[] = { { 'b', NULL }, { 'k', NULL }, { '<', "hello there" }, { 'x', NULL } };
    static const struct { const char *label; const struct event *events; size_t count; enum step_kind failed; unsigned code; } cases[] = {
        { "refused recipient", refused,         COUNT(refused),         STEP_RCPT,       550 },
        { "no connection",     unconnected,     COUNT(unconnected),     STEP_CONNECT,    0   },
        { "no banner",         silent,          COUNT(silent),          STEP_BANNER,     0   },
        { "no final reply",    lost_after_data, COUNT(lost_after_data), STEP_END,        0   },
        { "no handshake",      handshake,       COUNT(handshake),       STEP_TLS,        0   },
        { "no SMTP reply",     nonsense,        COUNT(nonsense),        STEP_BANNER,     0   },
        { "HELO after EHLO",   hello,           COUNT(hello),           STEP_KIND_COUNT, 0   },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct steps       s;
        const struct step *failed;

        play(&s, cases[i].events, cases[i].count);
        failed = steps_failed(&s);
        if ((failed == NULL ? STEP_KIND_COUNT : failed->kind) != cases[i].failed || (failed != NULL && failed->code != cases[i].code))
            fail_msg("%s: %s", cases[i].label, failed == NULL ? "none" : step_name(failed->kind));
        assert_false(steps_accepted(&s));
    }
}

static void
the_lines_of_auth_are_one_step(void **state)
{
    static const struct event events[] = {
        { 'b', NULL }, { 'k', NULL }, { '<', "220 x" }, { '>', "AUTH LOGIN" }, { '<', "334 VXNlcg==" }, { '>', "dXNlcg==" },
        { '<', "334 UGFzcw==" }, { '>', "cGFzcw==" }, { '<', "235 ok" }, { '>', "MAIL FROM:<a@b>" }, { 'x', NULL },
    };
    struct steps s;
    char         text[256];

    (void)state;
    play(&s, events, COUNT(events));
    assert_string_equal(tell(&s, text, sizeof(text)), "connect 10/0, banner 10/220, auth 50/235, mail 10/0!");
}

static void
hostile_replies_do_no_harm(void **state)
{
    static char  line[5000];
    struct steps s;

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "250-", 4);
    steps_init(&s);
    steps_reply(&s, 1, slice_of("250 before anything"));
    assert_int_equal(s.count, 0);
    for (unsigned i = 0; i < STEPS_MAX * 2; i++) {
        steps_command(&s, i, slice_of("NOOP"));
        steps_reply(&s, i, slice_of(line));
        steps_reply(&s, i, slice_of("25"));
        steps_reply(&s, i, slice_of("250"));
    }
    assert_int_equal(s.count, STEPS_MAX);
    assert_int_equal(strlen(s.list[0].reply), STEP_REPLY_BYTES - 1);
    steps_stop(&s, 99);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_gets_its_time_and_reply),
        cmocka_unit_test(the_failed_step_is_the_last_before_quit),
        cmocka_unit_test(the_lines_of_auth_are_one_step),
        cmocka_unit_test(hostile_replies_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
