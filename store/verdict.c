#include "store/verdict.h"

#include "lib/answer.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/served.h"
#include "store/journal.h"
#include "store/uptime.h"

#include <stdlib.h>

enum { STEP_TOKENS = 100, LOOK_MAX_S = 60, PAUSE_S = 5, FORGET_ROWS_MAX = 10000, DEADLINE_KEY_BYTES = 8 + TOKEN_RAW_BYTES };

struct verdicts {
    struct store *store;
    struct event *timer;
    bool          queued;
};

struct step_op {
    struct batch_op  op;
    struct verdicts *verdicts;
};

/* ---- The rows ---- */

void
verdict_expect(struct tx *tx, const struct token *t, const struct token_record *r)
{
    unsigned char key[DB_KEY_MAX];

    if (r->deadline_unix != 0)
        tx_put(tx, TABLE_DEADLINE, db_key_deadline(key, r->deadline_unix, t), slice_make("", 0), 0);
}

void
verdict_forget(struct tx *tx, const struct token *t, const struct token_record *r)
{
    unsigned char key[DB_KEY_MAX];

    if (r->deadline_unix != 0 && r->decided_us == 0)
        tx_delete(tx, TABLE_DEADLINE, db_key_deadline(key, r->deadline_unix, t));
}

void
verdict_forget_mailbox(struct tx *tx, uint32_t mailbox_id)
{
    MDB_cursor *cursor = tx_cursor(tx, TABLE_DEADLINE);
    MDB_val     key, data;

    if (cursor == NULL)
        return;
    for (unsigned i = 0; i < FORGET_ROWS_MAX && mdb_cursor_get(cursor, &key, &data, MDB_NEXT) == MDB_SUCCESS; i++) {
        struct token_record r;
        struct token        t;
        int                 rc;

        if (key.mv_size != DEADLINE_KEY_BYTES)
            continue;
        memcpy(t.raw, (char *)key.mv_data + 8, sizeof(t.raw));
        if (db_token(tx_view(tx), &t, &r) != MT_OK || r.mailbox_id != mailbox_id)
            continue;
        rc = mdb_cursor_del(cursor, 0);
        if (rc != MDB_SUCCESS) {
            tx_fail(tx, mt_from_mdb(rc));
            break;
        }
    }
    mdb_cursor_close(cursor);
}

/* ---- Deciding ---- */

static void
tell(struct tx *tx, const struct tx_mailbox *m, const struct token *t, const struct token_record *r, enum event_kind kind, uint64_t message_id,
     struct slice detail)
{
    journal_add(tx, m, &(struct event_record){ .kind = kind, .message_id = message_id, .has_token = true, .token = *t,
                                               .verdict = (uint8_t)token_verdict(r, tx_now_us(tx)), .detail = detail });
}

/* Who waits for the token's answer looks again. */
static void
tell_waiting(struct tx *tx, const struct tx_mailbox *m, const struct token *t)
{
    struct change change = { .kind = CHANGE_TOKEN, .mailbox_id = m->record.id, .has_token = true, .token = *t };

    memcpy(change.mailbox, m->name, sizeof(change.mailbox));
    tx_change(tx, &change);
}

static void
set(struct tx *tx, const struct token *t, struct token_record *r, enum verdict v)
{
    if (r->decided_us == 0) {
        verdict_forget(tx, t, r);
        r->decided_us = tx_now_us(tx);
    } else if (r->amended_us == 0) {
        r->amended_us = tx_now_us(tx);
    }
    r->verdict = (uint8_t)v;
    tx_counts(tx)->verdicts[v]++;
}

static void
describe_missed(struct buf *b, const struct token_record *r, enum verdict v)
{
    const uint64_t window_us = (r->deadline_unix + 1) * 1000000 - r->minted_us;

    if (v == VERDICT_RECEIVER_DOWN)
        buf_printf(b, "No mail with the token came by the deadline; but this receiver took no mail for %.1f s of the %.0f s from minting to"
                      " deadline.",
                   (double)r->refused_us / 1e6, (double)window_us / 1e6);
    else if (v == VERDICT_BOUNCED)
        buf_append_string(b, "No mail with the token came by the deadline; it bounced.");
    else if (v == VERDICT_AUTOREPLY)
        buf_append_string(b, "No mail with the token came by the deadline, nothing but an automatic reply.");
    else
        buf_append_string(b, "No mail with the token came by the deadline.");
}

/* The deadline is over without an arrival in time. */
static void
decide(struct store *s, struct tx *tx, const struct tx_mailbox *m, const struct token *t, struct token_record *r)
{
    const uint64_t end_us = (r->deadline_unix + 1) * 1000000;
    enum verdict   v = token_verdict_at_end(r);
    struct buf     detail;

    uptime_write(s->uptime, tx, true);
    if (tx_fault(tx) != MT_OK || served_refused_us(tx_view(tx), r->minted_us, end_us, &r->refused_us) != MT_OK)
        r->refused_us = 0;
    if (v == VERDICT_NOT_ARRIVED && served_is_cause(r->refused_us, end_us - r->minted_us))
        v = VERDICT_RECEIVER_DOWN;
    set(tx, t, r, v);
    buf_init(&detail, EVENT_DETAIL_BYTES);
    describe_missed(&detail, r, v);
    tx_counts(tx)->missed++;
    tell(tx, m, t, r, EVENT_MISSED, 0, buf_slice(&detail));
    buf_fini(&detail);
    tell_waiting(tx, m, t);
}

