#include "store/usual.h"

#include "lib/error.h"
#include "lib/log.h"
#include "store/journal.h"
#include "store/uptime.h"

#include <stdlib.h>

enum { LOOK_MS = 1000, PATTERNS_A_LOOK = 256 };

struct usual {
    struct store *store;
    struct event *timer;
    uint32_t      last_id;      /* of the mailbox looked at last */
    bool          queued;
};

struct silence_op {
    struct batch_op op;
    struct usual   *usual;
    unsigned        count;
    uint32_t        ids[PATTERNS_A_LOOK];
};

/* One that is damaged begins anew. */
static void
load(struct tx *tx, const struct tx_mailbox *m, struct pattern_record *out)
{
    int rc = tx_fault(tx) != MT_OK ? tx_fault(tx) : db_pattern(tx_view(tx), m->record.id, out);

    if (rc == MT_OK)
        return;
    if (rc != MT_ENOTFOUND)
        log_error("event=store-damaged table=pattern mailbox=%s reason=\"%s\" action=\"it begins anew\"", m->name, mt_strerror(rc));
    *out = (struct pattern_record){ 0 };
}

static void
put(struct tx *tx, uint32_t mailbox_id, const struct pattern_record *p)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    pattern_record_write(b, p);
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    tx_put(tx, TABLE_PATTERN, db_key_u32(key, mailbox_id), buf_slice(b), 0);
}

/* Both are told at most once in the same time each, so that whoever pretends hides no real one. */
static bool
take_request(struct pattern_record *p, uint64_t id, const struct message_record *record)
{
    bool      recognised = fact_is_recognised(record->parsed.facts);
    uint64_t *at_us = recognised ? &p->confirmation_us : &p->pretence_us;
    bool      is_news = *at_us == 0 || record->received_us > *at_us + USUAL_CONFIRMATION_US;

    *at_us = record->received_us;
    *(recognised ? &p->confirmation_id : &p->pretence_id) = id;
    return is_news;
}

void
usual_take(struct tx *tx, const struct tx_mailbox *m, uint64_t id, const struct message_record *record, uint32_t found_in, struct buf *changes,
           bool *is_news)
{
    struct slice          facts = record->parsed.facts;
    struct pattern_record p;
    struct buf            scratch;

    *is_news = false;
    if (record->kind != KIND_ARRIVED && record->kind != KIND_BOUNCED && record->kind != KIND_CONFIRMATION)
        return;
    buf_init(&scratch, PATTERN_CLAIMS_BYTES);
    load(tx, m, &p);
    if (record->kind == KIND_BOUNCED) {
        p.refusal_us = record->received_us;
        p.refusal_status = fact_find(facts, FACT_REPORT_STATUS);
        p.refusal_diagnostic = fact_find(facts, FACT_REPORT_DIAGNOSTIC);
    } else if (record->kind == KIND_CONFIRMATION) {
        *is_news = take_request(&p, id, record);
    } else {
        pattern_add(&p,
                    &(struct pattern_arrival){ .received_us = record->received_us, .found_in = found_in,
                                               .received_count = record->parsed.received_count, .tls = record->session.tls_version.len > 0, .facts = facts },
                    &scratch, changes, is_news);
    }
    put(tx, m->record.id, &p);
    buf_fini(&scratch);
}

/* ---- Silence ---- */

/*
 * Time in which nobody could get through to us is nobody's silence: it is counted from when mail is taken again.
 */
static bool
has_become_silent(const struct usual *u, const struct pattern_record *p, uint64_t now_us)
{
    uint64_t silent_us = pattern_silent_from_us(p), since_us = uptime_since_us(u->store->uptime);

    if (p->silent || since_us == 0 || pattern_state(p, now_us) != SETUP_SILENT)
        return false;
    return now_us > silent_us && (since_us <= p->last_us || now_us - since_us > silent_us - p->last_us);
}

