#include "tests/unit/unit.h"

#include "checker/incidents.h"
#include "checker/quiet.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * Each rule is a story: what runs came to, second by second, and who was told what. Every story is told twice: once as it is, and once with a restart
 * before each of its steps, which must change nothing.
 */

enum { CHECKS = 4, CONTACTS = 3, RECORDS_MAX = 64, TEXT_BYTES = 4000, RUNS_MAX = 199 };
enum { OPS, CUSTOMER, THIRD };
#define SECOND UINT64_C(1000000)
#define WALL_0 (UINT64_C(1795392000) * SECOND)      /* Monday 2026-11-23 00:00 UTC */
#define MONO_0 (UINT64_C(5000) * SECOND)

struct record {
    char   key[128];
    size_t key_len;
    char  *value;
    size_t value_len;
};

struct world {
    struct checks     checks;
    struct check      list[CHECKS];
    struct contact    contacts[CONTACTS];
    struct incidents *in;
    struct moment     now;
    struct record     records[RECORDS_MAX];
    char              told[TEXT_BYTES], details[TEXT_BYTES];
    char              hastened[TEXT_BYTES];
    uint64_t          last_notice;
    unsigned          way_sum;          /* of the ways of the last notice */
};

#define say(text, ...) snprintf((text) + strlen(text), TEXT_BYTES - strlen(text), __VA_ARGS__)

/* "150 problem ops CRITICAL a b; " */
static void
on_tell(void *arg, unsigned contact, const unsigned *ways, unsigned ways_count, const struct notice *n)
{
    struct world *w = arg;

    say(w->told, "%llu %s %s %s", (unsigned long long)((w->now.us - MONO_0) / SECOND), notice_kind_name(n->kind), w->contacts[contact].name,
        state_name(n->state));
    for (unsigned i = 0; i < n->checks_told; i++)
        say(w->told, " %s", n->checks[i].name);
    say(w->told, "; ");
    w->details[0] = '\0';
    say(w->details, "%s|%s|%llu|", n->cause, n->checks_told > 0 ? n->checks[0].reason : "", (unsigned long long)((n->since_us - WALL_0) / SECOND));
    assert_true(n->id > w->last_notice);
    w->last_notice = n->id;
    w->way_sum = 0;
    for (unsigned i = 0; i < ways_count; i++)
        w->way_sum += 1u << ways[i];
}

static void
on_hasten(void *arg, unsigned check)
{
    struct world *w = arg;

    say(w->hastened, "%s ", w->list[check].name);
}

static struct record *
find_record(struct world *w, struct slice key)
{
    struct record *r = NULL;

    for (size_t i = 0; i < RECORDS_MAX; i++) {
        if (w->records[i].value != NULL && slice_equal(slice_make(w->records[i].key, w->records[i].key_len), key))
            return &w->records[i];
        if (r == NULL && w->records[i].value == NULL)
            r = &w->records[i];
    }
    assert_non_null(r);
    return r;
}

static void
on_keep(void *arg, struct slice key, struct slice value)
{
    struct record *r = find_record(arg, key);

    free(r->value);
    r->value = NULL;
    if (value.data == NULL)
        return;
    assert_true(key.len < sizeof(r->key));
    memcpy(r->key, key.data, key.len);
    r->key_len = key.len;
    r->value = malloc(value.len);
    assert_non_null(r->value);
    memcpy(r->value, value.data, value.len);
    r->value_len = value.len;
}

static void
world_open(struct world *w)
{
    const struct incidents_hooks hooks = { .tell = on_tell, .hasten = on_hasten, .keep = on_keep, .arg = w };

    w->in = incidents_new(&w->checks, &hooks, w->now);
    assert_non_null(w->in);
    /* The other way round than they were kept: checks come before and after their incidents. */
    for (size_t i = RECORDS_MAX; i-- > 0;)
        if (w->records[i].value != NULL)
            assert_rc("restore", incidents_restore(w->in, slice_make(w->records[i].key, w->records[i].key_len),
                                                   slice_make(w->records[i].value, w->records[i].value_len)), MT_OK);
    incidents_restored(w->in, w->now);
}

