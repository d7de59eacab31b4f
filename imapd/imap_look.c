#include "imapd/imap_look.h"

#include "imapd/imap_header.h"
#include "imapd/imap_match.h"
#include "imapd/imap_thread_id.h"

#include "lib/content_type.h"
#include "lib/date.h"
#include "lib/encoded_word.h"
#include "lib/error.h"
#include "lib/mime.h"

#include <stdlib.h>
#include <time.h>

enum { PIECE_BYTES = 64 * 1024, DAY_S = 86400 };

struct message {
    struct imap_look     *look;
    struct entry          entry;
    struct message_record record;
    bool                  has_record;
    struct buf            header;
    bool                  has_header;
    bool                  unreadable;
    bool                  pending;      /* the step has done enough */
};

static bool
read_record(struct message *m)
{
    if (!m->has_record)
        m->unreadable = m->unreadable || db_message(m->look->view, m->entry.message_id, &m->record) != MT_OK;
    m->has_record = !m->unreadable;
    return m->has_record;
}

/* The message's header, up to IMAP_HEADER_BYTES_MAX, read once in a step; empty where it cannot be read. */
static struct slice
read_header(struct message *m)
{
    struct part   root;
    struct reader parts;
    uint64_t      len;

    if (m->has_header || !read_record(m))
        return buf_slice(&m->header);
    m->has_header = true;
    reader_init(&parts, m->record.parsed.parts);
    if (!part_next(&parts, &root))
        return buf_slice(&m->header);
    len = m->record.head.len + root.body_at;
    if (db_message_read(m->look->view, &m->record, 0, len < IMAP_HEADER_BYTES_MAX ? (size_t)len : IMAP_HEADER_BYTES_MAX, &m->header) != MT_OK)
        m->unreadable = true;
    m->look->octets += m->header.len;
    return buf_slice(&m->header);
}

/* ---- Texts ---------------------------------------------------------------------------------------------------------------------- */

static void
feed_match(void *arg, struct slice utf8)
{
    imap_match_feed(arg, utf8);
}

/* A field's value, as it stands without its folds, and decoded. name: it is searched with its name in front; empty: without. */
static void
feed_field(struct imap_match *match, struct slice name, struct slice value)
{
    struct buf line;

    buf_init(&line, name.len + value.len + 3);
    if (name.len > 0) {
        buf_append_slice(&line, name);
        buf_append_string(&line, ": ");
    }
    imap_put_unfolded(&line, value);
    imap_match_break(match);
    imap_match_feed(match, buf_slice(&line));
    if (memmem(value.data, value.len, "=?", 2) != NULL) {
        imap_match_break(match);
        charset_decode_words(buf_slice(&line), feed_match, match);
    }
    imap_match_break(match);
    buf_fini(&line);
}

/*
 * The header, for a key that goes through all of it; what the key goes through counts as read. m->pending: the step has done enough; the key's
 * value does not count.
 */
static struct slice
header_for_key(struct message *m)
{
    struct slice header = slice_make("", 0);

    m->pending = m->look->octets >= IMAP_LOOK_OCTETS;
    if (!m->pending) {
        header = read_header(m);
        m->look->octets += header.len;
    }
    return header;
}

static bool
has_field(struct message *m, const struct imap_key *key)
{
    struct imap_match match;
    struct imap_field field;
    struct slice      rest = header_for_key(m);

    imap_match_init(&match, key->text);
    match.found = false;                /* an empty string is in every field, but a field there must be */
    while (!match.found && imap_next_field(&rest, &field)) {
        if (!slice_equal_nocase(field.name, key->name))
            continue;
        if (key->text.len == 0)
            return true;
        m->look->octets += field.value.len;
        feed_field(&match, slice_make("", 0), field.value);
    }
    return match.found;
}

/* ---- BODY and TEXT: the walk, with what it decodes ------------------------------------------------------------------------------- */

struct imap_text_look {
    struct imap_match    match;
    struct mime_walk    *walk;
    bool                 busy;
    uint64_t             at;            /* octets of the message as served that were fed */
    bool                 headers;       /* TEXT: headers, too */
    uint32_t             part;
    const struct charset *charset;      /* of the part whose header passes */
    bool                 converts;      /* the part's body goes through text */
    struct charset_text  text;
};

static void
begin_part(void *arg, const struct mime_part *p)
{
    struct imap_text_look *t = arg;

    (void)p;
    t->charset = NULL;
}

static void
ignore_part(void *arg, const struct mime_part *p)
{
    (void)arg;
    (void)p;
}

static void
look_at_field(void *arg, const struct mime_part *p, const struct header_field *f)
{
    struct imap_text_look *t = arg;
    char                   name[ENCODED_WORD_CHARSET_CHARS + 1];

    if (f->first && f->last && slice_equal_nocase(f->name, slice_of("Content-Type")) &&
        content_type_parameter(f->value, "charset", name, sizeof(name)))
        t->charset = charset_find(slice_of(name));
    if (t->match.found || (!t->headers && p->index == 0))
        return;
    if (f->first && f->last) {
        feed_field(&t->match, f->name, f->value);
        return;
    }
    if (f->first)
        imap_match_break(&t->match);
    imap_match_feed(&t->match, f->value);
    if (f->last)
        imap_match_break(&t->match);
}

