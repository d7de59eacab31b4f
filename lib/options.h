#ifndef LIB_OPTIONS_H
#define LIB_OPTIONS_H
/*
 * options - a command line read by a table, which also gives the help text: options anywhere among the operands, "--name VALUE",
 * "--name=VALUE", "-n VALUE", "-nVALUE", "-abc" for switches; "--" ends the options. Whatever was not in the table is an error
 * with a text for the user. Values are borrowed from argv.
 */

#include <stdbool.h>
#include <stddef.h>

struct option_spec {
    char        letter;     /* 0: none */
    const char *name;       /* without its dashes; NULL ends a table */
    const char *value;      /* what the help calls its value, such as "FILE"; NULL: a switch */
    const char *help;       /* one line; NULL: not shown */
};

#define OPTIONS_MAX     48u     /* in all tables of one parse */
#define OPERANDS_MAX    16u

struct options {
    const struct option_spec *tables[2];                /* the second may be NULL; they have no name in common */
    const char               *values[OPTIONS_MAX];      /* of the option of that place in the tables; NULL: not given. A switch: "" */
    unsigned                  times[OPTIONS_MAX];       /* how often it was given; the last value counts */
    const char               *operands[OPERANDS_MAX];
    unsigned                  operand_count;
    char                      error[256];               /* a sentence for the user, when reading failed */
};

/* Both tables together have at most OPTIONS_MAX entries (asserted). */
void options_init(struct options *o, const struct option_spec *first, const struct option_spec *second);

/*
 * Reads argv[0] to argv[argc - 1] (without the program's name) and adds to what was read before. With stop_at_operand it ends in
 * front of the first operand. Returns the number of words read, or -1 with o->error set.
 */
int options_read(struct options *o, int argc, char *const *argv, bool stop_at_operand);

/* By its long name, which must be in a table (asserted). */
bool        options_has(const struct options *o, const char *name);
unsigned    options_times(const struct options *o, const char *name);
const char *options_value(const struct options *o, const char *name);  /* NULL: not given */

/* Writes the table's lines, "  -c, --config FILE   help", aligned, to a stream (FILE *). */
void options_help(const struct option_spec *table, void *stream);

#endif
