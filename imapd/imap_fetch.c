/* FETCH and UID FETCH (RFC 9051 section 6.4.5). Message by message, each from a snapshot of its own; long octets in pieces. */

#include "imapd/imap.h"
#include "imapd/imap_header.h"
#include "imapd/imap_message.h"
#include "imapd/imap_mark.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdlib.h>
#include <time.h>

enum { ITEMS_MAX = 64, PIECE_BYTES = 16 * 1024, NAMES_MAX = 256, DESCRIBED_BYTES_MAX = 1024 * 1024 };

enum item_kind { ITEM_UID, ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_MODSEQ, ITEM_EMAILID, ITEM_THREADID, ITEM_SAVEDATE, ITEM_ENVELOPE, ITEM_BODY,
                 ITEM_BODYSTRUCTURE, ITEM_SECTION };

struct item {
    enum item_kind    kind;
    enum imap_section section;
    bool              by_fields, not_fields;    /* HEADER.FIELDS, HEADER.FIELDS.NOT */
    bool              partial;
    uint32_t          path[IMAP_PATH_MAX];
    unsigned          path_len;
    struct slice      names[NAMES_MAX];
    unsigned          name_count;
    uint64_t          offset, octets;           /* of a partial */
    const char       *label;                    /* RFC822, RFC822.HEADER, RFC822.TEXT; NULL: BODY[…] */
};

struct fetch {
    struct imap_task   task;
    char              *text;                    /* owned: the command, that items point into */
    struct imap_reader reader;
    struct imap_set    indexes;                 /* of messages */
    uint32_t           range, index;            /* where it is */
    bool               begun;                   /* index holds */
    bool               uids;                    /* UID FETCH */
    bool               marks;                   /* sets \Seen */
    uint64_t           changed_since;           /* CHANGEDSINCE; 0: not asked for */
    struct item       *items;                   /* owned; ITEMS_MAX of them */
    unsigned           count;
    unsigned           at;                      /* item of the message that comes next */
    uint64_t           message_id;              /* of the message under way; 0: none */
    struct imap_range64 piece;                  /* octets of the section under way that are still to be sent */
    struct imap_set    seen;                    /* UIDs that are to be marked */
};

/* ---- Reading the command --------------------------------------------------------------------------------------------------------- */

static struct item *
add_item(struct fetch *f, enum item_kind kind)
{
    for (unsigned i = 0; i < f->count && kind != ITEM_SECTION; i++)
        if (f->items[i].kind == kind)
            return &f->items[i];
    if (f->count == ITEMS_MAX) {
        imap_fail(&f->reader, "at most 64 items");
        return &f->items[0];
    }
    f->items[f->count] = (struct item){ .kind = kind };
    return &f->items[f->count++];
}

static void
read_names(struct imap_reader *r, struct item *item)
{
    imap_space(r);
    if (!imap_take(r, "("))
        imap_fail(r, "a list of field names");
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        if (item->name_count == NAMES_MAX)
            imap_fail(r, "at most 256 field names");
        else
            item->names[item->name_count++] = imap_astring(r);
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the field names");
}

/* "1.2.", and whether a word may follow: at the start, or behind a dot. */
static bool
read_path(struct imap_reader *r, struct item *item)
{
    bool dot = true;

    while (dot && r->rest.len > 0 && r->rest.data[0] >= '0' && r->rest.data[0] <= '9') {
        uint32_t number = imap_number(r);

        if (item->path_len == IMAP_PATH_MAX || number == 0)
            imap_fail(r, "part numbers from 1, at most 32 of them");
        else
            item->path[item->path_len++] = number;
        dot = imap_take(r, ".");
    }
    return dot;
}

/* What stands between the brackets: "", "1.2", "HEADER", "1.2.MIME", "HEADER.FIELDS (From To)". */
static void
read_section(struct imap_reader *r, struct item *item)
{
    bool word = read_path(r, item);

    if (word && imap_take(r, "HEADER.FIELDS.NOT"))
        item->by_fields = item->not_fields = true;
    else if (word && imap_take(r, "HEADER.FIELDS"))
        item->by_fields = true;
    else if (word && imap_take(r, "HEADER"))
        item->section = IMAP_SECTION_HEADER;
    else if (word && imap_take(r, "TEXT"))
        item->section = IMAP_SECTION_TEXT;
    else if (word && item->path_len > 0 && imap_take(r, "MIME"))
        item->section = IMAP_SECTION_MIME;
    else if (word && item->path_len > 0)
        imap_fail(r, "HEADER, TEXT or MIME behind a dot");
    if (item->by_fields) {
        item->section = IMAP_SECTION_HEADER;
        read_names(r, item);
    }
    if (!imap_take(r, "]"))
        imap_fail(r, "a section, and ]");
}

