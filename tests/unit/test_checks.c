#include "tests/unit/unit.h"

#include "checker/checks.h"
#include "checker/checks_load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define API     "api: {url: \"http://127.0.0.1:1\", key_file: /k}\n"
#define SERVERS "servers:\n" \
                "- {name: s, host: s.test}\n" \
                "- {name: nohost, port: 26}\n" \
                "- {name: login, host: l.test, auth: {user: u, password_file: /p}}\n" \
                "- {name: box, host: i.test, port: 995, auth: {user: u, password_file: /p}}\n" \
                "- {name: imap, host: 127.0.0.1, auth: {user: u, token_command: [/t, a]}}\n"
#define TRIP    "name: a, mailbox: m, to: a@b.test"

static struct checks *
parse(const char *text)
{
    struct config_error error = { .text = "" };
    struct checks      *c = NULL;

    if (checks_parse(slice_of(text), "f", &c, &error) != MT_OK)
        fail_msg("\"%s\": %s", text, error.text);
    return c;
}

/* ---- Bad files and the whole message for each ------------------------------------------------------------------------- */

static const struct {
    const char *label, *text, *message;     /* NULL: it is another module's */
} bad[] = {
    /* Names and kinds of values. */
    { "empty", "", "f:1:1: found no settings, allowed: \"name: value\" lines" },
    { "list", "- a\n", "f:1:1: found no settings, allowed: \"name: value\" lines" },
    { "no YAML", "checks: [a\n", "f:2:1: found what is no YAML (did not find expected ',' or ']' while parsing a flow sequence), allowed: "
      "\"name: value\" lines and lists \"[a, b]\"" },
    { "unknown at the top", "chekcs: []\n", "f:1:1: chekcs: found an unknown setting, did you mean \"checks\"?" },
    { "unknown in a check", "checks:\n- {name: a}\n- {intervall: 5m}\n", "f:3:4: checks[1].intervall: found an unknown setting, did you mean \"interval\"?" },
    { "unknown, nothing near", "api: {colour: red}\n", "f:1:7: api.colour: found an unknown setting, allowed: url, key_file, ca_file, insecure" },
    { "not for all checks", "defaults: {mailbox: m}\n",
      "f:1:12: defaults.mailbox: found an unknown setting, allowed: from, helo, interval, window, timeout, retry_gap, poll_gap, warning, critical, "
      "overlap, confirm, confirm_gap, quiet, alert, keep, auto_submitted, certificate_warning_days" },
    { "twice", "dns: 192.0.2.1\ndns: 192.0.2.1\n", "f:2:1: dns: found it a second time, allowed: once (line 1 has the first)" },
    { "too deep", "lists: [{codes: [{answer: [[a]]}]}]\n", "f:1:27: found more than 5 levels, allowed: sections with settings" },
    { "checks are a section", "checks: {a: b}\n", "f:1:9: checks: found a section, allowed: a list of sections, each as \"- name: value\"" },
    { "a check is a text", "checks: [a]\n", "f:1:10: checks[0]: found \"a\", allowed: \"name: value\" lines, indented below it, or \"{name: value}\"" },
    { "text is a list", "checks: [{name: [a]}]\n", "f:1:17: checks[0].name: found a list, allowed: a text" },
    { "list is a text", "checks: [{quiet: Sun}]\n", "f:1:18: checks[0].quiet: found \"Sun\", allowed: a list \"[a, b]\"" },
    { "nothing", "state_dir:\n", "f:1:11: state_dir: found nothing, allowed: a text" },

    /* The top. */
    { "service without key", "api: {url: \"http://a\"}\n", "f:1:6: api: found without key_file, allowed: url and key_file" },
    { "service by another scheme", "api: {url: \"ftp://a\", key_file: /k}\n",
      "f:1:12: api.url: found \"ftp://a\", allowed: http://HOST:PORT, https://HOST:PORT or unix:/PATH" },
    { "port alone", "metrics_listen: \"9725\"\n", "f:1:17: metrics_listen: found \"9725\", allowed: \"127.0.0.1:9725\" or \"[::1]:9725\"" },
    { "name servers", "dns: \"192.0.2.1,\"\n", "f:1:6: dns: found \"192.0.2.1,\", allowed: name servers \"192.0.2.1\", \"192.0.2.1:53\" or "
      "\"[2001:db8::1]:53\", separated by commas" },
    { "zone", "quiet_zone: Mars/Olympus\n", "f:1:13: quiet_zone: found \"Mars/Olympus\", allowed: a time zone of this machine, such as \"Europe/Berlin\" "
      "(the package tzdata has them)" },
    { "zone that leaves its folder", "quiet_zone: ../../../etc/passwd\n",
      "f:1:13: quiet_zone: found \"../../../etc/passwd\", allowed: a time zone such as \"Europe/Berlin\"" },
    { "no runs", "under_way_max: 0\n", "f:1:16: under_way_max: found \"0\", allowed: a whole number from 1 to 1000000" },
    { "span", "group: 2h\n", "f:1:8: group: found \"2h\", allowed: a time span with ms, s, m, h or d, such as 5m, from 0 to 1h" },
    { "wrong value for all", "defaults: {interval: often}\nchecks: [{" TRIP "}]\n" API,
      "f:1:22: defaults.interval: found \"often\", allowed: a time span with ms, s, m, h or d, such as 5m, from 1s to 7d" },

    /* Servers. */
    { "server without a name", "servers: [{host: a}]\n", "f:1:11: servers[0]: found without name, allowed: a name that checks call it by" },
    { "server twice", "servers:\n- {name: a}\n- {name: b}\n- {name: a}\n", "f:4:10: servers[2].name: found \"a\", allowed: each name once" },
    { "host with a port", "servers: [{name: a, host: \"b:25\"}]\n",
      "f:1:27: servers[0].host: found \"b:25\", allowed: the name of a host in ASCII, or an address without brackets" },
    { "port", "servers: [{name: a, port: 65536}]\n", "f:1:27: servers[0].port: found \"65536\", allowed: a whole number from 1 to 65535" },
    { "TLS", "servers: [{name: a, tls: ssl}]\n", "f:1:26: servers[0].tls: found \"ssl\", allowed: auto, none, starttls or implicit" },
    { "verify nothing", "servers: [{name: a, tls: none, verify: true}]\n", "f:1:40: servers[0].verify: found \"true\", allowed: false with tls: none" },
    { "login without a user", "servers: [{name: a, auth: {password_file: /p}}]\n",
      "f:1:27: servers[0].auth: found without user, allowed: user, and password_file or token_command" },
    { "login without a secret", "servers: [{name: a, auth: {user: u}}]\n",
      "f:1:27: servers[0].auth: found with neither password_file nor token_command, allowed: one of them" },
    { "login with both", "servers: [{name: a, auth: {user: u, password_file: /p, token_command: [t]}}]\n",
      "f:1:27: servers[0].auth: found with both password_file and token_command, allowed: one of them" },
    { "OAuth with a password", "servers: [{name: a, auth: {mechanism: xoauth2, user: u, password_file: /p}}]\n",
      "f:1:39: servers[0].auth.mechanism: found \"xoauth2\", allowed: with token_command; password_file goes with the other mechanisms" },
    { "mechanism", "servers: [{name: a, auth: {mechanism: ntlm, user: u, password_file: /p}}]\n",
      "f:1:39: servers[0].auth.mechanism: found \"ntlm\", allowed: auto, plain, login, cram-md5, scram-sha-1, scram-sha-256, xoauth2 or oauthbearer" },

    /* Ways and contacts. */
    { "way of nothing", "ways: [{name: a}]\n", "f:1:8: ways[0]: found with 0 of command, webhook and mail, allowed: one of them" },
    { "way of two kinds", "ways: [{name: a, command: [a], webhook: \"http://a/\"}]\n",
      "f:1:8: ways[0]: found with 2 of command, webhook and mail, allowed: one of them" },
    { "secret of a command", "ways: [{name: a, command: [a], secret_file: /s}]\n",
      "f:1:45: ways[0].secret_file: found \"/s\", allowed: with webhook" },
    { "webhook", "ways: [{name: a, webhook: \"http://u:p@a/\"}]\n",
      "f:1:27: ways[0].webhook: found \"http://u:p@a/\", allowed: http://… or https://…, without a user, a password and a fragment" },
    { "mail without a relay", "ways: [{name: a, mail: {from: a@b.test, to: [a@b.test]}}]\n",
      "f:1:24: ways[0].mail: found without relays, allowed: relays, from and to" },
    { "unknown relay", SERVERS "ways: [{name: a, mail: {from: a@b.test, to: [a@b.test], relays: [logim]}}]\n",
      "f:7:66: ways[0].mail.relays[0]: found \"logim\", allowed: the name of a server of this file; did you mean \"login\"?" },
    { "relay without a host", SERVERS "ways: [{name: a, mail: {from: a@b.test, to: [a@b.test], relays: [nohost]}}]\n",
      "f:7:66: ways[0].mail.relays[0]: found \"nohost\", allowed: a server with a host" },
    { "contact without ways", "contacts: [{name: a}]\n", "f:1:12: contacts[0]: found without ways, allowed: the names of 1 to 8 ways" },
    { "unknown way", "contacts: [{name: a, ways: [b]}]\n", "f:1:29: contacts[0].ways[0]: found \"b\", allowed: the name of a way of this file" },
    { "escalation to nobody", "ways: [{name: w, command: [a]}]\ncontacts: [{name: a, ways: [w], escalate_after: 1h}]\n",
      "f:2:49: contacts[0].escalate_after: found without escalate_to, allowed: both or none" },

    { "way without a name", "ways: [{command: [a]}]\n", "f:1:8: ways[0]: found without name, allowed: a name that contacts call it by" },
    { "way twice", "ways: [{name: a, command: [a]}, {name: a, command: [a]}]\n", "f:1:40: ways[1].name: found \"a\", allowed: each name once" },
    { "program without a name", "ways: [{name: a, command: [\"\"]}]\n", "f:1:28: ways[0].command[0]: found \"\", allowed: a program" },
    { "authorities of a command", "ways: [{name: a, command: [a], ca_file: /c}]\n",
      "f:1:41: ways[0].ca_file: found \"/c\", allowed: with webhook; a relay's stands with its server" },
    { "too many words", "ways: [{name: a, command: [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a]}]\n",
      "f:1:27: ways[0].command: found a list of 17 items, allowed: at most 16" },
    { "too many relays", SERVERS "ways: [{name: a, mail: {from: a@b.test, to: [a@b.test], relays: [s, s, s, s, s]}}]\n",
      "f:7:65: ways[0].mail.relays: found a list of 5 items, allowed: at most 4" },
    { "template", "ways: [{name: a, command: [a], subject: \"{{colour}}\"}]\n", NULL },
    { "contact without a name", "contacts: [{ways: [a]}]\n", "f:1:12: contacts[0]: found without name, allowed: a name that checks call it by" },
    { "contact twice", "ways: [{name: w, command: [a]}]\ncontacts: [{name: a, ways: [w]}, {name: a, ways: [w]}]\n",
      "f:2:41: contacts[1].name: found \"a\", allowed: each name once" },

    /* Lists. */
    { "list of nothing", "lists: [{name: a.test, addresses: false}]\n",
      "f:1:9: lists[0]: found neither addresses nor domains, allowed: one of them, or both" },
    { "list twice", "lists: [{name: a.test}, {name: a.test}]\n",
      "f:1:32: lists[1].name: found \"a.test\", allowed: each list once, in the file of block lists and here together" },
    { "answer", "lists: [{name: a.test, codes: [{answer: 127.0.0.9-3}]}]\n",
      "f:1:41: lists[0].codes[0].answer: found \"127.0.0.9-3\", allowed: an answer \"127.0.0.2\", or several: "
      "\"127.0.0.4-7\", \"127.0.0.*\", \"127.0.0.&8\" (with bit 8)" },
    { "no lists at all", "checks: [{name: a, kind: blacklist, hosts: [a.test]}]\n",
      "f:1:1: checks[0]: found with kind: blacklist without lists, allowed: blocklists_file, or lists" },

    /* Checks. */
    { "check without a name", "checks: [{to: a@b.test}]\n", "f:1:10: checks[0]: found without name, allowed: a name, which its results are stored under" },
    { "name", "checks: [{name: a b}]\n", "f:1:17: checks[0].name: found \"a b\", allowed: 1 to 100 letters, digits, \".\", \"-\", \"_\" and \"/\"" },
    { "name twice", API "checks:\n- {" TRIP "}\n- {name: b, mailbox: m, to: a@b.test}\n- {" TRIP "}\n",
      "f:5:10: checks[2].name: found \"a\" a second time, allowed: each name once (the check in line 3 has it)" },
    { "kind", "checks: [{name: a, kind: http}]\n", "f:1:26: checks[0].kind: found \"http\", allowed: round-trip, smtp or blacklist" },
    { "setting of another kind", "checks: [{name: a, kind: smtp, mailbox: m}]\n",
      "f:1:41: checks[0].mailbox: found \"m\", allowed: no mailbox with kind: smtp" },
    { "list of another kind", API "checks: [{" TRIP ", hosts: [a]}]\n", "f:2:53: checks[0].hosts: found with kind: round-trip, allowed: with kind: blacklist" },
    { "recipient absent", API "checks: [{name: a, mailbox: m}]\n", "f:2:10: checks[0]: found without to, allowed: the address that the test mail goes to" },
    { "recipient", API "checks: [{name: a, mailbox: m, to: b.test}]\n",
      "f:2:36: checks[0].to: found \"b.test\", allowed: an address local@domain in ASCII, without blanks, quotes and brackets" },
    { "mailbox absent", API "checks: [{name: a, to: a@b.test}]\n",
      "f:2:10: checks[0]: found without mailbox, allowed: the service's mailbox for receive: hosted, or an account" },
    { "no service", "checks: [{" TRIP "}]\n", "f:1:29: checks[0].mailbox: found \"m\", allowed: with api.url, the address of the service" },
    { "range", API "checks: [{" TRIP ", warning: \"5:1\"}]\n",
      "f:2:55: checks[0].warning: found \"5:1\", allowed: a range 95, 10:, ~:10, 10:20 or @10:20, in seconds" },
    { "quiet time", API "checks: [{" TRIP ", quiet: [Sun, \"Mon 22-6\"]}]\n",
      "f:2:59: checks[0].quiet[1]: found \"Mon 22-6\", allowed: \"Mon-Fri 22:00-06:00\", \"Sun\" or \"22:00-06:00\"" },
    { "contact", API "checks: [{" TRIP ", alert: [b]}]\n", "f:2:54: checks[0].alert[0]: found \"b\", allowed: the name of a contact of this file" },
    { "unknown check", API "checks: [{" TRIP ", depends: [b]}]\n", "f:2:56: checks[0].depends[0]: found \"b\", allowed: the name of a check of this file; did you mean \"a\"?" },
    { "on itself", API "checks: [{" TRIP ", depends: [a]}]\n",
      "f:2:55: checks[0].depends: found a circle: \"a\" waits, by others, for itself, allowed: dependencies without one" },
    { "in a circle", API "checks:\n- {" TRIP "}\n- {name: b, mailbox: m, to: a@b.test, depends: [a, c]}\n- {name: c, mailbox: m, to: a@b.test, depends: [b]}\n",
      "f:4:48: checks[1].depends: found a circle: \"b\" waits, by others, for itself, allowed: dependencies without one" },
    { "twice the same", API "checks:\n- {" TRIP "}\n- {name: b, mailbox: m, to: a@b.test, depends: [a, a]}\n",
      "f:4:52: checks[1].depends[1]: found \"a\" a second time, allowed: once" },
    { "client of a probe", API "lists: [{name: a.test}]\nchecks: [{name: a, kind: blacklist, client_of: b}, {name: b, kind: smtp, to: a@b.test}]\n",
      "f:3:48: checks[0].client_of: found \"b\", allowed: a round trip with receive: hosted, since the service alone sees who delivered" },
    { "nothing to look up", "lists: [{name: a.test}]\nchecks: [{name: a, kind: blacklist}]\n",
      "f:2:10: checks[0]: found without hosts and client_of, allowed: one of them, or both" },
    { "probe of nothing", "checks: [{name: a, kind: smtp}]\n", "f:1:10: checks[0]: found without to, allowed: an address, for the MX of its domain" },
    { "RCPT of nobody", SERVERS "checks: [{name: a, kind: smtp, server: s, rcpt: true}]\n",
      "f:7:10: checks[0]: found without to, allowed: an address, for the RCPT probe" },

    /* Presets. */
    { "no such scenario", API "checks: [{" TRIP ", scenario: 6}]\n", "f:2:56: checks[0].scenario: found \"6\", allowed: 1, 2, 3, 4, 5" },
    { "no such strategy", API "checks: [{" TRIP ", strategy: upwards}]\n",
      "f:2:56: checks[0].strategy: found \"upwards\", allowed: internal-to-internal, internal-to-external, external-to-internal, internal-out-and-back, "
      "internal-forwarded-out, external-in-and-out" },
    { "both", API "checks: [{" TRIP ", scenario: 2, strategy: external-in-and-out}]\n",
      "f:2:69: checks[0].strategy: found \"external-in-and-out\", allowed: scenario or strategy, not both" },
    { "scenario 2 by a relay", API SERVERS "checks: [{" TRIP ", scenario: 2, send: relay, server: s}]\n",
      "f:8:65: checks[0].send: found \"relay\", allowed: mx or host with scenario: 2" },
    { "scenario 2 into an account", API SERVERS "checks: [{" TRIP ", scenario: 2, receive: imap, account: imap}]\n",
      "f:8:68: checks[0].receive: found \"imap\", allowed: hosted with scenario: 2" },
    { "scenario 2 with an account", API SERVERS "checks: [{" TRIP ", scenario: 2, account: imap}]\n",
      "f:8:68: checks[0].account: found \"imap\", allowed: with receive: imap or pop3" },
    { "scenario 1 without an account", "checks: [{name: a, to: a@b.test, scenario: 1}]\n",
      "f:1:10: checks[0]: found without account, allowed: the name of a server with auth for receive: imap" },
    { "scenario 1 into our mailbox", API "checks: [{" TRIP ", scenario: 1, receive: hosted}]\n",
      "f:2:68: checks[0].receive: found \"hosted\", allowed: imap or pop3 with scenario: 1" },
    { "account without a login", SERVERS "checks: [{name: a, to: a@b.test, scenario: 1, account: s}]\n",
      "f:7:56: checks[0].account: found without auth, allowed: the name of a server with host and auth" },
    { "scenario 3 without a login", SERVERS "checks: [{name: a, to: a@b.test, scenario: 3, server: s, account: imap}]\n",
      "f:7:55: checks[0].server: found without auth, allowed: a server with auth for scenario: 3" },
    { "scenario 4 without a relay", SERVERS "checks: [{name: a, to: a@b.test, scenario: 4, account: imap}]\n",
      "f:7:10: checks[0]: found without server, allowed: a server with host for send: relay" },
    { "relay without a host", API SERVERS "checks: [{" TRIP ", scenario: 5, server: nohost}]\n",
      "f:8:67: checks[0].server: found without host, allowed: a server with host for send: relay" },
    { "MX with a host", API SERVERS "checks: [{" TRIP ", send: mx, server: s}]\n",
      "f:8:64: checks[0].server: found \"s\", allowed: a server without host (its port and TLS) with send: mx, or send: host" },
    { "each MX of a host", API SERVERS "checks: [{" TRIP ", server: s, each_mx: true}]\n",
      "f:8:66: checks[0].each_mx: found \"true\", allowed: with send: mx" },
    { "program without need", API "checks: [{" TRIP ", sendmail: /s}]\n", "f:2:56: checks[0].sendmail: found \"/s\", allowed: with send: sendmail" },
    { "nobody sends, to somebody", API "checks: [{" TRIP ", send: none}]\n",
      "f:2:36: checks[0].to: found \"a@b.test\", allowed: with send: mx, host, relay or sendmail" },
    { "a text where a token is expected", API "checks: [{name: a, mailbox: m, send: none, expect: nightly report}]\n",
      "f:2:52: checks[0].expect: found \"nightly report\", allowed: a token; without expect any genuine one counts" },
    { "nobody sends and nobody looks", API "checks: [{name: a, send: none, receive: none}]\n",
      "f:2:26: checks[0].send: found \"none\", allowed: mx, host, relay or sendmail with receive: none" },
    { "folder of POP3", SERVERS "checks: [{name: a, to: a@b.test, account: box, folder: INBOX}]\n",
      "f:7:56: checks[0].folder: found \"INBOX\", allowed: with receive: imap" },
};

