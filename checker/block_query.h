#ifndef CHECKER_BLOCK_QUERY_H
#define CHECKER_BLOCK_QUERY_H
/* block_query - asks one block list for one address or domain by c-ares: its answers, and when it is listed the reason that the list gives as TXT. */

#include "checker/block_name.h"
#include "lib/dns.h"

#define BLOCK_ANSWERS_MAX   8u
#define BLOCK_MEANING_BYTES 200u
#define BLOCK_TEXT_BYTES    300u

enum block_result {
    BLOCK_IS_NOT_LISTED,
    BLOCK_IS_LISTED,
    BLOCK_ASKS_IN_VAIN,     /* fault says why: refused, nonsense, no usable answer of the name servers */
};

struct block_query;

struct block_found {
    enum block_result result;
    unsigned          count;
    struct in_addr    answers[BLOCK_ANSWERS_MAX];
    char              meaning[BLOCK_MEANING_BYTES];     /* by the list's codes; empty: they do not explain it */
    char              text[BLOCK_TEXT_BYTES];           /* the list's own words, fit to be shown; empty: none */
    char              fault[BLOCK_TEXT_BYTES];
    uint64_t          took_us;
};

/* found is valid during the call; the query is freed after it. */
typedef void block_query_fn(void *arg, const struct block_found *found);

/*
 * wants_text: asks for the TXT when it is listed. done is called from the loop, never from inside. Borrows list and dns.
 * NULL: out of memory, done is not called. There is no end but an answer: c-ares gives one within DNS_TRIES tries; block_query_forget says that nobody
 * wants it any more.
 */
struct block_query *block_query_start(struct event_base *base, struct dns *dns, const struct block_list *list, enum block_kind kind, const char *text,
                                      bool wants_text, block_query_fn *done, void *arg);
void                block_query_forget(struct block_query *q);

#endif
