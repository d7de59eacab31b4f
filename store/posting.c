#include "store/posting.h"

#include "lib/error.h"
#include "lib/log.h"
#include "store/peer.h"

#include <sodium.h>
#include <stdlib.h>

/* A wait is never longer, so that a step of the clock is noticed; after a failed commit it is this long. */
enum { LOOK_MAX_S = 60, PAUSE_S = 5 };

/* One for each webhook with a post that was handed over. */
struct flight {
    uint32_t webhook_id;
    uint64_t event_id;
    uint64_t due_us;
};

struct posting {
    struct store  *store;
    struct event  *timer;
    struct peer   *peer;        /* NULL: no webhook role */
    uint32_t       count_max;   /* what it takes at a time */
    struct flight  flights[WEBHOOKS_MAX];
    unsigned       count;
};

struct done_op {
    struct batch_op    op;
    struct posting    *posting;
    struct flight      flight;
    struct post_result result;
    bool               dead;
    char               error[WEBHOOK_ERROR_BYTES + 1];
};

/* ---- What is under way ---- */

static struct flight *
find(struct posting *p, uint32_t webhook_id)
{
    for (unsigned i = 0; i < p->count; i++)
        if (p->flights[i].webhook_id == webhook_id)
            return &p->flights[i];
    return NULL;
}

static void
forget(struct posting *p, const struct flight *f)
{
    struct flight *found = find(p, f->webhook_id);

    if (found != NULL && found->event_id == f->event_id)
        *found = p->flights[--p->count];
}

void
posting_ready(struct posting *p, struct peer *peer, uint32_t count)
{
    if (p->peer != peer)
        p->count = 0;
    p->peer = peer;
    p->count_max = count;
    posting_poke(p);
}

void
posting_peer_gone(struct posting *p, const struct peer *peer)
{
    if (p == NULL || p->peer != peer)
        return;
    p->peer = NULL;
    p->count = 0;
}

/* ---- Answers ---- */

static int
run_done(struct batch_op *op, struct tx *tx)
{
    struct done_op *o = (struct done_op *)op;
    unsigned char   key[DB_KEY_MAX];
    int             rc = post_done(tx, o->flight.webhook_id, o->flight.event_id, &o->result, &o->dead);

    /* A row without its post would be due for ever. */
    if (rc == MT_ENOTFOUND)
        tx_delete(tx, TABLE_POST_DUE, db_key_post_due(key, o->flight.webhook_id, o->flight.due_us, o->flight.event_id));
    return tx_fault(tx);
}

static void
pause(struct posting *p)
{
    const struct timeval wait = { .tv_sec = PAUSE_S };

    event_add(p->timer, &wait);
}

static void
done(struct batch_op *op, int rc)
{
    struct done_op *o = (struct done_op *)op;
    struct posting *p = o->posting;

    forget(p, &o->flight);
    if (rc == MT_OK && o->dead)
        log_warning("event=webhook-post-dead webhook=%u id=%llu http_status=%u reason=\"%s\" hint=\"mailtestctl webhook\"", o->flight.webhook_id,
                    (unsigned long long)o->flight.event_id, o->result.http_status, LOG_TEXT(o->result.error));
    if (rc == MT_OK)
        posting_poke(p);
    else if (rc != MT_ESHUTDOWN)
        pause(p);
    free(o);
}

static void
queue_done(struct posting *p, const struct flight *f, const struct post_result *result)
{
    struct done_op *o = calloc(1, sizeof(*o));

    if (o == NULL) {
        log_error("event=out-of-memory");
        pause(p);       /* it stays under way until the role is gone */
        return;
    }
    *o = (struct done_op){ .op = { .run = run_done, .done = done, .bytes = sizeof(*o) }, .posting = p, .flight = *f, .result = *result };
    slice_copy(o->error, sizeof(o->error), result->error);
    o->result.error = slice_of(o->error);
    batch_add(p->store->batch, &o->op);
}

void
posting_done(struct posting *p, uint32_t webhook_id, uint64_t event_id, const struct post_result *result)
{
    const struct flight *f = find(p, webhook_id);

    if (f != NULL && f->event_id == event_id)
        queue_done(p, f, result);
}

/* ---- Handing over ---- */

