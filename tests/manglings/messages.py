"""Attached messages, mailing lists, reports, broken MIME, long mails, and forwards of forwards."""

import base64
import zlib

import markup
import tnef
from compose import (BASE64, QUOTED_PRINTABLE, attached_message, attachment, b64, b_word, cut, decimal, entity, html, mail, mixed,
                     multipart, noise, octets, percent, qp, qp_every_octet, text)
from containers import gzipped, opaque, signed, uuencoded, winmail, zipped

MEGABYTE = 1024 * 1024


def original(token, *fields):
    """A test mail as the checker sends it, with the token in one place."""
    return mail("Subject: Mailtest probe", *fields, content=text(f"This is a test mail.\n\n{token}\n"))


def forwarded(content):
    return mail(content=mixed(text("See the attached mail.\n"), content))


def eml_attachment(content, kind="application/octet-stream"):
    return forwarded(attachment(content, "mail.eml", kind))


def eml_in_a_zip(content):
    return forwarded(attachment(zipped(("mail.eml", content)), "mails.zip", "application/zip"))


def in_base64(kind, content):
    return entity(f"Content-Type: {kind}", BASE64, body=b64(content))


def mbox(*mails):
    """RFC 4155."""
    return b"".join(b"From probe@provider.test Thu Jan  1 00:00:05 2026\n" + lf_only(content) + b"\n" for content in mails)


def nested(token, depth):
    content = original(token)
    for _ in range(depth):
        content = forwarded(attached_message(content))
    return content


def deep_multiparts(token, depth):
    content = text(f"{token}\n")
    for n in range(depth):
        content = mixed(content, boundary=f"b{n}")
    return mail(content=content)


def digest(token):
    """RFC 2046 section 5.1.5: parts without a type are messages."""
    return mail(content=mixed(text("Probes Digest, Vol 1, Issue 1\n"),
                              multipart("digest", entity(body=original("first")), entity(body=original(token)),
                                        attached_message(original("last"))),
                              text("_______________\nprobes mailing list\n")))


def report(kind, *parts):
    return mail("Subject: Undelivered Mail Returned to Sender",
                content=multipart("report", text("It could not be delivered.\n"), *parts, more=f"; report-type={kind}"))


STATUS = "Reporting-MTA: dns; mail.customer.test\n\nFinal-Recipient: rfc822; user@customer.test\nAction: failed\nStatus: 5.1.1\n"


def plain_digest(token):
    dashes = "-" * 70
    return mail(body=f"Today's Topics:\n\n   1. Probe (Monitoring)\n\n{dashes}\n\nMessage: 1\nSubject: Probe\n\n"
                     f"{token}\n\n{'-' * 30}\n\nEnd of Probes Digest\n")


def mime(body, boundary="b", kind="mixed"):
    """A multipart whose body is written by hand."""
    return mail(f'Content-Type: multipart/{kind}; boundary="{boundary}"', body=body)


def lf_only(content):
    return octets(content).replace(b"\r\n", b"\n")


def look_alike(number):
    return "mt1" + f"{number:040d}"


