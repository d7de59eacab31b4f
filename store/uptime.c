#include "store/uptime.h"

#include "lib/error.h"
#include "lib/log.h"
#include "store/room.h"

#include <stdlib.h>

enum { SOURCES_MAX = 4096, HEARTBEAT_S = 10, LIST_BYTES_MAX = SERVED_LISTENERS_MAX * (5 + SERVED_ADDRESS_BYTES) };

/* A listener of one process. */
struct source {
    const void   *peer;
    enum listener kind;
    char          address[SERVED_ADDRESS_BYTES + 1];
};

/* A span as it is in the table. */
struct span {
    uint64_t          from_us, until_us;
    enum served_state state;
    uint64_t          listeners_sum;
};

struct heartbeat_op {
    struct batch_op op;
    struct uptime  *uptime;
};

struct uptime {
    struct store     *store;
    struct event     *timer;
    struct source    *sources;
    unsigned          source_count, source_room;
    enum served_state state;            /* as it is now */
    struct buf        listeners;        /* as they are written */
    struct span       last;             /* on disk; from_us 0: none of this process yet */
    struct span       next;             /* in the transaction that is open; from_us 0: nothing */
    uint64_t          since_us;         /* as uptime_since_us */
    bool              broken;           /* a transaction failed since the last that succeeded */
    bool              queued, closed;
};

/* ---- What is served now ---- */

static bool
same_listener(const struct source *a, const struct source *b)
{
    return a->kind == b->kind && strcmp(a->address, b->address) == 0;
}

static int
by_name(const void *a, const void *b)
{
    const struct source *x = a, *y = b;

    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->address, y->address);
}

/* Each once, however many processes have it; in a fixed order, so that the same set is the same bytes. */
static void
list_listeners(struct uptime *u)
{
    unsigned count = 0;

    buf_clear(&u->listeners);
    if (u->source_count > 0)
        qsort(u->sources, u->source_count, sizeof(u->sources[0]), by_name);
    for (unsigned i = 0; i < u->source_count && count < SERVED_LISTENERS_MAX; i++) {
        const struct source *s = &u->sources[i];

        if (i > 0 && same_listener(s, s - 1))
            continue;
        served_listener_write(&u->listeners, &(struct served_listener){ s->kind, slice_of(s->address) });
        count++;
    }
}

static void
look_again(struct uptime *u)
{
    list_listeners(u);
    u->state = u->source_count == 0 ? SERVED_NO_LISTENER : room_is_full(u->store->room) ? SERVED_FULL : SERVED_SERVING;
    if (u->state != SERVED_SERVING)
        u->since_us = 0;
    else if (u->since_us == 0)
        u->since_us = store_now_us(u->store);
}

/* ---- Writing ---- */

static int
run_heartbeat(struct batch_op *op, struct tx *tx)
{
    uptime_write(((struct heartbeat_op *)op)->uptime, tx, true);
    return tx_fault(tx);
}

static void
heartbeat_done(struct batch_op *op, int rc)
{
    (void)rc;
    ((struct heartbeat_op *)op)->uptime->queued = false;
    free(op);
}

static void
queue(struct uptime *u)
{
    struct heartbeat_op *o;

    if (u->queued || u->closed || u->store->batch == NULL || (o = calloc(1, sizeof(*o))) == NULL)
        return;
    *o = (struct heartbeat_op){ .op = { .run = run_heartbeat, .done = heartbeat_done }, .uptime = u };
    u->queued = true;
    batch_add(u->store->batch, &o->op);
}

void
uptime_changed(struct uptime *u)
{
    if (u == NULL)
        return;
    look_again(u);
    queue(u);
}

static uint64_t
heartbeat_us(const struct uptime *u)
{
    uint32_t s = u->store->config->store.heartbeat_s;

    return (uint64_t)(s == 0 ? HEARTBEAT_S : s) * 1000000;
}

static void
put(struct uptime *u, struct tx *tx, const struct span *s, struct slice listeners)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    (void)u;
    served_record_write(b, &(struct served_record){ .state = s->state, .until_us = s->until_us, .listeners = listeners });
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    tx_put(tx, TABLE_SERVED, db_key_u64(key, s->from_us), buf_slice(b), 0);
}

/* The last span ends now: its listeners are those in its row. */
static void
end_last(struct uptime *u, struct tx *tx)
{
    struct served_record s;
    struct buf           listeners;
    unsigned char        key[DB_KEY_MAX];
    struct slice         value;
    struct span          ended = u->last;

    if (tx_fault(tx) != MT_OK || db_get(tx_view(tx), TABLE_SERVED, db_key_u64(key, ended.from_us), &value) != MT_OK ||
        served_record_read(value, &s) != MT_OK)
        return;
    buf_init(&listeners, LIST_BYTES_MAX);
    buf_append_slice(&listeners, s.listeners);
    ended.until_us = tx_now_us(tx);
    put(u, tx, &ended, buf_slice(&listeners));
    buf_fini(&listeners);
}

