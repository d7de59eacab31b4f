#include "tests/unit/unit.h"

#include "checker/credential.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { REQUESTS_MAX = 16 };

static struct world {
    char                dir[32], file[64], counter[64], script[256];
    struct event_base  *base;
    struct credentials *credentials;
    unsigned            calls;
    char                secret[64], reason[512];
} world;

static time_t skipped_s;

/* Every clock of this program runs ahead of the system's by what a test has skipped. */
int     /* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are reserved */
clock_gettime(clockid_t id, struct timespec *t)
{
    long rc = syscall(SYS_clock_gettime, id, t);

    t->tv_sec += skipped_s;
    return (int)rc;
}

static void
on_secret(void *arg, const char *secret, const char *reason)
{
    struct world *w = arg;

    w->calls++;
    assert_true((secret == NULL) != (reason == NULL));
    slice_copy(w->secret, sizeof(w->secret), slice_of(secret));
    slice_copy(w->reason, sizeof(w->reason), slice_of(reason));
}

static void
write_file(const char *name, struct slice text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd != -1);
    assert_int_equal(write(fd, text.data, text.len), (ssize_t)text.len);
    close(fd);
}

static int
setup(void **state)
{
    (void)state;
    snprintf(world.dir, sizeof(world.dir), "/tmp/credential.XXXXXX");
    assert_non_null(mkdtemp(world.dir));
    snprintf(world.file, sizeof(world.file), "%s/secret", world.dir);
    snprintf(world.counter, sizeof(world.counter), "%s/counter", world.dir);
    world.base = event_base_new();
    world.credentials = credentials_new(world.base);
    world.calls = 0;
    assert_non_null(world.credentials);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    credentials_free(world.credentials);
    event_base_free(world.base);
    unlink(world.file);
    unlink(world.counter);
    rmdir(world.dir);
    return 0;
}

static void
ask(const struct auth *auth)
{
    unsigned before = world.calls;

    assert_non_null(credential_get(world.credentials, auth, on_secret, &world));
    assert_int_equal(world.calls, before);
    event_base_dispatch(world.base);
    assert_int_equal(world.calls, before + 1);
}

/* How often the command was run. */
static size_t
times_run(void)
{
    struct stat st;

    return stat(world.counter, &st) == 0 ? (size_t)st.st_size : 0;
}

static struct auth
token_auth(const char *script)
{
    snprintf(world.script, sizeof(world.script), "printf x >>%s; %s", world.counter, script);
    return (struct auth){ .mechanism = AUTH_XOAUTH2, .user = "u", .token_command = { "sh", "-c", world.script } };
}

static void
a_password_is_the_one_line_of_its_file(void **state)
{
    static const struct {
        const char *label, *text, *secret, *fault;
    } cases[] = {
        { "line",              "hush hush\n",   "hush hush",  NULL },
        { "without a line end", "hush",         "hush",       NULL },
        { "CRLF",              "hush\r\n",      "hush",       NULL },
        { "blanks belong to it", " hush \n",    " hush ",     NULL },
        { "UTF-8",             "p\xc3\xa4ss\n", "p\xc3\xa4ss", NULL },
        { "empty",             "",              "",           "it is empty" },
        { "an empty line",     "\n",            "",           "it is empty" },
        { "two lines",         "one\ntwo\n",    "",           "it has more than one line" },
        { "control character", "a\001b\n",      "",           "it has control characters in it" },
    };
    struct auth auth = { .mechanism = AUTH_PLAIN, .user = "u", .password_file = world.file };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        write_file(world.file, slice_of(cases[i].text));
        ask(&auth);
        assert_slice(cases[i].label, slice_of(world.secret), cases[i].secret);
        if (cases[i].fault != NULL && strstr(world.reason, cases[i].fault) == NULL)
            fail_msg("%s: reason \"%s\"", cases[i].label, world.reason);
    }
}

static void
a_file_that_cannot_be_read_is_a_reason(void **state)
{
    static char large[CREDENTIAL_MAX_BYTES + 1];
    struct auth none = { .mechanism = AUTH_PLAIN, .user = "u", .password_file = "/nonexistent/secret" };
    struct auth folder = { .mechanism = AUTH_PLAIN, .user = "u", .password_file = world.dir };
    struct auth file = { .mechanism = AUTH_PLAIN, .user = "u", .password_file = world.file };
    struct auth unnamed = { .mechanism = AUTH_PLAIN, .user = "u" };

    (void)state;
    ask(&none);
    assert_slice("none", slice_of(world.reason), "password file /nonexistent/secret: No such file or directory");
    ask(&folder);
    assert_non_null(strstr(world.reason, "Invalid argument"));
    memset(large, 'x', sizeof(large));
    write_file(world.file, slice_make(large, sizeof(large)));
    ask(&file);
    assert_non_null(strstr(world.reason, "too large"));
    ask(&unnamed);
    assert_slice("unnamed", slice_of(world.reason), "there is no password file for u");
}

