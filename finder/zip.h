#ifndef FINDER_ZIP_H
#define FINDER_ZIP_H
/*
 * zip - goes through a ZIP file (PKWARE APPNOTE) as a stream, from one local file header to the next; the central directory
 * is ignored, as it comes last and need not tell the truth. Each member is told with its name: stored and deflated ones with
 * what they hold, directories and those that are encrypted or compressed in another way without any octets.
 *
 *   - A deflated member ends where its stream ends, and not behind the size that the header states, if it states one.
 *   - A stored member has the size that the header states, in a zip64 field, too. Where it states none, the member ends at a
 *     data descriptor with a signature whose sizes fit.
 *   - Whatever else there is (data descriptors, directories, damage, a program that unpacks itself) is searched for the next
 *     local file header.
 *
 * Time: linear in the octets fed and told. Memory: the struct (less than 1 KiB) and an inflater's.
 */

#include "finder/container.h"
#include "finder/gather.h"
#include "finder/inflater.h"

#define ZIP_DESCRIPTOR_BYTES 16u    /* signature, CRC, both sizes; of the 24 of a zip64 one the first 16 suffice */

/* Private but for cut. Must stay where it is while in use. */
struct zip {
    const struct container_events *events;
    void                          *arg;
    struct inflater                inflater;
    struct gather                  gather;
    uint8_t                        state;
    uint8_t                        matched;         /* octets of the signature that is searched */
    uint16_t                       flags, method, name_len, extra_len;
    uint64_t                       size;            /* of a stored member, as stated */
    uint64_t                       left;            /* of the run of octets being read */
    uint64_t                       told;            /* of a stored member of unknown size */
    unsigned char                  held[ZIP_DESCRIPTOR_BYTES];     /* what may be its data descriptor */
    size_t                         held_len;
    char                           name[CONTENT_NAME_BYTES_MAX];
    size_t                         kept;            /* octets of the name */
    bool                           open;            /* a content is open */
    bool                           cut;             /* the budget ended before the file */
};

/* Whether a file that begins with these octets may be one: also an empty and a split one. */
bool zip_is(struct slice first);

/*
 * Borrows events and budget: the octets that may still be decompressed, shared by all decoders of a message. Stored members
 * do not count, as they tell no more than they are fed.
 */
void zip_init(struct zip *z, const struct container_events *events, void *arg, uint64_t *budget);
void zip_feed(struct zip *z, struct slice octets);

/* The file is complete; frees what zlib holds. */
void zip_finish(struct zip *z);

/* Frees what zlib holds and tells nothing: for a file that is given up. Harmless behind zip_finish. */
void zip_fini(struct zip *z);

#endif
