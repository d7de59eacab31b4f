/*
 * The text decoders of the finder: squeeze, percent, base64_runs, utf7, html, rtf. The first octet picks one, the second how
 * the rest is cut. However it is cut, the same comes out; what comes out is bounded by what went in.
 */
#include "finder/base64_runs.h"
#include "finder/html.h"
#include "finder/percent.h"
#include "finder/rtf.h"
#include "finder/squeeze.h"
#include "finder/utf7.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 32 * 1024, OUTPUT_MAX = 16 * INPUT_MAX, OUTPUTS = 3 };

/* What a decoder passed on, by its outputs; values of HTML with marks that say how they are parted. */
struct heard {
    size_t len[OUTPUTS];
    char   octets[OUTPUTS][OUTPUT_MAX];
};

static void
hear(struct heard *h, size_t output, struct slice octets)
{
    assert(octets.len <= OUTPUT_MAX - h->len[output]);
    memcpy(h->octets[output] + h->len[output], octets.data, octets.len);
    h->len[output] += octets.len;
}

static void
on_first(void *arg, struct slice octets)
{
    assert(octets.len > 0);
    hear(arg, 0, octets);
}

static void
on_second(void *arg, struct slice octets)
{
    assert(octets.len > 0);
    hear(arg, 1, octets);
}

static void
on_third(void *arg, struct slice octets)
{
    assert(octets.len > 0);
    hear(arg, 2, octets);
}

/* A mark before each octet, since pieces of a value may be cut anywhere. */
static void
on_value(void *arg, bool link, struct slice octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        hear(arg, 2, slice_of(link ? "L" : "V"));
        hear(arg, 2, slice_sub(octets, i, 1));
    }
}

static void
on_value_end(void *arg)
{
    hear(arg, 2, slice_of("E"));
}

static const struct html_events html_events = { on_first, on_second, on_value, on_value_end };
static const struct rtf_events  rtf_events = { on_first, on_second, on_third };

enum which { SQUEEZE, BARE, PERCENT, BASE64_RUNS, UTF7, HTML, RTF, DECODERS };

union decoder {
    struct squeeze     squeeze;
    struct percent     percent;
    struct base64_runs base64_runs;
    struct utf7        utf7;
    struct html        html;
    struct rtf         rtf;
};

static void
decoder_init(union decoder *d, enum which which, struct heard *h)
{
    switch (which) {
    case SQUEEZE:     squeeze_init(&d->squeeze, on_first, h); break;
    case BARE:        squeeze_init_bare(&d->squeeze, on_first, h); break;
    case PERCENT:     percent_init(&d->percent, PERCENT_MARK_ALL, on_first, h); break;
    case BASE64_RUNS: base64_runs_init(&d->base64_runs, on_first, h); break;
    case UTF7:        utf7_init(&d->utf7, on_first, h); break;
    case HTML:        html_init(&d->html, &html_events, h); break;
    default:          rtf_init(&d->rtf, &rtf_events, h); break;
    }
}

static void
decoder_feed(union decoder *d, enum which which, struct slice in)
{
    switch (which) {
    case SQUEEZE: case BARE: squeeze_feed(&d->squeeze, in); break;
    case PERCENT:            percent_feed(&d->percent, in); break;
    case BASE64_RUNS:        base64_runs_feed(&d->base64_runs, in); break;
    case UTF7:               utf7_feed(&d->utf7, in); break;
    case HTML:               html_feed(&d->html, in); break;
    default:                 rtf_feed(&d->rtf, in); break;
    }
}

static void
decoder_finish(union decoder *d, enum which which)
{
    switch (which) {
    case SQUEEZE: case BARE: squeeze_finish(&d->squeeze); break;
    case PERCENT:            percent_finish(&d->percent); break;
    case BASE64_RUNS:        base64_runs_finish(&d->base64_runs); break;
    case UTF7:               utf7_finish(&d->utf7); break;
    case HTML:               html_finish(&d->html); break;
    default:                 rtf_finish(&d->rtf); break;
    }
}

/* seed 0: in one piece; else in pieces of pseudo-random length, some of them empty. */
static void
decode(enum which which, struct slice in, uint32_t seed, struct heard *h)
{
    static union decoder d;

    decoder_init(&d, which, h);
    for (int round = 0; round < 2; round++) {       /* again, since finishing leaves it as new */
        uint32_t random = seed;

        memset(h->len, 0, sizeof(h->len));
        for (struct slice left = in; left.len > 0;) {
            size_t len = left.len;

            random = random * 1103515245u + 12345u;
            if (seed != 0)
                len = random >> 16 & ((seed & 1) ? 3 : 63);
            decoder_feed(&d, which, slice_sub(left, 0, len));
            left = slice_sub(left, len, left.len);
        }
        decoder_finish(&d, which);
    }
}

/* A few decoders never make more than they are given; base64_runs finds whole tokens alone. */
static void
check(enum which which, struct slice in, const struct heard *h)
{
    struct slice out = slice_make(h->octets[0], h->len[0]);

    if (which == SQUEEZE || which == BARE || which == PERCENT)
        assert(out.len <= in.len);
    for (size_t i = 0; which == BARE && i < out.len; i++)
        assert((out.data[i] >= '0' && out.data[i] <= '9') || (ascii_lower(out.data[i]) >= 'a' && ascii_lower(out.data[i]) <= 'z'));
    for (size_t at = 0; which == BASE64_RUNS && at < out.len; at += TOKEN_CHARS + 1) {
        struct token t;

        assert(token_decode(slice_sub(out, at, TOKEN_CHARS), &t) == 0);
        assert(at + TOKEN_CHARS < out.len && out.data[at + TOKEN_CHARS] == ' ');
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct heard whole, cut;
    struct slice        in;
    enum which          which;

    if (size < 2 || size > INPUT_MAX)
        return 0;
    which = (enum which)(data[0] % DECODERS);
    in = slice_make(data + 2, size - 2);
    decode(which, in, 0, &whole);
    check(which, in, &whole);
    decode(which, in, data[1] + 1u, &cut);
    for (size_t i = 0; i < OUTPUTS; i++) {
        assert(whole.len[i] == cut.len[i]);
        assert(memcmp(whole.octets[i], cut.octets[i], whole.len[i]) == 0);
    }
    return 0;
}
