#include "tests/unit/unit.h"

#include "lib/secret.h"

#include <sodium.h>

static void
a_secret_is_long_random_and_easy_to_type(void **state)
{
    char a[SECRET_CHARS + 1], b[SECRET_CHARS + 1];

    (void)state;
    secret_make(a);
    secret_make(b);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), SECRET_CHARS);
    for (unsigned i = 0; i < SECRET_CHARS; i++)
        if (i % 5 == 4 ? a[i] != '-' : strchr("0123456789abcdefghjkmnpqrstvwxyz", a[i]) == NULL)
            fail_msg("character %u of %s", i, a);
}

static void
only_the_secret_matches(void **state)
{
    struct credentials m = { 0 }, other = { 0 };

    (void)state;
    assert_int_equal(secret_hash(slice_of("pencil"), &m), MT_OK);
    assert_int_equal(secret_hash(slice_of("pencil"), &other), MT_OK);
    assert_true(secret_matches(slice_of("pencil"), &m));
    assert_false(secret_matches(slice_of("Pencil"), &m));
    assert_false(secret_matches(slice_of(""), &m));
    /* The salt is another each time. */
    assert_memory_not_equal(m.secret_hash, other.secret_hash, sizeof(m.secret_hash));
}

/* RFC 7677 section 3: the exchange with user "user" and password "pencil" must work with what is stored. */
static void
the_hashes_are_those_of_scram(void **state)
{
    static const char     auth_message[] = "n=user,r=rOprNGfwEbeRWgbNEkqO,"
                                           "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
                                           "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    struct credentials    m = { 0 };
    uint8_t               salt[16], proof[32], signature[32], client_key[32], stored[32], server[32], want_server[32];

    (void)state;
    assert_int_equal(sodium_base642bin(salt, sizeof(salt), "W22ZaJ0SNY7soEsUEjb6gQ==", 24, NULL, NULL, NULL, sodium_base64_VARIANT_ORIGINAL), 0);
    assert_int_equal(sodium_base642bin(proof, sizeof(proof), "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", 44, NULL, NULL, NULL,
                                       sodium_base64_VARIANT_ORIGINAL), 0);
    assert_int_equal(sodium_base642bin(want_server, sizeof(want_server), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", 44, NULL, NULL, NULL,
                                       sodium_base64_VARIANT_ORIGINAL), 0);
    assert_int_equal(secret_hash_with_salt(slice_of("pencil"), salt, &m), MT_OK);
    crypto_auth_hmacsha256(signature, (const unsigned char *)auth_message, strlen(auth_message), m.stored_key);
    for (unsigned i = 0; i < 32; i++)
        client_key[i] = proof[i] ^ signature[i];
    crypto_hash_sha256(stored, client_key, sizeof(client_key));
    assert_memory_equal(stored, m.stored_key, sizeof(stored));
    crypto_auth_hmacsha256(server, (const unsigned char *)auth_message, strlen(auth_message), m.server_key);
    assert_memory_equal(server, want_server, sizeof(server));
}

static void
an_api_key_names_its_id(void **state)
{
    char    text[API_KEY_CHARS_MAX + 1], other[API_KEY_CHARS_MAX + 1];
    uint8_t hash[32], again[32];

    (void)state;
    api_key_make(7, text);
    api_key_make(7, other);
    assert_string_not_equal(text, other);
    assert_true(slice_starts(slice_of(text), "mtk_7_"));
    assert_int_equal(strlen(text), 6 + 43);
    api_key_make(UINT32_MAX, text);
    assert_int_equal(strlen(text), API_KEY_CHARS_MAX);
    api_key_hash(slice_of(text), hash);
    api_key_hash(slice_of(other), again);
    assert_memory_not_equal(hash, again, sizeof(hash));
}

static void
what_may_be_chosen(void **state)
{
    static const struct {
        const char *label, *typed, *fault, *kept;       /* fault: a word of it; NULL: fine */
    } rows[] = {
        { "letters",           "correct horse battery",         NULL,      "correct horse battery" },
        { "case stays",        "Correct Horse",                 NULL,      "Correct Horse"         },
        { "twelve",            "abcdefghijkl",                  NULL,      "abcdefghijkl"          },
        { "eleven",            "abcdefghijk",                   "fewer",   NULL                    },
        { "twelve of two octets", "éééééééééééé", NULL, NULL },
        { "eleven of two octets", "ééééééééééé", "fewer", NULL },
        { "other spaces",      "one\u00a0two\u3000three\u2003", NULL,      "one two three "        },
        { "nothing",           "",                              "empty",   NULL                    },
        { "a tab",             "abcdef\tghijklm",               "control", NULL                    },
        { "a line end",        "abcdefghijklm\n",               "control", NULL                    },
        { "C1",                "abcdefghijkl\xc2\x85",          "control", NULL                    },
        { "a line separator",  "abcdefghijkl\u2028",            "control", NULL                    },
        { "no UTF-8",          "abcdefghijkl\xff",              "UTF-8",   NULL                    },
        { "cut UTF-8",         "abcdefghijkl\xc3",              "UTF-8",   NULL                    },
        { "a separate accent", "abcdefghijkle\u0301",           "accent",  NULL                    },
    };
    char       longest[SECRET_CHOSEN_BYTES + 2];
    struct buf out;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *fault;

        buf_init(&out, SECRET_CHOSEN_BYTES);
        fault = secret_choose(slice_of(rows[i].typed), &out);
        if ((fault == NULL) != (rows[i].fault == NULL) || (fault != NULL && strstr(fault, rows[i].fault) == NULL))
            fail_msg("%s: %s", rows[i].label, fault == NULL ? "taken" : fault);
        if (rows[i].kept != NULL)
            assert_slice(rows[i].label, buf_slice(&out), rows[i].kept);
        buf_fini(&out);
    }
    memset(longest, 'x', sizeof(longest));
    buf_init(&out, SECRET_CHOSEN_BYTES);
    assert_null(secret_choose(slice_make(longest, SECRET_CHOSEN_BYTES), &out));
    buf_clear(&out);
    assert_non_null(strstr(secret_choose(slice_make(longest, SECRET_CHOSEN_BYTES + 1), &out), "1024"));
    buf_fini(&out);
}

static void
a_chosen_secret_is_kept_by_the_slow_hash_alone(void **state)
{
    static const uint8_t zeros[32];
    struct credentials   c;

    (void)state;
    assert_int_equal(secret_hash_chosen(slice_of("one two three"), &c), MT_OK);
    assert_true(c.chosen);
    assert_memory_equal(c.stored_key, zeros, sizeof(zeros));
    assert_memory_equal(c.server_key, zeros, sizeof(zeros));
    assert_true(secret_matches_chosen(slice_of("one two three"), c.salt, c.secret_hash));
    assert_true(secret_matches_chosen(slice_of("one\u00a0two three"), c.salt, c.secret_hash));
    assert_false(secret_matches_chosen(slice_of("one two three "), c.salt, c.secret_hash));
    assert_false(secret_matches_chosen(slice_of(""), c.salt, c.secret_hash));
    assert_false(secret_matches_chosen(slice_of("one two three\n"), c.salt, c.secret_hash));
    assert_false(secret_matches(slice_of("one two three"), &c));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_long_random_and_easy_to_type),
        cmocka_unit_test(only_the_secret_matches),
        cmocka_unit_test(the_hashes_are_those_of_scram),
        cmocka_unit_test(what_may_be_chosen),
        cmocka_unit_test(a_chosen_secret_is_kept_by_the_slow_hash_alone),
        cmocka_unit_test(an_api_key_names_its_id),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
