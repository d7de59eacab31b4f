#include "imapd/imap_seek.h"

#include "imapd/imapd.h"

#include "lib/charset.h"
#include "lib/error.h"

#include <stdlib.h>

enum { MESSAGES_A_STEP = 200, NAMES_BYTES = 1024 };

bool
imap_seek_init(struct imap_seek *f, struct slice rest, bool uids)
{
    f->uids = uids;
    f->text = malloc(rest.len + 1);
    if (f->text == NULL || !imap_reader_init(&f->reader, slice_make(f->text, rest.len)))
        return false;
    memcpy(f->text, rest.data, rest.len);
    return true;
}

void
imap_seek_fini(struct imap_seek *f)
{
    imap_look_end(&f->look);
    imap_criteria_fini(&f->criteria);
    imap_reader_fini(&f->reader);
    imap_set_fini(&f->candidates);
    imap_set_fini(&f->found);
    free(f->text);
    f->text = NULL;
}

/* ---- Reading the command ------------------------------------------------------------------------------------------------------ */

void
imap_seek_read_returns(struct imap_seek *f)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } names[] = { { "MIN", IMAP_RETURN_MIN }, { "MAX", IMAP_RETURN_MAX }, { "COUNT", IMAP_RETURN_COUNT }, { "ALL", IMAP_RETURN_ALL },
                  { "SAVE", IMAP_RETURN_SAVE } };
    struct imap_reader *r = &f->reader;

    if (!imap_take(r, "RETURN ("))
        return;
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        struct slice word = imap_atom(r);
        size_t       i = 0;

        while (i < COUNT(names) && !slice_equal_nocase(word, slice_of(names[i].name)))
            i++;
        if (i == COUNT(names))
            imap_fail(r, "MIN, MAX, COUNT, ALL or SAVE");
        else
            f->returns |= names[i].bit;
        if (!imap_next_is(r, ')'))
            imap_space(r);
    }
    if (!imap_take(r, ") "))
        imap_fail(r, "the end of the options, and a space");
    if (f->returns == 0)
        f->returns = IMAP_RETURN_ALL;
}

void
imap_seek_refuse(struct connection *c, const struct imap_seek *f, const char *reason)
{
    struct imap *s = c->own;

    if ((f->returns & IMAP_RETURN_SAVE) != 0)
        imap_set_fini(&s->found);
    imap_answer(c, "NO", "%s", reason);
}

static void
refuse_charset(struct connection *c, const struct imap_seek *f)
{
    struct buf text;

    buf_init(&text, NAMES_BYTES);
    buf_append_string(&text, "[BADCHARSET (");
    charset_put_names(&text);
    buf_append(&text, ")] that charset is not known", sizeof(")] that charset is not known"));
    imap_seek_refuse(c, f, text.fault == MT_OK ? text.data : "[BADCHARSET] that charset is not known");
    buf_fini(&text);
}

static void choose_candidates(struct connection *c, struct imap_seek *f);

bool
imap_seek_read_criteria(struct connection *c, struct imap_seek *f, bool has_charset, struct slice charset)
{
    const struct imap           *s = c->own;
    struct imap_criteria_context context = { s->view.count, s->view.count == 0 ? 0 : s->view.uids[s->view.count - 1], &s->found, NULL };

    if (has_charset)
        context.charset = charset_find(charset);
    if (imap_ok(&f->reader) && has_charset && context.charset == NULL) {
        refuse_charset(c, f);
        return false;
    }
    if (!imap_criteria_read(&f->criteria, &f->reader, &context)) {
        imap_seek_refuse(c, f, "[SERVERBUG] out of memory");
        return false;
    }
    if (imap_refuse_syntax(c, &f->reader))
        return false;
    if (f->criteria.has_modseq)
        ((struct imap *)c->own)->enabled |= IMAP_CONDSTORE;     /* RFC 7162 section 3.1 */
    choose_candidates(c, f);
    return true;
}

