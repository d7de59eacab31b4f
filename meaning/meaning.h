#ifndef MEANING_MEANING_H
#define MEANING_MEANING_H
/*
 * meaning - what a mail is, read from its header and the beginning of its text while the finder walks through it: a delivery
 * status report and what it says, an automatic reply, a read receipt, a person's reply, a provider's request to confirm a forwarding;
 * how it was forwarded, and what the hosts on its way claim of it. It fills in traits (enum trait) and facts (lib/fact.h);
 * store decides with them, and with the token, what the mail counts as.
 *
 * Pure, no I/O. Time: linear in what it is fed. Memory: at most MEANING_MEMORY_BYTES.
 */

#include "lib/fact.h"
#include "lib/mime.h"

#define MEANING_TEXT_BYTES   (16u * 1024)   /* of the message's own text, from its beginning, that are read */
#define MEANING_MEMORY_BYTES (96u * 1024)

struct meaning;

struct meaning *meaning_new(void);              /* NULL: out of memory */
void            meaning_free(struct meaning *m);    /* NULL is fine */
void            meaning_reset(struct meaning *m);   /* for another message; keeps a little memory */

/* The envelope's reverse-path, without angle brackets; before meaning_finish. */
void meaning_reverse_path(struct meaning *m, struct slice reverse_path);

/* An envelope recipient, without angle brackets; before meaning_finish. Of several the first counts. */
void meaning_recipient(struct meaning *m, struct slice address);

/*
 * The walk's events (lib/mime.h) as they are, of the message itself: a walk through something unpacked from it is not told.
 * field comes in pieces as the walk tells them. body: decoded octets of any part; it takes what it needs.
 */
void meaning_field(struct meaning *m, const struct mime_part *p, const struct header_field *f);
void meaning_header_end(struct meaning *m, const struct mime_part *p);
void meaning_body(struct meaning *m, const struct mime_part *p, struct slice octets);
void meaning_part_end(struct meaning *m, const struct mime_part *p);

/*
 * A candidate stood at places (enum place) of lib/parsed.h: what tells a reply from an arrival. To be told of each single find,
 * since PLACE_ATTACHED makes the other bits those of the attached message. At any time before meaning_finish.
 */
void meaning_candidate(struct meaning *m, uint32_t places);

/* The message is complete. Returns the traits (enum trait) that it adds; *facts borrows until meaning_reset or meaning_free. */
uint32_t meaning_finish(struct meaning *m, struct slice *facts);

/*
 * A known refusal in words: what the status code and the diagnostic text of a report mean and what to do, for example for
 * 5.7.520 that the tenant's outbound spam policy forbids automatic forwarding. NULL: nothing better than its own words is known.
 */
const char *meaning_of_refusal(struct slice status, struct slice diagnostic);

#endif
