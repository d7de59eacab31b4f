/*
 * blacklist - addresses, hosts and domains against DNS block lists. First each list's own test points (RFC 5782 section 5), so that one that is dead,
 * lists everything, or refuses our name server raises no alarm; then all that is looked for.
 */
#include "checker/probe.h"

#include "checker/block_query.h"
#include "checker/clock.h"
#include "lib/error.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SUBJECTS_MAX  = 128,        /* addresses and domains that are looked for; more are told of and left out */
    ADDRESSES_MAX = 16,         /* of one host */
    QUERIES_MAX   = 64,         /* under way at once */
    KINDS         = BLOCK_DOMAIN + 1,
};

/* What is looked for in the lists. */
struct subject {
    enum block_kind kind;
    char            text[ROUTE_HOST_BYTES];
    char            of[ROUTE_HOST_BYTES];       /* the host that has the address, or why else it is looked for; empty: it was given */
};

/* The look-up of a host's addresses. */
struct lookup {
    struct blacklist  *owner;
    const char        *host;
    struct resolution *resolution;              /* NULL: over */
};

/* What is known of a list: whether it works for each kind. */
struct tested {
    bool wanted[KINDS];
    char fault[KINDS][BLOCK_TEXT_BYTES];        /* empty: it works */
};

/* One question on its way. */
struct question {
    struct blacklist   *owner;
    struct block_query *query;                  /* NULL: free */
    unsigned            list;
    enum block_kind     kind;
    bool                is_test, must_be_listed;
    unsigned            subject;                /* of those that are no tests */
};

/*
 *   RESOLVING (hosts' addresses) -> TESTING (each list, for each kind that is looked for) -> ASKING (each subject at each list that works) -> OVER
 */
enum phase { RESOLVING, TESTING, ASKING, OVER };

struct blacklist {
    struct probe_tools   tools;
    const struct check  *check;
    probe_done_fn       *done;
    void                *arg;
    enum phase           phase;
    uint64_t             began_us, phase_us;    /* monotonic */
    struct event        *advance;               /* goes on from the loop */

    struct lookup        lookups[CHECK_HOSTS_MAX];
    unsigned             resolving;
    struct subject       subjects[SUBJECTS_MAX];
    unsigned             subject_count, left_out;
    char                 resolver_fault[BLOCK_TEXT_BYTES];

    struct tested       *tested;                /* of each list */
    struct question      questions[QUERIES_MAX];
    unsigned             under_way;
    size_t               next;                  /* in the phase: the number of the next question */

    json_t              *listings, *dead;
    unsigned             asked, unanswered;
    struct outcome       outcome;
};

static const struct block_list *
list_at(const struct blacklist *b, unsigned i)
{
    return &b->tools.checks->lists[i];
}

/* ---- The end ------------------------------------------------------------------------------------------------------ */

static unsigned
working_lists(const struct blacklist *b)
{
    unsigned count = 0;

    for (unsigned i = 0; i < b->tools.checks->lists_count; i++) {
        bool works = false;

        for (unsigned k = 0; k < KINDS; k++)
            works = works || (b->tested[i].wanted[k] && b->tested[i].fault[k][0] == '\0');
        count += works;
    }
    return count;
}

static json_t *
describe_subjects(const struct blacklist *b)
{
    json_t *all = json_array();

    for (unsigned i = 0; i < b->subject_count; i++)
        json_array_append_new(all, json_pack("{s:s, s:s*}", "name", b->subjects[i].text, "of", b->subjects[i].of[0] != '\0' ? b->subjects[i].of : NULL));
    return all;
}

static void
put_document(struct blacklist *b)
{
    b->outcome.document = json_pack("{s:o, s:i, s:i, s:i, s:O, s:O}", "subjects", describe_subjects(b), "lists_asked", (int)working_lists(b),
                                    "questions", (int)b->asked, "unanswered", (int)b->unanswered, "listings", b->listings, "dead_lists", b->dead);
    if (b->left_out > 0 && b->outcome.document != NULL)
        json_object_set_new(b->outcome.document, "left_out", json_integer(b->left_out));
}

