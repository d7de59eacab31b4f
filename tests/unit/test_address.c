#include "tests/unit/unit.h"

#include "lib/address.h"

#include <stdlib.h>

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* want: the path without brackets; NULL: refused. */
static const struct { const char *label, *in, *want, *rest; bool quoted, route, utf8; } paths[] = {
    { "plain",                    "<a@b.example>",                     "a@b.example",      "",       false, false, false },
    { "what follows",             "<a@b> SIZE=1",                      "a@b",              " SIZE=1", false, false, false },
    { "what follows at once",     "<a@b>x",                            "a@b",              "x",      false, false, false },
    { "Gmail's forwarding",       "<u+caf_=acme=mailtest1.test@gmail.com>", "u+caf_=acme=mailtest1.test@gmail.com", "", false, false, false },
    { "SRS",                      "<SRS0=4Yx/=TT=src.example=u@fwd.example>", "SRS0=4Yx/=TT=src.example=u@fwd.example", "", false, false, false },
    { "SRS twice",                "<SRS1=Ab/8=fwd.example==4Yx/=TT=src.example=u@f2.example>",
                                  "SRS1=Ab/8=fwd.example==4Yx/=TT=src.example=u@f2.example", "", false, false, false },
    { "BATV",                     "<prvs=0123abcdef=u@b>",             "prvs=0123abcdef=u@b", "",    false, false, false },
    { "150 octets before the at", "<" A50 A50 A50 "@b>",               A50 A50 A50 "@b",   "",       false, false, false },
    { "dots in any order",        "<.a..b.@b>",                        ".a..b.@b",         "",       false, false, false },
    { "all of atext",             "<!#$%&'*+-/=?^_`{|}~@b>",           "!#$%&'*+-/=?^_`{|}~@b", "", false, false, false },
    { "IPv4 literal",             "<a@[192.0.2.1]>",                   "a@[192.0.2.1]",    "",       false, false, false },
    { "IPv6 literal",             "<a@[IPv6:2001:db8::1]>",            "a@[IPv6:2001:db8::1]", "",   false, false, false },
    { "quoted",                   "<\"a b\"@b>",                       "\"a b\"@b",        "",       true,  false, false },
    { "quoted at and bracket",    "<\"a@b>\"@c>",                      "\"a@b>\"@c",       "",       true,  false, false },
    { "quoted pair",              "<\"a\\\"b\\\\\"@c>",                "\"a\\\"b\\\\\"@c", "",       true,  false, false },
    { "empty quotes",             "<\"\"@c>",                          "\"\"@c",           "",       true,  false, false },
    { "source route",             "<@a.example:u@c>",                  "u@c",              "",       false, true,  false },
    { "source route of two",      "<@a,@[192.0.2.1]:u@c>",             "u@c",              "",       false, true,  false },
    { "several ats",              "<a@b@c>",                           "a@b@c",            "",       false, false, false },
    { "UTF-8 before the at",      "<\xc3\xa4@b>",                      "\xc3\xa4@b",       "",       false, false, true },
    { "UTF-8 behind the at",      "<a@\xc3\xa4.example>",              "a@\xc3\xa4.example", "",     false, false, true },
    { "trailing dot",             "<a@b.>",                            "a@b.",             "",       false, false, false },
    { "no brackets",              "a@b",                               NULL, "", false, false, false },
    { "not closed",               "<a@b",                              NULL, "", false, false, false },
    { "only opened",              "<",                                 NULL, "", false, false, false },
    { "nothing",                  "",                                  NULL, "", false, false, false },
    { "no domain behind the at",  "<a@>",                              NULL, "", false, false, false },
    { "nothing before the at",    "<@b>",                              NULL, "", false, false, false },
    { "blank inside",             "<a b@c>",                           NULL, "", false, false, false },
    { "blank at the start",       "< a@b>",                            NULL, "", false, false, false },
    { "blank at the end",         "<a@b >",                            NULL, "", false, false, false },
    { "nested brackets",          "<<a@b>>",                           NULL, "", false, false, false },
    { "comment",                  "<a(x)@b>",                          NULL, "", false, false, false },
    { "control character",        "<a\x01@b>",                         NULL, "", false, false, false },
    { "control within quotes",    "<\"a\x01\"@b>",                     NULL, "", false, false, false },
    { "quotes not closed",        "<\"a@b>",                           NULL, "", false, false, false },
    { "quoted pair cut",          "<\"a\\",                            NULL, "", false, false, false },
    { "text behind quotes",       "<\"a\"b@c>",                        NULL, "", false, false, false },
    { "nested quotes",            "<\"\"a\"\"@c>",                     NULL, "", false, false, false },
    { "backslash",                "<a\\b@c>",                          NULL, "", false, false, false },
    { "list",                     "<a@b,c@d>",                         NULL, "", false, false, false },
    { "route without an address", "<@a:>",                             NULL, "", false, false, false },
    { "route without an end",     "<@a,@b>",                           NULL, "", false, false, false },
    { "route that ends in comma", "<@a,>",                             NULL, "", false, false, false },
    { "literal not closed",       "<a@[192.0.2.1>",                    NULL, "", false, false, false },
    { "empty literal",            "<a@[]>",                            NULL, "", false, false, false },
};