static void
a_token_command_is_run_once_for_many(void **state)
{
    struct auth auth = token_auth("echo ya29.token");

    (void)state;
    for (unsigned i = 0; i < REQUESTS_MAX; i++)
        assert_non_null(credential_get(world.credentials, &auth, on_secret, &world));
    event_base_dispatch(world.base);
    assert_int_equal(world.calls, REQUESTS_MAX);
    assert_slice("token", slice_of(world.secret), "ya29.token");
    ask(&auth);
    assert_slice("kept", slice_of(world.secret), "ya29.token");
    assert_false(credential_refused(world.credentials, &auth));     /* but it is brand-new: another one would be no better */
    ask(&auth);
    assert_int_equal(times_run(), 1);
}

static void
a_token_is_asked_for_anew_when_it_is_old_or_refused(void **state)
{
    struct auth auth = token_auth("wc -c <\"$0\"");

    (void)state;
    auth.token_command[3] = world.counter;      /* "$0": prints how often it was run */
    ask(&auth);
    assert_slice("first", slice_of(world.secret), "1");
    skipped_s += CREDENTIAL_KEPT_MS / 1000 - 1;
    ask(&auth);
    assert_slice("kept", slice_of(world.secret), "1");
    skipped_s += 2;
    ask(&auth);
    assert_slice("too old", slice_of(world.secret), "2");
    skipped_s += CREDENTIAL_FAULT_KEPT_MS / 1000 + 1;
    assert_true(credential_refused(world.credentials, &auth));
    ask(&auth);
    assert_slice("refused", slice_of(world.secret), "3");
    assert_false(credential_refused(world.credentials, &auth));
    ask(&auth);
    assert_slice("another one was refused late", slice_of(world.secret), "3");
}

static void
a_command_that_failed_is_asked_again_later(void **state)
{
    struct auth auth = token_auth("test $(wc -c <\"$0\") -gt 1 && echo good");

    (void)state;
    auth.token_command[3] = world.counter;
    ask(&auth);
    assert_slice("fails", slice_of(world.reason), "token command: exit code 1");
    skipped_s += CREDENTIAL_FAULT_KEPT_MS / 1000 + 1;
    ask(&auth);
    assert_slice("good", slice_of(world.secret), "good");
}

static void
another_command_has_another_token(void **state)
{
    struct auth one = { .mechanism = AUTH_OAUTHBEARER, .token_command = { "echo", "one" } };
    struct auth two = { .mechanism = AUTH_OAUTHBEARER, .token_command = { "echo", "two" } };

    (void)state;
    ask(&one);
    assert_slice("one", slice_of(world.secret), "one");
    ask(&two);
    assert_slice("two", slice_of(world.secret), "two");
}

static void
a_command_that_fails_is_a_reason_and_not_asked_at_once_again(void **state)
{
    static const struct {
        const char *label, *script, *reason;
    } cases[] = {
        { "exit code",    "echo expired >&2; exit 3",   "token command: exit code 3: expired" },
        { "nothing",      "true",                       "token command: what it printed is empty" },
        { "two lines",    "printf 'a\\nb\\n'",          "token command: what it printed has more than one line" },
        { "blank",        "echo a b",                   "token command: what it printed is no access token" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct auth auth = token_auth(cases[i].script);

        ask(&auth);
        assert_slice(cases[i].label, slice_of(world.reason), cases[i].reason);
        ask(&auth);
        assert_slice(cases[i].label, slice_of(world.reason), cases[i].reason);
        assert_int_equal(times_run(), i + 1);
    }
}

static void
cancelled_requests_are_not_answered(void **state)
{
    struct auth                token = token_auth("echo t"), file = { .mechanism = AUTH_PLAIN, .password_file = world.file };
    struct credential_request *first = credential_get(world.credentials, &token, on_secret, &world);
    struct credential_request *second = credential_get(world.credentials, &token, on_secret, &world);
    struct credential_request *third = credential_get(world.credentials, &file, on_secret, &world);

    (void)state;
    assert_true(first != NULL && second != NULL && third != NULL);
    credential_cancel(NULL);
    credential_cancel(first);
    credential_cancel(third);
    event_base_dispatch(world.base);
    assert_int_equal(world.calls, 1);
    assert_non_null(credential_get(world.credentials, &file, on_secret, &world));       /* teardown frees it unanswered */
}

static void
automatic_takes_the_token_only_where_there_is_no_password(void **state)
{
    struct auth both = { .mechanism = AUTH_AUTO, .password_file = "x", .token_command = { "t" } };
    struct auth command = { .mechanism = AUTH_AUTO, .token_command = { "t" } };
    struct auth plain = { .mechanism = AUTH_PLAIN, .token_command = { "t" } };

    (void)state;
    assert_false(credential_is_token(&both));
    assert_true(credential_is_token(&command));
    assert_false(credential_is_token(&plain));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_password_is_the_one_line_of_its_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_a_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_command_is_run_once_for_many, setup, teardown),
        cmocka_unit_test_setup_teardown(a_token_is_asked_for_anew_when_it_is_old_or_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_that_failed_is_asked_again_later, setup, teardown),
        cmocka_unit_test_setup_teardown(another_command_has_another_token, setup, teardown),
        cmocka_unit_test_setup_teardown(a_command_that_fails_is_a_reason_and_not_asked_at_once_again, setup, teardown),
        cmocka_unit_test_setup_teardown(cancelled_requests_are_not_answered, setup, teardown),
        cmocka_unit_test(automatic_takes_the_token_only_where_there_is_no_password),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("credential", tests, NULL, NULL);
}
