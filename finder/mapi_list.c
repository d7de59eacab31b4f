#include "finder/mapi_list.h"

#include "lib/error.h"

#define NUMBER_BYTES 4u
#define NAME_BYTES   (MAPI_GUID_BYTES + NUMBER_BYTES)   /* the name space, and the kind of the name: */
#define NAME_IS_ID     0u
#define NAME_IS_STRING 1u

/*
 *   [ROWS] --> COUNT --> TAG --> [NAME_KIND --> NAME_ID, or NAME_LEN and the string] --> a value of fixed size, or
 *   VALUES --> SIZE --> VALUE --> padding --> SIZE, TAG or COUNT, whichever is still to come, or ENDED
 */
enum { ROWS, COUNT_OF, TAG, NAME_KIND, NAME_ID, NAME_LEN, VALUES, SIZE, VALUE, SKIP, ENDED };

/* What comes behind SKIP. */
enum { DATA, NEXT_VALUE, NEXT_PROPERTY };

/* Octets of a value in the list, with padding; 0: stated in front of each. */
static const struct {
    uint16_t type;
    uint8_t  size;
} types[] = {
    { MAPI_INTEGER16, 4 }, { MAPI_INTEGER32, 4 }, { MAPI_FLOAT, 4 }, { MAPI_ERROR, 4 }, { MAPI_BOOLEAN, 4 },
    { MAPI_DOUBLE, 8 }, { MAPI_CURRENCY, 8 }, { MAPI_APPLICATION_TIME, 8 }, { MAPI_INTEGER64, 8 }, { MAPI_TIME, 8 },
    { MAPI_GUID, MAPI_GUID_BYTES }, { MAPI_OBJECT, 0 }, { MAPI_STRING8, 0 }, { MAPI_STRING, 0 }, { MAPI_BINARY, 0 },
};

static bool
type_size(uint32_t tag, uint64_t *size)
{
    for (size_t i = 0; i < COUNT(types); i++) {
        if (types[i].type == (MAPI_TYPE(tag) & (uint16_t)~MAPI_MULTIPLE)) {
            *size = types[i].size;
            return true;
        }
    }
    return false;
}

static void
want(struct mapi_list *l, uint8_t state, size_t len)
{
    l->state = state;
    gather_begin(&l->gather, len);
}

static void
next_property(struct mapi_list *l)
{
    if (l->properties > 0) {
        l->properties--;
        want(l, TAG, NUMBER_BYTES);
    } else if (l->rows > 0) {
        l->rows--;
        want(l, COUNT_OF, NUMBER_BYTES);
    } else {
        l->state = ENDED;
    }
}

static void
next_value(struct mapi_list *l)
{
    if (l->values == 0) {
        next_property(l);
        return;
    }
    l->values--;
    want(l, SIZE, NUMBER_BYTES);
}

static void
skip(struct mapi_list *l, uint64_t len, uint8_t behind)
{
    l->state = SKIP;
    l->left = len;
    l->behind_skip = behind;
}

static uint8_t
padding_of(uint32_t len)
{
    return (uint8_t)(-len % NUMBER_BYTES);
}

/* What comes behind tag and name. */
static void
begin_data(struct mapi_list *l)
{
    uint64_t size;

    if (!type_size(l->tag, &size))
        l->state = ENDED;
    else if (size == 0 || (MAPI_TYPE(l->tag) & MAPI_MULTIPLE) != 0)
        want(l, VALUES, NUMBER_BYTES);
    else
        skip(l, size, NEXT_PROPERTY);
}

static void
take_values(struct mapi_list *l, uint32_t values)
{
    uint64_t size;

    if (type_size(l->tag, &size) && size > 0) {
        skip(l, values * size, NEXT_PROPERTY);
        return;
    }
    l->values = values;
    next_value(l);
}

static void
take_number(struct mapi_list *l)
{
    uint32_t number = get_le32(l->gather.octets + l->gather.want - NUMBER_BYTES);

    switch (l->state) {
    case ROWS:
        l->rows = number;
        next_property(l);
        break;
    case COUNT_OF:
        l->properties = number;
        next_property(l);
        break;
    case TAG:
        l->tag = number;
        if (MAPI_ID(number) >= MAPI_NAMED)
            want(l, NAME_KIND, NAME_BYTES);
        else
            begin_data(l);
        break;
    case NAME_KIND:
        if (number == NAME_IS_ID || number == NAME_IS_STRING)
            want(l, number == NAME_IS_ID ? NAME_ID : NAME_LEN, NUMBER_BYTES);
        else
            l->state = ENDED;
        break;
    case NAME_ID:
        begin_data(l);
        break;
    case NAME_LEN:
        skip(l, (uint64_t)number + padding_of(number), DATA);
        break;
    case VALUES:
        take_values(l, number);
        break;
    default:                            /* SIZE */
        l->state = VALUE;
        l->left = number;
        l->padding = padding_of(number);
        mapi_value_begin(l->value, l->tag, l->file_name);
        break;
    }
}

/* The octets of a value, or those that are skipped; also when there are none. */
static void
take_run(struct mapi_list *l, struct slice *in)
{
    struct slice part = slice_take(in, l->left);

    if (l->state == VALUE)
        mapi_value_feed(l->value, part);
    l->left -= part.len;
    if (l->left > 0)
        return;
    if (l->state == VALUE) {
        mapi_value_end(l->value);
        skip(l, l->padding, NEXT_VALUE);
    } else if (l->behind_skip == DATA) {
        begin_data(l);
    } else if (l->behind_skip == NEXT_VALUE) {
        next_value(l);
    } else {
        next_property(l);
    }
}

void
mapi_list_begin(struct mapi_list *l, struct mapi_value *value, bool is_table, struct slice file_name)
{
    *l = (struct mapi_list){ .value = value, .file_name = file_name };
    want(l, is_table ? ROWS : COUNT_OF, NUMBER_BYTES);
}

void
mapi_list_feed(struct mapi_list *l, struct slice octets)
{
    while (octets.len > 0 && l->state != ENDED) {
        if (l->state == VALUE || l->state == SKIP)
            take_run(l, &octets);
        else if (gather_take(&l->gather, &octets))
            take_number(l);
    }
}

void
mapi_list_end(struct mapi_list *l)
{
    mapi_value_end(l->value);
    l->state = ENDED;
}
