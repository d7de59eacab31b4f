/*
 * The finder with all its layers, decoders and views, and the meaning of the mail: whatever comes in, the result is well formed, is
 * the same however the mail is cut into pieces, and is the same from a finder that has seen other mail; and the work that it takes
 * is bounded by the size of the mail and what may be decompressed. The first octet chooses the pieces.
 */
#include "finder/finder.h"
#include "finder/layers.h"
#include "lib/error.h"
#include "lib/utf8.h"

#include <assert.h>
#include <sodium.h>

/* Compressed RTF grows at most so much, and a boundary that is announced for a part adds a header of less than its line's length. */
enum { WORK_FACTOR = 64 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    assert(sodium_init() >= 0);
    return 0;
}

static void
find(struct finder *f, struct slice mail, size_t piece, struct parsed *out)
{
    for (size_t at = 0; at < mail.len; at += piece)
        finder_feed(f, slice_sub(mail, at, piece));
    finder_finish(f, out);
}

static void
check_parts(const struct parsed *p, uint64_t size)
{
    struct reader r;
    struct part   part;
    uint32_t      count = 0;

    reader_init(&r, p->parts);
    for (; part_next(&r, &part); count++) {
        assert(part.parent == PARSED_NO_PARENT ? count == 0 : part.parent < count);
        assert(part.header_at <= part.body_at && part.body_at <= part.end_at && part.end_at <= size);
        assert(part.lines <= part.end_at - part.body_at);
        assert(part.encoding <= ENCODING_UNKNOWN);
    }
    assert(read_end(&r));
    assert(count > 0 && count <= PARSED_PARTS_MAX);
}

static void
check(const struct parsed *p, uint64_t size)
{
    struct reader r;
    struct hop    hop;
    uint32_t      count = 0;

    check_parts(p, size);
    reader_init(&r, p->hops);
    while (hop_next(&r, &hop))
        count++;
    assert(read_end(&r));
    assert(count == (p->received_count < PARSED_HOPS_MAX ? p->received_count : PARSED_HOPS_MAX));
    assert(p->subject.len <= PARSED_EXCERPT_BYTES && utf8_is_valid(p->subject));
    assert(p->from.len <= PARSED_EXCERPT_BYTES && utf8_is_valid(p->from));
    assert(p->message_id.len <= PARSED_EXCERPT_BYTES && utf8_is_valid(p->message_id));
    assert(p->candidate_count <= PARSED_CANDIDATES_MAX);
    for (uint32_t i = 0; i < p->candidate_count; i++)
        assert(p->candidates[i].found_in != 0 && p->candidates[i].found_in >> PLACE_COUNT == 0);
}

/* The order may differ: a piece is searched in one way after the other. */
static void
check_same_candidates(const struct parsed *a, const struct parsed *b)
{
    assert(a->candidate_count == b->candidate_count);
    for (uint32_t i = 0; i < a->candidate_count; i++) {
        uint32_t k = 0;

        while (k < b->candidate_count && !token_equal(&a->candidates[i].token, &b->candidates[k].token))
            k++;
        assert(k < b->candidate_count && a->candidates[i].found_in == b->candidates[k].found_in);
    }
}

static void
check_same(const struct parsed *a, const struct parsed *b)
{
    assert(slice_equal(a->subject, b->subject) && slice_equal(a->from, b->from) && slice_equal(a->message_id, b->message_id));
    assert(a->date_unix == b->date_unix && a->traits == b->traits && a->received_count == b->received_count);
    assert(slice_equal(a->hops, b->hops) && slice_equal(a->parts, b->parts) && slice_equal(a->facts, b->facts));
    if ((a->traits & TRAIT_CUT_SHORT) == 0)     /* of too many, the first are kept */
        check_same_candidates(a, b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct finder *used;
    struct finder        *fresh = finder_new();
    struct parsed         whole, cut;
    struct slice          mail;

    if (used == NULL)
        used = finder_new();
    assert(used != NULL && fresh != NULL);
    if (size > 0) {
        mail = slice_make(data + 1, size - 1);
        find(fresh, mail, size, &whole);
        check(&whole, mail.len);
        assert(finder_work_bytes(fresh) <= LAYERS_DEEPEST * (uint64_t)(WORK_FACTOR * mail.len + LAYERS_UNPACKED_BYTES));
        find(used, mail, 1 + data[0], &cut);
        check_same(&whole, &cut);
        finder_reset(used);
    }
    finder_free(fresh);
    return 0;
}
