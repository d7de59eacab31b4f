#include "lib/data.h"

/* What is gathered while a piece is read: a run of its octets that go out as they are. */
struct run {
    struct data_reader *reader;
    data_sink_fn       *sink;
    void               *arg;
    const char         *begin;
};

void
data_reader_init(struct data_reader *r, enum data_mode mode)
{
    *r = (struct data_reader){ .mode = mode, .state = DATA_LINE_START };
}

/* Octets over 127 and NULs are facts of the message. Eight octets at a time. */
static uint32_t
octet_flags(struct slice s)
{
    uint64_t all = 0;
    size_t   i = 0;

    for (; i + sizeof(all) <= s.len; i += sizeof(all)) {
        uint64_t eight;

        memcpy(&eight, s.data + i, sizeof(eight));
        all |= eight;
    }
    for (; i < s.len; i++)
        all |= (unsigned char)s.data[i];
    return ((all & 0x8080808080808080u) != 0 ? DELIVERY_8BIT_DATA : 0) | (slice_find(s, '\0') < s.len ? DELIVERY_NUL : 0);
}

static void
emit(struct run *run, struct slice s)
{
    if (s.len == 0)
        return;
    run->reader->size_bytes += s.len;
    run->sink(run->arg, s);
}

/* Sends the run up to end out. */
static void
flush(struct run *run, const char *end)
{
    emit(run, slice_make(run->begin, (size_t)(end - run->begin)));
    run->begin = end;
}

static void
add_to_line(struct data_reader *r, size_t len)
{
    r->line_bytes += len;
    if (r->line_bytes > r->line_bytes_max)
        r->line_bytes_max = r->line_bytes;
}

/* Within a line: takes what is there of it up to its LF. */
static const char *
take_inside(struct run *run, const char *at, const char *end)
{
    struct data_reader *r = run->reader;
    const char         *lf = memchr(at, '\n', (size_t)(end - at));
    struct slice        text = slice_make(at, (size_t)((lf != NULL ? lf : end) - at));
    bool                cr = text.len > 0 && text.data[text.len - 1] == '\r';

    /* A CR that is the last octet may still become a CRLF; others are bare. */
    if (slice_find(text, '\r') < text.len - (cr ? 1 : 0))
        r->flags |= DELIVERY_BARE_CR;
    add_to_line(r, text.len - (cr ? 1 : 0));
    if (lf == NULL) {
        r->state = cr ? DATA_CR : DATA_INSIDE;
        return end;
    }
    if (!cr) {
        flush(run, lf);
        emit(run, slice_make("\r\n", 2));
        run->begin = lf + 1;
        r->flags |= DELIVERY_BARE_LF;
    }
    r->line_bytes = 0;
    r->state = cr ? DATA_LINE_START : DATA_INSIDE;  /* a dot behind a bare LF is not at the start of a line */
    return lf + 1;
}

/* Behind a CR: the LF that makes it a line end, or what shows that it was bare. */
static const char *
take_after_cr(struct run *run, const char *at)
{
    struct data_reader *r = run->reader;

    if (*at == '\n') {
        r->line_bytes = 0;
        r->state = DATA_LINE_START;
        return at + 1;
    }
    r->flags |= DELIVERY_BARE_CR;
    add_to_line(r, 1);
    r->state = DATA_INSIDE;
    return at;
}

static const char *
take_line_start(struct run *run, const char *at)
{
    struct data_reader *r = run->reader;

    if (r->mode == DATA_DOTTED && *at == '.') {
        flush(run, at);
        run->begin = at + 1;
        r->state = DATA_DOT;
        return at + 1;
    }
    r->state = DATA_INSIDE;
    return at;
}

/* Behind the dot that begins a line, which is dropped whatever follows (RFC 5321 section 4.5.2). */
static const char *
take_after_dot(struct run *run, const char *at)
{
    if (*at != '\r') {
        run->reader->state = DATA_INSIDE;
        return at;
    }
    run->begin = at + 1;
    run->reader->state = DATA_DOT_CR;
    return at + 1;
}

static const char *
take_after_dot_cr(struct run *run, const char *at)
{
    if (*at == '\n') {
        run->begin = at + 1;
        run->reader->state = DATA_ENDED;
        return at + 1;
    }
    /* The CR that was held back is one of the text, after all. */
    emit(run, slice_make("\r", 1));
    run->reader->state = DATA_CR;
    return at;
}

size_t
data_reader_feed(struct data_reader *r, struct slice in, data_sink_fn *sink, void *arg)
{
    struct run  run = { .reader = r, .sink = sink, .arg = arg, .begin = in.data };
    const char *at = in.data;
    const char *end = in.len == 0 ? in.data : in.data + in.len;

    if (r->mode == DATA_BINARY)
        at = end;
    while (at < end && r->state != DATA_ENDED) {
        switch (r->state) {
        case DATA_LINE_START: at = take_line_start(&run, at); break;
        case DATA_INSIDE:     at = take_inside(&run, at, end); break;
        case DATA_CR:         at = take_after_cr(&run, at); break;
        case DATA_DOT:        at = take_after_dot(&run, at); break;
        case DATA_DOT_CR:     at = take_after_dot_cr(&run, at); break;
        case DATA_ENDED:      break;
        }
    }
    flush(&run, at);
    r->flags |= octet_flags(slice_make(in.data, (size_t)(at - in.data)));
    return (size_t)(at - in.data);
}

void
data_reader_finish(struct data_reader *r)
{
    if (r->state == DATA_CR)
        r->flags |= DELIVERY_BARE_CR;
    r->state = DATA_ENDED;
}
