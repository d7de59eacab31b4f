/*
 * The walk with meaning behind it: whatever comes in, the facts are well formed and bounded, the kinds exclude each other, and
 * the result is the same however the mail is cut into pieces, and from a struct meaning that has seen other mail. The
 * first octet chooses the pieces, the second what is known of the reverse-path, the third and fourth where a token stood.
 */
#include "lib/error.h"
#include "lib/mime.h"
#include "lib/utf8.h"
#include "meaning/meaning.h"

#include <assert.h>

enum { HEAD_BYTES = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_part_begin(void *arg, const struct mime_part *p)
{
    (void)arg, (void)p;
}

static void
on_field(void *arg, const struct mime_part *p, const struct header_field *f)
{
    meaning_field(arg, p, f);
}

static void
on_header_end(void *arg, const struct mime_part *p)
{
    meaning_header_end(arg, p);
}

static void
on_body(void *arg, const struct mime_part *p, struct slice octets)
{
    meaning_body(arg, p, octets);
}

static void
on_part_end(void *arg, const struct mime_part *p)
{
    meaning_part_end(arg, p);
}

static const struct mime_events events = {
    .part_begin = on_part_begin, .field = on_field, .header_end = on_header_end, .body = on_body, .part_end = on_part_end,
};

static uint32_t
judge(struct meaning *m, const uint8_t *head, struct slice mail, size_t piece, struct slice *facts)
{
    static const char *const paths[] = { "", "a@b.example", "SRS0=x=y=b.example=a@c.example", "a+caf_=x=y.example@gmail.com" };
    struct mime_walk        *walk = mime_walk_new(&events, m);

    assert(walk != NULL);
    if (head[1] % (COUNT(paths) + 1) < COUNT(paths))
        meaning_reverse_path(m, slice_of(paths[head[1] % (COUNT(paths) + 1)]));
    meaning_candidate(m, (uint32_t)(head[2] | (head[3] & 0x3fu) << 8));
    for (size_t at = 0; at < mail.len; at += piece)
        mime_walk_feed(walk, slice_sub(mail, at, piece));
    mime_walk_finish(walk);
    mime_walk_free(walk);
    return meaning_finish(m, facts);
}

static void
check(uint32_t traits, struct slice facts)
{
    struct reader r;
    struct fact   fact;

    assert((traits & (traits - 1)) == 0);
    assert(facts.len <= FACTS_BYTES);
    reader_init(&r, facts);
    while (fact_next(&r, &fact))
        assert(fact.text.len > 0 && fact.text.len <= FACT_TEXT_BYTES && utf8_is_valid(fact.text));
    assert(read_end(&r));
    (void)meaning_of_refusal(fact_find(facts, FACT_REPORT_STATUS), fact_find(facts, FACT_REPORT_DIAGNOSTIC));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct meaning *used;
    struct meaning        *fresh = meaning_new();
    struct slice           mail, whole, cut;

    if (used == NULL)
        used = meaning_new();
    assert(used != NULL && fresh != NULL);
    if (size > HEAD_BYTES) {
        uint32_t traits;

        mail = slice_make(data + HEAD_BYTES, size - HEAD_BYTES);
        traits = judge(fresh, data, mail, size, &whole);
        check(traits, whole);
        assert(judge(used, data, mail, 1u + data[0], &cut) == traits);
        assert(slice_equal(whole, cut));
        meaning_reset(used);
    }
    meaning_free(fresh);
    return 0;
}
