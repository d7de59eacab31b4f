/*
 * SEARCH and UID SEARCH (RFC 9051 section 6.4.4) with ESEARCH, SEARCHRES, WITHIN and CONDSTORE. Message by message, cheap keys first
 * where the order allows; the octets of a message are read only where a key asks for them.
 *
 * A search for a token in INBOX goes through the token's record instead of the folder.
 */

#include "imapd/imap.h"
#include "imapd/imap_criteria.h"
#include "imapd/imap_look.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdlib.h>

enum { MESSAGES_A_TURN = 200 };

enum search_return { RETURN_MIN = 1, RETURN_MAX = 2, RETURN_COUNT = 4, RETURN_ALL = 8, RETURN_SAVE = 16 };

struct search {
    struct imap_task     task;
    char                *text;              /* owned: the command, that keys point into */
    struct imap_reader   reader;
    struct imap_criteria criteria;
    unsigned             returns;           /* enum search_return; 0: the old answer */
    bool                 uids;
    struct imap_set      candidates;        /* indexes to look at */
    uint32_t             range, offset;     /* where it is in them */
    struct imap_look     look;              /* at the message under way */
    bool                 looking;
    struct imap_set      found;             /* UIDs */
    uint64_t             modseq;            /* highest of what was found */
};

/* ---- Reading the command ------------------------------------------------------------------------------------------------------ */

static void
read_returns(struct search *f, struct imap_reader *r)
{
    static const struct {
        const char *name;
        unsigned    bit;
    } names[] = { { "MIN", RETURN_MIN }, { "MAX", RETURN_MAX }, { "COUNT", RETURN_COUNT }, { "ALL", RETURN_ALL }, { "SAVE", RETURN_SAVE } };

    while (imap_ok(r) && !imap_next_is(r, ')')) {
        struct slice word = imap_atom(r);
        size_t       i = 0;

        while (i < COUNT(names) && !slice_equal_nocase(word, slice_of(names[i].name)))
            i++;
        if (i == COUNT(names))
            imap_fail(r, "MIN, MAX, COUNT, ALL or SAVE");
        else
            f->returns |= names[i].bit;
        imap_take(r, " ");
    }
    if (!imap_take(r, ") "))
        imap_fail(r, "the end of the options, and a space");
    if (f->returns == 0)
        f->returns = RETURN_ALL;
}

/* False: a charset that is not known. */
static bool
read_charset(struct imap_reader *r)
{
    struct slice charset;

    if (!imap_take(r, "CHARSET "))
        return true;
    charset = imap_astring(r);
    imap_space(r);
    return slice_equal_nocase(charset, slice_of("UTF-8")) || slice_equal_nocase(charset, slice_of("US-ASCII"));
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
choose_candidates(struct connection *c, struct search *f)
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

/* ---- Answering -------------------------------------------------------------------------------------------------------------------- */

static uint32_t
shown(const struct imap *s, const struct search *f, uint32_t uid)
{
    bool exact;

    return f->uids ? uid : imap_view_find(&s->view, uid, &exact) + 1;
}

static uint32_t
count_found(const struct search *f)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f->found.count; i++)
        count += f->found.ranges[i].last - f->found.ranges[i].first + 1;
    return count;
}

/* As ranges; of message numbers each range is made anew, since neighbouring UIDs need not be neighbouring messages, and the other way round. */
static void
put_ranges(struct buf *b, const struct imap *s, const struct search *f)
{
    struct imap_set numbers = { 0 };

    for (uint32_t i = 0; i < f->found.count; i++)
        for (uint32_t uid = f->found.ranges[i].first; uid <= f->found.ranges[i].last && uid != 0; uid++)
            imap_set_append(&numbers, shown(s, f, uid));
    for (uint32_t i = 0; i < numbers.count; i++) {
        const struct imap_range *r = &numbers.ranges[i];

        buf_printf(b, r->first == r->last ? "%s%u" : "%s%u:%u", i == 0 ? "" : ",", r->first, r->last);
    }
    imap_set_fini(&numbers);
}

static void
say_esearch(struct connection *c, const struct search *f)
{
    const struct imap *s = c->own;
    struct buf        *b = &c->out;

    if ((f->returns & ~(unsigned)RETURN_SAVE) == 0)
        return;
    buf_printf(b, "* ESEARCH (TAG \"%s\")%s", s->tag, f->uids ? " UID" : "");
    if ((f->returns & RETURN_MIN) != 0 && f->found.count > 0)
        buf_printf(b, " MIN %u", shown(s, f, f->found.ranges[0].first));
    if ((f->returns & RETURN_MAX) != 0 && f->found.count > 0)
        buf_printf(b, " MAX %u", shown(s, f, f->found.ranges[f->found.count - 1].last));
    if ((f->returns & RETURN_COUNT) != 0)
        buf_printf(b, " COUNT %u", count_found(f));
    if ((f->returns & RETURN_ALL) != 0 && f->found.count > 0) {
        buf_append_string(b, " ALL ");
        put_ranges(b, s, f);
    }
    if (f->criteria.has_modseq && f->found.count > 0)
        buf_printf(b, " MODSEQ %llu", (unsigned long long)f->modseq);
    buf_append_string(b, "\r\n");
}

