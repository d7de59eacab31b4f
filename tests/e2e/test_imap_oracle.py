"""
ENVELOPE, BODYSTRUCTURE and the octets of parts, compared with Python's email and with GMime on mails that a fixed seed composes and mutates.

Where Python's email differs:
- A field that stands twice counts once, the first time; so does Python's mapping.
- IMAP has no encoded words to decode: texts are compared as they stand in the mail, unfolded.
- A multipart in which no part begins is shown as text/plain: IMAP's syntax knows no multipart without parts. Python calls it multipart, with
  a defect.
- It does not know comments in Content-Type, and takes a ";" in one for the end of the type; GMime does know them.
- Where the last boundary is missing, Python takes a last line end away, as if the boundary had followed it; here nothing does, and it stays.
- Python's getaddresses gives nothing for an address with a domain literal; these are looked for by themselves.
- Python reads groups as a list of addresses; here the marks of their begin and end are taken out before the two are compared.

Where GMime differs:
- It gives names of addresses and parameters decoded (RFC 2047, RFC 2231): so ours are decoded before the two are compared. It leaves line ends
  of a fold in a quoted name.
- Of a quoted local part it keeps the quotes; ENVELOPE has the text itself (RFC 9051 section 7.5.2).
- A multipart in which no part begins is a multipart without parts there, and text/plain here, as above.
- Where the last boundary of a multipart is missing, it takes the last line end for that of the boundary; here it belongs to the part.
- Of base64 with text behind it, which such a part has, it decodes less.
"""

import base64
import email
import email.header
import email.policy
import email.utils
import imaplib
import json
import random
import shlex
import smtplib
import subprocess
from pathlib import Path

import pytest

from service import DOMAIN

MAILS = 400
LITERAL = b"[192.0.2.1]"


# ---- Composing ----------------------------------------------------------------------------------------------------------------


def fold(random_: random.Random, text: str) -> str:
    return text.replace(", ", ",\r\n\t", 1) if random_.random() < 0.3 else text


ADDRESSES = ["a@b.test", "Al Pha <al@b.test>", '"Q, \\"q\\" z" <q@b.test>', "<bare@b.test>", '"quoted local"@b.test', "x@[192.0.2.1]",
             "old@b.test (Old Form)", "Dot.Ted Name <d@b.test>", "=?utf-8?q?K=C3=B6ln?= <k@b.test>", "=?utf-8?b?w6TDtsO8?= =?utf-8?q?_x?= <w@b.test>",
             "two\r\n words <f@b.test>", "K\u00f6ln <u@b.test>"]
GROUPS = ["team: one@b.test, Two <two@b.test>;", "undisclosed-recipients:;", "first@b.test, in: a@b.test;, last@b.test", "a: x@b.test;, b: y@b.test;"]
TEXTS = ["plain", 'with "quotes" and \\ backslash', "  spaces  inside  ", "=?utf-8?b?w6TDtsO8?=", "x" * 1500, "tab\there", "percent %s {5}", "f\u00fcr"]
PARAMETERS = ["; name*=utf-8''K%C3%B6ln.txt", '; name*0="a long"; name*1=" name.txt"', "; name*0*=iso-8859-1''%FC; name*1=ber.txt", ' (a "comment"; x=y)',
              '; charset=utf-8', '; charset="us-ascii"', ';\r\n\tname="a \\"b\\" c.txt"', '; name=plain.txt; x-y=1', '; format=flowed ; delsp=yes']
TYPES = ["text/plain", "TEXT/html", "application/octet-stream", "image/png", "application/pdf", "text/x-odd"]
DISPOSITIONS = ["attachment; filename*=utf-8''%E2%82%AC.txt", 'attachment; filename*0="x"; filename*1="y.txt"', "inline", "attachment; filename=a.txt", 'ATTACHMENT; filename="b c.txt"; size=3']


def leaf(r: random.Random) -> str:
    header = ""
    if r.random() < 0.9:
        header += f"Content-Type: {r.choice(TYPES)}{r.choice(PARAMETERS + [''])}\r\n"
    encoding = r.choice(["", "7bit", "quoted-printable", "BASE64", "8bit", "base64"])
    if encoding:
        header += f"Content-Transfer-Encoding: {encoding}\r\n"
    if r.random() < 0.3:
        header += f"Content-ID: <{r.randrange(10**6)}@b.test>\r\n"
    if r.random() < 0.3:
        header += f"Content-Disposition: {r.choice(DISPOSITIONS)}\r\n"
    if r.random() < 0.2:
        header += f"Content-Description: {r.choice(TEXTS[:4])}\r\n"
    if encoding.lower() == "base64":
        lines = base64.encodebytes(r.randbytes(r.randrange(200))).decode().splitlines()
        return f"{header}\r\n" + "".join(r.choice(["", "", "!", " "]) + line + "\r\n" for line in lines)
    body = "".join(r.choice(["a line", "", "--", "-- sig", "=3D=", ".", "--b", "x" * 200]) + "\r\n" for _ in range(r.randrange(5)))
    return f"{header}\r\n{body}"


