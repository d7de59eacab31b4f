#include "checker/settings_value.h"

#include "checker/compose.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define SPAN_MAX_MS (7ull * 86400 * 1000)

int
settings_refuse(struct settings *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->error, sizeof(s->error), format, args);
    va_end(args);
    return MT_EINVALID;
}

int
settings_port(struct slice text, uint16_t *port)
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
    if (name.len == 0 || (rest.len > 0 && settings_port(slice_sub(rest, 1, rest.len), port) != MT_OK))
        return MT_ESYNTAX;
    return slice_copy(host, ROUTE_HOST_BYTES, name) ? MT_OK : MT_ESYNTAX;
}

int
settings_span(struct settings *s, const struct options *o, const char *name, uint32_t fallback_ms, uint32_t least_ms, uint32_t *out)
{
    const char *text = options_value(o, name);
    uint64_t    ms = fallback_ms;

    if (text != NULL && (duration_parse(slice_of(text), SPAN_MAX_MS, &ms) != MT_OK || ms < least_ms))
        return settings_refuse(s, "--%s \"%.60s\" is no time span: a number with ms, s, m, h or d, such as 10m, of %u %s to 7 days", name, text,
                               least_ms % 1000 == 0 ? least_ms / 1000 : least_ms, least_ms % 1000 == 0 ? "s" : "ms");
    *out = (uint32_t)ms;
    return MT_OK;
}

int
settings_range(struct settings *s, const struct options *o, const char *name, const char *fallback, struct range *out)
{
    const char *text = options_value(o, name);

    if (range_parse(slice_of(text != NULL ? text : fallback), out) == MT_OK)
        return MT_OK;
    return settings_refuse(s, "--%s \"%.60s\" is no range: 95, 10:, ~:10, 10:20 or @10:20, in seconds", name, text);
}

