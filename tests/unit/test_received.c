#include "tests/unit/unit.h"

#include "lib/received.h"

/* What servers write, shortened in nothing but the names. */
static const struct {
    const char *label, *value;
    const char *from, *by, *with, *tls, *id, *for_;
    int64_t     time_unix;
} cases[] = {
    { "Postfix with TLS",
      " from mail.cust.example (mail.cust.example [198.51.100.7])\r\n"
      "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n"
      "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n"
      "\t(No client certificate requested)\r\n"
      "\tby mx.example.net (Postfix) with ESMTPS id 4XYZ1234567\r\n"
      "\tfor <acme@mailtest1.example.net>; Tue, 2 Jan 2024 10:00:05 +0000 (UTC)",
      "mail.cust.example (198.51.100.7)", "mx.example.net", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384", "4XYZ1234567",
      "acme@mailtest1.example.net", 1704189605 },
    { "Postfix, submitted by a local user",
      " by mail.cust.example (Postfix, from userid 1000)\r\n\tid 4ABC; Tue,  2 Jan 2024 11:00:05 +0100 (CET)",
      "", "mail.cust.example", "", "", "4ABC", "", 1704189605 },
    { "Postfix, IPv6",
      " from a.example (unknown [IPv6:2001:db8::1]) by b.example (Postfix) with LMTP id 4A; Tue, 2 Jan 2024 10:00:05 +0000",
      "a.example (2001:db8::1)", "b.example", "LMTP", "", "4A", "", 1704189605 },
    { "Exim with TLS",
      " from [192.0.2.5] (helo=client.example)\r\n\tby mx.example with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\r\n"
      "\t(Exim 4.96)\r\n\t(envelope-from <x@y.example>)\r\n\tid 1rKabc-0001XY-2z\r\n\tfor a@b.example;\r\n"
      "\tTue, 02 Jan 2024 10:00:05 +0000",
      "client.example (192.0.2.5)", "mx.example", "esmtps", "TLSv1.3 TLS_AES_256_GCM_SHA384", "1rKabc-0001XY-2z",
      "a@b.example", 1704189605 },
    { "Exim, older, name verified",
      " from host.example ([192.0.2.5] helo=other.example)\r\n"
      "\tby mx.example with esmtpsa (TLS1.2:ECDHE-RSA-AES256-GCM-SHA384:256)\r\n"
      "\t(Exim 4.80) id 1r-00-xx for a@b.example; Tue, 02 Jan 2024 10:00:05 +0000",
      "other.example (192.0.2.5)", "mx.example", "esmtpsa", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384", "1r-00-xx", "a@b.example",
      1704189605 },
    { "Exim, local",
      " from root by mx.example with local (Exim 4.96) (envelope-from <root@mx.example>) id 1r-11-yy for a@b; Tue, 02 Jan 2024 10:00:05 +0000",
      "root", "mx.example", "local", "", "1r-11-yy", "a@b", 1704189605 },
    { "Sendmail",
      " from client.example (host.example [192.0.2.5] (may be forged))\r\n"
      "\tby mx.example (8.15.2/8.15.2) with ESMTPS id 402A05xx012345\r\n"
      "\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NOT)\r\n"
      "\tfor <a@b.example>; Tue, 2 Jan 2024 05:00:05 -0500",
      "client.example (192.0.2.5)", "mx.example", "ESMTPS", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384", "402A05xx012345",
      "a@b.example", 1704189605 },
    { "qmail from the network",
      " from unknown (HELO client.example) (192.0.2.5)\r\n  by mx.example with SMTP; 2 Jan 2024 10:00:05 -0000",
      "client.example (192.0.2.5)", "mx.example", "SMTP", "", "", "", 1704189605 },
    { "qmail, authenticated",
      " from host.example (HELO client.example) (user@x@192.0.2.5)\r\n  by mx.example with ESMTPA; 2 Jan 2024 10:00:05 -0000",
      "client.example (192.0.2.5)", "mx.example", "ESMTPA", "", "", "", 1704189605 },
    { "qmail invoked", " (qmail 12345 invoked from network); 2 Jan 2024 10:00:05 -0000", "", "", "", "", "", "", 1704189605 },
    { "Exchange",
      " from EX01.corp.example (10.0.0.1) by\r\n EX02.corp.example (10.0.0.2) with Microsoft SMTP Server\r\n"
      " (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id\r\n 15.2.1118.40; Tue, 2 Jan 2024 11:00:05 +0100",
      "EX01.corp.example (10.0.0.1)", "EX02.corp.example", "Microsoft SMTP Server",
      "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
      "15.2.1118.40", "", 1704189605 },
    { "Exchange Online, IPv6",
      " from AB1PR01.prod.outlook.example (2603:10a6:10:1::1)\r\n"
      " by CD2PR01.prod.outlook.example with HTTPS; Tue, 2 Jan 2024 10:00:05 +0000",
      "AB1PR01.prod.outlook.example (2603:10a6:10:1::1)", "CD2PR01.prod.outlook.example", "HTTPS", "", "", "", 1704189605 },
    { "Exchange, via",
      " from a.example (10.0.0.1) by b.example\r\n"
      " (10.0.0.2) with Microsoft SMTP Server id 15.20.1 via Frontend Transport; Tue, 2 Jan 2024 10:00:05 +0000",
      "a.example (10.0.0.1)", "b.example", "Microsoft SMTP Server", "", "15.20.1", "", 1704189605 },
    { "Exchange, mapi",
      " from A.prod.example\r\n ([fe80::1]) by A.prod.example ([fe80::1%4]) with mapi id\r\n"
      " 15.20.7159.010; Tue, 2 Jan 2024 10:00:05 +0000",
      "A.prod.example (fe80::1)", "A.prod.example", "mapi", "", "15.20.7159.010", "", 1704189605 },
    { "Gmail, from outside",
      " from mail-sor-f41.google.example (mail-sor-f41.google.example. [209.85.220.41])\r\n"
      "        by mx.google.example with SMTPS id d9443c01xyz\r\n"
      "        for <x@gmail.example>\r\n        (Google Transport Security);\r\n        Tue, 02 Jan 2024 02:00:05 -0800 (PST)",
      "mail-sor-f41.google.example (209.85.220.41)", "mx.google.example", "SMTPS", "", "d9443c01xyz", "x@gmail.example",
      1704189605 },
    { "Gmail, inside",
      " by 2002:a05:6402:1234:b0:5be:1234:5678 with SMTP id x1csp123456eda;\r\n        Tue, 2 Jan 2024 02:00:05 -0800 (PST)",
      "", "2002:a05:6402:1234:b0:5be:1234:5678", "SMTP", "", "x1csp123456eda", "", 1704189605 },
    { "Gmail, TLS",
      " from a.example (a.example. [192.0.2.5])\r\n        by mx.google.example with ESMTPS id q1si1\r\n"
      "        for <x@y.example>\r\n"
      "        (version=TLS1_3 cipher=TLS_AES_128_GCM_SHA256 bits=128/128);\r\n        Tue, 02 Jan 2024 02:00:05 -0800 (PST)",
      "a.example (192.0.2.5)", "mx.google.example", "ESMTPS", "TLSv1.3 TLS_AES_128_GCM_SHA256", "q1si1", "x@y.example",
      1704189605 },
    { "OpenSMTPD",
      " from client.example (host.example [192.0.2.5])\r\n"
      "\tby mx.example (OpenSMTPD) with ESMTPS id 8d2f1a3c (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)\r\n"
      "\tfor <a@b.example>;\r\n\tTue, 2 Jan 2024 10:00:05 +0000 (UTC)",
      "client.example (192.0.2.5)", "mx.example", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384", "8d2f1a3c", "a@b.example",
      1704189605 },
    { "a clause twice",
      " from a.example by b.example with ESMTP with both STARTTLS and AUTH (version=TLSv1.2,\r\n"
      " cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, bits=256/256) id 1; Tue, 2 Jan 2024 10:00:05 +0000",
      "a.example", "b.example", "ESMTP", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "1", "", 1704189605 },
    { "keywords in any case", " FROM a.example BY b.example WITH SMTP ID 1 FOR <a@b>; Tue, 2 Jan 2024 10:00:05 +0000",
      "a.example", "b.example", "SMTP", "", "1", "a@b", 1704189605 },
    { "address literal alone", " from [192.0.2.5] by b.example with SMTP; Tue, 2 Jan 2024 10:00:05 +0000",
      "192.0.2.5", "b.example", "SMTP", "", "", "", 1704189605 },
    { "no name", " from ([192.0.2.5]) by b.example; Tue, 2 Jan 2024 10:00:05 +0000", "(192.0.2.5)", "b.example", "", "", "",
      "", 1704189605 },
    { "empty from", " from  by b.example with SMTP; Tue, 2 Jan 2024 10:00:05 +0000", "", "b.example", "SMTP", "", "", "",
      1704189605 },
    { "quoted semicolon", " from a by b for <\"x;y\"@z>; Tue, 2 Jan 2024 10:00:05 +0000", "a", "b", "", "", "", "\"x;y\"@z",
      1704189605 },
    { "two semicolons", " from a by b id 1; x; Tue, 2 Jan 2024 10:00:05 +0000", "a", "b", "", "", "1", "", 1704189605 },
    { "open comment", " from a (x by b; Tue, 2 Jan 2024 10:00:05 +0000", "a", "", "", "", "", "", 1704189605 },
    { "no date", " from a by b", "a", "b", "", "", "", "", 0 },
    { "date that cannot be read", " from a by b; yesterday", "a", "b", "", "", "", "", 0 },
    { "controls and octets that are no UTF-8", " from a\x01\xff by b; Tue, 2 Jan 2024 10:00:05 +0000", "a \xef\xbf\xbd", "b",
      "", "", "", "", 1704189605 },
    { "empty", "", "", "", "", "", "", "", 0 },
    { "garbage", "((((;;;)))) ; ( \\", "", "", "", "", "", "", 0 },
};

