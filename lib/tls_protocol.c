#include "lib/tls_protocol.h"

#include "lib/slice.h"

static int
choose(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    struct slice own = slice_of(SSL_get_app_data(ssl)), rest = slice_make(in, in_len);

    (void)arg;
    if (own.len == 0)
        return SSL_TLSEXT_ERR_NOACK;
    while (rest.len > 0) {
        struct slice name = slice_sub(rest, 1, (unsigned char)rest.data[0]);

        if (slice_equal(name, own)) {
            *out = (const unsigned char *)name.data;
            *out_len = (unsigned char)name.len;
            return SSL_TLSEXT_ERR_OK;
        }
        rest = slice_sub(rest, 1 + name.len, rest.len);
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void
tls_protocol_check(SSL_CTX *ctx)
{
    SSL_CTX_set_alpn_select_cb(ctx, choose, NULL);
}

void
tls_protocol_set(SSL *ssl, const char *name)
{
    SSL_set_app_data(ssl, (void *)(uintptr_t)name);
}
