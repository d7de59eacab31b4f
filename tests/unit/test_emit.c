#include "tests/unit/unit.h"

#include "lib/emit.h"
#include "lib/error.h"

#include <jansson.h>
#include <string.h>

static const struct { const char *label, *in; size_t len; const char *out; } strings[] = {
    { "plain",                        "acme",                4, "\"acme\"" },
    { "empty",                        "",                    0, "\"\"" },
    { "quote and backslash",          "a\"b\\c",             5, "\"a\\\"b\\\\c\"" },
    { "short escapes",                "\b\t\n\f\r",          5, "\"\\b\\t\\n\\f\\r\"" },
    { "other control characters",     "\x01\x1f\x7f",        3, "\"\\u0001\\u001f\\u007f\"" },
    { "NUL",                          "a\0b",                3, "\"a\\u0000b\"" },
    { "UTF-8 as it is",               "\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7\"" },
    { "lone continuation octet",      "a\x80" "b",           3, "\"a\xef\xbf\xbd" "b\"" },
    { "character cut off at the end", "a\xe2\x82",           3, "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "overlong slash",               "\xc0\xaf",            2, "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
    { "surrogate",                    "\xed\xa0\x80",        3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
};

static void
strings_become_valid_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(strings); i++) {
        struct buf  b;
        struct emit j;
        json_t     *parsed;

        buf_init(&b, 1000);
        emit_init(&j, &b);
        emit_slice(&j, NULL, slice_make(strings[i].in, strings[i].len));
        assert_slice(strings[i].label, buf_slice(&b), strings[i].out);
        parsed = json_loadb(b.data, b.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (parsed == NULL)
            fail_msg("%s: another reader does not take it", strings[i].label);
        json_decref(parsed);
        buf_fini(&b);
    }
}

static void
members_elements_and_commas_are_in_place(void **state)
{
    struct buf  b;
    struct emit j;
    size_t      from, to;

    (void)state;
    buf_init(&b, 10000);
    emit_init(&j, &b);
    emit_object(&j, NULL);
    emit_u64(&j, "zero", 0);
    emit_u64(&j, "most", UINT64_MAX);
    emit_bool(&j, "yes", true);
    emit_null(&j, "nothing");
    emit_slice_or_null(&j, "absent", slice_of(""));
    emit_array(&j, "empty");
    emit_array_end(&j);
    from = b.len + strlen(",\"list\":");
    emit_array(&j, "list");
    emit_string(&j, NULL, "a");
    emit_object(&j, NULL);
    emit_object_end(&j);
    emit_array_end(&j);
    to = b.len;
    emit_repeat(&j, "again", from, to);
    emit_object_end(&j);
    assert_slice("document", buf_slice(&b),
                 "{\"zero\":0,\"most\":18446744073709551615,\"yes\":true,\"nothing\":null,\"absent\":null,\"empty\":[],"
                 "\"list\":[\"a\",{}],\"again\":[\"a\",{}]}");
    buf_fini(&b);
}

static const struct { int64_t us; const char *out; } seconds[] = {
    { 0, "0" }, { 1, "0.000001" }, { 1834000, "1.834" }, { 2000000, "2" }, { -500000, "-0.5" }, { 120, "0.00012" }, { INT64_MIN, "-9223372036854.775808" },
};

static void
seconds_have_the_decimals_they_need(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(seconds); i++) {
        struct buf  b;
        struct emit j;

        buf_init(&b, 100);
        emit_init(&j, &b);
        emit_seconds(&j, NULL, seconds[i].us);
        assert_slice(seconds[i].out, buf_slice(&b), seconds[i].out);
        buf_fini(&b);
    }
}

static void
times_are_rfc3339_and_zero_is_null(void **state)
{
    struct buf  b;
    struct emit j;

    (void)state;
    buf_init(&b, 1000);
    emit_init(&j, &b);
    emit_array(&j, NULL);
    emit_time_us(&j, NULL, 1795231800123456);
    emit_time_us(&j, NULL, 0);
    emit_time_unix(&j, NULL, 1795231800);
    emit_time_unix(&j, NULL, 0);
    emit_array_end(&j);
    assert_slice("times", buf_slice(&b), "[\"2026-11-21T03:30:00.123456Z\",null,\"2026-11-21T03:30:00Z\",null]");
    buf_fini(&b);
}

static void
a_full_buffer_is_a_fault_and_no_more(void **state)
{
    struct buf  b;
    struct emit j;

    (void)state;
    buf_init(&b, 10);
    emit_init(&j, &b);
    emit_object(&j, NULL);
    emit_string(&j, "member", "longer than there is room for");
    emit_repeat(&j, "again", 0, 1);
    emit_object_end(&j);
    assert_rc("fault", b.fault, MT_ESIZE);
    assert_true(b.len <= 10);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_become_valid_json),
        cmocka_unit_test(members_elements_and_commas_are_in_place),
        cmocka_unit_test(seconds_have_the_decimals_they_need),
        cmocka_unit_test(times_are_rfc3339_and_zero_is_null),
        cmocka_unit_test(a_full_buffer_is_a_fault_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
