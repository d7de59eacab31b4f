#ifndef CHECKER_SETTINGS_H
#define CHECKER_SETTINGS_H
/* settings - the options of "mailtest-check once" as a plan, with a sentence for the user where they do not fit. */

#include "checker/story.h"
#include "lib/options.h"

extern const struct option_spec once_options[];

#define SETTINGS_ERROR_BYTES 400u
#define SETTINGS_COMMAND_BYTES 1024u

struct settings {
    struct plan plan;
    char        mailbox[65];
    char        server[ROUTE_HOST_BYTES];   /* plan.server points here */
    char        account[ROUTE_HOST_BYTES];  /* plan.account points here */
    char        helo[ROUTE_HOST_BYTES];
    char        postmaster[ROUTE_HOST_BYTES + 12];      /* of the domain that is looked at; plan.to may point here */
    char        commands[2][SETTINGS_COMMAND_BYTES];    /* words of the token commands */
    const char *api_url;                    /* NULL: the service is not asked */
    const char *api_key_file;               /* NULL: from the environment */
    const char *dns;                        /* NULL: the system's */
    enum family family;
    bool        insecure;
    bool        json;
    unsigned    verbose;
    char        error[SETTINGS_ERROR_BYTES];
};

/*
 * Borrows from the options, which outlive it; the plan points into s, which must not be moved. api_url_default: from the environment, or NULL.
 * MT_EINVALID: s->error says why.
 */
int settings_read(struct settings *s, const struct options *o, const char *api_url_default);

/*
 * The options of "mailtest-check smtp" (cmd_smtp.c), as far as they are settings of a plan. plan.to is the recipient, or any address of the domain whose MX are
 * looked at. As settings_read.
 */
int settings_read_probe(struct settings *s, const struct options *o);

/* "host", "host:port", "[address]:port", "address". MT_ESYNTAX. *port is left as it is where none is given. */
int settings_parse_server(struct slice text, char host[ROUTE_HOST_BYTES], uint16_t *port);

#endif
