#include "lookup/stream.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    REPLAY_STEP  = 500,             /* records looked at in one turn */
    RETRY_MS     = 2000,            /* what clients are told to wait before they come back */
    RETRY_S      = 10,
};

/*
 * live ──behind──▶ catching up ──reached the newest──▶ live
 * While it catches up, new records are left to the database, where it will find them.
 */
struct stream {
    TAILQ_ENTRY(stream) link;
    struct streams     *streams;
    struct exchange    *exchange;
    struct caller       caller;
    const struct source *source;
    uint32_t            mailbox_id;     /* 0: all */
    uint32_t            kinds;          /* bits 1u << enum event_kind */
    uint64_t            last_id;        /* of the records looked at */
    uint64_t            gap_after;      /* the client has missed what followed this, and is told; 0: nothing */
    bool                behind;
    struct event       *turn;           /* goes on catching up in the next turn */
};

struct streams {
    struct lookup                  *lookup;
    struct event                   *heartbeat;
    unsigned                        count;
    TAILQ_HEAD(stream_list, stream) all;
};

static void
stream_free(struct streams *all, struct stream *s)
{
    TAILQ_REMOVE(&all->all, s, link);
    assert(TAILQ_FIRST(&all->all) != s);
    all->count--;
    metric_set(METRIC_LOOKUP_STREAMS, all->count);
    if (s->turn != NULL)
        event_free(s->turn);
    free(s);
}

/* In the next turn of the loop, so that others get theirs. */
static void
go_on(struct stream *s)
{
    const struct timeval now = { 0, 0 };

    event_add(s->turn, &now);
}

static void
on_gone(void *owner)
{
    struct stream *s = owner;

    stream_free(s->streams, s);
}

static void
stream_end(struct streams *all, struct stream *s)
{
    struct exchange *x = s->exchange;

    stream_free(all, s);
    reply_end(x);
}

/* ---- Events ---------------------------------------------------------------------------------------------------------- */

static bool
is_wanted(const struct stream *s, const struct source_item *item)
{
    return (s->mailbox_id == 0 || s->mailbox_id == item->mailbox_id) && (s->kinds & item->kind) != 0;
}

/* Into the scratch buffer. */
static int
write_item(struct lookup *l, const struct source *source, const struct db_view *view, const struct source_item *item)
{
    buf_clear(&l->scratch);
    return source->write(view, item, &l->scratch);
}

/* Sends what is in the scratch buffer. A client that does not keep up is cut off here. */
static bool
send_scratch(struct stream *s)
{
    struct exchange *x = s->exchange;

    if (reply_pending(x) > STREAM_PENDING_MAX_BYTES) {
        log_info("event=stream-slow pending_bytes=%zu", reply_pending(x));
        stream_free(s->streams, s);
        reply_abort(x);
        return false;
    }
    reply_piece(x, buf_slice(&s->streams->lookup->scratch));
    return true;
}

/* Reads the record and writes it to the scratch buffer. */
static int
write_record(struct lookup *l, const struct source *source, const struct db_view *view, struct source_item *item)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  record;
    int           rc = db_get(view, source->table, db_key_u64(key, item->id), &record);

    if (rc == MT_OK)
        rc = source->read(record, item);
    return rc == MT_OK ? write_item(l, source, view, item) : rc;
}

void
streams_tell(struct streams *all, const struct source *source, uint64_t id)
{
    struct source_item item = { .id = id };
    struct db_view     view;
    int                rc;

    if (TAILQ_EMPTY(&all->all) || db_view_begin(all->lookup->db, &view) != MT_OK)
        return;
    rc = write_record(all->lookup, source, &view, &item);
    for (struct stream *s = TAILQ_FIRST(&all->all), *next; s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        if (s->source != source || s->behind || id <= s->last_id)  /* a message with several tokens is told of once for each */
            continue;
        s->last_id = id;
        if (rc == MT_OK && is_wanted(s, &item))
            send_scratch(s);
    }
    db_view_end(&view);
}

/* ---- Catching up ----------------------------------------------------------------------------------------------------- */

