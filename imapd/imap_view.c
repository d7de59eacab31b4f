#include "imapd/imap_view.h"

#include "lib/error.h"

#include <stdlib.h>

enum { FIRST_UIDS = 64 };

static bool
append(struct imap_view *v, uint32_t uid)
{
    if (v->count == v->cap) {
        uint32_t  cap = v->cap < FIRST_UIDS ? FIRST_UIDS : v->cap + v->cap / 2;
        uint32_t *uids = realloc(v->uids, cap * sizeof(*uids));

        if (uids == NULL)
            return false;
        v->uids = uids;
        v->cap = cap;
    }
    v->uids[v->count++] = uid;
    return true;
}

struct reading {
    struct imap_view *view;
    int               rc;
};

static bool
add_entry(void *arg, uint32_t uid, const struct entry *e)
{
    struct reading *r = arg;

    (void)e;
    r->rc = append(r->view, uid) ? MT_OK : MT_ENOMEM;
    return r->rc == MT_OK;
}

/* UIDs from from_uid on; the exact number of messages is known, so memory is asked for once. */
static int
read_uids(struct imap_view *v, const struct db_view *db, uint32_t from_uid)
{
    struct reading r = { .view = v };
    int            rc = db_entries(db, v->mailbox_id, v->folder_id, from_uid, add_entry, &r);

    return rc == MT_OK ? r.rc : rc;
}

int
imap_view_open(struct imap_view *v, const struct db_view *db, const struct folder_record *f)
{
    int rc;

    imap_view_close(v);
    v->mailbox_id = f->mailbox_id;
    v->folder_id = f->id;
    v->uidvalidity = f->uidvalidity;
    v->modseq = v->compared = f->modseq;
    if (f->messages > 0 && f->messages < UINT32_MAX / 8) {
        v->uids = malloc(f->messages * sizeof(*v->uids));
        v->cap = v->uids == NULL ? 0 : (uint32_t)f->messages;
    }
    rc = read_uids(v, db, 0);
    if (rc != MT_OK)
        imap_view_close(v);
    return rc;
}

void
imap_view_close(struct imap_view *v)
{
    struct connection *c = v->connection;

    if (v->watched)
        LIST_REMOVE(v, link);
    free(v->uids);
    *v = (struct imap_view){ .connection = c };
}

void
imap_view_change(struct imap_view *v, const struct change *c)
{
    if (v->compare || (c->kind == CHANGE_FLAGS && c->modseq == v->own_modseq))
        return;
    if (v->queued == IMAP_VIEW_QUEUE) {
        v->compare = true;
        v->queued = 0;
        return;
    }
    v->queue[v->queued++] = (struct imap_queued){ c->kind, c->uid, c->modseq };
}

static bool
is_stale(const struct imap_view *v)
{
    return v->compare || v->queued > 0 || v->flags_from != 0;
}

void
imap_view_forget_flags(struct imap_view *v, uint64_t modseq)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < v->queued; i++)
        if (v->queue[i].kind != CHANGE_FLAGS || v->queue[i].modseq != modseq)
            v->queue[kept++] = v->queue[i];
    v->queued = kept;
    v->own_modseq = modseq;
    if (modseq == v->modseq + 1)
        v->modseq = modseq;
}

uint32_t
imap_view_find(const struct imap_view *v, uint32_t uid, bool *exact)
{
    uint32_t low = 0, high = v->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (v->uids[middle] < uid)
            low = middle + 1;
        else
            high = middle;
    }
    *exact = low < v->count && v->uids[low] == uid;
    return low;
}

/* ---- Telling what gathered ---------------------------------------------------------------------------------------------- */

static void
tell_expunges(struct imap_view *v, const struct imap_view_events *events, void *arg)
{
    for (unsigned i = 0; i < v->queued; i++) {
        bool     exact;
        uint32_t at = v->queue[i].kind == CHANGE_DELETED ? imap_view_find(v, v->queue[i].uid, &exact) : 0;

        if (v->queue[i].kind != CHANGE_DELETED || !exact)
            continue;
        memmove(v->uids + at, v->uids + at + 1, (v->count - at - 1) * sizeof(*v->uids));
        v->count--;
        events->expunged(arg, at + 1, v->queue[i].uid);
    }
}

static int
tell_flags(struct imap_view *v, const struct db_view *db, const struct imap_view_events *events, void *arg)
{
    for (unsigned i = 0; i < v->queued; i++) {
        struct entry entry;
        bool         exact = false, again = false;
        uint32_t     at;
        int          rc;

        if (v->queue[i].kind != CHANGE_FLAGS || v->queue[i].modseq <= v->compared)
            continue;
        for (unsigned j = i + 1; j < v->queued; j++)
            again = again || (v->queue[j].kind == CHANGE_FLAGS && v->queue[j].uid == v->queue[i].uid);
        at = imap_view_find(v, v->queue[i].uid, &exact);
        if (!exact || again)        /* the last change of a message tells what it has now */
            continue;
        rc = db_entry(db, v->mailbox_id, v->folder_id, v->uids[at], &entry);
        if (rc == MT_OK)
            events->changed(arg, at + 1, v->uids[at], &entry);
        else if (rc != MT_ENOTFOUND)
            return rc;
    }
    return MT_OK;
}

