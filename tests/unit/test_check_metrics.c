#include "tests/unit/unit.h"

#include "checker/check_metrics.h"
#include "checker/result_lines.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool
has_line(const struct buf *text, const char *line)
{
    char *whole = NULL;
    bool  found;

    if (asprintf(&whole, "\n%.*s", (int)text->len, text->data) == -1)
        fail();
    found = strstr(whole, line) != NULL && strstr(whole, line)[strlen(line)] == '\n' && strstr(whole, line)[-1] == '\n';
    free(whole);
    return found;
}

static void
row(void *arg, unsigned check, struct check_metrics_row *out)
{
    static const struct check_metrics_row rows[] = {
        { .name = "a/b", .state = STATE_CRITICAL, .known = true, .last_success_us = 1700000000123000, .total_us = 3250000,
          .interval_ms = 1500 },
        { .name = "new" },
    };

    (void)arg;
    *out = rows[check];
}

static struct outcome
outcome_of(const char *verdict, enum state state, const char *step, uint64_t us)
{
    struct outcome o;

    outcome_init(&o);
    slice_copy(o.verdict, sizeof(o.verdict), slice_of(verdict));
    o.state = state;
    if (step != NULL)
        outcome_add_time(&o, step, us);
    return o;
}

static void
runs_are_counted_by_kind_step_and_verdict(void **state)
{
    static const char *const lines[] = {
        "mailtest_check_step_seconds_bucket{kind=\"round-trip\",step=\"connect\",le=\"0.005\"} 1",
        "mailtest_check_step_seconds_bucket{kind=\"round-trip\",step=\"connect\",le=\"0.01\"} 2",
        "mailtest_check_step_seconds_bucket{kind=\"round-trip\",step=\"connect\",le=\"3600\"} 2",
        "mailtest_check_step_seconds_bucket{kind=\"round-trip\",step=\"connect\",le=\"+Inf\"} 3",
        "mailtest_check_step_seconds_sum{kind=\"round-trip\",step=\"connect\"} 7200.011000",
        "mailtest_check_step_seconds_count{kind=\"smtp\",step=\"connect\"} 1",
        "mailtest_check_runs_total{kind=\"round-trip\",state=\"OK\",verdict=\"arrived\"} 2",
        "mailtest_check_runs_total{kind=\"round-trip\",state=\"CRITICAL\",verdict=\"arrived\"} 1",
        "mailtest_check_state{check=\"a/b\"} 2",
        "mailtest_check_last_success_timestamp_seconds{check=\"a/b\"} 1700000000.123",
        "mailtest_check_total_seconds{check=\"a/b\"} 3.250000",
        "mailtest_check_interval_seconds{check=\"a/b\"} 1.5",
        "mailtest_check_under_way 7",
        "# TYPE mailtest_check_under_way gauge",
    };
    const struct { enum check_kind kind; struct outcome o; } taken[] = {
        { CHECK_ROUND_TRIP, outcome_of("arrived", STATE_OK, "connect", 5000) },
        { CHECK_ROUND_TRIP, outcome_of("arrived", STATE_OK, "connect", 6000) },
        { CHECK_ROUND_TRIP, outcome_of("arrived", STATE_CRITICAL, "connect", UINT64_C(7200000000)) },
        { CHECK_SMTP, outcome_of("ok", STATE_OK, "connect", 1) },
    };
    struct check_metrics *m = check_metrics_new();
    struct buf            text;

    (void)state;
    for (size_t i = 0; i < COUNT(taken); i++)
        check_metrics_take(m, taken[i].kind, &taken[i].o);
    buf_init(&text, 100000);
    check_metrics_write(m, 2, row, NULL, &text);
    check_metrics_one(&text, "under_way", "gauge", "runs", 7);
    for (size_t i = 0; i < COUNT(lines); i++)
        if (!has_line(&text, lines[i]))
            fail_msg("there is no line \"%s\" in\n%.*s", lines[i], (int)text.len, text.data);
    buf_append_byte(&text, '\0');
    assert_null(strstr(text.data, "check=\"new\""));
    buf_fini(&text);
    check_metrics_free(m);
}

