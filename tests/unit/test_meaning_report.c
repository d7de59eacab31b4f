#include "tests/unit/meaning_mail.h"

#define REPORT "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
#define STATUS "--b\nContent-Type: message/delivery-status\n\n"
#define RETURNED "--b\nContent-Type: message/rfc822\n\nMessage-ID: <" TOKEN "@checker.example>\nSubject: " TOKEN "\n\nx\n--b--\n"
#define IN_RETURNED PLACE_ATTACHED
#define DAEMON "From: Mail Delivery System <MAILER-DAEMON@mx.customer.test>\nSubject: Undelivered Mail Returned to Sender\n"

static const struct meaning_row reports[] = {
    { "Postfix, RFC 3464", "",
      DAEMON "Auto-Submitted: auto-replied\n" REPORT
      "--b\nContent-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n\n"
      "This is the mail system at host mx.customer.test.\n\n--b\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; mx.customer.test\nX-Postfix-Queue-ID: 4ABC\nArrival-Date: Mon,  5 Jan 2026 10:00:00 +0000 (UTC)\n\n"
      "Final-Recipient: rfc822; info@customer.test\nOriginal-Recipient: rfc822;monitor@customer.test\nAction: failed\nStatus: 5.1.1\n"
      "Remote-MTA: dns; store.customer.test\nDiagnostic-Code: smtp; 550 5.1.1 <info@customer.test>: Recipient address\n"
      "    rejected: User unknown in virtual mailbox table\n\n" RETURNED,
      IN_RETURNED, TRAIT_DELIVERY_REPORT,
      "report-form: rfc3464\nreport-action: failed\nreport-status: 5.1.1\nreport-host: mx.customer.test\n"
      "report-refused-by: store.customer.test\nreport-recipient: monitor@customer.test\n"
      "report-diagnostic: 550 5.1.1 <info@customer.test>: Recipient address rejected: User unknown in virtual mailbox table\n"
      "!autoreply-why\n!forward-way" },
    { "Exchange Online, external forwarding forbidden", "",
      "From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@customer.test>\nSubject: Undeliverable: " TOKEN "\n"
      "Auto-Submitted: auto-replied\nX-MS-Exchange-Message-Is-Ndr:\n" REPORT
      "--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/plain; charset=utf-8\n\n"
      "Your message to acme@mailtest1.example couldn't be delivered.\n\n--c--\n" STATUS
      "Reporting-MTA: dns;VI1PR01MB1234.eurprd01.prod.exchangelabs.com\n\nFinal-Recipient: rfc822;acme@mailtest1.example\n"
      "Action: failed\n"
      "Status: 5.7.520\nDiagnostic-Code: smtp;550 5.7.520 Access denied, Your organization does not allow external\n"
      " forwarding. Please contact your administrator for further assistance. AS(7555)\n\n" RETURNED,
      PLACE_SUBJECT | IN_RETURNED, TRAIT_DELIVERY_REPORT,
      "report-status: 5.7.520\nreport-host: VI1PR01MB1234.eurprd01.prod.exchangelabs.com\nreport-recipient: acme@mailtest1.example" },
    { "global delivery status", "",
      DAEMON REPORT "--b\nContent-Type: message/global-delivery-status\n\nReporting-MTA: dns; mx.customer.test\n\n"
      "Final-Recipient: utf-8; j\xc3\xbcrgen@customer.test\nAction: failed\nStatus: 5.2.2\n\n--b--\n",
      0, TRAIT_DELIVERY_REPORT, "report-recipient: j\xc3\xbcrgen@customer.test\nreport-status: 5.2.2" },
    { "delayed, then failed: the failure counts", "",
      DAEMON REPORT STATUS "Reporting-MTA: dns; mx.customer.test\n\nFinal-Recipient: rfc822; a@customer.test\nAction: delayed\n"
      "Status: 4.4.1\n\n"
      "Final-Recipient: rfc822; b@customer.test\nAction: failed (at last)\nStatus: 5.4.4\n--b--\n",
      0, TRAIT_DELIVERY_REPORT, "report-recipient: b@customer.test\nreport-status: 5.4.4" },
    { "delayed", "",
      DAEMON REPORT STATUS "Reporting-MTA: dns; mx.customer.test\n\nFinal-Recipient: rfc822; a@customer.test\nAction: delayed\n"
      "Status: 4.4.1\n"
      "Diagnostic-Code: X-Postfix; connect to mx.example[192.0.2.1]:25: Connection timed out\n\n" RETURNED,
      IN_RETURNED, TRAIT_DELAY_REPORT, "report-action: delayed\nreport-status: 4.4.1\n"
      "report-diagnostic: connect to mx.example[192.0.2.1]:25: Connection timed out" },
    { "relayed", "", DAEMON REPORT STATUS "Reporting-MTA: dns; mx.customer.test\n\nFinal-Recipient: rfc822; a@customer.test\n"
      "Action: relayed\n"
      "Status: 2.0.0\n\n--b--\n", 0, TRAIT_SUCCESS_REPORT, "report-action: relayed\nreport-status: 2.0.0" },
    { "no status part", NULL, DAEMON REPORT "--b\n\nx\n--b--\n", 0, TRAIT_DELIVERY_REPORT, "report-action: failed\n!report-status" },
    { "a gateway made it multipart/mixed", "",
      DAEMON "Content-Type: multipart/mixed; boundary=b\n\n" STATUS "Reporting-MTA: dns; mx.customer.test\n\n"
      "Final-Recipient: rfc822; a@customer.test\nAction: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 552 5.2.2 mailbox full\n\n--b--\n",
      0, TRAIT_DELIVERY_REPORT, "report-status: 5.2.2" },
    { "base64 status part", "",
      DAEMON REPORT "--b\nContent-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n\n"
      "UmVwb3J0aW5nLU1UQTogZG5zOyBteC5jdXN0b21lci50ZXN0DQoNCkFjdGlvbjogZmFpbGVkDQpTdGF0dXM6IDUuNC42DQo=\n--b--\n",
      0, TRAIT_DELIVERY_REPORT, "report-status: 5.4.6\nreport-host: mx.customer.test" },
    { "Postfix, text", "",
      DAEMON "\nThis is the mail system at host mx.customer.test.\n\nI'm sorry to have to inform you that your message could not\n"
      "be delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to postmaster.\n\n"
      "                   The mail system\n\n<info@customer.test>: host store.customer.test[192.0.2.7] said: 552 5.2.2\n"
      "    <info@customer.test> Quota exceeded (in reply to RCPT TO command)\n\n--- the rest is cut\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: postfix\nreport-status: 5.2.2\nreport-host: mx.customer.test\nreport-refused-by: store.customer.test\n"
      "report-recipient: info@customer.test" },
    { "Postfix, text of a delay", "",
      DAEMON "\nThis is the mail system at host mx.customer.test.\n\n"
      "####################################################################\n"
      "# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n"
      "####################################################################\n\n"
      "Your message could not be delivered for more than 4 hour(s).\n"
      "It will be retried until it is 5 day(s) old.\n\n                   The mail system\n\n<info@customer.test>: connect to\n"
      "    store.customer.test[192.0.2.7]:25: Connection refused\n",
      PLACE_TEXT, TRAIT_DELAY_REPORT, "report-form: postfix\nreport-action: delayed\nreport-recipient: info@customer.test\n"
      "report-diagnostic: connect to store.customer.test[192.0.2.7]:25: Connection refused" },
    { "Exim, text", NULL,
      "X-Failed-Recipients: info@customer.test\nAuto-Submitted: auto-replied\n"
      "From: Mail Delivery System <Mailer-Daemon@mx.customer.test>\n"
      "Subject: Mail delivery failed: returning message to sender\n\n"
      "This message was created automatically by mail delivery software.\n\n"
      "A message that you sent could not be delivered to one or more of its\n"
      "recipients. This is a permanent error. The following address(es) failed:\n\n"
      "  info@customer.test\n    host store.customer.test [192.0.2.7]\n"
      "    SMTP error from remote mail server after RCPT TO:<info@customer.test>:\n"
      "    550 5.1.1 <info@customer.test> User unknown\n\n------ This is a copy of the message, including all the headers. ------\n\n"
      "Subject: " TOKEN "\n\nOut of office 4.9.9\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: exim\nreport-action: failed\nreport-status: 5.1.1\nreport-host: mx.customer.test\n"
      "report-refused-by: store.customer.test\n"
      "report-recipient: info@customer.test\n"
      "report-diagnostic: host store.customer.test [192.0.2.7] SMTP error from remote mail server after "
      "RCPT TO:<info@customer.test>: 550 5.1.1 <info@customer.test> User unknown\n!autoreply-why" },
    { "a null reverse-path, whatever the From field", "",
      "From: Mail service <mail@customer.test>\nSubject: failure\n\nHi. This is the qmail-send program at mx.customer.test.\n\n"
      "<info@customer.test>:\nSorry.\n",
      0, TRAIT_DELIVERY_REPORT, "report-form: qmail\nreport-diagnostic: Sorry.\nreport-recipient: info@customer.test" },
    { "a null Return-Path that another host wrote", "gateway@customer.test",
      "Return-Path: <>\nFrom: Mail service <mail@customer.test>\n\nHi. This is the qmail-send program at mx.customer.test.\n\n"
      "<info@customer.test>:\nSorry.\n",
      0, TRAIT_DELIVERY_REPORT, "report-form: qmail" },
    { "the copy of the mail is not read", "",
      "From: MAILER-DAEMON@mx.customer.test\n\nHi. This is the qmail-send program at mx.customer.test.\n\n<info@customer.test>:\n"
      "Sorry, it did not work.\n\n"
      "--- Below this line is a copy of the message.\n\nThe test mail says 550 5.7.1 in its text.\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-diagnostic: Sorry, it did not work.\n!report-status" },
    { "Exim, text of a delay", "",
      "From: Mail Delivery System <Mailer-Daemon@mx.customer.test>\nSubject: Warning: message 1tXyZ-000001-AB delayed 24 hours\n\n"
      "This message was created automatically by mail delivery software.\n"
      "A message that you sent has not yet been delivered to one or more of its\n"
      "recipients after more than 24 hours on the queue on mx.customer.test.\n\nThe message identifier is:     1tXyZ-000001-AB\n"
      "The subject of the message is: " TOKEN "\n\nThe address to which the message has not yet been delivered is:\n\n"
      "  info@customer.test\n"
      "    Delay reason: mailbox is full\n\nNo action is required on your part.\n",
      PLACE_TEXT, TRAIT_DELAY_REPORT, "report-form: exim\nreport-action: delayed\nreport-host: mx.customer.test\n"
      "report-recipient: info@customer.test\n"
      "report-diagnostic: Delay reason: mailbox is full" },
    { "qmail", "",
      "From: MAILER-DAEMON@mx.customer.test\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.customer.test.\n"
      "I'm afraid I wasn't able to deliver your message to the following addresses.\n"
      "This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
      "<info@customer.test>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 No such user here\n"
      "Giving up on 192.0.2.7.\n\n"
      "--- Below this line is a copy of the message.\n\nReturn-Path: <probe@checker.example>\nSubject: " TOKEN "\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: qmail\nreport-status: 5.1.1\nreport-host: mx.customer.test\nreport-recipient: info@customer.test\n"
      "report-diagnostic: 192.0.2.7 does not like recipient. Remote host said: 550 5.1.1 No such user here Giving up on 192.0.2.7.\n"
      "report-refused-by: 192.0.2.7" },
    { "qmail, refused by policy", "",
      "From: MAILER-DAEMON@mx.customer.test\n\nHi. This is the qmail-send program at mx.customer.test.\n\n"
      "<info@customer.test>:\nConnected to 2001:db8::7 but sender was rejected.\nRemote host said: 550-5.7.26 Unauthenticated mail\n",
      0, TRAIT_DELIVERY_REPORT, "report-form: qmail\nreport-status: 5.7.26\nreport-refused-by: 2001:db8::7" },
    { "qmail, nobody answered", "",
      "From: MAILER-DAEMON@mx.customer.test\n\nHi. This is the qmail-send program at mx.customer.test.\n\n"
      "<info@customer.test>:\nSorry, I couldn't find any host named customer.test. (#5.1.2)\n",
      0, TRAIT_DELIVERY_REPORT, "report-form: qmail\nreport-status: 5.1.2\n!report-refused-by" },
    { "Sendmail, text", "",
      "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.customer.test>\nSubject: Returned mail: see transcript for details\n\n"
      "The original message was received at Mon, 5 Jan 2026 10:00:00 GMT\nfrom checker.example [192.0.2.1]\n\n"
      "   ----- The following addresses had permanent fatal errors -----\n<info@customer.test>\n"
      "    (reason: 550 5.1.1 <info@customer.test>... User unknown)\n\n"
      "   ----- Transcript of session follows -----\n... while talking to store.customer.test.:\n>>> DATA\n"
      "<<< 550 5.1.1 <info@customer.test>... User unknown\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: sendmail\nreport-status: 5.1.1\nreport-recipient: info@customer.test\nreport-refused-by: store.customer.test" },
    { "Sendmail, text of a delay", "",
      "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.customer.test>\nSubject: Warning: could not send message for past 4 hours\n\n"
      "    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n"
      "    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    **********************************************\n\n"
      "   ----- The following addresses had transient non-fatal errors -----\n<info@customer.test>\n\n"
      "   ----- Transcript of session follows -----\n"
      "<info@customer.test>... Deferred: Connection timed out with store.customer.test.\n"
      "Warning: message still undelivered after 4 hours\n",
      PLACE_TEXT, TRAIT_DELAY_REPORT, "report-form: sendmail\nreport-action: delayed\nreport-recipient: info@customer.test" },
    { "Sendmail, text of a success", "",
      "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.customer.test>\nSubject: Return receipt\n\n"
      "   ----- The following addresses had successful delivery notifications -----\n"
      "<info@customer.test>  (successfully delivered to mailbox)\n",
      PLACE_TEXT, TRAIT_SUCCESS_REPORT, "report-action: delivered\nreport-recipient: info@customer.test" },
    { "Gmail, text of old", "",
      "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nX-Failed-Recipients: info@customer.test\n"
      "Subject: Delivery Status Notification (Failure)\n\n"
      "Delivery to the following recipient failed permanently:\n\n     info@customer.test\n\nTechnical details of permanent failure:\n"
      "Google tried to deliver your message, but it was rejected by the server for the recipient domain customer.test by mx.customer.test. [192.0.2.7].\n\n"
      "The error that the other server returned was:\n550 5.7.1 Relaying denied\n\n----- Original message -----\n\nSubject: " TOKEN "\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: gmail\nreport-status: 5.7.1\nreport-recipient: info@customer.test\nreport-diagnostic: 550 5.7.1 Relaying denied\n"
      "report-host: googlemail.com" },
    { "Gmail, text of today", "",
      "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nSubject: Delivery Status Notification (Failure)\n"
      "Content-Type: text/plain; charset=utf-8\n\n"
      "** Address not found **\n\nYour message wasn't delivered to info@customer.test because the address couldn't be found, or is unable to receive mail.\n\n"
      "Learn more here: https://support.google.com/mail/answer/6596\n\nThe response was:\n\n"
      "550 5.1.1 The email account that you tried to reach does not exist.\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: gmail\nreport-status: 5.1.1\nreport-recipient: info@customer.test\n"
      "report-diagnostic: 550 5.1.1 The email account that you tried to reach does not exist." },
    { "Gmail, text of a delay", "",
      "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\nSubject: Delivery Status Notification (Delay)\n\n"
      "** Delivery incomplete **\n\n"
      "There was a temporary problem delivering your message to info@customer.test. Gmail will retry for 46 more hours. You'll be notified if the delivery\n"
      "fails permanently.\n\nThe response was:\n\nThe recipient server did not accept our requests to connect.\n",
      PLACE_TEXT, TRAIT_DELAY_REPORT, "report-form: gmail\nreport-action: delayed\nreport-recipient: info@customer.test" },
    { "Exchange on premises, text", "",
      "From: <postmaster@customer.test>\nSubject: Undeliverable: " TOKEN "\n\nDelivery has failed to these recipients or groups:\n\n"
      "info@customer.test\n"
      "The e-mail address you entered couldn't be found.\n\nDiagnostic information for administrators:\n\n"
      "Generating server: ex1.customer.test\n\n"
      "info@customer.test\n#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##rfc822;info@customer.test\n\nOriginal message headers:\n"
      "\nReceived: from x\n",
      PLACE_SUBJECT, TRAIT_DELIVERY_REPORT,
      "report-form: exchange\nreport-status: 5.1.1\nreport-host: ex1.customer.test\nreport-recipient: info@customer.test\n"
      "report-diagnostic: #550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##rfc822;info@customer.test" },
    { "Exchange 2003, text", "",
      "From: System Administrator <postmaster@customer.test>\nSubject: Undeliverable: test\n\n"
      "Your message did not reach some or all of the intended recipients.\n\n      Subject:\t" TOKEN "\n"
      "      Sent:\t1/5/2026 10:00 AM\n\n"
      "The following recipient(s) cannot be reached:\n\n      info@customer.test on 1/5/2026 10:00 AM\n"
      "            The e-mail account does not exist at the\n"
      "organization this message was sent to.\n            <ex1.customer.test #5.1.1>\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-form: exchange\nreport-status: 5.1.1\nreport-recipient: info@customer.test" },
    { "Exchange Online, HTML alone", "",
      "From: postmaster@customer.onmicrosoft.test\nSubject: Undeliverable: test\nContent-Type: text/html; charset=utf-8\n\n"
      "<html><head><style>p { color: red } Your message to nobody@x.test couldn't be delivered</style></head><body>"
      "<p>Your message to <a href=\"mailto:info@customer.test\">info@customer.test</a> couldn't be delivered.</p>"
      "<table><tr><td>Status code:</td><td>550 5.7.520</td></tr></table><p>Reported error:</p><p>550 5.7.520 Access denied, Your organization does not "
      "allow external forwarding.</p><p>DSN generated by:</p><p>AM0PR01.eurprd01.prod.outlook.com</p></body></html>\n",
      PLACE_HTML, TRAIT_DELIVERY_REPORT,
      "report-form: exchange\nreport-status: 5.7.520\nreport-host: AM0PR01.eurprd01.prod.outlook.com\n"
      "report-diagnostic: 550 5.7.520 Access denied, Your organization does not allow external forwarding." },
    { "Exchange in German", "",
      "From: postmaster@customer.test\nSubject: Unzustellbar: test\nContent-Type: text/plain; charset=utf-8\n\n"
      "Fehler bei der Nachrichtenzustellung an folgende Empf\xc3\xa4nger oder Gruppen:\n\n"
      "Diagnoseinformationen f\xc3\xbcr Administratoren:\n\n"
      "Generierender Server: ex1.customer.test\n\ninfo@customer.test\nRemote Server returned '550 5.2.2 mailbox full'\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-form: exchange\nreport-status: 5.2.2\nreport-host: ex1.customer.test\n"
      "report-recipient: info@customer.test" },
    { "Domino", "",
      "From: Postmaster@customer.test\nSubject: DELIVERY FAILURE: User info (info@customer.test) not listed in Domino Directory\n\n"
      "Your message\n\n  Subject: " TOKEN "\n\nwas not delivered to:\n\n  info@customer.test\n\nbecause:\n\n"
      "  User info (info@customer.test) not listed in Domino Directory\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT,
      "report-form: domino\nreport-recipient: info@customer.test\n"
      "report-diagnostic: User info (info@customer.test) not listed in Domino Directory\n"
      "!report-status" },
    { "Notes", "",
      "From: MAILER-DAEMON@customer.test\nSubject: Undeliverable message\n\n------- Failure Reasons  --------\n\n"
      "User not listed in public Name & Address Book\ninfo@customer.test\n\n------- Returned Message --------\n\nSubject: " TOKEN "\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-form: domino\nreport-recipient: info@customer.test" },
    { "Domino in German: the subject tells", "",
      "From: Postmaster@customer.test\nSubject: DELIVERY FAILURE: Benutzer info (info@customer.test) ist nicht im Domino-Verzeichnis\n"
      "\nIhre Nachricht\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-form: domino\n"
      "report-diagnostic: Benutzer info (info@customer.test) ist nicht im Domino-Verzeichnis\n!report-recipient" },
    { "Exim with the administrator's own text", "",
      "X-Failed-Recipients: info@customer.test\nAuto-Submitted: auto-replied\nFrom: Post <Mailer-Daemon@mx.customer.test>\n"
      "Subject: Zustellung gescheitert\n\n"
      "Leider ging es nicht.\n\n  info@customer.test\n    550 5.2.1 disabled\n\n------ This is a copy of the message ------\n\n5.9.9\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-form: exim\nreport-status: 5.2.1\nreport-recipient: info@customer.test\n"
      "report-diagnostic: 550 5.2.1 disabled\n!autoreply-why" },
    { "Postfix with another template, delayed", "", "From: MAILER-DAEMON@mx.customer.test\n"
      "Subject: Delayed Mail (still being retried)\n\nEs dauert.\n",
      PLACE_TEXT, TRAIT_DELAY_REPORT, "report-form: postfix\nreport-action: delayed\n!report-status" },
    { "OpenSMTPD", "",
      "From: Mailer Daemon <MAILER-DAEMON@mx.customer.test>\nSubject: Delivery status notification: error\n\n    Hi!\n\n"
      "    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n"
      "    An error has occurred while attempting to deliver a message for\n"
      "    the following list of recipients:\n\ninfo@customer.test: 550 Invalid recipient\n",
      PLACE_TEXT, TRAIT_DELIVERY_REPORT, "report-form: opensmtpd\nreport-status: 550\nreport-recipient: info@customer.test" },
    { "words that nobody knows, with the test mail attached", "",
      "From: MAILER-DAEMON@mx.customer.test\nSubject: Undeliverable Mail\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
      "Could not deliver message to the following recipient(s):\n\nRemote system said: 550 5.1.1 nobody here\n\n--b\n"
      "Content-Type: message/rfc822\n\nSubject: " TOKEN "\nMessage-ID: <" TOKEN "@checker.example>\n\nx\n--b--\n",
      PLACE_ATTACHED, TRAIT_DELIVERY_REPORT, "report-form: unknown\nreport-status: 5.1.1" },
    { "the same without a code", "",
      "From: Postmaster <postmaster@customer.test>\nSubject: Unzustellbar\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\n"
      "Es ging nicht.\n\n--b\nContent-Type: message/rfc822\n\nSubject: " TOKEN "\n\nx\n--b--\n",
      PLACE_ATTACHED, TRAIT_DELIVERY_REPORT, "report-form: unknown\n!report-status" },
    { "words that nobody knows, delayed", "",
      "From: MAILER-DAEMON@mx.customer.test\nSubject: Noch nicht zugestellt " TOKEN "\n\nEs dauert.\n\n451 4.7.1 spaeter\n",
      PLACE_SUBJECT, TRAIT_DELAY_REPORT, "report-form: unknown\nreport-status: 4.7.1" },
};

