#ifndef SIGNER_SIGNING_KEYS_H
#define SIGNER_SIGNING_KEYS_H
/*
 * signing_keys - the private keys of all certificates of the configuration, read once before rights are given up, in memory that is locked and in no
 * core dump.
 */

#include "lib/config.h"
#include "lib/signing.h"

#include <openssl/evp.h>

struct signing_keys;

/* MT_ENOTFOUND, MT_EDENIED, MT_EINVALID (logged with the file and the reason); MT_ENOMEM. *out is freed with signing_keys_free, also on error NULL. */
int  signing_keys_open(const struct config *config, struct signing_keys **out);
void signing_keys_free(struct signing_keys *keys);      /* NULL is fine; wipes */

/* Borrowed; NULL: there is none of that name. */
EVP_PKEY *signing_keys_find(const struct signing_keys *keys, const unsigned char id[SIGNING_KEY_ID_BYTES]);

/*
 * How many certificates expire within so many days of now, or have expired: each gets a line in the log when tell is set. The time of the first
 * one of all goes to *first_unix (0: unknown).
 */
unsigned signing_keys_expiring(const struct signing_keys *keys, int64_t now_unix, uint32_t days, bool tell, int64_t *first_unix);

unsigned signing_keys_count(const struct signing_keys *keys);

#endif
