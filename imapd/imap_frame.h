#ifndef IMAPD_IMAP_FRAME_H
#define IMAPD_IMAP_FRAME_H
/*
 * imap_frame - tells where a client's command ends: a line, or several with literals between them (RFC 9051 section 4.3,
 * RFC 7888). Pure: keeps counters, no octets.
 */

#include "lib/slice.h"

#define IMAP_COMMAND_BYTES     (60u * 1024)     /* of a command with its literals; APPEND's message does not count */
#define IMAP_LITERAL_MINUS     4096u            /* of a non-synchronising literal (LITERAL-) */

enum imap_frame_result {
    IMAP_FRAME_MORE,            /* more octets are needed */
    IMAP_FRAME_COMPLETE,        /* *len octets are a command, with its last line end */
    IMAP_FRAME_GO_AHEAD,        /* a synchronising literal: the client waits for a continuation; call again behind it */
    IMAP_FRAME_TOO_LONG,        /* the command is over IMAP_COMMAND_BYTES; *len octets are to be thrown away */
    IMAP_FRAME_ENDLESS,         /* as above, and nobody can tell where it ends */
    IMAP_FRAME_MESSAGE,         /* APPEND's literal begins: *len octets are the command up to it, *literal octets follow */
};

struct imap_frame {
    size_t   scanned;           /* octets from the start that were looked at */
    uint64_t skip;              /* octets of a literal that was refused, still to be thrown away */
    bool     rest;              /* behind these, the rest of the refused command is */
};

/*
 * Throws away what was refused: the octets of the literal, and the rest of its command with the literals in it, which would
 * else be taken for a command. False: more of it has to come. To be called before imap_frame.
 */
bool imap_frame_skip(struct imap_frame *f, struct slice *in);

/*
 * "{12}" or "{12+}" at the end of a line without its line end, "~" in front or not; a size that 63 bits cannot hold is INT64_MAX. False:
 * there is none, and nothing was set.
 */
bool imap_frame_literal(struct slice line, uint64_t *size, bool *synchronising);

/* in: all octets of the command so far. After any result but MORE and GO_AHEAD the frame is ready for the next command. */
enum imap_frame_result imap_frame(struct imap_frame *f, struct slice in, size_t *len, uint64_t *literal, bool *synchronising);

#endif
