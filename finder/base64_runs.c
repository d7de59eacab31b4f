/*
 * base64_runs - how "mt1" looks in base64, at each alignment. The bits that another character shares with it leave a choice of
 * digits; so does the letters' case:
 *
 *   alignment 0    m t 1          b|T  X|V  Q  x
 *   alignment 1    . m t | 1 .    *6|*4  1  0|U  M  Q…f
 *   alignment 2    . . m | t 1 .  *1  t|N  d|V  D  E…H
 *
 * where *6 stands for the digits whose value ends in these bits. In UTF-16 the octets are m 0 t 0 1 0; in the other order
 * there is a 0 before, so these looks serve both. All looks are matched at once, a bit for each position in each of them (the
 * Shift-And algorithm): a bit is set when the digits so far are that much of the look.
 */
#include "finder/base64_runs.h"

#include "lib/error.h"

enum { NO_DIGIT = 64 };

/* The value of a digit that is a letter or decimal digit. */
#define V(c) ((c) >= 'a' ? (c) - 'a' + 26 : (c) >= 'A' ? (c) - 'A' : (c) - '0' + 52)

#define ONE(v, bit, a)       ((uint64_t)((v) == V(a)) << (bit))
#define TWO(v, bit, a, b)    ((uint64_t)((v) == V(a) || (v) == V(b)) << (bit))
#define RANGE(v, bit, a, b)  ((uint64_t)((v) >= V(a) && (v) <= V(b)) << (bit))
#define M_SECOND(v, bit)     ((uint64_t)(((v) & 13) == 4) << (bit))      /* the first four bits of m or M */
#define M_THIRD(v, bit)      ((uint64_t)(((v) & 3) == 1) << (bit))       /* the first two */

#define LOOK(v) ( \
    TWO(v, 0, 'b', 'T') | TWO(v, 1, 'X', 'V') | ONE(v, 2, 'Q') | ONE(v, 3, 'x') | \
    M_SECOND(v, 4) | ONE(v, 5, '1') | TWO(v, 6, '0', 'U') | ONE(v, 7, 'M') | RANGE(v, 8, 'Q', 'f') | \
    M_THIRD(v, 9) | TWO(v, 10, 't', 'N') | TWO(v, 11, 'd', 'V') | ONE(v, 12, 'D') | RANGE(v, 13, 'E', 'H') | \
    TWO(v, 14, 'b', 'T') | ONE(v, 15, 'Q') | ONE(v, 16, 'B') | TWO(v, 17, '0', 'U') | \
    ONE(v, 18, 'A') | ONE(v, 19, 'D') | ONE(v, 20, 'E') | ONE(v, 21, 'A') | \
    M_SECOND(v, 22) | ONE(v, 23, '0') | ONE(v, 24, 'A') | TWO(v, 25, 'd', 'V') | \
    ONE(v, 26, 'A') | ONE(v, 27, 'A') | ONE(v, 28, 'x') | ONE(v, 29, 'A') | \
    M_THIRD(v, 30) | TWO(v, 31, 't', 'N') | ONE(v, 32, 'A') | TWO(v, 33, 'H', 'F') | \
    ONE(v, 34, 'Q') | ONE(v, 35, 'A') | ONE(v, 36, 'M') | ONE(v, 37, 'Q'))

#define BIT(n)   ((uint64_t)1 << (n))
#define FIRSTS   (BIT(0) | BIT(4) | BIT(9) | BIT(14) | BIT(22) | BIT(30))
#define LASTS    (BIT(3) | BIT(8) | BIT(13) | BIT(21) | BIT(29) | BIT(37))

#define LOOK4(v)  LOOK(v), LOOK((v) + 1), LOOK((v) + 2), LOOK((v) + 3)
#define LOOK16(v) LOOK4(v), LOOK4((v) + 4), LOOK4((v) + 8), LOOK4((v) + 12)

/* For each digit's value, the positions at which it may stand. */
static const uint64_t looks[NO_DIGIT + 1] = { LOOK16(0), LOOK16(16), LOOK16(32), LOOK16(48), 0 };

/* What the last digit of a look says: how many digits its group had before it, and how many bits of it belong to what follows. */
static const struct {
    uint64_t last;
    unsigned before, spare_bits;
} ends[] = {
    { BIT(3),  3, 0 },
    { BIT(8),  1, 4 },
    { BIT(13), 2, 2 },
    { BIT(21), 3, 0 },
    { BIT(29), 0, 6 },
    { BIT(37), 1, 4 },
};

#define TWO_OF(first, value) [first] = (value), [(first) + 1] = (value) + 1
#define FOUR(first, value)  TWO_OF(first, value), TWO_OF((first) + 2, (value) + 2)
#define EIGHT(first, value) FOUR(first, value), FOUR((first) + 4, (value) + 4)
#define REST(from, to)      [from ... to] = NO_DIGIT

