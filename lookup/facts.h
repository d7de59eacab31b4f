#ifndef LOOKUP_FACTS_H
#define LOOKUP_FACTS_H
/*
 * facts - all that the database knows of a token, gathered for its answer.
 */

#include "lookup/auth.h"

#include "lib/answer.h"

struct token_facts {
    struct token_answer   answer;
    struct token_record   record;
    struct message_record messages[TOKEN_ARRIVALS_MAX];
};

/*
 * Only the record: what decides whether a token is waited for. mailbox_id is the mailbox that is asked about, 0 for any that the
 * caller may see. MT_ENOTFOUND: nothing is known, or it belongs to another mailbox: no difference is made.
 */
int token_find(const struct db_view *v, const struct caller *caller, uint32_t mailbox_id, const struct token *t,
               struct token_record *out);

/*
 * The record, its messages, and the mailbox's name; a token that nothing is known of is no error. MT_ENOTFOUND: there is no such
 * mailbox any more. Slices borrow from the view.
 */
int token_facts_read(const struct db_view *v, const struct caller *caller, uint32_t mailbox_id, const struct token *t,
                     struct token_facts *out);

#endif
