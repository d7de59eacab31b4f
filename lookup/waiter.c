#include "lookup/waiter.h"

#include "lookup/facts.h"

#include "lib/error.h"
#include "lib/metrics.h"

#include <assert.h>
#include <event2/event_struct.h>
#include <stdlib.h>

enum { RETRY_S = 5 };

struct waiter {
    TAILQ_ENTRY(waiter) link;       /* in waiters.all, once held */
    TAILQ_ENTRY(waiter) ready;      /* in waiters.ready */
    bool                is_ready;
    struct lookup      *lookup;
    struct exchange    *exchange;   /* NULL before it is held */
    struct event        timer;      /* the end of the wait, or a deadline before it */
    uint64_t            end_us;
    unsigned            places;
    unsigned            undecided;
    unsigned            hits;       /* decided, and not for being no token */
    struct wait_request request;
    struct wait_item    items[];
};

struct waiters {
    struct lookup                *lookup;
    struct waits                 *table;
    unsigned                      count, places;
    TAILQ_HEAD(waiter_list, waiter) all, ready;
};

struct waiters *
waiters_new(struct lookup *l)
{
    struct waiters *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    w->lookup = l;
    TAILQ_INIT(&w->all);
    TAILQ_INIT(&w->ready);
    w->table = waits_new(l->config->http.waiting_max);
    if (w->table == NULL) {
        free(w);
        return NULL;
    }
    return w;
}

void
waiter_free(struct waiters *all, struct waiter *w)
{
    if (w->exchange != NULL) {
        for (unsigned i = 0; i < w->request.count; i++)
            waits_remove(all->table, &w->items[i].entry);
        event_del(&w->timer);
        TAILQ_REMOVE(&all->all, w, link);
        assert(TAILQ_FIRST(&all->all) != w);
        if (w->is_ready)
            TAILQ_REMOVE(&all->ready, w, ready);
        assert(TAILQ_FIRST(&all->ready) != w);
        all->count--;
        all->places -= w->places;
        metric_set(METRIC_LOOKUP_WAITING, all->count);
    }
    free(w);
}

void
waiters_free(struct waiters *w)
{
    if (w == NULL)
        return;
    while (!TAILQ_EMPTY(&w->all))
        waiter_free(w, TAILQ_FIRST(&w->all));
    waits_free(w->table);
    free(w);
}

unsigned
waiters_count(const struct waiters *w)
{
    return w->count;
}

/* ---- Deciding ------------------------------------------------------------------------------------------------------- */

static bool
is_decided(const struct waiter *w, const struct token_record *record)
{
    if (w->request.has_after)
        return record->arrival_count > w->request.after;
    return token_verdict(record, lookup_now_us()) != VERDICT_WAITING;
}

/* Looks one token up again. What cannot be read now is asked for again later, at the latest at the end, which reports it. */
static void
decide(struct waiter *w, struct wait_item *item, const struct db_view *view)
{
    struct token_record record;

    if (item->decided || token_find(view, &w->request.caller, item->entry.mailbox_id, &item->entry.token, &record) != MT_OK)
        return;
    item->deadline_unix = w->request.has_after ? 0 : record.deadline_unix;
    if (is_decided(w, &record)) {
        item->decided = true;
        w->undecided--;
        w->hits++;
    }
}

static void
decide_all(struct waiter *w, const struct db_view *view)
{
    for (unsigned i = 0; i < w->request.count; i++)
        decide(w, &w->items[i], view);
}

static bool
is_over(const struct waiter *w)
{
    return w->undecided == 0 || (w->request.any && w->hits > 0);
}

/* The end, or when the first deadline that is still open should have been decided. store tells of it before that. */
static void
arm(struct waiter *w)
{
    uint64_t       at_us = w->end_us, now = lookup_now_us(), left_us;
    struct timeval left;

    for (unsigned i = 0; i < w->request.count; i++) {
        const struct wait_item *item = &w->items[i];

        /* Those far ahead are not even multiplied. */
        if (!item->decided && item->deadline_unix != 0 && item->deadline_unix < at_us / 1000000)
            at_us = (item->deadline_unix + VERDICT_GRACE_S + 1) * 1000000;
    }
    left_us = at_us > now ? at_us - now : 0;
    left.tv_sec = (time_t)(left_us / 1000000);
    left.tv_usec = (suseconds_t)(left_us % 1000000);
    event_add(&w->timer, &left);
}

