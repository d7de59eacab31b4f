#include "checker/sendmail.h"

#include "checker/clock.h"
#include "checker/program.h"
#include "lib/buf.h"
#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { OUTPUT_MAX = 1024, INPUT_LIMIT = 1024 * 1024 };

struct sendmail {
    struct program      *program;
    struct sender_result result;
    sender_done_fn      *done;
    void                *arg;
};

/* What an exit code means (sysexits.h); NULL: it is none of these. */
static const char *
exit_text(int exit_code)
{
    static const struct {
        int         code;
        const char *text;
    } codes[] = {
        { EX_USAGE, "it does not understand how it was called" }, { EX_DATAERR, "it does not accept the mail's form" },
        { EX_NOINPUT, "it cannot read its input" },               { EX_NOUSER, "the user is unknown" },
        { EX_NOHOST, "the host is unknown" },                     { EX_UNAVAILABLE, "the mail system does not serve" },
        { EX_SOFTWARE, "an error of its own" },                   { EX_OSERR, "the machine has no room for a process or a file" },
        { EX_OSFILE, "a file of the system is missing" },         { EX_CANTCREAT, "it cannot write its queue" },
        { EX_IOERR, "a disk or a connection failed" },            { EX_TEMPFAIL, "it cannot take the mail now" },
        { EX_PROTOCOL, "the other side broke the protocol" },     { EX_NOPERM, "not allowed" },
        { EX_CONFIG, "its configuration is wrong" },
    };

    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].code == exit_code)
            return codes[i].text;
    return NULL;
}

static void
take_result(struct sendmail *s, const struct program_result *p)
{
    struct sender_result *r = &s->result;
    const char           *text = p->started && !p->timed_out ? exit_text(p->exit_code) : NULL;
    uint64_t              now = monotonic_us();

    r->accepted = p->reason[0] == '\0';
    r->deferred = p->exit_code == EX_TEMPFAIL && !p->timed_out;
    r->data_sent = p->timed_out;
    r->hopeless = !r->accepted && !r->deferred;
    if (r->accepted)
        steps_end(&r->steps, now, slice_of("exit code 0"));
    else
        steps_stop(&r->steps, now);
    if (text != NULL)
        snprintf(r->reason, sizeof(r->reason), "exit code %d, %s%s%.250s", p->exit_code, text, p->errors[0] != '\0' ? ": " : "", p->errors);
    else
        snprintf(r->reason, sizeof(r->reason), "%s", p->reason);
}

static void
on_ended(void *arg, const struct program_result *result)
{
    struct sendmail *s = arg;

    s->program = NULL;
    take_result(s, result);
    s->done(s->arg, &s->result);
    free(s);
}

/* With the line ends of this system. */
static int
put_message(struct buf *out, struct slice message)
{
    while (message.len > 0) {
        size_t       end = slice_find(message, '\n');
        struct slice line = slice_sub(message, 0, end);

        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        buf_append_slice(out, line);
        buf_append_byte(out, '\n');
        message = slice_sub(message, end + 1, message.len);
    }
    return out->fault;
}

struct sendmail *
sendmail_start(struct event_base *base, const char *path, const struct sender_task *task, sender_done_fn *done, void *arg)
{
    struct sendmail   *s = calloc(1, sizeof(*s));
    const char *const  words[] = { path, "-i", "-f", task->from[0] != '\0' ? task->from : "<>", "--", task->to, NULL };
    struct program_task p = { .words = words, .timeout_ms = task->limit_ms, .output_max = OUTPUT_MAX };
    struct buf         text;

    if (s == NULL)
        return NULL;
    *s = (struct sendmail){ .done = done, .arg = arg };
    steps_init(&s->result.steps);
    steps_begin(&s->result.steps, STEP_SENDMAIL, monotonic_us());
    buf_init(&text, INPUT_LIMIT);
    if (put_message(&text, task->message) == MT_OK) {
        p.input = buf_slice(&text);
        s->program = program_start(base, &p, on_ended, s);
    }
    buf_fini(&text);
    if (s->program == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

void
sendmail_cancel(struct sendmail *s)
{
    if (s == NULL)
        return;
    program_cancel(s->program);
    free(s);
}

void
sendmail_peek(const struct sendmail *s, struct sender_result *out)
{
    *out = s->result;
    out->data_sent = true;      /* it may have taken the mail, and only be slow to say so */
    steps_stop(&out->steps, monotonic_us());
}
