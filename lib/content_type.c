#include "lib/content_type.h"

#include "lib/error.h"

/* What is left to read. */
struct scanner {
    const char *at, *end;
};

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 2045's token: no control, space or tspecial. Octets over 127 are let through. */
static bool
is_token_char(char c)
{
    return (c > ' ' || c < 0) && c != 127 && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Passes white space and comments, which nest. */
static void
skip_blank(struct scanner *s)
{
    unsigned depth = 0;

    for (; s->at < s->end; s->at++) {
        char c = *s->at;

        if (c == '\\' && depth > 0 && s->at + 1 < s->end)
            s->at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && !is_space(c))
            return;
    }
}

static struct slice
take_token(struct scanner *s)
{
    const char *from = s->at;

    while (s->at < s->end && is_token_char(*s->at))
        s->at++;
    return slice_make(from, (size_t)(s->at - from));
}

static bool
take_char(struct scanner *s, char c)
{
    skip_blank(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    skip_blank(s);
    return true;
}

static bool
take_name(struct scanner *s, struct slice *type, struct slice *subtype)
{
    skip_blank(s);
    *type = take_token(s);
    if (!take_char(s, '/'))
        return false;
    *subtype = take_token(s);
    return type->len > 0 && subtype->len > 0;
}

bool
content_type_name(struct slice value, char out[CONTENT_TYPE_CHARS + 1])
{
    struct scanner s = { value.data, value.data + value.len };
    struct slice   type, subtype;
    size_t         len;

    if (!take_name(&s, &type, &subtype) || type.len + 1 + subtype.len > CONTENT_TYPE_CHARS)
        return false;
    len = type.len + 1 + subtype.len;
    memcpy(out, type.data, type.len);
    out[type.len] = '/';
    memcpy(out + type.len + 1, subtype.data, subtype.len);
    for (size_t i = 0; i < len; i++)
        out[i] = ascii_lower(out[i]);
    out[len] = '\0';
    return true;
}

/* The quoted-string at *s, to out as far as there is room; returns its whole length. Line ends in it are no part of it. */
static size_t
take_quoted(struct scanner *s, char *out, size_t room)
{
    size_t len = 0;

    for (s->at++; s->at < s->end && *s->at != '"'; s->at++) {
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        if (*s->at == '\r' || *s->at == '\n')
            continue;
        if (len < room)
            out[len] = *s->at;
        len++;
    }
    if (s->at < s->end)
        s->at++;
    return len;
}

/* A value without quotes: up to a semicolon or space, since boundaries with "=" or ":" in them are common. */
static size_t
take_bare(struct scanner *s, char *out, size_t room)
{
    size_t len = 0;

    for (; s->at < s->end && *s->at != ';' && !is_space(*s->at); s->at++, len++)
        if (len < room)
            out[len] = *s->at;
    return len;
}

bool
content_type_parameter(struct slice value, const char *name, char *out, size_t size)
{
    struct scanner s = { value.data, value.data + value.len };
    struct slice   wanted = slice_of(name), found;

    s.at += slice_find(value, ';');
    while (skip_blank(&s), s.at < s.end) {
        found = take_token(&s);
        if (found.len == 0 || !take_char(&s, '=')) {
            if (found.len == 0)
                s.at++;             /* the semicolon, or something that does not belong here */
            continue;
        }
        if (s.at < s.end) {
            bool   match = slice_equal_nocase(found, wanted);
            size_t room = match ? size - 1 : 0;
            size_t len = *s.at == '"' ? take_quoted(&s, out, room) : take_bare(&s, out, room);

            if (match) {
                out[len < size ? len : size - 1] = '\0';
                return len > 0 && len < size && strlen(out) == len;
            }
        }
    }
    return false;
}

enum part_encoding
content_encoding(struct slice value)
{
    static const struct {
        const char        *name;
        enum part_encoding encoding;
    } names[] = {
        { "7bit",             ENCODING_7BIT             },
        { "8bit",             ENCODING_8BIT             },
        { "binary",           ENCODING_BINARY           },
        { "quoted-printable", ENCODING_QUOTED_PRINTABLE },
        { "base64",           ENCODING_BASE64           },
    };
    struct scanner s = { value.data, value.data + value.len };
    struct slice   name;

    skip_blank(&s);
    name = take_token(&s);
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_equal_nocase(name, slice_of(names[i].name)))
            return names[i].encoding;
    return ENCODING_UNKNOWN;
}
