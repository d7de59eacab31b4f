/* BODY and BODYSTRUCTURE (RFC 9051 section 7.5.2), from the shape and the headers of the parts. */

#include "imapd/imap.h"
#include "imapd/imap_header.h"
#include "imapd/imap_message.h"

#include "lib/error.h"
#include "lib/mime.h"

enum { VALUE_BYTES_MAX = 8192, PARAMETERS_MAX = 64, STACK_MAX = MIME_DEPTH_MAX * 2 + 4 };

/* ---- Values with parameters: Content-Type, Content-Disposition ------------------------------------------------------------------- */

/* White space and comments. */
static void
skip_blank(struct slice *s)
{
    unsigned depth = 0;

    while (s->len > 0) {
        char c = s->data[0];

        if (depth > 0 && c == '\\' && s->len > 1)
            *s = slice_sub(*s, 1, s->len);
        else if (c == '(')
            depth++;
        else if (depth > 0 && c == ')')
            depth--;
        else if (depth == 0 && strchr(" \t\r\n", c) == NULL)
            return;
        *s = slice_sub(*s, 1, s->len);
    }
}

/*
 * A token, or a quoted string; appended to out. ends: what ends a token besides white space and a comment. A value may have "=" in it
 * without quotes, as many a boundary has.
 */
static void
take_value(struct slice *s, const char *ends, struct buf *out)
{
    skip_blank(s);
    if (s->len > 0 && s->data[0] == '"') {
        for (*s = slice_sub(*s, 1, s->len); s->len > 0 && s->data[0] != '"'; *s = slice_sub(*s, 1, s->len)) {
            if (s->data[0] == '\\' && s->len > 1)
                *s = slice_sub(*s, 1, s->len);
            if (s->data[0] != '\r' && s->data[0] != '\n' && s->data[0] != '\0')
                buf_append_byte(out, s->data[0]);
        }
        *s = slice_sub(*s, 1, s->len);
    } else {
        while (s->len > 0 && s->data[0] != '\0' && strchr("( \t\r\n", s->data[0]) == NULL &&
               strchr(ends, s->data[0]) == NULL) {
            buf_append_byte(out, s->data[0]);
            *s = slice_sub(*s, 1, s->len);
        }
    }
    skip_blank(s);
}

static void
put_parameters(struct buf *b, struct slice value)
{
    unsigned   count = 0;
    struct buf first;

    buf_init(&first, VALUE_BYTES_MAX);
    take_value(&value, ";", &first);        /* "text/plain", with comments that may have a ";" in them */
    buf_fini(&first);
    value = slice_sub(value, slice_find(value, ';'), value.len);
    while (value.len > 0 && count < PARAMETERS_MAX) {
        struct buf name, text;

        buf_init(&name, VALUE_BYTES_MAX);
        buf_init(&text, VALUE_BYTES_MAX);
        value = slice_sub(value, 1, value.len);
        take_value(&value, ";=", &name);
        if (value.len > 0 && value.data[0] == '=') {
            value = slice_sub(value, 1, value.len);
            take_value(&value, ";", &text);
        }
        if (name.len > 0) {
            buf_append_byte(b, count++ == 0 ? '(' : ' ');
            imap_put_string(b, buf_slice(&name));
            buf_append_byte(b, ' ');
            imap_put_string(b, buf_slice(&text));
        }
        buf_fini(&name);
        buf_fini(&text);
        value = slice_sub(value, slice_find(value, ';'), value.len);
    }
    buf_append_string(b, count == 0 ? "NIL" : ")");
}

/* ---- One part's header ----------------------------------------------------------------------------------------------------------- */

struct part_header {
    struct buf   octets;
    struct slice type, id, description, encoding, md5, disposition, language, location;     /* values; NULL data: not there */
};

/* At most header_bytes_max of it. */
static int
read_header(const struct imap_message *m, uint32_t at, struct buf *out)
{
    const struct part  *p = &m->parts[at];
    uint64_t            head = m->record.head.len;
    struct imap_range64 range = { head + p->header_at, head + p->body_at };

    if (range.to - range.from > m->header_bytes_max)
        range.to = range.from + m->header_bytes_max;
    return range.from == range.to ? MT_OK : imap_message_read(m, range, out);
}

