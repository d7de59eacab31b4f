#include "lib/signing.h"

#include "lib/error.h"

static const struct {
    const char *name;
    size_t      bytes;
} digests[SIGNING_DIGESTS] = {
    [SIGNING_SHA256] = { "SHA256", 32 }, [SIGNING_SHA384] = { "SHA384", 48 }, [SIGNING_SHA512] = { "SHA512", 64 },
};

const char *
signing_digest_name(enum signing_digest digest)
{
    return digests[digest].name;
}

size_t
signing_digest_bytes(enum signing_digest digest)
{
    return digests[digest].bytes;
}

void
signing_request_write(struct buf *b, const struct signing_request *request)
{
    write_u64(b, request->req);
    write_u8(b, request->kind);
    write_u8(b, request->digest);
    write_fixed(b, request->key_id, sizeof(request->key_id));
    write_bytes(b, request->input);
}

int
signing_request_read(struct slice packet, struct signing_request *out)
{
    struct reader r;

    reader_init(&r, packet);
    read_u64(&r, &out->req);
    read_u8(&r, &out->kind);
    read_u8(&r, &out->digest);
    read_fixed(&r, out->key_id, sizeof(out->key_id));
    read_bytes(&r, &out->input, SIGNING_BYTES_MAX);
    return read_end(&r) && out->kind < SIGNING_KINDS && out->digest < SIGNING_DIGESTS ? MT_OK : MT_EPROTO;
}

void
signing_answer_write(struct buf *b, const struct signing_answer *answer)
{
    write_u64(b, answer->req);
    write_u32(b, answer->rc);
    write_bytes(b, answer->signature);
}

int
signing_answer_read(struct slice packet, struct signing_answer *out)
{
    struct reader r;

    reader_init(&r, packet);
    read_u64(&r, &out->req);
    read_u32(&r, &out->rc);
    read_bytes(&r, &out->signature, SIGNING_BYTES_MAX);
    return read_end(&r) && out->rc < MT_ERROR_COUNT && (out->rc == MT_OK) == (out->signature.len > 0) ? MT_OK : MT_EPROTO;
}
