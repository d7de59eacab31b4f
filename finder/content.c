#include "finder/content.h"

#include "lib/error.h"

enum { BASE64_LINE_MIN = 40, BASE64_LINE_MAX = 998, CONTROLS_SHARE = 16 };

void
content_set(struct content *c, enum content_kind kind, const char *type, struct slice name)
{
    size_t over = name.len > CONTENT_NAME_CHARS ? name.len - CONTENT_NAME_CHARS : 0;

    c->kind = kind;
    slice_copy(c->type, sizeof(c->type), slice_of(type));
    slice_copy(c->name, sizeof(c->name), slice_trim(slice_sub(name, over, name.len)));
}

/* ---- What was declared ------------------------------------------------------------------------------------------ */

static const struct declared {
    const char       *type;         /* whole, or its begin up to a slash */
    const char       *suffix;       /* of the file name */
    enum content_form form;
} declared[] = {
    { "message/rfc822",           ".eml",   FORM_MESSAGE },
    { "message/global",           ".mht",   FORM_MESSAGE },
    { "text/rfc822-headers",      ".mhtml", FORM_MESSAGE },
    { "message/global-headers",   NULL,     FORM_MESSAGE },
    { "text/rfc822",              NULL,     FORM_MESSAGE },
    { "message/partial",          NULL,     FORM_MESSAGE },
    { "message/external-body",    NULL,     FORM_MESSAGE },
    { "text/html",                ".html",  FORM_HTML    },
    { "application/xhtml+xml",    ".htm",   FORM_HTML    },
    { "text/enriched",            ".xml",   FORM_HTML    },
    { "text/richtext",            ".xhtml", FORM_HTML    },
    { "text/xml",                 NULL,     FORM_HTML    },
    { "text/x-amp-html",          NULL,     FORM_HTML    },
    { "text/watch-html",          NULL,     FORM_HTML    },
    { "text/rtf",                 ".rtf",   FORM_RTF     },
    { "application/rtf",          NULL,     FORM_RTF     },
    { "text/",                    ".txt",   FORM_TEXT    },
    { "message/",                 NULL,     FORM_TEXT    },
    { "multipart/",               NULL,     FORM_TEXT    },
};

static bool
has_type(const struct content *c, const char *type)
{
    return type[strlen(type) - 1] == '/' ? slice_starts(slice_of(c->type), type) : strcmp(c->type, type) == 0;
}

/* The form that the file name says, unless the type alone is telling. */
static enum content_form
declared_form(const struct content *c)
{
    enum content_form form = FORM_OCTETS;

    switch (c->kind) {
    case CONTENT_TEXT:
        return FORM_TEXT;
    case CONTENT_HTML:
        return FORM_HTML;
    case CONTENT_RTF:
        return FORM_RTF;
    case CONTENT_MESSAGE:
        return FORM_MESSAGE;
    case CONTENT_FIELD:
        return FORM_FIELD;
    case CONTENT_TNEF:
        return FORM_TNEF;
    case CONTENT_UNKNOWN:
        break;
    }
    for (size_t i = 0; i < COUNT(declared) && form == FORM_OCTETS; i++)
        if (has_type(c, declared[i].type))
            form = declared[i].form;
    for (size_t i = 0; i < COUNT(declared) && (form == FORM_OCTETS || form == FORM_TEXT); i++)
        if (declared[i].suffix != NULL && slice_ends_nocase(slice_of(c->name), declared[i].suffix))
            return declared[i].form;
    return form;
}

/* ---- What the octets say ---------------------------------------------------------------------------------------- */

#define MAGIC(string) string, sizeof(string) - 1

