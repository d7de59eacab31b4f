#include "finder/zip.h"

/* APPNOTE 4.3.7: the local file header behind its signature, and the offsets of its fields. */
#define LOCAL_HEADER_BYTES 26u
enum { FLAGS_AT = 2, METHOD_AT = 4, PACKED_SIZE_AT = 14, NAME_LEN_AT = 22, EXTRA_LEN_AT = 24 };

#define FLAG_ENCRYPTED       0x0001u
#define FLAG_DESCRIPTOR      0x0008u    /* sizes are behind the data */
#define METHOD_STORED        0u
#define METHOD_DEFLATED      8u
#define SIZE_IS_ZIP64        0xffffffffu
#define EXTRA_ZIP64          0x0001u    /* 4.5.3: here both sizes, of 8 octets each, the packed one last */
#define EXTRA_ZIP64_BYTES    16u
#define EXTRA_HEADER_BYTES   4u
#define DESCRIPTOR_SIZE_AT   8u
#define DESCRIPTOR_SIZE_2_AT 12u

static const char local_signature[4] = "PK\x03\x04", descriptor_signature[4] = "PK\x07\x08";

/*
 *   SEARCH --signature--> HEADER --> NAME --> EXTRA --open_member()--> STORED, UNSIZED or DEFLATED --> SEARCH
 *                                                        \--(no octets to tell)--> SEARCH
 */
enum { SEARCH, HEADER, NAME, EXTRA, STORED, UNSIZED, DEFLATED, DONE };

bool
zip_is(struct slice first)
{
    return slice_starts(first, "PK\x03\x04") || slice_starts(first, "PK\x05\x06") || slice_starts(first, "PK\x07\x08") ||
           slice_starts(first, "PK00");
}

void
zip_init(struct zip *z, const struct container_events *events, void *arg, uint64_t *budget)
{
    *z = (struct zip){ .events = events, .arg = arg, .state = SEARCH };
    inflater_init(&z->inflater, budget);
}

static void
tell(struct zip *z, struct slice octets)
{
    if (octets.len > 0)
        z->events->octets(z->arg, octets);
}

static void
close_member(struct zip *z)
{
    if (z->open)
        z->events->end(z->arg);
    z->open = false;
    z->state = SEARCH;
    z->matched = 0;
}

/* ---- Headers ---------------------------------------------------------------------------------------------------- */

static void
take_search(struct zip *z, struct slice *in)
{
    while (in->len > 0) {
        char c;

        if (z->matched == 0)
            *in = slice_sub(*in, slice_find(*in, local_signature[0]), in->len);
        if (in->len == 0)
            return;
        c = in->data[0];
        if (c == local_signature[z->matched]) {
            *in = slice_sub(*in, 1, in->len);
            if (++z->matched == sizeof(local_signature)) {
                z->state = HEADER;
                gather_begin(&z->gather, LOCAL_HEADER_BYTES);
                return;
            }
        } else if (z->matched == 0) {
            *in = slice_sub(*in, 1, in->len);
        } else {
            z->matched = 0;             /* the octet may begin another signature */
        }
    }
}

/* The packed size in the zip64 field of the extra fields, or what the header said. */
static uint64_t
stated_size(const struct zip *z)
{
    struct slice extra = slice_make(z->gather.octets, z->gather.have);

    while (z->size == SIZE_IS_ZIP64 && extra.len >= EXTRA_HEADER_BYTES) {
        const unsigned char *field = (const unsigned char *)extra.data;
        size_t               len = get_le16(field + 2);

        extra = slice_sub(extra, EXTRA_HEADER_BYTES, extra.len);
        if (get_le16(field) == EXTRA_ZIP64 && len >= EXTRA_ZIP64_BYTES && extra.len >= EXTRA_ZIP64_BYTES)
            return get_le64(field + EXTRA_HEADER_BYTES + sizeof(uint64_t));
        extra = slice_sub(extra, len, extra.len);
    }
    return z->size;
}

static void
open_member(struct zip *z)
{
    uint64_t size = stated_size(z);      /* 0: unknown */
    bool     is_folder = z->kept > 0 && z->name[z->kept - 1] == '/';

    z->events->begin(z->arg, CONTENT_UNKNOWN, slice_make(z->name, z->kept));
    z->open = true;
    if ((z->flags & FLAG_ENCRYPTED) == 0 && z->method == METHOD_DEFLATED && inflater_begin(&z->inflater, INFLATER_RAW)) {
        z->state = DEFLATED;
        z->left = size > 0 ? size : UINT64_MAX;
    } else if ((z->flags & FLAG_ENCRYPTED) == 0 && z->method == METHOD_STORED && size > 0) {
        z->state = STORED;
        z->left = size;
    } else if ((z->flags & (FLAG_ENCRYPTED | FLAG_DESCRIPTOR)) == FLAG_DESCRIPTOR && z->method == METHOD_STORED && !is_folder) {
        z->state = UNSIZED;
        z->told = 0;
        z->held_len = 0;
    } else {
        close_member(z);
    }
}

