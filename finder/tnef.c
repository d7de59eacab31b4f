#include "finder/tnef.h"

#include "lib/error.h"

#define SIGNATURE              0x223e9f78u
#define FILE_HEADER_BYTES      6u           /* signature, key */
#define ATTRIBUTE_HEADER_BYTES 9u           /* level, identifier, length */
enum { LEVEL_AT = 0, ID_AT = 1, LENGTH_AT = 5 };
#define CHECKSUM_BYTES         2u

#define LEVEL_MESSAGE    1u
#define LEVEL_ATTACHMENT 2u
#define ATTRIBUTE_TYPE_MAX 9u               /* the upper half of an identifier */

/* What is told of an attribute. */
enum { NOTHING, FIELD, TEXT, TITLE, NEW_ATTACHMENT, FILE_DATA, LIST, TABLE };

static const struct {
    uint32_t id;
    uint8_t  form;
} attributes[] = {
    { 0x00018004, FIELD          },     /* attSubject */
    { 0x00018009, FIELD          },     /* attMessageID */
    { 0x0001800a, FIELD          },     /* attParentID */
    { 0x0001800b, FIELD          },     /* attConversationID */
    { 0x0002800c, TEXT           },     /* attBody */
    { 0x0006800f, FILE_DATA      },     /* attAttachData */
    { 0x00018010, TITLE          },     /* attAttachTitle */
    { 0x00069001, TITLE          },     /* attAttachTransportFilename */
    { 0x00069002, NEW_ATTACHMENT },     /* attAttachRendData */
    { 0x00069003, LIST           },     /* attMsgProps */
    { 0x00069004, TABLE          },     /* attRecipTable */
    { 0x00069005, LIST           },     /* attAttachment */
};

/*
 *   FILE_HEADER --> HEADER --> DATA --> CHECKSUM --> HEADER
 *        \--no signature--> ENDED
 */
enum { FILE_HEADER, HEADER, DATA, CHECKSUM, ENDED };

bool
tnef_is(struct slice first)
{
    return first.len >= sizeof(uint32_t) && get_le32((const unsigned char *)first.data) == SIGNATURE;
}

void
tnef_init(struct tnef *t, const struct container_events *events, void *arg)
{
    *t = (struct tnef){ .events = events, .arg = arg, .state = FILE_HEADER };
    mapi_value_init(&t->value, events, arg);
    gather_begin(&t->gather, FILE_HEADER_BYTES);
}

static void
begin_attribute(struct tnef *t, uint32_t id)
{
    t->form = NOTHING;
    for (size_t i = 0; i < COUNT(attributes); i++)
        if (attributes[i].id == id)
            t->form = attributes[i].form;
    switch (t->form) {
    case TITLE:
    case NEW_ATTACHMENT:
        t->title_len = 0;
        t->title_ended = false;
        if (t->form == TITLE)
            t->events->begin(t->arg, CONTENT_FIELD, slice_make(NULL, 0));
        break;
    case FIELD:
    case TEXT:
        t->events->begin(t->arg, t->form == FIELD ? CONTENT_FIELD : CONTENT_TEXT, slice_make(NULL, 0));
        break;
    case FILE_DATA:
        t->events->begin(t->arg, CONTENT_UNKNOWN, slice_make(t->title, t->title_len));
        break;
    case LIST:
    case TABLE:
        mapi_list_begin(&t->list, &t->value, t->form == TABLE, slice_make(t->title, t->title_len));
        break;
    default:
        break;
    }
}

/* The title has a NUL at its end. */
static void
keep_title(struct tnef *t, struct slice octets)
{
    size_t       end = slice_find(octets, '\0');
    struct slice kept = slice_sub(slice_sub(octets, 0, t->title_ended ? 0 : end), 0, sizeof(t->title) - t->title_len);

    memcpy(t->title + t->title_len, kept.data, kept.len);
    t->title_len += kept.len;
    if (end < octets.len)
        t->title_ended = true;
}

static void
feed_attribute(struct tnef *t, struct slice octets)
{
    if (t->form == LIST || t->form == TABLE) {
        mapi_list_feed(&t->list, octets);
    } else if (t->form != NOTHING && t->form != NEW_ATTACHMENT) {
        if (t->form == TITLE)
            keep_title(t, octets);
        t->events->octets(t->arg, octets);
    }
}

static void
end_attribute(struct tnef *t)
{
    if (t->form == LIST || t->form == TABLE)
        mapi_list_end(&t->list);
    else if (t->form != NOTHING && t->form != NEW_ATTACHMENT)
        t->events->end(t->arg);
    t->form = NOTHING;
}

static void
want(struct tnef *t, uint8_t state, size_t len)
{
    t->state = state;
    gather_begin(&t->gather, len);
}

/* An attribute of no octets is over at once. */
static void
take_attribute_header(struct tnef *t)
{
    unsigned char *header = t->gather.octets;
    uint32_t       id = get_le32(header + ID_AT);

    if ((header[LEVEL_AT] != LEVEL_MESSAGE && header[LEVEL_AT] != LEVEL_ATTACHMENT) || id >> 16 > ATTRIBUTE_TYPE_MAX) {
        memmove(header, header + 1, ATTRIBUTE_HEADER_BYTES - 1);
        t->gather.have = ATTRIBUTE_HEADER_BYTES - 1;
        return;
    }
    t->left = get_le32(header + LENGTH_AT);
    begin_attribute(t, id);
    t->state = DATA;
    if (t->left == 0) {
        end_attribute(t);
        want(t, CHECKSUM, CHECKSUM_BYTES);
    }
}

static void
take_data(struct tnef *t, struct slice *in)
{
    struct slice part = slice_take(in, t->left);

    feed_attribute(t, part);
    t->left -= (uint32_t)part.len;
    if (t->left > 0)
        return;
    end_attribute(t);
    want(t, CHECKSUM, CHECKSUM_BYTES);
}

void
tnef_feed(struct tnef *t, struct slice octets)
{
    while (octets.len > 0 && t->state != ENDED) {
        if (t->state == DATA)
            take_data(t, &octets);
        else if (!gather_take(&t->gather, &octets))
            return;
        else if (t->state == HEADER)
            take_attribute_header(t);
        else if (t->state == CHECKSUM || tnef_is(slice_make(t->gather.octets, t->gather.have)))
            want(t, HEADER, ATTRIBUTE_HEADER_BYTES);
        else
            t->state = ENDED;
    }
}

void
tnef_finish(struct tnef *t)
{
    end_attribute(t);
    t->state = ENDED;
}
