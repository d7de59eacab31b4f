#include "store/catalog.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIRST_SLOTS = 64 };

struct catalog {
    struct catalog_mailbox **list;      /* ordered by id */
    size_t           count, room;
    struct catalog_mailbox **slots;     /* by name, linear probing; a power of two, at most half full */
    size_t           slot_count;
    size_t           damaged;
};

struct catalog *
catalog_new(void)
{
    return calloc(1, sizeof(struct catalog));
}

void
catalog_free(struct catalog *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->list[i]);
    free(c->list);
    free(c->slots);
    free(c);
}

void
mailbox_address(const struct mailbox_record *record, char out[MAILBOX_ADDRESS_MAX + 1])
{
    snprintf(out, MAILBOX_ADDRESS_MAX + 1, "%.*s@%.*s", (int)record->name.len, record->name.data, (int)record->domain.len,
             record->domain.data);
}

void
catalog_state(const struct catalog_mailbox *m, uint64_t quota_bytes, struct mailbox_state *out)
{
    *out = (struct mailbox_state){ .enabled = m->enabled, .damaged = m->damaged, .over_quota = m->bytes >= quota_bytes };
    memcpy(out->name, m->name, sizeof(out->name));
}

static size_t
slot_of(const struct catalog *c, struct slice name)
{
    size_t i = checksum(name) & (c->slot_count - 1);

    while (c->slots[i] != NULL && !slice_equal(slice_of(c->slots[i]->name), name))
        i = (i + 1) & (c->slot_count - 1);
    return i;
}

/* Makes the slots anew: after growing, and after a removal, which would leave a gap in a run of probes. */
static int
fill_slots(struct catalog *c, size_t slot_count)
{
    struct catalog_mailbox **slots = calloc(slot_count, sizeof(struct catalog_mailbox *));

    if (slots == NULL)
        return MT_ENOMEM;
    free(c->slots);
    c->slots = slots;
    c->slot_count = slot_count;
    for (size_t i = 0; i < c->count; i++)
        slots[slot_of(c, slice_of(c->list[i]->name))] = c->list[i];
    return MT_OK;
}

struct catalog_mailbox *
catalog_find(const struct catalog *c, struct slice name)
{
    return c->slot_count == 0 ? NULL : c->slots[slot_of(c, name)];
}

