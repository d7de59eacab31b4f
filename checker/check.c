#include "checker/check.h"

#include "checker/commands.h"
#include "checker/report.h"
#include "lib/error.h"

#include <ares.h>
#include <curl/curl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>

enum { REAL_DIGITS = 15 };

/* A command is one line here, with its declarations in commands.h. */
static const struct command commands[] = {
    { "once", cmd_once, once_options, 0, 0, NULL, "one round trip, as a monitoring plugin",
      "Scenario 1: the customer's server, or its MX, to the customer's mailbox (--imap or --pop3).\n"
      "Scenario 2: the customer's server (--smtp), or the MX of the recipient's domain, to our mailbox by a forwarding rule.\n"
      "Scenario 3: a server that wants a login (--smtp with --smtp-user) to the customer's mailbox.\n"
      "Scenario 4: our own relay (--relay) to the customer's mailbox.\n"
      "Scenario 5: our own relay to our mailbox by a forwarding rule.\n"
      "Prints one line with performance data and exits as monitoring plugins do: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n"
      "API key, passwords and access tokens come from files, commands or the environment, never from the command line.\n" },
    { "run", cmd_run, run_options, 0, 0, NULL, "run the checks of a file on a schedule, and alert",
      "Goes on until SIGTERM; SIGHUP makes it read the file anew. Logs to standard error.\n" },
    { "check", cmd_check, check_options, 1, 1, "NAME", "one check of the file, now, as a monitoring plugin",
      "Prints one line with performance data and exits as monitoring plugins do: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n" },
    { "check-config", cmd_check_config, check_config_options, 0, 0, NULL, "whether a file of checks can be read",
      "Prints what is in it and exits with 0, or says where it is wrong (file, line, column) and exits with 2.\n" },
    { "alert-test", cmd_alert_test, alert_test_options, 0, 0, NULL, "try each way by which people are alerted",
      "Sends a test notice by each way of the configuration, or by one, and prints a line for each. Exits with 0 when all took it, else with 2.\n" },
    { "smtp", cmd_smtp, smtp_options, 0, 0, NULL, "a look at SMTP servers without a mail, as a monitoring plugin",
      "Connects, reads the banner, says EHLO, starts TLS, logs in where --user is given, says MAIL and RCPT where --rcpt is given, and QUIT.\n"
      "The first step that fails is named with the server's reply; of several servers the worst counts. A 4yz to RCPT is no failure.\n" },
    { "blacklist", cmd_blacklist, blacklist_options, 0, OPERANDS_MAX, "[HOST…]", "addresses, hosts and domains against block lists, as a monitoring plugin",
      "First asks each list for its own test points, so that one that is dead raises no alarm. CRITICAL when something is listed.\n" },
};

static const struct option_spec common_options[] = {
    { 'V', "version", NULL, "print the version" },
    { 'h', "help",    NULL, "this help" },
    { 0, NULL, NULL, NULL },
};

void
command_print(struct buf *text)
{
    if (text->len > 0)
        fwrite(text->data, 1, text->len, stdout);
    buf_fini(text);
    fflush(stdout);
}

void
command_print_json(const json_t *document)
{
    if (document != NULL)
        json_dumpf(document, stdout, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(REAL_DIGITS));
    putchar('\n');
    fflush(stdout);
}

int
command_fail(const char *text)
{
    struct buf line;

    buf_init(&line, REPORT_MAX_BYTES);
    report_unknown(&line, text);
    command_print(&line);
    return STATE_UNKNOWN;
}

static int
help_all(void)
{
    fputs("Usage: mailtest-check COMMAND [OPTION…]\n"
          "Sends test mails through mail systems and tells whether and when they arrived.\n\n"
          "Commands:\n", stdout);
    for (size_t i = 0; i < COUNT(commands); i++)
        printf("  %-12s  %s\n", commands[i].name, commands[i].help);
    fputs("\nOptions:\n", stdout);
    options_help(common_options, stdout);
    fputs("\n\"mailtest-check COMMAND --help\" tells the options of a command.\n", stdout);
    return STATE_OK;
}

static int
help_one(const struct command *c)
{
    printf("Usage: mailtest-check %s%s%s [OPTION…]\n%c%s.\n%s\nOptions:\n", c->name, c->operands != NULL ? " " : "",
           c->operands != NULL ? c->operands : "", c->help[0] >= 'a' && c->help[0] <= 'z' ? c->help[0] - 'a' + 'A' : c->help[0],
           c->help + 1, c->more != NULL ? c->more : "");
    options_help(c->options, stdout);
    options_help(common_options, stdout);
    return STATE_OK;
}

static int
print_version(void)
{
    printf("mailtest-check %s\n", MAILTEST_VERSION);
    return STATE_OK;
}

static const struct command *
command_find(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (slice_equal(slice_of(commands[i].name), slice_of(name)))
            return &commands[i];
    return NULL;
}

static int
refuse(const char *what, const char *name)
{
    char text[400];

    snprintf(text, sizeof(text), "%.255s; see \"mailtest-check %.60s%s--help\"", what, name, name[0] != '\0' ? " " : "");
    return command_fail(text);
}

/* argv behind the command's name. */
static int
run_command(const struct command *c, int argc, char **argv)
{
    struct options options;
    char           text[200];

    options_init(&options, c->options, common_options);
    if (options_read(&options, argc, argv, false) == -1)
        return refuse(options.error, c->name);
    if (options_has(&options, "help"))
        return help_one(c);
    if (options_has(&options, "version"))
        return print_version();
    if (options.operand_count < c->operands_least || options.operand_count > c->operands_most) {
        snprintf(text, sizeof(text), "%s takes %s", c->name, c->operands != NULL ? c->operands : "options alone");
        return refuse(text, c->name);
    }
    return c->run(&options);
}

int
check_main(int argc, char **argv)
{
    struct options        options;
    const struct command *command;
    char                  text[200];
    int                   read;

    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return command_fail("a library could not be set up");
    signal(SIGPIPE, SIG_IGN);       /* libraries write to sockets that peers may have closed */
    options_init(&options, common_options, NULL);
    read = options_read(&options, argc - 1, argv + 1, true);
    if (read == -1)
        return refuse(options.error, "");
    if (options_has(&options, "help"))
        return help_all();
    if (options_has(&options, "version"))
        return print_version();
    if (read >= argc - 1)
        return refuse("a command is missing", "");
    command = command_find(argv[read + 1]);
    if (command == NULL) {
        snprintf(text, sizeof(text), "there is no command \"%.60s\"", argv[read + 1]);
        return refuse(text, "");
    }
    return run_command(command, argc - read - 2, argv + read + 2);
}
