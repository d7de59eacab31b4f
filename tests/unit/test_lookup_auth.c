#include "tests/unit/unit.h"

#include "lookup/auth.h"

#include "lib/error.h"

#include <sodium.h>

#define SECRET "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

static const struct { const char *label, *in; int rc; uint32_t id; } headers[] = {
    { "plain",                "Bearer mtk_7_" SECRET,           MT_OK, 7 },
    { "scheme in any case",   "bEARER mtk_7_" SECRET,           MT_OK, 7 },
    { "blanks around",        "Bearer  mtk_7_" SECRET " ",      MT_OK, 7 },
    { "highest id",           "Bearer mtk_4294967295_" SECRET,  MT_OK, UINT32_MAX },
    { "absent",               "",                               MT_ESYNTAX, 0 },
    { "other scheme",         "Basic mtk_7_" SECRET,            MT_ESYNTAX, 0 },
    { "no scheme",            "mtk_7_" SECRET,                  MT_ESYNTAX, 0 },
    { "no key",               "Bearer ",                        MT_ESYNTAX, 0 },
    { "other prefix",         "Bearer sk_7_" SECRET,            MT_ESYNTAX, 0 },
    { "prefix in other case", "Bearer MTK_7_" SECRET,           MT_ESYNTAX, 0 },
    { "no id",                "Bearer mtk__" SECRET,            MT_ESYNTAX, 0 },
    { "id that is no number", "Bearer mtk_x_" SECRET,           MT_ESYNTAX, 0 },
    { "id over 32 bits",      "Bearer mtk_4294967296_" SECRET,  MT_ESYNTAX, 0 },
    { "no secret",            "Bearer mtk_7_",                  MT_ESYNTAX, 0 },
    { "nothing behind the id", "Bearer mtk_7",                  MT_ESYNTAX, 0 },
};

static void
bearer_keys_are_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct slice key;
        uint32_t     id = 0;

        assert_rc(headers[i].label, bearer_parse(slice_of(headers[i].in), &key, &id), headers[i].rc);
        if (headers[i].rc != MT_OK)
            continue;
        assert_int_equal(id, headers[i].id);
        assert_true(slice_starts(key, "mtk_") && key.data[key.len - 1] == 'G');
    }
}

static void
only_the_whole_key_fits(void **state)
{
    static const char     text[] = "mtk_7_" SECRET;
    struct api_key_record record = { .mailbox_id = 0 };

    (void)state;
    crypto_generichash(record.hash, sizeof(record.hash), (const uint8_t *)text, sizeof(text) - 1, NULL, 0);
    assert_true(key_fits(slice_of(text), &record));
    assert_false(key_fits(slice_make(text, sizeof(text) - 2), &record));
    assert_false(key_fits(slice_of("mtk_8_" SECRET), &record));
}

static void
a_scoped_key_sees_its_mailbox_alone(void **state)
{
    struct caller all = { .mailbox_id = 0 }, one = { .mailbox_id = 3 };

    (void)state;
    assert_true(caller_may_see(&all, 3) && caller_may_see(&all, 4) && caller_may_see(&one, 3));
    assert_false(caller_may_see(&one, 4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bearer_keys_are_taken_apart),
        cmocka_unit_test(only_the_whole_key_fits),
        cmocka_unit_test(a_scoped_key_sees_its_mailbox_alone),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
