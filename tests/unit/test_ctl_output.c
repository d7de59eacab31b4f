#include "tests/unit/unit.h"

#include "ctl/output.h"
#include "lib/buf.h"

#include <stdlib.h>

static json_t *
parse(const char *text)
{
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(j);
    return j;
}

static void
values_are_told_by_their_format(void **state)
{
    static const struct { const char *json; enum format format; const char *text; } cases[] = {
        { "\"a b\"",                     AS_TEXT,    "a b"                     },
        { "\"\"",                        AS_TEXT,    "-"                       },
        { "null",                        AS_TEXT,    "-"                       },
        { "12",                          AS_TEXT,    "12"                      },
        { "\"\\u001b[31mx\\u202e\"",     AS_TEXT,    "\\x1b[31mx\\xe2\\x80\\xae" },
        { "[\"a\",\"b\"]",               AS_WORDS,   "a, b"                    },
        { "[]",                          AS_WORDS,   "-"                       },
        { "[\"subject\",\"text\"]",      AS_PLACES,  "subject, text"           },
        { "[\"recipient\",\"subject\",\"attached\",\"link\"]", AS_PLACES, "recipient; in the attached message: subject, link" },
        { "[\"attached\"]",              AS_PLACES,  "in the attached message: -" },
        { "0",                           AS_BYTES,   "0 B"                     },
        { "9999",                        AS_BYTES,   "9999 B"                  },
        { "10240",                       AS_BYTES,   "10 KiB"                  },
        { "1572864",                     AS_BYTES,   "1.5 MiB"                 },
        { "68719476736",                 AS_BYTES,   "64 GiB"                  },
        { "\"2026-11-21T03:30:00Z\"",    AS_TIME,    "2026-11-21 03:30:00"     },
        { "\"2026-11-21T03:30:00.123456Z\"", AS_TIME, "2026-11-21 03:30:00.123" },
        { "null",                        AS_TIME,    "-"                       },
        { "0.0032",                      AS_SECONDS, "3.2 ms"                  },
        { "1.834",                       AS_SECONDS, "1.834 s"                 },
        { "null",                        AS_SECONDS, "-"                       },
        { "true",                        AS_ENABLED, "enabled"                 },
        { "false",                       AS_ENABLED, "disabled"                },
        { "null",                        AS_SCOPE,   "all"                     },
        { "\"acme\"",                    AS_SCOPE,   "acme"                    },
        { "true",                        AS_YES,     "yes"                     },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t    *value = parse(cases[i].json);
        struct buf out;

        buf_init(&out, 4096);
        output_value(&out, value, cases[i].format);
        assert_slice(cases[i].json, buf_slice(&out), cases[i].text);
        buf_fini(&out);
        json_decref(value);
    }
}

static char *
listed(const char *rows_text, const struct column *columns, size_t count)
{
    char   *text = NULL;
    size_t  size;
    FILE   *f = open_memstream(&text, &size);
    json_t *rows = parse(rows_text);

    output_list(f, rows, columns, count, "nothing here");
    json_decref(rows);
    fclose(f);
    return text;
}

static void
lists_are_aligned_with_numbers_to_the_right(void **state)
{
    static const struct column columns[] = {
        { "NAME",  "name",     AS_TEXT  },
        { "COUNT", "in.count", AS_TEXT  },
        { "SIZE",  "bytes",    AS_BYTES },
        { "LAST",  "last",     AS_TEXT  },
    };
    char *text;

    (void)state;
    text = listed("[{\"name\":\"a\",\"in\":{\"count\":1},\"bytes\":5,\"last\":\"x\"},"
                  "{\"name\":\"l\xc3\xa4nger\",\"in\":{\"count\":1000000},\"bytes\":20480,\"last\":\"yy\"},{\"name\":\"n\"}]", columns, COUNT(columns));
    assert_string_equal(text, "NAME      COUNT    SIZE  LAST\n"
                              "a             1     5 B  x\n"
                              "l\xc3\xa4nger  1000000  20 KiB  yy\n"
                              "n             -       -  -\n");
    free(text);
    text = listed("[]", columns, COUNT(columns));
    assert_string_equal(text, "nothing here\n");
    free(text);
}