static int
read_part_header(const struct imap_message *m, uint32_t at, struct part_header *out)
{
    struct slice      rest;
    struct imap_field field;
    int               rc;

    *out = (struct part_header){ 0 };
    buf_init(&out->octets, IMAP_HEADER_BYTES_MAX);
    rc = read_header(m, at, &out->octets);
    rest = buf_slice(&out->octets);
    while (rc == MT_OK && imap_next_field(&rest, &field)) {
        const struct {
            const char   *name;
            struct slice *to;
        } wanted[] = {
            { "Content-Type", &out->type }, { "Content-ID", &out->id }, { "Content-Description", &out->description },
            { "Content-Transfer-Encoding", &out->encoding }, { "Content-MD5", &out->md5 }, { "Content-Disposition", &out->disposition },
            { "Content-Language", &out->language }, { "Content-Location", &out->location },
        };

        for (size_t i = 0; i < COUNT(wanted); i++)
            if (wanted[i].to->data == NULL && slice_equal_nocase(field.name, slice_of(wanted[i].name)))
                *wanted[i].to = slice_trim(field.value);
    }
    return rc;
}

static void
put_text(struct buf *b, struct slice value)
{
    imap_put_line(b, value.len == 0 ? slice_make(NULL, 0) : value);
}

static void
put_disposition(struct buf *b, struct slice value)
{
    struct buf kind;

    if (value.len == 0) {
        buf_append_string(b, "NIL");
        return;
    }
    buf_init(&kind, VALUE_BYTES_MAX);
    take_value(&(struct slice){ value.data, value.len }, ";", &kind);
    buf_append_byte(b, '(');
    imap_put_string(b, buf_slice(&kind));
    buf_append_byte(b, ' ');
    put_parameters(b, value);
    buf_append_byte(b, ')');
    buf_fini(&kind);
}

static void
put_extension(struct buf *b, const struct part_header *h)
{
    buf_append_byte(b, ' ');
    put_disposition(b, h->disposition);
    buf_append_byte(b, ' ');
    put_text(b, h->language);
    buf_append_byte(b, ' ');
    put_text(b, h->location);
}

static void
put_type(struct buf *b, struct slice type)
{
    size_t slash = slice_find(type, '/');

    if (slash == type.len) {        /* the shape keeps no type of a part beyond its bound */
        buf_append_string(b, "\"application\" \"octet-stream\"");
        return;
    }
    imap_put_string(b, slice_sub(type, 0, slash));
    buf_append_byte(b, ' ');
    imap_put_string(b, slice_sub(type, slash + 1, type.len));
}

static void
put_encoding(struct buf *b, struct slice encoding)
{
    struct buf word;

    buf_init(&word, VALUE_BYTES_MAX);
    take_value(&encoding, ";", &word);
    imap_put_string(b, word.len == 0 ? slice_of("7bit") : buf_slice(&word));
    buf_fini(&word);
}

/* Type, parameters, id, description, encoding, size: what every part but a multipart begins with. */
static void
put_fields(struct buf *b, struct slice type, const struct part *p, const struct part_header *h)
{
    put_type(b, type);
    buf_append_byte(b, ' ');
    put_parameters(b, h->type);
    buf_append_byte(b, ' ');
    put_text(b, h->id);
    buf_append_byte(b, ' ');
    put_text(b, h->description);
    buf_append_byte(b, ' ');
    put_encoding(b, h->encoding);
    buf_printf(b, " %llu", (unsigned long long)(p->end_at - p->body_at));
}

/* ---- The tree, without recursion -------------------------------------------------------------------------------------------------- */

struct frame {
    uint32_t part;
    uint32_t next;          /* child that comes next */
};

struct writer {
    struct buf                *to;
    const struct imap_message *message;
    bool                       extended;
    struct frame               stack[STACK_MAX];
    unsigned                   depth;
};

