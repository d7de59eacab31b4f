#ifndef FINDER_UNPACK_H
#define FINDER_UNPACK_H
/*
 * unpack - the decoder that fits a form (finder/content.h), behind one face: gzip, zip, TNEF, PKCS #7, compound files, and base64 that
 * no label announces. Of base64 the octets and the end are told, but no begin: what is in it is what it was taken for itself.
 */

#include "finder/compound_file.h"
#include "finder/content.h"
#include "finder/gzip.h"
#include "finder/pkcs7.h"
#include "finder/tnef.h"
#include "finder/zip.h"
#include "lib/transfer.h"

struct unpack {
    const struct container_events *events;      /* private, all of it */
    void                          *arg;
    enum content_form              form;
    union {
        struct base64        base64;
        struct gzip          gzip;
        struct zip           zip;
        struct tnef          tnef;
        struct pkcs7         pkcs7;
        struct compound_file compound_file;
    } as;
};

/* Whether a form has a decoder. */
bool unpack_is_for(enum content_form form);

/* Borrows events and budget: the octets that may still be decompressed. Must stay where it is until it is finished or dropped. */
void unpack_init(struct unpack *u, enum content_form form, const struct container_events *events, void *arg, uint64_t *budget);
void unpack_feed(struct unpack *u, struct slice octets);

/* The container is complete: tells the rest, frees what it took. False: a bound cut it short. */
bool unpack_finish(struct unpack *u);

/* It is given up: frees what it took, tells nothing. */
void unpack_drop(struct unpack *u);

#endif
