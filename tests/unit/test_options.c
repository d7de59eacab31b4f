#include "tests/unit/unit.h"

#include "lib/options.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_spec first[] = {
    { 'c', "config", "FILE", "the configuration" },
    { 'v', "verbose", NULL, "say more" },
    { 0, "json", NULL, "for programs" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec second[] = {
    { 'n', "limit", "N", "at most so many" },
    { 0, NULL, NULL, NULL },
};

/* Reads words separated by blanks; returns what options_read did. */
static int
read_words(struct options *o, const char *line, bool stop)
{
    static char copy[256];
    char       *words[32], *at = NULL;
    int         count = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok_r(copy, " ", &at); w != NULL; w = strtok_r(NULL, " ", &at))
        words[count++] = w;
    options_init(o, first, second);
    return options_read(o, count, words, stop);
}

static void
options_stand_in_every_usual_form(void **state)
{
    static const struct { const char *line, *config, *limit; unsigned verbose, operands; } cases[] = {
        { "--config a --limit 3",   "a",  "3",  0, 0 },
        { "--config=a --limit=",    "a",  "",   0, 0 },
        { "-c a -n 3",              "a",  "3",  0, 0 },
        { "-ca -n3",                "a",  "3",  0, 0 },
        { "-vvc a",                 "a",  NULL, 2, 0 },
        { "-vca",                   "a",  NULL, 1, 0 },
        { "one -v two --config a",  "a",  NULL, 1, 2 },
        { "-v -- -v --config",      NULL, NULL, 1, 2 },
        { "-",                      NULL, NULL, 0, 1 },
        { "-c x -c y",              "y",  NULL, 0, 0 },
        { "-c -v",                  "-v", NULL, 0, 0 },
        { "",                       NULL, NULL, 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options o;

        if (read_words(&o, cases[i].line, false) < 0)
            fail_msg("%s: %s", cases[i].line, o.error);
        assert_slice(cases[i].line, slice_of(options_value(&o, "config")), cases[i].config != NULL ? cases[i].config : "");
        assert_slice(cases[i].line, slice_of(options_value(&o, "limit")), cases[i].limit != NULL ? cases[i].limit : "");
        assert_int_equal(options_value(&o, "config") != NULL, cases[i].config != NULL);
        assert_int_equal(options_times(&o, "verbose"), cases[i].verbose);
        assert_int_equal(o.operand_count, cases[i].operands);
        assert_false(options_has(&o, "json"));
    }
}

static void
what_is_not_in_the_tables_is_an_error_that_says_so(void **state)
{
    static const struct { const char *line, *error; } cases[] = {
        { "--nothing",   "there is no option --nothing"       },
        { "--conf x",    "there is no option --conf"          },
        { "-x",          "there is no option -x"              },
        { "-vx",         "there is no option -x"              },
        { "-\x1b",       "there is no such option"            },
        { "--json=1",    "--json takes no value"              },
        { "--config",    "--config needs a value: --config FILE" },
        { "-v -c",       "-c needs a value: -c FILE"          },
        { "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "more than 16 arguments" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options o;

        assert_int_equal(read_words(&o, cases[i].line, false), -1);
        assert_slice(cases[i].line, slice_of(o.error), cases[i].error);
    }
}

static void
reading_stops_at_the_first_operand_if_asked(void **state)
{
    struct options o;

    (void)state;
    assert_int_equal(read_words(&o, "-v --json add -v", true), 2);
    assert_int_equal(options_times(&o, "verbose"), 1);
    assert_int_equal(o.operand_count, 0);
    assert_int_equal(read_words(&o, "add", true), 0);
    assert_int_equal(read_words(&o, "-v", true), 1);
}

static void
help_lines_are_aligned(void **state)
{
    char  *text = NULL;
    size_t size;
    FILE  *f = open_memstream(&text, &size);

    (void)state;
    options_help(first, f);
    fclose(f);
    assert_string_equal(text, "  -c, --config FILE  the configuration\n"
                              "  -v, --verbose      say more\n"
                              "      --json         for programs\n");
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_stand_in_every_usual_form),
        cmocka_unit_test(what_is_not_in_the_tables_is_an_error_that_says_so),
        cmocka_unit_test(reading_stops_at_the_first_operand_if_asked),
        cmocka_unit_test(help_lines_are_aligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
