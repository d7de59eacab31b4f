#ifndef LIB_RECEIVED_H
#define LIB_RECEIVED_H
/*
 * received - reads a Received field (RFC 5321 section 4.4) as mail servers really write it: Postfix, Exim, Sendmail, qmail,
 * Exchange, Gmail and their like. Linear, no allocation; what cannot be read is left empty.
 */

#include "lib/parsed.h"

/* Room for the texts of a hop: UTF-8 without control characters, each cut at a character. */
struct received_text {
    char from[PARSED_HOP_TEXT_BYTES], by[PARSED_HOP_TEXT_BYTES], with[PARSED_HOP_TEXT_BYTES];
    char tls[PARSED_HOP_TEXT_BYTES], id[PARSED_HOP_TEXT_BYTES], for_[PARSED_HOP_TEXT_BYTES];
};

/* value: of the field, folds included. out borrows from text. */
void received_parse(struct slice value, struct received_text *text, struct hop *out);

#endif