static int
tell_arrivals(struct imap_view *v, const struct db_view *db, const struct imap_view_events *events, void *arg)
{
    uint32_t before = v->count;
    uint32_t last = v->count == 0 ? 0 : v->uids[v->count - 1];
    int      rc = read_uids(v, db, last + 1);

    if (v->count != before)
        events->exists(arg, v->count);
    return rc;
}

/* Keeps what may not be told yet. */
static void
keep_expunges(struct imap_view *v, bool told)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < v->queued; i++)
        if (!told && v->queue[i].kind == CHANGE_DELETED)
            v->queue[kept++] = v->queue[i];
    v->queued = kept;
}

/* ---- Comparing everything -------------------------------------------------------------------------------------------------- */

struct comparing {
    struct imap_view              *view;
    const struct imap_view_events *events;
    void                          *arg;
    uint32_t                       at;      /* next UID of the view to compare */
    uint32_t                       kept;    /* so many are there still */
    uint32_t                       told;
};

static void
drop_until(struct comparing *k, uint32_t uid)
{
    struct imap_view *v = k->view;

    for (; k->at < v->count && v->uids[k->at] < uid; k->at++) {
        if (k->told == IMAP_VIEW_EXPUNGES_MAX) {
            v->uids[k->kept++] = v->uids[k->at];
            continue;
        }
        k->told++;
        k->events->expunged(k->arg, k->kept + 1, v->uids[k->at]);
    }
}

static bool
compare_entry(void *arg, uint32_t uid, const struct entry *e)
{
    struct comparing *k = arg;
    struct imap_view *v = k->view;

    (void)e;
    drop_until(k, uid);
    if (k->at < v->count && v->uids[k->at] == uid)
        v->uids[k->kept++] = v->uids[k->at++];
    return k->at < v->count;
}

/* What went; flags and arrivals come behind it. */
static int
compare_all(struct imap_view *v, const struct db_view *db, const struct imap_view_events *events, void *arg)
{
    struct comparing k = { .view = v, .events = events, .arg = arg };
    int              rc = db_entries(db, v->mailbox_id, v->folder_id, 0, compare_entry, &k);

    if (rc != MT_OK)
        return rc;
    drop_until(&k, UINT32_MAX);
    v->count = k.kept;
    v->compare = k.told == IMAP_VIEW_EXPUNGES_MAX;
    if (v->flags_from == 0)
        v->flags_since = v->compared;
    v->flags_from = 1;
    return MT_OK;
}

static bool
compare_flags(void *arg, uint32_t uid, const struct entry *e)
{
    struct comparing *k = arg;
    bool              exact;
    uint32_t          at = imap_view_find(k->view, uid, &exact);

    if (k->told == IMAP_VIEW_FLAGS_MAX) {
        k->view->flags_from = uid;
        return false;
    }
    if (exact && e->modseq > k->view->flags_since) {
        k->told++;
        k->events->changed(k->arg, at + 1, uid, e);
    }
    return true;
}

/* Of the messages that were known before: what arrives has no flags that the client could know wrongly. */
static int
tell_compared_flags(struct imap_view *v, const struct db_view *db, const struct imap_view_events *events, void *arg)
{
    struct comparing k = { .view = v, .events = events, .arg = arg };
    uint32_t         from = v->flags_from;

    v->flags_from = 0;
    return db_entries(db, v->mailbox_id, v->folder_id, from, compare_flags, &k);
}

int
imap_view_tell(struct imap_view *v, struct db *db, bool expunges, const struct imap_view_events *events, void *arg)
{
    struct folder_record folder;
    struct db_view       view;
    int                  rc = db_view_begin(db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folder(&view, v->mailbox_id, v->folder_id, &folder);
    /* What another process did just now is in the database before it is told: a command behind it shall not miss it. */
    if (rc == MT_OK && v->queued == 0 && (folder.modseq != v->modseq || folder.messages != v->count))
        v->compare = true;
    if (rc != MT_OK || (v->compare && !expunges) || !is_stale(v)) {
        db_view_end(&view);
        return rc;
    }
    if (v->flags_from != 0 && !v->compare)
        rc = tell_compared_flags(v, &view, events, arg);
    if (rc == MT_OK && v->compare) {
        rc = compare_all(v, &view, events, arg);
        if (rc == MT_OK)
            rc = tell_compared_flags(v, &view, events, arg);
        if (rc == MT_OK)
            rc = tell_arrivals(v, &view, events, arg);
        v->compared = folder.modseq;
        v->queued = 0;
    } else if (rc == MT_OK) {
        if (expunges)
            tell_expunges(v, events, arg);
        rc = tell_flags(v, &view, events, arg);
        if (rc == MT_OK)
            rc = tell_arrivals(v, &view, events, arg);
        keep_expunges(v, expunges);
    }
    if (rc == MT_OK)
        v->modseq = folder.modseq;
    db_view_end(&view);
    return rc;
}
