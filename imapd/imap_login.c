/* Commands of every state, and those before the login. */

#include "imapd/imap.h"
#include "imapd/imapd.h"

#include "lib/error.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

#define CAPABILITIES \
    "IMAP4rev1 SASL-IR LITERAL- ID ENABLE IDLE UNSELECT NAMESPACE CHILDREN SPECIAL-USE LIST-STATUS STATUS=SIZE UIDPLUS ESEARCH SEARCHRES " \
    "CONDSTORE WITHIN OBJECTID SAVEDATE MOVE QUOTA QUOTA=RES-STORAGE"

static const char *
login_capabilities(const struct connection *c)
{
    const struct imap *s = c->own;

    if (s->state != IMAP_CONNECTED)
        return "";
    if (connection_is_secure(c))
        return " AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN";
    if (login_is_allowed(c))
        return login_may_start_tls(c) ? " STARTTLS AUTH=SCRAM-SHA-256 AUTH=PLAIN" : " AUTH=SCRAM-SHA-256 AUTH=PLAIN";
    return login_may_start_tls(c) ? " STARTTLS LOGINDISABLED" : " LOGINDISABLED";
}

const char *
imap_capabilities(const struct connection *c, char text[IMAP_CAPABILITIES_BYTES])
{
    snprintf(text, IMAP_CAPABILITIES_BYTES, CAPABILITIES " APPENDLIMIT=%llu%s", (unsigned long long)c->imapd->config->smtp.message_max_bytes,
             login_capabilities(c));
    return text;
}

static void
capability(struct connection *c, struct imap_reader *r)
{
    char text[IMAP_CAPABILITIES_BYTES];

    if (imap_refuse_syntax(c, r))
        return;
    imap_say(c, "CAPABILITY %s", imap_capabilities(c, text));
    imap_answer(c, "OK", "CAPABILITY completed");
}

static void
noop(struct connection *c, struct imap_reader *r)
{
    if (!imap_refuse_syntax(c, r))
        imap_answer(c, "OK", "NOOP completed");
}

/* Everything is on the disk already. */
static void
check(struct connection *c, struct imap_reader *r)
{
    if (!imap_refuse_syntax(c, r))
        imap_answer(c, "OK", "CHECK completed");
}

static void
logout(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    imap_say(c, "BYE until next time");
    imap_answer(c, "OK", "LOGOUT completed");
    connection_end(c);
}

/* RFC 2971: what the client tells of itself is read, and forgotten. */
static void
id(struct connection *c, struct imap_reader *r)
{
    bool nil;

    imap_space(r);
    if (!imap_take(r, "NIL")) {
        if (!imap_take(r, "("))
            imap_fail(r, "a list, or NIL");
        while (imap_ok(r) && !imap_next_is(r, ')')) {
            imap_string(r);
            imap_space(r);
            imap_nstring(r, &nil);
            imap_take(r, " ");
        }
        if (!imap_take(r, ")"))
            imap_fail(r, "the end of the list");
    }
    if (imap_refuse_syntax(c, r))
        return;
    imap_say(c, "ID (\"name\" \"Mailtest\" \"version\" \"" MAILTEST_VERSION "\")");
    imap_answer(c, "OK", "ID completed");
}

static void
starttls(struct connection *c, struct imap_reader *r)
{
    if (imap_refuse_syntax(c, r))
        return;
    if (!login_may_start_tls(c)) {
        imap_answer(c, "BAD", connection_is_secure(c) ? "TLS is spoken already" : "TLS is not set up here");
        return;
    }
    imap_answer(c, "OK", "begin TLS now");
    connection_begin_tls(c);
}

/* ---- LOGIN and AUTHENTICATE ------------------------------------------------------------------------------------------------ */

