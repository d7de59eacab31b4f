#ifndef LOOKUP_STREAM_H
#define LOOKUP_STREAM_H
/*
 * stream - GET /v1/arrivals: server-sent events (WHATWG HTML, section 9.2), one for each message that is stored. An event's id is the
 * message's id, so a client that comes back with Last-Event-ID gets what it missed from the database, as far as it is still kept.
 */

#include "lookup/call.h"

/* A comment goes out after so much silence, so that proxies and clients know that the stream lives. */
#define STREAM_HEARTBEAT_S 15

/* A client that lets this much pile up is cut off; it comes back and resumes. */
#define STREAM_PENDING_MAX_BYTES (1024u * 1024)

struct streams;

struct streams *streams_new(struct lookup *l);
void            streams_free(struct streams *all);        /* NULL is fine */

void streams_arrived(struct streams *all, uint64_t message_id);   /* CHANGE_ARRIVED */
void streams_keys_changed(struct streams *all);                   /* ends those whose key was revoked */
void streams_recheck(struct streams *all);                        /* arrivals may have been missed: catches up */
void streams_drain(struct streams *all);

unsigned streams_count(const struct streams *all);

#endif
