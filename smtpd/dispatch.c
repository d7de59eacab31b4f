/*
 * dispatch - which command is run by which function, and in which states of a session it makes sense.
 */
#include "smtpd/commands.h"

#include "lib/error.h"
#include "lib/foreign.h"
#include "lib/log.h"
#include "smtpd/smtpd.h"

typedef void command_fn(struct session *s, struct slice args);

enum arguments { ARGS_NONE, ARGS_NEEDED, ARGS_ANY };

enum { SMTP = 1, LMTP = 2, BOTH = SMTP | LMTP };

/* BDAT checks states by itself: whatever is wrong with it, its octets must be read. */
static const struct command {
    const char    *verb;
    command_fn    *run;         /* NULL: known, but not offered (502) */
    unsigned       allowed;     /* states in which it makes sense; elsewhere 503 with the hint */
    unsigned       protocols;
    enum arguments arguments;
    const char    *hint;
} commands[] = {
    { "MAIL",     cmd_mail,     ST_READY,             BOTH, ARGS_ANY,    "say EHLO first, and end the mail before" },
    { "RCPT",     cmd_rcpt,     ST_MAIL | ST_RCPT,    BOTH, ARGS_ANY,    "say MAIL first" },
    { "DATA",     cmd_data,     ST_MAIL | ST_RCPT,    BOTH, ARGS_NONE,   "say MAIL and RCPT first, and BDAT alone behind BDAT" },
    { "BDAT",     cmd_bdat,     ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "EHLO",     cmd_ehlo,     ST_COMMAND,           SMTP, ARGS_ANY,    "" },
    { "HELO",     cmd_helo,     ST_COMMAND,           SMTP, ARGS_ANY,    "" },
    { "LHLO",     cmd_ehlo,     ST_COMMAND,           LMTP, ARGS_ANY,    "" },
    { "STARTTLS", cmd_starttls, ST_GREETED | ST_READY, BOTH, ARGS_NONE,  "end the mail first" },
    { "RSET",     cmd_rset,     ST_COMMAND,           BOTH, ARGS_NONE,   "" },
    { "NOOP",     cmd_noop,     ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "QUIT",     cmd_quit,     ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "VRFY",     cmd_vrfy,     ST_COMMAND,           BOTH, ARGS_NEEDED, "" },
    { "HELP",     cmd_help,     ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "AUTH",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "EXPN",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "ETRN",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "TURN",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "ATRN",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "BURL",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "SEND",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "SOML",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "SAML",     NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "XCLIENT",  NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
    { "XFORWARD", NULL,         ST_COMMAND,           BOTH, ARGS_ANY,    "" },
};

static const struct command *
find_command(const struct session *s, struct slice verb)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if ((commands[i].protocols & (s->lmtp ? LMTP : SMTP)) != 0 && slice_equal_nocase(verb, slice_of(commands[i].verb)))
            return &commands[i];
    return NULL;
}

static void
unknown_command(struct session *s, struct slice verb)
{
    if (slice_equal(verb, slice_of("PROXY"))) {
        log_warning("event=proxy-refused client=%s reason=\"a PROXY header of a client that is not in proxy.from\"", s->client);
        session_close_with(s, REPLY_NO_PROXY, slice_make(NULL, 0));
    } else if (foreign_word(verb)) {
        log_info("s=%x event=foreign-protocol client=%s word=\"%s\"", s->number, s->client, LOG_TEXT(verb));
        session_close_with(s, REPLY_NOT_A_BROWSER, verb);
    } else {
        session_reply_with(s, REPLY_UNKNOWN_COMMAND, verb.len > 0 ? verb : slice_of("an empty line"));
    }
}

/* Commands that lead to no mail do not keep a place: with the time limit of the last one, a stranger has 2.5 times smtp.early_timeout_ms in all. */
static bool
has_been_early_for_long(const struct session *s)
{
    return !s->named_mailbox && !s->limit.trusted && 2 * (monotonic_ms() - s->began_ms) > 3 * (uint64_t)s->smtpd->config->smtp.early_timeout_ms;
}

