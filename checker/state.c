/*
 * state - see state.h. What was written since the last commit lies in a hash table (struct change); reading looks there first, and walking
 * merges its sorted list with LMDB's cursor. How the file is locked, checked and opened: state_open.c.
 */

#include "checker/state.h"

#include "checker/clock.h"
#include "checker/state_open.h"
#include "lib/db.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <xxhash.h>

enum {
    SUM_BYTES = 8,
    FIRST_BUCKETS = 256,        /* a power of two */
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000,
};

/* A write that is not on disk yet; the newest one of its key. */
struct change {
    struct change   *next;      /* in its bucket */
    enum state_table table;
    bool             deleted;
    size_t           key_len, value_len;
    char             bytes[];   /* key, then value */
};

struct state_file {
    struct state_env   env;
    struct event      *timer;       /* NULL: commits are asked for */
    struct change    **buckets;
    size_t             bucket_count;
    uint64_t           pending_bytes;
    uint32_t           retry_ms;    /* 0: the last commit went well */
    bool               reopen;      /* a write to the file failed: what it holds must be looked at anew */
    struct state_stats stats;
};

/* ---- What waits ---- */

static struct slice
change_key(const struct change *c)
{
    return slice_make(c->bytes, c->key_len);
}

static struct slice
change_value(const struct change *c)
{
    return slice_make(c->bytes + c->key_len, c->value_len);
}

static struct change **
bucket_of(const struct state_file *s, enum state_table table, struct slice key)
{
    return &s->buckets[XXH3_64bits_withSeed(key.data, key.len, table) & (s->bucket_count - 1)];
}

/* The place where the change of this key is linked, or would be. */
static struct change **
find_change(const struct state_file *s, enum state_table table, struct slice key)
{
    struct change **at = bucket_of(s, table, key);

    while (*at != NULL && ((*at)->table != table || !slice_equal(change_key(*at), key)))
        at = &(*at)->next;
    return at;
}

/* Without memory for more of them they only get longer. */
static void
widen_buckets(struct state_file *s)
{
    size_t          old_count = s->bucket_count;
    struct change **old = s->buckets;
    struct change **wider = calloc(old_count * 2, sizeof(*wider));

    if (wider == NULL)
        return;
    s->buckets = wider;
    s->bucket_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct change  *c = old[i];
            struct change **at = bucket_of(s, c->table, change_key(c));

            old[i] = c->next;
            c->next = *at;
            *at = c;
        }
    }
    free(old);
}

static void
drop_changes(struct state_file *s)
{
    for (size_t i = 0; i < s->bucket_count; i++) {
        while (s->buckets[i] != NULL) {
            struct change *c = s->buckets[i];

            s->buckets[i] = c->next;
            free(c);
        }
    }
    s->pending_bytes = 0;
    s->stats.pending = 0;
}

static void
arm(struct state_file *s)
{
    uint32_t       wait_ms = s->retry_ms > 0 ? s->retry_ms : STATE_COMMIT_MS;
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 };

    if (s->timer != NULL && s->stats.pending > 0 && !event_pending(s->timer, EV_TIMEOUT, NULL))
        event_add(s->timer, &wait);
}

static int
add_change(struct state_file *s, enum state_table table, bool deleted, struct slice key, struct slice value)
{
    size_t          size = sizeof(struct change) + key.len + value.len;
    struct change **at = find_change(s, table, key);
    struct change  *old = *at;
    struct change  *c;
    uint64_t        freed = old == NULL ? 0 : sizeof(*old) + old->key_len + old->value_len;

    if (s->pending_bytes - freed + size > STATE_PENDING_MAX) {
        s->stats.refused++;
        return MT_EFULL;
    }
    c = malloc(size);
    if (c == NULL)
        return MT_ENOMEM;
    *c = (struct change){ .next = old == NULL ? NULL : old->next, .table = table, .deleted = deleted, .key_len = key.len, .value_len = value.len };
    memcpy(c->bytes, key.data, key.len);
    if (value.len > 0)
        memcpy(c->bytes + key.len, value.data, value.len);
    *at = c;
    s->pending_bytes += size - freed;
    if (old == NULL)
        s->stats.pending++;
    free(old);
    arm(s);
    if (s->stats.pending > s->bucket_count)
        widen_buckets(s);
    return MT_OK;
}

