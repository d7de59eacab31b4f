#include "store/result.h"

#include "lib/db_result.h"
#include "lib/error.h"
#include "lib/log.h"

enum {
    TRIM_AT_ONCE    = 2,        /* removals for one run */
    SINCE_LOOK_MAX  = 500,      /* runs looked at for the first of those with the same state */
    SECONDS_A_HOUR  = 3600,
};

/* ---- Records ---------------------------------------------------------------------------------------------------------------- */

/* A check in hand: its record does not borrow from the database, which is written meanwhile. */
struct check {
    struct check_record record;
    char                name[CHECK_TEXT_MAX + 1];
    char                verdict[RESULT_VERDICT_BYTES + 1];
};

static void
set_verdict(struct check *c, struct slice verdict)
{
    slice_copy(c->verdict, sizeof(c->verdict), verdict);
    c->record.verdict = slice_of(c->verdict);
}

static void
keep(struct check *c, const struct check_record *record)
{
    c->record = *record;
    slice_copy(c->name, sizeof(c->name), record->name);
    c->record.name = slice_of(c->name);
    set_verdict(c, record->verdict);
}

static int
get_check(struct tx *tx, uint32_t id, struct check *out)
{
    struct check_record record;
    int                 rc = db_check(tx_view(tx), id, &record);

    if (rc == MT_OK)
        keep(out, &record);
    return rc;
}

static void
put_check(struct tx *tx, const struct check *c)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    check_record_write(b, &c->record);
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    tx_put(tx, TABLE_CHECK, db_key_u32(key, c->record.id), buf_slice(b), 0);
}

static void
put_sum(struct tx *tx, uint32_t check_id, uint32_t hour, const struct result_sum *sum)
{
    unsigned char key[DB_KEY_MAX];
    struct buf   *b = tx_scratch(tx);

    result_sum_write(b, sum);
    if (b->fault != MT_OK)
        tx_fail(tx, b->fault);
    tx_put(tx, TABLE_RESULT_SUM, db_key_result_sum(key, check_id, hour), buf_slice(b), 0);
}

static void
count_state(struct tx *tx, enum result_state state, int64_t n)
{
    tx_counts(tx)->checks[state] += n;
}

/* ---- Retention ---------------------------------------------------------------------------------------------------------------- */

/* Hours before this one are too old. */
static uint32_t
hours_before(uint64_t now_us, uint64_t days)
{
    uint32_t now = result_hour(now_us);

    return now > days * 24 ? (uint32_t)(now - days * 24) : 0;
}

static uint32_t
results_before(const struct store *s, uint64_t now_us)
{
    return hours_before(now_us, s->config->retention.result_days);
}

/* A sum stays for as long as its runs, at least. */
static uint32_t
sums_before(const struct store *s, uint64_t now_us)
{
    uint32_t results = s->config->retention.result_days, sums = s->config->retention.result_sum_days;

    return hours_before(now_us, sums > results ? sums : results);
}

/* ---- Storing a run -------------------------------------------------------------------------------------------------------------- */

static void
chore(struct result_chores *chores, uint32_t check_id, uint32_t hour)
{
    for (unsigned i = 0; i < chores->count; i++)
        if (chores->list[i].check_id == check_id && chores->list[i].hour == hour)
            return;
    if (chores->count < RESULT_CHORES_MAX) {
        chores->list[chores->count].check_id = check_id;
        chores->list[chores->count++].hour = hour;
    }
}

struct counted {
    unsigned count, max;
};

static bool
count_one(void *arg, const struct check_record *c)
{
    struct counted *n = arg;

    (void)c;
    return ++n->count < n->max;
}

