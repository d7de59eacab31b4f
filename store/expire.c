#include "store/expire.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "store/journal.h"
#include "store/message.h"
#include "store/post.h"
#include "store/result.h"
#include "store/uptime.h"

#include <stdlib.h>
#include <time.h>

enum {
    TRIM_AT_ONCE      = 2,          /* removals for one delivery */
    LOOK_MS           = 1000,       /* between looks at what has become due */
    PAUSE_LOOKS       = 60,         /* looks left out after a failure; one where only room was missing, for this makes room */
    BUSY_US           = 500,        /* of a step in a transaction that others wait for */
    IDLE_US           = 2000,       /* of a step in a transaction of its own */
    FOLDERS_A_STEP    = 256,
    CHUNKS_A_REMOVAL  = 16,         /* of a large body */
    OVERFULL_MAX      = 256,
};

struct folder_key {
    uint32_t mailbox_id, folder_id;
};

/* A transaction that has nothing else to do. */
struct nudge {
    struct batch_op op;
    struct expire  *expire;
};

struct expire {
    struct store     *store;
    struct event     *look;         /* timer */
    struct event     *work;         /* priority 1: queues a nudge */
    bool              due;          /* there is something to remove, as far as is known */
    bool              nudging;      /* a nudge is queued */
    bool              worked;       /* in the transaction that is open */
    unsigned          pause;        /* looks to be left out */
    struct folder_key overfull[OVERFULL_MAX];
    unsigned          overfull_count;
    bool              sweeping;     /* looking at every folder; from sweep on */
    struct folder_key sweep;
};

/* What one step may still do. */
struct step {
    struct expire *e;
    struct tx     *tx;
    unsigned       left;            /* removals */
    uint64_t       until_us;        /* monotonic */
};

static uint64_t
monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool
may_go_on(const struct step *st)
{
    return st->left > 0 && tx_fault(st->tx) == MT_OK && monotonic_us() < st->until_us;
}

/* ---- Folders that hold too much ---- */

static bool
is_overfull(const struct store *s, const struct folder_record *f)
{
    if (f->messages <= 1)
        return false;
    if (f->id == FOLDER_UNMATCHED)
        return f->messages > s->config->retention.unmatched_messages || f->bytes > s->config->retention.unmatched_bytes;
    return f->messages > s->config->retention.inbox_messages || f->bytes > s->config->retention.inbox_bytes;
}

/* The first entry of a mailbox from (folder, 0) on; its key is copied. */
static bool
first_entry(struct tx *tx, uint32_t mailbox_id, uint32_t folder_id, unsigned char found[12], uint64_t *message_id)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_entry(bytes, mailbox_id, folder_id, 0);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_ENTRY);
    struct entry  e;
    bool          is;

    if (cursor == NULL)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == 12 && get_u32(key.mv_data) == mailbox_id;
    if (is) {
        memcpy(found, key.mv_data, 12);
        *message_id = entry_read(slice_make(found, 12), slice_make(data.mv_data, data.mv_size), &e) == MT_OK ? e.message_id : 0;
    }
    mdb_cursor_close(cursor);
    return is;
}

/* Removes the message; and the entry also where the message is missing or damaged, so that each step makes progress. */
static void
remove_entry(struct tx *tx, const unsigned char key[12], uint64_t message_id)
{
    message_remove(tx, message_id);
    tx_delete(tx, TABLE_ENTRY, slice_make(key, 12));
    tx_counts(tx)->expired++;
}

static bool
remove_oldest(struct tx *tx, struct tx_mailbox *m, struct tx_folder *f)
{
    unsigned char key[12];
    uint64_t      id, before = f->record.messages;

    if (first_entry(tx, m->record.id, f->record.id, key, &id) && get_u32(key + 4) == f->record.id)
        remove_entry(tx, key, id);
    /* Counters that do not fit what is there must not make this go on for ever. */
    return f->record.messages < before;
}

