"""HTML as mail programs write it, and link targets as gateways rewrite them."""

import base64

from compose import (BASE64, QUOTED_PRINTABLE, b64, cut, decimal, entity, hexadecimal, html, mail, mixed, multipart, octets,
                     percent, qp, shifted_utf7, spread, text)


def page(body, *fields, charset="utf-8"):
    return mail(content=html(body, *fields, charset=charset))


def alternative(body):
    """As most mail programs send HTML: a text that says less, and the HTML in quoted-printable."""
    return mail(content=multipart("alternative", text("This mail is HTML.\n"),
                                  entity("Content-Type: text/html; charset=utf-8", QUOTED_PRINTABLE,
                                         body=qp(f"<html><body>{body}</body></html>\n"))))


def link(target):
    return page(f'<p>See <a class="x" href="{target}">this page</a>.</p>')


def plain_link(target):
    return mail(body=f"See this page <{target}> soon.\n")


def url(token):
    return f"https://provider.test/probe?token={token}"


def wrapped(content):
    return base64.urlsafe_b64encode(content.encode()).decode()


# ---- Gateways' links, after what their makers document ---------------------------------------------------------------

def safe_links(target):
    """Microsoft Defender Safe Links; in HTML its ampersands are entities."""
    return (f"https://eur01.safelinks.protection.outlook.com/?url={percent_url(target)}&amp;data=05%7C02%7Cuser%40customer.test%7C0f0f"
            "%7C638000000000000000%7CUnknown%7CTWFpbGZsb3d8%3D%7C0%7C%7C%7C&amp;sdata=abcd%2Fefgh%3D&amp;reserved=0")


def percent_url(target):
    return target.replace("%", "%25").replace(":", "%3A").replace("/", "%2F").replace("?", "%3F").replace("=", "%3D").replace("&", "%26")


def urldefense_v1(target):
    return f"http://urldefense.proofpoint.com/v1/url?u={percent_url(target)}&amp;k=oIvRg1%2BdGAgOoM1BIlLLqw%3D%3D&amp;r=x&amp;m=y&amp;s=z"


def urldefense_v2(target):
    """Percent signs became hyphens, slashes underscores; hyphens and underscores of the target are encoded."""
    target = percent_url(target.replace("-", "%2D").replace("_", "%5F")).replace("%252D", "%2D").replace("%255F", "%5F")
    return f"https://urldefense.proofpoint.com/v2/url?u={target.replace('%2F', '_').replace('%', '-')}&amp;d=DwMFaQ&amp;c=x&amp;r=y&amp;m=z&amp;s=s&amp;e="


def urldefense_v3(target, odd=""):
    """odd: characters of the target that are written as an asterisk and kept in base64 at the end."""
    kept = ""
    for character in odd:
        target = target.replace(character, "*", 1)
        kept += character
    return f"https://urldefense.com/v3/__{target}__;{base64.b64encode(kept.encode()).decode().rstrip('=')}!!Abc_dEf!ghIjkL$"


def urldefense_v3_run(token):
    """A run of odd characters is written as two asterisks and the letter for its length (B: three)."""
    return f"https://urldefense.com/v3/__https://provider.test/probe?q=**B&token={token}__;w7zDvMO8!!Abc_dEf!ghIjkL$"


def barracuda(target):
    return f"https://linkprotect.cudasvc.com/url?a={percent_url(target)}&amp;c=E,1,abc,&amp;typo=1"


def mimecast(target):
    return f"https://protect-eu.mimecast.com/redirect/eNo1?url={percent_url(target)}&amp;domain=provider.test"


def cisco(target):
    return f"https://secure-web.cisco.com/1aBcD-eFg/{percent_url(target)}"


def symantec(target):
    return f"https://clicktime.symantec.com/15siYt?h=abc=&amp;u={percent_url(target)}"


def sophos(target):
    return f"https://eu-central-1.protection.sophos.com?d=provider.test&amp;u={wrapped(target)}&amp;i=NWY=&amp;t=abc=&amp;h=0f&amp;s=AVNPUEhU"


def trend_micro(target):
    return f"https://ctp.trendmicro.com/wis/clicktime/v1/query?url={percent_url(target).lower()}&amp;umid=0f&amp;auth=00"