static void
bad_file_is_named_by_place_found_and_allowed(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct config_error error = { .text = "" };
        struct checks      *c = NULL;
        int                 rc = checks_parse(slice_of(bad[i].text), "f", &c, &error);
        if (rc != MT_ESYNTAX || c != NULL || (bad[i].message != NULL && strcmp(error.text, bad[i].message) != 0)) {
            print_error("%s: %s\n got %s\nwant %s\n", bad[i].label, mt_strerror(rc), error.text, bad[i].message != NULL ? bad[i].message : "any");
            wrong++;
        }
        checks_free(c);
    }
    assert_int_equal(wrong, 0);
}

/* ---- Good ones ------------------------------------------------------------------------------------------------------------ */

static void
absent_settings_have_their_defaults(void **state)
{
    struct checks *c = parse(API "checks: [{" TRIP "}]\n");
    struct check  *k = &c->checks[0];

    (void)state;
    assert_string_equal(c->state_dir, "/var/lib/mailtest-check");
    assert_null(c->metrics_listen);
    assert_null(c->results_file);
    assert_int_equal(c->group_ms, 30000);
    assert_int_equal(c->under_way_max, 5000);
    assert_int_equal(k->kind, CHECK_ROUND_TRIP);
    assert_true(k->enabled);
    assert_int_equal(k->interval_ms, 300000);
    assert_int_equal(k->overlap, OVERLAP_SKIP);
    assert_int_equal(k->confirm, 2);
    assert_int_equal(k->confirm_gap_ms, 60000);
    assert_int_equal(k->certificate_warning_days, 14);
    assert_int_equal(k->client_of, -1);
    assert_int_equal(k->plan.window_ms, 600000);
    assert_int_equal(k->plan.timeout_ms, 60000);
    assert_int_equal(k->plan.retry_gap_ms, 10000);
    assert_int_equal(k->plan.poll_gap_ms, 5000);
    assert_string_equal(k->plan.warning.text, "95");
    assert_string_equal(k->plan.critical.text, "300");
    assert_int_equal(k->plan.send, SEND_MX);
    assert_int_equal(k->plan.server.port, 25);
    assert_int_equal(k->plan.receive, RECEIVE_HOSTED);
    assert_string_equal(k->plan.label, "a");
    assert_true(k->plan.auto_submitted);
    assert_true(k->plan.helo[0] != '\0');
    assert_null(k->plan.junk_folder);
    checks_free(c);
}