def multipart(r: random.Random, depth: int, name: str) -> str:
    boundary = r.choice([name, f"=_{name}", f"a'{name}", f"{name} {name}", f"----{name}", f"{name}--", f"'()+_,-./:=?{name}"])
    shown = f'"{boundary}"' if any(c in boundary for c in " ()<>@,;:/[]?=") or r.random() < 0.5 else boundary
    parts = [entity(r, depth - 1, f"{name}{n}") for n in range(r.randrange(1, 4))]
    preamble = r.choice(["", "preamble\r\n"])
    inner = "".join(f"--{boundary}{r.choice(['', '  '])}\r\n{part}\r\n" for part in parts)
    end = r.choice([f"--{boundary}--\r\n", f"--{boundary}--\r\nepilogue\r\n"])
    kind = r.choice(["mixed", "alternative", "related", "Mixed"])
    return f"Content-Type: multipart/{kind};{r.choice([' ', chr(13) + chr(10) + chr(9)])}boundary={shown}\r\n\r\n{preamble}{inner}{end}"


def entity(r: random.Random, depth: int, name: str) -> str:
    dice = r.random()
    if depth > 0 and dice < 0.35:
        return multipart(r, depth, name)
    if depth > 0 and dice < 0.5:
        return f"Content-Type: message/rfc822\r\n\r\n{headers(r)}{entity(r, depth - 1, name + 'm')}"
    return leaf(r)


def headers(r: random.Random) -> str:
    lines = []
    if r.random() < 0.9:
        lines.append(f"Subject: {r.choice(TEXTS)}")
    if r.random() < 0.9:
        lines.append(f"From: {fold(r, ', '.join(r.sample(ADDRESSES, r.randrange(1, 3))))}")
    for name in "To", "Cc", "Bcc", "Reply-To", "Sender":
        if r.random() < 0.5:
            lines.append(f"{name}: {fold(r, ', '.join(r.sample(ADDRESSES, r.randrange(1, 5))))}")
    if r.random() < 0.3:
        lines.append(f"To: {r.choice(GROUPS)}")
    if r.random() < 0.6:
        lines.append("Date: Sat, 21 Nov 2026 08:00:00 +0100")
    if r.random() < 0.6:
        lines.append(f"Message-ID: <{r.randrange(10**9)}@b.test>")
    if r.random() < 0.3:
        lines.append("In-Reply-To: <one@b.test>\r\n <two@b.test>")
    r.shuffle(lines)
    return "".join(f"{line}\r\n" for line in lines)


def mutate(r: random.Random, mail: str) -> str:
    """Breaks the structure, in ways both must see alike."""
    lines = mail.split("\r\n")
    closing = [n for n, line in enumerate(lines) if line.startswith("--") and line.endswith("--") and len(line) > 4]
    if closing and r.random() < 0.5:
        del lines[r.choice(closing)]
    return "\r\n".join(lines)


def is_mutated(number: int) -> bool:
    return number % 4 == 0


def compose(number: int) -> bytes:
    r = random.Random(number)
    mail = headers(r) + "MIME-Version: 1.0\r\n" + entity(r, 4, f"b{number}x")
    if is_mutated(number):
        mail = mutate(r, mail)
    return mail.encode("utf-8") if mail.endswith("\r\n") else mail.encode("utf-8") + b"\r\n"


# ---- Reading IMAP ---------------------------------------------------------------------------------------------------------------


def read_value(octets: bytes, at: int):
    """One value from at on: list, NIL (None), int, or bytes; and where it ends."""
    if octets[at:at + 1] == b"(":
        values = []
        at += 1
        while octets[at:at + 1] != b")":
            if octets[at:at + 1] == b" ":
                at += 1
            value, at = read_value(octets, at)
            values.append(value)
        return values, at + 1
    if octets[at:at + 1] == b'"':
        value = bytearray()
        at += 1
        while octets[at:at + 1] != b'"':
            at += octets[at:at + 1] == b"\\"
            value += octets[at:at + 1]
            at += 1
        return bytes(value), at + 1
    if octets[at:at + 1] == b"{":
        end = octets.index(b"}", at)
        size = int(octets[at + 1:end])
        return octets[end + 3:end + 3 + size], end + 3 + size
    end = at
    while octets[end:end + 1].isalnum() or octets[end:end + 1] in (b".", b"[", b"]"):
        end += 1
    word = octets[at:end]
    assert word, octets[at - 40:at + 40]
    return (None if word == b"NIL" else int(word) if word.isdigit() else word), end


