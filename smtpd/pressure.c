/*
 * pressure - what happens as sessions become many: from limits.pressed_percent of smtp.sessions_max on time limits are short, and where all
 * places are taken, the session that was idle or slow for longest gives way to a new one. Where messages under way take all the memory that
 * they may (smtp.in_flight_max_bytes), those of which nothing more comes have little time, until half of it is free. Where TLS handshakes are
 * too many, the one that has waited for its client for longest gives way to the next.
 */
#include "smtpd/smtpd.h"

#include "lib/log.h"

enum {
    IDLE_MS    = 300,       /* who has said something since then keeps its place: a round trip, so that some get through however many come */
    SLOW_MS    = 5000,      /* the same for one within a message */
    RELIEF     = 10,        /* pressure ends this many percent below where it began */
};

static uint32_t
least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool
is_pressed(const struct smtpd *smtpd)
{
    uint64_t percent = smtpd->config->limits.pressed_percent;
    uint64_t at = smtpd->config->smtp.sessions_max * (smtpd->pressed && percent > RELIEF ? percent - RELIEF : percent);

    return (uint64_t)smtpd->session_count * 100 >= at;
}

static void
set_time_limits(struct smtpd *smtpd)
{
    const struct config *config = smtpd->config;
    uint32_t             most = smtpd->pressed ? config->smtp.pressed_timeout_ms : UINT32_MAX;
    uint32_t             command_ms = least(config->smtp.command_timeout_ms, most);
    uint32_t             message_ms = smtpd->crammed ? config->smtp.pressed_timeout_ms : most;

    deadlines_change(&smtpd->deadlines, DEADLINE_COMMAND, command_ms);
    deadlines_change(&smtpd->deadlines, DEADLINE_EARLY, least(command_ms, config->smtp.early_timeout_ms));
    deadlines_change(&smtpd->deadlines, DEADLINE_MESSAGE,
                     least(least(config->smtp.stalled_timeout_ms, config->smtp.message_timeout_ms), message_ms));
    deadlines_change(&smtpd->deadlines, DEADLINE_TLS, least(config->smtp.tls_timeout_ms, most));
}

void
pressure_changed(struct smtpd *smtpd)
{
    bool pressed = is_pressed(smtpd);

    if (pressed == smtpd->pressed && smtpd->deadlines.limit_ms[DEADLINE_COMMAND] != 0)
        return;
    if (pressed != smtpd->pressed)
        log_warning("event=%s sessions=%u", pressed ? "pressure" : "pressure-over", smtpd->session_count);
    smtpd->pressed = pressed;
    set_time_limits(smtpd);
}

void
pressure_of_messages(struct smtpd *smtpd)
{
    const struct flight *f = &smtpd->flight;
    bool                 crammed = f->bytes >= (smtpd->crammed ? f->max_bytes / 2 : f->max_bytes);

    if (crammed == smtpd->crammed)
        return;
    smtpd->crammed = crammed;
    set_time_limits(smtpd);
}

/* ---- A place for a new session ------------------------------------------------------------------------------------- */

static bool
is_unknown(const void *owner)
{
    const struct session *s = owner;

    return !limits_knows(s->smtpd->clients, &s->limit);
}

static bool
is_unknown_and_slow(const void *owner)
{
    return session_is_stalled(owner) && is_unknown(owner);
}

static bool
is_silent(const void *owner)
{
    return stream_is_silent(&((const struct session *)owner)->stream);
}

static bool
is_not_trusted(const void *owner)
{
    return !((const struct session *)owner)->limit.trusted;
}

bool
pressure_make_room(struct smtpd *smtpd, const struct limit_client *newcomer)
{
    const struct deadlines *d = &smtpd->deadlines;
    struct session         *s = deadlines_oldest(d, DEADLINE_CLOSING, 0, NULL);

    if (s == NULL)
        s = deadlines_oldest(d, DEADLINE_EARLY, IDLE_MS, is_unknown);
    if (s == NULL)
        s = deadlines_oldest(d, DEADLINE_TLS, IDLE_MS, is_unknown);
    if (s == NULL)
        s = deadlines_oldest(d, DEADLINE_COMMAND, IDLE_MS, is_unknown);
    if (s == NULL)
        s = deadlines_oldest(d, DEADLINE_MESSAGE, SLOW_MS, is_unknown_and_slow);
    if (s == NULL && limits_knows(smtpd->clients, newcomer))
        s = deadlines_oldest(d, DEADLINE_COMMAND, SLOW_MS, is_not_trusted);
    if (s == NULL)
        return false;
    limits_reached(smtpd->clients, &s->limit, s->client, LIMIT_SHED);
    session_shed(s);
    return true;
}

/* One that waits for us, and not we for it, keeps its place, unless they are twice too many. */
void
pressure_of_handshakes(struct smtpd *smtpd, const struct session *newcomer)
{
    unsigned        most = smtpd->config->tls.handshakes_max, count = smtpd->deadlines.count[DEADLINE_TLS];
    struct session *s;

    if (count <= most)
        return;
    s = deadlines_oldest(&smtpd->deadlines, DEADLINE_TLS, 0, count > 2 * most ? NULL : is_silent);
    if (s == NULL || s == newcomer)
        return;
    limits_reached(smtpd->clients, &s->limit, s->client, LIMIT_SHED);
    session_shed(s);
}
