#include "checker/story.h"

#include <stdio.h>
#include <stdlib.h>

const char *
verdict_kind_name(enum verdict_kind kind)
{
    static const char *const names[] = { "running", "arrived", "not-sent", "not-arrived", "bounced", "unknown" };

    return names[kind];
}

struct story *
story_new(void)
{
    struct story *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->attempts = calloc(ATTEMPTS_MAX, sizeof(*s->attempts));
    if (s->attempts == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

void
story_free(struct story *s)
{
    if (s == NULL)
        return;
    json_decref(s->answer);
    free(s->attempts);
    free(s);
}

const struct attempt *
story_attempt(const struct story *s)
{
    const struct attempt *last = s->attempts_kept == 0 ? NULL : &s->attempts[s->attempts_kept - 1];

    if (s->sent)
        return last;
    for (unsigned i = s->attempts_kept; i > 0; i--)
        if (s->attempts[i - 1].result.code >= 400)
            return &s->attempts[i - 1];
    for (unsigned i = s->attempts_kept; i > 0 && !s->arrived; i--)
        if (!s->attempts[i - 1].cut_short)
            return &s->attempts[i - 1];
    return last;
}

const char *
story_target_text(const struct target *t, char out[TARGET_TEXT_BYTES])
{
    if (strcmp(t->host, t->address) == 0)
        snprintf(out, TARGET_TEXT_BYTES, strchr(t->address, ':') != NULL ? "[%s]" : "%s", t->address);
    else
        snprintf(out, TARGET_TEXT_BYTES, "%s[%s]", t->host, t->address);
    return out;
}

void
story_put_route(struct buf *out, const struct route *route)
{
    for (unsigned i = 0; i < route->count; i++) {
        const struct target *t = &route->targets[i];
        char                 text[TARGET_TEXT_BYTES];

        buf_append_string(out, i > 0 ? ", " : "");
        if (route->by_mx)
            buf_printf(out, "%u ", t->preference);
        buf_append_string(out, story_target_text(t, text));
    }
    buf_append_string(out, route->reason);
}

uint64_t
story_total_us(const struct story *s)
{
    return s->arrived_us > s->send_at_us ? s->arrived_us - s->send_at_us : 0;
}

uint64_t
story_transit_us(const struct story *s)
{
    return s->sent && s->arrived_us > s->sent_us ? s->arrived_us - s->sent_us : 0;
}
