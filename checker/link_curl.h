#ifndef CHECKER_LINK_CURL_H
#define CHECKER_LINK_CURL_H
/*
 * link_curl - what the connections to servers (smtp_link, mail_link) want of libcurl alike, whatever is spoken on them: it connects to one address,
 * greets and starts TLS (CURLOPT_CONNECT_ONLY), and shows the lines of the dialogue.
 */

#include "checker/plan.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

/* protocols: "smtp,smtps". error has CURL_ERROR_SIZE octets. debug and opened (which makes the socket) are given arg. */
void link_set_options(CURL *easy, const char *protocols, char *error, curl_debug_callback debug, curl_opensocket_callback opened, void *arg);

/* The authorities are for on_ssl_ctx to give; the certificate is demanded with TLS_VERIFY alone. */
void link_set_tls(CURL *easy, enum tls_mode tls, curl_ssl_ctx_callback on_ssl_ctx, void *arg);

/* Sets scheme://host:port/path, and that it is to connect to the address. *connect_to is to be freed after the transfer. MT_ENOMEM. */
int link_set_url(CURL *easy, const char *scheme, const char *host, const char *address, uint16_t port, const char *path, struct curl_slist **connect_to);

/* A socket for it. *own_errno is set when this machine has no descriptor, or no memory, for one; else it is left as it is. */
curl_socket_t link_socket(const struct curl_sockaddr *address, int *own_errno);

/* The TLS of the connection; NULL: none, or not yet. */
const SSL *link_ssl(CURL *easy);

#endif