def read_fetch(client, number: int, items: str) -> dict:
    status, data = client.fetch(str(number), items)
    assert status == "OK"
    octets = b"".join(part[0] + b"\r\n" + part[1] if isinstance(part, tuple) else part for part in data)
    values, _ = read_value(octets, octets.index(b"("))
    return dict(zip(values[::2], values[1::2]))


# ---- Comparing --------------------------------------------------------------------------------------------------------------------


def unfolded(value) -> bytes | None:
    return None if value is None else raw(value).replace(b"\r\n", b"").replace(b"\n", b"").strip(b" \t")


def raw(text) -> bytes:
    return str(text).encode("utf-8", "surrogateescape")


def field(message, name: str) -> str | None:
    """The value as it stands in the mail."""
    return next((value for key, value in message.raw_items() if key.lower() == name.lower()), None)


def addresses_of(envelope: list | None) -> list:
    if envelope is None:
        return []
    members = [one for one in envelope if one[3] is not None]
    return [((name or b"").decode(), f"{local.decode()}@{host.decode()}") for name, _, local, host in members if host != LITERAL]


def python_addresses(value: str | None) -> list:
    found = email.utils.getaddresses([value.replace("\r\n", "")]) if value else []
    return [(raw(name).decode(), raw(address).decode().replace('"', "")) for name, address in found if address]


def compare_envelope(envelope: list, message) -> None:
    for at, name in (0, "Date"), (1, "Subject"), (8, "In-Reply-To"), (9, "Message-ID"):
        assert envelope[at] == unfolded(field(message, name)), name
    for at, name in (2, "From"), (3, "Sender"), (4, "Reply-To"), (5, "To"), (6, "Cc"), (7, "Bcc"):
        value = field(message, name) or (field(message, "From") if at in (3, 4) else None)
        assert addresses_of(envelope[at]) == python_addresses(value), (name, value)
        assert sum(one[3] == LITERAL for one in envelope[at] or []) == (value or "").count(LITERAL.decode()), name
        groups = 0 if value is None else value.count(";")
        assert sum(one[3] is None for one in envelope[at] or []) == 2 * groups, name


def joined(value) -> str:
    """A parameter's value as Python's email gives it: quoted, and of one that was encoded with its charset."""
    return email.utils.unquote(email.utils.collapse_rfc2231_value(value) if isinstance(value, tuple) else value)


def imap_parameters(values: list | None) -> dict:
    """Decoded, and put together where they come in pieces (RFC 2231)."""
    pairs = [("", "")] + [(name.decode(), value.decode()) for name, value in zip((values or [])[::2], (values or [])[1::2])]
    return {name.lower(): joined(value) for name, value in email.utils.decode_params(pairs)[1:]}


def python_parameters(message, header: str) -> dict:
    pairs = message.get_params(None, header, unquote=False) or []
    return {} if has_comment(message, header) else {name.lower(): joined(value) for name, value in pairs[1:]}


def has_comment(message, header: str) -> bool:
    return "(" in (field(message, header) or "").split(";")[0]


def content_type(message) -> str:
    return message.get_content_type().split("(")[0].strip()


def compare_leaf(client, number: int, structure: list, message, path: str) -> None:
    kind = content_type(message)
    if message.is_multipart() or not kind.startswith("multipart/"):
        assert f"{structure[0].decode()}/{structure[1].decode()}".lower() == kind, path
    else:
        kind = "text/plain"         # no part begins in it
        assert structure[0:2] == [b"text", b"plain"], path
    assert imap_parameters(structure[2]) == python_parameters(message, "content-type"), path
    assert structure[3] == unfolded(field(message, "Content-ID")), path
    assert structure[4] == unfolded(field(message, "Content-Description")), path
    assert structure[5].lower() == (field(message, "Content-Transfer-Encoding") or "7bit").strip().lower().encode(), path
    got = read_fetch(client, number, f"BODY.PEEK[{path}]")[f"BODY[{path}]".encode()]
    assert structure[6] == len(got), path
    if kind == "message/rfc822":
        inner = message.get_payload(0)
        compare_envelope(structure[7], inner)
        assert structure[9] == got.count(b"\n"), path
        compare(client, number, structure[8], inner, path)
        extension = structure[10:]
    else:
        wanted = raw(message.get_payload())
        assert got == wanted or (is_mutated(number - 1) and got == wanted + b"\r\n"), path
        if kind.startswith("text/"):
            assert structure[7] == got.count(b"\n"), path
        extension = structure[8:] if kind.startswith("text/") else structure[7:]
    disposition = field(message, "Content-Disposition")
    if disposition is None:
        assert extension[1] is None, path
    else:
        assert extension[1][0].lower().decode() == message.get_content_disposition(), path
        assert imap_parameters(extension[1][1]) == python_parameters(message, "content-disposition"), path


