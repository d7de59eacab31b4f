/*
 * cmd_mail - the envelope: MAIL and RCPT.
 */
#include "smtpd/commands.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "smtpd/smtpd.h"

#include <stdio.h>

/* Whether the service can take a mail now at all. */
static enum reply
check_store(const struct smtpd *smtpd)
{
    if (!smtpd->store_up || smtpd->role->store_silent)
        return REPLY_STORE_AWAY;
    return smtpd->store_full ? REPLY_STORE_FULL : REPLY_NONE;
}

static enum reply
begin_transaction(struct session *s, const struct mail_args *args)
{
    struct smtpd *smtpd = s->smtpd;
    uint64_t      id_us = now_us();

    s->tx = transaction_begin(&smtpd->pool, args);
    if (s->tx == NULL)
        return REPLY_NO_MEMORY;
    if (id_us <= smtpd->last_id_us)
        id_us = smtpd->last_id_us + 1;
    smtpd->last_id_us = id_us;
    session_id_make(s->tx->id, id_us, smtpd->role->index);
    if (s->lmtp)
        s->tx->flags |= DELIVERY_LMTP;
    s->state = ST_MAIL;
    return REPLY_SENDER_OK;
}

void
cmd_mail(struct session *s, struct slice args)
{
    const struct config *config = s->smtpd->config;
    struct mail_args     mail;
    struct slice         detail = slice_make(NULL, 0);
    enum reply           reply;

    if (++s->transactions > config->smtp.transactions_max) {
        char digits[12];

        snprintf(digits, sizeof(digits), "%u", config->smtp.transactions_max);
        session_close_with(s, REPLY_TOO_MANY_MAILS, slice_of(digits));
        return;
    }
    reply = command_mail(args, &mail, &detail);
    if (reply != REPLY_NONE) {
        log_info("s=%x event=sender-refused client=%s reply=\"%.9s\" arguments=\"%s\"", s->number, s->client, reply_text(reply),
                 LOG_TEXT(args));
        session_reply_with(s, reply, detail);
    } else if (mail.size_bytes > config->smtp.message_max_bytes) {
        log_info("s=%x event=sender-refused client=%s reply=\"%.9s\" size_bytes=%llu", s->number, s->client,
                 reply_text(REPLY_TOO_LARGE), (unsigned long long)mail.size_bytes);
        session_reply_number(s, REPLY_TOO_LARGE, config->smtp.message_max_bytes);
    } else if (!limits_mail(s->smtpd->clients, &s->limit)) {
        limits_reached(s->smtpd->clients, &s->limit, s->client, LIMIT_MAILS_ADDRESS);
        session_reply(s, REPLY_MAILS_TOO_FAST);
    } else {
        reply = check_store(s->smtpd);
        session_reply(s, reply == REPLY_NONE ? begin_transaction(s, &mail) : reply);
    }
}

/* What a mailbox's state means for a mail to it. */
static enum reply
check_mailbox(const struct smtpd *smtpd, const char *name)
{
    const struct mailbox_state *mailbox = mailboxes_find(smtpd->mailboxes, slice_of(name));

    if (mailbox == NULL)
        return mailboxes_are_complete(smtpd->mailboxes) ? REPLY_BAD_MAILBOX : REPLY_NOT_YET_KNOWN;
    if (mailbox->damaged)
        return REPLY_MAILBOX_DAMAGED;
    if (!mailbox->enabled)
        return REPLY_MAILBOX_DISABLED;
    return mailbox->over_quota ? REPLY_OVER_QUOTA : REPLY_NONE;
}

static enum reply
add_recipient(struct session *s, const struct path *path)
{
    const struct smtpd *smtpd = s->smtpd;
    char                name[MAILBOX_NAME_MAX + 1];
    struct slice        detail;
    enum reply          refusal;

    switch (address_mailbox(path, smtpd->config, name, &detail)) {
    case MT_OK:
        break;
    case MT_ENOTFOUND:
        return REPLY_BAD_MAILBOX;
    default:
        return REPLY_NO_RELAYING;
    }
    refusal = check_mailbox(smtpd, name);
    if (refusal == REPLY_NONE && !limits_mailbox(smtpd->clients, &s->limit, slice_of(name))) {
        limits_reached(smtpd->clients, &s->limit, s->client, LIMIT_MAILS_MAILBOX);
        return REPLY_MAILBOX_TOO_FAST;
    }
    return refusal != REPLY_NONE ? refusal : transaction_recipient(s->tx, &smtpd->limits, name, path);
}

void
cmd_rcpt(struct session *s, struct slice args)
{
    struct path  path;
    struct slice detail = slice_make(NULL, 0);
    enum reply   reply = command_rcpt(args, (s->tx->flags & DELIVERY_SMTPUTF8) != 0, &path, &detail);

    if (reply == REPLY_NONE)
        reply = add_recipient(s, &path);
    if (reply == REPLY_RECIPIENT_OK) {
        s->state = ST_RCPT;
        s->named_mailbox = true;
        s->idle_commands = 0;
    } else {
        metric_add(METRIC_SMTP_RCPT_REFUSED_TOTAL, 1);
        log_info("s=%x event=recipient-refused id=%s client=%s reply=\"%.9s\" arguments=\"%s\"", s->number, s->tx->id, s->client,
                 reply_text(reply), LOG_TEXT(args));
    }
    session_reply_with(s, reply, detail);
}
