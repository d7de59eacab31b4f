#ifndef CHECKER_RESULT_SENDER_H
#define CHECKER_RESULT_SENDER_H
/*
 * result_sender - hands results to the service (POST /v1/results), many in one request, from a durable queue in STATE_TABLE_RESULT: what the service has
 * not taken yet outlives its absence and our restart. The queue is bounded; beyond that the oldest are dropped, logged and counted.
 *
 * The service takes a result twice without harm, by its check and its beginning.
 */

#include "checker/api.h"
#include "checker/state.h"

struct result_sender;

#define RESULTS_A_REQUEST         500u          /* the service takes no more */
#define RESULTS_REQUEST_BYTES     (256u * 1024) /* of the body; one result may be longer by itself */
#define RESULTS_WAITING_MAX       1000000u
#define RESULTS_WAITING_BYTES_MAX (1024ull * 1024 * 1024)
#define RESULTS_COMPANY_MS        500u          /* a result waits so long for others */
#define RESULTS_GAP_FIRST_MS      1000u         /* after a request that failed; then twice as long each time, up to … */
#define RESULTS_GAP_MAX_MS        60000u

struct result_sender_stats {
    unsigned waiting;
    uint64_t waiting_bytes;
    uint64_t taken_total, refused_total, dropped_total, failures_total;    /* failures: requests */
};

/* Bounds of what waits; at least one waits whatever they are. */
struct result_sender_limits {
    unsigned count;             /* RESULTS_WAITING_MAX */
    uint64_t bytes;             /* RESULTS_WAITING_BYTES_MAX */
};

/* Borrows all. limits NULL: the usual ones. What waited when the state was last closed is sent, too. MT_ENOMEM, MT_EIO. */
int  result_sender_open(struct event_base *base, struct api *api, struct state_file *state, const struct result_sender_limits *limits,
                        struct result_sender **out);
void result_sender_close(struct result_sender *s);  /* NULL is fine; a request under way is given up and made again after the next start */

/* json: the text of one result. MT_EFULL, MT_ENOMEM: the state takes no more (logged, counted as dropped). */
int  result_sender_put(struct result_sender *s, struct slice json);

void result_sender_stats(const struct result_sender *s, struct result_sender_stats *out);

#endif
