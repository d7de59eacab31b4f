/*
 * COPY, UID COPY, MOVE, UID MOVE (RFC 9051 sections 6.4.7 and 6.4.8).
 *
 * A COPY that fails behind its first step leaves nothing: the copies are deleted again, in steps, too. Their UIDs stay used.
 */

#include "imapd/imap_copy.h"

#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/imap_name.h"

#include "lib/error.h"

#include <stdlib.h>

/* More ranges than this are not told with COPYUID: the answer has a bound. */
#define COPYUID_RANGES_MAX 8192u

/* While store is not there, what is to be deleted again waits for it: so often, and so long each time. */
#define UNDO_TRIES_MAX 50u
#define UNDO_PAUSE_MS  200u

/* A place in a set: a range, and how far behind its first. */
struct set_place {
    uint32_t range, next;
};

struct imap_copy {
    struct imap_set        uids;
    struct set_place           at;              /* the UID that comes next */
    struct imap_copy_order order;
    uint32_t               uidvalidity;     /* there */
    struct imap_set        from, to;        /* UIDs that were copied, here and there, in the same order */
    uint64_t               moved;           /* messages that were copied or moved so far */
    int                    failed;          /* why the copies are being deleted again; MT_OK: they are not */
    struct set_place           undone, asked;   /* in to: deleted so far, and when store has answered */
    unsigned               undo_tries;
    struct event          *undo_again;      /* owned; NULL: never needed so far */
};

static int  on_copied(struct connection *c, int rc, struct reader *r);
static void undo(struct connection *c);

void
imap_copy_free(struct imap_copy *m)
{
    if (m == NULL)
        return;
    imap_set_fini(&m->uids);
    imap_set_fini(&m->from);
    imap_set_fini(&m->to);
    if (m->undo_again != NULL)
        event_free(m->undo_again);
    free(m);
}

static void
log_moved(const struct connection *c, const struct imap_copy *m)
{
    if (m->order.move && m->moved > 0)
        session_removed_from(c, "moved", m->order.from_id, m->moved);
}

static bool
tells_uids(const struct imap_copy *m)
{
    return m->order.tells_uids && m->from.count > 0 && m->from.count <= COPYUID_RANGES_MAX && m->to.count <= COPYUID_RANGES_MAX;
}

/* A MOVE tells the UIDs ahead of the EXPUNGEs, a COPY with the tagged answer. */
static void
end_well(struct connection *c)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    struct buf        code;
    char              text[IMAP_VANISHED_CODE_BYTES];

    s->copy = NULL;
    buf_init(&code, CONNECTION_OUT_BYTES_MAX / 2);
    if (tells_uids(m)) {
        buf_printf(&code, "[COPYUID %u ", m->uidvalidity);
        imap_set_put(&code, &m->from);
        buf_append_byte(&code, ' ');
        imap_set_put(&code, &m->to);
        buf_append_string(&code, "] ");
    }
    if (m->order.move && code.len > 0) {
        imap_say(c, "OK %.*sthey are there", (int)code.len, code.data);
        buf_clear(&code);
    }
    if (m->order.move && m->from.count > 0)
        buf_append_string(&code, imap_vanished_code(c, text));
    log_moved(c, m);
    imap_answer(c, "OK", "%.*s%s completed", (int)code.len, code.len == 0 ? "" : code.data, m->order.command);
    buf_fini(&code);
    imap_copy_free(m);
}

static void
end_badly(struct connection *c, int rc)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    const char       *some = m->undone.range < m->to.count ? "; some messages were done before" : "";

    s->copy = NULL;
    log_moved(c, m);
    if (rc == MT_EQUOTA)
        imap_answer(c, "NO", "[OVERQUOTA] the mailbox has no room for them%s", some);
    else if (rc == MT_ENOTFOUND)
        imap_answer(c, "NO", "[TRYCREATE] there is no such mailbox%s", some);
    else
        imap_answer(c, "NO", "[UNAVAILABLE] %s failed in the store: %s%s", m->order.command, mt_strerror(rc), some);
    imap_copy_free(m);
}