static const struct meaning_row no_reports[] = {
    { "a mail system's own redirect of the test mail", "",
      "From: MAILER-DAEMON@mx.customer.test\nMessage-ID: <" TOKEN "@checker.example>\nSubject: " TOKEN "\n\n550 5.1.1 is a code\n",
      PLACE_MESSAGE_ID | PLACE_SUBJECT, 0, "!report-form" },
    { "a null path, a person's address and an attached mail", "",
      "From: anna@customer.test\nSubject: Fwd\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\n"
      "Content-Type: message/rfc822\n\nSubject: " TOKEN "\n\nx\n--b--\n",
      PLACE_ATTACHED, 0, "!report-form" },
    { "a person writes about a bounce", "anna@customer.test",
      "From: Anna <anna@customer.test>\nSubject: what is this?\n\nHi, I got this:\n\n"
      "This is the mail system at host mx.customer.test.\n\n"
      "<info@customer.test>: 550 5.1.1 User unknown\n", PLACE_TEXT, 0, "!report-form" },
    { "a person attaches a bounce", "anna@customer.test",
      "From: Anna <anna@customer.test>\nSubject: Fwd: Undelivered Mail\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\nsee below\n"
      "--m\n"
      "Content-Type: message/rfc822\n\n" DAEMON REPORT STATUS "Reporting-MTA: dns; x.example\n\nAction: failed\nStatus: 5.1.1\n\n"
      "--b--\n--m--\n",
      PLACE_ATTACHED | PLACE_REPORT, 0, "!report-form\nforward-way: attachment" },
    { "a person's mail has a status part", "anna@customer.test",
      "From: Anna <anna@customer.test>\nContent-Type: multipart/mixed; boundary=b\n\n" STATUS "Reporting-MTA: dns; x.example\n\n"
      "Action: failed\n\n--b--\n",
      PLACE_REPORT, 0, "!report-form" },
    { "a null reverse-path alone", "", "From: probe@checker.example\nMessage-ID: <" TOKEN "@checker.example>\nSubject: " TOKEN "\n\n"
      "All is well.\n",
      PLACE_MESSAGE_ID | PLACE_SUBJECT, 0, "!report-form\nforward-way: direct" },
    { "postmaster writes as a person", NULL, "From: Postmaster <postmaster@customer.test>\nSubject: maintenance\n\n"
      "On Monday mail will be delayed.\n"
      "I will report on what happened: see https://x.example/5.1.1\n", PLACE_TEXT, 0, "!report-form" },
    { "a report's subject from a person", "anna@customer.test", "From: anna@customer.test\nSubject: Undeliverable: your mail\n\nx\n",
      PLACE_TEXT, 0, "!report-form" },
    { "a vacation note with a null reverse-path", "", "From: anna@customer.test\nAuto-Submitted: auto-replied\n"
      "Subject: Re: Undeliverable: x\n\n550 5.1.1\n",
      PLACE_TEXT, TRAIT_AUTO_REPLIED, "!report-form" },
    { "the words stand within a line", "", "From: probe@checker.example\nSubject: x\n\n"
      "Somebody said: This is the mail system at host x.example.\n",
      PLACE_TEXT, 0, "!report-form" },
    { "an abuse report", "", "From: feedback@isp.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
      "--b\n\nx\n--b\n"
      "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n--b--\n", 0, 0, "!report-form" },
    { "a form's words in an attachment", "", "From: a@b.example\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee the log\n--b\n"
      "Content-Type: text/plain\nContent-Disposition: attachment; filename=log.txt\n\n"
      "Hi. This is the qmail-send program at x.example.\n--b--\n",
      0, 0, "!report-form" },
    { "Auto-Submitted alone", "", "From: monitor@checker.example\nAuto-Submitted: auto-generated\nSubject: " TOKEN "\n\nAction: failed\n",
      PLACE_SUBJECT, 0, "!report-form\n!autoreply-why" },
};

static void
reports_are_read_in_every_form(void **state)
{
    (void)state;
    rows_check(reports, COUNT(reports));
}

static void
mail_that_only_mentions_failures_is_no_report(void **state)
{
    (void)state;
    rows_check(no_reports, COUNT(no_reports));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_are_read_in_every_form),
        cmocka_unit_test(mail_that_only_mentions_failures_is_no_report),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
