/*
 * Messages that a client brings into a folder (IMAP's APPEND, MULTIAPPEND): all of a command in one transaction. They are no arrivals,
 * whatever they contain: no token's record hears of them.
 *
 * All octets come with the one request. So a client, an imapd or a store that ends in the middle leaves nothing behind.
 */

#include "lib/delivery.h"
#include "lib/error.h"
#include "store/expire.h"
#include "store/handed.h"
#include "store/message.h"
#include "store/request.h"

#include <stdlib.h>

/* Of one row of the request's table: u64 and u32. */
enum { ROW_BYTES = 12 };

/* Borrows from the octets that were handed over. */
struct brought {
    struct slice         body;
    uint64_t             body_sum;
    uint64_t             received_us;
    uint32_t             flags;
    struct slice         keywords;
    struct session_facts session;
    struct parsed        parsed;
};

struct append_op {
    struct request_op    o;
    struct store        *store;
    uint32_t             mailbox_id, folder_id;
    uint32_t             count;
    uint64_t             octets;         /* of all messages together */
    uint32_t             uidvalidity;
    uint32_t             first_uid;
    struct handed_octets handed;         /* of the messages and their fields */
    struct brought      *messages;     /* owned */
};

/* Everything that may refuse it. */
static int
prepare(struct append_op *a, struct tx *tx, struct tx_mailbox **m, struct tx_folder **f)
{
    uint64_t most = a->store->config->quota.mailbox_bytes;
    int      rc = tx_mailbox(tx, a->mailbox_id, m);

    if (rc == MT_OK)
        rc = tx_folder(tx, *m, a->folder_id, f);
    if (rc != MT_OK)
        return rc;
    if (!(*m)->record.enabled)
        return MT_EDISABLED;
    if ((*m)->record.bytes > most || a->octets > most - (*m)->record.bytes)
        return MT_EQUOTA;
    return (*f)->record.uidnext > UINT32_MAX - a->count ? MT_EFULL : MT_OK;
}

static void
append_one(const struct brought *b, struct tx *tx, struct tx_mailbox *m, struct tx_folder *f)
{
    struct message_record record = { .body_bytes = b->body.len, .body_sum = b->body_sum, .received_us = b->received_us,
                                     .committed_us = tx_now_us(tx), .kind = KIND_APPENDED, .session = b->session, .parsed = b->parsed };
    uint64_t              id = tx_next_message_id(tx);

    record.body_id = id;
    message_write_body(tx, id, b->body, 1);
    message_write_flagged(tx, m, f, id, &record, b->flags, b->keywords);
    message_tell_new(tx, m, f, id, record.uid);
}

static int
append(struct batch_op *op, struct tx *tx)
{
    struct append_op  *a = (struct append_op *)op;
    struct tx_mailbox *m;
    struct tx_folder  *f;
    int                rc = prepare(a, tx, &m, &f);

    if (rc != MT_OK)
        return rc;
    a->uidvalidity = f->record.uidvalidity;
    a->first_uid = f->record.uidnext;
    for (uint32_t i = 0; i < a->count && tx_fault(tx) == MT_OK; i++)
        append_one(&a->messages[i], tx, m, f);
    if (tx_fault(tx) == MT_OK)
        expire_trim(a->store->expire, tx, m, f);
    return tx_fault(tx);
}

static void
answer(struct request_op *o, struct buf *b)
{
    const struct append_op *a = (const struct append_op *)o;

    write_u32(b, a->uidvalidity);
    write_u32(b, a->first_uid);
}

static void
free_all(struct append_op *a)
{
    handed_octets_fini(&a->handed);
    free(a->messages);
}

static void
fini(struct request_op *o)
{
    free_all((struct append_op *)o);
}

/* ---- The request's fields ---------------------------------------------------------------------------------------------- */

static int
read_message(struct brought *b, struct slice body, struct slice fields)
{
    struct reader r;

    reader_init(&r, fields);
    read_u32(&r, &b->flags);
    read_bytes(&r, &b->keywords, ENTRY_KEYWORDS_BYTES);
    read_time_us(&r, &b->received_us);
    session_facts_read(&r, &b->session);
    parsed_read(&r, &b->parsed, NULL, 0);
    if (!read_end(&r) || (b->flags & ~(uint32_t)ENTRY_FLAGS) != 0 || slice_find(b->keywords, '\0') != b->keywords.len ||
        !handed_fits(&b->parsed, body.len))
        return MT_EPROTO;
    b->body = body;
    b->body_sum = checksum(body);
    return MT_OK;
}

/* The octets lie one behind the other, and nothing is between or behind them. */
static int
read_messages(struct append_op *a, struct reader *table)
{
    struct slice rest = a->handed.all;
    int          rc = MT_OK;

    for (uint32_t i = 0; i < a->count && rc == MT_OK; i++) {
        uint64_t size;
        uint32_t fields;

        read_u64(table, &size);
        read_u32(table, &fields);
        if (size == 0 || size > rest.len || fields > rest.len - size)
            return MT_EPROTO;
        rc = read_message(&a->messages[i], slice_sub(rest, 0, (size_t)size), slice_sub(rest, (size_t)size, fields));
        rest = slice_sub(rest, (size_t)size + fields, rest.len);
        a->octets += size;
    }
    return rc == MT_OK && rest.len > 0 ? MT_EPROTO : rc;
}

/* Of all octets; 0: there cannot be so many. */
static uint64_t
sum_of(struct reader table, uint32_t count)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t size;
        uint32_t fields;

        read_u64(&table, &size);
        read_u32(&table, &fields);
        if (size > INT64_MAX / MSG_APPEND_MESSAGES_MAX - UINT32_MAX)
            return 0;
        sum += size + fields;
    }
    return sum;
}

static int
take_messages(struct append_op *a, struct reader *r, const int *fd)
{
    struct reader table;
    struct slice  rows, inline_octets;
    uint64_t      size;
    int           rc;

    read_count(r, &a->count, MSG_APPEND_MESSAGES_MAX, ROW_BYTES);
    if (!read_ok(r) || a->count == 0)
        return MT_EPROTO;
    rows = slice_sub(r->rest, 0, a->count * ROW_BYTES);
    r->rest = slice_sub(r->rest, rows.len, r->rest.len);
    read_bytes(r, &inline_octets, MSG_INLINE_BODY_BYTES);
    reader_init(&table, rows);
    size = sum_of(table, a->count);
    if (!read_end(r) || size == 0)
        return MT_EPROTO;
    a->messages = calloc(a->count, sizeof(*a->messages));
    rc = a->messages == NULL ? MT_ENOMEM : handed_octets_take(&a->handed, inline_octets, size, *fd);
    return rc == MT_OK ? read_messages(a, &table) : rc;
}

int
serve_append(struct peer *p, uint64_t req, struct reader *r, int *fd)
{
    struct append_op  fields = { .store = peer_store(p) };
    struct append_op *a;
    int               rc;

    read_u32(r, &fields.mailbox_id);
    read_u32(r, &fields.folder_id);
    rc = take_messages(&fields, r, fd);
    a = rc == MT_OK ? request_op_new(p, req, sizeof(*a), append, answer, true) : NULL;
    if (a == NULL) {
        free_all(&fields);
        if (rc != MT_OK && rc != MT_EPROTO)
            peer_answer(p, req, rc);
        return rc == MT_EPROTO ? rc : MT_OK;
    }
    fields.o = a->o;
    fields.o.fini = fini;
    fields.o.op.bytes = sizeof(*a) + fields.count * sizeof(*fields.messages) + fields.handed.all.len;
    *a = fields;
    request_queue(&a->o);
    return MT_OK;
}
