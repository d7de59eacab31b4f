#include "tests/unit/meaning_mail.h"

#include "meaning/link.h"

#define VF "https://mail-settings.google.com/mail/vf-%5BANGjdJ-x_y%5D-Abc-123"
#define UF "https://mail-settings.google.com/mail/uf-%5BANGjdJ-z%5D-Abc"
#define GMAIL "From: Gmail Team <forwarding-noreply@google.com>\nTo: acme@mailtest1.example\n"
#define ASKED "anna@customer.test has requested to automatically forward mail to your email\naddress acme@mailtest1.example.\n"

static const struct meaning_row confirmations[] = {
    { "Gmail", "3abc@bounce.google.com",
      GMAIL "Subject: (#123456789) Gmail Forwarding Confirmation - Receive Mail from anna@customer.test\n\n" ASKED
      "Confirmation code: 123456789\n\nTo allow anna@customer.test to automatically forward mail to your address,\n"
      "please click the link below to confirm the request:\n\n"
      VF "\n\nIf you accidentally clicked the link, click this link to cancel this verification:\n" UF "\n",
      0, TRAIT_CONFIRMATION,
      "confirmation-provider: Gmail\nconfirmation-code: 123456789\nconfirmation-link: " VF "\nconfirmation-for: anna@customer.test\n"
      "!forward-way" },
    { "Workspace with the customer's brand", NULL,
      "From: Example Works Team <forwarding-noreply@google.com>\nTo: acme@mailtest1.example\n"
      "Subject: (#43643746) Example Works Forwarding Confirmation - Receive Mail from dave@works.test\n\n" VF "\n",
      0, TRAIT_CONFIRMATION, "confirmation-provider: Gmail\nconfirmation-code: 43643746\nconfirmation-link: " VF "\n"
      "confirmation-for: dave@works.test" },
    { "brand as sender: the link tells", NULL,
      "From: Example Works <noreply@works.test>\nSubject: (#43643746) Example Works Forwarding Confirmation\n\n" ASKED VF "\n",
      0, TRAIT_CONFIRMATION, "confirmation-provider: Gmail\nconfirmation-code: 43643746\nconfirmation-link: " VF },
    { "Gmail without a code, sent again", NULL,
      GMAIL "Subject: (Gmail Forwarding Confirmation - Receive Mail from anna@customer.test\n"
      "\n" ASKED "https://mail.google.com/mail/vf-%5Bq%5D-r.\n"
      "To cancel: https://mail.google.com/mail/uf-%5Bq%5D-s\n",
      0, TRAIT_CONFIRMATION, "confirmation-link: https://mail.google.com/mail/vf-%5Bq%5D-r\n!confirmation-code\n"
      "confirmation-for: anna@customer.test" },
    { "Gmail in German, quoted-printable", NULL,
      GMAIL "Subject: =?UTF-8?Q?=28=23987654321=29_Best=C3=A4tigung_der_Gmail=2DWeiterleitung_=2D_Erhalten_von_E=2DMails_von_anna=40customer=2Etest?=\n"
      "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n"
      "anna@customer.test hat angefordert, E-Mails =\nweiterzuleiten.\n"
      "Best=C3=A4tigungscode: 987654321\n\nhttps://mail-settings.google.com/mail/vf-%5BANGj=\ndJ-x_y%5D-Abc-123\n",
      0, TRAIT_CONFIRMATION, "confirmation-code: 987654321\nconfirmation-link: " VF "\nconfirmation-for: anna@customer.test" },
    { "Gmail in Japanese, code in the text alone", NULL,
      GMAIL "Subject: =?UTF-8?B?R21haWwg44Gu6Lui6YCB44Gu56K66KqN?=\nContent-Type: text/plain; charset=utf-8\n\n"
      "\xe7\xa2\xba\xe8\xaa\x8d\xe3\x82\xb3\xe3\x83\xbc\xe3\x83\x89: 555666777\n" VF "\n",
      0, TRAIT_CONFIRMATION, "confirmation-code: 555666777\nconfirmation-link: " VF },
    { "Gmail, HTML alone", NULL,
      GMAIL "Subject: (#112233445) Gmail Forwarding Confirmation\nContent-Type: text/html; charset=utf-8\n\n"
      "<html><style>a{}</style><p>anna@customer.test asks.</p>"
      "<p>Code: 112233445</p><a class=x href=\"https://mail.google.com/mail/vf-%5Bq%5D-r?a=1&amp;b=2\">Confirm</a> <a href='https://mail.google.com/mail/uf-1'>no</a></html>\n",
      0, TRAIT_CONFIRMATION, "confirmation-code: 112233445\nconfirmation-link: https://mail.google.com/mail/vf-%5Bq%5D-r?a=1&b=2\n"
      "confirmation-for: anna@customer.test" },
    { "Outlook.com", NULL,
      "From: Outlook <postmaster@outlook.com>\nSubject: Verify your forwarding email address\n\n"
      "Somebody asked to forward mail of anna@customer.test here.\n"
      "Verification code: 4821990\nhttps://account.live.com/forwardconfirm?id=4821990&mkt=en-US\n",
      0, TRAIT_CONFIRMATION, "confirmation-provider: Outlook.com\nconfirmation-code: 4821990\n"
      "confirmation-link: https://account.live.com/forwardconfirm?id=4821990&mkt=en-US\nconfirmation-for: anna@customer.test" },
    { "Yahoo", NULL,
      "From: Yahoo <no-reply@cc.yahoo-inc.com>\nSubject: Please verify your forwarding address\n\nanna@yahoo.com wants to forward.\n"
      "Help: https://help.yahoo.com/forwarding\nhttps://mail.yahoo.com/verify?crumb=abc\n",
      0, TRAIT_CONFIRMATION, "confirmation-provider: Yahoo\nconfirmation-link: https://mail.yahoo.com/verify?crumb=abc" },
    { "Zoho", "", "From: Zoho Mail <mailer-daemon@zohomail.com>\nSubject: Zoho Mail - Email forwarding confirmation\n\n"
      "anna@customer.test wants to forward emails to this address.\nConfirmation Code : ZM8842LQ\n"
      "https://mail.zoho.com/zm/ConfirmForward.do?code=ZM8842LQ&mode=verify\n",
      0, TRAIT_CONFIRMATION, "confirmation-provider: Zoho\nconfirmation-code: ZM8842LQ\n"
      "confirmation-link: https://mail.zoho.com/zm/ConfirmForward.do?code=ZM8842LQ&mode=verify" },
    { "Fastmail", NULL, "From: Fastmail <noreply@fastmail.com>\nSubject: Confirm your email forwarding request\n\n"
      "ops@customer.test asks.\n"
      "https://www.fastmail.com/settings/confirm/verify?token=abc123\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: Fastmail\nconfirmation-link: https://www.fastmail.com/settings/confirm/verify?token=abc123\n"
      "!confirmation-code" },
    { "iCloud", NULL, "From: iCloud <noreply@email.apple.com>\nSubject: Verify your forwarding address\n\n"
      "Enter the code 384756 to confirm.\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: iCloud\nconfirmation-code: 384756\n!confirmation-link" },
    { "Yandex", NULL, "From: =?utf-8?B?0K/QvdC00LXQutGB?= <noreply@yandex.ru>\n"
      "Subject: =?utf-8?B?0J/QvtC00YLQstC10YDQttC00LXQvdC40LUg0L/QtdGA0LXRgdGL0LvQutC4?=\n"
      "Content-Type: text/html; charset=utf-8\n\n<a href=\"https://mail.yandex.ru/forward/confirm?e=Zm9v\">x</a>\n",
      0, TRAIT_CONFIRMATION,
      "confirmation-provider: Yandex\nconfirmation-link: https://mail.yandex.ru/forward/confirm?e=Zm9v" },
    { "GMX", NULL, "From: GMX <noreply@system.gmx.net>\nSubject: Bitte best\xc3\xa4tigen Sie die Weiterleitung\n\n"
      "anna@gmx.net m\xc3\xb6" "chte weiterleiten.\n"
      "https://weiterleitung.gmx.net/bestaetigen?token=77\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: GMX\nconfirmation-link: https://weiterleitung.gmx.net/bestaetigen?token=77\n"
      "confirmation-for: anna@gmx.net" },
    { "WEB.DE, worded in the text", NULL, "From: WEB.DE <noreply@sicher.web.de>\nSubject: Ihre Zustimmung wird ben\xc3\xb6tigt\n\n"
      "Jemand will E-Mails an Sie weiterleiten. Bitte best\xc3\xa4tigen.\nhttps://web.de/x/consent?id=9\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: WEB.DE\nconfirmation-link: https://web.de/x/consent?id=9" },
    { "Proton", NULL, "From: Proton <no-reply@notify.proton.me>\nSubject: Confirm email forwarding from anna@proton.me\n\n"
      "https://account.proton.me/forwarding/accept#abc\nhttps://account.proton.me/forwarding/reject#abc\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: Proton\nconfirmation-link: https://account.proton.me/forwarding/accept#abc\n"
      "confirmation-for: anna@proton.me" },
    { "Mail.ru", NULL, "From: Mail.ru <noreply@id.mail.ru>\n"
      "Subject: =?utf-8?B?0J/QvtC00YLQstC10YDQtNC40YLQtSDQv9C10YDQtdGB0YvQu9C60YM=?=\n\n"
      "\xd0\x9a\xd0\xbe\xd0\xb4: 847362\n", 0, TRAIT_CONFIRMATION, "confirmation-provider: Mail.ru\nconfirmation-code: 847362" },
    { "Cloudflare", NULL, "From: Cloudflare <noreply@notify.cloudflare.com>\nSubject: Verify Email Routing address\n\n"
      "https://dash.cloudflare.com/email_fwdr/verify?token=xyz\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: Cloudflare\nconfirmation-link: https://dash.cloudflare.com/email_fwdr/verify?token=xyz" },
    { "an unknown system, such as a Zimbra", NULL, "From: Mail <admin@mail.customer.test>\n"
      "Subject: Request for mail forwarding: please verify\n\n"
      "https://evil.example/verify?x=1\nhttps://zm.mail.customer.test/service/verify?p=0_abc\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: not recognised: it comes from admin@mail.customer.test\nconfirmation-link: https://zm.mail.customer.test/service/verify?p=0_abc" },
    /* Look-alikes: seen, but the link is not passed on as the provider's. */
    { "Gmail's sender, another host", NULL, GMAIL "Subject: (#123456789) Gmail Forwarding Confirmation\n\n"
      "https://mail-settings.google.com.evil.example/mail/vf-abc\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: not recognised: it says that it comes from forwarding-noreply@google.com, but has a link to mail-settings.google.com.evil.example\n!confirmation-link" },
    { "another sender and host", NULL, "From: Gmail Team <forwarding-noreply@google.com.evil.example>\n"
      "Subject: (#000111222) Gmail Forwarding Confirmation\n\n"
      "Code: 000111222\nhttps://mail-google.evil.example/verify?id=1\n", 0, TRAIT_CONFIRMATION,
      "confirmation-provider: not recognised: it calls itself Gmail, but comes from forwarding-noreply@google.com.evil.example, and has a link to mail-google.evil.example\n"
      "!confirmation-link" },
    { "a stranger with a code", NULL, "From: noreply@evil.test\nSubject: Please confirm the forwarding\n\nEnter the code EVIL99.\n", 0,
      TRAIT_CONFIRMATION, "confirmation-provider: not recognised: it comes from noreply@evil.test\nconfirmation-code: EVIL99" },
    { "user part in front of the host", NULL, GMAIL "Subject: x\n\n"
      "https://mail.google.com/mail/vf-a@evil.example https://mail.google.com@evil.example/mail/vf-b\n",
      0, TRAIT_CONFIRMATION, "confirmation-link: https://mail.google.com/mail/vf-a@evil.example" },
};

