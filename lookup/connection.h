#ifndef LOOKUP_CONNECTION_H
#define LOOKUP_CONNECTION_H
/*
 * connection - what http.c (accepting, limits, time) and reply.c (answers) share about one client; nobody else includes this.
 *
 * Life:  fresh ──adopt──▶ reading ──handler──▶ replying ──all sent──▶ reading …
 *                                     └─hold──▶ held ────reply_…──▶ replying
 * From each state evhttp may end the connection, which calls connection_closed(): the struct is then unlinked and freed
 * a little later, so that whoever is still on the stack finds it, marked as closed.
 */

#include "lookup/http.h"

#include "lib/limits.h"
#include "lib/proxy.h"
#include "lib/proxy_header.h"
#include "lib/tls_hello.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <sys/queue.h>

enum connection_state { CONNECTION_FRESH, CONNECTION_READING, CONNECTION_HELD, CONNECTION_REPLYING, CONNECTION_CLOSED };

/* The request under way; there is at most one, since evhttp reads the next only after the reply to the last was sent. */
struct exchange {
    struct connection     *connection;  /* that it is part of */
    struct evhttp_request *req;         /* evhttp's; ours to free once it has lost its connection */
    enum http_method       method;
    unsigned               status;      /* replied; 0 before */
    bool                   is_last;     /* the connection ends behind the reply */
    exchange_gone_fn      *gone;        /* NULL: not held */
    exchange_drained_fn   *drained;
    void                  *owner;
    uint64_t               begun_us;
    struct slice           path;        /* for the log */
};

struct connection {
    TAILQ_ENTRY(connection)   link;     /* in http.connections, or http.dead */
    TAILQ_ENTRY(connection)   fresh;    /* in http.fresh */
    TAILQ_ENTRY(connection)   begins;   /* in http.receiving while a request comes in, before that in http.handshakes */
    struct http              *http;
    struct bufferevent       *bev;      /* evhttp's; our own reference to it while fresh */
    struct evhttp_connection *evcon;    /* NULL while fresh and once closed */
    enum connection_state     state;
    bool                      tls;
    bool                      doomed;       /* over a limit: ends soon */
    size_t                    buffered;     /* octets in its input, as counted in http.buffered */
    size_t                    unsent;       /* octets in its output when last looked at */
    uint64_t                  since_us;     /* of the state, of the first octet of a request, or of the last progress in sending */
    bool                      begun;        /* a request has begun to come in; it is in http.receiving */
    bool                      handshakes;   /* it is in http.handshakes */
    struct tls_hello          hello;        /* while it is */
    struct limit_client       limit;
    char                      client[PROXY_ADDRESS_CHARS];  /* whose it is, in text; "": not known yet */
    enum limit                refused;      /* its one request is answered with 429 */
    struct proxy_wait        *proxy;        /* while its PROXY header is to come; NULL: not */
    bool                      narrow;       /* its input has the bound of a held request */
    struct exchange           exchange;
};

TAILQ_HEAD(connection_list, connection);

struct http_listener {
    struct evhttp              *evhttp;
    struct evhttp_bound_socket *bound;      /* evhttp's; closes the socket */
    struct evconnlistener      *accept;     /* part of it */
};

struct http {
    struct event_base        *base;
    const struct config      *config;
    SSL_CTX                  *tls_context;
    struct limits            *clients;          /* what each client may have */
    struct proxies           *proxies;
    struct evhttp            *plain, *secure;
    http_handler_fn          *handler;
    void                     *handler_arg;
    struct connection_list    connections, fresh, dead;
    struct connection_list    receiving;        /* requests that come in, the one that began first first */
    struct connection_list    handshakes;       /* of TLS, the same; some may be done */
    unsigned                  handshake_count;
    unsigned                  count;            /* in connections */
    unsigned                  limit;
    size_t                    buffered;         /* octets of requests, in all inputs */
    uint64_t                  full_told_us;     /* when the log was told last that they are too many */
    struct connection       **by_fd;
    size_t                    by_fd_size;
    struct event             *adopt;            /* before anything else: adopts the fresh */
    struct event             *sweep;            /* behind all that is ready: ends the doomed, frees the dead */
    struct event             *tick;             /* each second: time limits */
    struct http_listener      listeners[HTTP_LISTENERS_MAX];
    unsigned                  listener_count;
    bool                      paused;           /* at the limit: not accepting */
    bool                      draining;
    http_empty_fn            *on_empty;         /* once draining; NULL after its call */
    void                     *on_empty_arg;
    bool                      doomed;           /* at least one connection is */
    char                      date[40];         /* of the header field, for the second date_unix */
    int64_t                   date_unix;
};

/* Microseconds since 1970, as of this turn of the loop. */
uint64_t http_now_us(const struct http *h);

/* From clients.c. */
void     clients_arrived(struct connection *c);         /* it was adopted: whose it is, and whether that client has too many */
void     clients_gone(struct connection *c);
bool     clients_refuse(struct connection *c);          /* answers the request under way with 429 where the client has too many */
uint64_t clients_time_us(const struct connection *c);   /* for a whole request, and between two */
void     clients_make_room(struct http *h);             /* all places are taken: dooms connections that are idle or slow, as far as there are */
void     clients_receive_less(struct connection *c);    /* c made us buffer too much: dooms whose request has been coming in for longest */
void     clients_handshake(struct connection *c);       /* its TLS handshake begins; where these are too many, dooms another */
void     clients_handshake_done(struct connection *c);  /* it is, or the connection ends; also where there was none */

/* A reply begins: from now on it is the client that we wait for. */
void connection_replying(struct connection *c);

/* Ends the connection once all that is ready now has had its turn. */
void connection_doom(struct connection *c);

#endif
