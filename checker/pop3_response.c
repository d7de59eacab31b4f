#include "checker/pop3_response.h"

#include "lib/error.h"

int
pop3_line_find(struct slice octets, struct slice *line, size_t *len)
{
    struct slice head = slice_sub(octets, 0, POP3_LINE_BYTES);
    size_t       lf = slice_find(head, '\n');

    if (lf == head.len)
        return octets.len >= POP3_LINE_BYTES ? MT_ESIZE : MT_EAGAIN;
    *line = slice_sub(head, 0, lf);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    *len = lf + 1;
    return MT_OK;
}

int
pop3_status_parse(struct slice line, struct pop3_status *out)
{
    struct pop3_status s = { .ok = slice_starts_nocase(line, "+OK") };
    size_t             word = s.ok ? strlen("+OK") : strlen("-ERR");
    size_t             end;

    if (!s.ok && !slice_starts_nocase(line, "-ERR"))
        return MT_ESYNTAX;
    if (line.len > word && line.data[word] != ' ')
        return MT_ESYNTAX;
    s.text = slice_trim(slice_sub(line, word, line.len));
    if (slice_starts(s.text, "[") && (end = slice_find(s.text, ']')) < s.text.len) {
        s.code = slice_sub(s.text, 1, end - 1);
        s.text = slice_trim(slice_sub(s.text, end + 1, s.text.len));
    }
    *out = s;
    return MT_OK;
}

bool
pop3_content(struct slice line, struct slice *content)
{
    if (!slice_starts(line, ".")) {
        *content = line;
        return true;
    }
    *content = slice_sub(line, 1, line.len);
    return line.len > 1;
}

/* A number up to the next blank; *rest begins behind the blank. */
static bool
take_number(struct slice *rest, uint32_t *out)
{
    size_t   end = slice_find(*rest, ' ');
    uint64_t n;

    if (slice_to_u64(slice_sub(*rest, 0, end), UINT32_MAX, &n) != MT_OK)
        return false;
    *rest = slice_trim(slice_sub(*rest, end, rest->len));
    *out = (uint32_t)n;
    return true;
}

bool
pop3_uid_parse(struct slice line, uint32_t *number, struct slice *uid)
{
    struct slice rest = line;

    if (!take_number(&rest, number) || *number == 0)
        return false;
    *uid = slice_sub(rest, 0, slice_find(rest, ' '));
    return uid->len > 0 && uid->len < POP3_UID_BYTES;
}

bool
pop3_stat_parse(struct slice text, uint32_t *count)
{
    return take_number(&text, count);
}

bool
pop3_is_for_now(const struct pop3_status *s)
{
    static const char *const codes[] = { "IN-USE", "LOGIN-DELAY", "SYS/TEMP" };
    static const char *const words[] = { "lock", "in use", "busy", "temporar", "try again", "too many", "later" };

    for (size_t i = 0; i < COUNT(codes); i++)
        if (slice_equal_nocase(s->code, slice_of(codes[i])))
            return true;
    for (size_t i = 0; s->code.len == 0 && i < COUNT(words); i++)
        if (slice_find_nocase(s->text, slice_of(words[i])) < s->text.len)
            return true;
    return false;
}
