#include "checker/settings.h"

#include "checker/api.h"
#include "checker/compose.h"
#include "checker/settings_value.h"
#include "lib/error.h"
#include "lib/mailbox.h"
#include "lib/token.h"

#include <stdio.h>

const struct option_spec once_options[] = {
    { 0,   "scenario",          "N",         "1 to 5: what must be given for it, and nothing else; without it, what is given says it" },
    { 0,   "api",               "URL",       "the service: http://…, https://… or unix:/path (MAILTEST_API)" },
    { 0,   "api-key-file",      "FILE",      "file with its API key; without it, MAILTEST_API_KEY" },
    { 'm', "mailbox",           "NAME",      "the mailbox that the customer's rule forwards to, or that bounces go to" },
    { 0,   "to",                "ADDRESS",   "the customer's address that mail is sent to" },
    { 0,   "from",              "ADDRESS",   "sender; without it, NAME+check@ the mailbox's domain, or the recipient" },
    { 0,   "smtp",              "HOST:PORT", "the customer's server, or one that wants a login; without it, the MX" },
    { 0,   "relay",             "HOST:PORT", "our own outgoing relay" },
    { 0,   "sendmail",          "PATH",      "the local program that takes the mail, such as /usr/sbin/sendmail" },
    { 0,   "no-send",           NULL,        "somebody else sends: wait for the mail alone" },
    { 0,   "expect",            "TEXT",      "with --no-send: the token, or with --imap and --pop3 any text, to wait for" },
    { 0,   "mx-port",           "PORT",      "port of the MX instead of 25" },
    { 0,   "smtp-user",         "USER",      "log in to the server" },
    { 0,   "smtp-password-file", "FILE",     "its password: one line" },
    { 0,   "smtp-token-command", "COMMAND",  "prints an access token for it (OAuth)" },
    { 0,   "smtp-auth",         "MECHANISM", "auto (without it), plain, login, cram-md5, scram-sha-1, scram-sha-256, xoauth2, oauthbearer" },
    { 0,   "tls",               "MODE",      "auto (verify with a login elsewhere), none, require, verify; implicit, implicit-verify: TLS from the first octet on" },
    { 0,   "receive",           "WAY",       "hosted, imap, pop3 or none: where the mail is looked for; without it, what is given says it" },
    { 0,   "imap",              "HOST:PORT", "look into the customer's mailbox by IMAP" },
    { 0,   "pop3",              "HOST:PORT", "look into the customer's mailbox by POP3" },
    { 'u', "user",              "USER",      "of the customer's mailbox" },
    { 0,   "password-file",     "FILE",      "its password: one line" },
    { 0,   "token-command",     "COMMAND",   "prints an access token for it (OAuth)" },
    { 0,   "auth",              "MECHANISM", "as --smtp-auth" },
    { 0,   "account-tls",       "MODE",      "as --tls; without it verify, on this machine require; implicit on ports 993 and 995" },
    { 0,   "folder",            "NAME",      "IMAP: where the mail arrives; INBOX without it" },
    { 0,   "junk-folder",       "NAME",      "IMAP: of junk, looked into, too; without it, the one the server marks; \"\": none" },
    { 0,   "poll-gap",          "SPAN",      "before the second look into the mailbox, growing; 2s without it" },
    { 0,   "label",             "NAME",      "of the check: left-overs of this name alone are deleted from the customer's mailbox" },
    { 'W', "window",            "SPAN",      "when it counts as lost; 10m without it" },
    { 'w', "warning",           "RANGE",     "WARNING outside of it, in seconds; 95 without it" },
    { 'c', "critical",          "RANGE",     "CRITICAL outside of it, in seconds; 300 without it" },
    { 't', "timeout",           "SPAN",      "for connecting and each reply of a server; 60s without it" },
    { 0,   "retry-gap",         "SPAN",      "before another attempt, doubling each time; 10s without it; 0: one attempt" },
    { 0,   "ca-file",           "FILE",      "authorities for verified TLS and for https" },
    { 0,   "insecure",          NULL,        "do not check the certificate of the API" },
    { 0,   "helo",              "NAME",      "name for EHLO; without it, this machine's" },
    { 0,   "dns",               "HOST:PORT", "name server instead of the system's" },
    { '4', "ipv4",              NULL,        "connect by IPv4 alone" },
    { '6', "ipv6",              NULL,        "connect by IPv6 alone" },
    { 0,   "keep",              NULL,        "do not delete the message after success" },
    { 0,   "no-auto-submitted", NULL,        "leave out Auto-Submitted, where a rule skips such mail" },
    { 0,   "json",              NULL,        "print the whole story as JSON" },
    { 'v', "verbose",           NULL,        "print a timeline behind the line" },
    { 0, NULL, NULL, NULL },
};

