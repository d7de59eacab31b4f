#include "tests/unit/unit.h"

#include "lib/token.h"

#include <sodium.h>

/* docs/token.md lists the same vectors; they were computed with Python's hashlib.blake2b. */
static const struct {
    const char *label;
    const char *master;         /* in hexadecimal, as random and mailbox_key */
    uint32_t    key_id;
    const char *address;
    uint32_t    issued_unix;
    const char *random;
    const char *mailbox_key;
    const char *text;
} vectors[] = {
    { "ordinary",
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 1,
      "acme@mailtest1.example.net", 1767225600, "0001020304050607",
      "18cc1f2853ad48b4e92c8de03ce8d20da830cea22dbe55279126a3c9f9e95197", "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7" },
    { "next master key",
      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", 2,
      "acme@mailtest1.example.net", 1767225600, "0001020304050607",
      "01b4864c35ab8660b2cb14514bc260f3caf9739be73df33dc0bbcf6f5b8c32e7", "mt1d5avj000041061050r3v05qtqyx1e0h9pxysqntq" },
    { "all zero",
      "0000000000000000000000000000000000000000000000000000000000000000", 0, "a@b", 0, "0000000000000000",
      "f8ca86b905901e2a0206aed318dbdbac9ac224dda65afce9a8fbba7a7d17fe46", "mt10000000000000000000e5krm752qvfceqbf56x6c" },
    { "all ones, long address in mixed case",
      "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", 0xffffffff,
      "Monitoring-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx@Mailtest1.Example.NET", 0xffffffff,
      "ffffffffffffffff",
      "242b4bba6a069e193bcffee3ea7efac9658e80329f2e17499bd9ac330cc8b462", "mt1zzzzzzzzzzzzzzzzzzzkzzhmjwfq2r6qzdr2wqdw" },
};

static void
unhex(const char *hex, uint8_t *out, size_t len)
{
    size_t got;

    assert_int_equal(sodium_hex2bin(out, len, hex, strlen(hex), NULL, &got, NULL), 0);
    assert_int_equal(got, len);
}

static void
vectors_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        uint8_t      master[TOKEN_KEY_BYTES], key[TOKEN_KEY_BYTES], want[TOKEN_KEY_BYTES], random[8];
        struct token made, read;
        char         text[TOKEN_CHARS + 1];

        unhex(vectors[i].master, master, sizeof(master));
        unhex(vectors[i].mailbox_key, want, sizeof(want));
        unhex(vectors[i].random, random, sizeof(random));
        token_mailbox_key(master, vectors[i].key_id, slice_of(vectors[i].address), key);
        token_make(key, slice_of(vectors[i].address), vectors[i].issued_unix, random, &made);
        token_encode(&made, text);
        if (memcmp(key, want, sizeof(key)) != 0 || strcmp(text, vectors[i].text) != 0)
            fail_msg("%s: got %s, want %s", vectors[i].label, text, vectors[i].text);
        assert_int_equal(token_decode(slice_of(vectors[i].text), &read), MT_OK);
        assert_true(token_equal(&made, &read));
        assert_true(token_verify(key, slice_of(vectors[i].address), &read));
        assert_int_equal(token_issued_unix(&read), vectors[i].issued_unix);
    }
}

static void
a_minted_token_is_genuine_for_its_mailbox_alone(void **state)
{
    uint8_t      master[TOKEN_KEY_BYTES] = { 7 }, key[TOKEN_KEY_BYTES], other[TOKEN_KEY_BYTES];
    struct token a, b;

    (void)state;
    token_mailbox_key(master, 1, slice_of("acme@t.example"), key);
    token_mailbox_key(master, 1, slice_of("acmf@t.example"), other);
    token_mint(key, slice_of("acme@t.example"), 1000, &a);
    token_mint(key, slice_of("acme@t.example"), 1000, &b);
    assert_false(token_equal(&a, &b));
    assert_true(token_verify(key, slice_of("acme@t.example"), &a));
    assert_true(token_verify(key, slice_of("ACME@T.Example"), &a));
    assert_false(token_verify(key, slice_of("acmf@t.example"), &a));
    assert_false(token_verify(other, slice_of("acme@t.example"), &a));
    assert_false(token_verify(other, slice_of("acmf@t.example"), &a));
    for (size_t bit = 0; bit < TOKEN_RAW_BYTES * 8; bit++) {
        b = a;
        b.raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(token_verify(key, slice_of("acme@t.example"), &b));
    }
}

