#ifndef FINDER_PKCS7_H
#define FINDER_PKCS7_H
/*
 * pkcs7 - tells the message within an S/MIME part of type application/pkcs7-mime as it streams by: of signed-data (opaque
 * signing) and compressed-data (RFC 8551 section 3, RFC 5652 section 5, RFC 3274), in DER and in BER with indefinite lengths
 * and strings in parts. No signature is verified: a token proves itself. Of enveloped-data nothing can be told.
 *
 * What breaks off is told as far as it goes. What is behind the content (certificates, signatures) is not looked at. Elements
 * of indefinite length within each other are followed to PKCS7_DEPTH_MAX; deeper ones end it.
 *
 * Time: linear in the octets fed and told. Memory: the struct (less than 1 KiB), and an inflater's for compressed-data.
 */

#include "finder/container.h"
#include "finder/inflater.h"

#define PKCS7_DEPTH_MAX        16u
#define PKCS7_HEADER_BYTES_MAX 24u      /* tag and length of an element */
#define PKCS7_OID_BYTES_MAX    16u

struct pkcs7_element {
    uint64_t end;       /* offset behind it; UINT64_MAX: of indefinite length */
    bool     on_path;   /* the content is in it, or is it */
};

/* Private but for cut. Must stay where it is while in use. */
struct pkcs7 {
    const struct container_events *events;
    void                          *arg;
    struct inflater                inflater;
    uint8_t                        state;
    uint8_t                        type;            /* what the content is in */
    uint64_t                       at;              /* offset of the next octet */
    uint64_t                       left;            /* of the octets being read */
    unsigned char                  header[PKCS7_HEADER_BYTES_MAX];
    size_t                         header_len;
    unsigned char                  oid[PKCS7_OID_BYTES_MAX];
    size_t                         oid_len;
    struct pkcs7_element           open[PKCS7_DEPTH_MAX];
    size_t                         depth;
    bool                           begun, ended;    /* the content was */
    bool                           cut;             /* the budget ended before the content */
};

/* Whether a file that begins with these octets is signed-data or compressed-data. */
bool pkcs7_is(struct slice first);

/* Borrows events and budget: the octets that may still be decompressed, shared by all decoders of a message. */
void pkcs7_init(struct pkcs7 *p, const struct container_events *events, void *arg, uint64_t *budget);
void pkcs7_feed(struct pkcs7 *p, struct slice octets);

/* The part is complete; frees what zlib holds. */
void pkcs7_finish(struct pkcs7 *p);

/* Frees what zlib holds and tells nothing: for a part that is given up. Harmless behind pkcs7_finish. */
void pkcs7_fini(struct pkcs7 *p);

#endif
