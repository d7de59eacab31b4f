#include "tests/unit/unit.h"

#include "checker/clock.h"
#include "checker/program.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, INPUT_BYTES = 300000, OUTPUT_MAX = 500000 };

#define STANDARD_SIGNALS 0x7ffffffful       /* 1 to 31; the C library keeps two behind them for itself */

/* What a call of done told. */
struct told {
    struct event_base    *base;
    unsigned              calls;
    struct program_result result;
    char                  output[OUTPUT_MAX + 1];
};

static void
on_done(void *arg, const struct program_result *result)
{
    struct told *told = arg;

    told->calls++;
    told->result = *result;
    slice_copy(told->output, sizeof(told->output), result->output);
    told->result.output = slice_of(told->output);
    event_base_loopbreak(told->base);
}

/* Runs a script of the shell to its end. */
static struct told *
run_words(const char *const *words, const char *const *environment, struct slice input, uint32_t timeout_ms)
{
    static struct told  told;
    struct program_task task = {
        .words = words, .environment = environment, .input = input, .timeout_ms = timeout_ms, .output_max = OUTPUT_MAX,
    };

    told.calls = 0;
    told.base = event_base_new();
    assert_non_null(program_start(told.base, &task, on_done, &told));
    assert_int_equal(told.calls, 0);
    event_base_dispatch(told.base);
    event_base_free(told.base);
    assert_int_equal(told.calls, 1);
    return &told;
}

static struct told *
run_script(const char *script, const char *input, uint32_t timeout_ms)
{
    const char *const words[] = { "sh", "-c", script, NULL };

    return run_words(words, NULL, slice_of(input), timeout_ms);
}

