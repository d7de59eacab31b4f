/* token_decode, token_encode and token_scan: what is decoded encodes to the same text, and the scan finds what a plain search does. */
#include "lib/error.h"
#include "lib/token.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FOUND_MAX = 4096 };

struct found {
    struct token tokens[FOUND_MAX];
    size_t       count;
};

static void
on_found(void *arg, const struct token *t)
{
    struct found *f = arg;

    if (f->count < FOUND_MAX)
        f->tokens[f->count] = *t;
    f->count++;
}

static void
check_text(const struct token *t, struct slice text)
{
    char encoded[TOKEN_CHARS + 1];

    token_encode(t, encoded);
    assert(slice_equal_nocase(slice_of(encoded), text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct found want, got;
    struct token_scan   s;
    struct slice        text;
    size_t              piece;

    if (size == 0)
        return 0;
    piece = 1 + data[0] % 100;
    text = slice_make(data + 1, size - 1);
    want.count = 0;
    for (size_t at = 0; at + TOKEN_CHARS <= text.len; at++) {
        struct token t;

        if (token_decode(slice_sub(text, at, TOKEN_CHARS), &t) != MT_OK)
            continue;
        check_text(&t, slice_sub(text, at, TOKEN_CHARS));
        on_found(&want, &t);
    }
    got.count = 0;
    token_scan_init(&s, on_found, &got);
    for (size_t at = 0; at < text.len; at += piece)
        token_scan_feed(&s, slice_sub(text, at, piece));
    assert(got.count == want.count);
    assert(memcmp(got.tokens, want.tokens, (got.count < FOUND_MAX ? got.count : FOUND_MAX) * sizeof(got.tokens[0])) == 0);
    return 0;
}