/* What each preset and each pair of ways comes to. */
static const struct {
    const char      *label, *settings;
    unsigned         scenario;
    enum send_way    send;
    enum receive_way receive;
    uint16_t         port, account_port;
} routes[] = {
    { "scenario 1 by the MX",             "scenario: 1, account: imap",                    1, SEND_MX,       RECEIVE_IMAP,   25,  143 },
    { "scenario 1 by a server, POP3",     "scenario: 1, server: s, account: box",          1, SEND_HOST,     RECEIVE_POP3,   25,  995 },
    { "scenario 1, POP3 said",            "scenario: 1, receive: pop3, account: imap",     1, SEND_MX,       RECEIVE_POP3,   25,  110 },
    { "scenario 2 by the MX, port given", "scenario: 2, mailbox: m, server: nohost",       2, SEND_MX,       RECEIVE_HOSTED, 26,  0   },
    { "scenario 2 by a server",           "scenario: 2, mailbox: M, server: s",            2, SEND_HOST,     RECEIVE_HOSTED, 25,  0   },
    { "scenario 3",                       "scenario: 3, server: login, account: imap",     3, SEND_HOST,     RECEIVE_IMAP,   587, 143 },
    { "scenario 4",                       "scenario: 4, server: s, account: box",          4, SEND_RELAY,    RECEIVE_POP3,   25,  995 },
    { "scenario 4 by the program",        "scenario: 4, send: sendmail, account: imap",    4, SEND_SENDMAIL, RECEIVE_IMAP,   25,  143 },
    { "scenario 5",                       "scenario: 5, server: s, mailbox: m",            5, SEND_RELAY,    RECEIVE_HOSTED, 25,  0   },
    { "internal to internal",   "strategy: internal-to-internal, server: login, account: imap",  0, SEND_HOST, RECEIVE_IMAP,   587, 143 },
    { "internal to external",   "strategy: internal-to-external, server: login, mailbox: m",     0, SEND_HOST, RECEIVE_HOSTED, 587, 0   },
    { "external to internal",   "strategy: external-to-internal, account: imap",                 0, SEND_MX,   RECEIVE_IMAP,   25,  143 },
    { "internal out and back",  "strategy: internal-out-and-back, server: login, account: imap", 0, SEND_HOST, RECEIVE_IMAP,   587, 143 },
    { "internal forwarded out", "strategy: internal-forwarded-out, server: s, mailbox: m",       0, SEND_HOST, RECEIVE_HOSTED, 25,  0   },
    { "external in and out",    "strategy: external-in-and-out, mailbox: m",                     0, SEND_MX,   RECEIVE_HOSTED, 25,  0   },
    { "neither: server takes it", "server: s, receive: none",                                    0, SEND_HOST, RECEIVE_NONE,   25,  0   },
    { "bounces known in an account", "mailbox: m, account: imap",                                0, SEND_MX,   RECEIVE_IMAP,   25,  143 },
};

