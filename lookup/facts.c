#include "lookup/facts.h"

#include "lib/error.h"
#include "lib/log.h"

#include <time.h>

int
token_find(const struct db_view *v, const struct caller *caller, uint32_t mailbox_id, const struct token *t,
           struct token_record *out)
{
    int rc = db_token(v, t, out);

    if (rc == MT_OK && ((mailbox_id != 0 && out->mailbox_id != mailbox_id) || !caller_may_see(caller, out->mailbox_id)))
        return MT_ENOTFOUND;
    return rc;
}

/* An arrival stays on record when its message has gone; one that is damaged is not shown either. */
static void
read_messages(const struct db_view *v, struct token_facts *f)
{
    for (uint32_t i = 0; i < f->record.kept; i++) {
        uint64_t id = f->record.arrivals[i].message_id;
        int      rc = db_message(v, id, &f->messages[i]);

        f->answer.messages[i] = rc == MT_OK ? &f->messages[i] : NULL;
        if (rc != MT_OK && rc != MT_ENOTFOUND)
            log_error("event=message-unreadable id=%llu reason=\"%s\" hint=\"mailtestctl verify\"", (unsigned long long)id,
                      mt_strerror(rc));
    }
}

int
token_facts_read(const struct db_view *v, const struct caller *caller, uint32_t mailbox_id, const struct token *t,
                 struct token_facts *out)
{
    struct mailbox_record mailbox;
    struct timespec       now;
    int                   rc = token_find(v, caller, mailbox_id, t, &out->record);

    clock_gettime(CLOCK_REALTIME, &now);
    out->answer.token = *t;
    out->answer.now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    out->answer.mailbox = slice_of(NULL);
    out->answer.record = NULL;
    if (rc == MT_OK) {
        out->answer.record = &out->record;
        mailbox_id = out->record.mailbox_id;
        read_messages(v, out);
    } else if (rc != MT_ENOTFOUND) {
        return rc;
    }
    if (mailbox_id == 0)
        return MT_OK;
    rc = db_mailbox_by_id(v, mailbox_id, &mailbox);
    out->answer.mailbox = mailbox.name;
    return rc;
}
