"""Mails in which no genuine token of the mailbox stands, though much looks like one: nothing genuine may be found in them."""

import base64

import compound
import containers
import markup
import messages
import tnef
from compose import (BASE64, DIGITS, OTHER_ADDRESS, QUOTED_PRINTABLE, attached_message, attachment, b64, b_word, cut, decimal,
                     entity, html, mail, mint, mixed, multipart, octets, percent, shifted_utf7, text)
from containers import gzipped, opaque, uuencoded, winmail, yencoded, zipped
from tnef import attribute


def other(token):
    """The genuine token of another mailbox."""
    return mint(token, OTHER_ADDRESS)


def of_another_service(token):
    return mint(token, master=b"\xff" * 32)


def short(token):
    """A character is missing."""
    return token[:20] + token[21:]


def long(token):
    """A character too many in the middle."""
    return token[:20] + ("7" if token[20] != "7" else "8") + token[20:]


def altered(token, at=42):
    """Another digit at this place."""
    return token[:at] + DIGITS[(DIGITS.index(token[at]) + 1) % 32] + token[at + 1:]


def swapped(token):
    """Two unequal neighbours have changed places."""
    at = next(n for n in range(3, 42) if token[n] != token[n + 1])
    return token[:at] + token[at + 1] + token[at] + token[at + 2:]


def halves(token):
    return token[:20], token[20:]


def in_two_parts(first, second):
    return mail(content=mixed(first, second))


def two_texts(token):
    return in_two_parts(text(token[:20]), text(token[20:]))


