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
    { "qmail invoked", " (qmail 12345 invoked from network); 2 Jan 2024 10:00:05 -0000",
      "network", "", "", "", "", "", 1704189605 },
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
    { "Postfix, authenticated client behind NAT",
      " from [192.168.1.20] (client.example [198.51.100.9])\r\n"
      "\t(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits))\r\n\t(No client certificate requested)\r\n"
      "\t(Authenticated sender: user@y.example)\r\n\tby mail.example (Postfix) with ESMTPSA id 4T4AbC0xYz9\r\n"
      "\tfor <a@b.example>; Tue,  2 Jan 2024 11:00:05 +0100 (CET)",
      "192.168.1.20 (198.51.100.9)", "mail.example", "ESMTPSA", "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256", "4T4AbC0xYz9",
      "a@b.example", 1704189605 },
    { "amavis",
      " from mail.example ([127.0.0.1])\r\n by localhost (mail.example [127.0.0.1]) (amavisd-new, port 10024)\r\n"
      " with ESMTP id Zk3-abCDeF; Tue,  2 Jan 2024 11:00:05 +0100 (CET)",
      "mail.example (127.0.0.1)", "localhost", "ESMTP", "", "Zk3-abCDeF", "", 1704189605 },
    { "amavis, LMTP",
      " from mail.example ([IPv6:::1])\r\n by localhost (mail.example [IPv6:::1]) (amavis, port 10026) with LMTP\r\n"
      " id wBQ1tEjKl5Mn for <a@b.example>; Tue, 2 Jan 2024 10:00:05 +0000 (UTC)",
      "mail.example (::1)", "localhost", "LMTP", "", "wBQ1tEjKl5Mn", "a@b.example", 1704189605 },
    { "Zimbra, LMTP",
      " from mbs1.example (LHLO zimbra.example) (192.0.2.9) by\r\n"
      " zimbra.example with LMTP; Tue, 2 Jan 2024 11:00:05 +0100 (CET)",
      "zimbra.example (192.0.2.9)", "zimbra.example", "LMTP", "", "", "", 1704189605 },
    { "Zimbra, to its filter",
      " from localhost (localhost [127.0.0.1])\r\n\tby zimbra.example (Postfix) with ESMTP id 0A1B2C3D4E\r\n"
      "\tfor <a@b.example>; Tue,  2 Jan 2024 10:00:05 +0000 (GMT)",
      "localhost (127.0.0.1)", "zimbra.example", "ESMTP", "", "0A1B2C3D4E", "a@b.example", 1704189605 },
    { "Dovecot LMTP",
      " from mail.example\r\n\tby mail.example with LMTP\r\n\tid iNjXJlXsk2V/FwAAqJ9NGg\r\n\t(envelope-from <x@y.example>)\r\n"
      "\tfor <a@b.example>; Tue, 2 Jan 2024 10:00:05 +0000",
      "mail.example", "mail.example", "LMTP", "", "iNjXJlXsk2V/FwAAqJ9NGg", "a@b.example", 1704189605 },
    { "Dovecot LMTP, through a director",
      " from director.example ([10.0.0.3])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
      "\tby backend.example with LMTPS\r\n\tid 0Cd2AbXsk2V1 (envelope-from <x@y.example>)\r\n"
      "\tfor <a@b.example>; Tue, 2 Jan 2024 10:00:05 +0000",
      "director.example (10.0.0.3)", "backend.example", "LMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384", "0Cd2AbXsk2V1",
      "a@b.example", 1704189605 },
    { "Cyrus LMTP",
      " from imap.example ([unix socket])\r\n\t by imap.example (Cyrus 3.6.1-Debian-3.6.1-4) with LMTPA;\r\n"
      "\t Tue, 02 Jan 2024 05:00:05 -0500",
      "imap.example", "imap.example", "LMTPA", "", "", "", 1704189605 },
    { "Cyrus, murder",
      " from murder ([unix socket])\r\n\t (authenticated user=postman bits=0)\r\n"
      "\t by imap.example (Cyrus v2.4.17) with LMTPA;\r\n\t Tue, 02 Jan 2024 05:00:05 -0500",
      "murder", "imap.example", "LMTPA", "", "", "", 1704189605 },
    { "Exim, port and HELO",
      " from [192.0.2.5] (port=43210 helo=client.example)\r\n"
      "\tby filter.example with esmtps (TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256)\r\n\t(Exim 4.82_1-5b7a7c0-XX)\r\n"
      "\t(envelope-from <x@y.example>)\r\n\tid 1rKabc-0001XY-2z; Tue, 02 Jan 2024 10:00:05 +0000",
      "client.example (192.0.2.5)", "filter.example", "esmtps", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384", "1rKabc-0001XY-2z",
      "", 1704189605 },
    { "Exim, local part of an IPv6 client",
      " from client.example ([2001:db8::5]:51234)\r\n\tby mx.example with esmtps\r\n"
      "\t(TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256)\r\n\t(Exim 4.94.2)\r\n\t(envelope-from <x@y.example>)\r\n"
      "\tid 1rKabc-00AbCd-Ef\r\n\tfor a@b.example; Tue, 02 Jan 2024 10:00:05 +0000",
      "client.example (2001:db8::5)", "mx.example", "esmtps", "TLSv1.3 ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM",
      "1rKabc-00AbCd-Ef", "a@b.example", 1704189605 },
    { "Sendmail, submitted by a program",
      " (from root@localhost)\r\n\tby mx.example (8.17.1/8.17.1/Submit) id 402A05ab012346;\r\n\tTue, 2 Jan 2024 05:00:05 -0500",
      "root@localhost", "mx.example", "", "", "402A05ab012346", "", 1704189605 },
    { "Sendmail, authenticated",
      " from [192.168.0.7] (dsl.example [198.51.100.7])\r\n\t(authenticated bits=0)\r\n"
      "\tby mx.example (8.15.2/8.15.2/Debian-22) with ESMTPSA id 402A05cd012347\r\n"
      "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT);\r\n\tTue, 2 Jan 2024 10:00:05 GMT",
      "192.168.0.7 (198.51.100.7)", "mx.example", "ESMTPSA", "TLSv1.3 TLS_AES_256_GCM_SHA384", "402A05cd012347", "",
      1704189605 },
    { "qmail invoked by a user",
      " (qmail 12345 invoked by uid 1000); 2 Jan 2024 10:00:05 -0000",
      "uid 1000", "", "", "", "", "", 1704189605 },
    { "qmail invoked by an alias",
      " (qmail 12346 invoked by alias); 2 Jan 2024 10:00:05 -0000",
      "alias", "", "", "", "", "", 1704189605 },
    { "qmail with TLS",
      " from unknown (HELO client.example) (user@y.example@192.0.2.5)\r\n"
      "  by mx.example with ECDHE-RSA-AES256-GCM-SHA384 encrypted SMTP; 2 Jan 2024 10:00:05 -0000",
      "client.example (192.0.2.5)", "mx.example", "ECDHE-RSA-AES256-GCM-SHA384 encrypted SMTP",
      "ECDHE-RSA-AES256-GCM-SHA384", "", "", 1704189605 },
    { "qmail, cipher in a comment",
      " from client.example (HELO client.example) (192.0.2.5)\r\n"
      "  by mx.example with (TLS_AES_256_GCM_SHA384 encrypted) ESMTPS; 2 Jan 2024 10:00:05 -0000",
      "client.example (192.0.2.5)", "mx.example", "ESMTPS", "TLS_AES_256_GCM_SHA384", "", "", 1704189605 },
    { "qpsmtpd",
      " from client.example (HELO client.example) (192.0.2.5)\r\n"
      "    by mx.example (qpsmtpd/0.96) with ESMTP; Tue, 02 Jan 2024 10:00:05 +0000",
      "client.example (192.0.2.5)", "mx.example", "ESMTP", "", "", "", 1704189605 },
    { "Exchange 2010, TLS without a version",
      " from EX01.corp.example (10.0.0.1) by EX02.corp.example (10.0.0.2) with\r\n"
      " Microsoft SMTP Server (TLS) id 14.3.123.3; Tue, 2 Jan 2024 11:00:05 +0100",
      "EX01.corp.example (10.0.0.1)", "EX02.corp.example", "Microsoft SMTP Server", "TLS", "14.3.123.3", "", 1704189605 },
    { "Exchange Online, from outside",
      " from mail.cust.example (198.51.100.7) by\r\n AM1EUR01FT001.mail.protection.example (10.13.2.1) with Microsoft SMTP\r\n"
      " Server (version=TLS1_3, cipher=TLS_AES_256_GCM_SHA384) id 15.20.7159.9 via\r\n"
      " Frontend Transport; Tue, 2 Jan 2024 10:00:05 +0000",
      "mail.cust.example (198.51.100.7)", "AM1EUR01FT001.mail.protection.example", "Microsoft SMTP Server",
      "TLSv1.3 TLS_AES_256_GCM_SHA384", "15.20.7159.9", "", 1704189605 },
    { "Exchange Online, between its servers",
      " from AM1PR01MB1234.eurprd01.prod.outlook.example\r\n"
      " (2603:10a6:20b:123::10) by DB1PR01MB5678.eurprd01.prod.outlook.example\r\n"
      " (2603:10a6:10:45::22) with Microsoft SMTP Server (version=TLS1_2,\r\n"
      " cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.7135.26; Tue, 2 Jan\r\n 2024 10:00:05 +0000",
      "AM1PR01MB1234.eurprd01.prod.outlook.example (2603:10a6:20b:123::10)", "DB1PR01MB5678.eurprd01.prod.outlook.example",
      "Microsoft SMTP Server", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "15.20.7135.26", "", 1704189605 },
    { "IIS, pickup folder",
      " from mail pickup service by web.example with Microsoft SMTPSVC;\r\n\t Tue, 2 Jan 2024 02:00:05 -0800",
      "mail pickup service", "web.example", "Microsoft SMTPSVC", "", "", "", 1704189605 },
    { "Exchange 2003, by by",
      " from 192.0.2.5 by by1.mail.example with Microsoft SMTPSVC(6.0.3790.4675);\r\n\t Tue, 2 Jan 2024 10:00:05 GMT",
      "192.0.2.5", "by1.mail.example", "Microsoft SMTPSVC", "", "", "", 1704189605 },
    { "Gmail, by its API",
      " from 1029384756 named unknown by gmailapi.google.example with HTTPREST;\r\n Tue, 2 Jan 2024 02:00:05 -0800",
      "1029384756 named unknown", "gmailapi.google.example", "HTTPREST", "", "", "", 1704189605 },
    { "Gmail, submitted",
      " from laptop (dsl.example. [2001:db8:1::7])\r\n"
      "        by smtp.google.example with ESMTPSA id p5-20020a05600c1d8500b0040d5\r\n        for <a@b.example>\r\n"
      "        (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\r\n        Tue, 02 Jan 2024 02:00:05 -0800 (PST)",
      "laptop (2001:db8:1::7)", "smtp.google.example", "ESMTPSA", "TLSv1.3 TLS_AES_256_GCM_SHA384",
      "p5-20020a05600c1d8500b0040d5", "a@b.example", 1704189605 },
    { "Domino",
      " from client.example ([192.0.2.5])\r\n          by domino.example (Lotus Domino Release 8.5.3FP6)\r\n"
      "          with ESMTP id 2024010211000512-1234567 ;\r\n          Tue, 2 Jan 2024 11:00:05 +0100 ",
      "client.example (192.0.2.5)", "domino.example", "ESMTP", "", "2024010211000512-1234567", "", 1704189605 },
    { "Domino, newer, with TLS",
      " from client.example ([192.0.2.5])\r\n          by domino.example (HCL Domino Release 12.0.2FP1)\r\n"
      "          with ESMTPS id 2024010211000512-1234568\r\n"
      "          (version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256);\r\n          Tue, 2 Jan 2024 11:00:05 +0100",
      "client.example (192.0.2.5)", "domino.example", "ESMTPS", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384",
      "2024010211000512-1234568", "", 1704189605 },
    { "MDaemon",
      " from [IPV6:2001:db8:2::9] by md.example (IPv6:2001:db8:1::2) (MDaemon PRO v23.5.1) \r\n"
      "\twith ESMTPSA id md5001003764615.msg; Tue, 02 Jan 2024 05:00:05 -0500",
      "2001:db8:2::9", "md.example", "ESMTPSA", "", "md5001003764615.msg", "", 1704189605 },
    { "MDaemon, older, with a cipher",
      " from client.example by md.example (Cipher TLSv1:AES-SHA:256) (MDaemon PRO v10.1.1)\r\n"
      "\twith ESMTP id md50000092331.msg\r\n\tfor <a@b.example>; Tue, 02 Jan 2024 18:00:05 +0800",
      "client.example", "md.example", "ESMTP", "TLSv1 AES-SHA", "md50000092331.msg", "a@b.example", 1704189605 },
    { "CommuniGate",
      " from [192.0.2.5] (HELO client.example)\r\n  by cgate.example (CommuniGate Pro SMTP 6.2.14)\r\n"
      "  with ESMTPS id 650626433 for a@b.example; Tue, 02 Jan 2024 05:00:05 -0500",
      "client.example (192.0.2.5)", "cgate.example", "ESMTPS", "", "650626433", "a@b.example", 1704189605 },
    { "CommuniGate, account",
      " from [192.0.2.5] (account user@y.example [192.0.2.5] verified)\r\n  by cgate.example (CommuniGate Pro SMTP 6.3.19)\r\n"
      "  with ESMTPSA id 46984509 for a@b.example;\r\n  Tue, 02 Jan 2024 11:00:05 +0100",
      "192.0.2.5", "cgate.example", "ESMTPSA", "", "46984509", "a@b.example", 1704189605 },
    { "Stalwart",
      " from client.example (host.example [192.0.2.5] (AS64496 Example Networks, US))\r\n"
      "\t(using TLSv1.3 with cipher TLS13_AES_256_GCM_SHA384)\r\n"
      "\tby mx.example (Stalwart SMTP) with ESMTPS id 3DE517AF3D36E02;\r\n\tTue, 2 Jan 2024 10:00:05 +0000",
      "client.example (192.0.2.5)", "mx.example", "ESMTPS", "TLSv1.3 TLS13_AES_256_GCM_SHA384", "3DE517AF3D36E02", "",
      1704189605 },
    { "Haraka",
      " from client.example (host.example [192.0.2.5 ])\r\n"
      "\tby mx.example (Haraka/2.8.28) with ESMTPS id 7B470838-3340-40DB-A8FE-0C227796FEF3.1\r\n\tenvelope-from <x@y.example>\r\n"
      "\t(cipher=ECDHE-RSA-AES256-GCM-SHA384);\r\n\tTue, 02 Jan 2024 11:00:05 +0100",
      "client.example (192.0.2.5)", "mx.example", "ESMTPS", "ECDHE-RSA-AES256-GCM-SHA384",
      "7B470838-3340-40DB-A8FE-0C227796FEF3.1", "", 1704189605 },
    { "Haraka, newer",
      " from unknown (HELO client) (::1)\r\n\tby mx.example (Haraka/3.0.1) with ESMTPSA; Tue, 02 Jan 2024 11:00:05 +0100",
      "client (::1)", "mx.example", "ESMTPSA", "", "", "", 1704189605 },
    { "fetchmail",
      " from pop.example [192.0.2.5]\r\n\tby client.example with IMAP (fetchmail-6.4.37)\r\n"
      "\tfor <user@localhost> (single-drop); Tue, 02 Jan 2024 11:00:05 +0100 (CET)",
      "pop.example (192.0.2.5)", "client.example", "IMAP", "", "", "user@localhost", 1704189605 },
    { "fetchmail, IPv6",
      " from pop.example (pop.example [IPv6:2001:db8::9])\r\n\tby client.example with POP3 (fetchmail-6.3.26)\r\n"
      "\tfor <user@localhost> (multi-drop); Tue, 02 Jan 2024 11:00:05 +0100 (CET)",
      "pop.example (2001:db8::9)", "client.example", "POP3", "", "", "user@localhost", 1704189605 },
    { "OpenSMTPD, local",
      " from localhost (mx.example [local])\r\n\tby mx.example (OpenSMTPD) with ESMTPA id 5a8ec7b1;\r\n"
      "\tTue, 2 Jan 2024 10:00:05 +0000 (UTC)",
      "localhost", "mx.example", "ESMTPA", "", "5a8ec7b1", "", 1704189605 },
    { "James",
      " from 192.0.2.5 (EHLO [IPv6:2001:db8::5]) ([192.0.2.5])\r\n"
      "          by james.example (JAMES SMTP Server ) with ESMTPA ID 1764098952\r\n          for <a@b.example>;\r\n"
      "          Tue, 02 Jan 2024 11:00:05 +0100 (CET)",
      "IPv6:2001:db8::5 (192.0.2.5)", "james.example", "ESMTPA", "", "1764098952", "a@b.example", 1704189605 },
    { "hMailServer",
      " from client.example (host.example [192.0.2.5])\r\n\tby hmail.example with ESMTPS\r\n"
      "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256)\r\n\t; Tue, 2 Jan 2024 11:00:05 +0100",
      "client.example (192.0.2.5)", "hmail.example", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384", "", "", 1704189605 },
    { "Kerio",
      " from client.example ([192.0.2.5])\r\n\t(authenticated user x@y.example)\r\n"
      "\tby kerio.example (Kerio Connect 9.2.12 patch 1) with ESMTPSA\r\n"
      "\t(using TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256 bits));\r\n\tTue, 2 Jan 2024 11:00:05 +0100",
      "client.example (192.0.2.5)", "kerio.example", "ESMTPSA", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384", "", "", 1704189605 },
    { "IceWarp",
      " from client.example ([192.0.2.5])\r\n"
      "\tby ice.example (IceWarp 11.3.0.4 RHEL6 x64) with ESMTP (SSL) id 202401021100052486\r\n"
      "\tfor <a@b.example>; Tue, 02 Jan 2024 11:00:05 +0100",
      "client.example (192.0.2.5)", "ice.example", "ESMTP", "SSL", "202401021100052486", "a@b.example", 1704189605 },
    { "Barracuda",
      " from mx.cust.example (mx.cust.example [192.0.2.5]) by filter.example with ESMTP id AbCdEf0123456789"
      " (version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NO) for <a@b.example>; Tue, 02 Jan 2024"
      " 10:00:05 +0000 (GMT)",
      "mx.cust.example (192.0.2.5)", "filter.example", "ESMTP", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384", "AbCdEf0123456789",
      "a@b.example", 1704189605 },
    { "Proofpoint, its own filter",
      " from pps.filterd (m0123456.ppops.example [127.0.0.1])\r\n"
      "\tby mx0a-00123456.pphosted.example (8.17.1.24/8.17.1.24) with ESMTP id 4029abCD001234\r\n"
      "\tfor <a@b.example>; Tue, 2 Jan 2024 10:00:05 GMT",
      "pps.filterd (127.0.0.1)", "mx0a-00123456.pphosted.example", "ESMTP", "", "4029abCD001234", "a@b.example",
      1704189605 },
    { "Proofpoint, from outside",
      " from mail.cust.example (mail.cust.example [192.0.2.5])\r\n"
      "\tby mx0a-00123456.pphosted.example (PPS) with ESMTPS id 3vc4abcdef-1\r\n"
      "\t(version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384 bits=256 verify=NOT)\r\n"
      "\tfor <a@b.example>; Tue, 02 Jan 2024 10:00:05 +0000 (GMT)",
      "mail.cust.example (192.0.2.5)", "mx0a-00123456.pphosted.example", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384",
      "3vc4abcdef-1", "a@b.example", 1704189605 },
    { "Mimecast",
      " from mail.cust.example (mail.cust.example\r\n [192.0.2.5]) (Using TLS) by relay.mimecast.example with ESMTP with both\r\n"
      " STARTTLS and AUTH (version=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384) id\r\n"
      " uk-mta-123-AbCdEfGhIjKlMnOp-1; Tue, 02 Jan 2024 10:00:05 +0000",
      "mail.cust.example (192.0.2.5)", "relay.mimecast.example", "ESMTP", "TLSv1.3 TLS_AES_256_GCM_SHA384",
      "uk-mta-123-AbCdEfGhIjKlMnOp-1", "", 1704189605 },
    { "Cisco ESA",
      " from mail.cust.example (HELO mail.cust.example) ([192.0.2.5])\r\n"
      "  by esa1.example with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384; 02 Jan 2024 10:00:05 +0000",
      "mail.cust.example (192.0.2.5)", "esa1.example", "ESMTP", "ECDHE-RSA-AES256-GCM-SHA384", "", "", 1704189605 },
    { "Postini",
      " from source ([192.0.2.5]) (using TLSv1) by exprod0mx1.example\r\n"
      "\t([198.51.100.12]) with SMTP; Tue, 02 Jan 2024 02:00:05 PST",
      "source (192.0.2.5)", "exprod0mx1.example", "SMTP", "TLSv1", "", "", 1704189605 },
    { "SpamAssassin",
      " from localhost by mail.example\r\n\twith SpamAssassin (version 3.4.6);\r\n\tTue, 02 Jan 2024 11:00:05 +0100",
      "localhost", "mail.example", "SpamAssassin", "", "", "", 1704189605 },
    { "FortiMail",
      " from client.example (host.example [192.0.2.5])\r\n\tby forti.example  with ESMTP id 402A05ef012348-402A05eg012348\r\n"
      "\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NO)\r\n"
      "\tfor <a@b.example>; Tue, 2 Jan 2024 11:00:05 +0100",
      "client.example (192.0.2.5)", "forti.example", "ESMTP", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384",
      "402A05ef012348-402A05eg012348", "a@b.example", 1704189605 },
    { "Trustwave",
      " from mail.cust.example (Not Verified[192.0.2.5]) by gate.example with Trustwave SEG (v8,2,0,1)\r\n"
      "\t(using TLS: TLSv1.2, ECDHE-RSA-AES256-GCM-SHA384)\r\n\tid <B65940b250000>; Tue, 02 Jan 2024 10:00:05 +0000",
      "mail.cust.example (192.0.2.5)", "gate.example", "Trustwave SEG", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384",
      "B65940b250000", "", 1704189605 },
    { "Courier, id behind the date",
      " from client.example (host.example [::ffff:192.0.2.5])\r\n  (TLS: TLSv1.3,256bits,TLS_AES_256_GCM_SHA384)\r\n"
      "  by courier.example with ESMTPS; Tue, 02 Jan 2024 10:00:05 +0000\r\n  id 00000000001E0043.0000000065940B25.00001A2B",
      "client.example (::ffff:192.0.2.5)", "courier.example", "ESMTPS", "TLSv1.3 TLS_AES_256_GCM_SHA384",
      "00000000001E0043.0000000065940B25.00001A2B", "", 1704189605 },
    { "Oracle and Sun Messaging Server",
      " from client.example (host.example [192.0.2.5])\r\n"
      " by ms1.example (Oracle Communications Messaging Server 8.1.0.1 64bit (built Jul\r\n"
      " 20 2022)) with ESMTPS id <0S6M00ABCDEFGH@ms1.example> for a@b.example (ORCPT\r\n"
      " rfc822;a@b.example); Tue, 02 Jan 2024 10:00:05 +0000 (GMT)",
      "client.example (192.0.2.5)", "ms1.example", "ESMTPS", "", "0S6M00ABCDEFGH@ms1.example", "a@b.example", 1704189605 },
    { "ZMailer",
      " from client.example ([IPv6:::ffff:192.0.2.5]:6672\r\n\t\"EHLO client.example\") by zmailer.example with ESMTP\r\n"
      "\tid <S8224989AbUIPHcU>; Tue, 02 Jan 2024 10:00:05 +0000",
      "client.example (::ffff:192.0.2.5)", "zmailer.example", "ESMTP", "", "S8224989AbUIPHcU", "", 1704189605 },
    { "GMX",
      " from mail.cust.example ([192.0.2.5]) by mx.gmx.example (mxgmx016\r\n"
      " [198.51.100.15]) with ESMTPS (Nemesis) id 1MabcD-1abcdE2x3y-00abCD for\r\n <a@b.example>; Tue, 02 Jan 2024 11:00:05 +0100",
      "mail.cust.example (192.0.2.5)", "mx.gmx.example", "ESMTPS", "", "1MabcD-1abcdE2x3y-00abCD", "a@b.example",
      1704189605 },
    { "Yahoo",
      " from 192.0.2.5  (EHLO mail.cust.example)\r\n  by 10.197.41.75 with SMTPs\r\n"
      "  (version=TLS1_2 cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);\r\n  Tue, 2 Jan 2024 10:00:05 +0000",
      "mail.cust.example (192.0.2.5)", "10.197.41.75", "SMTPs", "TLSv1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "", "", 1704189605 },
    { "Fastmail, inside",
      " from compute4.internal ([10.202.2.44])\r\n  by compute5.internal (MEProxy); Tue, 02 Jan 2024 05:00:05 -0500",
      "compute4.internal (10.202.2.44)", "compute5.internal", "", "", "", "", 1704189605 },
    { "a web mail program",
      " from 192.0.2.5\r\n        (SquirrelMail authenticated user bob)\r\n        by webmail.example with HTTP;\r\n"
      "        Tue, 2 Jan 2024 10:00:05 -0000 (UTC)",
      "192.0.2.5", "webmail.example", "HTTP", "", "", "", 1704189605 },
    { "GroupWise",
      " from INTERNET-MTA by gw.example\r\n\twith Novell_GroupWise; Tue, 02 Jan 2024 11:00:05 +0100",
      "INTERNET-MTA", "gw.example", "Novell_GroupWise", "", "", "", 1704189605 },
    { "RFC 822, obsolete zone",
      " from A.EXAMPLE by B.EXAMPLE via TCP with SMTP; 2 Jan 24 05:00:05 EST",
      "A.EXAMPLE", "B.EXAMPLE", "SMTP", "", "", "", 1704189605 },
    { "comments everywhere, nested",
      " (one (two) \\) three) from (four) a.example (host.example [192.0.2.5] (may be (really) forged)) (five) by"
      " (six) b.example (seven)\r\n"
      "\twith (eight) ESMTP (nine) id (ten) 77 for (eleven) <a@b.example> (twelve) ; (thirteen) Tue, 2 (fourteen) Jan"
      " 2024 10:00:05 +0000 (fifteen)",
      "a.example (192.0.2.5)", "b.example", "ESMTP", "", "77", "a@b.example", 1704189605 },
    { "folded everywhere",
      "\r\n from\r\n a.example\r\n (\r\n host.example\r\n [192.0.2.5]\r\n )\r\n by\r\n b.example\r\n with\r\n ESMTP\r\n id\r\n"
      " 77\r\n for\r\n <a@b.example>\r\n ;\r\n Tue,\r\n 2\r\n Jan\r\n 2024\r\n 10:00:05\r\n +0000",
      "a.example (192.0.2.5)", "b.example", "ESMTP", "", "77", "a@b.example", 1704189605 },
    { "no semicolon",
      " from a.example by b.example with SMTP id 77 Tue, 2 Jan 2024 10:00:05 +0000 (UTC)",
      "a.example", "b.example", "SMTP", "", "77", "", 1704189605 },
    { "no semicolon, behind a clause of many words",
      " from a.example by b.example with Microsoft SMTP Server 2 Jan 2024 10:00:05 GMT",
      "a.example", "b.example", "Microsoft SMTP Server", "", "", "", 1704189605 },
    { "no semicolon, day of the week behind a clause of many words",
      " from a.example by b.example with Microsoft SMTP Server Tue, 2 Jan 2024 10:00:05 GMT",
      "a.example", "b.example", "Microsoft SMTP Server", "", "", "", 1704189605 },
    { "a comma instead of the semicolon",
      " from a.example by b.example (Mail Daemon), Tue, 2 Jan 2024 10:00:05 +0000",
      "a.example", "b.example", "", "", "", "", 1704189605 },
    { "AM and PM, no space behind the comma",
      " from a.example by b.example with SMTP; Tue,2 Jan 2024 10:00:05 AM -0000",
      "a.example", "b.example", "SMTP", "", "", "", 1704189605 },
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
