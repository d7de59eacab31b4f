#ifndef FINDER_MAPI_H
#define FINDER_MAPI_H
/*
 * mapi - what the values of MAPI properties (MS-OXPROPS, MS-OXCDATA) are to a search, wherever they stand: in TNEF or in a
 * .msg file. A value is told as a content: bodies and transport headers as what they are, every other string as a field
 * (subject, conversation topic, Message-ID, references, addresses, file names, header fields as named properties), attached
 * files and objects. Strings in UTF-16 are told in UTF-8; the NUL at their end is left out there, and stays in 8-bit ones.
 * Other values are not told.
 *
 * Time: linear. Memory: the struct, about 4.5 KiB.
 */

#include "finder/compressed_rtf.h"
#include "finder/container.h"

/* A property tag is its identifier << 16 | its type. */
#define MAPI_TAG(id, type) ((uint32_t)(id) << 16 | (type))
#define MAPI_ID(tag)       ((uint16_t)((tag) >> 16))
#define MAPI_TYPE(tag)     ((uint16_t)((tag) & 0xffffu))

enum mapi_type {
    MAPI_INTEGER16 = 0x0002,
    MAPI_INTEGER32 = 0x0003,
    MAPI_FLOAT = 0x0004,
    MAPI_DOUBLE = 0x0005,
    MAPI_CURRENCY = 0x0006,
    MAPI_APPLICATION_TIME = 0x0007,
    MAPI_ERROR = 0x000a,
    MAPI_BOOLEAN = 0x000b,
    MAPI_OBJECT = 0x000d,
    MAPI_INTEGER64 = 0x0014,
    MAPI_STRING8 = 0x001e,
    MAPI_STRING = 0x001f,       /* UTF-16, little-endian */
    MAPI_TIME = 0x0040,
    MAPI_GUID = 0x0048,
    MAPI_BINARY = 0x0102,
    MAPI_MULTIPLE = 0x1000,     /* added to one of the others */
};

enum mapi_id {
    MAPI_TRANSPORT_HEADERS = 0x007d,
    MAPI_BODY = 0x1000,
    MAPI_RTF_COMPRESSED = 0x1009,
    MAPI_HTML = 0x1013,
    MAPI_ATTACH_DATA = 0x3701,
    MAPI_ATTACH_FILENAME = 0x3704,
    MAPI_ATTACH_LONG_FILENAME = 0x3707,
    MAPI_NAMED = 0x8000,        /* from here on: identifiers of named properties */
};

#define MAPI_GUID_BYTES 16u

/* Private. Must stay where it is while a value is open. */
struct mapi_value {
    const struct container_events *events;
    void                          *arg;
    uint8_t                        form;
    bool                           open;
    bool                           half;            /* an octet of a UTF-16 unit was read: low */
    unsigned char                  low;
    uint16_t                       high_surrogate;  /* that waits for its other half, or 0 */
    struct gather                  interface;       /* the identifier that stands before an object */
    struct compressed_rtf          rtf;
};

/* Borrows events. */
void mapi_value_init(struct mapi_value *v, const struct container_events *events, void *arg);

/* A value of this property follows; file_name, for attached data, is used during the call only. */
void mapi_value_begin(struct mapi_value *v, uint32_t tag, struct slice file_name);
void mapi_value_feed(struct mapi_value *v, struct slice octets);

/* The value is complete, or breaks off. Harmless when none is open. */
void mapi_value_end(struct mapi_value *v);

#endif
