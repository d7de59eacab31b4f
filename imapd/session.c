#include "imapd/session.h"

#include "imapd/imapd.h"
#include "imapd/login.h"

#include "lib/error.h"
#include "lib/log.h"

#include <sodium.h>
#include <stdio.h>

const char *
session_names(struct session_names *names, const struct session *s)
{
    names->chars[0] = '\0';
    if (s->mailbox[0] != '\0')
        snprintf(names->chars, sizeof(names->chars), "mailbox=%s%s%s", s->mailbox, s->agent[0] == '\0' ? "" : " agent=", s->agent);
    return names->chars;
}

void
session_begin(struct connection *c, const struct login *login)
{
    struct session *s = &c->session;

    s->logged_in = true;
    s->mailbox_id = login->mailbox_id;
    s->began_ms = monotonic_ms();
    memcpy(s->salt, login->credentials.salt, sizeof(s->salt));
    memcpy(s->mailbox, login->mailbox, sizeof(s->mailbox));
    memcpy(s->agent, login->agent, sizeof(s->agent));
    log_info("s=%x event=login protocol=%s client=%s %s tls=%s", c->number, c->protocol->name, c->client, SESSION_NAMES(s),
             connection_is_secure(c) ? "yes" : "no");
}

void
session_too_many_errors(struct connection *c)
{
    const struct limit_session session = { c->number, c->client, c->protocol->name, SESSION_NAMES(&c->session) };

    limits_reached_in_session(c->imapd->clients, &c->limit, &session, LIMIT_ERRORS);
}

void
session_end(struct connection *c)
{
    struct session *s = &c->session;

    if (s->logged_in)
        log_info("s=%x event=session-end protocol=%s client=%s %s seconds=%llu fetched=%llu removed=%llu", c->number, c->protocol->name, c->client,
                 SESSION_NAMES(s), (unsigned long long)(monotonic_ms() - s->began_ms) / 1000, (unsigned long long)s->fetched,
                 (unsigned long long)s->removed);
    else
        log_debug("s=%x event=session-end protocol=%s client=%s", c->number, c->protocol->name, c->client);
    s->logged_in = false;
}

void
session_removed(const struct connection *c, const char *event, struct slice folder, uint64_t messages)
{
    log_info("s=%x event=%s protocol=%s client=%s %s folder=\"%s\" messages=%llu", c->number, event, c->protocol->name, c->client,
             SESSION_NAMES(&c->session), LOG_TEXT(folder), (unsigned long long)messages);
}

void
session_removed_from(const struct connection *c, const char *event, uint32_t folder_id, uint64_t messages)
{
    struct folder_record folder;
    struct db_view       view;
    bool                 reads = db_view_begin(c->imapd->db, &view) == MT_OK;
    bool                 found = reads && db_folder(&view, c->session.mailbox_id, folder_id, &folder) == MT_OK;

    session_removed(c, event, found ? folder.name : slice_of(""), messages);
    if (reads)
        db_view_end(&view);
}

/* ---- Whether a login still holds ---------------------------------------------------------------------------------------------- */

static bool
is_right(const struct connection *c, uint32_t mailbox_id, const char *mailbox, const char *agent, const uint8_t salt[16])
{
    char         user[LOGIN_NAME_BYTES + 1];
    struct login now;
    bool         right;

    snprintf(user, sizeof(user), "%s%s%s", mailbox, agent[0] == '\0' ? "" : "*", agent);
    right = login_find(c->imapd->db, c->imapd->config, slice_of(user), slice_make("", 0), &now) != MT_OK ||
            (now.known && now.enabled && now.mailbox_id == mailbox_id && memcmp(now.credentials.salt, salt, sizeof(now.credentials.salt)) == 0);
    sodium_memzero(&now, sizeof(now));
    return right;
}

bool
session_login_holds(const struct connection *c, const struct login *l)
{
    return is_right(c, l->mailbox_id, l->mailbox, l->agent, l->credentials.salt);
}

bool
session_holds(const struct connection *c)
{
    const struct session *s = &c->session;

    return !s->logged_in || is_right(c, s->mailbox_id, s->mailbox, s->agent, s->salt);
}
