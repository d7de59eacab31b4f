#ifndef CHECKER_ALERT_WAY_H
#define CHECKER_ALERT_WAY_H
/* alert_way - what a kind of way must have: it begins an attempt, and can give it up. Of alert_post alone. */

#include "checker/alert_post.h"

/* The attempt under way: the way's own object, and what it tells its end to. */
struct alert_attempt {
    const struct alert_tools *tools;
    struct alert_task         task;
    struct slice              body;         /* task.json as text, one line */
    alert_post_fn            *done;
    void                     *arg;
};

/*
 * Both for each kind. begin gives the way's object, NULL when out of memory; it calls attempt->done from the loop alone, as its last act. end frees the
 * object, before or after that call.
 */
typedef void *alert_begin_fn(const struct alert_attempt *attempt);
typedef void  alert_end_fn(void *object);

alert_begin_fn alert_command_begin, alert_webhook_begin, alert_mail_begin;
alert_end_fn   alert_command_end, alert_webhook_end, alert_mail_end;

/* Whether the cause of the notice is this server: "server HOST:PORT", or with a step behind it. */
bool alert_is_about(const struct notice *n, const struct server *relay);

#endif
