/* checks_check - the checks themselves: what each kind needs, when it runs, whom it tells, and which others it waits for. */
#include "checker/checks_load.h"

#include "checker/compose.h"
#include "lib/error.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>

#define WEEK_MS      (7u * 86400 * 1000)
#define HOUR_MS      3600000u
enum { CONFIRM_MAX = 100, DAYS_MAX = 3650 };

/* ---- Which settings go with which kind ------------------------------------------------------------------------------ */

#define TRIP   (1u << CHECK_ROUND_TRIP)
#define SMTP   (1u << CHECK_SMTP)
#define BLACK  (1u << CHECK_BLACKLIST)
#define ONLY(member, which) { .name = #member, .offset = offsetof(struct raw_check, member), .kinds = (which) }

static const struct { const char *name; size_t offset; unsigned kinds; } only[] = {
    ONLY(scenario, TRIP),       ONLY(strategy, TRIP),    ONLY(send, TRIP | SMTP),   ONLY(each_mx, TRIP), ONLY(server, TRIP | SMTP),
    ONLY(sendmail, TRIP),       ONLY(receive, TRIP),     ONLY(account, TRIP),       ONLY(folder, TRIP),         ONLY(junk_folder, TRIP),
    ONLY(mailbox, TRIP),        ONLY(expect, TRIP),      ONLY(to, TRIP | SMTP),     ONLY(from, TRIP | SMTP),    ONLY(rcpt, SMTP),
    ONLY(client_of, BLACK),     ONLY(helo, TRIP | SMTP), ONLY(window, TRIP),        ONLY(retry_gap, TRIP),      ONLY(poll_gap, TRIP),
    ONLY(warning, TRIP | SMTP), ONLY(keep, TRIP),        ONLY(auto_submitted, TRIP), ONLY(critical, TRIP | SMTP),
    ONLY(certificate_warning_days, TRIP | SMTP),
};

static const char *const kind_words[] = { "round-trip", "smtp", "blacklist", NULL };

static void
check_kind_fits(struct loader *l, const char *section, const struct raw_check *raw, enum check_kind kind)
{
    for (size_t i = 0; i < COUNT(only); i++) {
        char *text = *(char *const *)(const void *)((const char *)raw + only[i].offset);
        if (text != NULL && !(only[i].kinds & (1u << kind)))
            load_refuse(l, (struct given){ .section = section, .name = only[i].name, .item = -1, .text = text }, "no %s with kind: %s", only[i].name,
                        kind_words[kind]);
    }
    if (raw->hosts.count > 0 && kind != CHECK_BLACKLIST)
        load_fail(l, GIVEN_NONE(section, "hosts"), "found with kind: %s, allowed: with kind: blacklist", kind_words[kind]);
}

/* ---- What "defaults" may say for all --------------------------------------------------------------------------------- */

#define SHARED(l, section, raw, member) shared((l), GIVEN((section), (raw), member), (l)->raw->defaults == NULL ? NULL : (l)->raw->defaults->member)

static struct given
shared(const struct loader *l, struct given own, char *of_all)
{
    (void)l;
    return own.text != NULL || of_all == NULL ? own : (struct given){ .section = "defaults", .name = own.name, .item = -1, .text = of_all };
}

static void
load_times(struct loader *l, const char *at, const struct raw_check *raw, struct check *c)
{
    static const char *const overlaps[] = { "skip", "wait", "allow", NULL };
    bool                     probe = c->kind == CHECK_SMTP;
    unsigned                 word;

    load_span(l, SHARED(l, at, raw, interval), 1000, WEEK_MS, 300000, &c->interval_ms);
    load_span(l, SHARED(l, at, raw, window), 1000, WEEK_MS, 600000, &c->plan.window_ms);
    load_span(l, SHARED(l, at, raw, timeout), 100, HOUR_MS, 60000, &c->plan.timeout_ms);
    load_span(l, SHARED(l, at, raw, retry_gap), 0, WEEK_MS, 10000, &c->plan.retry_gap_ms);
    load_span(l, SHARED(l, at, raw, poll_gap), 100, HOUR_MS, 5000, &c->plan.poll_gap_ms);
    load_range(l, SHARED(l, at, raw, warning), probe ? "10" : "95", &c->plan.warning);
    load_range(l, SHARED(l, at, raw, critical), probe ? "30" : "300", &c->plan.critical);
    load_word(l, SHARED(l, at, raw, overlap), overlaps, OVERLAP_SKIP, &word);
    c->overlap = (enum overlap)word;
    load_number(l, SHARED(l, at, raw, confirm), 1, CONFIRM_MAX, 2, &c->confirm);
    load_span(l, SHARED(l, at, raw, confirm_gap), 0, WEEK_MS, 60000, &c->confirm_gap_ms);
    load_bool(l, SHARED(l, at, raw, keep), false, &c->plan.keep);
    load_bool(l, SHARED(l, at, raw, auto_submitted), true, &c->plan.auto_submitted);
    load_number(l, SHARED(l, at, raw, certificate_warning_days), 0, DAYS_MAX, 14, &c->certificate_warning_days);
    load_text(l, SHARED(l, at, raw, from), TEXT_ADDRESS, NULL, &c->plan.from);
    load_text(l, SHARED(l, at, raw, helo), TEXT_HELO, c->plan.helo, &c->plan.helo);
}

