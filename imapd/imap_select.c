/*
 * SELECT, EXAMINE, UNSELECT (RFC 9051 sections 6.3.2, 6.3.3, 6.4.2; RFC 3501), with CONDSTORE and QRESYNC (RFC 7162 sections 3.1.8 and 3.2.5).
 * Where messages have come that no session was told of yet, store is asked which of them are this session's first (\Recent). Where there are none,
 * SELECT waits for nobody.
 */

#include "imapd/imap.h"
#include "imapd/imap_name.h"
#include "imapd/imap_vanished.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/folder_name.h"

#include <stdlib.h>

enum { ENTRIES_AT_ONCE = 4096, TOLD_AT_ONCE = 200 };

/* What a client that comes back knows of the folder; modseq 0: it does not say. */
struct resync {
    uint32_t        uidvalidity;
    uint64_t        modseq;
    bool            has_known;
    struct imap_set known;                  /* UIDs */
    struct imap_set numbers, uids;          /* some messages, as it knows them */
};

/* A SELECT under way. */
struct imap_select {
    struct imap_task     task;
    bool                 read_only;
    char                 name[IMAP_NAME_BYTES + 1];
    char                 written[IMAP_NAME_BYTES + 1];     /* as the client calls it */
    struct folder_record folder;            /* without its name */
    char                 keywords[FOLDER_KEYWORDS_BYTES];
    uint32_t             recent_from;
    struct resync        resync;
    struct imap_vanished vanished;          /* what is still to be told of it */
    uint32_t             flags_from;        /* and from this UID on flags */
};

void
imap_select_free(struct imap_select *w)
{
    if (w == NULL)
        return;
    imap_set_fini(&w->resync.known);
    imap_set_fini(&w->resync.numbers);
    imap_set_fini(&w->resync.uids);
    imap_vanished_fini(&w->vanished);
    free(w);
}

void
imap_unselect(struct connection *c)
{
    struct imap *s = c->own;

    imap_view_close(&s->view);
    imap_set_fini(&s->found);
    s->state = IMAP_LOGGED_IN;
}

/* ---- Reading the command ---------------------------------------------------------------------------------------------------------- */

static void
read_known_set(struct imap_reader *r, struct imap_set *out)
{
    struct slice text = imap_set_text(r);

    if (imap_ok(r) && (slice_find(text, '*') != text.len || out->count > 0 || imap_set_parse(text, 0, out) != MT_OK))
        imap_fail(r, "a set of up to 8192 ranges, without \"*\",");
}

static uint64_t
count_members(const struct imap_set *s)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < s->count; i++)
        count += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
    return count;
}

