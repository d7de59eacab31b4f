"""Builds TNEF streams (MS-OXTNEF), which Exchange and Outlook send as winmail.dat, and compressed RTF (MS-OXRTFCP)."""

import struct
import zlib

SIGNATURE = struct.pack("<IH", 0x223E9F78, 1)

MESSAGE, ATTACHMENT = 1, 2

# Attributes, with their types in the upper half.
TNEF_VERSION = 0x00089006
OEM_CODE_PAGE = 0x00069007
MESSAGE_CLASS = 0x00078008
SUBJECT = 0x00018004
MESSAGE_ID = 0x00018009
BODY = 0x0002800C
PROPERTIES = 0x00069003
ATTACH_RENDER_DATA = 0x00069002
ATTACH_TITLE = 0x00018010
ATTACH_DATA = 0x0006800F
ATTACH_PROPERTIES = 0x00069005

# MAPI property types and the properties that carry text.
LONG, STRING8, UNICODE, OBJECT, BINARY = 0x0003, 0x001E, 0x001F, 0x000D, 0x0102
PR_SUBJECT, PR_NORMALIZED_SUBJECT, PR_TRANSPORT_HEADERS = 0x0037, 0x0E1D, 0x007D
PR_BODY, PR_RTF_COMPRESSED, PR_HTML, PR_INTERNET_MESSAGE_ID = 0x1000, 0x1009, 0x1013, 0x1035
PR_ATTACH_DATA, PR_ATTACH_LONG_FILENAME = 0x3701, 0x3707
IID_MESSAGE = bytes.fromhex("0703020000000000c000000000000046")

RTF_DICTIONARY = (b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans SerifSymbol"
                  b"ArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx")


def attribute(level, name, value):
    return struct.pack("<BII", level, name, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def stream(*attributes):
    head = attribute(MESSAGE, TNEF_VERSION, struct.pack("<I", 0x10000)) + attribute(MESSAGE, OEM_CODE_PAGE, struct.pack("<II", 1252, 0))
    return SIGNATURE + head + attribute(MESSAGE, MESSAGE_CLASS, b"IPM.Microsoft Mail.Note\0") + b"".join(attributes)


def zero_ended(text):
    return text.encode("cp1252") + b"\0"


def value_of(kind, value):
    if kind == LONG:
        return struct.pack("<I", value)
    if kind == STRING8:
        value = zero_ended(value)
    elif kind == UNICODE:
        value = value.encode("utf-16-le") + b"\0\0"
    return struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)


def properties(*rows):
    """rows: (property, type, value); those from 0x8000 on are written with a name of their own."""
    out = struct.pack("<I", len(rows))
    for name, kind, value in rows:
        out += struct.pack("<HH", kind, name)
        if name >= 0x8000:
            out += bytes.fromhex("8603020000000000c000000000000046") + struct.pack("<I", 1)
            text = "x-mailtest-token".encode("utf-16-le") + b"\0\0"
            out += struct.pack("<I", len(text)) + text + b"\0" * (-len(text) % 4)
        out += value_of(kind, value)
    return out


def message_properties(*rows):
    return attribute(MESSAGE, PROPERTIES, properties(*rows))


def attached(title, content):
    return (attribute(ATTACHMENT, ATTACH_RENDER_DATA, struct.pack("<HIHHI", 1, 0xFFFFFFFF, 32, 32, 0))
            + attribute(ATTACHMENT, ATTACH_TITLE, zero_ended(title)) + attribute(ATTACHMENT, ATTACH_DATA, content))


def embedded_message(inner):
    """A message attached to the message: a TNEF stream within a property of an attachment."""
    return (attribute(ATTACHMENT, ATTACH_RENDER_DATA, struct.pack("<HIHHI", 2, 0xFFFFFFFF, 32, 32, 0))
            + attribute(ATTACHMENT, ATTACH_PROPERTIES, properties((PR_ATTACH_DATA, OBJECT, IID_MESSAGE + inner))))


# ---- Compressed RTF --------------------------------------------------------------------------------------------------

def longest_match(seen, rest):
    """(offset in the dictionary's 4096 octets, length) of the longest run that was seen, or length 0."""
    window = bytes(seen[-4090:])
    start = len(seen) - len(window)
    for length in range(min(17, len(rest)), 1, -1):
        at = window.rfind(rest[:length])
        if at >= 0:
            return (start + at) & 0xFFF, length
    return 0, 0


def compress_rtf(rtf, literal=False):
    """literal: without any reference, so that only the frame is LZFu."""
    seen, tokens, at = bytearray(RTF_DICTIONARY), [], 0
    while at < len(rtf):
        offset, length = (0, 0) if literal else longest_match(seen, rtf[at:])
        if length >= 2:
            tokens.append(struct.pack(">H", offset << 4 | length - 2))
        else:
            length = 1
            tokens.append(rtf[at:at + 1])
        seen += rtf[at:at + length]
        at += length
    tokens.append(struct.pack(">H", (len(seen) & 0xFFF) << 4))        # a reference to where it is: the end
    data = b""
    for first in range(0, len(tokens), 8):
        run = tokens[first:first + 8]
        data += bytes([sum((len(t) == 2) << n for n, t in enumerate(run))]) + b"".join(run)
    return struct.pack("<II4sI", len(data) + 12, len(rtf), b"LZFu", zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF) + data


def stored_rtf(rtf):
    return struct.pack("<II4sI", len(rtf) + 12, len(rtf), b"MELA", 0) + rtf


def rtf_of_html(*pieces):
    """RTF that carries HTML (MS-OXRTFEX): tags in groups of their own, text as it is."""
    body = "".join("{\\*\\htmltag64 " + piece + "}" if piece.startswith("<") else piece for piece in pieces)
    return ("{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss Arial;}}\\uc1\\pard\\plain\\deftab360 \\f0\\fs24 "
            "{\\*\\htmltag19 <html>}" + body + "{\\*\\htmltag27 </html>}\\htmlrtf }\\htmlrtf0 }").encode()
