"""The rows of the token finder: one mail of each sort read again and again, by Mailtest, by GMime, by Python's email, in turns."""

import base64
from pathlib import Path

from measure import median, run_generator
from rows import Row

TOKEN = "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"
HEADER = ("Received: from mail.customer.test (mail.customer.test [192.0.2.1]) by mx.example.net with ESMTPS id 4f21;\r\n"
          "\tTue, 2 Jan 2024 10:00:05 +0000\r\nFrom: Monitoring <probe@provider.test>\r\nTo: <user@customer.test>\r\n"
          "Subject: Test mail\r\nMessage-ID: <1@provider.test>\r\nDate: Tue, 2 Jan 2024 10:00:03 +0000\r\nMIME-Version: 1.0\r\n")
LINE = "The quick brown fox jumps over the lazy dog, and it does so again and again until it is tired.\r\n"
HTML_LINE = ('<p class="MsoNormal"><a href="https://www.example.test/path?item=1">The quick brown fox</a> '
             "jumps over &amp; under the <b>lazy</b> dog.</p>\r\n")
LARGE = 1 << 20


def _filled(line: str, size: int) -> str:
    return line * (size // len(line)) + TOKEN + "\r\n"


def _mails() -> dict:
    plain = "Content-Type: text/plain; charset=utf-8\r\n"
    encoded = base64.encodebytes(_filled(LINE, LARGE * 3 // 4).encode()).decode().replace("\n", "\r\n")
    return {
        "2 KB plain text": HEADER + plain + "\r\n" + _filled(LINE, 1500),
        "1 MB plain text": HEADER + plain + "\r\n" + _filled(LINE, LARGE),
        "1 MB base64 text": HEADER + plain + "Content-Transfer-Encoding: base64\r\n\r\n" + encoded,
        "1 MB HTML": HEADER + "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>\r\n" + _filled(HTML_LINE, LARGE),
    }


def finder(options, scratch: Path, say) -> list[Row]:
    """Octets a second of CPU time."""
    programs = {"Mailtest": options.build / "bench/finder_speed", "GMime": options.build / "bench/finder_gmime",
                "Python's email": Path(__file__).with_name("finder_email")}
    rows = []
    for title, mail in _mails().items():
        file = scratch / "mail"
        file.write_text(mail, newline="")
        rates = {name: [] for name in programs}
        for number in range(options.rounds):
            for name, program in programs.items():
                report = run_generator(program, file, options.seconds / 3, TOKEN)
                rates[name].append(report["bytes_per_second"])
                say(f"finder, {title}, round {number + 1}: {name} {report['bytes_per_second'] / 1e6:.0f} MB/s, {report['us_per_mail']:.1f} us a mail")
        ours = rates.pop("Mailtest")
        for name, theirs in rates.items():
            ratio = median(our / its for our, its in zip(ours, theirs))
            rows.append(Row(f"finder, {title}", f"{median(ours) / 1e6:.0f} MB/s", f"{name} {median(theirs) / 1e6:.0f} MB/s", f"{ratio:.1f}"))
    return rows
