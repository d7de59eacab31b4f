#include "lib/webhook_url.h"

#include "lib/error.h"
#include "lib/webhook.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>

/* ---- URL ----------------------------------------------------------------------------------------------------------- */

static bool
is_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] <= ' ' || s.data[i] > '~')
            return false;
    return true;
}

static bool
has_part(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    bool  has = curl_url_get(u, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

/* A part's text, with its default where it is not given. */
static bool
take_part(CURLU *u, CURLUPart part, char *to, size_t size)
{
    char *text = NULL;
    bool  fits = curl_url_get(u, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK && slice_copy(to, size, slice_of(text));

    curl_free(text);
    return fits;
}

/* NULL: it is fine. */
static const char *
take_apart(CURLU *u, const char *text, struct webhook_url *out)
{
    char     scheme[8], port[8];
    uint64_t number;

    if (curl_url_set(u, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
        return "it is no URL";
    if (!take_part(u, CURLUPART_SCHEME, scheme, sizeof(scheme)) || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
        return "it begins neither with https:// nor with http://";
    if (has_part(u, CURLUPART_USER) || has_part(u, CURLUPART_PASSWORD))
        return "it has a user name or a password; the signature tells the receiver who posts";
    if (has_part(u, CURLUPART_FRAGMENT))
        return "it has a fragment (what follows #), which no server sees";
    if (!take_part(u, CURLUPART_HOST, out->host, sizeof(out->host)))
        return "its host is missing or too long";
    if (has_part(u, CURLUPART_ZONEID))
        return "its address names a network interface";
    if (!take_part(u, CURLUPART_PORT, port, sizeof(port)) || slice_to_u64(slice_of(port), UINT16_MAX, &number) != MT_OK || number == 0)
        return "its port is none from 1 to 65535";
    out->tls = strcmp(scheme, "https") == 0;
    out->port = (uint16_t)number;
    return NULL;
}

int
webhook_url_parse(struct slice url, struct webhook_url *out, const char **why)
{
    struct webhook_url  found = { .port = 0 };
    char                text[WEBHOOK_URL_BYTES + 1];
    CURLU              *u;

    if (!slice_copy(text, sizeof(text), url)) {
        *why = "it is longer than 2048 octets";
        return MT_ESYNTAX;
    }
    if (!is_printable(url)) {
        *why = "it has blanks or other than ASCII characters; write them as %XX, and a host name in its form xn--";
        return MT_ESYNTAX;
    }
    if ((u = curl_url()) == NULL) {
        *why = "there is no memory to look at it";
        return MT_ENOMEM;
    }
    *why = take_apart(u, text, &found);
    curl_url_cleanup(u);
    if (*why != NULL)
        return MT_ESYNTAX;
    *out = found;
    return MT_OK;
}

/* ---- Addresses ------------------------------------------------------------------------------------------------------ */

struct network {
    uint8_t  octets[16];
    unsigned bits;
};

static const struct network special_ipv4[] = {
    { { 0 }, 8 },                   /* this network */
    { { 10 }, 8 },                  /* private, RFC 1918 */
    { { 100, 64 }, 10 },            /* shared by providers, RFC 6598 */
    { { 127 }, 8 },                 /* loopback */
    { { 169, 254 }, 16 },           /* link-local; clouds answer there with secrets */
    { { 172, 16 }, 12 },            /* private */
    { { 192, 0, 0 }, 24 },          /* protocol assignments */
    { { 192, 0, 2 }, 24 },          /* documentation */
    { { 192, 88, 99 }, 24 },        /* 6to4 relays, given up */
    { { 192, 168 }, 16 },           /* private */
    { { 198, 18 }, 15 },            /* benchmarks */
    { { 198, 51, 100 }, 24 },       /* documentation */
    { { 203, 0, 113 }, 24 },        /* documentation */
    { { 224 }, 4 },                 /* multicast */
    { { 240 }, 4 },                 /* reserved, and broadcast */
};

static const struct network special_ipv6[] = {
    { { 0 }, 8 },                               /* unspecified, loopback, IPv4 in old forms */
    { { 0x00, 0x64, 0xff, 0x9b }, 32 },         /* NAT64, its private prefix too */
    { { 0x01, 0x00 }, 64 },                     /* discard */
    { { 0x20, 0x01, 0x00 }, 23 },               /* protocol assignments, Teredo among them */
    { { 0x20, 0x01, 0x0d, 0xb8 }, 32 },         /* documentation */
    { { 0x20, 0x02 }, 16 },                     /* 6to4 */
    { { 0x3f, 0xff }, 20 },                     /* documentation */
    { { 0x5f, 0x00 }, 16 },                     /* segment routing */
    { { 0xfc }, 7 },                            /* unique local */
    { { 0xfe, 0x80 }, 10 },                     /* link-local */
    { { 0xfe, 0xc0 }, 10 },                     /* site-local, given up */
    { { 0xff }, 8 },                            /* multicast */
};

static bool
is_in(const uint8_t *address, const struct network *n)
{
    unsigned whole = n->bits / 8, rest = n->bits % 8;

    return memcmp(address, n->octets, whole) == 0 &&
           (rest == 0 || ((address[whole] ^ n->octets[whole]) >> (8 - rest)) == 0);
}

static bool
is_special(const uint8_t *address, const struct network *networks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(address, &networks[i]))
            return true;
    return false;
}

bool
address_is_public(const char *address)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    uint8_t              octets[16];

    if (inet_pton(AF_INET, address, octets) == 1)
        return !is_special(octets, special_ipv4, COUNT(special_ipv4));
    if (inet_pton(AF_INET6, address, octets) != 1)
        return false;
    if (memcmp(octets, mapped, sizeof(mapped)) == 0)
        return !is_special(octets + sizeof(mapped), special_ipv4, COUNT(special_ipv4));
    return !is_special(octets, special_ipv6, COUNT(special_ipv6));
}
