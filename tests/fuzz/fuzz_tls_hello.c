/* What a client sends in a TLS handshake, in pieces: the answer is the same for all of them. */

#include "lib/tls_hello.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first octet says how long the pieces are; 0: all in one. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice     in = slice_make(data + (size > 0), size - (size > 0));
    struct tls_hello whole = { .done = false }, parts = { .done = false };
    size_t           piece = size > 0 && data[0] > 0 ? data[0] : in.len + 1;
    bool             taken = tls_hello_take(&whole, in), same = true;

    while (in.len > 0 && same) {
        same = tls_hello_take(&parts, slice_sub(in, 0, piece < in.len ? piece : in.len));
        in = slice_sub(in, piece < in.len ? piece : in.len, in.len);
    }
    assert(same == taken);
    assert(!taken || (whole.done == parts.done && whole.message_left <= TLS_HELLO_MAX_BYTES) || whole.done);
    return 0;
}