static bool
has_place(struct tx *tx, const struct result_post *post)
{
    struct counted n = { .max = CHECKS_OF_A_KEY };
    MDB_stat       st;

    if (mdb_stat(tx_view(tx)->txn, db_table(tx_view(tx)->db, TABLE_CHECK), &st) != MDB_SUCCESS || st.ms_entries >= CHECKS_MAX_STORED)
        return false;
    if (post->scoped)
        db_checks(tx_view(tx), (struct check_scope){ .mailbox_id = post->mailbox_id }, 0, count_one, &n);
    return n.count < n.max;
}

/* The check of that name, made where there is none. MT_EFULL: there are too many. */
static int
find_check(struct tx *tx, const struct result_post *post, struct check *out)
{
    struct check_record record = { .mailbox_id = post->mailbox_id, .name = post->check, .kind = post->r->kind, .created_us = tx_now_us(tx) };
    unsigned char       key[DB_CHECK_NAME_KEY_MAX], id[4];
    int                 rc = db_check_by_name(tx_view(tx), post->mailbox_id, post->check, &record);

    if (rc == MT_OK)
        keep(out, &record);
    if (rc != MT_ENOTFOUND)
        return rc;
    if (!has_place(tx, post))
        return MT_EFULL;
    record = (struct check_record){ .id = tx_next_check_id(tx), .mailbox_id = post->mailbox_id, .name = post->check, .created_us = tx_now_us(tx) };
    keep(out, &record);
    put_u32(id, record.id);
    tx_put(tx, TABLE_CHECK_NAME, db_key_check_name(key, record.mailbox_id, out->record.name), slice_make(id, sizeof(id)), MDB_NOOVERWRITE);
    return tx_fault(tx);
}

/* What the run is in place of; false: of none. A damaged one counts as its octets alone. */
static bool
find_old(struct tx *tx, uint32_t check_id, uint64_t started_us, size_t *len, bool *readable, enum result_state *state)
{
    unsigned char        key[DB_KEY_MAX];
    struct result_record old;
    struct slice         value;

    if (db_get(tx_view(tx), TABLE_RESULT, db_key_result(key, check_id, started_us), &value) != MT_OK)
        return false;
    *len = value.len;
    *readable = result_record_read(value, &old) == MT_OK;
    *state = *readable ? old.state : RESULT_OK;
    return true;
}

/* Adds it to the sum of its hour, which is begun where there is none. False: the hour is full. */
static bool
add_to_hour(struct tx *tx, struct check *c, const struct result_record *r, struct result_chores *chores)
{
    struct result_sum sum = { .runs = 0 };
    unsigned char     key[DB_KEY_MAX];
    uint32_t          hour = result_hour(r->started_us);
    int               rc = db_result_sum(tx_view(tx), c->record.id, hour, &sum);

    if (rc == MT_OK && sum.runs >= RESULTS_AN_HOUR)
        return false;
    if (rc == MT_ENOTFOUND) {
        c->record.sums++;
        tx_put(tx, TABLE_EXPIRY, db_key_result_expiry(key, EXPIRY_RESULT, hour, c->record.id), slice_make("", 0), 0);
        tx_put(tx, TABLE_EXPIRY, db_key_result_expiry(key, EXPIRY_RESULT_SUM, hour, c->record.id), slice_make("", 0), 0);
    } else if (rc != MT_OK) {       /* damaged: what the hour has is counted anew */
        chore(chores, c->record.id, hour);
        return true;
    }
    result_sum_add(&sum, r);
    put_sum(tx, c->record.id, hour, &sum);
    return true;
}

/* The check's own facts follow. is_new: nothing was replaced. */
static void
follow(struct tx *tx, struct check *c, const struct result_record *r, bool is_new, struct result_chores *chores)
{
    struct check_record *record = &c->record;

    if (record->runs > 1 || !is_new)
        count_state(tx, record->state, -1);
    if (r->started_us < record->last_us || !is_new) {
        chore(chores, record->id, UINT32_MAX);
    } else if (record->state != r->state || record->since_us == 0) {
        record->since_us = r->started_us;
    }
    if (r->started_us >= record->last_us) {
        record->last_us = r->started_us;
        record->state = r->state;
        record->kind = r->kind;
        set_verdict(c, r->verdict);
    }
    count_state(tx, record->state, 1);
    tx_counts(tx)->results[r->state]++;
}

