#ifndef IMAPD_IMAP_UIDS_H
#define IMAPD_IMAP_UIDS_H
/*
 * imap_uids - the UIDs of a folder in their order, which is what turns message numbers into messages. Reading them may take a walk
 * through the folder (db_uids), so the sessions of a process share one list, and the list of a folder is kept when the last of them has
 * gone: the next SELECT only reads what came since. Four octets a message, for all sessions that have seen the same deletions.
 *
 * A list grows at its end; each session knows how many of its UIDs it was told of. Who takes one out gets a list of his own.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAP_UIDS_FOLDERS    64u                        /* whose lists are kept */
#define IMAP_UIDS_KEPT_BYTES (64u * 1024 * 1024)        /* of all that are kept; a larger list is not */

struct imap_uids;

/* Room for so many without asking for memory again; NULL: out of memory. The caller uses it until imap_uids_release. */
struct imap_uids *imap_uids_new(uint32_t room);
struct imap_uids *imap_uids_share(struct imap_uids *l);     /* one user more */
void              imap_uids_release(struct imap_uids *l);   /* NULL is fine */

/* Rising; valid until the next call that may change the list, or give another one. */
uint32_t *imap_uids_array(struct imap_uids *l);
uint32_t  imap_uids_count(const struct imap_uids *l);       /* that any user has appended */

/* Puts the UID behind the first *count ones. May put another list in the place of *l. False: out of memory, nothing has changed. */
bool imap_uids_append(struct imap_uids **l, uint32_t *count, uint32_t uid);

/* Makes *l a list of its own, of the first count: it may be written to. False: out of memory, nothing has changed. */
bool imap_uids_own(struct imap_uids **l, uint32_t count);

/* ---- Those that are kept -------------------------------------------------------------------------------------------- */

/* Zeroed memory is an empty one. */
struct imap_uids_kept {
    struct {
        uint32_t          mailbox_id, folder_id, uidvalidity;
        struct imap_uids *list;
    } folders[IMAP_UIDS_FOLDERS];
    size_t   bytes;
    unsigned next;          /* to go when there is no room */
};

/* The folder's list for one user more, which may lack arrivals and have UIDs that have gone; NULL: none is kept. */
struct imap_uids *imap_uids_find(struct imap_uids_kept *k, uint32_t mailbox_id, uint32_t folder_id, uint32_t uidvalidity);

/* The folder's list as it is in the database just now, instead of the one that was kept. */
void imap_uids_keep(struct imap_uids_kept *k, uint32_t mailbox_id, uint32_t folder_id, uint32_t uidvalidity, struct imap_uids *l);

/* A message was deleted. */
void imap_uids_gone(struct imap_uids_kept *k, uint32_t mailbox_id, uint32_t folder_id, uint32_t uid);

void imap_uids_fini(struct imap_uids_kept *k);

#endif
