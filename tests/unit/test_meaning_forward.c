#include "tests/unit/meaning_mail.h"

#define ORIGINAL "Message-ID: <" TOKEN "@checker.example>\nX-Mailtest-Token: " TOKEN "\nSubject: test " TOKEN "\n"
#define IN_ORIGINAL (PLACE_MESSAGE_ID | PLACE_OWN_HEADER | PLACE_SUBJECT)

static const struct meaning_row ways[] = {
    { "sent here directly", "probe@checker.example", ORIGINAL "From: probe@checker.example\n\nx\n",
      IN_ORIGINAL, 0, "forward-way: direct\n!forward-evidence" },
    { "Gmail's filter", "anna+caf_=acme=mailtest1.example@gmail.com",
      "X-Forwarded-Encrypted: i=1; AJvYcCX\nX-Forwarded-To: acme@mailtest1.example\n"
      "X-Forwarded-For: anna@gmail.com acme@mailtest1.example\n"
      "Delivered-To: anna@gmail.com\n" ORIGINAL "\nx\n", IN_ORIGINAL, 0,
      "forward-way: redirect\nforward-evidence: reverse-path of a Gmail forwarding (caf_): anna+caf_=acme=mailtest1.example@gmail.com\n"
      "forward-evidence: X-Forwarded-For: anna@gmail.com acme@mailtest1.example\n"
      "forward-evidence: X-Forwarded-To: acme@mailtest1.example\n"
      "forward-evidence: Delivered-To: anna@gmail.com" },
    { "Resent", "anna@customer.test", "Resent-From: Anna <anna@customer.test>\nResent-To: acme@mailtest1.example\n"
      "Resent-Message-ID: <9@customer.test>\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0, "forward-way: redirect\nforward-evidence: Resent-From: Anna <anna@customer.test>" },
    { "Exchange Online, mailbox forwarding with SRS", "info+SRS=ab12=CD=checker.example=probe@customer.test",
      "X-MS-Exchange-ForwardingLoop: info@customer.test;44d81603-6a98-429d-8ab9-bb947b669639\n"
      "X-MS-Exchange-CrossTenant-AuthAs: Anonymous\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0, "forward-way: redirect\n"
      "forward-evidence: X-MS-Exchange-ForwardingLoop: info@customer.test;44d81603-6a98-429d-8ab9-bb947b669639\n"
      "forward-evidence: reverse-path rewritten by SRS (Exchange Online): info+SRS=ab12=CD=checker.example=probe@customer.test\n"
      "forward-evidence: X-MS-Exchange-CrossTenant-AuthAs: Anonymous" },
    { "SRS", "SRS0=ab12=CD=checker.example=probe@customer.test", ORIGINAL "\nx\n", IN_ORIGINAL, 0, "forward-way: redirect" },
    { "Sieve redirect", "probe@checker.example", "X-Sieve: Pigeonhole Sieve 0.5.19 (4eae2f79)\n"
      "X-Sieve-Redirected-From: info@customer.test\n"
      "Delivered-To: info@customer.test\n" ORIGINAL "\nx\n", IN_ORIGINAL, 0,
      "forward-way: redirect\nforward-evidence: X-Sieve-Redirected-From: info@customer.test" },
    { "Postfix .forward", "probe@checker.example", "Delivered-To: info@customer.test\nX-Original-To: info@customer.test\n" ORIGINAL "\n"
      "x\n", IN_ORIGINAL, 0,
      "forward-way: redirect\nforward-evidence: Delivered-To: info@customer.test\nforward-evidence: X-Original-To: info@customer.test" },
    { "Delivered-To alone", "probe@checker.example", "Delivered-To: info@customer.test\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0, "forward-way: redirect" },
    { "Exchange's AutoForwarded", NULL, "X-MS-Exchange-Organization-AutoForwarded: true\n" ORIGINAL "\nx\n", IN_ORIGINAL, 0,
      "forward-way: redirect\nforward-evidence: X-MS-Exchange-Organization-AutoForwarded: true" },
    { "Received for another", "probe@checker.example",
      "Received: from mx.customer.test (mx.customer.test [192.0.2.7]) by mx.mailtest1.example with ESMTPS id 2 for <acme@mailtest1.example>;\n Mon, 5 Jan 2026 10:00:02 +0000\n"
      "Received: from checker.example ([192.0.2.1]) by mx.customer.test with ESMTP id 1 for <info@customer.test>; Mon, 5 Jan 2026 10:00:01 +0000\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0, "forward-way: redirect\nforward-evidence: Received for: info@customer.test, then acme@mailtest1.example" },
    { "Yahoo", NULL, "X-Yahoo-Forwarded: from anna@yahoo.com to acme@mailtest1.example\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0, "forward-way: redirect" },
    { "mailing list", "list-bounces@lists.customer.test", "List-Id: =?utf-8?q?Liste?= <list.customer.test>\n"
      "X-BeenThere: list@customer.test\n"
      "X-Original-From: probe@checker.example\n" ORIGINAL "\nx\n", IN_ORIGINAL, 0, "forward-way: redirect\n"
      "forward-evidence: List-Id: Liste <list.customer.test>" },
    { "Google Groups", NULL, "X-Original-Sender: probe@checker.example\nX-Google-Group-Id: 123\nPrecedence: list\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0,
      "forward-way: redirect\nforward-evidence: X-Google-Group-Id: 123" },
    { "transport rule", NULL, "X-MS-Exchange-Transport-Rules-Loop: 1\nX-MS-Exchange-Organization-AuthAs: Internal\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0,
      "forward-way: redirect\nforward-evidence: X-MS-Exchange-Organization-AuthAs: Internal" },
    { "inline, Outlook", "anna@customer.test", "Subject: WG: test " TOKEN "\nMessage-ID: <5@customer.test>\n\n"
      "Von: probe@checker.example\n" TOKEN "\n",
      PLACE_SUBJECT | PLACE_TEXT, 0, "forward-way: inline\nforward-evidence: Subject: WG:" },
    { "inline, Thunderbird", "anna@customer.test", "Subject: test " TOKEN "\nX-Forwarded-Message-Id: <" TOKEN "@checker.example>\n\n"
      "-------- Forwarded Message --------\n" TOKEN "\n",
      PLACE_SUBJECT | PLACE_TEXT | PLACE_HEADER, 0, "forward-way: inline" },
    { "inline, mutt", "anna@customer.test", "Subject: [probe@checker.example: test " TOKEN "]\nMessage-ID: <5@customer.test>\n\n"
      "----- Forwarded message from probe@checker.example -----\n\n" TOKEN "\n----- End forwarded message -----\n",
      PLACE_SUBJECT | PLACE_TEXT, 0, "forward-way: inline\nforward-evidence: in the text: Forwarded message" },
    { "inline, Italian", NULL, "Subject: I: test\n\n" TOKEN "\n", PLACE_TEXT, 0, "forward-way: inline" },
    { "inline, Portuguese behind a tag", NULL, "Subject: [EXT] ENC: test\nContent-Type: text/html\n\n<p>" TOKEN "</p>\n",
      PLACE_HTML, 0, "forward-way: inline" },
    { "inline, Chinese", NULL, "Subject: =?utf-8?B?6L2s5Y+R77ya?= test\n\n" TOKEN "\n", PLACE_TEXT, 0, "forward-way: inline" },
    { "attached", "anna@customer.test", "Subject: Fwd: test\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee\n--b\n"
      "Content-Type: message/rfc822\n\n" ORIGINAL "\nx\n--b--\n",
      PLACE_ATTACHED, 0, "forward-way: attachment\nforward-evidence: the token stands in an attached message" },
    { "attached, and its subject kept", "anna@customer.test", "Subject: " TOKEN "\nDelivered-To: info@customer.test\n"
      "Content-Type: message/rfc822\n\n" ORIGINAL "\nx\n",
      PLACE_ATTACHED | PLACE_SUBJECT, 0, "forward-way: attachment" },
    { "no evidence, token in the text alone", NULL, "Subject: x\n\n" TOKEN "\n", PLACE_TEXT, 0, "!forward-way\n!forward-evidence" },
    { "no token at all", NULL, "Subject: Fwd: x\n\nx\n", 0, 0, "!forward-way" },
    { "ARC alone is no forwarding", NULL, "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=customer.test; s=x; b=y\n" ORIGINAL "\nx\n",
      IN_ORIGINAL, 0,
      "forward-way: direct\nforward-evidence: ARC: 1 set, sealed by customer.test" },
};

static const struct meaning_row claims[] = {
    { "Authentication-Results", NULL,
      "Authentication-Results: mx.customer.test 1;\n\tspf=pass (sender (nested \\) one) is 192.0.2.1)\n"
      " smtp.mailfrom=checker.example ;\n\tdkim=fail reason=\"bad (really) body\" header.d=checker.example;\n"
      "\tdmarc=none\nAuthentication-Results: spf=pass (sender IP is 192.0.2.1)\n"
      " smtp.mailfrom=checker.example; dkim=none (message not signed)\n header.d=none;compauth=pass reason=100\n\nx\n",
      0, 0, "authentication: mx.customer.test 1; spf=pass smtp.mailfrom=checker.example; dkim=fail reason=\"bad (really) body\" header.d=checker.example; dmarc=none\n"
      "authentication: spf=pass smtp.mailfrom=checker.example; dkim=none header.d=none;compauth=pass reason=100" },
    { "ARC, newest first", NULL,
      "ARC-Seal: i=1; a=rsa-sha256; d=a.example; s=s; t=1; cv=none; b=AAAA==\n"
      "ARC-Authentication-Results: i=1; mx.a.example; spf=pass smtp.mailfrom=x; dkim=pass\n"
      "ARC-Message-Signature: i=1; a=rsa-sha256; d=a.example; b=AA\n"
      "ARC-Seal: i=2; a=rsa-sha256; d=b.example; s=s; cv=pass;\n b=BBBB==\n"
      "ARC-Authentication-Results: i=2; mx.b.example; arc=pass (i=1 spf=pass); spf=fail\n\nx\n",
      0, 0, "arc: i=2; mx.b.example; cv=pass; arc=pass; spf=fail\narc: i=1; mx.a.example; cv=none; spf=pass smtp.mailfrom=x; dkim=pass" },
    { "ARC seal without results", NULL, "ARC-Seal: i=3; cv=fail; d=c.example; b=x\n\nx\n", 0, 0, "arc: i=3; c.example; cv=fail" },
    { "ARC without an instance", NULL, "ARC-Seal: cv=fail; d=c.example; b=x\nARC-Seal: i=99; cv=fail\n\nx\n", 0, 0, "!arc" },
    { "Received-SPF", NULL,
      "Received-SPF: pass (google.com: domain of probe@checker.example designates 192.0.2.1 as permitted sender) client-ip=192.0.2.1;\n"
      "Received-SPF: Fail (mailfrom) identity=mailfrom; client-ip=192.0.2.2; helo=mx.a.example; envelope-from=probe@checker.example; receiver=mx.b.example\n\nx\n",
      0, 0, "spf: google.com; pass; client-ip=192.0.2.1\n"
      "spf: mx.b.example; Fail; client-ip=192.0.2.2; envelope-from=probe@checker.example; helo=mx.a.example; identity=mailfrom" },
    { "an attached message's claims are not the mail's", NULL, "Content-Type: message/rfc822\n\n"
      "Authentication-Results: x.example; spf=pass\nReceived-SPF: pass\n\nx\n", 0, 0,
      "!authentication\n!spf" },
};

static void
the_way_is_told_by_the_evidence(void **state)
{
    (void)state;
    rows_check(ways, COUNT(ways));
}

static void
claims_are_shown_without_comments(void **state)
{
    (void)state;
    rows_check(claims, COUNT(claims));
}

static void
facts_are_bounded_whatever_the_header(void **state)
{
    struct buf         mail;
    struct meaning_row row = { "many fields", "SRS0=x@y", NULL, IN_ORIGINAL, 0, "forward-way: redirect" };

    (void)state;
    buf_init(&mail, 1u << 20);
    for (unsigned i = 0; i < 300; i++) {
        buf_printf(&mail, "Authentication-Results: mx%u.example; spf=pass %0400u\nARC-Authentication-Results: i=%u; x; %0400u\n",
      i, i, i, i);
        buf_printf(&mail, "Received-SPF: pass receiver=x%u.example; helo=%0400u\nDelivered-To: %0300u@x.example\n"
      "Resent-From: %0300u\n", i, i, i, i);
        buf_printf(&mail, "List-Id: %0300u\nReceived: by x for <a%u@b.example>; x\nX-Unknown: %0300u\n", i, i, i);
    }
    buf_append(&mail, "\nx", 3);
    assert_int_equal(mail.fault, MT_OK);
    row.mail = mail.data;
    rows_check(&row, 1);
    buf_fini(&mail);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_way_is_told_by_the_evidence),
        cmocka_unit_test(claims_are_shown_without_comments),
        cmocka_unit_test(facts_are_bounded_whatever_the_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
