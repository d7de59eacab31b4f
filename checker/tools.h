#ifndef CHECKER_TOOLS_H
#define CHECKER_TOOLS_H
/*
 * tools - what every run of a check works with, made once: the loop, libcurl on it, the resolver, secrets, the service's API and its
 * clock. One per process.
 */

#include "checker/probe.h"
#include "checker/round_trip.h"

struct tools;

struct tools_settings {
    const char *api_url;                    /* NULL: the service is never asked */
    const char *api_key_file;               /* NULL: from the environment (MAILTEST_API_KEY), if that is allowed */
    bool        api_key_in_environment;
    const char *api_ca_file;                /* NULL: the system's */
    bool        api_insecure;
    uint32_t    timeout_ms;                 /* of each request to the service */
    const char *dns;                        /* NULL: the system's */
    enum family family;
    bool        scheduled;                  /* arrivals are heard of by one stream of events; for many round trips, and for one that expects any token */
};

#define TOOLS_ERROR_BYTES 400u

/*
 * Borrows the texts. The key is read here, and wiped. On failure *out is NULL and error has a sentence for the user. MT_ENOTFOUND,
 * MT_ESYNTAX (the key), MT_EINVALID (dns), MT_ENOMEM.
 */
int  tools_open(const struct tools_settings *settings, struct tools **out, char *error, size_t size);
void tools_close(struct tools *t);      /* NULL is fine; every run was freed before */

/* All that round trips and probes need of it; checks (the lists) is for the caller to set in the latter. */
struct round_trip_tools tools_for_round_trips(const struct tools *t);
struct probe_tools      tools_for_probes(const struct tools *t);

struct event_base *tools_base(const struct tools *t);
struct curl_loop  *tools_curl_loop(const struct tools *t);
struct hosted     *tools_hosted(const struct tools *t);     /* NULL without a service, or where it is not scheduled */

#endif