static bool
is_open(const struct imap_message *m, uint32_t at)
{
    return m->child[at] != PARSED_NO_PARENT;
}

static int
put_envelope(struct buf *b, const struct imap_message *m, uint32_t at)
{
    struct buf header;
    int        rc;

    buf_init(&header, IMAP_HEADER_BYTES_MAX);
    rc = read_header(m, at, &header);
    if (rc == MT_OK)
        imap_put_envelope(b, buf_slice(&header));
    buf_fini(&header);
    return rc == MT_OK ? b->fault : rc;
}

int
imap_put_message_envelope(struct buf *b, const struct imap_message *m)
{
    return put_envelope(b, m, 0);
}

/*
 * What a part is shown as. A multipart without a part in it, and a message that was not opened, have no place in the syntax: they are what
 * their octets are.
 */
static struct slice
shown_type(const struct imap_message *m, uint32_t at)
{
    struct slice type = m->parts[at].type;

    if (slice_starts(type, "multipart/") && !is_open(m, at))
        return slice_of("text/plain");
    if ((slice_equal(type, slice_of("message/rfc822")) || slice_equal(type, slice_of("message/global"))) && !is_open(m, at))
        return slice_of("application/octet-stream");
    return type;
}

static int
begin_part(struct writer *w, uint32_t at)
{
    const struct imap_message *m = w->message;
    const struct part         *p = &m->parts[at];
    struct part_header         h;
    int                        rc = MT_OK;

    buf_append_byte(w->to, '(');
    if (slice_starts(p->type, "multipart/") && is_open(m, at))
        return MT_OK;
    rc = read_part_header(m, at, &h);
    if (rc == MT_OK) {
        put_fields(w->to, shown_type(m, at), p, &h);
        if (imap_message_is_message(m, at)) {
            buf_append_byte(w->to, ' ');
            rc = put_envelope(w->to, m, m->child[at]);
            buf_append_byte(w->to, ' ');
        } else if (slice_starts(shown_type(m, at), "text/")) {
            buf_printf(w->to, " %u", p->lines);
        }
    }
    buf_fini(&h.octets);
    return rc;
}

static int
end_part(struct writer *w, uint32_t at)
{
    const struct imap_message *m = w->message;
    const struct part         *p = &m->parts[at];
    bool                       multipart = slice_starts(p->type, "multipart/") && is_open(m, at);
    struct part_header         h = { 0 };
    int                        rc = MT_OK;

    if (multipart) {
        buf_append_byte(w->to, ' ');
        imap_put_string(w->to, slice_sub(p->type, strlen("multipart/"), p->type.len));
    } else if (imap_message_is_message(m, at)) {
        buf_printf(w->to, " %u", p->lines);
    }
    if (w->extended && (rc = read_part_header(m, at, &h)) == MT_OK) {
        buf_append_byte(w->to, ' ');
        if (multipart)
            put_parameters(w->to, h.type);
        else
            put_text(w->to, h.md5);
        put_extension(w->to, &h);
    }
    buf_fini(&h.octets);
    buf_append_byte(w->to, ')');
    return rc;
}

int
imap_put_structure(struct buf *b, const struct imap_message *m, bool extended)
{
    struct writer w = { .to = b, .message = m, .extended = extended };
    int           rc = begin_part(&w, 0);

    w.stack[w.depth++] = (struct frame){ 0, m->child[0] };
    while (rc == MT_OK && b->fault == MT_OK && w.depth > 0) {
        struct frame *f = &w.stack[w.depth - 1];

        if (f->next == PARSED_NO_PARENT || w.depth == STACK_MAX) {
            rc = end_part(&w, f->part);
            w.depth--;
        } else {
            uint32_t at = f->next;

            f->next = m->sibling[at];
            rc = begin_part(&w, at);
            w.stack[w.depth++] = (struct frame){ at, m->child[at] };
        }
    }
    return rc == MT_OK ? b->fault : rc;
}
