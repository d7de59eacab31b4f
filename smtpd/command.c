#include "smtpd/command.h"

#include "lib/error.h"
#include "lib/utf8.h"

/* The largest chunk that can be counted while it is thrown away. */
#define CHUNK_BYTES_MAX ((uint64_t)INT64_MAX)

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice
behind(struct slice s, size_t len)
{
    return slice_sub(s, len, s.len);
}

static struct slice
skip_blanks(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = behind(s, 1);
    return s;
}

/* The octets up to a blank. *rest begins behind the blanks that follow. */
static struct slice
take_word(struct slice s, struct slice *rest)
{
    size_t len = 0;

    while (len < s.len && !is_blank(s.data[len]))
        len++;
    *rest = skip_blanks(behind(s, len));
    return slice_sub(s, 0, len);
}

bool
command_split(struct slice line, struct slice *verb, struct slice *args)
{
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];

        if ((c < ' ' && c != '\t') || c == 127)
            return false;
    }
    while (line.len > 0 && is_blank(line.data[line.len - 1]))
        line.len--;
    *verb = take_word(line, args);
    return true;
}

/* "keyword" or "keyword=value" (RFC 5321 section 4.1.2). */
struct parameter {
    struct slice name;
    struct slice value;
    bool         has_value;
};

static bool
next_parameter(struct slice *s, struct parameter *out)
{
    struct slice word = take_word(*s, s);
    size_t       equals = slice_find(word, '=');

    if (word.len == 0)
        return false;
    out->name = slice_sub(word, 0, equals);
    out->has_value = equals < word.len;
    out->value = behind(word, equals + 1);
    return true;
}

static bool
is_named(const struct parameter *p, const char *name)
{
    return slice_equal_nocase(p->name, slice_of(name));
}

static bool
parse_size(struct slice digits, uint64_t *out)
{
    if (digits.len == 0 || digits.len > 20)     /* RFC 1870 section 4: 20 at most */
        return false;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return false;
    if (slice_to_u64(digits, UINT64_MAX, out) != MT_OK)
        *out = UINT64_MAX;
    return true;
}

struct mail_seen {
    bool size, body, utf8;
};

static enum reply
mail_size(const struct parameter *p, struct mail_args *out, struct mail_seen *seen)
{
    bool again = seen->size;

    seen->size = true;
    return again || !parse_size(p->value, &out->size_bytes) ? REPLY_BAD_PARAMETER : REPLY_NONE;
}

static enum reply
mail_body(const struct parameter *p, struct mail_args *out, struct mail_seen *seen)
{
    bool again = seen->body;

    seen->body = true;
    if (slice_equal_nocase(p->value, slice_of("BINARYMIME")))
        return REPLY_UNKNOWN_PARAMETER;
    out->eight_bit = slice_equal_nocase(p->value, slice_of("8BITMIME"));
    return again || (!out->eight_bit && !slice_equal_nocase(p->value, slice_of("7BIT"))) ? REPLY_BAD_PARAMETER : REPLY_NONE;
}

static enum reply
mail_utf8(const struct parameter *p, struct mail_args *out, struct mail_seen *seen)
{
    bool again = seen->utf8;

    seen->utf8 = out->utf8 = true;
    return again || p->has_value ? REPLY_BAD_PARAMETER : REPLY_NONE;
}

static const struct {
    const char *name;
    enum reply (*read)(const struct parameter *p, struct mail_args *out, struct mail_seen *seen);
} mail_parameters[] = {
    { "SIZE",     mail_size },
    { "BODY",     mail_body },
    { "SMTPUTF8", mail_utf8 },
};

static enum reply
read_mail_parameter(const struct parameter *p, struct mail_args *out, struct mail_seen *seen)
{
    for (size_t i = 0; i < COUNT(mail_parameters); i++)
        if (is_named(p, mail_parameters[i].name))
            return mail_parameters[i].read(p, out, seen);
    return REPLY_UNKNOWN_PARAMETER;
}

/* Whether a path may stand as it is; RFC 6531 section 3.5. */
static bool
is_allowed(const struct path *p, bool utf8)
{
    return !p->utf8 || (utf8 && utf8_is_valid(p->text));
}

/* Parameters are set off by a blank. */
static bool
begins_parameters(struct slice rest)
{
    return rest.len == 0 || is_blank(rest.data[0]);
}

enum reply
command_mail(struct slice args, struct mail_args *out, struct slice *detail)
{
    struct mail_args m = { .size_bytes = 0 };
    struct mail_seen seen = { .size = false };
    struct parameter p;
    struct slice     rest;
    enum reply       refusal;

    if (!slice_starts_nocase(args, "FROM:") || path_parse_reverse(skip_blanks(behind(args, 5)), &m.path, &rest) != MT_OK ||
        !begins_parameters(rest))
        return REPLY_BAD_SENDER;
    rest = skip_blanks(rest);
    while (next_parameter(&rest, &p)) {
        *detail = p.name;
        if ((refusal = read_mail_parameter(&p, &m, &seen)) != REPLY_NONE)
            return refusal;
    }
    if (!is_allowed(&m.path, m.utf8))
        return REPLY_NEEDS_SMTPUTF8;
    *out = m;
    return REPLY_NONE;
}

enum reply
command_rcpt(struct slice args, bool utf8, struct path *out, struct slice *detail)
{
    struct path      path;
    struct parameter p;
    struct slice     rest;

    if (!slice_starts_nocase(args, "TO:") || path_parse_forward(skip_blanks(behind(args, 3)), &path, &rest) != MT_OK ||
        !begins_parameters(rest))
        return REPLY_BAD_RECIPIENT;
    rest = skip_blanks(rest);
    if (next_parameter(&rest, &p)) {
        *detail = p.name;
        return REPLY_UNKNOWN_PARAMETER;
    }
    if (!is_allowed(&path, utf8))
        return REPLY_NEEDS_SMTPUTF8;
    *out = path;
    return REPLY_NONE;
}

bool
command_bdat(struct slice args, struct bdat_args *out)
{
    struct slice rest;
    struct slice size = take_word(args, &rest);
    uint64_t     bytes;

    if (slice_to_u64(size, CHUNK_BYTES_MAX, &bytes) != MT_OK)
        return false;
    if (rest.len > 0 && !slice_equal_nocase(rest, slice_of("LAST")))
        return false;
    *out = (struct bdat_args){ .size_bytes = bytes, .last = rest.len > 0 };
    return true;
}