static void
end_text(struct imap_text_look *t)
{
    if (t->converts)
        charset_text_finish(&t->text);
    t->converts = false;
}

static void
look_at_header_end(void *arg, const struct mime_part *p)
{
    struct imap_text_look *t = arg;

    end_text(t);
    if (t->charset == NULL || charset_is_utf8(t->charset) || !slice_starts(slice_of(p->type), "text/"))
        return;
    charset_text_begin(&t->text, t->charset, feed_match, &t->match);
    t->converts = true;
    t->part = p->index;
}

static void
look_at_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct imap_text_look *t = arg;

    if (t->match.found)
        return;
    if (p->index != t->part) {
        end_text(t);
        imap_match_break(&t->match);
    }
    t->part = p->index;
    if (t->converts)
        charset_text_feed(&t->text, octets);
    else
        imap_match_feed(&t->match, octets);
}

static void
text_look_free(struct imap_text_look *t)
{
    if (t != NULL) {
        end_text(t);
        mime_walk_free(t->walk);
    }
    free(t);
}

static struct imap_text_look *
text_look_new(void)
{
    static const struct mime_events events = {
        .part_begin = begin_part, .field = look_at_field, .header_end = look_at_header_end, .body = look_at_body, .part_end = ignore_part,
    };
    struct imap_text_look *t = malloc(sizeof(*t));

    if (t == NULL)
        return NULL;
    t->busy = t->converts = false;
    t->walk = mime_walk_new(&events, t);
    if (t->walk == NULL) {
        free(t);
        return NULL;
    }
    return t;
}

/* Ready for a message. False: out of memory. */
static bool
text_look_begin(struct imap_look *l, const struct message_record *m, struct slice needle, bool headers)
{
    if (l->text == NULL && (l->text = text_look_new()) == NULL)
        return false;
    if (l->text->busy)
        return true;
    end_text(l->text);
    mime_walk_reset(l->text->walk);
    imap_match_init(&l->text->match, needle);
    l->text->charset = NULL;
    l->text->part = 0;
    l->text->headers = headers;
    l->text->at = headers ? 0 : m->head.len;
    l->text->busy = true;
    return true;
}

/* The next octets. False: that were all, or they cannot be read. */
static bool
text_look_step(struct message *m, struct imap_text_look *t)
{
    uint64_t   size = message_size(&m->record), left = size > t->at ? size - t->at : 0;
    struct buf piece;
    bool       more;

    buf_init(&piece, PIECE_BYTES);
    more = left > 0 && db_message_read(m->look->view, &m->record, t->at, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, &piece) == MT_OK && piece.len > 0;
    if (more)
        mime_walk_feed(t->walk, buf_slice(&piece));
    t->at += piece.len;
    m->look->octets += piece.len;
    buf_fini(&piece);
    more = more && t->at < size;
    if (!more) {
        mime_walk_finish(t->walk);
        end_text(t);
        imap_match_found(&t->match);
    }
    return more;
}

/* m->pending: the step has done enough; the value does not count. */
static bool
has_text(struct message *m, const struct imap_key *key, bool headers)
{
    struct imap_look *l = m->look;

    if (!read_record(m) || !text_look_begin(l, &m->record, key->text, headers))
        return false;
    do {
        m->pending = l->octets >= IMAP_LOOK_OCTETS;
        if (m->pending)
            return false;
    } while (!l->text->match.found && text_look_step(m, l->text));
    l->text->busy = false;
    return l->text->match.found;
}

/* ---- Keys ------------------------------------------------------------------------------------------------------------------------- */

static bool
fits_day(enum imap_key_kind kind, enum imap_key_kind first, int64_t seconds, int64_t day)
{
    int64_t of = seconds / DAY_S - (seconds % DAY_S < 0);

    return kind == first ? of < day : kind == first + 1 ? of == day : of >= day;
}

/*
 * RFC 9051 section 6.4.4: "disregarding time and timezone", so the day as it is written counts. It is at most one beside that of UTC,
 * which is known without reading the header, and mostly decides.
 */
static bool
fits_sent(struct message *m, const struct imap_key *key)
{
    int64_t           sent = m->record.parsed.date_unix, zone_s = 0;
    struct imap_field field;
    bool              early, late;

    if (sent == 0)
        return false;
    early = fits_day(key->kind, KEY_SENT_BEFORE, sent - DAY_S, key->day);
    late = fits_day(key->kind, KEY_SENT_BEFORE, sent + DAY_S, key->day);
    if (early == late && key->kind != KEY_SENT_ON)
        return early;
    if (key->kind == KEY_SENT_ON && (sent / DAY_S > key->day + 1 || sent / DAY_S < key->day - 2))
        return false;
    if (!imap_find_field(header_for_key(m), "Date", &field) || date_parse_zone(field.value, &sent, &zone_s) != MT_OK)
        zone_s = 0;
    return fits_day(key->kind, KEY_SENT_BEFORE, sent + zone_s, key->day);
}

