#include "checker/story.h"

#include "lib/error.h"

#include <stdio.h>
#include <stdlib.h>

const char *
verdict_kind_name(enum verdict_kind kind)
{
    static const char *const names[] = {
        [TRIP_RUNNING] = "running", [TRIP_ARRIVED] = "arrived", [TRIP_LATE] = "late", [TRIP_JUNK] = "junk", [TRIP_TAKEN] = "ok",
        [TRIP_NOT_SENT] = "not-sent", [TRIP_NOT_ARRIVED] = "not-arrived", [TRIP_AUTOREPLY] = "autoreply", [TRIP_BOUNCED] = "bounced",
        [TRIP_NOT_FETCHED] = "failed", [TRIP_OWN_TROUBLE] = "unknown",
    };

    return names[kind];
}

struct story *
story_new(void)
{
    return calloc(1, sizeof(struct story));
}

int
story_take_route(struct story *s, const struct route *route)
{
    size_t         size = route->count * sizeof(*s->targets);
    struct target *targets = size == 0 ? NULL : malloc(size);

    if (size > 0 && targets == NULL)
        return MT_ENOMEM;
    if (size > 0)
        memcpy(targets, route->targets, size);
    free(s->targets);
    s->targets = targets;
    s->targets_count = route->count;
    s->by_mx = route->by_mx;
    slice_copy(s->no_route, sizeof(s->no_route), slice_of(route->reason));
    return MT_OK;
}

/* Attempts are large, and most trips make one: room is made as they come. */
struct attempt *
story_new_attempt(struct story *s)
{
    struct attempt *a;

    if (s->attempts_kept == s->attempts_room && s->attempts_room < ATTEMPTS_MAX) {
        unsigned        room = s->attempts_room == 0 ? 1 : s->attempts_room * 2;
        struct attempt *more = realloc(s->attempts, room * sizeof(*more));

        if (more == NULL)
            return NULL;
        s->attempts = more;
        s->attempts_room = room;
    }
    s->attempts_made++;
    if (s->attempts_kept < ATTEMPTS_MAX)
        s->attempts_kept++;
    a = &s->attempts[s->attempts_kept - 1];
    *a = (struct attempt){ .at_us = 0 };
    return a;
}

void
story_free(struct story *s)
{
    if (s == NULL)
        return;
    json_decref(s->answer);
    free(s->attempts);
    free(s->targets);
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

bool
story_was_deferred(const struct story *s)
{
    for (unsigned i = 0; i < s->attempts_kept; i++)
        if (s->attempts[i].result.code / 100 == 4)
            return true;
    return s->deferred;
}

const char *
story_target_text(const struct target *t, char out[TARGET_TEXT_BYTES])
{
    if (t->address[0] == '\0')
        snprintf(out, TARGET_TEXT_BYTES, "%s", t->host);       /* the program that was run */
    else if (strcmp(t->host, t->address) == 0)
        snprintf(out, TARGET_TEXT_BYTES, strchr(t->address, ':') != NULL ? "[%s]" : "%s", t->address);
    else
        snprintf(out, TARGET_TEXT_BYTES, "%s[%s]", t->host, t->address);
    return out;
}

const char *
story_server_text(const struct target *t, char out[SERVER_TEXT_BYTES])
{
    size_t len = strlen(story_target_text(t, out));

    if (t->port != 0)
        snprintf(out + len, SERVER_TEXT_BYTES - len, ":%u", t->port);
    return out;
}

static void
put_targets(struct buf *out, const struct target *targets, unsigned count, bool by_mx)
{
    for (unsigned i = 0; i < count; i++) {
        char text[TARGET_TEXT_BYTES];

        buf_append_string(out, i > 0 ? ", " : "");
        if (by_mx)
            buf_printf(out, "%u ", targets[i].preference);
        buf_append_string(out, story_target_text(&targets[i], text));
    }
}

void
story_put_route(struct buf *out, const struct route *route)
{
    put_targets(out, route->targets, route->count, route->by_mx);
    buf_append_string(out, route->reason);
}

void
story_put_targets(struct buf *out, const struct story *s)
{
    put_targets(out, s->targets, s->targets_count, s->by_mx);
    buf_append_string(out, s->no_route);
}

bool
story_has_arrived(const struct story *s)
{
    return s->verdict == TRIP_ARRIVED || s->verdict == TRIP_LATE || s->verdict == TRIP_JUNK;
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
