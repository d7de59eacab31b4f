#include "finder/pkcs7.h"

#include "finder/gather.h"
#include "lib/error.h"

#include <limits.h>

#include <openssl/asn1.h>
#include <openssl/err.h>

#define INDEFINITE UINT64_MAX

/* X.690 section 8.1: bits of a header's octets. */
#define LONG_TAG       0x1fu    /* in the first octet: the tag is in the next ones, ... */
#define MORE_OF_TAG    0x80u    /* ... as long as they have this bit */
#define LONG_LENGTH    0x80u    /* the other bits count the octets of the length */
#define HEADER_BROKEN  0x80     /* what ASN1_get_object returns, besides V_ASN1_CONSTRUCTED and ... */
#define HEADER_INDEFINITE 0x01

/* RFC 5652 section 3, RFC 3274: ContentInfo, with the types in which the content stands at the same place. */
enum { TYPE_NONE, TYPE_PLAIN, TYPE_COMPRESSED };

static const struct {
    uint8_t type;
    uint8_t len;
    unsigned char oid[PKCS7_OID_BYTES_MAX];
} types[] = {
    { TYPE_PLAIN,      9,  { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 } },                  /* id-signedData */
    { TYPE_PLAIN,      9,  { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x05 } },                  /* id-digestedData */
    { TYPE_COMPRESSED, 11, { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x09 } },      /* id-ct-compressedData */
};

/* Where it stands: behind tag and length of the SEQUENCE and its own, each length of 1 to 9 octets. */
#define OID_AT_MIN 4u
#define OID_AT_MAX 20u

/*
 * The path to the content, by depth:
 *   0 SEQUENCE (ContentInfo)  1 OID, [0]  2 SEQUENCE (SignedData)  3 SEQUENCE (EncapsulatedContentInfo)  4 [0]
 *   5 OCTET STRING, or one in parts
 */
enum { DEPTH_TYPE = 1, DEPTH_CONTENT = 5 };

/* HEADER --> OID, OCTETS or SKIP --> HEADER; HEADER --constructed--> HEADER, one deeper; --> ENDED when the content is */
enum { HEADER, OID, OCTETS, SKIP, ENDED };

bool
pkcs7_is(struct slice first)
{
    if (first.len == 0 || first.data[0] != (V_ASN1_SEQUENCE | V_ASN1_CONSTRUCTED))
        return false;
    for (size_t at = OID_AT_MIN; at <= OID_AT_MAX; at++)
        for (size_t i = 0; i < COUNT(types); i++)
            if (slice_equal(slice_sub(first, at, types[i].len), slice_make(types[i].oid, types[i].len)))
                return true;
    return false;
}

void
pkcs7_init(struct pkcs7 *p, const struct container_events *events, void *arg, uint64_t *budget)
{
    *p = (struct pkcs7){ .events = events, .arg = arg, .state = HEADER };
    inflater_init(&p->inflater, budget);
}

/* ---- The content ------------------------------------------------------------------------------------------------ */

static void
begin_content(struct pkcs7 *p)
{
    if (p->begun)
        return;
    p->events->begin(p->arg, CONTENT_MESSAGE, slice_make(NULL, 0));
    p->begun = true;
    if (p->type == TYPE_COMPRESSED && !inflater_begin(&p->inflater, INFLATER_ZLIB))
        p->state = ENDED;
}

static void
end_content(struct pkcs7 *p)
{
    if (p->begun && !p->ended)
        p->events->end(p->arg);
    p->ended = true;
    p->state = ENDED;
}

static void
on_inflated(void *arg, struct slice octets)
{
    struct pkcs7 *p = arg;

    p->events->octets(p->arg, octets);
}

static void
tell_content(struct pkcs7 *p, struct slice octets)
{
    enum inflater_result result;

    if (p->type != TYPE_COMPRESSED) {
        p->events->octets(p->arg, octets);
        return;
    }
    result = inflater_feed(&p->inflater, &octets, on_inflated, p);
    p->cut = result == INFLATER_CUT;
    if (result != INFLATER_MORE)
        end_content(p);
}

/* ---- Elements --------------------------------------------------------------------------------------------------- */

static void
close_element(struct pkcs7 *p)
{
    p->depth--;
    if (p->open[p->depth].on_path && p->begun && p->depth < DEPTH_CONTENT)
        end_content(p);
}

/* Closes the elements that end here. */
static void
close_elements(struct pkcs7 *p)
{
    while (p->depth > 0 && p->open[p->depth - 1].end == p->at)
        close_element(p);
    if (p->depth == 0)
        end_content(p);
}

static void
open_element(struct pkcs7 *p, bool on_path, uint64_t end)
{
    if (p->depth == PKCS7_DEPTH_MAX) {
        end_content(p);
        return;
    }
    p->open[p->depth++] = (struct pkcs7_element){ .end = end, .on_path = on_path };
}

