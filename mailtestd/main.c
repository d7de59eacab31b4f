/*
 * main - the command line of mailtestd. Its own children come through here as well: the supervisor runs this program again for each role.
 */
#include "lib/log.h"
#include "lib/role.h"
#include "mailtestd/state.h"
#include "mailtestd/supervisor.h"

#include "lib/error.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static const struct option options[] = {
    { "config", required_argument, NULL, 'c' },  { "check-config", no_argument, NULL, 'k' }, { "version", no_argument, NULL, 'V' },
    { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
};

static void
print_help(FILE *f)
{
    fprintf(f,
            "Usage: mailtestd [-c FILE] [--check-config]\n"
            "Receives mail for test mailboxes and tells whether a test mail has arrived. Runs in the foreground.\n"
            "\n"
            "  -c, --config FILE    the configuration (default: %s)\n"
            "      --check-config   only check it, its certificate and its user; exit code 78 and FILE:LINE:COLUMN\n"
            "                       where it is wrong\n"
            "  -V, --version        print the version\n"
            "  -h, --help           print this\n"
            "\n"
            "Signals: SIGTERM ends it when the sessions under way are done, a second one at once; SIGHUP reads the\n"
            "configuration and the certificates anew without dropping a session.\n",
            config_default_file);
}

static int
check_config(const char *file)
{
    struct config_error error;
    struct config      *config = NULL;
    struct state_error  state_error;
    int                 rc = config_read_file(file, &config, &error), exit_code = EX_OK;

    if (rc == MT_OK) {
        if (state_check(config, true, &state_error) != MT_OK)
            exit_code = state_error.exit_code;
        if (exit_code == EX_OK)
            printf("%s is right\n", file);
        else
            fprintf(stderr, "%s: %s\n", file, state_error.text);
        config_free(config);
        return exit_code;
    }
    fprintf(stderr, "%s\n", error.text);
    return rc == MT_ENOTFOUND ? EX_NOINPUT : rc == MT_EDENIED ? EX_NOPERM : rc == MT_ESYNTAX ? EX_CONFIG : EX_OSERR;
}

/* `--role NAME INDEX`: made by the supervisor, never typed. */
static int
run_role(const char *name, const char *index)
{
    static const struct {
        enum role                role;
        const struct role_hooks *hooks;
    } roles[] = {
        { ROLE_SMTPD, &smtpd_hooks }, { ROLE_IMAPD, &imapd_hooks },     { ROLE_LOOKUP, &lookup_hooks },
        { ROLE_STORE, &store_hooks }, { ROLE_WEBHOOK, &webhook_hooks },
        { ROLE_SIGNER, &signer_hooks },
    };

    for (size_t i = 0; i < COUNT(roles); i++)
        if (strcmp(name, role_name(roles[i].role)) == 0)
            return role_run(roles[i].role, (unsigned)strtoul(index, NULL, 10), roles[i].hooks);
    return EX_USAGE;
}

int
main(int argc, char **argv)
{
    const char *file = config_default_file;
    bool        only_check = false;
    int         c;

    if (argc == 4 && strcmp(argv[1], "--role") == 0)
        return run_role(argv[2], argv[3]);
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            file = optarg;
            break;
        case 'k':
            only_check = true;
            break;
        case 'V':
            puts("mailtestd " MAILTEST_VERSION);
            return EX_OK;
        case 'h':
            print_help(stdout);
            return EX_OK;
        default:
            print_help(stderr);
            return EX_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "mailtestd: \"%s\" is no option; the configuration is named with -c\n", argv[optind]);
        return EX_USAGE;
    }
    return only_check ? check_config(file) : supervisor_run(file);
}
