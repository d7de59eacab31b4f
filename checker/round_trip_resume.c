/* The half of round_trip that outlives a restart of the checker. */
#include "checker/round_trip_parts.h"

#include "checker/clock.h"
#include "checker/trip_record.h"
#include "lib/error.h"

#include <stdio.h>

enum { RESUME_PAUSE_MAX_MS = 10000 };   /* before a mail is sent once more that may be on its way */

/* ---- Saving ------------------------------------------------------------------------------------------------------- */

static void
record_target(struct trip_record *r, const struct story *s)
{
    const struct attempt *a = story_attempt(s);

    if (a == NULL)
        return;
    r->target = a->target;
    r->code = (uint16_t)a->result.code;
}

void
round_trip_save(const struct round_trip *t, struct buf *out)
{
    const struct story              *s = t->story;
    const struct conclusion_sending  sending = trip_sending(t);
    struct trip_record               r = {
        .started_us = s->started_wall_us, .minted_us = s->minted_us, .mint_took_us = s->mint_took_us, .send_at_us = s->send_at_us,
        .sent_us = s->sent_us, .lookup_at_us = s->lookup_at_us, .lookup_took_us = s->lookup_took_us, .begun = t->phase != TRIP_BEGINNING,
        .sent = s->sent, .maybe_taken = sending.maybe_taken, .deferred = story_was_deferred(s), .looked_up = s->looked_up,
        .sending = t->dispatch != NULL && dispatch_is_sending(t->dispatch), .attempts_made = s->attempts_made,
    };

    if (t->phase == TRIP_ENDED)
        return;
    slice_copy(r.check, sizeof(r.check), slice_of(t->plan->label));
    slice_copy(r.token, sizeof(r.token), slice_of(s->token));
    slice_copy(r.address, sizeof(r.address), slice_of(s->address));
    slice_copy(r.from, sizeof(r.from), slice_of(s->from));
    slice_copy(r.fault, sizeof(r.fault), slice_of(sending.fault));
    record_target(&r, s);
    trip_record_write(out, &r);
}

int
round_trip_saved_name(struct slice saved, char name[CHECK_NAME_MAX + 1], uint64_t *started_us)
{
    struct trip_record r;
    int                rc = trip_record_read(saved, &r);

    if (rc != MT_OK)
        return rc;
    memcpy(name, r.check, sizeof(r.check));
    *started_us = r.started_us;
    return MT_OK;
}

/* ---- Taking up again ------------------------------------------------------------------------------------------------ */

/*
 * The story's clock goes on from where the wall clock says that it began. Where that was set back meanwhile, it goes on from the last moment
 * that is known.
 */
static void
wind_clock(struct round_trip *t, const struct trip_record *r)
{
    uint64_t now = wall_us(), elapsed = now > r->started_us ? now - r->started_us : 0;
    uint64_t least = r->sent_us > r->minted_us ? r->sent_us : r->minted_us;

    t->start_us = monotonic_us() - (elapsed > least ? elapsed : least);
}

/* What the attempts of before came to, as one. */
static int
restore_attempt(struct story *s, const struct trip_record *r)
{
    struct attempt *a;

    if (r->target.host[0] == '\0')
        return MT_OK;
    a = story_new_attempt(s);
    if (a == NULL)
        return MT_ENOMEM;
    a->at_us = s->send_at_us;
    a->took_us = r->sent ? r->sent_us - s->send_at_us : 0;
    a->target = r->target;
    a->result.accepted = r->sent;
    a->result.code = r->code;
    a->cut_short = r->sending;
    slice_copy(a->result.reason, sizeof(a->result.reason), slice_of(r->sent ? "" : r->fault));
    return MT_OK;
}

static int
restore(struct round_trip *t, const struct trip_record *r)
{
    struct story *s = t->story;

    s->started_wall_us = r->started_us;
    s->resumed = true;
    memcpy(s->token, r->token, sizeof(r->token));
    memcpy(s->address, r->address, sizeof(r->address));
    memcpy(s->from, r->from, sizeof(r->from));
    s->minted_us = r->minted_us;
    s->mint_took_us = r->mint_took_us;
    s->send_at_us = r->send_at_us;
    s->sent_us = r->sent && r->sent_us > r->send_at_us ? r->sent_us : r->send_at_us;
    s->lookup_at_us = r->lookup_at_us;
    s->lookup_took_us = r->lookup_took_us;
    s->looked_up = r->looked_up;
    s->sent = r->sent;
    s->deferred = r->deferred;
    t->saved_maybe_taken = r->maybe_taken || (r->sending && !r->sent);
    memcpy(t->saved_fault, r->fault, sizeof(r->fault));
    if (t->saved_fault[0] == '\0' && !r->sent)
        snprintf(t->saved_fault, sizeof(t->saved_fault), "the checker was restarted before a server had taken the mail");
    if (restore_attempt(s, r) != MT_OK)
        return MT_ENOMEM;
    s->attempts_made = r->attempts_made;
    return MT_OK;
}

static void
on_send_on(evutil_socket_t fd, short what, void *arg)
{
    struct round_trip *t = arg;

    (void)fd;
    (void)what;
    if (t->phase == TRIP_UNDER_WAY && t->story->verdict == TRIP_RUNNING && trip_start_sending(t) != MT_OK)
        round_trip_interrupt(t, "out of memory");
}

/* A pause before sending on; where no time is left for that, nothing is sent. */
static int
send_later(struct round_trip *t)
{
    uint32_t       pause_ms = t->plan->retry_gap_ms < RESUME_PAUSE_MAX_MS ? t->plan->retry_gap_ms : RESUME_PAUSE_MAX_MS;
    struct timeval after;

    if (t->story->attempts_made == 0)
        pause_ms = 0;
    if (trip_now_us(t) + (uint64_t)pause_ms * 1000 >= conclusion_window_end_us(t->story, t->plan))
        return MT_OK;
    after = (struct timeval){ .tv_sec = pause_ms / 1000, .tv_usec = pause_ms % 1000 * 1000 };
    event_free(t->begin);
    t->begin = evtimer_new(t->tools.base, on_send_on, t);
    return t->begin == NULL || event_add(t->begin, &after) != 0 ? MT_ENOMEM : MT_OK;
}

int
round_trip_resume(const struct round_trip_tools *tools, const struct plan *plan, struct slice saved, round_trip_done_fn *done, void *arg,
                  struct round_trip **out)
{
    struct trip_record r;
    struct round_trip *t;
    int                rc = trip_record_read(saved, &r);

    if (rc != MT_OK)
        return rc;
    if (!r.begun) {                 /* nothing had happened: it begins once more */
        *out = round_trip_start(tools, plan, done, arg);
        return *out == NULL ? MT_ENOMEM : MT_OK;
    }
    t = trip_new(tools, plan, done, arg);
    if (t == NULL)
        return MT_ENOMEM;
    wind_clock(t, &r);
    rc = restore(t, &r);
    if (rc == MT_OK && plan->send != SEND_NONE && !r.sent)
        rc = trip_compose(t) == MT_OK ? send_later(t) : MT_ENOMEM;
    if (rc == MT_OK)
        rc = trip_start_waiting(t);
    if (rc != MT_OK) {
        round_trip_free(t);
        return rc;
    }
    *out = t;
    return MT_OK;
}
