#include "tests/unit/unit.h"

#include "lib/config.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define DOMAINS "domains: [a.test]\n"

static struct config *
parse(const char *text)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;

    if (config_parse(slice_of(text), "f.yaml", &c, &error) != MT_OK)
        fail_msg("\"%s\": %s", text, error.text);
    return c;
}

/* ---- Bad configurations and the whole message for each --------------------------------------------------------- */

static const struct {
    const char *label, *text, *message;
} bad[] = {
    /* Not YAML, or more of YAML than is taken. */
    { "empty", "", "f.yaml:1:1: found no settings, allowed: \"name: value\" lines, domains among them" },
    { "comment only", "# nothing\n", "f.yaml:1:1: found no settings, allowed: \"name: value\" lines, domains among them" },
    { "list", "[]", "f.yaml:1:1: found no settings, allowed: \"name: value\" lines, domains among them" },
    { "scalar", "domains\n", "f.yaml:1:1: found no settings, allowed: \"name: value\" lines, domains among them" },
    { "tab", DOMAINS "smtp:\n\terrors_max: 5\n", "f.yaml:3:1: found a tab, allowed: spaces to indent with" },
    { "bracket left open", "domains: [a.test\nsmtp: {}\n",
      "f.yaml:2:5: found what is no YAML (did not find expected ',' or ']' while parsing a flow sequence), "
      "allowed: \"name: value\" lines and lists \"[a, b]\"" },
    { "no UTF-8", DOMAINS "hostname: a\xff\n",
      "f.yaml:2:12: found bytes that are no text (invalid leading UTF-8 octet), allowed: YAML in UTF-8" },
    { "alias", "domains: &x [a.test]\n", "f.yaml:1:10: found an anchor or a tag, allowed: plain values" },
    { "undefined alias", DOMAINS "hostname: *x\n", "f.yaml:2:11: found an alias, allowed: plain values" },
    { "tag", DOMAINS "hostname: !!str a\n", "f.yaml:2:11: found an anchor or a tag, allowed: plain values" },
    { "two documents", DOMAINS "---\n" DOMAINS, "f.yaml:2:1: found a second document, allowed: one" },
    { "too deep", "domains: [[[[a]]]]\n", "f.yaml:1:13: found more than 4 levels, allowed: sections with settings" },
    { "name that is a list", DOMAINS "? [a]\n: 1\n",
      "f.yaml:2:3: found a name that is a list or a mapping, allowed: the name of a setting" },
    { "NUL", DOMAINS "hostname: \"a\\0b\"\n", "f.yaml:2:11: found a NUL character, allowed: text" },

    /* Names. */
    { "slip of a finger", DOMAINS "smtp:\n  recipents_max: 5\n",
      "f.yaml:3:3: smtp.recipents_max: found an unknown setting, did you mean \"recipients_max\"?" },
    { "section misspelt", DOMAINS "smpt: {errors_max: 5}\n", "f.yaml:2:1: smpt: found an unknown setting, did you mean \"smtp\"?" },
    { "in the wrong section", DOMAINS "recipients_max: 5\n",
      "f.yaml:2:1: recipients_max: found an unknown setting, did you mean \"smtp.recipients_max\"?" },
    { "nothing near", DOMAINS "quota:\n  colour: red\n", "f.yaml:3:3: quota.colour: found an unknown setting, allowed: mailbox_bytes" },
    { "nothing near at the top", DOMAINS "colour: red\n",
      "f.yaml:2:1: colour: found an unknown setting, allowed: domains, hostname, state_dir, control_socket, listen, processes, tls, "
      "smtp, store, retention, quota, http, access, webhook, limits, proxy, log" },
    { "twice", DOMAINS "hostname: a\nhostname: b\n", "f.yaml:3:1: hostname: found it a second time, allowed: once (line 2 has the first)" },
    { "section twice", DOMAINS "smtp: {errors_max: 5}\nlog: {level: info}\nsmtp: {}\n",
      "f.yaml:4:1: smtp: found it a second time, allowed: once (line 2 has the first)" },
    { "control character in a name", DOMAINS "\"a\\x01\": 5\n",
      "f.yaml:2:1: found the name \"a\\x01\", allowed: letters, digits and \"_\"; the settings of a section stand indented below "
      "\"section:\"" },
    { "section and name in one", DOMAINS "smtp.errors_max: 5\n",
      "f.yaml:2:1: found the name \"smtp.errors_max\", allowed: letters, digits and \"_\"; the settings of a section stand indented below "
      "\"section:\"" },
    { "bracket in a name", DOMAINS "processes:\n  user[: a\n",
      "f.yaml:3:3: found the name \"user[\", allowed: letters, digits and \"_\"; the settings of a section stand indented below "
      "\"section:\"" },

    /* Kinds of values. */
    { "domains absent", "hostname: a\n",
      "f.yaml:1:1: found no domains, allowed: \"domains: [mail.example.net]\" with the domains that mail is accepted for" },
    { "domains no list", "domains: a.test\n", "f.yaml:1:10: domains: found \"a.test\", allowed: a list \"[a, b]\" of 1 to 1000 items" },
    { "domains empty", "domains: []\n", "f.yaml:1:10: domains: found a list of 0 items, allowed: a list \"[a, b]\" of 1 to 1000 items" },
    { "section empty", DOMAINS "smtp:\n# errors_max: 5\n",
      "f.yaml:2:6: smtp: found nothing, allowed: indented \"name: value\" lines below it" },
    { "section is a value", DOMAINS "smtp: 25\n", "f.yaml:2:7: smtp: found \"25\", allowed: indented \"name: value\" lines below it" },
    { "value is a section", DOMAINS "hostname: {a: b}\n",
      "f.yaml:2:11: hostname: found a section, allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "value absent", DOMAINS "hostname:\n",
      "f.yaml:2:10: hostname: found nothing, allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "list in a list", "domains: [a.test, [b.test]]\n",
      "f.yaml:1:19: domains[1]: found a list, allowed: a domain name in ASCII, such as \"mail.example.net\"" },

    /* Numbers, booleans, levels. */
    { "a word", DOMAINS "smtp:\n  recipients_max: abc\n",
      "f.yaml:3:19: smtp.recipients_max: found \"abc\", allowed: a whole number from 1 to 1000" },
    { "name server without a port", DOMAINS "smtp: {resolvers: [192.0.2.1]}\n",
      "f.yaml:2:20: smtp.resolvers[0]: found \"192.0.2.1\", allowed: \"192.0.2.1:53\" or \"[2001:db8::1]:53\" (ports 1 to 65535)" },
    { "name server by a socket file", DOMAINS "smtp: {resolvers: [\"unix:/run/dns\"]}\n",
      "f.yaml:2:20: smtp.resolvers[0]: found \"unix:/run/dns\", allowed: \"192.0.2.1:53\" or \"[2001:db8::1]:53\" (ports 1 to 65535)" },
    { "too small", DOMAINS "smtp: {recipients_max: 0}\n",
      "f.yaml:2:24: smtp.recipients_max: found \"0\", allowed: a whole number from 1 to 1000" },
    { "too large", DOMAINS "smtp: {recipients_max: 1001}\n",
      "f.yaml:2:24: smtp.recipients_max: found \"1001\", allowed: a whole number from 1 to 1000" },
    { "over 64 bits", DOMAINS "quota: {mailbox_bytes: 99999999999999999999999}\n",
      "f.yaml:2:24: quota.mailbox_bytes: found \"99999999999999999999999\", allowed: a whole number from 1024 to 1125899906842624" },
    { "negative", DOMAINS "smtp: {errors_max: -1}\n",
      "f.yaml:2:20: smtp.errors_max: found \"-1\", allowed: a whole number from 1 to 1000" },
    { "hexadecimal", DOMAINS "smtp: {errors_max: 0x10}\n",
      "f.yaml:2:20: smtp.errors_max: found \"0x10\", allowed: a whole number from 1 to 1000" },
    { "octal", DOMAINS "smtp: {errors_max: 010}\n",
      "f.yaml:2:20: smtp.errors_max: found \"010\", allowed: a whole number from 1 to 1000" },
    { "a unit", DOMAINS "smtp: {message_max_bytes: 32M}\n",
      "f.yaml:2:27: smtp.message_max_bytes: found \"32M\", allowed: a whole number from 1024 to 1073741824" },
    { "number absent", DOMAINS "smtp:\n  errors_max:\n",
      "f.yaml:3:14: smtp.errors_max: found nothing, allowed: a whole number from 1 to 1000" },
    { "not quite true", DOMAINS "tls: {self_signed: ture}\n", "f.yaml:2:20: tls.self_signed: found \"ture\", allowed: true or false" },
    { "off", DOMAINS "tls: {self_signed: off}\n", "f.yaml:2:20: tls.self_signed: found \"off\", allowed: true or false" },
    { "level", DOMAINS "log: {level: verbose}\n",
      "f.yaml:2:14: log.level: found \"verbose\", allowed: error, warning, info or debug" },
    { "level by number", DOMAINS "log: {level: 2}\n", "f.yaml:2:14: log.level: found \"2\", allowed: error, warning, info or debug" },

    /* Forms of texts. */
    { "domain with a space", "domains: [\"a test\"]\n",
      "f.yaml:1:11: domains[0]: found \"a test\", allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "domain with an empty label", "domains:\n  - a..test\n",
      "f.yaml:2:5: domains[0]: found \"a..test\", allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "domain with a dot at the end", "domains: [a.test.]\n",
      "f.yaml:1:11: domains[0]: found \"a.test.\", allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "domain not in ASCII", "domains: [\xc3\xbc.test]\n",
      "f.yaml:1:11: domains[0]: found \"\\xc3\\xbc.test\", allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "domain with a hyphen in front", "domains: [-a.test]\n",
      "f.yaml:1:11: domains[0]: found \"-a.test\", allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "empty item", "domains: [a.test, \"\"]\n",
      "f.yaml:1:19: domains[1]: found \"\", allowed: a domain name in ASCII, such as \"mail.example.net\"" },
    { "port alone", DOMAINS "listen: {smtp: [25]}\n",
      "f.yaml:2:17: listen.smtp[0]: found \"25\", allowed: \"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or "
      "\"unix:/run/name.sock\" (at most 107 octets)" },
    { "name of a host", DOMAINS "listen: {smtp: [\"localhost:25\"]}\n",
      "f.yaml:2:17: listen.smtp[0]: found \"localhost:25\", allowed: \"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or "
      "\"unix:/run/name.sock\" (at most 107 octets)" },
    { "port 0", DOMAINS "listen: {smtp: [\"127.0.0.1:0\"]}\n",
      "f.yaml:2:17: listen.smtp[0]: found \"127.0.0.1:0\", allowed: \"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or "
      "\"unix:/run/name.sock\" (at most 107 octets)" },
    { "port 65536", DOMAINS "listen: {smtp: [\"[::1]:65536\"]}\n",
      "f.yaml:2:17: listen.smtp[0]: found \"[::1]:65536\", allowed: \"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or "
      "\"unix:/run/name.sock\" (at most 107 octets)" },
    { "IPv6 without brackets", DOMAINS "listen: {smtp: [\"::1:25\"]}\n",
      "f.yaml:2:17: listen.smtp[0]: found \"::1:25\", allowed: \"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or "
      "\"unix:/run/name.sock\" (at most 107 octets)" },
    { "bracket alone", DOMAINS "listen: {smtp: [\"[\"]}\n",
      "f.yaml:2:17: listen.smtp[0]: found \"[\", allowed: \"192.0.2.1:25\", \"[2001:db8::1]:25\" (ports 1 to 65535) or "
      "\"unix:/run/name.sock\" (at most 107 octets)" },
    { "user", DOMAINS "processes: {user: \"a b\"}\n",
      "f.yaml:2:19: processes.user: found \"a b\", allowed: the name of a user of at most 24 characters, or \"\"" },
    { "state_dir empty", DOMAINS "state_dir: \"\"\n", "f.yaml:2:12: state_dir: found \"\", allowed: the name of a file or folder" },

    /* What must fit together. */
    { "domain twice", "domains: [a.test, A.test]\n",
      "f.yaml:1:19: domains[1]: found \"A.test\" a second time, allowed: once (line 1 has it for domains[0])" },
    { "address twice", DOMAINS "listen:\n  smtp: [\"127.0.0.1:25\"]\n  http: [\"127.0.0.1:25\"]\n",
      "f.yaml:4:10: listen.http[0]: found \"127.0.0.1:25\" a second time, allowed: once (line 3 has it for listen.smtp[0])" },
    { "certificates are texts", DOMAINS "tls: {certificates: [/c]}\n",
      "f.yaml:2:22: tls.certificates[0]: found \"/c\", allowed: \"{certificate: FILE, key: FILE}\"" },
    { "certificates are no list", DOMAINS "tls: {certificates: {certificate: /c, key: /k}}\n",
      "f.yaml:2:21: tls.certificates: found a section, allowed: a list \"[a, b]\" of 0 to 1000 items" },
    { "one of certificates without its key", DOMAINS "tls: {certificates: [{certificate: /c}]}\n",
      "f.yaml:2:22: tls.certificates[0]: found without key, allowed: \"{certificate: FILE, key: FILE}\"" },
    { "one of certificates without it", DOMAINS "tls:\n  certificates:\n  - key: /k\n",
      "f.yaml:4:5: tls.certificates[0]: found without certificate, allowed: \"{certificate: FILE, key: FILE}\"" },
    { "one of certificates with more", DOMAINS "tls: {certificates: [{certificate: /c, key: /k, chain: /d}]}\n",
      "f.yaml:2:49: tls.certificates[0].chain: found an unknown setting, allowed: certificate, key" },
    { "one of certificates is empty", DOMAINS "tls: {certificates: [{certificate: \"\", key: /k}]}\n",
      "f.yaml:2:36: tls.certificates[0].certificate: found \"\", allowed: the name of a file or folder" },
    { "one of certificates is a list", DOMAINS "tls: {certificates: [[/c, /k]]}\n",
      "f.yaml:2:22: tls.certificates[0]: found a list of 2 items, allowed: \"{certificate: FILE, key: FILE}\"" },
    { "certificate without a key", DOMAINS "tls: {certificate: /c}\n",
      "f.yaml:2:20: tls.certificate: found without tls.key, allowed: both or none" },
    { "message larger than all that may be in flight", DOMAINS "smtp:\n  message_max_bytes: 2000000\n  in_flight_max_bytes: 1000000\n",
      "f.yaml:4:24: smtp.in_flight_max_bytes: found \"1000000\", allowed: smtp.in_flight_max_bytes (1000000) of at least "
      "smtp.message_max_bytes (2000000)" },
};

static void
bad_configuration_is_named_by_place_found_and_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct config_error error = { .text = "" };
        struct config      *c = NULL;
        int                 rc = config_parse(slice_of(bad[i].text), "f.yaml", &c, &error);
        if (rc != MT_ESYNTAX || c != NULL)
            fail_msg("%s: got %s, want a syntax error", bad[i].label, mt_strerror(rc));
        if (strcmp(error.text, bad[i].message) != 0)
            fail_msg("%s:\n got %s\nwant %s", bad[i].label, error.text, bad[i].message);
    }
}