int
state_file_put(struct state_file *s, enum state_table table, struct slice key, struct slice value)
{
    assert((unsigned)table < STATE_TABLE_COUNT);
    if (key.len == 0 || key.len > STATE_KEY_MAX || value.len > STATE_VALUE_MAX)
        return MT_EINVALID;
    return add_change(s, table, false, key, value);
}

int
state_file_delete(struct state_file *s, enum state_table table, struct slice key)
{
    assert((unsigned)table < STATE_TABLE_COUNT);
    if (key.len == 0 || key.len > STATE_KEY_MAX)
        return MT_EINVALID;
    return add_change(s, table, true, key, slice_make(NULL, 0));
}

/* ---- Commits ---- */

static uint64_t
sum_of(enum state_table table, struct slice key, struct slice value)
{
    return XXH3_64bits_withSeed(value.data, value.len, XXH3_64bits_withSeed(key.data, key.len, table));
}

static int
write_change(struct state_file *s, MDB_txn *txn, const struct change *c)
{
    struct slice value = change_value(c);
    MDB_val      key = { c->key_len, (void *)(uintptr_t)c->bytes };
    MDB_val      data = { SUM_BYTES + value.len, NULL };
    int          rc;

    if (c->deleted) {
        rc = mdb_del(txn, s->env.tables[c->table], &key, NULL);
        return rc == MDB_NOTFOUND ? MDB_SUCCESS : rc;
    }
    rc = mdb_put(txn, s->env.tables[c->table], &key, &data, MDB_RESERVE);
    if (rc != MDB_SUCCESS)
        return rc;
    put_u64(data.mv_data, sum_of(c->table, change_key(c), value));
    if (value.len > 0)
        memcpy((char *)data.mv_data + SUM_BYTES, value.data, value.len);
    return MDB_SUCCESS;
}

/* LMDB's result of one transaction with all that waits. */
static int
write_changes(struct state_file *s)
{
    MDB_txn *txn;
    int      rc = mdb_txn_begin(s->env.env, NULL, 0, &txn);

    if (rc != MDB_SUCCESS)
        return rc;
    for (size_t i = 0; i < s->bucket_count; i++) {
        for (const struct change *c = s->buckets[i]; c != NULL; c = c->next) {
            rc = write_change(s, txn, c);
            if (rc != MDB_SUCCESS) {
                mdb_txn_abort(txn);
                return rc;
            }
        }
    }
    return mdb_txn_commit(txn);
}

static int
commit(struct state_file *s)
{
    int rc, mdb;

    if (s->reopen || s->env.env == NULL) {
        state_env_close(&s->env);
        rc = state_env_open(&s->env, &s->stats.begun_anew);
        if (rc != MT_OK)
            return rc;
        s->reopen = false;
    }
    while ((mdb = write_changes(s)) == MDB_MAP_FULL)
        if ((mdb = state_env_grow(&s->env)) != MDB_SUCCESS)
            break;
    if (mdb != MDB_SUCCESS) {
        rc = mt_from_mdb(mdb);
        /* Whether what was written before a failed fsync is on disk, nobody knows: only a full disk leaves all as it was. */
        s->reopen = rc != MT_EFULL && rc != MT_ENOMEM;
        log_error("event=state-commit-failed dir=%s pending=%llu reason=\"%s\" hint=\"it stays in memory and is tried again\"", s->env.dir,
                  (unsigned long long)s->stats.pending, mdb_strerror(mdb));
        return rc;
    }
    return MT_OK;
}

