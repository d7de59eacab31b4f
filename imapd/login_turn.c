#include "imapd/login_turn.h"

#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/log.h"

enum { WAITS_MAX = 5 };

enum login_turn_answer
login_turn(struct connection *c, struct login_turn *t)
{
    t->pending = throttle_is_hot(&c->imapd->throttle, c->client, monotonic_ms());
    if (!t->pending) {
        t->waits = 0;
        return LOGIN_NOW;
    }
    if (t->waits++ < WAITS_MAX) {
        connection_pause(c);
        return LOGIN_LATER;
    }
    t->pending = false;
    t->waits = 0;
    return LOGIN_PUT_OFF;
}

bool
login_is_allowed(const struct connection *c)
{
    return connection_is_secure(c) || c->plain_login;
}

bool
login_may_start_tls(const struct connection *c)
{
    return c->imapd->tls != NULL && !connection_is_secure(c);
}

void
login_failed(struct connection *c, enum sasl_result result, const char *user, const char *reason)
{
    if (result == SASL_REFUSED)
        throttle_failed(&c->imapd->throttle, c->client, monotonic_ms());
    log_info("s=%x event=login-failed protocol=%s client=%s user=\"%s\" reason=\"%s\"", c->number, c->protocol->name, c->client,
             LOG_TEXT(slice_of(user)), reason);
}

void
login_passed(struct connection *c, const struct login *login)
{
    throttle_passed(&c->imapd->throttle, c->client);
    log_info("s=%x event=login protocol=%s client=%s mailbox=%s tls=%s", c->number, c->protocol->name, c->client, login->mailbox,
             connection_is_secure(c) ? "yes" : "no");
}

enum sasl_result
login_check(struct connection *c, struct slice user, struct slice secret, struct login *out)
{
    if (login_find(c->imapd->db, c->imapd->config, c->imapd->decoy_key, user, out) != MT_OK)
        return SASL_UNREADABLE;
    if (!login_matches(out, secret))
        return SASL_REFUSED;
    return out->enabled ? SASL_PASSED : SASL_DISABLED;
}

bool
login_begin_sasl(struct connection *c, struct sasl *s, struct slice mechanism)
{
    enum sasl_mechanism which = sasl_mechanism_of(mechanism);

    if (which == SASL_NONE || (which == SASL_SCRAM_PLUS && !connection_is_secure(c)))
        return false;
    sasl_begin(s, which, c->imapd->db, c->imapd->config, c->imapd->decoy_key, connection_is_secure(c) ? c->stream.ssl : NULL);
    return true;
}
