/* FETCH and UID FETCH: message by message, each from a snapshot of its own. imap_fetch.h tells of the other files. */

#include "imapd/imap_fetch.h"
#include "imapd/imap_mark.h"
#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdlib.h>

/* The next index of the set; false: that was the last. */
static bool
advance(struct imap_fetch *f)
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
 * Everything up to the first long item, or as much as is enough at once, from one snapshot. f->at > 0: goes on with the message behind a
 * long one.
 */
static int
say_message(struct connection *c, struct imap_fetch *f, const struct db_view *view)
{
    struct imap        *s = c->own;
    uint32_t            uid = s->view.uids[f->index];
    struct imap_message m = { 0 };
    struct entry        e;
    bool                begins = f->at == 0;
    size_t              before = c->out.len;
    int                 rc = db_entry(view, s->view.mailbox_id, s->view.folder_id, uid, &e);

    if (rc == MT_OK && begins && f->changed_since != 0 && e.modseq <= f->changed_since)
        return MT_OK;
    if (rc == MT_OK && imap_fetch_needs_record(f))
        rc = imap_message_open(view, e.message_id, &m);
    if (rc == MT_OK && imap_fetch_needs_record(f) &&
        (m.record.uid != uid || m.record.folder_id != s->view.folder_id || m.record.mailbox_id != s->view.mailbox_id))
        rc = MT_EDAMAGED;       /* whole, but of another folder: somebody else's, where the damage is in an id */
    if (rc == MT_OK && begins && imap_fetch_needs_octets(f))
        rc = db_message_check(view, &m.record);
    if (rc == MT_OK) {
        if (begins && e.keywords.len > 0) {
            imap_tell_keywords(c, view);
            before = c->out.len;
        }
        if (begins)
            buf_printf(&c->out, "* %u FETCH (", f->index + 1);
        f->message_id = e.message_id;
        rc = imap_fetch_say(c, f, &m, uid, &e);
    }
    if (begins && rc == MT_OK && f->marks && !s->read_only && (e.flags & ENTRY_SEEN) == 0)
        imap_set_append(&f->seen, uid);
    c->session.fetched += begins && rc == MT_OK && imap_fetch_needs_octets(f);
    if (begins && rc != MT_OK) {        /* nothing of it has left yet */
        c->out.len = before;
        f->message_id = 0;
    }
    imap_message_close(&m);
    return rc;
}

static bool
is_within_message(const struct imap_fetch *f)
{
    return f->at > 0 && f->message_id != 0;
}

/* Its folder was deleted meanwhile, with all that was asked for. */
static bool
folder_has_gone(struct connection *c)
{
    const struct imap   *s = c->own;
    struct folder_record folder;
    struct db_view       view;
    bool                 gone;

    if (db_view_begin(c->imapd->db, &view) != MT_OK)
        return false;
    gone = db_folder(&view, s->view.mailbox_id, s->view.folder_id, &folder) == MT_ENOTFOUND;
    db_view_end(&view);
    return gone;
}

/*
 * RFC 2180 section 4.1, RFC 5530, RFC 3516 section 4.3: what could be said was said; the tagged answer tells what could not.
 */
static void
end_fetch(struct connection *c, struct imap_fetch *f)
{
    const char *status = f->damaged || f->undecodable ? "NO" : "OK";
    const char *text = f->damaged     ? "[CORRUPTION] a message is damaged on the disk and cannot be shown" :
                       f->undecodable ? "[UNKNOWN-CTE] a part has an encoding that is not known; BODY[] shows it as it is" :
                       f->gone        ? "[EXPUNGEISSUED] some of the messages have gone" : "FETCH completed";

    if (f->gone && folder_has_gone(c)) {
        imap_answer(c, "NO", "[NONEXISTENT] the mailbox was deleted");
        return;
    }
    if (f->seen.count > 0)
        imap_mark_begin(c, &f->seen, &(struct imap_mark_order){ .op = MSG_FLAGS_ADD, .flags = ENTRY_SEEN, .unchanged_since = UINT64_MAX,
                                                                .says_uid = f->uids, .command = "FETCH", .status = status, .text = text });
    else
        imap_answer(c, status, "%s", text);
}

/* A message that has gone, or is damaged, has no answer: the others have theirs. False: the client must not take it for whole. */
static bool
pass_over(struct connection *c, struct imap_fetch *f, int rc)
{
    if (is_within_message(f) || (rc != MT_ENOTFOUND && rc != MT_EDAMAGED)) {
        /* What was promised cannot be kept: an end is better than wrong octets. */
        log_warning("s=%x event=fetch-cut client=%s reason=\"%s\"", c->number, c->client, mt_strerror(rc));
        connection_break(c);
        return false;
    }
    f->gone = f->gone || rc == MT_ENOTFOUND;
    f->damaged = f->damaged || rc == MT_EDAMAGED;
    if (rc == MT_EDAMAGED)
        log_error("s=%x event=message-damaged client=%s uid=%u", c->number, c->client, ((struct imap *)c->own)->view.uids[f->index]);
    return true;
}

static bool
produce(struct connection *c, struct imap_task *t)
{
    struct imap_fetch *f = (struct imap_fetch *)t;
    struct db_view     view;
    int                rc;

    if (imap_vanished_say(c, &f->vanished))
        return true;
    if (!is_within_message(f)) {
        f->at = 0;
        f->said = false;
        f->message_id = 0;
        if (!advance(f)) {
            end_fetch(c, f);
            return false;
        }
    }
    rc = db_view_begin(c->imapd->db, &view);
    if (rc == MT_OK) {
        rc = f->stage != FETCH_ITEMS ? imap_fetch_go_on(c, f, &view) : say_message(c, f, &view);
        db_view_end(&view);
    }
    return rc == MT_OK || pass_over(c, f, rc);
}

static void
free_fetch(struct imap_task *t)
{
    struct imap_fetch *f = (struct imap_fetch *)t;

    imap_reader_fini(&f->reader);
    imap_set_fini(&f->indexes);
    imap_set_fini(&f->seen);
    imap_vanished_fini(&f->vanished);
    free(f->text);
    free(f->items);
    free(f);
}

static struct imap_fetch *
new_fetch(struct slice rest, bool uids)
{
    struct imap_fetch *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->task = (struct imap_task){ produce, free_fetch };
    f->uids = uids;
    f->text = malloc(rest.len + 1);
    f->items = malloc(IMAP_FETCH_ITEMS_MAX * sizeof(*f->items));      /* large, and seldom more than a few are used: not touched before */
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
    struct imap_fetch *f = new_fetch(r->rest, uids);
    struct imap_reader ahead;

    if (f == NULL) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        return;
    }
    f->reader.utf8 = r->utf8;
    imap_space(&f->reader);
    ahead = f->reader;
    f->set = imap_set_text(&ahead);
    if (!imap_read_set(c, &f->reader, uids, &f->indexes)) {
        free_fetch(&f->task);
        return;
    }
    imap_space(&f->reader);
    imap_fetch_read(c, f);
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
