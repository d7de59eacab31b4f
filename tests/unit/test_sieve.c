#include "tests/unit/unit.h"

#include "finder/sieve.h"
#include "lib/buf.h"
#include "lib/token.h"

enum { BLOCKS = 6, MARK_AT = 3 * SIEVE_BLOCK };

static void
on_pass(void *arg, struct slice octets)
{
    buf_append_slice(arg, octets);
}

static void
on_skip(void *arg)
{
    buf_append_byte(arg, '|');
}

static const struct sieve_events events = { on_pass, on_skip };

/* Prose of BLOCKS blocks with something at an offset. */
static void
fill(char text[BLOCKS * SIEVE_BLOCK], size_t at, struct slice put)
{
    for (size_t i = 0; i < BLOCKS * SIEVE_BLOCK; i++)
        text[i] = "Look, you will see, "[i % 20];
    memcpy(text + at, put.data, put.len);
}

static void
sieve_in_pieces(struct slice text, size_t piece, struct buf *out)
{
    struct sieve s;

    buf_clear(out);
    sieve_init(&s, &events, out);
    for (size_t at = 0; at < text.len; at += piece)
        sieve_feed(&s, slice_sub(text, at, piece));
    sieve_finish(&s);
}

#define BYTES(string) { string, sizeof(string) - 1 }

static const struct {
    const char  *label;
    struct slice put;
    unsigned     blocks;        /* passed, of a mark at the start of the fourth block */
} cases[] = {
    { "prose",                     BYTES("x"), 0 },
    { "token",                     BYTES("mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"), 3 },
    { "a gap",                     BYTES("a b c d e f g h j k m n p q r s t v w x y z 1234"), 3 },
    { "no gap: a letter within",   BYTES("a b c d e f g h i k m n p q r s t v w x y z"), 0 },
    { "a word",                    BYTES("aiaiaiaiaiaiaiai"), 3 },
    { "no word",                   BYTES("aiaiaiaiaiai ai"), 0 },
    { "UTF-7",                     BYTES("a+b"), 3 },
    { "escape of JSON",            BYTES("a\\u"), 3 },
    { "initials",                  BYTES("LU> "), 3 },
    { "ISO 2022, for good",        BYTES("\033"), 4 },
    { "UTF-16, for good",          BYTES("a\0b"), 4 },
};

static void
what_may_hide_a_token_passes_with_its_neighbours(void **state)
{
    static char text[BLOCKS * SIEVE_BLOCK];
    struct buf  out;

    (void)state;
    buf_init(&out, sizeof(text) + 10);
    for (size_t i = 0; i < COUNT(cases); i++) {
        fill(text, MARK_AT, cases[i].put);
        for (size_t piece = 1; piece <= sizeof(text); piece = piece * 2 + 1) {
            size_t skips = cases[i].blocks == 0 ? 0 : 1;

            sieve_in_pieces(slice_make(text, sizeof(text)), piece, &out);
            if (out.len != cases[i].blocks * SIEVE_BLOCK + skips)
                fail_msg("%s in pieces of %zu: %zu octets pass", cases[i].label, piece, out.len);
            if (skips > 0 && memcmp(out.data, text + MARK_AT - SIEVE_BLOCK, out.len - 1) != 0)
                fail_msg("%s: others pass", cases[i].label);
        }
    }
    buf_fini(&out);
}

/* Wherever it stands, also over the ends of blocks and at the text's end, with something in it. */
static void
a_token_passes_wherever_it_stands(void **state)
{
    static const char *const tokens[] = {
        "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7",
        "mt1d5avj00\r\n> 0041061050r3k\xe2\x80\x8b" "1qahdnkeg4mywkz%66" "11b7",
        "m t 1 d 5 a v j 0 0 0 0 4 1 0 6 1 0 5 0 r 3 k 1 q a h d n k e g 4 m y w k z f 1 1 b 7",
        "bXQxZDVhdmow\r\nMDAwNDEwNjEwNTBy\r\nM2sxcWFoZG5rZWc0\r\nbXl3a3pmMTFiNw==",
    };
    static char text[BLOCKS * SIEVE_BLOCK];
    struct buf  out;

    (void)state;
    buf_init(&out, sizeof(text) + 10);
    for (size_t i = 0; i < COUNT(tokens); i++) {
        for (size_t at = 0; at + strlen(tokens[i]) <= sizeof(text); at++) {
            fill(text, at, slice_of(tokens[i]));
            sieve_in_pieces(slice_make(text, sizeof(text)), sizeof(text), &out);
            if (memmem(out.data, out.len, tokens[i], strlen(tokens[i])) == NULL)
                fail_msg("token %zu at %zu does not pass in one piece", i, at);
        }
    }
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_hide_a_token_passes_with_its_neighbours),
        cmocka_unit_test(a_token_passes_wherever_it_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