static void
read_partial(struct imap_reader *r, struct item *item)
{
    if (!imap_take(r, "<"))
        return;
    item->partial = true;
    item->offset = imap_number64(r);
    if (!imap_take(r, "."))
        imap_fail(r, "a dot");
    item->octets = imap_number64(r);
    if (!imap_take(r, ">"))
        imap_fail(r, "the end of the partial");
}

static void
read_body(struct fetch *f, bool peek)
{
    struct imap_reader *r = &f->reader;
    struct item        *item = add_item(f, ITEM_SECTION);

    f->marks = f->marks || !peek;
    read_section(r, item);
    read_partial(r, item);
}

static void
add_section(struct fetch *f, const char *label, enum imap_section section, bool marks)
{
    struct item *item = add_item(f, ITEM_SECTION);

    item->section = section;
    item->label = label;
    f->marks = f->marks || marks;
}

static void
add_macro(struct fetch *f, unsigned count)
{
    static const enum item_kind full[] = { ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_ENVELOPE, ITEM_BODY };

    for (unsigned i = 0; i < count; i++)
        add_item(f, full[i]);
}

static void
read_item(struct fetch *f)
{
    enum { FAST = 3, ALL = 4, FULL = 5 };
    static const struct {
        const char    *name;
        enum item_kind kind;
    } plain[] = {
        { "UID", ITEM_UID }, { "FLAGS", ITEM_FLAGS }, { "INTERNALDATE", ITEM_INTERNALDATE }, { "RFC822.SIZE", ITEM_SIZE },
        { "MODSEQ", ITEM_MODSEQ }, { "EMAILID", ITEM_EMAILID }, { "THREADID", ITEM_THREADID }, { "SAVEDATE", ITEM_SAVEDATE },
        { "ENVELOPE", ITEM_ENVELOPE }, { "BODYSTRUCTURE", ITEM_BODYSTRUCTURE },
    };
    struct imap_reader *r = &f->reader;
    struct slice        word;

    if (imap_take(r, "BODY.PEEK[")) {
        read_body(f, true);
        return;
    }
    if (imap_take(r, "BODY[")) {
        read_body(f, false);
        return;
    }
    word = imap_atom(r);
    for (size_t i = 0; i < COUNT(plain); i++)
        if (slice_equal_nocase(word, slice_of(plain[i].name))) {
            add_item(f, plain[i].kind);
            return;
        }
    if (slice_equal_nocase(word, slice_of("BODY")))
        add_item(f, ITEM_BODY);
    else if (slice_equal_nocase(word, slice_of("RFC822")))
        add_section(f, "RFC822", IMAP_SECTION_WHOLE, true);
    else if (slice_equal_nocase(word, slice_of("RFC822.HEADER")))
        add_section(f, "RFC822.HEADER", IMAP_SECTION_HEADER, false);
    else if (slice_equal_nocase(word, slice_of("RFC822.TEXT")))
        add_section(f, "RFC822.TEXT", IMAP_SECTION_TEXT, true);
    else if (slice_equal_nocase(word, slice_of("FAST")))
        add_macro(f, FAST);
    else if (slice_equal_nocase(word, slice_of("ALL")))
        add_macro(f, ALL);
    else if (slice_equal_nocase(word, slice_of("FULL")))
        add_macro(f, FULL);
    else
        imap_fail(r, "something to fetch, such as FLAGS, ENVELOPE, BODYSTRUCTURE or BODY[]");
}

static void
read_items(struct fetch *f)
{
    struct imap_reader *r = &f->reader;

    if (!imap_take(r, "(")) {
        read_item(f);
        return;
    }
    do
        read_item(f);
    while (imap_take(r, " "));
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the items");
}

