#include "checker/alert_post.h"

#include "checker/alert_way.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    alert_begin_fn *begin;
    alert_end_fn   *end;
} kinds[] = {
    [ALERT_COMMAND] = { alert_command_begin, alert_command_end },
    [ALERT_WEBHOOK] = { alert_webhook_begin, alert_webhook_end },
    [ALERT_MAIL] = { alert_mail_begin, alert_mail_end },
};

struct alert_post {
    struct alert_tools   tools;
    struct alert_attempt attempt;
    char                *body;
    void                *object;        /* of the way */
};

struct alert_post *
alert_post_start(const struct alert_tools *tools, const struct alert_task *task, alert_post_fn *done, void *arg)
{
    struct alert_post *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->tools = *tools;
    p->body = json_dumps(task->json, JSON_COMPACT);
    if (p->body != NULL) {
        p->attempt = (struct alert_attempt){
            .tools = &p->tools, .task = *task, .body = slice_make(p->body, strlen(p->body)), .done = done, .arg = arg,
        };
        p->object = kinds[task->way->kind].begin(&p->attempt);
    }
    if (p->object == NULL) {
        alert_post_free(p);
        return NULL;
    }
    return p;
}

void
alert_post_free(struct alert_post *p)
{
    if (p == NULL)
        return;
    if (p->object != NULL)
        kinds[p->attempt.task.way->kind].end(p->object);
    free(p->body);
    free(p);
}