static struct world *
world_new(void (*set_up)(struct world *))
{
    static const char *const names[CHECKS] = { "a", "b", "c", "d" };
    struct world            *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->now = (struct moment){ .us = MONO_0, .wall_us = WALL_0 };
    w->checks = (struct checks){ .checks = w->list, .checks_count = CHECKS, .contacts = w->contacts, .contacts_count = CONTACTS, .group_ms = 30000 };
    w->contacts[OPS] = (struct contact){ .name = "ops", .ways = { 0 }, .ways_count = 1, .warnings = true, .recoveries = true };
    w->contacts[CUSTOMER] = (struct contact){ .name = "customer", .ways = { 1 }, .ways_count = 1, .recoveries = true };
    w->contacts[THIRD] = (struct contact){ .name = "third", .ways = { 2 }, .ways_count = 1 };
    for (unsigned i = 0; i < CHECKS; i++)
        w->list[i] = (struct check){ .name = names[i], .enabled = true, .interval_ms = 300000, .confirm = 1, .confirm_gap_ms = 60000,
                                     .contacts = { OPS }, .contacts_count = 1 };
    if (set_up != NULL)
        set_up(w);
    world_open(w);
    return w;
}

static void
world_free(struct world *w)
{
    incidents_free(w->in);
    for (size_t i = 0; i < RECORDS_MAX; i++)
        free(w->records[i].value);
    free(w);
}

static void
restart(struct world *w)
{
    incidents_free(w->in);
    world_open(w);
}

/* Lets time pass to that second, turn by turn. */
static void
run_until(struct world *w, uint64_t second)
{
    for (;;) {
        uint64_t next = incidents_turn(w->in, w->now), end = MONO_0 + second * SECOND;

        if (next > end)
            next = end;
        if (next > w->now.us) {
            w->now.wall_us += next - w->now.us;
            w->now.us = next;
        }
        if (w->now.us == end)
            break;
    }
    incidents_turn(w->in, w->now);
}

/*
 * O: OK, W: WARNING, C: CRITICAL, U: UNKNOWN, X: our own trouble, D: put off until the window ended, G: came late by being put off. Behind it
 * "=CAUSE"; else that of the check alone. A digit in front: minutes that the run took.
 */
static bool
take(struct world *w, unsigned check, const char *text)
{
    struct outcome o;
    const char    *cause = strchr(text, '=');

    outcome_init(&o);
    if (*text >= '0' && *text <= '9')
        o.took_us = (uint64_t)(*text++ - '0') * 60 * SECOND;
    o.started_us = w->now.wall_us - o.took_us;
    o.state = *text == 'O' ? STATE_OK : *text == 'W' || *text == 'G' ? STATE_WARNING : *text == 'U' || *text == 'X' ? STATE_UNKNOWN : STATE_CRITICAL;
    o.own_trouble = *text == 'X';
    o.deferred = *text == 'D' || *text == 'G';
    slice_copy(o.verdict, sizeof(o.verdict), slice_of(*text == 'O' || *text == 'G' ? "arrived" : "not-sent"));
    slice_copy(o.reason, sizeof(o.reason), slice_of(*text == 'O' ? "it arrived" : "it failed"));
    if (*text != 'O')
        snprintf(o.cause, sizeof(o.cause), "%s", cause != NULL ? cause + 1 : w->list[check].name);
    return incidents_take(w->in, check, &o, w->now);
}

/* "30:a:C 60:b:C=relay 200:end". Returns of each run whether it is to be confirmed soon, as text. */
static void
tell_story(struct world *w, const char *story, bool with_restarts, char soon[RUNS_MAX + 1])
{
    char     copy[2000], *rest = copy, *step;
    unsigned runs = 0;

    assert_true(slice_copy(copy, sizeof(copy), slice_of(story)));
    while ((step = strsep(&rest, " ")) != NULL) {
        char         *what = strchr(step, ':') + 1;
        unsigned long second = strtoul(step, NULL, 10);

        run_until(w, second);
        if (with_restarts)
            restart(w);
        if (strcmp(what, "end") == 0)
            continue;
        assert_true(runs < RUNS_MAX);
        soon[runs++] = take(w, (unsigned)(what[0] - 'a'), what + 2) ? 'y' : 'n';
        if (with_restarts)
            restart(w);
        incidents_turn(w->in, w->now);
    }
    soon[runs] = '\0';
}

