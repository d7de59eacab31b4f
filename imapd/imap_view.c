#include "imapd/imap_view.h"

#include "lib/error.h"

#include <stdlib.h>

static bool
append(struct imap_view *v, uint32_t uid)
{
    if (!imap_uids_append(&v->list, &v->count, uid))
        return false;
    v->uids = imap_uids_array(v->list);
    return true;
}

/* Before what it was told of becomes other than what other sessions were told of. */
static bool
make_own(struct imap_view *v)
{
    if (!imap_uids_own(&v->list, v->count))
        return false;
    v->uids = imap_uids_array(v->list);
    return true;
}

struct reading {
    struct imap_view *view;
    int               rc;
};

static bool
add_uid(void *arg, uint32_t uid)
{
    struct reading *r = arg;

    r->rc = append(r->view, uid) ? MT_OK : MT_ENOMEM;
    return r->rc == MT_OK;
}

static int
read_uids(struct imap_view *v, const struct db_view *db, const struct folder_record *f, uint32_t from_uid)
{
    struct reading r = { .view = v };
    int            rc = db_uids(db, f, from_uid, add_uid, &r);

    return rc == MT_OK ? r.rc : rc;
}

struct unseen {
    struct imap_view *view;
    uint32_t          looked_at;
};

static bool
look_whether_seen(void *arg, uint32_t uid, const struct entry *e)
{
    struct unseen *u = arg;
    bool           exact;

    if ((e->flags & ENTRY_SEEN) == 0)
        u->view->first_unseen = imap_view_find(u->view, uid, &exact) + 1;
    return u->view->first_unseen == 0 && ++u->looked_at < IMAP_VIEW_UNSEEN_LOOKED_AT;
}

static int
find_unseen(struct imap_view *v, const struct db_view *db)
{
    struct unseen u = { .view = v };

    return db_entries(db, v->mailbox_id, v->folder_id, 0, look_whether_seen, &u);
}

/* The list that is kept, with what arrived since. It does not fit where messages have gone that nobody here was told of. */
static int
open_kept(struct imap_view *v, const struct db_view *db, const struct folder_record *f)
{
    int rc;

    if (v->kept == NULL || (v->list = imap_uids_find(v->kept, v->mailbox_id, v->folder_id, v->uidvalidity)) == NULL)
        return MT_ENOTFOUND;
    v->uids = imap_uids_array(v->list);
    v->count = imap_uids_count(v->list);
    rc = read_uids(v, db, f, v->count == 0 ? 0 : v->uids[v->count - 1] + 1);
    return rc == MT_OK && v->count != f->messages ? MT_ENOTFOUND : rc;
}

/* The number of messages is known, so memory is asked for once. */
static int
open_anew(struct imap_view *v, const struct db_view *db, const struct folder_record *f)
{
    imap_uids_release(v->list);
    v->count = 0;
    v->uids = NULL;
    v->list = f->messages < UINT32_MAX ? imap_uids_new((uint32_t)f->messages) : NULL;
    return v->list == NULL ? MT_ENOMEM : read_uids(v, db, f, 0);
}

int
imap_view_open(struct imap_view *v, const struct db_view *db, const struct folder_record *f)
{
    int rc;

    imap_view_close(v);
    v->mailbox_id = f->mailbox_id;
    v->folder_id = f->id;
    v->uidvalidity = f->uidvalidity;
    v->uidnext = f->uidnext;
    v->modseq = v->compared = f->modseq;
    v->keywords_sum = checksum(f->keywords);
    rc = open_kept(v, db, f);
    if (rc == MT_ENOTFOUND)
        rc = open_anew(v, db, f);
    if (rc == MT_OK && v->kept != NULL)
        imap_uids_keep(v->kept, v->mailbox_id, v->folder_id, v->uidvalidity, v->list);
    if (rc == MT_OK)
        rc = find_unseen(v, db);
    if (rc != MT_OK)
        imap_view_close(v);
    return rc;
}

void
imap_view_close(struct imap_view *v)
{
    struct connection     *c = v->connection;
    struct imap_uids_kept *kept = v->kept;

    if (v->watched)
        LIST_REMOVE(v, link);
    imap_uids_release(v->list);
    imap_set_fini(&v->recent);
    *v = (struct imap_view){ .connection = c, .kept = kept };
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

uint64_t
imap_view_told_modseq(const struct imap_view *v)
{
    return v->flags_from != 0 && v->flags_since < v->modseq ? v->flags_since : v->modseq;
}

void
imap_view_compare(struct imap_view *v)
{
    v->compare = true;
    v->queued = 0;
}

bool
imap_view_take_keywords(struct imap_view *v, struct slice keywords)
{
    uint64_t sum = checksum(keywords);
    bool     changed = sum != v->keywords_sum;

    v->keywords_sum = sum;
    return changed;
}

/* ---- What is recent ------------------------------------------------------------------------------------------------------------- */

void
imap_view_add_recent(struct imap_view *v, uint32_t first, uint32_t next)
{
    struct imap_set *s = &v->recent;

    if (first >= next)
        return;
    if (s->count == IMAP_VIEW_RECENT_RANGES)
        s->ranges[s->count - 1].last = next - 1;
    else if (imap_set_append(s, first))
        s->ranges[s->count - 1].last = next - 1;
}

bool
imap_view_is_recent(const struct imap_view *v, uint32_t uid)
{
    return imap_set_has(&v->recent, uid);
}

uint32_t
imap_view_count_recent(const struct imap_view *v)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < v->recent.count; i++) {
        const struct imap_range *range = &v->recent.ranges[i];
        bool                     exact;
        uint32_t                 first = imap_view_find(v, range->first, &exact);
        uint32_t                 last = imap_view_find(v, range->last, &exact);

        count += last + exact - first;
    }
    return count;
}