/* RFC 7162 section 3.1.4.1. */
static void
read_modifiers(struct connection *c, struct fetch *f)
{
    struct imap_reader *r = &f->reader;

    if (!imap_take(r, " ("))
        return;
    if (!imap_take(r, "CHANGEDSINCE "))
        imap_fail(r, "CHANGEDSINCE");
    f->changed_since = imap_number64(r);
    ((struct imap *)c->own)->enabled |= IMAP_CONDSTORE;
    add_item(f, ITEM_MODSEQ);
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the modifiers");
}

/* ---- Answering ---------------------------------------------------------------------------------------------------------------- */

static void
put_internal_date(struct buf *b, uint64_t us)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t    seconds = (time_t)(us / 1000000);
    struct tm t;

    gmtime_r(&seconds, &t);
    buf_printf(b, "\"%2d-%s-%04d %02d:%02d:%02d +0000\"", t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static bool
is_named(const struct item *item, struct slice name)
{
    for (unsigned i = 0; i < item->name_count; i++)
        if (slice_equal_nocase(item->names[i], name))
            return true;
    return false;
}

/* The fields that were asked for, with the empty line behind them. */
static int
put_fields(struct buf *b, const struct item *item, const struct imap_message *m, struct imap_range64 range)
{
    struct buf        header, chosen;
    struct slice      rest;
    struct imap_field field;
    int               rc;

    buf_init(&header, IMAP_HEADER_BYTES_MAX);
    buf_init(&chosen, IMAP_HEADER_BYTES_MAX + 2);
    rc = imap_message_read(m, range, &header);
    for (rest = buf_slice(&header); rc == MT_OK && imap_next_field(&rest, &field);)
        if (field.name.len > 0 && is_named(item, field.name) != item->not_fields)
            buf_append_slice(&chosen, field.whole);
    buf_append_string(&chosen, "\r\n");
    if (rc == MT_OK) {
        struct slice s = buf_slice(&chosen);

        if (item->partial)
            s = slice_sub(s, item->offset < s.len ? (size_t)item->offset : s.len, item->octets < s.len ? (size_t)item->octets : s.len);
        buf_printf(b, " {%zu}\r\n", s.len);
        buf_append_slice(b, s);
    }
    buf_fini(&header);
    buf_fini(&chosen);
    return rc;
}

/* Field names as they were asked for: clients look for them again. Each is an astring. */
static void
put_names(struct buf *b, const struct item *item)
{
    for (unsigned i = 0; i < item->name_count; i++) {
        struct slice name = item->names[i];
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
put_label(struct buf *b, const struct item *item)
{
    static const char *const words[] = {
        [IMAP_SECTION_WHOLE] = "", [IMAP_SECTION_HEADER] = "HEADER", [IMAP_SECTION_TEXT] = "TEXT", [IMAP_SECTION_MIME] = "MIME",
    };

    if (item->label != NULL) {
        buf_append_string(b, item->label);
        return;
    }
    buf_append_string(b, "BODY[");
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
begin_section(struct connection *c, struct fetch *f, const struct item *item, struct imap_message *m)
{
    struct imap_range64 range;
    int                 rc = imap_message_parts(m);

    if (rc != MT_OK)
        return rc;
    put_label(&c->out, item);
    if (!imap_message_range(m, item->path, item->path_len, item->section, &range)) {
        buf_append_string(&c->out, " NIL");
        return MT_OK;
    }
    if (item->by_fields)
        return put_fields(&c->out, item, m, range);
    if (item->partial) {
        range.from = item->offset < range.to - range.from ? range.from + item->offset : range.to;
        range.to = item->octets < range.to - range.from ? range.from + item->octets : range.to;
    }
    buf_printf(&c->out, " {%llu}\r\n", (unsigned long long)(range.to - range.from));
    f->piece = range;
    return MT_OK;
}

/*
 * ENVELOPE, BODY or BODYSTRUCTURE. It is made in memory as a whole, so it has a bound, and what is over it is made again from less of
 * each header: a mail that somebody has stuffed costs a client some texts, but never its session.
 */
static int
put_described(struct buf *b, const struct item *item, struct imap_message *m)
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

static int
put_item(struct connection *c, struct fetch *f, const struct item *item, struct imap_message *m, uint32_t uid, const struct entry *e)
{
    struct buf *b = &c->out;

    switch (item->kind) {
    case ITEM_UID:
        buf_printf(b, "UID %u", uid);
        return MT_OK;
    case ITEM_FLAGS:
        buf_append_string(b, "FLAGS ");
        imap_put_flags(b, e);
        return MT_OK;
    case ITEM_MODSEQ:
        buf_printf(b, "MODSEQ (%llu)", (unsigned long long)e->modseq);
        return MT_OK;
    case ITEM_EMAILID:
        buf_printf(b, "EMAILID (M%llu)", (unsigned long long)e->message_id);
        return MT_OK;
    case ITEM_THREADID:
        buf_append_string(b, "THREADID NIL");
        return MT_OK;
    case ITEM_INTERNALDATE:
    case ITEM_SAVEDATE:
        buf_append_string(b, item->kind == ITEM_SAVEDATE ? "SAVEDATE " : "INTERNALDATE ");
        put_internal_date(b, item->kind == ITEM_SAVEDATE ? m->record.committed_us : m->record.received_us);
        return MT_OK;
    case ITEM_SIZE:
        buf_printf(b, "RFC822.SIZE %llu", (unsigned long long)message_size(&m->record));
        return MT_OK;
    case ITEM_ENVELOPE:
    case ITEM_BODY:
    case ITEM_BODYSTRUCTURE:
        return put_described(b, item, m);
    default:
        return begin_section(c, f, item, m);
    }
}

/* ---- Message by message ------------------------------------------------------------------------------------------------------ */

static bool
needs_record(const struct fetch *f)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->items[i].kind != ITEM_UID && f->items[i].kind != ITEM_FLAGS && f->items[i].kind != ITEM_MODSEQ &&
            f->items[i].kind != ITEM_EMAILID && f->items[i].kind != ITEM_THREADID)
            return true;
    return false;
}

static bool
needs_body(const struct fetch *f)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->items[i].kind == ITEM_SECTION)
            return true;
    return false;
}