static void
tell_silence(struct tx *tx, const struct tx_mailbox *m, struct pattern_record *p)
{
    struct buf detail;

    buf_init(&detail, EVENT_DETAIL_BYTES);
    buf_printf(&detail, "No test mail has come for %llu minutes; usually one comes every %llu seconds.",
               (unsigned long long)((tx_now_us(tx) - p->last_us) / 60000000), (unsigned long long)(p->usual_gap_us / 1000000));
    p->silent = true;
    put(tx, m->record.id, p);
    journal_add(tx, m, &(struct event_record){ .kind = EVENT_SILENT, .detail = buf_slice(&detail) });
    buf_fini(&detail);
}

static int
run_silence(struct batch_op *op, struct tx *tx)
{
    struct silence_op *o = (struct silence_op *)op;

    for (unsigned i = 0; i < o->count && tx_fault(tx) == MT_OK; i++) {
        struct pattern_record p = { 0 };
        struct tx_mailbox    *m;

        if (tx_mailbox(tx, o->ids[i], &m) != MT_OK || !m->record.enabled)
            continue;
        load(tx, m, &p);
        if (has_become_silent(o->usual, &p, tx_now_us(tx)))
            tell_silence(tx, m, &p);
    }
    return tx_fault(tx);
}

static void
silence_done(struct batch_op *op, int rc)
{
    struct silence_op *o = (struct silence_op *)op;

    (void)rc;       /* what failed is found again in the next round */
    o->usual->queued = false;
    free(o);
}

/* Gathers the silent ones among the next mailboxes; goes on from the first behind the last. */
static unsigned
gather(struct usual *u, const struct db_view *v, uint32_t ids[PATTERNS_A_LOOK])
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_u32(bytes, u->last_id + 1);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor;
    unsigned      count = 0;
    int           rc;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_PATTERN), &cursor) != MDB_SUCCESS)
        return 0;
    rc = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE);
    for (unsigned i = 0; rc == MDB_SUCCESS && i < PATTERNS_A_LOOK; i++) {
        const struct catalog_mailbox *m;
        struct pattern_record         p;

        u->last_id = key.mv_size == 4 ? get_u32(key.mv_data) : 0;
        m = catalog_by_id(u->store->catalog, u->last_id);
        if (m != NULL && m->enabled && pattern_record_read(slice_make(data.mv_data, data.mv_size), &p) == MT_OK &&
            has_become_silent(u, &p, store_now_us(u->store)))
            ids[count++] = u->last_id;
        rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (rc != MDB_SUCCESS)
        u->last_id = 0;
    return count;
}

void
usual_look(struct usual *u)
{
    struct silence_op *o;
    uint32_t           ids[PATTERNS_A_LOOK];
    struct db_view     v;
    unsigned           count;

    if (u->queued || store_view(u->store, &v) != MT_OK)
        return;
    count = gather(u, &v, ids);
    db_view_end(&v);
    if (count == 0 || (o = calloc(1, sizeof(*o))) == NULL)
        return;
    *o = (struct silence_op){ .op = { .run = run_silence, .done = silence_done }, .usual = u, .count = count };
    memcpy(o->ids, ids, count * sizeof(ids[0]));
    u->queued = true;
    batch_add(u->store->batch, &o->op);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    usual_look(arg);
}

struct usual *
usual_new(struct store *s)
{
    const struct timeval look = { .tv_sec = LOOK_MS / 1000, .tv_usec = LOOK_MS % 1000 * 1000 };
    struct usual        *u = calloc(1, sizeof(*u));

    if (u == NULL)
        return NULL;
    u->store = s;
    u->timer = event_new(s->base, -1, EV_PERSIST, on_look, u);
    if (u->timer == NULL || event_priority_set(u->timer, 1) != 0 || event_add(u->timer, &look) != 0) {
        usual_free(u);
        return NULL;
    }
    return u;
}

void
usual_free(struct usual *u)
{
    if (u == NULL)
        return;
    if (u->timer != NULL)
        event_free(u->timer);
    free(u);
}
