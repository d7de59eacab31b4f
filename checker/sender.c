#include "checker/sender.h"

#include "checker/clock.h"
#include "checker/credential.h"
#include "checker/sasl_client.h"
#include "checker/secret_echo.h"
#include "checker/smtp_link.h"
#include "lib/buf.h"
#include "lib/display.h"
#include "lib/duration.h"
#include "lib/error.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define OUT_LIMIT_BYTES   (1024u * 1024)
#define IN_LIMIT_BYTES    (64u * 1024)      /* of one line of a reply */
#define READ_BYTES        4096u
#define END_TIMEOUT_MS    600000u           /* RFC 5321 section 4.5.3.2.6 */
#define QUIT_TIMEOUT_MS   3000u
#define REASON_CHARS      300u
#define COMMAND_BYTES     512u              /* RFC 5321 section 4.5.3.1.4: what does not fit is said as an answer (RFC 4954 section 4) */
#define SESSION_MAX_BYTES (1024u * 1024)    /* of replies, in all: a server that goes on and on must not hold up the others */

/*
 *   CONNECTING --on_link--> AUTH --> MAIL --> RCPT --> DATA --> END --> QUIT --> OVER      (each by take_reply)
 *                                              +-----> RSET ----------> QUIT               (SENDER_ASK)
 *
 * AUTH only where a login is wanted; SENDER_GREET goes from there to QUIT. What fails leads to QUIT where there is still somebody to say
 * it to, else to OVER.
 */
enum phase { CONNECTING, AUTH, MAIL, RCPT, RSET, DATA, END, QUIT, OVER };

struct sender {
    struct sender_task   task;
    struct sender_result result;
    enum phase           phase;
    sender_done_fn      *done;
    void                *arg;

    struct smtp_link    *link;
    struct event        *patience;      /* for the reply that is waited for */
    struct event        *limit;         /* for the whole attempt */
    struct event        *finished;
    struct buf           in, out;
    size_t               out_sent, received;

    char                *secret;        /* sodium_malloc; NULL: none */
    struct sasl_client  *sasl;
    struct buf           first;         /* the client's first message, where it was too long for the command and follows it */
    bool                 cancelled;     /* the login, by us: what the server says to that is no refusal of its own */
};

static void
sender_free(struct sender *s)
{
    struct event *events[] = { s->patience, s->limit, s->finished };

    for (size_t i = 0; i < COUNT(events); i++)
        if (events[i] != NULL)
            event_free(events[i]);
    smtp_link_close(s->link);
    sasl_client_free(s->sasl);
    sodium_free(s->secret);
    buf_fini(&s->in);
    buf_wipe(&s->out);
    buf_wipe(&s->first);
    free(s);
}

static void
arm(struct event *timer, uint32_t ms)
{
    struct timeval after = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(timer, &after);
}

/* ---- How it ends ------------------------------------------------------------------------------------------------ */

/* What a server says that knows the secret from an earlier session, before it is asked for it here. */
static void
hide_secret(const char *secret, struct sender_result *r)
{
    for (unsigned i = 0; i < r->steps.count; i++)
        if (secret_echo_is_in(secret, slice_of(r->steps.list[i].reply)))
            slice_copy(r->steps.list[i].reply, STEP_REPLY_BYTES, slice_of(SECRET_ECHO_SAID));
}

static void
finish(struct sender *s)
{
    if (s->phase == OVER)
        return;
    s->phase = OVER;
    s->result.deferred = s->result.code / 100 == 4;
    steps_stop(&s->result.steps, monotonic_us());
    event_active(s->finished, EV_TIMEOUT, 0);
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct sender *s = arg;

    (void)fd;
    (void)what;
    hide_secret(s->secret, &s->result);
    s->done(s->arg, &s->result);
    sender_free(s);
}

static void
set_reason(struct sender *s, const char *text)
{
    struct buf safe;

    if (s->result.accepted || s->result.reason[0] != '\0')
        return;
    buf_init(&safe, SENDER_REASON_BYTES * 4);
    display_text(&safe, slice_of(text), REASON_CHARS);
    slice_copy(s->result.reason, sizeof(s->result.reason), buf_slice(&safe));
    buf_fini(&safe);
}

