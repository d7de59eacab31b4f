/* A way that runs a program: the notice as JSON on its standard input, the main things in its environment. */

#include "checker/alert_way.h"

#include "checker/alert_text.h"
#include "checker/program.h"
#include "lib/buf.h"
#include "lib/error.h"

#include <stdlib.h>

/* "MAILTEST_NAME={{field}}" */
static const char *const variables[] = {
    "MAILTEST_KIND={{kind}}",         "MAILTEST_STATE={{state}}",   "MAILTEST_FIRST_LINE={{first_line}}", "MAILTEST_INCIDENT={{incident}}",
    "MAILTEST_NOTICE={{notice}}",     "MAILTEST_CAUSE={{cause}}",   "MAILTEST_CHECK={{check}}",           "MAILTEST_CHECKS={{checks_count}}",
    "MAILTEST_SINCE={{since}}",       "MAILTEST_NOW={{now}}",       "MAILTEST_VERDICT={{verdict}}",       "MAILTEST_STEP={{step}}",
    "MAILTEST_HOST={{host}}",         "MAILTEST_CODE={{code}}",     "MAILTEST_REPLY={{reply}}",           "MAILTEST_REASON={{reason}}",
};

struct command {
    const struct alert_attempt *attempt;
    struct program             *program;
};

static void
on_done(void *arg, const struct program_result *result)
{
    struct command             *c = arg;
    const struct alert_attempt *a = c->attempt;

    c->program = NULL;
    a->done(a->arg, result->reason[0] == '\0' ? ALERT_TAKEN : ALERT_LATER, result->reason);
}

/* The variables one behind the other, each with its NUL; where each begins goes to words. */
static int
write_environment(struct buf *text, const char *words[COUNT(variables) + 1], const struct notice *n)
{
    size_t begins[COUNT(variables)];

    for (size_t i = 0; i < COUNT(variables); i++) {
        begins[i] = text->len;
        alert_template_write(text, variables[i], n);
        buf_append_byte(text, '\0');
    }
    if (text->fault != MT_OK)
        return text->fault;
    for (size_t i = 0; i < COUNT(variables); i++)
        words[i] = text->data + begins[i];
    words[COUNT(variables)] = NULL;
    return MT_OK;
}

void *
alert_command_begin(const struct alert_attempt *attempt)
{
    struct command *c = calloc(1, sizeof(*c));
    const char     *environment[COUNT(variables) + 1];
    struct buf      text;

    if (c == NULL)
        return NULL;
    c->attempt = attempt;
    buf_init(&text, ALERT_TEXT_MAX_BYTES);
    if (write_environment(&text, environment, attempt->task.notice) == MT_OK)
        c->program = program_start(attempt->tools->base, &(struct program_task){
            .words = attempt->task.way->command, .environment = environment, .input = attempt->body,
            .timeout_ms = attempt->task.way->timeout_ms,
        }, on_done, c);
    buf_fini(&text);
    if (c->program == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

void
alert_command_end(void *object)
{
    struct command *c = object;

    program_cancel(c->program);
    free(c);
}