/* The next index of the set; false: that was the last. */
static bool
advance(struct fetch *f)
{
    if (f->begun && f->index < f->indexes.ranges[f->range].last) {
        f->index++;
        return true;
    }
    if (f->begun)
        f->range++;
    f->begun = f->range < f->indexes.count;
    if (f->begun)
        f->index = f->indexes.ranges[f->range].first;
    return f->begun;
}

/*
 * Everything up to the first section, or as much as is enough at once, from one snapshot. A message that has gone, or is damaged, has
 * no answer.
 */
static int
say_items(struct connection *c, struct fetch *f, struct imap_message *m, uint32_t uid, const struct entry *e)
{
    int rc = MT_OK;

    while (rc == MT_OK && f->at < f->count && f->piece.from == f->piece.to && (f->at == 0 || c->out.len < CONNECTION_OUT_ENOUGH)) {
        if (f->at > 0)
            buf_append_byte(&c->out, ' ');
        rc = put_item(c, f, &f->items[f->at++], m, uid, e);
    }
    if (rc == MT_OK && f->at == f->count && f->piece.from == f->piece.to) {
        buf_append_string(&c->out, ")\r\n");
        f->message_id = 0;
    }
    return rc;
}

/* f->at > 0: goes on with the message behind a section. */
static int
say_message(struct connection *c, struct fetch *f, const struct db_view *view)
{
    struct imap        *s = c->own;
    uint32_t            uid = s->view.uids[f->index];
    struct imap_message m = { 0 };
    struct entry        e;
    int                 rc = db_entry(view, s->view.mailbox_id, s->view.folder_id, uid, &e);

    if (rc == MT_OK && needs_record(f))
        rc = imap_message_open(view, e.message_id, &m);
    if (rc == MT_OK && f->at == 0) {
        if (f->changed_since != 0 && e.modseq <= f->changed_since)
            goto out;
        if (needs_body(f) && (rc = db_message_check(view, &m.record)) != MT_OK)
            goto out;
        if (f->marks && !s->read_only && (e.flags & ENTRY_SEEN) == 0)
            imap_set_append(&f->seen, uid);
        buf_printf(&c->out, "* %u FETCH (", f->index + 1);
    }
    if (rc == MT_OK) {
        f->message_id = e.message_id;
        rc = say_items(c, f, &m, uid, &e);
    }
out:
    imap_message_close(&m);
    return rc;
}

