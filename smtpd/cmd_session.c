/*
 * cmd_session - the commands around a mail: EHLO, HELO, LHLO, STARTTLS, RSET, NOOP, VRFY, HELP, QUIT.
 */
#include "smtpd/commands.h"

#include "lib/error.h"
#include "smtpd/smtpd.h"

#include <stdlib.h>

enum { HELO_BYTES_MAX = 255 };

/* RFC 5321 wants a domain or an address literal; real clients say all kinds of names. What is said is only recorded. */
static bool
is_hello(struct slice name)
{
    if (name.len == 0 || name.len > HELO_BYTES_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] == ' ' || name.data[i] == '\t')
            return false;
    return true;
}

/* Keeps the name and begins anew (RFC 5321 section 4.1.4). False: a refusal was sent, nothing has changed. */
static bool
take_hello(struct session *s, struct slice name, const char *verb)
{
    char *copy;

    if (!is_hello(name)) {
        session_reply_with(s, REPLY_BAD_HELLO, slice_of(verb));
        return false;
    }
    copy = malloc(name.len + 1);
    if (copy == NULL) {
        session_reply(s, REPLY_NO_MEMORY);
        return false;
    }
    slice_copy(copy, name.len + 1, name);
    free(s->helo);
    s->helo = copy;
    session_end_transaction(s);
    s->state = ST_READY;
    return true;
}

void
cmd_ehlo(struct session *s, struct slice args)
{
    const struct smtpd *smtpd = s->smtpd;

    if (!take_hello(s, args, s->lmtp ? "LHLO" : "EHLO"))
        return;
    s->extended = true;
    buf_append_string(&s->out, "250-");
    buf_append_string(&s->out, smtpd->config->hostname);
    buf_append_string(&s->out, s->stream.ssl == NULL ? "\r\n250-STARTTLS\r\n" : "\r\n");
    buf_append_slice(&s->out, buf_slice(&smtpd->extensions));
}

void
cmd_helo(struct session *s, struct slice args)
{
    if (!take_hello(s, args, "HELO"))
        return;
    s->extended = false;
    session_reply_with(s, REPLY_HELLO, slice_of(s->smtpd->config->hostname));
}

/* RFC 3207. The handshake begins when the reply has left (session_settle); what was learned in plain is forgotten. */
void
cmd_starttls(struct session *s, struct slice args)
{
    (void)args;
    if (s->stream.ssl != NULL) {
        session_reply(s, REPLY_HAVE_TLS);
        return;
    }
    session_reply(s, REPLY_TLS_READY);
    free(s->helo);
    s->helo = NULL;
    s->extended = false;
    s->state = ST_TLS;
}

void
cmd_rset(struct session *s, struct slice args)
{
    (void)args;
    session_end_transaction(s);
    if (s->state != ST_GREETED)
        s->state = ST_READY;
    session_reply(s, REPLY_OK);
}

void
cmd_noop(struct session *s, struct slice args)
{
    (void)args;
    session_reply(s, REPLY_OK);
}

void
cmd_quit(struct session *s, struct slice args)
{
    (void)args;
    session_reply_with(s, REPLY_GOODBYE, slice_of(s->smtpd->config->hostname));
    session_end_transaction(s);
    s->state = ST_CLOSING;
}

/* RFC 5321 section 3.5.3: neither yes nor no. */
void
cmd_vrfy(struct session *s, struct slice args)
{
    (void)args;
    session_reply(s, REPLY_NOT_VERIFIED);
}

void
cmd_help(struct session *s, struct slice args)
{
    (void)args;
    session_reply_with(s, REPLY_HELP, slice_of(s->lmtp ? "LHLO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"
                                                       : "EHLO HELO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"));
}
