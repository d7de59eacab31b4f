/* cmd_check_config - whether a file of checks can be read, and what is in it. */
#include "checker/commands.h"

#include "checker/checks.h"
#include "lib/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct option_spec check_config_options[] = {
    { 'c', "config", "FILE", "the file; " CHECKS_DEFAULT_FILE " without it" },
    { 0, NULL, NULL, NULL },
};

enum { FILE_BAD = 2 };

/* What is missing now may be there when the checks run: told, but no fault of the file. mode: R_OK, or X_OK of a program. */
static void
warn_of_file(const char *what, const char *name, const char *file, int mode)
{
    bool is_path = file != NULL && (mode == R_OK || strchr(file, '/') != NULL);     /* not a program that is looked for in PATH */

    if (is_path && access(file, mode) != 0)
        fprintf(stderr, "mailtest-check: warning: %s%s%s%s: %s cannot be %s: %s\n", what, name[0] != '\0' ? " \"" : "", name,
                name[0] != '\0' ? "\"" : "", file, mode == R_OK ? "read" : "run", strerror(errno));
}

static void
warn_of_files(const struct checks *c)
{
    warn_of_file("api.key_file", "", c->api_key_file, R_OK);
    warn_of_file("api.ca_file", "", c->api_ca_file, R_OK);
    for (unsigned i = 0; i < c->servers_count; i++) {
        const struct server *s = &c->servers[i].server;

        warn_of_file("server", s->name, s->auth.password_file, R_OK);
        warn_of_file("server", s->name, s->auth.token_command[0], X_OK);
        warn_of_file("server", s->name, s->ca_file, R_OK);
    }
    for (unsigned i = 0; i < c->ways_count; i++) {
        warn_of_file("way", c->ways[i].name, c->ways[i].command[0], X_OK);
        warn_of_file("way", c->ways[i].name, c->ways[i].secret_file, R_OK);
        warn_of_file("way", c->ways[i].name, c->ways[i].ca_file, R_OK);
    }
}

int
cmd_check_config(const struct options *options)
{
    const char         *file = options_value(options, "config");
    struct config_error error = { .text = "" };
    struct checks      *c = NULL;
    unsigned            enabled = 0;

    if (checks_read_file(file != NULL ? file : CHECKS_DEFAULT_FILE, &c, &error) != MT_OK) {
        fprintf(stderr, "mailtest-check: %s\n", error.text);
        return FILE_BAD;
    }
    for (unsigned i = 0; i < c->checks_count; i++)
        enabled += c->checks[i].enabled;
    warn_of_files(c);
    printf("the file is right: %u checks (%u enabled), %u servers, %u contacts, %u ways, %u block lists\n", c->checks_count, enabled,
           c->servers_count, c->contacts_count, c->ways_count, c->lists_count);
    checks_free(c);
    return MT_OK;
}
