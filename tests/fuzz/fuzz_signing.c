/*
 * What a role that was taken over may send to signer: a question is read whole or not at all, within its bounds; what is taken for an encoding
 * of PSS has the form that makes it useless for anything but a signature; and an answer reads back as it was written.
 */
#include "lib/error.h"
#include "lib/signing.h"
#include "signer/sign.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_question(struct slice packet)
{
    struct signing_request request, again;
    struct buf             b;

    if (signing_request_read(packet, &request) != MT_OK)
        return;
    assert(request.kind < SIGNING_KINDS && request.digest < SIGNING_DIGESTS && request.input.len <= SIGNING_BYTES_MAX);
    buf_init(&b, SIGNING_MESSAGE_BYTES);
    signing_request_write(&b, &request);
    assert(b.fault == MT_OK && slice_equal(buf_slice(&b), packet));
    assert(signing_request_read(buf_slice(&b), &again) == MT_OK && again.req == request.req);
    buf_fini(&b);
}

static void
read_answer(struct slice packet)
{
    struct signing_answer answer;
    struct buf            b;

    if (signing_answer_read(packet, &answer) != MT_OK)
        return;
    assert(answer.rc < MT_ERROR_COUNT && (answer.rc == MT_OK) == (answer.signature.len > 0));
    buf_init(&b, SIGNING_MESSAGE_BYTES);
    signing_answer_write(&b, &answer);
    assert(b.fault == MT_OK && slice_equal(buf_slice(&b), packet));
    buf_fini(&b);
}

/* The first two octets choose the length of the key. */
static void
check_encoding(struct slice em, unsigned key_bits)
{
    if (pss_encoding_is_sound(em, key_bits))
        assert(em.len == (key_bits + 7) / 8 && (unsigned char)em.data[em.len - 1] == 0xbc);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size);

    read_question(in);
    read_answer(in);
    if (size >= 2)
        check_encoding(slice_sub(in, 2, size), (unsigned)data[0] << 8 | data[1]);
    return 0;
}