static const struct meaning_row others[] = {
    { "a user of Outlook.com", "anna@outlook.com", "From: Anna <anna@outlook.com>\nSubject: please confirm the forwarding\n\n"
      "Hi, " TOKEN "\n", PLACE_TEXT, 0, "!confirmation-provider" },
    { "Google's other mail", NULL, "From: Google <no-reply@accounts.google.com>\nSubject: Security alert\n\n"
      "https://myaccount.google.com/notifications?verify=1\n", 0, 0,
      "!confirmation-provider" },
    { "Gmail's cancel link alone", NULL, "From: a@b.example\nSubject: x\n\n" UF "\n", 0, 0, "!confirmation-provider" },
    { "no https", NULL, "From: a@b.example\nSubject: x\n\nhttp://mail-settings.google.com/mail/vf-abc\n",
      0, 0, "!confirmation-provider" },
    { "Gmail's path, and out of it again", NULL, "From: a@evil.example\nSubject: x\n\n"
      "https://mail.google.com/mail/vf-/../../../url?q=http://evil.example\n", 0, 0, "!confirmation-provider\n!confirmation-link" },
    { "the same, hidden", NULL, "From: a@evil.example\nSubject: x\n\n"
      "https://mail-settings.google.com/mail/vf-a%2f%2e%2e/url\n", 0, 0, "!confirmation-provider\n!confirmation-link" },
    { "another path", NULL, "From: a@b.example\nSubject: x\n\nhttps://mail.google.com/mail/u/0/?vf-abc\n",
      0, 0, "!confirmation-provider" },
    { "GMX's newsletter", NULL, "From: GMX <noreply@system.gmx.net>\nSubject: Neues von GMX\n\nhttps://gmx.net/verify\n",
      0, 0, "!confirmation-provider" },
    { "a forward of a test mail with such words", NULL, "From: noc@customer.test\n"
      "Subject: Fwd: forwarding check, please confirm " TOKEN "\n\nhttps://customer.test/verify?x\n",
      PLACE_SUBJECT, 0, "!confirmation-provider" },
    { "words without a link or code", NULL, "From: noc@customer.test\nSubject: forwarding confirmed\n\nThe forwarding works now.\n",
      0, 0, "!confirmation-provider" },
};