/* The first run of a check from a time on. False: there is none. */
static bool
first_result(struct tx *tx, uint32_t check_id, uint64_t from_us, uint64_t *started_us, size_t *len)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_result(bytes, check_id, from_us);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_RESULT);
    bool          is;

    if (cursor == NULL)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == from.len && get_u32(key.mv_data) == check_id;
    if (is) {
        *started_us = get_u64((char *)key.mv_data + 4);
        *len = data.mv_size;
    }
    mdb_cursor_close(cursor);
    return is;
}

/* Removes one run; its hour is closed. */
static void
remove_result(struct tx *tx, struct check *c, uint64_t started_us, size_t len)
{
    struct check_record *record = &c->record;
    unsigned char        key[DB_KEY_MAX];
    uint64_t             closed_us = ((uint64_t)result_hour(started_us) + 1) * HOUR_US;

    tx_delete(tx, TABLE_RESULT, db_key_result(key, record->id, started_us));
    record->results -= record->results > 0;
    record->bytes -= record->bytes < len ? record->bytes : len;
    if (record->closed_us < closed_us)
        record->closed_us = closed_us;
}

/* Too many: the oldest go; but never those of an hour that is being written to. */
static void
trim(const struct store *s, struct tx *tx, struct check *c, uint64_t written_us)
{
    const struct check_record *record = &c->record;
    uint64_t                   started_us;
    size_t                     len;

    for (unsigned i = 0; i < TRIM_AT_ONCE; i++) {
        if (record->results <= s->config->retention.result_count && record->bytes <= s->config->retention.result_bytes)
            return;
        if (!first_result(tx, record->id, 0, &started_us, &len) || result_hour(started_us) >= result_hour(written_us))
            return;
        remove_result(tx, c, started_us, len);
    }
}

/* Everything that may refuse it is behind. */
static enum result_done
write_result(const struct store *s, struct tx *tx, struct check *c, const struct result_post *post, struct result_chores *chores)
{
    const struct result_record *r = post->r;
    unsigned char               key[DB_KEY_MAX];
    enum result_state           old_state = RESULT_OK;
    size_t                      old_len = 0;
    bool                        readable = false, is_new = !find_old(tx, c->record.id, r->started_us, &old_len, &readable, &old_state);

    if (is_new && !add_to_hour(tx, c, r, chores))
        return RESULT_HOUR_FULL;
    if (!is_new)
        chore(chores, c->record.id, result_hour(r->started_us));
    if (readable && c->record.states[old_state] > 0)
        c->record.states[old_state]--;
    if (is_new || readable)
        c->record.states[r->state]++;
    c->record.runs += is_new;
    c->record.results += is_new;
    c->record.bytes += post->bytes.len;
    c->record.bytes -= old_len < c->record.bytes ? old_len : c->record.bytes;
    tx_put(tx, TABLE_RESULT, db_key_result(key, c->record.id, r->started_us), post->bytes, 0);
    follow(tx, c, r, is_new, chores);
    trim(s, tx, c, r->started_us);
    put_check(tx, c);
    return is_new ? RESULT_STORED : RESULT_REPLACED;
}

