#include "imapd/imap_header.h"

#include "imapd/imap.h"

#include "lib/error.h"

/* ---- Fields ------------------------------------------------------------------------------------------------------------------ */

static size_t
line_length(struct slice s)
{
    size_t end = slice_find(s, '\n');

    return end == s.len ? end : end + 1;
}

static bool
is_empty_line(struct slice s)
{
    return s.len == 0 || s.data[0] == '\n' || slice_starts(s, "\r\n");
}

bool
imap_next_field(struct slice *header, struct imap_field *out)
{
    size_t       len, colon;
    struct slice whole;

    if (is_empty_line(*header))
        return false;
    len = line_length(*header);
    while (len < header->len && (header->data[len] == ' ' || header->data[len] == '\t'))
        len += line_length(slice_sub(*header, len, header->len));
    whole = slice_sub(*header, 0, len);
    *header = slice_sub(*header, len, header->len);
    colon = slice_find(slice_sub(whole, 0, line_length(whole)), ':');
    *out = (struct imap_field){ .whole = whole };
    if (colon < whole.len && whole.data[colon] == ':') {
        out->name = slice_trim(slice_sub(whole, 0, colon));
        out->value = slice_sub(whole, colon + 1, whole.len);
    } else {
        out->value = whole;
    }
    while (out->value.len > 0 && (out->value.data[out->value.len - 1] == '\n' || out->value.data[out->value.len - 1] == '\r'))
        out->value.len--;
    return true;
}

bool
imap_find_field(struct slice header, const char *name, struct imap_field *out)
{
    while (imap_next_field(&header, out))
        if (slice_equal_nocase(out->name, slice_of(name)))
            return true;
    return false;
}

void
imap_put_unfolded(struct buf *b, struct slice value)
{
    value = slice_trim(value);
    while (value.len > 0) {
        size_t len = 0;

        while (len < value.len && value.data[len] != '\r' && value.data[len] != '\n' && value.data[len] != '\0')
            len++;
        buf_append_slice(b, slice_sub(value, 0, len));
        while (len < value.len && (value.data[len] == '\r' || value.data[len] == '\n' || value.data[len] == '\0'))
            len++;
        value = slice_sub(value, len, value.len);
    }
}

/* ---- Addresses (RFC 5322 section 3.4, obsolete forms included) ----------------------------------------------------------------- */

struct address_reader {
    struct slice rest;
    struct buf   phrase;        /* display name, or the local part before "@" */
    struct buf   local;
    struct buf   host;
    struct buf   comment;       /* the last one: the name in old forms */
    bool         in_group;      /* behind "name:" */
};

static void
clear(struct address_reader *a)
{
    buf_clear(&a->phrase);
    buf_clear(&a->local);
    buf_clear(&a->host);
    buf_clear(&a->comment);
}

static void
skip_one(struct address_reader *a)
{
    a->rest = slice_sub(a->rest, 1, a->rest.len);
}

/* A quoted string or a comment, without its delimiters and backslashes; comments nest. */
static void
take_delimited(struct address_reader *a, char close, struct buf *out)
{
    unsigned depth = 1;

    for (skip_one(a); depth > 0 && a->rest.len > 0; skip_one(a)) {
        char c = a->rest.data[0];

        if (c == '\\' && a->rest.len > 1) {
            skip_one(a);
            c = a->rest.data[0];
        } else if (c == close) {
            depth--;
        } else if (c == '(' && close == ')') {
            depth++;
        }
        if (depth > 0 && c != '\r' && c != '\n' && c != '\0')
            buf_append_byte(out, c);
    }
}

static bool
is_special(char c)
{
    return c == '\0' || strchr("()<>@,;:\"[] \t\r\n", c) != NULL;
}

