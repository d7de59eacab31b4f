#include "checker/change.h"

#include "lib/buf.h"
#include "lib/display.h"
#include "lib/error.h"

#include <stdio.h>

/* What people call it, in the order in which changes are told. */
static const struct { const char *trait, *words; } traits[] = {
    { "server",         "the server that takes the mail" },
    { "tls",            "TLS of that server" },
    { "certificate",    "the certificate of that server" },
    { "hops",           "the hosts on the way" },
    { "client",         "the host that delivers to us" },
    { "delivery_tls",   "TLS of the delivery to us" },
    { "authentication", "what is said of the sender's authentication" },
};

static const char *
text_member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text == NULL ? "" : text;
}

static int
set_text(json_t *out, const char *trait, struct slice text)
{
    struct buf valid;
    int        rc;

    if (text.len == 0)
        return 0;
    buf_init(&valid, CHANGE_TEXT_BYTES * 3 + 1);
    display_utf8(&valid, slice_sub(text, 0, CHANGE_TEXT_BYTES));
    rc = valid.fault != MT_OK ? -1 : json_object_set_new(out, trait, json_stringn(valid.data, valid.len));
    buf_fini(&valid);
    return rc;
}

/* "mx1.example[192.0.2.1]:25". */
static void
put_server(struct buf *out, const json_t *server)
{
    const char *host = text_member(server, "host"), *address = text_member(server, "address");
    bool        named = strcmp(host, address) != 0;

    buf_printf(out, "%.255s%s%.45s%s:%d", named ? host : "", named ? "[" : "", address, named ? "]" : "",
               (int)json_integer_value(json_object_get(server, "port")));
}

/* "TLSv1.3 with TLS_AES_256_GCM_SHA384"; "none". */
static void
put_tls(struct buf *out, const json_t *tls)
{
    const char *version = text_member(tls, "version"), *cipher = text_member(tls, "cipher");

    buf_printf(out, "%.60s%s%.120s", version[0] != '\0' ? version : "none", cipher[0] != '\0' ? " with " : "", cipher);
}

static int
set_buf(json_t *out, const char *trait, struct buf *text)
{
    int rc = text->fault == MT_ENOMEM ? -1 : set_text(out, trait, buf_slice(text));

    buf_fini(text);
    return rc;
}

static int
take_server(json_t *out, const json_t *server)
{
    struct buf text;

    buf_init(&text, CHANGE_TEXT_BYTES);
    if (text_member(server, "address")[0] != '\0')
        put_server(&text, server);
    return set_buf(out, "server", &text);
}

/* connected: it came so far that no TLS means that there is none. */
static int
take_tls(json_t *out, const char *trait, const json_t *tls, bool connected)
{
    struct buf text;

    buf_init(&text, CHANGE_TEXT_BYTES);
    if (connected || text_member(tls, "version")[0] != '\0')
        put_tls(&text, tls);
    return set_buf(out, trait, &text);
}

/* Of a look at servers (kind smtp): all of them, in their order; a host that failed this time leaves out what it did not tell, for all. */
static int
take_hosts(json_t *out, const json_t *hosts)
{
    struct buf    servers, tls, certificates;
    bool          whole = json_array_size(hosts) > 0, many = json_array_size(hosts) > 1;
    size_t        i;
    const json_t *host;
    int           rc;

    buf_init(&servers, CHANGE_TEXT_BYTES);
    buf_init(&tls, CHANGE_TEXT_BYTES);
    buf_init(&certificates, CHANGE_TEXT_BYTES);
    json_array_foreach (hosts, i, host) {
        const json_t *certificate = json_object_get(host, "certificate");
        const char   *name = many ? text_member(host, "host") : "", *comma = i > 0 ? ", " : "", *colon = many ? ": " : "";

        buf_append_string(&servers, comma);
        put_server(&servers, host);
        whole = whole && strcmp(text_member(host, "state"), "CRITICAL") != 0;
        buf_printf(&tls, "%s%s%s", comma, name, colon);
        put_tls(&tls, json_object_get(host, "tls"));
        if (text_member(certificate, "until")[0] != '\0')
            buf_printf(&certificates, "%s%s%s%.120s, until %.10s", certificates.len > 0 ? ", " : "", name, colon, text_member(certificate, "verify"),
                       text_member(certificate, "until"));
    }
    if (!whole) {
        buf_clear(&tls);
        buf_clear(&certificates);
    }
    rc = set_buf(out, "server", &servers);
    rc |= set_buf(out, "tls", &tls);
    rc |= set_buf(out, "certificate", &certificates);
    return rc;
}

