#ifndef SMTPD_COMMAND_H
#define SMTPD_COMMAND_H
/*
 * command - what a command line says: verb and arguments, and the arguments of MAIL, RCPT and BDAT. Pure functions on bytes;
 * what they refuse, they refuse with the reply that the client gets.
 */

#include "lib/address.h"
#include "smtpd/reply.h"

/* Splits a line (without CRLF) at the first blanks; blanks at its end are dropped. False: control characters are in it. */
bool command_split(struct slice line, struct slice *verb, struct slice *args);

struct mail_args {
    struct path path;
    uint64_t    size_bytes;     /* SIZE (RFC 1870); 0: not stated. More than fits in 64 bits: UINT64_MAX */
    bool        eight_bit;      /* BODY=8BITMIME (RFC 6152) */
    bool        utf8;           /* SMTPUTF8 (RFC 6531) */
};

/*
 * "FROM:<path> parameters". REPLY_NONE, or the refusal: BAD_SENDER, BAD_PARAMETER, UNKNOWN_PARAMETER (both with *detail set
 * to the parameter's name), NEEDS_SMTPUTF8.
 */
enum reply command_mail(struct slice args, struct mail_args *out, struct slice *detail);

/*
 * "TO:<path>"; no extension that we offer has a parameter for it. utf8: SMTPUTF8 was stated at MAIL. REPLY_NONE, or
 * BAD_RECIPIENT, UNKNOWN_PARAMETER with *detail, NEEDS_SMTPUTF8.
 */
enum reply command_rcpt(struct slice args, bool utf8, struct path *out, struct slice *detail);

struct bdat_args {
    uint64_t size_bytes;
    bool     last;
};

/*
 * "size [LAST]" (RFC 3030). False: the size is not known, so neither is where the next command begins.
 * What follows the size and is not LAST is a fault, too.
 */
bool command_bdat(struct slice args, struct bdat_args *out);

#endif