static void
fields_that_are_absent_are_left_out(void **state)
{
    static const struct column columns[] = { { "first", "a", AS_TEXT }, { "second one", "b", AS_TEXT }, { "third", "c.d", AS_TEXT } };
    char   *text = NULL;
    size_t  size;
    FILE   *f = open_memstream(&text, &size);
    json_t *object = parse("{\"a\":\"1\",\"b\":null,\"c\":{\"d\":\"3\"}}");

    (void)state;
    output_fields(f, object, columns, COUNT(columns));
    fclose(f);
    assert_string_equal(text, "first       1\nthird       3\n");
    json_decref(object);
    free(text);
}

static void
long_values_are_wrapped_below_themselves(void **state)
{
    static const struct column columns[] = { { "why", "a", AS_LONG }, { "meaning", "b", AS_LONG } };
    char   *text = NULL;
    size_t  size;
    FILE   *f = open_memstream(&text, &size);
    json_t *object = parse("{\"a\":\"one two three four five six seven eight nine ten eleven twelve thirteen 14 fifteen\","
                           "\"b\":\"see https://x.test/0123456789012345678901234567890123456789012345678901234567890123456789 there\"}");

    (void)state;
    output_fields(f, object, columns, COUNT(columns));
    fclose(f);
    assert_string_equal(text, "why      one two three four five six seven eight nine ten eleven twelve thirteen\n"
                              "         14 fifteen\n"
                              "meaning  see\n"
                              "         https://x.test/0123456789012345678901234567890123456789012345678901234567890123456789\n"
                              "         there\n");
    json_decref(object);
    free(text);
}

static void
what_is_lost_of_an_attached_message_says_so(void **state)
{
    static const struct { const char *arrival, *lost; } cases[] = {
        { "{\"kind\":\"arrived\",\"found_in\":[\"text\"],\"lost\":[]}",                          "-"                                 },
        { "{\"kind\":\"arrived\",\"found_in\":[\"text\",\"attached\"],\"lost\":[]}",             "nothing of the attached message"   },
        { "{\"kind\":\"arrived\",\"found_in\":[\"text\",\"attached\"],\"lost\":[\"subject\"]}",  "in the attached message: subject"  },
        { "{\"kind\":\"arrived\",\"found_in\":[\"text\",\"attached\"],\"lost\":null}",           "-"                                 },
        { "{\"kind\":\"bounced\",\"found_in\":[\"text\"],\"lost\":[]}",       "-"                                 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t    *arrival = parse(cases[i].arrival);
        struct buf out;

        buf_init(&out, 4096);
        output_lost_by(arrival);
        output_value(&out, json_object_get(arrival, "lost"), AS_PLACES);
        assert_slice(cases[i].arrival, buf_slice(&out), cases[i].lost);
        buf_fini(&out);
        json_decref(arrival);
    }
}

static void
json_is_one_line_with_short_numbers(void **state)
{
    char   *text = NULL;
    size_t  size;
    FILE   *f = open_memstream(&text, &size);
    json_t *j = parse("{\"a\":0.341828,\"b\":[1],\"c\":\"\xc3\xa4\\u001b\"}");

    (void)state;
    output_json(f, j);
    fclose(f);
    assert_string_equal(text, "{\"a\": 0.341828, \"b\": [1], \"c\": \"\\u00E4\\u001B\"}\n");
    json_decref(j);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_told_by_their_format),
        cmocka_unit_test(lists_are_aligned_with_numbers_to_the_right),
        cmocka_unit_test(fields_that_are_absent_are_left_out),
        cmocka_unit_test(long_values_are_wrapped_below_themselves),
        cmocka_unit_test(what_is_lost_of_an_attached_message_says_so),
        cmocka_unit_test(json_is_one_line_with_short_numbers),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
