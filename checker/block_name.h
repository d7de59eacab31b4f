#ifndef CHECKER_BLOCK_NAME_H
#define CHECKER_BLOCK_NAME_H
/* block_name - how DNS block lists are asked, and what their answers mean (RFC 5782). Pure. */

#include "checker/checks.h"

#include <netinet/in.h>

#define BLOCK_NAME_BYTES 512u

/* What is asked for: an address or a domain. */
enum block_kind { BLOCK_IPV4, BLOCK_IPV6, BLOCK_DOMAIN };

/* The kind of a text, and for an address whether it is one in its usual form. */
enum block_kind block_kind_of(const char *text);

/*
 * The name to ask: "2.0.0.127.zen.spamhaus.org", 32 nibbles and the list (RFC 5782 section 2.4), "example.com.dbl.spamhaus.org". False: it would be
 * longer than a name may be.
 */
bool block_name_make(enum block_kind kind, const char *text, const char *list, char out[BLOCK_NAME_BYTES]);

/*
 * The test points of a list for a kind (RFC 5782 section 5): one that is always listed, one that never is.
 */
const char *block_listed_point(const struct block_list *list, enum block_kind kind);
const char *block_unlisted_point(const struct block_list *list, enum block_kind kind);

/* Whether the list has entries of that kind. */
bool block_list_has(const struct block_list *list, enum block_kind kind);

/* Whether a text is a pattern of answers: "127.0.0.2", "127.0.0.4-7", "127.0.0.*", "127.0.0.&8". */
bool block_pattern_is_fit(struct slice pattern);

/* Whether an answer (network order) fits a pattern. */
bool block_pattern_fits(const char *pattern, struct in_addr answer);

enum block_answer {
    BLOCK_LISTED,
    BLOCK_REFUSED,      /* an error code: the list does not answer us */
    BLOCK_NONSENSE,     /* no answer of a list (RFC 5782 section 2.1: 127.0.0.0/8): its domain has gone to somebody else, or our resolver redirects */
};

/*
 * What one address in an answer means; every pattern that fits is appended to meaning. Also without a pattern an error: 127.255.255.0/24 (what
 * lists have agreed on) and 127.0.0.1 (which is no listing by RFC 5782 section 2.1).
 */
enum block_answer block_answer_of(const struct block_list *list, struct in_addr answer, char *meaning, size_t size);

#endif