/* The UIDs that come next in the set. */
static uint32_t
choose(const struct imap_set *set, struct set_place *at, uint32_t chosen[MSG_MESSAGES_DELETE_MAX])
{
    uint32_t count = 0;

    for (; at->range < set->count; at->range++, at->next = 0) {
        const struct imap_range *range = &set->ranges[at->range];

        for (; at->next <= range->last - range->first; at->next++) {
            if (count == MSG_MESSAGES_DELETE_MAX)
                return count;
            chosen[count++] = range->first + at->next;
        }
    }
    return count;
}

/* ---- A COPY that failed --------------------------------------------------------------------------------------------------------- */

/* What was moved stays (RFC 6851 section 3.3): a message is either here or there. */
static void
fail(struct connection *c, int rc)
{
    struct imap_copy *m = ((struct imap *)c->own)->copy;

    m->failed = rc;
    if (m->order.move || m->to.count == 0)
        end_badly(c, rc);
    else
        undo(c);
}

static void
on_undo_again(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;

    (void)fd;
    (void)what;
    c->waiting = false;
    undo(c);
    connection_turn(c);
}

static void
undo_later(struct connection *c)
{
    static const struct timeval pause = { .tv_usec = UNDO_PAUSE_MS * 1000 };
    struct imap_copy           *m = ((struct imap *)c->own)->copy;

    if (m->undo_again == NULL)
        m->undo_again = evtimer_new(c->imapd->role->base, on_undo_again, c);
    if (++m->undo_tries > UNDO_TRIES_MAX || m->undo_again == NULL || evtimer_add(m->undo_again, &pause) != 0)
        end_badly(c, m->failed);
    else
        c->waiting = true;
}

static int
on_undone(struct connection *c, int rc, struct reader *r)
{
    struct imap_copy *m = ((struct imap *)c->own)->copy;
    uint32_t          count;

    if (rc != MT_OK) {
        undo_later(c);
        return MT_OK;
    }
    read_u32(r, &count);
    m->undone = m->asked;
    undo(c);
    return read_end(r) ? MT_OK : MT_EPROTO;
}

/* The ids of the copies that come next; some may have gone meanwhile. *count is 0: that was all. */
static int
find_copies(struct connection *c, uint64_t ids[MSG_MESSAGES_DELETE_MAX], uint32_t *count)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    uint32_t          chosen[MSG_MESSAGES_DELETE_MAX];
    struct db_view    view;
    uint32_t          found;
    int               rc = db_view_begin(c->imapd->db, &view);

    *count = 0;
    if (rc != MT_OK)
        return rc;
    m->asked = m->undone;
    while (*count == 0 && (found = choose(&m->to, &m->asked, chosen)) > 0)
        for (uint32_t i = 0; i < found; i++) {
            struct entry e;

            if (db_entry(&view, s->login.mailbox_id, m->order.to_id, chosen[i], &e) == MT_OK)
                ids[(*count)++] = e.message_id;
        }
    db_view_end(&view);
    return MT_OK;
}

static void
undo(struct connection *c)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    uint64_t          ids[MSG_MESSAGES_DELETE_MAX];
    uint32_t          count;
    struct buf       *b;
    int               rc = find_copies(c, ids, &count);

    if (rc == MT_OK && count == 0) {
        m->undone = m->asked;
        end_badly(c, m->failed);
        return;
    }
    b = rc != MT_OK ? NULL : store_ask_begin(c, MSG_MESSAGES_DELETE, on_undone);
    if (b == NULL) {
        undo_later(c);
        return;
    }
    write_u32(b, s->login.mailbox_id);
    write_u32(b, count);
    for (uint32_t i = 0; i < count; i++)
        write_u64(b, ids[i]);
    if (!store_ask_end(c->imapd))
        undo_later(c);
}

/* ---- Step by step ---------------------------------------------------------------------------------------------------------------- */

