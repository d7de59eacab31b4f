#ifndef CHECKER_SSE_H
#define CHECKER_SSE_H
/*
 * sse - reads a stream of server-sent events (HTML Living Standard, section 9.2.6), in pieces cut anywhere. Lines end with CR, LF or both. What is
 * longer than the bounds below is a fault: the stream cannot be read on. No sockets.
 */

#include "lib/buf.h"

#define SSE_LINE_MAX  (64u * 1024)
#define SSE_DATA_MAX  (256u * 1024)
#define SSE_NAME_MAX  63u
#define SSE_ID_MAX    63u

/* Valid during the call. */
struct sse_event {
    const char  *name;      /* "message" where none was told */
    const char  *id;        /* the last id that was told up to here; "": none yet */
    struct slice data;
};

typedef void sse_event_fn(void *arg, const struct sse_event *event);

struct sse {
    struct buf line;                    /* of which the end has not come yet */
    struct buf data;                    /* lines of data of the event that is coming, each with its LF */
    char       name[SSE_NAME_MAX + 1];
    char       coming_id[SSE_ID_MAX + 1];
    char       id[SSE_ID_MAX + 1];      /* of the last event that was whole */
    uint32_t   retry_ms;                /* as the server asks for; 0: it did not */
    bool       begun;                   /* the first octets have been looked at for a byte order mark */
    bool       after_cr;                /* an LF now belongs to the CR before it */
    bool       faulty;
};

void sse_init(struct sse *s);
void sse_fini(struct sse *s);

/* A new connection: forgets what was half read, keeps the id. */
void sse_begin(struct sse *s);

/* fn is called for each event that is whole, in order. MT_ESIZE (from then on always): over a bound; MT_ENOMEM. */
int sse_feed(struct sse *s, struct slice octets, sse_event_fn *fn, void *arg);

#endif
