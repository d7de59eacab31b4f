/* What a session is told of its folder without having asked: message numbers, flags, arrivals, keywords, and which messages are recent. */

#include "imapd/imap.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdio.h>

/* A VANISHED line is ended when it has become this long. */
enum { VANISHED_LINE_BYTES = 8 * 1024 };

/* ---- Flags ---------------------------------------------------------------------------------------------------------------------- */

void
imap_put_flags(struct connection *c, uint32_t uid, const struct entry *e)
{
    static const struct {
        uint32_t    flag;
        const char *name;
    } flags[] = {
        { ENTRY_SEEN, "\\Seen" }, { ENTRY_ANSWERED, "\\Answered" }, { ENTRY_FLAGGED, "\\Flagged" },
        { ENTRY_DELETED, "\\Deleted" }, { ENTRY_DRAFT, "\\Draft" },
    };
    const struct imap *s = c->own;
    struct buf        *b = &c->out;
    const char        *before = "";

    buf_append_byte(b, '(');
    for (size_t i = 0; i < COUNT(flags); i++) {
        if ((e->flags & flags[i].flag) == 0)
            continue;
        buf_printf(b, "%s%s", before, flags[i].name);
        before = " ";
    }
    if (imap_knows_recent(s) && imap_view_is_recent(&s->view, uid)) {
        buf_printf(b, "%s\\Recent", before);
        before = " ";
    }
    if (e->keywords.len > 0) {
        buf_append_string(b, before);
        buf_append_slice(b, e->keywords);
    }
    buf_append_byte(b, ')');
}

/* Each with a space in front. A "]" would end a response code; the folder may have a keyword with one from older versions. */
static void
put_keywords(struct buf *b, struct slice keywords, bool in_code)
{
    while (keywords.len > 0) {
        size_t       len = slice_find(keywords, ' ');
        struct slice word = slice_sub(keywords, 0, len);

        keywords = slice_sub(keywords, len + 1, keywords.len);
        if (word.len == 0 || (in_code && slice_find(word, ']') < word.len))
            continue;
        buf_append_byte(b, ' ');
        buf_append_slice(b, word);
    }
}

void
imap_say_flags(struct connection *c, struct slice keywords)
{
    static const char  system[] = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";
    const struct imap *s = c->own;
    struct buf        *b = &c->out;

    buf_printf(b, "* FLAGS (%s", system);
    put_keywords(b, keywords, false);
    buf_append_string(b, ")\r\n");
    if (s->read_only) {
        imap_say(c, "OK [PERMANENTFLAGS ()] no flags can be changed");
        return;
    }
    buf_printf(b, "* OK [PERMANENTFLAGS (%s", system);
    put_keywords(b, keywords, true);
    buf_append_string(b, " \\*)] flags that are kept\r\n");
}

void
imap_tell_keywords(struct connection *c, const struct db_view *view)
{
    struct imap         *s = c->own;
    struct folder_record folder;

    if (db_folder(view, s->view.mailbox_id, s->view.folder_id, &folder) == MT_OK && imap_view_take_keywords(&s->view, folder.keywords))
        imap_say_flags(c, folder.keywords);
}

/* ---- \Recent -------------------------------------------------------------------------------------------------------------------- */

uint32_t
imap_recent_from(struct connection *c, const struct folder_record *f)
{
    const struct imap *s = c->own;
    uint32_t           claimed = imapd_claimed(c->imapd, &s->view, f->uidnext);
    uint32_t           from = f->recent_uid > s->view.recent_next ? f->recent_uid : s->view.recent_next;

    return claimed > from ? claimed : from;
}

/*
 * Arrivals are recent for the session that is told of them first; that store learns it is waited for by nobody. Should the claim be lost,
 * they are recent once more for who comes next.
 */
static void
add_arrivals(struct connection *c, const struct folder_record *f)
{
    struct imap *s = c->own;
    uint32_t     from = imap_recent_from(c, f);
    struct buf  *b;

    if (from < f->uidnext) {
        imap_view_add_recent(&s->view, from, f->uidnext);
        if (s->view.claims && (b = store_tell_begin(c->imapd, MSG_RECENT)) != NULL) {
            write_u32(b, s->view.mailbox_id);
            write_u32(b, s->view.folder_id);
            write_u32(b, f->uidnext);
            store_ask_end(c->imapd);
        }
    }
    s->view.recent_next = f->uidnext;
}

/* ---- What changed in the folder --------------------------------------------------------------------------------------------------- */

/* One telling. With QRESYNC, what vanished gathers in ranges. */
struct telling {
    struct connection *c;
    bool               line;            /* a VANISHED line is begun */
    size_t             line_at;         /* where, in c->out */
    struct imap_range  range;           /* what comes next in it */
};

