#include "imapd/imap_frame.h"

#include "lib/error.h"

static bool
is_number(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    return s.len > 0;
}

bool
imap_frame_literal(struct slice line, uint64_t *size, bool *synchronising)
{
    const char *brace = line.len < 3 || line.data[line.len - 1] != '}' ? NULL : memrchr(line.data, '{', line.len);
    struct slice digits;
    bool         waits;

    if (brace == NULL)
        return false;
    digits = slice_make(brace + 1, (size_t)(line.data + line.len - 1 - (brace + 1)));
    waits = digits.len == 0 || digits.data[digits.len - 1] != '+';
    if (!waits)
        digits.len--;
    if (!is_number(digits))
        return false;
    /* What no number of 63 bits can tell (RFC 9051 section 9, number64) will not end; it is none of the next commands. */
    if (slice_to_u64(digits, INT64_MAX, size) != MT_OK)
        *size = INT64_MAX;
    *synchronising = waits;
    return true;
}

/*
 * Whether the literal that the command ends with is APPEND's message: "a1 APPEND INBOX … {310}". One directly behind APPEND is the
 * name of the mailbox.
 */
static bool
is_message(struct slice command)
{
    struct slice word = slice_sub(command, slice_find(command, ' ') + 1, command.len);
    struct slice rest = slice_sub(word, strlen("APPEND "), word.len);

    if (!slice_starts_nocase(word, "APPEND "))
        return false;
    return rest.len > 0 && (rest.data[0] != '{' || slice_find(rest, '\n') + 1 < rest.len);
}

static enum imap_frame_result
begin_literal(struct imap_frame *f, struct slice in, uint64_t size, bool synchronising, size_t *len, uint64_t *literal)
{
    if (is_message(in)) {
        *len = f->scanned;
        *literal = size;
        f->scanned = 0;
        return IMAP_FRAME_MESSAGE;
    }
    if (size > IMAP_COMMAND_BYTES || f->scanned + size > IMAP_COMMAND_BYTES || (!synchronising && size > IMAP_LITERAL_MINUS)) {
        *len = f->scanned;
        f->skip = synchronising ? 0 : size;     /* it is on its way, and the rest of the command behind it */
        f->rest = !synchronising;
        f->scanned = 0;
        return IMAP_FRAME_TOO_LONG;
    }
    f->scanned += (size_t)size;
    return synchronising ? IMAP_FRAME_GO_AHEAD : IMAP_FRAME_MORE;
}

/* The rest of a refused command, up to its line end or the next literal. False: that has not come yet. */
static bool
skip_line(struct imap_frame *f, struct slice *in)
{
    enum { LITERAL_BYTES_MAX = 64 };        /* "{…+}" and a CR: so much of a line's end is kept until it has come */
    size_t       end = slice_find(*in, '\n');
    struct slice line = slice_sub(*in, 0, end > 0 && in->data[end - 1] == '\r' ? end - 1 : end);
    bool         synchronising = true;

    if (end == in->len) {
        if (in->len > LITERAL_BYTES_MAX)
            *in = slice_sub(*in, in->len - LITERAL_BYTES_MAX, in->len);
        return false;
    }
    /* One that waits will not come: the command was answered. */
    f->rest = imap_frame_literal(line, &f->skip, &synchronising) && !synchronising;
    if (!f->rest)
        f->skip = 0;
    *in = slice_sub(*in, end + 1, in->len);
    return true;
}

bool
imap_frame_skip(struct imap_frame *f, struct slice *in)
{
    while (f->skip > 0 || f->rest) {
        size_t len = f->skip < in->len ? (size_t)f->skip : in->len;

        f->skip -= len;
        *in = slice_sub(*in, len, in->len);
        if (f->skip > 0 || (f->rest && !skip_line(f, in)))
            return false;
    }
    return true;
}

enum imap_frame_result
imap_frame(struct imap_frame *f, struct slice in, size_t *len, uint64_t *literal, bool *synchronising)
{
    while (f->scanned < in.len) {
        struct slice rest = slice_sub(in, f->scanned, in.len);
        size_t       end = slice_find(rest, '\n');
        struct slice line = slice_sub(rest, 0, end > 0 && rest.data[end - 1] == '\r' ? end - 1 : end);
        uint64_t     size;
        enum imap_frame_result result;

        if (end == rest.len)
            break;
        f->scanned += end + 1;
        if (!imap_frame_literal(line, &size, synchronising)) {
            *len = f->scanned;
            f->scanned = 0;
            return *len > IMAP_COMMAND_BYTES ? IMAP_FRAME_TOO_LONG : IMAP_FRAME_COMPLETE;
        }
        result = begin_literal(f, slice_sub(in, 0, f->scanned), size, *synchronising, len, literal);
        if (result != IMAP_FRAME_MORE)
            return result;
    }
    if (in.len <= IMAP_COMMAND_BYTES)
        return IMAP_FRAME_MORE;
    f->scanned = 0;
    return IMAP_FRAME_ENDLESS;
}
