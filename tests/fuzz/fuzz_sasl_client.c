/*
 * fuzz_sasl_client - a server's side of a login against our client: an octet for the mechanism, then the names that it offers up to a line feed, then its
 * challenges as they go over the line (base64), each up to a line feed. "$" in a challenge of SCRAM stands for the client's nonce, without which
 * nobody comes to the proof.
 */
#include "checker/sasl_client.h"

#include "lib/error.h"

#include <assert.h>
#include <sodium.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHALLENGES_MAX = 6 };

static const char nonce[] = "fyko+d2lbbFgONRv9qkxdawL";

static struct slice
take_line(struct slice *in)
{
    size_t       len = slice_find(*in, '\n');
    struct slice line = slice_sub(*in, 0, len);

    *in = slice_sub(*in, len + 1, in->len);
    return line;
}

static void
run_choice(enum auth_mechanism wanted, struct slice offered)
{
    struct auth auth = { .mechanism = wanted, .password_file = "f" };
    char        reason[SASL_CLIENT_REASON_BYTES];

    for (int is_private = 0; is_private < 2; is_private++) {
        enum auth_mechanism chosen = sasl_client_choose(&auth, offered, is_private != 0, reason);

        assert(memchr(reason, '\0', sizeof(reason)) != NULL && (chosen == AUTH_NONE) == (reason[0] != '\0'));
        assert(is_private != 0 || !sasl_mechanism_is_open(chosen));
    }
}

/* What the server says in base64, with the client's nonce in place of "$"; what is no base64 is taken as it is. */
static void
read_challenge(struct slice line, struct buf *out)
{
    struct buf raw;

    buf_init(&raw, SASL_CLIENT_BYTES);
    if (sasl_base64_decode(line, &raw) != MT_OK) {
        buf_clear(&raw);
        buf_append_slice(&raw, line);
    }
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.data[i] == '$')
            buf_append_string(out, nonce);
        else
            buf_append_byte(out, raw.data[i]);
    }
    buf_fini(&raw);
}

static void
run_exchange(struct sasl_client *c, struct slice in)
{
    int rc = MT_OK;

    for (unsigned i = 0; i < CHALLENGES_MAX && rc == MT_OK; i++) {
        struct buf challenge, answer, text;

        buf_init(&challenge, (size_t)SASL_CLIENT_BYTES * 2);
        buf_init(&answer, SASL_CLIENT_BYTES);
        buf_init(&text, (size_t)SASL_CLIENT_BYTES * 2);
        if (i > 0 || !sasl_client_is_first(c))
            read_challenge(take_line(&in), &challenge);
        rc = sasl_client_step(c, buf_slice(&challenge), &answer);
        assert(rc == MT_OK || rc == MT_ESIZE || (rc == MT_EPROTO && sasl_client_reason(c)[0] != '\0'));
        assert(sasl_base64_encode(buf_slice(&answer), &text) == MT_OK);
        buf_fini(&challenge);
        buf_fini(&answer);
        buf_fini(&text);
    }
    assert(rc != MT_OK);        /* no mechanism has so many messages */
    sasl_client_finish(c);
    assert(memchr(sasl_client_reason(c), '\0', SASL_CLIENT_REASON_BYTES) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice        in = slice_make(data, size);
    enum auth_mechanism mechanism;
    struct sasl_client *c;

    if (size == 0)
        return 0;
    assert(sodium_init() >= 0);
    mechanism = (enum auth_mechanism)(AUTH_PLAIN + data[0] % (AUTH_OAUTHBEARER - AUTH_PLAIN + 1));
    in = slice_sub(in, 1, in.len);
    run_choice(data[0] & 0x80 ? AUTH_AUTO : mechanism, take_line(&in));
    c = sasl_client_new_with_nonce(mechanism, "user", "pencil", "mx.test", 587, nonce);
    assert(c != NULL);
    run_exchange(c, in);
    sasl_client_free(c);
    return 0;
}
