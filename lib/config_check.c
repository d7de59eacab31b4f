/*
 * config_check - what libcyaml's schema does not say: ranges, forms of texts, booleans spelled right, and what must fit together.
 */
#include "lib/config_settings.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/network.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#define PATH_TEXT_MAX 1000u                                                 /* octets of a file name in the configuration */
#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

#define MEMBER(section, name) ((struct config *)NULL)->section.name
#define ROW_NUMBER(section, name, lo, hi, init) \
    { .path = #section "." #name, .kind = SETTING_NUMBER, .offset = offsetof(struct config, section.name), \
      .size = sizeof(MEMBER(section, name)), .least = (lo), .most = (hi), .initial = (init) },
#define ROW_BOOLEAN(section, name, init) \
    { .path = #section "." #name, .kind = SETTING_BOOLEAN, .offset = offsetof(struct config, section.name), .initial = (init) },
#define ROW_TEXT(section, name, how, init) \
    { .path = #section "." #name, .kind = SETTING_TEXT, .offset = offsetof(struct config, section.name), .form = (how), \
      .text = (init) },
#define ROW_LIST(section, name, how, lo, hi) \
    { .path = #section "." #name, .kind = SETTING_LIST, .offset = offsetof(struct config, section.name), .form = (how), \
      .least = (lo), .most = (hi) },
#define ROW_LEVEL(section, name, init) \
    { .path = #section "." #name, .kind = SETTING_LEVEL, .offset = offsetof(struct config, section.name), .text = (init) },
#define TOP_TEXT(name, how, init) \
    { .path = #name, .kind = SETTING_TEXT, .offset = offsetof(struct config, name), .form = (how), .text = (init) },
#define TOP_LIST(name, how, lo, hi) \
    { .path = #name, .kind = SETTING_LIST, .offset = offsetof(struct config, name), .form = (how), .least = (lo), .most = (hi) },

const struct setting settings[] = {
    SETTINGS_TOP(TOP_TEXT, TOP_LIST)
    SETTINGS(ROW_NUMBER, ROW_BOOLEAN, ROW_TEXT, ROW_LIST, ROW_LEVEL)
};
const unsigned setting_count = COUNT(settings);

/* ---- Forms of texts ------------------------------------------------------------------------------------------- */

static bool
is_alnum(char c)
{
    return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 5321 Domain: labels of letters, digits and hyphens, at most 63 octets each and 255 in all. */
static bool
is_domain(struct slice s)
{
    if (s.len == 0 || s.len > 255)
        return false;
    while (true) {
        struct slice label = slice_sub(s, 0, slice_find(s, '.'));
        if (label.len == 0 || label.len > 63 || !is_alnum(label.data[0]) || !is_alnum(label.data[label.len - 1]))
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_alnum(label.data[i]) && label.data[i] != '-')
                return false;
        if (label.len == s.len)
            return true;
        s = slice_sub(s, label.len + 1, s.len);
    }
}

static bool
is_path(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return s.len > 0 && s.len <= PATH_TEXT_MAX;
}

static bool
is_socket_path(struct slice s)
{
    return is_path(s) && s.len <= SOCKET_PATH_MAX;
}

static bool
is_port(struct slice s)
{
    uint64_t port;

    return s.len <= 5 && slice_to_u64(s, 65535, &port) == MT_OK && port > 0 && s.data[0] != '0';
}

/* "127.0.0.1:25", "[::1]:25", "unix:/run/x.sock". */
static bool
is_address(struct slice s)
{
    unsigned char binary[sizeof(struct in6_addr)];
    char          host[INET6_ADDRSTRLEN];
    size_t        end;

    if (slice_starts(s, "unix:"))
        return is_socket_path(slice_sub(s, strlen("unix:"), s.len));
    if (slice_starts(s, "[")) {
        end = slice_find(s, ']');
        return slice_copy(host, sizeof(host), slice_sub(s, 1, end - 1)) && inet_pton(AF_INET6, host, binary) == 1 &&
               slice_starts(slice_sub(s, end, s.len), "]:") && is_port(slice_sub(s, end + 2, s.len));
    }
    end = slice_find(s, ':');
    return slice_copy(host, sizeof(host), slice_sub(s, 0, end)) && inet_pton(AF_INET, host, binary) == 1 &&
           is_port(slice_sub(s, end + 1, s.len));
}

static bool
is_server(struct slice s)
{
    return !slice_starts(s, "unix:") && is_address(s);
}

static bool
is_user(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.data[i]) && s.data[i] != '_' && (i == 0 || (s.data[i] != '-' && s.data[i] != '.')))
            return false;
    return s.len <= 24;     /* "-webhook" follows; useradd takes 32 */
}

static bool
is_network(struct slice s)
{
    struct network network;

    return network_parse(s, &network);
}

static const struct {
    bool      (*fits)(struct slice s);
    const char *allowed;
} forms[FORM_COUNT] = {
    [FORM_DOMAIN]      = { is_domain,      "a domain name in ASCII, such as \"mail.example.net\"" },
    [FORM_PATH]        = { is_path,        "the name of a file or folder" },
    [FORM_SOCKET_PATH] = { is_socket_path, "the name of a socket file of at most 107 octets" },
    [FORM_ADDRESS]     = { is_address,     "\"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or \"unix:/run/name.sock\" (at most "
                                           "107 octets)" },
    [FORM_SERVER]      = { is_server,      "\"192.0.2.1:53\" or \"[2001:db8::1]:53\" (ports 1 to 65535)" },
    [FORM_USER]        = { is_user,        "the name of a user of at most 24 characters, or \"\"" },
    [FORM_NETWORK]     = { is_network,     "a network such as \"192.0.2.0/24\" or \"2001:db8::/32\", or one address" },
    [FORM_CERTIFICATE] = { is_path,        "\"{certificate: FILE, key: FILE}\"" },
};

static const char *const levels[] = { "error", "warning", "info", "debug" };

int
level_parse(const char *text, uint8_t *out)
{
    for (unsigned i = 0; i < COUNT(levels); i++) {
        if (strcmp(text, levels[i]) == 0) {
            *out = (uint8_t)i;
            return MT_OK;
        }
    }
    return MT_ENOTFOUND;
}

/* ---- One value ------------------------------------------------------------------------------------------------ */

static void
describe_allowed(const struct setting *s, bool item, char *out, size_t size)
{
    switch (s->kind) {
    case SETTING_NUMBER:
        snprintf(out, size, "a whole number from %llu to %llu", (unsigned long long)s->least, (unsigned long long)s->most);
        break;
    case SETTING_BOOLEAN:
        snprintf(out, size, "true or false");
        break;
    case SETTING_LEVEL:
        snprintf(out, size, "error, warning, info or debug");
        break;
    case SETTING_LIST:
        if (item)
            snprintf(out, size, "%s", forms[s->form].allowed);
        else
            snprintf(out, size, "a list \"[a, b]\" of %llu to %llu items", (unsigned long long)s->least, (unsigned long long)s->most);
        break;
    case SETTING_TEXT:
        snprintf(out, size, "%s", forms[s->form].allowed);
        break;
    }
}

static void
describe_found(const struct node *n, char *out, size_t size)
{
    static const char *const others[] = { [NODE_NOTHING] = "nothing", [NODE_LIST] = "a list", [NODE_MAPPING] = "a section" };

    if (n->kind == NODE_SCALAR)
        snprintf(out, size, "\"%s\"", LOG_TEXT(slice_of(n->text)));
    else if (n->kind == NODE_LIST && n->item_count != 1)
        snprintf(out, size, "a list of %u items", n->item_count);
    else
        snprintf(out, size, "%s", others[n->kind]);
}

static int
fail_value(const struct outline *o, const struct node *n, const struct setting *s, bool item, struct config_error *error)
{
    char found[LOG_TEXT_BYTES * 4 + 16], allowed[160];

    describe_found(n, found, sizeof(found));
    describe_allowed(s, item, allowed, sizeof(allowed));
    return config_fail(error, o->file, n->line, n->column, "%s: found %s, allowed: %s", n->path, found, allowed);
}

/* libcyaml would take "0x10" and "010" as numbers, and any word but a few as true. */
static bool
value_fits(const struct node *n, const struct setting *s)
{
    struct slice text = slice_of(n->text);
    uint64_t     number;
    uint8_t      level;

    if (s->kind == SETTING_LIST)
        return n->kind == NODE_LIST && n->item_count >= s->least && n->item_count <= s->most;
    if (n->kind != NODE_SCALAR)
        return false;
    switch (s->kind) {
    case SETTING_NUMBER:
        return slice_to_u64(text, s->most, &number) == MT_OK && number >= s->least && (text.len == 1 || n->text[0] != '0');
    case SETTING_BOOLEAN:
        return strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0;
    case SETTING_LEVEL:
        return level_parse(n->text, &level) == MT_OK;
    default:
        return forms[s->form].fits(text);
    }
}

/* ---- Names ---------------------------------------------------------------------------------------------------- */

static const struct setting *
setting_find(struct slice path)
{
    for (unsigned i = 0; i < setting_count; i++)
        if (slice_equal(slice_of(settings[i].path), path))
            return &settings[i];
    return NULL;
}

/* A section is what stands before the '.' of a setting. */
static bool
is_section(struct slice name)
{
    for (unsigned i = 0; i < setting_count; i++)
        if (strlen(settings[i].path) > name.len && settings[i].path[name.len] == '.' &&
            slice_equal(slice_make(settings[i].path, name.len), name))
            return true;
    return false;
}

/* What the writer may have meant: a near name in the same section, the same name in another, or all names of the section. */
static int
fail_name(const struct outline *o, const struct node *n, struct config_error *error)
{
    struct slice path = slice_of(n->path);
    size_t       dot = slice_find(path, '.');
    struct slice section = dot < path.len ? slice_sub(path, 0, dot + 1) : slice_make("", 0);
    struct slice name = slice_sub(path, section.len, path.len);
    char         allowed[700] = "";
    bool         meant = true;

    for (int pass = 0; pass < 3 && allowed[0] == '\0'; pass++) {
        struct slice last = { 0 };
        for (unsigned i = 0; i < setting_count; i++) {
            struct slice full = slice_of(settings[i].path);
            bool         here = full.len > section.len && slice_equal(slice_sub(full, 0, section.len), section);
            struct slice rest = slice_sub(full, section.len, full.len);
            size_t       rest_dot = slice_find(rest, '.');
            size_t       used = strlen(allowed);
            if (pass == 1) {
                size_t full_dot = slice_find(full, '.');
                if (full_dot < full.len && slice_equal(slice_sub(full, full_dot + 1, full.len), name))
                    snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used > 0 ? "\" or \"" : "", settings[i].path);
                continue;
            }
            rest = slice_sub(rest, 0, rest_dot);    /* at the top, a section stands for its settings */
            if (here && !slice_equal(rest, last) && (pass == 2 || outline_names_are_near(rest, name)))
                snprintf(allowed + used, sizeof(allowed) - used, "%s%.*s", used == 0 ? "" : pass == 2 ? ", " : "\" or \"",
                         (int)rest.len, rest.data);
            last = rest;
        }
        meant = pass < 2;
    }
    return config_fail(error, o->file, n->key_line, n->key_column, "%s: found an unknown setting, %s%s%s", LOG_TEXT(path),
                       meant ? "did you mean \"" : "allowed: ", allowed, meant ? "\"?" : "");
}

/* "list[3]" with both files, or one of these; rest is what stands behind the "]". */
static int
check_certificate(const struct outline *o, const struct node *n, struct slice rest, const struct setting *s, struct config_error *error)
{
    static const char *const names[] = { ".certificate", ".key" };
    char                     found[LOG_TEXT_BYTES * 4 + 16], path[256];

    if (rest.len == 0 && n->kind != NODE_MAPPING)
        return fail_value(o, n, s, true, error);
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof(path), "%s%s", n->path, names[i]);
        if (rest.len == 0 && outline_find(o, path) == NULL)
            return config_fail(error, o->file, n->line, n->column, "%s: found without %s, allowed: %s", n->path, names[i] + 1,
                               forms[s->form].allowed);
        if (rest.len == 0 || !slice_equal(rest, slice_of(names[i])))
            continue;
        if (n->kind == NODE_SCALAR && is_path(slice_of(n->text)))
            return MT_OK;
        describe_found(n, found, sizeof(found));
        return config_fail(error, o->file, n->line, n->column, "%s: found %s, allowed: %s", n->path, found, forms[FORM_PATH].allowed);
    }
    return rest.len == 0 ? MT_OK : config_fail(error, o->file, n->key_line, n->key_column,
                                               "%s: found an unknown setting, allowed: certificate, key", LOG_TEXT(slice_of(n->path)));
}

