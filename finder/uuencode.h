#ifndef FINDER_UUENCODE_H
#define FINDER_UUENCODE_H
/*
 * uuencode - finds uuencoded files in text: blocks from "begin 644 name" to "end" (POSIX uuencode), also those in base64 from
 * "begin-base64 644 name" to "====". Only their contents are told; the text is not kept from whoever else searches it, so a
 * line of text that happens to look like a begin line does no harm.
 *
 * Lenient: a blank for zero may be a space or a backtick, blanks at the ends of lines may be missing, and lines that are no
 * uuencoded ones are skipped. Of a block nothing is told before its first good line, and a block without an end is told as
 * far as it goes. Lines end in LF, with or without a CR before it.
 *
 * Time: linear: at most UUENCODE_ZEROS_FIRST octets and one and a half times those that are fed are told, as zeros for blanks
 * that are missing may be no more than that and the octets that are there. Memory: the struct, less than 1 KiB.
 */

#include "finder/container.h"
#include "finder/gather.h"
#include "lib/transfer.h"

/* Longer lines are neither begin lines nor uuencoded ones; base64 lines may have any length. */
#define UUENCODE_LINE_BYTES_MAX 320u

/* So many zeros may be missing from the start. */
#define UUENCODE_ZEROS_FIRST 1024u

/* Private. */
struct uuencode {
    const struct container_events *events;
    void                          *arg;
    struct base64                  base64;
    uint8_t                        state;
    bool                           open;        /* a content is open */
    bool                           overlong;    /* the front of this line was taken already */
    char                           line[UUENCODE_LINE_BYTES_MAX];
    size_t                         line_len;
    char                           name[CONTENT_NAME_BYTES_MAX];
    size_t                         name_len;
    size_t                         zeros_left;  /* that may still be missing */
};

/* Borrows events. */
void uuencode_init(struct uuencode *u, const struct container_events *events, void *arg);

/* Text with its transfer encoding undone. */
void uuencode_feed(struct uuencode *u, struct slice octets);
void uuencode_finish(struct uuencode *u);

/* A block was begun, and did not end yet. */
static inline bool
uuencode_is_within(const struct uuencode *u)
{
    return u->state != 0;
}

#endif
