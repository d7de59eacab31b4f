#ifndef LOOKUP_AUTH_H
#define LOOKUP_AUTH_H
/*
 * auth - who asks: bearer keys (RFC 6750 section 2.1) checked against table api_key. Nothing is cached, so a revoked key is
 * refused by the next request.
 */

#include "lib/db.h"

struct caller {
    uint32_t key_id;
    uint32_t mailbox_id;    /* 0: all */
};

/* Takes "Bearer mtk_7_…" apart; *key is the whole key text. MT_ESYNTAX. */
int bearer_parse(struct slice authorization, struct slice *key, uint32_t *id);

/* Whether this is the text of that key, in constant time. */
bool key_fits(struct slice key, const struct api_key_record *record);

/* MT_EDENIED: no or a wrong key; the store's errors. */
int caller_check(const struct db_view *v, struct slice authorization, struct caller *out);

/* Whether a caller may see a mailbox. */
static inline bool
caller_may_see(const struct caller *c, uint32_t mailbox_id)
{
    return c->mailbox_id == 0 || c->mailbox_id == mailbox_id;
}

#endif