/* ---- Good ones -------------------------------------------------------------------------------------------------- */

static void
absent_settings_have_their_defaults(void **state)
{
    struct config *c = parse(DOMAINS);

    (void)state;
    assert_string_equal(c->domains.items[0], "a.test");
    assert_true(c->hostname[0] != '\0');
    assert_string_equal(c->state_dir, "/var/lib/mailtest");
    assert_string_equal(c->control_socket, "/var/lib/mailtest/control.sock");
    assert_string_equal(c->tls.certificate, "/var/lib/mailtest/tls/certificate.pem");
    assert_string_equal(c->tls.key, "/var/lib/mailtest/tls/key.pem");
    assert_string_equal(c->processes.user, "mailtest");
    assert_int_equal(c->listen.smtp.count, 0);
    assert_int_equal(c->smtp.message_max_bytes, 33554432);
    assert_int_equal(c->smtp.recipients_max, 100);
    assert_int_equal(c->store.map_bytes, 68719476736);
    assert_int_equal(c->quota.mailbox_bytes, 2147483648);
    assert_false(c->smtp.refuse_bare_newline);
    assert_int_equal(c->log.level, LOG_LEVEL_INFO);
    config_free(c);
}

static void
given_settings_are_taken(void **state)
{
    struct config *c = parse("domains: [A.Test, b.test]\n"
                             "hostname: MX.a.test\n"
                             "state_dir: /s\n"
                             "listen:\n"
                             "  smtp: [\"0.0.0.0:25\", \"[::]:25\"]\n"
                             "  lmtp:\n"
                             "    - unix:/run/lmtp.sock\n"
                             "  http: []\n"
                             "processes: {smtpd: 3, user: \"\", drain_ms: 0}\n"
                             "tls: {self_signed: true, certificate: /c, key: /k}\n"
                             "smtp: {recipients_max: 1000, refuse_bare_newline: true, resolvers: [\"192.0.2.1:53\", \"[::1]:53\"]}\n"
                             "store: {map_bytes: 1048576}\n"
                             "log: {level: debug}\n");

    (void)state;
    assert_int_equal(c->domains.count, 2);
    assert_string_equal(c->domains.items[0], "a.test");
    assert_string_equal(c->hostname, "mx.a.test");
    assert_string_equal(c->control_socket, "/s/control.sock");
    assert_int_equal(c->listen.smtp.count, 2);
    assert_string_equal(c->listen.smtp.items[1], "[::]:25");
    assert_string_equal(c->listen.lmtp.items[0], "unix:/run/lmtp.sock");
    assert_int_equal(c->listen.http.count, 0);
    assert_int_equal(c->processes.smtpd, 3);
    assert_int_equal(c->processes.drain_ms, 0);
    assert_string_equal(c->processes.user, "");
    assert_true(c->tls.self_signed);
    assert_string_equal(c->tls.key, "/k");
    assert_int_equal(c->smtp.recipients_max, 1000);
    assert_true(c->smtp.refuse_bare_newline);
    assert_int_equal(c->smtp.resolvers.count, 2);
    assert_string_equal(c->smtp.resolvers.items[1], "[::1]:53");
    assert_int_equal(c->store.map_bytes, 1048576);
    assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
    config_free(c);
}

