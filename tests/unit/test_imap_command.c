#include "tests/unit/unit.h"

#include "checker/imap_command.h"

static const struct { const char *label, *in, *out; } folders[] = {
    { "plain",             "INBOX",           "\"INBOX\"" },
    { "quotes",            "a\"b\\c",         "\"a\\\"b\\\\c\"" },
    { "ampersand",         "Fish & Chips",    "\"Fish &- Chips\"" },
    { "umlaut",            "Unerwünscht",     "\"Unerw&APw-nscht\"" },
    { "at the end",        "Entwürfe/ä",      "\"Entw&APw-rfe/&AOQ-\"" },
    { "two in a row",      "台北",            "\"&U,BTFw-\"" },
    { "beyond 16 bits",    "\xf0\x9f\x93\xa7", "\"&2D3c5w-\"" },
    { "not UTF-8",         "a\xff",           "\"a&,,0-\"" },
    { "ampersand behind",  "ä&",              "\"&AOQ-&-\"" },
};

static void
folder_names_are_in_modified_utf7(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(folders); i++) {
        struct buf out;

        buf_init(&out, 256);
        imap_put_folder(&out, slice_of(folders[i].in));
        assert_slice(folders[i].label, buf_slice(&out), folders[i].out);
        buf_fini(&out);
    }
}

static void
a_string_that_cannot_be_quoted_is_refused(void **state)
{
    static const struct { struct slice in; bool fits; } cases[] = {
        { { "a\"b\\", 4 }, true }, { { "a\r\nb", 4 }, false }, { { "a\0b", 3 }, false }, { { "\xc3\xa4", 2 }, false }, { { "", 0 }, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf out;

        buf_init(&out, 64);
        assert_int_equal(imap_put_quoted(&out, cases[i].in), cases[i].fits);
        if (!cases[i].fits)
            assert_int_equal(out.len, 0);
        buf_fini(&out);
    }
}

static void
sets_and_days(void **state)
{
    static const uint32_t uids[] = { 5, 7, 4294967295u };
    struct buf            out;

    (void)state;
    buf_init(&out, 64);
    imap_put_uids(&out, uids, COUNT(uids));
    assert_slice("uids", buf_slice(&out), "5,7,4294967295");
    buf_clear(&out);
    imap_put_day(&out, 1783417465);
    assert_slice("day", buf_slice(&out), "7-Jul-2026");
    buf_fini(&out);
}

static void
junk_is_known_by_the_last_level_of_a_name(void **state)
{
    (void)state;
    assert_true(imap_is_junk_name(slice_of("Junk"), '/'));
    assert_true(imap_is_junk_name(slice_of("[Gmail]/Spam"), '/'));
    assert_true(imap_is_junk_name(slice_of("INBOX.junk e-mail"), '.'));
    assert_true(imap_is_junk_name(slice_of("Unerw&APw-nscht"), 0));
    assert_false(imap_is_junk_name(slice_of("Spam/learned"), '/'));
    assert_false(imap_is_junk_name(slice_of("Junkyard"), '/'));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_names_are_in_modified_utf7),
        cmocka_unit_test(a_string_that_cannot_be_quoted_is_refused),
        cmocka_unit_test(sets_and_days),
        cmocka_unit_test(junk_is_known_by_the_last_level_of_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