/* Names come from code, but a bound is a bound. */
static void
steps_and_verdicts_are_bounded(void **state)
{
    struct check_metrics *m = check_metrics_new();
    struct buf            text;
    unsigned              lines = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        char           name[16];
        struct outcome o;
        snprintf(name, sizeof(name), "n%u", i);
        o = outcome_of(name, STATE_OK, name, 1);
        check_metrics_take(m, CHECK_SMTP, &o);
    }
    buf_init(&text, 1000000);
    check_metrics_write(m, 0, row, NULL, &text);
    buf_append_byte(&text, '\0');
    for (const char *p = text.data; (p = strstr(p, "runs_total{")) != NULL; p++)
        lines++;
    assert_int_equal(lines, METRIC_VERDICTS_MAX);
    buf_fini(&text);
    check_metrics_free(m);
}

/* ---- Lines of results ----------------------------------------------------------------------------------------------------------- */

static void
assert_file(const char *name, const char *want)
{
    char    got[200];
    int     fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, got, sizeof(got));

    close(fd);
    assert_slice(name, slice_make(got, n > 0 ? (size_t)n : 0), want);
}

static void
file_of_lines_can_be_moved_away(void **state)
{
    char                 dir[] = "/tmp/test_lines.XXXXXX", name[100], moved[100];
    struct event_base   *base = event_base_new();
    struct result_lines *r = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(name, sizeof(name), "%s/results", dir);
    snprintf(moved, sizeof(moved), "%s/results.1", dir);
    assert_int_equal(result_lines_open(base, name, &r), MT_OK);
    result_lines_write(r, slice_of("{\"a\":1}"));
    assert_int_equal(rename(name, moved), 0);
    result_lines_write(r, slice_of("{\"b\":2}"));
    result_lines_reopen(r);
    result_lines_write(r, slice_of("{\"c\":3}"));
    assert_file(moved, "{\"a\":1}\n{\"b\":2}\n");
    assert_file(name, "{\"c\":3}\n");
    assert_int_equal(result_lines_dropped(r), 0);
    result_lines_close(r);
    unlink(name);
    unlink(moved);
    rmdir(dir);
    assert_int_equal(result_lines_open(base, "/nonexistent/results", &r), MT_ENOTFOUND);
    event_base_free(base);
}

/* What a slow reader does not take waits, and beyond a bound is dropped; what it is given are whole lines in their order. */
static void
pipe_takes_lines_as_its_reader_does(void **state)
{
    enum { LINES = 300, LINE_BYTES = 100000 };
    struct event_base   *base = event_base_new();
    struct result_lines *r = NULL;
    char                *line = malloc(LINE_BYTES), *got = malloc(LINE_BYTES);
    int                  ends[2], kept = dup(STDOUT_FILENO);
    size_t               total = 0, newlines = 0;

    (void)state;
    assert_true(line != NULL && got != NULL && pipe(ends) == 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    close(ends[1]);
    memset(line, 'x', LINE_BYTES);
    assert_int_equal(result_lines_open(base, "-", &r), MT_OK);
    for (unsigned i = 0; i < LINES; i++)
        result_lines_write(r, slice_make(line, LINE_BYTES));
    assert_int_equal(result_lines_dropped(r), LINES - RESULT_LINES_WAITING_MAX / (LINE_BYTES + 1));
    while (result_lines_waiting(r) > 0) {
        ssize_t n;
        event_base_loop(base, EVLOOP_NONBLOCK);
        n = read(ends[0], got, LINE_BYTES);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++, total++)
            newlines += got[i] == '\n' && total % (LINE_BYTES + 1) == LINE_BYTES;
    }
    result_lines_close(r);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    while (true) {
        ssize_t n = read(ends[0], got, LINE_BYTES);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++, total++)
            newlines += got[i] == '\n' && total % (LINE_BYTES + 1) == LINE_BYTES;
    }
    assert_int_equal(newlines, RESULT_LINES_WAITING_MAX / (LINE_BYTES + 1));
    assert_int_equal(total, newlines * (LINE_BYTES + 1));
    close(ends[0]);
    free(line);
    free(got);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_counted_by_kind_step_and_verdict),
        cmocka_unit_test(steps_and_verdicts_are_bounded),
        cmocka_unit_test(file_of_lines_can_be_moved_away),
        cmocka_unit_test(pipe_takes_lines_as_its_reader_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