static const struct {
    const char       *octets;
    size_t            len;
    enum content_form form;
} magics[] = {
    { MAGIC("\x1f\x8b\x08"),                      FORM_GZIP          },
    { MAGIC("PK\3\4"),                            FORM_ZIP           },
    { MAGIC("PK00PK\3\4"),                        FORM_ZIP           },
    { MAGIC("\x78\x9f\x3e\x22"),                  FORM_TNEF          },
    { MAGIC("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),  FORM_COMPOUND_FILE },
    { MAGIC("{\\rtf"),                            FORM_RTF           },
    { MAGIC("%PDF-"),                             FORM_BINARY        },
};

static bool
is_pkcs7(const struct content *c, struct slice begin)
{
    static const char *const types[] = { "application/pkcs7-mime", "application/x-pkcs7-mime", "application/pkcs7-signature",
                                         "application/x-pkcs7-signature" };
    static const char *const suffixes[] = { ".p7m", ".p7s", ".p7z" };

    if (begin.len == 0 || begin.data[0] != '0')     /* a SEQUENCE, in DER or BER */
        return false;
    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(c->type, types[i]) == 0)
            return true;
    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (slice_ends_nocase(slice_of(c->name), suffixes[i]))
            return true;
    return false;
}

static bool
is_base64_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Nothing but lines of base64, all of one length but the last, which may end in padding. */
static bool
is_base64(struct slice begin)
{
    size_t first = 0, at = 0, lines = 0;

    begin.len -= begin.len > 0 && begin.data[begin.len - 1] == '\r';
    while (at < begin.len) {
        size_t       len = slice_find(slice_sub(begin, at, begin.len), '\n');
        bool         whole = at + len < begin.len;
        struct slice line = slice_trim(slice_sub(begin, at, len));

        at += len + whole;
        while (line.len > 0 && line.data[line.len - 1] == '=')
            line.len--;
        for (size_t i = 0; i < line.len; i++)
            if (!is_base64_char(line.data[i]))
                return false;
        if (first == 0)
            first = line.len;
        if (first < BASE64_LINE_MIN || first > BASE64_LINE_MAX || line.len > first)
            return false;
        if (line.len < first && at < begin.len)
            return slice_trim(slice_sub(begin, at, begin.len)).len == 0;
        lines++;
    }
    return lines > 0;
}

static bool
is_markup(struct slice begin)
{
    static const char *const marks[] = { "html", "!doctype", "body", "head>", "?xml", "div", "span", "table", "p>", "br" };

    for (size_t at = slice_find(begin, '<'); at < begin.len; at += 1 + slice_find(slice_sub(begin, at + 1, begin.len), '<'))
        for (size_t i = 0; i < COUNT(marks); i++)
            if (slice_starts_nocase(slice_sub(begin, at + 1, begin.len), marks[i]))
                return true;
    return false;
}

/* The name of the field that line begins with, which has no blanks in it; empty: none. */
static struct slice
field_name(struct slice line)
{
    size_t colon = slice_find(line, ':');

    for (size_t i = 0; i < colon; i++)
        if (line.data[i] <= ' ' || line.data[i] == 127)
            return slice_make("", 0);
    return slice_sub(line, 0, colon < line.len ? colon : 0);
}

static bool
is_one_of(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_nocase(name, slice_of(names[i])))
            return true;
    return false;
}

/*
 * It begins as messages do. People's texts begin with "From:" or "Subject:", too, where they quote a mail: in a text (strict)
 * only the fields count that mail servers write.
 */
static bool
is_message(struct slice begin, bool strict)
{
    static const char *const servers[] = { "Received", "Return-Path", "Delivered-To", "X-Received", "Authentication-Results",
                                           "ARC-Seal", "DKIM-Signature", "X-Original-To" };
    static const char *const all[] = { "From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Sender",
                                       "Reply-To", "Content-Transfer-Encoding" };
    struct slice name;

    if (slice_starts(begin, "From ") || slice_starts(begin, ">From "))
        begin = slice_sub(begin, slice_find(begin, '\n') + 1, begin.len);
    name = field_name(slice_sub(begin, 0, slice_find(begin, '\n')));
    if (is_one_of(name, servers, COUNT(servers)))
        return true;
    return !strict && (is_one_of(name, all, COUNT(all)) || (slice_starts_nocase(name, "X-") && name.len > 2));
}

/* ---- Both ------------------------------------------------------------------------------------------------------- */

static enum content_form
text_form(struct slice begin)
{
    if (is_message(begin, true))
        return FORM_MESSAGE;
    if (is_base64(begin))
        return FORM_BASE64;
    return is_markup(begin) ? FORM_HTML : FORM_TEXT;
}

