#ifndef CHECKER_API_H
#define CHECKER_API_H
/*
 * api - asks the service's HTTP interface (docs/openapi.yaml): mint a token, show it, forget it, and whatever else. By libcurl, on the loop:
 * connections and handles are used again, few requests at once, the others wait their turn. Each answer bounds the service's clock.
 */

#include "checker/offset.h"
#include "lib/buf.h"
#include "lib/curl_loop.h"

#include <jansson.h>
#include <stdint.h>

struct api;

struct api_settings {
    const char *url;            /* "https://host:port", "http://…", "unix:/path" */
    const char *key;            /* copied; the copy is wiped by api_free */
    const char *ca_file;        /* NULL: the system's */
    bool        insecure;       /* the certificate is not checked */
    uint32_t    timeout_ms;     /* for each request, beside what it waits; a stream: for its beginning */
};

/* Requests under way at once, without those that wait at the service for something to happen. */
#define API_CALLS_MAX 32u

/* Borrows the loop and the texts but the key. NULL: out of memory. */
struct api *api_new(struct curl_loop *loop, const struct api_settings *settings);
void        api_free(struct api *a);        /* NULL is fine; no call is under way */

/* Whether a text is such a URL. */
bool api_url_is_fit(const char *url);

/* The service's clock, from the header field Mailtest-Time of its answers. */
const struct offset *api_clock(const struct api *a);

#define API_REASON_BYTES 300u

struct api_reply {
    unsigned status;                        /* of HTTP; 0: there was no answer */
    json_t  *body;                          /* of a 2yz, borrowed; NULL otherwise */
    char     reason[API_REASON_BYTES];      /* what was wrong; empty for a 2yz with a JSON body */
    uint64_t asked_us, answered_us;         /* monotonic */
};

/* What the service can never answer otherwise: no use to ask again. */
bool api_is_hopeless(const struct api_reply *reply);

/* reply is valid during the call; the call is freed after it. */
typedef void api_done_fn(void *arg, const struct api_reply *reply);

struct api_call;

/*
 * Each gives NULL when out of memory; done is called from the loop, never from inside. Names and tokens are letters and digits,
 * '.', '-' and '_'.
 */
struct api_call *api_mint(struct api *a, const char *mailbox, uint32_t window_s, api_done_fn *done, void *arg);
/* known: arrivals that were heard of already, so that only another one ends the wait. */
struct api_call *api_show(struct api *a, const char *mailbox, const char *token, uint32_t wait_ms, uint32_t known, api_done_fn *done,
                          void *arg);
struct api_call *api_forget(struct api *a, const char *mailbox, const char *token, api_done_fn *done, void *arg);

/* The newest events of a mailbox, as a list; kinds: "arrived,late". */
struct api_call *api_newest_events(struct api *a, const char *mailbox, const char *kinds, uint64_t after, unsigned limit, api_done_fn *done, void *arg);

/* Any other request: method "GET" or "POST", path from "/v1/" on with its query; body is copied, JSON text; empty: none. */
struct api_call *api_request(struct api *a, const char *method, const char *path, struct slice body, api_done_fn *done, void *arg);

/* Without a call of done. NULL is fine. */
void api_cancel(struct api_call *c);

/* ---- The stream of events (hosted) ------------------------------------------------------------------------------------ */

/* Some octets of a stream have come; they are not kept. Called from inside libcurl: no call may be begun or cancelled from there. */
typedef void api_octets_fn(void *arg, struct slice octets);

/* GET of what never ends by itself; last_event_id "": from now on. done tells why it ended (reply->body is NULL, also after a status 200). */
struct api_call *api_stream(struct api *a, const char *path, const char *last_event_id, api_octets_fn *octets, api_done_fn *done, void *arg);

#endif
