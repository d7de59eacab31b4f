#ifndef IMAPD_IMAP_SEEK_H
#define IMAPD_IMAP_SEEK_H
/*
 * imap_seek - goes through the selected folder for the messages that SEARCH, SORT and THREAD ask for, in steps. A search for a token in
 * INBOX goes through the token's record instead of the folder.
 */

#include "imapd/imap.h"
#include "imapd/imap_criteria.h"
#include "imapd/imap_look.h"

/* RETURN (…) of RFC 4731, 5182 and 5267. */
enum imap_return { IMAP_RETURN_MIN = 1, IMAP_RETURN_MAX = 2, IMAP_RETURN_COUNT = 4, IMAP_RETURN_ALL = 8, IMAP_RETURN_SAVE = 16 };

struct imap_seek {
    char                *text;              /* owned: the command, that keys point into */
    struct imap_reader   reader;            /* of it, behind the command's name */
    struct imap_criteria criteria;
    unsigned             returns;           /* enum imap_return; 0: the old answer */
    bool                 uids;
    struct imap_set      found;             /* UIDs */
    uint64_t             modseq;            /* highest of what was found */
    uint64_t             modseq_first, modseq_last;     /* of the first and the last message of them */
    struct imap_set      candidates;        /* private, from here on: indexes to look at */
    uint32_t             range, offset;     /* where it is in them */
    struct imap_look     look;              /* at the message under way */
    bool                 looking;
};

/* A copy of what stands behind the command's name. False: out of memory. */
bool imap_seek_init(struct imap_seek *f, struct slice rest, bool uids);
void imap_seek_fini(struct imap_seek *f);

/* "RETURN (…) ", where it is there. */
void imap_seek_read_returns(struct imap_seek *f);

/* The criteria, whose strings are in that charset; has_charset: it was stated. False: refused. */
bool imap_seek_read_criteria(struct connection *c, struct imap_seek *f, bool has_charset, struct slice charset);

enum imap_seek_result { IMAP_SEEK_MORE, IMAP_SEEK_DONE, IMAP_SEEK_REFUSED };

/* A step. REFUSED: the tagged answer has been given. */
enum imap_seek_result imap_seek_step(struct connection *c, struct imap_seek *f);

/* Gives a tagged NO; where SAVE was asked for, "$" is empty then (RFC 5182 section 2.1). */
void imap_seek_refuse(struct connection *c, const struct imap_seek *f, const char *reason);

/* Where SAVE was asked for, "$" becomes what the answer names; may take over found. */
void imap_seek_save(struct connection *c, struct imap_seek *f);

/* Walks what was found: *range and *offset begin with 0. False: that was the last. */
bool imap_seek_next(const struct imap_seek *f, uint32_t *range, uint32_t *offset, uint32_t *uid);

uint32_t imap_seek_count(const struct imap_seek *f);

/* The UID, or the message's number. */
uint32_t imap_seek_shown(const struct imap *s, const struct imap_seek *f, uint32_t uid);

/* The highest modseq of what the answer names (RFC 7162 section 3.1.5): MIN and MAX alone name one message each. */
uint64_t imap_seek_modseq(const struct imap_seek *f);

#endif