static void
senders_are_read_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct path  p;
        struct slice rest;
        int          rc = path_parse_reverse(slice_of(paths[i].in), &p, &rest);

        assert_rc(paths[i].label, rc, paths[i].want == NULL ? MT_ESYNTAX : MT_OK);
        if (rc != MT_OK)
            continue;
        assert_slice(paths[i].label, p.text, paths[i].want);
        assert_slice(paths[i].label, rest, paths[i].rest);
        if (p.quoted != paths[i].quoted || p.source_route != paths[i].route || p.utf8 != paths[i].utf8)
            fail_msg("%s: a flag is wrong", paths[i].label);
    }
}

/* Whatever is cut off: an answer, and no octet read behind the end (the sanitizers see to that). */
static void
paths_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        for (size_t len = 0; len < strlen(paths[i].in); len++) {
            char        *copy = malloc(len + 1);
            struct path  p;
            struct slice rest;

            assert_non_null(copy);
            memcpy(copy, paths[i].in, len);
            path_parse_reverse(slice_make(copy, len), &p, &rest);
            path_parse_forward(slice_make(copy, len), &p, &rest);
            free(copy);
        }
    }
}

static void
only_senders_and_postmaster_need_no_domain(void **state)
{
    struct path  p;
    struct slice rest;

    (void)state;
    assert_rc("null sender", path_parse_reverse(slice_of("<>"), &p, &rest), MT_OK);
    assert_int_equal(p.text.len, 0);
    assert_rc("cron's sender", path_parse_reverse(slice_of("<root>"), &p, &rest), MT_OK);
    assert_int_equal(p.domain.len, 0);
    assert_rc("null recipient", path_parse_forward(slice_of("<>"), &p, &rest), MT_ESYNTAX);
    assert_rc("recipient", path_parse_forward(slice_of("<root>"), &p, &rest), MT_ESYNTAX);
    assert_rc("postmaster", path_parse_forward(slice_of("<PostMaster>"), &p, &rest), MT_OK);
    assert_rc("routed postmaster", path_parse_forward(slice_of("<@a:postmaster>"), &p, &rest), MT_ESYNTAX);
}

static void
paths_have_a_limit(void **state)
{
    char         in[1100];
    struct path  p;
    struct slice rest;

    (void)state;
    memset(in, 'a', sizeof(in));
    in[0] = '<';
    memcpy(in + 1021, "@bcd>", 5);      /* 1024 octets within the brackets */
    assert_rc("at the limit", path_parse_reverse(slice_make(in, 1026), &p, &rest), MT_OK);
    assert_int_equal(p.text.len, 1024);
    memcpy(in + 1021, "a@bcd>", 6);
    assert_rc("over the limit", path_parse_reverse(slice_make(in, 1027), &p, &rest), MT_ESYNTAX);
    memset(in, 'a', 300);
    memcpy(in, "<a@", 3);
    in[258] = '>';                      /* a domain of 255 octets */
    assert_rc("domain at its limit", path_parse_reverse(slice_make(in, 259), &p, &rest), MT_OK);
    in[258] = 'a';
    in[259] = '>';
    assert_rc("domain over its limit", path_parse_reverse(slice_make(in, 260), &p, &rest), MT_ESYNTAX);
}

