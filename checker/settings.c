#include "checker/settings.h"

#include "checker/api.h"
#include "checker/compose.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/mailbox.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

const struct option_spec once_options[] = {
    { 0,   "api",               "URL",       "the service: http://…, https://… or unix:/path (MAILTEST_API)" },
    { 0,   "api-key-file",      "FILE",      "file with its API key; without it, MAILTEST_API_KEY" },
    { 'm', "mailbox",           "NAME",      "the mailbox that the customer's rule forwards to" },
    { 0,   "to",                "ADDRESS",   "the customer's address that is forwarded" },
    { 0,   "from",              "ADDRESS",   "sender; without it, NAME+check@ the mailbox's domain" },
    { 0,   "smtp",              "HOST:PORT", "scenario 2: the customer's server; without it, its MX" },
    { 0,   "relay",             "HOST:PORT", "scenario 5: our own outgoing relay" },
    { 0,   "mx-port",           "PORT",      "port of the MX instead of 25" },
    { 'W', "window",            "SPAN",      "when it counts as lost; 10m without it" },
    { 'w', "warning",           "RANGE",     "WARNING outside of it, in seconds; 95 without it" },
    { 'c', "critical",          "RANGE",     "CRITICAL outside of it, in seconds; 300 without it" },
    { 't', "timeout",           "SPAN",      "for connecting and each reply of a server; 60s without it" },
    { 0,   "retry-gap",         "SPAN",      "before another attempt, doubling each time; 10s without it; 0: one attempt" },
    { 0,   "tls",               "MODE",      "auto (without it), none, require, verify" },
    { 0,   "ca-file",           "FILE",      "authorities for --tls verify and for https" },
    { 0,   "insecure",          NULL,        "do not check the certificate of the API" },
    { 0,   "helo",              "NAME",      "name for EHLO; without it, this machine's" },
    { 0,   "dns",               "HOST:PORT", "name server instead of the system's" },
    { '4', "ipv4",              NULL,        "send by IPv4 alone" },
    { '6', "ipv6",              NULL,        "send by IPv6 alone" },
    { 0,   "keep",              NULL,        "do not delete the message after success" },
    { 0,   "no-auto-submitted", NULL,        "leave out Auto-Submitted, where a rule skips such mail" },
    { 0,   "json",              NULL,        "print the whole story as JSON" },
    { 'v', "verbose",           NULL,        "print a timeline behind the line" },
    { 'V', "version",           NULL,        "print the version" },
    { 'h', "help",              NULL,        "this help" },
    { 0, NULL, NULL, NULL },
};

enum { WINDOW_MS = 600000, TIMEOUT_MS = 60000, RETRY_GAP_MS = 10000, SMTP_PORT = 25 };
#define SPAN_MAX_MS (7ull * 86400 * 1000)

static int __attribute__((format(printf, 2, 3)))
refuse(struct settings *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return MT_EINVALID;
}

/* ---- Single values ----------------------------------------------------------------------------------------------- */

static int
parse_port(struct slice text, uint16_t *port)
{
    uint64_t n;

    if (slice_to_u64(text, UINT16_MAX, &n) != MT_OK || n == 0)
        return MT_ESYNTAX;
    *port = (uint16_t)n;
    return MT_OK;
}

static bool
is_ipv6(struct slice text)
{
    struct in6_addr address;
    char            copy[ROUTE_ADDRESS_BYTES];

    return slice_copy(copy, sizeof(copy), text) && inet_pton(AF_INET6, copy, &address) == 1;
}

int
settings_parse_server(struct slice text, char host[ROUTE_HOST_BYTES], uint16_t *port)
{
    struct slice name = text, rest;
    size_t       colon;

    if (slice_starts(text, "[")) {
        size_t end = slice_find(text, ']');

        name = slice_sub(text, 1, end - 1);
        rest = slice_sub(text, end + 1, text.len);
        if (end == text.len || !is_ipv6(name) || (rest.len > 0 && rest.data[0] != ':'))
            return MT_ESYNTAX;
    } else if (is_ipv6(text)) {
        rest = slice_make(NULL, 0);
    } else {
        colon = slice_find(text, ':');
        name = slice_sub(text, 0, colon);
        rest = slice_sub(text, colon, text.len);
        for (size_t i = 0; i < name.len; i++)
            if (name.data[i] <= ' ' || name.data[i] >= 0x7f || strchr("/@[]<>\"\\%", name.data[i]) != NULL)
                return MT_ESYNTAX;
    }
    if (name.len == 0 || (rest.len > 0 && parse_port(slice_sub(rest, 1, rest.len), port) != MT_OK))
        return MT_ESYNTAX;
    return slice_copy(host, ROUTE_HOST_BYTES, name) ? MT_OK : MT_ESYNTAX;
}