static int
check_node(const struct outline *o, const struct node *n, struct config_error *error)
{
    struct slice          path = slice_of(n->path);
    size_t                bracket = slice_find(path, '[');
    bool                  item = bracket < path.len;
    const struct setting *s = setting_find(slice_sub(path, 0, bracket));

    if (path.len == 0)
        return n->kind == NODE_MAPPING ? MT_OK : config_fail(error, o->file, n->line, n->column,
                                                             "found no settings, allowed: \"name: value\" lines, domains among them");
    if (s == NULL && is_section(path)) {
        if (n->kind == NODE_MAPPING)
            return MT_OK;
        char found[LOG_TEXT_BYTES * 4 + 16];
        describe_found(n, found, sizeof(found));
        return config_fail(error, o->file, n->line, n->column, "%s: found %s, allowed: indented \"name: value\" lines below it", n->path,
                           found);
    }
    if (s == NULL)
        return fail_name(o, n, error);
    if (item && s->form == FORM_CERTIFICATE)
        return check_certificate(o, n, slice_sub(path, bracket + slice_find(slice_sub(path, bracket, path.len), ']') + 1, path.len), s, error);
    if (item ? n->kind != NODE_SCALAR || !forms[s->form].fits(slice_of(n->text)) : !value_fits(n, s))
        return fail_value(o, n, s, item, error);
    return MT_OK;
}

