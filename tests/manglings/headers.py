"""Recipients and header fields: what forwarders do to Subject, Message-ID, References, file names and the rest."""

import base64

from compose import (b_word, cut, entity, mail, mixed, percent, q_word, shifted_utf7, spread, text)


def attached_as(disposition, token_free_type="application/octet-stream"):
    """A mail with an attachment that has this Content-Disposition."""
    return mail(content=mixed(text("See below.\n"), entity(f"Content-Type: {token_free_type}", f"Content-Disposition: {disposition}",
                                                           body="nothing\n")))


def words(token, *places, first=b_word, second=b_word):
    """Adjacent encoded-words, cut at these places; kinds alternate."""
    pieces = cut(token, *places, by="\0").split("\0")
    return "\n ".join((first, second)[n % 2](piece) for n, piece in enumerate(pieces))


def broken_group(token):
    """One run of base64 cut into two words within a group of four, as some mail programs do against RFC 2047 section 5."""
    digits = base64.b64encode(f"Probe {token}".encode()).decode()
    return f"=?utf-8?B?{digits[:30]}?=\n =?utf-8?B?{digits[30:]}?="


# name, found_in, the mail for token t (a pair: the recipient, too)
TABLE = [
    # ---- Recipients
    ("recipient-detail", "recipient", lambda t: (f"acme+{t}@mailtest1.example.net", mail())),
    ("recipient-detail-in-upper-case", "recipient", lambda t: (f"ACME+{t.upper()}@MAILTEST1.EXAMPLE.NET", mail())),
    ("recipient-detail-behind-another-detail", "recipient", lambda t: (f"acme+fwd+{t}@mailtest1.example.net", mail())),
    ("recipient-local-part-quoted", "recipient", lambda t: (f'"acme+{t}"@mailtest1.example.net', mail())),
    ("recipient-detail-with-equals", "recipient", lambda t: (f"acme+caf_={t}=customer.test@mailtest1.example.net", mail())),

    # ---- Subject
    ("subject", "subject", lambda t: mail(f"Subject: Mailtest probe {t}")),
    ("subject-with-tags-and-prefixes", "subject",
     lambda t: mail(f"Subject: [EXTERNAL] WG: AW: [SPAM?] Fwd: Mailtest probe {t} [#4711]")),
    ("subject-in-upper-case", "subject", lambda t: mail(f"SUBJECT: FW: MAILTEST PROBE {t.upper()}")),
    ("subject-glued-to-other-text", "subject", lambda t: mail(f"Subject: Ticket#{t}/2026_probe")),
    ("subject-in-brackets-and-dots", "subject", lambda t: mail(f"Subject: Fwd: <{t}>... [truncated]")),
    ("subject-folded-inside-the-token", "subject", lambda t: mail(f"Subject: Mailtest probe {cut(t, 20, by=chr(10) + ' ')}")),
    ("subject-folded-with-a-tab", "subject", lambda t: mail(f"Subject: Mailtest probe {cut(t, 41, by=chr(10) + chr(9))}")),
    ("subject-folded-at-every-third-character", "subject",
     lambda t: mail(f"Subject: {cut(t, *range(3, 43, 3), by=chr(10) + '  ')}")),
    ("subject-folded-over-an-empty-line-of-blanks", "subject",
     lambda t: mail(f"Subject: {cut(t, 9, by=chr(10) + ' ' + chr(10) + ' ')}")),
    ("subject-b-encoded", "subject", lambda t: mail(f"Subject: {b_word('Prüfung ' + t)}")),
    ("subject-q-encoded", "subject", lambda t: mail(f"Subject: {q_word('Prüfung ' + t)}")),
    ("subject-q-encoded-every-octet", "subject",
     lambda t: mail("Subject: =?iso-8859-1?q?" + "".join(f"={ord(c):02x}" for c in t) + "?=")),
    ("subject-b-words-cut-inside-the-token", "subject", lambda t: mail(f"Subject: {words('Prüfung: ' + t, 15, 29)}")),
    ("subject-q-words-cut-inside-the-token", "subject",
     lambda t: mail(f"Subject: {words('Prüfung: ' + t, 15, 29, first=q_word, second=q_word)}")),
    ("subject-b-and-q-words-mixed", "subject",
     lambda t: mail(f"Subject: {words(t, 1, 5, 17, 31, 42, first=b_word, second=q_word)}")),
    ("subject-word-for-each-character", "subject", lambda t: mail(f"Subject: {words(t, *range(1, 43))}")),
    ("subject-words-of-different-charsets", "subject",
     lambda t: mail(f"Subject: {b_word('é' + t[:20], 'iso-8859-15')} {q_word(t[20:] + 'я', 'koi8-r')}")),
    ("subject-words-that-touch", "subject", lambda t: mail(f"Subject: {b_word(t[:22])}{b_word(t[22:])}")),
    ("subject-words-on-one-line", "subject", lambda t: mail(f"Subject: {b_word(t[:22])}  \t {q_word(t[22:])}")),
    ("subject-base64-cut-within-a-group", "subject", lambda t: mail(f"Subject: {broken_group(t)}")),
    ("subject-b-without-padding", "subject", lambda t: mail(f"Subject: {b_word(t).replace('=?=', '?=').replace('=?=', '?=')}")),
    ("subject-word-in-lower-case-marks", "subject",
     lambda t: mail(f"Subject: {b_word('x ' + t).replace('?B?', '?b?').replace('utf-8', 'UTF-8')}")),
    ("subject-word-with-a-language", "subject", lambda t: mail(f"Subject: {b_word(t).replace('utf-8', 'utf-8*de-AT')}")),
    ("subject-word-of-300-characters", "subject", lambda t: mail(f"Subject: {b_word('ä' * 80 + t + 'ö' * 30)}")),
    ("subject-word-in-quotes", "subject", lambda t: mail(f'Subject: "{b_word("ä " + t)}"')),
    ("subject-word-with-spaces-in-it", "subject", lambda t: mail(f"Subject: =?utf-8?Q?FW: Pr=C3=BCfung {t}?=")),
    ("subject-word-folded-in-itself", "subject", lambda t: mail(f"Subject: {cut(b_word('é ' + t), 40, by=chr(10) + ' ')}")),
    ("subject-word-within-a-word", "subject", lambda t: mail(f"Subject: {q_word(b_word(t))}")),
    ("subject-word-in-utf-16", "subject", lambda t: mail(f"Subject: {b_word(('é ' + t).encode('utf-16'), 'utf-16')}")),
    ("subject-word-in-utf-16be", "subject", lambda t: mail(f"Subject: {b_word(('é ' + t).encode('utf-16-be'), 'utf-16be')}")),
    ("subject-word-in-utf-7", "subject", lambda t: mail(f"Subject: =?utf-7?Q?{shifted_utf7(t)}?=")),
    ("subject-word-in-unicode-1-1-utf-7", "subject",
     lambda t: mail(f"Subject: =?unicode-1-1-utf-7?B?{base64.b64encode(shifted_utf7(t).encode()).decode()}?=")),
    ("subject-word-in-iso-2022-jp", "subject", lambda t: mail(f"Subject: {b_word('転送: ' + t + ' 試験', 'iso-2022-jp')}")),
    ("subject-word-in-gb18030", "subject", lambda t: mail(f"Subject: {b_word('转发：' + t + '测试', 'gb18030')}")),
    ("subject-word-in-euc-kr", "subject", lambda t: mail(f"Subject: {b_word('전달: ' + t + ' 시험', 'euc-kr')}")),
    ("subject-word-in-big5", "subject", lambda t: mail(f"Subject: {b_word('轉寄：' + t, 'big5')}")),
    ("subject-word-in-windows-1251", "subject", lambda t: mail(f"Subject: {q_word('Проверка ' + t, 'windows-1251')}")),
    ("subject-word-of-unknown-charset", "subject", lambda t: mail(f"Subject: {b_word('? ' + t).replace('utf-8', 'x-unknown')}")),
    ("subject-raw-utf-8", "subject", lambda t: mail(f"Subject: Prüfung „{t}“ ✓")),
    ("subject-raw-latin-1", "subject", lambda t: mail(f"Subject: Prüfung «{t}»".encode("latin-1"))),
    ("subject-with-zero-width-spaces", "subject", lambda t: mail(f"Subject: {b_word(cut(t, 8, 24, by=chr(0x200b)))}")),
    ("subject-with-html-entities", "subject", lambda t: mail(f"Subject: Fwd: &quot;{t}&quot; &amp; more")),
    ("subject-with-a-space-before-the-colon", "subject", lambda t: mail(f"Subject : {t}")),
    ("subject-twice", "subject", lambda t: mail("Subject: FW: a mail", f"Subject: {t}")),
    ("subject-behind-8000-octets", "subject", lambda t: mail(f"Subject: {'x' * 8170}{t}")),

    # ---- Message-ID and what is made from it
    ("message-id", "message-id", lambda t: mail(f"Message-ID: <{t}@provider.test>")),
    ("message-id-folded", "message-id", lambda t: mail(f"Message-ID:\n <{cut(t, 30, by=chr(10) + ' ')}@provider.test>")),
    ("message-id-in-upper-case", "message-id", lambda t: mail(f"Message-Id: <{t.upper()}@PROVIDER.TEST>")),
    ("in-reply-to", "in-reply-to", lambda t: mail("Message-ID: <1@customer.test>", f"In-Reply-To: <{t}@provider.test>")),
    ("references-last-of-many", "references",
     lambda t: mail("References: " + "\n ".join(f"<20260101000{n:03}.4711@customer.test>" for n in range(60)) + f"\n <{t}@provider.test>")),
    ("references-folded-inside", "references",
     lambda t: mail(f"References: <1@customer.test> <{cut(t, 12, by=chr(10) + chr(9))}@provider.test>")),
    ("in-reply-to-and-references", "in-reply-to references",
     lambda t: mail(f"In-Reply-To: <{t}@provider.test>", f"References: <{t}@provider.test>")),
    ("in-reply-to-old-style", "in-reply-to",
     lambda t: mail(f'In-Reply-To: Your message of "Thu, 01 Jan 2026 00:00:05 GMT" <{t}@provider.test>')),

    # ---- Our own field, and those of others
    ("own-field", "x-mailtest-token", lambda t: mail(f"X-Mailtest-Token: {t}")),
    ("own-field-folded-and-in-upper-case", "x-mailtest-token",
     lambda t: mail(f"X-MAILTEST-TOKEN:\n\t{cut(t.upper(), 21, by=chr(10) + chr(9))}")),
    ("own-field-encoded", "x-mailtest-token", lambda t: mail(f"X-Mailtest-Token: {b_word(t)}")),
    ("exchange-thread-topic", "header", lambda t: mail(f"Thread-Topic: Mailtest probe {t}", "Thread-Index: AdRk1Y0AxgAB")),
    ("exchange-renamed-own-field", "header", lambda t: mail(f"X-MS-Exchange-Organization-Original-X-Mailtest-Token: {t}")),
    ("gmail-original-message-id", "header",
     lambda t: mail("Message-ID: <CAF00@mail.gmail.com>", f"X-Google-Original-Message-ID: <{t}@provider.test>")),
    ("domino-original-message-id", "header", lambda t: mail(f"X-Notes-Item: {t}; name=$MessageID")),
    ("resent-message-id", "header", lambda t: mail("Resent-From: user@customer.test", f"Resent-Message-ID: <{t}@provider.test>")),
    ("srs-return-path", "header", lambda t: mail(f"Return-Path: <SRS0=HH4x=7W=provider.test={t}@customer.test>")),
    ("gmail-caf-sender", "header", lambda t: mail(f"X-Forwarded-For: user@customer.test acme+{t}@mailtest1.example.net")),
    ("received-for", "header",
     lambda t: mail(f"Received: by mail.customer.test (Postfix)\n\tid 4711; for <acme+{t}@mailtest1.example.net>;\n\tThu, 1 Jan 2026 00:00:06 +0000")),
    ("received-comment", "header",
     lambda t: mail(f"Received: from a (b [192.0.2.1])\n\t(envelope-from probe+{t}@provider.test)\n\tby c; Thu, 1 Jan 2026 00:00:06 +0000")),
    ("display-name-encoded", "header", lambda t: mail(f"From: {q_word('Prüfer ' + t)} <probe@provider.test>")),
    ("display-name-quoted", "header", lambda t: mail(f'To: "acme, {t}" <acme@mailtest1.example.net>')),
    ("address-comment", "header", lambda t: mail(f"Reply-To: probe@provider.test ({t})")),
    ("comments-and-keywords", "header", lambda t: mail(f"Keywords: probe, {t}", f"Comments: {t}")),
    ("list-archive-link", "header (link)", lambda t: mail(f"Archived-At: <https://lists.example.net/archive/{t}>")),
    ("list-id-of-a-munging-list", "header", lambda t: mail(f"X-Original-Subject: {t}", "List-Id: <probes.lists.example.net>")),
    ("field-with-an-empty-name", "header", lambda t: mail(f": {t}")),
    ("field-of-20000-octets", "header", lambda t: mail("X-Trace: " + "0123456 " * 2500 + t)),
    ("field-100000-of-them", "header", lambda t: mail(*(f"X-{n}: y" for n in range(100000)), f"X-Last: {t}")),
    ("content-id", "header",
     lambda t: mail(content=mixed(entity("Content-Type: image/png", f"Content-ID: <{t}@provider.test>", body="x\n")))),
    ("content-description", "header",
     lambda t: mail(content=mixed(entity("Content-Type: image/png", f"Content-Description: Mailtest {t}", body="x\n")))),
    ("content-location", "header",
     lambda t: mail(content=mixed(entity("Content-Type: image/png", f"Content-Location: https://provider.test/{percent(t)}",
                    body="x\n")))),

    # ---- Parameters: file names
    ("file-name", "parameter", lambda t: attached_as(f'attachment; filename="probe {t}.txt"')),
    ("file-name-unquoted", "parameter", lambda t: attached_as(f"attachment; filename={t}.txt")),
    ("file-name-folded-inside", "parameter",
     lambda t: attached_as(f'attachment;\n filename="{cut(t, 25, by=chr(10) + " ")}.txt"')),
    ("file-name-rfc2231", "parameter", lambda t: attached_as(f"attachment; filename*=utf-8'de'Pr%C3%BCfung%20{t}.txt")),
    ("file-name-rfc2231-every-octet", "parameter", lambda t: attached_as(f"attachment; filename*=utf-8''{percent(t)}.txt")),
    ("file-name-rfc2231-continued", "parameter",
     lambda t: attached_as(f'attachment;\n filename*0="{t[:19]}";\n filename*1="{t[19:]}.txt"')),
    ("file-name-rfc2231-continued-and-encoded", "parameter",
     lambda t: attached_as(f"attachment; filename*0*=utf-8''%C3%BC{t[:7]};\n filename*1*={percent(t[7:25])};\n filename*2=\"{t[25:]}.txt\"")),
    ("file-name-rfc2231-out-of-order", "parameter",
     lambda t: attached_as(f'attachment;\n filename*2="{t[30:]}.txt";\n filename*0="{t[:15]}";\n filename*1="{t[15:30]}"')),
    ("file-name-rfc2231-in-twelve-pieces", "parameter",
     lambda t: attached_as("attachment;" + "".join(f'\n filename*{n}="{t[n * 4:n * 4 + 4]}";' for n in range(11)) + '\n filename*11=".txt"')),
    ("file-name-encoded-word", "parameter", lambda t: attached_as(f'attachment; filename="{b_word("ü" + t + ".txt")}"')),
    ("file-name-encoded-words-cut", "parameter",
     lambda t: attached_as(f'attachment;\n filename="{b_word("ü" + t[:20])}\n {b_word(t[20:] + ".txt")}"')),
    ("file-name-percent-encoded-without-rfc2231", "parameter", lambda t: attached_as(f'attachment; filename="{percent(t)}.txt"')),
    ("content-type-name", "parameter",
     lambda t: mail(content=mixed(entity(f'Content-Type: image/png;\n\tname="{t}.png"', body="x\n")))),
    ("content-type-name-rfc2231", "parameter",
     lambda t: mail(content=mixed(entity(f"Content-Type: image/png;\n\tname*0*=utf-8''{t[:30]};\n\tname*1*={t[30:]}.png", body="x\n")))),
    ("boundary", "parameter (other)", lambda t: mail(content=mixed(text("x\n"), boundary=f"=_{t}"))),
    ("file-name-in-koi8-r", "parameter",
     lambda t: attached_as(f"attachment; filename*=koi8-r''%D0%D2%CF%C2%C1-{spread(t, '')}.txt")),
]