/* "192.0.2.1 is listed by zen.spamhaus.org (SBL), and in 2 more cases" */
static void
conclude_listed(struct blacklist *b)
{
    struct outcome *o = &b->outcome;
    const json_t   *first = json_array_get(b->listings, 0);
    const char     *name = json_string_value(json_object_get(first, "name")), *list = json_string_value(json_object_get(first, "list"));
    const char     *meaning = json_string_value(json_object_get(first, "meaning")), *text = json_string_value(json_object_get(first, "text"));
    size_t          more = json_array_size(b->listings) - 1;
    char            rest[64] = "";

    if (more > 0)
        snprintf(rest, sizeof(rest), ", and %zu more listing%s", more, more > 1 ? "s" : "");
    o->state = STATE_CRITICAL;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("listed"));
    slice_copy(o->step, sizeof(o->step), slice_of("listed"));
    snprintf(o->cause, sizeof(o->cause), "listed %.100s", name);
    slice_copy(o->host, sizeof(o->host), slice_of(list));
    slice_copy(o->reply, sizeof(o->reply), slice_of(text != NULL ? text : ""));
    snprintf(o->reason, sizeof(o->reason), "%.120s is listed by %.100s (%.150s)%s", name, list, meaning != NULL ? meaning : "without a known meaning", rest);
}

static void
conclude_unknown(struct blacklist *b, const char *cause, const char *reason)
{
    struct outcome *o = &b->outcome;

    o->state = STATE_UNKNOWN;
    o->own_trouble = true;
    slice_copy(o->verdict, sizeof(o->verdict), slice_of("unknown"));
    slice_copy(o->cause, sizeof(o->cause), slice_of(cause));
    slice_copy(o->reason, sizeof(o->reason), slice_of(reason));
}

/* Most likely it is our name server, or the network: told by the first list's reason. */
static void
conclude_no_list(struct blacklist *b)
{
    const json_t *first = json_array_get(b->dead, 0);
    char          reason[400] = "no block list answers";

    if (first != NULL)
        snprintf(reason, sizeof(reason), "no block list works; %.100s: %.250s", json_string_value(json_object_get(first, "list")),
                 json_string_value(json_object_get(first, "reason")));
    else if (b->asked == 0)
        snprintf(reason, sizeof(reason), "no block list has entries of that kind");
    conclude_unknown(b, "block lists", reason);
}

static void
conclude(struct blacklist *b)
{
    unsigned works = working_lists(b);
    size_t   dead = json_array_size(b->dead);
    char     rest[96] = "";

    if (json_array_size(b->listings) > 0) {
        conclude_listed(b);
        return;
    }
    if (b->resolver_fault[0] != '\0') {
        conclude_unknown(b, "resolver", b->resolver_fault);
        return;
    }
    if (works == 0 || (b->asked > 0 && b->unanswered == b->asked)) {
        conclude_no_list(b);
        return;
    }
    b->outcome.state = STATE_OK;
    slice_copy(b->outcome.verdict, sizeof(b->outcome.verdict), slice_of("ok"));
    if (dead > 0)
        snprintf(rest, sizeof(rest), "; %zu test%s of lists failed, so these were not asked", dead, dead > 1 ? "s" : "");
    snprintf(b->outcome.reason, sizeof(b->outcome.reason), "%u name%s not listed by %u list%s%s", b->subject_count, b->subject_count != 1 ? "s are" : " is",
             works, works != 1 ? "s" : "", rest);
}

static void
add_time(struct blacklist *b, const char *name)
{
    uint64_t now = monotonic_us();

    outcome_add_time(&b->outcome, name, now - b->phase_us);
    b->phase_us = now;
}

static void
finish(struct blacklist *b)
{
    b->phase = OVER;
    b->outcome.took_us = monotonic_us() - b->began_us;
    outcome_add_time(&b->outcome, "total", b->outcome.took_us);
    conclude(b);
    put_document(b);
    b->done(b->arg, &b->outcome);           /* may free it */
}

/* ---- What is looked for ------------------------------------------------------------------------------------------- */

static void
add_subject(struct blacklist *b, enum block_kind kind, const char *text, const char *of)
{
    struct subject *s = &b->subjects[b->subject_count];

    for (unsigned i = 0; i < b->subject_count; i++)
        if (b->subjects[i].kind == kind && slice_equal_nocase(slice_of(b->subjects[i].text), slice_of(text)))
            return;
    if (b->subject_count == SUBJECTS_MAX) {
        b->left_out++;
        return;
    }
    s->kind = kind;
    slice_copy(s->text, sizeof(s->text), slice_of(text));
    slice_copy(s->of, sizeof(s->of), slice_of(of));
    b->subject_count++;
}

/* An IPv4 address that is written as an IPv6 one is looked for as what it is. */
static void
add_address(struct blacklist *b, const char *text, const char *of)
{
    struct in6_addr six;
    char            four[INET_ADDRSTRLEN];

    if (inet_pton(AF_INET6, text, &six) == 1 && IN6_IS_ADDR_V4MAPPED(&six) &&
        inet_ntop(AF_INET, &six.s6_addr[12], four, sizeof(four)) != NULL)
        add_subject(b, BLOCK_IPV4, four, of);
    else
        add_subject(b, block_kind_of(text), text, of);
}