def compare(client, number: int, structure: list, message, path: str) -> None:
    """path: of what holds the message's parts; a message in a message has no number of its own."""
    if isinstance(structure[0], list):
        parts = [one for one in structure if isinstance(one, list)]
        parts = structure[:next(n for n, one in enumerate(structure) if not isinstance(one, list))]
        kind = structure[len(parts):]
        assert f"multipart/{kind[0].decode()}".lower() == content_type(message), path
        assert imap_parameters(kind[1]) == python_parameters(message, "content-type"), path
        payload = message.get_payload()
        assert len(parts) == len(payload), path
        for n, (one, part) in enumerate(zip(parts, payload), 1):
            inner = f"{path}.{n}" if path else str(n)
            if isinstance(one[0], list):
                compare(client, number, one, part, inner)
            else:
                compare_leaf(client, number, one, part, inner)
    else:
        compare_leaf(client, number, structure, message, f"{path}.1" if path else "1")


@pytest.fixture
def session(service):
    secret = service.add_mailbox("acme")["secret"]
    mails = [compose(number) for number in range(MAILS)]
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as smtp:
        for mail in mails:
            smtp.sendmail("a@sender.test", [f"acme@{DOMAIN}"], mail, ["BODY=8BITMIME"])
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login("acme", secret)
    assert client.select("Unmatched") == ("OK", [str(MAILS).encode()])
    return client, mails


def test_envelopes_structures_and_parts_are_those_of_the_mail(session):
    client, mails = session
    differences = []
    for number, mail in enumerate(mails, 1):
        message = email.message_from_bytes(mail)
        values = read_fetch(client, number, "(ENVELOPE BODYSTRUCTURE)")
        try:
            compare_envelope(values[b"ENVELOPE"], message)
            compare(client, number, values[b"BODYSTRUCTURE"], message, "")
        except (AssertionError, LookupError, TypeError) as difference:
            differences.append(f"mail {number - 1}: {difference!r}\n{mail.decode()}\n{values}")
    assert not differences, f"{len(differences)} of {MAILS}; the first:\n{differences[0]}"


def test_a_stuffed_mail_costs_texts_but_never_the_session(service):
    secret = service.add_mailbox("acme")["secret"]
    part = b"--b\r\nContent-Type: text/plain; name=n\r\nContent-Description: " + b'"' * 900 + (b"\r\n " + b"x" * 900) * 3 + b"\r\n\r\nhello\r\n"
    addresses = b",\r\n ".join(b'"%s" <a@b.test>' % (b'\\"' * 120) for _ in range(900))
    mail = b"From: " + addresses + b"\r\nSubject: stuffed\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 600 + b"--b--\r\n"
    with smtplib.SMTP("127.0.0.1", service.smtp_port, timeout=20) as smtp:
        smtp.sendmail("a@sender.test", [f"acme@{DOMAIN}"], mail)
    client = imaplib.IMAP4("127.0.0.1", service.ports["imap"], timeout=20)
    client.login("acme", secret)
    client.select("Unmatched")
    values = read_fetch(client, 1, "(UID ENVELOPE BODYSTRUCTURE BODY BODY.PEEK[1])")
    assert values[b"UID"] == 1 and len(values[b"ENVELOPE"]) == 10 and values[b"BODY[1]"] == b"hello"
    for item in b"BODYSTRUCTURE", b"BODY":
        assert sum(isinstance(one, list) and one[0] == b"text" for one in values[item]) == 600
        assert values[item][0][6] == len(b"hello")


# ---- GMime ------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gmime(tmp_path):
    """What GMime makes of mails: their ENVELOPE and their parts."""
    source = Path(__file__).parent / "oracle" / "gmime_mail.c"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "gmime-3.0", "jansson"], check=True, capture_output=True, text=True).stdout
    subprocess.run(["cc", "-D_GNU_SOURCE", "-o", tmp_path / "gmime_mail", source, *shlex.split(flags)], check=True)

    def read(mails: list[bytes]) -> list[dict]:
        files = [tmp_path / f"{number}.eml" for number in range(len(mails))]
        for file, mail in zip(files, mails):
            file.write_bytes(mail)
        lines = subprocess.run([tmp_path / "gmime_mail", *files], check=True, capture_output=True, text=True).stdout.splitlines()
        return [json.loads(line) for line in lines]

    return read


