#include "tests/unit/unit.h"

#include "smtpd/trace.h"

#define AT 1795233000   /* Sat, 21 Nov 2026 03:50:00 UTC */

static const struct { const char *label, *helo, *client, *version, *cipher, *protocol, *recipient, *want; } cases[] = {
    { "plain", "mx.client.test", "192.0.2.1", "", "", "ESMTP", "acme+x@mailtest1.test",
      "Received: from mx.client.test ([192.0.2.1])\r\n\tby mx.mailtest1.test (Mailtest) with ESMTP id abc\r\n"
      "\tfor <acme+x@mailtest1.test>;\r\n\tSat, 21 Nov 2026 03:50:00 +0000\r\n" },
    { "TLS, IPv6, several recipients", "mx.client.test", "2001:db8::1", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "ESMTPS", "",
      "Received: from mx.client.test ([IPv6:2001:db8::1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
      "\tby mx.mailtest1.test (Mailtest) with ESMTPS id abc;\r\n\tSat, 21 Nov 2026 03:50:00 +0000\r\n" },
    { "Unix socket", "front", "unix", "", "", "LMTP", "",
      "Received: from front (unix)\r\n\tby mx.mailtest1.test (Mailtest) with LMTP id abc;\r\n"
      "\tSat, 21 Nov 2026 03:50:00 +0000\r\n" },
    { "literal as name", "[IPv6:2001:db8::1]", "2001:db8::1", "", "", "ESMTP", "",
      "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])\r\n\tby mx.mailtest1.test (Mailtest) with ESMTP id abc;\r\n"
      "\tSat, 21 Nov 2026 03:50:00 +0000\r\n" },
    { "name that would forge", "x)\r\nTo: (;\xc3\xa4<>\"\\", "192.0.2.1", "", "", "SMTP", "",
      "Received: from x???To:????????? ([192.0.2.1])\r\n\tby mx.mailtest1.test (Mailtest) with SMTP id abc;\r\n"
      "\tSat, 21 Nov 2026 03:50:00 +0000\r\n" },
};

static void
received_field_tells_who_how_and_when(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct trace_facts facts = {
            .helo = slice_of(cases[i].helo),
            .client_address = slice_of(cases[i].client),
            .tls_version = slice_of(cases[i].version),
            .tls_cipher = slice_of(cases[i].cipher),
            .hostname = slice_of("mx.mailtest1.test"),
            .protocol = slice_of(cases[i].protocol),
            .id = slice_of("abc"),
            .recipient = slice_of(cases[i].recipient),
            .time_unix = AT,
        };
        struct buf b;

        buf_init(&b, 4096);
        assert_int_equal(trace_write(&b, &facts), MT_OK);
        assert_slice(cases[i].label, buf_slice(&b), cases[i].want);
        buf_fini(&b);
    }
}

static void
a_confirmed_name_stands_before_the_address(void **state)
{
    static const struct { const char *client, *want; } clients[] = {
        { "192.0.2.1",   "Received: from me (mx.client.test [192.0.2.1])" },
        { "2001:db8::1", "Received: from me (mx.client.test [IPv6:2001:db8::1])" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(clients); i++) {
        const struct trace_facts facts = {
            .helo = slice_of("me"),
            .client_name = slice_of("mx.client.test"),
            .client_address = slice_of(clients[i].client),
            .hostname = slice_of("mx"),
            .protocol = slice_of("ESMTP"),
            .id = slice_of("abc"),
            .time_unix = AT,
        };
        struct buf b;

        buf_init(&b, 4096);
        assert_int_equal(trace_write(&b, &facts), MT_OK);
        assert_slice("name", slice_sub(buf_slice(&b), 0, slice_find(buf_slice(&b), '\r')), clients[i].want);
        buf_fini(&b);
    }
}

static const struct { int64_t at; const char *want; } dates[] = {
    { 0,             "Thu, 01 Jan 1970 00:00:00 +0000" },
    { AT,            "Sat, 21 Nov 2026 03:50:00 +0000" },
    { 951782400,     "Tue, 29 Feb 2000 00:00:00 +0000" },
    { 4102444799,    "Thu, 31 Dec 2099 23:59:59 +0000" },
    { INT64_MAX,     "Thu, 01 Jan 1970 00:00:00 +0000" },
};

static void
dates_are_those_of_rfc5322(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(dates); i++) {
        char date[TRACE_DATE_BYTES];

        trace_date(date, dates[i].at);
        assert_string_equal(date, dates[i].want);
    }
}

static void
protocols_are_those_of_rfc3848_and_rfc6531(void **state)
{
    (void)state;
    assert_string_equal(trace_protocol(false, false, false, false), "SMTP");
    assert_string_equal(trace_protocol(false, true, false, false), "ESMTP");
    assert_string_equal(trace_protocol(false, true, true, false), "ESMTPS");
    assert_string_equal(trace_protocol(false, false, true, false), "ESMTPS");
    assert_string_equal(trace_protocol(false, true, false, true), "UTF8SMTP");
    assert_string_equal(trace_protocol(false, true, true, true), "UTF8SMTPS");
    assert_string_equal(trace_protocol(true, true, false, false), "LMTP");
    assert_string_equal(trace_protocol(true, true, true, false), "LMTPS");
    assert_string_equal(trace_protocol(true, true, false, true), "UTF8LMTP");
    assert_string_equal(trace_protocol(true, true, true, true), "UTF8LMTPS");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(received_field_tells_who_how_and_when),
        cmocka_unit_test(a_confirmed_name_stands_before_the_address),
        cmocka_unit_test(dates_are_those_of_rfc5322),
        cmocka_unit_test(protocols_are_those_of_rfc3848_and_rfc6531),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