/* The place of the id in the list, or where it belongs. */
static size_t
place_of(const struct catalog *c, uint32_t id)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->list[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct catalog_mailbox *
catalog_by_id(const struct catalog *c, uint32_t id)
{
    size_t i = place_of(c, id);

    return i < c->count && c->list[i]->id == id ? c->list[i] : NULL;
}

size_t
catalog_count(const struct catalog *c)
{
    return c->count;
}

struct catalog_mailbox *
catalog_next(const struct catalog *c, uint32_t after_id)
{
    size_t i = after_id == UINT32_MAX ? c->count : place_of(c, after_id + 1);

    return i < c->count ? c->list[i] : NULL;
}

static int
make_room(struct catalog *c)
{
    if (c->count == c->room) {
        size_t           room = c->room == 0 ? FIRST_SLOTS / 2 : c->room * 2;
        struct catalog_mailbox **list = realloc(c->list, room * sizeof(struct catalog_mailbox *));

        if (list == NULL)
            return MT_ENOMEM;
        c->list = list;
        c->room = room;
    }
    if (c->count * 2 < c->slot_count)
        return MT_OK;
    return fill_slots(c, c->slot_count == 0 ? FIRST_SLOTS : c->slot_count * 2);
}

static struct catalog_mailbox *
add(struct catalog *c, const struct mailbox_record *record)
{
    size_t          i = place_of(c, record->id);
    struct catalog_mailbox *m;

    if (make_room(c) != MT_OK || (m = calloc(1, sizeof(*m))) == NULL)
        return NULL;
    m->id = record->id;
    slice_copy(m->name, sizeof(m->name), record->name);
    mailbox_address(record, m->address);
    memmove(&c->list[i + 1], &c->list[i], (c->count - i) * sizeof(struct catalog_mailbox *));
    c->list[i] = m;
    c->count++;
    c->slots[slot_of(c, record->name)] = m;
    return m;
}

struct catalog_mailbox *
catalog_update(struct catalog *c, const struct mailbox_record *record)
{
    struct catalog_mailbox *m = catalog_by_id(c, record->id);

    if (m == NULL)
        m = add(c, record);
    if (m == NULL)
        return NULL;
    m->enabled = record->enabled;
    m->bytes = record->bytes;
    m->messages = record->messages;
    return m;
}

void
catalog_remove(struct catalog *c, uint32_t id)
{
    size_t          i = place_of(c, id);
    struct catalog_mailbox *m;

    if (i == c->count || c->list[i]->id != id)
        return;
    m = c->list[i];
    c->damaged -= m->damaged;
    c->count--;
    memmove(&c->list[i], &c->list[i + 1], (c->count - i) * sizeof(struct catalog_mailbox *));
    /* Without memory for new slots the old ones are cleared and filled again: they have room for all. */
    if (fill_slots(c, c->slot_count) != MT_OK) {
        memset(c->slots, 0, c->slot_count * sizeof(struct catalog_mailbox *));
        for (size_t j = 0; j < c->count; j++)
            c->slots[slot_of(c, slice_of(c->list[j]->name))] = c->list[j];
    }
    free(m);
}

size_t
catalog_damaged(const struct catalog *c)
{
    return c->damaged;
}

/* ---- From the database ----------------------------------------------------------------------------------------------------- */

/* A row of the table mailbox, or of mailbox_name. */
typedef int take_row_fn(struct catalog *c, struct slice key, struct slice value);

static int
take_mailbox(struct catalog *c, struct slice key, struct slice value)
{
    struct mailbox_record record;
    int                   rc = mailbox_record_read(value, &record);
    uint32_t              id = key.len == 4 ? get_u32(key.data) : 0;

    if (rc == MT_OK && id != record.id)
        rc = MT_EDAMAGED;
    if (rc == MT_OK)
        return catalog_update(c, &record) == NULL ? MT_ENOMEM : MT_OK;
    log_error("event=store-damaged table=mailbox id=%u reason=\"%s\" effect=\"mail for it is put off\" hint=\"mailtestctl verify, mailtestctl salvage\"", id,
              mt_strerror(rc));
    return MT_OK;
}

/* Behind take_mailbox for all: of whom a name is known and no more, the record is damaged. */
static int
take_name(struct catalog *c, struct slice key, struct slice value)
{
    struct mailbox_record   record = { .name = key };
    char                    name[MAILBOX_NAME_MAX + 1];
    struct catalog_mailbox *m;

    if (value.len != 4 || mailbox_name_parse(key, name) != MT_OK || !slice_equal(key, slice_of(name)))
        return MT_OK;       /* verify tells of it */
    record.id = get_u32(value.data);
    if (catalog_by_id(c, record.id) != NULL || catalog_find(c, key) != NULL)
        return MT_OK;
    if ((m = catalog_update(c, &record)) == NULL)
        return MT_ENOMEM;
    m->damaged = true;
    c->damaged++;
    log_error("event=mailbox-damaged mailbox=%s id=%u", m->name, m->id);
    return MT_OK;
}

/* Behind take_name for all: of a record without a mailbox nobody knows whose it is. Serving without it would tell its senders that it is not there. */
static int
check_known(struct catalog *c, struct slice key, struct slice value)
{
    (void)value;
    if (key.len == 4 && catalog_by_id(c, get_u32(key.data)) != NULL)
        return MT_OK;
    log_error("event=store-damaged table=mailbox reason=\"a record and its name\" hint=\"mailtestctl verify, mailtestctl salvage; or restore a backup\"");
    return MT_EDAMAGED;
}

static int
take_rows(struct catalog *c, const struct db_view *v, enum table table, take_row_fn *take)
{
    MDB_cursor *cursor;
    MDB_val     key, data;
    int         mdb = mdb_cursor_open(v->txn, db_table(v->db, table), &cursor), rc = MT_OK;

    if (mdb != MDB_SUCCESS)
        return mt_from_mdb(mdb);
    while (rc == MT_OK && (mdb = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == MDB_SUCCESS)
        rc = take(c, slice_make(key.mv_data, key.mv_size), slice_make(data.mv_data, data.mv_size));
    mdb_cursor_close(cursor);
    return rc != MT_OK ? rc : mdb == MDB_NOTFOUND ? MT_OK : mt_from_mdb(mdb);
}

int
catalog_load(struct catalog *c, const struct db_view *v)
{
    int rc = take_rows(c, v, TABLE_MAILBOX, take_mailbox);

    if (rc == MT_OK)
        rc = take_rows(c, v, TABLE_MAILBOX_NAME, take_name);
    return rc == MT_OK ? take_rows(c, v, TABLE_MAILBOX, check_known) : rc;
}