def trellix(target):
    return f"https://protect2.fireeye.com/v1/url?k=00-11&amp;q=1&amp;e=0f-0f&amp;u={percent_url(target)}"


def hornetsecurity(target):
    return f"https://atpscan.global.hornetsecurity.com/index.php?atp_str={wrapped(target)}"


def avanan(target):
    return f"https://url.avanan.click/v2/___{target}___.YXAzOnByb3ZpZGVyOmE6bzow"


def google(target):
    return f"https://www.google.com/url?q={percent_url(target)}&amp;source=gmail&amp;ust=1767225600000000&amp;usg=AOv"


def esva(target):
    return f"https://urlsand.esvalabs.com/?u={percent_url(target)}&amp;e=0f&amp;h=0f&amp;f=y&amp;p=y"


# ---- Forwards that mail programs write in place ----------------------------------------------------------------------

def outlook_forward(token):
    return alternative('<div><div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal">'
                       '<b><span lang="EN-US">From:</span></b><span lang="EN-US"> Monitoring &lt;probe@provider.test&gt; <br>'
                       f"<b>Sent:</b> Thursday, January 1, 2026 1:00 AM<br><b>To:</b> User<br><b>Subject:</b> Probe {token}<o:p></o:p>"
                       '</span></p></div></div><p class="MsoNormal"><o:p>&nbsp;</o:p></p>')


def outlook_forward_spelling_marks(token):
    """Word puts marks of its spelling check around what it does not know."""
    return alternative(f'<p class="MsoNormal"><span class="SpellE">{token[:3]}</span><span style="mso-spacerun:yes"></span>'
                       f'<span class="SpellE">{token[3:19]}</span><span lang="DE">{token[19:]}<o:p></o:p></span></p>')


def gmail_forward(token):
    return alternative('<div dir="ltr"><br><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">---------- Forwarded message '
                       '---------<br>From: <strong class="gmail_sendername" dir="auto">Monitoring</strong> <span dir="auto">&lt;'
                       f'<a href="mailto:probe@provider.test">probe@provider.test</a>&gt;</span><br>Subject: Probe {token[:40]}<wbr>{token[40:]}'
                       "<br></div></div></div>")


def apple_forward(token):
    return alternative('<div><br class=""><blockquote type="cite" class=""><div class="">Begin forwarded message:</div><br class="">'
                       f'<span style="font-family: -webkit-system-font" class=""><b class="">Subject: </b>Probe {token}<br class=""></span>'
                       "</blockquote></div>")


def thunderbird_forward(token):
    return alternative('<div class="moz-forward-container">-------- Forwarded Message --------<table class="moz-email-headers-table"><tbody>'
                       f'<tr><th nowrap="nowrap" valign="BASELINE" align="RIGHT">Subject: </th><td>Probe {token}</td></tr></tbody></table></div>')


def domino_forward(token):
    return page(f'<font size=2 face="sans-serif">----- Forwarded by User/Customer on 01.01.2026 01:00 -----</font><br><tt><font size=2>{token[:22]}'
                f"</font></tt><tt><font size=2>{token[22:]}</font></tt>", charset="ISO-8859-1")


