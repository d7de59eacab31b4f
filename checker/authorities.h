#ifndef CHECKER_AUTHORITIES_H
#define CHECKER_AUTHORITIES_H
/*
 * authorities - whom to trust for a server's certificate: those of a file, or the system's. The latter are some 140 certificates, which cost 25 ms to
 * read: for a connection of its own each, OpenSSL looks into their folder for the one that is wanted, where the system has such a folder.
 */

#include <openssl/ssl.h>
#include <stdbool.h>

/* file NULL: the system's. False: it cannot be read; the context trusts nobody then. */
bool authorities_load(SSL_CTX *context, const char *file);

#endif