static void
take_header(struct zip *z, struct slice *in)
{
    const unsigned char *header = z->gather.octets;

    if (!gather_take(&z->gather, in))
        return;
    z->flags = get_le16(header + FLAGS_AT);
    z->method = get_le16(header + METHOD_AT);
    z->size = get_le32(header + PACKED_SIZE_AT);
    z->name_len = get_le16(header + NAME_LEN_AT);
    z->extra_len = get_le16(header + EXTRA_LEN_AT);
    z->state = NAME;
    z->left = z->name_len;
    z->kept = 0;
}

static void
take_name(struct zip *z, struct slice *in)
{
    struct slice part = slice_take(in, z->left);
    struct slice kept = slice_sub(part, 0, sizeof(z->name) - z->kept);

    if (kept.len > 0)
        memcpy(z->name + z->kept, kept.data, kept.len);
    z->kept += kept.len;
    z->left -= part.len;
    if (z->left > 0)
        return;
    z->state = EXTRA;
    z->left = z->extra_len;
    gather_begin(&z->gather, z->extra_len < GATHER_BYTES_MAX ? z->extra_len : GATHER_BYTES_MAX);
}

/* The first extra fields are kept: writers put the zip64 one there. */
static void
take_extra(struct zip *z, struct slice *in)
{
    struct slice part = slice_take(in, z->left);

    z->left -= part.len;
    gather_take(&z->gather, &part);
    if (z->left == 0)
        open_member(z);
}

/* ---- Members ---------------------------------------------------------------------------------------------------- */

static void
take_stored(struct zip *z, struct slice *in)
{
    struct slice part = slice_take(in, z->left);

    tell(z, part);
    z->left -= part.len;
    if (z->left == 0)
        close_member(z);
}

static void
on_inflated(void *arg, struct slice octets)
{
    tell(arg, octets);
}

/* Ends where the stream ends, but not behind its stated size, so that a damaged one does not take the next members along. */
static void
take_deflated(struct zip *z, struct slice *in)
{
    struct slice         all = *in, part = slice_take(&all, z->left);
    size_t               len = part.len;
    enum inflater_result result = inflater_feed(&z->inflater, &part, on_inflated, z);

    *in = slice_sub(*in, len - part.len, in->len);
    z->left -= len - part.len;
    if (result == INFLATER_MORE && z->left > 0)
        return;
    close_member(z);
    if (result == INFLATER_CUT || (result == INFLATER_MORE && inflater_is_cut(&z->inflater))) {
        z->cut = true;
        z->state = DONE;
    }
}

/* The sizes of a zip64 descriptor have 8 octets, so that the second half of the first one stands where the second is. */
static bool
is_descriptor(const struct zip *z)
{
    uint32_t first = get_le32(z->held + DESCRIPTOR_SIZE_AT), second = get_le32(z->held + DESCRIPTOR_SIZE_2_AT);

    return first == (uint32_t)z->told && (second == first || second == z->told >> 32);
}

/* Tells the first octets that were held, until the rest may be a descriptor again. */
static void
release_held(struct zip *z, size_t at_least)
{
    size_t released = at_least;

    while (released < z->held_len) {
        size_t len = z->held_len - released;

        if (len > sizeof(descriptor_signature))
            len = sizeof(descriptor_signature);
        if (memcmp(z->held + released, descriptor_signature, len) == 0)
            break;
        released++;
    }
    tell(z, slice_make(z->held, released));
    z->told += released;
    z->held_len -= released;
    memmove(z->held, z->held + released, z->held_len);
}

static void
take_unsized(struct zip *z, struct slice *in)
{
    while (in->len > 0) {
        if (z->held_len == 0) {
            struct slice part = slice_take(in, slice_find(*in, descriptor_signature[0]));

            tell(z, part);
            z->told += part.len;
        }
        if (in->len == 0)
            return;
        z->held[z->held_len++] = (unsigned char)in->data[0];
        *in = slice_sub(*in, 1, in->len);
        release_held(z, 0);
        if (z->held_len < sizeof(z->held))
            continue;
        if (is_descriptor(z)) {
            close_member(z);
            return;
        }
        release_held(z, 1);
    }
}

void
zip_feed(struct zip *z, struct slice octets)
{
    static void (*const take[])(struct zip *z, struct slice *in) = {
        [SEARCH] = take_search, [HEADER] = take_header, [NAME] = take_name, [EXTRA] = take_extra,
        [STORED] = take_stored, [UNSIZED] = take_unsized, [DEFLATED] = take_deflated,
    };

    /* A name or extra fields of no length take nothing, but lead on at once. */
    while (octets.len > 0 && z->state != DONE)
        take[z->state](z, &octets);
}

void
zip_finish(struct zip *z)
{
    struct slice nothing = slice_make(NULL, 0);

    if (z->state == NAME && z->left == 0)
        take_name(z, &nothing);
    if (z->state == EXTRA && z->left == 0)
        take_extra(z, &nothing);
    if (z->state == UNSIZED)
        tell(z, slice_make(z->held, z->held_len));
    if (z->state == DEFLATED && inflater_is_cut(&z->inflater))
        z->cut = true;
    close_member(z);
    z->state = DONE;
    zip_fini(z);
}

void
zip_fini(struct zip *z)
{
    inflater_fini(&z->inflater);
}
