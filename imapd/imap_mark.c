#include "imapd/imap_mark.h"

#include "imapd/imap.h"
#include "imapd/imapd.h"

#include "lib/error.h"

#include <stdlib.h>

struct imap_mark {
    struct imap_set        uids;
    struct imap_set        modified;        /* of these, those that were changed since */
    uint32_t               range, next;     /* the UID that comes next: of that range, behind its first */
    struct imap_mark_order order;
    uint32_t               asked[MSG_MESSAGES_DELETE_MAX];
    uint32_t               asked_count;
    uint32_t               told;            /* of these */
};

enum { TOLD_AT_ONCE = 20 };

static int  on_changed(struct connection *c, int rc, struct reader *r);
static void tell(struct connection *c);

void
imap_mark_free(struct imap_mark *m)
{
    if (m == NULL)
        return;
    imap_set_fini(&m->uids);
    imap_set_fini(&m->modified);
    free(m);
}

/* As numbers behind STORE, which moves none; as UIDs behind UID STORE (RFC 7162 section 3.1.3). */
static void
put_modified(struct buf *b, const struct imap_view *view, const struct imap_mark *m)
{
    struct imap_set numbers = { 0 };
    bool            exact;

    if (m->order.says_uid) {
        imap_set_put(b, &m->modified);
        return;
    }
    for (uint32_t i = 0; i < m->modified.count; i++)
        for (uint32_t uid = m->modified.ranges[i].first; uid <= m->modified.ranges[i].last; uid++) {
            uint32_t at = imap_view_find(view, uid, &exact);

            if (exact)
                imap_set_append(&numbers, at + 1);
        }
    imap_set_put(b, &numbers);
    imap_set_fini(&numbers);
}

static void
end(struct connection *c, const char *status, const char *text)
{
    struct imap      *s = c->own;
    struct imap_mark *m = s->mark;

    s->mark = NULL;
    if (m->modified.count > 0) {
        struct buf set;

        buf_init(&set, CONNECTION_OUT_BYTES_MAX / 2);
        put_modified(&set, &s->view, m);
        imap_answer(c, status, "[MODIFIED %.*s] %s %s", (int)set.len, set.data, m->order.command, text);
        buf_fini(&set);
    } else if (m->order.text != NULL && status[0] == 'O') {
        imap_answer(c, m->order.status, "%s", m->order.text);
    } else {
        imap_answer(c, status, status[0] == 'O' ? "%s %s" : "[UNAVAILABLE] %s %s", m->order.command, text);
    }
    imap_mark_free(m);
}

/* The next of the UIDs that the session knows. */
static void
choose(struct connection *c, struct imap_mark *m)
{
    const struct imap *s = c->own;

    m->asked_count = 0;
    for (; m->range < m->uids.count; m->range++, m->next = 0) {
        const struct imap_range *range = &m->uids.ranges[m->range];

        for (; range->first + m->next <= range->last; m->next++) {
            bool exact;

            if (m->asked_count == MSG_MESSAGES_DELETE_MAX)
                return;
            imap_view_find(&s->view, range->first + m->next, &exact);
            if (exact)
                m->asked[m->asked_count++] = range->first + m->next;
        }
    }
}

static void
ask(struct connection *c)
{
    struct imap      *s = c->own;
    struct imap_mark *m = s->mark;
    struct buf       *b;

    choose(c, m);
    if (m->asked_count == 0) {
        end(c, "OK", m->order.changes_nothing ? "changed nothing: the mailbox was opened to be read" : "completed");
        return;
    }
    if (m->order.changes_nothing) {
        tell(c);
        return;
    }
    b = store_ask_begin(c, MSG_FLAGS, on_changed);
    if (b == NULL) {
        end(c, "NO", "failed: the store is not there at the moment");
        return;
    }
    write_u32(b, s->view.mailbox_id);
    write_u32(b, s->view.folder_id);
    write_u8(b, m->order.op);
    write_u32(b, m->order.flags);
    write_string(b, m->order.keywords);
    write_u64(b, m->order.unchanged_since);
    write_u32(b, m->asked_count);
    for (uint32_t i = 0; i < m->asked_count; i++)
        write_u32(b, m->asked[i]);
    if (!store_ask_end(c->imapd))
        end(c, "NO", "failed: the store takes nothing more at the moment");
}

