#ifndef CTL_CTL_H
#define CTL_CTL_H
/*
 * ctl - one run of mailtestctl: which command with which options, the configuration, the connection to store; and how it ends.
 *
 * Exit codes are those of sysexits.h; ctl_exit_code tells which stands for what. docs/mailtestctl.8 lists them.
 */

#include "ctl/client.h"
#include "ctl/output.h"
#include "lib/config.h"
#include "lib/options.h"

#include <sysexits.h>

struct command;

struct ctl {
    const struct command *command;
    struct options        options;      /* read by command->options; operands are the command's arguments */
    struct config        *config;       /* NULL for a command that needs none */
    struct client        *client;       /* NULL for a command that does not talk to store */
    FILE                 *out;          /* what was asked for */
    bool                  json;
};

/* Runs a command line. Returns the exit code. */
int ctl_main(int argc, char **argv);

/* Says "mailtestctl: …" on standard error. Returns exit_code. */
int ctl_fail(int exit_code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The end of a command by what store (or a library) returned: EX_OK and nothing said for MT_OK; else what went wrong with what,
 * and what can be done. what: "mailbox acme".
 */
int ctl_end(const struct ctl *ctl, int rc, const char *what_format, ...) __attribute__((format(printf, 3, 4)));

/* The exit code for an MT_E…. */
int ctl_exit_code(int rc);

/* Prints the document for programs, or has it laid out for people by show(); takes over the document. Returns an exit code. */
typedef void ctl_show_fn(const struct ctl *ctl, const json_t *document);
int ctl_print(const struct ctl *ctl, json_t *document, ctl_show_fn *show);

/*
 * The end of a list: prints the rows (an array, taken over) as member key. Store leaves out what is damaged and says so at the
 * end with MT_EDAMAGED: then the rows are printed, and the exit code and a line on standard error tell that there is more.
 * what: as for ctl_end.
 */
int ctl_print_list(const struct ctl *ctl, int rc, const char *key, json_t *rows, ctl_show_fn *show, const char *what);

/*
 * Asks on the terminal. EX_OK: the answer was yes, or --yes was given. EX_USAGE: there is no terminal to ask on; EX_TEMPFAIL: the
 * answer was no; both were said.
 */
int ctl_confirm(const struct ctl *ctl, const char *question_format, ...) __attribute__((format(printf, 2, 3)));

/* Operand i as a mailbox's name in lower case. 0, or an exit code with the error said. */
int ctl_mailbox_operand(const struct ctl *ctl, unsigned i, char name[MAILBOX_NAME_MAX + 1]);

/* Operand i as a number of at most max (what: "message id"). As above. */
int ctl_number_operand(const struct ctl *ctl, unsigned i, const char *what, uint64_t max, uint64_t *out);

/* The value of an option as a time span in milliseconds, or fallback_ms. As above. */
int ctl_duration_option(const struct ctl *ctl, const char *name, uint64_t fallback_ms, uint64_t *out);

/* The value of an option as a number, or fallback. As above. */
int ctl_number_option(const struct ctl *ctl, const char *name, uint64_t max, uint64_t fallback, uint64_t *out);

/* Microseconds since 1970, by this machine's clock. */
uint64_t ctl_now_us(void);

#endif
