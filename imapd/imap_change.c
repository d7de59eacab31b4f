/* STORE, UID STORE, EXPUNGE, UID EXPUNGE, CLOSE (RFC 9051 sections 6.4.6, 6.4.3, 6.4.1; RFC 4315). */

#include "imapd/imap.h"
#include "imapd/imap_mark.h"
#include "imapd/imapd.h"

#include "lib/error.h"

#include <stdlib.h>

enum { ENTRIES_AT_ONCE = 4096 };

/* ---- STORE ---------------------------------------------------------------------------------------------------------------- */

static void
add_flag(struct imap_mark_order *order, struct imap_reader *r, struct slice flag)
{
    static const struct {
        const char *name;
        uint32_t    flag;
    } flags[] = {
        { "\\Seen", ENTRY_SEEN }, { "\\Answered", ENTRY_ANSWERED }, { "\\Flagged", ENTRY_FLAGGED }, { "\\Deleted", ENTRY_DELETED },
        { "\\Draft", ENTRY_DRAFT }, { "\\Recent", 0 },
    };
    size_t len = strlen(order->keywords);

    for (size_t i = 0; i < COUNT(flags); i++)
        if (slice_equal_nocase(flag, slice_of(flags[i].name))) {
            order->flags |= flags[i].flag;
            return;
        }
    if (flag.len > 0 && flag.data[0] == '\\')
        imap_fail(r, "\\Seen, \\Answered, \\Flagged, \\Deleted, \\Draft or a keyword");
    else if (len + 1 + flag.len > ENTRY_KEYWORDS_BYTES)
        imap_fail(r, "at most 1024 octets of keywords");
    else if (!entry_has_keyword(slice_of(order->keywords), flag)) {
        if (len > 0)
            order->keywords[len++] = ' ';
        memcpy(order->keywords + len, flag.data, flag.len);
        order->keywords[len + flag.len] = '\0';
    }
}

void
imap_mark_read_flags(struct imap_mark_order *order, struct imap_reader *r)
{
    if (!imap_take(r, "(")) {
        do
            add_flag(order, r, imap_flag(r));
        while (imap_take(r, " "));
        return;
    }
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        add_flag(order, r, imap_flag(r));
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the flags");
}

static void
read_store(struct connection *c, struct imap_mark_order *order, struct imap_reader *r)
{
    if (imap_take(r, "(UNCHANGEDSINCE ")) {
        order->unchanged_since = imap_number64(r);
        ((struct imap *)c->own)->enabled |= IMAP_CONDSTORE;
        if (!imap_take(r, ") "))
            imap_fail(r, "the end of the modifiers, and a space");
    }
    order->op = imap_take(r, "+") ? MSG_FLAGS_ADD : imap_take(r, "-") ? MSG_FLAGS_REMOVE : MSG_FLAGS_SET;
    if (!imap_take(r, "FLAGS"))
        imap_fail(r, "FLAGS, +FLAGS or -FLAGS");
    order->silent = imap_take(r, ".SILENT");
    imap_space(r);
    imap_mark_read_flags(order, r);
}

bool
imap_uids_of(const struct imap_view *v, const struct imap_set *indexes, struct imap_set *uids)
{
    *uids = (struct imap_set){ 0 };
    for (uint32_t i = 0; i < indexes->count; i++)
        for (uint32_t at = indexes->ranges[i].first; at <= indexes->ranges[i].last && at < v->count; at++)
            if (!imap_set_append(uids, v->uids[at]))
                return false;
    return true;
}

