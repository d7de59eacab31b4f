/* cmd_smtp - one look at SMTP servers as a monitoring plugin: options to a check, its outcome to a line or JSON. */
#include "checker/commands.h"

#include "checker/outcome_line.h"
#include "checker/report.h"
#include "checker/settings.h"
#include "checker/tools.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <stdio.h>

enum { REPLY_CHARS = 200, CERTIFICATE_DAYS = 14, DAYS_MAX = 3650 };

const struct option_spec smtp_options[] = {
    { 's', "server",           "HOST:PORT", "the server; without it, each MX host of --domain, or of --rcpt" },
    { 'd', "domain",           "DOMAIN",    "whose MX hosts are looked at" },
    { 0,   "rcpt",             "ADDRESS",   "go on to MAIL and RCPT for this address, then RSET: no mail is sent" },
    { 0,   "from",             "ADDRESS",   "sender for --rcpt; without it, the empty one" },
    { 0,   "mx-port",          "PORT",      "port of the MX instead of 25" },
    { 0,   "tls",              "MODE",      "auto (verify with a login elsewhere), none, require, verify; implicit, implicit-verify: TLS from the first octet on" },
    { 0,   "ca-file",          "FILE",      "authorities for verified TLS" },
    { 0,   "certificate-days", "DAYS",      "WARNING when the certificate expires within so many days; 14 without it, 0: only when it has expired" },
    { 'u', "user",             "USER",      "log in" },
    { 0,   "password-file",    "FILE",      "its password: one line" },
    { 0,   "token-command",    "COMMAND",   "prints an access token for it (OAuth)" },
    { 0,   "auth",             "MECHANISM", "auto (without it), plain, login, cram-md5, scram-sha-1, scram-sha-256, xoauth2, oauthbearer" },
    { 'w', "warning",          "RANGE",     "WARNING outside of it, in seconds" },
    { 'c', "critical",         "RANGE",     "CRITICAL outside of it, in seconds" },
    { 't', "timeout",          "SPAN",      "for connecting and each reply; 60s without it" },
    { 0,   "helo",             "NAME",      "name for EHLO; without it, this machine's" },
    { 0,   "dns",              "HOST:PORT", "name server instead of the system's" },
    { '4', "ipv4",             NULL,        "connect by IPv4 alone" },
    { '6', "ipv6",             NULL,        "connect by IPv6 alone" },
    { 0,   "json",             NULL,        "print all of it as JSON" },
    { 'v', "verbose",          NULL,        "print the dialogue's steps behind the line" },
    { 0, NULL, NULL, NULL },
};

struct look {
    struct settings    settings;
    struct check       check;
    struct tools      *tools;
    struct smtp_probe *probe;
    enum state         state;
};

/* The steps of every address that was tried, with their times and replies. */
static void
put_steps(struct buf *out, const json_t *hosts)
{
    for (size_t i = 0; i < json_array_size(hosts); i++) {
        const json_t *host = json_array_get(hosts, i), *steps = json_object_get(host, "steps");

        buf_printf(out, "%s[%s]: %s\n", json_string_value(json_object_get(host, "host")), json_string_value(json_object_get(host, "address")),
                   json_string_value(json_object_get(host, "state")));
        for (size_t k = 0; k < json_array_size(steps); k++) {
            const json_t *step = json_array_get(steps, k);
            const char   *reply = json_string_value(json_object_get(step, "reply"));
            char          took[DURATION_TEXT_BYTES];

            duration_text((uint64_t)(json_number_value(json_object_get(step, "took_s")) * 1e6), took);
            buf_printf(out, "  %-9s %10s  ", json_string_value(json_object_get(step, "name")), took);
            display_text(out, slice_of(reply), REPLY_CHARS);
            buf_append_string(out, json_is_true(json_object_get(step, "done")) ? "\n" : "(not done)\n");
        }
    }
}

static void
on_done(void *arg, const struct outcome *o)
{
    struct look           *l = arg;
    const struct settings *s = &l->settings;
    struct buf             text;

    l->state = o->state;
    if (s->json) {
        command_print_json(o->document);
    } else {
        buf_init(&text, REPORT_MAX_BYTES);
        outcome_line(&text, "SMTP", NULL, &l->check, o);
        if (s->verbose > 0)
            put_steps(&text, json_object_get(o->document, "hosts"));
        command_print(&text);
    }
    event_base_loopbreak(tools_base(l->tools));
}

static int
look_open(struct look *l, char *error, size_t size)
{
    const struct settings      *s = &l->settings;
    const struct tools_settings wanted = { .timeout_ms = s->plan.timeout_ms, .dns = s->dns, .family = s->family };
    struct probe_tools          tools;
    int                         rc = tools_open(&wanted, &l->tools, error, size);

    if (rc != MT_OK)
        return rc;
    tools = tools_for_probes(l->tools);
    l->probe = smtp_probe_start(&tools, &l->check, on_done, l);
    if (l->probe != NULL)
        return MT_OK;
    snprintf(error, size, "%s", mt_strerror(MT_ENOMEM));
    return MT_ENOMEM;
}

int
cmd_smtp(const struct options *options)
{
    const char *rcpt = options_value(options, "rcpt"), *days = options_value(options, "certificate-days");
    struct look l = { .state = STATE_UNKNOWN };
    char        error[TOOLS_ERROR_BYTES];
    uint64_t    warn_days = CERTIFICATE_DAYS;

    if (settings_read_probe(&l.settings, options) != MT_OK)
        return command_fail(l.settings.error);
    if (days != NULL && slice_to_u64(slice_of(days), DAYS_MAX, &warn_days) != MT_OK)
        return command_fail("--certificate-days is a number from 0 to 3650");
    l.check = (struct check){
        .name = "once", .kind = CHECK_SMTP, .enabled = true, .plan = l.settings.plan, .probe_recipient = rcpt != NULL,
        .certificate_warning_days = (uint32_t)warn_days,
    };
    if (look_open(&l, error, sizeof(error)) != MT_OK)
        command_fail(error);
    else if (event_base_dispatch(tools_base(l.tools)) != 0)
        command_fail(mt_strerror(MT_EIO));
    smtp_probe_free(l.probe);
    tools_close(l.tools);
    return (int)l.state;
}
