#include "imapd/imap_reader.h"

#include "lib/error.h"
#include "lib/utf8.h"

bool
imap_reader_init(struct imap_reader *r, struct slice command)
{
    *r = (struct imap_reader){ .rest = command, .all = command };
    buf_init(&r->unquoted, command.len + 1);
    return buf_reserve(&r->unquoted, command.len + 1) != NULL;
}

void
imap_reader_fini(struct imap_reader *r)
{
    buf_wipe(&r->unquoted);
}

bool
imap_ok(const struct imap_reader *r)
{
    return r->fault == NULL;
}

void
imap_fail(struct imap_reader *r, const char *expected)
{
    if (r->fault == NULL)
        r->fault = expected;
    r->rest.len = 0;
}

static struct slice
take(struct imap_reader *r, size_t len)
{
    struct slice taken = slice_sub(r->rest, 0, len);

    r->rest = slice_sub(r->rest, len, r->rest.len);
    return taken;
}

bool
imap_take(struct imap_reader *r, const char *text)
{
    if (r->fault != NULL || !slice_starts_nocase(r->rest, text))
        return false;
    take(r, strlen(text));
    return true;
}

bool
imap_next_is(const struct imap_reader *r, char c)
{
    return r->rest.len > 0 && r->rest.data[0] == c;
}

void
imap_space(struct imap_reader *r)
{
    if (!imap_take(r, " "))
        imap_fail(r, r->rest.len == 0 ? "an argument" : "a space");
}

/* ---- Characters ---------------------------------------------------------------------------------------------------------- */

static bool
is_text(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f;
}

/* ATOM-CHAR; octets over 127 stand in mailbox names of clients that speak UTF-8. */
static bool
is_atom(char c)
{
    return is_text(c) && strchr("(){%*\"\\]", c) == NULL;
}

static bool
is_astring(char c)
{
    return is_atom(c) || c == ']';
}

static bool
is_list(char c)
{
    return is_astring(c) || c == '%' || c == '*';
}

static bool
is_tag(char c)
{
    return is_astring(c) && c != '+';
}

static bool
is_set(char c)
{
    return (c >= '0' && c <= '9') || c == ':' || c == ',' || c == '*' || c == '$';
}

/* flag-keyword and flag-extension are atoms, and these are ASCII. */
static bool
is_flag(char c)
{
    return is_atom(c) && (unsigned char)c < 0x80;
}

static struct slice
span(struct imap_reader *r, bool (*belongs)(char c), const char *expected)
{
    size_t len = 0;

    while (len < r->rest.len && belongs(r->rest.data[len]))
        len++;
    if (len == 0)
        imap_fail(r, expected);
    return take(r, len);
}

/* ---- Words ----------------------------------------------------------------------------------------------------------------- */

struct slice
imap_tag(struct imap_reader *r)
{
    return span(r, is_tag, "a tag");
}

struct slice
imap_atom(struct imap_reader *r)
{
    return span(r, is_atom, "a word");
}

struct slice
imap_set_text(struct imap_reader *r)
{
    return span(r, is_set, "a sequence set");
}

struct slice
imap_flag(struct imap_reader *r)
{
    const struct slice before = r->rest;
    const size_t       backslash = imap_take(r, "\\") ? 1 : 0;
    const size_t       len = span(r, is_flag, "a flag").len;

    return slice_sub(before, 0, len == 0 ? 0 : backslash + len);
}

static struct slice
quoted(struct imap_reader *r)
{
    const char *from;
    size_t      before = r->unquoted.len;

    take(r, 1);
    for (from = r->rest.data; r->rest.len > 0 && *from != '"'; from = r->rest.data) {
        if (*from == '\\') {           /* RFC 9051 section 9, QUOTED-CHAR */
            take(r, 1);
            if (!imap_next_is(r, '"') && !imap_next_is(r, '\\'))
                break;
        }
        if (r->rest.data[0] == '\r' || r->rest.data[0] == '\n' || r->rest.data[0] == '\0')
            break;
        buf_append_byte(&r->unquoted, r->rest.data[0]);
        take(r, 1);
    }
    if (!imap_take(r, "\""))
        imap_fail(r, "the end of a quoted string");
    if (r->utf8 && !utf8_is_valid(slice_make(r->unquoted.data + before, r->unquoted.len - before)))
        imap_fail(r, "a quoted string in UTF-8");
    return slice_make(r->unquoted.data + before, r->unquoted.len - before);
}

/* The frame has made sure that all its octets are there. */
static struct slice
literal(struct imap_reader *r)
{
    uint64_t size;

    imap_take(r, "~");
    imap_take(r, "{");
    size = imap_number64(r);
    imap_take(r, "+");
    if (!imap_take(r, "}") || (!imap_take(r, "\r\n") && !imap_take(r, "\n")) || size > r->rest.len) {
        imap_fail(r, "a literal");
        return slice_make("", 0);
    }
    return take(r, (size_t)size);
}

static bool
is_literal(const struct imap_reader *r)
{
    return imap_next_is(r, '{') || slice_starts(r->rest, "~{");
}

struct slice
imap_string(struct imap_reader *r)
{
    if (imap_next_is(r, '"'))
        return quoted(r);
    if (is_literal(r))
        return literal(r);
    imap_fail(r, "a string");
    return slice_make("", 0);
}

struct slice
imap_nstring(struct imap_reader *r, bool *nil)
{
    *nil = imap_take(r, "NIL");
    return *nil ? slice_make("", 0) : imap_string(r);
}

struct slice
imap_astring(struct imap_reader *r)
{
    return imap_next_is(r, '"') || is_literal(r) ? imap_string(r) : span(r, is_astring, "a word or a string");
}

struct slice
imap_list_mailbox(struct imap_reader *r)
{
    return imap_next_is(r, '"') || is_literal(r) ? imap_string(r) : span(r, is_list, "a mailbox name with wildcards");
}

uint64_t
imap_number64(struct imap_reader *r)
{
    size_t   len = 0;
    uint64_t number = 0;

    while (len < r->rest.len && r->rest.data[len] >= '0' && r->rest.data[len] <= '9')
        len++;
    if (slice_to_u64(slice_sub(r->rest, 0, len), INT64_MAX, &number) != MT_OK)
        imap_fail(r, "a number");
    take(r, len);
    return number;
}

uint32_t
imap_number(struct imap_reader *r)
{
    uint64_t number = imap_number64(r);

    if (number > UINT32_MAX) {
        imap_fail(r, "a number of 32 bits");
        return 0;
    }
    return (uint32_t)number;
}

bool
imap_end(struct imap_reader *r)
{
    if (r->fault == NULL && r->rest.len > 0)
        imap_fail(r, imap_next_is(r, '*') || imap_next_is(r, '%') ? "a name in quotes, since it has a wildcard," : "the end of the command");
    return r->fault == NULL;
}
