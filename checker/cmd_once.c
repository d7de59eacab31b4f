/* cmd_once - one round trip as a monitoring plugin: options to a plan, the story to a line, a timeline or JSON. */
#include "checker/commands.h"

#include "checker/report.h"
#include "checker/round_trip.h"
#include "checker/settings.h"
#include "checker/tools.h"
#include "lib/error.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct once {
    struct settings    settings;
    struct tools      *tools;
    struct round_trip *trip;
    struct event      *signals[2];
    enum state         state;
};

static void
tell(const struct once *o, const struct story *story)
{
    struct buf text;

    if (o->settings.json) {
        json_t *document = report_json(&o->settings.plan, story);

        command_print_json(document);
        json_decref(document);
    } else {
        buf_init(&text, REPORT_MAX_BYTES);
        report_line(&text, &o->settings.plan, story);
        if (o->settings.verbose > 0)
            report_timeline(&text, story);
        command_print(&text);
    }
}

static void
on_done(void *arg, const struct story *story)
{
    struct once *o = arg;

    o->state = story->state;
    tell(o, story);
    event_base_loopbreak(tools_base(o->tools));
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct once *o = arg;

    (void)what;
    round_trip_interrupt(o->trip, number == SIGINT ? "interrupted" : "terminated");
}

static int
watch_signals(struct once *o)
{
    static const int numbers[] = { SIGINT, SIGTERM };

    for (size_t i = 0; i < COUNT(numbers); i++) {
        o->signals[i] = evsignal_new(tools_base(o->tools), numbers[i], on_signal, o);
        if (o->signals[i] == NULL || event_add(o->signals[i], NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

static int
once_open(struct once *o, char *error, size_t size)
{
    const struct settings       *s = &o->settings;
    const struct tools_settings  wanted = {
        .api_url = s->api_url, .api_key_file = s->api_key_file, .api_key_in_environment = true, .api_ca_file = s->plan.server.ca_file,
        .api_insecure = s->insecure, .timeout_ms = s->plan.timeout_ms, .dns = s->dns, .family = s->family,
        .scheduled = s->plan.send == SEND_NONE && s->plan.receive == RECEIVE_HOSTED && s->plan.expect == NULL,
    };
    struct round_trip_tools      tools;
    int                          rc = tools_open(&wanted, &o->tools, error, size);

    if (rc != MT_OK)
        return rc;
    tools = tools_for_round_trips(o->tools);
    o->trip = round_trip_start(&tools, &s->plan, on_done, o);
    rc = o->trip == NULL ? MT_ENOMEM : watch_signals(o);
    if (rc != MT_OK)
        snprintf(error, size, "%s", mt_strerror(rc));
    return rc;
}

static void
once_close(struct once *o)
{
    round_trip_free(o->trip);
    for (size_t i = 0; i < COUNT(o->signals); i++)
        if (o->signals[i] != NULL)
            event_free(o->signals[i]);
    tools_close(o->tools);
}

int
cmd_once(const struct options *options)
{
    struct once o = { .state = STATE_UNKNOWN };
    char        error[TOOLS_ERROR_BYTES];

    if (settings_read(&o.settings, options, getenv("MAILTEST_API")) != MT_OK)
        return command_fail(o.settings.error);
    if (once_open(&o, error, sizeof(error)) != MT_OK)
        command_fail(error);
    else if (event_base_dispatch(tools_base(o.tools)) != 0)
        command_fail(mt_strerror(MT_EIO));
    once_close(&o);
    return (int)o.state;
}
