#ifndef STORE_CATALOG_H
#define STORE_CATALOG_H
/*
 * catalog - all mailboxes in memory as the last commit left them: who may receive, and what smtpd has to know. What a
 * transaction changes reaches them only after its commit, so a failed one leaves nothing to undo.
 */

#include "lib/db.h"

struct catalog;

struct catalog_mailbox {
    uint32_t id;
    bool     enabled;
    bool     damaged;                           /* its record is: only its name and id are known, and its mail is put off */
    uint64_t bytes, messages;                   /* kept in it */
    char     name[MAILBOX_NAME_MAX + 1];
    char     address[MAILBOX_ADDRESS_MAX + 1];  /* in lower case; its tokens are bound to it */
    bool     told_enabled, told_over_quota;     /* the state that smtpd was told last */
};

struct catalog *catalog_new(void);              /* NULL: out of memory */
void            catalog_free(struct catalog *c);

/*
 * Reads all of them from the database. One whose record is damaged (logged) is known by the row of its name. MT_EDAMAGED (logged): that is lost, too;
 * MT_ENOMEM, MT_EIO, …
 */
int catalog_load(struct catalog *c, const struct db_view *v);

/* In lower case. NULL: none. Valid until it is removed. */
struct catalog_mailbox *catalog_find(const struct catalog *c, struct slice name);
struct catalog_mailbox *catalog_by_id(const struct catalog *c, uint32_t id);
struct catalog_mailbox *catalog_next(const struct catalog *c, uint32_t after_id);   /* the one with the next higher id; NULL: none */
size_t                  catalog_count(const struct catalog *c);
size_t                  catalog_damaged(const struct catalog *c);       /* how many of them are */

/* Takes over what a commit made of one. NULL: out of memory. */
struct catalog_mailbox *catalog_update(struct catalog *c, const struct mailbox_record *record);
void                    catalog_remove(struct catalog *c, uint32_t id);

/* What smtpd has to know of it. */
void catalog_state(const struct catalog_mailbox *m, uint64_t quota_bytes, struct mailbox_state *out);

/* name@domain. */
void mailbox_address(const struct mailbox_record *record, char out[MAILBOX_ADDRESS_MAX + 1]);

#endif
