#ifndef LOOKUP_SOURCE_H
#define LOOKUP_SOURCE_H
/*
 * source - what a stream of server-sent events tells of: a table whose ids only grow, and how its records are read and told.
 */

#include "lookup/lookup.h"

#include "lib/event.h"

/* One record; slices borrow from the view that it was read in. */
struct source_item {
    uint64_t              id;
    uint32_t              mailbox_id;
    uint32_t              kind;         /* a bit of 1u << enum event_kind; of messages all bits */
    struct message_record message;      /* of source_arrivals */
    struct event_record   event;        /* of source_events */
};

struct source {
    enum table table;
    bool       tells_gaps;              /* a client that missed what has expired is told (docs/openapi.yaml, "reset") */

    /* Fills in all but the id. MT_EDAMAGED, MT_EVERSION. */
    int (*read)(struct slice record, struct source_item *out);

    /* Appends "id: 7\nevent: arrived\ndata: {…}\n\n": the JSON has no line ends. */
    int (*write)(const struct db_view *view, const struct source_item *item, struct buf *out);
};

/* Messages as they are stored, and events (lib/event.h). */
extern const struct source source_arrivals, source_events;

/* The ids of the oldest and the newest record; 0 and 0 where there is none. */
int source_range(const struct source *source, const struct db_view *view, uint64_t *oldest, uint64_t *newest);

/*
 * From where a client is told that has seen the event `asked` last: *last_id is what it is behind. True: some of what it has missed is
 * gone for good, because it expired, or because the id is of another time: one beyond the newest comes from a database that was put back to an
 * older state, and goes on with what is new in this one. 0 asks for all that there is.
 */
bool source_resume(uint64_t asked, uint64_t oldest, uint64_t newest, uint64_t *last_id);

/*
 * Reads records in the order of their ids, from the one after `after` on, until step() returns false or there is none: then *end is true.
 * A record that cannot be read is left out.
 */
typedef bool source_step_fn(void *arg, const struct source_item *item);
int source_walk(const struct source *source, const struct db_view *view, uint64_t after, source_step_fn *step, void *arg, bool *end);

/* The same from the newest below `before` (0: the newest) down. */
int source_walk_back(const struct source *source, const struct db_view *view, uint64_t before, source_step_fn *step, void *arg, bool *end);

#endif