def bomb():
    """100 megabytes in 100 kilobytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(100)) + packer.flush()


LONG = noise(6 * MEGABYTE, "a large file")


# name, found_in, the mail for token t
TABLE = [
    # ---- Attached messages
    ("attached-message", "attached text", lambda t: forwarded(attached_message(original(t)))),
    ("attached-message-subject", "attached subject", lambda t: forwarded(attached_message(mail(f"Subject: Mailtest probe {t}")))),
    ("attached-message-subject-encoded-and-folded", "attached subject",
     lambda t: forwarded(attached_message(mail(f"Subject: {b_word('é' + t[:20])}\n {b_word(t[20:])}")))),
    ("attached-message-id", "attached message-id",
     lambda t: forwarded(attached_message(mail(f"Message-ID: <{t}@provider.test>")))),
    ("attached-message-own-field", "attached x-mailtest-token",
     lambda t: forwarded(attached_message(mail(f"X-Mailtest-Token: {t}")))),
    ("attached-message-alone", "attached subject", lambda t: mail(content=attached_message(mail(f"Subject: {t}")))),
    ("attached-message-base64", "attached text",
     lambda t: forwarded(attached_message(b64(original(t)), BASE64))),
    ("attached-message-base64-subject", "attached subject",
     lambda t: forwarded(attached_message(b64(mail(f"Subject: {b_word('é' + t)}")), BASE64))),
    ("attached-message-base64-of-a-base64-part", "attached text",
     lambda t: forwarded(attached_message(b64(mail(BASE64, body=b64(t))), BASE64))),
    ("attached-message-quoted-printable", "attached text",
     lambda t: forwarded(attached_message(qp(original(cut(t, 20, by="=\n")).replace(b"See", b"Gr=C3=BC")), QUOTED_PRINTABLE))),
    ("attached-message-of-generic-type", "attached text", lambda t: eml_attachment(original(t))),
    ("attached-message-of-generic-type-html-base64", "attached html",
     lambda t: eml_attachment(mail("Content-Type: text/html", BASE64, body=b64(f"<p>{cut(t, 9, by='<wbr>')}</p>")))),
    ("attached-message-of-generic-type-lf-only", "attached text", lambda t: eml_attachment(lf_only(original(t)))),
    ("attached-message-of-generic-type-lf-only-multipart", "attached html",
     lambda t: eml_attachment(lf_only(mail(content=multipart("alternative", text("x\n"), html(f"<p>{decimal(t)}</p>")))))),
    ("attached-message-as-text", "attached text",
     lambda t: forwarded(entity('Content-Type: text/plain; name="mail.eml"', BASE64,
                    body=b64(original("=" + cut(t, 20, by="=\n"), QUOTED_PRINTABLE))))),
    ("attached-message-without-a-name", "attached text",
     lambda t: forwarded(entity("Content-Type: application/octet-stream", BASE64, body=b64(mail(BASE64, body=b64(t)))))),
    ("attached-message-with-a-from-line", "attached subject",
     lambda t: forwarded(attached_message(b"From probe@provider.test Thu Jan  1 00:00:05 2026\r\n" + mail(f"Subject: {t}")))),
    ("attached-message-global", "attached subject",
     lambda t: forwarded(entity("Content-Type: message/global", body=mail(f"Subject: Prüfung {t}")))),
    ("attached-message-three-deep", "attached text", lambda t: nested(t, 3)),
    ("attached-message-forty-deep", "attached text", lambda t: nested(t, 40)),
    ("attached-headers", "attached header",
     lambda t: forwarded(entity("Content-Type: text/rfc822-headers", body=f"Subject: a\nX-Trace: {t}\n"))),
    ("attached-headers-subject", "attached subject",
     lambda t: forwarded(entity("Content-Type: text/rfc822-headers", body=f"Subject: Mailtest probe {b_word('é' + t)}\n"))),
    ("attached-mbox-of-two-messages", "attached text (other)",
     lambda t: forwarded(attachment(mbox(original("first"), original(t)), "mails.mbox", "application/mbox"))),
    ("attached-mbox-second-message-in-base64", "attached text (other)",
     lambda t: forwarded(attachment(mbox(original("first"), mail(BASE64, body=b64(t * 3))), "mails.mbox", "application/mbox"))),
    ("attached-mht-page", "attached html",
     lambda t: forwarded(attachment(mail(content=multipart("related", html(f"<p>{t}</p>"))), "page.mht"))),
    ("sieve-enclose", "attached subject",
     lambda t: mail("Subject: Forwarded", "X-Sieve: Pigeonhole Sieve 0.5.19 (4eae2f79)",
                    content=mixed(text("Enclosed.\n"), attached_message(mail(f"Subject: {t}"))))),

    # ---- Mailing lists and reports
    ("mailman-footer-in-a-multipart", "text",
     lambda t: mail("Subject: [probes] a mail", content=mixed(text(f"{t}\n"),
                    entity('Content-Type: text/plain; charset="us-ascii"', "Content-Disposition: inline", body="_______________\nprobes mailing list\n")))),
    ("mailman-wrapped-for-dmarc", "attached subject text",
     lambda t: mail("Subject: [probes] a mail", content=mixed(attached_message(mail(f"Subject: {t}",
                    body=t)), text("_______________\n")))),
    ("mailman-prefix-in-the-middle-of-an-encoded-subject", "subject",
     lambda t: mail(f"Subject: [probes] {b_word('Prüf ' + t[:12])}\n\t{b_word(t[12:])}")),
    ("mailman-digest-mime", "attached text", digest),
    ("mailman-digest-plain", "text", plain_digest),
    ("listserv-footer-behind-base64", "text",
     lambda t: mail(BASE64, body=b64(t) + octets("\n" + "#" * 64 + "\n\nTo unsubscribe\n"))),
    ("sympa-footer-behind-quoted-printable", "text",
     lambda t: mail(QUOTED_PRINTABLE, body=cut(t, 12, by="=\n") + "=\n\n--=20\nsympa\n")),
    ("google-groups-footer", "text",
     lambda t: mail("Content-Type: text/plain; charset=UTF-8",
                    body=f"{t}\n\n-- \nYou received this message because you are subscribed to the Google Groups \"probes\" group.\n")),
    ("bounce-status-part", "report",
     lambda t: report("delivery-status", entity("Content-Type: message/delivery-status", body=STATUS + f"Original-Envelope-Id: {t}\n"))),
    ("bounce-returned-message", "attached subject",
     lambda t: report("delivery-status", entity("Content-Type: message/delivery-status",
                    body=STATUS), attached_message(mail(f"Subject: {t}")))),
    ("bounce-returned-headers", "attached message-id",
     lambda t: report("delivery-status", entity("Content-Type: message/delivery-status",
                    body=STATUS), entity("Content-Type: text/rfc822-headers", body=f"Message-ID: <{t}@provider.test>\n"))),
    ("read-receipt", "report",
     lambda t: report("disposition-notification", entity("Content-Type: message/disposition-notification",
                    body=f"Original-Message-ID: <{t}@provider.test>\nDisposition: manual-action/MDN-sent-manually; displayed\n"))),
    ("feedback-report", "attached subject",
     lambda t: report("feedback-report", entity("Content-Type: message/feedback-report",
                    body="Feedback-Type: abuse\n"), attached_message(mail(f"Subject: {t}")))),
    ("qmail-bounce", "text",
     lambda t: mail("Subject: failure notice", body="Hi. This is the qmail-send program.\n\n<user@customer.test>:\nno mailbox\n\n"
                                                    "--- Below this line is a copy of the message.\n\n"
                                                    f"Subject: Mailtest probe {t}\n\nx\n")),

    # ---- Broken MIME
    ("boundary-parameter-missing", "other (text)",
     lambda t: mail("Content-Type: multipart/mixed", body=f"--b\nContent-Type: text/plain\n\n{t}\n--b--\n")),
    ("boundary-parameter-missing-base64-part", "other (text)",
     lambda t: mail("Content-Type: multipart/mixed", body=octets("--b\n") + in_base64("text/plain", t * 3) + b"--b--\r\n")),
    ("boundary-differs-from-the-one-used", "other (text)",
     lambda t: mime(f"--other\nContent-Type: text/plain\n\n{t}\n--other--\n")),
    ("boundary-differs-in-case", "other", lambda t: mime(f"--B\n\n{t}\n--B--\n")),
    ("boundary-with-blanks-behind", "text", lambda t: mime(f"--b  \t\n\n{t}\n--b--\n")),
    ("boundary-unquoted-with-specials", "text",
     lambda t: mail("Content-Type: multipart/mixed; boundary=a=b?c", body=f"--a=b?c\n\n{t}\n--a=b?c--\n")),
    ("boundary-glued-to-more-text", "header", lambda t: mime(f"--b\n\n--bx\n{t}\n--b--\n")),
    ("boundary-of-outer-is-prefix-of-inner", "text",
     lambda t: mime(f'--b\nContent-Type: multipart/alternative; boundary="b-1"\n\n--b-1\n\n{t}\n--b-1--\n--b--\n')),
    ("boundary-same-for-inner-and-outer", "text",
     lambda t: mime(f'--b\nContent-Type: multipart/mixed; boundary="b"\n\n--b\n\n{t}\n--b--\n--b--\n')),
    ("boundary-never-closed", "text", lambda t: mime(f"--b\nContent-Type: text/plain\n\n{t}")),
    ("boundary-closed-too-early", "other", lambda t: mime(f"--b\n\nx\n--b--\n--b\n\n{t}\n--b--\n")),
    ("boundary-inner-never-closed", "text",
     lambda t: mime(f'--b\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\nx\n--b\n\n{t}\n--b--\n')),
    ("boundary-without-an-empty-line-behind", "text header", lambda t: mime(f"--b\n{t} is the token\n\n{t}\n--b--\n")),
    ("preamble", "other", lambda t: mail(content=mixed(text("x\n"), preamble=f"This is a multi-part message. {t}\n"))),
    ("epilogue", "other", lambda t: mail(content=mixed(text("x\n"), epilogue=f"-- \nfooter {t}\n"))),
    ("multipart-in-base64", "other",
     lambda t: mail('Content-Type: multipart/mixed; boundary="b"', BASE64, body=b64(f"--b\n\n{t}\n--b--\n"))),
    ("multipart-without-parts", "other", lambda t: mime(f"{t}\n")),
    ("multipart-labelled-text", "text",
     lambda t: mail("Content-Type: text/plain", body=f"--b\nContent-Type: text/plain\n\n{t}\n--b--\n")),
    ("multipart-of-unknown-kind", "text", lambda t: mail(content=multipart("x-unknown", text(f"{t}\n")))),
    ("multipart-parallel-and-appledouble", "text",
     lambda t: mail(content=multipart("appledouble", entity("Content-Type: application/applefile", body="x\n"), text(f"{t}\n")))),
    ("content-type-unreadable", "text", lambda t: mail("Content-Type: text", body=f"{t}\n")),
    ("content-type-empty", "text", lambda t: mail("Content-Type: ", body=f"{t}\n")),
    ("content-type-twice", "text",
     lambda t: mail("Content-Type: text/plain", "Content-Type: text/plain; charset=utf-8", body=f"{t}\n")),
    ("header-alone", "subject", lambda t: mail(f"Subject: {t}")[:-len(b"\r\nSee below.\r\n")]),
    ("header-alone-without-a-line-end", "header",
     lambda t: mail("Subject: a")[:-len(b"\r\nSee below.\r\n")] + f"X-Trace: {t}".encode()),
    ("header-without-its-empty-line", "header",
     lambda t: mail("Subject: a")[:-len(b"\r\nSee below.\r\n")] + octets(f"Hello, this is the text, {t}\nand more.\n")),
    ("header-line-that-is-no-field", "header", lambda t: mail("Subject: a", f"{t} stands here")),
    ("header-cut-in-two-by-an-empty-line", "text", lambda t: mail("Subject: a", body=f"X-Mailtest-Token: {t}\n\nx\n")),
    ("header-lf-only", "subject", lambda t: lf_only(mail(f"Subject: Probe {cut(t, 20, by=chr(10) + ' ')}"))),
    ("header-with-doubled-carriage-returns", "header",
     lambda t: mail(body="x\n").replace(b"\r\n", b"\r\r\n") + f"{t}\r\r\n".encode()),
    ("header-behind-a-from-line", "subject",
     lambda t: b"From probe@provider.test Thu Jan  1 00:00:05 2026\r\n" + mail(f"Subject: {t}")),
    ("header-behind-a-quoted-from-line", "subject",
     lambda t: b">From probe@provider.test Thu Jan  1 00:00:05 2026\r\n" + mail(f"Subject: {t}")),
    ("header-behind-an-empty-line", "text", lambda t: b"\r\n" + octets(f"Subject: {t}\n\nx\n")),
    ("header-with-octets-of-zero", "subject", lambda t: mail(f"Subject: a\0b {t}")),
    ("mail-lf-only", "text", lambda t: lf_only(mail(content=mixed(text("x\n"), text(f"{t}\n"))))),
    ("mail-of-one-line", "header", lambda t: t.encode()),
    ("mail-without-mime-version", "text", lambda t: mail(content=mixed(text(f"{t}\n"))).replace(b"MIME-Version: 1.0\r\n", b"")),
    ("base64-never-ended-before-the-next-part", "text",
     lambda t: mail(content=mixed(entity("Content-Type: image/png", BASE64, body="QUJD\nREVGR"), text(f"{t}\n")))),
    ("base64-cut-within-its-last-group", "text",
     lambda t: mail(content=mixed(entity("Content-Type: text/plain", BASE64, body=base64.b64encode(("xx" + t + "xx").encode())[:-2])))),
    ("transfer-encoding-twice", "text",
     lambda t: mail(BASE64, "Content-Transfer-Encoding: 7bit", body=b64(t * 5))),

    # ---- Long mails
    ("long-token-behind-6-megabytes", "text", lambda t: mail(content=mixed(attachment(LONG, "big.bin"), text(f"{t}\n")))),
    ("long-token-before-6-megabytes", "text", lambda t: mail(content=mixed(text(f"{t}\n"), attachment(LONG, "big.bin")))),
    ("long-token-between-two-large-attachments", "text",
     lambda t: mail(content=mixed(attachment(LONG[:3 * MEGABYTE], "a.bin"), text(f"{t}\n"), attachment(LONG[3 * MEGABYTE:], "b.bin")))),
    ("long-token-at-the-end-of-one-text", "text",
     lambda t: mail(body="This is a line of a long text that tells nothing.\n" * 60000 + t)),
    ("long-token-at-the-end-of-one-line", "text", lambda t: mail(body="abc " * MEGABYTE + t)),
    ("long-token-at-the-end-of-a-large-attachment", "other",
     lambda t: mail(content=mixed(attachment(LONG[:2 * MEGABYTE] + t.encode(), "a.bin")))),
    ("long-token-behind-2000-parts", "text", lambda t: mail(content=mixed(*[text("x\n")] * 2000, text(f"{t}\n")))),
    ("long-token-behind-10000-look-alikes", "subject text",
     lambda t: mail(f"Subject: {t}", body="".join(look_alike(n) + "\n" for n in range(10000)) + t)),
    ("long-token-in-a-part-behind-10000-look-alikes", "html",
     lambda t: mail(content=mixed(text("".join(look_alike(n) + "\n" for n in range(10000))), html(f"<p>{t}</p>")))),
    ("long-token-behind-a-gzip-of-100-megabytes", "text",
     lambda t: mail(content=mixed(attachment(bomb(), "bomb.gz", "application/gzip"), text(f"{t}\n")))),
    ("long-token-in-ninety-multiparts", "text", lambda t: deep_multiparts(t, 90)),
    ("long-html-token-at-the-end", "html",
     lambda t: mail(content=html("<p>nothing&nbsp;here</p>\n" * 50000 + f"<p>{cut(t, 20, by='<wbr>')}</p>"))),

    # ---- Forwards of forwards: what combines
    ("outlook-forward-of-a-gmail-forward", "attached html", lambda t: forwarded(attached_message(markup.gmail_forward(t)))),
    ("exchange-tnef-of-an-eml-in-base64-html", "attached html",
     lambda t: winmail(tnef.attached("mail.eml", mail("Content-Type: text/html", BASE64, body=b64(f"<p>{decimal(t)}</p>"))))),
    ("smime-opaque-of-an-attached-message-with-a-winmail-dat", "attached text (other)",
     lambda t: opaque(mixed(text("x\n"), attached_message(winmail(tnef.attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t))))))),
    ("zip-of-a-message-with-smime", "attached text (other)",
     lambda t: eml_in_a_zip(mail(content=attachment(signed(text(f"{t}\n")), "smime.p7m", "application/pkcs7-mime")))),
    ("gzip-of-utf-16", "other",
     lambda t: mail(content=mixed(attachment(gzipped(f"Prüfung {t}".encode("utf-16")), "probe.txt.gz", "application/gzip")))),
    ("attached-message-base64-utf-16-html-entities", "attached html",
     lambda t: forwarded(attached_message(b64(mail("Content-Type: text/html; charset=utf-16", BASE64,
                    body=b64(f"<p>{decimal(t)}</p>".encode("utf-16")))),
                                          BASE64))),
    ("attached-message-forward-rewrapped-and-quoted", "attached text",
     lambda t: forwarded(attached_message(mail(body=f"> > {t[:30]}\n> > {t[30:]}\n")))),
    ("uuencoded-message-with-quoted-printable", "attached text",
     lambda t: mail(body=b"x\r\n" + uuencoded(mail(QUOTED_PRINTABLE,
                    body=qp_every_octet(t) + "\n"), "mail.eml").replace(b"\n", b"\r\n"))),
    ("html-in-utf-7-with-safe-links", "html link",
     lambda t: mail("Content-Type: text/html; charset=utf-7", body=f'<a href="{markup.safe_links(markup.url(percent(t)))}">x</a>\n'
                    .replace("+", "+-"))),
    ("html-quoted-printable-entities-and-wbr-and-zero-width", "html",
     lambda t: markup.alternative(f"<p>{t[:9]}<wbr>{decimal(t[9:20])}\u200b{t[20:]}</p>")),
]