/* ---- A token's shortcut --------------------------------------------------------------------------------------------------------- */

/* The token that every message found must have, where the criteria say so: a key that stands in no NOT and no OR. */
static bool
required_token(const struct imap_criteria *k, struct token *out)
{
    bool joined_only = true;

    for (unsigned i = 0; i < k->count && joined_only; i++)
        joined_only = k->keys[i].kind != KEY_OR && k->keys[i].kind != KEY_NOT;
    for (unsigned i = 0; i < k->count && joined_only; i++) {
        const struct imap_key *key = &k->keys[i];

        if ((key->kind == KEY_HEADER || key->kind == KEY_BODY || key->kind == KEY_TEXT) && token_decode(key->text, out) == MT_OK)
            return true;
    }
    return false;
}

static int
compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/*
 * The messages of the folder that the token's record names. More arrivals than it keeps, or mail in the folder that is no arrival: false,
 * and the folder is gone through.
 */
static bool
find_by_token(const struct imap_view *v, const struct db_view *db, const struct token *token, struct imap_set *out)
{
    struct token_record  record;
    struct folder_record folder;
    uint32_t             indexes[TOKEN_ARRIVALS_MAX];
    unsigned             count = 0;
    int                  rc = db_folder(db, v->mailbox_id, v->folder_id, &folder);

    if (rc != MT_OK || folder.brought)
        return false;
    rc = db_token(db, token, &record);
    if (rc == MT_ENOTFOUND)
        return true;
    if (rc != MT_OK || record.arrival_count > record.kept)
        return false;
    for (uint32_t i = 0; i < record.kept; i++) {
        struct message_record m;
        bool                  exact = false;
        uint32_t              at = 0;

        if (db_message(db, record.arrivals[i].message_id, &m) == MT_OK && m.mailbox_id == v->mailbox_id && m.folder_id == v->folder_id)
            at = imap_view_find(v, m.uid, &exact);
        if (exact)
            indexes[count++] = at;
    }
    qsort(indexes, count, sizeof(indexes[0]), compare);
    for (unsigned i = 0; i < count; i++)
        if (i == 0 || indexes[i] != indexes[i - 1])
            imap_set_append(out, indexes[i]);
    return true;
}

static void
choose_candidates(struct connection *c, struct imap_seek *f)
{
    const struct imap *s = c->own;
    struct db_view     view;
    struct token       token;
    bool               chosen = false;

    if (s->view.folder_id == FOLDER_INBOX && required_token(&f->criteria, &token) && db_view_begin(c->imapd->db, &view) == MT_OK) {
        chosen = find_by_token(&s->view, &view, &token, &f->candidates);
        db_view_end(&view);
    }
    if (chosen || s->view.count == 0)
        return;
    imap_set_fini(&f->candidates);
    if (imap_set_append(&f->candidates, 0))
        f->candidates.ranges[0].last = s->view.count - 1;
}

/* ---- Going through the folder -------------------------------------------------------------------------------------------------------- */

/* The next index to look at; false: that was the last. */
static bool
next_index(struct imap_seek *f, uint32_t *index)
{
    if (f->range < f->candidates.count && f->candidates.ranges[f->range].first + f->offset > f->candidates.ranges[f->range].last) {
        f->range++;
        f->offset = 0;
    }
    if (f->range >= f->candidates.count)
        return false;
    *index = f->candidates.ranges[f->range].first + f->offset++;
    return true;
}

static void
add_found(struct imap_seek *f, const struct imap_look *look)
{
    if (f->found.count == 0)
        f->modseq_first = look->modseq;
    imap_set_append(&f->found, look->uid);
    f->modseq_last = look->modseq;
    f->modseq = look->modseq > f->modseq ? look->modseq : f->modseq;
}

