#include "checker/compose.h"

#include "checker/mail_judge.h"

#include <stdio.h>
#include <time.h>

enum { ADDRESS_MAX = 320 };

struct slice
compose_domain(struct slice address)
{
    size_t at = address.len;

    while (at > 0 && address.data[at - 1] != '@')
        at--;
    return at == 0 ? slice_make(NULL, 0) : slice_sub(address, at, address.len);
}

static bool
is_domain_char(char c)
{
    c = ascii_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool
compose_address_is_fit(struct slice address)
{
    struct slice domain = compose_domain(address), inner = domain;
    size_t       local_len = address.len - domain.len;

    if (address.len > ADDRESS_MAX || domain.len == 0 || local_len < 2)
        return false;
    local_len--;
    if (domain.len > 2 && domain.data[0] == '[' && domain.data[domain.len - 1] == ']')
        inner = slice_sub(domain, 1, domain.len - 2);
    for (size_t i = 0; i < local_len; i++)
        if (address.data[i] <= ' ' || address.data[i] >= 0x7f || strchr("\"(),:;<>@[\\]", address.data[i]) != NULL)
            return false;
    for (size_t i = 0; i < inner.len; i++)
        if (!is_domain_char(inner.data[i]) && (inner.data[i] != ':' || inner.len == domain.len))
            return false;
    return true;
}

/* The names of days and months are English whatever the locale. */
void
compose_date(struct buf *out, uint64_t now_unix)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t                   t = (time_t)now_unix;
    struct tm                tm;

    if (gmtime_r(&t, &tm) == NULL)
        return;
    buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void
compose_letter(struct buf *out, const struct letter *letter)
{
    struct slice domain = compose_domain(slice_of(letter->from));

    compose_date(out, letter->now_unix);
    buf_printf(out, "From: Mailtest <%s>\r\n", letter->from);
    buf_printf(out, "To: <%s>\r\n", letter->to);
    buf_printf(out, "Subject: Mailtest %s\r\n", letter->token);
    buf_printf(out, "Message-ID: <%s@%.*s>\r\n", letter->token, (int)domain.len, domain.data);
    buf_printf(out, "X-Mailtest-Token: %s\r\n", letter->token);
    if (letter->is_labelled)
        buf_printf(out, MAIL_CHECK_FIELD ": %s\r\n", letter->label);
    if (letter->auto_submitted)
        buf_append_string(out, "Auto-Submitted: auto-generated\r\n");
    buf_append_string(out,
                      "MIME-Version: 1.0\r\n"
                      "Content-Type: text/plain; charset=us-ascii\r\n"
                      "Content-Transfer-Encoding: 7bit\r\n"
                      "\r\n"
                      "This is a test mail of the monitoring of your mail system. It is measured\r\n"
                      "how long it takes to arrive, or to be forwarded by a rule on your server.\r\n"
                      "Nobody needs to read it, and it can be deleted.\r\n"
                      "\r\n");
    buf_printf(out, "Token: %s\r\n", letter->token);
    buf_printf(out, "Check: %s\r\n", letter->mailbox != NULL ? letter->mailbox : letter->label);
    buf_append_string(out,
                      "\r\n"
                      "If mails like this one pile up in a mailbox, the forwarding rule is missing\r\n"
                      "or keeps a copy, or they are not removed as they should: please tell whoever\r\n"
                      "looks after the monitoring.\r\n");
}
