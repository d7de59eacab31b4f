#include "tests/unit/unit.h"

#include "lib/tls_hello.h"

#include <stdlib.h>

/*
 * What a client sends, in words: "r22:5" a record's head of that kind and length, "m1:9" a message's head, "x7" seven octets.
 */
static size_t
compose(const char *words, char *to)
{
    size_t len = 0;

    while (*words != '\0') {
        char          what = *words, *end;
        unsigned long kind = strtoul(words + 1, &end, 10), size = *end == ':' ? strtoul(end + 1, &end, 10) : kind;

        if (what == 'r') {
            const unsigned char head[] = { (unsigned char)kind, 3, 3, (unsigned char)(size >> 8), (unsigned char)size };

            memcpy(to + len, head, sizeof(head));
            len += sizeof(head);
        } else if (what == 'm') {
            const unsigned char head[] = { (unsigned char)kind, (unsigned char)(size >> 16), (unsigned char)(size >> 8), (unsigned char)size };

            memcpy(to + len, head, sizeof(head));
            len += sizeof(head);
        } else {
            assert_int_equal(what, 'x');
            memset(to + len, 0xff, size);       /* heads of it would announce very much */
            len += size;
        }
        words = *end == ' ' ? end + 1 : end;
    }
    return len;
}

static const struct {
    const char *label, *words;
    bool        taken;
} cases[] = {
    { "a usual one",                        "r22:304 m1:300 x300", true },
    { "as long as may be, in two records",  "r22:16384 m1:16384 x16380 r22:4 x4", true },
    { "one octet longer",                   "r22:16384 m1:16385", false },
    { "as long as its head can tell",       "r22:4 m1:16777215", false },
    { "behind an alert",                    "r21:2 x2 r22:4 m1:70000", false },
    { "a second one that is too long",      "r22:304 m1:300 x300 r20:1 x1 r22:4 m1:70000", false },
    { "a second one in the same record",    "r22:308 m1:300 x300 m1:70000", false },
    { "a second one that is not",           "r22:304 m1:300 x300 r20:1 x1 r22:304 m1:300 x300", true },
    { "what is encrypted",                  "r22:304 m1:300 x300 r23:40 x40 r22:40 x40", true },
    { "TLS 1.2: keys, and what is encrypted", "r22:304 m1:300 x300 r22:37 m16:33 x33 r20:1 x1 r22:40 x40", true },
    { "no TLS",                             "x50 r22:4 m1:70000", true },
    { "empty records",                      "r22:0 r22:0 r22:4 m1:70000", false },
    { "nothing",                            "", true },
};

static bool
takes(const char *bytes, size_t len, size_t piece)
{
    struct tls_hello w = { .done = false };
    bool             taken = true;

    for (size_t at = 0; at < len && taken; at += piece)
        taken = tls_hello_take(&w, slice_make(bytes + at, piece < len - at ? piece : len - at));
    return taken;
}

static void
a_long_hello_is_seen_by_its_head_in_whatever_pieces(void **state)
{
    static const size_t pieces[] = { 1, 2, 3, 7, 1000, 1000000 };
    char               *bytes = malloc(65536);

    (void)state;
    assert_non_null(bytes);
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = compose(cases[i].words, bytes);

        for (size_t p = 0; p < COUNT(pieces); p++)
            if (takes(bytes, len, pieces[p]) != cases[i].taken)
                fail_msg("%s: in pieces of %zu it was %s", cases[i].label, pieces[p], cases[i].taken ? "refused" : "taken");
    }
    free(bytes);
}

static void
a_head_that_two_records_share_is_read(void **state)
{
    static const char bytes[] = "\x16\x03\x03\x00\x01\x01" "\x14\x03\x03\x00\x01\x01" "\x16\x03\x03\x00\x03\x01\x00\x00";

    (void)state;
    assert_false(takes(bytes, sizeof(bytes) - 1, 1));
    assert_false(takes(bytes, sizeof(bytes) - 1, 100));
    assert_true(takes(bytes, sizeof(bytes) - 2, 100));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_hello_is_seen_by_its_head_in_whatever_pieces),
        cmocka_unit_test(a_head_that_two_records_share_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