/* One word of a phrase or a local part, or a domain; false: a delimiter comes. */
static bool
take_word(struct address_reader *a, struct buf *out, bool spaced)
{
    size_t len = 0;

    while (a->rest.len > 0 && (a->rest.data[0] == ' ' || a->rest.data[0] == '\t' || a->rest.data[0] == '\r' || a->rest.data[0] == '\n' ||
                               a->rest.data[0] == '\0'))
        skip_one(a);
    if (a->rest.len == 0)
        return false;
    if (a->rest.data[0] == '(') {
        buf_clear(&a->comment);
        take_delimited(a, ')', &a->comment);
        return true;
    }
    if (spaced && out->len > 0 && (a->rest.data[0] == '"' || !is_special(a->rest.data[0])))
        buf_append_byte(out, ' ');
    if (a->rest.data[0] == '"') {
        take_delimited(a, '"', out);
        return true;
    }
    if (a->rest.data[0] == '[') {
        len = slice_find(a->rest, ']');
        len += len < a->rest.len;
    }
    while (len == 0 || (len < a->rest.len && a->rest.data[0] != '[' && !is_special(a->rest.data[len]))) {
        if (len == 0 && is_special(a->rest.data[0]))
            return false;
        len++;
    }
    for (size_t i = 0; i < len; i++)        /* a domain literal may be folded, and hold anything */
        if (a->rest.data[i] != '\r' && a->rest.data[i] != '\n' && a->rest.data[i] != '\0')
            buf_append_byte(out, a->rest.data[i]);
    a->rest = slice_sub(a->rest, len, a->rest.len);
    return true;
}

static bool
take_char(struct address_reader *a, char c)
{
    if (a->rest.len == 0 || a->rest.data[0] != c)
        return false;
    skip_one(a);
    return true;
}

static void
take_words(struct address_reader *a, struct buf *out, bool spaced)
{
    while (take_word(a, out, spaced))
        ;
}

/* "<", a source route perhaps ("@a,@b:", RFC 5322 section 4.4), local part, "@", domain, ">". */
static void
take_angle(struct address_reader *a)
{
    take_words(a, &a->local, false);
    while (a->local.len == 0 && (take_char(a, '@') || take_char(a, ','))) {
        buf_clear(&a->host);
        take_words(a, &a->host, false);
        if (take_char(a, ':')) {
            buf_clear(&a->host);
            take_words(a, &a->local, false);
            break;
        }
    }
    if (take_char(a, '@'))
        take_words(a, &a->host, false);
    while (a->rest.len > 0 && !take_char(a, '>'))
        skip_one(a);
}

static void
put_address(struct buf *b, const struct buf *name, const struct buf *local, const struct buf *host)
{
    buf_append_byte(b, '(');
    imap_put_nstring(b, name->len == 0 ? slice_make(NULL, 0) : buf_slice(name));
    buf_append_string(b, " NIL ");
    imap_put_string(b, buf_slice(local));
    buf_append_byte(b, ' ');
    imap_put_string(b, buf_slice(host));
    buf_append_byte(b, ')');
}

enum address_kind { ADDRESS_NONE, ADDRESS_MAILBOX, ADDRESS_GROUP };

static void
swap(struct buf *a, struct buf *b)
{
    struct buf other = *a;

    *a = *b;
    *b = other;
}

/* One mailbox: its name in phrase, local and host; or the beginning of a group: its name in phrase. */
static enum address_kind
read_next(struct address_reader *a)
{
    clear(a);
    take_words(a, &a->phrase, true);
    if (take_char(a, '<')) {
        take_angle(a);
        if (a->phrase.len == 0)
            swap(&a->phrase, &a->comment);
        return ADDRESS_MAILBOX;
    }
    if (!a->in_group && take_char(a, ':')) {
        a->in_group = true;
        return ADDRESS_GROUP;
    }
    if (take_char(a, '@'))
        take_words(a, &a->host, false);
    swap(&a->local, &a->phrase);
    swap(&a->phrase, &a->comment);
    return a->local.len == 0 && a->host.len == 0 ? ADDRESS_NONE : ADDRESS_MAILBOX;
}

/* False: nothing was there. */
static bool
put_next(struct address_reader *a, struct buf *b)
{
    enum address_kind kind = read_next(a);

    if (kind == ADDRESS_MAILBOX) {
        put_address(b, &a->phrase, &a->local, &a->host);
    } else if (kind == ADDRESS_GROUP) {
        buf_append_string(b, "(NIL NIL ");
        imap_put_string(b, buf_slice(&a->phrase));
        buf_append_string(b, " NIL)");
    }
    return kind != ADDRESS_NONE;
}

static void
end_group(struct address_reader *a, struct buf *b)
{
    buf_append_string(b, "(NIL NIL NIL NIL)");
    a->in_group = false;
}

