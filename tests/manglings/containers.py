"""What holds other content: Exchange's TNEF, S/MIME, Outlook's .msg, zip, gzip, uuencode, yEnc."""

import binascii
import functools
import gzip
import io
import struct
import subprocess
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import compound
import tnef
from compose import (BASE64, QUOTED_PRINTABLE, attachment, cut, entity, html, mail, mixed, multipart, noise, octets, text)
from tnef import BINARY, LONG, STRING8, UNICODE, attribute

NOTE = "This is a test mail.\r\n"


def with_attachment(content, name, kind="application/octet-stream"):
    return mail(content=mixed(text("See below.\n"), attachment(content, name, kind)))


# ---- TNEF ------------------------------------------------------------------------------------------------------------

def winmail(*attributes, kind="application/ms-tnef", name="winmail.dat"):
    return with_attachment(tnef.stream(*attributes), name, kind)


def in_properties(*rows):
    """As a property among others that carry no token."""
    return winmail(tnef.message_properties((0x0017, LONG, 1), (0x001A, STRING8, "IPM.Note"), *rows, (0x0036, LONG, 0)))


def in_rtf(rtf, pack=tnef.compress_rtf):
    return in_properties((tnef.PR_RTF_COMPRESSED, BINARY, pack(rtf)))


def rtf(body):
    return ("{\\rtf1\\ansi\\ansicpg1252\\deff0{\\fonttbl\r\n{\\f0\\fswiss Arial;}}\r\n\\pard\\plain\\f0\\fs20 " + body + "\\par\r\n}").encode()


def eml(token, end="\r\n"):
    return f"Subject: Probe\nFrom: probe@provider.test\nContent-Type: text/plain\n\n{token}\n".replace("\n", end).encode()


# ---- S/MIME ----------------------------------------------------------------------------------------------------------

@functools.cache
def signer():
    folder = Path(tempfile.mkdtemp(prefix="mailtest-manglings-"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=probe@provider.test",
                    "-days", "1", "-keyout", "key.pem", "-out", "certificate.pem"], cwd=folder, check=True, capture_output=True)
    return folder


def remove_signer():
    """At the end: the only thing that is left on disk."""
    if signer.cache_info().currsize:
        for file in signer().iterdir():
            file.unlink()
        signer().rmdir()


def signed(content, *options):
    """CMS signed data (RFC 5652) around the content, in DER; with -stream in BER, the content in pieces."""
    return subprocess.run(["openssl", "cms", "-sign", "-nodetach", "-binary", "-signer", "certificate.pem", "-inkey", "key.pem", "-outform", "DER",
                           *options], cwd=signer(), input=content, check=True, capture_output=True).stdout


def opaque(content, *options, kind="application/pkcs7-mime; smime-type=signed-data", name="smime.p7m", encoding="base64"):
    body = signed(content, *options)
    if encoding == "base64":
        return mail(content=attachment(body, name, kind))
    return mail(f'Content-Type: {kind}; name="{name}"', f"Content-Transfer-Encoding: {encoding}", body=body)


# ---- Archives --------------------------------------------------------------------------------------------------------

class Unseekable(io.RawIOBase):
    """zipfile writes sizes behind the data of what it cannot go back in."""

    def __init__(self):
        self.octets = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.octets += data
        return len(data)


def zipped(*members, method=zipfile.ZIP_DEFLATED, streamed=False):
    """members: (name, content)."""
    into = Unseekable() if streamed else io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), octets(content), method)
    return bytes(into.octets) if streamed else into.getvalue()


def gzipped(content):
    return gzip.compress(octets(content), mtime=0)


def gzipped_with_a_name(content):
    """With a name, a comment, an extra field and a check sum of the header (RFC 1952)."""
    head = b"\x1f\x8b\x08\x1e" + bytes(4) + b"\0\x03" + b"\x04\0ab\0\0" + b"probe.txt\0" + b"a comment\0"
    return head + struct.pack("<H", zlib.crc32(head) & 0xFFFF) + gzipped(content)[10:]


def tarred(name, content):
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(octets(content)))
    return into.getvalue()


def docx(token):
    paragraph = f"<w:p><w:r><w:t>Token: {token[:9]}</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>{token[9:]}</w:t></w:r></w:p>"
    return zipped(("[Content_Types].xml", "<?xml version='1.0'?><Types/>"),
                  ("word/document.xml", f"<?xml version='1.0'?><w:document><w:body>{paragraph}</w:body></w:document>"))