/* The connection is of no use any more. */
static void
lose(struct sender *s, const char *reason)
{
    if (s->phase != QUIT)
        set_reason(s, reason);
    finish(s);
}

/* ---- What is said ------------------------------------------------------------------------------------------------ */

static void
write_out(struct sender *s)
{
    while (s->out_sent < s->out.len) {
        size_t sent = 0;
        int    rc = smtp_link_send(s->link, s->out.data + s->out_sent, s->out.len - s->out_sent, &sent);

        if (rc == MT_EAGAIN)
            return;
        if (rc != MT_OK) {
            lose(s, "the connection broke while sending");
            return;
        }
        s->out_sent += sent;
    }
    if (s->phase == END && s->out.len > 0)
        s->result.data_sent = true;
}

/* Says one command, with a path where one belongs to it, and waits for its reply. */
static void
say(struct sender *s, enum phase phase, uint32_t timeout_ms, const char *verb, const char *path)
{
    s->phase = phase;
    s->out_sent = 0;
    buf_clear(&s->out);
    buf_append_string(&s->out, verb);
    if (path != NULL)
        buf_printf(&s->out, "<%s>", path);
    steps_command(&s->result.steps, monotonic_us(), buf_slice(&s->out));
    buf_append_string(&s->out, "\r\n");
    arm(s->patience, timeout_ms);
    write_out(s);
}

/* The message with its dots doubled (RFC 5321 section 4.5.2), and the end of the data. */
static void
say_message(struct sender *s)
{
    struct slice rest = s->task.message;

    s->phase = END;
    s->out_sent = 0;
    buf_clear(&s->out);
    while (rest.len > 0) {
        size_t       end = slice_find(rest, '\n');
        struct slice line = slice_sub(rest, 0, end + 1);

        if (slice_starts(line, "."))
            buf_append_byte(&s->out, '.');
        buf_append_slice(&s->out, line);
        rest = slice_sub(rest, line.len, rest.len);
    }
    buf_append_string(&s->out, ".\r\n");
    arm(s->patience, END_TIMEOUT_MS);
    if (s->out.fault != MT_OK)
        lose(s, "the test mail is too large");
    else
        write_out(s);
}

static void
quit(struct sender *s)
{
    say(s, QUIT, QUIT_TIMEOUT_MS, "QUIT", NULL);
}

/* ---- The login (RFC 4954) ---------------------------------------------------------------------------------------- */

/* Says one more line of the exchange: the message in base64, which in front of a reply to the command itself may be empty. */
static void
say_answer(struct sender *s, struct slice message)
{
    s->out_sent = 0;
    buf_clear(&s->out);
    sasl_base64_encode(message, &s->out);
    buf_append_string(&s->out, "\r\n");
    arm(s->patience, s->task.timeout_ms);
    write_out(s);
}

/* The exchange cannot go on: it is called off, as RFC 4954 section 4 says. */
static void
cancel_login(struct sender *s, const char *reason)
{
    set_reason(s, reason);
    s->cancelled = true;
    s->result.hopeless = true;
    s->out_sent = 0;
    buf_clear(&s->out);
    buf_append_string(&s->out, "*\r\n");
    arm(s->patience, s->task.timeout_ms);
    write_out(s);
}

/* A challenge, in base64. */
static void
take_challenge(struct sender *s, struct slice text)
{
    struct buf challenge, answer;
    int        rc;

    buf_init(&challenge, SASL_CLIENT_BYTES);
    buf_init(&answer, SASL_CLIENT_BYTES);
    challenge.secret = answer.secret = true;
    rc = sasl_base64_decode(slice_trim(text), &challenge);
    if (rc == MT_ESYNTAX && slice_equal(slice_of(s->result.auth), slice_of(sasl_mechanism_name(AUTH_LOGIN))))
        rc = MT_OK;             /* it is no standard: some servers ask "334 Username:" as it is */
    if (s->first.len > 0)
        rc = buf_append_slice(&answer, buf_slice(&s->first));       /* the challenge is an empty one */
    else if (rc == MT_OK)
        rc = sasl_client_step(s->sasl, buf_slice(&challenge), &answer);
    buf_clear(&s->first);
    if (rc == MT_OK)
        say_answer(s, buf_slice(&answer));
    else
        cancel_login(s, rc == MT_EPROTO ? sasl_client_reason(s->sasl) : rc == MT_ESYNTAX ? "the server's challenge is no base64" : mt_strerror(rc));
    buf_wipe(&challenge);
    buf_wipe(&answer);
}