static int
say_piece(struct connection *c, struct fetch *f, const struct db_view *view)
{
    struct message_record record;
    size_t                before = c->out.len;
    uint64_t              left = f->piece.to - f->piece.from;
    int                   rc = db_message(view, f->message_id, &record);

    if (rc == MT_OK)
        rc = db_message_read(view, &record, f->piece.from, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &c->out);
    if (rc == MT_OK && c->out.len == before)
        rc = MT_EDAMAGED;
    f->piece.from += c->out.len - before;
    return rc;
}

static bool
is_within_message(const struct fetch *f)
{
    return f->at > 0 && f->message_id != 0;
}

static void
end_fetch(struct connection *c, struct fetch *f)
{
    if (f->seen.count > 0)
        imap_mark_begin(c, &f->seen, &(struct imap_mark_order){ .op = MSG_FLAGS_ADD, .flags = ENTRY_SEEN, .unchanged_since = UINT64_MAX,
                                                                .says_uid = f->uids, .command = "FETCH" });
    else
        imap_answer(c, "OK", "FETCH completed");
}

static bool
produce(struct connection *c, struct imap_task *t)
{
    struct fetch  *f = (struct fetch *)t;
    bool           within = is_within_message(f);
    struct db_view view;
    int            rc;

    if (!within) {
        f->at = 0;
        f->message_id = 0;
        if (!advance(f)) {
            end_fetch(c, f);
            return false;
        }
    }
    rc = db_view_begin(c->imapd->db, &view);
    if (rc == MT_OK) {
        rc = f->piece.from < f->piece.to ? say_piece(c, f, &view) : say_message(c, f, &view);
        db_view_end(&view);
    }
    if (rc == MT_OK)
        return true;
    if (is_within_message(f) || (rc != MT_ENOTFOUND && rc != MT_EDAMAGED)) {
        /* What was promised cannot be kept: an end is better than wrong octets. */
        log_warning("s=%x event=fetch-cut client=%s reason=\"%s\"", c->number, c->client, mt_strerror(rc));
        connection_break(c);
        return false;
    }
    if (rc == MT_EDAMAGED)
        log_error("s=%x event=message-damaged client=%s uid=%u", c->number, c->client, ((struct imap *)c->own)->view.uids[f->index]);
    return true;
}

static void
free_fetch(struct imap_task *t)
{
    struct fetch *f = (struct fetch *)t;

    imap_reader_fini(&f->reader);
    imap_set_fini(&f->indexes);
    imap_set_fini(&f->seen);
    free(f->text);
    free(f->items);
    free(f);
}

static struct fetch *
new_fetch(struct slice rest, bool uids)
{
    struct fetch *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->task = (struct imap_task){ produce, free_fetch };
    f->uids = uids;
    f->text = malloc(rest.len + 1);
    f->items = calloc(ITEMS_MAX, sizeof(*f->items));
    if (f->text == NULL || f->items == NULL || !imap_reader_init(&f->reader, slice_make(f->text, rest.len))) {
        free_fetch(&f->task);
        return NULL;
    }
    memcpy(f->text, rest.data, rest.len);
    return f;
}

static void
begin_fetch(struct connection *c, struct imap_reader *r, bool uids)
{
    struct fetch *f = new_fetch(r->rest, uids);

    if (f == NULL) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        return;
    }
    imap_space(&f->reader);
    if (!imap_read_set(c, &f->reader, uids, &f->indexes)) {
        free_fetch(&f->task);
        return;
    }
    imap_space(&f->reader);
    if (uids)
        add_item(f, ITEM_UID);
    read_items(f);
    read_modifiers(c, f);
    if (imap_refuse_syntax(c, &f->reader)) {
        free_fetch(&f->task);
        return;
    }
    imap_begin_task(c, &f->task);
}

static void
fetch(struct connection *c, struct imap_reader *r)
{
    begin_fetch(c, r, false);
}

static void
uid_fetch(struct connection *c, struct imap_reader *r)
{
    begin_fetch(c, r, true);
}

const struct imap_verb imap_fetch_verbs[] = {
    { "FETCH",     IMAP_SELECTED, true,  fetch     },
    { "UID FETCH", IMAP_SELECTED, false, uid_fetch },
    { NULL,        0,             false, NULL      },
};
