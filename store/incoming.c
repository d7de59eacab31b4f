#include "store/incoming.h"

#include "lib/answer.h"
#include "lib/answer_event.h"
#include "lib/answer_hops.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "store/expire.h"
#include "store/handed.h"
#include "store/journal.h"
#include "store/message.h"
#include "store/usual.h"
#include "store/verdict.h"

#include <assert.h>
#include <stdlib.h>

struct incoming {
    struct batch_op  op;
    struct store    *store;
    incoming_done_fn *done;
    void            *arg;
    struct handed    mail;          /* borrows from bytes */
    uint64_t         first_id;
    bool             genuine;       /* it has a genuine token of one of its mailboxes */
    char             bytes[];       /* the message's fields */
};

/* One recipient's mailbox, and what the message is to it. */
struct target {
    struct tx_mailbox *mailbox;
    struct tx_folder  *folder;
    enum message_kind  kind;
    uint32_t           token_count;
    struct candidate   tokens[MESSAGE_TOKENS_MAX];
};

static void
free_op(struct incoming *o)
{
    handed_close(&o->mail);
    free(o);
}

static unsigned
genuine_tokens(struct store *s, const struct delivery *d, const struct tx_mailbox *m, uint64_t now_us, struct target *t)
{
    uint64_t latest_unix = now_us / 1000000 + INCOMING_FUTURE_MAX_S;
    uint32_t checks_max = INCOMING_CHECKS_MAX / d->recipient_count / keys_count(s->keys);
    char     address[MAILBOX_ADDRESS_MAX + 1];

    mailbox_address(&m->record, address);
    keys_select(s->keys, slice_of(address));
    for (uint32_t i = 0; i < d->parsed.candidate_count && i < checks_max && t->token_count < MESSAGE_TOKENS_MAX; i++) {
        const struct candidate *c = &d->parsed.candidates[i];

        if (token_issued_unix(&c->token) <= latest_unix && keys_is_genuine(s->keys, &c->token))
            t->tokens[t->token_count++] = *c;
    }
    return t->token_count;
}

/* Everything that may refuse the message, before the first write. */
static int
prepare(struct incoming *o, struct tx *tx, uint32_t i, struct target *t)
{
    struct store         *s = o->store;
    const struct catalog_mailbox *known = catalog_find(s->catalog, o->mail.d.recipients[i].mailbox);
    int                   rc;

    if (known == NULL)
        return MT_ENOTFOUND;
    rc = tx_mailbox(tx, known->id, &t->mailbox);
    if (rc != MT_OK)
        return rc;
    if (!t->mailbox->record.enabled)
        return MT_EDISABLED;
    if (t->mailbox->record.bytes + o->mail.d.size_bytes > s->config->quota.mailbox_bytes)
        return MT_EQUOTA;
    genuine_tokens(s, &o->mail.d, t->mailbox, tx_now_us(tx), t);
    o->genuine = o->genuine || t->token_count > 0;
    t->kind = message_kind_of(o->mail.d.parsed.traits, t->token_count > 0);
    rc = tx_folder(tx, t->mailbox, t->token_count > 0 ? FOLDER_INBOX : FOLDER_UNMATCHED, &t->folder);
    if (rc == MT_OK && t->folder->record.uidnext == UINT32_MAX)
        rc = MT_EFULL;
    return rc == MT_ENOTFOUND ? MT_EDAMAGED : rc;
}

static void
write_head(struct buf *b, const struct delivery *d, uint32_t i, const struct tx_mailbox *m)
{
    struct slice address = d->recipients[i].address;

    buf_append_string(b, "Return-Path: <");
    buf_append_slice(b, d->reverse_path);
    buf_append_string(b, ">\r\nDelivered-To: ");
    /* "<postmaster>" comes without a domain. */
    if (slice_find(address, '@') == address.len)
        buf_printf(b, "%s@%s", m->name, m->domain);
    else
        buf_append_slice(b, address);
    buf_append_string(b, "\r\n");
    buf_append_slice(b, d->trace);
}

/*
 * The token's record as it is now, or a new one. An address may be given to a new mailbox after the old one was deleted:
 * what the old one's record says is not the new one's business.
 */
static bool
load_token(struct tx *tx, const struct target *t, const struct token *token, struct token_record *out)
{
    unsigned char key[DB_KEY_MAX];
    int           rc = db_token(tx_view(tx), token, out);

    if (rc == MT_OK && out->mailbox_id == t->mailbox->record.id)
        return true;
    if (rc == MT_OK) {
        tx_delete(tx, TABLE_EXPIRY, db_key_token_expiry(key, token, out));
        verdict_forget(tx, token, out);
    } else if (rc != MT_ENOTFOUND) {
        log_error("event=token-damaged mailbox=%s reason=\"%s\" action=\"its record begins anew\"", t->mailbox->name, mt_strerror(rc));
    }
    *out = (struct token_record){ .mailbox_id = t->mailbox->record.id };
    return false;
}

