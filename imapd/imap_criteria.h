#ifndef IMAPD_IMAP_CRITERIA_H
#define IMAPD_IMAP_CRITERIA_H
/*
 * imap_criteria - what a SEARCH looks for: its keys, read into a list in which each operator stands behind what it joins, so that neither
 * reading nor evaluating needs recursion. Bounds: IMAP_KEYS_MAX keys, IMAP_KEYS_DEPTH_MAX parentheses, NOTs and ORs within one another.
 */

#include "imapd/imap_reader.h"
#include "imapd/imap_set.h"

#include "lib/charset.h"

#define IMAP_KEYS_MAX       1000u
#define IMAP_KEYS_DEPTH_MAX 100u

enum imap_key_kind {
    KEY_ALL,            /* true */
    KEY_NONE,           /* false */
    KEY_RECENT,
    KEY_AND, KEY_OR, KEY_NOT,
    KEY_NUMBERS, KEY_UIDS,
    KEY_FLAG,           /* number: enum entry_flag */
    KEY_KEYWORD,        /* text */
    KEY_LARGER, KEY_SMALLER,
    KEY_BEFORE, KEY_ON, KEY_SINCE,              /* day, of INTERNALDATE in UTC */
    KEY_SENT_BEFORE, KEY_SENT_ON, KEY_SENT_SINCE,       /* day, of the Date field as it is written there */
    KEY_SAVED_BEFORE, KEY_SAVED_ON, KEY_SAVED_SINCE,
    KEY_YOUNGER, KEY_OLDER,                     /* number: seconds */
    KEY_MODSEQ,
    KEY_EMAIL_ID,       /* number: message id */
    KEY_THREAD_ID,      /* number: as imap_thread_id */
    KEY_HEADER,         /* name, text */
    KEY_BODY, KEY_TEXT, /* text */
};

struct imap_key {
    enum imap_key_kind kind;
    uint64_t           number;
    int64_t            day;         /* since 1970-01-01 */
    struct slice       name, text;  /* text: of a keyword as written, else in UTF-8 and mapped (lib/casemap.h) */
    char              *own;         /* what text points to; owned; NULL: the command */
    struct imap_set    set;         /* of message numbers, or of UIDs */
};

struct imap_criteria {
    struct imap_key *keys;          /* owned */
    unsigned         count;
    bool             has_modseq;
};

/* What the keys mean: the numbers there are, what "$" stands for, and the charset of the strings. */
struct imap_criteria_context {
    uint32_t               last_number, last_uid;
    const struct imap_set *saved;
    const struct charset  *charset;         /* NULL: none was stated */
};

/* Reads keys up to the end of the command; faults are the reader's. Names and keywords borrow from it. False: out of memory. */
bool imap_criteria_read(struct imap_criteria *k, struct imap_reader *r, const struct imap_criteria_context *context);
void imap_criteria_fini(struct imap_criteria *k);       /* all zero is fine */

#endif