# ---- Blocks in text --------------------------------------------------------------------------------------------------

def uuencoded(content, name="probe.txt", blank=" "):
    lines = b"".join(binascii.b2a_uu(content[at:at + 45], backtick=blank == "`") for at in range(0, len(content), 45))
    return f"begin 644 {name}\n".encode() + lines + (b"`" if blank == "`" else b" ") + b"\nend\n"


def in_text(block):
    """A block between lines of text; LF became CRLF, as on the wire."""
    return mail(body=b"See the file below.\r\n\r\n" + block.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") + b"\r\nBye.\r\n")


def yencoded(content, name="probe.txt", line=128, part=None):
    coded = bytearray()
    column = 0
    for octet in content:
        octet = (octet + 42) & 0xFF
        if octet in (0, 10, 13, 61) or (column == 0 and octet == 46):
            coded += b"="
            octet = (octet + 64) & 0xFF
            column += 1
        coded.append(octet)
        column += 1
        if column >= line:
            coded += b"\r\n"
            column = 0
    head = f"=ybegin {'part=1 ' if part else ''}line={line} size={len(content)} name={name}\r\n"
    if part:
        head += f"=ypart begin=1 end={len(content)}\r\n"
    return head.encode() + bytes(coded) + f"\r\n=yend size={len(content)} crc32={zlib.crc32(content):08x}\r\n".encode()


def in_octets(block):
    return mail("Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit", body=b"See below.\r\n" + block + b"Bye.\r\n")


# name, found_in, the mail for token t
TABLE = [
    # ---- TNEF
    ("exchange-tnef-body", "text (other)", lambda t: winmail(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(NOTE + t)))),
    ("exchange-tnef-subject", "header (other)",
     lambda t: winmail(attribute(tnef.MESSAGE, tnef.SUBJECT, tnef.zero_ended(f"Probe {t}")))),
    ("exchange-tnef-message-id", "header (other)",
     lambda t: winmail(attribute(tnef.MESSAGE, tnef.MESSAGE_ID, tnef.zero_ended(t)))),
    ("exchange-tnef-property-subject", "header (other)", lambda t: in_properties((tnef.PR_SUBJECT, STRING8, f"Probe {t}"))),
    ("exchange-tnef-property-subject-unicode", "header", lambda t: in_properties((tnef.PR_SUBJECT, UNICODE, f"Prüfung „{t}“"))),
    ("exchange-tnef-property-body-unicode", "text", lambda t: in_properties((tnef.PR_BODY, UNICODE, "ü" * 1001 + t))),
    ("exchange-tnef-property-internet-message-id", "header (other)",
     lambda t: in_properties((tnef.PR_INTERNET_MESSAGE_ID, STRING8, f"<{t}@provider.test>"))),
    ("exchange-tnef-property-transport-headers", "attached x-mailtest-token (other)",
     lambda t: in_properties((tnef.PR_TRANSPORT_HEADERS, STRING8, f"X-Mailtest-Token: {t}\r\n\r\n"))),
    ("exchange-tnef-property-html", "html",
     lambda t: in_properties((tnef.PR_HTML, BINARY, f"<html><p>{cut(t, 20, by='<wbr>')}</p></html>".encode()))),
    ("exchange-tnef-named-property", "header", lambda t: in_properties((0x8001, UNICODE, t))),
    ("exchange-tnef-compressed-rtf", "text", lambda t: in_rtf(rtf(NOTE + "\\par Token: " + t))),
    ("exchange-tnef-compressed-rtf-formatted", "text", lambda t: in_rtf(rtf(f"Token: {t[:20]}{{\\b {t[20:]}}}"))),
    ("exchange-tnef-compressed-rtf-repeated", "text",
     lambda t: in_rtf(rtf("This is a test mail. " * 300 + t + " This is a test mail." * 300))),
    ("exchange-tnef-compressed-rtf-of-html", "text",
     lambda t: in_rtf(tnef.rtf_of_html("<p>", t[:8], "<b>", t[8:], "</b>", "</p>"))),
    ("exchange-tnef-compressed-rtf-literal", "text", lambda t: in_rtf(rtf(t), lambda r: tnef.compress_rtf(r, literal=True))),
    ("exchange-tnef-stored-rtf", "text (other)", lambda t: in_rtf(rtf(t), tnef.stored_rtf)),
    ("exchange-tnef-attached-text", "other", lambda t: winmail(tnef.attached("probe.txt", f"Token: {t}".encode()))),
    ("exchange-tnef-attached-eml", "attached text (other)", lambda t: winmail(tnef.attached("probe.eml", eml(t)))),
    ("exchange-tnef-attachment-title", "parameter (header) (other)", lambda t: winmail(tnef.attached(f"{t}.txt", b"nothing"))),
    ("exchange-tnef-embedded-message", "attached text (other)",
     lambda t: winmail(tnef.embedded_message(tnef.stream(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t)))))),
    ("exchange-tnef-embedded-twice", "attached text",
     lambda t: winmail(tnef.embedded_message(tnef.stream(tnef.embedded_message(tnef.stream(tnef.message_properties((tnef.PR_BODY, UNICODE, t)))))))),
    ("exchange-tnef-octet-stream", "text (other)",
     lambda t: winmail(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t)), kind="application/octet-stream", name="ATT00001.dat")),
    ("exchange-tnef-alone-as-the-mail", "text (other)",
     lambda t: mail(content=attachment(tnef.stream(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t))), "winmail.dat", "application/ms-tnef"))),
    ("exchange-tnef-binary", "text (other)",
     lambda t: mail(content=mixed(entity("Content-Type: application/ms-tnef", "Content-Transfer-Encoding: binary",
                                         body=tnef.stream(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t))))))),
    ("exchange-tnef-behind-a-large-attachment", "text (other)",
     lambda t: winmail(tnef.attached("big.bin", noise(300000)), attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t)))),
    ("exchange-tnef-in-an-attached-message", "attached text (other)",
     lambda t: mail(content=mixed(entity("Content-Type: message/rfc822",
                    body=winmail(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t))))))),

    # ---- S/MIME
    ("smime-opaque-signed", "text (other)", lambda t: opaque(text(f"{t}\n"))),
    ("smime-opaque-signed-ber-in-pieces", "text (other)", lambda t: opaque(text("x" * 5000 + t + "y" * 5000), "-stream")),
    ("smime-opaque-signed-token-over-two-pieces", "text",
     lambda t: opaque(text("x" * (4096 - 20 - 45) + t + "y" * 5000), "-stream")),
    ("smime-opaque-signed-html-alternative", "html",
     lambda t: opaque(multipart("alternative", text("x\n"), html(f"<p>{cut(t, 20, by='<wbr>')}</p>")))),
    ("smime-opaque-signed-base64-within", "text",
     lambda t: opaque(entity("Content-Type: text/plain; charset=utf-8", BASE64, body=binascii.b2a_base64(t.encode())))),
    ("smime-opaque-signed-old-type", "text (other)", lambda t: opaque(text(f"{t}\n"), kind="application/x-pkcs7-mime")),
    ("smime-opaque-signed-octet-stream", "text (other)", lambda t: opaque(text(f"{t}\n"), kind="application/octet-stream")),
    ("smime-opaque-signed-binary", "text (other)", lambda t: opaque(text(f"{t}\n"), encoding="binary")),
    ("smime-opaque-signed-html-quoted-printable-in-pieces", "html (other)",
     lambda t: opaque(entity("Content-Type: text/html; charset=utf-8", QUOTED_PRINTABLE,
                             body=b"<p>x=3D</p>=\r\n" * 1500 + cut(t, 9, by="=\r\n").encode()), "-stream")),
    ("smime-opaque-signed-twice", "text (other)",
     lambda t: opaque(attachment(signed(text(f"{t}\n")), "smime.p7m", "application/pkcs7-mime; smime-type=signed-data"))),
    ("smime-opaque-signed-without-certificates", "text (other)", lambda t: opaque(text(f"{t}\n"), "-nocerts")),
    ("smime-opaque-signed-attached-message", "attached subject (other)",
     lambda t: opaque(mixed(text("x\n"), entity("Content-Type: message/rfc822", body=mail(f"Subject: {t}"))))),
    ("smime-detached-signed", "text",
     lambda t: mail(content=multipart("signed", text(f"{t}\n"), attachment(b"0\x80", "smime.p7s", "application/pkcs7-signature"),
                                      more='; protocol="application/pkcs7-signature"; micalg=sha-256'))),
    ("pgp-mime-signed", "text",
     lambda t: mail(content=multipart("signed", text(f"{t}\n"), entity("Content-Type: application/pgp-signature",
                    body="-----BEGIN PGP SIGNATURE-----\n"),
                                      more='; protocol="application/pgp-signature"; micalg=pgp-sha256'))),
    ("pgp-clear-signed", "text",
     lambda t: mail(body=f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -- dashes\n{t}\n"
                    "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n")),

    # ---- Outlook messages
    ("outlook-msg-subject", "attached header",
     lambda t: with_attachment(compound.msg(p_0037001F=f"Probe {t}", p_1000001F=NOTE), "mail.msg", "application/vnd.ms-outlook")),
    ("outlook-msg-body", "attached text",
     lambda t: with_attachment(compound.msg(p_0037001F="Probe", p_1000001F=NOTE + t), "mail.msg", "application/vnd.ms-outlook")),
    ("outlook-msg-body-ansi", "attached text (other)",
     lambda t: with_attachment(compound.msg(p_0037001E="Probe", p_1000001E=NOTE + t), "mail.msg")),
    ("outlook-msg-body-in-large-sectors", "attached text",
     lambda t: with_attachment(compound.msg(p_1000001F="ü" * 3000 + t + "ü" * 3000), "mail.msg")),
    ("outlook-msg-html", "attached html",
     lambda t: with_attachment(compound.msg(p_10130102=f"<html><p>{cut(t, 20, by='<wbr>')}</p></html>".encode()), "mail.msg")),
    ("outlook-msg-compressed-rtf", "attached text",
     lambda t: with_attachment(compound.msg(p_10090102=tnef.compress_rtf(rtf(t))), "mail.msg")),
    ("outlook-msg-internet-message-id", "attached header",
     lambda t: with_attachment(compound.msg(p_1035001F=f"<{t}@provider.test>"), "mail.msg")),
    ("outlook-msg-transport-headers", "attached x-mailtest-token",
     lambda t: with_attachment(compound.msg(p_007D001F=f"X-Mailtest-Token: {t}\r\n"), "mail.msg")),
    ("outlook-msg-within-msg", "attached text",
     lambda t: with_attachment(compound.msg(p_0037001F="Fwd", attachments=[{"p_3701000D": compound.storage({"p_1000001F": NOTE + t}, 24)}]), "mail.msg")),
    ("outlook-msg-attached-file", "attached other",
     lambda t: with_attachment(compound.msg(attachments=[{"p_3707001F": "probe.txt", "p_37010102": f"Token: {t}".encode()}]), "mail.msg")),
    ("outlook-msg-scattered-sectors", "attached text",
     lambda t: with_attachment(compound.msg(scattered=True, p_1000001F=NOTE * 3 + t), "mail.msg")),
    ("outlook-msg-scattered-large-sectors", "attached text",
     lambda t: with_attachment(compound.msg(scattered=True, p_1000001E="x" * 5100 + t + "x" * 300), "mail.msg")),
    ("outlook-msg-without-a-name", "attached text", lambda t: with_attachment(compound.msg(p_1000001F=NOTE + t), "ATT00001")),

    # ---- Archives
    ("zip-text", "other", lambda t: with_attachment(zipped(("probe.txt", "x" * 999 + t)), "probe.zip", "application/zip")),
    ("zip-stored", "other",
     lambda t: with_attachment(zipped(("probe.txt", t), method=zipfile.ZIP_STORED), "probe.zip", "application/zip")),
    ("zip-streamed", "other",
     lambda t: with_attachment(zipped(("a.txt", "nothing " * 99), ("probe.txt", t), streamed=True), "probe.zip")),
    ("zip-of-generic-type", "other", lambda t: with_attachment(zipped(("probe.txt", t)), "ATT00001.bin")),
    ("zip-second-member", "other",
     lambda t: with_attachment(zipped(("noise.bin", noise(20000)), ("probe.txt", t)), "probe.zip", "application/x-zip-compressed")),
    ("zip-message", "attached text", lambda t: with_attachment(zipped(("mail.eml", eml(t))), "mails.zip", "application/zip")),
    ("zip-html", "other",
     lambda t: with_attachment(zipped(("mail.html", f"<html><body>{cut(t, 9, by='<b>')}</body></html>")), "mails.zip", "application/zip")),
    ("zip-file-name", "parameter (other)",
     lambda t: with_attachment(zipped((f"{t}.txt", "nothing")), "probe.zip", "application/zip")),
    ("zip-behind-other-octets", "other",
     lambda t: with_attachment(b"MZ" + bytes(300) + zipped(("probe.txt", "x" * 99 + t)), "setup.zip", "application/zip")),
    ("zip-spreadsheet-in-pieces", "other",
     lambda t: with_attachment(
         zipped(("xl/sharedStrings.xml", f"<?xml version='1.0'?><sst><si><r><t>{t[:9]}</t></r><r><t>{t[9:]}</t></r></si></sst>")), "a.xlsx")),
    ("zip-in-zip", "other",
     lambda t: with_attachment(zipped(("inner.zip", zipped(("probe.txt", t)))), "probe.zip", "application/zip")),
    ("zip-word-document", "other",
     lambda t: with_attachment(docx(t), "probe.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document")),
    ("gzip-text", "other", lambda t: with_attachment(gzipped("x" * 999 + t), "probe.txt.gz", "application/gzip")),
    ("gzip-with-every-header-field", "other", lambda t: with_attachment(gzipped_with_a_name("x" * 99 + t), "ATT00001.bin")),
    ("gzip-of-generic-type", "other", lambda t: with_attachment(gzipped(t), "ATT00001.bin")),
    ("gzip-of-a-tar-archive", "other", lambda t: with_attachment(gzipped(tarred("probe.txt", t)), "probe.tgz", "application/x-gtar")),
    ("gzip-in-gzip", "other", lambda t: with_attachment(gzipped(gzipped(t)), "probe.txt.gz.gz", "application/gzip")),
    ("gzip-two-members", "other",
     lambda t: with_attachment(gzipped("nothing\n") + gzipped(t), "probe.txt.gz", "application/x-gzip")),
    ("gzip-token-over-two-members", "other",
     lambda t: with_attachment(gzipped(t[:20]) + gzipped(t[20:]), "probe.txt.gz", "application/x-gzip")),
    ("gzip-message", "attached text", lambda t: with_attachment(gzipped(eml(t, "\n")), "mail.eml.gz", "application/gzip")),
    ("gzip-cut-off-behind-the-token", "other",
     lambda t: with_attachment(gzipped(t.encode() + noise(4000))[:-500], "probe.gz", "application/gzip")),

    # ---- Blocks in text
    ("uuencoded-block", "other", lambda t: in_text(uuencoded(f"This is a test mail. {t}\n".encode()))),
    ("uuencoded-block-with-backticks", "other", lambda t: in_text(uuencoded(f"This is a test mail. {t}\n".encode(), blank="`"))),
    ("uuencoded-block-trailing-blanks-lost", "other",
     lambda t: in_text(b"\n".join(line.rstrip() for line in uuencoded(f"x{t}\0\0".encode()).split(b"\n")))),
    ("uuencoded-message", "attached text", lambda t: in_text(uuencoded(eml(t, "\n"), "mail.eml"))),
    ("uuencoded-winmail-dat", "text (other)",
     lambda t: in_text(uuencoded(tnef.stream(attribute(tnef.MESSAGE, tnef.BODY, tnef.zero_ended(t))), "winmail.dat", "`"))),
    ("uuencoded-second-block", "other", lambda t: in_text(uuencoded(b"nothing", "a.txt") + b"\n" + uuencoded(t.encode()))),
    ("uuencoded-block-without-an-end", "other",
     lambda t: mail(body=octets(uuencoded(f"{t}\n".encode()).decode().split(" \nend")[0] + "\n"))),
    ("yenc-block", "other", lambda t: in_octets(yencoded(f"This is a test mail. {t}\n".encode()))),
    ("yenc-block-token-over-two-lines", "other", lambda t: in_octets(yencoded(b"x" * 110 + t.encode() + b"\xe3\x13" * 40))),
    ("yenc-block-of-a-part", "other", lambda t: in_octets(yencoded(f"This is a test mail. {t}\n".encode(), part=1))),
    ("yenc-short-lines", "other", lambda t: in_octets(yencoded(t.encode(), line=10))),
    ("yenc-zip", "other", lambda t: in_octets(yencoded(zipped(("probe.txt", t)), "probe.zip"))),
]
