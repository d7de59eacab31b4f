#ifndef SMTPD_REPLY_H
#define SMTPD_REPLY_H
/*
 * reply - every reply that smtpd gives, with its enhanced code (RFC 3463, RFC 5248), in one table. The reply to EHLO, which
 * lists the extensions, is made in cmd_hello.c.
 */

#include "lib/buf.h"

/* In a text, '%' stands for the detail that reply_append is given. One line each, so that a text never holds a line end. */
#define REPLIES(X) \
    X(GREETING,          "220 % % Mailtest ready") \
    X(TLS_READY,         "220 2.0.0 ready to start TLS") \
    X(GOODBYE,           "221 2.0.0 % closing, goodbye") \
    X(HELP,              "214 2.0.0 commands: %") \
    X(OK,                "250 2.0.0 OK") \
    X(HELLO,             "250 %") \
    X(SENDER_OK,         "250 2.1.0 sender OK") \
    X(RECIPIENT_OK,      "250 2.1.5 recipient OK") \
    X(CHUNK_OK,          "250 2.0.0 % octets received") \
    X(ACCEPTED,          "250 2.0.0 accepted as %") \
    X(NOT_VERIFIED,      "252 2.0.0 addresses are not verified here: try RCPT") \
    X(START_DATA,        "354 send the message, end it with <CRLF>.<CRLF>") \
    X(BUSY,              "421 4.3.2 % has too many sessions: try again later") \
    X(SHED,              "421 4.3.2 % needs the place of this idle session for others: try again later") \
    X(ADDRESS_BUSY,      "421 4.7.0 too many sessions from your address: try again later") \
    X(NETWORK_BUSY,      "421 4.7.0 too many sessions from your network: try again later") \
    X(TOO_FAST,          "421 4.7.0 too many new sessions in a short time: try again later") \
    X(TOO_MANY_COMMANDS, "421 4.7.0 too many commands and no mail, closing") \
    X(NO_PROXY,          "421 4.7.0 your address is not one that PROXY is taken from, closing") \
    X(PROXY_EXPECTED,    "421 4.7.0 your address is that of a load balancer, and no PROXY header came, closing") \
    X(STOPPING,          "421 4.3.2 % is stopping: try again in a minute") \
    X(SHORT_OF_MEMORY,   "421 4.3.1 too many messages are under way and this one is slow: try again later") \
    X(TIMEOUT,           "421 4.4.2 time limit for % exceeded, closing") \
    X(TOO_MANY_MAILS,    "421 4.5.3 this session's limit of % transactions is reached: go on in a new session") \
    X(TOO_MANY_ERRORS,   "421 4.7.0 too many errors, closing") \
    X(CANNOT_GO_ON,      "421 4.7.0 cannot tell where the next command begins, closing") \
    X(NOT_A_BROWSER,     "421 4.7.0 this is a mail server, % is not a mail command, closing") \
    X(MAILBOX_TOO_FAST,  "450 4.2.1 the mailbox gets too many mails in a short time: try again later") \
    X(MAILS_TOO_FAST,    "450 4.7.1 too many mails from your address in a short time: try again later") \
    X(MAILBOX_DAMAGED,   "451 4.3.0 the mailbox cannot be read: try again later") \
    X(STORE_AWAY,        "451 4.3.0 the message store is not available: try again in a minute") \
    X(STORE_FAILED,      "451 4.3.0 the message could not be stored: try again later") \
    X(NO_MEMORY,         "451 4.3.0 out of memory: try again later") \
    X(NOT_YET_KNOWN,     "451 4.3.2 the list of mailboxes is being read: try again in a minute") \
    X(OVER_QUOTA,        "452 4.2.2 the mailbox is over its quota: try again when mail was deleted") \
    X(STORE_FULL,        "452 4.3.1 the message store is full: try again later") \
    X(TOO_MANY_RCPTS,    "452 4.5.3 too many recipients: send the rest in another transaction") \
    X(UNKNOWN_COMMAND,   "500 5.5.1 % is not a command of this server") \
    X(BAD_LINE,          "500 5.5.2 control character in a command") \
    X(LINE_TOO_LONG,     "500 5.5.2 command line longer than % octets") \
    X(BARE_LF,           "500 5.5.2 LF without CR in a command: lines end in CRLF") \
    X(DATA_LINE_TOO_LONG, "500 5.6.0 the message has a line longer than % octets") \
    X(NO_ARGUMENT,       "501 5.5.4 % takes no argument") \
    X(NEEDS_ARGUMENT,    "501 5.5.4 % needs an argument") \
    X(BAD_HELLO,         "501 5.5.4 % needs the name of the client: at most 255 printable characters without spaces") \
    X(BAD_SENDER,        "501 5.1.7 bad sender address: expected MAIL FROM:<local@domain> or MAIL FROM:<>") \
    X(BAD_RECIPIENT,     "501 5.1.3 bad recipient address: expected RCPT TO:<local@domain>") \
    X(BAD_PARAMETER,     "501 5.5.4 bad value or repetition of the parameter %") \
    X(BAD_CHUNK,         "501 5.5.4 expected BDAT and a number of octets, then perhaps LAST") \
    X(NOT_OFFERED,       "502 5.5.1 % is not offered here") \
    X(BAD_SEQUENCE,      "503 5.5.1 % is out of sequence: %") \
    X(NO_RECIPIENTS,     "503 5.5.1 no valid recipient: RCPT first") \
    X(CHUNK_FAILED,      "503 5.5.1 an earlier BDAT of this message failed: RSET first") \
    X(HAVE_TLS,          "503 5.5.1 TLS is already active") \
    X(BAD_MAILBOX,       "550 5.1.1 no such mailbox here") \
    X(MAILBOX_DISABLED,  "550 5.2.1 this mailbox is disabled") \
    X(BARE_NEWLINE,      "550 5.6.11 the message has a CR or LF that is not part of a CRLF") \
    X(NO_RELAYING,       "550 5.7.1 not a domain of this server, or an address that asks for relaying") \
    X(TOO_LARGE,         "552 5.3.4 the message is over the limit of % octets") \
    X(NEEDS_SMTPUTF8,    "553 5.6.7 an address with characters outside of ASCII needs valid UTF-8 and MAIL with SMTPUTF8") \
    X(LOOP,              "554 5.4.6 mail loop: over % Received fields") \
    X(UNKNOWN_PARAMETER, "555 5.5.4 the parameter % is not offered here")

enum reply {
    REPLY_NONE,
#define X(id, text) REPLY_##id,
    REPLIES(X)
#undef X
    REPLY_COUNT
};

/* The text with its '%'. */
const char *reply_text(enum reply reply);

/* The first digit: 2 to 5. */
int reply_class(enum reply reply);

/*
 * Appends the reply's line with its CRLF; each '%' becomes the next of the details, cut to 100 octets; what is not printable
 * ASCII in them becomes '?', so that no client can put a line of its own into a reply.
 */
void reply_append(struct buf *out, enum reply reply, struct slice detail);
void reply_append2(struct buf *out, enum reply reply, struct slice detail, struct slice second);

#endif
