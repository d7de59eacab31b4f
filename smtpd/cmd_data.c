/*
 * cmd_data - the message: DATA and BDAT, its octets, and the reply at its end.
 */
#include "smtpd/commands.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "smtpd/smtpd.h"

#include <stdio.h>

static struct slice
behind(struct slice s, size_t len)
{
    return slice_sub(s, len, s.len);
}

/* ---- The end of a message ------------------------------------------------------------------------------------- */

/* The reply to the message; by LMTP one for each recipient that was accepted (RFC 2033 section 4.2). Counts as one error. */
static void
reply_to_message(struct session *s, enum reply reply, struct slice detail)
{
    uint32_t errors = s->errors + (reply_class(reply) == 5 ? 1 : 0);

    for (uint32_t i = s->lmtp ? s->tx->accepted : 1; i > 0; i--)
        session_reply_with(s, reply, detail);
    s->errors = errors;
}

static void
end_transaction(struct session *s)
{
    session_end_transaction(s);
    s->state = ST_READY;
}

/* The limit that a refusal names. */
static uint64_t
limit_of(const struct transaction_limits *limits, enum reply refusal)
{
    switch (refusal) {
    case REPLY_TOO_LARGE:
        return limits->message_max_bytes;
    case REPLY_DATA_LINE_TOO_LONG:
        return limits->line_max_bytes;
    case REPLY_LOOP:
        return limits->received_max;
    default:
        return 0;
    }
}

static struct slice
refusal_detail(const struct session *s, enum reply refusal, char digits[24])
{
    snprintf(digits, 24, "%llu", (unsigned long long)limit_of(&s->smtpd->limits, refusal));
    return slice_of(digits);
}

static void
log_refused(const struct session *s, enum reply reply)
{
    log_info("s=%x event=message-refused id=%s client=%s from=\"%s\" reply=\"%.9s\" size_bytes=%llu", s->number, s->tx->id,
             s->client, LOG_TEXT(transaction_reverse_path(s->tx)), reply_text(reply), (unsigned long long)s->tx->reader.size_bytes);
}

static void
refuse_message(struct session *s, enum reply reply)
{
    char digits[24];

    log_refused(s, reply);
    reply_to_message(s, reply, refusal_detail(s, reply, digits));
    end_transaction(s);
}

/* What store's answer means for the client. */
static enum reply
reply_of_store(int rc)
{
    switch (rc) {
    case MT_OK:
        return REPLY_ACCEPTED;
    case MT_EQUOTA:
        return REPLY_OVER_QUOTA;
    case MT_EFULL:
        return REPLY_STORE_FULL;
    case MT_ENOTFOUND:
        return REPLY_BAD_MAILBOX;
    case MT_EDISABLED:
        return REPLY_MAILBOX_DISABLED;
    case MT_ENOMEM:
        return REPLY_NO_MEMORY;
    case MT_ESHUTDOWN:
        return REPLY_STORE_AWAY;
    default:
        return REPLY_STORE_FAILED;
    }
}

static void
log_accepted(const struct session *s, uint64_t waited_us)
{
    const struct transaction *t = s->tx;

    log_info("s=%x event=accepted id=%s client=%s helo=\"%s\" from=\"%s\" to=\"%s\" recipients=%u size_bytes=%llu wait_us=%llu "
             "tls=%s",
             s->number, t->id, s->client, LOG_TEXT(slice_of(s->helo)), LOG_TEXT(transaction_reverse_path(t)),
             LOG_TEXT(transaction_first_mailbox(t)), t->recipient_count, (unsigned long long)t->reader.size_bytes,
             (unsigned long long)waited_us, s->stream.ssl != NULL ? SSL_get_version(s->stream.ssl) : "none");
}

void
data_delivered(struct session *s, int rc)
{
    enum reply reply = reply_of_store(rc);

    /* One mailbox that went since RCPT must not cost the others their mail: the next try hears of each at its own RCPT. */
    if (s->tx->recipient_count > 1 && (rc == MT_ENOTFOUND || rc == MT_EDISABLED))
        reply = REPLY_STORE_FAILED;
    if (reply != REPLY_ACCEPTED) {
        refuse_message(s, reply);
    } else {
        metric_add(METRIC_SMTP_MESSAGES_TOTAL, 1);
        metric_add(METRIC_SMTP_BYTES_TOTAL, s->tx->reader.size_bytes);
        log_accepted(s, now_us() - s->tx->received_us);
        reply_to_message(s, reply, slice_of(s->tx->id));
        end_transaction(s);
    }
    session_await_command(s);
}

