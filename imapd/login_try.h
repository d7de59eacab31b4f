#ifndef IMAPD_LOGIN_TRY_H
#define IMAPD_LOGIN_TRY_H
/*
 * login_try - one try to log in, the same for IMAP and POP3: when it may be looked at (lib/throttle.h), the mechanism's messages
 * (imapd/sasl.h), a chosen secret's check beside the loop (imapd/password_check.h), when a refusal is answered, and the log's lines.
 *
 * A right secret is answered as soon as it is known to be right. A refusal is answered access.refusal_ms after the try began, whether
 * there is such a user or not, and however his secret is kept; the connection waits meanwhile (connection.waiting).
 *
 *   TALKS ──first message──▶ (WAITS_TURN) ──▶ (IS_CHECKED) ──▶ (WAITS_REFUSAL) ──▶ over
 *     └──◀──challenge, answer──┘
 *
 * The log names only users that there are, in their one form, so that a secret typed in place of a name is not in it.
 */

#include "imapd/connection.h"
#include "imapd/sasl.h"

#define LOGIN_AGAIN_MS   100u       /* between two questions whether it is its turn */
#define LOGIN_PUT_OFF_MS 5000u      /* a try that has waited so long for its turn is refused for now */

struct login_try;

/* What is said of a try; within a turn of the connection. The try is over behind passed and refused. */
struct login_protocol {
    void (*challenge)(struct connection *c, struct slice message);      /* the client's answer goes to login_take */
    void (*passed)(struct connection *c, const struct login *login);
    void (*refused)(struct connection *c, enum sasl_result why);        /* neither SASL_MORE, SASL_CHECK nor SASL_PASSED */
};

/* Secrets may be sent: over TLS, or on this machine. */
bool login_is_allowed(const struct connection *c);
bool login_may_start_tls(const struct connection *c);

/*
 * Begins one; *slot keeps it until it is over, and is NULL then. False: that mechanism is not for this connection. Out of memory breaks
 * the connection, and *slot stays NULL.
 */
bool login_begin(struct connection *c, const struct login_protocol *protocol, struct slice mechanism, struct login_try **slot);

/* The client's next message, without base64. */
void login_take(struct login_try *t, struct slice message);

/* LOGIN, or USER and PASS: begins one and gives it both at once. */
void login_take_both(struct connection *c, const struct login_protocol *protocol, struct slice user, struct slice secret, struct login_try **slot);

/* The client gave it up, or has gone. NULL is fine. */
void login_try_free(struct login_try *t);

#endif
