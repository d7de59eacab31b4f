"""Text parts: transfer encodings, charsets, re-wrapped and quoted text, texts of other types, wrong labels."""

import base64
import codecs

from compose import (BASE64, b64, b_word, cut, entity, mail, mixed, octets, percent, qp, qp_every_octet, shifted_utf7, spread, text)


def probe(token):
    return f"This is a test mail.\n\nIts token is {token}, please ignore it.\n\n-- \nMonitoring\n"


def plain(charset, body, encoding="8bit"):
    """A mail of one text part whose body is octets in the charset already."""
    return mail(f"Content-Type: text/plain; charset={charset}", f"Content-Transfer-Encoding: {encoding}", body=body)


def in_base64(charset, body, label=None):
    return plain(label or charset, b64(body if isinstance(body, bytes) else body.encode(charset)), "base64")


def in_qp(body, charset="utf-8"):
    return plain(charset, body, "quoted-printable")


def flowed(body, delsp="yes"):
    return mail(f"Content-Type: text/plain; charset=utf-8; format=flowed; DelSp={delsp}", body=body)


def of_type(kind, body):
    return mail(content=mixed(text("See below.\n"), entity(f"Content-Type: {kind}", body=body)))


def quoted(token, mark="> ", width=20):
    """Wrapped at this width, then quoted."""
    lines = cut(f"Its token is {token}, please ignore.", *range(width, 72, width), by="\n").split("\n")
    return "On Thu, Probe wrote:\n" + "".join(f"{mark}{line}\n" for line in lines)


