#ifndef TESTS_UNIT_IMAP_SYNTAX_H
#define TESTS_UNIT_IMAP_SYNTAX_H
/* imap_syntax - whether octets are one value of IMAP's syntax: a parenthesized list, NIL, a number, a quoted string or a literal. */

#include "lib/slice.h"

/* Passes one quoted string or literal, with what either may hold. */
static inline bool
syntax_string(struct slice *s)
{
    size_t   end;
    uint64_t len;

    if (s->len > 0 && s->data[0] == '{') {
        end = slice_find(*s, '}');
        if (slice_to_u64(slice_sub(*s, 1, end - 1), s->len, &len) != 0 || !slice_starts(slice_sub(*s, end, s->len), "}\r\n"))
            return false;
        *s = slice_sub(*s, end + 3, s->len);
        if (len > s->len || memchr(s->data, '\0', (size_t)len) != NULL)
            return false;
        *s = slice_sub(*s, (size_t)len, s->len);
        return true;
    }
    for (size_t i = 1; i < s->len; i++) {
        unsigned char c = (unsigned char)s->data[i];

        if (c == '"') {
            *s = slice_sub(*s, i + 1, s->len);
            return true;
        }
        if (c == '\\')
            c = (unsigned char)(++i < s->len ? s->data[i] : 0);
        if (c < ' ' || c >= 0x7f)
            return false;
    }
    return false;
}

/* Whether the whole of s is one value. No two values stand together without a space, but lists may. */
static inline bool
syntax_is_value(struct slice s)
{
    unsigned depth = 0;
    bool     behind = false;        /* a value that is no list: a space or a ")" comes */

    do {
        if (s.len == 0)
            return false;
        if (behind && s.data[0] != ')' && s.data[0] != ' ')
            return false;
        behind = false;
        if (s.data[0] == '(') {
            depth++;
            s = slice_sub(s, 1, s.len);
            if (s.len > 0 && (s.data[0] == ')' || s.data[0] == ' '))
                return false;       /* there is no empty list in what is written here */
        } else if (s.data[0] == ')') {
            depth--;
            s = slice_sub(s, 1, s.len);
        } else if (s.data[0] == ' ') {
            s = slice_sub(s, 1, s.len);
            if (s.len == 0 || s.data[0] == ' ' || s.data[0] == ')')
                return false;
        } else if (slice_starts(s, "NIL")) {
            s = slice_sub(s, 3, s.len);
            behind = true;
        } else if (s.data[0] >= '0' && s.data[0] <= '9') {
            while (s.len > 0 && s.data[0] >= '0' && s.data[0] <= '9')
                s = slice_sub(s, 1, s.len);
            behind = true;
        } else if (s.data[0] == '"' || s.data[0] == '{') {
            if (!syntax_string(&s))
                return false;
            behind = true;
        } else {
            return false;
        }
    } while (depth > 0);
    return s.len == 0;
}

#endif