static int
read_span(struct settings *s, const struct options *o, const char *name, uint32_t fallback_ms, uint32_t least_ms, uint32_t *out)
{
    const char *text = options_value(o, name);
    uint64_t    ms = fallback_ms;

    if (text != NULL && (duration_parse(slice_of(text), SPAN_MAX_MS, &ms) != MT_OK || ms < least_ms))
        return refuse(s, "--%s \"%.60s\" is no time span: a number with ms, s, m, h or d, such as 10m, of %u %s to 7 days", name, text,
                      least_ms % 1000 == 0 ? least_ms / 1000 : least_ms, least_ms % 1000 == 0 ? "s" : "ms");
    *out = (uint32_t)ms;
    return MT_OK;
}

static int
read_range(struct settings *s, const struct options *o, const char *name, const char *fallback, struct range *out)
{
    const char *text = options_value(o, name);

    if (range_parse(slice_of(text != NULL ? text : fallback), out) == MT_OK)
        return MT_OK;
    return refuse(s, "--%s \"%.60s\" is no range: 95, 10:, ~:10, 10:20 or @10:20, in seconds", name, text);
}

static int
read_address(struct settings *s, const struct options *o, const char *name, const char **out)
{
    *out = options_value(o, name);
    if (*out == NULL || compose_address_is_fit(slice_of(*out)))
        return MT_OK;
    return refuse(s, "--%s \"%.100s\" is no address that can be used: local@domain in ASCII (an international domain as xn--…), without "
                  "blanks, quotes and brackets", name, *out);
}

/* Read in the way of the library that checks certificates by it, so that what it cannot use is told before anything is sent. */
static bool
has_certificates(const char *file)
{
    X509_STORE *store = X509_STORE_new();
    bool        good = store != NULL && X509_STORE_load_file(store, file) == 1;

    X509_STORE_free(store);
    ERR_clear_error();
    return good;
}

static int
read_tls(struct settings *s, const struct options *o)
{
    static const char *const modes[] = {
        [TLS_AUTO] = "auto", [TLS_NONE] = "none", [TLS_REQUIRE] = "require", [TLS_VERIFY] = "verify",
    };
    const char              *text = options_value(o, "tls");

    s->plan.server.tls = TLS_AUTO;
    for (size_t i = 0; text != NULL && i <= COUNT(modes); i++) {
        if (i == COUNT(modes))
            return refuse(s, "--tls \"%.60s\": there are auto, none, require and verify", text);
        if (strcmp(text, modes[i]) == 0) {
            s->plan.server.tls = (enum tls_mode)i;
            break;
        }
    }
    s->plan.server.ca_file = options_value(o, "ca-file");
    if (s->plan.server.ca_file != NULL && access(s->plan.server.ca_file, R_OK) != 0)
        return refuse(s, "--ca-file %.200s cannot be read", s->plan.server.ca_file);
    if (s->plan.server.ca_file != NULL && !has_certificates(s->plan.server.ca_file))
        return refuse(s, "--ca-file %.200s holds no certificates in PEM (\"-----BEGIN CERTIFICATE-----\")", s->plan.server.ca_file);
    return MT_OK;
}