static int
take_hops(json_t *out, const json_t *hops)
{
    struct buf    text;
    size_t        i;
    const json_t *hop;

    buf_init(&text, CHANGE_TEXT_BYTES);
    json_array_foreach (hops, i, hop) {
        const char *by = text_member(hop, "by");
        if (by[0] != '\0')
            buf_printf(&text, "%s%s", text.len > 0 ? ", " : "", by);
    }
    return set_buf(out, "hops", &text);
}

/* "spf=pass dkim=fail": the results of RFC 8601 alone, since the rest of the field has ids that are new each time. */
static void
put_results(struct buf *out, const char *field)
{
    static const char *const methods[] = { "spf=", "dkim=", "dmarc=", "arc=" };
    struct slice             all = slice_of(field);

    for (size_t m = 0; m < COUNT(methods); m++) {
        size_t       at = slice_find_nocase(all, slice_of(methods[m])), len = strlen(methods[m]);
        struct slice rest = slice_sub(all, at, all.len);
        while (len < rest.len && ascii_lower(rest.data[len]) >= 'a' && ascii_lower(rest.data[len]) <= 'z')
            len++;
        if (at < all.len)
            buf_printf(out, "%s%.*s", out->len > 0 ? " " : "", (int)len, rest.data);
    }
}

static int
take_authentication(json_t *out, const json_t *fields)
{
    struct buf    text;
    size_t        i;
    const json_t *field;

    buf_init(&text, CHANGE_TEXT_BYTES);
    json_array_foreach (fields, i, field)
        if (json_is_string(field))
            put_results(&text, json_string_value(field));
    return set_buf(out, "authentication", &text);
}

json_t *
change_traits(const json_t *document)
{
    json_t       *out = json_object();
    const json_t *tls = json_object_get(document, "tls");
    const json_t *arrival = json_array_get(json_object_get(json_object_get(document, "arrival"), "arrivals"), 0);
    const json_t *claims = json_object_get(arrival, "claims"), *hosts = json_object_get(document, "hosts");
    int           rc;

    if (out == NULL)
        return NULL;
    if (json_object_get(json_array_get(hosts, 0), "port") != NULL) {
        rc = take_hosts(out, hosts);
    } else {
        rc = take_server(out, json_object_get(document, "server"));
        rc |= take_tls(out, "tls", tls, json_is_true(json_object_get(document, "sent")));
        rc |= set_text(out, "certificate", slice_of(text_member(tls, "verify")));
    }
    rc |= take_hops(out, json_object_get(document, "hops"));
    rc |= set_text(out, "client", slice_of(text_member(json_object_get(arrival, "client"), "address")));
    rc |= take_tls(out, "delivery_tls", json_object_get(arrival, "tls"), json_object_get(arrival, "client") != NULL);
    rc |= take_authentication(out, json_object_get(claims, "authentication"));
    if (rc != 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

json_t *
change_list(const json_t *before, const json_t *now)
{
    json_t *out = json_array();
    char    text[2 * CHANGE_TEXT_BYTES + 100];

    for (size_t i = 0; out != NULL && i < COUNT(traits); i++) {
        const char *was = text_member(before, traits[i].trait), *is = text_member(now, traits[i].trait);
        if (was[0] == '\0' || is[0] == '\0' || strcmp(was, is) == 0)
            continue;
        snprintf(text, sizeof(text), "%s: %s, before: %s", traits[i].words, is, was);
        if (json_array_append_new(out, json_string(text)) != 0) {
            json_decref(out);
            return NULL;
        }
    }
    return out;
}

int
change_take(json_t *before, const json_t *now)
{
    for (size_t i = 0; i < COUNT(traits); i++) {
        json_t *is = json_object_get(now, traits[i].trait);
        if (is != NULL && json_object_set(before, traits[i].trait, is) != 0)
            return -1;
    }
    return 0;
}
