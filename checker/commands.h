#ifndef CHECKER_COMMANDS_H
#define CHECKER_COMMANDS_H
/* commands - what mailtest-check can do. Each command is a function and a table of options; check.c has the list of them. */

#include "checker/settings.h"
#include "lib/buf.h"
#include "lib/options.h"

#include <jansson.h>

/* Returns the exit code of a monitoring plugin, 0 to 3. The options were read by the command's own table; operands are those behind its name. */
typedef int command_fn(const struct options *options);

struct command {
    const char               *name;
    command_fn               *run;
    const struct option_spec *options;      /* "help" (-h) and "version" (-V) are there for every command, beside these */
    unsigned                  operands_least, operands_most;
    const char               *operands;     /* "NAME", for the usage line; NULL: it takes none */
    const char               *help;         /* one line */
    const char               *more;         /* further lines for its own help, each with its line feed; NULL: none */
};

/* The line of a plugin for trouble of our own, "MAILTEST UNKNOWN - text", to standard output. Returns STATE_UNKNOWN. */
int command_fail(const char *text);

/* Prints a document (NULL: nothing of it) and a line feed. */
void command_print_json(const json_t *document);

/* Prints a text and frees it. */
void command_print(struct buf *text);

/* cmd_once: one round trip; its options are those of settings.h. */
command_fn cmd_once;

/* cmd_smtp: a look at SMTP servers without a mail. */
extern const struct option_spec smtp_options[];
command_fn cmd_smtp;

/* cmd_blacklist: addresses, hosts and domains against block lists. */
extern const struct option_spec blacklist_options[];
command_fn cmd_blacklist;

/* cmd_check_config: whether a file of checks can be read. */
extern const struct option_spec check_config_options[];
command_fn cmd_check_config;

/* cmd_check: one check of the file. cmd_run: the scheduler; its exit codes are those of sysexits.h. */
extern const struct option_spec check_options[];
command_fn cmd_check;
extern const struct option_spec run_options[];
command_fn cmd_run;

/* cmd_alert_test: the ways by which people are told. */
extern const struct option_spec alert_test_options[];
command_fn cmd_alert_test;

#endif
