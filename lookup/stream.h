#ifndef LOOKUP_STREAM_H
#define LOOKUP_STREAM_H
/*
 * stream - server-sent events (WHATWG HTML, section 9.2), one for each record of a source: messages at GET /v1/arrivals, events at
 * GET /v1/events. An event's id is the record's id, so a client that comes back with Last-Event-ID gets what it missed from the
 * database, as far as it is still kept.
 */

#include "lookup/call.h"
#include "lookup/source.h"

/* A comment goes out after so much silence, so that proxies and clients know that the stream lives. */
#define STREAM_HEARTBEAT_S 15

/* A client that lets this much pile up is cut off; it comes back and resumes. */
#define STREAM_PENDING_MAX_BYTES (1024u * 1024)

struct streams;

struct streams *streams_new(struct lookup *l);
void            streams_free(struct streams *all);        /* NULL is fine */

void streams_tell(struct streams *all, const struct source *source, uint64_t id);     /* a record was written */
void streams_keys_changed(struct streams *all);                   /* ends those whose key was revoked */
void streams_recheck(struct streams *all);                        /* arrivals may have been missed: catches up */
void streams_drain(struct streams *all);

/*
 * Answers a call with a stream of what the source has, of the kinds (bits 1u << enum event_kind); its route takes mailbox and after as
 * its first parameters. With Last-Event-ID or after it begins behind that id, else with what comes from now on.
 */
void stream_open(struct call *c, const struct source *source, uint32_t kinds);

unsigned streams_count(const struct streams *all);

#endif
