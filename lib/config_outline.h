#ifndef LIB_CONFIG_OUTLINE_H
#define LIB_CONFIG_OUTLINE_H
/*
 * config_outline - every value of a YAML text with its path and its place, in the order of the text. For readers of settings (lib/config, the
 * checker's checks): what libcyaml has loaded no longer knows its line, and on some errors it names the wrong one.
 *
 * Takes a part of YAML: one document of mappings, lists and scalars; no anchors, aliases and tags, no key twice, bounded depth and number.
 * Time and memory grow with the text alone.
 */

#include "lib/config.h"

enum node_kind { NODE_SCALAR, NODE_NOTHING, NODE_LIST, NODE_MAPPING };

struct node {
    char          *path;            /* "smtp.recipients_max", "domains[1]"; empty: the whole document */
    char          *text;            /* of a scalar; without NULs inside */
    enum node_kind kind;
    unsigned       line, column;    /* from 1; of the value, or of the key where there is no value */
    unsigned       key_line, key_column;
    unsigned       item_count;      /* of a list */
    uint32_t       hash;            /* of the path */
};

struct outline {
    const char  *file;              /* borrowed */
    struct node *nodes;
    unsigned     count;
    unsigned     cap;
    unsigned    *slots;             /* open hash table of places in nodes, from 1; 0: empty */
    unsigned     slot_count;
};

#define OUTLINE_DEPTH_MAX 6u

struct outline_limits {
    unsigned depth;                 /* mappings and lists in each other, at most OUTLINE_DEPTH_MAX; the document counts */
    unsigned nodes;
};

/* o is always to be given to outline_fini. MT_ESYNTAX with *error set; MT_ENOMEM. */
int  outline_read(struct outline *o, struct slice text, const char *file, struct outline_limits limits, struct config_error *error);
void outline_fini(struct outline *o);

/* NULL where there is none. */
const struct node *outline_find(const struct outline *o, const char *path);

/* Whether one of a few slips of a finger makes a of b: at most two characters changed, added or left out (Levenshtein). */
bool outline_names_are_near(struct slice a, struct slice b);

/* "FILE:LINE:COLUMN: " and the text. Returns MT_ESYNTAX. */
int config_fail(struct config_error *error, const char *file, unsigned line, unsigned column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
