#ifndef IMAPD_POP3_H
#define IMAPD_POP3_H
/*
 * pop3 - a POP3 session (RFC 1939) with CAPA (2449), AUTH (5034), STLS (2595), UTF8 and LANG (6856), and response codes (2449,
 * 3206). docs/pop3.md lists each command.
 *
 *   (greeting) ──▶ AUTHORIZATION ──USER+PASS, AUTH──▶ TRANSACTION ──QUIT──▶ UPDATE ──▶ (end)
 *                     │       ▲ STLS
 *                     └──AUTH─┴▶ SASL (the client's next answer)
 */

#include "imapd/connection.h"
#include "imapd/login_try.h"
#include "imapd/maildrop.h"
#include "imapd/pop3_command.h"

extern const struct protocol pop3_protocol;

enum pop3_state {
    POP3_AUTHORIZATION = 1u << 0,
    POP3_SASL          = 1u << 1,
    POP3_TRANSACTION   = 1u << 2,
    POP3_UPDATE        = 1u << 3,
};

/* A long answer under way. */
enum pop3_producing { POP3_LIST, POP3_UIDL, POP3_MESSAGE };

struct pop3_message {
    uint64_t id;
    uint64_t offset;            /* of what comes next */
    uint64_t size;
    uint64_t body_lines;        /* that TOP still sends; UINT64_MAX: all */
    uint64_t line_octets;       /* of the line under way that were said; a dot at its start is doubled */
    bool     in_header;         /* an empty line ends it */
};

struct pop3 {
    enum pop3_state     state;
    enum pop3_producing producing;
    struct maildrop     drop;
    struct pop3_message message;
    uint32_t            next;               /* number of the next message of a list */
    uint64_t            deleted;            /* messages, by QUIT */
    uint32_t            errors;             /* commands that were refused since the last that was not */
    struct login_try   *trying;             /* a login under way; NULL: none */
    bool                has_user;
    char                user[SASL_USER_BYTES + 1];
    bool                reads_only;         /* an agent: nothing is deleted */
};

/* One command; `in` are the states that allow it. Handlers are in pop3_login.c and pop3_mail.c. */
typedef void pop3_handler_fn(struct connection *c, const struct pop3_command *command);

struct pop3_verb {
    const char      *keyword;
    unsigned         in;            /* enum pop3_state bits */
    unsigned         least, most;   /* arguments; most POP3_WHOLE_LINE: the rest of the line is one */
    pop3_handler_fn *handle;
};
#define POP3_WHOLE_LINE 100u

extern const struct pop3_verb pop3_login_verbs[], pop3_mail_verbs[];    /* each ended by a NULL keyword */

/* "-ERR …": code in brackets and a text. Too many of them in a row end the session. */
void pop3_refuse(struct connection *c, const char *text);

/* The client's answer to a challenge, a line without its end. */
void pop3_sasl_answer(struct connection *c, struct slice line);

/* Says more of the long answer under way. */
bool pop3_produce(struct connection *c);

/* QUIT in the TRANSACTION state: deletes what is marked, and says goodbye when that is durable. */
void pop3_update(struct connection *c);

#endif
