#include "checker/link_curl.h"

#include "lib/error.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

void
link_set_options(CURL *easy, const char *protocols, char *error, curl_debug_callback debug, curl_opensocket_callback opened, void *arg)
{
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");          /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, debug);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, arg);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, opened);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, arg);
}

void
link_set_tls(CURL *easy, enum tls_mode tls, curl_ssl_ctx_callback on_ssl_ctx, void *arg)
{
    static const long use[] = {
        [TLS_AUTO] = CURLUSESSL_TRY, [TLS_NONE] = CURLUSESSL_NONE, [TLS_REQUIRE] = CURLUSESSL_ALL, [TLS_VERIFY] = CURLUSESSL_ALL,
    };
    bool verify = tls == TLS_VERIFY;

    curl_easy_setopt(easy, CURLOPT_USE_SSL, use[tls]);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);        /* each check sees the whole handshake */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);       /* on_ssl_ctx */
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, arg);
}

int
link_set_url(CURL *easy, const char *scheme, const char *host, const char *address, uint16_t port, const char *path, struct curl_slist **connect_to)
{
    bool v6 = strchr(host, ':') != NULL, v6_address = strchr(address, ':') != NULL;
    char url[1024], to[128];

    snprintf(url, sizeof(url), "%s://%s%.255s%s:%u/%.512s", scheme, v6 ? "[" : "", host, v6 ? "]" : "", port, path);
    snprintf(to, sizeof(to), "::%s%.64s%s:%u", v6_address ? "[" : "", address, v6_address ? "]" : "", port);
    *connect_to = curl_slist_append(NULL, to);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *connect_to);
    return *connect_to == NULL ? MT_ENOMEM : MT_OK;
}

curl_socket_t
link_socket(const struct curl_sockaddr *address, int *own_errno)
{
    curl_socket_t fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

    if (fd == CURL_SOCKET_BAD && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
        *own_errno = errno;
    return fd;
}

const SSL *
link_ssl(CURL *easy)
{
    const struct curl_tlssessioninfo *info = NULL;

    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL || info->backend != CURLSSLBACKEND_OPENSSL)
        return NULL;
    return info->internals;
}