static void
json_is_taken_as_well(void **state)
{
    struct config *c = parse("{\"domains\": [\"a.test\"], \"smtp\": {\"errors_max\": 3, \"refuse_bare_newline\": true},\n"
                             " \"listen\": {\"smtp\": [\"127.0.0.1:2525\"]}}\n");

    (void)state;
    assert_int_equal(c->smtp.errors_max, 3);
    assert_true(c->smtp.refuse_bare_newline);
    config_free(c);
}

static void
listening_addresses_are_found_by_kind(void **state)
{
    static const struct {
        enum listener kind;
        const char   *address;
    } cases[] = {
        { LISTEN_SMTP, "127.0.0.1:1" },  { LISTEN_LMTP, "127.0.0.1:2" },  { LISTEN_IMAP, "127.0.0.1:3" },
        { LISTEN_IMAPS, "127.0.0.1:4" }, { LISTEN_POP3, "127.0.0.1:5" },  { LISTEN_POP3S, "127.0.0.1:6" },
        { LISTEN_HTTP, "127.0.0.1:7" },  { LISTEN_CONTROL, "unix:/c.sock" },
    };
    struct config *c = parse(DOMAINS "control_socket: /c.sock\n"
                             "listen: {smtp: [\"127.0.0.1:1\"], lmtp: [\"127.0.0.1:2\"], imap: [\"127.0.0.1:3\"], imaps: [\"127.0.0.1:4\"],\n"
                             "  pop3: [\"127.0.0.1:5\"], pop3s: [\"127.0.0.1:6\"], http: [\"127.0.0.1:7\"]}\n");

    (void)state;
    assert_int_equal(COUNT(cases), LISTEN_COUNT);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct strings found = config_listen(c, cases[i].kind);
        assert_int_equal(found.count, 1);
        assert_string_equal(found.items[0], cases[i].address);
    }
    config_free(c);
}