static void
say_flags(struct connection *c, const struct db_view *view, uint32_t uid)
{
    struct imap *s = c->own;
    struct entry e;
    bool         exact;
    uint32_t     at = imap_view_find(&s->view, uid, &exact);

    if (!exact || db_entry(view, s->view.mailbox_id, s->view.folder_id, uid, &e) != MT_OK)
        return;
    if (e.keywords.len > 0)
        imap_tell_keywords(c, view);
    buf_printf(&c->out, "* %u FETCH (", at + 1);
    if (s->mark->order.says_uid || (s->enabled & IMAP_QRESYNC) != 0)
        buf_printf(&c->out, "UID %u ", uid);
    if ((s->enabled & IMAP_CONDSTORE) != 0)
        buf_printf(&c->out, "MODSEQ (%llu)%s", (unsigned long long)e.modseq, s->mark->order.silent ? "" : " ");
    if (!s->mark->order.silent) {
        buf_append_string(&c->out, "FLAGS ");
        imap_put_flags(c, uid, &e);
    }
    buf_append_string(&c->out, ")\r\n");
}

/*
 * What was changed is told piece by piece, as the client reads it; then the next messages are asked for. RFC 7162 section 3.1.3: a client
 * that knows of CONDSTORE hears of the new modseq even where it wanted silence.
 */
static bool
tell_some(struct connection *c, struct imap_task *t)
{
    struct imap      *s = c->own;
    struct imap_mark *m = s->mark;
    struct db_view    view;
    uint32_t          until = m->told + TOLD_AT_ONCE < m->asked_count ? m->told + TOLD_AT_ONCE : m->asked_count;

    (void)t;
    if ((m->order.silent && (s->enabled & IMAP_CONDSTORE) == 0) || db_view_begin(c->imapd->db, &view) != MT_OK) {
        if (m->order.changes_nothing)
            end(c, "NO", "failed: the store cannot be read at the moment");
        else
            ask(c);
        return false;
    }
    for (; m->told < until; m->told++)
        if (!imap_set_has(&m->modified, m->asked[m->told]))
            say_flags(c, &view, m->asked[m->told]);
    db_view_end(&view);
    if (m->told == m->asked_count && m->order.changes_nothing) {       /* nobody is asked, so this task goes on with the next ones */
        choose(c, m);
        m->told = 0;
    }
    if (m->told < m->asked_count)
        return true;
    ask(c);
    return false;
}

static void
free_telling(struct imap_task *t)
{
    free(t);
}

static void
tell(struct connection *c)
{
    struct imap      *s = c->own;
    struct imap_task *t = calloc(1, sizeof(*t));
    struct db_view    view;

    s->mark->told = 0;
    if (s->mark->order.keywords[0] != '\0' && db_view_begin(c->imapd->db, &view) == MT_OK) {
        imap_tell_keywords(c, &view);
        db_view_end(&view);
    }
    if (t == NULL) {
        end(c, "NO", "failed: out of memory");
        return;
    }
    *t = (struct imap_task){ tell_some, free_telling };
    imap_begin_task(c, t);
}

static int
on_changed(struct connection *c, int rc, struct reader *r)
{
    struct imap      *s = c->own;
    struct imap_mark *m = s->mark;
    uint64_t          modseq = 0;
    uint32_t          count = 0;

    if (rc == MT_OK) {
        read_u64(r, &modseq);
        read_count(r, &count, MSG_MESSAGES_DELETE_MAX, sizeof(uint32_t));
        for (uint32_t i = 0; i < count; i++) {
            uint32_t uid;

            read_u32(r, &uid);
            imap_set_append(&m->modified, uid);
        }
        if (!read_end(r)) {
            end(c, "NO", "failed");
            return MT_EPROTO;
        }
    }
    if (rc != MT_OK) {
        end(c, "NO", rc == MT_ESIZE ? "failed: a message may have 1024 octets of keywords" : "failed in the store; some flags may have been changed");
        return MT_OK;
    }
    imap_view_forget_flags(&s->view, modseq);
    tell(c);
    return MT_OK;
}

void
imap_mark_begin(struct connection *c, struct imap_set *uids, const struct imap_mark_order *order)
{
    struct imap      *s = c->own;
    struct imap_mark *m = calloc(1, sizeof(*m));

    if (m == NULL) {
        imap_set_fini(uids);
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        return;
    }
    m->uids = *uids;
    *uids = (struct imap_set){ 0 };
    m->order = *order;
    m->order.silent = order->silent && !order->changes_nothing;
    s->mark = m;
    ask(c);
}
