"""What the tables of manglings are made with: a genuine token for each mail, and means to write a mail down as it stands on the wire.

Texts are written with "\\n" for a line end and sent with CRLF; octets (bytes) are sent as they are. Nothing is random and no
clock is asked, so that a mail is the same whenever it is made.
"""

import base64
import hashlib
import quopri
import struct

MASTER_KEY = bytes(range(32))
KEY_ID = 1
ADDRESS = "acme@mailtest1.example.net"
OTHER_ADDRESS = "beta@mailtest1.example.net"
ISSUED = 1767225600
BASE64 = "Content-Transfer-Encoding: base64"
QUOTED_PRINTABLE = "Content-Transfer-Encoding: quoted-printable"
DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


# ---- Tokens (docs/token.md) ------------------------------------------------------------------------------------------

def mint(label, address=ADDRESS, master=MASTER_KEY):
    """The genuine token of the mail with this label: every mail has one of its own."""
    key = hashlib.blake2b(b"mailtest mailbox key 1\0" + struct.pack(">I", KEY_ID) + address.encode(), key=master, digest_size=32).digest()
    body = struct.pack(">I", ISSUED) + hashlib.sha256(label.encode()).digest()[:8]
    return spell(body + hashlib.blake2b(body + address.encode(), key=key, digest_size=32).digest()[:13])


def spell(raw):
    number = int.from_bytes(raw, "big")
    return "mt1" + "".join(DIGITS[number >> shift & 31] for shift in range(195, -1, -5))


def cut(token, *places, by):
    """The token with `by` at these offsets."""
    bounds = (0, *places, len(token))
    return by.join(token[start:end] for start, end in zip(bounds, bounds[1:]))


def spread(token, by):
    """The token with `by` between every two of its characters."""
    return by.join(token)


# ---- Encodings -------------------------------------------------------------------------------------------------------

def octets(text):
    return text if isinstance(text, bytes) else text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def b64(content, width=76):
    """As a body in base64, with lines of this width."""
    digits = base64.b64encode(octets(content))
    return b"".join(digits[at:at + width] + b"\r\n" for at in range(0, len(digits), width))


def qp(content):
    return quopri.encodestring(octets(content).replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def qp_every_octet(content):
    return "".join(f"={octet:02X}" for octet in octets(content))


def b_word(content, charset="utf-8"):
    content = content if isinstance(content, bytes) else content.encode(charset)
    return f"=?{charset}?B?{base64.b64encode(content).decode()}?="


def q_word(content, charset="utf-8"):
    """With all octets but letters and digits encoded."""
    content = content if isinstance(content, bytes) else content.encode(charset)
    return f"=?{charset}?Q?" + "".join(chr(o) if chr(o).isalnum() and o < 128 else f"={o:02X}" for o in content) + "?="


def percent(text):
    """Every character percent-encoded."""
    return "".join(f"%{octet:02X}" for octet in text.encode())


def shifted_utf7(text):
    """UTF-7 (RFC 2152) with every character in its base64 form."""
    return "+" + base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=") + "-"


def decimal(text):
    return "".join(f"&#{ord(c)};" for c in text)


def hexadecimal(text):
    return "".join(f"&#x{ord(c):X};" for c in text)


# ---- Mails -----------------------------------------------------------------------------------------------------------

FIELDS = {
    "Received": "from mail.customer.test (mail.customer.test [192.0.2.25])\n\tby mx.mailtest1.example.net with ESMTPS; "
                "Thu, 1 Jan 2026 00:00:07 +0000",
    "From": "Monitoring <probe@provider.test>",
    "To": "user@customer.test",
    "Subject": "FW: a mail",
    "Date": "Thu, 1 Jan 2026 00:00:05 +0000",
    "MIME-Version": "1.0",
}


def entity(*fields, body=""):
    """Header fields, an empty line, a body."""
    return b"".join(octets(field) + b"\r\n" for field in fields) + b"\r\n" + octets(body)


def named(fields):
    return {octets(field).split(b":")[0].strip().lower() for field in fields}


def mail(*fields, body="See below.\n", content=b""):
    """A whole mail: the usual fields unless given, then either a body or an entity (content) with fields of its own."""
    fields = [f"{name}: {value}" for name, value in FIELDS.items() if name.lower().encode() not in named(fields)] + list(fields)
    return b"".join(octets(field) + b"\r\n" for field in fields) + (content or b"\r\n" + octets(body))


def text(body, *fields, charset="us-ascii", kind="plain"):
    return entity(f"Content-Type: text/{kind}; charset={charset}", *fields, body=body)


def html(body, *fields, charset="utf-8"):
    return text(f"<html><body>{body}</body></html>\n" if isinstance(body, str) else body, *fields, charset=charset, kind="html")


def attachment(content, name, kind="application/octet-stream"):
    """As mail programs attach a file: in base64, its name in both fields."""
    return entity(f'Content-Type: {kind}; name="{name}"', BASE64,
                  f'Content-Disposition: attachment; filename="{name}"', body=b64(content))


def attached_message(content, *fields):
    return entity("Content-Type: message/rfc822", *fields, body=content)


def boundary_of(parts):
    return "----=_Part_" + hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def multipart(subtype, *parts, more="", boundary=None, preamble="", epilogue="", close=True):
    """An entity. more: parameters, each with its semicolon in front."""
    boundary = boundary or boundary_of(parts)
    body = octets(preamble) + b"".join(b"\r\n--" + boundary.encode() + b"\r\n" + part for part in parts)
    if close:
        body += b"\r\n--" + boundary.encode() + b"--\r\n" + octets(epilogue)
    return entity(f'Content-Type: multipart/{subtype}; boundary="{boundary}"{more}', body=body)


def mixed(*parts, **options):
    return multipart("mixed", *parts, **options)


def noise(size, label="noise"):
    """Octets that no compression makes smaller."""
    return hashlib.shake_256(label.encode()).digest(size)
