#include "lookup/page.h"

#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

/* Whose metric it is, by the beginning of its name. Others are of every process. */
static const struct {
    const char *prefix;
    enum role   role;
} owners[] = {
    { "smtp_", ROLE_SMTPD },   { "imap_", ROLE_IMAPD },    { "pop3_", ROLE_IMAPD },       { "http_", ROLE_LOOKUP },
    { "lookup_", ROLE_LOOKUP }, { "store_", ROLE_STORE }, { "role_", ROLE_SUPERVISOR },
};

bool
metric_is_of(enum metric m, enum role role)
{
    const char *name = metric_info(m)->name;

    for (size_t i = 0; i < COUNT(owners); i++)
        if (slice_starts(slice_of(name), owners[i].prefix))
            return owners[i].role == role;
    return true;
}

void
metrics_page(struct buf *out, const struct page_process *processes, unsigned count)
{
    buf_append_string(out, "# HELP mailtest_build_info The version that runs, as a label; the value is always 1.\n"
                           "# TYPE mailtest_build_info gauge\n"
                           "mailtest_build_info{version=\"" MAILTEST_VERSION "\"} 1\n");
    for (unsigned m = 0; m < METRIC_COUNT; m++) {
        const struct metric_info *info = metric_info((enum metric)m);

        buf_printf(out, "# HELP mailtest_%s %s\n# TYPE mailtest_%s %s\n", info->name, info->help, info->name, info->kind);
        for (unsigned i = 0; i < count; i++)
            if (processes[i].values[m] != 0 || metric_is_of((enum metric)m, processes[i].role))
                buf_printf(out, "mailtest_%s{role=\"%s\",index=\"%u\"} %llu\n", info->name, role_name(processes[i].role),
                           processes[i].index, (unsigned long long)processes[i].values[m]);
    }
}

/* ---- Status ------------------------------------------------------------------------------------------------------------ */

static void
append_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '&':
            buf_append_string(out, "&amp;");
            break;
        case '<':
            buf_append_string(out, "&lt;");
            break;
        case '>':
            buf_append_string(out, "&gt;");
            break;
        case '"':
            buf_append_string(out, "&quot;");
            break;
        case '\'':
            buf_append_string(out, "&#39;");
            break;
        default:
            buf_append_byte(out, *text);
        }
}

static uint64_t
sum(const struct status_facts *f, enum metric m)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < f->count; i++)
        total += f->processes[i].values[m];
    return total;
}

static const struct {
    const char *label;
    enum metric metric;
} rows[] = {
    { "Messages accepted", METRIC_SMTP_MESSAGES_TOTAL },
    { "Messages with a genuine token", METRIC_STORE_ARRIVED_TOTAL },
    { "Messages without one", METRIC_STORE_UNMATCHED_TOTAL },
    { "Messages kept", METRIC_STORE_MESSAGES },
    { "Bytes in use", METRIC_STORE_USED_BYTES },
    { "Refused for good (5yz)", METRIC_SMTP_REFUSED_PERM_TOTAL },
    { "Refused for now (4yz)", METRIC_SMTP_REFUSED_TEMP_TOTAL },
    { "Refused because the disk or the store was full", METRIC_STORE_FULL_TOTAL },
    { "SMTP sessions open", METRIC_SMTP_SESSIONS },
    { "Requests waiting for a token", METRIC_LOOKUP_WAITING },
    { "Event streams open", METRIC_LOOKUP_STREAMS },
    { "Processes restarted", METRIC_ROLE_RESTARTS_TOTAL },
};

void
status_page(struct buf *out, const struct status_facts *f)
{
    char        up[DURATION_TEXT_BYTES], now[RFC3339_TEXT_BYTES];
    const char *state = f->ready ? "serving" : f->draining ? "stopping" : "not ready";

    rfc3339_text(f->now_us / 1000000, now);
    buf_append_string(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Mailtest ");
    append_escaped(out, f->hostname);
    buf_append_string(out, "</title>\n<style>body{font:16px/1.5 sans-serif;margin:2em auto;max-width:40em;padding:0 1em}"
                           "td{padding:.1em 1em .1em 0}td+td{text-align:right;font-variant-numeric:tabular-nums}"
                           ".good{color:#060}.bad{color:#a00}</style>\n</head>\n<body>\n<h1>Mailtest</h1>\n<p>");
    append_escaped(out, f->hostname);
    buf_printf(out, " is <strong class=\"%s\">%s</strong>", f->ready ? "good" : "bad", state);
    if (!f->store_connected)
        buf_append_string(out, "; the store is away, mail is asked to come again");
    buf_printf(out, ".</p>\n<p>Version " MAILTEST_VERSION ", up for %s, as of %s.</p>\n<table>\n",
               duration_text(f->now_us - f->started_us, up), now);
    for (size_t i = 0; i < COUNT(rows); i++)
        buf_printf(out, "<tr><td>%s</td><td>%llu</td></tr>\n", rows[i].label, (unsigned long long)sum(f, rows[i].metric));
    buf_append_string(out, "</table>\n<p>For programs: <a href=\"/metrics\">metrics</a>, <a href=\"/healthz\">healthz</a>, "
                           "<a href=\"/readyz\">readyz</a>.</p>\n</body>\n</html>\n");
}
