/* api_checks - the checks that have results, one of them, and its results or the sums of their hours. */
#include "lookup/call.h"

#include "lib/answer_result.h"
#include "lib/db_result.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdio.h>

enum { LIST_DEFAULT = 50, LIST_MAX = 500, LOOK_MAX = 2000, DOCUMENTS_MAX = 100 };

/* Of all three paths the first; then each its own. */
enum { QUERY_MAILBOX };
enum { LIST_STATE = 1, LIST_CURSOR, LIST_LIMIT };
enum { SHOW_AT = 1 };
enum { RESULTS_FROM = 1, RESULTS_TO, RESULTS_VERDICT, RESULTS_CURSOR, RESULTS_LIMIT, RESULTS_RESOLUTION, RESULTS_DOCUMENTS };

/* ---- What is asked for ------------------------------------------------------------------------------------------------------ */

static bool
take_number(struct call *c, unsigned query, uint64_t most, uint64_t *out)
{
    const struct route_value *v = &c->match->query[query];

    if (!v->given || (slice_to_u64(slice_of(v->text), most, out) == MT_OK && *out > 0))
        return true;
    reply_problem(c->exchange, 400, "%s must be a number from 1 to %llu", route_query_name(c->match->route, query), (unsigned long long)most);
    return false;
}

/* RFC 3339, or seconds since 1970. */
static bool
take_time(struct call *c, unsigned query, uint64_t *out_us)
{
    const struct route_value *v = &c->match->query[query];
    uint64_t                  seconds;

    if (!v->given || rfc3339_parse(slice_of(v->text), out_us) == MT_OK)
        return true;
    if (slice_to_u64(slice_of(v->text), TIME_US_MAX / 1000000, &seconds) == MT_OK) {
        *out_us = seconds * 1000000;
        return true;
    }
    reply_problem(c->exchange, 400, "%s must be a time as 2026-11-21T03:30:00Z, or seconds since 1970", route_query_name(c->match->route, query));
    return false;
}

/* Which mailbox's checks: the key's own, the one that the query names, those of none (mailbox=), or any. */
static bool
take_scope(struct call *c, struct check_scope *out)
{
    const struct route_value *name = &c->match->query[QUERY_MAILBOX];
    struct mailbox_record     mailbox;

    *out = (struct check_scope){ .any = c->caller.mailbox_id == 0 && !name->given, .mailbox_id = c->caller.mailbox_id };
    if (!name->given || (name->text[0] == '\0' && c->caller.mailbox_id == 0))
        return true;
    if (!call_mailbox(c, name->text, &mailbox))
        return false;
    out->mailbox_id = mailbox.id;
    return true;
}

/* Of its record. False: the mailbox has gone, and the check goes, too. */
static bool
mailbox_of(const struct db_view *v, const struct check_record *c, struct slice *name)
{
    struct mailbox_record mailbox;

    *name = slice_make(NULL, 0);
    if (c->mailbox_id == 0)
        return true;
    if (db_mailbox_by_id(v, c->mailbox_id, &mailbox) != MT_OK)
        return false;
    *name = mailbox.name;
    return true;
}

/* The check that the path names, if the key may see it. Otherwise the problem was replied. */
static bool
take_check(struct call *c, struct check_record *out, struct slice *mailbox)
{
    struct slice       name = slice_of(c->match->params[0].text);
    struct check_scope scope;
    int                rc;

    if (!take_scope(c, &scope))
        return false;
    rc = scope.any ? db_check_anywhere(c->view, name, out) : db_check_by_name(c->view, scope.mailbox_id, name, out);
    if (rc == MT_OK && !mailbox_of(c->view, out, mailbox))
        rc = MT_ENOTFOUND;
    if (rc == MT_EEXIST)
        reply_problem(c->exchange, 409, "several mailboxes have a check of that name: say which by mailbox=NAME, or mailbox= for the one of none");
    else if (rc != MT_OK)
        reply_error(c->exchange, rc, "the check");
    return rc == MT_OK;
}

/* ---- Checks ------------------------------------------------------------------------------------------------------------------- */

struct checks {
    const struct db_view *view;
    struct emit           j;
    unsigned              states;       /* bits: those that are wanted */
    unsigned              left, looked_at;
    uint32_t              last_id;
    bool                  more;
};

