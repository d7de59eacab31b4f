#include "lookup/framing.h"

#include "lib/error.h"

#include <event2/keyvalq_struct.h>
#include <sys/queue.h>

/* Fields that must not be there twice: two readers may each take another one. */
enum single { CONTENT_LENGTH, TRANSFER_ENCODING, HOST, AUTHORIZATION, SINGLES };

static const char *const single_names[SINGLES] = { "Content-Length", "Transfer-Encoding", "Host", "Authorization" };

/* Methods whose body evhttp does not read. */
#define METHODS_WITHOUT_BODY (EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT)

/* RFC 9110 section 5.6.2. */
static bool
is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = ascii_lower(s.data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.len > 0;
}

/* Finds each single field's value; data is NULL where there is none. */
static const char *
find_singles(const struct evkeyvalq *fields, struct slice found[SINGLES])
{
    const struct evkeyval *field;

    for (field = TAILQ_FIRST(fields); field != NULL; field = TAILQ_NEXT(field, next)) {
        struct slice name = slice_of(field->key);

        if (!is_token(name))
            return "a field's name has a character that does not belong there";
        for (unsigned i = 0; i < SINGLES; i++) {
            if (!slice_equal_nocase(name, slice_of(single_names[i])))
                continue;
            if (found[i].data != NULL)
                return "Content-Length, Transfer-Encoding, Host or Authorization is there twice";
            found[i] = slice_of(field->value);
        }
    }
    return NULL;
}

static const char *
find_fault(const struct evhttp_request *req, const struct slice found[SINGLES], size_t body_bytes)
{
    struct slice length = found[CONTENT_LENGTH], coding = found[TRANSFER_ENCODING];
    bool         is_old = req->major < 1 || (req->major == 1 && req->minor == 0);
    uint64_t     bytes;

    if (found[HOST].data == NULL && !is_old)
        return "there is no Host";
    if (length.data != NULL && coding.data != NULL)
        return "there is a Content-Length beside a Transfer-Encoding";
    if (length.data != NULL && (slice_to_u64(length, SIZE_MAX, &bytes) != MT_OK || bytes != body_bytes))
        return "the Content-Length is not that of the body";
    if (coding.data == NULL)
        return NULL;
    if (is_old || !slice_equal_nocase(coding, slice_of("chunked")))
        return "the one Transfer-Encoding is chunked, in HTTP/1.1";
    return req->type == 0 || (req->type & METHODS_WITHOUT_BODY) != 0 ? "this method has no body" : NULL;
}

struct framing
framing_check(const struct evhttp_request *req, const struct evkeyvalq *fields, size_t body_bytes)
{
    struct slice   found[SINGLES] = { { .data = NULL } };
    struct framing f = { .fault = find_singles(fields, found) };

    if (f.fault == NULL)
        f.fault = find_fault(req, found, body_bytes);
    /* evhttp takes sizes of chunks that RFC 9112 section 7.1 knows not, such as "0x2" and "+2". */
    f.is_last = f.fault != NULL || found[TRANSFER_ENCODING].data != NULL;
    return f;
}
