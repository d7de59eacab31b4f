#include "imapd/imap_binary.h"

#include "lib/error.h"

enum { ROOM_BYTES = 4096 };

void
imap_binary_begin(struct imap_binary *b, enum part_encoding encoding, struct imap_partial partial)
{
    b->partial = partial;
    transfer_init(&b->transfer, encoding);
}

int
imap_binary_feed(struct imap_binary *b, struct slice in, struct buf *to)
{
    int rc = MT_OK;

    while (rc == MT_OK && in.len > 0 && b->partial.left > 0) {
        char   room[ROOM_BYTES];
        size_t read = 0, len = transfer_decode(&b->transfer, in, room, sizeof(room), &read);

        rc = imap_partial_take(&b->partial, slice_make(room, len), to);
        in = slice_sub(in, read, in.len);
    }
    return rc;
}

int
imap_binary_finish(struct imap_binary *b, struct buf *to)
{
    char last[2];
    bool broken;

    return imap_partial_take(&b->partial, slice_make(last, transfer_finish(&b->transfer, last, &broken)), to);
}
