#ifndef BENCH_COMMON_LETTER_H
#define BENCH_COMMON_LETTER_H
/*
 * letter - the test mail that is sent again and again. One copy of it serves all connections: only the Message-ID and the token
 * differ, and they are put into their places right before each write, so a message of a megabyte is neither built nor copied
 * for each sending.
 */

#include <stddef.h>
#include <stdint.h>

struct letter;

enum { LETTER_TOKEN_LEN = 43 };

/*
 * A message of size_bytes, counted as RFC 1870 counts (CRLF as two, without the final dot), or a little more where the header
 * and the token's places need it. with_token: there are places in the Subject, the Message-ID, X-Mailtest-Token and the text.
 * Exits when out of memory.
 */
struct letter *letter_new(size_t size_bytes, const char *sender, const char *recipient, int with_token);
void           letter_free(struct letter *l);   /* NULL is fine */

size_t letter_size(const struct letter *l);     /* octets on the wire, with the final CRLF.CRLF */

/* The letter's bytes, with this serial number and token in their places; valid until the next call. token: NULL without one. */
const char *letter_with(struct letter *l, uint64_t serial, const char *token);

#endif
