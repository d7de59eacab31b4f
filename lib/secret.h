#ifndef LIB_SECRET_H
#define LIB_SECRET_H
/*
 * secret - passwords of mailboxes and keys of the HTTP API: both are made here from random bits, never chosen by people, so
 * a fast hash is safe. sodium_init() must have been called.
 */

#include "lib/record.h"

/* 32 characters of Crockford base32 (160 bits) in eight groups with "-" between them: easy to read out and to type. */
#define SECRET_CHARS 39u

/* A new one with a NUL. The caller wipes it (sodium_memzero) when it was handed out. */
void secret_make(char out[SECRET_CHARS + 1]);

/*
 * Fills in a new salt and the three hashes. MT_EIO: the hash function failed. Takes some milliseconds
 * (SCRAM_ITERATIONS).
 */
int secret_hash(struct slice secret, struct credentials *out);

/* The same with a given salt: for test vectors. */
int secret_hash_with_salt(struct slice secret, const uint8_t salt[16], struct credentials *out);

/* Whether it is the mailbox's secret: in constant time, and fast. */
bool secret_matches(struct slice secret, const struct credentials *c);

/* "mtk_", an id of at most 10 digits, "_", 43 characters of base64url. */
#define API_KEY_CHARS_MAX 58u

void api_key_make(uint32_t id, char out[API_KEY_CHARS_MAX + 1]);

/* What the key's record keeps of it. */
void api_key_hash(struct slice text, uint8_t out[32]);

#endif