static const uint8_t values[256] = {
    EIGHT('A', 0), EIGHT('I', 8), EIGHT('Q', 16), ['Y'] = 24, ['Z'] = 25,
    EIGHT('a', 26), EIGHT('i', 34), EIGHT('q', 42), ['y'] = 50, ['z'] = 51,
    EIGHT('0', 52), ['8'] = 60, ['9'] = 61, ['+'] = 62, ['-'] = 62, ['/'] = 63, ['_'] = 63,
    REST(0, 42), REST(44, 44), REST(46, 46), REST(58, 64), REST(91, 94), REST(96, 96), REST(123, 255),
};

int
base64_digit_value(char c)
{
    uint8_t value = values[(unsigned char)c];

    return value == NO_DIGIT ? -1 : value;
}

static void
on_token(void *arg, const struct token *t)
{
    const struct base64_runs *b = arg;
    char                      text[TOKEN_CHARS + 1];

    token_encode(t, text);
    text[TOKEN_CHARS] = ' ';
    b->out(b->arg, slice_make(text, sizeof(text)));
}

void
base64_runs_init(struct base64_runs *b, octets_fn *out, void *arg)
{
    *b = (struct base64_runs){ .out = out, .arg = arg };
    for (size_t i = 0; i < COUNT(b->streams); i++)
        token_scan_init(&b->streams[i].scan, on_token, b);
}

/* ---- Streams ---------------------------------------------------------------------------------------------------- */

static void
stream_flush(struct base64_stream *s)
{
    token_scan_feed(&s->scan, slice_make(s->room, s->len));
    s->len = 0;
}

static void
stream_put(struct base64_stream *s, char octet)
{
    if (s->len == sizeof(s->room))
        stream_flush(s);
    s->room[s->len++] = octet;
}

/* What it decodes may be UTF-16, so NUL does not count. */
static void
stream_digit(struct base64_stream *s, unsigned value)
{
    char octet;

    s->bits = s->bits << 6 | value;
    s->bit_count += 6;
    if (s->bit_count < 8)
        return;
    s->bit_count -= 8;
    octet = (char)(s->bits >> s->bit_count);
    if (octet != '\0')
        stream_put(s, octet);
}

static void
stream_end(struct base64_runs *b, unsigned index)
{
    stream_flush(&b->streams[index]);
    token_scan_break(&b->streams[index].scan);
    b->active &= ~(1u << index);
}

/* The digit at offset completed a look: its stream starts, or goes on. */
static void
stream_begin(struct base64_runs *b, unsigned index, unsigned value, unsigned spare_bits)
{
    struct base64_stream *s = &b->streams[index];

    s->left = BASE64_RUNS_DIGITS;
    if (b->active & 1u << index)
        return;
    b->active |= 1u << index;
    s->bits = value;
    s->bit_count = spare_bits;
    for (const char *c = TOKEN_PREFIX; *c != '\0'; c++)
        stream_put(s, *c);
}

static void
end_run(struct base64_runs *b)
{
    for (unsigned i = 0; i < 4 && b->active != 0; i++)
        if (b->active & 1u << i)
            stream_end(b, i);
}

/* The octet at offset, where streams are active or a look is complete. */
static void
take_value(struct base64_runs *b, unsigned value, unsigned offset)
{
    if (value == NO_DIGIT) {
        end_run(b);
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (!(b->active & 1u << i))
            continue;
        stream_digit(&b->streams[i], value);
        if (--b->streams[i].left == 0)
            stream_end(b, i);
    }
    for (size_t i = 0; (b->matched & LASTS) != 0 && i < COUNT(ends); i++)
        if (b->matched & ends[i].last)
            stream_begin(b, (offset - ends[i].before) & 3, value, ends[i].spare_bits);
}

/* ---- Feeding ---------------------------------------------------------------------------------------------------- */

void
base64_runs_feed(struct base64_runs *b, struct slice text)
{
    const uint8_t *start = (const uint8_t *)text.data, *end;
    uint64_t       matched = b->matched;

    if (text.len == 0)
        return;
    end = start + text.len;
    for (const uint8_t *p = start; p < end; p++) {
        unsigned value = values[*p];

        matched = (matched << 1 | FIRSTS) & looks[value];
        if ((matched & LASTS) == 0 && b->active == 0)
            continue;
        b->matched = matched;
        take_value(b, value, b->offset + (unsigned)((p - start) & 3));
    }
    b->matched = matched;
    b->offset = (b->offset + (unsigned)(text.len & 3)) & 3;
}

void
base64_runs_finish(struct base64_runs *b)
{
    end_run(b);
    b->matched = 0;
    b->offset = 0;
}
