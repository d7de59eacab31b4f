#ifndef MEANING_WORDS_H
#define MEANING_WORDS_H
/*
 * words - small readers of text that people and mail servers wrote: lines, phrases, addresses, hosts, status codes. Pure,
 * linear in the text for each phrase that is looked for; what they give borrows from the text.
 */

#include "lib/buf.h"

/* The next line of *rest without its LF and without blanks at its ends; *rest goes behind it. False: nothing is left. */
bool words_line(struct slice *rest, struct slice *line);

/* What follows the first occurrence of the phrase, without case; data is NULL where there is none. */
struct slice words_after(struct slice text, const char *phrase);

bool words_has(struct slice text, const char *phrase);

/* The address of a From or similar field: what stands in angle brackets, else the first address in it; or empty. */
struct slice words_address_of(struct slice field);

/* The first "local@domain" in running text; *rest, where not NULL, is what follows it. Empty: none. */
struct slice words_address(struct slice text, struct slice *rest);

/* The host name or address that the text begins with, behind blanks, colons and brackets; may be empty. */
struct slice words_host(struct slice text);

/* The first enhanced status code (RFC 3463) "5.1.1" that stands as a word of its own, or empty. */
struct slice words_status(struct slice text);

/* The first reply code (RFC 5321 section 4.2) of class 4 or 5 that stands as a word of its own, or empty. */
struct slice words_reply_code(struct slice text);

/* Appends the text with each run of blanks and line ends made one space, as far as there is room. */
void words_squeeze(struct buf *to, struct slice text);

/* Whether a mail address' domain is domain, or within it, without case. */
bool words_domain_is(struct slice address, const char *domain);

#endif