/* A domain needs no address; that the name servers give no answer is another matter. */
static void
on_route(void *arg, const struct route *route)
{
    struct lookup    *l = arg;
    struct blacklist *b = l->owner;

    l->resolution = NULL;
    for (unsigned i = 0; route->fault == ROUTE_FOUND && i < route->count && i < ADDRESSES_MAX; i++)
        add_address(b, route->targets[i].address, l->host);
    if ((route->fault == ROUTE_LATER || route->fault == ROUTE_NO_DNS) && b->resolver_fault[0] == '\0')
        slice_copy(b->resolver_fault, sizeof(b->resolver_fault), slice_of(route->reason));
    if (--b->resolving == 0)
        event_active(b->advance, EV_TIMEOUT, 0);
}

static bool
begin_resolving(struct blacklist *b, const char *client)
{
    if (client != NULL && client[0] != '\0' && block_kind_of(client) != BLOCK_DOMAIN)
        add_address(b, client, "client of the last delivery");
    for (unsigned i = 0; i < b->check->hosts_count; i++) {
        const char    *host = b->check->hosts[i];
        struct lookup *l = &b->lookups[i];

        if (block_kind_of(host) != BLOCK_DOMAIN) {
            add_address(b, host, "");
            continue;
        }
        add_subject(b, BLOCK_DOMAIN, host, "");
        *l = (struct lookup){ .owner = b, .host = host };
        l->resolution = resolver_find_host(b->tools.resolver, slice_of(host), 0, on_route, l);
        if (l->resolution == NULL)
            return false;
        b->resolving++;
    }
    if (b->resolving == 0)
        event_active(b->advance, EV_TIMEOUT, 0);
    return true;
}

/* ---- Questions ---------------------------------------------------------------------------------------------------- */

static void
add_dead(struct blacklist *b, const struct question *q, const char *fault)
{
    static const char *const kinds[KINDS] = { [BLOCK_IPV4] = "IPv4", [BLOCK_IPV6] = "IPv6", [BLOCK_DOMAIN] = "domains" };
    char                    *known = b->tested[q->list].fault[q->kind];

    if (known[0] != '\0')
        return;
    slice_copy(known, BLOCK_TEXT_BYTES, slice_of(fault));
    json_array_append_new(b->dead, json_pack("{s:s, s:s, s:s}", "list", list_at(b, q->list)->name, "for", kinds[q->kind], "reason", fault));
}

static void
take_test(struct blacklist *b, const struct question *q, const struct block_found *f)
{
    const struct block_list *list = list_at(b, q->list);
    char                     text[BLOCK_TEXT_BYTES];

    if (f->result == BLOCK_ASKS_IN_VAIN) {
        add_dead(b, q, f->fault);
    } else if (q->must_be_listed && f->result != BLOCK_IS_LISTED) {
        snprintf(text, sizeof(text), "its test point %.100s is not listed", block_listed_point(list, q->kind));
        add_dead(b, q, text);
    } else if (!q->must_be_listed && f->result == BLOCK_IS_LISTED) {
        snprintf(text, sizeof(text), "it lists %.100s, which is never to be listed: it may list everything", block_unlisted_point(list, q->kind));
        add_dead(b, q, text);
    }
}

static json_t *
answers_json(const struct block_found *f)
{
    json_t *all = json_array();
    char    text[INET_ADDRSTRLEN];

    for (unsigned i = 0; i < f->count; i++)
        json_array_append_new(all, json_string(inet_ntop(AF_INET, &f->answers[i], text, sizeof(text)) != NULL ? text : ""));
    return all;
}

static void
take_answer(struct blacklist *b, const struct question *q, const struct block_found *f)
{
    const struct subject *s = &b->subjects[q->subject];

    b->asked++;
    b->unanswered += f->result == BLOCK_ASKS_IN_VAIN;
    if (f->result != BLOCK_IS_LISTED)
        return;
    json_array_append_new(b->listings, json_pack("{s:s, s:s*, s:s, s:o, s:s*, s:s*}", "name", s->text, "of", s->of[0] != '\0' ? s->of : NULL,
                                                 "list", list_at(b, q->list)->name, "answers", answers_json(f),
                                                 "meaning", f->meaning[0] != '\0' ? f->meaning : NULL, "text", f->text[0] != '\0' ? f->text : NULL));
}

