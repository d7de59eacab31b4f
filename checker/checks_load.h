#ifndef CHECKER_CHECKS_LOAD_H
#define CHECKER_CHECKS_LOAD_H
/*
 * checks_load - turns what checks_raw read into struct checks, value by value; the first fault is kept with its place, and all that is done after it
 * does nothing. For checks_*.c alone.
 */

#include "checker/checks.h"
#include "checker/checks_raw.h"

/* Names and their places, sorted by name. */
struct name_entry {
    const char *name;
    unsigned    index;
};
struct name_index {
    struct name_entry *entries;
    unsigned           count;
};

/* The place; -1: there is none. */
int  name_index_find(const struct name_index *x, const char *name);

/* Sorts; *second is the place of a name that an earlier place has, or -1. Names are borrowed. MT_ENOMEM. */
int  name_index_add(struct name_index *x, unsigned cap, const char *name, unsigned index);
int  name_index_sort(struct name_index *x);
void name_index_fini(struct name_index *x);

struct loader {
    const struct outline *outline;
    struct config_error  *error;
    struct raw_top       *raw;
    struct checks        *out;
    struct name_index     servers, ways, contacts, checks;
    int                   rc;           /* MT_OK, MT_ESYNTAX (error is set), MT_ENOMEM */
};

/* A value and where it stands. */
struct given {
    const char *section;                /* "checks[3]", or "" */
    const char *name;                   /* "interval" */
    int         item;                   /* of a list; -1: none */
    char       *text;                   /* NULL: absent */
};

#define GIVEN(at, raw, member)          ((struct given){ .section = (at), .name = #member, .item = -1, .text = (raw)->member })
#define GIVEN_ITEM(at, raw, member, i)  ((struct given){ .section = (at), .name = #member, .item = (int)(i), .text = (raw)->member.items[i] })
#define GIVEN_NONE(at, member)          ((struct given){ .section = (at), .name = (member), .item = -1 })

#define SECTION_BYTES 48u
/* "checks[3]". Returns out. */
const char *section_of(char out[SECTION_BYTES], const char *list, unsigned index);

/* "FILE:LINE:COLUMN: checks[3].interval: " and the text, at the value, else at the section. The first fault alone counts. */
void load_fail(struct loader *l, struct given g, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with "found "…", allowed: " in front of the text. */
void load_refuse(struct loader *l, struct given g, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Out of memory. */
void load_out_of_memory(struct loader *l);

/* calloc, with at least one element; NULL: l->rc says so. */
void *load_array(struct loader *l, size_t count, size_t size);

/* Whether the file has a list of this name in the section, be it an empty one. */
bool load_has(const struct loader *l, const char *section, const char *name);

/* Each leaves fallback in *out where nothing is given. */
void load_bool(struct loader *l, struct given g, bool fallback, bool *out);
void load_number(struct loader *l, struct given g, uint32_t least, uint32_t most, uint32_t fallback, uint32_t *out);
void load_span(struct loader *l, struct given g, uint32_t least_ms, uint32_t most_ms, uint32_t fallback_ms, uint32_t *out);
void load_range(struct loader *l, struct given g, const char *fallback, struct range *out);

/* One of the words, NULL at the end; *out is its place. */
void load_word(struct loader *l, struct given g, const char *const *words, unsigned fallback, unsigned *out);

enum text_form {
    TEXT_NAME,          /* of a check, way and so on */
    TEXT_HOST,          /* name or address of a host */
    TEXT_FILE,
    TEXT_ADDRESS,       /* of mail */
    TEXT_MAILBOX,       /* becomes lower case */
    TEXT_API,           /* URL of the service */
    TEXT_URL,           /* of a webhook */
    TEXT_LISTEN,        /* "127.0.0.1:9725", "[::1]:9725" */
    TEXT_DNS,           /* name servers */
    TEXT_ZONE,
    TEXT_HELO,
    TEXT_LINE,          /* printable, not empty */
    TEXT_LINE_OR_NONE,
    TEXT_LONG,          /* several lines */
    TEXT_CODE,          /* "127.0.0.2", "127.0.0.4-7" */
    TEXT_FORM_COUNT
};
void load_text(struct loader *l, struct given g, enum text_form form, const char *fallback, const char **out);

/* A list of names that the index knows, as their places. what: "contact". */
void load_names(struct loader *l, const char *section, const char *name, const struct strings *given, const struct name_index *known,
                const char *what, unsigned max, unsigned *out, unsigned *count);

/* The place of one name; -1 and a fault: unknown. */
int load_name(struct loader *l, struct given g, const struct name_index *known, const char *what);

/* ---- The parts, each in a file of its own, in this order ------------------------------------------------------------ */

enum server_use { USE_SMTP, USE_IMAP, USE_POP3 };

/* All servers; and the one that is named, with the port that is usual for its use where the file has none. NULL: a fault. */
void                load_servers(struct loader *l);
const struct server_entry *load_server(struct loader *l, struct given g, enum server_use use, struct server *out);

void load_ways(struct loader *l);
void load_contacts(struct loader *l);
void load_lists(struct loader *l, struct raw_blocklist *lists, unsigned count);
void load_checks(struct loader *l);

/* How one check sends and receives, by its scenario or strategy and its own settings. */
void load_route(struct loader *l, const char *section, struct raw_check *raw, struct check *check);

/* "Mon-Fri 22:00-06:00", "Sun", "22:00-06:00". MT_ESYNTAX; MT_EFULL: more than room. */
int quiet_parse(struct slice text, struct quiet *out, unsigned room, unsigned *count);

#endif
