#ifndef CHECKER_CREDENTIAL_H
#define CHECKER_CREDENTIAL_H
/*
 * credential - the secret to log in with: a password from its file, or an access token from a command, whose answer is kept for a
 * while, so that a thousand checks of one account run it once. Secrets lie in locked memory and are wiped.
 */

#include "checker/plan.h"

#include <event2/event.h>

struct credentials;

#define CREDENTIAL_KEPT_MS   300000u    /* an access token is used so long before it is asked for anew */
#define CREDENTIAL_FAULT_KEPT_MS 10000u /* that a command failed is believed so long; and that a token is good, whoever refuses it */
#define CREDENTIAL_COMMAND_MS 30000u    /* for the command */
#define CREDENTIAL_MAX_BYTES 16384u

/* Borrows base. NULL: out of memory. */
struct credentials *credentials_new(struct event_base *base);
void                credentials_free(struct credentials *c);    /* NULL is fine; requests under way end without a call */

/* secret: NUL-terminated, valid during the call; NULL: reason says why there is none. */
typedef void credential_fn(void *arg, const char *secret, const char *reason);

struct credential_request;

/* Whether what is asked for is an access token (XOAUTH2, OAUTHBEARER, or AUTO with a command alone), else a password. */
bool credential_is_token(const struct auth *auth);

/* done is called from the loop, never from inside. NULL: out of memory. auth is borrowed until then. */
struct credential_request *credential_get(struct credentials *c, const struct auth *auth, credential_fn *done, void *arg);
void                       credential_cancel(struct credential_request *r);     /* NULL is fine */

/* The server refused the token: the next request asks anew, but not more often than each CREDENTIAL_FAULT_KEPT_MS. False: it will not. */
bool credential_refused(struct credentials *c, const struct auth *auth);

#endif
