#ifndef LIB_ADDRESS_H
#define LIB_ADDRESS_H
/*
 * address - RFC 5321 paths, and which mailbox a recipient means. Pure functions on bytes, linear, no allocation.
 */

#include "lib/config.h"
#include "lib/mailbox.h"

/* A path without its angle brackets. */
struct path {
    struct slice text;          /* whole: "local@domain"; empty for "<>" */
    struct slice local;         /* as written, quotes included */
    struct slice domain;        /* empty where none is given: "<postmaster>", and senders such as "<root>" */
    bool         quoted;        /* the local part is a quoted-string */
    bool         source_route;  /* "@a,@b:" stood in front (RFC 5321 appendix C) */
    bool         utf8;          /* octets over 127 are in it */
};

/*
 * Reverse-path of MAIL: "<…>" and what follows is left in *rest. Generous (RFC 5321 wants 64 octets of local part; real
 * forwarders send more): any local part of atoms and dots in any order, up to 1024 octets in all.
 * MT_ESYNTAX. Octets over 127 are taken; the caller refuses them without SMTPUTF8.
 */
int path_parse_reverse(struct slice in, struct path *out, struct slice *rest);

/* Forward-path of RCPT, "<postmaster>" without a domain included. MT_ESYNTAX. */
int path_parse_forward(struct slice in, struct path *out, struct slice *rest);

/*
 * The mailbox that a forward-path means: its name in lower case, and the detail behind the first '+' (empty: none).
 * MT_EDENIED    not one of our domains, or a form that asks for relaying: source route, quoted local part, '%', '!', '@' inside
 * MT_ENOTFOUND  the local part cannot be the name of a mailbox
 */
int address_mailbox(const struct path *p, const struct config *config, char name[MAILBOX_NAME_MAX + 1], struct slice *detail);

#endif
