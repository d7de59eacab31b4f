/*
 * Names of folders, in modified UTF-7 and in UTF-8: what is decoded is valid, without control characters that came encoded, and comes back as it
 * was written; a pattern without wildcards fits itself alone.
 */

#include "imapd/imap_name.h"
#include "imapd/imap_reader.h"
#include "lib/utf8.h"

#include <assert.h>

static void
check_round_trip(struct slice name, bool utf8)
{
    char               again[IMAP_NAME_BYTES + 1];
    struct imap_reader r;
    struct buf         wire;

    buf_init(&wire, 8 * IMAP_NAME_BYTES);
    imap_put_name(&wire, name, utf8);
    assert(wire.fault == 0 && imap_reader_init(&r, buf_slice(&wire)));
    r.utf8 = utf8;
    assert(imap_name_decode(imap_astring(&r), utf8, again) && imap_end(&r));
    assert(slice_equal(slice_of(again), name));
    imap_reader_fini(&r);
    buf_fini(&wire);
}

static void
check(struct slice from, struct slice pattern, bool utf8)
{
    char name[IMAP_NAME_BYTES + 1];

    if (!imap_name_decode(from, utf8, name))
        return;
    assert(strlen(name) <= IMAP_NAME_BYTES && utf8_is_valid(slice_of(name)));
    for (size_t i = 0; name[i] != '\0'; i++)
        assert((unsigned char)name[i] >= ' ' && name[i] != 0x7f);
    check_round_trip(slice_of(name), false);
    check_round_trip(slice_of(name), true);
    imap_name_matches(slice_of(name), slice_make(NULL, 0), pattern);
    if (strpbrk(name, "*%") == NULL)
        assert(imap_name_matches(slice_of(name), slice_make(NULL, 0), slice_of(name)));
    assert(imap_name_matches(slice_of(name), slice_make(NULL, 0), slice_of("*%*")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_make(data, size);
    size_t       cut = slice_find(all, '\n');

    check(slice_sub(all, 0, cut), slice_sub(all, cut + 1, all.len), false);
    check(slice_sub(all, 0, cut), slice_sub(all, cut + 1, all.len), true);
    return 0;
}