int
settings_address(struct settings *s, const struct options *o, const char *name, const char **out)
{
    *out = options_value(o, name);
    if (*out == NULL || compose_address_is_fit(slice_of(*out)))
        return MT_OK;
    return settings_refuse(s, "--%s \"%.100s\" is no address that can be used: local@domain in ASCII (an international domain as xn--…), without "
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

int
settings_word(const char *text, const char *const words[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0)
            return (int)i;
    return -1;
}

int
settings_tls(struct settings *s, const struct options *o, const char *name, enum tls_mode fallback, uint16_t implicit_port, struct server *server)
{
    static const char *const modes[] = {
        [TLS_AUTO] = "auto", [TLS_NONE] = "none", [TLS_REQUIRE] = "require", [TLS_VERIFY] = "verify", "implicit", "implicit-verify",
    };
    const char              *text = options_value(o, name);
    int                      place = text == NULL ? (int)fallback : settings_word(text, modes, COUNT(modes));

    if (place == -1)
        return settings_refuse(s, "--%s \"%.60s\": there are auto, none, require, verify, implicit and implicit-verify", name, text);
    server->implicit_tls = place > TLS_VERIFY;
    server->tls = !server->implicit_tls ? (enum tls_mode)place : place == TLS_VERIFY + 1 ? TLS_REQUIRE : TLS_VERIFY;
    if (server->port == implicit_port && implicit_port != 0 && server->tls != TLS_NONE) {
        server->implicit_tls = true;
        server->tls = server->tls == TLS_AUTO ? TLS_REQUIRE : server->tls;
    }
    return MT_OK;
}

int
settings_ca_file(struct settings *s, const struct options *o)
{
    const char *file = options_value(o, "ca-file");

    s->plan.server.ca_file = s->plan.account.ca_file = file;
    if (file != NULL && access(file, R_OK) != 0)
        return settings_refuse(s, "--ca-file %.200s cannot be read", file);
    if (file != NULL && !has_certificates(file))
        return settings_refuse(s, "--ca-file %.200s holds no certificates in PEM (\"-----BEGIN CERTIFICATE-----\")", file);
    return MT_OK;
}

/* Words separated by blanks; no shell, so no quotes. */
static int
split_command(const char *text, char memory[SETTINGS_COMMAND_BYTES], const char *words[TOKEN_COMMAND_WORDS_MAX + 1])
{
    unsigned count = 0;
    char    *at = NULL;

    if (!slice_copy(memory, SETTINGS_COMMAND_BYTES, slice_of(text)))
        return MT_ESIZE;
    for (char *w = strtok_r(memory, " \t", &at); w != NULL; w = strtok_r(NULL, " \t", &at)) {
        if (count == TOKEN_COMMAND_WORDS_MAX)
            return MT_ESIZE;
        words[count++] = w;
    }
    words[count] = NULL;
    return count == 0 ? MT_ESYNTAX : MT_OK;
}

void
settings_demand_trust(const struct options *o, const char *option, struct server *server)
{
    bool here = strcmp(server->host, "localhost") == 0 || strncmp(server->host, "127.", strlen("127.")) == 0 || strcmp(server->host, "::1") == 0;

    if (options_value(o, option) == NULL && server->auth.mechanism != AUTH_NONE && !here)
        server->tls = TLS_VERIFY;
}

int
settings_auth(struct settings *s, const struct options *o, const struct auth_options *names, char memory[SETTINGS_COMMAND_BYTES], struct auth *out)
{
    static const char *const mechanisms[] = {
        [AUTH_NONE] = "none", [AUTH_AUTO] = "auto", [AUTH_PLAIN] = "plain", [AUTH_LOGIN] = "login", [AUTH_CRAM_MD5] = "cram-md5",
        [AUTH_SCRAM_SHA_1] = "scram-sha-1", [AUTH_SCRAM_SHA_256] = "scram-sha-256", [AUTH_XOAUTH2] = "xoauth2",
        [AUTH_OAUTHBEARER] = "oauthbearer",
    };
    const char *mechanism = options_value(o, names->mechanism), *command = options_value(o, names->token_command);
    int         place = mechanism == NULL ? AUTH_AUTO : settings_word(mechanism, mechanisms, COUNT(mechanisms));

    out->user = options_value(o, names->user);
    out->password_file = options_value(o, names->password_file);
    if (out->user == NULL) {
        if (out->password_file != NULL || command != NULL || mechanism != NULL)
            return settings_refuse(s, "--%s is missing: who logs in", names->user);
        return MT_OK;
    }
    if (place <= AUTH_NONE)
        return settings_refuse(s, "--%s \"%.60s\": there are auto, plain, login, cram-md5, scram-sha-1, scram-sha-256, xoauth2 and oauthbearer",
                               names->mechanism, mechanism);
    if ((out->password_file == NULL) == (command == NULL))
        return settings_refuse(s, "with --%s either --%s or --%s is needed", names->user, names->password_file, names->token_command);
    if (command != NULL && split_command(command, memory, out->token_command) != MT_OK)
        return settings_refuse(s, "--%s needs a program and at most %u words in all", names->token_command, TOKEN_COMMAND_WORDS_MAX);
    if (out->password_file != NULL && access(out->password_file, R_OK) != 0)
        return settings_refuse(s, "--%s %.200s cannot be read", names->password_file, out->password_file);
    out->mechanism = (enum auth_mechanism)place;
    return MT_OK;
}

int
settings_helo(struct settings *s, const struct options *o)
{
    const char *text = options_value(o, "helo");

    if (text == NULL && gethostname(s->helo, sizeof(s->helo) - 1) == 0 && s->helo[0] != '\0')
        text = s->helo;
    if (text == NULL)
        text = "localhost";
    for (const char *p = text; *p != '\0'; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-._[]:", *p) != NULL))
            return settings_refuse(s, "--helo \"%.60s\" is no host name and no address in brackets", text);
    if (text[0] == '\0' || strlen(text) >= sizeof(s->helo))
        return settings_refuse(s, "--helo needs a name of 1 to %zu characters", sizeof(s->helo) - 1);
    s->plan.helo = text;
    return MT_OK;
}

/* Whether an address, as far as a server is given as one, is of the family that was asked for. */
static int
check_family(struct settings *s, const char *option, const char *host)
{
    struct in_addr address;
    bool           v4 = inet_pton(AF_INET, host, &address) == 1, v6 = is_ipv6(slice_of(host));

    if (s->family == FAMILY_IPV6 && v4)
        return settings_refuse(s, "-6 asks for IPv6, but --%s %s is an IPv4 address", option, host);
    if (s->family == FAMILY_IPV4 && v6)
        return settings_refuse(s, "-4 asks for IPv4, but --%s %s is an IPv6 address", option, host);
    return MT_OK;
}

int
settings_server(struct settings *s, const char *option, const char *text, char host[ROUTE_HOST_BYTES], uint16_t *port)
{
    if (settings_parse_server(slice_of(text), host, port) != MT_OK)
        return settings_refuse(s, "--%s \"%.100s\" is no server: HOST, HOST:PORT or [IPv6]:PORT", option, text);
    return check_family(s, option, host);
}