/* Whether the element leads to the content, or is a part of it. */
static bool
is_on_path(const struct pkcs7 *p, int class, int tag)
{
    static const struct {
        int class, tag;
    } path[] = {
        { V_ASN1_UNIVERSAL, V_ASN1_SEQUENCE }, { V_ASN1_CONTEXT_SPECIFIC, 0 }, { V_ASN1_UNIVERSAL, V_ASN1_SEQUENCE },
        { V_ASN1_UNIVERSAL, V_ASN1_SEQUENCE }, { V_ASN1_CONTEXT_SPECIFIC, 0 }, { V_ASN1_UNIVERSAL, V_ASN1_OCTET_STRING },
    };
    size_t step = p->depth < DEPTH_CONTENT ? p->depth : DEPTH_CONTENT;

    if (p->depth > 0 && !p->open[p->depth - 1].on_path)
        return false;
    if (p->depth == DEPTH_TYPE && p->type == TYPE_NONE)
        return false;
    return class == path[step].class && tag == path[step].tag;
}

/* An element that is no OID: its header was read, its end is known. */
static void
take_element(struct pkcs7 *p, bool on_path, bool constructed, uint64_t end)
{
    if (on_path && p->depth >= DEPTH_CONTENT)
        begin_content(p);
    if (p->state == ENDED)
        return;
    if (constructed && (on_path || end == INDEFINITE)) {
        open_element(p, on_path, end);
    } else {
        p->state = on_path && p->depth >= DEPTH_CONTENT ? OCTETS : SKIP;
        p->left = end - p->at;
    }
}

static void
take_header(struct pkcs7 *p)
{
    const unsigned char *from = p->header;
    long                 len;
    int                  tag, class, flags;
    uint64_t             end, parent_end = p->depth > 0 ? p->open[p->depth - 1].end : INDEFINITE;

    ERR_set_mark();
    flags = ASN1_get_object(&from, &len, &tag, &class, LONG_MAX);
    ERR_pop_to_mark();
    p->header_len = 0;
    if ((flags & HEADER_BROKEN) != 0) {
        end_content(p);
        return;
    }
    if (class == V_ASN1_UNIVERSAL && tag == V_ASN1_EOC) {
        if (p->depth == 0 || parent_end != INDEFINITE)
            end_content(p);
        else
            close_element(p);
        return;
    }
    end = (flags & HEADER_INDEFINITE) != 0 ? INDEFINITE : p->at + (uint64_t)len;
    if (end != INDEFINITE && end > parent_end)
        end = parent_end;
    if (p->depth == DEPTH_TYPE && class == V_ASN1_UNIVERSAL && tag == V_ASN1_OBJECT && end != INDEFINITE) {
        p->state = OID;
        p->left = end - p->at;
        p->oid_len = 0;
    } else {
        take_element(p, is_on_path(p, class, tag), (flags & V_ASN1_CONSTRUCTED) != 0, end);
    }
}

/* Whether the octets gathered so far are a whole header (X.690 sections 8.1.2 and 8.1.3). */
static bool
header_is_whole(const unsigned char *header, size_t len)
{
    size_t at = 1;

    if ((header[0] & LONG_TAG) == LONG_TAG) {
        while (at < len && (header[at] & MORE_OF_TAG) != 0)
            at++;
        at++;
    }
    if (at >= len)
        return false;
    return len == at + 1 + ((header[at] & LONG_LENGTH) != 0 ? header[at] & ~LONG_LENGTH : 0);
}

static void
gather_header(struct pkcs7 *p, struct slice *in)
{
    if (p->header_len == sizeof(p->header)) {
        end_content(p);
        return;
    }
    p->header[p->header_len++] = (unsigned char)in->data[0];
    *in = slice_sub(*in, 1, in->len);
    p->at++;
    if (header_is_whole(p->header, p->header_len))
        take_header(p);
}

/* The octets of an element without elements in it. */
static void
take_run(struct pkcs7 *p, struct slice *in)
{
    struct slice part = slice_take(in, p->left), kept = slice_sub(part, 0, sizeof(p->oid) - p->oid_len);

    p->left -= part.len;
    p->at += part.len;
    if (p->state == OCTETS) {
        tell_content(p, part);
    } else if (p->state == OID) {
        memcpy(p->oid + p->oid_len, kept.data, kept.len);
        p->oid_len += kept.len;
    }
}

static void
end_run(struct pkcs7 *p)
{
    for (size_t i = 0; p->state == OID && i < COUNT(types); i++)
        if (slice_equal(slice_make(p->oid, p->oid_len), slice_make(types[i].oid, types[i].len)))
            p->type = types[i].type;
    p->state = HEADER;
}

void
pkcs7_feed(struct pkcs7 *p, struct slice octets)
{
    while (octets.len > 0 && p->state != ENDED) {
        if (p->state == HEADER)
            gather_header(p, &octets);
        else
            take_run(p, &octets);
        if (p->state != HEADER && p->state != ENDED && p->left == 0)
            end_run(p);
        if (p->state == HEADER && p->header_len == 0)
            close_elements(p);
    }
}

void
pkcs7_finish(struct pkcs7 *p)
{
    if (p->begun && !p->ended && p->type == TYPE_COMPRESSED && inflater_is_cut(&p->inflater))
        p->cut = true;
    end_content(p);
    pkcs7_fini(p);
}

void
pkcs7_fini(struct pkcs7 *p)
{
    inflater_fini(&p->inflater);
}
