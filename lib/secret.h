#ifndef LIB_SECRET_H
#define LIB_SECRET_H
/*
 * secret - passwords of mailboxes and agents, and keys of the HTTP API. Most are made here from random bits, so that a fast hash is safe;
 * one that a person chose is kept by a slow hash alone. sodium_init() must have been called.
 */

#include "lib/buf.h"
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

/* Whether it is the mailbox's secret, which was made here: in constant time, and fast. */
bool secret_matches(struct slice secret, const struct credentials *c);

/* ---- Chosen by a person -------------------------------------------------------------------------------------------------- */

#define SECRET_CHOSEN_LEAST 12u         /* characters */
#define SECRET_CHOSEN_BYTES 1024u       /* at most, as it was typed */

/*
 * argon2id (RFC 9106) with one lane: two passes over 64 MiB, some 50 ms of a core of 2020. A changed value makes the chosen secrets that are kept
 * useless.
 */
#define SECRET_ARGON2_PASSES 2u
#define SECRET_ARGON2_BYTES  (64u * 1024 * 1024)

/*
 * As RFC 8265 section 4.2 (OpaqueString) has it, in the simple form: UTF-8 without control characters, spaces of other scripts become
 * U+0020, upper and lower case stay; nothing is normalised, and instead combining marks (U+0300 to U+036F) are refused, so that "é" has one form. Appends to
 * out. NULL, or what is wrong, in words that fit behind "the secret ".
 */
const char *secret_prepare(struct slice typed, struct buf *out);

/* The same with the bounds for a new one. */
const char *secret_choose(struct slice typed, struct buf *out);

/* Fills in a new salt and the slow hash of a prepared secret; no key of SCRAM. MT_ENOMEM: no memory for it. */
int secret_hash_chosen(struct slice prepared, struct credentials *out);

/*
 * Whether it is that chosen secret, as it was typed: takes as long as the hash does, not where out of memory, which counts as wrong. Needs no lock: for
 * a thread of its own.
 */
bool secret_matches_chosen(struct slice typed, const uint8_t salt[16], const uint8_t hash[32]);

/* ---- Of the HTTP API ----------------------------------------------------------------------------------------------------- */

/* "mtk_", an id of at most 10 digits, "_", 43 characters of base64url. */
#define API_KEY_CHARS_MAX 58u

void api_key_make(uint32_t id, char out[API_KEY_CHARS_MAX + 1]);

/* What the key's record keeps of it. */
void api_key_hash(struct slice text, uint8_t out[32]);

#endif
