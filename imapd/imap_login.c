/* Commands of every state, and those before the login. */

#include "imapd/imap.h"
#include "imapd/imapd.h"

#include "lib/error.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

#define CAPABILITIES \
    "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL- ID ENABLE IDLE UNSELECT NAMESPACE CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS " \
    "STATUS=SIZE UIDPLUS ESEARCH SEARCHRES SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES " \
    "CONDSTORE QRESYNC WITHIN OBJECTID SAVEDATE PREVIEW BINARY MOVE " \
    "UTF8=ACCEPT QUOTA QUOTA=RES-STORAGE MULTIAPPEND"

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
    snprintf(text, IMAP_CAPABILITIES_BYTES, CAPABILITIES " APPENDLIMIT=%llu%s%s", (unsigned long long)c->imapd->config->smtp.message_max_bytes,
             imap_may_compress(c) ? " COMPRESS=DEFLATE" : "", login_capabilities(c));
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
say_challenge(struct connection *c, struct slice message)
{
    struct imap *s = c->own;
    char         text[sodium_base64_ENCODED_LEN(SASL_MESSAGE_BYTES, BASE64)];

    s->wait = IMAP_WAIT_SASL;
    sodium_bin2base64(text, sizeof(text), (const unsigned char *)message.data, message.len, BASE64);
    buf_append_string(&c->out, "+ ");
    connection_say(c, text);
}

static void
accept_login(struct connection *c, const struct login *login)
{
    struct imap *s = c->own;
    char         text[IMAP_CAPABILITIES_BYTES];

    s->wait = IMAP_WAIT_COMMAND;
    s->login = *login;
    sodium_memzero(&s->login.credentials, sizeof(s->login.credentials));
    s->state = IMAP_LOGGED_IN;
    connection_limit(c, DEADLINE_IDLE);
    imap_answer(c, "OK", "[CAPABILITY %s] logged in%s", imap_capabilities(c, text), login->reads_only ? ", to read only" : "");
}

static void
refuse_login(struct connection *c, enum sasl_result why)
{
    static const char *const replies[] = {
        [SASL_REFUSED] = "[AUTHENTICATIONFAILED] wrong user or password",
        [SASL_DISABLED] = "[CONTACTADMIN] this mailbox is disabled",
        [SASL_MALFORMED] = "[AUTHENTICATIONFAILED] the mechanism's message cannot be read",
        [SASL_UNREADABLE] = "[UNAVAILABLE] logins cannot be checked at the moment",
        [SASL_BUSY] = "[UNAVAILABLE] too many logins are being checked; try again",
        [SASL_PUT_OFF] = "[LIMIT] too many logins from your address or with this name failed; try again later",
    };

    ((struct imap *)c->own)->wait = IMAP_WAIT_COMMAND;
    imap_answer(c, "NO", "%s", replies[why]);
}

static const struct login_protocol login_answers = { say_challenge, accept_login, refuse_login };

static void
login(struct connection *c, struct imap_reader *r)
{
    struct imap *s = c->own;
    struct slice user, secret;

    imap_space(r);
    user = imap_list_mailbox(r);    /* an astring; some clients send "acme*checker" without quotes */
    imap_space(r);
    secret = imap_astring(r);
    if (imap_refuse_syntax(c, r))
        return;
    if (!login_is_allowed(c))
        imap_answer(c, "NO", "[PRIVACYREQUIRED] passwords are taken over TLS alone: say STARTTLS first, or connect to the port for IMAP with TLS");
    else if (user.len == 0 || user.len > LOGIN_NAME_BYTES || slice_find(user, '\0') != user.len)
        imap_answer(c, "NO", "[AUTHENTICATIONFAILED] wrong user or password");
    else
        login_take_both(c, &login_answers, user, secret, &s->trying);
}

void
imap_sasl_answer(struct connection *c, struct slice line)
{
    struct imap  *s = c->own;
    unsigned char message[SASL_MESSAGE_BYTES];
    size_t        len;

    s->wait = IMAP_WAIT_COMMAND;
    if (slice_equal(line, slice_of("*")) ||
        sodium_base642bin(message, sizeof(message), line.data, line.len, NULL, &len, NULL, BASE64) != 0) {
        login_try_free(s->trying);
        imap_answer(c, "BAD", slice_equal(line, slice_of("*")) ? "cancelled" : "that is no base64");
        return;
    }
    login_take(s->trying, slice_make(message, len));
    sodium_memzero(message, sizeof(message));
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
    if (!login_begin(c, &login_answers, mechanism, &s->trying)) {
        imap_answer(c, "NO", "[CANNOT] that mechanism is not offered; CAPABILITY tells which are");
        return;
    }
    if (s->trying == NULL)
        return;
    if (initial.len == 0) {
        s->wait = IMAP_WAIT_SASL;
        connection_say(c, "+ ");
    } else {
        imap_sasl_answer(c, slice_equal(initial, slice_of("=")) ? slice_make("", 0) : initial);     /* "=": an empty one (RFC 4959) */
    }
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
        { "QRESYNC", IMAP_QRESYNC | IMAP_CONDSTORE },
        { "IMAP4rev2", IMAP_REV2 },
        { "UTF8=ACCEPT", IMAP_UTF8 },
    };
    struct imap *s = c->own;
    unsigned     wanted = 0, named = 0;     /* named: a bit for each row of the table */

    do {
        struct slice word;

        imap_space(r);
        word = imap_atom(r);
        for (size_t i = 0; i < COUNT(extensions); i++)
            if (slice_equal_nocase(word, slice_of(extensions[i].name))) {
                wanted |= extensions[i].enables;
                named |= 1u << i;
            }
    } while (imap_ok(r) && r->rest.len > 0);
    if (imap_refuse_syntax(c, r))
        return;
    s->enabled |= wanted;
    buf_append_string(&c->out, "* ENABLED");
    for (size_t i = 0; i < COUNT(extensions); i++)
        if ((named & 1u << i) != 0)
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