/* False: not all of them fit. */
static bool
write_hops(struct buf *b, const struct message_hop *hops, unsigned count, bool with_for)
{
    for (unsigned i = 0; i < count; i++) {
        struct hop hop = hops[i].hop;
        size_t     before = b->len;

        hop.id = slice_make(NULL, 0);
        hop.for_ = slice_sub(hop.for_, 0, with_for ? PARSED_HOP_TEXT_BYTES : 0);
        hop.from = slice_sub(hop.from, 0, PARSED_HOP_TEXT_BYTES);
        hop.by = slice_sub(hop.by, 0, PARSED_HOP_TEXT_BYTES);
        hop.with = slice_sub(hop.with, 0, PARSED_HOP_TEXT_BYTES);
        hop.tls = slice_sub(hop.tls, 0, PARSED_HOP_TEXT_BYTES);
        hop_write(b, &hop);
        if (b->fault != MT_OK) {
            b->len = before;        /* whole ones only */
            return false;
        }
    }
    return true;
}

/* The hops of the first arrival, as many as fit: what remains when the message has gone. */
static void
write_token_hops(struct buf *b, const struct message_record *m)
{
    struct message_hop hops[HOP_DELAY_MAX];
    unsigned           count = message_hops(m, 0, hops);

    if (write_hops(b, hops, count, true))
        return;
    buf_clear(b);
    write_hops(b, hops, count, false);
}

static bool
has_kind(const struct token_record *r, uint32_t before, enum message_kind kind)
{
    for (uint32_t i = 0; i < before; i++)
        if (r->arrivals[i].kind == kind)
            return true;
    return false;
}

/*
 * Where the arrival is kept: the first ones, and the first of each kind also behind many, in place of the last that repeats another's
 * kind; there is one, for there are fewer kinds. NULL: it is only counted.
 */
static struct arrival *
place_for(struct token_record *r, bool is_first_of_kind)
{
    uint32_t i = TOKEN_ARRIVALS_MAX - 1;

    if (r->kept < TOKEN_ARRIVALS_MAX)
        return &r->arrivals[r->kept++];
    if (!is_first_of_kind)
        return NULL;
    while (i > 1 && !has_kind(r, i, r->arrivals[i].kind))
        i--;
    memmove(&r->arrivals[i], &r->arrivals[i + 1], (TOKEN_ARRIVALS_MAX - 1 - i) * sizeof(r->arrivals[0]));
    return &r->arrivals[TOKEN_ARRIVALS_MAX - 1];
}

static void
record_arrival(struct store *s, struct tx *tx, const struct target *t, const struct candidate *c, uint64_t id, const struct message_record *m)
{
    const struct verdict_arrival arrival = { .kind = m->kind, .received_us = m->received_us, .message_id = id, .facts = m->parsed.facts };
    struct token_record          record;
    unsigned char                key[DB_KEY_MAX];
    struct arrival              *a;
    struct buf                   hops, *b;
    bool                         known = load_token(tx, t, &c->token, &record), first = !has_kind(&record, record.kept, m->kind);

    /* They lie in a page that is about to change. */
    buf_init(&hops, TOKEN_HOPS_BYTES);
    if (first && m->kind == KIND_ARRIVED)
        write_token_hops(&hops, m);
    else
        buf_append_slice(&hops, record.hops);
    record.hops = buf_slice(&hops);
    verdict_before(s, tx, t->mailbox, &c->token, &record, &arrival);
    record.arrival_count++;
    a = place_for(&record, first);
    if (a != NULL) {
        *a = (struct arrival){ .message_id = id, .received_us = m->received_us, .committed_us = m->committed_us, .size_bytes = message_size(m),
                               .kind = m->kind, .found_in = c->found_in, .lost = m->kind == KIND_ARRIVED ? message_lost_places(c->found_in) : 0 };
        slice_copy(a->client, sizeof(a->client), m->session.client_address);
    }
    verdict_after(tx, t->mailbox, &c->token, &record, &arrival, first);
    b = tx_scratch(tx);
    token_record_write(b, &record);
    tx_put(tx, TABLE_TOKEN, slice_make(c->token.raw, sizeof(c->token.raw)), buf_slice(b), 0);
    buf_fini(&hops);
    if (!known)
        tx_put(tx, TABLE_EXPIRY, db_key_token_expiry(key, &c->token, &record), slice_make("", 0), 0);
}

/* ---- What people want to hear of ---- */

