#include "meaning/words.h"

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

/* Of a local part or domain in running text; octets over 127 may be either's (RFC 6531). */
static bool
is_address_char(char c)
{
    return is_digit(c) || is_letter(c) || c < 0 || (c != '\0' && strchr(".-_+=!#$%&*/?^`{|}~", c) != NULL);
}

static bool
is_host_char(char c)
{
    return is_digit(c) || is_letter(c) || c == '.' || c == '-' || c == '_' || c == ':';
}

bool
words_line(struct slice *rest, struct slice *line)
{
    size_t len = slice_find(*rest, '\n');

    if (rest->len == 0)
        return false;
    *line = slice_trim(slice_sub(*rest, 0, len));
    *rest = slice_sub(*rest, len + 1, rest->len);
    return true;
}

/* As slice_find_nocase, but quick at passing over what does not begin like the phrase: texts are long, and phrases many. */
struct slice
words_after(struct slice text, const char *phrase)
{
    size_t len = strlen(phrase);
    char   first = ascii_lower(phrase[0]);

    for (size_t at = 0; at + len <= text.len; at++)
        if (ascii_lower(text.data[at]) == first && slice_equal_nocase(slice_sub(text, at, len), slice_make(phrase, len)))
            return slice_sub(text, at + len, text.len);
    return slice_make(NULL, 0);
}

bool
words_has(struct slice text, const char *phrase)
{
    return words_after(text, phrase).data != NULL;
}

struct slice
words_address(struct slice text, struct slice *rest)
{
    size_t from = 0;

    while (from < text.len) {
        size_t at = from + slice_find(slice_sub(text, from, text.len), '@');
        size_t begin = at, end = at + 1;

        if (at == text.len)
            break;
        while (begin > from && is_address_char(text.data[begin - 1]))
            begin--;
        while (end < text.len && (is_digit(text.data[end]) || is_letter(text.data[end]) || text.data[end] < 0 ||
                                  text.data[end] == '.' || text.data[end] == '-'))
            end++;
        while (end > at + 1 && text.data[end - 1] == '.')
            end--;
        if (begin < at && end > at + 1) {
            if (rest != NULL)
                *rest = slice_sub(text, end, text.len);
            return slice_sub(text, begin, end - begin);
        }
        from = at + 1;
    }
    return slice_make("", 0);
}

struct slice
words_address_of(struct slice field)
{
    const char *open = field.len == 0 ? NULL : memrchr(field.data, '<', field.len);
    struct slice inner;

    if (open != NULL) {
        inner = slice_sub(field, (size_t)(open - field.data) + 1, field.len);
        return slice_trim(slice_sub(inner, 0, slice_find(inner, '>')));
    }
    return words_address(field, NULL);
}

struct slice
words_host(struct slice text)
{
    size_t len = 0;

    /* The colon may have a hard space (U+00A0) before it, as French programs write it. */
    while (text.len > 0 && text.data[0] != '\0' && strchr(" \n\t[:\xc2\xa0", text.data[0]) != NULL)
        text = slice_sub(text, 1, text.len);
    while (len < text.len && is_host_char(text.data[len]))
        len++;
    while (len > 0 && (text.data[len - 1] == '.' || text.data[len - 1] == ':'))
        len--;
    return slice_sub(text, 0, len);
}

/* The length of "5.1.1" or "5.7.520" that text begins with, or 0. */
static size_t
status_len(struct slice text)
{
    size_t at = 1;

    if (text.len < strlen("5.1.1") || strchr("245", text.data[0]) == NULL)
        return 0;
    for (unsigned i = 0; i < 2; i++) {
        size_t digits = 0;

        if (at == text.len || text.data[at] != '.')
            return 0;
        at++;
        while (at + digits < text.len && is_digit(text.data[at + digits]))
            digits++;
        if (digits == 0 || digits > 3)
            return 0;
        at += digits;
    }
    if (at < text.len && (is_letter(text.data[at]) || (text.data[at] == '.' && at + 1 < text.len && is_digit(text.data[at + 1]))))
        return 0;                                       /* an address, a version */
    return at;
}

/* Whether a word may begin at this octet of text. */
static bool
begins_word(struct slice text, size_t at)
{
    char before;

    if (at == 0)
        return true;
    before = text.data[at - 1];
    return !is_digit(before) && !is_letter(before) && before != '.' && before != '@' && before != '_';
}

struct slice
words_status(struct slice text)
{
    for (size_t at = 0; at < text.len; at++) {
        size_t len = is_digit(text.data[at]) && begins_word(text, at) ? status_len(slice_sub(text, at, text.len)) : 0;

        if (len > 0)
            return slice_sub(text, at, len);
    }
    return slice_make("", 0);
}

struct slice
words_reply_code(struct slice text)
{
    enum { CODE_CHARS = 3 };

    for (size_t at = 0; at + CODE_CHARS <= text.len; at++) {
        const char *c = text.data + at;
        char        behind = at + CODE_CHARS < text.len ? c[CODE_CHARS] : ' ';

        if ((c[0] == '4' || c[0] == '5') && c[1] >= '0' && c[1] <= '5' && is_digit(c[2]) && begins_word(text, at) &&
            (behind == ' ' || behind == '-' || behind == '\n'))
            return slice_make(c, CODE_CHARS);
    }
    return slice_make("", 0);
}

void
words_squeeze(struct buf *to, struct slice text)
{
    bool blank = false;

    text = slice_trim(text);
    for (size_t i = 0; i < text.len && to->fault == 0; i++) {
        bool is_blank = text.data[i] == ' ' || text.data[i] == '\t' || text.data[i] == '\r' || text.data[i] == '\n';

        if (!is_blank || !blank)
            buf_append_byte(to, is_blank ? ' ' : text.data[i]);
        blank = is_blank;
    }
}

bool
words_domain_is(struct slice address, const char *domain)
{
    size_t       len = strlen(domain), at = slice_find(address, '@');
    struct slice host = slice_sub(address, at + 1, address.len);
    struct slice end;

    if (at == address.len || host.len < len)
        return false;
    end = slice_sub(host, host.len - len, len);
    return slice_equal_nocase(end, slice_make(domain, len)) && (host.len == len || host.data[host.len - len - 1] == '.');
}