enum result_done
result_store(struct store *s, struct tx *tx, const struct result_post *post, struct result_chores *chores)
{
    struct tx_mailbox *m;
    struct check       c;
    int                rc;

    if (post->mailbox_id != 0 && (rc = tx_mailbox(tx, post->mailbox_id, &m)) != MT_OK)
        return rc == MT_ENOTFOUND ? RESULT_NO_MAILBOX : RESULT_CHECK_DAMAGED;
    if (result_hour(post->r->started_us) < results_before(s, tx_now_us(tx)))
        return RESULT_TOO_OLD;
    rc = find_check(tx, post, &c);
    if (rc == MT_EFULL && tx_fault(tx) == MT_OK)
        return RESULT_CHECKS_FULL;
    if (rc != MT_OK) {
        log_error("event=store-damaged table=check name=%.*s reason=\"%s\" hint=\"mailtestctl verify\"", (int)post->check.len, post->check.data,
                  mt_strerror(rc));
        return RESULT_CHECK_DAMAGED;
    }
    if (post->r->started_us < c.record.closed_us)
        return RESULT_TOO_OLD;
    return write_result(s, tx, &c, post, chores);
}

/* ---- What is done once for many runs ---------------------------------------------------------------------------------------------- */

/* The sum of an hour from its runs, all of which are there. */
static void
count_anew(struct tx *tx, uint32_t check_id, uint32_t hour)
{
    struct result_sum sum;
    int               rc = db_result_count(tx_view(tx), check_id, hour, &sum);

    if (rc != MT_OK && rc != MT_EDAMAGED)
        tx_fail(tx, rc);
    else if (sum.runs > 0)
        put_sum(tx, check_id, hour, &sum);
}

struct since {
    enum result_state state;
    uint64_t          since_us;
    unsigned          looked_at;
    bool              differs;
};

static bool
look_back(void *arg, const struct result_record *r)
{
    struct since *look = arg;

    if (r->state != look->state) {
        look->differs = true;
        return false;
    }
    look->since_us = r->started_us;
    return ++look->looked_at < SINCE_LOOK_MAX;
}

/* Since when it has the state that it has, from its runs. What has expired of these is as it was known. */
static void
find_since(struct tx *tx, uint32_t check_id)
{
    struct check c;
    struct since look;
    int          rc;

    if (get_check(tx, check_id, &c) != MT_OK)
        return;
    look = (struct since){ .state = c.record.state, .since_us = c.record.last_us };
    rc = db_results(tx_view(tx), check_id, 0, c.record.last_us + 1, look_back, &look);
    if (rc != MT_OK && rc != MT_EDAMAGED)
        tx_fail(tx, rc);
    if (!look.differs && c.record.since_us != 0 && c.record.since_us < look.since_us)
        return;
    c.record.since_us = look.since_us;
    put_check(tx, &c);
}

void
result_chores_do(struct tx *tx, const struct result_chores *chores)
{
    for (unsigned i = 0; i < chores->count && tx_fault(tx) == MT_OK; i++)
        if (chores->list[i].hour == UINT32_MAX)
            find_since(tx, chores->list[i].check_id);
        else
            count_anew(tx, chores->list[i].check_id, chores->list[i].hour);
}

/* ---- Removing ------------------------------------------------------------------------------------------------------------------ */

/* The first row of the expiry table of a kind, if its hour is before that one; its key is copied. */
static bool
first_due(const struct db_view *v, enum expiry kind, uint32_t before_hour, unsigned char found[DB_RESULT_EXPIRY_BYTES])
{
    unsigned char bytes[1] = { (unsigned char)kind };
    MDB_val       key = { 1, bytes };
    MDB_val       data;
    MDB_cursor   *cursor;
    bool          is;

    if (mdb_cursor_open(v->txn, db_table(v->db, TABLE_EXPIRY), &cursor) != MDB_SUCCESS)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == DB_RESULT_EXPIRY_BYTES &&
         *(unsigned char *)key.mv_data == kind && get_u64((char *)key.mv_data + 1) < (uint64_t)before_hour * SECONDS_A_HOUR;
    if (is)
        memcpy(found, key.mv_data, DB_RESULT_EXPIRY_BYTES);
    mdb_cursor_close(cursor);
    return is;
}

