/* The commands before the login: CAPA, STLS, USER, PASS, AUTH; and LANG and UTF8, which are allowed there, too. */

#include "imapd/imapd.h"
#include "imapd/pop3.h"

#include "lib/error.h"

#include <sodium.h>

#define BASE64 sodium_base64_VARIANT_ORIGINAL

static void
capa(struct connection *c, const struct pop3_command *command)
{
    (void)command;
    connection_say(c, "+OK");
    connection_say(c, "TOP");
    connection_say(c, "UIDL");
    connection_say(c, "RESP-CODES");
    connection_say(c, "AUTH-RESP-CODE");
    connection_say(c, "PIPELINING");
    connection_sayf(c, "EXPIRE %u", c->imapd->config->retention.inbox_days);
    connection_say(c, "LOGIN-DELAY 0");
    connection_say(c, "UTF8 USER");
    connection_say(c, "LANG");
    if (login_may_start_tls(c))
        connection_say(c, "STLS");
    if (login_is_allowed(c)) {
        connection_say(c, "USER");
        connection_say(c, connection_is_secure(c) ? "SASL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN" : "SASL SCRAM-SHA-256 PLAIN");
    }
    connection_say(c, "IMPLEMENTATION Mailtest");
    connection_say(c, ".");
}

static void
stls(struct connection *c, const struct pop3_command *command)
{
    (void)command;
    if (!login_may_start_tls(c)) {
        pop3_refuse(c, connection_is_secure(c) ? "TLS is spoken already" : "TLS is not set up here");
        return;
    }
    connection_say(c, "+OK begin TLS now");
    connection_begin_tls(c);
}

/* ---- The end of each way to log in -------------------------------------------------------------------------------------- */

static void
refuse_login(struct connection *c, enum sasl_result result, const char *user, const char *reason, const char *reply)
{
    struct pop3 *p = c->own;

    login_failed(c, result, user, reason);
    p->state = POP3_AUTHORIZATION;
    p->has_user = false;
    pop3_refuse(c, reply);
}

static void
accept_login(struct connection *c, const struct login *login)
{
    struct pop3 *p = c->own;
    int          rc = maildrop_open(c->imapd->db, login->mailbox_id, slice_of(login->folder), &p->drop);

    if (rc == MT_ENOTFOUND) {
        refuse_login(c, SASL_PASSED, login->mailbox, "no such folder", "[AUTH] there is no such folder; \"Unmatched\" is one");
        return;
    }
    if (rc != MT_OK) {
        refuse_login(c, SASL_PASSED, login->mailbox, mt_strerror(rc), "[SYS/TEMP] the mailbox cannot be read at the moment");
        return;
    }
    login_passed(c, login);
    p->state = POP3_TRANSACTION;
    connection_limit(c, DEADLINE_IDLE);
    connection_sayf(c, "+OK %u messages (%llu octets)", p->drop.count, (unsigned long long)p->drop.bytes);
}

static void
end_login(struct connection *c, enum sasl_result result, const struct login *login, const char *user)
{
    static const struct {
        const char *reason, *reply;
    } refusals[] = {
        [SASL_REFUSED] = { "wrong secret or no such mailbox", "[AUTH] wrong user or password" },
        [SASL_DISABLED] = { "disabled", "[AUTH] this mailbox is disabled" },
        [SASL_MALFORMED] = { "malformed", "[AUTH] the mechanism's message cannot be read" },
        [SASL_UNREADABLE] = { "the database cannot be read", "[SYS/TEMP] logins cannot be checked at the moment" },
    };

    if (result == SASL_PASSED)
        accept_login(c, login);
    else
        refuse_login(c, result, user, refusals[result].reason, refusals[result].reply);
}

/* False: it is not its turn, or it was put off. */
static bool
has_turn(struct connection *c)
{
    struct pop3           *p = c->own;
    enum login_turn_answer answer = login_turn(c, &p->turn);

    if (answer == LOGIN_PUT_OFF)
        refuse_login(c, SASL_UNREADABLE, p->user, "too many tries from this address",
                     "[SYS/TEMP] too many logins from your address failed; try again later");
    return answer == LOGIN_NOW;
}

/* ---- USER and PASS ------------------------------------------------------------------------------------------------------ */

static void
user(struct connection *c, const struct pop3_command *command)
{
    struct pop3 *p = c->own;

    if (!login_is_allowed(c)) {
        pop3_refuse(c, "[AUTH] passwords are taken over TLS alone: say STLS first, or connect to the port for POP3 with TLS");
        return;
    }
    p->has_user = slice_copy(p->user, sizeof(p->user), command->line);
    if (p->has_user)
        connection_say(c, "+OK and the password?");
    else
        pop3_refuse(c, "[AUTH] no mailbox has so long a name");
}

static void
check_pass(struct connection *c)
{
    struct pop3     *p = c->own;
    struct login     login;
    enum sasl_result result;

    if (!has_turn(c))
        return;
    result = login_check(c, slice_of(p->user), slice_of(p->secret), &login);
    sodium_memzero(p->secret, sizeof(p->secret));
    p->has_user = false;
    end_login(c, result, &login, p->user);
    sodium_memzero(&login, sizeof(login));
}