/* What a refusal means (RFC 4954 section 6). */
static const char *
login_hint(unsigned code, bool token)
{
    switch (code) {
    case 432:
        return "the password has to be changed first";
    case 454:
        return "the server cannot check it now";
    case 500:
    case 502:
    case 504:
        return "the server does not know it, although it offers it";
    case 534:
        return "the server wants a stronger one";
    case 538:
        return "the server wants TLS first";
    case 535:
        return token ? "the access token is refused" : "user or password is wrong";
    default:
        return "refused";
    }
}

static void
explain_refused_login(struct sender *s, unsigned code, const char *reply)
{
    bool        token = credential_is_token(s->task.auth);
    const char *said = sasl_client_reason(s->sasl);
    char        text[SENDER_REASON_BYTES];

    s->result.code = s->cancelled ? 0 : code;
    s->result.token_refused = token && code == 535;
    snprintf(text, sizeof(text), "%.190s (%s as %.80s: %.100s)", reply, s->result.auth, s->task.auth->user != NULL ? s->task.auth->user : "nobody",
             said[0] != '\0' ? said : login_hint(code, token));
    set_reason(s, text);
}

/* The first command behind the greeting and the login. */
static void
begin_mail(struct sender *s)
{
    if (s->task.purpose == SENDER_GREET) {
        s->result.accepted = true;
        quit(s);
    } else {
        say(s, MAIL, s->task.timeout_ms, "MAIL FROM:", s->task.from);
    }
}

/* The login cannot even begin. */
static void
refuse_login(struct sender *s, const char *reason)
{
    steps_begin(&s->result.steps, STEP_AUTH, monotonic_us());
    s->result.hopeless = true;
    set_reason(s, reason);
    quit(s);
}

static void
say_auth(struct sender *s)
{
    char       command[COMMAND_BYTES];
    struct buf text;
    int        rc = MT_OK;

    buf_init(&text, (size_t)SASL_CLIENT_BYTES * 2);
    text.secret = true;
    snprintf(command, sizeof(command), "AUTH %s", s->result.auth);
    if (sasl_client_is_first(s->sasl))
        rc = sasl_client_step(s->sasl, slice_of(""), &s->first);
    if (rc == MT_OK)
        rc = sasl_base64_encode(buf_slice(&s->first), &text);
    if (text.len > 0 && strlen(command) + 1 + text.len + 2 <= COMMAND_BYTES) {
        snprintf(command + strlen(command), sizeof(command) - strlen(command), " %.*s", (int)text.len, text.data);
        buf_clear(&s->first);
    }
    if (rc != MT_OK)
        refuse_login(s, rc == MT_EPROTO ? sasl_client_reason(s->sasl) : mt_strerror(rc));
    else
        say(s, AUTH, s->task.timeout_ms, command, NULL);
    sodium_memzero(command, sizeof(command));
    buf_wipe(&text);
}

static void
log_in(struct sender *s)
{
    const struct sender_task *t = &s->task;
    char                      reason[SASL_CLIENT_REASON_BYTES];
    enum auth_mechanism       mechanism;

    if (t->auth == NULL || t->auth->mechanism == AUTH_NONE) {
        begin_mail(s);
        return;
    }
    mechanism = sasl_client_choose(t->auth, smtp_link_offered(s->link), smtp_link_is_private(s->link), reason);
    if (mechanism == AUTH_NONE) {
        refuse_login(s, reason);
        return;
    }
    slice_copy(s->result.auth, sizeof(s->result.auth), slice_of(sasl_mechanism_name(mechanism)));
    s->sasl = sasl_client_new(mechanism, t->auth->user != NULL ? t->auth->user : "", s->secret != NULL ? s->secret : "", t->host, t->port);
    if (s->sasl == NULL)
        lose(s, mt_strerror(MT_ENOMEM));
    else
        say_auth(s);
}