static void
presets_say_how_it_is_sent_and_where_it_is_looked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(routes); i++) {
        char           text[2000];
        struct checks *c;
        struct plan   *p;

        snprintf(text, sizeof(text), API SERVERS "checks: [{name: a, to: a@b.test, %s}]\n", routes[i].settings);
        c = parse(text);
        p = &c->checks[0].plan;
        if (p->scenario != routes[i].scenario || p->send != routes[i].send || p->receive != routes[i].receive ||
            p->server.port != routes[i].port || p->account.port != routes[i].account_port)
            fail_msg("%s: scenario %u, send %u, receive %u, ports %u and %u", routes[i].label, p->scenario, p->send, p->receive, p->server.port,
                     p->account.port);
        if (p->mailbox != NULL)
            assert_string_equal(p->mailbox, "m");
        checks_free(c);
    }
}

static const struct {
    const char   *label, *settings;
    bool          implicit;
    enum tls_mode tls;
} protections[] = {
    { "nothing said",                     "host: a.test",                                                         false, TLS_AUTO    },
    { "none",                             "host: a.test, tls: none",                                              false, TLS_NONE    },
    { "STARTTLS demanded",                "host: a.test, tls: starttls",                                          false, TLS_REQUIRE },
    { "its certificate, too",             "host: a.test, tls: starttls, verify: true",                            false, TLS_VERIFY  },
    { "a valid certificate",              "host: a.test, verify: true",                                           false, TLS_VERIFY  },
    { "from the start",                   "host: a.test, tls: implicit",                                          true,  TLS_REQUIRE },
    { "by its port",                      "host: a.test, port: 465",                                              true,  TLS_REQUIRE },
    { "by its port, verified",            "host: a.test, port: 465, verify: true",                                true,  TLS_VERIFY  },
    { "STARTTLS on that port",            "host: a.test, port: 465, tls: starttls",                               false, TLS_REQUIRE },
    { "who logs in looks at it",          "host: a.test, auth: {user: u, password_file: /p}",                     false, TLS_VERIFY  },
    { "but not when told",                "host: a.test, verify: false, auth: {user: u, password_file: /p}",      false, TLS_AUTO    },
    { "nor without TLS",                  "host: a.test, tls: none, auth: {user: u, password_file: /p}",          false, TLS_NONE    },
    { "nor on this machine",              "host: 127.0.0.7, auth: {user: u, password_file: /p}",                  false, TLS_AUTO    },
    { "nor on this machine by its name",  "host: localhost, auth: {user: u, password_file: /p}",                  false, TLS_AUTO    },
};