static void
tell_confirmation(struct tx *tx, const struct target *t, uint64_t id, const struct message_record *m)
{
    struct slice facts = m->parsed.facts;
    struct slice provider = fact_find(facts, FACT_CONFIRMATION_PROVIDER), code = fact_find(facts, FACT_CONFIRMATION_CODE);
    struct buf   detail;

    buf_init(&detail, 4 * EVENT_DETAIL_BYTES);
    if (fact_is_recognised(facts)) {
        buf_append_slice(&detail, provider);
        buf_append_string(&detail, " asks to confirm the forwarding");
        if (code.len > 0)
            buf_printf(&detail, "; its code is %.*s", (int)code.len, code.data);
        buf_append_byte(&detail, '.');
    } else {
        confirmation_warning(&detail, facts);
    }
    journal_add(tx, t->mailbox, &(struct event_record){ .kind = EVENT_CONFIRMATION, .message_id = id, .detail = buf_slice(&detail) });
    buf_fini(&detail);
}

static void
tell_changes(struct tx *tx, const struct target *t, uint64_t id, const struct message_record *m)
{
    struct event_record e = { .kind = EVENT_CHANGED, .message_id = id, .has_token = true, .token = t->tokens[0].token, .verdict = VERDICT_ARRIVED };
    struct token_record r;
    struct buf          detail;

    if (tx_fault(tx) == MT_OK && db_token(tx_view(tx), &e.token, &r) == MT_OK)
        e.verdict = (uint8_t)token_verdict(&r, tx_now_us(tx));
    buf_init(&detail, MESSAGE_CHANGES_BYTES);
    buf_append_slice(&detail, slice_trim(m->changes));
    for (size_t i = 0; i < detail.len; i++)
        if (detail.data[i] == '\n')
            detail.data[i] = ' ';
    e.detail = buf_slice(&detail);
    journal_add(tx, t->mailbox, &e);
    buf_fini(&detail);
}

static void
tell_arrival(struct tx *tx, const struct target *t, uint64_t id, const struct message_record *m)
{
    struct change change = { .kind = CHANGE_ARRIVED, .message_id = id, .modseq = t->folder->record.modseq, .mailbox_id = m->mailbox_id,
                             .folder_id = m->folder_id, .uid = m->uid };

    memcpy(change.mailbox, t->mailbox->name, sizeof(change.mailbox));
    if (t->token_count == 0)
        tx_change(tx, &change);
    change.has_token = true;
    for (uint32_t i = 0; i < t->token_count; i++) {
        change.token = t->tokens[i].token;
        tx_change(tx, &change);
    }
}

static uint32_t
places_of(const struct target *t)
{
    uint32_t found_in = 0;

    for (uint32_t i = 0; i < t->token_count; i++)
        found_in |= t->tokens[i].found_in;
    return found_in;
}

/* Whether the message says how mail comes: of a test mail that came more than once only the first copy does. */
static bool
is_telling(struct tx *tx, const struct target *t)
{
    for (uint32_t i = 0; t->kind == KIND_ARRIVED && i < t->token_count && tx_fault(tx) == MT_OK; i++) {
        struct token_record r;

        if (db_token(tx_view(tx), &t->tokens[i].token, &r) == MT_OK && r.mailbox_id == t->mailbox->record.id &&
            has_kind(&r, r.kept, KIND_ARRIVED))
            return false;
    }
    return true;
}

/* The message and all that follows from it, in one transaction. */
static void
write_message(struct incoming *o, struct tx *tx, struct target *t, uint64_t id, struct message_record *m)
{
    struct buf changes;
    bool       is_news = false;

    buf_init(&changes, MESSAGE_CHANGES_BYTES);
    if (is_telling(tx, t))
        usual_take(tx, t->mailbox, id, m, places_of(t), &changes, &is_news);
    m->changes = buf_slice(&changes);
    message_write(tx, t->mailbox, t->folder, id, m);
    for (uint32_t j = 0; j < t->token_count; j++)
        record_arrival(o->store, tx, t, &t->tokens[j], id, m);
    tell_arrival(tx, t, id, m);
    if (is_news && m->kind == KIND_CONFIRMATION)
        tell_confirmation(tx, t, id, m);
    else if (is_news)
        tell_changes(tx, t, id, m);
    buf_fini(&changes);
}

static void
write_copy(struct incoming *o, struct tx *tx, uint32_t i, struct target *t, struct buf *head)
{
    const struct delivery *d = &o->mail.d;
    uint64_t               id = i == 0 ? o->first_id : tx_next_message_id(tx);
    struct message_record  m = { .body_id = o->first_id, .body_shared = d->recipient_count > 1, .body_bytes = d->size_bytes,
                                 .body_sum = o->mail.body_sum, .received_us = d->received_us, .committed_us = tx_now_us(tx), .kind = t->kind,
                                 .session = d->session, .reverse_path = d->reverse_path, .recipient = d->recipients[i].address,
                                 .parsed = d->parsed };

    buf_clear(head);
    write_head(head, d, i, t->mailbox);
    m.head = buf_slice(head);
    m.parsed.candidates = t->tokens;
    m.parsed.candidate_count = t->token_count;
    m.lost = t->kind == KIND_ARRIVED ? message_lost_places(t->tokens[0].found_in) : 0;
    write_message(o, tx, t, id, &m);
    tx_counts(tx)->messages++;
    if (t->token_count > 0) {
        tx_counts(tx)->arrived++;
        t->mailbox->record.last_arrival_us = tx_now_us(tx);
    }
    expire_trim(o->store->expire, tx, t->mailbox, t->folder);
}