static bool
on_check(void *arg, const struct check_record *c)
{
    struct checks       *l = arg;
    struct result_record newest;
    struct slice         mailbox;

    if (l->left == 0 || ++l->looked_at > LOOK_MAX) {
        l->more = true;
        return false;
    }
    l->last_id = c->id;
    if ((l->states & 1u << c->state) == 0 || !mailbox_of(l->view, c, &mailbox))
        return true;
    answer_check(&l->j, NULL, c, mailbox, db_result(l->view, c->id, c->last_us, &newest) == MT_OK ? &newest : NULL, false);
    l->left--;
    return true;
}

/* "CRITICAL,WARNING" to bits. */
static bool
take_states(struct call *c, unsigned *out)
{
    struct slice rest = slice_of(c->match->query[LIST_STATE].text);

    *out = (1u << RESULT_STATES) - 1;
    if (!c->match->query[LIST_STATE].given)
        return true;
    *out = 0;
    do {
        struct slice      word = slice_sub(rest, 0, slice_find(rest, ','));
        enum result_state state;

        if (result_state_of(word, &state) != MT_OK) {
            reply_problem(c->exchange, 400, "state must be some of OK, WARNING, CRITICAL and UNKNOWN, separated by commas");
            return false;
        }
        *out |= 1u << state;
        rest = slice_sub(rest, word.len + 1, rest.len);
    } while (rest.len > 0);
    return true;
}

/* In the order of their mailboxes and names. A page may be shorter than its limit, even empty, where few states are wanted: next tells whether there is more. */
void
api_check_list(struct call *c)
{
    struct checks      l = { .view = c->view };
    struct check_scope scope;
    uint64_t           after = 0, limit = LIST_DEFAULT;
    char               next[24];
    int                rc;

    if (!take_scope(c, &scope) || !take_states(c, &l.states) || !take_number(c, LIST_CURSOR, UINT32_MAX, &after) ||
        !take_number(c, LIST_LIMIT, LIST_MAX, &limit))
        return;
    l.left = (unsigned)limit;
    l.j = lookup_json(c->lookup);
    emit_object(&l.j, NULL);
    emit_array(&l.j, "checks");
    rc = db_checks(c->view, scope, (uint32_t)after, on_check, &l);
    if (rc == MT_ENOTFOUND) {
        reply_problem(c->exchange, 400, "cursor must be what a list before gave as next; the check that it ended with may have gone since");
        return;
    }
    /* What is damaged is left out; verify tells of it. */
    if (rc != MT_OK && rc != MT_EDAMAGED) {
        reply_error(c->exchange, rc, "the list");
        return;
    }
    emit_array_end(&l.j);
    snprintf(next, sizeof(next), "%u", l.last_id);
    emit_slice_or_null(&l.j, "next", slice_of(l.more ? next : NULL));
    emit_object_end(&l.j);
    reply_json(c->lookup, c->exchange, 200);
}

void
api_check_show(struct call *c)
{
    struct result_record newest;
    struct check_record  check;
    struct slice         mailbox;
    struct emit          j;
    uint64_t             at_us = TIME_US_MAX;
    int                  rc;

    if (!take_check(c, &check, &mailbox) || !take_time(c, SHOW_AT, &at_us))
        return;
    rc = db_result_newest(c->view, check.id, at_us + 1, &newest);
    if (rc != MT_OK && rc != MT_ENOTFOUND) {
        reply_error(c->exchange, rc, "the check");
        return;
    }
    j = lookup_json(c->lookup);
    answer_check(&j, NULL, &check, mailbox, rc == MT_OK ? &newest : NULL, true);
    reply_json(c->lookup, c->exchange, 200);
}

/* ---- Results ------------------------------------------------------------------------------------------------------------------- */

struct results {
    struct emit  j;
    struct slice verdict;       /* empty: any */
    bool         documents;
    unsigned     left, looked_at;
    uint64_t     last;          /* microseconds; of sums the hour */
    bool         more;
};

