#include "lib/slice.h"

#include "lib/error.h"

#include <assert.h>

struct slice
slice_sub(struct slice s, size_t offset, size_t len)
{
    if (offset > s.len)
        offset = s.len;
    if (len > s.len - offset)
        len = s.len - offset;
    return slice_make(s.data == NULL ? NULL : s.data + offset, len);
}

bool
slice_equal(struct slice a, struct slice b)
{
    if (a.len != b.len || a.len == 0)
        return a.len == b.len;
    assert(a.data != NULL && b.data != NULL);
    return memcmp(a.data, b.data, a.len) == 0;
}

bool
slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len || a.len == 0)
        return a.len == b.len;
    assert(a.data != NULL && b.data != NULL);
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

bool
slice_starts(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && slice_equal(slice_sub(s, 0, len), slice_make(prefix, len));
}

bool
slice_starts_nocase(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && slice_equal_nocase(slice_sub(s, 0, len), slice_make(prefix, len));
}

bool
slice_ends_nocase(struct slice s, const char *suffix)
{
    size_t len = strlen(suffix);

    return s.len >= len && slice_equal_nocase(slice_sub(s, s.len - len, len), slice_make(suffix, len));
}

size_t
slice_find(struct slice s, char c)
{
    const char *at = s.len == 0 ? NULL : memchr(s.data, c, s.len);

    return at == NULL ? s.len : (size_t)(at - s.data);
}

size_t
slice_find_nocase(struct slice s, struct slice needle)
{
    for (size_t i = 0; i + needle.len <= s.len; i++)
        if (slice_equal_nocase(slice_sub(s, i, needle.len), needle))
            return i;
    return s.len;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = slice_make(s.data + 1, s.len - 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

bool
slice_copy(char *to, size_t size, struct slice s)
{
    size_t len = s.len < size ? s.len : size - 1;

    if (len > 0)
        memcpy(to, s.data, len);
    to[len] = '\0';
    return len == s.len;
}

int
slice_to_u64(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (s.len == 0)
        return MT_ESYNTAX;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit = (uint64_t)(unsigned char)s.data[i] - '0';

        if (digit > 9 || value > (max - digit) / 10)
            return MT_ESYNTAX;
        value = value * 10 + digit;
    }
    *out = value;
    return MT_OK;
}
