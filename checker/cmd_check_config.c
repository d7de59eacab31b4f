/* cmd_check_config - whether a file of checks can be read, and what is in it. */
#include "checker/commands.h"

#include "checker/checks.h"
#include "lib/error.h"

#include <stdio.h>
#include <unistd.h>

const struct option_spec check_config_options[] = {
    { 'c', "config", "FILE", "the file; " CHECKS_DEFAULT_FILE " without it" },
    { 0, NULL, NULL, NULL },
};

enum { FILE_BAD = 2 };

/* A secret that is missing now may be there when the checks run: told, but no fault of the file. */
static void
warn_of_file(const char *what, const char *name, const char *file)
{
    if (file != NULL && access(file, R_OK) != 0)
        fprintf(stderr, "mailtest-check: %s%s%s%s: %s cannot be read\n", what, name[0] != '\0' ? " \"" : "", name, name[0] != '\0' ? "\"" : "", file);
}

static void
warn_of_files(const struct checks *c)
{
    warn_of_file("api.key_file", "", c->api_key_file);
    warn_of_file("api.ca_file", "", c->api_ca_file);
    for (unsigned i = 0; i < c->servers_count; i++) {
        warn_of_file("server", c->servers[i].server.name, c->servers[i].server.auth.password_file);
        warn_of_file("server", c->servers[i].server.name, c->servers[i].server.ca_file);
    }
    for (unsigned i = 0; i < c->ways_count; i++) {
        warn_of_file("way", c->ways[i].name, c->ways[i].secret_file);
        warn_of_file("way", c->ways[i].name, c->ways[i].ca_file);
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