/* ---- What is answered --------------------------------------------------------------------------------------------- */

static void
refuse(struct sender *s, unsigned code, const char *text)
{
    s->result.code = code;
    set_reason(s, text);
    quit(s);
}

static void
take_login_reply(struct sender *s, unsigned code, const char *text)
{
    if (code >= 200 && code < 300 && !s->cancelled && sasl_client_finish(s->sasl)) {
        begin_mail(s);
        return;
    }
    if (code >= 200 && code < 300) {
        s->result.hopeless = true;
        set_reason(s, s->cancelled ? "the server takes a login that was called off" : sasl_client_reason(s->sasl));
        /* No reply tells of this failure: the step is one that has not come to its end. */
        steps_begin(&s->result.steps, STEP_AUTH, monotonic_us());
    } else {
        explain_refused_login(s, code, text);
    }
    quit(s);
}

/* The whole reply of the step under way has come. */
static void
take_reply(struct sender *s, unsigned code, const char *text)
{
    bool positive = code >= 200 && code < 300;

    if (s->phase == QUIT) {
        finish(s);
    } else if (s->phase == AUTH) {
        take_login_reply(s, code, text);
    } else if (s->phase == MAIL && positive) {
        say(s, RCPT, s->task.timeout_ms, "RCPT TO:", s->task.to);
    } else if (s->phase == RCPT && positive && s->task.purpose == SENDER_ASK) {
        say(s, RSET, s->task.timeout_ms, "RSET", NULL);
    } else if (s->phase == RCPT && positive) {
        say(s, DATA, s->task.timeout_ms, "DATA", NULL);
    } else if (s->phase == DATA && code == 354) {
        say_message(s);
    } else if ((s->phase == END || s->phase == RSET) && positive) {
        s->result.accepted = true;
        quit(s);
    } else {
        refuse(s, code, text);
    }
}

/* A server that repeats the secret, or what was sent of it, is not quoted. */
static bool
gives_secret_away(const struct sender *s, struct slice line)
{
    struct slice said = slice_trim(buf_slice(&s->out));
    size_t       blank = slice_find(said, ' ');

    if (s->phase == AUTH && blank < said.len)       /* "AUTH PLAIN AGF…" */
        said = slice_sub(said, blank + 1 + slice_find(slice_sub(said, blank + 1, said.len), ' ') + 1, said.len);
    return secret_echo_is_in(s->secret, line) ||
           (s->phase == AUTH && said.len >= SECRET_ECHO_SHORTEST && slice_find_nocase(line, said) < line.len);
}

/* One line; the last of a reply has a blank, or nothing, behind its code. */
static void
take_line(struct sender *s, struct slice line)
{
    unsigned           before = s->result.steps.count;
    bool               was_open = s->result.steps.open;
    char               cut[STEP_REPLY_BYTES];
    const struct step *step;

    if (!was_open) {
        lose(s, "the server spoke out of turn");
        return;
    }
    if (s->phase == AUTH && !s->cancelled && line.len >= 3 && slice_starts(line, "334") && (line.len == 3 || line.data[3] == ' ')) {
        take_challenge(s, slice_sub(line, 4, line.len));
        return;
    }
    slice_copy(cut, sizeof(cut), line);
    if (s->secret != NULL && gives_secret_away(s, line))
        snprintf(cut, sizeof(cut), "%.*s" SECRET_ECHO_SAID, (int)(line.len < 4 ? line.len : 4), line.data);
    steps_reply(&s->result.steps, monotonic_us(), slice_of(cut));
    step = &s->result.steps.list[before - 1];
    if (!step->done)
        return;                                 /* there are more lines */
    if (step->code == 0)
        lose(s, "the server's reply is no SMTP reply");
    else
        take_reply(s, step->code, step->reply);
}

