#ifndef CHECKER_PROBE_H
#define CHECKER_PROBE_H
/*
 * probe - the checks that send no mail: an SMTP server's dialogue (smtp_probe), and block lists (blacklist). One run of one check, as an
 * object on the loop.
 */

#include "checker/checks.h"
#include "checker/credential.h"
#include "checker/outcome.h"
#include "lib/dns.h"
#include "lib/resolver.h"

/* Shared by all; borrowed. */
struct probe_tools {
    struct event_base   *base;
    struct resolver     *resolver;
    struct dns          *dns;           /* for block lists */
    struct credentials  *credentials;
    const struct checks *checks;        /* the lists */
};

/* outcome belongs to the probe. Called once from the loop, never from inside; the probe is freed by its owner. */
typedef void probe_done_fn(void *arg, const struct outcome *outcome);

struct smtp_probe;
struct smtp_probe *smtp_probe_start(const struct probe_tools *tools, const struct check *check, probe_done_fn *done, void *arg);
void               smtp_probe_free(struct smtp_probe *p);       /* NULL is fine; gives up what is under way */

struct blacklist;
/* client: an address that is looked up beside check->hosts; NULL or empty: none. */
struct blacklist  *blacklist_start(const struct probe_tools *tools, const struct check *check, const char *client, probe_done_fn *done, void *arg);
void               blacklist_free(struct blacklist *b);         /* NULL is fine */

#endif