static void
load_quiet(struct loader *l, const char *section, const struct strings *given, struct check *c)
{
    for (unsigned i = 0; i < given->count && l->rc == MT_OK; i++) {
        struct given g = { .section = section, .name = "quiet", .item = (int)i, .text = given->items[i] };
        unsigned     added = 0;
        int          rc = quiet_parse(slice_of(g.text), c->quiet + c->quiet_count, CHECK_QUIET_MAX - c->quiet_count, &added);
        if (rc == MT_EFULL)
            load_fail(l, g, "found more than %u times, each day of a span counted, allowed: at most these", CHECK_QUIET_MAX);
        else if (rc != MT_OK)
            load_refuse(l, g, "\"Mon-Fri 22:00-06:00\", \"Sun\" or \"22:00-06:00\"");
        c->quiet_count += added;
    }
}

/* Lists that "defaults" may have; an empty one in the check stays empty. */
static void
load_shared_lists(struct loader *l, const char *at, const struct raw_check *raw, struct check *c)
{
    const struct raw_defaults *all = l->raw->defaults;
    bool                       own_quiet = all == NULL || raw->quiet.count > 0 || load_has(l, at, "quiet");
    bool                       own_alert = all == NULL || raw->alert.count > 0 || load_has(l, at, "alert");

    load_quiet(l, own_quiet ? at : "defaults", own_quiet ? &raw->quiet : &all->quiet, c);
    load_names(l, own_alert ? at : "defaults", "alert", own_alert ? &raw->alert : &all->alert, &l->contacts, "contact", CHECK_CONTACTS_MAX,
               c->contacts, &c->contacts_count);
}

/* ---- Kinds ------------------------------------------------------------------------------------------------------------ */

static void
load_smtp(struct loader *l, const char *at, const struct raw_check *raw, struct check *c)
{
    static const char *const ways[] = { "mx", "host", NULL };
    struct plan             *p = &c->plan;
    unsigned                 way;

    p->server.port = 25;
    if (raw->server != NULL && load_server(l, GIVEN(at, raw, server), USE_SMTP, &p->server) == NULL)
        return;
    load_word(l, GIVEN(at, raw, send), ways, p->server.host != NULL ? SEND_HOST : SEND_MX, &way);
    p->send = (enum send_way)way;
    p->receive = RECEIVE_NONE;
    load_text(l, GIVEN(at, raw, to), TEXT_ADDRESS, NULL, &p->to);
    load_bool(l, GIVEN(at, raw, rcpt), false, &c->probe_recipient);
    if (p->send == SEND_HOST && p->server.host == NULL)
        load_fail(l, GIVEN_NONE(at, ""), "found without server, allowed: a server with host for send: host");
    if (p->send == SEND_MX && p->server.host != NULL)
        load_refuse(l, GIVEN(at, raw, server), "a server without host (its port and TLS) with send: mx");
    if (p->to == NULL && (p->send == SEND_MX || c->probe_recipient))
        load_fail(l, GIVEN_NONE(at, ""), "found without to, allowed: an address, for the %s", p->send == SEND_MX ? "MX of its domain" : "RCPT probe");
}

static void
load_blacklist(struct loader *l, const char *at, const struct raw_check *raw, struct check *c)
{
    c->plan.receive = RECEIVE_NONE;
    c->plan.send = SEND_NONE;
    if (raw->hosts.count > CHECK_HOSTS_MAX)
        load_fail(l, GIVEN_NONE(at, "hosts"), "found a list of %u items, allowed: at most %u", raw->hosts.count, CHECK_HOSTS_MAX);
    for (unsigned i = 0; i < raw->hosts.count && l->rc == MT_OK; i++) {
        load_text(l, GIVEN_ITEM(at, raw, hosts, i), TEXT_HOST, NULL, &c->hosts[i]);
        c->hosts_count = i + 1;
    }
    if (raw->hosts.count == 0 && raw->client_of == NULL)
        load_fail(l, GIVEN_NONE(at, ""), "found without hosts and client_of, allowed: one of them, or both");
}