static void
store_flags(struct connection *c, struct imap_reader *r, bool with_uids)
{
    struct imap           *s = c->own;
    struct imap_mark_order order = { .unchanged_since = UINT64_MAX, .says_uid = with_uids, .command = "STORE" };
    struct imap_set        indexes, uids = { 0 };

    imap_space(r);
    if (!imap_read_set(c, r, with_uids, &indexes))
        return;
    imap_space(r);
    read_store(c, &order, r);
    if (imap_refuse_syntax(c, r)) {
        imap_set_fini(&indexes);
        return;
    }
    order.changes_nothing = s->read_only || s->login.reads_only;
    if (!imap_uids_of(&s->view, &indexes, &uids))
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
    else
        imap_mark_begin(c, &uids, &order);
    imap_set_fini(&uids);
    imap_set_fini(&indexes);
}

static void
store_numbers(struct connection *c, struct imap_reader *r)
{
    store_flags(c, r, false);
}

static void
store_uids(struct connection *c, struct imap_reader *r)
{
    store_flags(c, r, true);
}

/* ---- EXPUNGE ---------------------------------------------------------------------------------------------------------------- */

static int on_expunged(struct connection *c, int rc, struct reader *r);

/* Goes through the folder for the next messages that are marked, as many as one request takes. */
struct marked {
    struct imap_task        task;
    const struct imap_view *view;
    const struct imap_set  *only;       /* UIDs; NULL: all */
    uint32_t                next_uid;   /* to be looked at */
    unsigned                looked;     /* in this step */
    bool                    more;       /* there may be more to look at */
    uint64_t                ids[MSG_MESSAGES_DELETE_MAX];
    uint32_t                count;
};

static bool
add_marked(void *arg, uint32_t uid, const struct entry *e)
{
    struct marked *m = arg;
    bool           exact;

    m->next_uid = uid;
    m->more = m->looked++ == ENTRIES_AT_ONCE || m->count == MSG_MESSAGES_DELETE_MAX;
    if (m->more)
        return false;
    m->next_uid = uid + 1;
    if ((e->flags & ENTRY_DELETED) == 0 || (m->only != NULL && !imap_set_has(m->only, uid)))
        return true;
    imap_view_find(m->view, uid, &exact);
    if (exact)
        m->ids[m->count++] = e->message_id;
    return true;
}

static int
find_marked(struct connection *c, struct marked *m)
{
    const struct imap *s = c->own;
    struct db_view     view;
    int                rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    m->looked = 0;
    m->more = false;
    rc = db_entries(&view, s->view.mailbox_id, s->view.folder_id, m->next_uid, add_marked, m);
    db_view_end(&view);
    return rc;
}

static void
end_expunge(struct connection *c, const char *status, const char *text)
{
    struct imap *s = c->own;
    char         code[IMAP_VANISHED_CODE_BYTES];

    imap_set_fini(&s->expunging);
    if (s->expunged > 0)
        session_removed_from(c, "expunged", s->view.folder_id, s->expunged);
    if (s->closes)
        imap_unselect(c);       /* and no code: the client has not heard which have gone (RFC 7162 section 3.2.8) */
    imap_answer(c, status, "%s%s", s->expunged > 0 && status[0] == 'O' ? imap_vanished_code(c, code) : "", text);
}

static void
ask_to_expunge(struct connection *c, const struct marked *m)
{
    struct imap *s = c->own;
    struct buf  *b = store_ask_begin(c, MSG_MESSAGES_DELETE, on_expunged);

    if (b == NULL) {
        end_expunge(c, "NO", "[UNAVAILABLE] some messages were not removed: the store is not there at the moment");
        return;
    }
    s->expunge_next = m->next_uid;
    write_u32(b, s->view.mailbox_id);
    write_u32(b, m->count);
    for (uint32_t i = 0; i < m->count; i++)
        write_u64(b, m->ids[i]);
    if (!store_ask_end(c->imapd))
        end_expunge(c, "NO", "[UNAVAILABLE] some messages were not removed: the store takes nothing more at the moment");
}