/* ---- What is set up ---- */

static void
confirm_3(struct world *w)
{
    for (unsigned i = 0; i < CHECKS; i++)
        w->list[i].confirm = 3;
}

static void
two_contacts(struct world *w)
{
    for (unsigned i = 0; i < CHECKS; i++) {
        w->list[i].contacts[1] = CUSTOMER;
        w->list[i].contacts_count = 2;
    }
}

static void
confirm_3_customer(struct world *w)
{
    confirm_3(w);
    for (unsigned i = 0; i < CHECKS; i++)
        w->list[i].contacts[0] = CUSTOMER;
}

/* b is the customer's, c the third's, who wants no recoveries. */
static void
one_each(struct world *w)
{
    w->list[1].contacts[0] = CUSTOMER;
    w->list[2].contacts[0] = THIRD;
}

static void
customer_b(struct world *w)
{
    w->list[1].contacts[0] = CUSTOMER;
}

static void
reminded(struct world *w)
{
    w->contacts[OPS].reminder_ms = 600000;
}

static void
escalated(struct world *w)
{
    w->contacts[OPS].escalate_after_ms = 600000;
    w->contacts[OPS].escalate_to[0] = 1;
    w->contacts[OPS].escalate_to[1] = 0;
    w->contacts[OPS].escalate_count = 2;
}

/* From 00:10 to 00:20 of Monday. */
static void
quiet_a(struct world *w)
{
    w->list[0].quiet[0] = (struct quiet){ 10, 20 };
    w->list[0].quiet_count = 1;
}

static void
quiet_a_reminded(struct world *w)
{
    quiet_a(w);
    reminded(w);
    w->contacts[OPS].reminder_ms = 240000;
}

/* b and c hang on a, d on c. */
static void
dependent(struct world *w)
{
    one_each(w);
    w->list[1].depends[0] = w->list[2].depends[0] = 0;
    w->list[3].depends[0] = 2;
    w->list[1].depends_count = w->list[2].depends_count = w->list[3].depends_count = 1;
}

static void
dependent_confirm_2(struct world *w)
{
    dependent(w);
    for (unsigned i = 0; i < CHECKS; i++)
        w->list[i].confirm = 2;
}

/* ---- The rules ---- */

