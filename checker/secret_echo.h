#ifndef CHECKER_SECRET_ECHO_H
#define CHECKER_SECRET_ECHO_H
/*
 * secret_echo - whether what a server said repeats the secret that we log in with, so that it must not be shown, logged or stored. Knows no server.
 */

#include "lib/slice.h"

#define SECRET_ECHO_SHORTEST 4u     /* octets; a shorter secret is found in every other reply, and is not looked for */
#define SECRET_ECHO_LONGEST  48u    /* of a longer one so many of its first octets are looked for: a reply that is cut shows no more */
#define SECRET_ECHO_SAID     "(the server repeats what is secret)"

/*
 * secret as it is, in any case; or in base64, alone or with anything before and behind it, as the answers of AUTH PLAIN and LOGIN have it. NULL or
 * short: false. Takes time in proportion to text.
 */
bool secret_echo_is_in(const char *secret, struct slice text);

#endif
