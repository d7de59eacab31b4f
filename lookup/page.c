#include "lookup/page.h"

#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

/* Whose metric it is, by the beginning of its name. Others are of whichever process has set them. */
static const struct {
    const char *prefix;
    enum role   role;
} owners[] = {
    { "smtp_", ROLE_SMTPD },   { "imap_", ROLE_IMAPD },    { "pop3_", ROLE_IMAPD },       { "http_", ROLE_LOOKUP },
    { "lookup_", ROLE_LOOKUP }, { "store_", ROLE_STORE }, { "role_", ROLE_SUPERVISOR },
    { "signer_", ROLE_SIGNER },
    { "webhook_", ROLE_WEBHOOK }, { "tokens_", ROLE_STORE }, { "verdicts_", ROLE_STORE }, { "events_", ROLE_STORE },
};

bool
metric_is_of(enum metric m, enum role role)
{
    const char *name = metric_info(m)->name;

    for (size_t i = 0; i < COUNT(owners); i++)
        if (slice_starts(slice_of(name), owners[i].prefix))
            return owners[i].role == role;
    return false;
}

/* Prometheus' unit of time is the second. */
static void
write_value(struct buf *out, enum metric m, uint64_t value)
{
    if (m == METRIC_STORE_COMMIT_US_TOTAL)
        buf_printf(out, "%llu.%06llu\n", (unsigned long long)(value / 1000000), (unsigned long long)(value % 1000000));
    else
        buf_printf(out, "%llu\n", (unsigned long long)value);
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
            if (processes[i].values[m] != 0 || metric_is_of((enum metric)m, processes[i].role)) {
                buf_printf(out, "mailtest_%s{role=\"%s\",index=\"%u\"} ", info->name, role_name(processes[i].role),
                           processes[i].index);
                write_value(out, (enum metric)m, processes[i].values[m]);
            }
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
    { "Expected tokens that wait for their mail", METRIC_TOKENS_EXPECTED },
    { "Deadlines missed", METRIC_TOKENS_MISSED_TOTAL },
    { "Verdicts: arrived", METRIC_VERDICTS_ARRIVED_TOTAL },
    { "Verdicts: late", METRIC_VERDICTS_LATE_TOTAL },
    { "Verdicts: bounced", METRIC_VERDICTS_BOUNCED_TOTAL },
    { "Verdicts: autoreply", METRIC_VERDICTS_AUTOREPLY_TOTAL },
    { "Verdicts: not arrived", METRIC_VERDICTS_NOT_ARRIVED_TOTAL },
    { "Verdicts: not arrived, receiver down", METRIC_VERDICTS_RECEIVER_DOWN_TOTAL },
    { "Checks that are OK", METRIC_CHECKS_OK },
    { "Checks that warn", METRIC_CHECKS_WARNING },
    { "Checks that are critical", METRIC_CHECKS_CRITICAL },
    { "Checks that are unknown", METRIC_CHECKS_UNKNOWN },
    { "Events", METRIC_EVENTS_TOTAL },
    { "Messages kept", METRIC_STORE_MESSAGES },
    { "Room in use", METRIC_STORE_USED_BYTES },
    { "Commands and mails refused for good", METRIC_SMTP_REFUSED_PERM_TOTAL },
    { "Commands and mails asked to come again later", METRIC_SMTP_REFUSED_TEMP_TOTAL },
    { "Refused because the disk or the store was full", METRIC_STORE_FULL_TOTAL },
    { "SMTP sessions open", METRIC_SMTP_SESSIONS },
    { "Requests waiting for a token", METRIC_LOOKUP_WAITING },
    { "Event streams open", METRIC_LOOKUP_STREAMS },
    { "Posts of events that have ended", METRIC_WEBHOOK_POSTS_TOTAL },
    { "Posts that were not taken", METRIC_WEBHOOK_FAILURES_TOTAL },
    { "Processes restarted", METRIC_ROLE_RESTARTS_TOTAL },
};

/* "17", "64 KiB", "1.5 GiB". */
static void
append_value(struct buf *out, enum metric m, uint64_t value)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    double                   size = (double)value;
    unsigned                 unit = 0;

    if (m != METRIC_STORE_USED_BYTES) {
        buf_printf(out, "%llu", (unsigned long long)value);
        return;
    }
    for (; size >= 1024 && unit + 1 < COUNT(units); unit++)
        size /= 1024;
    buf_printf(out, "%.4g %s", size, units[unit]);
}

/* The service's start; before the supervisor has told it, this role's. */
static uint64_t
started_us(const struct status_facts *f)
{
    uint64_t started = sum(f, METRIC_SERVICE_STARTED_UNIX) * 1000000;

    return started == 0 || started > f->now_us ? f->started_us : started;
}

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
               duration_text((f->now_us - started_us(f)) / 1000000 * 1000000, up), now);
    for (size_t i = 0; i < COUNT(rows); i++) {
        buf_printf(out, "<tr><td>%s</td><td>", rows[i].label);
        append_value(out, rows[i].metric, sum(f, rows[i].metric));
        buf_append_string(out, "</td></tr>\n");
    }
    buf_append_string(out, "</table>\n");
    if (f->certificates != NULL)
        certificates_table(out, f->certificates, (int64_t)(f->now_us / 1000000), f->expiry_warning_days);
    buf_append_string(out, "<p>For programs: <a href=\"/metrics\">metrics</a>, <a href=\"/healthz\">healthz</a>, "
                           "<a href=\"/readyz\">readyz</a>.</p>\n</body>\n</html>\n");
}