enum {
    WINDOW_MS = 600000, TIMEOUT_MS = 60000, RETRY_GAP_MS = 10000, POLL_GAP_MS = 2000,
    SMTP_PORT = 25, SMTPS_PORT = 465, IMAP_PORT = 143, IMAPS_PORT = 993, POP3_PORT = 110, POP3S_PORT = 995,
};

/* ---- What belongs together --------------------------------------------------------------------------------------- */

/* By which of these options is it sent? Two exclude each other. */
static int
read_way(struct settings *s, const struct options *o, const char **server)
{
    static const struct { const char *option; enum send_way way; } ways[] = {
        { "smtp", SEND_HOST }, { "relay", SEND_RELAY }, { "sendmail", SEND_SENDMAIL }, { "no-send", SEND_NONE },
    };
    const char *found = NULL;

    s->plan.send = SEND_MX;
    for (size_t i = 0; i < COUNT(ways); i++) {
        if (!options_has(o, ways[i].option))
            continue;
        if (found != NULL)
            return settings_refuse(s, "--%s and --%s exclude each other", found, ways[i].option);
        found = ways[i].option;
        s->plan.send = ways[i].way;
    }
    *server = s->plan.send == SEND_HOST || s->plan.send == SEND_RELAY ? found : NULL;
    if (s->plan.send == SEND_SENDMAIL && (s->plan.sendmail = options_value(o, "sendmail"))[0] != '/')
        return settings_refuse(s, "--sendmail needs the whole path of the program");
    s->plan.expect = options_value(o, "expect");
    if (s->plan.expect != NULL && s->plan.send != SEND_NONE)
        return settings_refuse(s, "--expect goes with --no-send alone: what is sent has a token of its own");
    return MT_OK;
}

static int
read_route(struct settings *s, const struct options *o)
{
    static const struct auth_options names = { "smtp-user", "smtp-password-file", "smtp-token-command", "smtp-auth" };
    const char                      *port = options_value(o, "mx-port"), *server = NULL;
    int                              rc = read_way(s, o, &server);

    if (rc != MT_OK)
        return rc;
    s->plan.server.port = SMTP_PORT;
    if (port != NULL && s->plan.send != SEND_MX)
        return settings_refuse(s, "--mx-port goes with the MX alone: give the port behind the host");
    if (port != NULL && settings_port(slice_of(port), &s->plan.server.port) != MT_OK)
        return settings_refuse(s, "--mx-port is a number from 1 to 65535");
    if (server != NULL) {
        rc = settings_server(s, server, options_value(o, server), s->server, &s->plan.server.port);
        s->plan.server.host = s->server;
    }
    if (rc == MT_OK)
        rc = settings_tls(s, o, "tls", TLS_AUTO, server != NULL ? SMTPS_PORT : 0, &s->plan.server);
    if (rc == MT_OK)
        rc = settings_auth(s, o, &names, s->commands[0], &s->plan.server.auth);
    if (rc == MT_OK && s->plan.server.auth.user != NULL && server == NULL)
        return settings_refuse(s, "--smtp-user goes with --smtp and --relay alone");
    if (rc == MT_OK && server != NULL)
        settings_demand_trust(o, "tls", &s->plan.server);
    return rc;
}