/* ---- Telling what gathered ---------------------------------------------------------------------------------------------- */

static int
tell_expunges(struct imap_view *v, const struct imap_view_events *events, void *arg)
{
    for (unsigned i = 0; i < v->queued; i++) {
        bool     exact;
        uint32_t at = v->queue[i].kind == CHANGE_DELETED ? imap_view_find(v, v->queue[i].uid, &exact) : 0;

        if (v->queue[i].kind != CHANGE_DELETED || !exact)
            continue;
        if (!make_own(v))
            return MT_ENOMEM;
        memmove(v->uids + at, v->uids + at + 1, (v->count - at - 1) * sizeof(*v->uids));
        v->count--;
        events->expunged(arg, at + 1, v->queue[i].uid);
    }
    return MT_OK;
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
tell_arrivals(struct imap_view *v, const struct db_view *db, const struct folder_record *f, const struct imap_view_events *events, void *arg)
{
    uint32_t before = v->count;
    int      rc = read_uids(v, db, f, v->uidnext);

    if (rc == MT_OK)
        v->uidnext = f->uidnext;
    else if (v->count > before)
        v->uidnext = v->uids[v->count - 1] + 1;
    if (v->count != before)
        events->exists(arg, v->count, f);
    return rc;
}

/*
 * Keeps what may not be told yet. Changes come in the order of their modseq: of the flags, all are told that were changed before the last
 * one in the queue; with the same modseq, more may follow.
 */
static void
empty_queue(struct imap_view *v, bool expunges_told)
{
    uint64_t last = v->queued == 0 ? 0 : v->queue[v->queued - 1].modseq;
    unsigned kept = 0;

    if (last > v->compared + 1)
        v->compared = last - 1;
    for (unsigned i = 0; i < v->queued; i++)
        if (!expunges_told && v->queue[i].kind == CHANGE_DELETED)
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
    bool                           writes;  /* the view's list is its own */
    int                            rc;
};

static void
keep_uid(struct comparing *k)
{
    if (k->kept != k->at)
        k->view->uids[k->kept] = k->view->uids[k->at];
    k->kept++;
}

static void
drop_until(struct comparing *k, uint32_t uid)
{
    struct imap_view *v = k->view;

    for (; k->at < v->count && v->uids[k->at] < uid; k->at++) {
        if (!k->writes && !(k->writes = make_own(v)))
            k->rc = MT_ENOMEM;
        if (k->told == IMAP_VIEW_EXPUNGES_MAX || k->rc != MT_OK) {
            keep_uid(k);
            continue;
        }
        k->told++;
        k->events->expunged(k->arg, k->kept + 1, v->uids[k->at]);
    }
}

static bool
compare_uid(void *arg, uint32_t uid)
{
    struct comparing *k = arg;
    struct imap_view *v = k->view;

    drop_until(k, uid);
    if (k->at < v->count && v->uids[k->at] == uid) {
        keep_uid(k);
        k->at++;
    }
    return k->at < v->count;
}

/* What went; flags and arrivals come behind it. */
static int
compare_all(struct imap_view *v, const struct db_view *db, const struct folder_record *f, const struct imap_view_events *events, void *arg)
{
    struct comparing k = { .view = v, .events = events, .arg = arg };
    int              rc = db_uids(db, f, 0, compare_uid, &k);

    if (rc != MT_OK)
        return rc;
    drop_until(&k, UINT32_MAX);
    if (k.rc != MT_OK)
        return k.rc;
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
    else if (rc == MT_OK && v->queued == 0)     /* each change shows in one of them */
        v->compare = false;
    if (rc != MT_OK || (v->compare && !expunges) || !is_stale(v)) {
        db_view_end(&view);
        return rc;
    }
    if (imap_view_take_keywords(v, folder.keywords))
        events->keywords(arg, folder.keywords);
    if (v->flags_from != 0 && !v->compare)
        rc = tell_compared_flags(v, &view, events, arg);
    if (rc == MT_OK && v->compare) {
        rc = compare_all(v, &view, &folder, events, arg);
        if (rc == MT_OK)
            rc = tell_compared_flags(v, &view, events, arg);
        if (rc == MT_OK)
            rc = tell_arrivals(v, &view, &folder, events, arg);
        v->compared = folder.modseq;
        v->queued = 0;
    } else if (rc == MT_OK) {
        rc = expunges ? tell_expunges(v, events, arg) : MT_OK;
        if (rc == MT_OK)
            rc = tell_flags(v, &view, events, arg);
        if (rc == MT_OK)
            rc = tell_arrivals(v, &view, &folder, events, arg);
        empty_queue(v, expunges);
    }
    if (rc == MT_OK && !v->compare)
        v->modseq = folder.modseq;
    db_view_end(&view);
    return rc;
}