#define GOOD "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"

static const struct {
    const char *label, *text;
    int         rc;
} decodings[] = {
    { "lower case",           GOOD,                                           MT_OK      },
    { "upper case",           "MT1D5AVJ000041061050R3K1QAHDNKEG4MYWKZF11B7",  MT_OK      },
    { "mixed case",           "Mt1d5AVj000041061050r3k1qAHdnkeg4mywkzf11B7",  MT_OK      },
    { "empty",                "",                                             MT_ESYNTAX },
    { "a character short",    "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b",   MT_ESYNTAX },
    { "a character long",     GOOD "0",                                       MT_ESYNTAX },
    { "other prefix",         "mt2d5avj000041061050r3k1qahdnkeg4mywkzf11b7",  MT_ESYNTAX },
    { "prefix letter apart",  "-t1d5avj000041061050r3k1qahdnkeg4mywkzf11b7",  MT_ESYNTAX },
    { "i is no digit",        "mt1i5avj000041061050r3k1qahdnkeg4mywkzf11b7",  MT_ESYNTAX },
    { "l is no digit",        "mt1l5avj000041061050r3k1qahdnkeg4mywkzf11b7",  MT_ESYNTAX },
    { "o is no digit",        "mt1o5avj000041061050r3k1qahdnkeg4mywkzf11b7",  MT_ESYNTAX },
    { "u is no digit",        "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11bu",  MT_ESYNTAX },
    { "space",                "mt1 5avj000041061050r3k1qahdnkeg4mywkzf11b7",  MT_ESYNTAX },
    { "octet over 127",       "mt1\xe1" "5avj000041061050r3k1qahdnkeg4mywkzf11b7", MT_ESYNTAX },
};

static void
decode_takes_exactly_a_token_in_any_case(void **state)
{
    struct token want;

    (void)state;
    assert_int_equal(token_decode(slice_of(GOOD), &want), MT_OK);
    for (size_t i = 0; i < COUNT(decodings); i++) {
        struct token t;
        int          rc = token_decode(slice_of(decodings[i].text), &t);

        if (rc != decodings[i].rc)
            fail_msg("%s: got %s, want %s", decodings[i].label, mt_strerror(rc), mt_strerror(decodings[i].rc));
        if (rc == MT_OK)
            assert_true(token_equal(&t, &want));
    }
}

/* ---- Scanning --------------------------------------------------------------------------------------------------- */

struct found {
    struct token tokens[64];
    size_t       count;
};

static void
on_found(void *arg, const struct token *t)
{
    struct found *f = arg;

    assert_true(f->count < COUNT(f->tokens));
    f->tokens[f->count++] = *t;
}

#define FORTY_ZEROS "0000000000000000000000000000000000000000"

/* Every prefix in it begins a token, but for those too near the end. */
#define PREFIXES_14 "mt1mt1mt1mt1mt1mt1mt1mt1mt1mt1mt1mt1mt1mt1"

static const struct {
    const char *label, *text;
    size_t      count;
} scans[] = {
    { "empty",                       "",                                                 0 },
    { "alone",                       GOOD,                                               1 },
    { "in words",                    "the token " GOOD " stood here, in words",          1 },
    { "behind digits",               "000111" GOOD,                                      1 },
    { "before digits",               GOOD "000111",                                      1 },
    { "behind what is begun",        "mt1d5av " GOOD,                                    1 },
    { "behind a prefix: overlaps",   "mt1" GOOD,                                         2 },
    { "in a local part",             "<acme+" GOOD "@mailtest1.example>",                1 },
    { "in a URL",                    "https://x.example/?u=https%3A%2F%2Fy%2F" GOOD "&", 1 },
    { "two with a comma",            GOOD "," GOOD,                                      2 },
    { "two in a row",                GOOD GOOD,                                          2 },
    { "one overlaps another",        "mt1mt1" FORTY_ZEROS,                               2 },
    { "prefixes",                    PREFIXES_14 "m",                                    1 },
    { "twice the prefixes",          PREFIXES_14 PREFIXES_14,                            14 },
    { "cut off",                     "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b",       0 },
    { "a bad digit in the middle",   "mt1d5avj0000410610-0r3k1qahdnkeg4mywkzf11b7",      0 },
    { "a bad digit, then a token",   "mt1d5avj0000410610-" GOOD,                         1 },
    { "digits only",                 FORTY_ZEROS FORTY_ZEROS FORTY_ZEROS,                0 },
};