# name, found_in, the mail for token t
TABLE = [
    # ---- Forwards in place
    ("outlook-inline-forward-html", "html", outlook_forward),
    ("outlook-inline-forward-spelling-marks", "html", outlook_forward_spelling_marks),
    ("gmail-inline-forward-html", "html", gmail_forward),
    ("apple-mail-inline-forward-html", "html", apple_forward),
    ("thunderbird-inline-forward-html", "html", thunderbird_forward),
    ("domino-inline-forward-html", "html", domino_forward),

    # ---- Text within HTML
    ("html", "html", lambda t: page(f"<p>Token: {t}</p>")),
    ("html-base64", "html",
     lambda t: mail("Content-Type: text/html; charset=utf-8", BASE64, body=b64(f"<p>ü {t}</p>"))),
    ("html-quoted-printable-soft-break", "html",
     lambda t: mail("Content-Type: text/html", QUOTED_PRINTABLE, body=f'<p style=3D"x">{cut(t, 7, 21, by="=" + chr(10))}</p>\n')),
    ("html-decimal-entities", "html", lambda t: page(f"<p>{decimal(t)}</p>")),
    ("html-hexadecimal-entities", "html", lambda t: page(f"<p>{hexadecimal(t)}</p>")),
    ("html-hexadecimal-entities-in-lower-case-with-zeros", "html", lambda t: page("".join(f"&#x00{ord(c):x};" for c in t))),
    ("html-entities-without-semicolons", "html", lambda t: page("".join(f"&#{ord(c)}" for c in t) + " ok")),
    ("html-one-entity-inside", "html", lambda t: page(f"<p>{t[:21]}&#{ord(t[21])};{t[22:]}</p>")),
    ("html-named-entities-around", "html", lambda t: page(f"<p>&laquo;&nbsp;{t}&nbsp;&raquo;</p>")),
    ("html-entities-escaped-twice", "html", lambda t: page(f"<p>{t[:21]}&amp;#{ord(t[21])};{t[22:]}</p>")),
    ("html-wbr-inside", "html", lambda t: page(f"<p>{cut(t, 10, 20, 30, by='<wbr>')}</p>")),
    ("html-wbr-xhtml-inside", "html", lambda t: page(f"<p>{spread(t, '<wbr />')}</p>")),
    ("html-span-for-each-character", "html",
     lambda t: page("".join(f'<span style="color:#{n:06x}">{c}</span>' for n, c in enumerate(t)))),
    ("html-bold-inside", "html", lambda t: page(f"<p>{t[:3]}<b>{t[3:20]}</b><i>{t[20:]}</i></p>")),
    ("html-search-highlighting-inside", "html",
     lambda t: page(f'<p>{t[:5]}<mark class="hit" data-x="a>b">{t[5:9]}</mark>{t[9:]}</p>')),
    ("html-comment-inside", "html", lambda t: page(f"<p>{cut(t, 21, by='<!-- a > b -->')}</p>")),
    ("html-conditional-comment-inside", "html", lambda t: page(f"<p>{cut(t, 21, by='<!--[if gte mso 9]><![endif]-->')}</p>")),
    ("html-tag-with-line-ends-inside", "html", lambda t: page(f"<p>{t[:21]}<span\n  class='a'\n>{t[21:]}</span\n></p>")),
    ("html-namespaced-tags-inside", "html",
     lambda t: page(f"<p>{t[:21]}<o:p></o:p><st1:place w:st=\"on\">{t[21:]}</st1:place></p>")),
    ("html-zero-width-spaces", "html", lambda t: page(f"<p>{spread(t, chr(0x200b))}</p>")),
    ("html-zero-width-joiners", "html", lambda t: page(f"<p>{cut(t, 8, 16, 24, 32, by=chr(0x200c) + chr(0x200d))}</p>")),
    ("html-word-joiner-and-byte-order-mark", "html",
     lambda t: page(f"<p>{cut(t, 8, by=chr(0x2060))} {cut(t, 30, by=chr(0xfeff))}</p>")),
    ("html-zero-width-entities", "html", lambda t: page(f"<p>{cut(t, 8, 16, by='&#8203;')} {cut(t, 30, by='&#x200B;')}</p>")),
    ("html-zero-width-named-entities", "html",
     lambda t: page(f"<p>{cut(t, 8, by='&zwnj;')[:20]} {cut(t, 10, 20, by='&ZeroWidthSpace;')}</p>")),
    ("html-soft-hyphen-entity", "html", lambda t: page(f"<p>{cut(t, 8, 16, 24, 32, 40, by='&shy;')}</p>")),
    ("html-soft-hyphen-decimal-entity", "html", lambda t: page(f"<p>{cut(t, 8, 16, 24, 32, 40, by='&#173;')}</p>")),
    ("html-soft-hyphen-utf-8", "html", lambda t: page(f"<p>{cut(t, 22, by=chr(0xad))}</p>")),
    ("html-soft-hyphen-latin-1", "html",
     lambda t: page(octets(f"<p>{t[:22]}") + b"\xad" + octets(f"{t[22:]}</p>"), charset="iso-8859-1")),
    ("html-direction-marks", "html", lambda t: page(f"<p>{chr(0x202a)}{cut(t, 22, by=chr(0x200e))}{chr(0x202c)}</p>")),
    ("html-utf-16", "html", lambda t: mail("Content-Type: text/html; charset=utf-16", BASE64,
                                          body=b64(f"<html><body>{cut(t, 9, by='<wbr>')}</body></html>".encode("utf-16")))),
    ("html-utf-7", "html",
     lambda t: mail("Content-Type: text/html; charset=utf-7", body=f"<p>{t[:9]}{shifted_utf7(t[9:])}</p>\n")),
    ("html-iso-2022-jp", "html",
     lambda t: page(f"<p>転送: {cut(t, 9, by='<wbr>')}</p>".encode("iso-2022-jp"), charset="iso-2022-jp")),
    ("html-preformatted-and-rewrapped", "html", lambda t: page(f"<pre>{cut(t, 20, by=chr(10))}</pre>")),
    ("html-broken-by-br", "html", lambda t: page(f"<p>{cut(t, 20, by='<br>')}</p>")),
    ("html-line-end-inside", "html", lambda t: page(f"<p>Token: {cut(t, 20, by=chr(10) + '   ')}</p>")),
    ("html-blockquotes-rewrapped", "html",
     lambda t: page(f"<blockquote type=cite><pre>&gt; {cut(t, 20, by=chr(10) + '&gt; ')}</pre></blockquote>")),
    ("html-quoted-lines-by-br", "html", lambda t: page(f"<p>&gt; Token: {cut(t, 20, by='<br>' + chr(10) + '&gt; ')}</p>")),
    ("html-quoted-lines-by-div", "html", lambda t: page(f"<div>&gt; Token: {cut(t, 20, by='</div><div>&gt; ')}</div>")),
    ("html-cdata-inside", "html", lambda t: page(f"<p>{t[:20]}<![CDATA[]]>{t[20:]}</p>")),
    ("html-table-cells-around", "html", lambda t: page(f"<table><tr><td>Token</td><td>{t}</td></tr></table>")),
    ("html-unclosed-tag-before", "html", lambda t: page(f"<p <b>{t}</p>")),
    ("html-less-than-before", "html", lambda t: page(f"<p>1 < 2 {t}</p>")),
    ("html-title", "html", lambda t: mail(content=html(f"<html><head><title>Probe {t}</title></head></html>\n".encode()))),
    ("html-comment", "html", lambda t: page(f"<!-- {t} --><p>x</p>")),
    ("html-script-json", "html", lambda t: page(f'<script type="application/ld+json">{{"token": "{t}"}}</script>')),
    ("html-style", "html", lambda t: page(f"<style>/* {t} */</style>")),
    ("html-attribute", "html", lambda t: page(f'<img alt="Probe {t}" src="cid:1">')),
    ("html-attribute-with-entities", "html", lambda t: page(f'<img title="{decimal(t)}" src="cid:1">')),
    ("html-hidden-preheader", "html",
     lambda t: page(f'<div style="display:none;max-height:0">{t[:5]}&zwnj;&nbsp;</div><div>{t}</div>')),
    ("html-amp-part", "text",
     lambda t: mail(content=multipart("alternative", text("x\n"), entity("Content-Type: text/x-amp-html",
                    body=f"<!doctype html><html amp4email><body>{cut(t, 9, by='<b>')}</body></html>\n")))),
    ("html-related", "html",
     lambda t: mail(content=multipart("related", html(f"<p>{t}</p>"), entity("Content-Type: image/png", "Content-ID: <1>", body="x\n")))),
    ("html-attachment-of-generic-type", "other",
     lambda t: mail(content=mixed(text("x\n"), entity('Content-Type: application/octet-stream; name="mail.html"', BASE64,
                                                      body=b64(f"<html><body>{cut(t, 20, by='<wbr>')}</body></html>"))))),

    # ---- Link targets
    ("link", "html link", lambda t: link(url(t))),
    ("link-in-single-quotes", "html link", lambda t: page(f"<a href='{url(t)}'>x</a>")),
    ("link-without-quotes", "html link", lambda t: page(f"<a href={url(t)}>x</a>")),
    ("link-image", "html link", lambda t: page(f'<img src="https://provider.test/{t}.gif">')),
    ("link-mailto", "html link", lambda t: page(f'<a href="mailto:acme%2B{t}@mailtest1.example.net?subject=x">x</a>')),
    ("link-with-entities", "html link", lambda t: link(f"https://provider.test/?a=1&amp;t={hexadecimal(t)}")),
    ("link-percent-encoded", "html link", lambda t: link(url(percent(t)))),
    ("link-percent-encoded-twice", "html link", lambda t: link(url(percent(t).replace("%", "%25")))),
    ("link-percent-encoded-partly", "html link", lambda t: link(url(t[:7] + percent(t[7:12]) + t[12:]))),
    ("link-behind-a-percent-sequence", "html link", lambda t: link(f"https://provider.test/probe%20{t}%20x")),
    ("link-safe-links", "html link", lambda t: link(safe_links(url(t)))),
    ("link-safe-links-percent-encoded-target", "html link", lambda t: link(safe_links(url(percent(t))))),
    ("link-safe-links-original-attribute", "html link",
     lambda t: page(f'<a href="https://eur01.safelinks.protection.outlook.com/?url=x" originalsrc="{url(t)}" shash="x">y</a>')),
    ("link-urldefense-v1", "html link", lambda t: link(urldefense_v1(url(t)))),
    ("link-urldefense-v2", "html link", lambda t: link(urldefense_v2(url(t)))),
    ("link-urldefense-v2-percent-encoded-target", "html link", lambda t: link(urldefense_v2(url(percent(t))))),
    ("link-urldefense-v3", "html link", lambda t: link(urldefense_v3(url(t)))),
    ("link-urldefense-v3-odd-characters", "html link", lambda t: link(urldefense_v3(url(t) + "&q=üü", "üü"))),
    ("link-urldefense-v3-run-of-odd-characters", "html link", lambda t: link(urldefense_v3_run(t))),
    ("link-urldefense-v3-percent-encoded-target", "html link", lambda t: link(urldefense_v3(url(percent(t))))),
    ("link-urldefense-v2-around-safe-links", "html link",
     lambda t: link(urldefense_v2(safe_links(url(percent(t))).replace("&amp;", "&")))),
    ("link-barracuda", "html link", lambda t: link(barracuda(url(t)))),
    ("link-mimecast-with-the-target", "html link", lambda t: link(mimecast(url(t)))),
    ("link-cisco", "html link", lambda t: link(cisco(url(t)))),
    ("link-symantec", "html link", lambda t: link(symantec(url(t)))),
    ("link-sophos-base64", "html link", lambda t: link(sophos(url(t)))),
    ("link-base64url-first-alignment", "html link", lambda t: link(f"https://gateway.test/r/{wrapped('xxx' + t)}")),
    ("link-base64url-second-alignment", "html link", lambda t: link(f"https://gateway.test/r/{wrapped('x' + t)}")),
    ("link-base64url-third-alignment", "html link", lambda t: link(f"https://gateway.test/r/{wrapped('xx' + t)}")),
    ("link-base64-percent-encoded", "html link",
     lambda t: link(f"https://gateway.test/?r={percent_url(base64.b64encode(url('??>' + t).encode()).decode())}")),
    ("link-trend-micro", "html link", lambda t: link(trend_micro(url(t)))),
    ("link-trellix", "html link", lambda t: link(trellix(url(t)))),
    ("link-hornetsecurity-base64", "html link", lambda t: link(hornetsecurity(url(t)))),
    ("link-avanan", "html link", lambda t: link(avanan(url(t)))),
    ("link-google", "html link", lambda t: link(google(url(t)))),
    ("link-esva", "html link", lambda t: link(esva(url(t)))),
    ("link-safe-links-in-plain-text", "text link", lambda t: plain_link(safe_links(url(percent(t))).replace("&amp;", "&"))),
    ("link-urldefense-v3-in-plain-text", "text link", lambda t: plain_link(urldefense_v3(url(t)))),
    ("link-urldefense-v2-in-plain-text", "text link", lambda t: plain_link(urldefense_v2(url(percent(t))).replace("&amp;", "&"))),
    ("link-base64url-in-plain-text", "text link", lambda t: plain_link(f"https://gateway.test/r/{wrapped('xx' + t)}")),
    ("link-cut-by-a-soft-break", "html link",
     lambda t: mail("Content-Type: text/html", QUOTED_PRINTABLE,
                    body=cut(f'<a href=3D"{safe_links(url(t)).replace("=", "=3D")}">x</a>', 40, 60, 80, 100, 120, 130, by="=\n"))),
    ("link-cut-by-line-ends", "html link",
     lambda t: page(f'<a href="https://provider.test/probe?token={cut(t, 20, by=chr(10))}">x</a>')),
]
