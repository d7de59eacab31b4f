#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H
/*
 * command - the table of what mailtestctl can do. To add a command: a line in the table of its group (cmd_<group>.c) and
 * its function there.
 */

#include "ctl/ctl.h"

enum need {
    NEED_NOTHING,
    NEED_CONFIG,        /* ctl->config */
    NEED_STORE,         /* and ctl->client */
};

struct command {
    const char               *name;         /* NULL ends a table */
    const char               *arguments;    /* "MAILBOX TOKEN", as the help shows them; "" for none */
    unsigned                  least, most;  /* how many of them */
    enum need                 need;
    const char               *help;         /* one line */
    const char               *details;      /* more for its own --help; NULL: none */
    const struct option_spec *options;      /* of its own; NULL: none */
    int                     (*run)(struct ctl *ctl);
    const struct command     *group;        /* instead of run: the commands under this name */
};

/* The groups' tables. */
extern const struct command mailbox_commands[], agent_commands[], token_commands[], key_commands[], api_key_commands[], message_commands[],
    webhook_commands[], alert_commands[], check_commands[];

/* Commands without a group. */
int run_status(struct ctl *ctl);
int run_backup(struct ctl *ctl);
int run_restore(struct ctl *ctl);
int run_verify(struct ctl *ctl);
int run_salvage(struct ctl *ctl);
extern const struct option_spec restore_options[];

/* The first table. */
extern const struct command top_commands[];

/* Of every command. */
extern const struct option_spec global_options[];

/* By name in a table; NULL: not there. */
const struct command *command_find(const struct command *table, const char *name);

/* Help on standard output or elsewhere: of all (command NULL, group NULL), of one group, of one command. */
void command_help(FILE *to, const struct command *group, const struct command *command);

#endif