# name, found_in, the mail for token t
TABLE = [
    # ---- Transfer encodings
    ("text-7bit", "text", lambda t: mail(body=probe(t))),
    ("text-without-a-content-type", "text", lambda t: mail("MIME-Version: 1.0", body=t)),
    ("text-in-upper-case", "text", lambda t: mail(body=probe(t).upper())),
    ("text-in-mixed-case", "text", lambda t: mail(body="".join(c.upper() if n % 3 else c for n, c in enumerate(t)))),
    ("text-glued-to-letters", "text", lambda t: mail(body=f"xx{t}yy\n")),
    ("text-behind-a-false-start", "text", lambda t: mail(body=f"mt1{t}\nmt1mt1mt1{t}\n")),
    ("text-8bit", "text", lambda t: plain("utf-8", f"Prüfung „{t}“ ✓\n")),
    ("text-binary", "text", lambda t: plain("utf-8", f"Prüfung „{t}“ ✓\n", "binary")),
    ("text-base64", "text", lambda t: in_base64("utf-8", "ü " + probe(t))),
    ("text-base64-in-lines-of-four", "text", lambda t: plain("utf-8", b64(probe(t), 4), "base64")),
    ("text-base64-in-lines-of-seven", "text", lambda t: plain("utf-8", b64(probe(t), 7), "base64")),
    ("text-base64-on-one-line", "text", lambda t: plain("utf-8", b64("ü" * 3000 + t, 100000), "base64")),
    ("text-base64-with-empty-lines", "text", lambda t: plain("utf-8", b64(probe(t), 20).replace(b"\r\n", b"\r\n\r\n"), "base64")),
    ("text-base64-with-blanks-around", "text",
     lambda t: plain("utf-8", b64(probe(t), 30).replace(b"\r\n", b" \t\r\n  "), "base64")),
    ("text-base64-not-padded", "text", lambda t: plain("utf-8", b64("to" + t).rstrip(b"=\r\n"), "base64")),
    ("text-base64-cut-off-behind-the-token", "text", lambda t: plain("utf-8", b64(t + " and more text")[:61], "base64")),
    ("text-base64-padded-in-the-middle", "text", lambda t: plain("utf-8", b64("part one\n") + b64(t), "base64")),
    ("text-base64-with-a-footer-behind", "text",
     lambda t: plain("utf-8", b64(probe(t)) + octets("\n_______________\nprobes mailing list\n"), "base64")),
    ("text-base64-with-other-characters", "text",
     lambda t: plain("utf-8", b64(probe(t), 32).replace(b"\r\n", b"!\r\n>"), "base64")),
    ("text-quoted-printable", "text", lambda t: in_qp(qp("Prüfung =\n" + probe(t)))),
    ("text-quoted-printable-soft-break-inside", "text", lambda t: in_qp(cut(t, 27, by="=\n"))),
    ("text-quoted-printable-soft-break-at-each-character", "text", lambda t: in_qp(spread(t, "=\n"))),
    ("text-quoted-printable-soft-break-with-blanks", "text", lambda t: in_qp(cut(t, 5, 35, by="= \t\n"))),
    ("text-quoted-printable-soft-break-lf-only", "text",
     lambda t: in_qp(cut(t, 5, 35, by="=\r").replace("\r", "").replace("=", "=\n").encode())),
    ("text-quoted-printable-every-octet", "text", lambda t: in_qp(qp_every_octet(probe(t)))),
    ("text-quoted-printable-in-lower-case", "text", lambda t: in_qp(qp_every_octet(t).lower())),
    ("text-quoted-printable-with-bare-equals-signs", "text", lambda t: in_qp(f"a=b&token={t}&x=1==\n")),
    ("text-quoted-printable-broken-within-an-octet", "text", lambda t: in_qp(f"{t[:9]}={ord(t[9]):02X}{t[10:]}=\n=")),
    ("text-uuencoded-by-the-transfer-encoding", "text",
     lambda t: plain("us-ascii", b"begin 644 text\r\n" + codecs.encode(t.encode(), "uu").split(b"\n")[1] + b"\r\n`\r\nend\r\n", "x-uuencode")),
    ("transfer-encoding-with-a-comment", "text", lambda t: plain("utf-8", b64(probe(t)), "base64 (by the gateway)")),
    ("transfer-encoding-in-upper-case-and-quotes", "text", lambda t: plain("utf-8", b64(probe(t)), '"BASE64"')),
    ("transfer-encoding-unknown", "text", lambda t: plain("utf-8", probe(t), "8-bit")),

    # ---- Charsets
    ("charset-utf-8-with-its-mark", "text", lambda t: in_base64("utf-8-sig", probe(t), "utf-8")),
    ("charset-iso-8859-1", "text", lambda t: plain("iso-8859-1", f"Prüfung «{t}»\n".encode("latin-1"))),
    ("charset-iso-8859-15-quoted-printable", "text",
     lambda t: in_qp(qp(f"10 € für {t}ß\n".encode("iso-8859-15")), "iso-8859-15")),
    ("charset-windows-1252", "text", lambda t: in_base64("windows-1252", f"„{t}“ – ok")),
    ("charset-koi8-r", "text", lambda t: in_base64("koi8-r", f"Проверка {t} почты")),
    ("charset-utf-16-little-endian", "text", lambda t: in_base64("utf-16-le", probe(t), "utf-16le")),
    ("charset-utf-16-big-endian", "text", lambda t: in_base64("utf-16-be", probe(t), "utf-16be")),
    ("charset-utf-16-with-its-mark", "text", lambda t: in_base64("utf-16", "ﬁ " + probe(t))),
    ("charset-utf-16-big-endian-with-its-mark", "text",
     lambda t: in_base64("utf-16", b"\xfe\xff" + probe(t).encode("utf-16-be"))),
    ("charset-utf-16-quoted-printable", "text", lambda t: in_qp(qp_every_octet(probe(t).encode("utf-16-le")), "utf-16le")),
    ("charset-utf-16-at-an-odd-offset", "text",
     lambda t: in_base64("utf-16-le", b"x" + ("ü" + probe(t)).encode("utf-16-le"), "utf-16le")),
    ("charset-utf-16-labelled-utf-8", "text", lambda t: in_base64("utf-16-le", probe(t), "utf-8")),
    ("charset-utf-16-labelled-us-ascii", "text", lambda t: in_base64("utf-16", probe(t), "us-ascii")),
    ("charset-utf-16-chinese-around", "text", lambda t: in_base64("utf-16-be", "测试邮件" * 200 + t + "请忽略", "utf-16be")),
    ("charset-utf-16-8bit", "text", lambda t: plain("utf-16le", probe(t).replace("\n", "\r\n").encode("utf-16-le"))),
    ("charset-utf-16-7bit-with-its-mark", "text", lambda t: plain("utf-16", probe(t).encode("utf-16"), "7bit")),
    ("charset-hz", "text", lambda t: plain("hz-gb-2312", f"测试 {t} 邮件\n".encode("hz"), "7bit")),
    ("charset-utf-32", "text", lambda t: in_base64("utf-32-le", probe(t), "utf-32le")),
    ("charset-utf-7", "text", lambda t: plain("utf-7", f"Pr+APw-fung {t} +IBw-\n", "7bit")),
    ("charset-utf-7-token-in-base64", "text", lambda t: plain("utf-7", f"Token: {shifted_utf7(t)}\n", "7bit")),
    ("charset-utf-7-token-partly-in-base64", "text",
     lambda t: plain("utf-7", f"Token: {t[:11]}{shifted_utf7(t[11:30])}{t[30:]}\n", "7bit")),
    ("charset-utf-7-in-quoted-printable", "text",
     lambda t: plain("utf-7", qp(f"Token: {shifted_utf7('é ' + t)} =\n"), "quoted-printable")),
    ("charset-gb18030", "text", lambda t: in_base64("gb18030", f"测试{t}邮件")),
    ("charset-gb2312-8bit", "text", lambda t: plain("gb2312", f"测试{t}邮件".encode("gb2312"))),
    ("charset-big5", "text", lambda t: in_base64("big5", f"轉寄{t}郵件")),
    ("charset-iso-2022-jp", "text", lambda t: plain("iso-2022-jp", f"試験{t}転送\n".encode("iso-2022-jp"), "7bit")),
    ("charset-iso-2022-jp-roman-inside", "text", lambda t: plain("iso-2022-jp", cut(t, 10, by="\x1b(J") + "\x1b(B\n", "7bit")),
    ("charset-iso-2022-kr", "text", lambda t: plain("iso-2022-kr", f"시험 {t} 전달\n".encode("iso-2022-kr"), "7bit")),
    ("charset-euc-jp", "text", lambda t: plain("euc-jp", f"試験{t}転送\n".encode("euc-jp"))),
    ("charset-shift-jis", "text", lambda t: plain("shift_jis", f"試験表{t}転送\n".encode("shift_jis"))),
    ("charset-euc-kr", "text", lambda t: plain("euc-kr", f"시험{t}전달\n".encode("euc-kr"))),
    ("charset-utf-8-labelled-us-ascii", "text", lambda t: plain("us-ascii", f"Prüfung „{t}“\n")),
    ("charset-latin-1-labelled-utf-8", "text", lambda t: plain("utf-8", f"Prüfung {t}ü\n".encode("latin-1"))),
    ("charset-unknown", "text", lambda t: in_base64("utf-8", probe(t), "x-unknown")),
    ("charset-encoded-twice", "text", lambda t: plain("utf-8", f"Prüfung {t} ü\n".encode().decode("latin-1"))),
    ("text-zero-width-spaces-inside", "text", lambda t: plain("utf-8", spread(t, "\u200b") + "\n")),
    ("text-soft-hyphen-inside", "text", lambda t: plain("utf-8", cut(t, 20, by="\u00ad") + "\n")),
    ("text-soft-hyphen-inside-latin-1", "text", lambda t: plain("iso-8859-1", cut(t, 20, by="\u00ad").encode("latin-1"))),

    # ---- Flowed, re-wrapped and quoted text
    ("flowed-delsp", "text", lambda t: flowed(f"Its token is {cut(t, 18, by=' ' + chr(10))} and more.\n")),
    ("flowed-delsp-quoted", "text", lambda t: flowed(f"> Its token is {cut(t, 18, 30, by=' ' + chr(10) + '> ')} and more.\n")),
    ("flowed-delsp-quoted-twice", "text", lambda t: flowed(f">> {cut(t, 3, by=' ' + chr(10) + '>> ')}\n")),
    ("flowed-delsp-base64", "text",
     lambda t: mail("Content-Type: text/plain; charset=utf-8; delsp=yes; format=flowed", BASE64,
                    body=b64(cut(t, 33, by=" \n")))),
    ("flowed-delsp-no", "text", lambda t: flowed(f"Its token is \n{t} \nand more.\n", "no")),
    ("rewrapped-at-76", "text", lambda t: mail(body=f"{'x' * 50} {cut(t, 25, by=chr(10))} and so on\n")),
    ("rewrapped-before-the-last-character", "text", lambda t: mail(body=f"Token: {cut(t, 42, by=chr(10))}\n")),
    ("rewrapped-behind-the-first-character", "text", lambda t: mail(body=f"Token: {cut(t, 1, by=chr(10))}\n")),
    ("rewrapped-in-a-narrow-column", "text", lambda t: mail(body=f"Token:\n{cut(t, 15, 30, by=chr(10))}\n")),
    ("rewrapped-and-indented", "text", lambda t: mail(body=f"Token:\n    {cut(t, 30, by=chr(10) + '    ')}\n")),
    ("rewrapped-with-trailing-blanks", "text", lambda t: mail(body=f"Token: {cut(t, 30, by='  ' + chr(10))}\n")),
    ("rewrapped-with-empty-lines", "text", lambda t: mail(body=f"Token: {cut(t, 30, by=chr(10) * 2)}\n")),
    ("rewrapped-with-a-hyphen", "text", lambda t: mail(body=f"Token: {cut(t, 30, by='-' + chr(10))}\n")),
    ("blank-inside", "text", lambda t: mail(body=f"Token: {cut(t, 30, by=' ')}\n")),
    ("no-break-space-inside", "text", lambda t: plain("utf-8", f"Token: {cut(t, 30, by=chr(0xa0))}\n")),
    ("rewrapped-lf-only", "text", lambda t: mail(body=f"Token: {cut(t, 30, by=chr(10))}\n".encode())),
    ("quoted", "text", lambda t: mail(body=f"> Its token is {t}, please ignore.\n")),
    ("quoted-and-rewrapped", "text", lambda t: mail(body=quoted(t))),
    ("quoted-and-rewrapped-without-a-blank", "text", lambda t: mail(body=quoted(t, ">"))),
    ("quoted-three-deep-and-rewrapped", "text", lambda t: mail(body=quoted(t, "> > > "))),
    ("quoted-three-deep-tight-and-rewrapped", "text", lambda t: mail(body=quoted(t, ">>> "))),
    ("quoted-then-rewrapped-so-that-the-mark-is-lost", "text",
     lambda t: mail(body=f"> Its token is {t[:33]}\n{t[33:]}, please\n> ignore.\n")),
    ("quoted-by-initials-and-rewrapped", "text", lambda t: mail(body=quoted(t, "AB> "))),
    ("quoted-by-bars-and-rewrapped", "text", lambda t: mail(body=quoted(t, "| "))),
    ("quoted-printable-source-quoted", "text", lambda t: mail(body=f"> Pr=C3=BCfung {cut(t, 20, by='=' + chr(10) + '> ')}\n")),
    ("source-of-a-mail-in-text-base64", "text",
     lambda t: mail(body="Hi. This is the qmail-send program.\n\n--- Below this line is a copy of the message.\n\n"
                         "Received: (qmail 1 invoked)\nSubject: a\n"
                         "Content-Transfer-Encoding: base64\n\n" + b64(probe(t) * 3).decode())),
    ("source-of-a-mail-in-text-quoted-printable", "text",
     lambda t: mail(body="------ This is a copy of the message, including all the headers. ------\n\nSubject: a\n"
                         f"Content-Transfer-Encoding: quoted-printable\n\nPr=C3=BCfung {cut(t, 20, by='=' + chr(10))}\n")),
    ("source-of-a-mail-in-text-encoded-subject", "text",
     lambda t: mail(body=f"Your message could not be delivered:\n\nSubject: {b_word('Prüfung ' + t[:20])}\n {b_word(t[20:])}\n\nx\n")),
    ("quoted-and-rewrapped-quoted-printable", "text", lambda t: in_qp(qp("Zitat für Sie:\n" + quoted(t)))),

    # ---- Texts of other types
    ("calendar", "text",
     lambda t: of_type("text/calendar; method=REQUEST", f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Probe {t}\nEND:VEVENT\nEND:VCALENDAR\n")),
    ("calendar-folded-inside", "text",
     lambda t: of_type("text/calendar; method=REQUEST", f"BEGIN:VCALENDAR\nUID:{cut(t, 20, by=chr(10) + ' ')}\nEND:VCALENDAR\n")),
    ("calendar-folded-with-a-tab", "text",
     lambda t: of_type("text/calendar", f"BEGIN:VCALENDAR\nDESCRIPTION:a\\, {cut(t, 2, by=chr(10) + chr(9))}\nEND:VCALENDAR\n")),
    ("calendar-old-quoted-printable", "text",
     lambda t: of_type("text/x-vcalendar", f"BEGIN:VCALENDAR\nSUMMARY;ENCODING=QUOTED-PRINTABLE:{qp_every_octet(t[:20])}=\n{qp_every_octet(t[20:])}\nEND:VCALENDAR\n")),
    ("calendar-in-utf-16", "text",
     lambda t: mail(content=mixed(entity("Content-Type: text/calendar; charset=utf-16le", BASE64,
                                         body=b64(f"BEGIN:VCALENDAR\r\nUID:{cut(t, 20, by=chr(13) + chr(10) + ' ')}\r\n".encode("utf-16-le")))))),
    ("vcard-folded-inside", "text",
     lambda t: of_type("text/vcard", f"BEGIN:VCARD\nNOTE:{cut(t, 30, by=chr(10) + ' ')}\nEND:VCARD\n")),
    ("enriched", "text",
     lambda t: of_type("text/enriched", f"<bold>Token:</bold> {t[:10]}<italic>{t[10:20]}</italic>{t[20:]}\n")),
    ("enriched-with-parameters", "text",
     lambda t: of_type("text/enriched", f"<color><param>red</param>{t[:30]}</color><fixed>{t[30:]}</fixed>\n")),
    ("rtf", "text", lambda t: of_type("text/rtf", "{\\rtf1\\ansi\\deff0{\\fonttbl{\\f0 Arial;}}\\f0 Token: " + t + "\\par}\n")),
    ("rtf-hexadecimal", "text",
     lambda t: of_type("text/rtf", "{\\rtf1\\ansi " + "".join(f"\\'{ord(c):02x}" for c in t) + "\\par}\n")),
    ("rtf-unicode", "text", lambda t: of_type("text/rtf", "{\\rtf1\\ansi\\uc1 " + "".join(f"\\u{ord(c)}?" for c in t) + "}\n")),
    ("rtf-unicode-without-fallback", "text",
     lambda t: of_type("text/rtf", "{\\rtf1\\ansi\\uc0 " + "".join(f"\\u{ord(c)} " for c in t) + "}\n")),
    ("rtf-formatting-inside", "text",
     lambda t: of_type("text/rtf", "{\\rtf1\\ansi " + t[:9] + "{\\b " + t[9:20] + "}\\i\\fs22 " + t[20:] + "\\par}\n")),
    ("rtf-line-ends-inside", "text", lambda t: of_type("text/rtf", "{\\rtf1\\ansi " + cut(t, 9, 33, by="\n") + "\\par}\n")),
    ("rtf-optional-hyphen-inside", "text", lambda t: of_type("text/rtf", "{\\rtf1\\ansi " + cut(t, 21, by="\\-") + "\\par}\n")),
    ("rtf-hidden-runs-inside", "text",
     lambda t: of_type("text/rtf", "{\\rtf1\\ansi " + t[:20] + "{\\*\\bkmkstart _GoBack}{\\*\\bkmkend _GoBack}" + t[20:] + "\\par}\n")),
    ("rtf-of-html-with-rtf-only-runs", "text",
     lambda t: of_type("text/rtf", "{\\rtf1\\ansi\\fromhtml1 {\\*\\htmltag64 <p>}" + t[:20] + "\\htmlrtf xyz\\htmlrtf0 " + t[20:] + "}\n")),
    ("rtf-hyperlink", "text link",
     lambda t: of_type("text/rtf", '{\\rtf1\\ansi {\\field{\\*\\fldinst{HYPERLINK "https://provider.test/?t=' + t + '"}}{\\fldrslt here}}}\n')),
    ("rtf-as-application", "other", lambda t: of_type("application/rtf", "{\\rtf1\\ansi " + cut(t, 21, by="\\b ") + "\\par}\n")),
    ("xml", "text",
     lambda t: of_type("text/xml", f"<?xml version='1.0'?><probe><token>{t[:4]}&#x{ord(t[4]):x};{t[5:]}</token></probe>\n")),
    ("csv", "text", lambda t: of_type("text/csv", f'"time","token"\n"0","{t}"\n')),
    ("json", "other", lambda t: of_type("application/json", f'{{"token": "{t}"}}\n')),
    ("json-unicode-escapes", "other",
     lambda t: of_type("application/json", '{"token": "' + t[:9] + f"\\u{ord(t[9]):04x}" + t[10:] + '"}\n')),
    ("json-base64", "other",
     lambda t: mail(content=mixed(entity("Content-Type: application/json", BASE64, body=b64(f'{{"token":"{t}"}}'))))),
    ("link-in-plain-text-percent-encoded", "text link",
     lambda t: mail(body=f"Open https://provider.test/probe?token={percent(t)}&x=1 soon.\n")),

    # ---- Wrong labels
    ("base64-without-its-label", "text", lambda t: mail("Content-Type: text/plain", body=b64(probe(t) * 5))),
    ("base64-labelled-quoted-printable", "text", lambda t: in_qp(b64(probe(t) * 5))),
    ("quoted-printable-without-its-label", "text",
     lambda t: mail("Content-Type: text/plain", body=cut(t, 20, by="=\n") + "=20\n")),
    ("quoted-printable-labelled-8bit", "text", lambda t: plain("utf-8", f"Pr=C3=BCfung {t[:30]}={ord(t[30]):02X}{t[31:]}\n")),
    ("plain-text-labelled-base64", "text", lambda t: plain("utf-8", probe(t), "base64")),
    ("plain-text-labelled-quoted-printable", "text", lambda t: in_qp(f"100=zz% {t} =\n==\n")),
    ("base64-of-base64", "text", lambda t: in_base64("utf-8", b64(probe(t) * 5))),
    ("base64-of-quoted-printable", "text", lambda t: in_base64("utf-8", octets(cut(probe(t), 50, by="=\n")))),
    ("quoted-printable-of-quoted-printable", "text", lambda t: in_qp(qp(octets("Pr=C3=BCfung: " + cut(t, 20, by="=\n") + "\n")))),
    ("quoted-printable-of-base64", "text", lambda t: in_qp(qp(b64(probe(t) * 5)))),
    ("html-labelled-plain", "html",
     lambda t: mail("Content-Type: text/plain", body=f"<html><body><p>{cut(t, 20, by='</b><b>')}</p></body></html>\n")),
    ("plain-labelled-html", "html", lambda t: mail("Content-Type: text/html", body=f"a < b and {t} > c\n")),
    ("text-labelled-octet-stream", "other",
     lambda t: mail(content=mixed(entity("Content-Type: application/octet-stream", BASE64, body=b64(probe(t)))))),
    ("utf-16-labelled-octet-stream", "other",
     lambda t: mail(content=mixed(entity("Content-Type: application/octet-stream", BASE64,
                    body=base64.b64encode(probe(t).encode("utf-16")))))),
]