/* "event: reset": some of what the client asks for is gone for good. Without an id, so that its position stays where it is. */
static bool
send_gap(struct stream *s, const struct db_view *view)
{
    struct emit j = lookup_json(s->streams->lookup);
    uint64_t    oldest, newest;

    if (source_range(s->source, view, &oldest, &newest) != MT_OK)
        return true;
    buf_append_string(j.out, "event: reset\ndata: ");
    emit_init(&j, j.out);
    emit_object(&j, NULL);
    emit_u64(&j, "after", s->gap_after);
    emit_u64(&j, "oldest", oldest);
    emit_u64(&j, "newest", newest);
    emit_object_end(&j);
    buf_append_string(j.out, "\n\n");
    s->gap_after = 0;
    return send_scratch(s);
}

/* One turn of catching up. */
struct replay {
    struct stream        *stream;
    const struct db_view *view;
    unsigned              looked_at;
    bool                  alive;        /* the stream is there still */
};

static bool
replay_step(void *arg, const struct source_item *item)
{
    struct replay *r = arg;
    struct stream *s = r->stream;

    s->last_id = item->id;
    if (is_wanted(s, item) && write_item(s->streams->lookup, s->source, r->view, item) == MT_OK)
        r->alive = send_scratch(s);
    return r->alive && ++r->looked_at < REPLAY_STEP && reply_pending(s->exchange) <= STREAM_PENDING_MAX_BYTES / 2;
}

/* Sends the records behind last_id, some of them. The view ends with this turn; the next goes on from last_id. */
static int
replay(struct stream *s, const struct db_view *view, bool *alive)
{
    struct replay r = { .stream = s, .view = view, .alive = true };
    bool          end = false;
    int           rc = MT_OK;

    if (s->gap_after != 0)
        r.alive = send_gap(s, view);
    if (r.alive)
        rc = source_walk(s->source, view, s->last_id, replay_step, &r, &end);
    *alive = r.alive;
    if (r.alive && end)
        s->behind = false;
    return rc;
}

/* After a step: at once again when nothing waits to be sent, or when it was sent (on_drained). */
static void
catch_up(struct stream *s)
{
    struct db_view view;
    bool           alive = true;

    if (db_view_begin(s->streams->lookup->db, &view) != MT_OK) {
        stream_end(s->streams, s);
        return;
    }
    if (replay(s, &view, &alive) != MT_OK && alive) {
        stream_end(s->streams, s);
        alive = false;
    }
    db_view_end(&view);
    if (alive && s->behind && reply_pending(s->exchange) == 0)
        go_on(s);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    catch_up(arg);
}

static void
on_drained(void *owner)
{
    struct stream *s = owner;

    if (s->behind)
        go_on(s);
}

void
streams_recheck(struct streams *all)
{
    for (struct stream *s = TAILQ_FIRST(&all->all); s != NULL; s = TAILQ_NEXT(s, link)) {
        s->behind = true;
        go_on(s);
    }
}

/* ---- Beginning and ending ---------------------------------------------------------------------------------------------- */

static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
    struct streams *all = arg;

    (void)fd, (void)what;
    for (struct stream *s = TAILQ_FIRST(&all->all), *next; s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        buf_clear(&all->lookup->scratch);
        buf_append_string(&all->lookup->scratch, ":\n\n");
        send_scratch(s);
    }
}

struct streams *
streams_new(struct lookup *l)
{
    const struct timeval every = { STREAM_HEARTBEAT_S, 0 };
    struct streams      *all = calloc(1, sizeof(*all));

    if (all == NULL)
        return NULL;
    all->lookup = l;
    TAILQ_INIT(&all->all);
    all->heartbeat = event_new(l->role->base, -1, EV_PERSIST, on_heartbeat, all);
    if (all->heartbeat == NULL || event_add(all->heartbeat, &every) != 0) {
        streams_free(all);
        return NULL;
    }
    return all;
}

