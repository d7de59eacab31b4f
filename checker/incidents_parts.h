#ifndef CHECKER_INCIDENTS_PARTS_H
#define CHECKER_INCIDENTS_PARTS_H
/*
 * incidents_parts - what the files of incidents share: incidents.c takes outcomes and confirms, incidents_member.c keeps who fails by what,
 * incidents_tell.c decides whom to tell, incidents_record.c writes and reads the records. All times are of the steady clock (moment.h) but those
 * whose comment says wall.
 */

#include "checker/incidents.h"
#include "lib/buf.h"

#include <sys/queue.h>

#define FLAP_BOUTS      3u      /* so many failures, each confirmed, … */
#define FLAP_INTERVALS  24u     /* … within so many intervals, and a check flaps … */
#define FLAP_CALM       10u     /* … until so many runs in a row were well */
#define HOLD_US         UINT64_C(120000000)     /* that the result of a check is waited for on which a confirmed one depends */
#define PROBERS_MAX     20u     /* checks that confirm our own trouble fast: the others only take part in it */
#define LARGE_MEMBERS   256u    /* an incident of more is looked at once a second only, since each look costs the number of its checks */
#define LARGE_GAP_US    UINT64_C(1000000)
#define MINUTE_US       UINT64_C(60000000)
#define OWN_CONFIRM     2u      /* runs of one check that our own trouble must stop at least: others are told of it, too, that want more of them */
#define SLOW_MS         600000u /* checks of a longer interval are asked to run when another of their incident works again */
#define CAUSE_BUCKETS   4096u
#define LATE_BYTES      200u

/* What the run said that counts. */
struct facts {
    enum state state;
    unsigned   code;
    char       verdict[24], cause[200], step[16], host[256], reply[300], reason[512];
    char       late[LATE_BYTES];        /* of an earlier run's mail; or empty */
};

/* What fails: what is checked, or we ourselves. */
enum track_kind { TRACK_CHECK, TRACK_OWN, TRACK_COUNT };

/*
 *     APART ──confirmed: join()──▶ ACTIVE ──well: recover()──▶ RECOVERED (only if somebody was told) ──incident closed──▶ APART
 *       ▲                            │  ▲                         │
 *       └── well, nobody was told ───┘  └──── confirmed again ────┘
 */
enum phase { APART, ACTIVE, RECOVERED, PHASE_COUNT };

struct track {
    TAILQ_ENTRY(track) link;            /* among the members of its incident */
    struct incident   *incident;        /* NULL: APART */
    struct facts      *facts;           /* NULL: it never failed, or that is forgotten */
    enum phase         phase;
    enum state         shown;           /* as confirmed; OK: it is not */
    uint32_t           failures;        /* runs one after the other that were not well */
    uint32_t           criticals;       /* of these the last ones that were worse than WARNING */
    uint64_t           since_wall;      /* when the first of the failed runs began; 0: none */
    uint64_t           first_begun;     /* the same of those that count */
    uint64_t           failed_begun;    /* when the newest failed run began */
    uint64_t           not_before;      /* runs that began earlier do not count: what it depends on failed then */
    uint64_t           shown_at;        /* when it became a member, or looked worse: from then on it waits for others of its cause */
    uint64_t           hold_until;      /* 0: it is not confirmed, or depends on nothing */
    bool               told;            /* somebody knows */
    bool               asked;           /* it was asked to run soon, since another of its incident works again */
    bool               prober;          /* TRACK_OWN: one of the first PROBERS_MAX */
};

TAILQ_HEAD(track_list, track);

struct watched {
    struct track tracks[TRACK_COUNT];
    uint64_t     begun;                 /* when the newest run began that says something of the check */
    uint64_t     bouts[FLAP_BOUTS];     /* when its last failures were confirmed, newest first; 0: none */
    uint32_t     calm;                  /* runs in a row that were well, while it flaps */
    bool         flapping;
    bool         wants_warnings;        /* one of its contacts does */
    bool         dirty;                 /* its record is to be kept */
};

/* What a contact knows of an incident. */
struct told {
    unsigned   contact;
    bool       told;                    /* false: it is to be told at due */
    bool       escalated;
    enum state state;                   /* the worst that was told */
    uint64_t   due;
    uint64_t   at, last;                /* of the first notice, and of the last one */
};

#define GONE_MAX NOTICE_CHECKS_MAX