/* Whether the list takes another one; it notes where it goes on. */
static bool
has_place(struct results *l)
{
    if (l->left > 0 && ++l->looked_at <= LOOK_MAX)
        return true;
    l->more = true;
    return false;
}

static bool
on_result(void *arg, const struct result_record *r)
{
    struct results *l = arg;

    if (!has_place(l))
        return false;
    l->last = r->started_us;
    if (l->verdict.len > 0 && !slice_equal(l->verdict, r->verdict))
        return true;
    answer_result(&l->j, NULL, r, l->documents);
    l->left--;
    return true;
}

static bool
on_sum(void *arg, uint32_t hour, const struct result_sum *s)
{
    struct results *l = arg;

    if (!has_place(l))
        return false;
    l->last = hour;
    answer_result_sum(&l->j, NULL, hour, s);
    l->left--;
    return true;
}

/* What the query says of a list of results. */
struct wanted {
    uint64_t from_us, to_us, cursor, limit;
    bool     hours, documents;
};

static bool
take_choice(struct call *c, unsigned query, const char *yes, const char *no, bool *out)
{
    const struct route_value *v = &c->match->query[query];

    *out = v->given && strcmp(v->text, yes) == 0;
    if (!v->given || *out || strcmp(v->text, no) == 0)
        return true;
    reply_problem(c->exchange, 400, "%s must be %s or %s", route_query_name(c->match->route, query), yes, no);
    return false;
}

static bool
take_wanted(struct call *c, struct wanted *w)
{
    *w = (struct wanted){ .to_us = TIME_US_MAX, .limit = LIST_DEFAULT };
    if (!take_time(c, RESULTS_FROM, &w->from_us) || !take_time(c, RESULTS_TO, &w->to_us) ||
        !take_number(c, RESULTS_CURSOR, TIME_US_MAX, &w->cursor) || !take_choice(c, RESULTS_RESOLUTION, "hour", "result", &w->hours) ||
        !take_choice(c, RESULTS_DOCUMENTS, "yes", "no", &w->documents) ||
        !take_number(c, RESULTS_LIMIT, w->documents ? DOCUMENTS_MAX : LIST_MAX, &w->limit))
        return false;
    if (w->hours && (w->documents || c->match->query[RESULTS_VERDICT].given)) {
        reply_problem(c->exchange, 400, "verdict and documents are for single results: an hour has all of them together");
        return false;
    }
    return true;
}

/* The list's end in time: to is not included, and no more is the one that the page before ended with. */
static uint64_t
before_of(const struct wanted *w, uint64_t unit)
{
    uint64_t before = (w->to_us + unit - 1) / unit;

    return w->cursor != 0 && w->cursor < before ? w->cursor : before;
}

static int
list_results(struct call *c, const struct check_record *check, const struct wanted *w, struct results *l)
{
    if (!w->hours)
        return db_results(c->view, check->id, w->from_us, before_of(w, 1), on_result, l);
    return db_result_sums(c->view, check->id, result_hour(w->from_us), (uint32_t)before_of(w, HOUR_US), on_sum, l);
}

/* Newest first. */
void
api_check_results(struct call *c)
{
    struct results      l = { .verdict = slice_of(c->match->query[RESULTS_VERDICT].text) };
    struct check_record check;
    struct slice        mailbox;
    struct wanted       w;
    char                next[24];
    int                 rc;

    if (!take_check(c, &check, &mailbox) || !take_wanted(c, &w))
        return;
    l.left = (unsigned)w.limit;
    l.documents = w.documents;
    l.j = lookup_json(c->lookup);
    emit_object(&l.j, NULL);
    emit_slice(&l.j, "check", check.name);
    emit_slice_or_null(&l.j, "mailbox", mailbox);
    emit_array(&l.j, w.hours ? "hours" : "results");
    rc = list_results(c, &check, &w, &l);
    if (rc != MT_OK && rc != MT_EDAMAGED) {
        reply_error(c->exchange, rc, "the list");
        return;
    }
    emit_array_end(&l.j);
    snprintf(next, sizeof(next), "%llu", (unsigned long long)l.last);
    emit_slice_or_null(&l.j, "next", slice_of(l.more ? next : NULL));
    emit_object_end(&l.j);
    reply_json(c->lookup, c->exchange, 200);
}
