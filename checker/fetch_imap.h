#ifndef CHECKER_FETCH_IMAP_H
#define CHECKER_FETCH_IMAP_H
/*
 * fetch_imap - the dialogue of a look by IMAP: what its parts share. fetch_imap.c says the commands and decides what comes next, fetch_imap_login.c
 * logs in, fetch_imap_take.c reads what the server tells of folders and mails. For these alone.
 */

#include "checker/fetch.h"

enum {
    DELETE_MAX    = FETCH_FOUND_MAX + FETCH_NEWEST_MAX + FETCH_LEFTOVERS_MAX,
    COMMAND_BYTES = 4096,
    LISTED_MAX    = 5000,               /* folders that are looked at for the one with junk */
    LEFTOVER_DAYS = 30,                 /* what is older is not searched for */
    DAY_S         = 24 * 3600,
};

enum imap_step {
    CAPABILITY, LOGIN, CAPABILITY_AGAIN, LIST, SELECT, SEARCH, NEWEST, FETCH, LEFTOVERS, FETCH_LEFTOVER, STORE, MARKED, EXPUNGE, LOGOUT,
};

/* UIDs, the oldest first. at: how many of them were asked for. */
struct imap_uids {
    uint32_t list[DELETE_MAX];
    unsigned count, at;
};

struct imap_dialogue {
    struct fetch      *f;
    enum imap_step     step;
    unsigned           tag;
    char               mechanisms[512];     /* that are offered, with blanks between them */
    bool               initial, no_login, uidplus, special_use;
    unsigned           listed;
    char               guessed[IMAP_FOLDER_BYTES];      /* a folder that is called like one for junk */

    enum fetch_folder  folder;
    bool               read_only;
    uint32_t           exists, uidnext, uidvalidity;
    struct imap_uids   found, ours, leftovers, marked;
    unsigned           leftover_count;      /* of ours, which are deleted */
    bool               too_many_marked;
    bool               fetched;             /* FETCH told of the mail that was asked for */
    bool               refused;             /* the last command */
};

/* What CAPABILITY told; the login by the best of it; and whether a refusal of it may heal by time. */
void imap_take_capabilities(struct imap_dialogue *d, struct slice text);
void imap_log_in(struct imap_dialogue *d);
bool imap_login_may_heal(const struct imap_response *r);

/* What LIST, SEARCH and FETCH told. newest: of the newest mails, those that can be ours are fetched; mail: the one that was asked for. */
void imap_take_listed(struct imap_dialogue *d, struct slice text);
void imap_take_search(struct imap_dialogue *d, struct slice rest);
void imap_take_newest(struct imap_dialogue *d, struct slice text);
void imap_take_mail(struct imap_dialogue *d, struct slice text);

bool imap_has_uid(const struct imap_uids *u, uint32_t uid);

#endif
