#ifndef IMAPD_IMAP_READER_H
#define IMAPD_IMAP_READER_H
/*
 * imap_reader - reads the words of an IMAP command (RFC 9051 section 9) from left to right. The first thing that does not fit is kept as a
 * fault with the place; what is read after it is empty, so that a command reads all its arguments in a row and looks once
 * (imap_end). Linear; no allocation but one buffer for quoted strings, at most as long as the command.
 */

#include "lib/buf.h"

struct imap_reader {
    struct slice rest;
    struct slice all;
    struct buf   unquoted;          /* quoted strings without their backslashes; never moves while the command is read */
    const char  *fault;             /* what was expected; NULL: all is well */
    bool         utf8;              /* the client enabled UTF-8: quoted strings have to be that (RFC 6855 section 3), and names of mailboxes are */
};

/* command: with literals, without the last line end. False: out of memory. */
bool imap_reader_init(struct imap_reader *r, struct slice command);
void imap_reader_fini(struct imap_reader *r);

bool imap_ok(const struct imap_reader *r);
void imap_fail(struct imap_reader *r, const char *expected);

/* Whether the text goes on with that, without case; then it is read. */
bool imap_take(struct imap_reader *r, const char *text);
bool imap_next_is(const struct imap_reader *r, char c);

void         imap_space(struct imap_reader *r);
struct slice imap_tag(struct imap_reader *r);
struct slice imap_atom(struct imap_reader *r);          /* ATOM-CHARs, one and more */
struct slice imap_astring(struct imap_reader *r);       /* atom (with "]"), quoted or literal */
struct slice imap_string(struct imap_reader *r);        /* quoted or literal */
struct slice imap_nstring(struct imap_reader *r, bool *nil);
struct slice imap_list_mailbox(struct imap_reader *r);  /* as astring, with the wildcards "%" and "*" */
uint32_t     imap_number(struct imap_reader *r);
uint64_t     imap_number64(struct imap_reader *r);
struct slice imap_set_text(struct imap_reader *r);      /* the octets of a sequence set, or "$" */
struct slice imap_flag(struct imap_reader *r);          /* with its backslash */
bool         imap_end(struct imap_reader *r);           /* all was read, and all was well */

#endif
