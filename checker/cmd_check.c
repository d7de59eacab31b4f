/* cmd_check - one check of the file, now, as a monitoring plugin: whatever a scheduler does with the same file at the same time. */
#include "checker/commands.h"

#include "checker/outcome_json.h"
#include "checker/outcome_line.h"
#include "checker/report.h"
#include "checker/run_parts.h"
#include "checker/runner.h"
#include "checker/tools.h"
#include "lib/error.h"

#include <signal.h>
#include <sodium.h>
#include <stdio.h>

const struct option_spec check_options[] = {
    { 'c', "config", "FILE", "the checks; " CHECKS_DEFAULT_FILE " without it" },
    { 0,   "json",   NULL,   "print the result as JSON" },
    { 0, NULL, NULL, NULL },
};

enum { API_TIMEOUT_MS = 30000 };

struct once {
    const struct check *check;
    struct tools       *tools;
    struct runner      *runner;
    struct event       *signals[2];
    enum state          state;
    bool                json;
};

static void
print_json(const struct check *c, const struct outcome *o)
{
    char                       id[RUN_ID_CHARS + 1];
    const struct outcome_about about = { .id = id, .check = c->name, .kind = c->kind, .scenario = c->plan.scenario, .mailbox = c->plan.mailbox };
    unsigned char              random[RUN_ID_CHARS / 2];
    json_t                    *json;

    randombytes_buf(random, sizeof(random));
    sodium_bin2hex(id, sizeof(id), random, sizeof(random));
    json = outcome_json(o, &about);
    command_print_json(json);
    json_decref(json);
}

static void
on_done(void *arg, const struct runner_result *result)
{
    struct once *o = arg;
    struct buf   line;

    o->state = result->outcome.state;
    if (o->json) {
        print_json(o->check, &result->outcome);
    } else {
        buf_init(&line, REPORT_MAX_BYTES);
        outcome_line(&line, "MAILTEST", o->check->name, o->check, &result->outcome);
        command_print(&line);
    }
    event_base_loopbreak(tools_base(o->tools));
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct once *o = arg;

    (void)what;
    command_fail(number == SIGINT ? "interrupted" : "terminated");
    event_base_loopbreak(tools_base(o->tools));
}

static int
open_and_start(struct once *o, const struct checks *checks, struct runner_tools *tools, char *error, size_t size)
{
    static const int            numbers[] = { SIGINT, SIGTERM };
    const struct tools_settings wanted = {
        .api_url = checks->api_url, .api_key_file = checks->api_key_file, .api_ca_file = checks->api_ca_file, .api_insecure = checks->api_insecure,
        .timeout_ms = API_TIMEOUT_MS, .dns = checks->dns, .family = FAMILY_ANY,
        .scheduled = o->check->kind == CHECK_ROUND_TRIP && o->check->plan.send == SEND_NONE,     /* which is told of by the stream alone */
    };
    struct runner_task task = { .tools = tools, .checks = checks, .check = o->check, .done = on_done, .arg = o };
    int                rc = tools_open(&wanted, &o->tools, error, size);

    if (rc != MT_OK)
        return rc;
    snprintf(error, size, "%s", mt_strerror(MT_ENOMEM));
    *tools = (struct runner_tools){ .trips = tools_for_round_trips(o->tools), .probes = tools_for_probes(o->tools) };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        o->signals[i] = evsignal_new(tools_base(o->tools), numbers[i], on_signal, o);
        if (o->signals[i] == NULL || event_add(o->signals[i], NULL) != 0)
            return MT_ENOMEM;
    }
    o->runner = runner_start(&task);
    return o->runner == NULL ? MT_ENOMEM : MT_OK;
}

static void
run_check(struct once *o, const struct checks *checks)
{
    struct runner_tools tools;
    char                error[TOOLS_ERROR_BYTES];

    if (open_and_start(o, checks, &tools, error, sizeof(error)) != MT_OK)
        command_fail(error);
    else if (event_base_dispatch(tools_base(o->tools)) < 0)
        command_fail(mt_strerror(MT_EIO));
    runner_free(o->runner);
    for (size_t i = 0; i < COUNT(o->signals); i++)
        if (o->signals[i] != NULL)
            event_free(o->signals[i]);
    tools_close(o->tools);
}

int
cmd_check(const struct options *options)
{
    const char         *file = options_value(options, "config"), *name = options->operands[0];
    struct config_error error = { .text = "" };
    struct checks      *checks = NULL;
    struct once         o = { .state = STATE_UNKNOWN, .json = options_has(options, "json") };
    char                text[300];
    int                 index;

    if (checks_read_file(file != NULL ? file : CHECKS_DEFAULT_FILE, &checks, &error) != MT_OK)
        return command_fail(error.text);
    index = checks_find(checks, name);
    if (index == -1) {
        snprintf(text, sizeof(text), "there is no check \"%.120s\" in the file", name);
        command_fail(text);
    } else {
        o.check = &checks->checks[index];
        run_check(&o, checks);
    }
    checks_free(checks);
    return (int)o.state;
}