static void
ask(struct connection *c)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    uint32_t          chosen[MSG_MESSAGES_DELETE_MAX];
    uint32_t          count = choose(&m->uids, &m->at, chosen);
    struct buf       *b;

    if (count == 0) {
        end_well(c);
        return;
    }
    b = store_ask_begin(c, MSG_COPY, on_copied);
    if (b == NULL) {
        fail(c, MT_ESHUTDOWN);
        return;
    }
    write_u32(b, s->login.mailbox_id);
    write_u32(b, m->order.from_id);
    write_u32(b, m->order.to_id);
    write_u8(b, m->order.move);
    write_u32(b, count);
    for (uint32_t i = 0; i < count; i++)
        write_u32(b, chosen[i]);
    if (!store_ask_end(c->imapd))
        fail(c, MT_EFULL);
}

static int
on_copied(struct connection *c, int rc, struct reader *r)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    uint32_t          count = 0;
    bool              fits = true;

    if (rc != MT_OK) {
        fail(c, rc);
        return MT_OK;
    }
    read_u32(r, &m->uidvalidity);
    read_count(r, &count, MSG_MESSAGES_DELETE_MAX, 2 * sizeof(uint32_t));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from, to;

        read_u32(r, &from);
        read_u32(r, &to);
        fits = imap_set_append(&m->from, from) && imap_set_append(&m->to, to) && fits;
    }
    if (!read_end(r)) {
        fail(c, MT_EPROTO);
        return MT_EPROTO;
    }
    m->moved += count;
    m->order.tells_uids = m->order.tells_uids && fits;
    ask(c);
    return MT_OK;
}

void
imap_copy_begin(struct connection *c, struct imap_set *uids, const struct imap_copy_order *order)
{
    struct imap      *s = c->own;
    struct imap_copy *m = calloc(1, sizeof(*m));

    if (m == NULL) {
        imap_set_fini(uids);
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        return;
    }
    m->uids = *uids;
    *uids = (struct imap_set){ 0 };
    m->order = *order;
    s->copy = m;
    ask(c);
}

/* ---- The commands -------------------------------------------------------------------------------------------------------------- */

static void
begin(struct connection *c, struct slice name, const struct imap_set *indexes, bool move)
{
    struct imap           *s = c->own;
    struct imap_copy_order order = { .from_id = s->view.folder_id, .move = move, .command = move ? "MOVE" : "COPY", .tells_uids = true };
    struct imap_set        uids;
    int                    rc = imap_find_folder(c, name, &order.to_id);

    if (move && s->read_only)
        imap_answer(c, "NO", "[READ-ONLY] the mailbox was opened by EXAMINE");
    else if (rc == MT_ENOTFOUND)
        imap_answer(c, "NO", "[TRYCREATE] there is no such mailbox");
    else if (rc != MT_OK)
        imap_refuse_read(c, rc);
    else if (!imap_uids_of(&s->view, indexes, &uids))
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
    else
        imap_copy_begin(c, &uids, &order);
}

static void
copy(struct connection *c, struct imap_reader *r, bool with_uids, bool move)
{
    struct imap_set indexes;
    struct slice    name;
    char            text[IMAP_NAME_BYTES + 1];

    imap_space(r);
    if (!imap_read_set(c, r, with_uids, &indexes))
        return;
    imap_space(r);
    name = imap_read_name(r, text);
    if (!imap_refuse_syntax(c, r))
        begin(c, name, &indexes, move);
    imap_set_fini(&indexes);
}

static void
copy_numbers(struct connection *c, struct imap_reader *r)
{
    copy(c, r, false, false);
}

static void
copy_uids(struct connection *c, struct imap_reader *r)
{
    copy(c, r, true, false);
}

static void
move_numbers(struct connection *c, struct imap_reader *r)
{
    copy(c, r, false, true);
}

static void
move_uids(struct connection *c, struct imap_reader *r)
{
    copy(c, r, true, true);
}

const struct imap_verb imap_copy_verbs[] = {
    { "COPY",     IMAP_SELECTED, false, copy_numbers },
    { "UID COPY", IMAP_SELECTED, false, copy_uids    },
    { "MOVE",     IMAP_SELECTED, false, move_numbers },
    { "UID MOVE", IMAP_SELECTED, false, move_uids    },
    { NULL,       0,             false, NULL         },
};
