/* What a FETCH says of one message (RFC 9051 section 7.5.2). imap_fetch.h tells of the other files. */

#include "imapd/imap_fetch.h"
#include "imapd/imap_header.h"
#include "imapd/imap_preview.h"
#include "imapd/imap_thread_id.h"

#include "lib/error.h"

#include <time.h>

enum { PIECE_BYTES = 64 * 1024, DESCRIBED_BYTES_MAX = 1024 * 1024, HEADERS_A_STEP = 512 * 1024 };

/* What stands between two items. */
static void
begin_item(struct connection *c, struct imap_fetch *f)
{
    if (f->said)
        buf_append_byte(&c->out, ' ');
    f->said = true;
}

static void
put_internal_date(struct buf *b, uint64_t us)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t    seconds = (time_t)(us / 1000000);
    struct tm t;

    gmtime_r(&seconds, &t);
    buf_printf(b, "\"%2d-%s-%04d %02d:%02d:%02d +0000\"", t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

/* Field names as they were asked for: clients look for them again. Each is an astring. */
static void
put_names(struct buf *b, const struct imap_fetch_item *item)
{
    for (unsigned i = 0; i < item->names.count; i++) {
        struct slice name = item->names.names[i];
        size_t       plain = 0;

        while (plain < name.len && (unsigned char)name.data[plain] > ' ' && (unsigned char)name.data[plain] < 0x7f &&
               strchr("(){%*\"\\]", name.data[plain]) == NULL)
            plain++;
        if (i > 0)
            buf_append_byte(b, ' ');
        if (plain == name.len && name.len > 0)
            buf_append_slice(b, name);
        else
            imap_put_string(b, name);
    }
}

static void
put_label(struct buf *b, const struct imap_fetch_item *item)
{
    static const char *const words[] = {
        [IMAP_SECTION_WHOLE] = "", [IMAP_SECTION_HEADER] = "HEADER", [IMAP_SECTION_TEXT] = "TEXT", [IMAP_SECTION_MIME] = "MIME",
    };

    if (item->label != NULL) {
        buf_append_string(b, item->label);
        return;
    }
    buf_append_string(b, item->kind == ITEM_BINARY ? "BINARY[" : item->kind == ITEM_BINARY_SIZE ? "BINARY.SIZE[" : "BODY[");
    for (unsigned i = 0; i < item->path_len; i++)
        buf_printf(b, i == 0 ? "%u" : ".%u", item->path[i]);
    if (item->path_len > 0 && item->section != IMAP_SECTION_WHOLE)
        buf_append_byte(b, '.');
    buf_append_string(b, words[item->section]);
    if (item->by_fields) {
        buf_append_string(b, item->not_fields ? ".FIELDS.NOT (" : ".FIELDS (");
        put_names(b, item);
        buf_append_byte(b, ')');
    }
    buf_append_byte(b, ']');
    if (item->partial)
        buf_printf(b, "<%llu>", (unsigned long long)item->offset);
}

/* Says the literal's length and leaves its octets to be sent in pieces. */
static int
begin_section(struct connection *c, struct imap_fetch *f, const struct imap_fetch_item *item, struct imap_message *m)
{
    struct imap_range64 range;
    int                 rc = imap_message_parts(m);

    if (rc != MT_OK)
        return rc;
    begin_item(c, f);
    put_label(&c->out, item);
    if (!imap_message_range(m, item->path, item->path_len, item->section, &range)) {
        buf_append_string(&c->out, " NIL");
        return MT_OK;
    }
    if (item->partial) {
        range.from = item->offset < range.to - range.from ? range.from + item->offset : range.to;
        range.to = item->octets < range.to - range.from ? range.from + item->octets : range.to;
    }
    buf_printf(&c->out, " {%llu}\r\n", (unsigned long long)(range.to - range.from));
    f->piece = range;
    f->stage = range.from < range.to ? FETCH_OCTETS : FETCH_ITEMS;
    return MT_OK;
}

/*
 * ENVELOPE, BODY or BODYSTRUCTURE. It is made in memory as a whole, so it has a bound, and what is over it is made again from less of
 * each header: a mail that somebody has stuffed costs a client some texts, but never its session.
 */
static int
put_described(struct buf *b, const struct imap_fetch_item *item, struct imap_message *m)
{
    static const size_t header_bytes[] = { IMAP_HEADER_BYTES_MAX, IMAP_HEADER_BYTES_LESS, 0 };
    int                 rc = imap_message_parts(m);

    for (size_t i = 0; rc == MT_OK && i < COUNT(header_bytes); i++) {
        struct buf made;

        buf_init(&made, DESCRIBED_BYTES_MAX);
        m->header_bytes_max = header_bytes[i];
        if (item->kind == ITEM_ENVELOPE)
            rc = imap_put_message_envelope(&made, m);
        else
            rc = imap_put_structure(&made, m, item->kind == ITEM_BODYSTRUCTURE);
        if (rc == MT_OK) {
            buf_append_string(b, item->kind == ITEM_ENVELOPE ? "ENVELOPE " : item->kind == ITEM_BODY ? "BODY " : "BODYSTRUCTURE ");
            buf_append_slice(b, buf_slice(&made));
            buf_fini(&made);
            return MT_OK;
        }
        buf_fini(&made);
        if (rc == MT_ESIZE && i + 1 < COUNT(header_bytes))
            rc = MT_OK;
    }
    return rc;
}

/* ---- What is made while it is sent: BINARY (RFC 3516), HEADER.FIELDS ------------------------------------------------------------------- */

static void
make_from_start(struct imap_fetch *f, const struct imap_fetch_item *item)
{
    struct imap_partial partial = { .left = UINT64_MAX };

    if (item->partial)
        partial = (struct imap_partial){ .skip = item->offset, .left = item->octets };
    f->piece = f->whole;
    if (item->by_fields)
        imap_fields_begin(&f->fields, &item->names, item->not_fields, partial);
    else
        imap_binary_begin(&f->binary, f->encoding, partial);
}

static struct imap_partial *
partial_of(struct imap_fetch *f, const struct imap_fetch_item *item)
{
    return item->by_fields ? &f->fields.partial : &f->binary.partial;
}

static int
feed(struct imap_fetch *f, const struct imap_fetch_item *item, struct slice stored, struct buf *to)
{
    return item->by_fields ? imap_fields_feed(&f->fields, stored, to) : imap_binary_feed(&f->binary, stored, to);
}

static int
finish(struct imap_fetch *f, const struct imap_fetch_item *item, struct buf *to)
{
    return item->by_fields ? imap_fields_finish(&f->fields, to) : imap_binary_finish(&f->binary, to);
}

/* A header that lies in memory as a whole needs to be gone through only once. */
static int
put_fields(struct connection *c, struct imap_fetch *f, const struct imap_fetch_item *item, const struct imap_message *m)
{
    struct buf header, chosen;
    int        rc;

    buf_init(&header, IMAP_HEADER_BYTES_MAX);
    buf_init(&chosen, IMAP_HEADER_BYTES_MAX + 2);
    rc = imap_message_read(m, f->whole, &header);
    make_from_start(f, item);
    if (rc == MT_OK)
        rc = feed(f, item, buf_slice(&header), &chosen);
    f->octets += header.len;
    if (rc == MT_OK)
        rc = finish(f, item, &chosen);
    if (rc == MT_OK) {
        begin_item(c, f);
        put_label(&c->out, item);
        buf_printf(&c->out, " {%zu}\r\n", chosen.len);
        buf_append_slice(&c->out, buf_slice(&chosen));
    }
    buf_fini(&header);
    buf_fini(&chosen);
    return rc;
}

/* Nothing is said before it was counted. What cannot be decoded is left out, and the tagged answer says so. */
static int
begin_made(struct connection *c, struct imap_fetch *f, const struct imap_fetch_item *item, struct imap_message *m)
{
    int rc = imap_message_parts(m);

    if (rc != MT_OK)
        return rc;
    if (!imap_message_range(m, item->path, item->path_len, item->section, &f->whole)) {
        begin_item(c, f);
        put_label(&c->out, item);
        buf_append_string(&c->out, item->kind == ITEM_BINARY_SIZE ? " 0" : " NIL");
        return MT_OK;
    }
    if (item->by_fields && f->whole.to - f->whole.from <= IMAP_HEADER_BYTES_MAX)
        return put_fields(c, f, item, m);
    f->encoding = imap_message_encoding(m, item->path, item->path_len);
    if (!item->by_fields && f->encoding == ENCODING_UNKNOWN) {
        f->undecodable = true;
        return MT_OK;
    }
    make_from_start(f, item);
    f->stage = FETCH_COUNTING;
    return MT_OK;
}

/* It was counted: its size, or the head of its literal and then all of it once more. */
static void
end_counting(struct connection *c, struct imap_fetch *f, const struct imap_fetch_item *item)
{
    const struct imap_partial *counted = partial_of(f, item);

    begin_item(c, f);
    put_label(&c->out, item);
    f->stage = FETCH_ITEMS;
    if (item->kind == ITEM_BINARY_SIZE) {
        buf_printf(&c->out, " %llu", (unsigned long long)counted->octets);
        return;
    }
    buf_printf(&c->out, " %s{%llu}\r\n", counted->has_nul && item->kind == ITEM_BINARY ? "~" : "", (unsigned long long)counted->octets);
    if (counted->octets == 0)
        return;
    make_from_start(f, item);
    f->stage = FETCH_MADE;
}

/* The next octets as they are stored. */
static int
read_piece(struct imap_fetch *f, const struct db_view *view, struct buf *to)
{
    struct message_record record;
    size_t                before = to->len;
    uint64_t              left = f->piece.to - f->piece.from;
    int                   rc = db_message(view, f->message_id, &record);

    if (rc == MT_OK)
        rc = db_message_read(view, &record, f->piece.from, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, to);
    if (rc == MT_OK && to->len == before)
        rc = MT_EDAMAGED;
    f->piece.from += to->len - before;
    return rc;
}

static int
make_piece(struct connection *c, struct imap_fetch *f, const struct db_view *view)
{
    const struct imap_fetch_item *item = &f->items[f->at - 1];
    struct buf                   *to = f->stage == FETCH_COUNTING ? NULL : &c->out;
    struct buf                    stored;
    int                           rc = MT_OK;

    buf_init(&stored, PIECE_BYTES);
    if (f->piece.from < f->piece.to)
        rc = read_piece(f, view, &stored);
    if (rc == MT_OK)
        rc = feed(f, item, buf_slice(&stored), to);
    buf_fini(&stored);
    if (rc != MT_OK || (f->piece.from < f->piece.to && partial_of(f, item)->left > 0))
        return rc;
    rc = finish(f, item, to);
    if (to == NULL)
        end_counting(c, f, item);
    else
        f->stage = FETCH_ITEMS;
    return rc;
}

int
imap_fetch_go_on(struct connection *c, struct imap_fetch *f, const struct db_view *view)
{
    int rc;

    if (f->stage != FETCH_OCTETS)
        return make_piece(c, f, view);
    rc = read_piece(f, view, &c->out);
    if (f->piece.from == f->piece.to)
        f->stage = FETCH_ITEMS;
    return rc;
}

/* ---- Items -------------------------------------------------------------------------------------------------------------------------- */

static int
put_thread_id(struct buf *b, const struct imap_message *m, uint64_t id)
{
    uint64_t thread_id;
    int      rc = imap_thread_id(m->view, &m->record, id, &thread_id);

    if (rc != MT_OK)
        return rc;
    buf_append_string(b, "THREADID (");
    imap_thread_id_put(b, thread_id);
    buf_append_byte(b, ')');
    return MT_OK;
}

static int
put_item(struct connection *c, struct imap_fetch *f, const struct imap_fetch_item *item, struct imap_message *m, uint32_t uid, const struct entry *e)
{
    struct buf *b = &c->out;

    if (item->kind == ITEM_BINARY || item->kind == ITEM_BINARY_SIZE || item->by_fields)
        return begin_made(c, f, item, m);
    if (item->kind == ITEM_SECTION)
        return begin_section(c, f, item, m);
    begin_item(c, f);
    switch (item->kind) {
    case ITEM_UID:
        buf_printf(b, "UID %u", uid);
        return MT_OK;
    case ITEM_FLAGS:
        buf_append_string(b, "FLAGS ");
        imap_put_flags(c, uid, e);
        return MT_OK;
    case ITEM_MODSEQ:
        buf_printf(b, "MODSEQ (%llu)", (unsigned long long)e->modseq);
        return MT_OK;
    case ITEM_EMAILID:
        buf_printf(b, "EMAILID (M%llu)", (unsigned long long)e->message_id);
        return MT_OK;
    case ITEM_THREADID:
        return put_thread_id(b, m, e->message_id);
    case ITEM_PREVIEW:
        buf_append_string(b, "PREVIEW ");
        return imap_put_preview(b, m);
    case ITEM_INTERNALDATE:
    case ITEM_SAVEDATE:
        buf_append_string(b, item->kind == ITEM_SAVEDATE ? "SAVEDATE " : "INTERNALDATE ");
        put_internal_date(b, item->kind == ITEM_SAVEDATE ? m->record.committed_us : m->record.received_us);
        return MT_OK;
    case ITEM_SIZE:
        buf_printf(b, "RFC822.SIZE %llu", (unsigned long long)message_size(&m->record));
        return MT_OK;
    default:
        return put_described(b, item, m);
    }
}

/* ---- One message ------------------------------------------------------------------------------------------------------------------ */

bool
imap_fetch_needs_record(const struct imap_fetch *f)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->items[i].kind != ITEM_UID && f->items[i].kind != ITEM_FLAGS && f->items[i].kind != ITEM_MODSEQ && f->items[i].kind != ITEM_EMAILID)
            return true;
    return false;
}

bool
imap_fetch_needs_octets(const struct imap_fetch *f)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->items[i].kind >= ITEM_SECTION)
            return true;
    return false;
}

int
imap_fetch_say(struct connection *c, struct imap_fetch *f, struct imap_message *m, uint32_t uid, const struct entry *e)
{
    int rc = MT_OK;

    f->octets = 0;
    while (rc == MT_OK && f->at < f->count && f->stage == FETCH_ITEMS && (f->at == 0 || c->out.len < CONNECTION_OUT_ENOUGH) && f->octets < HEADERS_A_STEP)
        rc = put_item(c, f, &f->items[f->at++], m, uid, e);
    if (rc == MT_OK && f->at == f->count && f->stage == FETCH_ITEMS) {
        if (!f->said)       /* RFC 9051 section 9: no answer without an item */
            buf_printf(&c->out, "UID %u", uid);
        buf_append_string(&c->out, ")\r\n");
        f->message_id = 0;
    }
    return rc;
}