static const struct {
    const char *label;
    void      (*set_up)(struct world *);
    const char *story, *told;
    const char *soon;           /* NULL: not looked at */
} rules[] = {
    /* Confirmation. */
    { "all is well", NULL, "0:a:O 300:a:O 600:end", "", "nn" },
    { "a failure and its recovery", NULL, "0:a:C 300:a:C 600:a:O 900:a:O 1200:end", "30 problem ops CRITICAL a; 600 recovery ops OK a; ", "nnnn" },
    { "a failure that is not confirmed", confirm_3, "0:a:C 60:a:C 120:a:O 500:end", "", "yyn" },
    { "a failure that is confirmed by the third run", confirm_3, "0:a:C 60:a:C 120:a:C 500:end", "150 problem ops CRITICAL a; ", "yyn" },
    { "failures with a good run in between", confirm_3, "0:a:C 60:a:C 120:a:O 180:a:C 240:a:C 600:end", "", NULL },
    { "what recovers before anybody was told", NULL, "0:a:C 20:a:O 500:end", "", NULL },
    { "UNKNOWN is confirmed and told as such", confirm_3, "0:a:U 60:a:U 120:a:U 500:end", "150 problem ops UNKNOWN a; ", "yyn" },
    { "UNKNOWN becomes CRITICAL: told; back again: not", NULL, "0:a:U 300:a:C 600:a:U 900:end",
      "30 problem ops UNKNOWN a; 300 problem ops CRITICAL a; ", NULL },

    /* Warnings. */
    { "a warning is told to who wants warnings", two_contacts, "0:a:W 300:a:O 600:end", "30 problem ops WARNING a; 300 recovery ops OK a; ", NULL },
    { "it becomes worse, and less bad", two_contacts, "0:a:W 300:a:C 600:a:W 900:a:O 1200:end",
      "30 problem ops WARNING a; 300 problem ops CRITICAL a; 330 problem customer CRITICAL a; 600 problem ops WARNING a; 600 recovery customer OK a; "
      "900 recovery ops OK a; ", NULL },
    { "one CRITICAL run among warnings is not confirmed", confirm_3_customer, "0:a:W 60:a:W 120:a:C 180:a:W 600:end", "", "nnyn" },
    { "three of them are", confirm_3_customer, "0:a:W 60:a:C 120:a:C 180:a:C 600:end", "210 problem customer CRITICAL a; ", "nyyn" },
    { "a warning that nobody wants", confirm_3_customer, "0:a:W 60:a:W 120:a:W 180:a:O 600:end", "", "nnnn" },
    { "a told warning gets worse only after confirmation", confirm_3, "0:a:W 60:a:W 120:a:W 300:a:C 360:a:C 420:a:C 600:end",
      "150 problem ops WARNING a; 420 problem ops CRITICAL a; ", "yynyyn" },

    /* Greylisting. */
    { "put off until the window ended is a failure, but not confirmed faster", confirm_3, "0:a:D 300:a:D 600:a:D 900:end",
      "630 problem ops CRITICAL a; ", "nnn" },
    { "late by being put off alone is none", NULL, "0:a:G 300:a:G 600:end", "", "nn" },

    /* One cause. */
    { "one alert for what comes together", NULL, "0:a:C=relay 10:b:C=relay 29:c:C=relay 300:end", "30 problem ops CRITICAL a b c; ", NULL },
    { "what joins later is not told by itself; one recovery", NULL, "0:a:C=relay 100:b:C=relay 300:a:O 400:b:O 500:end",
      "30 problem ops CRITICAL a; 400 recovery ops OK a b; ", NULL },
    { "each contact is told of its own checks", one_each, "0:a:C=relay 10:b:C=relay 20:c:C=relay 300:a:O 310:b:O 320:c:O 500:end",
      "30 problem ops CRITICAL a; 40 problem customer CRITICAL b; 50 problem third CRITICAL c; 300 recovery ops OK a; 310 recovery customer OK b; ", NULL },
    { "who knows that it works again hears of it anew, while it fails for others still", customer_b,
      "0:a:C=relay 1:b:C=relay 2:c:C=relay 300:a:O 301:c:O 600:a:C=relay 900:a:O 1000:end",
      "30 problem ops CRITICAL a c; 31 problem customer CRITICAL b; 301 recovery ops OK a c; 630 problem ops CRITICAL a; 900 recovery ops OK a; ", NULL },
    { "other causes are other incidents", NULL, "0:a:C=one 10:b:C=two 300:end", "30 problem ops CRITICAL a; 40 problem ops CRITICAL b; ", NULL },
    { "a cause that varies while nobody recovers", NULL, "0:a:C=one 300:a:C=two 600:a:C=three 900:a:O 1000:end",
      "30 problem ops CRITICAL a; 900 recovery ops OK a; ", NULL },
    { "the cause is cured, one fails by another: that is told when it is confirmed", NULL,
      "0:a:C=relay 10:b:C=relay 300:b:C=own 310:a:O 600:b:C=own 900:end",
      "30 problem ops CRITICAL a b; 310 recovery ops OK a; 630 problem ops CRITICAL b; ", NULL },
    { "and not if it was once only", confirm_3,
      "0:a:C=relay 1:b:C=relay 60:a:C=relay 61:b:C=relay 120:a:C=relay 121:b:C=relay 300:b:C=own 310:a:O 360:b:O 900:end",
      "150 problem ops CRITICAL a b; 310 recovery ops OK a; ", NULL },
    { "the cause may be there still for another", NULL, "0:a:C=relay 10:b:C=relay 20:c:C=relay 300:b:C=own 310:a:O 600:end",
      "30 problem ops CRITICAL a b c; ", NULL },
    { "it fails again before the others recover", NULL, "0:a:C=relay 10:b:C=relay 300:a:O 600:a:C=relay 900:b:O 910:a:O 1000:end",
      "30 problem ops CRITICAL a b; 910 recovery ops OK b a; ", NULL },

    /* Order of runs. */
    { "a good run that began before the failed one", NULL, "400:a:1C 410:a:9O 800:end", "430 problem ops CRITICAL a; ", NULL },
    { "a failed run that began before the good one", NULL, "400:a:1O 410:a:9C 500:end", "440 problem ops CRITICAL a; ", NULL },

    /* Our own trouble. */
    { "our own trouble is told once, to all contacts, after confirmation", confirm_3,
      "0:a:X=service 60:a:X=service 120:a:X=service 130:b:X=service 200:a:O 300:b:O 600:end",
      "150 problem ops UNKNOWN a b; 300 recovery ops OK a b; ", "yynnnn" },
    { "to each contact", one_each, "0:a:X=service 60:a:X=service 70:b:X=service 400:a:O 410:b:O 500:end",
      "90 problem ops UNKNOWN a; 100 problem customer UNKNOWN b; 400 recovery ops OK a; 410 recovery customer OK b; ", NULL },
    { "once is not enough, whatever confirm says", one_each, "0:a:X=service 10:b:X=service 400:a:O 410:b:O 500:end", "", "yynn" },
    { "it neither ends nor begins a failure", confirm_3, "0:a:C 60:a:C 120:a:X=service 180:a:C 600:end", "210 problem ops CRITICAL a; ", "yyyn" },
    { "a moment of it is not told", confirm_3, "0:a:X=service 10:b:X=service 20:c:X=service 60:a:O 70:b:O 80:c:O 500:end", "", NULL },

    /* Reminders and escalation. */
    { "reminders", reminded, "0:a:C 2000:a:O 4000:end",
      "30 problem ops CRITICAL a; 630 reminder ops CRITICAL a; 1230 reminder ops CRITICAL a; 1830 reminder ops CRITICAL a; "
      "2000 recovery ops OK a; ", NULL },
    { "escalation, once", escalated, "0:a:C 2000:a:O 4000:end",
      "30 problem ops CRITICAL a; 630 escalation ops CRITICAL a; 2000 recovery ops OK a; ", NULL },

    /* Quiet times, from 600 to 1200. */
    { "what is still failing at the end is told then", quiet_a, "700:a:C 1000:a:C 1500:end", "1200 problem ops CRITICAL a; ", NULL },
    { "what has recovered until then is not", quiet_a, "700:a:C 1000:a:O 1500:end", "", NULL },
    { "others of the same cause are told", quiet_a, "700:a:C=relay 710:b:C=relay 1500:end", "740 problem ops CRITICAL b; ", NULL },
    { "what waits for company when it begins waits on", quiet_a, "590:a:C 1500:end", "1200 problem ops CRITICAL a; ", NULL },
    { "a recovery is told at the end", quiet_a, "500:a:C 700:a:O 1500:end", "530 problem ops CRITICAL a; 1200 recovery ops OK a; ", NULL },
    { "one that fails again before has never recovered", quiet_a, "500:a:C 700:a:O 800:a:C 1300:a:O 1500:end",
      "530 problem ops CRITICAL a; 1300 recovery ops OK a; ", NULL },
    { "no reminders meanwhile", quiet_a_reminded, "500:a:C 1500:end",
      "530 problem ops CRITICAL a; 1200 reminder ops CRITICAL a; 1440 reminder ops CRITICAL a; ", NULL },

    /* Dependencies. */
    { "the root fails first: only that is told, the others are listed", dependent, "0:a:C 10:b:C 20:c:C 600:a:O 610:b:O 620:c:O 1000:end",
      "30 problem ops CRITICAL a b c; 600 recovery ops OK a; ", NULL },
    { "it fails after them: told of are not they", dependent, "0:b:C 10:c:C 20:a:C 600:a:O 610:b:O 620:c:O 1000:end",
      "50 problem ops CRITICAL a b c; 600 recovery ops OK a; ", NULL },
    { "what fails still when the root is well is told then", dependent, "0:a:C 10:b:C 600:a:O 700:b:C 1000:end",
      "30 problem ops CRITICAL a b; 600 recovery ops OK a; 820 problem customer CRITICAL b; ", NULL },
    { "a run that began before the root was well proves nothing", dependent, "0:a:C 10:b:C 600:a:O 610:b:5C 1000:end",
      "30 problem ops CRITICAL a b; 600 recovery ops OK a; ", NULL },
    { "the root is well: told at once", dependent, "0:b:C 10:a:O 1000:end", "30 problem customer CRITICAL b; ", NULL },
    { "nothing is heard of the root: told after two minutes", dependent, "0:b:C 1000:end", "120 problem customer CRITICAL b; ", NULL },
    { "the root is suspected only, and is well: not told, but what fails on is", dependent_confirm_2,
      "0:a:C 10:b:C 20:b:C 60:a:O 100:b:C 130:b:C 135:a:O 1000:end",
      "160 problem customer CRITICAL b; ", "ynnnynn" },
    { "a root that warns stops nobody", dependent, "0:a:W 10:b:C 20:a:W 500:end",
      "30 problem ops WARNING a; 40 problem customer CRITICAL b; ", NULL },
    { "a chain", dependent, "0:d:C 10:c:C 20:a:C 600:end", "50 problem ops CRITICAL a c d; ", NULL },

    /* Flapping. */
    { "the third failure within a while: quiet until ten good runs", NULL,
      "0:a:C 300:a:O 600:a:C 900:a:O 1200:a:C 1500:a:O 1800:a:C 2100:a:O 2400:a:O 2700:a:O 3000:a:O 3300:a:O 3600:a:O 3900:a:O 4200:a:O 4500:a:O 4800:a:O 5100:end",
      "30 problem ops CRITICAL a; 300 recovery ops OK a; 630 problem ops CRITICAL a; 900 recovery ops OK a; 1230 problem ops CRITICAL a; 4800 recovery ops OK a; ", NULL },
    { "three failures far apart are three", NULL, "0:a:C 300:a:O 5000:a:C 5300:a:O 10000:a:C 10300:a:O 10400:end",
      "30 problem ops CRITICAL a; 300 recovery ops OK a; 5030 problem ops CRITICAL a; 5300 recovery ops OK a; 10030 problem ops CRITICAL a; 10300 recovery ops OK a; ", NULL },
};

