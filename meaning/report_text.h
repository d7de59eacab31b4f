#ifndef MEANING_REPORT_TEXT_H
#define MEANING_REPORT_TEXT_H
/*
 * report_text - reads delivery status reports that are plain text: what Exchange, Gmail, Postfix, Exim, qmail, Domino, Sendmail
 * and others write for people. The text alone makes no report: who asks must know that a mail system sent it.
 */

#include "meaning/report_fields.h"

/* What a report's text says. Slices borrow from the text; empty where not said. */
struct report_text {
    const char        *form;        /* "postfix" */
    enum report_action action;
    struct slice       recipient, said, host, refused_by;
};

/* False: the text begins like none of the known forms. */
bool report_text_read(struct slice text, struct report_text *out);

/* Of a text in no known form: the first line with a status or reply code and the rest of its paragraph, or empty. */
struct slice report_text_refusal(struct slice text);

#endif
