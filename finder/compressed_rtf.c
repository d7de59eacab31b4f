#include "finder/compressed_rtf.h"

/* MS-OXRTFCP 2.1.3.1.1: both sizes, the type, the CRC. */
#define HEADER_BYTES 16u
#define TYPE_AT      8u
#define TYPE_LZFU    0x75465a4cu
#define TYPE_MELA    0x414c454du

/* 2.1.2.1: what the dictionary holds at first. */
static const char preset[] =
    "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans "
    "SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
#define PRESET_BYTES (sizeof(preset) - 1)

static_assert(PRESET_BYTES == 207, "MS-OXRTFCP says so");

#define REFERENCE_BYTES_MIN 2u
#define REFERENCE_BYTES_MAX 17u
#define PIECE_BYTES         512u

/*
 *   HEADER --LZFu--> FLAGS --> ITEM <--> REFERENCE       eight items behind each octet of flags
 *     |  \---MELA--> PLAIN                 \--to the place to write at--> ENDED
 *      \-----other--------------------------------------------------------/
 */
enum { HEADER, FLAGS, ITEM, REFERENCE, PLAIN, ENDED };

struct piece {
    unsigned char octets[PIECE_BYTES];
    size_t        len;
};

void
compressed_rtf_init(struct compressed_rtf *c, octets_fn *told, void *arg)
{
    *c = (struct compressed_rtf){ .told = told, .arg = arg, .state = HEADER };
    gather_begin(&c->header, HEADER_BYTES);
}

static void
take_header(struct compressed_rtf *c)
{
    uint32_t type = get_le32(c->header.octets + TYPE_AT);

    c->state = type == TYPE_LZFU ? FLAGS : type == TYPE_MELA ? PLAIN : ENDED;
    memcpy(c->dictionary, preset, PRESET_BYTES);
    c->write_at = PRESET_BYTES;
}

static void
put(struct compressed_rtf *c, struct piece *out, unsigned char octet)
{
    out->octets[out->len++] = octet;
    c->dictionary[c->write_at] = octet;
    c->write_at = (uint16_t)((c->write_at + 1) % COMPRESSED_RTF_DICTIONARY_BYTES);
}

static void
end_item(struct compressed_rtf *c)
{
    c->flags >>= 1;
    c->state = --c->flags_left == 0 ? FLAGS : ITEM;
}

/* 12 bits of offset, 4 of length; what is copied may overlap what it writes. */
static void
copy_reference(struct compressed_rtf *c, struct piece *out, unsigned char second)
{
    unsigned from = (unsigned)c->first << 4 | second >> 4;
    unsigned len = (second & 0x0fu) + REFERENCE_BYTES_MIN;

    if (from == c->write_at) {
        c->state = ENDED;
        return;
    }
    for (unsigned i = 0; i < len; i++)
        put(c, out, c->dictionary[(from + i) % COMPRESSED_RTF_DICTIONARY_BYTES]);
    end_item(c);
}

static void
take_octet(struct compressed_rtf *c, struct piece *out, unsigned char octet)
{
    if (c->state == FLAGS) {
        c->flags = octet;
        c->flags_left = 8;
        c->state = ITEM;
    } else if (c->state == REFERENCE) {
        copy_reference(c, out, octet);
    } else if (c->flags & 1) {
        c->first = octet;
        c->state = REFERENCE;
    } else {
        put(c, out, octet);
        end_item(c);
    }
}

void
compressed_rtf_feed(struct compressed_rtf *c, struct slice octets)
{
    if (c->state == HEADER && gather_take(&c->header, &octets))
        take_header(c);
    if (c->state == PLAIN && octets.len > 0)
        c->told(c->arg, octets);
    if (c->state == HEADER || c->state == PLAIN)
        return;
    for (size_t i = 0; i < octets.len && c->state != ENDED;) {
        struct piece out = { .len = 0 };

        while (i < octets.len && c->state != ENDED && out.len + REFERENCE_BYTES_MAX <= sizeof(out.octets))
            take_octet(c, &out, (unsigned char)octets.data[i++]);
        if (out.len > 0)
            c->told(c->arg, slice_make(out.octets, out.len));
    }
}