static void
who_is_told_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rules); i++) {
        for (int with_restarts = 0; with_restarts <= 1; with_restarts++) {
            struct world *w = world_new(rules[i].set_up);
            char          soon[RUNS_MAX + 1];

            tell_story(w, rules[i].story, with_restarts == 1, soon);
            if (strcmp(w->told, rules[i].told) != 0)
                fail_msg("%s%s:\n got %s\nwant %s", rules[i].label, with_restarts ? ", with restarts" : "", w->told, rules[i].told);
            if (rules[i].soon != NULL && strcmp(soon, rules[i].soon) != 0)
                fail_msg("%s%s: confirmed soon: %s, want %s", rules[i].label, with_restarts ? ", with restarts" : "", soon, rules[i].soon);
            world_free(w);
        }
    }
}

static void
nothing_is_kept_of_what_is_over(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new(NULL);
        char          soon[RUNS_MAX + 1];
        unsigned      kept = 0;

        tell_story(w, "0:a:C=relay 10:b:C=relay 20:c:X=service 300:a:O 310:b:O 320:c:O 900:end", i == 1, soon);
        for (size_t r = 0; r < RECORDS_MAX; r++)
            if (w->records[r].value != NULL && w->records[r].key[0] == 'i')
                kept++;
        assert_int_equal(kept, 0);
        world_free(w);
    }
}