/* "(" UIDVALIDITY, modseq, UIDs or none, and in parentheses numbers with their UIDs or none, ")". */
static void
read_resync(struct imap_reader *r, struct resync *y)
{
    if (!imap_take(r, " ("))
        imap_fail(r, "the list of QRESYNC");
    y->uidvalidity = imap_number(r);
    imap_space(r);
    y->modseq = imap_number64(r);
    if (imap_ok(r) && (y->uidvalidity == 0 || y->modseq == 0 || y->modseq > INT64_MAX))
        imap_fail(r, "a UIDVALIDITY, and a modseq, over 0");
    if (r->rest.len > 1 && r->rest.data[0] == ' ' && r->rest.data[1] != '(') {
        imap_space(r);
        y->has_known = true;
        read_known_set(r, &y->known);
    }
    if (imap_take(r, " (")) {
        read_known_set(r, &y->numbers);
        imap_space(r);
        read_known_set(r, &y->uids);
        if (!imap_take(r, ")") || count_members(&y->numbers) != count_members(&y->uids))
            imap_fail(r, "as many UIDs as message numbers");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the list of QRESYNC");
}

/* "(CONDSTORE QRESYNC (…))" behind the name. */
static void
read_options(struct imap *s, struct imap_reader *r, struct imap_select *w)
{
    if (!imap_take(r, " ("))
        return;
    do {
        struct slice word = imap_atom(r);

        if (slice_equal_nocase(word, slice_of("CONDSTORE")))
            s->enabled |= IMAP_CONDSTORE;
        else if (!slice_equal_nocase(word, slice_of("QRESYNC")) || w->resync.modseq != 0)
            imap_fail(r, "CONDSTORE or QRESYNC");
        else if ((s->enabled & IMAP_QRESYNC) == 0)
            imap_fail(r, "ENABLE QRESYNC, before its use,");
        else
            read_resync(r, &w->resync);
    } while (imap_ok(r) && imap_take(r, " "));
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the list");
}

/* ---- What a client that comes back has missed -------------------------------------------------------------------------------------- */

struct telling {
    struct connection        *c;
    const struct imap_select *w;
    uint32_t                  next;         /* UID to go on with; 0: all was told */
    unsigned                  looked, told;
};

static bool
tell_flags(void *arg, uint32_t uid, const struct entry *e)
{
    struct telling           *t = arg;
    const struct imap_select *w = t->w;
    struct imap              *s = t->c->own;
    bool                      exact;
    uint32_t                  at;

    if (t->looked++ == ENTRIES_AT_ONCE || t->told == TOLD_AT_ONCE) {
        t->next = uid;
        return false;
    }
    if (e->modseq <= w->resync.modseq || (w->resync.has_known && !imap_set_has(&w->resync.known, uid)))
        return true;
    at = imap_view_find(&s->view, uid, &exact);
    if (!exact)
        return true;
    t->told++;
    buf_printf(&t->c->out, "* %u FETCH (UID %u FLAGS ", at + 1, uid);
    imap_put_flags(t->c, uid, e);
    buf_printf(&t->c->out, " MODSEQ (%llu))\r\n", (unsigned long long)e->modseq);
    return true;
}

static void
say_selected(struct connection *c, bool read_only)
{
    imap_answer(c, "OK", "[%s] %s completed", read_only ? "READ-ONLY" : "READ-WRITE", read_only ? "EXAMINE" : "SELECT");
}

static bool
tell_missed(struct connection *c, struct imap_task *task)
{
    struct imap_select *w = (struct imap_select *)task;
    struct imap        *s = c->own;
    struct telling      t = { .c = c, .w = w };
    struct db_view      view;
    int                 rc;

    if (imap_vanished_say(c, &w->vanished))
        return true;
    rc = db_view_begin(c->imapd->db, &view);
    if (rc == MT_OK) {
        imap_tell_keywords(c, &view);
        rc = db_entries(&view, s->view.mailbox_id, s->view.folder_id, w->flags_from, tell_flags, &t);
        db_view_end(&view);
    }
    w->flags_from = t.next;
    if (rc == MT_OK && t.next != 0)
        return true;
    if (rc == MT_OK) {
        say_selected(c, w->read_only);
    } else {
        imap_unselect(c);
        imap_refuse_read(c, rc);
    }
    return false;
}

static void
free_task(struct imap_task *t)
{
    imap_select_free((struct imap_select *)t);
}

/* False: it missed nothing, or knows another folder. */
static bool
prepare_missed(const struct imap *s, struct imap_select *w)
{
    struct resync *y = &w->resync;

    if (y->modseq == 0 || y->uidvalidity != w->folder.uidvalidity || y->modseq >= w->folder.modseq)
        return false;
    w->vanished.next = imap_vanished_known(&s->view, &y->numbers, &y->uids) + 1;
    w->flags_from = 1;
    if (y->has_known)
        return imap_set_copy(&w->vanished.set, &y->known);
    if (s->view.uidnext > 1 && imap_set_append(&w->vanished.set, 1))
        w->vanished.set.ranges[0].last = s->view.uidnext - 1;
    return true;
}

/* ---- Selecting --------------------------------------------------------------------------------------------------------------------- */

static int
open_folder(struct connection *c, struct imap_select *w)
{
    struct imap   *s = c->own;
    struct db_view view;
    int            rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folder_by_name(&view, s->login.mailbox_id, slice_of(w->name), &w->folder);
    if (rc == MT_OK)
        rc = imap_view_open(&s->view, &view, &w->folder);
    if (rc == MT_OK) {
        if (w->folder.keywords.len > 0)
            memcpy(w->keywords, w->folder.keywords.data, w->folder.keywords.len);
        w->folder.keywords.data = w->keywords;
        w->folder.name = slice_make(NULL, 0);   /* ends with the view */
    }
    db_view_end(&view);
    return rc;
}

static void
say_folder(struct connection *c, const struct imap_select *w)
{
    const struct folder_record *f = &w->folder;
    struct imap                *s = c->own;

    imap_say_flags(c, f->keywords);
    imap_say(c, "%u EXISTS", s->view.count);
    if ((s->enabled & IMAP_REV2) != 0)
        imap_say_folder(c, f->id, w->written);
    if (imap_knows_recent(s)) {
        imap_say(c, "%u RECENT", imap_view_count_recent(&s->view));
        if (s->view.first_unseen > 0)
            imap_say(c, "OK [UNSEEN %u] the first that was not read", s->view.first_unseen);
    }
    imap_say(c, "OK [UIDVALIDITY %u] UIDs are valid", f->uidvalidity);
    imap_say(c, "OK [UIDNEXT %u] the next UID", f->uidnext);
    imap_say(c, "OK [HIGHESTMODSEQ %llu] the newest change", (unsigned long long)(f->modseq == 0 ? 1 : f->modseq));
    imap_say(c, "OK [MAILBOXID (F%x-%u)] its id", f->mailbox_id, f->id);
}

/* Takes over w. What is recent is known now. */
static void
finish(struct connection *c, struct imap_select *w)
{
    struct imap *s = c->own;

    imap_view_add_recent(&s->view, w->recent_from, w->folder.uidnext);
    s->view.recent_next = w->folder.uidnext;
    say_folder(c, w);
    if (prepare_missed(s, w)) {
        w->task = (struct imap_task){ tell_missed, free_task };
        imap_begin_task(c, &w->task);
        return;
    }
    say_selected(c, w->read_only);
    imap_select_free(w);
}

/* Another session may have been told of them meanwhile. Where store cannot say, they are taken for recent (RFC 3501 section 2.3.2). */
static int
on_claimed(struct connection *c, int rc, struct reader *r)
{
    struct imap        *s = c->own;
    struct imap_select *w = s->select;
    uint32_t            before = 0;

    s->select = NULL;
    if (rc == MT_OK) {
        read_u32(r, &before);
        rc = read_end(r) ? MT_OK : MT_EPROTO;
    }
    if (before > w->recent_from)
        w->recent_from = before;
    finish(c, w);
    return rc == MT_EPROTO ? rc : MT_OK;
}

/* False: store is not there. */
static bool
ask_to_claim(struct connection *c, struct imap_select *w)
{
    struct imap *s = c->own;
    struct buf  *b = store_ask_begin(c, MSG_RECENT, on_claimed);

    if (b == NULL)
        return false;
    write_u32(b, w->folder.mailbox_id);
    write_u32(b, w->folder.id);
    write_u32(b, w->folder.uidnext);
    if (!store_ask_end(c->imapd))
        return false;
    s->select = w;
    return true;
}

/* Takes over w. */
static void
enter_folder(struct connection *c, struct imap_select *w)
{
    struct imap *s = c->own;
    int          rc;

    if (s->state == IMAP_SELECTED)
        imap_say(c, "OK [CLOSED] the mailbox before is closed");
    imap_unselect(c);
    rc = open_folder(c, w);
    if (rc != MT_OK) {
        imap_select_free(w);
        imap_refuse_read(c, rc);
        return;
    }
    s->read_only = w->read_only;
    slice_copy(s->selected, sizeof(s->selected), slice_of(w->name));
    s->state = IMAP_SELECTED;
    w->recent_from = imap_recent_from(c, &w->folder);
    s->view.claims = !w->read_only;
    imapd_watch(c->imapd, &s->view);
    if (!s->view.claims || w->recent_from >= w->folder.uidnext || !ask_to_claim(c, w))
        finish(c, w);
}

static void
open_selected(struct connection *c, struct imap_reader *r, bool read_only)
{
    struct imap        *s = c->own;
    struct imap_select *w = calloc(1, sizeof(*w));

    if (w == NULL) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        return;
    }
    w->read_only = read_only || s->login.reads_only;
    imap_space(r);
    folder_name_copy(w->name, imap_read_written_name(r, w->written));
    read_options(s, r, w);
    if (imap_refuse_syntax(c, r))
        imap_select_free(w);
    else
        enter_folder(c, w);
}

static void
select_folder(struct connection *c, struct imap_reader *r)
{
    open_selected(c, r, false);
}

static void
examine(struct connection *c, struct imap_reader *r)
{
    open_selected(c, r, true);
}

static void
unselect_folder(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    imap_unselect(c);
    imap_answer(c, "OK", "UNSELECT completed");
}

const struct imap_verb imap_select_verbs[] = {
    { "SELECT",   IMAP_LOGGED_IN | IMAP_SELECTED, false, select_folder   },
    { "EXAMINE",  IMAP_LOGGED_IN | IMAP_SELECTED, false, examine         },
    { "UNSELECT", IMAP_SELECTED,                  false, unselect_folder },
    { NULL,       0,                              false, NULL            },
};
