#ifndef CHECKER_STEPS_H
#define CHECKER_STEPS_H
/*
 * steps - takes the time of each step of sending a mail, from the lines of the SMTP dialogue as they come and go. Knows no
 * socket: who drives it says what happened when.
 */

#include "lib/slice.h"

enum step_kind {
    STEP_LOOKUP,        /* MX and addresses */
    STEP_CONNECT,
    STEP_BANNER,        /* from the connection to the 220 */
    STEP_EHLO,          /* or HELO; a second one after TLS is a step of its own */
    STEP_STARTTLS,      /* from the command to its 220 */
    STEP_TLS,           /* the handshake */
    STEP_AUTH,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,          /* from the command to the 354 */
    STEP_END,           /* from the 354 to the answer to the end of the data */
    STEP_QUIT,
    STEP_SENDMAIL,      /* the local program ran: instead of all others */
    STEP_OTHER,         /* any other command */
    STEP_KIND_COUNT
};

/* "lookup", "connect", "banner", "ehlo" and so on, as the JSON and the performance data call them. */
const char *step_name(enum step_kind kind);

/* For a sentence, in front of the server's name: "connecting to", "greeting of", "RCPT to". */
const char *step_words(enum step_kind kind);

#define STEP_REPLY_BYTES 256u
#define STEPS_MAX        24u

struct step {
    enum step_kind kind;
    uint64_t       at_us;           /* when it began, on the driver's clock */
    uint64_t       took_us;         /* when done, or until it was given up */
    bool           done;            /* it came to its end, with whatever reply */
    unsigned       code;            /* of the reply; 0: none */
    char           reply[STEP_REPLY_BYTES];     /* its lines, joined by blanks, each without its code but the first; cut */
};

struct steps {
    struct step list[STEPS_MAX];
    unsigned    count;
    bool        open;               /* the last one is under way */
};

void steps_init(struct steps *s);

/* A step begins that no line of the dialogue tells of: look-up, connect. What was under way is done. */
void steps_begin(struct steps *s, enum step_kind kind, uint64_t now_us);

/* The one under way is done; text is its result for people ("10 mx1.example [192.0.2.1]"). */
void steps_end(struct steps *s, uint64_t now_us, struct slice text);

/* The connection stands: the banner is waited for. */
void steps_connected(struct steps *s, uint64_t now_us);

/* A command has left; line with or without its CRLF. */
void steps_command(struct steps *s, uint64_t now_us, struct slice line);

/* A line of a reply has come. */
void steps_reply(struct steps *s, uint64_t now_us, struct slice line);

/* It is over: what is under way stays undone, with the time until now. */
void steps_stop(struct steps *s, uint64_t now_us);

/* The last one of its kind; NULL: it was never reached. */
const struct step *steps_find(const struct steps *s, enum step_kind kind);

/*
 * The one at which sending ended: the last before QUIT, undone, or answered with 400 or more or with what is no reply. NULL: the
 * mail was taken, or the end has another reason.
 */
const struct step *steps_failed(const struct steps *s);

/* Whether the end of the data was answered with 2yz. */
bool steps_accepted(const struct steps *s);

#endif