static void
note_overfull(struct expire *e, uint32_t mailbox_id, uint32_t folder_id)
{
    e->due = true;
    for (unsigned i = 0; i < e->overfull_count; i++)
        if (e->overfull[i].mailbox_id == mailbox_id && e->overfull[i].folder_id == folder_id)
            return;
    if (e->overfull_count == OVERFULL_MAX)
        expire_look_again(e);
    else
        e->overfull[e->overfull_count++] = (struct folder_key){ mailbox_id, folder_id };
}

void
expire_trim(struct expire *e, struct tx *tx, struct tx_mailbox *m, struct tx_folder *f)
{
    for (unsigned i = 0; is_overfull(e->store, &f->record); i++)
        if (i == TRIM_AT_ONCE || !remove_oldest(tx, m, f)) {
            note_overfull(e, m->record.id, f->record.id);
            return;
        }
}

/* False: the step is over before the folder is within its limits. */
static bool
trim_folder(struct step *st, struct folder_key k)
{
    struct tx_mailbox *m;
    struct tx_folder  *f;

    if (tx_mailbox(st->tx, k.mailbox_id, &m) != MT_OK || tx_folder(st->tx, m, k.folder_id, &f) != MT_OK)
        return tx_fault(st->tx) == MT_OK;
    while (is_overfull(st->e->store, &f->record)) {
        if (!may_go_on(st))
            return false;
        st->left--;
        if (!remove_oldest(st->tx, m, f))
            break;
    }
    return true;
}

static void
trim_overfull(struct step *st)
{
    struct expire *e = st->e;

    while (e->overfull_count > 0 && may_go_on(st) && trim_folder(st, e->overfull[e->overfull_count - 1]))
        e->overfull_count--;
}

/* The first folder from *k on. False: there is none. */
static bool
next_folder(struct tx *tx, struct folder_key *k, struct folder_record *out)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_folder(bytes, k->mailbox_id, k->folder_id);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_FOLDER);
    bool          is;

    if (cursor == NULL)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == 8;
    if (is) {
        *k = (struct folder_key){ get_u32(key.mv_data), get_u32((char *)key.mv_data + 4) };
        if (folder_record_read(slice_make(data.mv_data, data.mv_size), out) != MT_OK)
            out->messages = 0;      /* damaged: left to verify */
    }
    mdb_cursor_close(cursor);
    return is;
}

static void
sweep_folders(struct step *st)
{
    struct expire       *e = st->e;
    struct folder_record f;

    for (unsigned i = 0; e->sweeping && i < FOLDERS_A_STEP && may_go_on(st); i++) {
        if (!next_folder(st->tx, &e->sweep, &f)) {
            e->sweeping = tx_fault(st->tx) != MT_OK;
            return;
        }
        if (is_overfull(e->store, &f) && !trim_folder(st, e->sweep))
            return;
        e->sweep.folder_id++;
    }
}

/* ---- What is too old ---- */

/*
 * A row whose time is damaged must take nothing with it before its time: the row of the record as it stands takes its place. False: the record
 * is missing or unreadable, or the row is its own.
 */
static bool
is_misplaced(struct tx *tx, struct slice row, struct slice own)
{
    unsigned char copy[DB_KEY_MAX];

    if (slice_equal(row, own))
        return false;
    log_error("event=store-damaged table=expiry reason=\"a row has another time than what it is for\" hint=\"mailtestctl verify\"");
    memcpy(copy, own.data, own.len);
    tx_put(tx, TABLE_EXPIRY, slice_make(copy, own.len), slice_make("", 0), 0);
    return true;
}

static void
remove_old_message(struct tx *tx, struct slice row)
{
    unsigned char         bytes[DB_KEY_MAX];
    uint64_t              id = get_u64(row.data + 9);
    struct message_record m;

    if (db_message(tx_view(tx), id, &m) == MT_OK && is_misplaced(tx, row, db_key_message_expiry(bytes, id, &m)))
        return;
    message_remove(tx, id);
    tx_counts(tx)->expired++;
}

