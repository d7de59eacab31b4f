#include "checker/alert_test.h"

#include "checker/alert_post.h"
#include "checker/clock.h"
#include "lib/error.h"

#include <stdlib.h>

struct test;

struct try {
    struct test            *test;
    const struct alert_way *way;
    const char             *recipient;
    struct alert_post      *post;
};

struct test {
    struct alert_tools tools;
    struct checks     *checks;
    FILE              *out;
    json_t            *rows;            /* NULL: lines to out */
    struct notice      notice;
    json_t            *json;
    struct try        *tries;
    unsigned           count, left, failed;
};

/* ---- Telling ------------------------------------------------------------------------------------------------------ */

static void
tell(const struct try *t, bool taken, const char *reason)
{
    if (t->test->rows != NULL) {
        json_array_append_new(t->test->rows, json_pack("{ss ss? sb ss}", "way", t->way->name, "to", t->recipient, "taken", (int)taken, "reason", reason));
        return;
    }
    fprintf(t->test->out, "%-6s %s%s%s%s%s\n", taken ? "ok" : "failed", t->way->name, t->recipient != NULL ? " to " : "",
            t->recipient != NULL ? t->recipient : "", reason[0] != '\0' ? ": " : "", reason);
}

static void
on_done(void *arg, enum alert_result result, const char *reason)
{
    struct try *t = arg;

    t->test->failed += result != ALERT_TAKEN;
    tell(t, result == ALERT_TAKEN, reason);
    if (--t->test->left == 0)
        event_base_loopbreak(t->test->tools.base);
}

static void
begin(struct try *t)
{
    struct alert_task task = { .way = t->way, .recipient = t->recipient, .json = t->test->json, .notice = &t->test->notice };

    t->post = alert_post_start(&t->test->tools, &task, on_done, t);
    if (t->post != NULL) {
        t->test->left++;
        return;
    }
    t->test->failed++;
    tell(t, false, mt_strerror(MT_ENOMEM));
}

/* ---- Beginning and end -------------------------------------------------------------------------------------------- */

static void
add_way(struct test *t, const struct alert_way *way)
{
    if (way->kind != ALERT_MAIL)
        t->tries[t->count++] = (struct try){ .test = t, .way = way };
    for (unsigned i = 0; way->kind == ALERT_MAIL && i < way->to_count; i++)
        t->tries[t->count++] = (struct try){ .test = t, .way = way, .recipient = way->to[i] };
}

static int
choose_ways(struct test *t, const char *name, char *error, size_t size)
{
    t->tries = calloc((size_t)t->checks->ways_count * ALERT_RECIPIENTS_MAX + 1, sizeof(*t->tries));
    if (t->tries == NULL) {
        snprintf(error, size, "%s", mt_strerror(MT_ENOMEM));
        return MT_ENOMEM;
    }
    for (unsigned i = 0; i < t->checks->ways_count; i++)
        if (name == NULL || strcmp(name, t->checks->ways[i].name) == 0)
            add_way(t, &t->checks->ways[i]);
    if (t->count > 0)
        return MT_OK;
    snprintf(error, size, name == NULL ? "there are no ways to alert anybody in it%s" : "there is no way \"%.100s\" in it", name == NULL ? "" : name);
    return MT_ENOTFOUND;
}

static int
open_tools(struct test *t, char *error, size_t size)
{
    struct alert_tools *tools = &t->tools;

    tools->base = event_base_new();
    tools->loop = tools->base == NULL ? NULL : curl_loop_new(tools->base);
    tools->resolver = tools->loop == NULL ? NULL : resolver_new(tools->base, t->checks->dns, FAMILY_ANY);
    tools->credentials = tools->resolver == NULL ? NULL : credentials_new(tools->base);
    t->notice = (struct notice){ .kind = NOTICE_TEST, .id = wall_us(), .cause = "", .state = STATE_OK, .now_us = wall_us(), .since_us = wall_us() };
    t->json = notice_to_json(&t->notice);
    if (tools->credentials != NULL && t->json != NULL)
        return MT_OK;
    snprintf(error, size, "%s", mt_strerror(MT_ENOMEM));
    return MT_ENOMEM;
}

static void
test_close(struct test *t)
{
    for (unsigned i = 0; i < t->count; i++)
        alert_post_free(t->tries[i].post);
    free(t->tries);
    json_decref(t->json);
    credentials_free(t->tools.credentials);
    resolver_free(t->tools.resolver);
    curl_loop_free(t->tools.loop);
    if (t->tools.base != NULL)
        event_base_free(t->tools.base);
    checks_free(t->checks);
}

int
alert_test(const char *file, const char *way, FILE *out, json_t *rows, char *error, size_t size)
{
    struct test         t = { .out = out, .rows = rows };
    struct config_error fault;
    int                 result = -1;

    if (checks_read_file(file, &t.checks, &fault) != MT_OK) {
        snprintf(error, size, "%s", fault.text);
        return -1;
    }
    if (choose_ways(&t, way, error, size) == MT_OK && open_tools(&t, error, size) == MT_OK) {
        for (unsigned i = 0; i < t.count; i++)
            begin(&t.tries[i]);
        if (t.left > 0)
            event_base_dispatch(t.tools.base);
        result = (int)t.failed;
    }
    test_close(&t);
    return result;
}
