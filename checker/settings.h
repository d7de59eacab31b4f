#ifndef CHECKER_SETTINGS_H
#define CHECKER_SETTINGS_H
/* settings - the options of mailtest-check as a plan, with a sentence for the user where they do not fit. */

#include "checker/story.h"
#include "lib/options.h"

extern const struct option_spec once_options[];

#define SETTINGS_ERROR_BYTES 400u

struct settings {
    struct plan plan;
    char        mailbox[65];
    char        server[ROUTE_HOST_BYTES];   /* plan.server points here */
    char        helo[ROUTE_HOST_BYTES];
    const char *api_url;
    const char *api_key_file;               /* NULL: from the environment */
    const char *dns;                        /* NULL: the system's */
    enum family family;
    bool        insecure;
    bool        json;
    unsigned    verbose;
    char        error[SETTINGS_ERROR_BYTES];
};

/* Borrows from the options, which outlive it. api_url_default: from the environment, or NULL. MT_EINVALID: s->error says why. */
int settings_read(struct settings *s, const struct options *o, const char *api_url_default);

/* "host", "host:port", "[address]:port", "address". MT_ESYNTAX. *port is left as it is where none is given. */
int settings_parse_server(struct slice text, char host[ROUTE_HOST_BYTES], uint16_t *port);

#endif