static void
every_server_s_form_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct received_text text;
        struct hop           hop;

        received_parse(slice_of(cases[i].value), &text, &hop);
        assert_slice(cases[i].label, hop.from, cases[i].from);
        assert_slice(cases[i].label, hop.by, cases[i].by);
        assert_slice(cases[i].label, hop.with, cases[i].with);
        assert_slice(cases[i].label, hop.tls, cases[i].tls);
        assert_slice(cases[i].label, hop.id, cases[i].id);
        assert_slice(cases[i].label, hop.for_, cases[i].for_);
        if (hop.time_unix != cases[i].time_unix)
            fail_msg("%s: got %lld", cases[i].label, (long long)hop.time_unix);
    }
}

static void
long_texts_are_cut_but_the_address_stays(void **state)
{
    char                 value[1000] = " from ";
    struct received_text text;
    struct hop           hop;

    (void)state;
    memset(value + 6, 'a', 300);
    slice_copy(value + 306, 600, slice_of(" ([192.0.2.5]) by b; Tue, 2 Jan 2024 10:00:05 +0000"));
    received_parse(slice_of(value), &text, &hop);
    assert_int_equal(hop.from.len, PARSED_HOP_TEXT_BYTES);
    assert_true(slice_ends_nocase(hop.from, "aaa (192.0.2.5)"));
    assert_slice("behind it", hop.by, "b");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_server_s_form_is_read),
        cmocka_unit_test(long_texts_are_cut_but_the_address_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
