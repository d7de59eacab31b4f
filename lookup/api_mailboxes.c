/* api_mailboxes - a mailbox: what is in it, and how far its forward is set up. */
#include "lookup/call.h"

#include "lib/answer_event.h"
#include "lib/error.h"

/* What the answer is made of; slices borrow from the view. */
struct facts {
    struct mailbox_record mailbox;
    struct folder_record  inbox, unmatched;
    struct pattern_record pattern;
    struct message_record confirmation;
    struct mailbox_answer answer;
};

static int
read_pattern(const struct db_view *v, struct facts *f)
{
    unsigned char key[DB_KEY_MAX];
    struct slice  record;
    uint64_t      request_id;
    int           rc = db_get(v, TABLE_PATTERN, db_key_u32(key, f->mailbox.id), &record);

    if (rc == MT_ENOTFOUND)
        return MT_OK;
    if (rc != MT_OK || (rc = pattern_record_read(record, &f->pattern)) != MT_OK)
        return rc;
    f->answer.pattern = &f->pattern;
    request_id = pattern_request(&f->pattern).message_id;
    if (request_id != 0 && db_message(v, request_id, &f->confirmation) == MT_OK)
        f->answer.confirmation = &f->confirmation;
    return MT_OK;
}

void
api_mailbox_show(struct call *c)
{
    struct facts f = { .answer = { .now_us = lookup_now_us() } };
    struct emit  j;
    int          rc;

    if (!call_mailbox(c, c->match->params[0].text, &f.mailbox))
        return;
    f.answer.mailbox = &f.mailbox;
    f.answer.inbox = &f.inbox;
    f.answer.unmatched = &f.unmatched;
    rc = db_folder(c->view, f.mailbox.id, FOLDER_INBOX, &f.inbox);
    if (rc == MT_OK)
        rc = db_folder(c->view, f.mailbox.id, FOLDER_UNMATCHED, &f.unmatched);
    if (rc == MT_OK)
        rc = read_pattern(c->view, &f);
    if (rc != MT_OK) {
        reply_error(c->exchange, rc, "the mailbox");
        return;
    }
    j = lookup_json(c->lookup);
    answer_mailbox(&j, NULL, &f.answer);
    reply_json(c->lookup, c->exchange, 200);
}