/* By which of these is the arrival seen? */
static int
read_receive(struct settings *s, const struct options *o, const char **server)
{
    static const char *const words[] = { [RECEIVE_HOSTED] = "hosted", [RECEIVE_IMAP] = "imap", [RECEIVE_POP3] = "pop3", [RECEIVE_NONE] = "none" };
    const char              *wanted = options_value(o, "receive");
    int                      place = wanted == NULL ? -1 : settings_word(wanted, words, COUNT(words));

    if (wanted != NULL && place == -1)
        return settings_refuse(s, "--receive \"%.60s\": there are hosted, imap, pop3 and none", wanted);
    if (options_has(o, "imap") && options_has(o, "pop3"))
        return settings_refuse(s, "--imap and --pop3 exclude each other");
    *server = options_has(o, "imap") ? "imap" : options_has(o, "pop3") ? "pop3" : NULL;
    s->plan.receive = *server == NULL ? RECEIVE_HOSTED : options_has(o, "imap") ? RECEIVE_IMAP : RECEIVE_POP3;
    if (place == -1)
        return MT_OK;
    if (*server != NULL && (enum receive_way)place != s->plan.receive)
        return settings_refuse(s, "--receive %s and --%s exclude each other", wanted, *server);
    s->plan.receive = (enum receive_way)place;
    if (*server == NULL && (s->plan.receive == RECEIVE_IMAP || s->plan.receive == RECEIVE_POP3))
        return settings_refuse(s, "--%s is missing: the server of the customer's mailbox", wanted);
    return MT_OK;
}

static int
read_account(struct settings *s, const struct options *o)
{
    static const struct auth_options names = { "user", "password-file", "token-command", "auth" };
    struct server                   *a = &s->plan.account;
    const char                      *server = NULL;
    int                              rc = read_receive(s, o, &server);
    bool                             imap = s->plan.receive == RECEIVE_IMAP, wanted;

    if (rc != MT_OK)
        return rc;
    wanted = server != NULL;
    if (!wanted && (options_has(o, "user") || options_has(o, "password-file") || options_has(o, "token-command") || options_has(o, "auth")))
        return settings_refuse(s, "--user and what belongs to it go with --imap and --pop3 alone; for the sending server there is --smtp-user");
    s->plan.folder = options_value(o, "folder") != NULL ? options_value(o, "folder") : "INBOX";
    s->plan.junk_folder = options_value(o, "junk-folder");
    s->plan.label = options_value(o, "label");
    if (!wanted)
        return MT_OK;
    a->port = imap ? IMAPS_PORT : POP3S_PORT;
    a->host = s->account;
    rc = settings_server(s, server, options_value(o, server), s->account, &a->port);
    if (rc == MT_OK)
        rc = settings_tls(s, o, "account-tls", TLS_REQUIRE, imap ? IMAPS_PORT : POP3S_PORT, a);
    if (rc == MT_OK)
        rc = settings_auth(s, o, &names, s->commands[1], &a->auth);
    if (rc == MT_OK && a->auth.user == NULL)
        return settings_refuse(s, "--user is missing: whose mailbox is looked into");
    if (rc == MT_OK)
        settings_demand_trust(o, "account-tls", a);
    return rc;
}

/* The service is asked where a mailbox is named; and there must be one where the mail is to come to it. */
static int
read_service(struct settings *s, const struct options *o, const char *api_url_default)
{
    const char *mailbox = options_value(o, "mailbox"), *url = options_value(o, "api") != NULL ? options_value(o, "api") : api_url_default;

    s->api_key_file = options_value(o, "api-key-file");
    s->insecure = options_has(o, "insecure");
    if (s->plan.receive != RECEIVE_HOSTED && mailbox == NULL)
        return MT_OK;
    s->api_url = url;
    if (url == NULL)
        return settings_refuse(s, "--api is missing: the address of the service, such as http://127.0.0.1:8025");
    if (!api_url_is_fit(url))
        return settings_refuse(s, "--api \"%.100s\" is neither http://…, https://… nor unix:/path", url);
    if (mailbox == NULL)
        return settings_refuse(s, "--mailbox is missing: the mailbox that the customer's rule forwards to");
    if (mailbox_name_parse(slice_of(mailbox), s->mailbox) != MT_OK)
        return settings_refuse(s, "--mailbox \"%.70s\" is no name of a mailbox: letters, digits, '.', '-' and '_', without a domain", mailbox);
    s->plan.mailbox = s->mailbox;
    return MT_OK;
}

