#ifndef TESTS_SIMULATION_SCRIPT_H
#define TESTS_SIMULATION_SCRIPT_H
/*
 * script - what happens in the simulated day: the checks, the outages, what a run comes to that begins at some second, and, told from the outages
 * alone, whom the checker has to tell what.
 *
 * Of each 200 checks one is a relay's own; the others send through it and belong to customers, ten checks each with a contact of its own. On relays
 * of even number they depend on the relay's check, on the others they only share its cause.
 */

#include "checker/incidents.h"

#define DAY_S            86400u
#define INTERVAL_S       300u
#define CONFIRM          3u
#define CONFIRM_GAP_S    60u
#define GROUP_S          30u
#define CHECKS_OF_RELAY  200u
#define CHECKS_OF_OWNER  10u
#define STILL_FROM_S     76000u     /* the program stands still from here on … */
#define STILL_S          600u       /* … for so long */
#define OPS              0u         /* the contact of the relays' checks; those of the customers come behind it */

struct script {
    struct checks   checks;
    struct check   *list;
    struct contact *contacts;
    char          (*names)[24];
    unsigned        relays, customers;
    struct outage  *outages;
    unsigned        outages_count;
    unsigned       *own_outage;     /* of each check that fails by itself: its place in outages, plus one */
};

/* Somebody is told; between these seconds of the day. */
struct told_row {
    enum notice_kind kind;
    enum state       state;
    unsigned         contact;
    char             cause[40];
    uint32_t         from_s, to_s;      /* of what was told: from_s is when */
};

struct told_list {
    struct told_row *rows;
    size_t           count, room;
};

void told_add(struct told_list *list, const struct told_row *row);
int  told_compare(const struct told_row *left, const struct told_row *right);      /* by contact, cause, kind, state, then time */
void told_sort(struct told_list *list);

/* checks: a multiple of 2000. Ends the program where there is no memory. */
struct script *script_new(unsigned checks);
void           script_free(struct script *s);

/* What a run comes to, and how long it takes, microseconds. */
void script_run(const struct script *s, unsigned check, uint32_t begun_s, struct outcome *o, uint64_t *took_us);

/* What has to be told. */
void script_expect(const struct script *s, struct told_list *out);

#endif