static void
own_domains_are_known_without_case(void **state)
{
    struct config *c = parse("domains: [a.test, b.test]\n");

    (void)state;
    assert_true(config_has_domain(c, slice_of("B.TEST")));
    assert_false(config_has_domain(c, slice_of("a.tes")));
    assert_false(config_has_domain(c, slice_of("x.a.test")));
    assert_false(config_has_domain(c, slice_of("")));
    config_free(c);
}

static void
control_socket_must_fit_a_socket_address(void **state)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    char                text[300];

    (void)state;
    snprintf(text, sizeof(text), DOMAINS "state_dir: /%094d\n", 0);
    assert_int_equal(config_parse(slice_of(text), "f.yaml", &c, &error), MT_ESYNTAX);
    assert_string_equal(error.text, "f.yaml:2:12: state_dir: found a name of 95 octets, allowed: at most 94, or a control_socket elsewhere");
    snprintf(text, sizeof(text), DOMAINS "state_dir: /%093d\n", 0);
    config_free(parse(text));
    snprintf(text, sizeof(text), DOMAINS "state_dir: /%0200d\ncontrol_socket: /c\n", 0);
    config_free(parse(text));
}

static void
size_and_number_of_values_are_bounded(void **state)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    struct buf          text;

    (void)state;
    buf_init(&text, 2 * CONFIG_MAX_BYTES);
    for (unsigned i = 0; i < 5000; i++)
        buf_printf(&text, "k%u: {a: 1}\n", i);
    assert_int_equal(config_parse(buf_slice(&text), "f.yaml", &c, &error), MT_ESYNTAX);
    assert_string_equal(error.text, "f.yaml:2000:12: found more than 4000 values");
    buf_clear(&text);
    while (text.len <= CONFIG_MAX_BYTES)
        buf_append_string(&text, "# a long comment\n");
    assert_int_equal(config_parse(buf_slice(&text), "f.yaml", &c, &error), MT_ESYNTAX);
    assert_string_equal(error.text, "f.yaml:1:1: found 1048577 octets, allowed: at most 1048576");
    buf_fini(&text);
}

