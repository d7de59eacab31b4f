#ifndef IMAPD_POP3_COMMAND_H
#define IMAPD_POP3_COMMAND_H
/*
 * pop3_command - cuts a POP3 command line into its keyword and its arguments (RFC 1939 section 3, RFC 2449 section 4). A pure
 * function, linear, no allocation.
 */

#include "lib/slice.h"

#define POP3_LINE_BYTES 1024u       /* of a command, without its line end. RFC 2449 wants 255; SASL's first answers are longer */
#define POP3_ARGUMENTS  2u          /* at most, of any command */

struct pop3_command {
    struct slice keyword;           /* as sent, in any letter case */
    struct slice line;              /* all behind the keyword and one space: what USER, PASS and LANG take whole */
    struct slice arguments[POP3_ARGUMENTS];
    unsigned     count;             /* of arguments; POP3_ARGUMENTS + 1: there are more */
};

/* line: without its end. False: a control character in it, or its keyword is none: letters and digits. */
bool pop3_command_parse(struct slice line, struct pop3_command *out);

/* A number of digits alone, 1 to UINT32_MAX. False: it is none. */
bool pop3_number(struct slice text, uint32_t *out);

/*
 * The next line of what a client sent; *in then begins behind it. CRLF ends a line, and so does a LF alone, as old clients send it.
 * MT_OK, MT_EAGAIN (it has not ended yet), MT_ESIZE (it is over POP3_LINE_BYTES; nothing was taken).
 */
int pop3_line(struct slice *in, struct slice *line);

#endif