/* A step through the folder. Where enough is found, store is asked, whose answer goes on. */
static bool
produce_marked(struct connection *c, struct imap_task *t)
{
    const struct imap *s = c->own;
    struct marked     *m = (struct marked *)t;
    int                rc = find_marked(c, m);

    if (rc == MT_OK && m->more && m->count < MSG_MESSAGES_DELETE_MAX)
        return true;
    if (rc != MT_OK)
        end_expunge(c, "NO", "[UNAVAILABLE] some messages were not removed: the mailbox cannot be read at the moment");
    else if (m->count > 0)
        ask_to_expunge(c, m);
    else
        end_expunge(c, "OK", s->closes ? "CLOSE completed" : "EXPUNGE completed");
    return false;
}

static void
free_marked(struct imap_task *t)
{
    free(t);
}

/* The messages that are marked, from that UID on. */
static void
expunge_from(struct connection *c, uint32_t uid)
{
    struct imap   *s = c->own;
    struct marked *m = malloc(sizeof(*m));

    if (m == NULL) {
        end_expunge(c, "NO", "[SERVERBUG] out of memory: some messages were not removed");
        return;
    }
    m->task = (struct imap_task){ produce_marked, free_marked };
    m->view = &s->view;
    m->only = s->expunges_only ? &s->expunging : NULL;
    m->next_uid = uid;
    m->count = 0;
    imap_begin_task(c, &m->task);
}

static int
on_expunged(struct connection *c, int rc, struct reader *r)
{
    struct imap *s = c->own;
    uint32_t     deleted = 0;

    if (rc == MT_OK) {
        read_u32(r, &deleted);
        rc = read_end(r) ? MT_OK : MT_EPROTO;
    }
    s->expunged += deleted;
    c->session.removed += deleted;
    if (rc != MT_OK)
        end_expunge(c, "NO", "[UNAVAILABLE] some messages were not removed; try again");
    else
        expunge_from(c, s->expunge_next);
    return rc == MT_EPROTO ? rc : MT_OK;
}

static void
begin_expunge(struct connection *c, bool closes)
{
    struct imap *s = c->own;

    s->closes = closes;
    s->expunged = 0;
    if (!s->read_only)
        expunge_from(c, 0);
    else if (closes)
        end_expunge(c, "OK", "CLOSE completed");
    else
        end_expunge(c, "NO", "[READ-ONLY] the mailbox was opened by EXAMINE");
}

static void
expunge(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    ((struct imap *)c->own)->expunges_only = false;
    begin_expunge(c, false);
}

static void
uid_expunge(struct connection *c, struct imap_reader *r)
{
    struct imap    *s = c->own;
    struct imap_set indexes;

    imap_space(r);
    if (!imap_read_set(c, r, true, &indexes))
        return;
    if (!imap_refuse_syntax(c, r)) {
        imap_set_fini(&s->expunging);
        s->expunges_only = true;
        if (imap_uids_of(&s->view, &indexes, &s->expunging))
            begin_expunge(c, false);
        else
            imap_answer(c, "NO", "[SERVERBUG] out of memory");
    }
    imap_set_fini(&indexes);
}

/* What is marked goes without a word (RFC 9051 section 6.4.1). */
static void
close_folder(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    ((struct imap *)c->own)->expunges_only = false;
    begin_expunge(c, true);
}

/* One with a message goes to imap_append.h before it is a whole command. */
static void
append_nothing(struct connection *c, struct imap_reader *r)
{
    (void)r;
    imap_answer(c, "BAD", "[CLIENTBUG] a literal with the message was expected behind the name, such as {310}");
}

const struct imap_verb imap_change_verbs[] = {
    { "STORE",       IMAP_SELECTED, true,  store_numbers },
    { "UID STORE",   IMAP_SELECTED, false, store_uids    },
    { "EXPUNGE",     IMAP_SELECTED, false, expunge       },
    { "UID EXPUNGE", IMAP_SELECTED, false, uid_expunge   },
    { "CLOSE",       IMAP_SELECTED, false, close_folder  },
    { "APPEND",      IMAP_LOGGED_IN | IMAP_SELECTED, false, append_nothing },
    { NULL,          0,             false, NULL          },
};