static void
end_login(struct connection *c, enum sasl_result result, const struct login *login, const char *user)
{
    static const struct {
        const char *reason, *reply;
    } refusals[] = {
        [SASL_REFUSED] = { "wrong secret or no such mailbox", "[AUTHENTICATIONFAILED] wrong user or password" },
        [SASL_DISABLED] = { "disabled", "[CONTACTADMIN] this mailbox is disabled" },
        [SASL_MALFORMED] = { "malformed", "[AUTHENTICATIONFAILED] the mechanism's message cannot be read" },
        [SASL_UNREADABLE] = { "the database cannot be read", "[UNAVAILABLE] logins cannot be checked at the moment" },
    };
    struct imap *s = c->own;
    char         text[IMAP_CAPABILITIES_BYTES];

    if (result != SASL_PASSED) {
        login_failed(c, result, user, refusals[result].reason);
        imap_answer(c, "NO", "%s", refusals[result].reply);
        return;
    }
    login_passed(c, login);
    s->login = *login;
    s->state = IMAP_LOGGED_IN;
    connection_limit(c, DEADLINE_IDLE);
    imap_answer(c, "OK", "[CAPABILITY %s] logged in", imap_capabilities(c, text));
}

/* False: it is not its turn, or it was put off. */
static bool
has_turn(struct connection *c)
{
    struct imap           *s = c->own;
    enum login_turn_answer answer = login_turn(c, &s->turn);

    if (answer == LOGIN_PUT_OFF) {
        login_failed(c, SASL_UNREADABLE, "", "too many tries from this address");
        imap_answer(c, "NO", "[LIMIT] too many logins from your address failed; try again later");
    }
    return answer == LOGIN_NOW;
}

/* pending: user, NUL, secret. */
static void
check_login(struct connection *c)
{
    struct imap     *s = c->own;
    struct slice     both = buf_slice(&s->pending);
    size_t           len = slice_find(both, '\0');
    char             user[SASL_USER_BYTES + 1];
    struct login     login;
    enum sasl_result result;

    if (!has_turn(c))
        return;
    slice_copy(user, sizeof(user), slice_sub(both, 0, len < SASL_USER_BYTES ? len : SASL_USER_BYTES));
    result = login_check(c, slice_sub(both, 0, len), slice_sub(both, len + 1, both.len), &login);
    buf_wipe(&s->pending);
    end_login(c, result, &login, user);
    sodium_memzero(&login, sizeof(login));
}

static void
login(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;
    struct slice user, secret;

    imap_space(r);
    user = imap_astring(r);
    imap_space(r);
    secret = imap_astring(r);
    if (imap_refuse_syntax(c, r))
        return;
    if (!login_is_allowed(c)) {
        imap_answer(c, "NO", "[PRIVACYREQUIRED] passwords are taken over TLS alone: say STARTTLS first, or connect to the port for IMAP with TLS");
        return;
    }
    if (user.len == 0 || user.len > SASL_USER_BYTES || slice_find(user, '\0') != user.len) {
        imap_answer(c, "NO", "[AUTHENTICATIONFAILED] wrong user or password");
        return;
    }
    buf_wipe(&s->pending);
    buf_append_slice(&s->pending, user);
    buf_append_byte(&s->pending, '\0');
    buf_append_slice(&s->pending, secret);
    check_login(c);
}

static void
take_answer(struct connection *c, struct slice message)
{
    struct imap     *s = c->own;
    struct buf       challenge;
    enum sasl_result result;

    buf_init(&challenge, SASL_MESSAGE_BYTES);
    result = sasl_step(&s->sasl, message, &challenge);
    if (result == SASL_MORE) {
        char text[sodium_base64_ENCODED_LEN(SASL_MESSAGE_BYTES, BASE64)];

        s->wait = IMAP_WAIT_SASL;
        sodium_bin2base64(text, sizeof(text), (const unsigned char *)challenge.data, challenge.len, BASE64);
        buf_append_string(&c->out, "+ ");
        connection_say(c, text);
    } else {
        s->wait = IMAP_WAIT_COMMAND;
        end_login(c, result, &s->sasl.login, s->sasl.user);
        sasl_end(&s->sasl);
    }
    buf_fini(&challenge);
}

void
imap_sasl_answer(struct connection *c, struct slice line)
{
    struct imap  *s = c->own;
    unsigned char message[SASL_MESSAGE_BYTES];
    size_t        len;

    if (slice_equal(line, slice_of("*")) ||
        sodium_base642bin(message, sizeof(message), line.data, line.len, NULL, &len, NULL, BASE64) != 0) {
        s->wait = IMAP_WAIT_COMMAND;
        sasl_end(&s->sasl);
        imap_answer(c, "BAD", slice_equal(line, slice_of("*")) ? "cancelled" : "that is no base64");
        return;
    }
    take_answer(c, slice_make(message, len));
    sodium_memzero(message, sizeof(message));
}

