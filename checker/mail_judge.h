#ifndef CHECKER_MAIL_JUDGE_H
#define CHECKER_MAIL_JUDGE_H
/*
 * mail_judge - what a mail that lies in an account is to a watch: the mail that is waited for, a report of its failure, an automatic reply to
 * it, a left-over of an earlier run of the same check, or nothing of ours. It reads with the finder and by the rules of meaning, as
 * the service does with what it receives. Pure; no I/O.
 */

#include "lib/record.h"

#include <jansson.h>

/* The field that a test mail bears, with the check's name: what tells its left-overs from all other mail. */
#define MAIL_CHECK_FIELD "X-Mailtest-Check"

/* Older than its window by so much, a mail of the same check is left over: clocks differ, and a run may still look for it. */
#define LEFTOVER_GRACE_S      300u
#define LEFTOVER_UNLABELED_S  86400u    /* of a check without a name ("once"): others, with longer windows, use the same label */

struct mail_judge;

struct mail_judge_task {
    const char *token;      /* of this run: a token, or any other text that is looked for */
    const char *label;      /* NULL: MAIL_LABEL_NONE */
    uint32_t    window_s;
};

#define MAIL_LABEL_NONE "once"

/* NULL: out of memory. The texts are borrowed. */
struct mail_judge *mail_judge_new(const struct mail_judge_task *task);
void               mail_judge_free(struct mail_judge *j);       /* NULL is fine */

struct mail_verdict {
    bool              ours;             /* it carries this token */
    enum message_kind kind;             /* when ours: KIND_ARRIVED, KIND_BOUNCED, KIND_AUTOREPLY, … */
    bool              leftover;         /* not ours, and left over: see mail_judge_mail */
};

/* A mail as the account has it: its octets, all or from the beginning, with CRLF. */
struct mail_facts {
    struct slice octets;
    uint64_t     size_bytes;            /* 0: as many as octets */
    int64_t      received_unix;         /* by the server's clock; 0: not known */
    const char  *folder;
};

/*
 * Judges one mail.
 * A left-over carries tokens, all of them older (by their time of issue) than the window and LEFTOVER_GRACE_S before now_unix, and
 *   - its own header has the field X-Mailtest-Check with exactly this label, and it is no reply of a person, or
 *   - it is a report, an automatic reply or a receipt, and the header that it returns has that field.
 */
void mail_judge_mail(struct mail_judge *j, const struct mail_facts *mail, int64_t now_unix, struct mail_verdict *out);

/* The mail that was judged last, as an element of "arrivals" in a token document of docs/openapi.yaml. NULL: out of memory. The caller owns it. */
json_t *mail_judge_arrival(struct mail_judge *j);

/* What it reports, as the member "report"; json null where it is no report. The caller owns it. */
json_t *mail_judge_report(struct mail_judge *j);

#endif
