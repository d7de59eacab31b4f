#include "tests/unit/unit.h"

#include "lib/log.h"

#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Standard error goes to a pipe while a line is written; gives what came out, as a C string. */
struct capture {
    int  saved, in, out;
    char text[8192];
};

static void
capture_begin(struct capture *c)
{
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    c->saved = dup(STDERR_FILENO);
    c->in = fds[0];
    dup2(fds[1], STDERR_FILENO);
    close(fds[1]);
}

static const char *
capture_end(struct capture *c)
{
    ssize_t n;

    dup2(c->saved, STDERR_FILENO);      /* closes the pipe's last writer */
    close(c->saved);
    n = read(c->in, c->text, sizeof(c->text) - 1);
    close(c->in);
    c->text[n > 0 ? n : 0] = '\0';
    return c->text;
}

static void
log_text_is_safe_for_a_line(void **state)
{
    static const struct {
        const char *label, *in, *out;
    } cases[] = {
        { "empty",         "",                  ""                            },
        { "plain",         "mail.example.net",  "mail.example.net"            },
        { "quote",         "a\"b",              "a\\\"b"                      },
        { "backslash",     "a\\b",              "a\\\\b"                      },
        { "line feed",     "a\nevent=forged",   "a\\x0aevent=forged"          },
        { "escape",        "\x1b[31m",          "\\x1b[31m"                   },
        { "over 127",      "\xc3\xbc",          "\\xc3\\xbc"                  },
        { "100 octets",    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789" },
        { "101 octets",    "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890",
          "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789..." },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_slice(cases[i].label, slice_of(LOG_TEXT(slice_of(cases[i].in))), cases[i].out);
}

static void
worst_text_fits(void **state)
{
    char            in[LOG_TEXT_BYTES + 1];
    struct log_text text = { .chars = "" };

    (void)state;
    memset(in, 1, sizeof(in));
    assert_int_equal(strlen(log_text(&text, slice_make(in, sizeof(in)))), LOG_TEXT_BYTES * 4 + 3);
}

static void
line_has_time_name_level_and_fact(void **state)
{
    struct capture c;
    regex_t        form;
    char           pattern[160];

    (void)state;
    unsetenv("JOURNAL_STREAM");
    log_open("smtpd/0", LOG_LEVEL_INFO);
    capture_begin(&c);
    log_info("event=%s n=%d", "test", 5);
    capture_end(&c);
    snprintf(pattern, sizeof(pattern), "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z smtpd/0\\[%d\\] "
             "info event=test n=5\n$", (int)getpid());
    assert_int_equal(regcomp(&form, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&form, c.text, 0, NULL, 0) != 0)
        fail_msg("%s", c.text);
    regfree(&form);
}

static void
journal_gets_a_priority_and_no_time(void **state)
{
    static const struct {
        const char *label;
        void      (*log)(const char *format, ...);
        const char *start, *end;
    } cases[] = {
        { "error",   log_error,   "<3>store[", "] error event=x\n"   },
        { "warning", log_warning, "<4>store[", "] warning event=x\n" },
        { "info",    log_info,    "<6>store[", "] info event=x\n"    },
        { "debug",   log_debug,   "<7>store[", "] debug event=x\n"   },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct capture c;
        struct stat    st;
        char           stream[64];
        capture_begin(&c);
        fstat(STDERR_FILENO, &st);
        snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        log_open("store", LOG_LEVEL_DEBUG);
        cases[i].log("event=x");
        capture_end(&c);
        if (!slice_starts(slice_of(c.text), cases[i].start) || !slice_ends_nocase(slice_of(c.text), cases[i].end))
            fail_msg("%s: got %s", cases[i].label, c.text);
    }
    unsetenv("JOURNAL_STREAM");
}

static void
journal_variable_of_another_stream_does_not_count(void **state)
{
    struct capture c;

    (void)state;
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_open("store", LOG_LEVEL_INFO);
    unsetenv("JOURNAL_STREAM");
    capture_begin(&c);
    log_info("event=x");
    assert_true(capture_end(&c)[0] != '<');
}

static void
level_hides_what_is_below(void **state)
{
    struct capture c;

    (void)state;
    log_open("store", LOG_LEVEL_WARNING);
    capture_begin(&c);
    log_info("event=hidden");
    log_debug("event=hidden");
    log_warning("event=shown");
    capture_end(&c);
    assert_null(strstr(c.text, "hidden"));
    assert_non_null(strstr(c.text, "event=shown"));
    assert_true(log_enabled(LOG_LEVEL_ERROR));
    assert_false(log_enabled(LOG_LEVEL_INFO));
    log_set_level(LOG_LEVEL_DEBUG);
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
}

static void
a_fact_is_one_line_whatever_is_in_it(void **state)
{
    struct capture c;

    (void)state;
    log_open("store", LOG_LEVEL_INFO);
    capture_begin(&c);
    log_info("event=x text=%s", "a\nb\rc\x01");
    capture_end(&c);
    assert_non_null(strstr(c.text, "text=a b c \n"));
    assert_ptr_equal(strchr(c.text, '\n'), c.text + strlen(c.text) - 1);
}

static void
a_long_line_is_cut_and_still_ends(void **state)
{
    struct capture c;
    char           text[6000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_open("store", LOG_LEVEL_INFO);
    capture_begin(&c);
    log_info("event=x text=%s", text);
    capture_end(&c);
    assert_int_equal(strlen(c.text), 4096);
    assert_string_equal(c.text + 4096 - 6, "xx...\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_text_is_safe_for_a_line),
        cmocka_unit_test(worst_text_fits),
        cmocka_unit_test(line_has_time_name_level_and_fact),
        cmocka_unit_test(journal_gets_a_priority_and_no_time),
        cmocka_unit_test(journal_variable_of_another_stream_does_not_count),
        cmocka_unit_test(level_hides_what_is_below),
        cmocka_unit_test(a_fact_is_one_line_whatever_is_in_it),
        cmocka_unit_test(a_long_line_is_cut_and_still_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