/* pending: the initial answer in base64, "=" for an empty one; nothing where there is none. */
static void
begin_sasl(struct connection *c)
{
    struct imap *s = c->own;

    if (!has_turn(c))
        return;
    if (s->pending.len == 0) {
        s->wait = IMAP_WAIT_SASL;
        connection_say(c, "+ ");
    } else {
        imap_sasl_answer(c, slice_equal(buf_slice(&s->pending), slice_of("=")) ? slice_make("", 0) : buf_slice(&s->pending));
    }
    buf_wipe(&s->pending);
}

static void
authenticate(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;
    struct slice mechanism, initial = slice_make("", 0);

    imap_space(r);
    mechanism = imap_atom(r);
    if (imap_take(r, " ")) {
        initial = r->rest;
        r->rest.len = 0;
    }
    if (imap_refuse_syntax(c, r))
        return;
    if (!login_is_allowed(c)) {
        imap_answer(c, "NO", "[PRIVACYREQUIRED] logins are taken over TLS alone: say STARTTLS first, or connect to the port for IMAP with TLS");
        return;
    }
    if (!login_begin_sasl(c, &s->sasl, mechanism)) {
        imap_answer(c, "NO", "[CANNOT] that mechanism is not offered; CAPABILITY tells which are");
        return;
    }
    buf_wipe(&s->pending);
    buf_append_slice(&s->pending, initial);
    begin_sasl(c);
}

void
imap_login_go_on(struct connection *c)
{
    struct imap *s = c->own;

    connection_limit(c, DEADLINE_LOGIN);
    if (!s->turn.pending)
        return;
    if (s->sasl.mechanism == SASL_NONE)
        check_login(c);
    else
        begin_sasl(c);
}

/* RFC 5161: unknown names are passed over. */
static void
enable(struct connection *c, struct imap_reader *r)
{
    static const struct {
        const char *name;
        unsigned    enables;    /* enum imap_enabled bits */
    } extensions[] = {
        { "CONDSTORE", IMAP_CONDSTORE },
    };
    struct imap *s = c->own;
    unsigned     wanted = 0;

    do {
        struct slice word;

        imap_space(r);
        word = imap_atom(r);
        for (size_t i = 0; i < COUNT(extensions); i++)
            if (slice_equal_nocase(word, slice_of(extensions[i].name)))
                wanted |= extensions[i].enables;
    } while (imap_ok(r) && r->rest.len > 0);
    if (imap_refuse_syntax(c, r))
        return;
    s->enabled |= wanted;
    buf_append_string(&c->out, "* ENABLED");
    for (size_t i = 0; i < COUNT(extensions); i++)
        if ((wanted & extensions[i].enables) == extensions[i].enables)
            buf_printf(&c->out, " %s", extensions[i].name);
    buf_append_string(&c->out, "\r\n");
    imap_answer(c, "OK", "ENABLE completed");
}

static void
idle(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;

    if (imap_refuse_syntax(c, r))
        return;
    connection_say(c, "+ idling");
    imap_tell(c, true);
    s->wait = IMAP_WAIT_DONE;
}

const struct imap_verb imap_login_verbs[] = {
    { "CAPABILITY",   IMAP_ANY_STATE,                  false, capability   },
    { "NOOP",         IMAP_ANY_STATE,                  false, noop         },
    { "CHECK",        IMAP_SELECTED,                   false, check        },
    { "LOGOUT",       IMAP_ANY_STATE,                  false, logout       },
    { "ID",           IMAP_ANY_STATE,                  false, id           },
    { "STARTTLS",     IMAP_CONNECTED,                  false, starttls     },
    { "LOGIN",        IMAP_CONNECTED,                  false, login        },
    { "AUTHENTICATE", IMAP_CONNECTED,                  false, authenticate },
    { "ENABLE",       IMAP_LOGGED_IN | IMAP_SELECTED,  false, enable       },
    { "IDLE",         IMAP_LOGGED_IN | IMAP_SELECTED,  false, idle         },
    { NULL,           0,                               false, NULL         },
};
