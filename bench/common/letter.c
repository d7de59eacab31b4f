/* letter - see letter.h. */

#include "bench/common/letter.h"

#include <assert.h>
#include <err.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

enum { SERIAL_LEN = 16, MAX_PLACES = 4, LINE_LEN = 72 };

struct letter {
    char  *bytes;
    size_t len;
    size_t serial_at;
    size_t token_at[MAX_PLACES];
    int    places;
};

static void
put(struct letter *l, const char *text)
{
    size_t len = strlen(text);

    memcpy(l->bytes + l->len, text, len);
    l->len += len;
}

static void
put_token(struct letter *l, const char *before, const char *after)
{
    assert(l->places < MAX_PLACES);
    put(l, before);
    l->token_at[l->places++] = l->len;
    put(l, "mt10000000000000000000000000000000000000000");
    put(l, after);
}

/* Lines of words, none of which starts with a dot, so that nothing has to be stuffed. */
static void
put_text(struct letter *l, size_t until)
{
    static const char letters[] = "etaoinshrdlucmfwypvbgkjqxz";
    uint32_t          random = 1;

    while (l->len < until) {
        size_t room = until - l->len;
        size_t line = room > LINE_LEN + 4 ? LINE_LEN : room > 2 ? room - 2 : 1;

        for (size_t i = 0; i < line; i++) {
            random = random * 1664525 + 1013904223;
            l->bytes[l->len++] = i % 7 == 6 ? ' ' : letters[(random >> 16) % 26];
        }
        put(l, "\r\n");
    }
}

struct letter *
letter_new(size_t size_bytes, const char *sender, const char *recipient, int with_token)
{
    struct letter *l = calloc(1, sizeof(*l));

    if (l == NULL || (l->bytes = malloc(size_bytes + strlen(sender) + strlen(recipient) + 2048)) == NULL)
        err(1, "letter");
    put(l, "From: <");
    put(l, sender);
    put(l, ">\r\nTo: <");
    put(l, recipient);
    put(l, ">\r\nDate: Sat, 01 Nov 2025 12:00:00 +0000\r\nAuto-Submitted: auto-generated\r\n");
    if (with_token) {
        put_token(l, "Subject: round trip ", "\r\n");
        put_token(l, "X-Mailtest-Token: ", "\r\n");
        put_token(l, "Message-ID: <", ".");
    } else
        put(l, "Subject: round trip\r\nMessage-ID: <");
    l->serial_at = l->len;
    put(l, "0000000000000000@bench.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
    if (with_token)
        put_token(l, "Token: ", "\r\n\r\n");
    put_text(l, size_bytes);
    put(l, ".\r\n");
    return l;
}

void
letter_free(struct letter *l)
{
    if (l == NULL)
        return;
    free(l->bytes);
    free(l);
}

size_t
letter_size(const struct letter *l)
{
    return l->len;
}

const char *
letter_with(struct letter *l, uint64_t serial, const char *token)
{
    static const char digits[] = "0123456789abcdef";

    for (int i = SERIAL_LEN - 1; i >= 0; i--, serial >>= 4)
        l->bytes[l->serial_at + (size_t)i] = digits[serial & 15];
    for (int i = 0; i < l->places && token != NULL; i++)
        memcpy(l->bytes + l->token_at[i], token, LETTER_TOKEN_LEN);
    return l->bytes;
}
