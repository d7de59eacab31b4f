#include "tests/unit/unit.h"

#include "lib/change.h"
#include "lib/error.h"
#include "lib/mailbox.h"

static const struct { const char *label, *in, *out; } names[] = {
    { "plain",                 "acme",        "acme" },
    { "one letter",            "a",           "a" },
    { "case is folded",        "AcMe",        "acme" },
    { "marks inside",          "a.b-c_d9",    "a.b-c_d9" },
    { "64 octets",             "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg",
                               "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg" },
    { "65 octets",             "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg", NULL },
    { "empty",                 "",            NULL },
    { "leading dot",           ".a",          NULL },
    { "trailing dot",          "a.",          NULL },
    { "trailing hyphen",       "a-",          NULL },
    { "two dots",              "a..b",        NULL },
    { "blank",                 "a b",         NULL },
    { "detail",                "a+b",         NULL },
    { "slash",                 "../a",        NULL },
    { "master login",          "a*b",         NULL },
    { "address",               "a@b",         NULL },
    { "octet over 127",        "\xc3\xa4",    NULL },
    { "control character",     "a\x01" "b",   NULL },
};

static void
names_are_plain_and_lower_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char out[MAILBOX_NAME_MAX + 1];
        int  rc = mailbox_name_parse(slice_of(names[i].in), out);

        assert_rc(names[i].label, rc, names[i].out == NULL ? MT_ESYNTAX : MT_OK);
        if (rc == MT_OK)
            assert_string_equal(out, names[i].out);
    }
}

static void
states_and_changes_are_read_as_written(void **state)
{
    struct mailbox_state in = { .name = "acme", .over_quota = true }, out;
    struct change        change = { .kind = CHANGE_ARRIVED, .seq = 1, .message_id = 2, .modseq = 3, .mailbox_id = 4, .folder_id = 5,
                                    .uid = 6, .has_token = true, .token = { { 7 } }, .mailbox = "acme" }, got;
    struct buf           b;
    struct reader        r;

    (void)state;
    buf_init(&b, 1000);
    mailbox_state_write(&b, &in);
    change_write(&b, &change);
    reader_init(&r, buf_slice(&b));
    mailbox_state_read(&r, &out);
    change_read(&r, &got);
    assert_true(read_end(&r));
    assert_string_equal(out.name, "acme");
    assert_false(out.enabled);
    assert_true(out.over_quota);
    assert_int_equal(got.kind, CHANGE_ARRIVED);
    assert_true(got.seq == 1 && got.message_id == 2 && got.modseq == 3);
    assert_int_equal(got.uid, 6);
    assert_true(got.has_token && got.token.raw[0] == 7);
    assert_string_equal(got.mailbox, "acme");
    buf_fini(&b);
}

static void
an_unknown_kind_of_change_is_a_fault(void **state)
{
    struct buf    b;
    struct reader r;
    struct change got;

    (void)state;
    buf_init(&b, 1000);
    change_write(&b, &(struct change){ .kind = CHANGE_KIND_LIMIT });
    reader_init(&r, buf_slice(&b));
    change_read(&r, &got);
    assert_false(read_ok(&r));
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_plain_and_lower_case),
        cmocka_unit_test(states_and_changes_are_read_as_written),
        cmocka_unit_test(an_unknown_kind_of_change_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
