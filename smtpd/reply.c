#include "smtpd/reply.h"

#include <assert.h>

enum { DETAIL_BYTES_MAX = 100 };

static const char *const texts[REPLY_COUNT] = {
    [REPLY_NONE] = "",
#define X(id, text) [REPLY_##id] = text,
    REPLIES(X)
#undef X
};

const char *
reply_text(enum reply reply)
{
    assert(reply > REPLY_NONE && reply < REPLY_COUNT);
    return texts[reply];
}

int
reply_class(enum reply reply)
{
    return reply_text(reply)[0] - '0';
}

static void
append_detail(struct buf *out, struct slice detail)
{
    detail = slice_sub(detail, 0, DETAIL_BYTES_MAX);
    for (size_t i = 0; i < detail.len; i++) {
        char c = detail.data[i];

        buf_append_byte(out, (char)(c >= ' ' && c <= '~' ? c : '?'));
    }
}

void
reply_append2(struct buf *out, enum reply reply, struct slice detail, struct slice second)
{
    struct slice rest = slice_of(reply_text(reply));

    for (;;) {
        size_t at = slice_find(rest, '%');

        buf_append_slice(out, slice_sub(rest, 0, at));
        if (at == rest.len)
            break;
        append_detail(out, detail);
        detail = second;
        rest = slice_sub(rest, at + 1, rest.len);
    }
    buf_append(out, "\r\n", 2);
}

void
reply_append(struct buf *out, enum reply reply, struct slice detail)
{
    reply_append2(out, reply, detail, slice_make(NULL, 0));
}
