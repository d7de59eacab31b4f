/* api_messages - lists, facts, bytes and removal of stored messages. */
#include "lookup/ask.h"
#include "lookup/facts.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 500, RAW_PIECE_BYTES = 64 * 1024 };

/* ---- List ------------------------------------------------------------------------------------------------------------ */

struct list {
    const struct db_view *view;
    struct emit          *j;
    struct slice          mailbox;
    unsigned              left;
    uint64_t              last_id;
    bool                  more;
};

static bool
on_message(void *arg, uint64_t id, const struct message_record *m)
{
    struct list *list = arg;

    if (list->left == 0) {
        list->more = true;
        return false;
    }
    list->left--;
    list->last_id = id;
    answer_message_summary(list->j, NULL, id, list->mailbox, db_folder_name(list->view, m->mailbox_id, m->folder_id), m);
    return true;
}

static bool
take_page(struct call *c, uint64_t *before_id, unsigned *limit)
{
    const struct route_value *cursor = &c->match->query[0], *size = &c->match->query[1];
    uint64_t                  value = LIST_DEFAULT;

    *before_id = 0;
    if (cursor->given && (slice_to_u64(slice_of(cursor->text), UINT64_MAX, before_id) != MT_OK || *before_id == 0))
        reply_problem(c->exchange, 400, "cursor must be what a list before gave as next");
    else if (size->given && (slice_to_u64(slice_of(size->text), LIST_MAX, &value) != MT_OK || value == 0))
        reply_problem(c->exchange, 400, "limit must be a number from 1 to %d", LIST_MAX);
    else {
        *limit = (unsigned)value;
        return true;
    }
    return false;
}

void
api_message_list(struct call *c)
{
    struct mailbox_record mailbox;
    struct emit           j;
    struct list           list = { .view = c->view, .j = &j };
    uint64_t              before_id;
    char                  next[24];
    int                   rc;

    if (!call_mailbox(c, c->match->params[0].text, &mailbox) || !take_page(c, &before_id, &list.left))
        return;
    list.mailbox = mailbox.name;
    j = lookup_json(c->lookup);
    emit_object(&j, NULL);
    emit_array(&j, "messages");
    rc = db_messages(c->view, mailbox.id, before_id, on_message, &list);
    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the list");
        return;
    }
    emit_array_end(&j);
    snprintf(next, sizeof(next), "%llu", (unsigned long long)list.last_id);
    emit_slice_or_null(&j, "next", slice_of(list.more ? next : NULL));
    emit_object_end(&j);
    reply_json(c->lookup, c->exchange, 200);
}

/* ---- One ------------------------------------------------------------------------------------------------------------- */

/* When the message's first token was minted here, which the token's own answer counts from, too; 0 if it was not. */
static int
token_minted_us(const struct call *c, const struct message_record *m, uint64_t *out)
{
    struct token_record record;
    int                 rc;

    *out = 0;
    if (m->parsed.candidate_count == 0)
        return MT_OK;
    rc = token_find(c->view, &c->caller, m->mailbox_id, &m->parsed.candidates[0].token, &record);
    if (rc == MT_OK)
        *out = record.minted_us;
    return rc == MT_ENOTFOUND ? MT_OK : rc;
}

void
api_message_show(struct call *c)
{
    struct message_record m;
    struct mailbox_record mailbox;
    struct emit           j;
    uint64_t              id, minted_us = 0;
    int                   rc;

    if (!call_message(c, &id, &m))
        return;
    rc = db_mailbox_by_id(c->view, m.mailbox_id, &mailbox);
    if (rc == MT_OK)
        rc = token_minted_us(c, &m, &minted_us);
    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the message's mailbox");
        return;
    }
    j = lookup_json(c->lookup);
    answer_message(&j, NULL, id, mailbox.name, db_folder_name(c->view, m.mailbox_id, m.folder_id), &m, minted_us);
    reply_json(c->lookup, c->exchange, 200);
}

static int
on_deleted(struct lookup *l, struct exchange *x, const struct ask_note *note, int rc, struct reader *r)
{
    (void)l, (void)note;
    if (rc != MT_OK) {
        reply_error(x, rc, "the message");
        return MT_OK;
    }
    reply_empty(x);
    return read_end(r) ? MT_OK : MT_EPROTO;
}

void
api_message_delete(struct call *c)
{
    struct message_record m;
    struct ask_note       note = { .number = 0 };
    struct buf           *out;

    if (!call_message(c, &note.number, &m))
        return;
    out = ask_begin(c->lookup, c->exchange, MSG_MESSAGE_DELETE, &note, on_deleted);
    if (out == NULL)
        return;
    write_u64(out, note.number);
    ask_end(c->lookup);
}

/* ---- Its bytes --------------------------------------------------------------------------------------------------------- */

/* Sends a message piece by piece, each from a view of its own, the next when the last was handed to the kernel. */
struct raw {
    struct lookup   *lookup;
    struct exchange *exchange;
    uint64_t         id;
    uint64_t         offset, size;
};

static int
read_piece(const struct raw *raw, struct buf *out)
{
    struct message_record m;
    struct db_view        view;
    int                   rc = db_view_begin(raw->lookup->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_message(&view, raw->id, &m);
    if (rc == MT_OK)
        rc = db_message_read(&view, &m, raw->offset, RAW_PIECE_BYTES, out);
    if (rc == MT_OK && out->len == 0)
        rc = MT_EDAMAGED;
    db_view_end(&view);
    return rc;
}

static void
on_raw_drained(void *owner)
{
    struct raw      *raw = owner;
    struct exchange *x = raw->exchange;
    struct buf      *piece = &raw->lookup->scratch;
    int              rc;

    if (raw->offset == raw->size) {
        free(raw);
        reply_end(x);
        return;
    }
    buf_clear(piece);
    rc = read_piece(raw, piece);
    if (rc != MT_OK) {              /* deleted meanwhile, most likely: the length was promised, so only a cut tells */
        log_info("event=raw-cut message=%llu reason=\"%s\"", (unsigned long long)raw->id, mt_strerror(rc));
        free(raw);
        reply_abort(x);
        return;
    }
    raw->offset += piece->len;
    reply_piece(x, buf_slice(piece));
}

static void
on_raw_gone(void *owner)
{
    free(owner);
}

static void
raw_headers(struct exchange *x, uint64_t id)
{
    char text[64];

    snprintf(text, sizeof(text), "attachment; filename=\"%llu.eml\"", (unsigned long long)id);
    reply_header(x, "Content-Disposition", text);
}

void
api_message_raw(struct call *c)
{
    struct message_record m;
    struct raw           *raw;
    uint64_t              id;
    int                   rc;

    if (!call_message(c, &id, &m))
        return;
    rc = db_message_check(c->view, &m);
    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the message");
        return;
    }
    raw = calloc(1, sizeof(*raw));
    if (raw == NULL) {
        reply_busy(c->exchange, 1, "out of memory");
        return;
    }
    *raw = (struct raw){ .lookup = c->lookup, .exchange = c->exchange, .id = id, .size = message_size(&m) };
    if (c->request->method == METHOD_HEAD)
        raw->offset = raw->size;
    raw_headers(c->exchange, id);
    exchange_hold(c->exchange, on_raw_gone, raw);
    reply_begin(c->exchange, 200, "message/rfc822", (int64_t)raw->size, on_raw_drained);
    on_raw_drained(raw);
}
