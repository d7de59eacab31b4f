#ifndef WEBHOOK_POST_H
#define WEBHOOK_POST_H
/*
 * post - events on their way to where webhooks point: looks the host up, posts, and tells how it ended. Nothing is tried twice here;
 * store decides what follows from an end.
 *
 * Each post ends once: with the server's status, with why there was none, or without a word when it is cancelled. It takes at most
 * webhook.timeout_ms.
 */

#include "lib/config.h"
#include "lib/event.h"

#include <event2/event.h>
#include <openssl/ssl.h>

/* Of a server's answer this much is read, and thrown away. */
#define POST_ANSWER_MAX_BYTES 4096u

struct posts;

/* One post's end. http_status 0: there was no answer. error: empty when it was taken (2xx), else a sentence. */
typedef void post_done_fn(void *arg, uint32_t webhook_id, uint64_t event_id, uint16_t http_status, struct slice error);

/* Borrows all. certificates: who may certify a server. NULL: out of memory, or the name servers' configuration cannot be read. */
struct posts *posts_new(struct event_base *base, const struct config *config, X509_STORE *certificates, post_done_fn *done, void *arg);
void          posts_free(struct posts *all);    /* NULL is fine; posts under way end without a word */

/* What is posted; all is copied. */
struct post_order {
    uint32_t            webhook_id;
    uint64_t            event_id;
    struct slice        url, secret;
    struct event_record event;
};

/* done is called from the loop, never from inside this call. MT_ENOMEM, MT_ESIZE: nothing was begun. */
int posts_begin(struct posts *all, const struct post_order *order);

/* Ends all that are under way without a word. */
void posts_cancel(struct posts *all);

unsigned posts_count(const struct posts *all);

#endif