static void
take_lines(struct sender *s)
{
    while (s->phase != OVER) {
        struct slice in = buf_slice(&s->in);
        size_t       end = slice_find(in, '\n');

        if (end == in.len)
            return;
        take_line(s, slice_trim(slice_sub(in, 0, end)));
        buf_consume(&s->in, end + 1);
    }
}

/* Until there is no more: TLS may hold octets that no event tells of. */
static void
take_octets(struct sender *s)
{
    while (s->phase != OVER) {
        char  *room = buf_reserve(&s->in, READ_BYTES);
        size_t got = 0;
        int    rc;

        if (room == NULL || s->received > SESSION_MAX_BYTES) {
            lose(s, room == NULL ? "the server's reply has an endless line" : "the server says too much");
            return;
        }
        rc = smtp_link_receive(s->link, room, READ_BYTES, &got);
        if (rc == MT_EAGAIN)
            return;
        if (rc != MT_OK) {
            lose(s, "the server closed the connection");
            return;
        }
        buf_added(&s->in, got);
        s->received += got;
        take_lines(s);
    }
}

/* ---- When it takes too long --------------------------------------------------------------------------------------- */

static void
on_patience(evutil_socket_t fd, short what, void *arg)
{
    struct sender *s = arg;
    char           text[80], limit[DURATION_TEXT_BYTES];

    (void)fd;
    (void)what;
    snprintf(text, sizeof(text), "no reply within %s", duration_limit_text(s->phase == END ? END_TIMEOUT_MS : s->task.timeout_ms, limit));
    lose(s, text);
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct sender *s = arg;

    (void)fd;
    (void)what;
    smtp_link_note_connected(s->link);      /* a server that has not greeted yet was connected to without any line */
    lose(s, "the window ended before the server had replied");
}

/* ---- The connection ----------------------------------------------------------------------------------------------- */

static void
on_link(void *arg, enum link_event event)
{
    struct sender *s = arg;
    const char    *reason;

    switch (event) {
    case LINK_OPEN:
        log_in(s);
        break;
    case LINK_LOST:
        reason = smtp_link_reason(s->link);
        lose(s, secret_echo_is_in(s->secret, slice_of(reason)) ? SECRET_ECHO_SAID : reason);
        break;
    case LINK_READABLE:
        take_octets(s);
        break;
    case LINK_WRITABLE:
        write_out(s);
        break;
    }
}

static bool
copy_secret(struct sender *s)
{
    size_t len = strlen(s->task.secret);

    s->secret = sodium_malloc(len + 1);
    if (s->secret != NULL)
        memcpy(s->secret, s->task.secret, len + 1);
    s->task.secret = NULL;
    return s->secret != NULL;
}

struct sender *
sender_start(struct event_base *base, const struct sender_task *task, sender_done_fn *done, void *arg)
{
    struct sender *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    *s = (struct sender){ .task = *task, .phase = CONNECTING, .done = done, .arg = arg };
    steps_init(&s->result.steps);
    buf_init(&s->in, IN_LIMIT_BYTES);
    buf_init(&s->out, OUT_LIMIT_BYTES);
    buf_init(&s->first, SASL_CLIENT_BYTES);
    s->out.secret = s->first.secret = true;
    s->patience = evtimer_new(base, on_patience, s);
    s->limit = evtimer_new(base, on_limit, s);
    s->finished = event_new(base, -1, 0, on_finished, s);
    if (s->patience == NULL || s->limit == NULL || s->finished == NULL || (task->secret != NULL && !copy_secret(s)) ||
        (s->link = smtp_link_open(base, &s->task, &s->result, on_link, s)) == NULL) {
        sender_free(s);
        return NULL;
    }
    arm(s->limit, task->limit_ms);
    return s;
}

void
sender_cancel(struct sender *s)
{
    if (s != NULL)
        sender_free(s);
}

void
sender_peek(struct sender *s, struct sender_result *out)
{
    smtp_link_note_connected(s->link);      /* a server that has not greeted yet was connected to without any line */
    *out = s->result;
    steps_stop(&out->steps, monotonic_us());
    hide_secret(s->secret, out);
}
