#include "ctl/command.h"

#include <string.h>

const struct option_spec global_options[] = {
    { 'c', "config",  "FILE", "the service's configuration, instead of the default place" },
    { 0,   "json",    NULL,   "print JSON for programs" },
    { 't', "timeout", "SPAN", "how long to wait for the service's answer; 30s without it, 0 for ever" },
    { 'h', "help",    NULL,   "this help, or that of the command" },
    { 'V', "version", NULL,   "print the version" },
    { 0, NULL, NULL, NULL },
};

const struct command top_commands[] = {
    { "mailbox", "", 0, 0, NEED_NOTHING, "customers' mailboxes and their secrets", NULL, NULL, NULL, mailbox_commands },
    { "agent", "", 0, 0, NEED_NOTHING, "who may read mailboxes of others", NULL, NULL, NULL, agent_commands },
    { "token", "", 0, 0, NEED_NOTHING, "mint tokens, and see what became of them", NULL, NULL, NULL, token_commands },
    { "message", "", 0, 0, NEED_NOTHING, "what has arrived", NULL, NULL, NULL, message_commands },
    { "webhook", "", 0, 0, NEED_NOTHING, "where events are posted to, and what could not be posted", NULL, NULL, NULL, webhook_commands },
    { "alert", "", 0, 0, NEED_NOTHING, "how mailtest-check alerts people", NULL, NULL, NULL, alert_commands },
    { "check", "", 0, 0, NEED_NOTHING, "what mailtest-check found: the checks and their results", NULL, NULL, NULL, check_commands },
    { "api-key", "", 0, 0, NEED_NOTHING, "who may ask the HTTP API", NULL, NULL, NULL, api_key_commands },
    { "key", "", 0, 0, NEED_NOTHING, "the master keys that tokens are made with", NULL, NULL, NULL, key_commands },
    { "status", "", 0, 0, NEED_STORE, "the store's numbers; fails when the service is not running", NULL, NULL, run_status, NULL },
    { "backup", "DIR", 1, 1, NEED_STORE, "copy database and token keys of the running service",
      "DIR is made, or must be empty. The copy is one moment's state, is synced to disk, and is verified before the\n"
      "command succeeds. It holds the token keys: keep it as secret as the service itself.", NULL, run_backup, NULL },
    { "restore", "DIR", 1, 1, NEED_CONFIG, "put a backup in the place of the present state; the service must be stopped",
      "The backup is verified first. What was there is kept beside it, in a folder before-restore-….", restore_options,
      run_restore, NULL },
    { "salvage", "FROM TO", 2, 2, NEED_CONFIG, "make a backup of what is whole in a damaged database; the service must be stopped",
      "FROM is a state_dir, or a backup. TO is made, or must be empty; \"mailtestctl restore TO\" puts it in place. What is lost is told\n"
      "line by line: records that are damaged, messages whose body is not whole.", NULL, run_salvage, NULL },
    { "verify", "[DIR]", 0, 1, NEED_CONFIG, "walk through everything stored and tell what does not fit",
      "Without DIR: the service's own state, also while it is running. With DIR: a backup.\n"
      "Exit code 65 when something does not fit.", NULL, run_verify, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};

const struct command *
command_find(const struct command *table, const char *name)
{
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

/* One line for each command of a table; those of groups by their names. */
static void
list_commands(FILE *to, const char *prefix, const struct command *table)
{
    for (; table->name != NULL; table++) {
        char usage[128];

        snprintf(usage, sizeof(usage), "%s%s%s%s", prefix, table->name, table->arguments[0] != '\0' ? " " : "", table->arguments);
        if (table->group == NULL)
            fprintf(to, "  %-32s %s\n", usage, table->help);
        else
            for (const struct command *c = table->group; c->name != NULL; c++) {
                snprintf(usage, sizeof(usage), "%s %s%s%s", table->name, c->name, c->arguments[0] != '\0' ? " " : "", c->arguments);
                fprintf(to, "  %-32s %s\n", usage, c->help);
            }
    }
}

void
command_help(FILE *to, const struct command *group, const struct command *command)
{
    if (command == NULL) {
        char prefix[64] = "";

        if (group != NULL)
            snprintf(prefix, sizeof(prefix), "%s ", group->name);
        fprintf(to, "Usage: mailtestctl [OPTION…] %sCOMMAND [ARGUMENT…]\n%s\n\nCommands:\n", prefix,
                group != NULL ? group->help : "Operates a Mailtest service through its control socket.");
        list_commands(to, prefix, group != NULL ? group->group : top_commands);
    } else {
        fprintf(to, "Usage: mailtestctl %s%s%s%s%s%s\n%s\n", group != NULL ? group->name : "", group != NULL ? " " : "",
                command->name, command->options != NULL ? " [OPTION…]" : "", command->arguments[0] != '\0' ? " " : "",
                command->arguments, command->help);
        if (command->details != NULL)
            fprintf(to, "\n%s\n", command->details);
        if (command->options != NULL) {
            fputs("\nOptions:\n", to);
            options_help(command->options, to);
        }
    }
    fputs("\nOptions of every command:\n", to);
    options_help(global_options, to);
    if (command == NULL)
        fputs("\n\"mailtestctl COMMAND --help\" tells more of one command. Exit codes are those of sysexits.h.\n", to);
}
