#include "tests/unit/decoded.h"

#include "finder/base64_runs.h"

#include <sodium.h>
#include <stdio.h>

#define UPPER_TOKEN "MT1D5AVJ000041061050R3K1QAHDNKEG4MYWKZF11B7"
#define OTHER_TOKEN "mt1zzzzzzzzzzzzzzzzzzzkzzhmjwfq2r6qzdr2wqdw"
#define NEST_TOKEN  "mt1000mt1000000000000000000000000000000mt10"

static void
search(struct slice in, size_t piece_size, struct decoded *got)
{
    struct base64_runs b;

    base64_runs_init(&b, decoded_add, got);
    for (int round = 0; round < 2; round++) {
        got->len = 0;
        base64_runs_feed(&b, slice_of(NULL));
        for (size_t at = 0; at < in.len; at += piece_at(in, at, piece_size).len)
            base64_runs_feed(&b, piece_at(in, at, piece_size));
        base64_runs_finish(&b);
    }
}

static void
check(const char *label, struct slice in, const char *want)
{
    static struct decoded got;

    for (size_t i = 0; i < COUNT(piece_sizes); i++) {
        search(in, piece_sizes[i], &got);
        assert_slice(label, decoded_slice(&got), want);
    }
}

enum wide { NARROW, LITTLE, BIG };

/* Encodes before, token and after together and searches between "?u=" and "&". */
static void
check_encoded(const char *before, const char *token, const char *after, enum wide wide, int variant, const char *want)
{
    char   text[256], octets[512], encoded[1024], in[2200], label[300];
    size_t len = 0;

    snprintf(text, sizeof(text), "%s%s%s", before, token, after);
    for (const char *c = text; *c != '\0'; c++) {
        if (wide == BIG)
            octets[len++] = '\0';
        octets[len++] = *c;
        if (wide == LITTLE)
            octets[len++] = '\0';
    }
    sodium_bin2base64(encoded, sizeof(encoded), (const unsigned char *)octets, len, variant);
    snprintf(in, sizeof(in), "https://gateway.test/?u=%s&x=%s", encoded, encoded + 2);
    snprintf(label, sizeof(label), "%s, wide %d", text, (int)wide);
    check(label, slice_of(in), want);
}

static void
tokens_are_found_at_every_alignment(void **state)
{
    static const char *const before[] = {
        "", "a", "\xff\xff", "https://t.example/", "http://t.example/?id=", "\xc3\xa4", "mt1-", "0mt1.",
    };
    static const int         variants[] = { sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_URLSAFE_NO_PADDING };

    (void)state;
    for (size_t i = 0; i < COUNT(before); i++) {
        for (size_t k = 0; k < COUNT(variants); k++) {
            for (int wide = NARROW; wide <= BIG; wide++) {
                /* Once in each of the two copies, but that the second lacks its first two digits, so the first octet and a half. */
                size_t      m_at = strlen(before[i]) * (wide == NARROW ? 1 : 2) + (wide == BIG);
                const char *want = m_at < 2 ? SOME_TOKEN " " : SOME_TOKEN " " SOME_TOKEN " ";

                check_encoded(before[i], SOME_TOKEN, "", (enum wide)wide, variants[k], want);
                check_encoded(before[i], SOME_TOKEN, "&\xff\xff", (enum wide)wide, variants[k], want);
                check_encoded(before[i], UPPER_TOKEN, "/", (enum wide)wide, variants[k], want);
            }
        }
    }
}

static void
every_case_of_the_prefix_is_found(void **state)
{
    static const char *const prefixes[] = { "mt1", "Mt1", "mT1", "MT1" };

    (void)state;
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        char token[] = SOME_TOKEN;

        memcpy(token, prefixes[i], 3);
        for (int wide = NARROW; wide <= BIG; wide++) {
            check_encoded("?=", token, ".", (enum wide)wide, sodium_base64_VARIANT_ORIGINAL, SOME_TOKEN " " SOME_TOKEN " ");
            check_encoded("//", token, ".", (enum wide)wide, sodium_base64_VARIANT_ORIGINAL, SOME_TOKEN " " SOME_TOKEN " ");
            check_encoded("///", token, ".", (enum wide)wide, sodium_base64_VARIANT_ORIGINAL, SOME_TOKEN " " SOME_TOKEN " ");
        }
    }
}

static const struct {
    const char *label, *in, *want;
} cases[] = {
    { "nothing",                    "The quick brown fox " SOME_TOKEN, "" },
    { "empty",                      "", "" },
    { "in the middle of a word",    "zzzzbXQxZDVhdmowMDAwNDEwNjEwNTByM2sxcWFoZG5rZWc0bXl3a3pmMTFiNw", SOME_TOKEN " " },
    { "padded, then another",
      "bXQxZDVhdmowMDAwNDEwNjEwNTByM2sxcWFoZG5rZWc0bXl3a3pmMTFiNw==.bXQxenp6enp6enp6enp6enp6enp6emt6emhtandmcTJyNnF6ZHIyd3Fkdw",
      SOME_TOKEN " " OTHER_TOKEN " " },
    { "tokens within a token",      "bXQxMDAwbXQxMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwbXQxMA==", NEST_TOKEN " " },
    { "cut",                        "bXQxZDVhdmowMDAwNDEwNjEwNTByM2sxcWFoZG5rZWc0bXl3a3pmMTFi", "" },
    { "broken by a dot",            "bXQxZDVhdmowMDAwNDEwNjEwNT.ByM2sxcWFoZG5rZWc0bXl3a3pmMTFiNw", "" },
    { "UTF-7",
      "+AG0AdAAxAGQANQBhAHYAagAwADAAMAAwADQAMQAwADYAMQAwADUAMAByADMAawAxAHEAYQBoAGQAbgBrAGUAZwA0AG0AeQB3AGsAegBmADEAMQBiADc-",
      SOME_TOKEN " " },
    { "looks at two alignments",    "bXQxMMQ0bXQxZDVhdmowMDAwNDEwNjEwNTByM2sxcWFoZG5rZWc0bXl3a3pmMTFiNw", SOME_TOKEN " " },
};

static void
runs_end_where_they_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        check(cases[i].label, slice_of(cases[i].in), cases[i].want);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_found_at_every_alignment),
        cmocka_unit_test(every_case_of_the_prefix_is_found),
        cmocka_unit_test(runs_end_where_they_end),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
