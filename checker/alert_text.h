#ifndef CHECKER_ALERT_TEXT_H
#define CHECKER_ALERT_TEXT_H
/*
 * alert_text - a notice in words: its first line, and templates with {{fields}}. Pure. What servers said was made fit to be shown when the
 * outcome was written; here control characters are taken out once more, so that none makes a line or a header field of its own.
 */

#include "checker/notice.h"
#include "lib/buf.h"

#define ALERT_TEXT_MAX_BYTES 65536u

/*
 * What failed, since when, at which step, and what the server said, in one line without its end:
 *   CRITICAL acme-forward: failed at rcpt since 2026-11-21T13:05:02Z: mx1.example[192.0.2.1]:25 said 550 5.1.1 unknown
 *   OK acme-forward: works again since 2026-11-21T13:20:00Z, after 14 min 58 s
 */
void alert_first_line(struct buf *out, const struct notice *n);

/*
 * Writes a template with the notice's values in place of {{kind}}, {{state}}, {{first_line}}, {{incident}}, {{notice}}, {{cause}}, {{check}}, {{checks_count}},
 * {{since}}, {{now}}, {{lasted}}, {{verdict}}, {{step}}, {{host}}, {{code}}, {{reply}}, {{reason}} and {{list}}; those of a check are the first check's.
 * The template has passed alert_template_check.
 */
void alert_template_write(struct buf *out, const char *template, const struct notice *n);

/* 0, or MT_ESYNTAX with what is wrong in error: "{{stat}} is no field: there are …". Time: linear. */
int alert_template_check(const char *template, char *error, size_t size);

/* For ways that name no template of their own. */
extern const char alert_subject_template[], alert_body_template[];
extern const char alert_test_template[];        /* the text of a test notice */

#endif
