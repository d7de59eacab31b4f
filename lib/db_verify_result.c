/* db_verify_result - the part of db_verify for checks, their results and the sums of their hours: see db_verify_rows.h. */

#include "lib/db_verify_rows.h"

#include "lib/db_result.h"
#include "lib/error.h"

void
verify_result_expiry(struct verify *v, struct slice key)
{
    unsigned char sum[DB_KEY_MAX];
    uint64_t      at_unix = get_u64(key.data + 1);
    uint32_t      check_id = get_u32(key.data + 9);

    if (at_unix % 3600 != 0 || !verify_exists(v, TABLE_RESULT_SUM, db_key_result_sum(sum, check_id, (uint32_t)(at_unix / 3600))))
        verify_complain(v, "expiry: check %u has no results of the hour %llu", check_id, (ull)(at_unix / 3600));
}

/* A removed check's results are there until they are removed. */
static bool
check_is_purged(struct verify *v, uint32_t id)
{
    return verify_has_purge(v, DB_META_PURGE_CHECK, id, 4);
}

/* How many rows of a table begin with the check's id, and the octets of their values. */
static void
sum_rows(struct verify *v, enum table table, uint32_t check_id, uint64_t *rows, uint64_t *octets)
{
    unsigned char bytes[DB_KEY_MAX];
    MDB_val       k = { db_key_u32(bytes, check_id).len, bytes };
    MDB_val       d;
    MDB_cursor   *cursor;
    int           rc;

    *rows = *octets = 0;
    if (mdb_cursor_open(v->view->txn, db_table(v->db, table), &cursor) != MDB_SUCCESS)
        return;
    for (rc = mdb_cursor_get(cursor, &k, &d, MDB_SET_RANGE); rc == MDB_SUCCESS && k.mv_size >= 4 && get_u32(k.mv_data) == check_id;
         rc = mdb_cursor_get(cursor, &k, &d, MDB_NEXT)) {
        ++*rows;
        *octets += d.mv_size;
    }
    mdb_cursor_close(cursor);
}

void
verify_check(struct verify *v, struct slice key, struct slice value)
{
    struct check_record c, named;
    uint64_t            results, bytes, sums, unused;
    int                 rc = check_record_read(value, &c);

    v->counts->checks++;
    if (rc != MT_OK || key.len != 4 || c.id != get_u32(key.data)) {
        verify_complain(v, "check %u: its record: %s", key.len == 4 ? get_u32(key.data) : 0, mt_strerror(rc));
        return;
    }
    if (db_check_by_name(v->view, c.mailbox_id, c.name, &named) != MT_OK || named.id != c.id)
        verify_complain(v, "check %u: its name \"%.*s\" does not lead to it", c.id, (int)c.name.len, c.name.data);
    if (c.mailbox_id != 0 && !verify_mailbox_is_known(v, c.mailbox_id))
        verify_complain(v, "check %u: there is no mailbox %u", c.id, c.mailbox_id);
    sum_rows(v, TABLE_RESULT, c.id, &results, &bytes);
    sum_rows(v, TABLE_RESULT_SUM, c.id, &sums, &unused);
    if (results != c.results || bytes != c.bytes || sums != c.sums)
        verify_complain(v, "check %u: it has %llu results of %llu octets and %llu hours, %u of %llu and %u are counted", c.id, (ull)results,
                        (ull)bytes, (ull)sums, c.results, (ull)c.bytes, c.sums);
}

void
verify_check_name(struct verify *v, struct slice key, struct slice value)
{
    struct check_record c;
    int                 rc = value.len == 4 && key.len > 4 ? db_check(v->view, get_u32(value.data), &c) : MT_EDAMAGED;

    if (key.len <= 4 || value.len != 4)
        verify_complain(v, "check name: a row with %zu octets, and a value of %zu", key.len, value.len);
    else if (rc == MT_ENOTFOUND || (rc == MT_OK && (c.mailbox_id != get_u32(key.data) || !slice_equal(c.name, slice_sub(key, 4, key.len)))))
        verify_complain(v, "check name \"%.*s\": there is no such check", (int)(key.len - 4), key.data + 4);
}

void
verify_result(struct verify *v, struct slice key, struct slice value)
{
    struct result_record r;
    unsigned char        bytes[DB_KEY_MAX];
    uint32_t             check_id = key.len == 12 ? get_u32(key.data) : 0;
    uint64_t             started_us = key.len == 12 ? get_u64(key.data + 4) : 0;
    int                  rc = result_record_read(value, &r);

    v->counts->results++;
    v->bytes += value.len;
    if (rc != MT_OK || check_id == 0 || r.started_us != started_us) {
        verify_complain(v, "result of check %u: its record: %s", check_id, mt_strerror(rc));
        return;
    }
    if (check_is_purged(v, check_id))
        return;
    if (!verify_exists(v, TABLE_CHECK, db_key_u32(bytes, check_id)))
        verify_complain(v, "result: there is no check %u", check_id);
    else if (!verify_exists(v, TABLE_EXPIRY, db_key_result_expiry(bytes, EXPIRY_RESULT, result_hour(started_us), check_id)))
        verify_complain(v, "result of check %u at %llu: it would never expire", check_id, (ull)started_us);
}

static bool
sums_are_equal(const struct result_sum *a, const struct result_sum *b)
{
    return a->runs == b->runs && a->deferred == b->deferred && memcmp(a->states, b->states, sizeof(a->states)) == 0 &&
           memcmp(a->verdicts, b->verdicts, sizeof(a->verdicts)) == 0 && memcmp(a->buckets, b->buckets, sizeof(a->buckets)) == 0 &&
           a->total.count == b->total.count && a->total.sum_us == b->total.sum_us && a->total.min_us == b->total.min_us &&
           a->total.max_us == b->total.max_us;
}

void
verify_result_sum(struct verify *v, struct slice key, struct slice value)
{
    struct result_sum   sum, counted;
    struct check_record c;
    unsigned char       bytes[DB_KEY_MAX];
    uint32_t            check_id = key.len == 8 ? get_u32(key.data) : 0, hour = key.len == 8 ? get_u32(key.data + 4) : 0;
    int                 rc = result_sum_read(value, &sum);

    if (rc != MT_OK || check_id == 0) {
        verify_complain(v, "sum of check %u: its record: %s", check_id, mt_strerror(rc));
        return;
    }
    if (check_is_purged(v, check_id))
        return;
    if (!verify_exists(v, TABLE_EXPIRY, db_key_result_expiry(bytes, EXPIRY_RESULT_SUM, hour, check_id)))
        verify_complain(v, "sum of check %u: it would never expire", check_id);
    rc = db_check(v->view, check_id, &c);
    if (rc == MT_ENOTFOUND)
        verify_complain(v, "sum: there is no check %u", check_id);
    /* Of an hour that is closed, results may have gone. */
    if (rc != MT_OK || hour * HOUR_US < c.closed_us || db_result_count(v->view, check_id, hour, &counted) != MT_OK)
        return;
    if (!sums_are_equal(&sum, &counted))
        verify_complain(v, "sum of check %u: its hour %u has %u results, and the sum is of %u, or of other times", check_id, hour, counted.runs,
                        sum.runs);
}
