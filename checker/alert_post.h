#ifndef CHECKER_ALERT_POST_H
#define CHECKER_ALERT_POST_H
/*
 * alert_post - one attempt to tell one notice by one way: a program is run, a webhook is posted to, a mail is sent (alert_command, alert_webhook,
 * alert_mail). An object on the loop; queue and attempts are those of alerts.
 */

#include "checker/checks.h"
#include "checker/credential.h"
#include "checker/notice_json.h"
#include "lib/curl_loop.h"
#include "lib/resolver.h"

/* Shared by all; borrowed. */
struct alert_tools {
    struct event_base  *base;
    struct curl_loop   *loop;
    struct resolver    *resolver;
    struct credentials *credentials;
};

enum alert_result {
    ALERT_TAKEN,
    ALERT_LATER,        /* worth another attempt */
    ALERT_REFUSED,      /* trying again is no use: HTTP 410, a recipient that does not exist */
};

#define ALERT_REASON_BYTES 300u

/* reason: why it was not taken, fit to be shown; how it was taken where that says something. Valid during the call. */
typedef void alert_post_fn(void *arg, enum alert_result result, const char *reason);

/* What is to be told; borrowed until the end of the attempt. */
struct alert_task {
    const struct alert_way *way;
    const char             *recipient;      /* ALERT_MAIL: whom this mail is for; NULL else */
    const json_t           *json;           /* notice_to_json */
    const struct notice    *notice;         /* the same */
};

struct alert_post;

/* done is called once from the loop, never from inside; the attempt is over then and is freed by alert_post_free. NULL: out of memory. */
struct alert_post *alert_post_start(const struct alert_tools *tools, const struct alert_task *task, alert_post_fn *done, void *arg);
void               alert_post_free(struct alert_post *p);       /* NULL is fine; gives up what is under way */

#endif
