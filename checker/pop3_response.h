#ifndef CHECKER_POP3_RESPONSE_H
#define CHECKER_POP3_RESPONSE_H
/*
 * pop3_response - reads what a POP3 server says (RFC 1939, response codes of RFC 2449 and 3206): lines out of a stream of octets, status
 * lines, and lines of answers of several lines. Pure, no allocation; slices borrow.
 */

#include "lib/slice.h"

#define POP3_LINE_BYTES (64u * 1024)    /* RFC 1939 has 512, mails have longer ones */

/* The first line: *line without its end, *len with it. MT_EAGAIN: more octets are needed. MT_ESIZE: too long. */
int pop3_line_find(struct slice octets, struct slice *line, size_t *len);

struct pop3_status {
    bool         ok;            /* "+OK" */
    struct slice code;          /* "IN-USE": within the brackets; empty: none */
    struct slice text;          /* what follows */
};

/* A status line. MT_ESYNTAX: it is none. */
int pop3_status_parse(struct slice line, struct pop3_status *out);

/* A line of an answer of several lines: false when it is the dot that ends it; else *content without a dot that was doubled. */
bool pop3_content(struct slice line, struct slice *content);

#define POP3_UID_BYTES 71u      /* RFC 1939 section 7: 70 characters */

/* A line of UIDL: "1 whqtswO00WBw418f9t5JxYwZ". False: it is none. */
bool pop3_uid_parse(struct slice line, uint32_t *number, struct slice *uid);

/* The count of an answer to STAT: "2 320". */
bool pop3_stat_parse(struct slice text, uint32_t *count);

/* The maildrop is in use by another session, or the server cannot open it now: time heals that ([IN-USE], [LOGIN-DELAY], [SYS/TEMP], or words). */
bool pop3_is_for_now(const struct pop3_status *s);

#endif