static bool
is_late(const struct token_record *r, uint64_t received_us)
{
    return r->deadline_unix != 0 && received_us / 1000000 > r->deadline_unix;
}

void
verdict_before(struct store *s, struct tx *tx, const struct tx_mailbox *m, const struct token *t, struct token_record *r,
               const struct verdict_arrival *a)
{
    if (a->kind == KIND_ARRIVED && r->decided_us == 0 && is_late(r, a->received_us) && token_verdict_at_end(r) != VERDICT_ARRIVED)
        decide(s, tx, m, t, r);
}

/* ---- Arrivals ---- */

static void
take_mail(struct tx *tx, const struct tx_mailbox *m, const struct token *t, struct token_record *r, const struct verdict_arrival *a, bool first)
{
    struct buf detail;

    if (r->deadline_unix == 0) {
        if (first)
            tell(tx, m, t, r, EVENT_ARRIVED, a->message_id, slice_of(NULL));
        return;
    }
    /* Only what makes it better amends: a late mail what was missed, and one in time, whose commit took long, also that. */
    if (!is_late(r, a->received_us)) {
        if (r->decided_us != 0 && r->verdict == VERDICT_ARRIVED)
            return;
        set(tx, t, r, VERDICT_ARRIVED);
        tell(tx, m, t, r, EVENT_ARRIVED, a->message_id, slice_of(NULL));
        return;
    }
    if (r->verdict == VERDICT_ARRIVED || r->verdict == VERDICT_LATE)
        return;
    set(tx, t, r, VERDICT_LATE);
    buf_init(&detail, EVENT_DETAIL_BYTES);
    buf_printf(&detail, "It came %.1f s after the deadline.", (double)(a->received_us - r->deadline_unix * 1000000) / 1e6);
    tell(tx, m, t, r, EVENT_LATE, a->message_id, buf_slice(&detail));
    buf_fini(&detail);
}

static void
add_words(struct buf *b, const char *before, struct slice words)
{
    if (words.len == 0)
        return;
    buf_append_string(b, before);
    buf_append_slice(b, words);
}

/* "It bounced: 550 5.7.520 Access denied, …, reported by mx.example". The status is put in front of words that do not have it. */
static void
describe_bounce(struct buf *b, struct slice facts)
{
    struct slice by = fact_find(facts, FACT_REPORT_REFUSED_BY), status = fact_find(facts, FACT_REPORT_STATUS);
    struct slice diagnostic = fact_find(facts, FACT_REPORT_DIAGNOSTIC);

    if (status.len > 0 && slice_find_nocase(diagnostic, status) == diagnostic.len)
        add_words(b, "It bounced: ", status);
    add_words(b, b->len == 0 ? "It bounced: " : " ", diagnostic);
    if (b->len == 0)
        buf_append_string(b, "It bounced");
    add_words(b, ", refused by ", by);
    if (by.len == 0)
        add_words(b, ", reported by ", fact_find(facts, FACT_REPORT_HOST));
}

void
verdict_after(struct tx *tx, const struct tx_mailbox *m, const struct token *t, struct token_record *r, const struct verdict_arrival *a,
              bool first)
{
    struct buf detail;

    if (a->kind == KIND_ARRIVED) {
        take_mail(tx, m, t, r, a, first);
        return;
    }
    /* Each kind is told once, so that a loop of replies does not make an event of each. */
    if (!first || (a->kind != KIND_BOUNCED && a->kind != KIND_AUTOREPLY))
        return;
    buf_init(&detail, 4 * EVENT_DETAIL_BYTES);
    if (a->kind == KIND_BOUNCED)
        describe_bounce(&detail, a->facts);
    else
        add_words(&detail, "An automatic reply: ", fact_find(a->facts, FACT_AUTOREPLY_WHY));
    tell(tx, m, t, r, a->kind == KIND_BOUNCED ? EVENT_BOUNCED : EVENT_AUTOREPLY, a->message_id, buf_slice(&detail));
    buf_fini(&detail);
}

/* ---- The timer ---- */

static bool
first_deadline(const struct db_view *v, unsigned char found[DEADLINE_KEY_BYTES])
{
    MDB_cursor *cursor;
    MDB_val     key, data;
    bool        is;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_DEADLINE), &cursor) != MDB_SUCCESS)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_FIRST) == MDB_SUCCESS && key.mv_size == DEADLINE_KEY_BYTES;
    if (is)
        memcpy(found, key.mv_data, DEADLINE_KEY_BYTES);
    mdb_cursor_close(cursor);
    return is;
}

static uint64_t
due_us(uint64_t deadline_unix)
{
    return (deadline_unix + VERDICT_AFTER_S) * 1000000;
}