static void
begin_addresses(struct address_reader *a, struct slice value)
{
    *a = (struct address_reader){ .rest = value };
    buf_init(&a->phrase, value.len + 1);
    buf_init(&a->local, value.len + 1);
    buf_init(&a->host, value.len + 1);
    buf_init(&a->comment, value.len + 1);
}

static void
end_addresses(struct address_reader *a)
{
    buf_fini(&a->phrase);
    buf_fini(&a->local);
    buf_fini(&a->host);
    buf_fini(&a->comment);
}

void
imap_put_addresses(struct buf *b, struct slice value)
{
    struct address_reader a;
    size_t                before = b->len;
    unsigned              count = 0;

    begin_addresses(&a, value);
    buf_append_byte(b, '(');
    while (a.rest.len > 0 && count < IMAP_ADDRESSES_MAX) {
        size_t left = a.rest.len;

        count += put_next(&a, b);
        if (take_char(&a, ';') && a.in_group)
            end_group(&a, b);
        take_char(&a, ',');
        if (a.rest.len == left)         /* a character that has no place here */
            skip_one(&a);
    }
    if (a.in_group)
        end_group(&a, b);
    if (count == 0) {
        b->len = b->fault == MT_OK ? before : b->len;
        buf_append_string(b, "NIL");
    } else {
        buf_append_byte(b, ')');
    }
    end_addresses(&a);
}

void
imap_put_first_address(struct slice value, struct buf *name, struct buf *local, struct buf *host)
{
    struct address_reader a;
    enum address_kind     kind = ADDRESS_NONE;

    begin_addresses(&a, value);
    while (a.rest.len > 0 && kind == ADDRESS_NONE) {
        size_t left = a.rest.len;

        kind = read_next(&a);
        if (a.rest.len == left)
            skip_one(&a);
    }
    if (kind == ADDRESS_MAILBOX)
        buf_append_slice(name, buf_slice(&a.phrase));
    if (kind != ADDRESS_NONE)
        buf_append_slice(local, buf_slice(kind == ADDRESS_GROUP ? &a.phrase : &a.local));
    buf_append_slice(host, buf_slice(&a.host));
    end_addresses(&a);
}

/* ---- ENVELOPE ----------------------------------------------------------------------------------------------------------------- */

enum envelope_field { ENVELOPE_DATE, ENVELOPE_SUBJECT, ENVELOPE_FROM, ENVELOPE_SENDER, ENVELOPE_REPLY_TO, ENVELOPE_TO, ENVELOPE_CC,
                      ENVELOPE_BCC, ENVELOPE_IN_REPLY_TO, ENVELOPE_MESSAGE_ID, ENVELOPE_FIELDS };

static const char *const envelope_names[ENVELOPE_FIELDS] = { "Date", "Subject", "From", "Sender", "Reply-To", "To", "Cc", "Bcc",
                                                             "In-Reply-To", "Message-ID" };

void
imap_put_line(struct buf *b, struct slice value)
{
    struct buf line;

    if (value.data == NULL) {
        buf_append_string(b, "NIL");
        return;
    }
    buf_init(&line, value.len + 1);
    imap_put_unfolded(&line, value);
    imap_put_string(b, buf_slice(&line));
    buf_fini(&line);
}

void
imap_put_envelope(struct buf *b, struct slice header)
{
    struct slice      values[ENVELOPE_FIELDS] = { 0 };
    struct imap_field field;

    while (imap_next_field(&header, &field))
        for (unsigned i = 0; i < ENVELOPE_FIELDS; i++)
            if (values[i].data == NULL && slice_equal_nocase(field.name, slice_of(envelope_names[i])))
                values[i] = field.value;
    /* RFC 9051 section 7.5.2: these two are as From where they are not there, or empty. */
    for (unsigned i = ENVELOPE_SENDER; i <= ENVELOPE_REPLY_TO; i++)
        if (slice_trim(values[i]).len == 0)
            values[i] = values[ENVELOPE_FROM];
    for (unsigned i = 0; i < ENVELOPE_FIELDS; i++) {
        buf_append_byte(b, i == 0 ? '(' : ' ');
        if (i >= ENVELOPE_FROM && i <= ENVELOPE_BCC)
            imap_put_addresses(b, values[i]);
        else
            imap_put_line(b, values[i]);
    }
    buf_append_byte(b, ')');
}
