/*
 * The search compiler: a line of charset, then the criteria. What is read evaluates without running over its stack: each operator has
 * its operands, and one value is left.
 */

#include "imapd/imap_criteria.h"
#include "imapd/imap_match.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_keys(const struct imap_criteria *k)
{
    unsigned depth = 0;

    assert(k->count <= IMAP_KEYS_MAX);
    for (unsigned i = 0; i < k->count; i++) {
        const struct imap_key *key = &k->keys[i];

        assert(key->kind != KEY_NOT || depth >= 1);
        if (key->kind == KEY_AND || key->kind == KEY_OR) {
            assert(depth >= 2);
            depth--;
        } else if (key->kind != KEY_NOT) {
            depth++;
        }
        if (key->kind >= KEY_HEADER) {
            static struct imap_match m;

            assert(key->text.len <= IMAP_MATCH_BYTES);
            imap_match_init(&m, key->text);
            imap_match_feed(&m, slice_of("x"));
            imap_match_feed(&m, key->text);
            assert(imap_match_found(&m));
        }
    }
    assert(depth == 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imap_range            range = { 3, 5 };
    struct imap_set              saved = { &range, 1 };
    struct slice                 all = slice_make(data, size), charset = slice_sub(all, 0, slice_find(all, '\n'));
    struct imap_criteria_context context = { 9, 100, &saved, charset_find(charset) };
    struct imap_criteria         k = { 0 };
    struct imap_reader           r;

    assert(imap_reader_init(&r, slice_sub(all, charset.len + 1, all.len)));
    assert(imap_criteria_read(&k, &r, &context));
    if (imap_end(&r))
        check_keys(&k);
    imap_criteria_fini(&k);
    imap_reader_fini(&r);
    return 0;
}
