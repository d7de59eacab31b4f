#include "imapd/imap_look.h"

#include "imapd/imap_header.h"
#include "imapd/imap_match.h"

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
    bool                  unreadable;
    bool                  pending;
};

static bool
read_record(struct message *m)
{
    if (!m->has_record)
        m->unreadable = m->unreadable || db_message(m->look->view, m->entry.message_id, &m->record) != MT_OK;
    m->has_record = !m->unreadable;
    return m->has_record;
}

/* ---- Texts ---------------------------------------------------------------------------------------------------------------------- */

static void
match_word(void *arg, const char *charset, struct slice octets)
{
    (void)charset;
    imap_match_feed(arg, octets);
}

/* A field's value, as it stands without its folds, and decoded. */
static bool
value_matches(struct imap_match *match, struct slice value)
{
    struct encoded_word words;
    struct buf          line;
    bool                found;

    buf_init(&line, value.len + 1);
    imap_put_unfolded(&line, value);
    imap_match_reset(match);
    imap_match_feed(match, buf_slice(&line));
    found = match->found;
    if (!found && memmem(value.data, value.len, "=?", 2) != NULL) {
        imap_match_reset(match);
        encoded_word_init(&words, match_word, match);
        encoded_word_feed(&words, buf_slice(&line));
        encoded_word_finish(&words);
        found = match->found;
    }
    buf_fini(&line);
    return found;
}

static bool
has_field(struct message *m, const struct imap_key *key)
{
    struct imap_match match;
    struct imap_field field;
    struct part       root;
    struct reader     parts;
    struct buf        header;
    struct slice      rest;
    bool              found = false;
    uint64_t          len;

    if (!read_record(m))
        return false;
    reader_init(&parts, m->record.parsed.parts);
    if (!part_next(&parts, &root))
        return false;
    len = m->record.head.len + root.body_at;
    buf_init(&header, IMAP_HEADER_BYTES_MAX);
    imap_match_init(&match, key->text);
    if (db_message_read(m->look->view, &m->record, 0, len < IMAP_HEADER_BYTES_MAX ? (size_t)len : IMAP_HEADER_BYTES_MAX, &header) == MT_OK)
        for (rest = buf_slice(&header); !found && imap_next_field(&rest, &field);)
            found = slice_equal_nocase(field.name, key->name) && value_matches(&match, field.value);
    m->look->octets += header.len;
    buf_fini(&header);
    return found;
}

/* ---- BODY and TEXT: the walk, with what it decodes ------------------------------------------------------------------------------- */

struct imap_text_look {
    struct imap_match match;
    struct mime_walk *walk;
    uint64_t          at;               /* octets of the message as served that were fed */
    bool              headers;          /* TEXT: headers, too */
    uint32_t          part;
};

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
    bool              found = t->match.found;

    if (!t->headers && p->index == 0)
        return;
    if (f->first && f->last)
        t->match.found = value_matches(&t->match, f->value) || found;
    else
        imap_match_feed(&t->match, f->value);
    imap_match_break(&t->match);
}

static void
look_at_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct imap_text_look *t = arg;

    if (p->index != t->part)
        imap_match_break(&t->match);
    t->part = p->index;
    imap_match_feed(&t->match, octets);
}

static void
text_look_free(struct imap_text_look *t)
{
    if (t != NULL)
        mime_walk_free(t->walk);
    free(t);
}

static struct imap_text_look *
text_look_new(const struct message_record *m, struct slice needle, bool headers)
{
    static const struct mime_events events = {
        .part_begin = ignore_part, .field = look_at_field, .header_end = ignore_part, .body = look_at_body, .part_end = ignore_part,
    };
    struct imap_text_look *t = calloc(1, sizeof(*t));

    if (t == NULL || (t->walk = mime_walk_new(&events, t)) == NULL) {
        free(t);
        return NULL;
    }
    imap_match_init(&t->match, needle);
    t->headers = headers;
    t->at = headers ? 0 : m->head.len;
    return t;
}

/* The next octets. False: that were all, or they cannot be read. */
static bool
text_look_step(struct message *m, struct imap_text_look *t)
{
    struct buf piece;
    bool       more;

    buf_init(&piece, PIECE_BYTES);
    more = db_message_read(m->look->view, &m->record, t->at, PIECE_BYTES, &piece) == MT_OK && piece.len > 0;
    if (more)
        mime_walk_feed(t->walk, buf_slice(&piece));
    else
        mime_walk_finish(t->walk);
    t->at += piece.len;
    m->look->octets += piece.len;
    buf_fini(&piece);
    return more;
}

/* m->pending: the step has done enough; the value does not count. */
static bool
has_text(struct message *m, const struct imap_key *key, bool headers)
{
    struct imap_look *l = m->look;
    bool              found;

    if (!read_record(m) || (l->text == NULL && (l->text = text_look_new(&m->record, key->text, headers)) == NULL))
        return false;
    do {
        m->pending = l->octets >= IMAP_LOOK_OCTETS;
        if (m->pending)
            return false;
    } while (text_look_step(m, l->text) && !l->text->match.found);
    found = l->text->match.found;
    text_look_free(l->text);
    l->text = NULL;
    return found;
}

/* ---- Keys ------------------------------------------------------------------------------------------------------------------------- */

static bool
fits_day(enum imap_key_kind kind, enum imap_key_kind first, int64_t seconds, uint64_t day)
{
    int64_t of = seconds / DAY_S - (seconds % DAY_S < 0);

    return kind == first ? of < (int64_t)day : kind == first + 1 ? of == (int64_t)day : of >= (int64_t)day;
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
        return fits_day(key->kind, KEY_BEFORE, (int64_t)(m->record.received_us / 1000000), key->number);
    case KEY_SENT_BEFORE:
    case KEY_SENT_ON:
    case KEY_SENT_SINCE:
        return m->record.parsed.date_unix != 0 && fits_day(key->kind, KEY_SENT_BEFORE, m->record.parsed.date_unix, key->number);
    case KEY_SAVED_BEFORE:
    case KEY_SAVED_ON:
    case KEY_SAVED_SINCE:
        return fits_day(key->kind, KEY_SAVED_BEFORE, (int64_t)(m->record.committed_us / 1000000), key->number);
    case KEY_YOUNGER:
    case KEY_OLDER:
        return fits_age(m, key);
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
 * Each key's value goes on a stack; an operator takes its operands from there. What is joined with something false by AND alone need not
 * be looked at: a key is expensive only where it reads the message.
 */
static enum imap_look_result
evaluate(struct message *m)
{
    struct imap_look           *l = m->look;
    const struct imap_criteria *k = l->criteria;

    for (; l->key < k->count; l->key++) {
        const struct imap_key *key = &k->keys[l->key];
        bool                  *values = l->values + l->depth;     /* the last is in front of it */
        bool                   spared = l->depth > 0 && !values[-1] && l->key + 1 < k->count && k->keys[l->key + 1].kind == KEY_AND;
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
    imap_look_end(l);
    l->number = number;
    l->uid = uid;
    l->key = l->depth = 0;
    l->modseq = 0;
}

enum imap_look_result
imap_look(struct imap_look *l, uint32_t mailbox_id, uint32_t folder_id)
{
    struct message m = { .look = l };

    if (db_entry(l->view, mailbox_id, folder_id, l->uid, &m.entry) != MT_OK)
        return IMAP_LOOK_OTHER;
    l->modseq = m.entry.modseq;
    return evaluate(&m);
}