struct incident {
    TAILQ_ENTRY(incident) link;
    LIST_ENTRY(incident)  same_hash;
    uint64_t              id;
    enum track_kind       kind;
    char                  cause[200];
    uint64_t              since_wall;
    struct track_list     members;
    unsigned              count, active;    /* of them; of those ACTIVE */
    bool                  confirmed;    /* TRACK_OWN: some check has seen it often enough */
    struct told          *told;         /* in no order */
    unsigned              told_count, told_room;
    char                (*gone)[CHECK_NAME_MAX + 1];    /* members that are in the configuration no longer; GONE_MAX at most */
    unsigned              gone_count;
    uint64_t              looked;       /* when it was looked at last */
    uint64_t              wake;         /* when it is to be looked at; UINT64_MAX: not by itself */
    bool                  dirty;
};

TAILQ_HEAD(incident_list, incident);
LIST_HEAD(incident_bucket, incident);

/* What one contact is to know of one incident, while that is looked at. */
struct sum {
    uint64_t   look;                    /* number of the look that it is of */
    unsigned   active;                  /* checks of the contact that fail in a way it cares about */
    unsigned   bad;                     /* of them: worse than WARNING */
    unsigned   tellable;                /* of them: may be told of now */
    unsigned   well, well_loud;         /* that work again; of them, not quiet now */
    unsigned   told_at;                 /* its place in the incident's told, plus one; 0: none */
    enum state worst;                   /* of those tellable */
    uint64_t   shown_at;                /* of the first of those */
};

#define REASON_ROOM (sizeof(((struct facts *)0)->reason) + LATE_BYTES + 100)

struct incidents {
    const struct checks   *checks;
    struct incidents_hooks hooks;
    struct moment          first, now;
    uint32_t               minute;              /* local, of the week … */
    uint64_t               minute_wall;         /* … in this minute since 1970 */
    struct watched        *watched;             /* one for each check */
    unsigned              *dependents;          /* of check i: from dependents_at[i] to before dependents_at[i + 1] */
    unsigned              *dependents_at;
    struct incident_list   open;
    struct incident_bucket causes[CAUSE_BUCKETS];
    uint64_t               next_incident, next_notice;  /* 0: not known yet */
    uint64_t               wake;                /* the earliest of all incidents' */
    uint64_t               look;
    struct sum            *sums;                /* one for each contact */
    unsigned              *concerned;           /* contacts of this look */
    unsigned               concerned_count;
    unsigned              *dirty;               /* checks whose records are to be kept */
    unsigned               dirty_count;
    bool                   has_slow;            /* there are checks of an interval over SLOW_MS */
    bool                   any_dirty;           /* incidents' records are to be kept */
    uint64_t              *seen;                /* number of the notice that a check was put into last */
    unsigned              *queue;               /* checks whose dependents are put in */
    struct notice_check    list[NOTICE_CHECKS_MAX];
    char                 (*reasons)[REASON_ROOM];       /* of list */
    struct restored       *restored;            /* incidents_record.c; NULL but between incidents_restore and incidents_restored */
    struct incidents_stats stats;
};

/* incidents_member.c */
uint64_t incidents_steady(const struct incidents *in);
unsigned incidents_index(const struct incidents *in, const struct track *t);
enum track_kind incidents_kind(const struct incidents *in, const struct track *t);
void     incident_touch(struct incidents *in, struct incident *i);              /* it is to be looked at now */
void     incident_mark(struct incidents *in, struct incident *i);               /* its record is to be kept */
void     incidents_mark(struct incidents *in, unsigned check);
struct incident *incident_new(struct incidents *in, enum track_kind kind, const char *cause, uint64_t id);    /* NULL: out of memory */
struct told *incident_add_told(struct incident *i, unsigned contact);           /* NULL: out of memory */
void     incident_add(struct incident *i, struct track *t, enum phase phase);
void     incident_join(struct incidents *in, struct track *t);                  /* the incident of its cause, which may be a new one */
void     incident_leave(struct incidents *in, struct track *t);                 /* it is no member any more; what is known of it may be forgotten */
void     incident_close(struct incidents *in, struct incident *i);
int      severity(enum state state);                                            /* OK, WARNING, UNKNOWN, CRITICAL: rising */
bool     state_is_bad(enum state state);                                        /* worse than WARNING */

/* incidents.c */
bool     track_is_blocked(const struct incidents *in, unsigned check);          /* what it depends on fails, or is suspected */
bool     track_is_blocking(const struct track *t);                              /* those that depend on it are not alarms */
bool     track_is_held(const struct incidents *in, const struct track *t);      /* what it depends on is not known yet */
bool     track_is_failing(const struct track *t);                               /* suspected, or confirmed */

/* incidents_tell.c: one look; then the incident may be gone. */
void incident_look(struct incidents *in, struct incident *i);

/* incidents_record.c */
void incidents_keep(struct incidents *in, struct incident *one);    /* what has changed: of this incident, or (NULL) all of it */
void incidents_forget(struct incidents *in, const struct incident *i);
void incidents_drop_restored(struct incidents *in);

#endif
