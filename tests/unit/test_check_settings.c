#include "tests/unit/unit.h"

#include "checker/settings.h"

#include <stdio.h>

static int
read_line(struct settings *s, const char *line)
{
    static struct options o;
    static char           copy[512];
    char                 *words[32], *at = NULL;
    int                   count = 0;

    snprintf(copy, sizeof(copy), "%s", line);
    for (char *w = strtok_r(copy, " ", &at); w != NULL; w = strtok_r(NULL, " ", &at))
        words[count++] = w;
    options_init(&o, once_options, NULL);
    assert_int_equal(options_read(&o, count, words, false), count);
    return settings_read(s, &o, NULL);
}

#define GOOD "--api http://127.0.0.1:8025 --mailbox Acme --to u@c.test "

static void
defaults_are_those_of_the_manual(void **state)
{
    struct settings s;

    (void)state;
    assert_rc(s.error, read_line(&s, GOOD), MT_OK);
    assert_int_equal(s.plan.scenario, 2);
    assert_string_equal(s.plan.mailbox, "acme");
    assert_null(s.plan.server.host);
    assert_null(s.plan.from);
    assert_int_equal(s.plan.server.port, 25);
    assert_int_equal(s.plan.window_ms, 600000);
    assert_int_equal(s.plan.timeout_ms, 60000);
    assert_int_equal(s.plan.retry_gap_ms, 10000);
    assert_string_equal(s.plan.warning.text, "95");
    assert_string_equal(s.plan.critical.text, "300");
    assert_int_equal(s.plan.server.tls, TLS_AUTO);
    assert_true(s.plan.auto_submitted);
    assert_false(s.plan.keep);
    assert_int_equal(s.family, FAMILY_ANY);
}

static void
options_reach_the_plan(void **state)
{
    struct settings s;

    (void)state;
    assert_rc("relay", read_line(&s, GOOD "--relay out.test:587 --window 1m -w 5 -c @1:2 --keep --no-auto-submitted --tls require -vv -6 --json "
                                          "--helo me.test --from x@y.test --retry-gap 0 --dns 127.0.0.1:53"), MT_OK);
    assert_int_equal(s.plan.scenario, 5);
    assert_string_equal(s.plan.server.host, "out.test");
    assert_int_equal(s.plan.server.port, 587);
    assert_int_equal(s.plan.window_ms, 60000);
    assert_int_equal(s.plan.retry_gap_ms, 0);
    assert_true(s.plan.critical.inside);
    assert_true(s.plan.keep);
    assert_false(s.plan.auto_submitted);
    assert_int_equal(s.plan.server.tls, TLS_REQUIRE);
    assert_int_equal(s.verbose, 2);
    assert_int_equal(s.family, FAMILY_IPV6);
    assert_string_equal(s.plan.helo, "me.test");
    assert_string_equal(s.plan.from, "x@y.test");
    assert_rc("mx port", read_line(&s, GOOD "--mx-port 2525"), MT_OK);
    assert_int_equal(s.plan.server.port, 2525);
}

static void
each_wrong_option_is_named(void **state)
{
    static const struct { const char *line, *begins; } cases[] = {
        { "--mailbox a --to u@c.test",        "--api is missing"        },
        { GOOD "--api ftp://x",               "--api \"ftp://x\""       },
        { GOOD "--api http://",               "--api \"http://\""       },
        { GOOD "--api unix:relative",         "--api \"unix:relative\"" },
        { "--api http://x --to u@c.test",     "--mailbox is missing"    },
        { GOOD "--mailbox a@b",               "--mailbox \"a@b\""       },
        { "--api http://x --mailbox a",       "--to is missing"         },
        { GOOD "--to nobody",                 "--to \"nobody\""         },
        { GOOD "--from <>",                   "--from \"<>\""           },
        { GOOD "--smtp a --relay b",          "--smtp and --relay exclude" },
        { GOOD "--smtp a:99999",              "--smtp \"a:99999\""      },
        { GOOD "--relay [x]:25",              "--relay \"[x]:25\""      },
        { GOOD "--mx-port 0",                 "--mx-port is a number"   },
        { GOOD "--smtp a --mx-port 25",       "--mx-port goes with"     },
        { GOOD "--window 999ms",              "--window \"999ms\""      },
        { GOOD "--window 8d",                 "--window \"8d\""         },
        { GOOD "--timeout 1",                 NULL                      },
        { GOOD "-w 1s",                       "--warning \"1s\""        },
        { GOOD "-c 9:1",                      "--critical \"9:1\""      },
        { GOOD "--tls maybe",                 "--tls \"maybe\""         },
        { GOOD "--ca-file /nowhere/ca.pem",   "--ca-file /nowhere"      },
        { GOOD "--helo a/b",                  "--helo \"a/b\""          },
        { GOOD "--ca-file /dev/null",         "--ca-file /dev/null holds no certificates" },
        { GOOD "-4 -6",                       "-4 and -6"               },
        { GOOD "-6 --smtp 192.0.2.1:25",      "-6 asks for IPv6, but --smtp 192.0.2.1 is an IPv4 address" },
        { GOOD "-4 --relay [2001:db8::1]:25", "-4 asks for IPv4, but --relay 2001:db8::1 is an IPv6 address" },
        { GOOD "-6 --smtp [2001:db8::1]:25",  NULL                      },
        { GOOD "-6 --smtp mx.test",           NULL                      },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct settings s;
        int             rc = read_line(&s, cases[i].line);

        assert_rc(cases[i].line, rc, cases[i].begins == NULL ? MT_OK : MT_EINVALID);
        if (cases[i].begins != NULL && !slice_starts(slice_of(s.error), cases[i].begins))
            fail_msg("%s: %s", cases[i].line, s.error);
    }
}