static const struct { const char *label, *in; int rc; const char *name, *detail; } recipients[] = {
    { "name",                      "<acme@mailtest1.test>",            MT_OK, "acme", "" },
    { "case of both",              "<ACME@MailTest1.Test>",            MT_OK, "acme", "" },
    { "second domain",             "<acme@other.test>",                MT_OK, "acme", "" },
    { "detail",                    "<acme+x@mailtest1.test>",          MT_OK, "acme", "x" },
    { "detail's case is kept",     "<acme+Xy@mailtest1.test>",         MT_OK, "acme", "Xy" },
    { "detail of a token",         "<acme+mt10123456789abcdefghjkmnpqrstvwxyz01234567@mailtest1.test>", MT_OK, "acme",
                                   "mt10123456789abcdefghjkmnpqrstvwxyz01234567" },
    { "several pluses",            "<acme+a+b@mailtest1.test>",        MT_OK, "acme", "a+b" },
    { "empty detail",              "<acme+@mailtest1.test>",           MT_OK, "acme", "" },
    { "UTF-8 in the detail",       "<acme+\xc3\xa4@mailtest1.test>",   MT_OK, "acme", "\xc3\xa4" },
    { "marks of a name",           "<a.b-c_d@mailtest1.test>",         MT_OK, "a.b-c_d", "" },
    { "postmaster",                "<postmaster>",                     MT_OK, "postmaster", "" },
    { "postmaster's case",         "<Postmaster@MAILTEST1.test>",      MT_OK, "postmaster", "" },
    { "abuse",                     "<abuse@other.test>",               MT_OK, "abuse", "" },
    { "no name",                   "<+x@mailtest1.test>",              MT_ENOTFOUND, "", "" },
    { "dots that make no name",    "<a..b@mailtest1.test>",            MT_ENOTFOUND, "", "" },
    { "leading dot",               "<.acme@mailtest1.test>",           MT_ENOTFOUND, "", "" },
    { "folder trick",              "<../acme@mailtest1.test>",         MT_ENOTFOUND, "", "" },
    { "pipe",                      "<|sh@mailtest1.test>",             MT_ENOTFOUND, "", "" },
    { "UTF-8 name",                "<\xc3\xa4@mailtest1.test>",        MT_ENOTFOUND, "", "" },
    { "foreign domain",            "<acme@else.test>",                 MT_EDENIED, "", "" },
    { "domain below ours",         "<acme@sub.mailtest1.test>",        MT_EDENIED, "", "" },
    { "domain that ends as ours",  "<acme@xmailtest1.test>",           MT_EDENIED, "", "" },
    { "domain that begins so",     "<acme@mailtest1.test.else.test>",  MT_EDENIED, "", "" },
    { "trailing dot",              "<acme@mailtest1.test.>",           MT_EDENIED, "", "" },
    { "address literal",           "<acme@[127.0.0.1]>",               MT_EDENIED, "", "" },
    { "IPv6 literal",              "<acme@[IPv6:::1]>",                MT_EDENIED, "", "" },
    { "percent hack",              "<user%else.test@mailtest1.test>",  MT_EDENIED, "", "" },
    { "percent hack on a mailbox", "<acme%else.test@mailtest1.test>",  MT_EDENIED, "", "" },
    { "percent in the detail",     "<acme+user%else.test@mailtest1.test>", MT_EDENIED, "", "" },
    { "bang path",                 "<else.test!user@mailtest1.test>",  MT_EDENIED, "", "" },
    { "bang path to us",           "<mailtest1.test!acme@else.test>",  MT_EDENIED, "", "" },
    { "source route",              "<@mailtest1.test:user@else.test>", MT_EDENIED, "", "" },
    { "source route to us",        "<@else.test:acme@mailtest1.test>", MT_EDENIED, "", "" },
    { "two ats",                   "<user@else.test@mailtest1.test>",  MT_EDENIED, "", "" },
    { "quoted",                    "<\"acme\"@mailtest1.test>",        MT_EDENIED, "", "" },
    { "quoted address",            "<\"user@else.test\"@mailtest1.test>", MT_EDENIED, "", "" },
    { "quoted percent",            "<\"user%else.test\"@mailtest1.test>", MT_EDENIED, "", "" },
    { "IDN that looks like ours",  "<acme@m\xc3\xa4iltest1.test>",     MT_EDENIED, "", "" },
};

static void
recipients_mean_a_mailbox_or_nothing(void **state)
{
    char                 first[] = "mailtest1.test", second[] = "other.test";
    char                *domains[] = { first, second };
    const struct config  config = { .domains = { .items = domains, .count = COUNT(domains) } };

    (void)state;
    for (size_t i = 0; i < COUNT(recipients); i++) {
        struct path  p;
        struct slice rest, detail;
        char         name[MAILBOX_NAME_MAX + 1];
        int          rc;

        assert_rc(recipients[i].label, path_parse_forward(slice_of(recipients[i].in), &p, &rest), MT_OK);
        rc = address_mailbox(&p, &config, name, &detail);
        assert_rc(recipients[i].label, rc, recipients[i].rc);
        if (rc == MT_OK) {
            assert_string_equal(name, recipients[i].name);
            assert_slice(recipients[i].label, detail, recipients[i].detail);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_are_read_as_written),
        cmocka_unit_test(paths_may_be_cut_anywhere),
        cmocka_unit_test(only_senders_and_postmaster_need_no_domain),
        cmocka_unit_test(paths_have_a_limit),
        cmocka_unit_test(recipients_mean_a_mailbox_or_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