static int
read_times(struct settings *s, const struct options *o)
{
    int rc = settings_span(s, o, "window", WINDOW_MS, 1000, &s->plan.window_ms);

    if (rc == MT_OK)
        rc = settings_span(s, o, "timeout", TIMEOUT_MS, 100, &s->plan.timeout_ms);
    if (rc == MT_OK)
        rc = settings_span(s, o, "retry-gap", RETRY_GAP_MS, 0, &s->plan.retry_gap_ms);
    if (rc == MT_OK)
        rc = settings_span(s, o, "poll-gap", POLL_GAP_MS, 100, &s->plan.poll_gap_ms);
    if (rc == MT_OK)
        rc = settings_range(s, o, "warning", "95", &s->plan.warning);
    if (rc == MT_OK)
        rc = settings_range(s, o, "critical", "300", &s->plan.critical);
    return rc;
}

/* The scenarios as the field numbers them; 0: none of these. */
static unsigned
scenario_of(const struct plan *p)
{
    bool account = p->receive == RECEIVE_IMAP || p->receive == RECEIVE_POP3, hosted = p->receive == RECEIVE_HOSTED;
    bool own = p->send == SEND_RELAY || p->send == SEND_SENDMAIL, customers = p->send == SEND_HOST || p->send == SEND_MX;

    if (hosted)
        return own ? 5 : customers ? 2 : 0;
    if (!account)
        return 0;
    return own ? 4 : !customers ? 0 : p->server.auth.user != NULL ? 3 : 1;
}

static int
read_scenario(struct settings *s, const struct options *o)
{
    static const char *const needs[] = {
        "", "the customer's server (--smtp without a login, or its MX), and --imap or --pop3",
        "the customer's server (--smtp, or its MX), and no --imap or --pop3", "--smtp with --smtp-user, and --imap or --pop3",
        "--relay or --sendmail, and --imap or --pop3", "--relay or --sendmail, and no --imap or --pop3",
    };
    const char *text = options_value(o, "scenario");
    uint64_t    wanted;

    s->plan.scenario = scenario_of(&s->plan);
    if (text == NULL)
        return MT_OK;
    if (slice_to_u64(slice_of(text), COUNT(needs) - 1, &wanted) != MT_OK || wanted == 0)
        return settings_refuse(s, "--scenario is a number from 1 to 5");
    if (wanted != s->plan.scenario)
        return settings_refuse(s, "--scenario %u needs %s", (unsigned)wanted, needs[wanted]);
    return MT_OK;
}

static int
read_addresses(struct settings *s, const struct options *o)
{
    int rc = settings_address(s, o, "to", &s->plan.to);

    if (rc == MT_OK && s->plan.to == NULL && s->plan.send != SEND_NONE)
        rc = settings_refuse(s, "--to is missing: the customer's address that mail is sent to");
    return rc == MT_OK ? settings_address(s, o, "from", &s->plan.from) : rc;
}

/* Without sending something must say what is waited for. */
static int
check_expected(struct settings *s)
{
    struct token token;

    if (s->plan.send != SEND_NONE)
        return MT_OK;
    if (s->plan.receive == RECEIVE_NONE)
        return settings_refuse(s, "--no-send with --receive none is nothing to do");
    if (s->plan.receive != RECEIVE_HOSTED)
        return s->plan.expect == NULL || s->plan.expect[0] == '\0' ? settings_refuse(s, "--expect is missing: the text to look for") : MT_OK;
    if (s->plan.expect != NULL && token_decode(slice_of(s->plan.expect), &token) != MT_OK)
        return settings_refuse(s, "--expect \"%.60s\" is no token; in the service's mailbox a token is expected, or without --expect any", s->plan.expect);
    return MT_OK;
}