/* ASCII in UTF-16 and UTF-32 becomes ASCII. */
static struct slice
without_nuls(struct slice begin, char room[CONTENT_BEGIN_BYTES])
{
    size_t len = 0;

    if (slice_find(begin, '\0') == begin.len)
        return begin;
    for (size_t i = 0; i < begin.len; i++)
        if (begin.data[i] != '\0')
            room[len++] = begin.data[i];
    return slice_make(room, len);
}

/* Control characters that no text has, in any charset; the NUL of UTF-16 does not count. */
static bool
is_binary(struct slice begin)
{
    size_t controls = 0;

    for (size_t i = 0; i < begin.len; i++) {
        unsigned char c = (unsigned char)begin.data[i];

        controls += c < ' ' && c != '\0' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\033';
    }
    return controls > begin.len / CONTROLS_SHARE;
}

static bool
is_medium(const struct content *c)
{
    struct slice type = slice_of(c->type);

    return slice_starts(type, "image/") || slice_starts(type, "audio/") || slice_starts(type, "video/");
}

/* A zip may begin with something else, such as the program that unpacks it. */
static bool
is_named_zip(const struct content *c)
{
    static const char *const suffixes[] = { ".zip", ".docx", ".xlsx", ".pptx", ".odt", ".ods" };

    for (size_t i = 0; i < COUNT(suffixes); i++)
        if (slice_ends_nocase(slice_of(c->name), suffixes[i]))
            return true;
    return strcmp(c->type, "application/zip") == 0 || strcmp(c->type, "application/x-zip-compressed") == 0;
}

/* The form that the label says, unless the octets say otherwise. */
static enum content_form
sniffed_form(const struct content *c, enum content_form form, struct slice begin)
{
    if (slice_starts(begin, "\xef\xbb\xbf"))
        begin = slice_sub(begin, 3, begin.len);
    if (form == FORM_TEXT)
        return text_form(begin);
    if (form == FORM_TNEF || (form == FORM_MESSAGE && c->kind == CONTENT_MESSAGE))
        return form;
    if (form == FORM_OCTETS && is_message(begin, false))
        return FORM_MESSAGE;
    if (is_base64(begin))
        return FORM_BASE64;
    if (form == FORM_OCTETS && is_named_zip(c))
        return FORM_ZIP;
    if (form == FORM_OCTETS && is_markup(begin))
        return FORM_HTML;
    return form == FORM_OCTETS && (is_medium(c) || is_binary(begin)) ? FORM_BINARY : form;
}

enum content_form
content_form(const struct content *c, struct slice begin)
{
    enum content_form form = declared_form(c);
    char              room[CONTENT_BEGIN_BYTES];

    begin = slice_sub(begin, 0, CONTENT_BEGIN_BYTES);
    if (form == FORM_FIELD)
        return form;
    for (size_t i = 0; i < COUNT(magics); i++)
        if (begin.len >= magics[i].len && memcmp(begin.data, magics[i].octets, magics[i].len) == 0)
            return magics[i].form;
    if (is_pkcs7(c, begin))
        return FORM_PKCS7;
    return sniffed_form(c, form, without_nuls(begin, room));
}

uint32_t
content_place(const struct content *c, enum content_form form)
{
    static const char *const reports[] = { "message/delivery-status", "message/global-delivery-status",
                                           "message/disposition-notification", "message/global-disposition-notification" };
    bool is_text = slice_starts(slice_of(c->type), "text/");

    if (c->kind == CONTENT_FIELD)
        return PLACE_HEADER;
    for (size_t i = 0; i < COUNT(reports); i++)
        if (strcmp(c->type, reports[i]) == 0)
            return PLACE_REPORT;
    if (c->kind == CONTENT_HTML || strcmp(c->type, "text/html") == 0 || strcmp(c->type, "application/xhtml+xml") == 0 ||
        (strcmp(c->type, "text/plain") == 0 && form == FORM_HTML))
        return PLACE_HTML;
    return is_text || c->kind == CONTENT_TEXT || c->kind == CONTENT_RTF ? PLACE_TEXT : PLACE_OTHER;
}

bool
content_is_attached(const struct content *c, enum content_form form)
{
    return form == FORM_MESSAGE || form == FORM_COMPOUND_FILE || strcmp(c->type, "message/global") == 0 ||
           slice_starts(slice_of(c->type), "message/rfc822");
}
