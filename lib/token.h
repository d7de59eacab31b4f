#ifndef LIB_TOKEN_H
#define LIB_TOKEN_H
/*
 * token - the mark that a test mail carries: "mt1" and 40 characters of Crockford base32 in lower case, which carry 25 octets:
 * issue time (4, Unix seconds, big-endian), random (8), and a MAC (13) under the mailbox's key over the first 12 octets and
 * the mailbox's address. docs/token.md has the format with test vectors.
 *
 * Pure functions; sodium_init() must have been called. Keys are secrets: callers keep them in sodium_malloc'ed memory.
 */

#include "lib/slice.h"

#define TOKEN_PREFIX      "mt1"
#define TOKEN_CHARS       43u   /* in text */
#define TOKEN_RAW_BYTES   25u
#define TOKEN_BODY_BYTES  12u   /* of these the first, which the MAC covers */
#define TOKEN_MAC_BYTES   13u
#define TOKEN_KEY_BYTES   32u   /* a master key or a mailbox's key */

struct token {
    uint8_t raw[TOKEN_RAW_BYTES];
};

/*
 * The key of one mailbox: keyed BLAKE2b under the master key over a fixed label, the master key's id and the address in lower
 * case. Whoever has it can mint and verify for this mailbox alone.
 */
void token_mailbox_key(const uint8_t master[TOKEN_KEY_BYTES], uint32_t key_id, struct slice address,
                       uint8_t out[TOKEN_KEY_BYTES]);

/* A new token for the mailbox address (compared without case), issued at issued_unix (seconds), with random octets. */
void token_mint(const uint8_t mailbox_key[TOKEN_KEY_BYTES], struct slice address, uint32_t issued_unix, struct token *out);

/* The same with given random octets: for test vectors. */
void token_make(const uint8_t mailbox_key[TOKEN_KEY_BYTES], struct slice address, uint32_t issued_unix,
                const uint8_t random[8], struct token *out);

/* Whether the MAC is right, in constant time. */
bool token_verify(const uint8_t mailbox_key[TOKEN_KEY_BYTES], struct slice address, const struct token *t);

uint32_t token_issued_unix(const struct token *t);

/* The text in lower case and a NUL. */
void token_encode(const struct token *t, char out[TOKEN_CHARS + 1]);

/* Reads exactly TOKEN_CHARS characters in any case. MT_ESYNTAX: another length, prefix or character. */
int token_decode(struct slice text, struct token *out);

bool token_equal(const struct token *a, const struct token *b);

/*
 * token_scan - finds everything that looks like a token in a stream of bytes, whatever the cuts between the pieces and
 * whatever stands around it; also those that overlap. Linear in the input, no allocation.
 */
typedef void token_found_fn(void *arg, const struct token *t);

struct token_scan {
    token_found_fn *found;
    void           *arg;
    char            window[TOKEN_CHARS];    /* the last len characters, if they may be the start of a token */
    unsigned        len;
};

void token_scan_init(struct token_scan *s, token_found_fn *found, void *arg);
void token_scan_feed(struct token_scan *s, struct slice text);

/* Forgets what was begun: the next piece does not continue the last. */
void token_scan_break(struct token_scan *s);

#endif
