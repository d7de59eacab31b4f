/* db_salvage_result - the part of db_salvage for checks, their results and the sums of their hours: see db_salvage_rows.h. */

#include "lib/db_salvage_rows.h"

#include "lib/db_result.h"
#include "lib/error.h"

void
salvage_check(struct salvage *s, struct slice key, struct slice value)
{
    struct check_record c;
    unsigned char       id[DB_KEY_MAX], name_key[DB_CHECK_NAME_KEY_MAX];
    char                name[CHECK_TEXT_MAX + 1], verdict[RESULT_VERDICT_BYTES + 1];

    if (check_record_read(value, &c) != MT_OK)
        return;
    c.name = salvage_copy(name, sizeof(name), c.name);
    c.verdict = salvage_copy(verdict, sizeof(verdict), c.verdict);
    if ((c.mailbox_id != 0 && !salvage_exists(s, TABLE_MAILBOX, db_key_u32(id, c.mailbox_id))) ||
        !salvage_put(s, TABLE_CHECK_NAME, db_key_check_name(name_key, c.mailbox_id, c.name), key, MDB_NOOVERWRITE)) {
        salvage_tell(s, "check %u: its mailbox is lost, or another has its name", c.id);
        salvage_drop(s, TABLE_CHECK, key);
        return;
    }
    c.results = c.sums = 0;
    c.bytes = 0;
    buf_clear(&s->scratch);
    check_record_write(&s->scratch, &c);
    salvage_put_record(s, TABLE_CHECK, key);
}

/* Adds what one row is to its check's counts. */
static void
count_row(struct salvage *s, const struct check_record *found, uint64_t result_bytes, bool is_sum)
{
    struct check_record c = *found;
    unsigned char       key[DB_KEY_MAX];
    char                name[CHECK_TEXT_MAX + 1], verdict[RESULT_VERDICT_BYTES + 1];

    c.name = salvage_copy(name, sizeof(name), c.name);
    c.verdict = salvage_copy(verdict, sizeof(verdict), c.verdict);
    c.results += !is_sum;
    c.sums += is_sum;
    c.bytes += result_bytes;
    buf_clear(&s->scratch);
    check_record_write(&s->scratch, &c);
    salvage_put_record(s, TABLE_CHECK, db_key_u32(key, c.id));
}

void
salvage_result(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view v = salvage_view(s);
    unsigned char        bytes[DB_KEY_MAX];
    struct check_record  c;
    uint32_t             hour = result_hour(get_u64(key.data + 4));
    size_t               len = value.len;

    if (db_check(&v, get_u32(key.data), &c) != MT_OK) {
        salvage_drop(s, TABLE_RESULT, key);
        return;
    }
    count_row(s, &c, len, false);
    salvage_put(s, TABLE_EXPIRY, db_key_result_expiry(bytes, EXPIRY_RESULT, hour, get_u32(key.data)), slice_make("", 0), 0);
}

/* The sum of an hour whose results are whole tells of these; one that is closed stays as it was. */
static void
recount_hour(struct salvage *s, const struct check_record *c, uint32_t hour, struct slice value)
{
    const struct db_view v = salvage_view(s);
    unsigned char        bytes[DB_KEY_MAX];
    struct result_sum    anew = { .runs = 0 };

    if (hour * HOUR_US < c->closed_us && result_sum_read(value, &anew) == MT_OK && anew.runs > 0)
        return;
    salvage_fail(s, db_result_count(&v, c->id, hour, &anew));
    buf_clear(&s->scratch);
    result_sum_write(&s->scratch, &anew);
    salvage_put_record(s, TABLE_RESULT_SUM, db_key_result_sum(bytes, c->id, hour));
}

void
salvage_sum(struct salvage *s, struct slice key, struct slice value)
{
    const struct db_view v = salvage_view(s);
    unsigned char        bytes[DB_KEY_MAX];
    struct check_record  c;
    uint32_t             check_id = get_u32(key.data), hour = get_u32(key.data + 4);

    if (db_check(&v, check_id, &c) != MT_OK) {
        salvage_drop(s, TABLE_RESULT_SUM, key);
        return;
    }
    recount_hour(s, &c, hour, value);
    if (db_check(&v, check_id, &c) == MT_OK)
        count_row(s, &c, 0, true);
    salvage_put(s, TABLE_EXPIRY, db_key_result_expiry(bytes, EXPIRY_RESULT_SUM, hour, check_id), slice_make("", 0), 0);
}

void
salvage_need_sum(struct salvage *s, struct slice key, struct slice value)
{
    unsigned char     bytes[DB_KEY_MAX];
    struct slice      sum_key = db_key_result_sum(bytes, get_u32(key.data), result_hour(get_u64(key.data + 4)));
    struct result_sum sum = { .runs = 0 };

    (void)value;
    if (salvage_exists(s, TABLE_RESULT_SUM, sum_key))
        return;
    buf_clear(&s->scratch);
    result_sum_write(&s->scratch, &sum);
    salvage_put_record(s, TABLE_RESULT_SUM, sum_key);
    s->counts->made++;
}