static void
scan_in_pieces(struct slice text, size_t first, size_t piece, struct found *out)
{
    struct token_scan s;

    out->count = 0;
    token_scan_init(&s, on_found, out);
    token_scan_feed(&s, slice_sub(text, 0, first));
    for (size_t at = first; at < text.len; at += piece)
        token_scan_feed(&s, slice_sub(text, at, piece));
}

static void
scan_finds_every_token_however_the_text_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(scans); i++) {
        struct slice text = slice_of(scans[i].text);
        struct found whole, cut;

        scan_in_pieces(text, text.len, 1, &whole);
        if (whole.count != scans[i].count)
            fail_msg("%s: got %zu, want %zu", scans[i].label, whole.count, scans[i].count);
        for (size_t first = 0; first <= text.len; first++) {
            for (size_t piece = 1; piece <= 90; piece += piece < 46 ? 1 : 11) {
                scan_in_pieces(text, first, piece, &cut);
                if (cut.count != whole.count || memcmp(cut.tokens, whole.tokens, cut.count * sizeof(cut.tokens[0])) != 0)
                    fail_msg("%s: cut at %zu and each %zu gave %zu", scans[i].label, first, piece, cut.count);
            }
        }
    }
}

static void
scan_agrees_with_a_plain_search_on_random_text(void **state)
{
    static const char alphabet[] = "mt1MT1mt1mt1mt0az-";
    char              text[600];

    (void)state;
    for (uint32_t round = 0; round < 3000; round++) {
        uint8_t      seed[randombytes_SEEDBYTES] = { (uint8_t)round, (uint8_t)(round >> 8) };
        uint8_t      random[sizeof(text)];
        struct found got, want = { .count = 0 };
        struct token t;
        unsigned     letters = round % 3 == 0 ? 18 : 17;     /* mostly without the hyphen, else long runs are rare */

        randombytes_buf_deterministic(random, sizeof(random), seed);
        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = random[i] == 0 ? ' ' : alphabet[random[i] % letters];
        for (size_t i = 0; i + TOKEN_CHARS <= sizeof(text) && want.count < COUNT(want.tokens); i++)
            if (token_decode(slice_make(text + i, TOKEN_CHARS), &t) == MT_OK)
                want.tokens[want.count++] = t;
        if (want.count == COUNT(want.tokens))
            continue;
        scan_in_pieces(slice_make(text, sizeof(text)), random[0], 1 + random[1], &got);
        assert_int_equal(got.count, want.count);
        assert_memory_equal(got.tokens, want.tokens, got.count * sizeof(got.tokens[0]));
    }
}

static void
break_forgets_what_was_begun(void **state)
{
    struct found      found = { .count = 0 };
    struct token_scan s;

    (void)state;
    token_scan_init(&s, on_found, &found);
    token_scan_feed(&s, slice_make(GOOD, 20));
    token_scan_break(&s);
    token_scan_feed(&s, slice_of(&GOOD[20]));
    assert_int_equal(found.count, 0);
    token_scan_feed(&s, slice_of(GOOD));
    assert_int_equal(found.count, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold),
        cmocka_unit_test(a_minted_token_is_genuine_for_its_mailbox_alone),
        cmocka_unit_test(decode_takes_exactly_a_token_in_any_case),
        cmocka_unit_test(scan_finds_every_token_however_the_text_is_cut),
        cmocka_unit_test(scan_agrees_with_a_plain_search_on_random_text),
        cmocka_unit_test(break_forgets_what_was_begun),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