/* MT_EFULL: the channel takes no more now. MT_ENOTFOUND, MT_EDAMAGED: there is nothing to be posted. MT_EDENIED: nobody can sign it. */
static int
send_post(struct posting *p, const struct db_view *v, const struct flight *f)
{
    unsigned char         key[DB_KEY_MAX];
    struct webhook_record w;
    struct event_record   e;
    struct post_record    post;
    struct slice          event = { 0 };
    char                  secret[WEBHOOK_SECRET_CHARS + 1];
    struct buf           *b;
    int                   rc;

    if ((rc = db_webhook(v, f->webhook_id, &w)) != MT_OK || (rc = db_post(v, f->webhook_id, f->event_id, &post)) != MT_OK ||
        (rc = db_get(v, TABLE_EVENT, db_key_u64(key, f->event_id), &event)) != MT_OK || (rc = event_record_read(event, &e)) != MT_OK ||
        (rc = keys_unseal(p->store->keys, w.secret, secret)) != MT_OK)
        return rc;
    b = peer_channel(p->peer) == NULL ? NULL : channel_begin(peer_channel(p->peer), MSG_POST, 0);
    if (b != NULL) {
        write_u32(b, f->webhook_id);
        write_u64(b, f->event_id);
        write_u32(b, post.attempts + 1);
        write_bytes(b, w.url);
        write_string(b, secret);
        write_bytes(b, event);
        rc = channel_end(peer_channel(p->peer), -1);
    }
    sodium_memzero(secret, sizeof(secret));
    return b == NULL ? MT_EFULL : rc;
}

/* The first of each webhook that has none under way, due or not; their count. */
static unsigned
gather(struct posting *p, const struct db_view *v, struct flight out[WEBHOOKS_MAX])
{
    MDB_cursor *cursor;
    MDB_val     key, data;
    unsigned    count = 0;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_WEBHOOK), &cursor) != MDB_SUCCESS)
        return 0;
    while (count < WEBHOOKS_MAX && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS) {
        struct flight f = { .webhook_id = key.mv_size == 4 ? get_u32(key.mv_data) : 0 };

        if (f.webhook_id != 0 && find(p, f.webhook_id) == NULL && post_first_due(v, f.webhook_id, &f.due_us, &f.event_id))
            out[count++] = f;
    }
    mdb_cursor_close(cursor);
    return count;
}

static int
by_due(const void *a, const void *b)
{
    const struct flight *x = a, *y = b;

    if (x->due_us != y->due_us)
        return x->due_us < y->due_us ? -1 : 1;
    return x->event_id < y->event_id ? -1 : x->event_id > y->event_id;
}

/* False: no more can go now. */
static bool
hand_over(struct posting *p, const struct db_view *v, const struct flight *f)
{
    const struct post_result gone = { .final = true, .error = slice_of("its event is no more") };
    const struct post_result unsigned_one = { .final = true, .error = slice_of("its secret was sealed with another key: remove the webhook, and add it anew") };
    int                      rc;

    if (p->count >= p->count_max || p->count == WEBHOOKS_MAX)
        return false;
    rc = send_post(p, v, f);
    if (rc != MT_OK && rc != MT_ENOTFOUND && rc != MT_EDAMAGED && rc != MT_EVERSION && rc != MT_EDENIED) {
        pause(p);
        return false;
    }
    p->flights[p->count++] = *f;
    if (rc != MT_OK)
        queue_done(p, f, rc == MT_EDENIED ? &unsigned_one : &gone);
    return true;
}

static void
wait_for(struct posting *p, uint64_t due_us, uint64_t now_us)
{
    uint64_t       left_us = due_us > now_us ? due_us - now_us : 0;
    struct timeval wait = { .tv_sec = LOOK_MAX_S };

    if (left_us < (uint64_t)LOOK_MAX_S * 1000000)
        wait = (struct timeval){ .tv_sec = (time_t)(left_us / 1000000), .tv_usec = (suseconds_t)(left_us % 1000000) };
    event_add(p->timer, &wait);
}

void
posting_look(struct posting *p)
{
    struct flight  first[WEBHOOKS_MAX];
    uint64_t       now_us = store_now_us(p->store);
    struct db_view v;
    unsigned       count, i = 0;

    if (p->peer == NULL || p->count_max == 0)
        return;
    if (store_view(p->store, &v) != MT_OK) {
        pause(p);
        return;
    }
    count = gather(p, &v, first);
    qsort(first, count, sizeof(first[0]), by_due);
    while (i < count && first[i].due_us <= now_us && hand_over(p, &v, &first[i]))
        i++;
    db_view_end(&v);
    /* What is due and did not go follows when another one is done. */
    if (i < count && first[i].due_us > now_us)
        wait_for(p, first[i].due_us, now_us);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    posting_look(arg);
}

void
posting_poke(struct posting *p)
{
    if (p->peer != NULL)
        event_active(p->timer, EV_TIMEOUT, 0);
}

struct posting *
posting_new(struct store *s)
{
    struct posting *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->store = s;
    p->timer = event_new(s->base, -1, 0, on_timer, p);
    if (p->timer == NULL || event_priority_set(p->timer, 1) != 0) {
        posting_free(p);
        return NULL;
    }
    return p;
}

void
posting_free(struct posting *p)
{
    if (p == NULL)
        return;
    if (p->timer != NULL)
        event_free(p->timer);
    free(p);
}
