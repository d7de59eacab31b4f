/* cmd_blacklist - addresses, hosts and domains against block lists once, as a monitoring plugin: options to a check, its outcome to a line or JSON. */
#include "checker/commands.h"

#include "checker/outcome_line.h"
#include "checker/report.h"
#include "checker/tools.h"
#include "lib/display.h"
#include "lib/error.h"

#include <stdio.h>

enum { TEXT_CHARS = 300, TIMEOUT_MS = 30000 };
#define LISTS_DEFAULT_FILE "/etc/mailtest/blocklists.yaml"

const struct option_spec blacklist_options[] = {
    { 'H', "host",    "HOST",      "an address, a host's name or a domain; more of them may follow without an option" },
    { 0,   "lists",   "FILE",      "block lists, or a file of checks whose lists are taken; " LISTS_DEFAULT_FILE " without it" },
    { 0,   "dns",     "HOST:PORT", "name server instead of the system's" },
    { '4', "ipv4",    NULL,        "look for the hosts' IPv4 addresses alone" },
    { '6', "ipv6",    NULL,        "look for the hosts' IPv6 addresses alone" },
    { 0,   "json",    NULL,        "print all of it as JSON" },
    { 'v', "verbose", NULL,        "print each listing, and the lists that failed their test, behind the line" },
    { 0, NULL, NULL, NULL },
};

struct look {
    const struct options *options;
    struct check          check;
    struct checks        *lists;
    struct tools         *tools;
    struct blacklist     *blacklist;
    enum state            state;
};

static void
put_member(struct buf *out, const char *before, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    if (text == NULL)
        return;
    buf_append_string(out, before);
    display_text(out, slice_of(text), TEXT_CHARS);
}

static void
put_details(struct buf *out, const json_t *document)
{
    const json_t *listings = json_object_get(document, "listings"), *dead = json_object_get(document, "dead_lists");

    for (size_t i = 0; i < json_array_size(listings); i++) {
        put_member(out, "listed: ", json_array_get(listings, i), "name");
        put_member(out, " (", json_array_get(listings, i), "of");
        buf_append_string(out, json_object_get(json_array_get(listings, i), "of") != NULL ? ")" : "");
        put_member(out, " by ", json_array_get(listings, i), "list");
        put_member(out, ": ", json_array_get(listings, i), "meaning");
        put_member(out, "; ", json_array_get(listings, i), "text");
        buf_append_byte(out, '\n');
    }
    for (size_t i = 0; i < json_array_size(dead); i++) {
        put_member(out, "not asked: ", json_array_get(dead, i), "list");
        put_member(out, " for ", json_array_get(dead, i), "for");
        put_member(out, ": ", json_array_get(dead, i), "reason");
        buf_append_byte(out, '\n');
    }
}

static void
on_done(void *arg, const struct outcome *o)
{
    struct look *l = arg;
    struct buf   text;

    l->state = o->state;
    if (options_has(l->options, "json")) {
        command_print_json(o->document);
    } else {
        buf_init(&text, REPORT_MAX_BYTES);
        outcome_line(&text, "BLACKLIST", NULL, &l->check, o);
        if (options_has(l->options, "verbose"))
            put_details(&text, o->document);
        command_print(&text);
    }
    event_base_loopbreak(tools_base(l->tools));
}

static int
look_open(struct look *l, char *error, size_t size)
{
    const struct tools_settings wanted = {
        .timeout_ms = TIMEOUT_MS,
        .dns = options_value(l->options, "dns"),
        .family = options_has(l->options, "ipv4") ? FAMILY_IPV4 : options_has(l->options, "ipv6") ? FAMILY_IPV6 : FAMILY_ANY,
    };
    struct probe_tools tools;
    int                rc = tools_open(&wanted, &l->tools, error, size);

    if (rc != MT_OK)
        return rc;
    tools = tools_for_probes(l->tools);
    tools.checks = l->lists;
    l->blacklist = blacklist_start(&tools, &l->check, NULL, on_done, l);
    if (l->blacklist != NULL)
        return MT_OK;
    snprintf(error, size, "%s", mt_strerror(MT_ENOMEM));
    return MT_ENOMEM;
}

int
cmd_blacklist(const struct options *options)
{
    const char         *file = options_value(options, "lists"), *host = options_value(options, "host");
    struct look         l = { .options = options, .state = STATE_UNKNOWN };
    struct config_error config_error;
    char                error[TOOLS_ERROR_BYTES];

    l.check = (struct check){ .name = "once", .kind = CHECK_BLACKLIST, .enabled = true, .client_of = -1 };
    if (host != NULL)
        l.check.hosts[l.check.hosts_count++] = host;
    for (unsigned i = 0; i < options->operand_count; i++)
        l.check.hosts[l.check.hosts_count++] = options->operands[i];
    if (l.check.hosts_count == 0)
        return command_fail("nothing to look for is given: an address, a host's name or a domain");
    if (options_times(options, "host") > 1)
        return command_fail("--host is given more than once: further hosts follow without an option");
    if (options_has(options, "ipv4") && options_has(options, "ipv6"))
        return command_fail("--ipv4 and --ipv6 exclude each other");
    if (checks_read_file(file != NULL ? file : LISTS_DEFAULT_FILE, &l.lists, &config_error) != MT_OK)
        return command_fail(config_error.text);
    if (l.lists->lists_count == 0)
        command_fail("the file has no block lists");
    else if (look_open(&l, error, sizeof(error)) != MT_OK)
        command_fail(error);
    else if (event_base_dispatch(tools_base(l.tools)) != 0)
        command_fail(mt_strerror(MT_EIO));
    blacklist_free(l.blacklist);
    tools_close(l.tools);
    checks_free(l.lists);
    return (int)l.state;
}