static void
count_held(struct session *s)
{
    struct flight *flight = &s->smtpd->flight;
    size_t         held = transaction_held_bytes(s->tx);

    if (s->tx->refusal != REPLY_NONE)
        flight_release(flight, &s->flight);
    else if (held > s->flight.bytes)
        flight_add(flight, &s->flight, held - s->flight.bytes);
    pressure_of_messages(s->smtpd);
}

static void
end_of_message(struct session *s)
{
    int rc;

    transaction_finish_message(s->tx, &s->smtpd->limits, now_us());
    if (s->tx->refusal != REPLY_NONE) {
        refuse_message(s, s->tx->refusal);
        return;
    }
    count_held(s);      /* it may wait for store with what was found in it */
    rc = deliver_begin(s);
    if (rc != MT_OK)
        refuse_message(s, reply_of_store(rc));
}

/* ---- Octets --------------------------------------------------------------------------------------------------- */

/* Takes octets of the message and counts what is held of it. */
static void
feed(struct session *s, struct slice *in, size_t max)
{
    *in = behind(*in, transaction_feed(s->tx, &s->smtpd->limits, slice_sub(*in, 0, max)));
    count_held(s);
}

void
cmd_data(struct session *s, struct slice args)
{
    (void)args;
    if (s->state == ST_MAIL) {
        session_reply(s, REPLY_NO_RECIPIENTS);
    } else {
        transaction_begin_message(&s->smtpd->pool, s->tx, DATA_DOTTED);
        session_reply(s, REPLY_START_DATA);
        s->state = ST_BODY;
    }
}

void
data_take_body(struct session *s, struct slice *in)
{
    feed(s, in, in->len);
    if (data_reader_ended(&s->tx->reader))
        end_of_message(s);
}

/* ---- BDAT (RFC 3030) ------------------------------------------------------------------------------------------ */

/* Why the octets of a BDAT will be thrown away. */
static enum reply
refuse_chunk(struct session *s)
{
    switch (s->state) {
    case ST_MAIL:
        return REPLY_NO_RECIPIENTS;
    case ST_RCPT:
        transaction_begin_message(&s->smtpd->pool, s->tx, DATA_CHUNKED);
        return REPLY_NONE;
    case ST_BDAT:
        return s->tx->refusal != REPLY_NONE ? REPLY_CHUNK_FAILED : REPLY_NONE;
    default:
        return REPLY_BAD_SEQUENCE;
    }
}

static void
end_of_refused_chunk(struct session *s)
{
    session_reply_two(s, s->chunk.refusal, slice_of("BDAT"), slice_of("say MAIL and RCPT first"));
    s->state = s->chunk.back;
    if (s->chunk.last && s->chunk.back == ST_BDAT)
        end_transaction(s);
}

static void
end_of_chunk(struct session *s)
{
    char digits[24];

    if (s->chunk.refusal != REPLY_NONE) {
        end_of_refused_chunk(s);
        return;
    }
    if (s->chunk.last) {
        end_of_message(s);
        return;
    }
    s->state = ST_BDAT;
    if (s->tx->refusal != REPLY_NONE) {
        log_refused(s, s->tx->refusal);
        session_reply_with(s, s->tx->refusal, refusal_detail(s, s->tx->refusal, digits));
    } else {
        session_reply_number(s, REPLY_CHUNK_OK, s->chunk.size_bytes);
    }
}

void
cmd_bdat(struct session *s, struct slice args)
{
    struct bdat_args bdat;

    if (!command_bdat(args, &bdat)) {
        session_reply(s, REPLY_BAD_CHUNK);
        session_close_with(s, REPLY_CANNOT_GO_ON, slice_make(NULL, 0));
        return;
    }
    s->chunk = (struct chunk){
        .left_bytes = bdat.size_bytes, .size_bytes = bdat.size_bytes, .last = bdat.last, .back = s->state,
    };
    s->chunk.refusal = refuse_chunk(s);
    if (s->chunk.refusal == REPLY_NONE)
        transaction_announce(s->tx, &s->smtpd->limits, bdat.size_bytes);
    s->state = ST_CHUNK;
    if (bdat.size_bytes == 0)
        end_of_chunk(s);
}

void
data_take_chunk(struct session *s, struct slice *in)
{
    size_t len = in->len < s->chunk.left_bytes ? in->len : (size_t)s->chunk.left_bytes;

    s->chunk.left_bytes -= len;
    if (s->chunk.refusal == REPLY_NONE)
        feed(s, in, len);
    else
        *in = behind(*in, len);
    if (s->chunk.left_bytes == 0)
        end_of_chunk(s);
}
