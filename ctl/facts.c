#include "ctl/facts.h"

#include "lib/answer.h"
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
facts_token(struct reader *r, const char *mailbox, const char *token_text, uint64_t now_us, struct buf *out)
{
    struct token_facts *f = calloc(1, sizeof(*f));
    struct emit         j;
    int                 rc = f == NULL ? MT_ENOMEM : read_token_facts(r, f);

    if (rc == MT_OK)
        rc = token_decode(slice_of(token_text), &f->answer.token);
    if (rc == MT_OK) {
        f->answer.mailbox = slice_of(mailbox);
        f->answer.now_us = now_us;
        emit_init(&j, out);
        answer_token(&j, NULL, &f->answer);
        rc = out->fault;
    }
    free(f);
    return rc;
}

int
facts_message(struct slice record, uint64_t id, struct slice mailbox, bool in_short, struct buf *out)
{
    struct message_record m;
    struct emit           j;
    int                   rc = message_record_read(record, &m);

    if (rc != MT_OK)
        return rc;
    emit_init(&j, out);
    if (in_short)
        answer_message_summary(&j, NULL, id, mailbox, &m);
    else
        answer_message(&j, NULL, id, mailbox, &m, 0);
    return out->fault;
}

int
facts_message_mailbox(struct slice record, uint32_t *out)
{
    struct message_record m;
    int                   rc = message_record_read(record, &m);

    if (rc == MT_OK)
        *out = m.mailbox_id;
    return rc;
}
