#include "ctl/facts.h"

#include "lib/answer.h"
#include "lib/answer_event.h"
#include "lib/error.h"

#include <stdlib.h>

/* The records behind one token. */
struct token_facts {
    struct token_record   record;
    struct message_record messages[TOKEN_ARRIVALS_MAX];
    struct token_answer   answer;
};

static int
read_token_facts(struct reader *r, struct token_facts *f)
{
    struct slice bytes;
    uint32_t     count;
    int          rc;

    read_bytes(r, &bytes, RECORD_BYTES_MAX);
    read_count(r, &count, TOKEN_ARRIVALS_MAX, sizeof(uint32_t));
    if (!read_ok(r))
        return MT_EPROTO;
    if (bytes.len > 0) {
        rc = token_record_read(bytes, &f->record);
        if (rc != MT_OK)
            return rc;
        f->answer.record = &f->record;
    }
    for (uint32_t i = 0; i < count; i++) {
        read_bytes(r, &bytes, RECORD_BYTES_MAX);
        if (!read_ok(r))
            return MT_EPROTO;
        if (bytes.len == 0)
            continue;       /* the message has gone */
        rc = message_record_read(bytes, &f->messages[i]);
        if (rc != MT_OK)
            return rc;
        f->answer.messages[i] = &f->messages[i];
    }
    return MT_OK;
}

int
facts_token(struct reader *r, const char *mailbox, const char *token_text, uint64_t now_us, struct buf *out, uint64_t *minted_us)
{
    struct token_facts *f = calloc(1, sizeof(*f));
    struct emit         j;
    int                 rc = f == NULL ? MT_ENOMEM : read_token_facts(r, f);

    if (rc == MT_OK)
        rc = token_decode(slice_of(token_text), &f->answer.token);
    if (rc == MT_OK) {
        f->answer.mailbox = slice_of(mailbox);
        f->answer.now_us = now_us;
        *minted_us = f->record.minted_us;
        emit_init(&j, out);
        answer_token(&j, NULL, &f->answer);
        rc = out->fault;
    }
    free(f);
    return rc;
}

/* ---- Messages --------------------------------------------------------------------------------------------------------- */

int
facts_message_summary(struct slice record, uint64_t id, struct slice mailbox, struct slice folder, struct buf *out)
{
    struct message_record m;
    struct emit           j;
    int                   rc = message_record_read(record, &m);

    if (rc != MT_OK)
        return rc;
    emit_init(&j, out);
    answer_message_summary(&j, NULL, id, mailbox, folder, &m);
    return out->fault;
}

int
facts_message(struct slice record, uint64_t id, struct slice mailbox, struct slice folder, uint64_t minted_us, struct buf *out)
{
    struct message_record m;
    struct emit           j;
    int                   rc = message_record_read(record, &m);

    if (rc != MT_OK)
        return rc;
    emit_init(&j, out);
    answer_message(&j, NULL, id, mailbox, folder, &m, minted_us);
    return out->fault;
}

int
facts_message_owner(struct slice record, uint32_t *mailbox_id, char token_text[TOKEN_CHARS + 1])
{
    struct message_record m;
    int                   rc = message_record_read(record, &m);

    if (rc != MT_OK)
        return rc;
    *mailbox_id = m.mailbox_id;
    token_text[0] = '\0';
    if (m.parsed.candidate_count > 0)
        token_encode(&m.parsed.candidates[0].token, token_text);
    return MT_OK;
}

/* ---- Mailboxes --------------------------------------------------------------------------------------------------------- */

int
facts_mailbox(const struct mailbox_records *records, uint64_t now_us, struct buf *out)
{
    struct mailbox_record mailbox;
    struct folder_record  inbox, unmatched;
    struct pattern_record pattern;
    struct message_record confirmation;
    struct mailbox_answer answer = { .mailbox = &mailbox, .inbox = &inbox, .unmatched = &unmatched, .now_us = now_us };
    struct emit           j;
    int                   rc;

    if ((rc = mailbox_record_read(records->mailbox, &mailbox)) != MT_OK || (rc = folder_record_read(records->inbox, &inbox)) != MT_OK ||
        (rc = folder_record_read(records->unmatched, &unmatched)) != MT_OK)
        return rc;
    if (records->pattern.len > 0) {
        if ((rc = pattern_record_read(records->pattern, &pattern)) != MT_OK)
            return rc;
        answer.pattern = &pattern;
    }
    if (records->confirmation.len > 0) {
        if ((rc = message_record_read(records->confirmation, &confirmation)) != MT_OK)
            return rc;
        answer.confirmation = &confirmation;
    }
    emit_init(&j, out);
    answer_mailbox(&j, NULL, &answer);
    return out->fault;
}

int
facts_pattern_confirmation(struct slice pattern, uint64_t *message_id)
{
    struct pattern_record p = { .confirmation_id = 0 };
    int                   rc = pattern.len == 0 ? MT_OK : pattern_record_read(pattern, &p);

    *message_id = pattern_request(&p).message_id;
    return rc;
}

/* ---- Webhooks ---------------------------------------------------------------------------------------------------------- */

int
facts_webhook(struct reader *r, struct buf *out)
{
    struct webhook_record webhook;
    struct webhook_answer answer = { .webhook = &webhook };
    struct slice          record;
    struct emit           j;
    int                   rc;

    read_u32(r, &answer.id);
    read_bytes(r, &answer.mailbox, MAILBOX_NAME_MAX);
    read_bytes(r, &record, RECORD_BYTES_MAX);
    read_u64(r, &answer.waiting);
    read_u64(r, &answer.dead);
    if (!read_ok(r))
        return MT_EPROTO;
    if ((rc = webhook_record_read(record, &webhook)) != MT_OK)
        return rc;
    emit_init(&j, out);
    answer_webhook(&j, NULL, &answer);
    return out->fault;
}

int
facts_post(struct reader *r, struct buf *out)
{
    struct post_record  post;
    struct event_record event;
    struct slice        post_bytes, event_bytes;
    struct emit         j;
    uint32_t            webhook_id;
    uint64_t            event_id;
    int                 rc;

    read_u32(r, &webhook_id);
    read_u64(r, &event_id);
    read_bytes(r, &post_bytes, RECORD_BYTES_MAX);
    read_bytes(r, &event_bytes, RECORD_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    if ((rc = post_record_read(post_bytes, &post)) != MT_OK || (event_bytes.len > 0 && (rc = event_record_read(event_bytes, &event)) != MT_OK))
        return rc;
    emit_init(&j, out);
    answer_post(&j, NULL, webhook_id, event_id, &post, event_bytes.len > 0 ? &event : NULL);
    return out->fault;
}