/* ---- What must fit together ----------------------------------------------------------------------------------- */

static bool
is_of_network_list(const struct node *n)
{
    return slice_starts(slice_of(n->path), "limits.") || slice_starts(slice_of(n->path), "proxy.");
}

/* No domain and no listening address twice; a network may be trusted and a load balancer's. */
static int
check_doubles(const struct outline *o, struct config_error *error)
{
    for (unsigned i = 0; i < o->count; i++) {
        const struct node *n = &o->nodes[i];
        if (n->kind != NODE_SCALAR || slice_find(slice_of(n->path), '[') == strlen(n->path) || is_of_network_list(n) ||
            strstr(n->path, "].") != NULL)
            continue;
        for (unsigned j = 0; j < i; j++) {
            const struct node *m = &o->nodes[j];
            if (m->kind == NODE_SCALAR && slice_find(slice_of(m->path), '[') < strlen(m->path) &&
                slice_equal_nocase(slice_of(m->text), slice_of(n->text)))
                return config_fail(error, o->file, n->line, n->column, "%s: found \"%s\" a second time, allowed: once (line %u has it for %s)",
                                   n->path, LOG_TEXT(slice_of(n->text)), m->line, m->path);
        }
    }
    return MT_OK;
}

static uint64_t
number_of(const struct outline *o, const char *path)
{
    const struct node    *n = outline_find(o, path);
    const struct setting *s = setting_find(slice_of(path));
    uint64_t              value;

    assert(s != NULL);
    value = s->initial;
    if (n != NULL)
        slice_to_u64(slice_of(n->text), s->most, &value);
    return value;
}

