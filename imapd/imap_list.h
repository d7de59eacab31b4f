#ifndef IMAPD_IMAP_LIST_H
#define IMAPD_IMAP_LIST_H
/*
 * imap_list - what LIST and LSUB ask for (RFC 9051 section 6.3.9, RFC 5258, RFC 5819, RFC 6154; RFC 3501 section 6.3.9), and which of a
 * mailbox's names are the answer. Pure: reads a command, and chooses from names that the caller gathered. Saying them:
 * imap_folder_list.c.
 */

#include "imapd/imap_reader.h"

#include "lib/db.h"

#define IMAP_LIST_PATTERNS_MAX 16u
#define IMAP_LIST_NAMES_MAX    512u     /* folders, names that are subscribed to without being one, and the levels above these */

enum imap_list_selection {
    LIST_SUBSCRIBED     = 1u << 0,
    LIST_REMOTE         = 1u << 1,      /* there is nothing remote: changes nothing */
    LIST_RECURSIVEMATCH = 1u << 2,
    LIST_SPECIAL_USE    = 1u << 3,
};

enum imap_list_return {
    RETURN_SUBSCRIBED  = 1u << 0,
    RETURN_CHILDREN    = 1u << 1,       /* told in any case */
    RETURN_SPECIAL_USE = 1u << 2,       /* told in any case */
    RETURN_STATUS      = 1u << 3,
};

struct imap_list {
    bool         lsub;
    bool         extended;              /* RFC 9051 section 6.3.9: an empty pattern has no meaning of its own */
    unsigned     selections;            /* enum imap_list_selection bits */
    unsigned     returns;               /* enum imap_list_return bits */
    unsigned     status_items;          /* imap_status.h */
    bool         root_only;             /* the empty pattern: only the delimiter is asked for */
    struct slice reference;             /* in UTF-8 */
    struct slice patterns[IMAP_LIST_PATTERNS_MAX];  /* in UTF-8; one that can fit no name is left out */
    unsigned     pattern_count;
    char        *text;                  /* owned: that reference and patterns point into */
};

/*
 * Reads the arguments behind the command's name; a fault of the reader where they are none. False: out of memory. Linear in time and memory; to be
 * freed in any case.
 */
bool imap_list_read(struct imap_list *l, struct imap_reader *r, bool lsub);
void imap_list_fini(struct imap_list *l);       /* all zero is fine */

struct imap_list_name {
    struct slice name;
    uint32_t     folder_id;             /* 0: there is no such folder */
    bool         subscribed;
    /* By imap_list_choose: */
    bool         shown;
    bool         meets;                 /* the selections; else it is shown for what is below it */
    bool         child_meets;           /* something below it does */
    bool         has_children;
    bool         fits;                  /* a pattern */
};

/* Names of one mailbox; each once. */
struct imap_list_names {
    struct imap_list_name names[IMAP_LIST_NAMES_MAX];
    unsigned              count;
    unsigned              matched;      /* how far imap_list_choose is */
    size_t                len;          /* octets in text */
    char                  text[(DB_FOLDERS_MAX + DB_SUBSCRIPTIONS_MAX) * FOLDER_NAME_BYTES];
};

/* Copies the name. One too many is left out. */
void imap_list_add(struct imap_list_names *n, struct slice name, uint32_t folder_id, bool subscribed);

/*
 * Marks what is to be said. Where that can matter, the levels above names without a folder are added, as names that are neither a folder nor
 * subscribed to. False: call it again; each call does at most IMAP_LIST_MATCHES_MAX matches (imap_name_matches), the last one count * count
 * comparisons.
 */
#define IMAP_LIST_MATCHES_MAX 128u
bool imap_list_choose(const struct imap_list *l, struct imap_list_names *n);

#endif