static void
remove_old_token(struct tx *tx, struct slice row)
{
    unsigned char       bytes[DB_KEY_MAX];
    struct token        t;
    struct token_record r;

    memcpy(t.raw, row.data + 9, sizeof(t.raw));
    if (db_token(tx_view(tx), &t, &r) == MT_OK && is_misplaced(tx, row, db_key_token_expiry(bytes, &t, &r)))
        return;
    tx_delete(tx, TABLE_TOKEN, slice_make(t.raw, sizeof(t.raw)));
}

/* The first row of a kind if it came before then; its key is copied. */
static size_t
first_due(const struct db_view *v, enum expiry kind, uint64_t before_unix, unsigned char found[DB_KEY_MAX])
{
    unsigned char bytes[1] = { (unsigned char)kind };
    MDB_val       key = { 1, bytes };
    MDB_val       data;
    MDB_cursor   *cursor;
    size_t        len = 0;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_EXPIRY), &cursor) != MDB_SUCCESS)
        return 0;
    if (mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size >= 17 && key.mv_size <= DB_KEY_MAX &&
        *(unsigned char *)key.mv_data == kind && get_u64((char *)key.mv_data + 1) < before_unix) {
        len = key.mv_size;
        memcpy(found, key.mv_data, len);
    }
    mdb_cursor_close(cursor);
    return len;
}

static uint64_t
cutoff_unix(const struct store *s, enum expiry kind, uint64_t now_us)
{
    uint64_t days = kind == EXPIRY_TOKEN ? s->config->retention.token_days
                    : kind == EXPIRY_UNMATCHED ? s->config->retention.unmatched_days : s->config->retention.inbox_days;
    uint64_t now_unix = now_us / 1000000;

    return now_unix > days * 86400 ? now_unix - days * 86400 : 0;
}

static void
remove_old(struct step *st, enum expiry kind)
{
    uint64_t before_unix = cutoff_unix(st->e->store, kind, tx_now_us(st->tx));

    while (may_go_on(st)) {
        unsigned char key[DB_KEY_MAX];
        size_t        len = first_due(tx_view(st->tx), kind, before_unix, key);

        if (len == 0)
            return;
        if (kind == EXPIRY_TOKEN && len == 9 + TOKEN_RAW_BYTES)
            remove_old_token(st->tx, slice_make(key, len));
        else if (kind != EXPIRY_TOKEN)
            remove_old_message(st->tx, slice_make(key, len));
        /* Normally gone with the message; here for a row whose message is missing or damaged. */
        tx_delete(st->tx, TABLE_EXPIRY, slice_make(key, len));
        st->left--;
    }
}

static uint64_t
days_ago_us(uint64_t now_us, uint64_t days)
{
    uint64_t us = days * 86400 * 1000000;

    return now_us > us ? now_us - us : 0;
}

static uint64_t
events_before_us(const struct store *s, uint64_t now_us)
{
    return days_ago_us(now_us, s->config->retention.event_days);
}

/* As long as a token's record may tell of the time. */
static uint64_t
served_before_us(const struct store *s, uint64_t now_us)
{
    return days_ago_us(now_us, s->config->retention.token_days);
}

/* Events with their posts, the log of when listeners served, and results of checks: each in the order of time. */
static void
remove_logs(struct step *st)
{
    const struct store *s = st->e->store;
    uint64_t            now_us = tx_now_us(st->tx);

    while (may_go_on(st) && journal_expire(st->tx, events_before_us(s, now_us), 1) > 0)
        st->left--;
    while (may_go_on(st) && uptime_expire(st->tx, served_before_us(s, now_us), 1) > 0)
        st->left--;
    while (may_go_on(st) && result_expire(s, st->tx, 1) > 0)
        st->left--;
}

/* ---- What was deleted in one go and is removed bit by bit ---- */

/* The first key of the meta table that begins with the prefix and has id_bytes behind it. */
static bool
first_purge(const struct db_view *v, const char *prefix, size_t id_bytes, unsigned char id[8])
{
    MDB_val     key = { strlen(prefix), (void *)(uintptr_t)prefix };
    MDB_val     data;
    MDB_cursor *cursor;
    bool        is;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_META), &cursor) != MDB_SUCCESS)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == strlen(prefix) + id_bytes &&
         memcmp(key.mv_data, prefix, strlen(prefix)) == 0;
    if (is)
        memcpy(id, (char *)key.mv_data + strlen(prefix), id_bytes);
    mdb_cursor_close(cursor);
    return is;
}

