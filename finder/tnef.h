#ifndef FINDER_TNEF_H
#define FINDER_TNEF_H
/*
 * tnef - reads what Exchange and Outlook send as application/ms-tnef or winmail.dat (MS-OXTNEF), as a stream: subject, message
 * and conversation identifiers and body of the message, the MAPI properties (finder/mapi.h) of the message, its recipients
 * and attachments, and attached files. An embedded message is told as CONTENT_TNEF. An attached file has the name that stood
 * before it, if one did; names are told as fields, too.
 *
 * Lenient: checksums are not looked at; an attribute ends where it says, whatever is in it; where no attribute can begin, the
 * next octet where one can is searched. Without the signature nothing is told.
 *
 * Time: linear. Memory: the struct, about 5 KiB.
 */

#include "finder/mapi_list.h"

/* Private. Must stay where it is while in use. */
struct tnef {
    const struct container_events *events;
    void                          *arg;
    struct gather                  gather;
    struct mapi_list               list;
    struct mapi_value              value;
    uint8_t                        state;
    uint8_t                        form;        /* of the attribute */
    uint32_t                       left;        /* octets of it */
    char                           title[CONTENT_NAME_BYTES_MAX];   /* the name of the attachment */
    size_t                         title_len;
    bool                           title_ended; /* with its NUL */
};

/* Whether a file that begins with these octets is one. */
bool tnef_is(struct slice first);

/* Borrows events. */
void tnef_init(struct tnef *t, const struct container_events *events, void *arg);
void tnef_feed(struct tnef *t, struct slice octets);
void tnef_finish(struct tnef *t);

#endif
