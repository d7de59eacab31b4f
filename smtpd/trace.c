#include "smtpd/trace.h"

#include <stdio.h>
#include <time.h>

enum { HELO_BYTES_MAX = 255 };

/* What may stand in a domain or an address literal; parentheses, semicolons and line ends would change the field's meaning. */
static bool
is_helo_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr(".-_:[]+=", c) != NULL);
}

static void
append_helo(struct buf *out, struct slice helo)
{
    helo = slice_sub(helo, 0, HELO_BYTES_MAX);
    for (size_t i = 0; i < helo.len; i++)
        buf_append_byte(out, (char)(is_helo_char(helo.data[i]) ? helo.data[i] : '?'));
}

/* "(name [address])", RFC 5321 section 4.1.3: address literals. A client of a Unix socket has no address. */
static void
append_client(struct buf *out, struct slice name, struct slice address)
{
    bool ip4 = slice_find(address, '.') < address.len && slice_find(address, ':') == address.len;
    bool ip6 = slice_find(address, ':') < address.len;

    buf_append_string(out, " (");
    buf_append_slice(out, name);
    buf_append_string(out, name.len > 0 ? " " : "");
    buf_append_string(out, ip6 ? "[IPv6:" : ip4 ? "[" : "");
    buf_append_slice(out, address);
    buf_append_string(out, ip6 || ip4 ? "])" : ")");
}

int
trace_write(struct buf *out, const struct trace_facts *f)
{
    char date[TRACE_DATE_BYTES];

    buf_append_string(out, "Received: from ");
    append_helo(out, f->helo);
    append_client(out, f->client_name, f->client_address);
    if (f->tls_version.len > 0) {
        buf_append_string(out, "\r\n\t(using ");
        buf_append_slice(out, f->tls_version);
        buf_append_string(out, " with cipher ");
        buf_append_slice(out, f->tls_cipher);
        buf_append_string(out, ")");
    }
    buf_append_string(out, "\r\n\tby ");
    buf_append_slice(out, f->hostname);
    buf_append_string(out, " (Mailtest) with ");
    buf_append_slice(out, f->protocol);
    buf_append_string(out, " id ");
    buf_append_slice(out, f->id);
    if (f->recipient.len > 0) {
        buf_append_string(out, "\r\n\tfor <");
        buf_append_slice(out, f->recipient);
        buf_append_string(out, ">");
    }
    trace_date(date, f->time_unix);
    buf_append_string(out, ";\r\n\t");
    buf_append_string(out, date);
    return buf_append_string(out, "\r\n");
}

void
trace_date(char out[TRACE_DATE_BYTES], int64_t time_unix)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t            t = (time_t)time_unix;
    struct tm         tm;

    /* UTC, so that no file with a time zone is read after the start. */
    if (gmtime_r(&t, &tm) == NULL)
        tm = (struct tm){ .tm_mday = 1, .tm_year = 70, .tm_wday = 4 };
    snprintf(out, TRACE_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u +0000", days[tm.tm_wday], (unsigned)tm.tm_mday % 100,
             months[tm.tm_mon], (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
             (unsigned)tm.tm_sec % 100);
}

const char *
trace_protocol(bool lmtp, bool extended, bool tls, bool utf8)
{
    static const char *const lmtps[2][2] = { { "LMTP", "LMTPS" }, { "UTF8LMTP", "UTF8LMTPS" } };
    static const char *const esmtps[2][2] = { { "ESMTP", "ESMTPS" }, { "UTF8SMTP", "UTF8SMTPS" } };

    if (lmtp)
        return lmtps[utf8][tls];
    /* STARTTLS is an extension, so whoever uses it said EHLO, though perhaps HELO behind it. */
    return extended || tls ? esmtps[utf8][tls] : "SMTP";
}