# name, look-alikes, the mail for token t. look-alikes: "none": not even a candidate; "other": the token of the other mailbox is one; "": not looked at
TABLE = [
    # ---- Genuine, but not here
    ("token-of-another-mailbox-in-the-subject", "other", lambda t: mail(f"Subject: {other(t)}")),
    ("token-of-another-mailbox-in-the-text", "other", lambda t: mail(body=other(t))),
    ("token-of-another-mailbox-in-upper-case", "other", lambda t: mail(body=other(t).upper())),
    ("token-of-another-mailbox-in-html", "other", lambda t: mail(content=html(f"<p>{cut(other(t), 20, by='<wbr>')}</p>"))),
    ("token-of-another-mailbox-in-an-attached-message", "other",
     lambda t: messages.forwarded(attached_message(mail(f"Subject: {other(t)}")))),
    ("token-of-another-mailbox-in-tnef", "other",
     lambda t: winmail(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(other(t))))),
    ("token-of-another-mailbox-as-recipient", "other", lambda t: (f"acme+{other(t)}@mailtest1.example.net", mail())),
    ("token-of-another-service", "", lambda t: mail(f"Subject: {of_another_service(t)}", body=of_another_service(t))),

    # ---- Broken for good
    ("character-missing", "none", lambda t: mail(f"Subject: {short(t)}", body=short(t))),
    ("character-missing-at-the-end", "none", lambda t: mail(f"Subject: {t[:42]}", body=f"{t[:42]}\n")),
    ("character-missing-at-the-start", "none", lambda t: mail(f"Subject: {t[1:]}", body=f"{t[1:]}\n")),
    ("character-too-many", "", lambda t: mail(f"Subject: {long(t)}", body=long(t))),
    ("character-altered", "", lambda t: mail(f"Subject: {altered(t)}", body=altered(t))),
    ("character-altered-in-the-time", "", lambda t: mail(body=altered(t, 4))),
    ("character-altered-in-the-random-part", "", lambda t: mail(body=altered(t, 15))),
    ("characters-swapped", "", lambda t: mail(body=swapped(t))),
    ("reversed", "none", lambda t: mail(body=f"{t[::-1]}\n")),
    ("prefix-of-another-version", "none", lambda t: mail(f"Subject: mt2{t[3:]}", body=f"mt2{t[3:]} mt{t[3:]}\n")),
    ("prefix-alone", "none", lambda t: mail("Subject: mt1", body="mt1 mt1 mt1mt1\n")),
    ("shifted-by-one-letter", "none", lambda t: mail(body=t.translate(str.maketrans("mt", "nu")) + "\n")),
    ("cut-off-in-the-subject", "none", lambda t: mail(f"Subject: Mailtest probe {t[:40]}...")),
    ("cut-off-at-the-end-of-the-mail", "none", lambda t: mail(body=t[:42])),
    ("cut-off-in-base64", "none", lambda t: mail(BASE64, body=b64(t)[:-8])),
    ("masked-with-asterisks", "none", lambda t: mail(body=f"{t[:10]}{'*' * 23}{t[33:]}\n")),
    ("truncated-with-an-ellipsis", "none", lambda t: mail(body=f"{t[:20]}…{t[24:]}\n")),

    # ---- Words of 43 characters with letters that are no digits
    *((f"letter-{letter}-inside", "none", lambda t, letter=letter: mail(f"Subject: {t[:21]}{letter}{t[22:]}", body=f"{t[:21]}{letter.upper()}{t[22:]}\n"))
      for letter in "ilou"),
    ("letters-look-like-digits", "none", lambda t: mail(body="mt1" + "oil0ulo1il" * 4 + "\n")),
    ("word-of-43-letters", "none", lambda t: mail(body="mt1" + "Donaudampfschifffahrtselektrizitaetenhaupt"[:40] + "\n")),
    ("hash-in-hexadecimal", "none", lambda t: mail(body="da39a3ee5e6b4b0d3255bfef95601890afd80709\n")),
    ("look-alikes-10000", "", lambda t: mail(body="".join(messages.look_alike(n) + "\n" for n in range(10000)))),
    ("look-alikes-that-overlap", "", lambda t: mail(body="mt1" * 5000)),
    ("noise-in-base64", "", lambda t: mail(content=mixed(attachment(messages.LONG[:200000], "noise.bin")))),
    ("digits-without-an-end", "", lambda t: mail(body="mt1" + "7" * 100000)),

    # ---- Not joined
    ("two-parts", "none", two_texts),
    ("two-parts-html", "none", lambda t: in_two_parts(html(t[:20]), html(t[20:]))),
    ("two-parts-base64", "none",
     lambda t: in_two_parts(attachment(t[:20].encode(), "a.txt"), attachment(t[20:].encode(), "b.txt"))),
    ("two-attached-messages", "none",
     lambda t: in_two_parts(attached_message(mail(body=t[:20])), attached_message(mail(body=t[20:])))),
    ("two-fields", "none", lambda t: mail(f"X-First: {t[:20]}", f"X-Second: {t[20:]}")),
    ("two-fields-of-the-same-name", "none", lambda t: mail(f"Subject: {t[:20]}", f"Subject: {t[20:]}")),
    ("two-fields-encoded", "none", lambda t: mail(f"X-First: {b_word(t[:20])}", f"X-Second: {b_word(t[20:])}")),
    ("header-and-body", "none", lambda t: mail("Subject: a", f"X-Last: {t[:20]}", body=t[20:])),
    ("body-and-the-next-header", "none",
     lambda t: in_two_parts(text(t[:20]), entity(f"{t[20:]}: x", "Content-Type: text/plain", body="x"))),
    ("recipients-two", "none", lambda t: (f"acme+{t[:20]}@mailtest1.example.net {t[20:]}@mailtest1.example.net", mail())),
    ("recipient-local-part-and-domain", "none", lambda t: (f"acme+{t[:20]}@{t[20:]}.test", mail())),
    ("two-parameters", "none",
     lambda t: mail(content=mixed(entity(f"Content-Type: image/png; name={t[:20]}; title={t[20:]}", body="x")))),
    ("two-parameters-continued-of-different-names", "none",
     lambda t: mail(content=mixed(entity(f'Content-Type: image/png; name*0="{t[:20]}"; other*1="{t[20:]}"', body="x")))),
    ("parameter-continued-with-a-gap", "",
     lambda t: mail(content=mixed(entity(f'Content-Type: image/png; name*0="{t[:20]}"; name*2="{t[20:]}"', body="x")))),
    ("words-with-text-between", "none", lambda t: mail(f"Subject: {b_word(t[:20])} or {b_word(t[20:])}")),
    ("text-with-words-between", "none", lambda t: mail(body=f"{t[:20]} or {t[20:]}\n")),
    ("html-two-attributes", "none", lambda t: mail(content=html(f'<img alt="{t[:20]}" title="{t[20:]}">'))),
    ("text-with-a-paragraph-between", "none", lambda t: mail(body=f"{t[:20]}\n\nTo whom it may concern:\n\n{t[20:]}\n")),
    ("text-with-a-footer-between", "none", lambda t: mail(body=f"{t[:20]}\n-- \nMonitoring\n{t[20:]}\n")),
    ("html-two-links", "none", lambda t: mail(content=html(f'<a href="{t[:20]}"></a><a href="{t[20:]}"></a>'))),
    ("html-attribute-and-text", "none", lambda t: mail(content=html(f'<img alt="{t[:20]}">{t[20:]}'))),
    ("html-comment-and-text", "none", lambda t: mail(content=html(f"<!--{t[:20]}-->{t[20:]}"))),
    ("html-word-between", "none", lambda t: mail(content=html(f"<b>{t[:20]}</b> or <b>{t[20:]}</b>"))),
    ("zip-two-members", "none", lambda t: containers.with_attachment(zipped(("a.txt", t[:20]), ("b.txt", t[20:])), "a.zip")),
    ("tnef-two-attributes", "none",
     lambda t: winmail(attribute(tnef.MESSAGE, tnef.SUBJECT, tnef.zero_ended(t[:20])), attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t[20:])))),
    ("tnef-two-properties", "none",
     lambda t: containers.in_properties((tnef.PR_SUBJECT, tnef.UNICODE, t[:20]), (tnef.PR_BODY, tnef.UNICODE, t[20:]))),
    ("msg-two-streams", "none",
     lambda t: containers.with_attachment(compound.msg(p_0037001F=t[:20], p_1000001F=t[20:]), "a.msg")),
    ("uuencoded-two-blocks", "none", lambda t: containers.in_text(uuencoded(t[:20].encode()) + uuencoded(t[20:].encode()))),
    ("yenc-two-blocks", "none", lambda t: containers.in_octets(yencoded(t[:20].encode()) + yencoded(t[20:].encode()))),
    ("calendar-two-properties", "none",
     lambda t: mail(content=mixed(entity("Content-Type: text/calendar", body=f"SUMMARY:{t[:20]}\nUID:{t[20:]}\n")))),
    ("rtf-paragraph-between", "none",
     lambda t: mail(content=mixed(entity("Content-Type: text/rtf", body="{\\rtf1 " + t[:20] + " or " + t[20:] + "}\n")))),

    # ---- Near misses in every container
    ("near-miss-quoted-printable", "none",
     lambda t: mail(QUOTED_PRINTABLE, body=cut(short(t), 10, by="=\n"))),
    ("near-miss-base64", "none", lambda t: mail(BASE64, body=b64(short(t)))),
    ("near-miss-encoded-words", "none", lambda t: mail(f"Subject: {b_word(short(t)[:20])}\n {b_word(short(t)[20:])}")),
    ("near-miss-file-name", "none",
     lambda t: mail(content=mixed(entity(f"Content-Type: image/png; name*=utf-8''{percent(short(t))}", body="x")))),
    ("near-miss-html-entities", "none", lambda t: mail(content=html(f"<p>{decimal(short(t))}</p>"))),
    ("near-miss-utf-16", "none",
     lambda t: mail("Content-Type: text/plain; charset=utf-16", BASE64, body=b64(short(t).encode("utf-16")))),
    ("near-miss-utf-7", "none", lambda t: mail("Content-Type: text/plain; charset=utf-7", body=shifted_utf7(short(t)))),
    ("near-miss-link", "", lambda t: markup.link(markup.safe_links(markup.url(percent(short(t)))))),
    ("near-miss-link-base64", "none", lambda t: markup.link(markup.sophos(markup.url(short(t))))),
    ("near-miss-tnef", "none", lambda t: winmail(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(short(t))))),
    ("near-miss-compressed-rtf", "none", lambda t: containers.in_rtf(containers.rtf(short(t)))),
    ("near-miss-smime", "none", lambda t: opaque(text(short(t)))),
    ("near-miss-msg", "none", lambda t: containers.with_attachment(compound.msg(p_1000001F=short(t)), "a.msg")),
    ("near-miss-zip", "none", lambda t: containers.with_attachment(zipped(("a.txt", short(t))), "a.zip")),
    ("near-miss-gzip", "none", lambda t: containers.with_attachment(gzipped(short(t)), "a.gz")),
    ("near-miss-uuencoded", "none", lambda t: containers.in_text(uuencoded(short(t).encode()))),
    ("near-miss-yenc", "none", lambda t: containers.in_octets(yencoded(short(t).encode()))),
    ("near-miss-flowed", "none",
     lambda t: mail("Content-Type: text/plain; format=flowed; DelSp=yes", body=cut(short(t), 20, by=" \n"))),
    ("near-miss-rewrapped", "none", lambda t: mail(body=f"> {short(t)[:20]}\n> {short(t)[20:]}\n")),
    ("near-miss-status-report", "none",
     lambda t: messages.report("delivery-status", entity("Content-Type: message/delivery-status",
                    body=messages.STATUS + f"X-Id: {short(t)}\n"))),

    # ---- Nothing at all, in shapes that parsers stumble over
    ("empty", "none", lambda t: b""),
    ("one-empty-line", "none", lambda t: b"\r\n"),
    ("ordinary-mail", "none", lambda t: mail(content=multipart("alternative", text("Hello\n"), html("<p>Hello</p>")))),
    ("zip-cut-off", "none", lambda t: containers.with_attachment(zipped(("a.txt", t))[:40], "a.zip")),
    ("gzip-of-zeros", "none", lambda t: containers.with_attachment(messages.bomb(), "a.gz")),
    ("tnef-that-lies-of-its-lengths", "",
     lambda t: containers.with_attachment(tnef.SIGNATURE + b"\x02\x0f\x80\x06\x00\xff\xff\xff\xff" + b"x" * 500, "winmail.dat", "application/ms-tnef")),
    ("msg-whose-sectors-run-in-a-circle", "",
     lambda t: containers.with_attachment(octets(compound.msg(p_1000001E="x" * 9000))
                    .replace(b"\x02\x00\x00\x00\x03\x00\x00\x00", b"\x01\x00\x00\x00\x01\x00\x00\x00"), "a.msg")),
    ("smime-that-lies-of-its-lengths", "",
     lambda t: containers.with_attachment(b"0\x84\xff\xff\xff\xff\x06\x09*\x86H\x86\xf7\r\x01\x07\x02\xa0\x80" + b"0\x80" * 200, "smime.p7m")),
    ("encrypted-by-the-reader-alone", "none",
     lambda t: mail(body="-----BEGIN PGP MESSAGE-----\n\n" + base64.b64encode(bytes(255 - ord(c) for c in t)).decode() + "\n-----END PGP MESSAGE-----\n")),
    ("rot-13", "none",
     lambda t: mail(body=t.translate(str.maketrans("abcdefghijklmnopqrstuvwxyz", "nopqrstuvwxyzabcdefghijklm")) + "\n")),
]