int
state_file_flush(struct state_file *s)
{
    uint64_t begun_us = monotonic_us();
    int      rc;

    if (s->stats.pending == 0)
        return MT_OK;
    rc = commit(s);
    s->stats.commit_us += monotonic_us() - begun_us;
    s->stats.failing = rc != MT_OK;
    if (s->timer != NULL)
        event_del(s->timer);
    if (rc == MT_OK) {
        if (s->retry_ms > 0)
            log_info("event=state-commit-recovered dir=%s written=%llu", s->env.dir, (unsigned long long)s->stats.pending);
        s->stats.commits++;
        s->retry_ms = 0;
        drop_changes(s);
        return MT_OK;
    }
    s->stats.commit_failures++;
    s->retry_ms = s->retry_ms == 0 ? RETRY_FIRST_MS : s->retry_ms < RETRY_MAX_MS / 2 ? s->retry_ms * 2 : RETRY_MAX_MS;
    arm(s);
    return rc;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    state_file_flush(arg);
}

/* ---- Reading ---- */

/* Cuts the checksum off; false: it does not fit. */
static bool
check_value(struct state_file *s, enum state_table table, struct slice key, MDB_val data, struct slice *value)
{
    struct slice bytes = slice_make(data.mv_data, data.mv_size);

    if (bytes.len >= SUM_BYTES && get_u64(bytes.data) == sum_of(table, key, slice_sub(bytes, SUM_BYTES, bytes.len))) {
        *value = slice_sub(bytes, SUM_BYTES, bytes.len);
        return true;
    }
    s->stats.damaged++;
    log_error("event=state-damaged dir=%s table=%s key=\"%s\" reason=\"a value's checksum does not fit: it is left out\"", s->env.dir,
              state_table_name(table), LOG_TEXT(key));
    return false;
}

/* Begins, or renews, the one transaction for reading. */
static int
begin_reading(struct state_file *s)
{
    int rc;

    if (s->env.env == NULL)
        return MT_EIO;
    if (s->env.reading == NULL)
        rc = mdb_txn_begin(s->env.env, NULL, MDB_RDONLY, &s->env.reading);
    else
        rc = mdb_txn_renew(s->env.reading);
    if (rc == MDB_SUCCESS)
        return MT_OK;
    log_error("event=state-read-failed dir=%s reason=\"%s\"", s->env.dir, mdb_strerror(rc));
    return mt_from_mdb(rc);
}

int
state_file_get(struct state_file *s, enum state_table table, struct slice key, struct slice *value)
{
    struct change *c;
    MDB_val        k = { key.len, (void *)(uintptr_t)key.data };
    MDB_val        data;
    int            rc;

    assert((unsigned)table < STATE_TABLE_COUNT);
    if (key.len == 0 || key.len > STATE_KEY_MAX)
        return MT_ENOTFOUND;
    c = *find_change(s, table, key);
    if (c != NULL) {
        if (c->deleted)
            return MT_ENOTFOUND;
        *value = change_value(c);
        return MT_OK;
    }
    rc = begin_reading(s);
    if (rc != MT_OK)
        return rc;
    rc = mdb_get(s->env.reading, s->env.tables[table], &k, &data);
    /* Nothing but our own commits reuses pages, so what was read stays where it is until the next of them. */
    mdb_txn_reset(s->env.reading);
    if (rc != MDB_SUCCESS)
        return mt_from_mdb(rc);
    return check_value(s, table, key, data, value) ? MT_OK : MT_EDAMAGED;
}

static int
compare_keys(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static int
compare_changes(const void *a, const void *b)
{
    const struct change *const *left = a, *const *right = b;

    return compare_keys(change_key(*left), change_key(*right));
}

/* What waits for a table from a key on, in order, NULL behind it. NULL: out of memory. */
static const struct change **
sorted_changes(const struct state_file *s, enum state_table table, struct slice from)
{
    const struct change **list = calloc(s->stats.pending + 1, sizeof(*list));
    size_t                count = 0;

    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < s->bucket_count; i++)
        for (const struct change *c = s->buckets[i]; c != NULL; c = c->next)
            if (c->table == table && (from.len == 0 || compare_keys(change_key(c), from) >= 0))
                list[count++] = c;
    qsort(list, count, sizeof(const struct change *), compare_changes);
    return list;
}