static int
write_all(struct incoming *o, struct tx *tx, struct target *targets)
{
    struct buf head;

    buf_init(&head, MESSAGE_HEAD_BYTES);
    o->first_id = tx_next_message_id(tx);
    message_write_body(tx, o->first_id, o->mail.body, o->mail.d.recipient_count);
    for (uint32_t i = 0; i < o->mail.d.recipient_count && tx_fault(tx) == MT_OK; i++)
        write_copy(o, tx, i, &targets[i], &head);
    assert(head.fault != MT_ESIZE);     /* delivery_read bounds all that goes in */
    if (head.fault != MT_OK)
        tx_fail(tx, head.fault);
    buf_fini(&head);
    return tx_fault(tx);
}

static int
run(struct batch_op *op, struct tx *tx)
{
    struct incoming *o = (struct incoming *)op;
    struct target     *targets = calloc(o->mail.d.recipient_count, sizeof(*targets));
    int                rc = MT_OK;

    if (targets == NULL)
        return MT_ENOMEM;
    for (uint32_t i = 0; i < o->mail.d.recipient_count && rc == MT_OK; i++)
        rc = prepare(o, tx, i, &targets[i]);
    if (rc == MT_OK)
        rc = write_all(o, tx, targets);
    free(targets);
    return rc;
}

static void
finish(struct batch_op *op, int rc)
{
    struct incoming *o = (struct incoming *)op;

    if (rc == MT_EFULL)
        metric_add(METRIC_STORE_FULL_TOTAL, 1);
    o->done(o->arg, rc, rc == MT_OK ? o->first_id : 0, rc == MT_OK && o->genuine);
    free_op(o);
}

int
incoming_queue(struct store *s, struct reader *r, int *fd, incoming_done_fn *done, void *arg)
{
    struct incoming *o = malloc(sizeof(*o) + r->rest.len);
    int              rc;

    if (o == NULL)
        return MT_ENOMEM;
    *o = (struct incoming){ .op = { .run = run, .done = finish, .grows = true }, .store = s, .done = done, .arg = arg };
    memcpy(o->bytes, r->rest.data, r->rest.len);
    rc = handed_open(&o->mail, slice_make(o->bytes, r->rest.len), fd);
    if (rc != MT_OK) {
        free(o);
        return rc;
    }
    o->op.bytes = r->rest.len + o->mail.d.size_bytes;
    batch_add(s->batch, &o->op);
    return MT_OK;
}

/* ---- Looking for one ---- */

static int
find_in(MDB_cursor *cursor, struct slice id, uint64_t received_us, uint64_t *message_id)
{
    struct message_record m;
    MDB_val               key, data;
    bool                  found = false;
    int                   rc;

    for (unsigned i = 0; i < INCOMING_LOOK_MAX; i++) {
        rc = mdb_cursor_get(cursor, &key, &data, i == 0 ? MDB_LAST : MDB_PREV);
        if (rc == MDB_SUCCESS)
            rc = message_record_read(slice_make(data.mv_data, data.mv_size), &m);
        else if (rc != MDB_NOTFOUND)
            return mt_from_mdb(rc);
        if (rc == MDB_NOTFOUND || (rc == MT_OK && m.committed_us < received_us))
            return found ? MT_OK : MT_ENOTFOUND;
        if (rc != MT_OK || key.mv_size != sizeof(*message_id))
            return MT_EDAMAGED;
        if (m.received_us == received_us && slice_equal(m.session.id, id)) {
            *message_id = get_u64(key.mv_data);
            found = true;
        }
    }
    return found ? MT_OK : MT_EFULL;
}

int
incoming_find(struct store *s, struct slice id, uint64_t received_us, uint64_t *message_id)
{
    struct db_view v;
    MDB_cursor    *cursor;
    int            rc = store_view(s, &v);

    if (rc != MT_OK)
        return rc;
    rc = mt_from_mdb(mdb_cursor_open(v.txn, db_table(v.db, TABLE_MESSAGE), &cursor));
    if (rc == MT_OK) {
        rc = find_in(cursor, id, received_us, message_id);
        mdb_cursor_close(cursor);
    }
    db_view_end(&v);
    return rc;
}