void
streams_free(struct streams *all)
{
    if (all == NULL)
        return;
    while (!TAILQ_EMPTY(&all->all))
        stream_free(all, TAILQ_FIRST(&all->all));
    if (all->heartbeat != NULL)
        event_free(all->heartbeat);
    free(all);
}

unsigned
streams_count(const struct streams *all)
{
    return all->count;
}

void
streams_keys_changed(struct streams *all)
{
    struct api_key_record record;
    struct db_view        view;

    if (TAILQ_EMPTY(&all->all) || db_view_begin(all->lookup->db, &view) != MT_OK)
        return;
    for (struct stream *s = TAILQ_FIRST(&all->all), *next; s != NULL; s = next) {
        next = TAILQ_NEXT(s, link);
        if (db_api_key(&view, s->caller.key_id, &record) == MT_ENOTFOUND)
            stream_end(all, s);
    }
    db_view_end(&view);
}

void
streams_drain(struct streams *all)
{
    while (!TAILQ_EMPTY(&all->all))
        stream_end(all, TAILQ_FIRST(&all->all));
}

/* From where to tell: behind the event that the client saw last, or from now on. */
static bool
take_position(struct call *c, struct stream *s)
{
    const struct route_value *after = &c->match->query[1];
    struct slice              text = after->given ? slice_of(after->text) : c->request->last_event_id;
    uint64_t                  asked = 0, oldest, newest;
    int                       rc;

    s->behind = text.len > 0;
    if (s->behind && slice_to_u64(text, UINT64_MAX - 1, &asked) != MT_OK) {
        reply_problem(c->exchange, 400, "after, or the header field Last-Event-ID, must be the id of an event: a number");
        return false;
    }
    rc = source_range(s->source, c->view, &oldest, &newest);
    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the newest event");
        return false;
    }
    s->last_id = s->behind ? asked : newest;
    if (s->behind && s->source->tells_gaps && source_resume(asked, oldest, newest, &s->last_id))
        s->gap_after = asked;
    return true;
}

static bool
take_mailbox(struct call *c, struct stream *s)
{
    struct mailbox_record mailbox;

    s->mailbox_id = c->caller.mailbox_id;
    if (!c->match->query[0].given)
        return true;
    if (!call_mailbox(c, c->match->query[0].text, &mailbox))
        return false;
    s->mailbox_id = mailbox.id;
    return true;
}

static void
stream_start(struct stream *s, struct exchange *x)
{
    struct streams *all = s->streams;

    s->exchange = x;
    TAILQ_INSERT_TAIL(&all->all, s, link);
    metric_set(METRIC_LOOKUP_STREAMS, ++all->count);
    exchange_hold(x, on_gone, s);
    reply_header(x, "X-Accel-Buffering", "no");         /* nginx in front would keep the events back */
    reply_begin(x, 200, "text/event-stream", -1, on_drained);
    buf_clear(&all->lookup->scratch);
    buf_printf(&all->lookup->scratch, "retry: %d\n\n", RETRY_MS);
    reply_piece(x, buf_slice(&all->lookup->scratch));
    if (s->behind)
        go_on(s);
}

void
stream_open(struct call *c, const struct source *source, uint32_t kinds)
{
    struct lookup  *l = c->lookup;
    struct streams *all = l->streams;
    struct stream  *s;

    if (all->count >= l->config->http.streams_max || l->role->draining) {
        reply_busy(c->exchange, RETRY_S, "%u event streams are open already (http.streams_max), or the service is stopping", all->count);
        return;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL || (s->turn = event_new(l->role->base, -1, 0, on_turn, s)) == NULL) {
        free(s);
        reply_busy(c->exchange, RETRY_S, "out of memory");
        return;
    }
    s->streams = all;
    s->caller = c->caller;
    s->source = source;
    s->kinds = kinds;
    if (!take_mailbox(c, s) || !take_position(c, s)) {
        event_free(s->turn);
        free(s);
    } else if (c->request->method == METHOD_HEAD) {
        event_free(s->turn);
        free(s);
        reply_send(c->exchange, 200, "text/event-stream", slice_make(NULL, 0));
    } else {
        stream_start(s, c->exchange);
    }
}