/* The token that the row names: gone, of a mailbox that is gone, or decided already, the row goes alone. */
static void
decide_row(struct store *s, struct tx *tx, const unsigned char key[DEADLINE_KEY_BYTES])
{
    struct token_record r;
    struct tx_mailbox  *m;
    struct token        t;
    struct buf          bytes, *b;
    int                 rc;

    memcpy(t.raw, key + 8, sizeof(t.raw));
    rc = db_token(tx_view(tx), &t, &r);
    if (rc == MT_EDAMAGED || rc == MT_EVERSION)
        log_error("event=store-damaged table=token reason=\"%s\" effect=\"a token gets no verdict\"", mt_strerror(rc));
    if (rc == MT_OK && r.decided_us == 0 && r.deadline_unix == get_u64(key) && tx_mailbox(tx, r.mailbox_id, &m) == MT_OK) {
        /* Its hops lie in the page that is about to change. */
        buf_init(&bytes, TOKEN_HOPS_BYTES);
        buf_append_slice(&bytes, r.hops);
        r.hops = buf_slice(&bytes);
        decide(s, tx, m, &t, &r);
        b = tx_scratch(tx);
        token_record_write(b, &r);
        tx_put(tx, TABLE_TOKEN, slice_make(t.raw, sizeof(t.raw)), buf_slice(b), 0);
        buf_fini(&bytes);
    }
    tx_delete(tx, TABLE_DEADLINE, slice_make(key, DEADLINE_KEY_BYTES));
}

static int
run_step(struct batch_op *op, struct tx *tx)
{
    struct store *s = ((struct step_op *)op)->verdicts->store;
    unsigned char key[DEADLINE_KEY_BYTES];

    for (unsigned i = 0; i < STEP_TOKENS && tx_fault(tx) == MT_OK && first_deadline(tx_view(tx), key); i++) {
        if (due_us(get_u64(key)) > tx_now_us(tx))
            break;
        decide_row(s, tx, key);
    }
    return tx_fault(tx);
}

static void
step_done(struct batch_op *op, int rc)
{
    struct verdicts     *v = ((struct step_op *)op)->verdicts;
    const struct timeval pause = { .tv_sec = PAUSE_S };

    free(op);
    v->queued = false;
    if (rc == MT_OK)
        event_active(v->timer, EV_TIMEOUT, 0);
    else if (rc != MT_ESHUTDOWN)
        event_add(v->timer, &pause);
}

static void
queue_step(struct verdicts *v)
{
    struct step_op      *o = calloc(1, sizeof(*o));
    const struct timeval pause = { .tv_sec = PAUSE_S };

    if (o == NULL) {
        event_add(v->timer, &pause);
        return;
    }
    *o = (struct step_op){ .op = { .run = run_step, .done = step_done }, .verdicts = v };
    v->queued = true;
    batch_add(v->store->batch, &o->op);
}

/* A wait is never longer than LOOK_MAX_S, so that a step of the clock is noticed. */
static void
wait_until(struct verdicts *v, uint64_t at_us)
{
    uint64_t       now_us = store_now_us(v->store), left_us = at_us > now_us ? at_us - now_us : 0;
    struct timeval wait = { .tv_sec = LOOK_MAX_S };

    if (left_us < (uint64_t)LOOK_MAX_S * 1000000)
        wait = (struct timeval){ .tv_sec = (time_t)(left_us / 1000000), .tv_usec = (suseconds_t)(left_us % 1000000) };
    event_add(v->timer, &wait);
}

void
verdicts_look(struct verdicts *v)
{
    unsigned char  key[DEADLINE_KEY_BYTES];
    struct db_view view;
    bool           is;

    if (v->queued)
        return;
    if (store_view(v->store, &view) != MT_OK) {
        wait_until(v, store_now_us(v->store) + (uint64_t)PAUSE_S * 1000000);
        return;
    }
    is = first_deadline(&view, key);
    db_view_end(&view);
    if (is && due_us(get_u64(key)) <= store_now_us(v->store))
        queue_step(v);
    else if (is)
        wait_until(v, due_us(get_u64(key)));
}

void
verdicts_expect(struct verdicts *v, uint64_t deadline_unix)
{
    struct timeval next;

    /* An earlier one may be waited for already. */
    if (deadline_unix != 0 && (!evtimer_pending(v->timer, &next) || due_us(deadline_unix) < store_now_us(v->store) + (uint64_t)LOOK_MAX_S * 1000000))
        event_active(v->timer, EV_TIMEOUT, 0);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    verdicts_look(arg);
}

struct verdicts *
verdicts_new(struct store *s)
{
    struct verdicts *v = calloc(1, sizeof(*v));

    if (v == NULL)
        return NULL;
    v->store = s;
    v->timer = event_new(s->base, -1, 0, on_timer, v);
    if (v->timer == NULL || event_priority_set(v->timer, 1) != 0) {
        verdicts_free(v);
        return NULL;
    }
    event_active(v->timer, EV_TIMEOUT, 0);
    return v;
}

void
verdicts_free(struct verdicts *v)
{
    if (v == NULL)
        return;
    if (v->timer != NULL)
        event_free(v->timer);
    free(v);
}