static bool
fits_thread_id(struct message *m, const struct imap_key *key)
{
    return imap_thread_id_of(header_for_key(m), m->entry.message_id) == key->number;
}

static bool
fits_age(const struct message *m, const struct imap_key *key)
{
    uint64_t now = (uint64_t)time(NULL), received = m->record.received_us / 1000000;
    uint64_t age = now > received ? now - received : 0;

    return key->kind == KEY_YOUNGER ? age <= key->number : age >= key->number;
}

static bool
fits_record(struct message *m, const struct imap_key *key)
{
    if (!read_record(m))
        return false;
    switch (key->kind) {
    case KEY_LARGER:
        return message_size(&m->record) > key->number;
    case KEY_SMALLER:
        return message_size(&m->record) < key->number;
    case KEY_BEFORE:
    case KEY_ON:
    case KEY_SINCE:
        return fits_day(key->kind, KEY_BEFORE, (int64_t)(m->record.received_us / 1000000), key->day);
    case KEY_SENT_BEFORE:
    case KEY_SENT_ON:
    case KEY_SENT_SINCE:
        return fits_sent(m, key);
    case KEY_SAVED_BEFORE:
    case KEY_SAVED_ON:
    case KEY_SAVED_SINCE:
        return fits_day(key->kind, KEY_SAVED_BEFORE, (int64_t)(m->record.committed_us / 1000000), key->day);
    case KEY_YOUNGER:
    case KEY_OLDER:
        return fits_age(m, key);
    case KEY_THREAD_ID:
        return fits_thread_id(m, key);
    case KEY_HEADER:
        return has_field(m, key);
    case KEY_BODY:
        return has_text(m, key, false);
    default:
        return has_text(m, key, true);
    }
}

static bool
fits(struct message *m, const struct imap_key *key)
{
    switch (key->kind) {
    case KEY_ALL:
        return true;
    case KEY_NONE:
        return false;
    case KEY_RECENT:
        return m->look->recent;
    case KEY_NUMBERS:
        return imap_set_has(&key->set, m->look->number);
    case KEY_UIDS:
        return imap_set_has(&key->set, m->look->uid);
    case KEY_FLAG:
        return (m->entry.flags & key->number) != 0;
    case KEY_KEYWORD:
        return entry_has_keyword(m->entry.keywords, key->text);
    case KEY_MODSEQ:
        return m->entry.modseq >= key->number;
    case KEY_EMAIL_ID:
        return m->entry.message_id == key->number;
    default:
        return fits_record(m, key);
    }
}

/*
 * Each key's value goes on a stack; an operator takes its operands from there. What is joined with something false by AND, or with
 * something true by OR, need not be looked at: a key is expensive only where it reads the message.
 */
static enum imap_look_result
evaluate(struct message *m)
{
    struct imap_look           *l = m->look;
    const struct imap_criteria *k = l->criteria;

    for (; l->key < k->count; l->key++) {
        const struct imap_key *key = &k->keys[l->key];
        bool                  *values = l->values + l->depth;     /* the last is in front of it */
        enum imap_key_kind     next = l->depth > 0 && l->key + 1 < k->count ? k->keys[l->key + 1].kind : KEY_ALL;
        bool                   spared = next == KEY_AND ? !values[-1] : next == KEY_OR && values[-1];
        bool                   value;

        if (key->kind == KEY_NOT) {
            values[-1] = !values[-1];
        } else if (key->kind == KEY_AND || key->kind == KEY_OR) {
            values[-2] = key->kind == KEY_AND ? values[-2] && values[-1] : values[-2] || values[-1];
            l->depth--;
        } else {
            value = !spared && fits(m, key);
            if (m->pending)
                return IMAP_LOOK_MORE;
            l->values[l->depth++] = value;
        }
    }
    return l->depth == 1 && l->values[0] && !m->unreadable ? IMAP_LOOK_FOUND : IMAP_LOOK_OTHER;
}

void
imap_look_end(struct imap_look *l)
{
    text_look_free(l->text);
    l->text = NULL;
}

void
imap_look_begin(struct imap_look *l, uint32_t number, uint32_t uid)
{
    if (l->text != NULL)
        l->text->busy = false;
    l->number = number;
    l->uid = uid;
    l->key = l->depth = 0;
    l->modseq = 0;
}

enum imap_look_result
imap_look(struct imap_look *l, uint32_t mailbox_id, uint32_t folder_id)
{
    struct message        m = { .look = l };
    enum imap_look_result result;

    if (db_entry(l->view, mailbox_id, folder_id, l->uid, &m.entry) != MT_OK)
        return IMAP_LOOK_OTHER;
    l->modseq = m.entry.modseq;
    buf_init(&m.header, IMAP_HEADER_BYTES_MAX);
    result = evaluate(&m);
    buf_fini(&m.header);
    return result;
}