static void
purge_done(struct tx *tx, const char *prefix, const unsigned char *id, size_t id_bytes)
{
    unsigned char key[64];

    memcpy(key, prefix, strlen(prefix));
    memcpy(key + strlen(prefix), id, id_bytes);
    tx_delete(tx, TABLE_META, slice_make(key, strlen(prefix) + id_bytes));
}

static void
purge_bodies(struct step *st)
{
    unsigned char id[8];

    while (may_go_on(st) && first_purge(tx_view(st->tx), DB_META_PURGE_BODY, 8, id)) {
        unsigned count = message_purge_body(st->tx, get_u64(id), CHUNKS_A_REMOVAL);

        if (count < CHUNKS_A_REMOVAL && tx_fault(st->tx) == MT_OK)
            purge_done(st->tx, DB_META_PURGE_BODY, id, 8);
        st->left--;
    }
}

unsigned
expire_mailbox(struct tx *tx, uint32_t mailbox_id, unsigned max)
{
    unsigned char key[12];
    uint64_t      id;
    unsigned      count = 0;

    for (; count < max && tx_fault(tx) == MT_OK && first_entry(tx, mailbox_id, 0, key, &id); count++)
        remove_entry(tx, key, id);
    return count;
}

static void
purge_mailboxes(struct step *st)
{
    unsigned char id[8];

    while (may_go_on(st) && first_purge(tx_view(st->tx), DB_META_PURGE_MAILBOX, 4, id)) {
        struct folder_key    k = { .mailbox_id = get_u32(id) };
        struct folder_record f;
        unsigned char        key[DB_KEY_MAX];

        st->left--;
        if (expire_mailbox(st->tx, get_u32(id), 1) > 0 || result_remove_checks_of(st->tx, get_u32(id), 1) > 0)
            continue;
        while (tx_fault(st->tx) == MT_OK && next_folder(st->tx, &k, &f) && k.mailbox_id == get_u32(id))
            tx_delete(st->tx, TABLE_FOLDER, db_key_folder(key, k.mailbox_id, k.folder_id));
        purge_done(st->tx, DB_META_PURGE_MAILBOX, id, 4);
    }
}

static void
purge_webhooks(struct step *st)
{
    unsigned char id[8];

    while (may_go_on(st) && first_purge(tx_view(st->tx), DB_META_PURGE_WEBHOOK, 4, id)) {
        if (webhook_purge(st->tx, get_u32(id), 1) == 0 && tx_fault(st->tx) == MT_OK)
            purge_done(st->tx, DB_META_PURGE_WEBHOOK, id, 4);
        st->left--;
    }
}

static void
purge_checks(struct step *st)
{
    unsigned char id[8];

    while (may_go_on(st) && first_purge(tx_view(st->tx), DB_META_PURGE_CHECK, 4, id)) {
        if (result_purge(st->tx, get_u32(id), 1) == 0 && tx_fault(st->tx) == MT_OK)
            purge_done(st->tx, DB_META_PURGE_CHECK, id, 4);
        st->left--;
    }
}

/* ---- When ---- */

void
expire_piggyback(struct expire *e, struct tx *tx)
{
    uint64_t    busy = tx_counts(tx)->messages;
    unsigned    step_max = e->store->config->retention.expire_step;
    struct step st = { .e = e, .tx = tx, .left = step_max, .until_us = monotonic_us() + (busy > 0 ? BUSY_US : IDLE_US) };

    if (!e->due || e->pause > 0)
        return;
    /* Twice what came in: so what is due gets less even while messages come in without a pause. */
    if (busy > 0 && busy * 2 < step_max)
        st.left = (unsigned)busy * 2;
    e->worked = true;
    trim_overfull(&st);
    for (enum expiry kind = EXPIRY_INBOX; kind <= EXPIRY_TOKEN; kind++)
        remove_old(&st, kind);
    remove_logs(&st);
    purge_mailboxes(&st);
    purge_bodies(&st);
    purge_webhooks(&st);
    purge_checks(&st);
    sweep_folders(&st);
    /* All of it was done when there was time left. */
    if (may_go_on(&st))
        e->due = e->sweeping || e->overfull_count > 0;
}

