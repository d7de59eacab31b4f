#ifndef IMAPD_LOGIN_TURN_H
#define IMAPD_LOGIN_TURN_H
/*
 * login_turn - when a login may be looked at: at once, or behind a pause where the client's address tried a wrong secret just now
 * (imapd/throttle.h). Also who may log in at all on this connection, and the log's lines.
 */

#include "imapd/connection.h"
#include "imapd/sasl.h"

struct login_turn {
    bool     pending;       /* a login waits */
    unsigned waits;         /* pauses that it has waited already */
};

enum login_turn_answer {
    LOGIN_NOW,
    LOGIN_LATER,            /* the connection pauses; behind DEADLINE_PAUSE ask again */
    LOGIN_PUT_OFF,          /* too many tries from there: refuse it for now */
};

enum login_turn_answer login_turn(struct connection *c, struct login_turn *t);

/* Secrets may be sent: over TLS, or on this machine. */
bool login_is_allowed(const struct connection *c);
bool login_may_start_tls(const struct connection *c);

/* What comes out of a login: remembers a wrong secret, and logs either. user: as given. */
void login_failed(struct connection *c, enum sasl_result result, const char *user, const char *reason);
void login_passed(struct connection *c, const struct login *login);

/* USER and PASS, or LOGIN: SASL_PASSED, SASL_REFUSED, SASL_DISABLED, SASL_UNREADABLE. The caller wipes *out. */
enum sasl_result login_check(struct connection *c, struct slice user, struct slice secret, struct login *out);

/* Begins SASL with what this connection has. False: that mechanism is not for it. */
bool login_begin_sasl(struct connection *c, struct sasl *s, struct slice mechanism);

#endif
