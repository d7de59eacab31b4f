#ifndef CHECKER_SASL_CLIENT_H
#define CHECKER_SASL_CLIENT_H
/*
 * sasl_client - the client's side of SASL (RFC 4422): PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, 7677,
 * without channel binding), XOAUTH2, OAUTHBEARER (RFC 7628). Octets in, octets out: knows neither socket nor how a protocol frames them.
 *
 * The secret lies in locked memory and is wiped, as is every message that leaves a buffer. What a server sends is bounded by SASL_CLIENT_BYTES, the work
 * that SCRAM may cost by SASL_CLIENT_ITERATIONS_MAX.
 */

#include "checker/plan.h"
#include "lib/buf.h"

#define SASL_CLIENT_BYTES          24576u   /* of one message */
#define SASL_CLIENT_REASON_BYTES   256u
#define SASL_CLIENT_ITERATIONS_MIN 4096u    /* RFC 7677 section 4: fewer would make a stolen exchange cheap to guess from */
#define SASL_CLIENT_ITERATIONS_MAX 200000u  /* some 0.1 s of a core */

/* "PLAIN", "SCRAM-SHA-256" and so on; "" for AUTH_NONE and AUTH_AUTO. */
const char *sasl_mechanism_name(enum auth_mechanism mechanism);

/* Whether what it sends is, or gives away, the secret itself to whoever reads the connection. */
bool sasl_mechanism_is_open(enum auth_mechanism mechanism);

/*
 * Chooses what to log in with: what auth wants, or for AUTH_AUTO the strongest that is offered and that the kind of secret allows. offered: the
 * server's names, with blanks between them. is_private: nobody can read on the way (TLS, or loopback). AUTH_NONE: there is none, and reason (of
 * SASL_CLIENT_REASON_BYTES) says why; the offer in it is fit to be shown.
 */
enum auth_mechanism sasl_client_choose(const struct auth *auth, struct slice offered, bool is_private, char *reason);

struct sasl_client;

/* user and secret are copied; host and port are those of the server (OAUTHBEARER tells them). NULL: out of memory. */
struct sasl_client *sasl_client_new(enum auth_mechanism mechanism, const char *user, const char *secret, const char *host, uint16_t port);
void                sasl_client_free(struct sasl_client *c);    /* NULL is fine */

/* The same with a nonce that is given, for SCRAM's test vectors. */
struct sasl_client *sasl_client_new_with_nonce(enum auth_mechanism mechanism, const char *user, const char *secret, const char *host, uint16_t port,
                                               const char *nonce);

/* Whether the client speaks first. */
bool sasl_client_is_first(const struct sasl_client *c);

/*
 * Appends the next message of the client: the first, where it speaks first, with an empty challenge; else the answer to a challenge. out should be
 * marked as secret. An empty message is one. MT_EPROTO: the exchange cannot go on, and sasl_client_reason says why: it is to be cancelled.
 * MT_ESIZE, MT_ENOMEM.
 */
int sasl_client_step(struct sasl_client *c, struct slice challenge, struct buf *out);

/* The server says that the login is good. False: it has not proved that it knows the password, as SCRAM wants. sasl_client_reason says so. */
bool sasl_client_finish(struct sasl_client *c);

/* What went wrong, or what the server told of a token that it refused; empty: nothing. Of the server's words: as they came. */
const char *sasl_client_reason(const struct sasl_client *c);

/* Base64 (RFC 4648 section 4, with padding), as all protocols frame these messages; MT_ESYNTAX: it is none. */
int sasl_base64_encode(struct slice octets, struct buf *out);
int sasl_base64_decode(struct slice text, struct buf *out);

#endif
