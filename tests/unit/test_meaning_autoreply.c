#include "tests/unit/meaning_mail.h"

#define RECEIPT "Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n" \
                "--b\n\nYour message was displayed.\n--b\nContent-Type: message/disposition-notification\n\n"
#define ANSWERED PLACE_IN_REPLY_TO

static const struct meaning_row replies[] = {
    { "RFC 3834", "", "Auto-Submitted: auto-replied\nSubject: Auto: " TOKEN "\nIn-Reply-To: <" TOKEN "@checker.example>\n\nI am away.\n",
      ANSWERED | PLACE_SUBJECT, TRAIT_AUTO_REPLIED, "autoreply-why: Auto-Submitted: auto-replied" },
    { "Sieve vacation", "", "X-Sieve: Pigeonhole Sieve 0.5.19\nAuto-Submitted: auto-replied (vacation)\nSubject: Auto: " TOKEN "\n"
      "Precedence: bulk\n\nx\n",
      PLACE_SUBJECT, TRAIT_AUTO_REPLIED, "autoreply-why: Auto-Submitted: auto-replied (vacation)\n!forward-way" },
    { "Gmail vacation", "", "X-Autoreply: yes\nPrecedence: bulk\nSubject: Away Re: " TOKEN "\n\nx\n", PLACE_SUBJECT, TRAIT_AUTO_REPLIED,
      "autoreply-why: X-Autoreply: yes" },
    { "X-Autorespond", NULL, "X-Autorespond: Re: x\nSubject: x\n\nx\n", 0, TRAIT_AUTO_REPLIED, "autoreply-why: X-Autorespond: Re: x" },
    { "Precedence", NULL, "Precedence: auto_reply\nSubject: x\n\nx\n", 0, TRAIT_AUTO_REPLIED, "autoreply-why: Precedence: auto_reply" },
    { "Delivered-To of a control panel", NULL, "Delivered-To: Autoresponder\nSubject: x\n\nx\n", 0, TRAIT_AUTO_REPLIED,
      "autoreply-why: Delivered-To: Autoresponder" },
    { "X-POST-MessageClass", NULL, "X-POST-MessageClass: 9; Autoresponder\n\nx\n",
      0, TRAIT_AUTO_REPLIED, "autoreply-why: X-POST-MessageClass: 9; Autoresponder" },
    { "vacation program", NULL, "X-Mailer: vacation 1.2.7.1\nSubject: x\n\nx\n",
      0, TRAIT_AUTO_REPLIED, "autoreply-why: X-Mailer: vacation 1.2.7.1" },
    { "Exchange, in the customer's own words", "",
      "X-MS-Exchange-Inbox-Rules-Loop: info@customer.test\nX-Auto-Response-Suppress: All\nauto-submitted: auto-generated\n"
      "x-ms-exchange-generated-message-source: Mailbox Rules Agent\nx-ms-exchange-parent-message-id: <" TOKEN "@checker.example>\n"
      "In-Reply-To: <" TOKEN "@checker.example>\nReferences: <" TOKEN "@checker.example>\nMessage-ID: <1@customer.test>\n"
      "Subject: Thanks for your mail\n\nx\n",
      PLACE_IN_REPLY_TO | PLACE_REFERENCES | PLACE_HEADER, TRAIT_AUTO_REPLIED,
      "autoreply-why: X-MS-Exchange-Generated-Message-Source: Mailbox Rules Agent, and the test mail is not in it" },
    { "bulk reply", NULL, "Precedence: bulk\nSubject: Re: " TOKEN "\n\nx\n", PLACE_SUBJECT, TRAIT_AUTO_REPLIED,
      "autoreply-why: Precedence: bulk, and the subject is a reply's" },
    { "wording, English", NULL, "Subject: Automatic reply: " TOKEN "\n\nx\n",
      PLACE_SUBJECT, TRAIT_AUTO_REPLIED, "autoreply-why: Subject: Automatic reply (by its wording)" },
    { "wording behind a tag and Re", NULL, "Subject: [EXTERNAL] Re: Out of Office: " TOKEN "\n\nx\n", PLACE_SUBJECT, TRAIT_AUTO_REPLIED,
      "autoreply-why: Subject: Out of Office (by its wording)" },
    { "wording, German", NULL, "Subject: Abwesenheitsnotiz: " TOKEN "\n\nx\n",
      PLACE_SUBJECT, TRAIT_AUTO_REPLIED, "autoreply-why: Subject: Abwesenheitsnotiz (by its wording)" },
    { "wording, French, Latin-1", NULL, "Subject: =?iso-8859-1?Q?R=E9ponse_automatique_=3A?= x\n"
      "In-Reply-To: <" TOKEN "@checker.example>\n\nx\n", ANSWERED,
      TRAIT_AUTO_REPLIED, "autoreply-why: Subject: R\xc3\xa9ponse automatique (by its wording)" },
    { "wording, Japanese", NULL, "Subject: =?UTF-8?B?6Ieq5YuV5b+c562U?=: x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n",
      ANSWERED, TRAIT_AUTO_REPLIED, NULL },
    { "wording, Polish", NULL, "Subject: Odpowied\xc5\xba automatyczna: " TOKEN "\n\nx\n", PLACE_SUBJECT, TRAIT_AUTO_REPLIED, NULL },
    { "wording, Czech", NULL, "Subject: Automatick\xc3\xa1 odpov\xc4\x9b\xc4\x8f: " TOKEN "\n\nx\n",
      PLACE_SUBJECT, TRAIT_AUTO_REPLIED, NULL },
    { "wording, Dutch", NULL, "Subject: Automatisch antwoord: " TOKEN "\n\nx\n", PLACE_SUBJECT, TRAIT_AUTO_REPLIED, NULL },
    { "Domino", NULL, "Auto-Submitted: auto-generated\nSubject: AUTO: Anna Example is out of the office (returning 01/12/2026)\n"
      "In-Reply-To: <" TOKEN "@checker.example>\n\nx\n",
      ANSWERED, TRAIT_AUTO_REPLIED, "autoreply-why: Subject: AUTO: (by its wording)" },
    { "receipt", NULL, "Subject: Read: " TOKEN "\n" RECEIPT "Reporting-UA: mail.customer.test; Outlook\n"
      "Final-Recipient: rfc822; info@customer.test\n"
      "Original-Message-ID: <" TOKEN "@checker.example>\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n",
      PLACE_SUBJECT | PLACE_REPORT, TRAIT_READ_RECEIPT, "receipt-why: report-type=disposition-notification; displayed\n!autoreply-why" },
    { "receipt, deleted unread", NULL, "Auto-Submitted: auto-replied\n"
      "Subject: Not read: x\n" RECEIPT "Disposition: automatic-action/MDN-sent-automatically; deleted\n\n--b--\n",
      PLACE_REPORT, TRAIT_READ_RECEIPT, "receipt-why: report-type=disposition-notification; deleted\n!autoreply-why" },
    { "receipt of a null sender, made multipart/mixed", "", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
      "Content-Type: message/disposition-notification\n\n"
      "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
      PLACE_REPORT, TRAIT_READ_RECEIPT, "receipt-why: it has a message/disposition-notification part; displayed" },
    { "a person replies", "anna@customer.test", "Subject: Re: " TOKEN "\nIn-Reply-To: <" TOKEN "@checker.example>\n"
      "References: <" TOKEN "@checker.example>\n\nWhat is this?\n> " TOKEN "\n",
      PLACE_SUBJECT | PLACE_IN_REPLY_TO | PLACE_REFERENCES | PLACE_TEXT, TRAIT_REPLY, "reply-why: In-Reply-To has the token, and the subject begins with Re:\n!forward-way" },
    { "reply, German, only References", NULL, "Subject: AW: x\nReferences: <" TOKEN "@checker.example>\n\nx\n",
      PLACE_REFERENCES, TRAIT_REPLY,
      "reply-why: References has the token, and the subject begins with AW:" },
    { "reply, The Bat", NULL, "Subject: Re[2]: x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n", ANSWERED, TRAIT_REPLY, NULL },
    { "reply, Chinese", NULL, "Subject: \xe5\x9b\x9e\xe5\xa4\x8d\xef\xbc\x9a x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n",
      ANSWERED, TRAIT_REPLY, NULL },
    { "reply, French with a space", NULL, "Subject: RE : x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n",
      ANSWERED, TRAIT_REPLY, NULL },
    { "reply, Swedish", NULL, "Subject: SV: x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n", ANSWERED, TRAIT_REPLY, NULL },
    { "reply, Turkish", NULL, "Subject: YNT: x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n", ANSWERED, TRAIT_REPLY, NULL },
};

