#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H
/*
 * lookup - the state of the role: what its parts share.
 */

#include "lookup/certificates.h"
#include "lookup/http.h"

#include "lib/db.h"
#include "lib/role.h"

struct lookup {
    struct role_context *role;
    const struct config *config;
    struct db           *db;
    struct http         *http;
    struct tls_server   *tls;               /* NULL: no TLS */
    struct certificates  certificates;      /* of all TLS, for those who watch over them */
    bool                 connected;         /* to store */
    uint64_t             started_us;
    struct event        *grace;             /* while draining: its end */
    struct asks         *asks;              /* ask.h */
    struct waiters      *waiters;           /* waiter.h */
    struct streams      *streams;           /* stream.h */
    struct buf           scratch;           /* for the answer being made; what it holds between requests means nothing */
};

/* Microseconds since 1970, now. */
uint64_t lookup_now_us(void);

#endif
