#include "tests/unit/unit.h"

#include "checker/sendmail.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000 };

struct told {
    unsigned             calls;
    struct sender_result result;
};

static void
on_done(void *arg, const struct sender_result *result)
{
    struct told *told = arg;

    told->calls++;
    told->result = *result;
}

/* Runs a sendmail program that is this script of the shell. */
static struct told
run_script(const char *script, const char *from, const char *message, uint32_t limit_ms)
{
    char               dir[] = "/tmp/sendmail.XXXXXX", path[64];
    struct event_base *base = event_base_new();
    struct sender_task task = { .from = from, .to = "to@b.test", .message = slice_of(message), .limit_ms = limit_ms };
    struct told        told = { .calls = 0 };
    FILE              *file;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/sendmail", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    assert_int_equal(chmod(path, 0700), 0);
    assert_non_null(sendmail_start(base, path, &task, on_done, &told));
    assert_int_equal(told.calls, 0);
    event_base_dispatch(base);
    event_base_free(base);
    unlink(path);
    rmdir(dir);
    assert_int_equal(told.calls, 1);
    return told;
}

static void
exit_codes_are_told_apart(void **state)
{
    static const struct {
        const char *label, *script;
        bool        accepted, deferred, hopeless;
        const char *reason;
    } cases[] = {
        { "taken",       "cat >/dev/null",                            true,  false, false, "" },
        { "not now",     "cat >/dev/null; exit 75",                   false, true,  false, "exit code 75, it cannot take the mail now" },
        { "no user",     "cat >/dev/null; echo who? >&2; exit 67",    false, false, true,  "exit code 67, the user is unknown: who?" },
        { "another one", "cat >/dev/null; exit 3",                    false, false, true,  "exit code 3" },
        { "unread",      "exit 77",                                   false, false, true,  "exit code 77, not allowed" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct told              told = run_script(cases[i].script, "from@a.test", "a\r\n", PATIENCE_MS);
        const struct step *const step = steps_find(&told.result.steps, STEP_SENDMAIL);

        assert_slice(cases[i].label, slice_of(told.result.reason), cases[i].reason);
        if (told.result.accepted != cases[i].accepted || told.result.deferred != cases[i].deferred || told.result.hopeless != cases[i].hopeless)
            fail_msg("%s: accepted %d, deferred %d, hopeless %d", cases[i].label, told.result.accepted, told.result.deferred, told.result.hopeless);
        assert_non_null(step);
        assert_true((steps_failed(&told.result.steps) == NULL) == cases[i].accepted);
        assert_false(told.result.data_sent);
    }
}

static void
it_gets_the_envelope_as_words_and_the_mail_with_line_feeds(void **state)
{
    static const struct {
        const char *label, *from, *shown, *message;
    } cases[] = {
        { "usual",                "from@a.test", "-i -f from@a.test -- to@b.test", "Subject: x\r\n\r\n.\r\na\r\n" },
        { "the empty sender",     "",            "-i -f <> -- to@b.test",          "Subject: x\r\n\r\n.\r\na\r\n" },
        { "without a last line end", "f@a.test", "-i -f f@a.test -- to@b.test",    "Subject: x\r\n\r\n.\r\na" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char        script[400];
        struct told told;

        snprintf(script, sizeof(script), "[ \"$*\" = '%s' ] || exit 64\n[ \"$(cat | od -An -c | tr -d ' \\n')\" = 'Subject:x\\n\\n.\\na\\n' ] || exit 65",
                 cases[i].shown);
        told = run_script(script, cases[i].from, cases[i].message, PATIENCE_MS);
        assert_slice(cases[i].label, slice_of(told.result.reason), "");
    }
}

static void
one_that_does_not_end_may_have_taken_the_mail(void **state)
{
    struct told told = run_script("cat >/dev/null; exec sleep 600", "f@a.test", "a\r\n", 300);

    (void)state;
    assert_true(told.result.data_sent && told.result.hopeless && !told.result.accepted && !told.result.deferred);
    assert_slice("reason", slice_of(told.result.reason), "it did not end within 300 ms");
}

static void
one_that_is_given_up_is_killed(void **state)
{
    struct event_base   *base = event_base_new();
    struct sender_task   task = { .from = "f@a.test", .to = "--", .message = slice_of("a\r\n"), .limit_ms = PATIENCE_MS };
    struct told          told = { .calls = 0 };
    struct sendmail     *s = sendmail_start(base, "/bin/cat", &task, on_done, &told);
    struct sender_result seen;

    (void)state;
    assert_non_null(s);
    sendmail_peek(s, &seen);
    assert_true(seen.data_sent && steps_failed(&seen.steps)->kind == STEP_SENDMAIL);
    sendmail_cancel(s);
    sendmail_cancel(NULL);
    event_base_dispatch(base);
    event_base_free(base);
    assert_int_equal(told.calls, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_codes_are_told_apart),
        cmocka_unit_test(it_gets_the_envelope_as_words_and_the_mail_with_line_feeds),
        cmocka_unit_test(one_that_does_not_end_may_have_taken_the_mail),
        cmocka_unit_test(one_that_is_given_up_is_killed),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("sendmail", tests, NULL, NULL);
}