static const struct meaning_row no_replies[] = {
    { "delivered to a mailbox whose name begins like a responder", NULL,
      "Delivered-To: autoresponder-monitor@customer.test\nSubject: " TOKEN "\nX-Mailtest-Token: " TOKEN "\n\nx\n",
      PLACE_SUBJECT | PLACE_OWN_HEADER, 0, "!autoreply-why" },
    { "the test mail itself, which a forwarder calls a reply", NULL,
      "Auto-Submitted: auto-replied\nMessage-ID: <" TOKEN "@checker.example>\nSubject: " TOKEN "\n\nx\n",
      PLACE_SUBJECT | PLACE_MESSAGE_ID, 0, "!autoreply-why" },
    { "a monitor's own mail", "probe@checker.example", "Auto-Submitted: auto-generated\nX-Auto-Response-Suppress: All\n"
      "Precedence: bulk\nMessage-ID: <" TOKEN "@checker.example>\n"
      "Subject: [test] " TOKEN "\n\n" TOKEN "\n", PLACE_MESSAGE_ID | PLACE_SUBJECT | PLACE_TEXT, 0, "!autoreply-why" },
    { "auto-notified", NULL, "Auto-Submitted: auto-notified\nSubject: " TOKEN "\n\nx\n", PLACE_SUBJECT, 0, "!autoreply-why" },
    { "Auto-Submitted: no", NULL, "Auto-Submitted: no\nX-Autoreply: no\nSubject: " TOKEN "\n\nx\n", PLACE_SUBJECT, 0, "!autoreply-why" },
    { "suppression is no proof", NULL, "X-Auto-Response-Suppress: OOF, AutoReply\nSubject: " TOKEN "\n\nx\n",
      PLACE_SUBJECT, 0, "!autoreply-why" },
    { "Exchange's rule redirects", NULL, "X-MS-Exchange-Inbox-Rules-Loop: info@customer.test\nauto-submitted: auto-generated\n"
      "x-ms-exchange-generated-message-source: Mailbox Rules Agent\nMessage-ID: <" TOKEN "@checker.example>\nSubject: " TOKEN "\n\nx\n",
      PLACE_MESSAGE_ID | PLACE_SUBJECT, 0, "!autoreply-why\nforward-way: redirect" },
    { "Exchange's rule forwards", NULL, "X-MS-Exchange-Inbox-Rules-Loop: info@customer.test\nauto-submitted: auto-generated\n"
      "x-ms-exchange-generated-message-source: Mailbox Rules Agent\nIn-Reply-To: <" TOKEN "@checker.example>\nSubject: FW: " TOKEN "\n"
      "\nFrom: x\n" TOKEN "\n",
      PLACE_IN_REPLY_TO | PLACE_SUBJECT | PLACE_TEXT, 0, "!autoreply-why\n!reply-why\nforward-way: inline" },
    { "Exchange's rule forwards with a prefix that is not known", NULL, "x-ms-exchange-generated-message-source: Mailbox Rules Agent\n"
      "In-Reply-To: <" TOKEN "@checker.example>\nSubject: Xyz: " TOKEN "\n\n" TOKEN "\n",
      PLACE_IN_REPLY_TO | PLACE_SUBJECT | PLACE_TEXT, 0, "!autoreply-why" },
    { "wording without the token", NULL, "Subject: Automatic reply: holidays\n\n" TOKEN "\n", PLACE_TEXT, 0, "!autoreply-why" },
    { "wording of the test mail itself", NULL, "Message-ID: <" TOKEN "@checker.example>\nSubject: Out of office test " TOKEN "\n\nx\n",
      PLACE_MESSAGE_ID | PLACE_SUBJECT, 0,
      "!autoreply-why" },
    { "wording within the subject", NULL, "Subject: Probe of the automatic reply " TOKEN "\n\nx\n", PLACE_SUBJECT, 0, "!autoreply-why" },
    { "a list in bulk", NULL, "Precedence: bulk\nList-Id: <l.customer.test>\nSubject: Re: " TOKEN "\n\nx\n",
      PLACE_SUBJECT, 0, "!autoreply-why" },
    { "forwarded with references", NULL, "Subject: Fwd: x\nReferences: <" TOKEN "@checker.example>\n\n" TOKEN "\n",
      PLACE_REFERENCES | PLACE_TEXT, 0, "!reply-why\nforward-way: inline" },
    { "forwarded in Danish, or replied in Finnish", NULL, "Subject: VS: x\nIn-Reply-To: <" TOKEN "@checker.example>\n\n" TOKEN "\n",
      ANSWERED | PLACE_TEXT, 0,
      "!reply-why\nforward-way: inline" },
    { "redirected mail that replies to an older token", NULL, "Message-ID: <" TOKEN "@checker.example>\n"
      "In-Reply-To: <" TOKEN "@checker.example>\nSubject: Re: x\n\nx\n",
      PLACE_MESSAGE_ID | PLACE_IN_REPLY_TO, 0, "!reply-why" },
    { "no prefix", NULL, "Subject: Report: x\nIn-Reply-To: <" TOKEN "@checker.example>\n\nx\n", ANSWERED, 0, "!reply-why" },
    { "reply with the original attached", NULL, "Subject: Re: x\nIn-Reply-To: <" TOKEN "@checker.example>\n"
      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n"
      "Content-Type: message/rfc822\n\nSubject: " TOKEN "\n\nx\n--b--\n", ANSWERED | PLACE_ATTACHED, 0, "!reply-why" },
    { "receipt part in a person's mail", "anna@customer.test", "From: anna@customer.test\nContent-Type: multipart/mixed; boundary=b\n\n"
      "--b\n"
      "Content-Type: message/disposition-notification\n\nDisposition: x; displayed\n--b--\n", PLACE_REPORT, 0, "!receipt-why" },
};

static void
replies_are_told_apart_and_say_why(void **state)
{
    (void)state;
    rows_check(replies, COUNT(replies));
}

static void
what_only_looks_automatic_is_no_reply(void **state)
{
    (void)state;
    rows_check(no_replies, COUNT(no_replies));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_told_apart_and_say_why),
        cmocka_unit_test(what_only_looks_automatic_is_no_reply),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
