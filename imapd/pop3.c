#include "imapd/pop3.h"

#include "imapd/imapd.h"

#include "lib/error.h"
#include "lib/foreign.h"
#include "lib/log.h"
#include "lib/metrics.h"

#include <sodium.h>
#include <stdlib.h>

void
pop3_refuse(struct connection *c, const char *text)
{
    struct pop3 *p = c->own;

    connection_sayf(c, "-ERR %s", text);
    if (++p->errors < c->imapd->config->access.errors_max)
        return;
    session_too_many_errors(c);
    connection_end(c);
}

static const struct pop3_verb *
find_verb(const struct pop3_verb *verbs, struct slice keyword)
{
    for (; verbs->keyword != NULL; verbs++)
        if (slice_equal_nocase(keyword, slice_of(verbs->keyword)))
            return verbs;
    return NULL;
}

/* What follows may be of a hostile page's choice. */
static void
end_foreign(struct connection *c, struct slice word)
{
    log_info("s=%x event=foreign-protocol client=%s word=\"%s\"", c->number, c->client, LOG_TEXT(word));
    connection_say(c, "-ERR [SYS/PERM] this is a mail server, and that is HTTP");
    connection_end(c);
}

static void
handle(struct connection *c, struct slice line)
{
    struct pop3            *p = c->own;
    struct pop3_command     command;
    const struct pop3_verb *verb;
    uint32_t                errors = p->errors;

    if (p->state == POP3_AUTHORIZATION && foreign_word(slice_sub(line, 0, slice_find(line, ' ')))) {
        end_foreign(c, slice_sub(line, 0, slice_find(line, ' ')));
        return;
    }
    if (!pop3_command_parse(line, &command)) {
        pop3_refuse(c, "[SYS/PERM] a command is a word, and what belongs to it behind a space");
        return;
    }
    if ((verb = find_verb(pop3_login_verbs, command.keyword)) == NULL && (verb = find_verb(pop3_mail_verbs, command.keyword)) == NULL)
        pop3_refuse(c, "unknown command; CAPA lists what there is");
    else if ((verb->in & p->state) == 0)
        pop3_refuse(c, p->state == POP3_AUTHORIZATION ? "log in first" : "you are logged in already");
    else if (verb->most == POP3_WHOLE_LINE ? command.line.len == 0 : command.count < verb->least || command.count > verb->most)
        pop3_refuse(c, "wrong number of arguments");
    else
        verb->handle(c, &command);
    if (p->errors == errors && p->trying == NULL)
        p->errors = 0;
}

static bool
step(struct connection *c, struct slice *in)
{
    struct pop3 *p = c->own;
    struct slice line;
    int          rc = pop3_line(in, &line);

    if (rc == MT_ESIZE) {
        connection_sayf(c, "-ERR a line may have %u octets", POP3_LINE_BYTES);
        connection_end(c);
    }
    if (rc != MT_OK)
        return false;
    if (p->state == POP3_TRANSACTION)
        connection_limit(c, DEADLINE_IDLE);
    if (p->state == POP3_SASL)
        pop3_sasl_answer(c, line);
    else
        handle(c, line);
    return true;
}

static int
open_session(struct connection *c)
{
    struct pop3 *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return MT_ENOMEM;
    p->state = POP3_AUTHORIZATION;
    c->own = p;
    metric_add(METRIC_POP3_SESSIONS_TOTAL, 1);
    return MT_OK;
}

static void
greet(struct connection *c)
{
    connection_sayf(c, "+OK %s POP3 server ready", c->imapd->config->hostname);
}

/* RFC 2595 section 4: what the client said before does not count any more. */
static void
secured(struct connection *c)
{
    struct pop3 *p = c->own;

    p->has_user = false;
}

/* An end without QUIT deletes nothing (RFC 1939 section 3). */
static void
expired(struct connection *c, enum deadline_kind kind)
{
    log_info("s=%x event=timeout client=%s limit=\"%s\"", c->number, c->client, kind == DEADLINE_LOGIN ? "login" : "a command");
    connection_say(c, "-ERR [SYS/TEMP] nothing was heard for too long; nothing was deleted");
    connection_end(c);
}

static void
stop(struct connection *c)
{
    connection_say(c, c->revoked ? "-ERR [AUTH] this login holds no longer; nothing was deleted"
                                 : "-ERR [SYS/TEMP] the service is stopping; nothing was deleted");
    connection_end(c);
}

static void
free_session(struct connection *c)
{
    struct pop3 *p = c->own;

    maildrop_free(&p->drop);
    login_try_free(p->trying);
    sodium_memzero(p, sizeof(*p));
    free(p);
}

const struct protocol pop3_protocol = {
    .name    = "pop3",
    .logins  = METRIC_POP3_LOGINS_TOTAL,
    .login_failures = METRIC_POP3_LOGIN_FAILURES_TOTAL,
    .open    = open_session,
    .greet   = greet,
    .step    = step,
    .produce = pop3_produce,
    .secured = secured,
    .expired = expired,
    .stop    = stop,
    .free    = free_session,
};
