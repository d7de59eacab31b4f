#ifndef LOOKUP_HTTP_H
#define LOOKUP_HTTP_H
/*
 * http - the HTTP server of the lookup role: libevent's evhttp, with the limits that it lacks. It knows nothing of what is
 * asked for; each complete request goes to one handler, which answers it now or holds it and answers later.
 *
 * What evhttp does not give and this adds: a time limit for a whole request and for idle connections, a bound on connections
 * and on what they may make us buffer, notice of a client that leaves while it waits, problem documents (RFC 9457) for
 * oversized requests, and the shortcut of writing an answer at once instead of in the next turn of the loop.
 * What is not HTTP at all is answered by evhttp itself with 400, and a body far over the limit with 413, both in HTML.
 */

#include "lib/buf.h"
#include "lib/config.h"

#include <event2/event.h>
#include <openssl/ssl.h>

/* A request line's target longer than this is answered 414. */
#define HTTP_TARGET_MAX_BYTES 4096u

/* Connections beyond those that http.waiting_max and http.streams_max allow to be held. Over the sum we stop accepting. */
#define HTTP_CONNECTIONS_SPARE 1000u

/* All connections together may make us buffer this much of requests; where more comes, the request that has been coming in for longest is dropped. */
#define HTTP_BUFFERED_MAX_BYTES (24u * 1024 * 1024)

/* Bits as evhttp has them; METHOD_OTHER stands for all that this service never allows. */
enum http_method {
    METHOD_GET    = 1u << 0,
    METHOD_POST   = 1u << 1,
    METHOD_HEAD   = 1u << 2,
    METHOD_DELETE = 1u << 4,
    METHOD_OTHER  = 1u << 15,
};

/* Listening sockets. */
#define HTTP_LISTENERS_MAX 64u

struct http;

/*
 * One request and its answer. It lives until one of the answer functions below was called or the client has gone; neither
 * it nor its slices may be touched after that.
 */
struct exchange;

struct http_request {
    enum http_method method;
    struct slice     path;              /* percent-encoded, begins with '/' */
    struct slice     query;             /* behind the '?', percent-encoded */
    struct slice     body;
    struct slice     authorization;     /* header fields; empty where absent */
    struct slice     accept;
    struct slice     last_event_id;
};

/* All slices live as long as the exchange does, but for the body, which ends with the call. */
typedef void http_handler_fn(void *arg, struct exchange *x, const struct http_request *request);

/* NULL: out of memory. tls_context NULL: no TLS. All is borrowed. */
struct http *http_new(struct event_base *base, const struct config *config, SSL_CTX *tls_context, http_handler_fn *handler, void *arg);
void         http_free(struct http *h);     /* closes all connections; NULL is fine */

/* What one client may have of connections, counted in the shared table; and load balancers. Before http_listen. 0 or MT_ENOMEM. */
struct shared_table;
int http_limit_clients(struct http *h, struct shared_table *table, uint32_t share);

/* Accepts on a listening socket, which it takes over when it returns 0. MT_ENOMEM; MT_EFULL: over HTTP_LISTENERS_MAX */
int http_listen(struct http *h, int fd, bool tls);

/*
 * Closes the listening sockets, ends idle connections now and each other with its answer under way, however long that is held. Calls
 * on_empty, from the loop, when none is left. May be called again.
 */
typedef void http_empty_fn(void *arg);
void http_drain(struct http *h, http_empty_fn *on_empty, void *arg);

/* Connections that are open. */
unsigned http_connections(const struct http *h);

/* The client gave a key that is none: tells the log whose that was, for one address once in limits.log_interval_s. */
void exchange_key_refused(const struct exchange *x);

/* ---- Replying: one of these ends the exchange --------------------------------------------------------------------- */

/* Adds a header field to the reply that follows. */
void reply_header(struct exchange *x, const char *name, const char *value);

/* A whole answer; body is copied. HEAD gets its header alone. */
void reply_send(struct exchange *x, unsigned status, const char *content_type, struct slice body);

/* 204 without a body. */
void reply_empty(struct exchange *x);

/*
 * A problem document: title is the status's own phrase, detail says what was wrong and what to do (formatted, plain ASCII or UTF-8).
 * reply_busy is a 503 with Retry-After.
 */
void reply_problem(struct exchange *x, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void reply_busy(struct exchange *x, unsigned retry_s, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- Answering later, or in pieces --------------------------------------------------------------------------------- */

/* The client has gone, or the server ends: the exchange is over, nothing may be answered any more. */
typedef void exchange_gone_fn(void *owner);

/* The request will be answered later, by whoever owner is. gone is called at most once, and never after an answer. */
void exchange_hold(struct exchange *x, exchange_gone_fn *gone, void *owner);

/*
 * Begins an answer in pieces; the exchange must be held. length: octets of the whole, or -1 where unknown. on_drained is called
 * each time that all given so far was handed to the kernel; give more then, or end.
 */
typedef void exchange_drained_fn(void *owner);
void   reply_begin(struct exchange *x, unsigned status, const char *content_type, int64_t length, exchange_drained_fn *on_drained);
void   reply_piece(struct exchange *x, struct slice piece);
size_t reply_pending(const struct exchange *x);    /* octets given and not yet handed to the kernel */
void   reply_end(struct exchange *x);
void   reply_abort(struct exchange *x);            /* cuts the connection: the client sees that the answer is not whole */

#endif
