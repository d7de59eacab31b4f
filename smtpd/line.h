#ifndef SMTPD_LINE_H
#define SMTPD_LINE_H
/*
 * line - finds the command lines in what a client sent. Pure: keeps two counters, no bytes. A command ends in CRLF and in nothing
 * else (RFC 5321 section 2.3.8).
 */

#include "lib/slice.h"

/* Without CRLF. RFC 5321 wants 512 and what the extensions' parameters add; long addresses need more. */
#define LINE_BYTES_MAX 4096u

/* Of a line over that, so much is read and thrown away before the session is ended. */
#define LINE_SKIP_BYTES_MAX 65536u

struct line {
    size_t scanned;     /* octets at the start of the input that are known to hold no LF */
    size_t skipped;     /* octets of an overlong line that were thrown away; 0: none is being skipped */
    bool   after_cr;    /* the last octet that was thrown away was a CR */
};

/*
 * The next line. *in holds all octets that were given before and not consumed, and perhaps more behind them.
 * MT_OK       *line is a line without its CRLF, borrowed from *in, which then begins behind it
 * MT_EAGAIN   more octets are needed
 * MT_ESYNTAX  an LF without CR: nobody can say where commands begin
 * MT_ESIZE    a line over LINE_BYTES_MAX has ended; it was thrown away, the next call goes on behind it
 * MT_EFULL    over LINE_SKIP_BYTES_MAX without an end
 */
int line_take(struct line *l, struct slice *in, struct slice *line);

#endif