static void
confirmations_are_recognised_and_only_the_providers_links_passed_on(void **state)
{
    (void)state;
    rows_check(confirmations, COUNT(confirmations));
}

static void
other_mail_of_providers_is_no_confirmation(void **state)
{
    (void)state;
    rows_check(others, COUNT(others));
}

static void
a_link_that_would_be_cut_is_left_out(void **state)
{
    struct buf         mail;
    struct meaning_row row = { "long link", NULL, NULL, 0, TRAIT_CONFIRMATION, "confirmation-provider: Gmail\n!confirmation-link" };

    (void)state;
    buf_init(&mail, 4096);
    buf_append_string(&mail, GMAIL "Subject: x\n\nhttps://mail.google.com/mail/vf-");
    for (unsigned i = 0; i < FACT_TEXT_BYTES; i++)
        buf_append_byte(&mail, 'a');
    buf_append(&mail, "\n", 2);
    row.mail = mail.data;
    rows_check(&row, 1);
    buf_fini(&mail);
}

static void
links_are_taken_apart_exactly(void **state)
{
    static const struct {
        const char *text, *whole, *host, *path;
    } rows[] = {
        { "see https://a.example/x?y=1#z.", "https://a.example/x?y=1#z", "a.example", "/x?y=1#z" },
        { "<HTTPS://A.example>", "HTTPS://A.example", "A.example", "" },
        { "(https://a.example:443/p)", "https://a.example:443/p", "a.example", "/p" },
        { "https://a.example:8443/p", NULL, NULL, NULL },
        { "https://a@b.example/p https://c.example/", "https://c.example/", "c.example", "/" },
        { "https:// https://", NULL, NULL, NULL },
        { "https://?x", NULL, NULL, NULL },
        { "http://a.example/", NULL, NULL, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_of(rows[i].text);
        struct link  l;
        bool         found = link_next(&rest, &l);

        assert_int_equal(found, rows[i].whole != NULL);
        if (found) {
            assert_slice(rows[i].text, l.whole, rows[i].whole);
            assert_slice(rows[i].text, l.host, rows[i].host);
            assert_slice(rows[i].text, l.path, rows[i].path);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirmations_are_recognised_and_only_the_providers_links_passed_on),
        cmocka_unit_test(other_mail_of_providers_is_no_confirmation),
        cmocka_unit_test(a_link_that_would_be_cut_is_left_out),
        cmocka_unit_test(links_are_taken_apart_exactly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