static void
run_command(struct session *s, struct slice line)
{
    const struct command *c;
    struct slice          verb, args;

    if (!command_split(line, &verb, &args)) {
        session_reply(s, REPLY_BAD_LINE);
        return;
    }
    if (++s->idle_commands > s->smtpd->config->smtp.idle_commands_max && !s->limit.trusted) {
        limits_reached(s->smtpd->clients, &s->limit, s->client, LIMIT_IDLE_COMMANDS);
        session_close_with(s, REPLY_TOO_MANY_COMMANDS, slice_make(NULL, 0));
        return;
    }
    if (has_been_early_for_long(s)) {
        session_time_out(s, "a mail");
        return;
    }
    c = find_command(s, verb);
    if (c == NULL) {
        unknown_command(s, verb);
    } else if (c->run == NULL) {
        session_reply_with(s, REPLY_NOT_OFFERED, slice_of(c->verb));
    } else if ((c->allowed & s->state) == 0) {
        session_reply_two(s, REPLY_BAD_SEQUENCE, slice_of(c->verb), slice_of(c->hint));
    } else if (c->arguments == ARGS_NONE && args.len > 0) {
        session_reply_with(s, REPLY_NO_ARGUMENT, slice_of(c->verb));
    } else if (c->arguments == ARGS_NEEDED && args.len == 0) {
        session_reply_with(s, REPLY_NEEDS_ARGUMENT, slice_of(c->verb));
    } else {
        c->run(s, args);
    }
}

/* ---- Steps ---------------------------------------------------------------------------------------------------- */

static void
take_line(struct session *s, int rc, struct slice line)
{
    switch (rc) {
    case MT_OK:
        run_command(s, line);
        break;
    case MT_ESIZE:
        session_reply_number(s, REPLY_LINE_TOO_LONG, LINE_BYTES_MAX);
        break;
    case MT_EFULL:
        session_reply_number(s, REPLY_LINE_TOO_LONG, LINE_BYTES_MAX);
        session_close_with(s, REPLY_CANNOT_GO_ON, slice_make(NULL, 0));
        break;
    default:
        session_reply(s, REPLY_BARE_LF);
        session_close_with(s, REPLY_CANNOT_GO_ON, slice_make(NULL, 0));
    }
}

/* Which time limit holds from here on. A message has one, however many chunks and commands it comes in; each command its own. */
static void
choose_deadline(struct session *s)
{
    struct deadlines *d = &s->smtpd->deadlines;

    if (s->waiting || s->state == ST_CLOSING)
        deadline_stop(d, &s->deadline);
    else if (s->state == ST_TLS)
        deadline_start(d, &s->deadline, DEADLINE_TLS);
    else if ((s->state & (ST_BODY | ST_CHUNK | ST_BDAT)) == 0)
        session_await_command(s);
    else if (s->deadline.kind != DEADLINE_MESSAGE)
        session_await_message(s);
}

static void
check_errors(struct session *s)
{
    if (s->errors >= s->smtpd->config->smtp.errors_max && (s->state & ST_COMMAND) != 0) {
        limits_reached(s->smtpd->clients, &s->limit, s->client, LIMIT_ERRORS);
        session_close_with(s, REPLY_TOO_MANY_ERRORS, slice_make(NULL, 0));
    }
}

/* A stopping process ends a session where no mail is under way. */
static bool
stops_here(const struct session *s)
{
    return s->smtpd->role->draining && (s->state & (ST_GREETED | ST_READY)) != 0;
}

static bool
command_step(struct session *s, struct slice *in)
{
    struct slice line;
    int          rc;

    if (stops_here(s)) {
        session_close_with(s, REPLY_STOPPING, slice_of(s->smtpd->config->hostname));
        return false;
    }
    rc = line_take(&s->line, in, &line);
    if (rc == MT_EAGAIN)
        return false;
    take_line(s, rc, line);
    check_errors(s);
    choose_deadline(s);
    return true;
}

bool
dispatch_step(struct session *s, struct slice *in)
{
    if ((s->state & ST_COMMAND) != 0)
        return command_step(s, in);
    if (in->len == 0)
        return false;
    if (s->state == ST_BODY)
        data_take_body(s, in);
    else
        data_take_chunk(s, in);
    check_errors(s);
    choose_deadline(s);
    return true;
}
