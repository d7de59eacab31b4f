#include "lib/address.h"

#include "lib/error.h"

/* Octets of a path without its angle brackets, a source route included. */
enum { PATH_BYTES_MAX = 1024, DOMAIN_BYTES_MAX = 255 };

static bool
is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
is_utf8_octet(char c)
{
    return (unsigned char)c > 127;
}

/* RFC 5321 atext, with UTF-8 (RFC 6531), the dots between atoms, and '@': of several the last one begins the domain. */
static bool
is_local_char(char c)
{
    return is_alnum(c) || is_utf8_octet(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.@", c) != NULL);
}

static bool
is_domain_char(char c)
{
    return is_alnum(c) || is_utf8_octet(c) || c == '-' || c == '.' || c == '_';
}

/* Between the brackets of an address literal. */
static bool
is_literal_char(char c)
{
    return is_alnum(c) || c == ':' || c == '.' || c == '-';
}

/* The octets at the start of s for which is_member holds. */
static size_t
span(struct slice s, bool (*is_member)(char))
{
    size_t n = 0;

    while (n < s.len && is_member(s.data[n]))
        n++;
    return n;
}

/* A quoted-string at the start of s, quotes included; 0 where it is none. */
static size_t
span_quoted(struct slice s)
{
    for (size_t i = 1; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c == '"')
            return i + 1;
        if (c < ' ' || c == 127)
            return 0;
        if (c == '\\' && (++i == s.len || (unsigned char)s.data[i] < ' ' || (unsigned char)s.data[i] >= 127))
            return 0;
    }
    return 0;
}

/* A domain or an address literal at the start of s; 0 where it is none. */
static size_t
span_domain(struct slice s)
{
    size_t len = span(s, is_domain_char);

    if (len == 0 && s.len > 0 && s.data[0] == '[') {
        len = 1 + span(slice_sub(s, 1, s.len), is_literal_char);
        len = len > 1 && len < s.len && s.data[len] == ']' ? len + 1 : 0;
    }
    return len > DOMAIN_BYTES_MAX ? 0 : len;
}

static struct slice
skip(struct slice s, size_t len)
{
    return slice_sub(s, len, s.len);
}

/* "@a,@b:" at the start of *s, which then begins behind it. RFC 5321 appendix C. */
static int
parse_source_route(struct slice *s)
{
    for (;;) {
        size_t len = span_domain(skip(*s, 1));

        if (s->data[0] != '@' || len == 0 || 1 + len == s->len)
            return MT_ESYNTAX;
        *s = skip(*s, 1 + len);
        if (s->data[0] == ':') {
            *s = skip(*s, 1);
            return MT_OK;
        }
        if (s->data[0] != ',' || s->len < 2)
            return MT_ESYNTAX;
        *s = skip(*s, 1);
    }
}

/* The local part at the start of s, up to the last '@' of an unquoted one; 0 where it is none. */
static size_t
span_local(struct slice s, bool *quoted)
{
    size_t len;

    *quoted = s.len > 0 && s.data[0] == '"';
    if (*quoted)
        return span_quoted(s);
    len = span(s, is_local_char);
    for (size_t i = len; i > 0; i--)
        if (s.data[i - 1] == '@')
            return i - 1;
    return len;
}

/* What stands behind '<', up to the '>', which *s then begins with. */
static int
parse_inside(struct slice *s, struct path *out)
{
    const char *begin;
    size_t      len;

    if (s->len > 0 && s->data[0] == '@') {
        if (parse_source_route(s) != MT_OK)
            return MT_ESYNTAX;
        out->source_route = true;
    }
    begin = s->data;
    len = span_local(*s, &out->quoted);
    if (len == 0)
        return MT_ESYNTAX;
    out->local = slice_sub(*s, 0, len);
    *s = skip(*s, len);
    if (s->len > 0 && s->data[0] == '@') {
        len = span_domain(skip(*s, 1));
        if (len == 0)
            return MT_ESYNTAX;
        out->domain = slice_sub(*s, 1, len);
        *s = skip(*s, 1 + len);
    }
    out->text = slice_make(begin, (size_t)(s->data - begin));
    return MT_OK;
}

static int
path_parse(struct slice in, struct path *out, struct slice *rest)
{
    struct slice s = skip(in, 1);
    struct path  p = { .quoted = false };

    if (in.len < 2 || in.data[0] != '<')
        return MT_ESYNTAX;
    if (s.data[0] != '>' && parse_inside(&s, &p) != MT_OK)
        return MT_ESYNTAX;
    if (s.len == 0 || s.data[0] != '>' || (size_t)(s.data - in.data) > PATH_BYTES_MAX + 1)
        return MT_ESYNTAX;
    for (size_t i = 0; i < p.text.len && !p.utf8; i++)
        p.utf8 = is_utf8_octet(p.text.data[i]);
    *out = p;
    *rest = skip(s, 1);
    return MT_OK;
}

int
path_parse_reverse(struct slice in, struct path *out, struct slice *rest)
{
    return path_parse(in, out, rest);
}

static bool
is_postmaster(struct slice local)
{
    return slice_equal_nocase(local, slice_of("postmaster"));
}

int
path_parse_forward(struct slice in, struct path *out, struct slice *rest)
{
    struct path p;
    int         rc = path_parse(in, &p, rest);

    if (rc != MT_OK)
        return rc;
    if (p.domain.len == 0 && (!is_postmaster(p.local) || p.source_route))
        return MT_ESYNTAX;
    *out = p;
    return MT_OK;
}

static bool
asks_for_relaying(const struct path *p)
{
    static const char route_marks[] = { '%', '!', '@' };

    for (size_t i = 0; i < COUNT(route_marks); i++)
        if (slice_find(p->local, route_marks[i]) != p->local.len)
            return true;
    return p->source_route || p->quoted;
}

int
address_mailbox(const struct path *p, const struct config *config, char name[MAILBOX_NAME_MAX + 1], struct slice *detail)
{
    size_t plus = slice_find(p->local, '+');

    if (asks_for_relaying(p))
        return MT_EDENIED;
    if (p->domain.len > 0 ? !config_has_domain(config, p->domain) : !is_postmaster(p->local))
        return MT_EDENIED;
    if (mailbox_name_parse(slice_sub(p->local, 0, plus), name) != MT_OK)
        return MT_ENOTFOUND;
    *detail = slice_sub(p->local, plus + 1, p->local.len);
    return MT_OK;
}
