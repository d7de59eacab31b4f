#include "lib/tls_hello.h"

#include <openssl/bio.h>
#include <openssl/err.h>

enum {
    RECORD_CHANGE_CIPHER_SPEC = 20,
    RECORD_HANDSHAKE          = 22,
    MESSAGE_CLIENT_HELLO      = 1,
};

/* The next octets of a head of size; true: it is complete. */
static bool
take_head(uint8_t *head, uint8_t *len, uint8_t size, struct slice *in)
{
    while (*len < size && in->len > 0) {
        head[(*len)++] = (uint8_t)in->data[0];
        *in = slice_sub(*in, 1, in->len);
    }
    return *len == size;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Octets of messages. */
static bool
take_messages(struct tls_hello *w, struct slice in)
{
    while (in.len > 0 && !w->done) {
        size_t part;

        if (w->message_left == 0) {
            if (!take_head(w->message, &w->message_len, sizeof(w->message), &in))
                return true;
            w->message_len = 0;
            w->message_left = (uint32_t)w->message[1] << 16 | (uint32_t)w->message[2] << 8 | w->message[3];
            w->done = w->message[0] != MESSAGE_CLIENT_HELLO;
            if (!w->done && w->message_left > TLS_HELLO_MAX_BYTES)
                return false;
        }
        part = least(in.len, w->message_left);
        w->message_left -= (uint32_t)part;
        in = slice_sub(in, part, in.len);
    }
    return true;
}

static void
begin_record(struct tls_hello *w)
{
    w->head_len = 0;
    w->in_record = true;
    w->record_left = (uint16_t)(w->head[3] << 8 | w->head[4]);
    w->done = w->head[0] < RECORD_CHANGE_CIPHER_SPEC || w->head[0] > RECORD_HANDSHAKE;
}

bool
tls_hello_take(struct tls_hello *w, struct slice in)
{
    while (in.len > 0 && !w->done) {
        struct slice part;

        if (!w->in_record) {
            if (!take_head(w->head, &w->head_len, sizeof(w->head), &in))
                return true;
            begin_record(w);
        }
        part = slice_sub(in, 0, least(in.len, w->record_left));
        if (w->head[0] == RECORD_HANDSHAKE && !take_messages(w, part))
            return false;
        w->record_left = (uint16_t)(w->record_left - part.len);
        w->in_record = w->record_left > 0;
        in = slice_sub(in, part.len, in.len);
    }
    return true;
}

/* ---- In a handshake ------------------------------------------------------------------------------------------------------ */

static long
on_bio(BIO *bio, int what, const char *data, size_t len, int number, long argument, int ret, size_t *got)
{
    struct tls_hello *w = (struct tls_hello *)(void *)BIO_get_callback_arg(bio);

    (void)len;
    (void)number;
    (void)argument;
    if (what != (BIO_CB_READ | BIO_CB_RETURN) || ret <= 0 || tls_hello_take(w, slice_make(data, *got)))
        return ret;
    ERR_raise(ERR_LIB_SSL, SSL_R_EXCESSIVE_MESSAGE_SIZE);
    return -1;
}

void
tls_hello_guard(SSL *ssl, struct tls_hello *w)
{
    BIO *bio = SSL_get_rbio(ssl);

    *w = (struct tls_hello){ .done = false };
    BIO_set_callback_arg(bio, (char *)w);
    BIO_set_callback_ex(bio, on_bio);
}

void
tls_hello_end(SSL *ssl)
{
    BIO_set_callback_ex(SSL_get_rbio(ssl), NULL);
}