static void
a_check_that_is_gone_ends_its_incident(void **state)
{
    static const struct { const char *label; bool disabled, contact_gone; const char *told; } cases[] = {
        { "removed", false, false, "300 recovery ops OK a; " },
        { "disabled", true, false, "300 recovery ops OK a; " },
        { "with its contact", false, true, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world *w = world_new(NULL);
        char          soon[RUNS_MAX + 1];

        tell_story(w, "0:a:C 300:end", false, soon);
        w->told[0] = '\0';
        if (cases[i].disabled)
            w->list[0].enabled = false;
        else
            w->list[0].name = "aa";
        if (cases[i].contact_gone)
            w->contacts[OPS].name = "others";
        restart(w);
        run_until(w, 300);
        if (strcmp(w->told, cases[i].told) != 0)
            fail_msg("%s: got %s, want %s", cases[i].label, w->told, cases[i].told);
        restart(w);
        run_until(w, 600);
        assert_string_equal(w->told, cases[i].told);
        world_free(w);
    }
}

static void
a_notice_says_since_when_and_why(void **state)
{
    struct world  *w = world_new(confirm_3);
    struct outcome late;
    char           soon[RUNS_MAX + 1];

    (void)state;
    tell_story(w, "100:a:C=relay 160:a:C=relay 220:a:C=relay 260:end", false, soon);
    assert_string_equal(w->details, "relay|it failed|100|");
    outcome_init(&late);
    slice_copy(late.reason, sizeof(late.reason), slice_of("the mail of 00:01 arrived after 9 min"));
    incidents_late(w->in, 0, &late, w->now);
    w->contacts[OPS].reminder_ms = 60000;
    incidents_late(w->in, 0, &late, w->now);
    restart(w);
    run_until(w, 400);
    assert_string_equal(w->details, "relay|it failed; the mail of 00:01 arrived after 9 min|100|");
    take(w, 0, "O");
    run_until(w, 460);
    assert_string_equal(w->details, "relay|it arrived|100|");
    world_free(w);

    w = world_new(NULL);
    tell_story(w, "0:a:C 300:a:O 600:a:C 900:a:O 1200:a:C 1300:end", true, soon);
    assert_string_equal(w->details, "a|flapping, failed 3 times within 20 min 0 s: it failed|1200|");
    world_free(w);
}

static void
the_ways_are_those_of_the_contact(void **state)
{
    struct world *w = world_new(escalated);
    char          soon[RUNS_MAX + 1];

    (void)state;
    tell_story(w, "0:a:C 100:end", true, soon);
    assert_int_equal(w->way_sum, 1);
    tell_story(w, "700:end", true, soon);
    assert_int_equal(w->way_sum, 3);
    tell_story(w, "800:a:O", true, soon);
    assert_int_equal(w->way_sum, 3);
    world_free(w);
}

static void
a_root_is_asked_for(void **state)
{
    struct world *w = world_new(dependent);
    char          soon[RUNS_MAX + 1];

    (void)state;
    tell_story(w, "0:a:O 100:b:C", false, soon);
    assert_string_equal(w->hastened, "a ");
    tell_story(w, "110:a:O 120:b:C", false, soon);
    assert_string_equal(w->hastened, "a ");
    world_free(w);
}

static void
slow_checks_are_asked_for_when_another_works_again(void **state)
{
    struct world *w = world_new(NULL);
    char          soon[RUNS_MAX + 1];

    (void)state;
    w->list[1].interval_ms = w->list[2].interval_ms = 86400000;
    restart(w);
    tell_story(w, "0:a:C=relay 1:b:C=relay 2:c:C=relay 3:d:C=relay 300:end", false, soon);
    assert_string_equal(w->hastened, "");
    tell_story(w, "301:a:O", false, soon);
    assert_string_equal(w->hastened, "b ");
    tell_story(w, "310:b:O", false, soon);
    assert_string_equal(w->hastened, "b c ");
    tell_story(w, "320:d:O", false, soon);
    assert_string_equal(w->hastened, "b c ");
    world_free(w);
}

static void
how_checks_stand(void **state)
{
    static const struct { const char *label, *story; enum standing standing; } cases[] = {
        { "well", "0:a:O", STANDING_OK },
        { "suspected", "0:a:C", STANDING_SUSPECTED },
        { "failing", "0:a:C 60:a:C 120:a:C", STANDING_FAILING },
        { "well again", "0:a:C 60:a:C 120:a:C 180:a:O", STANDING_OK },
        { "unknown", "0:a:X=service", STANDING_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct world          *w = world_new(confirm_3);
        struct incidents_stats stats;
        char                   soon[RUNS_MAX + 1];

        tell_story(w, cases[i].story, true, soon);
        if (incidents_standing(w->in, 0) != cases[i].standing)
            fail_msg("%s: %d", cases[i].label, incidents_standing(w->in, 0));
        incidents_stats(w->in, &stats);
        assert_int_equal(stats.failing, cases[i].standing == STANDING_FAILING);
        assert_int_equal(stats.suspected, cases[i].standing == STANDING_SUSPECTED);
        world_free(w);
    }
}

/* The wall clock jumps: what was told is not told again, and nothing is forgotten. */
static void
a_jump_of_the_clock_tells_nothing(void **state)
{
    static const int64_t jumps[] = { 7200, -7200 };

    (void)state;
    for (size_t i = 0; i < COUNT(jumps); i++) {
        for (int with_restarts = 0; with_restarts <= 1; with_restarts++) {
            struct world *w = world_new(dependent);
            char          soon[RUNS_MAX + 1];

            w->contacts[OPS].reminder_ms = 3600000;
            tell_story(w, "0:a:C 10:b:C 100:end", with_restarts == 1, soon);
            w->now.wall_us += (uint64_t)(jumps[i] * (int64_t)SECOND);
            tell_story(w, "200:a:O 250:b:C 1000:b:O 1200:end", with_restarts == 1, soon);
            assert_string_equal(w->told, "30 problem ops CRITICAL a b; 200 recovery ops OK a; 370 problem customer CRITICAL b; 1000 recovery customer OK b; ");
            world_free(w);
        }
    }
}

/* Whatever a record was changed to: it is taken or left out, and the rest goes on. */
static void
bad_records_are_left_out(void **state)
{
    struct world *w = world_new(NULL);
    char          soon[RUNS_MAX + 1];
    unsigned      tried = 0;

    (void)state;
    tell_story(w, "0:a:C=relay 10:b:C=relay 20:c:X=service 300:end", false, soon);
    for (size_t r = 0; r < RECORDS_MAX; r++) {
        struct record *record = &w->records[r];
        struct slice   key = slice_make(record->key, record->key_len);

        for (size_t at = 0; record->value != NULL && at < record->value_len; at++) {
            const struct incidents_hooks hooks = { .tell = on_tell, .arg = w };
            struct incidents            *in = incidents_new(&w->checks, &hooks, w->now);
            char                         old = record->value[at];

            assert_non_null(in);
            assert_int_not_equal(incidents_restore(in, key, slice_make(record->value, at)), MT_OK);
            /* That it fails, and by nothing. */
            record->value[at] = 0;
            if (old == 1 && record->key[0] == 'c')
                assert_int_not_equal(incidents_restore(in, key, slice_make(record->value, at + 1)), MT_OK);
            record->value[at] = (char)(old ^ (1 << at % 8));
            incidents_restore(in, key, slice_make(record->value, record->value_len));
            record->value[at] = old;
            incidents_restored(in, w->now);
            incidents_turn(in, w->now);
            incidents_free(in);
            tried++;
        }
    }
    assert_true(tried > 300);
    world_free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_told_what),
        cmocka_unit_test(nothing_is_kept_of_what_is_over),
        cmocka_unit_test(a_check_that_is_gone_ends_its_incident),
        cmocka_unit_test(a_notice_says_since_when_and_why),
        cmocka_unit_test(the_ways_are_those_of_the_contact),
        cmocka_unit_test(a_root_is_asked_for),
        cmocka_unit_test(slow_checks_are_asked_for_when_another_works_again),
        cmocka_unit_test(how_checks_stand),
        cmocka_unit_test(a_jump_of_the_clock_tells_nothing),
        cmocka_unit_test(bad_records_are_left_out),
    };

    if (quiet_use_zone("UTC") != MT_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
