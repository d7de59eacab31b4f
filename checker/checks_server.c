/* checks_server - the servers of checks.yaml, and who logs in at them. */
#include "checker/checks_load.h"

#include "lib/error.h"
#include "lib/network.h"

#include <stdio.h>

enum { PORT_MAX = 65535, UNDER_WAY_MAX = 1000000 };

static const char *const tls_words[] = { "auto", "none", "starttls", "implicit", NULL };
enum { WORD_AUTO, WORD_NONE, WORD_STARTTLS, WORD_IMPLICIT };

/* By their use: the port without TLS from the start, with it, and for who logs in. */
static const struct { uint16_t plain, implicit, login; } usual_ports[] = {
    [USE_SMTP] = { 25, 465, 587 },
    [USE_IMAP] = { 143, 993, 143 },
    [USE_POP3] = { 110, 995, 110 },
};

static bool
is_loopback(const char *host)
{
    static const char       loopback4[] = "127.0.0.0/8", loopback6[] = "::1";
    struct network          network4, network6;
    struct ip_address       address;

    if (strcmp(host, "localhost") == 0)
        return true;
    return ip_address_parse(slice_of(host), &address) && network_parse(slice_of(loopback4), &network4) &&
           network_parse(slice_of(loopback6), &network6) && (network_has(&network4, &address) || network_has(&network6, &address));
}

static void
load_words(struct loader *l, const char *section, const struct strings *given, const char **out)
{
    if (given->count > TOKEN_COMMAND_WORDS_MAX)
        load_fail(l, GIVEN_NONE(section, "token_command"), "found a list of %u items, allowed: at most %u", given->count, TOKEN_COMMAND_WORDS_MAX);
    for (unsigned i = 0; i < given->count && l->rc == MT_OK; i++)
        load_text(l, (struct given){ .section = section, .name = "token_command", .item = (int)i, .text = given->items[i] },
                  i == 0 ? TEXT_LINE : TEXT_LINE_OR_NONE, NULL, &out[i]);
}

static void
load_auth(struct loader *l, const char *server, const struct raw_auth *raw, struct auth *out)
{
    static const char *const mechanisms[] = {
        "auto", "plain", "login", "cram-md5", "scram-sha-1", "scram-sha-256", "xoauth2", "oauthbearer", NULL,
    };
    char     section[SECTION_BYTES + 8];
    unsigned word;
    bool     has_password = raw->password_file != NULL, has_token = raw->token_command.count > 0;

    snprintf(section, sizeof(section), "%s.auth", server);
    load_word(l, GIVEN(section, raw, mechanism), mechanisms, 0, &word);
    out->mechanism = AUTH_AUTO + word;
    load_text(l, GIVEN(section, raw, user), TEXT_LINE, NULL, &out->user);
    load_text(l, GIVEN(section, raw, password_file), TEXT_FILE, NULL, &out->password_file);
    load_words(l, section, &raw->token_command, out->token_command);
    if (out->user == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without user, allowed: user, and password_file or token_command");
    if (has_password == has_token)
        load_fail(l, GIVEN_NONE(section, ""), "found with %s password_file %s token_command, allowed: one of them", has_password ? "both" : "neither",
                  has_password ? "and" : "nor");
    if (out->mechanism >= AUTH_XOAUTH2 && has_password)
        load_refuse(l, GIVEN(section, raw, mechanism), "with token_command; password_file goes with the other mechanisms");
    if (out->mechanism != AUTH_AUTO && out->mechanism < AUTH_XOAUTH2 && has_token)
        load_refuse(l, GIVEN(section, raw, mechanism), "with password_file; token_command goes with auto, xoauth2 and oauthbearer");
}

/* A password is shown only to who proves its name, unless the file says otherwise or the server is this machine. */
static void
load_tls(struct loader *l, const char *section, const struct raw_server *raw, struct server *out)
{
    unsigned word;
    bool     verify;
    bool     careful = out->auth.mechanism != AUTH_NONE && (out->host == NULL || !is_loopback(out->host));

    load_word(l, GIVEN(section, raw, tls), tls_words, WORD_AUTO, &word);
    load_bool(l, GIVEN(section, raw, verify), careful && word != WORD_NONE, &verify);
    if (verify && word == WORD_NONE)
        load_refuse(l, GIVEN(section, raw, verify), "false with tls: none");
    out->implicit_tls = word == WORD_IMPLICIT;
    out->tls = verify ? TLS_VERIFY : word == WORD_AUTO ? TLS_AUTO : word == WORD_NONE ? TLS_NONE : TLS_REQUIRE;
}

static void
load_one(struct loader *l, unsigned i)
{
    const struct raw_server *raw = &l->raw->servers.items[i];
    struct server_entry     *entry = &l->out->servers[i];
    char                     section[SECTION_BYTES];
    uint32_t                 port;

    section_of(section, "servers", i);
    if (raw->name == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without name, allowed: a name that checks call it by");
    load_text(l, GIVEN(section, raw, name), TEXT_NAME, NULL, &entry->server.name);
    load_text(l, GIVEN(section, raw, host), TEXT_HOST, NULL, &entry->server.host);
    load_number(l, GIVEN(section, raw, port), 1, PORT_MAX, 0, &port);
    entry->server.port = (uint16_t)port;
    load_text(l, GIVEN(section, raw, ca_file), TEXT_FILE, NULL, &entry->server.ca_file);
    if (raw->auth != NULL)
        load_auth(l, section, raw->auth, &entry->server.auth);
    load_tls(l, section, raw, &entry->server);
    load_number(l, GIVEN(section, raw, under_way_max), 0, UNDER_WAY_MAX, 0, &entry->under_way_max);
    if (l->rc == MT_OK && name_index_add(&l->servers, l->raw->servers.count, raw->name, i) != MT_OK)
        load_out_of_memory(l);
}

void
load_servers(struct loader *l)
{
    unsigned count = l->raw->servers.count;
    int      second;

    l->out->servers = load_array(l, count, sizeof(*l->out->servers));
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++)
        load_one(l, i);
    l->out->servers_count = l->rc == MT_OK ? count : 0;
    if (l->rc == MT_OK && (second = name_index_sort(&l->servers)) >= 0) {
        char     section[SECTION_BYTES];
        unsigned i = l->servers.entries[second].index;
        section_of(section, "servers", i);
        load_refuse(l, GIVEN(section, &l->raw->servers.items[i], name), "each name once");
    }
}

const struct server_entry *
load_server(struct loader *l, struct given g, enum server_use use, struct server *out)
{
    int      place = load_name(l, g, &l->servers, "server");
    bool     is_auto;
    uint16_t implicit = usual_ports[use].implicit;

    if (place == -1)
        return NULL;
    *out = l->out->servers[place].server;
    is_auto = l->raw->servers.items[place].tls == NULL || strcmp(l->raw->servers.items[place].tls, tls_words[WORD_AUTO]) == 0;
    if (out->port == 0)
        out->port = out->implicit_tls ? implicit : out->auth.mechanism != AUTH_NONE ? usual_ports[use].login : usual_ports[use].plain;
    if (is_auto && out->port == implicit)
        out->implicit_tls = true;
    if (out->implicit_tls && out->tls != TLS_VERIFY)
        out->tls = TLS_REQUIRE;
    return &l->out->servers[place];
}