void
expire_committed(struct expire *e)
{
    e->worked = false;
    if (e->due && e->pause == 0 && !e->nudging)
        event_active(e->work, EV_TIMEOUT, 0);
}

void
expire_failed(struct expire *e, int rc)
{
    if (e->worked) {
        e->pause = rc == MT_EFULL ? 1 : PAUSE_LOOKS;
        expire_look_again(e);       /* what was ticked off was not done */
    }
    e->worked = false;
}

static int
run_nudge(struct batch_op *op, struct tx *tx)
{
    (void)op;
    return tx_fault(tx);
}

static void
nudge_done(struct batch_op *op, int rc)
{
    struct nudge  *n = (struct nudge *)op;
    struct expire *e = n->expire;

    free(n);
    e->nudging = false;
    if (rc == MT_OK && e->due && e->pause == 0)
        event_active(e->work, EV_TIMEOUT, 0);
}

/* In a turn of its own, so what came in meanwhile is in the same transaction, and comes first. */
static void
on_work(evutil_socket_t fd, short what, void *arg)
{
    struct expire *e = arg;
    struct nudge  *n;

    (void)fd;
    (void)what;
    if (e->nudging || !e->due || !batch_is_empty(e->store->batch) || (n = calloc(1, sizeof(*n))) == NULL)
        return;
    *n = (struct nudge){ .op = { .run = run_nudge, .done = nudge_done }, .expire = e };
    e->nudging = true;
    batch_add(e->store->batch, &n->op);
}

static bool
anything_due(struct expire *e, const struct db_view *v)
{
    unsigned char key[DB_KEY_MAX];

    for (enum expiry kind = EXPIRY_INBOX; kind <= EXPIRY_TOKEN; kind++)
        if (first_due(v, kind, cutoff_unix(e->store, kind, store_now_us(e->store)), key) > 0)
            return true;
    if (journal_is_due(v, events_before_us(e->store, store_now_us(e->store))) || uptime_is_due(v, served_before_us(e->store, store_now_us(e->store))))
        return true;
    return e->sweeping || e->overfull_count > 0 || first_purge(v, DB_META_PURGE_MAILBOX, 4, key) || first_purge(v, DB_META_PURGE_BODY, 8, key) ||
           first_purge(v, DB_META_PURGE_WEBHOOK, 4, key) || first_purge(v, DB_META_PURGE_CHECK, 4, key) || result_is_due(e->store, v);
}

void
expire_look(struct expire *e)
{
    struct db_view v;

    if (e->pause > 0 && --e->pause > 0)
        return;
    if (store_view(e->store, &v) != MT_OK)
        return;
    e->due = anything_due(e, &v);
    db_view_end(&v);
    if (e->due)
        event_active(e->work, EV_TIMEOUT, 0);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    expire_look(arg);
}

struct expire *
expire_new(struct store *s)
{
    const struct timeval look = { .tv_sec = LOOK_MS / 1000, .tv_usec = LOOK_MS % 1000 * 1000 };
    struct expire       *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->store = s;
    e->look = event_new(s->base, -1, EV_PERSIST, on_look, e);
    e->work = event_new(s->base, -1, 0, on_work, e);
    if (e->look == NULL || e->work == NULL || event_priority_set(e->look, 1) != 0 || event_priority_set(e->work, 1) != 0 ||
        event_add(e->look, &look) != 0) {
        expire_free(e);
        return NULL;
    }
    expire_look_again(e);
    return e;
}

void
expire_free(struct expire *e)
{
    if (e == NULL)
        return;
    if (e->look != NULL)
        event_free(e->look);
    if (e->work != NULL)
        event_free(e->work);
    free(e);
}

void
expire_look_again(struct expire *e)
{
    e->sweeping = true;
    e->sweep = (struct folder_key){ 0, 0 };
    e->due = true;
}
