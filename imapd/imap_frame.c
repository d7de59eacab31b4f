#include "imapd/imap_frame.h"

#include "lib/error.h"

/* "{12}" or "{12+}" at the end of a line. False: there is none. */
static bool
read_literal(struct slice line, uint64_t *size, bool *synchronising)
{
    const char *brace = line.len < 3 || line.data[line.len - 1] != '}' ? NULL : memrchr(line.data, '{', line.len);
    struct slice digits;

    if (brace == NULL)
        return false;
    digits = slice_make(brace + 1, (size_t)(line.data + line.len - 1 - (brace + 1)));
    *synchronising = digits.len == 0 || digits.data[digits.len - 1] != '+';
    if (!*synchronising)
        digits.len--;
    return slice_to_u64(digits, INT64_MAX, size) == MT_OK;
}

/* Whether the second word of the command is APPEND: "a1 APPEND …". UTF8 (~{…}) literals stand there, too. */
static bool
is_append(struct slice command)
{
    struct slice word = slice_sub(command, slice_find(command, ' ') + 1, command.len);

    return slice_starts_nocase(word, "APPEND ");
}

static enum imap_frame_result
begin_literal(struct imap_frame *f, struct slice in, uint64_t size, bool synchronising, size_t *len, uint64_t *literal)
{
    if (is_append(in)) {
        *len = f->scanned;
        *literal = size;
        f->scanned = 0;
        return IMAP_FRAME_MESSAGE;
    }
    if (size > IMAP_COMMAND_BYTES || f->scanned + size > IMAP_COMMAND_BYTES || (!synchronising && size > IMAP_LITERAL_MINUS)) {
        *len = f->scanned;
        f->skip = synchronising ? 0 : size;     /* it is on its way; the rest of the command comes behind it */
        f->scanned = 0;
        return IMAP_FRAME_TOO_LONG;
    }
    f->scanned += (size_t)size;
    return synchronising ? IMAP_FRAME_GO_AHEAD : IMAP_FRAME_MORE;
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
        if (!read_literal(line, &size, synchronising)) {
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