static void
its_end_is_told_in_words(void **state)
{
    static const struct {
        const char *label, *script, *input;
        int         exit_code, signal;
        const char *output, *errors, *reason;
    } cases[] = {
        { "good",            "cat; echo done",                     "in ", 0,  0,  "in done\n", "",         "" },
        { "exit code",       "echo no >&2; exit 75",               "",    75, 0,  "",          "no",       "exit code 75: no" },
        { "lines of errors", "echo a >&2; echo b >&2; exit 1",     "",    1,  0,  "",          "a b",      "exit code 1: a b" },
        { "control codes",   "printf 'a\\033[2J' >&2; exit 1",     "",    1,  0,  "",          "a\\x1b[2J", "exit code 1: a\\x1b[2J" },
        { "signal",          "kill -TERM $$",                      "",    -1, 15, "",          "",         "it was ended by signal 15" },
        { "input not read",  "exec 0<&-; echo x",                  "abc", 0,  0,  "x\n",       "",         "" },
        { "warning alone",   "echo careful >&2",                   "",    0,  0,  "",          "careful",  "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct told *told = run_script(cases[i].script, cases[i].input, PATIENCE_MS);

        assert_true(told->result.started);
        assert_slice(cases[i].label, told->result.output, cases[i].output);
        assert_slice(cases[i].label, slice_of(told->result.errors), cases[i].errors);
        assert_slice(cases[i].label, slice_of(told->result.reason), cases[i].reason);
        if (told->result.exit_code != cases[i].exit_code || told->result.signal != cases[i].signal)
            fail_msg("%s: exit code %d, signal %d", cases[i].label, told->result.exit_code, told->result.signal);
    }
}

static void
more_than_a_pipe_holds_goes_in_and_out(void **state)
{
    char              *input = malloc(INPUT_BYTES + 1);
    const struct told *told;

    (void)state;
    assert_non_null(input);
    memset(input, 'x', INPUT_BYTES);
    input[INPUT_BYTES] = '\0';
    told = run_script("cat", input, PATIENCE_MS);
    assert_int_equal(told->result.output.len, INPUT_BYTES);
    assert_slice("whole", told->result.output, input);
    free(input);
}

static void
output_beyond_the_limit_is_read_and_dropped(void **state)
{
    const struct told *told = run_script("head -c 2000000 /dev/zero | tr '\\0' y; echo end >&2", "", PATIENCE_MS);

    (void)state;
    assert_int_equal(told->result.output.len, OUTPUT_MAX);
    assert_slice("ran to its end", slice_of(told->result.errors), "end");
}

static void
a_program_that_is_not_there_is_told_from_the_loop(void **state)
{
    static const char *const words[] = { "/nonexistent/program", NULL };
    const struct told       *told = run_words(words, NULL, slice_of(""), PATIENCE_MS);

    (void)state;
    assert_false(told->result.started);
    assert_int_equal(told->result.exit_code, -1);
    assert_slice("reason", slice_of(told->result.reason), "it cannot be started: No such file or directory");
}

static void
its_whole_group_is_killed_when_its_time_is_over(void **state)
{
    /* The inner one would hold the output open: that it is gone shows at the pipe's end, which cat waits for. */
    const struct told *told = run_script("sleep 600 & echo $!; wait", "", 200);
    pid_t              inner = (pid_t)strtol(told->output, NULL, 10);

    (void)state;
    assert_true(told->result.timed_out);
    assert_slice("reason", slice_of(told->result.reason), "it did not end within 200 ms");
    assert_true(inner > 1);
    for (int i = 0; i < 1000 && kill(inner, 0) == 0; i++) {
        char path[64], stat[128] = "";
        FILE *f;

        /* Where nobody waits for orphans it stays a zombie: that is dead, too. */
        snprintf(path, sizeof(path), "/proc/%d/stat", (int)inner);
        if ((f = fopen(path, "r")) == NULL)
            return;
        assert_true(fgets(stat, sizeof(stat), f) != NULL || feof(f) || ferror(f));
        fclose(f);
        if (strstr(stat, ") Z") != NULL)
            return;
        usleep(5000);
    }
    assert_int_not_equal(kill(inner, 0), 0);
}

static void
what_it_leaves_behind_is_not_waited_for(void **state)
{
    uint64_t           before = monotonic_us();
    const struct told *told = run_script("sleep 8 & echo begun; echo $! >&2", "", PATIENCE_MS);

    (void)state;
    assert_slice("output", told->result.output, "begun\n");
    assert_true(monotonic_us() - before < 6000000);
    kill((pid_t)strtol(told->result.errors, NULL, 10), SIGKILL);
}

static void
it_gets_three_descriptors_default_signals_and_a_clean_environment(void **state)
{
    static const char *const words[] = { "sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; grep SigIgn /proc/self/status; env | sort", NULL };
    static const char *const environment[] = { "MAILTEST_X=1", NULL };
    const struct told       *told;
    const char              *ignored;
    int                      open_one = dup(2);

    (void)state;
    assert_true(open_one > 2);
    setenv("MAILTEST_API_KEY", "hush", 1);
    told = run_words(words, environment, slice_of(""), PATIENCE_MS);
    close(open_one);
    unsetenv("MAILTEST_API_KEY");
    assert_true(slice_starts(told->result.output, "0 1 2 3 "));     /* 3 is the folder that ls reads */
    assert_null(strstr(told->output, " 4 "));
    ignored = strstr(told->output, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoul(ignored + strlen("SigIgn:\t"), NULL, 16) & STANDARD_SIGNALS, 0);
    assert_non_null(strstr(told->output, "MAILTEST_X=1\n"));
    assert_non_null(strstr(told->output, "PATH="));
    assert_null(strstr(told->output, "hush"));
}

static void
a_cancelled_program_is_killed_without_a_call(void **state)
{
    static const char *const words[] = { "sleep", "600", NULL };
    struct program_task      task = { .words = words, .timeout_ms = PATIENCE_MS, .output_max = 10 };
    struct told              told = { .calls = 0 };

    (void)state;
    told.base = event_base_new();
    program_cancel(NULL);
    program_cancel(program_start(told.base, &task, on_done, &told));
    event_base_dispatch(told.base);         /* there is nothing left to wait for */
    event_base_free(told.base);
    assert_int_equal(told.calls, 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);       /* no zombie */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_end_is_told_in_words),
        cmocka_unit_test(more_than_a_pipe_holds_goes_in_and_out),
        cmocka_unit_test(output_beyond_the_limit_is_read_and_dropped),
        cmocka_unit_test(a_program_that_is_not_there_is_told_from_the_loop),
        cmocka_unit_test(its_whole_group_is_killed_when_its_time_is_over),
        cmocka_unit_test(what_it_leaves_behind_is_not_waited_for),
        cmocka_unit_test(it_gets_three_descriptors_default_signals_and_a_clean_environment),
        cmocka_unit_test(a_cancelled_program_is_killed_without_a_call),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
