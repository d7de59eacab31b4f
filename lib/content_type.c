#include "lib/content_type.h"

#include "lib/error.h"
#include "lib/transfer.h"

enum { PIECE_OCTETS = 8192 };

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

/* The quoted-string at *s without its quotes, but with its backslashes. */
static struct slice
take_quoted(struct scanner *s)
{
    const char *from = ++s->at, *to;

    for (; s->at < s->end && *s->at != '"'; s->at++)
        if (*s->at == '\\' && s->at + 1 < s->end)
            s->at++;
    to = s->at;
    if (s->at < s->end)
        s->at++;
    return slice_make(from, (size_t)(to - from));
}

/* A value without quotes: up to a semicolon or space, since boundaries with "=" or ":" in them are common. */
static struct slice
take_bare(struct scanner *s)
{
    const char *from = s->at;

    while (s->at < s->end && *s->at != ';' && !is_space(*s->at))
        s->at++;
    return slice_make(from, (size_t)(s->at - from));
}

/* A parameter as it stands. */
struct parameter {
    struct slice name, value;
    bool         quoted;
};

static struct scanner
parameters_of(struct slice value)
{
    return (struct scanner){ value.data + slice_find(value, ';'), value.data + value.len };
}

static bool
next_parameter(struct scanner *s, struct parameter *out)
{
    while (skip_blank(s), s->at < s->end) {
        out->name = take_token(s);
        if (out->name.len == 0) {
            s->at++;                /* the semicolon, or something that does not belong here */
            continue;
        }
        if (!take_char(s, '=') || s->at == s->end)
            continue;
        out->quoted = *s->at == '"';
        out->value = out->quoted ? take_quoted(s) : take_bare(s);
        return true;
    }
    return false;
}

/* ---- Values ----------------------------------------------------------------------------------------------------- */

/* Where a value goes: as far as there is room. */
struct value_room {
    char  *out;
    size_t size, len;
};

static void
add_octet(struct value_room *r, char c)
{
    if (r->len < r->size)
        r->out[r->len] = c;
    r->len++;
}

/* Line ends in a quoted-string are no part of it. */
static void
add_plain(struct value_room *r, const struct parameter *p)
{
    for (size_t i = 0; i < p->value.len; i++) {
        if (p->quoted && p->value.data[i] == '\\' && i + 1 < p->value.len)
            i++;
        if (p->value.data[i] != '\r' && p->value.data[i] != '\n')
            add_octet(r, p->value.data[i]);
    }
}

static void
add_percent(struct value_room *r, struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        bool hex = value.data[i] == '%' && i + 2 < value.len && hex_value(value.data[i + 1]) >= 0 && hex_value(value.data[i + 2]) >= 0;

        add_octet(r, hex ? (char)(hex_value(value.data[i + 1]) << 4 | hex_value(value.data[i + 2])) : value.data[i]);
        i += hex ? 2 : 0;
    }
}

/* ---- Pieces (RFC 2231) ------------------------------------------------------------------------------------------ */

/* "name*=", "name*2=" or "name*2*=". */
struct piece {
    struct slice     name;
    unsigned         number;
    bool             encoded;
    struct parameter parameter;
};

static bool
read_piece(const struct parameter *p, struct piece *out)
{
    size_t       star = slice_find(p->name, '*');
    struct slice rest = slice_sub(p->name, star + 1, p->name.len);
    uint64_t     number = 0;

    if (star == p->name.len)
        return false;
    out->encoded = rest.len == 0 || rest.data[rest.len - 1] == '*';
    if (rest.len > 0 && out->encoded)
        rest.len--;
    if (rest.len > 0 && slice_to_u64(rest, CONTENT_TYPE_PIECES * 2, &number) != MT_OK)
        return false;
    out->name = slice_sub(p->name, 0, star);
    out->number = (unsigned)number;
    out->parameter = *p;
    return true;
}

static size_t
read_pieces(struct slice value, struct piece out[CONTENT_TYPE_PIECES])
{
    struct scanner   s = parameters_of(value);
    struct parameter p;
    size_t           count = 0;

    while (count < CONTENT_TYPE_PIECES && next_parameter(&s, &p))
        count += read_piece(&p, &out[count]);
    return count;
}

static const struct piece *
find_piece(const struct piece *pieces, size_t count, struct slice name, unsigned number)
{
    for (size_t i = 0; i < count; i++)
        if (pieces[i].number == number && slice_equal_nocase(pieces[i].name, name))
            return &pieces[i];
    return NULL;
}

static void
add_piece(struct value_room *r, const struct piece *p)
{
    struct slice value = p->parameter.value;

    if (!p->encoded) {
        add_plain(r, &p->parameter);
        return;
    }
    /* The first says charset'language'. */
    for (int quotes = 0; p->number == 0 && quotes < 2; quotes++) {
        size_t quote = slice_find(value, '\'');

        if (quote < value.len)
            value = slice_sub(value, quote + 1, value.len);
    }
    add_percent(r, value);
}

void
content_type_joined(struct slice value, content_type_octets_fn *out, void *arg)
{
    struct piece pieces[CONTENT_TYPE_PIECES];
    size_t       count;

    if (slice_find(value, '*') == value.len)
        return;
    count = read_pieces(value, pieces);
    for (size_t i = 0; i < count; i++) {
        /* Of two of the same name the first counts, so that each piece is told once. */
        const struct piece *p = find_piece(pieces, count, pieces[i].name, 0) == &pieces[i] ? &pieces[i] : NULL;

        for (unsigned number = 0; p != NULL; p = find_piece(pieces, count, p->name, ++number)) {
            char              text[PIECE_OCTETS];
            struct value_room room = { text, sizeof(text), 0 };

            /* A piece decodes to no more octets than it has. */
            if (p->parameter.value.len <= sizeof(text)) {
                add_piece(&room, p);
                out(arg, number == 0, slice_make(text, room.len));
            }
        }
    }
}

bool
content_type_parameter(struct slice value, const char *name, char *out, size_t size)
{
    struct scanner    s = parameters_of(value);
    struct value_room room = { out, size - 1, 0 };
    struct slice      wanted = slice_of(name);
    struct piece      pieces[CONTENT_TYPE_PIECES];
    struct parameter  p;
    bool              found = false;

    while (!found && next_parameter(&s, &p))
        found = slice_equal_nocase(p.name, wanted);
    if (found) {
        add_plain(&room, &p);
    } else if (slice_find(value, '*') < value.len) {
        size_t              count = read_pieces(value, pieces);
        const struct piece *piece = find_piece(pieces, count, wanted, 0);

        for (unsigned number = 0; piece != NULL; piece = find_piece(pieces, count, wanted, ++number))
            add_piece(&room, piece);
    }
    out[room.len < size ? room.len : size - 1] = '\0';
    return room.len > 0 && room.len < size && strlen(out) == room.len;
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
