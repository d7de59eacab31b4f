/*
 * Commands of an IMAP client, cut anywhere: the frame finds the same commands however they come, and within its bounds; the reader and
 * what it feeds (sequence sets, search keys) take any of them. The first octet chooses the pieces.
 */

#include "imapd/imap_criteria.h"
#include "imapd/imap_frame.h"
#include "lib/error.h"

#include <assert.h>

enum { RESULTS_MAX = 4096 };

struct seen {
    enum imap_frame_result result;
    size_t                 at, len;
};

static void
check_set(const struct imap_set *s)
{
    for (uint32_t i = 0; i < s->count; i++) {
        assert(s->ranges[i].first > 0 && s->ranges[i].first <= s->ranges[i].last);
        assert(i == 0 || (uint64_t)s->ranges[i - 1].last + 1 < s->ranges[i].first);
        assert(imap_set_has(s, s->ranges[i].first) && imap_set_has(s, s->ranges[i].last));
    }
}

static void
check_criteria(const struct imap_criteria *k)
{
    unsigned depth = 0;

    for (unsigned i = 0; i < k->count; i++) {
        check_set(&k->keys[i].set);
        if (k->keys[i].kind == KEY_NOT) {
            assert(depth >= 1);
        } else if (k->keys[i].kind == KEY_AND || k->keys[i].kind == KEY_OR) {
            assert(depth >= 2);
            depth--;
        } else {
            depth++;
        }
    }
    assert(depth == 1);
}

static void
read_search(struct slice command)
{
    struct imap_set              saved = { 0 };
    struct imap_criteria_context context = { 9, 100, &saved, NULL };
    struct imap_criteria         criteria = { 0 };
    struct imap_reader           r;

    assert(imap_set_append(&saved, 3) && imap_set_append(&saved, 4) && imap_set_append(&saved, 90));
    assert(imap_reader_init(&r, command));
    imap_tag(&r);
    imap_space(&r);
    imap_atom(&r);
    imap_space(&r);
    assert(imap_criteria_read(&criteria, &r, &context));
    if (imap_end(&r))
        check_criteria(&criteria);
    imap_criteria_fini(&criteria);
    imap_reader_fini(&r);
    imap_set_fini(&saved);
}

static void
read_words(struct slice command)
{
    struct imap_reader r;
    struct imap_set    set;
    bool               nil;

    assert(imap_reader_init(&r, command));
    r.utf8 = command.len % 2 == 0;
    while (imap_ok(&r) && r.rest.len > 0) {
        size_t before = r.rest.len;

        imap_astring(&r);
        imap_take(&r, " ");
        imap_list_mailbox(&r);
        imap_take(&r, " ");
        imap_nstring(&r, &nil);
        imap_take(&r, " ");
        if (imap_set_parse(imap_set_text(&r), 7, &set) == MT_OK) {
            check_set(&set);
            imap_set_fini(&set);
        }
        imap_take(&r, " ");
        imap_flag(&r);
        imap_take(&r, " ");
        assert(!imap_ok(&r) || r.rest.len < before);
    }
    imap_end(&r);
    imap_reader_fini(&r);
}

/* Goes through all of it in pieces; what stands behind a refused literal is passed over as the session does. */
static unsigned
frame_all(struct slice all, size_t piece, struct seen *out, bool read)
{
    struct imap_frame f = { 0 };
    size_t            begin = 0, end = 0;
    unsigned          count = 0;

    while (count < RESULTS_MAX) {
        struct slice           in = slice_sub(all, begin, end - begin);
        size_t                 len = 0;
        bool                   skipped = imap_frame_skip(&f, &in);
        uint64_t               literal = 0;
        bool                   synchronising = false;
        enum imap_frame_result result;

        begin = end - in.len;
        result = skipped ? imap_frame(&f, in, &len, &literal, &synchronising) : IMAP_FRAME_MORE;
        if (result == IMAP_FRAME_MORE) {
            if (end == all.len)
                return count;
            end = all.len - end < piece ? all.len : end + piece;
            continue;
        }
        out[count++] = (struct seen){ result, begin, len };
        if (result == IMAP_FRAME_ENDLESS)
            return count;
        if (result == IMAP_FRAME_GO_AHEAD)
            continue;
        assert(len > 0 && len <= end - begin);
        if (result == IMAP_FRAME_COMPLETE) {
            assert(len <= IMAP_COMMAND_BYTES);
            if (read) {
                read_search(slice_sub(all, begin, len - 1));
                read_words(slice_sub(all, begin, len - 1));
            }
        }
        if (result == IMAP_FRAME_MESSAGE)
            f.skip = literal;
        begin += len;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct seen whole[RESULTS_MAX], cut[RESULTS_MAX];
    struct slice       all;
    unsigned           count, count_cut;

    if (size == 0)
        return 0;
    all = slice_make(data + 1, size - 1);
    count = frame_all(all, all.len, whole, true);
    count_cut = frame_all(all, 1 + data[0], cut, false);
    /* What never ends may be seen to do so before its end is there. */
    if (count > 0 && whole[count - 1].result == IMAP_FRAME_ENDLESS)
        return 0;
    if (count_cut > 0 && cut[count_cut - 1].result == IMAP_FRAME_ENDLESS)
        return 0;
    assert(count == count_cut);
    for (unsigned i = 0; i < count; i++)
        assert(whole[i].result == cut[i].result && whole[i].at == cut[i].at && whole[i].len == cut[i].len);
    return 0;
}
