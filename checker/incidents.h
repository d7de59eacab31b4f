#ifndef CHECKER_INCIDENTS_H
#define CHECKER_INCIDENTS_H
/*
 * incidents - decides who is told what: takes what each run came to, and says in notices that checks fail, still fail, work again. Pure: it is told
 * the time and tells by hooks; no socket, no file, no clock. docs/checker.md explains the rules ("What is told when").
 *
 * An incident is one cause and the checks that fail by it; each contact of these checks is told of it by itself, once, of its own checks. What
 * is not the fault of what is checked (own_trouble: the service, the resolver) makes incidents of its own.
 *
 * All that must outlast the program is kept in small records, by a hook that is called before the notice that they tell of; so who writes both to
 * one file in one transaction (state.h) tells nothing twice and forgets nothing. After a restart, and after a reload with other checks, a new
 * object is filled from the records.
 *
 * Costs: a run that is well and follows one that was costs next to nothing. A change in an incident costs the number of its checks.
 */

#include "checker/checks.h"
#include "checker/moment.h"
#include "checker/notice.h"

struct incidents;

struct incidents_hooks {
    /*
     * A contact is to be told. ways: indexes of struct checks.ways; that of the contact, or for an escalation those of escalate_to; for the end of an
     * incident that was escalated both. The notice is valid during the call. Called from incidents_turn alone.
     */
    void (*tell)(void *arg, unsigned contact, const unsigned *ways, unsigned ways_count, const struct notice *notice);
    /* It should run soon (schedule_hasten): others fail that depend on it, or one that failed by the same cause works again. */
    void (*hasten)(void *arg, unsigned check);
    /* This record is new or has changed; value.data NULL: it has gone. */
    void (*keep)(void *arg, struct slice key, struct slice value);
    void *arg;
};

struct incidents_stats {
    unsigned open;              /* incidents of which somebody was told, or will be */
    unsigned failing;           /* checks whose failure is confirmed */
    unsigned suspected;         /* checks that failed, but not often enough yet */
    uint64_t told[NOTICE_TEST + 1];     /* notices by kind */
};

/* What is known of a check. */
enum standing {
    STANDING_OK,
    STANDING_SUSPECTED,         /* it failed, but is not confirmed */
    STANDING_FAILING,           /* confirmed */
    STANDING_UNKNOWN,           /* nothing is known of it at the moment: our own trouble */
};

/* Borrows checks for as long as it lives. NULL: out of memory. */
struct incidents *incidents_new(const struct checks *checks, const struct incidents_hooks *hooks, struct moment now);
void              incidents_free(struct incidents *in);     /* NULL is fine */

/*
 * Gives back each record that was kept, in any order, then says that this was all. What is told of checks that are gone or disabled by now is closed
 * in the first turn.
 * MT_EDAMAGED, MT_EVERSION, MT_ENOMEM: this record is left out.
 */
int  incidents_restore(struct incidents *in, struct slice key, struct slice value);
void incidents_restored(struct incidents *in, struct moment now);

/*
 * A run has ended, now. Returns whether the next should come after confirm_gap (schedule_done). The outcome is copied as far as it is needed. Then
 * incidents_turn is due.
 */
bool incidents_take(struct incidents *in, unsigned check, const struct outcome *outcome, struct moment now);

/* The mail of a run that was taken already arrived after all: changes nothing but what is said of the check. */
void incidents_late(struct incidents *in, unsigned check, const struct outcome *outcome, struct moment now);

/* Tells what is due. Returns when to call again at the latest, on the clock that never jumps; UINT64_MAX: not before the next outcome. */
uint64_t incidents_turn(struct incidents *in, struct moment now);

enum standing incidents_standing(const struct incidents *in, unsigned check);
void          incidents_stats(const struct incidents *in, struct incidents_stats *out);

#endif