def decoded(octets: bytes | None) -> str:
    return str(email.header.make_header(email.header.decode_header((octets or b"").decode())))


def gmime_addresses(found: list) -> list:
    """As ENVELOPE lists them: a group begins, has members, and ends."""
    listed = []
    for one in found:
        if "members" in one:
            listed += [("", one["name"], None), *gmime_addresses(one["members"]), ("", None, None)]
        else:
            local, _, host = one["address"].replace('"', "").rpartition("@")
            listed.append(((one["name"] or "").replace("\r\n", ""), local, host))
    return listed


def imap_addresses(envelope: list | None) -> list:
    return [(decoded(name), local and local.decode(), host and host.decode()) for name, _, local, host in envelope or []]


def compare_gmime_envelope(ours: list, theirs: dict) -> None:
    for at, name in (0, "Date"), (1, "Subject"), (8, "In-Reply-To"), (9, "Message-ID"):
        assert ours[at] == unfolded(theirs[name]), name
    for at, name in (2, "From"), (3, "Sender"), (4, "Reply-To"), (5, "To"), (6, "Cc"), (7, "Bcc"):
        wanted = theirs[name] or (theirs["From"] if at in (3, 4) else [])
        assert imap_addresses(ours[at]) == gmime_addresses(wanted), name


def compare_gmime(client, number: int, ours: list, theirs: dict, path: str) -> None:
    if isinstance(ours[0], list):
        count = next(n for n, one in enumerate(ours) if not isinstance(one, list))
        assert theirs["type"].lower() == "multipart" and theirs["subtype"].lower() == ours[count].decode().lower(), path
        assert imap_parameters(ours[count + 1]) == lowered(theirs["parameters"]), path
        assert count == len(theirs["parts"]), path
        for n, (one, part) in enumerate(zip(ours, theirs["parts"]), 1):
            compare_gmime(client, number, one, part, f"{path}.{n}" if path else str(n))
        return
    kind = f"{ours[0].decode()}/{ours[1].decode()}".lower()
    path = path or "1"
    if theirs.get("parts") == []:
        assert kind == "text/plain", path
        return
    assert kind == f"{theirs['type']}/{theirs['subtype']}".lower(), path
    assert imap_parameters(ours[2]) == lowered(theirs["parameters"]), path
    assert ours[3] == unfolded(theirs["Content-ID"]) and ours[4] == unfolded(theirs["Content-Description"]), path
    assert ours[5].lower() == (theirs["Content-Transfer-Encoding"] or "7bit").strip().lower().encode(), path
    if kind == "message/rfc822":
        compare_gmime_envelope(ours[7], theirs["envelope"])
        compare_gmime(client, number, ours[8], theirs["message"], f"{path}.1" if not isinstance(ours[8][0], list) else path)
    else:
        size = read_fetch(client, number, f"BINARY.SIZE[{path}]")[f"BINARY.SIZE[{path}]".encode()]
        if is_mutated(number - 1):
            assert ours[6] in (theirs["size"], theirs["size"] + 2), path
        else:
            assert (ours[6], size) == (theirs["size"], theirs["decoded"]), path
    extension = ours[10:] if kind == "message/rfc822" else ours[8:] if kind.startswith("text/") else ours[7:]
    assert (extension[1] is None) == ("disposition" not in theirs), path
    if extension[1] is not None:
        assert extension[1][0].decode().lower() == theirs["disposition"].lower(), path
        assert imap_parameters(extension[1][1]) == lowered(theirs["disposition parameters"]), path


def lowered(values: dict) -> dict:
    return {name.lower(): value for name, value in values.items()}


def test_envelopes_structures_and_sizes_are_those_of_gmime(session, gmime):
    client, mails = session
    differences = []
    for number, (mail, theirs) in enumerate(zip(mails, gmime(mails)), 1):
        values = read_fetch(client, number, "(ENVELOPE BODYSTRUCTURE)")
        try:
            compare_gmime_envelope(values[b"ENVELOPE"], theirs["envelope"])
            compare_gmime(client, number, values[b"BODYSTRUCTURE"], theirs["body"], "")
        except (AssertionError, LookupError, TypeError) as difference:
            differences.append(f"mail {number - 1}: {difference!r}\n{mail.decode()}\n{values}\n{theirs}")
    assert not differences, f"{len(differences)} of {MAILS}; the first:\n{differences[0]}"
