#ifndef MEANING_REPORT_FIELDS_H
#define MEANING_REPORT_FIELDS_H
/*
 * report_fields - reads the fields of a message/delivery-status part (RFC 3464 section 2; message/global-delivery-status,
 * RFC 6533, has the same) or a message/disposition-notification part (RFC 8098 section 3) as a stream. Of several recipients the
 * first that failed is kept, else the first that is delayed, else the first that was served, else the first.
 */

#include "lib/slice.h"

#define REPORT_LINE_BYTES       1024u   /* of one field with its folds; the rest is not read */
#define REPORT_DIAGNOSTIC_BYTES 512u
#define REPORT_ADDRESS_BYTES    320u
#define REPORT_HOST_BYTES       256u
#define REPORT_STATUS_CHARS     15u

/* Action fields (RFC 3464 section 2.3.3), by rank. */
enum report_action { ACTION_NONE, ACTION_PASSED_ON, ACTION_DELAYED, ACTION_FAILED };

/* What is said of one recipient. C strings, as they stand in the mail; empty where not said. */
struct report_recipient {
    enum report_action action;
    char               action_word[12];     /* in lower case */
    char               status[REPORT_STATUS_CHARS + 1];
    char               diagnostic[REPORT_DIAGNOSTIC_BYTES];
    char               refused_by[REPORT_HOST_BYTES];
    char               recipient[REPORT_ADDRESS_BYTES + 1];
    bool               has_original;        /* recipient is the Original-Recipient */
};

struct report_fields {
    char                    host[REPORT_HOST_BYTES];        /* Reporting-MTA, Reporting-UA, else Generating server */
    char                    disposition[64];                /* Disposition's type: "displayed" */
    struct report_recipient best;
    bool                    has_best;
    struct report_recipient now;                            /* private, from here on: the group that is read */
    bool                    has_now;
    bool                    in_line;                        /* octets of the line that is read were told */
    bool                    has_cr;                         /* nothing but a CR was told of it yet */
    size_t                  line_len;
    char                    line[REPORT_LINE_BYTES];        /* the field that is read, without its folds */
};

void report_fields_init(struct report_fields *r);
void report_fields_feed(struct report_fields *r, struct slice octets);

/* The part ended. */
void report_fields_end(struct report_fields *r);

#endif
