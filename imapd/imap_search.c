/*
 * SEARCH and UID SEARCH (RFC 9051 section 6.4.4) with ESEARCH, SEARCHRES, WITHIN and CONDSTORE.
 */

#include "imapd/imap_seek.h"

#include "lib/error.h"

#include <stdlib.h>

struct search {
    struct imap_task task;
    struct imap_seek seek;
};

/* ---- Answering -------------------------------------------------------------------------------------------------------------------- */

/* As ranges; of message numbers each range is made anew, since neighbouring UIDs need not be neighbouring messages, and the other way round. */
static void
put_ranges(struct buf *b, const struct imap *s, const struct imap_seek *f)
{
    struct imap_set numbers = { 0 };
    uint32_t        range = 0, offset = 0, uid;

    while (imap_seek_next(f, &range, &offset, &uid))
        imap_set_append(&numbers, imap_seek_shown(s, f, uid));
    for (uint32_t i = 0; i < numbers.count; i++) {
        const struct imap_range *r = &numbers.ranges[i];

        buf_printf(b, r->first == r->last ? "%s%u" : "%s%u:%u", i == 0 ? "" : ",", r->first, r->last);
    }
    imap_set_fini(&numbers);
}

static void
say_esearch(struct connection *c, const struct imap_seek *f)
{
    const struct imap *s = c->own;
    struct buf        *b = &c->out;

    if ((f->returns & ~(unsigned)IMAP_RETURN_SAVE) == 0)
        return;
    buf_printf(b, "* ESEARCH (TAG \"%s\")%s", s->tag, f->uids ? " UID" : "");
    if ((f->returns & IMAP_RETURN_MIN) != 0 && f->found.count > 0)
        buf_printf(b, " MIN %u", imap_seek_shown(s, f, f->found.ranges[0].first));
    if ((f->returns & IMAP_RETURN_MAX) != 0 && f->found.count > 0)
        buf_printf(b, " MAX %u", imap_seek_shown(s, f, f->found.ranges[f->found.count - 1].last));
    if ((f->returns & IMAP_RETURN_COUNT) != 0)
        buf_printf(b, " COUNT %u", imap_seek_count(f));
    if ((f->returns & IMAP_RETURN_ALL) != 0 && f->found.count > 0) {
        buf_append_string(b, " ALL ");
        put_ranges(b, s, f);
    }
    if (f->criteria.has_modseq && f->found.count > 0)
        buf_printf(b, " MODSEQ %llu", (unsigned long long)imap_seek_modseq(f));
    buf_append_string(b, "\r\n");
}

static void
say_search(struct connection *c, const struct imap_seek *f)
{
    const struct imap *s = c->own;
    uint32_t           range = 0, offset = 0, uid;

    buf_append_string(&c->out, "* SEARCH");
    while (imap_seek_next(f, &range, &offset, &uid))
        buf_printf(&c->out, " %u", imap_seek_shown(s, f, uid));
    if (f->criteria.has_modseq && f->found.count > 0)
        buf_printf(&c->out, " (MODSEQ %llu)", (unsigned long long)f->modseq);
    buf_append_string(&c->out, "\r\n");
}

static bool
produce(struct connection *c, struct imap_task *t)
{
    struct imap_seek     *f = &((struct search *)t)->seek;
    enum imap_seek_result result = imap_seek_step(c, f);

    if (result != IMAP_SEEK_DONE)
        return result == IMAP_SEEK_MORE;
    if (f->returns == 0)
        say_search(c, f);
    else
        say_esearch(c, f);
    imap_seek_save(c, f);
    imap_answer(c, "OK", "SEARCH completed");
    return false;
}

/* ---- The command ------------------------------------------------------------------------------------------------------------------ */

static void
free_search(struct imap_task *t)
{
    imap_seek_fini(&((struct search *)t)->seek);
    free(t);
}

static void
begin_search(struct connection *c, struct imap_reader *command, bool uids)
{
    const struct imap *s = c->own;
    struct search     *f = calloc(1, sizeof(*f));
    struct slice       charset = slice_make("", 0);
    bool               has_charset;

    if (f == NULL || !imap_seek_init(&f->seek, command->rest, uids)) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        if (f != NULL)
            free_search(&f->task);
        return;
    }
    f->task = (struct imap_task){ produce, free_search };
    f->seek.reader.utf8 = command->utf8;
    imap_space(&f->seek.reader);
    imap_seek_read_returns(&f->seek);
    if (f->seek.returns == 0 && (s->enabled & IMAP_REV2) != 0)
        f->seek.returns = IMAP_RETURN_ALL;
    has_charset = imap_take(&f->seek.reader, "CHARSET ");
    if (has_charset) {
        charset = imap_astring(&f->seek.reader);
        imap_space(&f->seek.reader);
    }
    /* RFC 6855 section 3: strings are in UTF-8 anyway. */
    if (has_charset && (s->enabled & IMAP_UTF8) != 0)
        imap_fail(&f->seek.reader, "no CHARSET once UTF8=ACCEPT is enabled");
    if (imap_seek_read_criteria(c, &f->seek, has_charset, charset))
        imap_begin_task(c, &f->task);
    else
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