static void
put_range(struct telling *t)
{
    imap_put_range(&t->c->out, &t->range);
    t->range = (struct imap_range){ 0 };
}

static void
end_line(struct telling *t)
{
    if (!t->line)
        return;
    put_range(t);
    buf_append_string(&t->c->out, "\r\n");
    t->line = false;
}

static void
tell_vanished(struct telling *t, uint32_t uid)
{
    struct buf *out = &t->c->out;

    if (t->line && uid == t->range.last + 1) {
        t->range.last = uid;
        return;
    }
    if (t->line && out->len - t->line_at > VANISHED_LINE_BYTES)
        end_line(t);
    if (t->line) {
        put_range(t);
        buf_append_byte(out, ',');
    } else {
        t->line = true;
        t->line_at = out->len;
        buf_append_string(out, "* VANISHED ");
    }
    t->range = (struct imap_range){ uid, uid };
}

static void
tell_expunged(void *arg, uint32_t number, uint32_t uid)
{
    struct telling    *t = arg;
    const struct imap *s = t->c->own;

    if ((s->enabled & IMAP_QRESYNC) != 0)
        tell_vanished(t, uid);
    else
        imap_say(t->c, "%u EXPUNGE", number);
}

static void
tell_changed(void *arg, uint32_t number, uint32_t uid, const struct entry *e)
{
    struct telling    *t = arg;
    struct connection *c = t->c;
    const struct imap *s = c->own;

    end_line(t);
    buf_printf(&c->out, "* %u FETCH (UID %u FLAGS ", number, uid);
    imap_put_flags(c, uid, e);
    if ((s->enabled & IMAP_CONDSTORE) != 0)
        buf_printf(&c->out, " MODSEQ (%llu)", (unsigned long long)e->modseq);
    buf_append_string(&c->out, ")\r\n");
}

static void
tell_exists(void *arg, uint32_t count, const struct folder_record *f)
{
    struct telling    *t = arg;
    const struct imap *s = t->c->own;

    end_line(t);
    add_arrivals(t->c, f);
    imap_say(t->c, "%u EXISTS", count);
    if (imap_knows_recent(s))
        imap_say(t->c, "%u RECENT", imap_view_count_recent(&s->view));
}

static void
tell_keywords(void *arg, struct slice keywords)
{
    struct telling *t = arg;

    end_line(t);
    imap_say_flags(t->c, keywords);
}

/* That another session deleted the folder is nothing to worry about. */
static void
log_lost(const struct connection *c, int rc)
{
    const struct imap *s = c->own;

    if (rc == MT_ENOTFOUND)
        log_info("s=%x event=folder-lost protocol=imap client=%s %s folder=\"%s\" reason=\"it was deleted\"", c->number, c->client,
                 SESSION_NAMES(&c->session), LOG_TEXT(slice_of(s->selected)));
    else
        log_warning("s=%x event=folder-lost protocol=imap client=%s %s folder=\"%s\" reason=\"%s\"", c->number, c->client,
                    SESSION_NAMES(&c->session), LOG_TEXT(slice_of(s->selected)), mt_strerror(rc));
}

void
imap_tell(struct connection *c, bool expunges)
{
    static const struct imap_view_events events = { tell_expunged, tell_changed, tell_exists, tell_keywords };
    struct telling t = { .c = c };
    struct imap   *s = c->own;
    int            rc;

    if (s->state != IMAP_SELECTED)
        return;
    rc = imap_view_tell(&s->view, c->imapd->db, expunges, &events, &t);
    end_line(&t);
    if (rc == MT_OK)
        return;
    log_lost(c, rc);
    imap_say(c, rc == MT_ENOTFOUND ? "BYE the mailbox was deleted" : "BYE [UNAVAILABLE] the mailbox cannot be read any more");
    connection_end(c);
}

/* An idling client hears of what happened in this turn of the loop in one go. */
void
imap_changed(struct connection *c)
{
    struct imap *s = c->own;

    if (s->wait != IMAP_WAIT_DONE)
        return;
    imap_tell(c, true);
    connection_turn(c);
}

const char *
imap_vanished_code(struct connection *c, char text[IMAP_VANISHED_CODE_BYTES])
{
    struct imap *s = c->own;

    text[0] = '\0';
    if ((s->enabled & IMAP_QRESYNC) == 0 || s->state != IMAP_SELECTED)
        return text;
    imap_view_compare(&s->view);
    imap_tell(c, true);
    snprintf(text, IMAP_VANISHED_CODE_BYTES, "[HIGHESTMODSEQ %llu] ", (unsigned long long)imap_view_told_modseq(&s->view));
    return text;
}
