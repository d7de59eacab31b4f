/* The commands before the login: CAPA, STLS, USER, PASS, AUTH; and LANG and UTF8, which are allowed there, too. */

#include "imapd/imapd.h"
#include "imapd/pop3.h"

#include "lib/error.h"
#include "lib/log.h"

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
refuse_text(struct connection *c, const char *reply)
{
    struct pop3 *p = c->own;

    p->state = POP3_AUTHORIZATION;
    p->has_user = false;
    pop3_refuse(c, reply);
}

static void
refuse_login(struct connection *c, enum sasl_result why)
{
    static const char *const replies[] = {
        [SASL_REFUSED] = "[AUTH] wrong user or password",
        [SASL_DISABLED] = "[AUTH] this mailbox is disabled",
        [SASL_MALFORMED] = "[AUTH] the mechanism's message cannot be read",
        [SASL_UNREADABLE] = "[SYS/TEMP] logins cannot be checked at the moment",
        [SASL_BUSY] = "[SYS/TEMP] too many logins are being checked; try again",
        [SASL_PUT_OFF] = "[SYS/TEMP] too many logins from your address or with this name failed; try again later",
    };

    refuse_text(c, replies[why]);
}

static void
accept_login(struct connection *c, const struct login *login)
{
    struct pop3 *p = c->own;
    int          rc = maildrop_open(c->imapd->db, login->mailbox_id, slice_of(login->folder), &p->drop);

    if (rc != MT_OK) {
        log_info("s=%x event=maildrop-not-opened protocol=pop3 client=%s %s folder=\"%s\" reason=\"%s\"", c->number, c->client,
                 SESSION_NAMES(&c->session), login->folder[0] == '\0' ? "INBOX" : LOG_TEXT(slice_of(login->folder)), mt_strerror(rc));
        session_end(c);
        refuse_text(c, rc == MT_ENOTFOUND ? "[AUTH] there is no such folder; \"Unmatched\" is one"
                                          : "[SYS/TEMP] the mailbox cannot be read at the moment");
        return;
    }
    p->state = POP3_TRANSACTION;
    p->has_user = false;
    p->reads_only = login->reads_only;
    connection_limit(c, DEADLINE_IDLE);
    connection_sayf(c, "+OK %u messages (%llu octets)%s", p->drop.count, (unsigned long long)p->drop.bytes, p->reads_only ? ", to read only" : "");
}

static void
say_challenge(struct connection *c, struct slice challenge)
{
    char text[sodium_base64_ENCODED_LEN(SASL_MESSAGE_BYTES, BASE64)];

    ((struct pop3 *)c->own)->state = POP3_SASL;
    sodium_bin2base64(text, sizeof(text), (const unsigned char *)challenge.data, challenge.len, BASE64);
    buf_append_string(&c->out, "+ ");
    connection_say(c, text);
}

static const struct login_protocol login_answers = { say_challenge, accept_login, refuse_login };

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
pass(struct connection *c, const struct pop3_command *command)
{
    struct pop3 *p = c->own;

    if (p->has_user)
        login_take_both(c, &login_answers, slice_of(p->user), command->line, &p->trying);
    else
        pop3_refuse(c, "say USER first");
}

/* ---- AUTH ---------------------------------------------------------------------------------------------------------------- */

void
pop3_sasl_answer(struct connection *c, struct slice line)
{
    struct pop3  *p = c->own;
    unsigned char message[SASL_MESSAGE_BYTES];
    size_t        len;

    p->state = POP3_AUTHORIZATION;
    if (slice_equal(line, slice_of("*")) ||
        sodium_base642bin(message, sizeof(message), line.data, line.len, NULL, &len, NULL, BASE64) != 0) {
        login_try_free(p->trying);
        pop3_refuse(c, slice_equal(line, slice_of("*")) ? "cancelled" : "that is no base64");
        return;
    }
    login_take(p->trying, slice_make(message, len));
    sodium_memzero(message, sizeof(message));
}

static void
auth(struct connection *c, const struct pop3_command *command)
{
    struct pop3 *p = c->own;
    struct slice initial = command->count > 1 ? command->arguments[1] : slice_make("", 0);

    if (command->count == 0) {      /* as old clients ask what there is */
        connection_sayf(c, "+OK\r\n%s%s.", connection_is_secure(c) ? "SCRAM-SHA-256-PLUS\r\n" : "", login_is_allowed(c) ? "SCRAM-SHA-256\r\nPLAIN\r\n" : "");
        return;
    }
    if (!login_is_allowed(c)) {
        pop3_refuse(c, "[AUTH] logins are taken over TLS alone: say STLS first, or connect to the port for POP3 with TLS");
        return;
    }
    if (!login_begin(c, &login_answers, command->arguments[0], &p->trying)) {
        pop3_refuse(c, "[AUTH] that mechanism is not offered; CAPA lists those that are");
        return;
    }
    p->has_user = false;
    if (p->trying == NULL)
        return;
    if (initial.len == 0) {
        p->state = POP3_SASL;
        connection_say(c, "+ ");
    } else {
        pop3_sasl_answer(c, slice_equal(initial, slice_of("=")) ? slice_make("", 0) : initial);     /* "=": an empty one (RFC 5034 section 4) */
    }
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