static void
servers_have_a_host_and_may_have_a_port(void **state)
{
    static const struct { const char *text; int rc; const char *host; unsigned port; } cases[] = {
        { "mx.test",              MT_OK,      "mx.test",     25   },
        { "mx.test:2525",         MT_OK,      "mx.test",     2525 },
        { "192.0.2.1:26",         MT_OK,      "192.0.2.1",   26   },
        { "[2001:db8::1]:26",     MT_OK,      "2001:db8::1", 26   },
        { "[::1]",                MT_OK,      "::1",         25   },
        { "::1",                  MT_OK,      "::1",         25   },
        { "",                     MT_ESYNTAX, NULL,          0    },
        { ":25",                  MT_ESYNTAX, NULL,          0    },
        { "a:",                   MT_ESYNTAX, NULL,          0    },
        { "a:b",                  MT_ESYNTAX, NULL,          0    },
        { "a:0",                  MT_ESYNTAX, NULL,          0    },
        { "a:1:2",                MT_ESYNTAX, NULL,          0    },
        { "[::1",                 MT_ESYNTAX, NULL,          0    },
        { "[::1]x",               MT_ESYNTAX, NULL,          0    },
        { "[127.0.0.1]",          MT_ESYNTAX, NULL,          0    },
        { "a/b",                  MT_ESYNTAX, NULL,          0    },
        { "u@a",                  MT_ESYNTAX, NULL,          0    },
        { "a b",                  MT_ESYNTAX, NULL,          0    },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char     host[ROUTE_HOST_BYTES];
        uint16_t port = 25;

        assert_rc(cases[i].text, settings_parse_server(slice_of(cases[i].text), host, &port), cases[i].rc);
        if (cases[i].rc == MT_OK) {
            assert_string_equal(host, cases[i].host);
            assert_int_equal(port, cases[i].port);
        }
    }
}

static void
a_login_elsewhere_demands_a_valid_certificate(void **state)
{
    static const struct {
        const char   *line;
        enum tls_mode tls;
        bool          implicit;
    } cases[] = {
        { "--smtp out.test", TLS_AUTO, false },
        { "--smtp out.test --smtp-user u --smtp-password-file /dev/null", TLS_VERIFY, false },
        { "--smtp out.test:465 --smtp-user u --smtp-password-file /dev/null", TLS_VERIFY, true },
        { "--smtp out.test --smtp-user u --smtp-token-command t --tls require", TLS_REQUIRE, false },
        { "--smtp 127.0.0.1 --smtp-user u --smtp-password-file /dev/null", TLS_AUTO, false },
        { "--smtp [::1]:25 --smtp-user u --smtp-password-file /dev/null", TLS_AUTO, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct settings s;
        char            line[400];

        snprintf(line, sizeof(line), "%s%s", GOOD, cases[i].line);
        assert_rc(cases[i].line, read_line(&s, line), MT_OK);
        if (s.plan.server.tls != cases[i].tls || s.plan.server.implicit_tls != cases[i].implicit)
            fail_msg("%s: mode %d, implicit %d", cases[i].line, (int)s.plan.server.tls, s.plan.server.implicit_tls);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_manual),
        cmocka_unit_test(options_reach_the_plan),
        cmocka_unit_test(each_wrong_option_is_named),
        cmocka_unit_test(servers_have_a_host_and_may_have_a_port),
        cmocka_unit_test(a_login_elsewhere_demands_a_valid_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