static void
protection_of_a_server_follows_from_its_settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(protections); i++) {
        char           text[500];
        struct checks *c;
        struct server *s;

        snprintf(text, sizeof(text), API "servers: [{name: s, %s}]\nchecks: [{" TRIP ", server: s}]\n", protections[i].settings);
        c = parse(text);
        s = &c->checks[0].plan.server;
        if (s->tls != protections[i].tls || s->implicit_tls != protections[i].implicit)
            fail_msg("%s: tls %u, implicit %u", protections[i].label, s->tls, s->implicit_tls);
        checks_free(c);
    }
}

static void
login_is_taken(void **state)
{
    struct checks *c = parse(SERVERS "checks: [{name: a, to: a@b.test, scenario: 3, server: login, account: imap}]\n");
    struct plan   *p = &c->checks[0].plan;

    (void)state;
    assert_int_equal(p->server.auth.mechanism, AUTH_AUTO);
    assert_string_equal(p->server.auth.user, "u");
    assert_string_equal(p->server.auth.password_file, "/p");
    assert_null(p->server.auth.token_command[0]);
    assert_string_equal(p->account.auth.token_command[1], "a");
    assert_null(p->account.auth.token_command[2]);
    assert_string_equal(p->account.name, "imap");
    checks_free(c);
}

