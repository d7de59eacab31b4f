/*
 * fuzz_imap_fetch - what FETCH and UID FETCH are asked for: an octet that says which, and what stands behind the set. Whatever it is: the items
 * that were taken are within their bounds, and names and labels point into the command.
 */
#include "imapd/imap.h"
#include "imapd/imap_fetch.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_item(const struct imap_fetch_item *item)
{
    assert(item->kind <= ITEM_BINARY_SIZE && item->path_len <= IMAP_PATH_MAX);
    for (unsigned i = 0; i < item->path_len; i++)
        assert(item->path[i] > 0);
    assert(!item->by_fields || item->section == IMAP_SECTION_HEADER);
    assert(item->partial || (item->offset == 0 && item->octets == 0));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imap       imap = { 0 };
    struct connection c = { .own = &imap };
    struct imap_fetch f = { 0 };

    if (size == 0 || (f.items = calloc(IMAP_FETCH_ITEMS_MAX, sizeof(*f.items))) == NULL)
        return 0;
    /* VANISHED is of the folder that is selected, and there is none. */
    f.uids = (data[0] & 1) != 0 && memmem(data, size, "VANISHED", sizeof("VANISHED") - 1) == NULL;
    if (imap_reader_init(&f.reader, slice_make(data + 1, size - 1))) {
        imap_fetch_read(&c, &f);
        assert(f.count <= IMAP_FETCH_ITEMS_MAX);
        if (imap_end(&f.reader))
            for (unsigned i = 0; i < f.count; i++)
                check_item(&f.items[i]);
    }
    imap_reader_fini(&f.reader);
    free(f.items);
    return 0;
}
