#include "imapd/pop3_command.h"
#include "lib/error.h"
#include "unit.h"

static void
commands_are_cut(void **state)
{
    static const struct {
        const char *line, *keyword, *rest;
        unsigned    count;
        const char *first, *second;
    } cases[] = {
        { "QUIT",             "QUIT", "",            0, "",       ""   },
        { "top 1 10",         "top",  "1 10",        2, "1",      "10" },
        { "RETR  7 ",         "RETR", " 7 ",         1, "7",      ""   },
        { "PASS a b  c",      "PASS", "a b  c",      3, "a",      "b"  },
        { "PASS  leading",    "PASS", " leading",    1, "leading", ""  },
        { "USER \xc3\xa9t\xc3\xa9", "USER", "\xc3\xa9t\xc3\xa9", 1, "\xc3\xa9t\xc3\xa9", "" },
        { "UTF8",             "UTF8", "",            0, "",       ""   },
        { "AUTH PLAIN = x y", "AUTH", "PLAIN = x y", 3, "PLAIN",  "="  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pop3_command c;

        print_message("%s\n", cases[i].line);
        assert_true(pop3_command_parse(slice_of(cases[i].line), &c));
        assert_true(slice_equal(c.keyword, slice_of(cases[i].keyword)));
        assert_true(slice_equal(c.line, slice_of(cases[i].rest)));
        assert_int_equal(c.count, cases[i].count);
        assert_true(slice_equal(c.arguments[0], slice_of(cases[i].first)));
        assert_true(slice_equal(c.arguments[1], slice_of(cases[i].second)));
    }
}

static void
what_is_no_command_is_refused(void **state)
{
    static const char *const lines[] = { "", " ", " QUIT", "RE-TR 1", "\xc3\xa9", "NOOP\tx", "NOOP\x7f", "*", "QUIT\r" };
    struct pop3_command      c;

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++)
        assert_false(pop3_command_parse(slice_of(lines[i]), &c));
    assert_false(pop3_command_parse(slice_make("NO\0OP", 5), &c));
}

static void
numbers_are_digits_alone(void **state)
{
    static const struct {
        const char *text;
        uint32_t    number;     /* 0: refused */
    } cases[] = {
        { "1", 1 }, { "007", 7 }, { "4294967295", 4294967295u }, { "0", 0 }, { "4294967296", 0 }, { "-1", 0 }, { "+1", 0 }, { "1x", 0 }, { "", 0 },
        { "99999999999999999999999", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t number = 0;

        assert_int_equal(pop3_number(slice_of(cases[i].text), &number), cases[i].number != 0);
        if (cases[i].number != 0)
            assert_int_equal(number, cases[i].number);
    }
}

static void
lines_end_in_crlf_or_lf(void **state)
{
    struct slice in = slice_of("STAT\r\nNOOP\n\r\nQU"), line;

    (void)state;
    assert_int_equal(pop3_line(&in, &line), MT_OK);
    assert_true(slice_equal(line, slice_of("STAT")));
    assert_int_equal(pop3_line(&in, &line), MT_OK);
    assert_true(slice_equal(line, slice_of("NOOP")));
    assert_int_equal(pop3_line(&in, &line), MT_OK);
    assert_int_equal(line.len, 0);
    assert_int_equal(pop3_line(&in, &line), MT_EAGAIN);
    assert_true(slice_equal(in, slice_of("QU")));
}

static void
a_line_has_a_bound(void **state)
{
    char         text[POP3_LINE_BYTES + 3];
    struct slice in, line;

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text + POP3_LINE_BYTES, "\r\n", 2);
    in = slice_make(text, POP3_LINE_BYTES + 2);
    assert_int_equal(pop3_line(&in, &line), MT_OK);
    assert_int_equal(line.len, POP3_LINE_BYTES);
    memset(text, 'x', sizeof(text));
    in = slice_make(text, POP3_LINE_BYTES);
    assert_int_equal(pop3_line(&in, &line), MT_EAGAIN);
    in = slice_make(text, POP3_LINE_BYTES + 1);
    assert_int_equal(pop3_line(&in, &line), MT_ESIZE);
    assert_int_equal(in.len, POP3_LINE_BYTES + 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_cut),
        cmocka_unit_test(what_is_no_command_is_refused),
        cmocka_unit_test(numbers_are_digits_alone),
        cmocka_unit_test(lines_end_in_crlf_or_lf),
        cmocka_unit_test(a_line_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