static void
what_holds_for_all_gives_way_to_the_check(void **state)
{
    struct checks *c = parse(API "ways: [{name: w, command: [a]}]\n"
                             "contacts: [{name: x, ways: [w]}, {name: y, ways: [w], warnings: false, reminder: 1h}]\n"
                             "defaults: {interval: 1m, critical: 10, quiet: [Sun], alert: [x], keep: true, helo: h.test}\n"
                             "checks:\n"
                             "- {" TRIP "}\n"
                             "- {name: b, mailbox: m, to: a@b.test, interval: 2m, quiet: [], alert: [y, x], keep: false}\n");
    struct check  *a = &c->checks[0], *b = &c->checks[1];

    (void)state;
    assert_int_equal(a->interval_ms, 60000);
    assert_int_equal(b->interval_ms, 120000);
    assert_string_equal(b->plan.critical.text, "10");
    assert_string_equal(b->plan.helo, "h.test");
    assert_int_equal(a->quiet_count, 1);
    assert_int_equal(b->quiet_count, 0);
    assert_int_equal(a->contacts_count, 1);
    assert_int_equal(b->contacts_count, 2);
    assert_int_equal(b->contacts[0], 1);
    assert_true(a->plan.keep);
    assert_false(b->plan.keep);
    assert_false(c->contacts[1].warnings);
    assert_true(c->contacts[1].recoveries);
    assert_int_equal(c->contacts[1].reminder_ms, 3600000);
    checks_free(c);
}

static void
names_refer_to_places_wherever_they_stand(void **state)
{
    struct checks *c = parse(API "lists: [{name: l.test, ipv6: true, codes: [{answer: 127.0.0.2, meaning: bad}]}]\n"
                             "checks:\n"
                             "- {name: z, kind: blacklist, hosts: [a.test, \"2001:db8::1\"], client_of: m/1, depends: [y, m/1]}\n"
                             "- {name: y, kind: smtp, to: a@b.test, rcpt: true}\n"
                             "- {name: m/1, mailbox: m, to: a@b.test, depends: [y]}\n");

    (void)state;
    assert_int_equal(checks_find(c, "z"), 0);
    assert_int_equal(checks_find(c, "y"), 1);
    assert_int_equal(checks_find(c, "m/1"), 2);
    assert_int_equal(checks_find(c, "m"), -1);
    assert_int_equal(c->checks[0].client_of, 2);
    assert_int_equal(c->checks[0].depends[0], 1);
    assert_int_equal(c->checks[0].depends[1], 2);
    assert_string_equal(c->checks[0].hosts[1], "2001:db8::1");
    assert_true(c->checks[1].probe_recipient);
    assert_string_equal(c->checks[1].plan.warning.text, "10");
    assert_int_equal(c->checks[2].line, 6);
    assert_string_equal(c->lists[0].codes[0].meaning, "bad");
    assert_true(c->lists[0].addresses && c->lists[0].ipv6 && !c->lists[0].domains);
    checks_free(c);
}

