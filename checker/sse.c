#include "checker/sse.h"

#include "lib/error.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define RETRY_MAX_MS    3600000u

void
sse_init(struct sse *s)
{
    *s = (struct sse){ .retry_ms = 0 };
    buf_init(&s->line, SSE_LINE_MAX);
    buf_init(&s->data, SSE_DATA_MAX);
}

void
sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
}

void
sse_begin(struct sse *s)
{
    buf_clear(&s->line);
    buf_clear(&s->data);
    s->name[0] = '\0';
    memcpy(s->coming_id, s->id, sizeof(s->id));
    s->begun = s->after_cr = s->faulty = false;
}

/* The empty line: the event is whole. One without data is none (but its id counts). */
static void
dispatch(struct sse *s, sse_event_fn *fn, void *arg)
{
    memcpy(s->id, s->coming_id, sizeof(s->id));
    if (s->data.len > 0) {
        struct sse_event e = { .name = s->name[0] != '\0' ? s->name : "message", .id = s->id,
                               .data = slice_sub(buf_slice(&s->data), 0, s->data.len - 1) };

        fn(arg, &e);
    }
    buf_clear(&s->data);
    s->name[0] = '\0';
}

static void
take_field(struct sse *s, struct slice field, struct slice value)
{
    uint64_t n;

    if (slice_equal(field, slice_of("data"))) {
        buf_append_slice(&s->data, value);
        buf_append_byte(&s->data, '\n');
    } else if (slice_equal(field, slice_of("event"))) {
        if (!slice_copy(s->name, sizeof(s->name), value))
            s->name[0] = '\0';
    } else if (slice_equal(field, slice_of("id"))) {
        if (value.len <= SSE_ID_MAX && (value.len == 0 || memchr(value.data, '\0', value.len) == NULL))
            slice_copy(s->coming_id, sizeof(s->coming_id), value);
    } else if (slice_equal(field, slice_of("retry"))) {
        if (slice_to_u64(value, RETRY_MAX_MS, &n) == MT_OK)
            s->retry_ms = (uint32_t)n;
    }
}

static void
take_line(struct sse *s, sse_event_fn *fn, void *arg)
{
    struct slice line = buf_slice(&s->line), value;
    size_t       colon;

    if (!s->begun && slice_starts(line, BYTE_ORDER_MARK))
        line = slice_sub(line, strlen(BYTE_ORDER_MARK), line.len);
    s->begun = true;
    colon = slice_find(line, ':');
    value = slice_sub(line, colon + 1, line.len);
    if (value.len > 0 && value.data[0] == ' ')
        value = slice_sub(value, 1, value.len);
    if (line.len == 0)
        dispatch(s, fn, arg);
    else if (colon > 0)             /* else a comment */
        take_field(s, slice_sub(line, 0, colon), value);
    buf_clear(&s->line);
}

/* Octets up to the next end of a line. */
static size_t
text_length(struct slice octets)
{
    size_t n = 0;

    while (n < octets.len && octets.data[n] != '\r' && octets.data[n] != '\n')
        n++;
    return n;
}

int
sse_feed(struct sse *s, struct slice octets, sse_event_fn *fn, void *arg)
{
    if (s->faulty)
        return MT_ESIZE;
    while (octets.len > 0) {
        size_t n = text_length(octets);

        if (n == 0 && octets.data[0] == '\n' && s->after_cr) {
            s->after_cr = false;
            octets = slice_sub(octets, 1, octets.len);
            continue;
        }
        s->after_cr = false;
        buf_append_slice(&s->line, slice_sub(octets, 0, n));
        if (n < octets.len) {
            s->after_cr = octets.data[n] == '\r';
            if (s->line.fault == MT_OK)
                take_line(s, fn, arg);
            n++;
        }
        if (s->line.fault != MT_OK || s->data.fault != MT_OK) {
            s->faulty = true;
            return s->line.fault != MT_OK ? s->line.fault : s->data.fault;
        }
        octets = slice_sub(octets, n, octets.len);
    }
    return MT_OK;
}
