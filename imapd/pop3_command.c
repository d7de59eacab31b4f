#include "imapd/pop3_command.h"

#include "lib/error.h"

static bool
is_keyword(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = ascii_lower(s.data[i]);

        if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static bool
has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] < ' ' || s.data[i] == 0x7f)
            return true;
    return false;
}

bool
pop3_command_parse(struct slice line, struct pop3_command *out)
{
    size_t       space = slice_find(line, ' ');
    struct slice rest;

    *out = (struct pop3_command){ .keyword = slice_sub(line, 0, space), .line = slice_sub(line, space + 1, line.len) };
    if (!is_keyword(out->keyword) || has_control(line))
        return false;
    for (rest = slice_trim(out->line); rest.len > 0 && out->count <= POP3_ARGUMENTS; rest = slice_trim(rest)) {
        space = slice_find(rest, ' ');
        if (out->count < POP3_ARGUMENTS)
            out->arguments[out->count] = slice_sub(rest, 0, space);
        out->count++;
        rest = slice_sub(rest, space, rest.len);
    }
    return true;
}

bool
pop3_number(struct slice text, uint32_t *out)
{
    uint64_t number;

    if (slice_to_u64(text, UINT32_MAX, &number) != MT_OK || number == 0)
        return false;
    *out = (uint32_t)number;
    return true;
}

int
pop3_line(struct slice *in, struct slice *line)
{
    size_t len = slice_find(*in, '\n');
    size_t without_cr = len > 0 && in->data[len - 1] == '\r' ? len - 1 : len;

    if (without_cr > POP3_LINE_BYTES)
        return MT_ESIZE;
    if (len == in->len)
        return MT_EAGAIN;
    *line = slice_sub(*in, 0, without_cr);
    *in = slice_sub(*in, len + 1, in->len);
    return MT_OK;
}