static void
ways_and_contacts_are_taken(void **state)
{
    struct checks *c = parse(SERVERS "ways:\n"
                             "- {name: c, command: [/bin/page, \"\", -x], timeout: 5s, give_up: 1h}\n"
                             "- {name: w, webhook: \"https://a.test/x\", secret_file: /s, ca_file: /c}\n"
                             "- {name: m, mail: {relays: [login, s], from: a@b.test, to: [x@y.test, z@y.test]}, subject: \"{{state}}\", text: \"{{list}}\"}\n"
                             "contacts: [{name: x, ways: [m, c], escalate_after: 30m, escalate_to: [w], recoveries: false}]\n");

    (void)state;
    assert_int_equal(c->ways[0].kind, ALERT_COMMAND);
    assert_string_equal(c->ways[0].command[2], "-x");
    assert_null(c->ways[0].command[3]);
    assert_int_equal(c->ways[0].timeout_ms, 5000);
    assert_int_equal(c->ways[0].give_up_ms, 3600000);
    assert_int_equal(c->ways[1].kind, ALERT_WEBHOOK);
    assert_string_equal(c->ways[1].secret_file, "/s");
    assert_int_equal(c->ways[1].give_up_ms, 86400000);
    assert_int_equal(c->ways[2].kind, ALERT_MAIL);
    assert_int_equal(c->ways[2].relays_count, 2);
    assert_int_equal(c->ways[2].relays[0].port, 587);
    assert_string_equal(c->ways[2].to[1], "z@y.test");
    assert_int_equal(c->contacts[0].ways[0], 2);
    assert_int_equal(c->contacts[0].escalate_to[0], 1);
    assert_int_equal(c->contacts[0].escalate_after_ms, 1800000);
    assert_false(c->contacts[0].recoveries);
    assert_true(c->contacts[0].warnings);
    checks_free(c);
}

/* ---- Quiet times ------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *text;
    int         rc;
    unsigned    count;
    unsigned    from, to;           /* of the last one */
} quiets[] = {
    { "Sun",                 MT_OK,      1, 8640, 10080 },
    { "sat-mon",             MT_OK,      1, 7200, 1440  },      /* over the end of the week */
    { "Mon-Sun",             MT_OK,      1, 0,    10080 },
    { "Mon 08:00-12:30",     MT_OK,      1, 480,  750   },
    { "Mon-Fri 22:00-06:00", MT_OK,      5, 7080, 7560  },
    { "Sun 22:00-06:00",     MT_OK,      1, 9960, 360   },
    { "22:00-24:00",         MT_OK,      7, 9960, 10080 },
    { "00:00-06:00",         MT_OK,      7, 8640, 9000  },
    { "",                    MT_ESYNTAX, 0, 0,    0     },
    { "Day",                 MT_ESYNTAX, 0, 0,    0     },
    { "Mon-",                MT_ESYNTAX, 0, 0,    0     },
    { "Mon 22:00",           MT_ESYNTAX, 0, 0,    0     },
    { "Mon 22:00-22:00",     MT_ESYNTAX, 0, 0,    0     },
    { "Mon 24:00-06:00",     MT_ESYNTAX, 0, 0,    0     },
    { "Mon 22:60-06:00",     MT_ESYNTAX, 0, 0,    0     },
    { "Mon 22:00-24:01",     MT_ESYNTAX, 0, 0,    0     },
    { "Mon  22:00-23:00",    MT_OK,      1, 1320, 1380  },
    { "2:00-06:00",          MT_ESYNTAX, 0, 0,    0     },
};

static void
quiet_times_are_minutes_of_the_week(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(quiets); i++) {
        struct quiet got[8] = { { 0 } };
        unsigned     count;
        int          rc = quiet_parse(slice_of(quiets[i].text), got, COUNT(got), &count);
        assert_rc(quiets[i].text, rc, quiets[i].rc);
        if (rc == MT_OK && (count != quiets[i].count || got[count - 1].from_minute != quiets[i].from || got[count - 1].to_minute != quiets[i].to))
            fail_msg("%s: %u times, the last from %u to %u", quiets[i].text, count, got[count - 1].from_minute, got[count - 1].to_minute);
    }
    assert_int_equal(quiet_parse(slice_of("22:00-23:00"), (struct quiet[3]){ { 0 } }, 3, &(unsigned){ 0 }), MT_EFULL);
}

/* ---- Files ---------------------------------------------------------------------------------------------------------------------- */

#define NAME_TEXT(section, name)       #name ":",
#define NAME_LIST(section, name)       #name ":",
#define NAME_PART(section, name, type) #name ":",
#define NAME_MANY(section, name, type) #name ":",
#define NAMES(SETTINGS)                SETTINGS(NAME_TEXT, NAME_LIST, NAME_PART, NAME_MANY)

static char *
file_text(const char *file)
{
    struct config_error error = { .text = "" };
    struct buf          text;

    buf_init(&text, CONFIG_MAX_BYTES);
    if (config_read_text(file, &text, &error) != MT_OK)
        fail_msg("%s", error.text);
    buf_append_byte(&text, '\0');
    return text.data;
}

static void
reference_has_every_setting_and_is_right(void **state)
{
    static const char *const names[] = {
        NAMES(RAW_API_SETTINGS) NAMES(RAW_AUTH_SETTINGS) NAMES(RAW_SERVER_SETTINGS) NAMES(RAW_MAIL_SETTINGS) NAMES(RAW_WAY_SETTINGS)
        NAMES(RAW_CONTACT_SETTINGS) NAMES(RAW_CODE_SETTINGS) NAMES(RAW_BLOCKLIST_SETTINGS) NAMES(RAW_CHECK_SETTINGS) NAMES(RAW_DEFAULTS_SETTINGS)
        NAMES(RAW_TOP_SETTINGS)
    };
    char          *text = file_text("conf/checks.yaml");
    struct checks *c = parse(text);

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        if (strstr(text, names[i]) == NULL)
            fail_msg("conf/checks.yaml does not show \"%s\"", names[i]);
    assert_true(c->checks_count >= 7);
    checks_free(c);
    free(text);
}

