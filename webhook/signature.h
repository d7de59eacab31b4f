#ifndef WEBHOOK_SIGNATURE_H
#define WEBHOOK_SIGNATURE_H
/* signature - how a receiver knows that a post is ours, and not a replay of an old one (docs/webhooks.md). Pure. */

#include "lib/slice.h"

#define SIGNATURE_HEX_CHARS 64u

/* HMAC-SHA256 (RFC 2104) under the secret's text over the time stamp in decimal, ".", and the body; in lower-case hexadecimal with a NUL. */
void signature_make(struct slice secret, uint64_t timestamp_unix, struct slice body, char out[SIGNATURE_HEX_CHARS + 1]);

#endif