static void
pass(struct connection *c, const struct pop3_command *command)
{
    struct pop3 *p = c->own;

    if (!p->has_user) {
        pop3_refuse(c, "say USER first");
        return;
    }
    slice_copy(p->secret, sizeof(p->secret), command->line);
    check_pass(c);
}

/* ---- AUTH ---------------------------------------------------------------------------------------------------------------- */

static void
say_challenge(struct connection *c, struct slice challenge)
{
    char text[sodium_base64_ENCODED_LEN(SASL_MESSAGE_BYTES, BASE64)];

    sodium_bin2base64(text, sizeof(text), (const unsigned char *)challenge.data, challenge.len, BASE64);
    buf_append_string(&c->out, "+ ");
    connection_say(c, text);
}

static void
take_answer(struct connection *c, struct slice message)
{
    struct pop3     *p = c->own;
    struct buf       challenge;
    enum sasl_result result;

    buf_init(&challenge, SASL_MESSAGE_BYTES);
    result = sasl_step(&p->sasl, message, &challenge);
    if (result == SASL_MORE) {
        p->state = POP3_SASL;
        say_challenge(c, buf_slice(&challenge));
    } else {
        p->state = POP3_AUTHORIZATION;
        end_login(c, result, &p->sasl.login, p->sasl.user);
        sasl_end(&p->sasl);
    }
    buf_fini(&challenge);
}

void
pop3_sasl_answer(struct connection *c, struct slice line)
{
    struct pop3  *p = c->own;
    unsigned char message[SASL_MESSAGE_BYTES];
    size_t        len;

    if (slice_equal(line, slice_of("*")) ||
        sodium_base642bin(message, sizeof(message), line.data, line.len, NULL, &len, NULL, BASE64) != 0) {
        p->state = POP3_AUTHORIZATION;
        sasl_end(&p->sasl);
        pop3_refuse(c, slice_equal(line, slice_of("*")) ? "cancelled" : "that is no base64");
        return;
    }
    take_answer(c, slice_make(message, len));
    sodium_memzero(message, sizeof(message));
}

static void
begin_sasl(struct connection *c)
{
    struct pop3 *p = c->own;

    if (!has_turn(c))
        return;
    if (p->secret[0] == '\0') {
        p->state = POP3_SASL;
        connection_say(c, "+ ");
    } else {
        pop3_sasl_answer(c, slice_of(strcmp(p->secret, "=") == 0 ? "" : p->secret));    /* "=": an empty one (RFC 5034 section 4) */
    }
    sodium_memzero(p->secret, sizeof(p->secret));
}

static void
auth(struct connection *c, const struct pop3_command *command)
{
    struct pop3 *p = c->own;

    if (command->count == 0) {      /* as old clients ask what there is */
        connection_sayf(c, "+OK\r\n%sSCRAM-SHA-256\r\nPLAIN\r\n.", connection_is_secure(c) ? "SCRAM-SHA-256-PLUS\r\n" : "");
        return;
    }
    if (!login_is_allowed(c)) {
        pop3_refuse(c, "[AUTH] logins are taken over TLS alone: say STLS first, or connect to the port for POP3 with TLS");
        return;
    }
    if (!login_begin_sasl(c, &p->sasl, command->arguments[0])) {
        pop3_refuse(c, "[AUTH] that mechanism is not offered; CAPA lists those that are");
        return;
    }
    p->user[0] = '\0';
    p->has_user = false;
    slice_copy(p->secret, sizeof(p->secret), command->count > 1 ? command->arguments[1] : slice_make("", 0));
    begin_sasl(c);
}

void
pop3_login_go_on(struct connection *c)
{
    struct pop3 *p = c->own;

    connection_limit(c, DEADLINE_LOGIN);
    if (!p->turn.pending)
        return;
    if (p->has_user)
        check_pass(c);
    else
        begin_sasl(c);
}

/* ---- The rest ------------------------------------------------------------------------------------------------------------- */

/* RFC 6856 section 2: what is sent is UTF-8 where the mail is; nothing is changed by it. */
static void
utf8(struct connection *c, const struct pop3_command *command)
{
    (void)command;
    connection_say(c, "+OK UTF-8 it is");
}

/* RFC 6856 section 3: English is all there is. */
static void
lang(struct connection *c, const struct pop3_command *command)
{
    if (command->count == 0)
        connection_say(c, "+OK\r\nen English\r\n.");
    else if (slice_equal(command->arguments[0], slice_of("*")) || slice_starts_nocase(command->arguments[0], "en"))
        connection_say(c, "+OK en");
    else
        pop3_refuse(c, "[SYS/PERM] only English is spoken here");
}

const struct pop3_verb pop3_login_verbs[] = {
    { "CAPA", POP3_AUTHORIZATION | POP3_TRANSACTION, 0, 0,                capa },
    { "STLS", POP3_AUTHORIZATION,                    0, 0,                stls },
    { "USER", POP3_AUTHORIZATION,                    1, POP3_WHOLE_LINE,  user },
    { "PASS", POP3_AUTHORIZATION,                    1, POP3_WHOLE_LINE,  pass },
    { "AUTH", POP3_AUTHORIZATION,                    0, 2,                auth },
    { "UTF8", POP3_AUTHORIZATION,                    0, 0,                utf8 },
    { "LANG", POP3_AUTHORIZATION | POP3_TRANSACTION, 0, 1,                lang },
    { NULL,   0,                                     0, 0,                NULL },
};
