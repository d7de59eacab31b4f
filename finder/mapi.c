#include "finder/mapi.h"

#define PIECE_BYTES       512u
#define UTF8_BYTES_MAX    4u
#define REPLACEMENT       0xfffdu
#define SURROGATE_HIGH    0xd800u
#define SURROGATE_LOW     0xdc00u
#define SURROGATE_END     0xe000u
#define SURROGATE_BITS    10
#define BEYOND_BMP        0x10000u

/* MS-OXTNEF 2.1.3.4: an object that is a message, and so a TNEF stream. */
static const unsigned char message_interface[MAPI_GUID_BYTES] = {
    0x07, 0x03, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46,
};

/* How a value becomes a content. */
enum { NOT_TOLD, AS_IT_IS, UTF16, RTF, OBJECT };

void
mapi_value_init(struct mapi_value *v, const struct container_events *events, void *arg)
{
    *v = (struct mapi_value){ .events = events, .arg = arg, .form = NOT_TOLD };
}

static enum content_kind
string_kind(uint16_t id)
{
    switch (id) {
    case MAPI_BODY:
        return CONTENT_TEXT;
    case MAPI_HTML:
        return CONTENT_HTML;
    case MAPI_TRANSPORT_HEADERS:
        return CONTENT_MESSAGE;
    default:
        return CONTENT_FIELD;
    }
}

static uint8_t
form_of(uint32_t tag, enum content_kind *kind)
{
    uint16_t type = MAPI_TYPE(tag) & (uint16_t)~MAPI_MULTIPLE;

    *kind = CONTENT_UNKNOWN;
    if (type == MAPI_STRING8 || type == MAPI_STRING) {
        *kind = string_kind(MAPI_ID(tag));
        return type == MAPI_STRING ? UTF16 : AS_IT_IS;
    }
    if (tag == MAPI_TAG(MAPI_HTML, MAPI_BINARY)) {
        *kind = CONTENT_HTML;
        return AS_IT_IS;
    }
    if (tag == MAPI_TAG(MAPI_RTF_COMPRESSED, MAPI_BINARY)) {
        *kind = CONTENT_RTF;
        return RTF;
    }
    if (tag == MAPI_TAG(MAPI_ATTACH_DATA, MAPI_BINARY))
        return AS_IT_IS;
    return tag == MAPI_TAG(MAPI_ATTACH_DATA, MAPI_OBJECT) ? OBJECT : NOT_TOLD;
}

static void
begin(struct mapi_value *v, enum content_kind kind, struct slice name)
{
    v->events->begin(v->arg, kind, name);
    v->open = true;
}

static void
on_rtf(void *arg, struct slice octets)
{
    struct mapi_value *v = arg;

    v->events->octets(v->arg, octets);
}

void
mapi_value_begin(struct mapi_value *v, uint32_t tag, struct slice file_name)
{
    enum content_kind kind;

    mapi_value_end(v);
    v->form = form_of(tag, &kind);
    v->half = false;
    v->high_surrogate = 0;
    if (v->form == RTF)
        compressed_rtf_init(&v->rtf, on_rtf, v);
    if (v->form == OBJECT)
        gather_begin(&v->interface, MAPI_GUID_BYTES);
    else if (v->form != NOT_TOLD)
        begin(v, kind, MAPI_ID(tag) == MAPI_ATTACH_DATA ? file_name : slice_make(NULL, 0));
}

/* RFC 3629 section 3. */
static size_t
put_utf8(char *to, uint32_t c)
{
    size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < BEYOND_BMP ? 2 : 3;

    *to++ = (char)(more == 0 ? c : (0xff00u >> (more + 1) & 0xffu) | c >> 6 * more);
    for (size_t i = more; i > 0; i--)
        *to++ = (char)(0x80u | (c >> 6 * (i - 1) & 0x3fu));
    return more + 1;
}

/* One UTF-16 unit; writes at most two characters. */
static size_t
take_unit(struct mapi_value *v, char *to, uint16_t unit)
{
    uint16_t high = v->high_surrogate;
    bool     is_low = unit >= SURROGATE_LOW && unit < SURROGATE_END;
    size_t   len = 0;

    v->high_surrogate = 0;
    if (high != 0 && is_low)
        return put_utf8(to, BEYOND_BMP + ((uint32_t)(high - SURROGATE_HIGH) << SURROGATE_BITS) + (unit - SURROGATE_LOW));
    if (high != 0)
        len = put_utf8(to, REPLACEMENT);
    if (unit >= SURROGATE_HIGH && unit < SURROGATE_LOW)
        v->high_surrogate = unit;
    else if (unit != 0)
        len += put_utf8(to + len, is_low ? REPLACEMENT : unit);
    return len;
}

static void
feed_utf16(struct mapi_value *v, struct slice octets)
{
    char   out[PIECE_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.data[i];

        if (v->half)
            len += take_unit(v, out + len, (uint16_t)(v->low | c << 8));
        v->low = c;
        v->half = !v->half;
        if (len > sizeof(out) - 2 * UTF8_BYTES_MAX || (i + 1 == octets.len && len > 0)) {
            v->events->octets(v->arg, slice_make(out, len));
            len = 0;
        }
    }
}

static void
feed_object(struct mapi_value *v, struct slice octets)
{
    if (!v->open) {
        if (!gather_take(&v->interface, &octets))
            return;
        begin(v, memcmp(v->interface.octets, message_interface, sizeof(message_interface)) == 0 ? CONTENT_TNEF : CONTENT_UNKNOWN,
              slice_make(NULL, 0));
    }
    if (octets.len > 0)
        v->events->octets(v->arg, octets);
}

void
mapi_value_feed(struct mapi_value *v, struct slice octets)
{
    if (octets.len == 0)
        return;
    if (v->form == AS_IT_IS)
        v->events->octets(v->arg, octets);
    else if (v->form == UTF16)
        feed_utf16(v, octets);
    else if (v->form == RTF)
        compressed_rtf_feed(&v->rtf, octets);
    else if (v->form == OBJECT)
        feed_object(v, octets);
}

void
mapi_value_end(struct mapi_value *v)
{
    char last[UTF8_BYTES_MAX];

    if (v->open && v->high_surrogate != 0)
        v->events->octets(v->arg, slice_make(last, put_utf8(last, REPLACEMENT)));
    if (v->open)
        v->events->end(v->arg);
    v->open = false;
    v->form = NOT_TOLD;
    v->high_surrogate = 0;
}