/* Where a walk through both stands. */
struct walk {
    struct state_file    *s;
    enum state_table      table;
    MDB_cursor           *cursor;
    int                   rc;           /* of the cursor's last step */
    MDB_val               key, data;
    const struct change **change;       /* the next of them */
};

/* The next pair of both, the newer one where both have the key. False: the end. *value.data is NULL where there is nothing to be told. */
static bool
walk_next(struct walk *w, struct slice *key, struct slice *value, bool *told)
{
    const struct change *c = *w->change;
    struct slice         stored = w->rc == MDB_SUCCESS ? slice_make(w->key.mv_data, w->key.mv_size) : slice_make(NULL, 0);
    int                  order = c == NULL ? 1 : w->rc != MDB_SUCCESS ? -1 : compare_keys(change_key(c), stored);

    if (c == NULL && w->rc != MDB_SUCCESS)
        return false;
    if (order <= 0) {
        *key = change_key(c);
        *value = change_value(c);
        *told = !c->deleted;
        w->change++;
    } else {
        *key = stored;
        *told = check_value(w->s, w->table, stored, w->data, value);
    }
    if (order >= 0)
        w->rc = mdb_cursor_get(w->cursor, &w->key, &w->data, MDB_NEXT);
    return true;
}

int
state_file_each(struct state_file *s, enum state_table table, struct slice from, state_pair_fn *fn, void *arg)
{
    const struct change **changes;
    struct walk           w = { .s = s, .table = table, .key = { from.len, (void *)(uintptr_t)from.data } };
    struct slice          key, value = slice_make(NULL, 0);
    bool                  told = false;
    int                   rc = begin_reading(s);

    assert((unsigned)table < STATE_TABLE_COUNT);
    if (rc != MT_OK)
        return rc;
    changes = sorted_changes(s, table, from);
    if (changes == NULL || mdb_cursor_open(s->env.reading, s->env.tables[table], &w.cursor) != MDB_SUCCESS) {
        free(changes);
        mdb_txn_reset(s->env.reading);
        return MT_ENOMEM;
    }
    w.change = changes;
    w.rc = mdb_cursor_get(w.cursor, &w.key, &w.data, from.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    while (walk_next(&w, &key, &value, &told) && (!told || fn(arg, key, value)))
        ;
    rc = w.rc == MDB_NOTFOUND ? MT_OK : mt_from_mdb(w.rc);
    mdb_cursor_close(w.cursor);
    mdb_txn_reset(s->env.reading);
    free(changes);
    return rc;
}

void
state_file_stats(const struct state_file *s, struct state_stats *out)
{
    *out = s->stats;
}

/* ---- Opening and closing ---- */

int
state_file_open(struct event_base *base, const char *dir, struct state_file **out)
{
    struct state_file *s = calloc(1, sizeof(*s));
    int                rc;

    if (s == NULL)
        return MT_ENOMEM;
    s->bucket_count = FIRST_BUCKETS;
    s->buckets = calloc(s->bucket_count, sizeof(struct change *));
    if (base != NULL)
        s->timer = event_new(base, -1, 0, on_timer, s);
    rc = s->buckets == NULL || (base != NULL && s->timer == NULL) ? MT_ENOMEM : state_env_lock(&s->env, dir);
    if (rc == MT_OK)
        rc = state_env_open(&s->env, &s->stats.begun_anew);
    if (rc != MT_OK) {
        state_file_close(s);
        return rc;
    }
    *out = s;
    return MT_OK;
}

void
state_file_close(struct state_file *s)
{
    if (s == NULL)
        return;
    if (s->buckets != NULL && state_file_flush(s) != MT_OK)
        log_error("event=state-lost dir=%s writes=%llu reason=\"they could not be committed before the end\"", s->env.dir,
                  (unsigned long long)s->stats.pending);
    if (s->buckets != NULL)
        drop_changes(s);
    free(s->buckets);
    if (s->timer != NULL)
        event_free(s->timer);
    state_env_close(&s->env);
    state_env_unlock(&s->env);
    free(s);
}