static int
check_together(const struct outline *o, struct config_error *error)
{
    const struct node *certificate = outline_find(o, "tls.certificate"), *key = outline_find(o, "tls.key");
    const struct node *in_flight = outline_find(o, "smtp.in_flight_max_bytes"), *largest = outline_find(o, "smtp.message_max_bytes");
    const struct node *proxied = outline_find(o, "proxy.http"), *tls_http = outline_find(o, "tls.http");
    const struct node *one = certificate != NULL ? certificate : key;
    uint64_t           message_max_bytes = number_of(o, "smtp.message_max_bytes");

    if ((certificate == NULL) != (key == NULL))
        return config_fail(error, o->file, one->line, one->column, "%s: found without %s, allowed: both or none", one->path,
                           one == key ? "tls.certificate" : "tls.key");
    if (proxied != NULL && strcmp(proxied->text, "true") == 0 && tls_http != NULL && strcmp(tls_http->text, "true") == 0)
        return config_fail(error, o->file, proxied->line, proxied->column,
                           "proxy.http: found \"true\" beside tls.http, allowed: one of them; let the load balancer end TLS");
    if (number_of(o, "smtp.in_flight_max_bytes") < message_max_bytes) {
        one = in_flight != NULL ? in_flight : largest;
        return config_fail(error, o->file, one->line, one->column,
                           "%s: found \"%s\", allowed: smtp.in_flight_max_bytes (%llu) of at least smtp.message_max_bytes (%llu)",
                           one->path, one->text, (unsigned long long)number_of(o, "smtp.in_flight_max_bytes"),
                           (unsigned long long)message_max_bytes);
    }
    return MT_OK;
}

int
outline_check(const struct outline *o, struct config_error *error)
{
    int rc = MT_OK;

    if (o->count == 0)
        return config_fail(error, o->file, 1, 1, "found no settings, allowed: \"name: value\" lines, domains among them");
    for (unsigned i = 0; rc == MT_OK && i < o->count; i++)
        rc = check_node(o, &o->nodes[i], error);
    if (rc == MT_OK && outline_find(o, "domains") == NULL)
        rc = config_fail(error, o->file, o->nodes[0].line, o->nodes[0].column,
                         "found no domains, allowed: \"domains: [mail.example.net]\" with the domains that mail is accepted for");
    if (rc == MT_OK)
        rc = check_doubles(o, error);
    if (rc == MT_OK)
        rc = check_together(o, error);
    return rc;
}