/* ---- Telling -------------------------------------------------------------------------------------------------------- */

static void
write_problem(struct emit *j, unsigned status, const char *detail)
{
    emit_object(j, NULL);
    emit_object(j, "problem");
    emit_string(j, "type", "about:blank");
    emit_u64(j, "status", status);
    emit_string(j, "detail", detail);
    emit_object_end(j);
    emit_object_end(j);
}

static const char *
problem_text(unsigned status)
{
    return status == 400 ? "this is not a token: it needs mt1 and 40 characters of Crockford base32, all in one"
                         : "there is no such mailbox, or this key may not see it";
}

/* The answers in the order of the question. */
static int
write_list(struct emit *j, const struct waiter *w, const struct db_view *view)
{
    struct token_facts facts;

    emit_object(j, NULL);
    emit_bool(j, "complete", w->undecided == 0);
    emit_array(j, "answers");
    for (unsigned i = 0; i < w->request.count && j->out->fault == MT_OK; i++) {
        const struct wait_item *item = &w->items[i];
        int                     rc = MT_OK;

        if (item->problem == 0)
            rc = token_facts_read(view, &w->request.caller, item->entry.mailbox_id, &item->entry.token, &facts);
        if (rc != MT_OK && rc != MT_ENOTFOUND)
            return rc;
        if (item->problem != 0 || rc != MT_OK)
            write_problem(j, rc != MT_OK ? 404 : item->problem, problem_text(rc != MT_OK ? 404 : item->problem));
        else
            answer_token(j, NULL, &facts.answer);
    }
    emit_array_end(j);
    emit_object_end(j);
    return MT_OK;
}

static int
write_single(struct emit *j, const struct waiter *w, const struct db_view *view)
{
    struct token_facts       facts;
    const struct wait_entry *e = &w->items[0].entry;
    int                      rc = token_facts_read(view, &w->request.caller, e->mailbox_id, &e->token, &facts);

    if (rc == MT_OK)
        answer_token(j, NULL, &facts.answer);
    return rc;
}

/* The exchange is over with this, and so is the waiter. */
static void
tell(struct waiters *all, struct waiter *w, struct exchange *x, const struct db_view *view)
{
    struct lookup *l = all->lookup;
    struct emit    j = lookup_json(l);
    int            rc = w->request.single ? write_single(&j, w, view) : write_list(&j, w, view);

    waiter_free(all, w);
    if (rc != MT_OK)
        reply_error(x, rc, "the mailbox");
    else
        reply_json(l, x, 200);
}

/* ---- The life of a wait ---------------------------------------------------------------------------------------------- */

static void
make_ready(struct waiters *all, struct waiter *w)
{
    if (!w->is_ready)
        TAILQ_INSERT_TAIL(&all->ready, w, ready);
    w->is_ready = true;
}

/* Tells those that are ready. A reply may end its connection, but never another one's wait. */
static void
tell_ready(struct waiters *all, const struct db_view *view)
{
    struct waiter *w;

    while ((w = TAILQ_FIRST(&all->ready)) != NULL)
        tell(all, w, w->exchange, view);
}

/* Without a view nobody can be told anything but that. */
static void
fail_ready(struct waiters *all, int rc)
{
    struct waiter *w;

    while ((w = TAILQ_FIRST(&all->ready)) != NULL) {
        struct exchange *x = w->exchange;

        waiter_free(all, w);
        reply_error(x, rc, "the token");
    }
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct waiter  *w = arg;
    struct waiters *all = w->lookup->waiters;
    struct db_view  view;
    int             rc = db_view_begin(w->lookup->db, &view);

    (void)fd, (void)what;
    if (rc != MT_OK) {
        make_ready(all, w);
        fail_ready(all, rc);
        return;
    }
    decide_all(w, &view);
    if (is_over(w) || lookup_now_us() >= w->end_us)
        tell(all, w, w->exchange, &view);
    else
        arm(w);
    db_view_end(&view);
}

static void
on_gone(void *owner)
{
    struct waiter *w = owner;

    waiter_free(w->lookup->waiters, w);
}

struct waiter *
waiter_new(struct lookup *l, const struct wait_request *r)
{
    struct waiter *w = calloc(1, sizeof(*w) + r->count * sizeof(w->items[0]));

    if (w == NULL)
        return NULL;
    w->lookup = l;
    w->request = *r;
    w->places = 1 + r->count / WAITER_TOKENS_PER_PLACE;
    return w;
}