static int
read_helo(struct settings *s, const struct options *o)
{
    const char *text = options_value(o, "helo");

    if (text == NULL && gethostname(s->helo, sizeof(s->helo) - 1) == 0 && s->helo[0] != '\0')
        text = s->helo;
    if (text == NULL)
        text = "localhost";
    for (const char *p = text; *p != '\0'; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-._[]:", *p) != NULL))
            return refuse(s, "--helo \"%.60s\" is no host name and no address in brackets", text);
    if (text[0] == '\0' || strlen(text) >= sizeof(s->helo))
        return refuse(s, "--helo needs a name of 1 to %zu characters", sizeof(s->helo) - 1);
    s->plan.helo = text;
    return MT_OK;
}

/* Whether an address, as far as the server is given as one, is of the family that was asked for. */
static int
check_family(struct settings *s, const char *option)
{
    struct in_addr address;
    bool           v4 = inet_pton(AF_INET, s->server, &address) == 1, v6 = is_ipv6(slice_of(s->server));

    if (s->family == FAMILY_IPV6 && v4)
        return refuse(s, "-6 asks for IPv6, but --%s %s is an IPv4 address", option, s->server);
    if (s->family == FAMILY_IPV4 && v6)
        return refuse(s, "-4 asks for IPv4, but --%s %s is an IPv6 address", option, s->server);
    return MT_OK;
}

/* ---- What belongs together --------------------------------------------------------------------------------------- */

static int
read_route(struct settings *s, const struct options *o)
{
    const char *smtp = options_value(o, "smtp"), *relay = options_value(o, "relay"), *port = options_value(o, "mx-port");
    const char *server = relay != NULL ? relay : smtp;

    if (smtp != NULL && relay != NULL)
        return refuse(s, "--smtp (scenario 2) and --relay (scenario 5) exclude each other");
    s->plan.scenario = relay != NULL ? 5 : 2;
    s->plan.send = relay != NULL ? SEND_RELAY : smtp != NULL ? SEND_HOST : SEND_MX;
    s->plan.server.port = SMTP_PORT;
    if (port != NULL && server != NULL)
        return refuse(s, "--mx-port goes with the MX alone: give the port behind the host");
    if (port != NULL && parse_port(slice_of(port), &s->plan.server.port) != MT_OK)
        return refuse(s, "--mx-port is a number from 1 to 65535");
    if (server != NULL) {
        if (settings_parse_server(slice_of(server), s->server, &s->plan.server.port) != MT_OK)
            return refuse(s, "--%s \"%.100s\" is no server: HOST, HOST:PORT or [IPv6]:PORT", relay != NULL ? "relay" : "smtp", server);
        s->plan.server.host = s->server;
    }
    s->dns = options_value(o, "dns");
    if (options_has(o, "ipv4") && options_has(o, "ipv6"))
        return refuse(s, "-4 and -6 exclude each other");
    s->family = options_has(o, "ipv4") ? FAMILY_IPV4 : options_has(o, "ipv6") ? FAMILY_IPV6 : FAMILY_ANY;
    return server == NULL ? MT_OK : check_family(s, relay != NULL ? "relay" : "smtp");
}

static int
read_service(struct settings *s, const struct options *o, const char *api_url_default)
{
    const char *mailbox = options_value(o, "mailbox");

    s->api_url = options_value(o, "api") != NULL ? options_value(o, "api") : api_url_default;
    s->api_key_file = options_value(o, "api-key-file");
    s->insecure = options_has(o, "insecure");
    if (s->api_url == NULL)
        return refuse(s, "--api is missing: the address of the service, such as http://127.0.0.1:8025");
    if (!api_url_is_fit(s->api_url))
        return refuse(s, "--api \"%.100s\" is neither http://…, https://… nor unix:/path", s->api_url);
    if (mailbox == NULL)
        return refuse(s, "--mailbox is missing: the mailbox that the customer's rule forwards to");
    if (mailbox_name_parse(slice_of(mailbox), s->mailbox) != MT_OK)
        return refuse(s, "--mailbox \"%.70s\" is no name of a mailbox: letters, digits, '.', '-' and '_', without a domain", mailbox);
    s->plan.mailbox = s->mailbox;
    return MT_OK;
}

static int
read_times(struct settings *s, const struct options *o)
{
    int rc = read_span(s, o, "window", WINDOW_MS, 1000, &s->plan.window_ms);

    if (rc == MT_OK)
        rc = read_span(s, o, "timeout", TIMEOUT_MS, 100, &s->plan.timeout_ms);
    if (rc == MT_OK)
        rc = read_span(s, o, "retry-gap", RETRY_GAP_MS, 0, &s->plan.retry_gap_ms);
    if (rc == MT_OK)
        rc = read_range(s, o, "warning", "95", &s->plan.warning);
    if (rc == MT_OK)
        rc = read_range(s, o, "critical", "300", &s->plan.critical);
    return rc;
}

int
settings_read(struct settings *s, const struct options *o, const char *api_url_default)
{
    int rc;

    *s = (struct settings){ .verbose = options_times(o, "verbose"), .json = options_has(o, "json") };
    s->plan.keep = options_has(o, "keep");
    s->plan.auto_submitted = !options_has(o, "no-auto-submitted");
    rc = read_service(s, o, api_url_default);
    if (rc == MT_OK)
        rc = read_address(s, o, "to", &s->plan.to);
    if (rc == MT_OK && s->plan.to == NULL)
        rc = refuse(s, "--to is missing: the customer's address that is forwarded to us");
    if (rc == MT_OK)
        rc = read_address(s, o, "from", &s->plan.from);
    if (rc == MT_OK)
        rc = read_route(s, o);
    if (rc == MT_OK)
        rc = read_times(s, o);
    if (rc == MT_OK)
        rc = read_tls(s, o);
    return rc == MT_OK ? read_helo(s, o) : rc;
}
