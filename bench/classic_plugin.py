#!/usr/bin/python3
"""A monitoring plugin of the classical kind, forked for each check: sends a mail, looks for it by IMAP until it is there, deletes it, prints
one line and ends. The peer of `mailtest-check run` in bench/checker_rows.py; the password comes from the environment."""

import imaplib
import os
import smtplib
import sys
import time

POLL_S = 1.0


def main() -> int:
    host, smtp_port, imap_port, user, address, token, window_s = sys.argv[1:]
    begun = time.monotonic()
    with smtplib.SMTP(host, int(smtp_port), timeout=30) as server:
        server.sendmail(address, [address], f"From: <{address}>\r\nTo: <{address}>\r\nSubject: Mailtest {token}\r\n\r\nToken: {token}\r\n")
    with imaplib.IMAP4(host, int(imap_port), timeout=30) as box:
        box.login(user, os.environ["MAILTEST_BENCH_SECRET"])
        while time.monotonic() < begun + float(window_s):
            box.select("INBOX")
            found = box.search(None, "HEADER", "SUBJECT", token)[1][0].split()
            if found:
                for number in found:
                    box.store(number, "+FLAGS", "\\Deleted")
                box.expunge()
                took = time.monotonic() - begun
                print(f"OK - arrived after {took:.3f} s | 'total'={took:.3f}s")
                return 0
            time.sleep(POLL_S)
    print("CRITICAL - not arrived")
    return 2


if __name__ == "__main__":
    sys.exit(main())