static void
absent_file_is_named(void **state)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;

    (void)state;
    assert_int_equal(config_read_file("/nonexistent/f.yaml", &c, &error), MT_ENOTFOUND);
    assert_string_equal(error.text, "/nonexistent/f.yaml: cannot open the configuration: No such file or directory");
    assert_int_equal(config_read_file("/", &c, &error), MT_EIO);
    assert_string_equal(error.text, "/: cannot read the configuration: Is a directory");
}

/* What the supervisor hands to a role. */
static void
configuration_is_read_from_memory_that_was_handed_over(void **state)
{
    static const char   text[] = "domains: [a.test]\nlisten: {smtp: [\"127.0.0.1:2525\"]}\n";
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    int                 fd = memfd_create("configuration", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(config_parse_fd(-1, &c, &error), MT_EINVALID);
    assert_int_equal(config_parse_fd(fd, &c, &error), MT_EINVALID);
    assert_string_equal(error.text, "the supervisor handed over no configuration");
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(config_parse_fd(fd, &c, &error), MT_OK);
    assert_string_equal(c->domains.items[0], "a.test");
    config_free(c);
    close(fd);
}

/* The reference shows each default, so it must give what an empty configuration gives. */
static void
reference_shows_the_defaults(void **state)
{
    struct config_error error = { .text = "" };
    struct config      *reference = NULL, *c = parse(DOMAINS);

    (void)state;
    if (config_read_file("conf/mailtest.yaml", &reference, &error) != MT_OK)
        fail_msg("%s", error.text);
    assert_memory_equal(&reference->smtp, &c->smtp, sizeof(c->smtp));
    assert_memory_equal(&reference->store, &c->store, sizeof(c->store));
    assert_memory_equal(&reference->retention, &c->retention, sizeof(c->retention));
    assert_memory_equal(&reference->quota, &c->quota, sizeof(c->quota));
    assert_memory_equal(&reference->http, &c->http, sizeof(c->http));
    assert_int_equal(reference->access.sessions_max, c->access.sessions_max);
    assert_int_equal(reference->access.login_timeout_ms, c->access.login_timeout_ms);
    assert_int_equal(reference->access.idle_timeout_ms, c->access.idle_timeout_ms);
    assert_int_equal(reference->access.stalled_timeout_ms, c->access.stalled_timeout_ms);
    assert_int_equal(reference->access.compress, c->access.compress);
    assert_int_equal(reference->webhook.posts_max, c->webhook.posts_max);
    assert_int_equal(reference->webhook.timeout_ms, c->webhook.timeout_ms);
    assert_int_equal(reference->webhook.allow_private, c->webhook.allow_private);
    assert_string_equal(reference->webhook.ca_file, c->webhook.ca_file);
    assert_memory_equal(&reference->log, &c->log, sizeof(c->log));
    assert_int_equal(reference->processes.smtpd, c->processes.smtpd);
    assert_int_equal(reference->processes.imapd, c->processes.imapd);
    assert_int_equal(reference->processes.drain_ms, c->processes.drain_ms);
    assert_string_equal(reference->processes.user, c->processes.user);
    assert_string_equal(reference->state_dir, c->state_dir);
    assert_string_equal(reference->control_socket, c->control_socket);
    assert_string_equal(reference->tls.certificate, c->tls.certificate);
    assert_string_equal(reference->tls.key, c->tls.key);
    config_free(reference);
    config_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configuration_is_named_by_place_found_and_allowed),
        cmocka_unit_test(absent_settings_have_their_defaults),
        cmocka_unit_test(given_settings_are_taken),
        cmocka_unit_test(json_is_taken_as_well),
        cmocka_unit_test(listening_addresses_are_found_by_kind),
        cmocka_unit_test(own_domains_are_known_without_case),
        cmocka_unit_test(control_socket_must_fit_a_socket_address),
        cmocka_unit_test(size_and_number_of_values_are_bounded),
        cmocka_unit_test(absent_file_is_named),
        cmocka_unit_test(configuration_is_read_from_memory_that_was_handed_over),
        cmocka_unit_test(reference_shows_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
