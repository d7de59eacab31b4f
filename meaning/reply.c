/*
 * reply - a person's answer to the test mail: it refers to the mail by In-Reply-To or References and has a reply's subject, and
 * is not the test mail itself, whose own Message-ID or X-Mailtest-Token field would hold the token.
 */
#include "meaning/kinds.h"
#include "meaning/subject.h"

uint32_t
reply_judge(const struct seen *s, struct buf *facts)
{
    struct slice prefix;
    struct buf   why;

    if ((s->places & (PLACE_IN_REPLY_TO | PLACE_REFERENCES)) == 0 ||
        (s->places & (PLACE_MESSAGE_ID | PLACE_OWN_HEADER | PLACE_ATTACHED)) != 0 ||
        subject_prefix_of(kept_find(&s->header, KEPT_SUBJECT), &prefix) != SUBJECT_REPLY)
        return 0;
    buf_init(&why, FACT_TEXT_BYTES);
    buf_printf(&why, "%s has the token, and the subject begins with %.*s",
               (s->places & PLACE_IN_REPLY_TO) != 0 ? "In-Reply-To" : "References", (int)prefix.len, prefix.data);
    fact_add(facts, FACT_REPLY_WHY, buf_slice(&why));
    buf_fini(&why);
    return TRAIT_REPLY;
}