static void
load_check(struct loader *l, unsigned i)
{
    struct raw_check  *raw = &l->raw->checks.items[i];
    struct check      *c = &l->out->checks[i];
    char               at[SECTION_BYTES];
    const struct node *place;
    unsigned           word;

    section_of(at, "checks", i);
    place = outline_find(l->outline, at);
    c->line = place == NULL ? 0 : place->line;
    c->name = raw->name;
    c->client_of = -1;
    load_word(l, GIVEN(at, raw, kind), kind_words, CHECK_ROUND_TRIP, &word);
    c->kind = (enum check_kind)word;
    check_kind_fits(l, at, raw, c->kind);
    load_bool(l, GIVEN(at, raw, enabled), true, &c->enabled);
    c->plan.label = c->name;
    c->plan.helo = l->out->machine_name;
    load_times(l, at, raw, c);
    load_shared_lists(l, at, raw, c);
    if (c->kind == CHECK_ROUND_TRIP)
        load_route(l, at, raw, c);
    else if (c->kind == CHECK_SMTP)
        load_smtp(l, at, raw, c);
    else
        load_blacklist(l, at, raw, c);
}

/* ---- Names, and what they refer to --------------------------------------------------------------------------------------- */

static void
load_check_names(struct loader *l)
{
    unsigned    count = l->raw->checks.count;
    char        at[SECTION_BYTES];
    const char *name;
    int         second;

    for (unsigned i = 0; i < count && l->rc == MT_OK; i++) {
        const struct raw_check *raw = &l->raw->checks.items[i];
        section_of(at, "checks", i);
        if (raw->name == NULL)
            load_fail(l, GIVEN_NONE(at, ""), "found without name, allowed: a name, which its results are stored under");
        load_text(l, GIVEN(at, raw, name), TEXT_NAME, NULL, &name);
        if (l->rc == MT_OK && name_index_add(&l->checks, count, raw->name, i) != MT_OK)
            load_out_of_memory(l);
    }
    if (l->rc == MT_OK && (second = name_index_sort(&l->checks)) >= 0) {
        unsigned           i = l->checks.entries[second].index;
        const struct node *first = outline_find(l->outline, section_of(at, "checks", l->checks.entries[second - 1].index));
        section_of(at, "checks", i);
        load_fail(l, GIVEN(at, &l->raw->checks.items[i], name), "found \"%s\" a second time, allowed: each name once (the check in line %u has it)",
                  l->checks.entries[second].name, first == NULL ? 0 : first->line);
    }
}

static void
load_references(struct loader *l, unsigned i)
{
    struct raw_check *raw = &l->raw->checks.items[i];
    struct check     *c = &l->out->checks[i];
    char              at[SECTION_BYTES];

    section_of(at, "checks", i);
    load_names(l, at, "depends", &raw->depends, &l->checks, "check", CHECK_DEPENDS_MAX, c->depends, &c->depends_count);
    if (raw->client_of == NULL || l->rc != MT_OK)
        return;
    c->client_of = load_name(l, GIVEN(at, raw, client_of), &l->checks, "check");
    if (l->rc == MT_OK && (l->out->checks[c->client_of].kind != CHECK_ROUND_TRIP || l->out->checks[c->client_of].plan.receive != RECEIVE_HOSTED))
        load_refuse(l, GIVEN(at, raw, client_of), "a round trip with receive: hosted, since the service alone sees who delivered");
}

/*
 * Checks that wait for each other would all be silent. Takes away, again and again, checks that no other one waits for; what is left over is in a
 * circle, or waits for one.
 */
static void
check_circles(struct loader *l)
{
    unsigned  count = l->out->checks_count, ready = 0, done = 0;
    unsigned *waiting = load_array(l, count, sizeof(*waiting)), *queue = load_array(l, count, sizeof(*queue));

    for (unsigned i = 0; l->rc == MT_OK && i < count; i++)
        for (unsigned j = 0; j < l->out->checks[i].depends_count; j++)
            waiting[l->out->checks[i].depends[j]]++;
    for (unsigned i = 0; l->rc == MT_OK && i < count; i++)
        if (waiting[i] == 0)
            queue[ready++] = i;
    while (done < ready) {
        const struct check *c = &l->out->checks[queue[done++]];
        for (unsigned j = 0; j < c->depends_count; j++)
            if (--waiting[c->depends[j]] == 0)
                queue[ready++] = c->depends[j];
    }
    for (unsigned i = 0; l->rc == MT_OK && i < count; i++) {
        char at[SECTION_BYTES];
        if (waiting[i] > 0 && l->out->checks[i].depends_count > 0)
            load_fail(l, GIVEN_NONE(section_of(at, "checks", i), "depends"),
                      "found a circle: \"%s\" waits, by others, for itself, allowed: dependencies without one", LOG_TEXT(slice_of(l->out->checks[i].name)));
    }
    free(waiting);
    free(queue);
}

void
load_checks(struct loader *l)
{
    unsigned count = l->raw->checks.count;

    l->out->checks = load_array(l, count, sizeof(*l->out->checks));
    load_check_names(l);
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++)
        load_check(l, i);
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++)
        load_references(l, i);
    l->out->checks_count = l->rc == MT_OK ? count : 0;
    check_circles(l);
}
