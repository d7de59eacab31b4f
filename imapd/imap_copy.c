/* COPY, UID COPY, MOVE, UID MOVE (RFC 9051 sections 6.4.7 and 6.4.8). */

#include "imapd/imap_copy.h"

#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/imap_name.h"

#include "lib/error.h"

#include <stdlib.h>

/* More ranges than this are not told with COPYUID: the answer has a bound. */
#define COPYUID_RANGES_MAX 8192u

struct imap_copy {
    struct imap_set        uids;
    uint32_t               range, next;     /* the UID that comes next: of that range, behind its first */
    struct imap_copy_order order;
    uint32_t               uidvalidity;     /* there */
    struct imap_set        from, to;        /* UIDs that were copied, here and there, in the same order */
};

static int on_copied(struct connection *c, int rc, struct reader *r);

void
imap_copy_free(struct imap_copy *m)
{
    if (m == NULL)
        return;
    imap_set_fini(&m->uids);
    imap_set_fini(&m->from);
    imap_set_fini(&m->to);
    free(m);
}

static void
put_set(struct buf *b, const struct imap_set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        buf_printf(b, set->ranges[i].first == set->ranges[i].last ? "%s%u" : "%s%u:%u", i == 0 ? "" : ",", set->ranges[i].first,
                   set->ranges[i].last);
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

    s->copy = NULL;
    buf_init(&code, CONNECTION_OUT_BYTES_MAX / 2);
    if (tells_uids(m)) {
        buf_printf(&code, "[COPYUID %u ", m->uidvalidity);
        put_set(&code, &m->from);
        buf_append_byte(&code, ' ');
        put_set(&code, &m->to);
        buf_append_string(&code, "] ");
    }
    if (m->order.move && code.len > 0) {
        imap_say(c, "OK %.*sthey are there", (int)code.len, code.data);
        buf_clear(&code);
    }
    imap_answer(c, "OK", "%.*s%s completed", (int)code.len, code.len == 0 ? "" : code.data, m->order.command);
    buf_fini(&code);
    imap_copy_free(m);
}

static void
end_badly(struct connection *c, int rc)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    const char       *some = m->from.count > 0 ? "; some messages were done before" : "";

    s->copy = NULL;
    if (rc == MT_EQUOTA)
        imap_answer(c, "NO", "[OVERQUOTA] the mailbox has no room for them%s", some);
    else if (rc == MT_ENOTFOUND)
        imap_answer(c, "NO", "[TRYCREATE] there is no such mailbox%s", some);
    else
        imap_answer(c, "NO", "[UNAVAILABLE] %s failed in the store: %s%s", m->order.command, mt_strerror(rc), some);
    imap_copy_free(m);
}

static uint32_t
choose(struct imap_copy *m, uint32_t chosen[MSG_MESSAGES_DELETE_MAX])
{
    uint32_t count = 0;

    for (; m->range < m->uids.count; m->range++, m->next = 0) {
        const struct imap_range *range = &m->uids.ranges[m->range];

        for (; m->next <= range->last - range->first; m->next++) {
            if (count == MSG_MESSAGES_DELETE_MAX)
                return count;
            chosen[count++] = range->first + m->next;
        }
    }
    return count;
}

static void
ask(struct connection *c)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    uint32_t          chosen[MSG_MESSAGES_DELETE_MAX];
    uint32_t          count = choose(m, chosen);
    struct buf       *b;

    if (count == 0) {
        end_well(c);
        return;
    }
    b = store_ask_begin(c, MSG_COPY, on_copied);
    if (b == NULL) {
        end_badly(c, MT_ESHUTDOWN);
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
        end_badly(c, MT_EFULL);
}

static int
on_copied(struct connection *c, int rc, struct reader *r)
{
    struct imap      *s = c->own;
    struct imap_copy *m = s->copy;
    uint32_t          count = 0;
    bool              fits = true;

    if (rc != MT_OK) {
        end_badly(c, rc);
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
        end_badly(c, MT_EPROTO);
        return MT_EPROTO;
    }
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
