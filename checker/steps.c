#include "checker/steps.h"

#include "lib/error.h"

#include <assert.h>

static const char *const names[STEP_KIND_COUNT] = {
    [STEP_LOOKUP] = "lookup", [STEP_CONNECT] = "connect", [STEP_BANNER] = "banner", [STEP_EHLO] = "ehlo",
    [STEP_STARTTLS] = "starttls", [STEP_TLS] = "tls", [STEP_AUTH] = "auth", [STEP_MAIL] = "mail",
    [STEP_RCPT] = "rcpt", [STEP_DATA] = "data", [STEP_END] = "end", [STEP_QUIT] = "quit", [STEP_SENDMAIL] = "sendmail",
    [STEP_OTHER] = "other",
};

static const struct {
    const char    *verb;
    enum step_kind kind;
} verbs[] = {
    { "EHLO", STEP_EHLO }, { "HELO", STEP_EHLO }, { "LHLO", STEP_EHLO }, { "STARTTLS", STEP_STARTTLS }, { "AUTH", STEP_AUTH },
    { "MAIL", STEP_MAIL }, { "RCPT", STEP_RCPT }, { "DATA", STEP_DATA }, { "QUIT", STEP_QUIT },
};

const char *
step_name(enum step_kind kind)
{
    assert(kind < STEP_KIND_COUNT);
    return names[kind];
}

const char *
step_words(enum step_kind kind)
{
    static const char *const words[STEP_KIND_COUNT] = {
        [STEP_LOOKUP] = "look-up of", [STEP_CONNECT] = "connecting to", [STEP_BANNER] = "greeting of", [STEP_EHLO] = "EHLO to",
        [STEP_STARTTLS] = "STARTTLS with", [STEP_TLS] = "TLS handshake with", [STEP_AUTH] = "AUTH with", [STEP_MAIL] = "MAIL to",
        [STEP_RCPT] = "RCPT to", [STEP_DATA] = "DATA to", [STEP_END] = "end of data to", [STEP_QUIT] = "QUIT to",
        [STEP_SENDMAIL] = "handing over to", [STEP_OTHER] = "sending to",
    };

    assert(kind < STEP_KIND_COUNT);
    return words[kind];
}

void
steps_init(struct steps *s)
{
    *s = (struct steps){ .count = 0 };
}

static struct step *
current(struct steps *s)
{
    return s->open ? &s->list[s->count - 1] : NULL;
}

static void
close_step(struct steps *s, uint64_t now_us, bool done)
{
    struct step *step = current(s);

    if (step == NULL)
        return;
    step->took_us = now_us > step->at_us ? now_us - step->at_us : 0;
    step->done = done;
    s->open = false;
}

void
steps_begin(struct steps *s, enum step_kind kind, uint64_t now_us)
{
    close_step(s, now_us, true);
    if (s->count == STEPS_MAX)
        return;         /* a server that is asked more than that is not asked by us */
    s->list[s->count++] = (struct step){ .kind = kind, .at_us = now_us };
    s->open = true;
}

/* Adds a line to the reply of the step, and a blank between lines; "250-" in front becomes "250 ". */
static void
add_reply(struct step *step, struct slice text)
{
    size_t len = strlen(step->reply);
    bool   more = len == 0 && text.len > 3 && text.data[3] == '-';

    if (len > 0 && len + 1 < sizeof(step->reply)) {
        step->reply[len++] = ' ';
        step->reply[len] = '\0';
    }
    slice_copy(step->reply + len, sizeof(step->reply) - len, text);
    if (more)
        step->reply[3] = ' ';
}

void
steps_end(struct steps *s, uint64_t now_us, struct slice text)
{
    struct step *step = current(s);

    if (step != NULL)
        slice_copy(step->reply, sizeof(step->reply), text);
    close_step(s, now_us, true);
}

void
steps_connected(struct steps *s, uint64_t now_us)
{
    steps_begin(s, STEP_BANNER, now_us);
}

static enum step_kind
kind_of_command(struct slice line)
{
    for (size_t i = 0; i < COUNT(verbs); i++) {
        size_t len = strlen(verbs[i].verb);

        if (slice_starts_nocase(line, verbs[i].verb) && (line.len == len || line.data[len] == ' '))
            return verbs[i].kind;
    }
    return STEP_OTHER;
}

void
steps_command(struct steps *s, uint64_t now_us, struct slice line)
{
    struct step *step = current(s);

    line = slice_trim(line);
    if (kind_of_command(line) == STEP_QUIT)     /* said after a failure as well: what was not answered stays so */
        close_step(s, now_us, step != NULL && step->kind == STEP_TLS);
    step = current(s);
    /* The lines of one AUTH exchange belong together. */
    if (step != NULL && step->kind == STEP_AUTH && kind_of_command(line) == STEP_OTHER)
        return;
    steps_begin(s, kind_of_command(line), now_us);
}

/* "250-text", "250 text" or "250": its code, or 0 where it has none. */
static unsigned
reply_code(struct slice line, bool *last)
{
    unsigned code = 0;

    for (size_t i = 0; i < 3; i++) {
        if (i >= line.len || line.data[i] < '0' || line.data[i] > '9')
            return 0;
        code = code * 10 + (unsigned)(line.data[i] - '0');
    }
    *last = line.len == 3 || line.data[3] != '-';
    return code;
}

void
steps_reply(struct steps *s, uint64_t now_us, struct slice line)
{
    struct step *step = current(s);
    bool         last = true;
    unsigned     code;

    line = slice_trim(line);
    code = reply_code(line, &last);
    if (step == NULL)
        return;         /* unasked for */
    add_reply(step, step->reply[0] == '\0' || code == 0 ? line : slice_sub(line, 4, line.len));
    if (!last || (step->kind == STEP_AUTH && code == 334))
        return;
    step->code = code;
    close_step(s, now_us, true);
    if (step->kind == STEP_STARTTLS && code == 220)
        steps_begin(s, STEP_TLS, now_us);
    else if (step->kind == STEP_DATA && code == 354)
        steps_begin(s, STEP_END, now_us);
}

void
steps_stop(struct steps *s, uint64_t now_us)
{
    close_step(s, now_us, false);
}

const struct step *
steps_find(const struct steps *s, enum step_kind kind)
{
    for (unsigned i = s->count; i > 0; i--)
        if (s->list[i - 1].kind == kind)
            return &s->list[i - 1];
    return NULL;
}

bool
steps_accepted(const struct steps *s)
{
    const struct step *end = steps_find(s, STEP_END);

    return end != NULL && end->done && end->code >= 200 && end->code < 300;
}

static bool
wants_reply(enum step_kind kind)
{
    return kind != STEP_LOOKUP && kind != STEP_CONNECT && kind != STEP_TLS && kind != STEP_SENDMAIL;
}

const struct step *
steps_failed(const struct steps *s)
{
    unsigned           count = s->count > 0 && s->list[s->count - 1].kind == STEP_QUIT ? s->count - 1 : s->count;
    const struct step *last = count == 0 ? NULL : &s->list[count - 1];

    /* Only the last counts: an EHLO that was refused and followed by a HELO was no failure. */
    if (last == NULL || steps_accepted(s))
        return NULL;
    return !last->done || last->code >= 400 || (last->code == 0 && wants_reply(last->kind)) ? last : NULL;
}
