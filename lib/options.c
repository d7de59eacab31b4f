#include "lib/options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { TABLES = 2, HELP_COLUMN_MAX = 30 };

static size_t
table_length(const struct option_spec *table)
{
    size_t n = 0;

    while (table != NULL && table[n].name != NULL)
        n++;
    return n;
}

void
options_init(struct options *o, const struct option_spec *first, const struct option_spec *second)
{
    *o = (struct options){ .tables = { first, second } };
    assert(table_length(first) + table_length(second) <= OPTIONS_MAX);
}

/* The option at place i, counted through both tables. */
static const struct option_spec *
spec_at(const struct options *o, size_t i)
{
    size_t first = table_length(o->tables[0]);

    return i < first ? &o->tables[0][i] : &o->tables[1][i - first];
}

static size_t
spec_count(const struct options *o)
{
    return table_length(o->tables[0]) + table_length(o->tables[1]);
}

/* The place of a long name (len octets of it), or -1. */
static int
place_of_name(const struct options *o, const char *name, size_t len)
{
    for (size_t i = 0; i < spec_count(o); i++)
        if (strlen(spec_at(o, i)->name) == len && memcmp(spec_at(o, i)->name, name, len) == 0)
            return (int)i;
    return -1;
}

static int
place_of_letter(const struct options *o, char letter)
{
    for (size_t i = 0; i < spec_count(o); i++)
        if (spec_at(o, i)->letter == letter)
            return (int)i;
    return -1;
}

static void
set_value(struct options *o, int place, const char *value)
{
    o->values[place] = value;
    o->times[place]++;
}

/* "--name", "--name=VALUE" or "--name VALUE". Returns how many words it took, or -1. */
static int
read_long(struct options *o, const char *word, const char *next)
{
    const char               *name = word + 2;
    const char               *equals = strchr(name, '=');
    size_t                    len = equals == NULL ? strlen(name) : (size_t)(equals - name);
    int                       place = place_of_name(o, name, len);
    const struct option_spec *spec;

    if (place == -1) {
        snprintf(o->error, sizeof(o->error), "there is no option --%.*s", (int)(len < 60 ? len : 60), name);
        return -1;
    }
    spec = spec_at(o, (size_t)place);
    if (spec->value == NULL) {
        if (equals != NULL) {
            snprintf(o->error, sizeof(o->error), "--%s takes no value", spec->name);
            return -1;
        }
        set_value(o, place, "");
        return 1;
    }
    if (equals == NULL && next == NULL) {
        snprintf(o->error, sizeof(o->error), "--%s needs a value: --%s %s", spec->name, spec->name, spec->value);
        return -1;
    }
    set_value(o, place, equals != NULL ? equals + 1 : next);
    return equals != NULL ? 1 : 2;
}

/* "-abc", "-n VALUE" or "-nVALUE". As above. */
static int
read_short(struct options *o, const char *word, const char *next)
{
    for (const char *p = word + 1; *p != '\0'; p++) {
        int                       place = place_of_letter(o, *p);
        const struct option_spec *spec;

        if (place == -1) {
            bool printable = *p > ' ' && *p < 0x7f;

            snprintf(o->error, sizeof(o->error), printable ? "there is no option -%c" : "there is no such option", *p);
            return -1;
        }
        spec = spec_at(o, (size_t)place);
        if (spec->value == NULL) {
            set_value(o, place, "");
            continue;
        }
        if (p[1] == '\0' && next == NULL) {
            snprintf(o->error, sizeof(o->error), "-%c needs a value: -%c %s", *p, *p, spec->value);
            return -1;
        }
        set_value(o, place, p[1] != '\0' ? p + 1 : next);
        return p[1] != '\0' ? 1 : 2;
    }
    return 1;
}

static int
add_operand(struct options *o, const char *word)
{
    if (o->operand_count == OPERANDS_MAX) {
        snprintf(o->error, sizeof(o->error), "more than %u arguments", OPERANDS_MAX);
        return -1;
    }
    o->operands[o->operand_count++] = word;
    return 1;
}

int
options_read(struct options *o, int argc, char *const *argv, bool stop_at_operand)
{
    int  at = 0;
    bool ended = false;     /* "--" was there */

    while (at < argc) {
        const char *word = argv[at];
        const char *next = at + 1 < argc ? argv[at + 1] : NULL;
        bool        operand = ended || word[0] != '-' || word[1] == '\0';
        int         taken;

        if (operand && stop_at_operand)
            break;
        if (!operand && strcmp(word, "--") == 0) {
            ended = true;
            at++;
            continue;
        }
        taken = operand ? add_operand(o, word) : word[1] == '-' ? read_long(o, word, next) : read_short(o, word, next);
        if (taken == -1)
            return -1;
        at += taken;
    }
    return at;
}

static int
known_place(const struct options *o, const char *name)
{
    int place = place_of_name(o, name, strlen(name));

    assert(place != -1);
    return place;
}

bool
options_has(const struct options *o, const char *name)
{
    return o->times[known_place(o, name)] > 0;
}

unsigned
options_times(const struct options *o, const char *name)
{
    return o->times[known_place(o, name)];
}

const char *
options_value(const struct options *o, const char *name)
{
    return o->values[known_place(o, name)];
}

/* "-c, --config FILE". */
static int
write_usage(const struct option_spec *spec, char *to, size_t size)
{
    char letter[8] = "    ";

    if (spec->letter != 0)
        snprintf(letter, sizeof(letter), "-%c, ", spec->letter);
    return snprintf(to, size, "%s--%s%s%s", letter, spec->name, spec->value != NULL ? " " : "",
                    spec->value != NULL ? spec->value : "");
}

void
options_help(const struct option_spec *table, void *stream)
{
    char usage[128];
    int  width = 0;

    for (const struct option_spec *spec = table; spec->name != NULL; spec++) {
        int len = write_usage(spec, usage, sizeof(usage));

        if (spec->help != NULL && len > width && len <= HELP_COLUMN_MAX)
            width = len;
    }
    for (const struct option_spec *spec = table; spec->name != NULL; spec++)
        if (spec->help != NULL) {
            write_usage(spec, usage, sizeof(usage));
            fprintf(stream, "  %-*s  %s\n", width, usage, spec->help);
        }
}