static int
read_family(struct settings *s, const struct options *o)
{
    s->dns = options_value(o, "dns");
    if (options_has(o, "ipv4") && options_has(o, "ipv6"))
        return settings_refuse(s, "-4 and -6 exclude each other");
    s->family = options_has(o, "ipv4") ? FAMILY_IPV4 : options_has(o, "ipv6") ? FAMILY_IPV6 : FAMILY_ANY;
    return MT_OK;
}

int
settings_read(struct settings *s, const struct options *o, const char *api_url_default)
{
    typedef int read_fn(struct settings *s, const struct options *o);
    static read_fn *const more[] = { read_addresses, read_times, settings_ca_file, settings_helo };
    int                   rc;

    *s = (struct settings){ .verbose = options_times(o, "verbose"), .json = options_has(o, "json") };
    s->plan.keep = options_has(o, "keep");
    s->plan.auto_submitted = !options_has(o, "no-auto-submitted");
    rc = read_family(s, o);
    if (rc == MT_OK)
        rc = read_route(s, o);
    if (rc == MT_OK)
        rc = read_account(s, o);
    if (rc == MT_OK)
        rc = read_scenario(s, o);
    if (rc == MT_OK)
        rc = read_service(s, o, api_url_default);
    for (size_t i = 0; rc == MT_OK && i < COUNT(more); i++)
        rc = more[i](s, o);
    return rc == MT_OK ? check_expected(s) : rc;
}

/* ---- Of a probe -------------------------------------------------------------------------------------------------- */

/* The server, or the recipient's domain, or a domain for whose postmaster there would be mail. */
static int
read_probed(struct settings *s, const struct options *o)
{
    const char *server = options_value(o, "server"), *domain = options_value(o, "domain"), *port = options_value(o, "mx-port");
    int         rc = settings_address(s, o, "rcpt", &s->plan.to);

    s->plan.server.port = SMTP_PORT;
    s->plan.send = server != NULL ? SEND_HOST : SEND_MX;
    if (rc == MT_OK && server != NULL) {
        s->plan.server.host = s->server;
        rc = settings_server(s, "server", server, s->server, &s->plan.server.port);
    } else if (rc == MT_OK && s->plan.to == NULL && domain != NULL) {
        snprintf(s->postmaster, sizeof(s->postmaster), "postmaster@%.255s", domain);
        s->plan.to = s->postmaster;
    } else if (rc == MT_OK && s->plan.to == NULL) {
        rc = settings_refuse(s, "--server, --domain or --rcpt is missing: what is looked at");
    }
    if (rc == MT_OK && s->plan.to == s->postmaster && !compose_address_is_fit(slice_of(s->postmaster)))
        rc = settings_refuse(s, "--domain \"%.100s\" is no domain", domain);
    if (rc == MT_OK && port != NULL && settings_port(slice_of(port), &s->plan.server.port) != MT_OK)
        rc = settings_refuse(s, "--mx-port \"%.60s\" is no port: 1 to 65535", port);
    return rc;
}

int
settings_read_probe(struct settings *s, const struct options *o)
{
    static const struct auth_options names = { "user", "password-file", "token-command", "auth" };
    int                              rc;

    *s = (struct settings){ .verbose = options_times(o, "verbose"), .json = options_has(o, "json") };
    if ((rc = read_family(s, o)) == MT_OK && (rc = read_probed(s, o)) == MT_OK && (rc = settings_address(s, o, "from", &s->plan.from)) == MT_OK &&
        (rc = settings_tls(s, o, "tls", TLS_AUTO, SMTPS_PORT, &s->plan.server)) == MT_OK && (rc = settings_ca_file(s, o)) == MT_OK &&
        (rc = settings_auth(s, o, &names, s->commands[0], &s->plan.server.auth)) == MT_OK && (rc = settings_helo(s, o)) == MT_OK &&
        (rc = settings_range(s, o, "warning", "", &s->plan.warning)) == MT_OK && (rc = settings_range(s, o, "critical", "", &s->plan.critical)) == MT_OK)
        rc = settings_span(s, o, "timeout", TIMEOUT_MS, 100, &s->plan.timeout_ms);
    if (rc == MT_OK && s->plan.server.host != NULL)
        settings_demand_trust(o, "tls", &s->plan.server);
    return rc;
}
