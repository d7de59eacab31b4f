#ifndef FINDER_COMPOUND_FILE_H
#define FINDER_COMPOUND_FILE_H
/*
 * compound_file - reads an Outlook message file (.msg, MS-OXMSG): a compound file (MS-CFB) whose streams hold MAPI properties
 * (finder/mapi.h), of the message, its recipients and attachments, and messages embedded in it. An attached file is told with
 * its name. Other compound files have no such streams, and nothing is told of them.
 *
 * The format needs random access, so the file is gathered first, and told of at its end. Of a larger file than
 * COMPOUND_FILE_BYTES_MAX what lies within its front is told.
 *
 * Time: linear in the octets fed: each sector counts for the first stream that uses it only, so chains that loop or cross end
 * there. Memory: the octets fed, at most COMPOUND_FILE_BYTES_MAX, the struct (about 5 KiB), and about 100 KiB during
 * compound_file_finish.
 */

#include "finder/mapi.h"
#include "lib/buf.h"

#define COMPOUND_FILE_BYTES_MAX (1024u * 1024)

/* Private but for cut. Must stay where it is while in use. */
struct compound_file {
    struct buf        octets;
    struct mapi_value value;
    bool              cut;      /* the file was larger, or memory ran out */
};

/* Whether a file that begins with these octets is one. */
bool compound_file_is(struct slice first);

/* Borrows events. Allocates nothing yet. */
void compound_file_init(struct compound_file *c, const struct container_events *events, void *arg);
void compound_file_feed(struct compound_file *c, struct slice octets);

/* The file is complete: tells of it, and frees all memory. */
void compound_file_finish(struct compound_file *c);

/* Frees all memory and tells nothing: for a file that is given up. Harmless behind compound_file_finish. */
void compound_file_fini(struct compound_file *c);

#endif