static void
on_found(void *arg, const struct block_found *found)
{
    struct question  *q = arg;
    struct blacklist *b = q->owner;

    q->query = NULL;
    b->under_way--;
    if (q->is_test)
        take_test(b, q, found);
    else
        take_answer(b, q, found);
    event_active(b->advance, EV_TIMEOUT, 0);
}

/*
 * The next question of the phase, by its number: tests are list x kind x two points, the others subject x list. Those that are not to be asked are
 * passed over. False: there is none left.
 */
static bool
next_question(struct blacklist *b, struct question *q)
{
    unsigned lists = b->tools.checks->lists_count;

    for (;; b->next++) {
        size_t n = b->next;

        *q = (struct question){ .owner = b, .is_test = b->phase == TESTING };
        if (q->is_test) {
            q->list = (unsigned)(n / (2 * KINDS));
            q->kind = (enum block_kind)(n / 2 % KINDS);
            q->must_be_listed = n % 2 == 0;
            if (q->list >= lists)
                return false;
            if (!b->tested[q->list].wanted[q->kind])
                continue;
        } else {
            q->subject = (unsigned)(n / lists);
            q->list = (unsigned)(n % lists);
            if (q->subject >= b->subject_count)
                return false;
            q->kind = b->subjects[q->subject].kind;
            if (!b->tested[q->list].wanted[q->kind] || b->tested[q->list].fault[q->kind][0] != '\0')
                continue;
        }
        b->next++;
        return true;
    }
}

static struct question *
free_slot(struct blacklist *b)
{
    for (unsigned i = 0; i < QUERIES_MAX; i++)
        if (b->questions[i].query == NULL)
            return &b->questions[i];
    return NULL;
}

/* Asks as much as there is room for. False: all questions of the phase are asked and answered. */
static bool
ask_more(struct blacklist *b)
{
    struct question *slot, q;

    while ((slot = free_slot(b)) != NULL && next_question(b, &q)) {
        const struct block_list *list = list_at(b, q.list);
        const char              *text = !q.is_test ? b->subjects[q.subject].text
                                        : q.must_be_listed ? block_listed_point(list, q.kind) : block_unlisted_point(list, q.kind);

        *slot = q;
        slot->query = block_query_start(b->tools.base, b->tools.dns, list, q.kind, text, !q.is_test, on_found, slot);
        if (slot->query == NULL)
            b->unanswered++;
        else
            b->under_way++;
    }
    return b->under_way > 0;
}

/* ---- Going on ----------------------------------------------------------------------------------------------------- */

static void
begin_testing(struct blacklist *b)
{
    for (unsigned i = 0; i < b->tools.checks->lists_count; i++)
        for (unsigned s = 0; s < b->subject_count; s++) {
            enum block_kind kind = b->subjects[s].kind;

            b->tested[i].wanted[kind] = block_list_has(list_at(b, i), kind);
        }
    add_time(b, "lookup");
    b->phase = TESTING;
    b->next = 0;
}

static void
advance(struct blacklist *b)
{
    if (b->phase == RESOLVING)
        begin_testing(b);
    if (b->phase == TESTING && !ask_more(b)) {
        add_time(b, "test");
        b->phase = ASKING;
        b->next = 0;
    }
    if (b->phase == ASKING && !ask_more(b)) {
        add_time(b, "lists");
        finish(b);
    }
}

static void
on_advance(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    advance(arg);
}

struct blacklist *
blacklist_start(const struct probe_tools *tools, const struct check *check, const char *client, probe_done_fn *done, void *arg)
{
    struct blacklist *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return NULL;
    b->tools = *tools;
    b->check = check;
    b->done = done;
    b->arg = arg;
    b->began_us = b->phase_us = monotonic_us();
    outcome_init(&b->outcome);
    b->outcome.started_us = wall_us();
    b->listings = json_array();
    b->dead = json_array();
    b->tested = calloc(tools->checks->lists_count + 1, sizeof(*b->tested));
    b->advance = event_new(tools->base, -1, 0, on_advance, b);
    if (b->listings == NULL || b->dead == NULL || b->tested == NULL || b->advance == NULL || !begin_resolving(b, client)) {
        blacklist_free(b);
        return NULL;
    }
    return b;
}

void
blacklist_free(struct blacklist *b)
{
    if (b == NULL)
        return;
    for (unsigned i = 0; i < CHECK_HOSTS_MAX; i++)
        resolution_cancel(b->lookups[i].resolution);
    for (unsigned i = 0; i < QUERIES_MAX; i++)
        block_query_forget(b->questions[i].query);
    if (b->advance != NULL)
        event_free(b->advance);
    json_decref(b->listings);
    json_decref(b->dead);
    free(b->tested);
    outcome_clear(&b->outcome);
    free(b);
}