static void
drop_check(struct tx *tx, const struct check *c)
{
    unsigned char key[DB_CHECK_NAME_KEY_MAX];

    tx_delete(tx, TABLE_CHECK, db_key_u32(key, c->record.id));
    tx_delete(tx, TABLE_CHECK_NAME, db_key_check_name(key, c->record.mailbox_id, c->record.name));
    count_state(tx, c->record.state, -1);
}

/* The next run of an hour that is due; without one, the hour's row. */
static void
expire_result(struct tx *tx, struct slice row)
{
    uint32_t     hour = (uint32_t)(get_u64(row.data + 1) / SECONDS_A_HOUR), check_id = get_u32(row.data + 9);
    uint64_t     started_us;
    struct check c;
    size_t       len;

    if (!first_result(tx, check_id, hour * HOUR_US, &started_us, &len) || result_hour(started_us) != hour) {
        tx_delete(tx, TABLE_EXPIRY, row);
    } else if (get_check(tx, check_id, &c) == MT_OK) {
        remove_result(tx, &c, started_us, len);
        put_check(tx, &c);
    } else {                    /* its check is damaged or has gone */
        unsigned char key[DB_KEY_MAX];

        tx_delete(tx, TABLE_RESULT, db_key_result(key, check_id, started_us));
    }
}

/* Results whose own row is damaged go now, and before their sum. */
static bool
has_results_left(struct tx *tx, uint32_t check_id, uint32_t hour)
{
    unsigned char key[DB_KEY_MAX];
    uint64_t      started_us;
    size_t        len;

    if (!first_result(tx, check_id, hour * HOUR_US, &started_us, &len) || result_hour(started_us) != hour)
        return false;
    tx_put(tx, TABLE_EXPIRY, db_key_result_expiry(key, EXPIRY_RESULT, hour, check_id), slice_make("", 0), 0);
    return true;
}

/* The sum; and the check, when it was the last that was known of it. */
static void
expire_sum(struct tx *tx, struct slice row)
{
    uint32_t      hour = (uint32_t)(get_u64(row.data + 1) / SECONDS_A_HOUR), check_id = get_u32(row.data + 9);
    unsigned char key[DB_KEY_MAX];
    struct check  c;
    bool          was_there;

    if (has_results_left(tx, check_id, hour))
        return;
    was_there = tx_delete(tx, TABLE_RESULT_SUM, db_key_result_sum(key, check_id, hour));

    tx_delete(tx, TABLE_EXPIRY, row);
    if (!was_there || get_check(tx, check_id, &c) != MT_OK)
        return;
    c.record.sums -= c.record.sums > 0;
    if (c.record.sums == 0 && c.record.results == 0)
        drop_check(tx, &c);
    else
        put_check(tx, &c);
}

bool
result_is_due(const struct store *s, const struct db_view *v)
{
    unsigned char row[DB_RESULT_EXPIRY_BYTES];
    uint64_t      now_us = store_now_us(s);

    return first_due(v, EXPIRY_RESULT, results_before(s, now_us), row) || first_due(v, EXPIRY_RESULT_SUM, sums_before(s, now_us), row);
}

unsigned
result_expire(const struct store *s, struct tx *tx, unsigned max)
{
    unsigned char row[DB_RESULT_EXPIRY_BYTES];
    uint64_t      now_us = tx_now_us(tx);
    unsigned      count = 0;

    for (; count < max && tx_fault(tx) == MT_OK; count++)
        if (first_due(tx_view(tx), EXPIRY_RESULT, results_before(s, now_us), row))
            expire_result(tx, slice_make(row, sizeof(row)));
        else if (first_due(tx_view(tx), EXPIRY_RESULT_SUM, sums_before(s, now_us), row))
            expire_sum(tx, slice_make(row, sizeof(row)));
        else
            break;
    return count;
}