static void
say_search(struct connection *c, const struct search *f)
{
    const struct imap *s = c->own;

    buf_append_string(&c->out, "* SEARCH");
    for (uint32_t i = 0; i < f->found.count; i++)
        for (uint32_t uid = f->found.ranges[i].first; uid <= f->found.ranges[i].last && uid != 0; uid++)
            buf_printf(&c->out, " %u", shown(s, f, uid));
    if (f->criteria.has_modseq && f->found.count > 0)
        buf_printf(&c->out, " (MODSEQ %llu)", (unsigned long long)f->modseq);
    buf_append_string(&c->out, "\r\n");
}

static void
end_search(struct connection *c, struct search *f)
{
    struct imap *s = c->own;

    if (f->returns == 0)
        say_search(c, f);
    else
        say_esearch(c, f);
    if ((f->returns & RETURN_SAVE) != 0) {
        imap_set_fini(&s->found);
        s->found = f->found;
        f->found = (struct imap_set){ 0 };
    }
    imap_answer(c, "OK", "SEARCH completed");
}

/* ---- Going through the folder -------------------------------------------------------------------------------------------------------- */

/* The next index to look at; false: that was the last. */
static bool
next_index(struct search *f, uint32_t *index)
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

/* False: that was the last message. */
static bool
look_at_some(struct connection *c, struct search *f, const struct db_view *view)
{
    const struct imap *s = c->own;
    struct imap_look  *look = &f->look;
    uint32_t           index;

    look->view = view;
    look->criteria = &f->criteria;
    look->octets = 0;
    for (unsigned n = 0; n < MESSAGES_A_TURN && look->octets < IMAP_LOOK_OCTETS; n++) {
        enum imap_look_result result;

        if (!f->looking && !next_index(f, &index))
            return false;
        if (!f->looking)
            imap_look_begin(look, index + 1, s->view.uids[index]);
        result = imap_look(look, s->view.mailbox_id, s->view.folder_id);
        f->looking = result == IMAP_LOOK_MORE;
        if (result == IMAP_LOOK_FOUND && imap_set_append(&f->found, look->uid) && look->modseq > f->modseq)
            f->modseq = look->modseq;
    }
    return true;
}

static bool
produce(struct connection *c, struct imap_task *t)
{
    struct search *f = (struct search *)t;
    struct db_view view;
    bool           more;

    if (db_view_begin(c->imapd->db, &view) != MT_OK) {
        imap_answer(c, "NO", "[UNAVAILABLE] the store cannot be read at the moment");
        return false;
    }
    more = look_at_some(c, f, &view);
    db_view_end(&view);
    if (!more)
        end_search(c, f);
    return more;
}

static void
free_search(struct imap_task *t)
{
    struct search *f = (struct search *)t;

    imap_look_end(&f->look);
    imap_criteria_fini(&f->criteria);
    imap_reader_fini(&f->reader);
    imap_set_fini(&f->candidates);
    imap_set_fini(&f->found);
    free(f->text);
    free(f);
}

static struct search *
new_search(struct slice rest, bool uids)
{
    struct search *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->task = (struct imap_task){ produce, free_search };
    f->uids = uids;
    f->text = malloc(rest.len + 1);
    if (f->text == NULL || !imap_reader_init(&f->reader, slice_make(f->text, rest.len))) {
        free_search(&f->task);
        return NULL;
    }
    memcpy(f->text, rest.data, rest.len);
    return f;
}

static void
begin_search(struct connection *c, struct imap_reader *command, bool uids)
{
    const struct imap            *s = c->own;
    const struct imap_set_context sets = { s->view.count, s->view.count == 0 ? 0 : s->view.uids[s->view.count - 1], &s->found };
    struct search                *f = new_search(command->rest, uids);
    bool                          known;

    if (f == NULL) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        return;
    }
    imap_space(&f->reader);
    if (imap_take(&f->reader, "RETURN ("))
        read_returns(f, &f->reader);
    known = read_charset(&f->reader);
    if (!known && imap_ok(&f->reader)) {
        imap_answer(c, "NO", "[BADCHARSET (US-ASCII UTF-8)] that charset is not known");
    } else if (!imap_criteria_read(&f->criteria, &f->reader, &sets)) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
    } else if (!imap_refuse_syntax(c, &f->reader)) {
        choose_candidates(c, f);
        imap_begin_task(c, &f->task);
        return;
    }
    free_search(&f->task);
}

static void
search(struct connection *c, struct imap_reader *r)
{
    begin_search(c, r, false);
}

static void
uid_search(struct connection *c, struct imap_reader *r)
{
    begin_search(c, r, true);
}

const struct imap_verb imap_search_verbs[] = {
    { "SEARCH",     IMAP_SELECTED, true,  search     },
    { "UID SEARCH", IMAP_SELECTED, false, uid_search },
    { NULL,         0,             false, NULL       },
};