void
uptime_write(struct uptime *u, struct tx *tx, bool now)
{
    uint64_t at_us = tx_now_us(tx), sum = checksum(buf_slice(&u->listeners));
    bool     begun = u->last.from_us != 0 && !u->broken;
    bool     same = begun && u->last.state == u->state && u->last.listeners_sum == sum;

    if (u->closed && !now)
        return;
    /* A clock that was set back must not make a span that ends before it begins. */
    if (same && at_us < u->last.until_us)
        return;
    if (same && !now && at_us - u->last.until_us < heartbeat_us(u) / 2)
        return;
    if (same) {
        u->next = u->last;
    } else {
        if (begun && at_us > u->last.until_us)
            end_last(u, tx);
        u->next = (struct span){ .from_us = at_us > u->last.from_us ? at_us : u->last.from_us + 1, .state = u->state, .listeners_sum = sum };
    }
    u->next.until_us = at_us > u->next.from_us ? at_us : u->next.from_us;
    put(u, tx, &u->next, buf_slice(&u->listeners));
}

void
uptime_committed(struct uptime *u)
{
    if (u->next.from_us != 0) {
        u->last = u->next;
        u->broken = false;
    }
    u->next = (struct span){ 0 };
}

void
uptime_failed(struct uptime *u)
{
    u->broken = true;
    u->next = (struct span){ 0 };
}

void
uptime_close(struct uptime *u)
{
    if (u == NULL)
        return;
    u->queued = false;      /* one more, also where one waits */
    queue(u);
    u->closed = true;
}

uint64_t
uptime_since_us(const struct uptime *u)
{
    return u->since_us;
}

/* ---- Listeners ---- */

static bool
add_source(struct uptime *u, const struct source *s)
{
    if (u->source_count == u->source_room) {
        unsigned       room = u->source_room == 0 ? 8 : u->source_room * 2;
        struct source *more = room > SOURCES_MAX ? NULL : reallocarray(u->sources, room, sizeof(*more));

        if (more == NULL) {
            log_error("event=listener-not-noted address=%s reason=\"too many, or out of memory\"", s->address);
            return false;
        }
        u->sources = more;
        u->source_room = room;
    }
    u->sources[u->source_count++] = *s;
    return true;
}

void
uptime_listener(struct uptime *u, const void *peer, enum listener kind, const char *address, bool serving)
{
    struct source s = { .peer = peer, .kind = kind };
    unsigned      i;

    if (u == NULL)
        return;
    slice_copy(s.address, sizeof(s.address), slice_of(address));
    for (i = 0; i < u->source_count; i++)
        if (u->sources[i].peer == peer && same_listener(&u->sources[i], &s))
            break;
    if (serving == (i < u->source_count))
        return;
    if (!serving)
        u->sources[i] = u->sources[--u->source_count];
    else if (!add_source(u, &s))
        return;
    uptime_changed(u);
}

void
uptime_peer_gone(struct uptime *u, const void *peer)
{
    unsigned kept = 0;

    if (u == NULL)
        return;
    for (unsigned i = 0; i < u->source_count; i++)
        if (u->sources[i].peer != peer)
            u->sources[kept++] = u->sources[i];
    if (kept == u->source_count)
        return;
    u->source_count = kept;
    uptime_changed(u);
}

/* ---- Expiry ---- */

/* The first span if it ended before then and is not the last one. 0: none. */
static uint64_t
first_due(const struct db_view *v, uint64_t before_us)
{
    struct served_record s;
    MDB_val              key, data, next_key, next_data;
    MDB_cursor          *cursor;
    uint64_t             from_us = 0;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_SERVED), &cursor) != MDB_SUCCESS)
        return 0;
    if (mdb_cursor_get(cursor, &key, &data, MDB_FIRST) == MDB_SUCCESS && key.mv_size == 8 &&
        (served_record_read(slice_make(data.mv_data, data.mv_size), &s) != MT_OK || s.until_us < before_us) &&
        mdb_cursor_get(cursor, &next_key, &next_data, MDB_NEXT) == MDB_SUCCESS)
        from_us = get_u64(key.mv_data);
    mdb_cursor_close(cursor);
    return from_us;
}

bool
uptime_is_due(const struct db_view *v, uint64_t before_us)
{
    return first_due(v, before_us) != 0;
}

unsigned
uptime_expire(struct tx *tx, uint64_t before_us, unsigned max)
{
    unsigned char key[DB_KEY_MAX];
    unsigned      count = 0;
    uint64_t      from_us;

    for (; count < max && tx_fault(tx) == MT_OK && (from_us = first_due(tx_view(tx), before_us)) != 0; count++)
        tx_delete(tx, TABLE_SERVED, db_key_u64(key, from_us));
    return count;
}

/* ---- Life ---- */

static void
arm(struct uptime *u)
{
    const struct timeval wait = { .tv_sec = (time_t)(heartbeat_us(u) / 1000000) };

    event_add(u->timer, &wait);
}

static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
    struct uptime *u = arg;
    uint64_t       now_us = store_now_us(u->store);

    (void)fd;
    (void)what;
    if (u->broken || now_us < u->last.until_us || now_us - u->last.until_us >= heartbeat_us(u) / 2)
        queue(u);
    arm(u);
}

struct uptime *
uptime_new(struct store *s)
{
    struct uptime *u = calloc(1, sizeof(*u));

    if (u == NULL)
        return NULL;
    u->store = s;
    buf_init(&u->listeners, LIST_BYTES_MAX);
    u->timer = event_new(s->base, -1, 0, on_heartbeat, u);
    if (u->timer == NULL || event_priority_set(u->timer, 1) != 0) {
        uptime_free(u);
        return NULL;
    }
    look_again(u);
    arm(u);
    return u;
}

void
uptime_free(struct uptime *u)
{
    if (u == NULL)
        return;
    if (u->timer != NULL)
        event_free(u->timer);
    buf_fini(&u->listeners);
    free(u->sources);
    free(u);
}