int
result_remove_check(struct tx *tx, uint32_t check_id)
{
    unsigned char purge[sizeof(DB_META_PURGE_CHECK) - 1 + 4];
    struct check  c;
    int           rc = get_check(tx, check_id, &c);

    if (rc != MT_OK)
        return rc;
    drop_check(tx, &c);
    memcpy(purge, DB_META_PURGE_CHECK, sizeof(DB_META_PURGE_CHECK) - 1);
    put_u32(purge + sizeof(DB_META_PURGE_CHECK) - 1, check_id);
    tx_put(tx, TABLE_META, slice_make(purge, sizeof(purge)), slice_make("", 0), 0);
    return tx_fault(tx);
}

/* The first check's name of a mailbox; 0: there is none. A name without its record goes here. */
static uint32_t
first_check_of(struct tx *tx, uint32_t mailbox_id)
{
    unsigned char bytes[DB_CHECK_NAME_KEY_MAX];
    struct slice  from = db_key_check_name(bytes, mailbox_id, slice_make(NULL, 0));
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_CHECK_NAME);
    struct check  c;
    uint32_t      id = 0;

    if (cursor == NULL)
        return 0;
    if (mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size > 4 && get_u32(key.mv_data) == mailbox_id) {
        id = data.mv_size == 4 ? get_u32(data.mv_data) : UINT32_MAX;
        if (get_check(tx, id, &c) != MT_OK)
            mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return id;
}

unsigned
result_remove_checks_of(struct tx *tx, uint32_t mailbox_id, unsigned max)
{
    unsigned count = 0;
    uint32_t id;

    for (; count < max && tx_fault(tx) == MT_OK && (id = first_check_of(tx, mailbox_id)) != 0; count++)
        result_remove_check(tx, id);
    return count;
}

/* The first hour of a check that has a sum. */
static bool
first_sum(struct tx *tx, uint32_t check_id, uint32_t *hour)
{
    unsigned char bytes[DB_KEY_MAX];
    struct slice  from = db_key_result_sum(bytes, check_id, 0);
    MDB_val       key = { from.len, bytes };
    MDB_val       data;
    MDB_cursor   *cursor = tx_cursor(tx, TABLE_RESULT_SUM);
    bool          is;

    if (cursor == NULL)
        return false;
    is = mdb_cursor_get(cursor, &key, &data, MDB_SET_RANGE) == MDB_SUCCESS && key.mv_size == from.len && get_u32(key.mv_data) == check_id;
    if (is)
        *hour = get_u32((char *)key.mv_data + 4);
    mdb_cursor_close(cursor);
    return is;
}

unsigned
result_purge(struct tx *tx, uint32_t check_id, unsigned max)
{
    unsigned char key[DB_KEY_MAX];
    uint64_t      started_us;
    uint32_t      hour;
    size_t        len;
    unsigned      count = 0;

    for (; count < max && tx_fault(tx) == MT_OK; count++)
        if (first_result(tx, check_id, 0, &started_us, &len)) {
            tx_delete(tx, TABLE_RESULT, db_key_result(key, check_id, started_us));
        } else if (first_sum(tx, check_id, &hour)) {
            tx_delete(tx, TABLE_RESULT_SUM, db_key_result_sum(key, check_id, hour));
            tx_delete(tx, TABLE_EXPIRY, db_key_result_expiry(key, EXPIRY_RESULT, hour, check_id));
            tx_delete(tx, TABLE_EXPIRY, db_key_result_expiry(key, EXPIRY_RESULT_SUM, hour, check_id));
        } else {
            break;
        }
    return count;
}

static bool
count_check(void *arg, const struct check_record *c)
{
    uint64_t *out = arg;

    out[c->state]++;
    return true;
}

int
result_count_checks(const struct db_view *v, uint64_t out[RESULT_STATES])
{
    int rc;

    memset(out, 0, RESULT_STATES * sizeof(out[0]));
    rc = db_checks(v, (struct check_scope){ .any = true }, 0, count_check, out);
    return rc == MT_EDAMAGED ? MT_OK : rc;      /* left to verify */
}