/* What "defaults" and the top show there is what holds where nothing is said. */
static void
reference_shows_the_defaults(void **state)
{
    char          *text = file_text("conf/checks.yaml");
    struct checks *reference = parse(text), *c = parse(API "checks: [{" TRIP "}]\n");
    struct check  *shown = &reference->checks[0], *k = &c->checks[0];

    (void)state;
    assert_string_equal(shown->name, "acme/inbound");
    assert_int_equal(shown->interval_ms, k->interval_ms);
    assert_int_equal(shown->plan.window_ms, k->plan.window_ms);
    assert_int_equal(shown->plan.timeout_ms, k->plan.timeout_ms);
    assert_int_equal(shown->plan.retry_gap_ms, k->plan.retry_gap_ms);
    assert_int_equal(shown->plan.poll_gap_ms, k->plan.poll_gap_ms);
    assert_string_equal(shown->plan.warning.text, k->plan.warning.text);
    assert_string_equal(shown->plan.critical.text, k->plan.critical.text);
    assert_int_equal(shown->overlap, k->overlap);
    assert_int_equal(shown->confirm, k->confirm);
    assert_int_equal(shown->confirm_gap_ms, k->confirm_gap_ms);
    assert_int_equal(shown->plan.keep, k->plan.keep);
    assert_int_equal(shown->plan.auto_submitted, k->plan.auto_submitted);
    assert_int_equal(shown->certificate_warning_days, k->certificate_warning_days);
    assert_string_equal(reference->state_dir, c->state_dir);
    assert_int_equal(reference->group_ms, c->group_ms);
    assert_int_equal(reference->under_way_max, c->under_way_max);
    checks_free(reference);
    checks_free(c);
    free(text);
}

static void
write_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void
lists_are_read_from_beside_the_file(void **state)
{
    char                dir[] = "/tmp/test_checks.XXXXXX", file[100], lists[100], want[300];
    struct config_error error = { .text = "" };
    struct checks      *c = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/checks.yaml", dir);
    snprintf(lists, sizeof(lists), "%s/lists.yaml", dir);
    write_file(file, "blocklists_file: lists.yaml\nlists: [{name: a.test}]\nchecks: [{name: a, kind: blacklist, hosts: [a]}]\n");
    snprintf(want, sizeof(want), "%s: cannot open the configuration: No such file or directory", lists);
    assert_int_equal(checks_read_file(file, &c, &error), MT_ENOTFOUND);
    assert_string_equal(error.text, want);
    write_file(lists, "lists: [{name: b.test, domains: true}, {name: c.test}]\n");
    assert_int_equal(checks_read_file(file, &c, &error), MT_OK);
    assert_int_equal(c->lists_count, 3);
    assert_string_equal(c->lists[1].name, "b.test");
    assert_true(c->lists[1].domains && !c->lists[1].addresses);
    checks_free(c);
    c = NULL;
    write_file(lists, "lists: [{name: b.test}, {name: a.test}]\n");
    snprintf(want, sizeof(want), "%s:1:32: lists[1].name: found \"a.test\", allowed: each list once, in the file of block lists and here together", lists);
    assert_int_equal(checks_read_file(file, &c, &error), MT_ESYNTAX);
    assert_string_equal(error.text, want);
    assert_null(c);
    unlink(file);
    unlink(lists);
    rmdir(dir);
}

/* Each check is read in the same time, however many there are. */
static void
many_checks_are_read(void **state)
{
    enum { MANY = 20000 };
    struct buf     text;
    struct checks *c;

    (void)state;
    buf_init(&text, CHECKS_MAX_BYTES);
    buf_append_string(&text, API "checks:\n");
    for (unsigned i = 0; i < MANY; i++)
        buf_printf(&text, "- {name: customer/%u, mailbox: m%u, to: a@b%u.test, interval: 5m, quiet: [Sun], depends: [%s%u]}\n", i, i, i, "customer/",
                   i == 0 ? MANY : i - 1);
    buf_printf(&text, "- {name: customer/%u, mailbox: m, to: a@b.test}\n", MANY);
    buf_append_byte(&text, '\0');
    c = parse(text.data);
    assert_int_equal(c->checks_count, MANY + 1);
    assert_int_equal(checks_find(c, "customer/19999"), 19999);
    assert_int_equal(c->checks[MANY - 1].depends[0], MANY - 2);
    checks_free(c);
    buf_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_file_is_named_by_place_found_and_allowed),
        cmocka_unit_test(absent_settings_have_their_defaults),
        cmocka_unit_test(presets_say_how_it_is_sent_and_where_it_is_looked_for),
        cmocka_unit_test(protection_of_a_server_follows_from_its_settings),
        cmocka_unit_test(login_is_taken),
        cmocka_unit_test(what_holds_for_all_gives_way_to_the_check),
        cmocka_unit_test(names_refer_to_places_wherever_they_stand),
        cmocka_unit_test(ways_and_contacts_are_taken),
        cmocka_unit_test(quiet_times_are_minutes_of_the_week),
        cmocka_unit_test(reference_has_every_setting_and_is_right),
        cmocka_unit_test(reference_shows_the_defaults),
        cmocka_unit_test(lists_are_read_from_beside_the_file),
        cmocka_unit_test(many_checks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