/* False: that was the last message. */
static bool
look_at_some(struct connection *c, struct imap_seek *f, const struct db_view *view)
{
    const struct imap *s = c->own;
    struct imap_look  *look = &f->look;
    uint32_t           index;

    look->view = view;
    look->criteria = &f->criteria;
    look->octets = 0;
    for (unsigned n = 0; n < MESSAGES_A_STEP && look->octets < IMAP_LOOK_OCTETS; n++) {
        enum imap_look_result result;

        if (!f->looking && !next_index(f, &index))
            return false;
        if (!f->looking) {
            imap_look_begin(look, index + 1, s->view.uids[index]);
            look->recent = imap_view_is_recent(&s->view, look->uid);
        }
        result = imap_look(look, s->view.mailbox_id, s->view.folder_id);
        f->looking = result == IMAP_LOOK_MORE;
        if (result == IMAP_LOOK_FOUND)
            add_found(f, look);
    }
    return true;
}

enum imap_seek_result
imap_seek_step(struct connection *c, struct imap_seek *f)
{
    struct db_view view;
    bool           more;

    if (db_view_begin(c->imapd->db, &view) != MT_OK) {
        imap_seek_refuse(c, f, "[UNAVAILABLE] the store cannot be read at the moment");
        return IMAP_SEEK_REFUSED;
    }
    more = look_at_some(c, f, &view);
    db_view_end(&view);
    return more ? IMAP_SEEK_MORE : IMAP_SEEK_DONE;
}

/* ---- What was found ------------------------------------------------------------------------------------------------------------------- */

static uint32_t
first_found(const struct imap_seek *f)
{
    return f->found.ranges[0].first;
}

static uint32_t
last_found(const struct imap_seek *f)
{
    return f->found.ranges[f->found.count - 1].last;
}

/* RFC 5182 section 2.4: with MIN and MAX alone, only these are saved. */
static bool
names_ends_only(const struct imap_seek *f)
{
    return (f->returns & (IMAP_RETURN_MIN | IMAP_RETURN_MAX)) != 0 && (f->returns & (IMAP_RETURN_COUNT | IMAP_RETURN_ALL)) == 0;
}

void
imap_seek_save(struct connection *c, struct imap_seek *f)
{
    struct imap    *s = c->own;
    struct imap_set saved = { 0 };

    if ((f->returns & IMAP_RETURN_SAVE) == 0)
        return;
    if (!names_ends_only(f) || f->found.count == 0) {
        saved = f->found;
        f->found = (struct imap_set){ 0 };
    } else {
        if ((f->returns & IMAP_RETURN_MIN) != 0)
            imap_set_append(&saved, first_found(f));
        if ((f->returns & IMAP_RETURN_MAX) != 0 && (saved.count == 0 || last_found(f) != first_found(f)))
            imap_set_append(&saved, last_found(f));
    }
    imap_set_fini(&s->found);
    s->found = saved;
}

bool
imap_seek_next(const struct imap_seek *f, uint32_t *range, uint32_t *offset, uint32_t *uid)
{
    if (*range < f->found.count && *offset > f->found.ranges[*range].last - f->found.ranges[*range].first) {
        ++*range;
        *offset = 0;
    }
    if (*range >= f->found.count)
        return false;
    *uid = f->found.ranges[*range].first + (*offset)++;
    return true;
}

uint32_t
imap_seek_count(const struct imap_seek *f)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f->found.count; i++)
        count += f->found.ranges[i].last - f->found.ranges[i].first + 1;
    return count;
}

uint32_t
imap_seek_shown(const struct imap *s, const struct imap_seek *f, uint32_t uid)
{
    bool exact;

    return f->uids ? uid : imap_view_find(&s->view, uid, &exact) + 1;
}

uint64_t
imap_seek_modseq(const struct imap_seek *f)
{
    uint64_t first = (f->returns & IMAP_RETURN_MIN) != 0 ? f->modseq_first : 0;
    uint64_t last = (f->returns & IMAP_RETURN_MAX) != 0 ? f->modseq_last : 0;

    return !names_ends_only(f) ? f->modseq : first > last ? first : last;
}