struct wait_item *
waiter_item(struct waiter *w, unsigned i)
{
    return &w->items[i];
}

/* From here on the waiter is found by changes. The view is older than any change that is yet to be told, so nothing is missed. */
static void
hold(struct waiter *w, struct exchange *x)
{
    struct waiters *all = w->lookup->waiters;

    w->exchange = x;
    w->end_us = lookup_now_us() + w->request.wait_us;
    for (unsigned i = 0; i < w->request.count; i++) {
        struct wait_item *item = &w->items[i];

        item->entry.waiter = w;
        item->entry.index = i;
        if (!item->decided)
            waits_add(all->table, &item->entry);
    }
    TAILQ_INSERT_TAIL(&all->all, w, link);
    all->count++;
    all->places += w->places;
    metric_set(METRIC_LOOKUP_WAITING, all->count);
    event_assign(&w->timer, w->lookup->role->base, -1, 0, on_timer, w);
    arm(w);
    exchange_hold(x, on_gone, w);
}

void
waiter_start(struct waiter *w, struct exchange *x, const struct db_view *view)
{
    struct lookup *l = w->lookup;

    w->undecided = w->request.count;
    for (unsigned i = 0; i < w->request.count; i++)
        if (w->items[i].problem != 0) {
            w->items[i].decided = true;
            w->undecided--;
        }
    decide_all(w, view);
    if (is_over(w) || w->request.wait_us == 0 || l->role->draining) {
        tell(l->waiters, w, x, view);
    } else if (l->waiters->places + w->places > l->config->http.waiting_max) {
        waiter_free(l->waiters, w);
        reply_busy(x, RETRY_S, "%u requests wait already (http.waiting_max); ask without wait, or again later",
                   l->config->http.waiting_max);
    } else {
        hold(w, x);
    }
}

/* ---- Changes --------------------------------------------------------------------------------------------------------- */

static void
on_found(void *arg, struct wait_entry *e)
{
    const struct db_view *view = arg;
    struct waiter        *w = e->waiter;

    decide(w, &w->items[e->index], view);
    if (is_over(w))
        make_ready(w->lookup->waiters, w);
    else
        arm(w);                     /* the token may have got a deadline */
}

void
waiters_token_changed(struct waiters *w, const struct token *t, uint32_t mailbox_id)
{
    struct db_view view;

    if (waits_count(w->table) == 0 || !waits_has(w->table, t))
        return;
    if (db_view_begin(w->lookup->db, &view) != MT_OK)
        return;                     /* logged; their time will come */
    waits_find(w->table, t, mailbox_id, on_found, &view);
    tell_ready(w, &view);
    db_view_end(&view);
}

void
waiters_recheck(struct waiters *w)
{
    struct waiter *each;
    struct db_view view;

    if (TAILQ_EMPTY(&w->all) || db_view_begin(w->lookup->db, &view) != MT_OK)
        return;
    for (each = TAILQ_FIRST(&w->all); each != NULL; each = TAILQ_NEXT(each, link)) {
        decide_all(each, &view);
        if (is_over(each))
            make_ready(w, each);
    }
    tell_ready(w, &view);
    db_view_end(&view);
}

void
waiters_keys_changed(struct waiters *w)
{
    struct api_key_record record;
    struct waiter        *each;
    struct db_view        view;

    if (TAILQ_EMPTY(&w->all) || db_view_begin(w->lookup->db, &view) != MT_OK)
        return;
    for (each = TAILQ_FIRST(&w->all); each != NULL; each = TAILQ_NEXT(each, link))
        if (db_api_key(&view, each->request.caller.key_id, &record) == MT_ENOTFOUND)
            make_ready(w, each);
    db_view_end(&view);
    fail_ready(w, MT_EDENIED);
}

void
waiters_drain(struct waiters *w)
{
    struct waiter *each;
    struct db_view view;
    int            rc = db_view_begin(w->lookup->db, &view);

    for (each = TAILQ_FIRST(&w->all); each != NULL; each = TAILQ_NEXT(each, link))
        make_ready(w, each);
    if (rc != MT_OK) {
        fail_ready(w, rc);
        return;
    }
    tell_ready(w, &view);
    db_view_end(&view);
}
