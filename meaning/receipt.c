/*
 * receipt - read receipts (message disposition notifications, RFC 8098).
 */
#include "meaning/kinds.h"

uint32_t
receipt_judge(const struct seen *s, struct buf *facts)
{
    struct buf why;

    if (s->stated != STATED_DISPOSITION && !(s->has_disposition_part && (s->stated != STATED_NONE || seen_from_mail_system(s))))
        return 0;
    buf_init(&why, FACT_TEXT_BYTES);
    buf_append_string(&why, s->stated == STATED_DISPOSITION ? "report-type=disposition-notification" :
                                                              "it has a message/disposition-notification part");
    if (s->report.disposition[0] != '\0')
        buf_printf(&why, "; %s", s->report.disposition);
    fact_add(facts, FACT_RECEIPT_WHY, buf_slice(&why));
    buf_fini(&why);
    return TRAIT_READ_RECEIPT;
}
