#include "tests/unit/unit.h"

#include "lib/webhook.h"
#include "lib/webhook_url.h"

#include <string.h>

static const struct {
    const char *label, *url;
    const char *host;       /* NULL: refused */
    unsigned    port;
    bool        tls;
    const char *why;        /* a part of the sentence */
} urls[] = {
    { "https",                     "https://hooks.example.net/mail?a=b",   "hooks.example.net", 443,  true,  NULL },
    { "http with a port",          "http://hooks.example.net:8080",        "hooks.example.net", 8080, false, NULL },
    { "scheme in capitals",        "HTTPS://hooks.example.net/",           "hooks.example.net", 443,  true,  NULL },
    { "IPv4",                      "http://192.0.2.1/x",                   "192.0.2.1",         80,   false, NULL },
    { "IPv4 written as a number",  "http://2130706433/",                   "127.0.0.1",         80,   false, NULL },
    { "IPv4 written in octal",     "http://0177.0.0.1/",                   "127.0.0.1",         80,   false, NULL },
    { "IPv6",                      "https://[2001:db8::1]:9443/x",         "[2001:db8::1]",     9443, true,  NULL },
    { "punycode",                  "https://xn--bcher-kva.example/",       "xn--bcher-kva.example", 443, true, NULL },
    { "empty",                     "",                                     NULL, 0, false, "no URL" },
    { "another scheme",            "ftp://hooks.example.net/",             NULL, 0, false, "neither" },
    { "a file",                    "file:///etc/passwd",                   NULL, 0, false, "neither" },
    { "no scheme",                 "hooks.example.net",                    NULL, 0, false, "no URL" },
    { "user and password",         "https://u:p@hooks.example.net/",       NULL, 0, false, "user name" },
    { "user alone",                "https://u@hooks.example.net/",         NULL, 0, false, "user name" },
    { "fragment",                  "https://hooks.example.net/#x",         NULL, 0, false, "fragment" },
    { "blank",                     "https://hooks.example.net/a b",        NULL, 0, false, "blanks" },
    { "line end",                  "https://hooks.example.net/\r\nX: y",   NULL, 0, false, "blanks" },
    { "umlaut",                    "https://b\xc3\xbc" "cher.example/",    NULL, 0, false, "ASCII" },
    { "port 0",                    "https://hooks.example.net:0/",         NULL, 0, false, "" },
    { "port too high",             "https://hooks.example.net:65536/",     NULL, 0, false, "" },
    { "interface",                 "http://[fe80::1%25eth0]/",             NULL, 0, false, "interface" },
    { "no host",                   "https://",                             NULL, 0, false, "" },
};

static void
url_is_taken_apart_or_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct webhook_url u = { .port = 0 };
        const char        *why = NULL;
        int                rc = webhook_url_parse(slice_of(urls[i].url), &u, &why);

        if (urls[i].host == NULL) {
            assert_rc(urls[i].label, rc, MT_ESYNTAX);
            if (why == NULL || strstr(why, urls[i].why) == NULL)
                fail_msg("%s: %s", urls[i].label, why);
            continue;
        }
        assert_rc(urls[i].label, rc, MT_OK);
        assert_slice(urls[i].label, slice_of(u.host), urls[i].host);
        if (u.port != urls[i].port || u.tls != urls[i].tls)
            fail_msg("%s: port %u, tls %d", urls[i].label, u.port, u.tls);
    }
}

static void
url_has_a_longest(void **state)
{
    struct webhook_url u;
    const char        *why;
    char               text[WEBHOOK_URL_BYTES + 2];
    size_t             len = sizeof(text) - 1;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://h.example/", 18);
    assert_rc("over", webhook_url_parse(slice_make(text, len), &u, &why), MT_ESYNTAX);
    assert_rc("just", webhook_url_parse(slice_make(text, len - 1), &u, &why), MT_OK);
}

static const struct { const char *address; bool is_public; } addresses[] = {
    { "8.8.8.8", true },            { "1.1.1.1", true },           { "2606:4700::1111", true },    { "2a00:1450::8a", true },
    { "172.15.255.255", true },     { "172.32.0.0", true },        { "100.63.255.255", true },     { "100.128.0.0", true },
    { "223.255.255.255", true },    { "::ffff:8.8.8.8", true },    { "2001:200::1", true },        { "192.0.1.1", true },
    { "0.0.0.0", false },           { "10.0.0.1", false },         { "127.0.0.1", false },         { "127.255.255.255", false },
    { "100.64.0.1", false },        { "169.254.169.254", false },  { "172.16.0.1", false },        { "172.31.255.255", false },
    { "192.168.1.1", false },       { "192.0.2.1", false },        { "198.18.0.1", false },        { "198.19.255.255", false },
    { "224.0.0.1", false },         { "240.0.0.1", false },        { "255.255.255.255", false },   { "::", false },
    { "::1", false },               { "::ffff:127.0.0.1", false }, { "::ffff:10.0.0.1", false },   { "64:ff9b::7f00:1", false },
    { "fe80::1", false },           { "febf::1", false },          { "fec0::1", false },           { "fc00::1", false },
    { "fdff::1", false },           { "ff02::1", false },          { "2001:db8::1", false },       { "2001::1", false },
    { "2002:7f00:1::", false },     { "100::1", false },           { "::127.0.0.1", false },       { "", false },
    { "localhost", false },         { "1.2.3", false },
};

static void
special_addresses_are_not_public(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++)
        if (address_is_public(addresses[i].address) != addresses[i].is_public)
            fail_msg("%s", addresses[i].address);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(url_is_taken_apart_or_refused_with_a_reason),
        cmocka_unit_test(url_has_a_longest),
        cmocka_unit_test(special_addresses_are_not_public),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
