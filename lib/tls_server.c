#include "lib/tls_server.h"

#include "lib/error.h"
#include "lib/remote_key.h"
#include "lib/tls.h"

#include <stdlib.h>

enum { NAME_BYTES_MAX = 255, NAMES_MAX = 100000 };      /* of all certificates: what memory a strange file may take */

struct name {
    char    *text;          /* lower case, without a final dot; owned */
    unsigned certificate;
};

struct tls_server {
    struct remote_keys *keys;           /* NULL: keys are here */
    unsigned            count;
    SSL_CTX           **contexts;
    struct name        *names;          /* sorted by text and certificate */
    unsigned            name_count, name_room;
    unsigned            reading;        /* the certificate whose names are being added */
    bool                failed;         /* out of memory meanwhile */
};

/* ---- Names ----------------------------------------------------------------------------------------------------------- */

/* "A.Test." as "a.test"; false: it is no name. */
static bool
name_normalize(struct slice name, char out[NAME_BYTES_MAX + 1])
{
    if (name.len > 0 && name.data[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > NAME_BYTES_MAX || memchr(name.data, '\0', name.len) != NULL)
        return false;
    for (size_t i = 0; i < name.len; i++)
        out[i] = ascii_lower(name.data[i]);
    out[name.len] = '\0';
    return true;
}

static bool
add_name(void *arg, struct slice text)
{
    struct tls_server *server = arg;
    char               name[NAME_BYTES_MAX + 1];

    if (!name_normalize(text, name))
        return true;
    if (server->name_count == server->name_room) {
        unsigned     room = server->name_room == 0 ? 16 : server->name_room * 2;
        struct name *more = room > NAMES_MAX ? NULL : reallocarray(server->names, room, sizeof(*more));
        server->failed = more == NULL;
        if (more == NULL)
            return false;
        server->names = more;
        server->name_room = room;
    }
    server->names[server->name_count] = (struct name){ .text = strdup(name), .certificate = server->reading };
    server->failed = server->names[server->name_count].text == NULL;
    server->name_count += !server->failed;
    return !server->failed;
}

static int
compare_names(const void *left, const void *right)
{
    const struct name *a = left, *b = right;
    int                order = strcmp(a->text, b->text);

    return order != 0 ? order : (a->certificate > b->certificate) - (a->certificate < b->certificate);
}

/* The first of those that are equal; false: there is none. */
static bool
find_name(const struct tls_server *server, const char *text, unsigned *certificate)
{
    unsigned from = 0, to = server->name_count;

    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        if (strcmp(server->names[middle].text, text) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == server->name_count || strcmp(server->names[from].text, text) != 0)
        return false;
    *certificate = server->names[from].certificate;
    return true;
}

static bool
find_certificate(const struct tls_server *server, struct slice asked, unsigned *certificate)
{
    char  name[NAME_BYTES_MAX + 1];
    char *dot;

    if (!name_normalize(asked, name))
        return false;
    if (find_name(server, name, certificate))
        return true;
    dot = strchr(name, '.');
    if (dot == NULL || dot == name)
        return false;
    dot[-1] = '*';
    return find_name(server, dot - 1, certificate);
}

unsigned
tls_server_choose(const struct tls_server *server, struct slice name)
{
    unsigned certificate = 0;

    return find_certificate(server, name, &certificate) ? certificate : 0;
}

/* OpenSSL calls it within the handshake, when it has read the client's first message. */
static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *server = arg;
    const char              *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    unsigned                 certificate;

    (void)alert;
    if (name == NULL || !find_certificate(server, slice_of(name), &certificate))
        return SSL_TLSEXT_ERR_NOACK;
    return certificate == 0 || SSL_set_SSL_CTX(ssl, server->contexts[certificate]) != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* ---- Making ---------------------------------------------------------------------------------------------------------- */

static int
open_one(struct tls_server *server, const char *certificate, const char *key)
{
    SSL_CTX **ctx = &server->contexts[server->count];
    int       rc = server->keys != NULL ? tls_server_open_remote(certificate, server->keys, ctx) : tls_server_open(certificate, key, ctx);

    if (rc != MT_OK)
        return rc;
    server->reading = server->count++;
    return tls_certificate_names(SSL_CTX_get0_certificate(*ctx), add_name, server) || !server->failed ? MT_OK : MT_ENOMEM;
}

int
tls_server_new(const struct config *config, struct signer_link *signer, struct tls_server **out)
{
    struct tls_server *server = calloc(1, sizeof(*server));
    int                rc = MT_ENOMEM;

    if (server == NULL)
        return MT_ENOMEM;
    server->contexts = calloc(1 + config->tls.certificates.count, sizeof(SSL_CTX *));
    if (signer != NULL)
        server->keys = remote_keys_new(signer);
    if (server->contexts != NULL && (signer == NULL || server->keys != NULL))
        rc = open_one(server, config->tls.certificate, config->tls.key);
    for (unsigned i = 0; rc == MT_OK && i < config->tls.certificates.count; i++)
        rc = open_one(server, config->tls.certificates.items[i].certificate, config->tls.certificates.items[i].key);
    if (rc != MT_OK) {
        tls_server_free(server);
        return rc;
    }
    if (server->name_count > 0)
        qsort(server->names, server->name_count, sizeof(server->names[0]), compare_names);
    SSL_CTX_set_tlsext_servername_callback(server->contexts[0], on_server_name);
    SSL_CTX_set_tlsext_servername_arg(server->contexts[0], server);
    *out = server;
    return MT_OK;
}

void
tls_server_free(struct tls_server *server)
{
    if (server == NULL)
        return;
    for (unsigned i = 0; i < server->count; i++)
        SSL_CTX_free(server->contexts[i]);
    free(server->contexts);
    for (unsigned i = 0; i < server->name_count; i++)
        free(server->names[i].text);
    free(server->names);
    remote_keys_free(server->keys);
    free(server);
}

SSL_CTX *
tls_server_context(const struct tls_server *server)
{
    return server == NULL ? NULL : server->contexts[0];
}

int64_t
tls_server_expires_unix(const struct tls_server *server)
{
    int64_t first = 0;

    for (unsigned i = 0; i < server->count; i++) {
        int64_t expires = tls_expires_unix(server->contexts[i]);
        if (expires != 0 && (first == 0 || expires < first))
            first = expires;
    }
    return first;
}
