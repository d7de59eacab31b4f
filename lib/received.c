/*
 * The field is a row of clauses ("from mx.example", "by …", "with …"), comments, and a date behind a semicolon. Where exactly
 * comments stand and what is in them differs from program to program, so each comment is searched for all that it may tell:
 * of the client its HELO name and address, and of TLS the version and the cipher.
 */
#include "lib/received.h"

#include "lib/date.h"
#include "lib/error.h"
#include "lib/utf8.h"

#include <arpa/inet.h>

enum clause { CLAUSE_NONE, CLAUSE_FROM, CLAUSE_BY, CLAUSE_VIA, CLAUSE_WITH, CLAUSE_ID, CLAUSE_FOR, CLAUSE_TLS, CLAUSE_COUNT };

/* What was found, in the words of the field. */
struct findings {
    struct slice words[CLAUSE_COUNT];   /* the first of each clause; of "from" and "with" all up to the next clause or comment */
    bool         with_ended;
    bool         from_ended;
    struct slice helo;
    struct slice address;
    struct slice tls_version;
    struct slice tls_cipher;
    struct slice tls_word;              /* no more than "TLS" or "SSL" */
    struct slice date;
};

/* A date begins at most so many words before the end of the field, and is at most so long. */
enum { DATE_WORDS_MAX = 9, DATE_BYTES_MAX = 300 };

/* What an octet separates: words, and the items of a comment that tells of the client, or of TLS. */
enum { BLANK = 1, OF_CLIENT = 2, OF_TLS = 4 };

static const uint8_t separators[256] = {
    [' '] = BLANK | OF_CLIENT | OF_TLS,  ['\t'] = BLANK | OF_CLIENT | OF_TLS,
    ['\r'] = BLANK | OF_CLIENT | OF_TLS, ['\n'] = BLANK | OF_CLIENT | OF_TLS,
    ['('] = OF_CLIENT | OF_TLS, [')'] = OF_CLIENT | OF_TLS, [','] = OF_CLIENT | OF_TLS, ['='] = OF_CLIENT | OF_TLS,
    ['['] = OF_CLIENT, [']'] = OF_CLIENT, ['@'] = OF_CLIENT, ['"'] = OF_CLIENT, [':'] = OF_TLS, [';'] = OF_TLS,
};

static inline bool
separates(char c, unsigned kind)
{
    return (separators[(unsigned char)c] & kind) != 0;
}

static enum clause
clause_of(struct slice word)
{
    static const char *const keywords[CLAUSE_COUNT] = {
        [CLAUSE_FROM] = "from", [CLAUSE_BY] = "by", [CLAUSE_VIA] = "via", [CLAUSE_WITH] = "with",
        [CLAUSE_ID] = "id",     [CLAUSE_FOR] = "for", [CLAUSE_TLS] = "tls",     /* the last is Exim's */
    };

    for (enum clause i = CLAUSE_FROM; i < CLAUSE_COUNT; i++)
        if (slice_equal_nocase(word, slice_of(keywords[i])))
            return i;
    return CLAUSE_NONE;
}

/* ---- Comments --------------------------------------------------------------------------------------------------- */

/* The next run of octets that separate nothing of this kind; empty at the end. */
static struct slice
next_item(struct slice *text, unsigned kind)
{
    size_t       from = 0, to;
    struct slice item;

    while (from < text->len && separates(text->data[from], kind))
        from++;
    for (to = from; to < text->len && !separates(text->data[to], kind); to++)
        ;
    item = slice_sub(*text, from, to - from);
    *text = slice_sub(*text, to, text->len);
    return item;
}

static struct slice
without_brackets(struct slice s, char open, char close)
{
    if (s.len >= 2 && s.data[0] == open && s.data[s.len - 1] == close)
        return slice_sub(s, 1, s.len - 2);
    return s;
}

/* An address without brackets and "IPv6:" (RFC 5321 section 4.1.3), or empty. */
static struct slice
address_in(struct slice item)
{
    char    text[INET6_ADDRSTRLEN];
    uint8_t ignored[16];

    if (slice_starts_nocase(item, "IPv6:"))
        item = slice_sub(item, 5, item.len);
    if (item.len > 0 && slice_copy(text, sizeof(text), item) &&
        (inet_pton(AF_INET, text, ignored) == 1 || inet_pton(AF_INET6, text, ignored) == 1))
        return item;
    return slice_make(NULL, 0);
}

static bool
is_helo_word(struct slice item)
{
    return slice_equal_nocase(item, slice_of("helo")) || slice_equal_nocase(item, slice_of("ehlo")) ||
           slice_equal_nocase(item, slice_of("lhlo"));
}

/* "mx.example [192.0.2.1]", "HELO mx.example", "[192.0.2.1] helo=mx.example", "user@192.0.2.1". */
static void
read_client(struct findings *f, struct slice comment)
{
    bool is_helo = false;

    for (;;) {
        struct slice item = next_item(&comment, OF_CLIENT);

        if (item.len == 0)
            return;
        if (is_helo && f->helo.len == 0)
            f->helo = item;
        if (!is_helo && f->address.len == 0)
            f->address = address_in(item);
        is_helo = is_helo_word(item);
    }
}

/* A comment that stands for "from": sendmail's "(from root@mx.example)", qmail's "(qmail 12345 invoked by uid 1000)". */
static void
read_origin(struct findings *f, struct slice comment)
{
    static const char *const marks[] = { " invoked from ", " invoked by " };

    if (f->words[CLAUSE_FROM].len > 0)
        return;
    if (slice_starts_nocase(comment, "from ")) {
        comment = slice_sub(comment, strlen("from "), comment.len);
        f->words[CLAUSE_FROM] = next_item(&comment, BLANK);
        return;
    }
    for (size_t i = 0; slice_starts(comment, "qmail ") && i < COUNT(marks); i++) {
        size_t at = slice_find_nocase(comment, slice_of(marks[i]));

        if (at < comment.len)
            f->words[CLAUSE_FROM] = slice_sub(comment, at + strlen(marks[i]), comment.len);
    }
}

/* "TLSv1.3", "TLS1_2", "TLS1.2", "SSLv3". */
static bool
is_tls_version(struct slice item)
{
    if (item.len < 4 || item.len > 8 || !(slice_starts_nocase(item, "TLS") || slice_starts_nocase(item, "SSL")))
        return false;
    item = slice_sub(item, 3, item.len);
    if (ascii_lower(item.data[0]) == 'v')
        item = slice_sub(item, 1, item.len);
    for (size_t i = 0; i < item.len; i++)
        if (strchr("0123456789._", item.data[i]) == NULL)
            return false;
    return item.len > 0;
}

static bool
is_tls_cipher(struct slice item)
{
    static const char *const starts[] = { "TLS_", "TLS13_", "ECDHE-", "ECDHE_", "DHE-", "DHE_", "AES", "CHACHA20", "DES-", "RC4-" };

    for (size_t i = 0; i < COUNT(starts); i++)
        if (slice_starts(item, starts[i]))
            return true;
    return false;
}

/* "using TLSv1.3 with cipher X (256/256 bits)", "version=TLS1_2, cipher=X bits=256", "TLS1.2:X:256". */
static void
read_tls(struct findings *f, struct slice comment)
{
    bool is_cipher = false;

    for (;;) {
        struct slice item = next_item(&comment, OF_TLS);

        if (item.len == 0)
            return;
        if (f->tls_version.len == 0 && is_tls_version(item))
            f->tls_version = item;
        else if (f->tls_cipher.len == 0 && (is_cipher || is_tls_cipher(item)))
            f->tls_cipher = item;
        else if (f->tls_word.len == 0 && (slice_equal_nocase(item, slice_of("TLS")) || slice_equal_nocase(item, slice_of("SSL"))))
            f->tls_word = item;
        is_cipher = slice_equal_nocase(item, slice_of("cipher"));
    }
}

/* ---- The field -------------------------------------------------------------------------------------------------- */

/* The comment that text begins with, without its parentheses; *text goes on behind it. */
static struct slice
take_comment(struct slice *text)
{
    unsigned     depth = 0;
    struct slice comment;
    size_t       i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] == '(')
            depth++;
        else if (text->data[i] == ')' && --depth == 0)
            break;
        else if (text->data[i] == '\\')
            i++;
    }
    comment = slice_sub(*text, 1, i > 0 ? i - 1 : 0);
    *text = slice_sub(*text, i + 1, text->len);
    return comment;
}

/* The word that text begins with. Between quotes, angle brackets and square brackets anything may stand. */
static struct slice
take_word(struct slice *text)
{
    char         until = '\0';
    struct slice word;
    size_t       i;

    for (i = 0; i < text->len; i++) {
        char c = text->data[i];

        if (until != '\0' && c == until)
            until = '\0';
        else if (until == '\0' && (separates(c, BLANK) || c == '(' || c == ';'))
            break;
        else if (until == '\0')
            until = (char)(c == '"' ? '"' : c == '<' ? '>' : c == '[' ? ']' : '\0');
    }
    word = slice_sub(*text, 0, i);
    *text = slice_sub(*text, i, text->len);
    return word;
}

/*
 * A word that is no keyword. Only the first of a clause counts, but for "with" ("Microsoft SMTP Server") and "from" ("mail pickup
 * service"), where an address may follow, too: "mx.example [192.0.2.1]".
 */
static void
read_word(struct findings *f, enum clause clause, struct slice word)
{
    struct slice *to = &f->words[clause];
    bool          ended = clause == CLAUSE_FROM ? f->from_ended : clause == CLAUSE_WITH ? f->with_ended : true;
    struct slice  address = clause == CLAUSE_FROM ? address_in(without_brackets(word, '[', ']')) : slice_make(NULL, 0);

    if (to->len == 0) {
        *to = word;
    } else if (address.len > 0) {
        f->address = f->address.len > 0 ? f->address : address;
        f->from_ended = true;
    } else if (!ended) {
        to->len = (size_t)(word.data + word.len - to->data);
    }
}

static void
read_comment(struct findings *f, enum clause clause, struct slice comment)
{
    if (clause == CLAUSE_FROM)
        read_client(f, comment);
    if (clause == CLAUSE_NONE)
        read_origin(f, comment);
    read_tls(f, comment);
    f->with_ended = f->with_ended || clause == CLAUSE_WITH;
    f->from_ended = f->from_ended || clause == CLAUSE_FROM;
}

static void
read_clauses(struct findings *f, struct slice text)
{
    enum clause clause = CLAUSE_NONE, next;

    while (text.len > 0 && text.data[0] != ';') {
        struct slice item;

        if (separates(text.data[0], BLANK)) {
            text = slice_sub(text, 1, text.len);
            continue;
        }
        if (text.data[0] == '(') {
            read_comment(f, clause, take_comment(&text));
            continue;
        }
        item = take_word(&text);
        next = clause_of(item);
        if (next == CLAUSE_NONE) {
            read_word(f, clause, item);
            continue;
        }
        clause = f->words[next].len == 0 ? next : CLAUSE_NONE;      /* a clause that comes again tells nothing */
    }
    f->date = slice_sub(text, 1, text.len);
}

/* Cisco's "with ESMTP/TLS/ECDHE-RSA-AES256-GCM-SHA384"; MessageLabs' "with ECDHE-RSA-AES256-GCM-SHA384 encrypted SMTP". */
static void
read_tls_of_with(struct findings *f)
{
    struct slice *with = &f->words[CLAUSE_WITH];
    size_t        at = slice_find_nocase(*with, slice_of("/TLS/"));

    if (at < with->len) {
        f->tls_cipher = f->tls_cipher.len > 0 ? f->tls_cipher : slice_sub(*with, at + strlen("/TLS/"), with->len);
        *with = slice_sub(*with, 0, at);
    } else {
        read_tls(f, *with);
    }
}

/* Courier's id stands behind the date. */
static void
read_id_behind_date(struct findings *f)
{
    struct slice rest = f->date, word;

    if (f->words[CLAUSE_ID].len > 0)
        return;
    while ((word = next_item(&rest, BLANK)).len > 0)
        if (slice_equal_nocase(word, slice_of("id"))) {
            f->words[CLAUSE_ID] = next_item(&rest, BLANK);
            return;
        }
}

static bool
is_day_name(struct slice word)
{
    static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

    for (size_t i = 0; i < COUNT(days); i++)
        if (slice_starts_nocase(word, days[i]))
            return true;
    return false;
}

/* Where the semicolon is missing: the shortest date at the end, with the day of the week before it. Its offset, or value.len. */
static size_t
find_loose_date(struct slice value, int64_t *out_unix)
{
    struct slice words[DATE_WORDS_MAX], word;
    struct slice rest = slice_sub(value, value.len > DATE_BYTES_MAX ? value.len - DATE_BYTES_MAX : 0, value.len);
    size_t       count = 0, least;

    while ((word = next_item(&rest, BLANK)).len > 0)
        words[count++ % DATE_WORDS_MAX] = word;
    least = count > DATE_WORDS_MAX ? count - DATE_WORDS_MAX : 0;
    for (size_t i = count; i > least; i--) {
        const char *at = words[(i - 1) % DATE_WORDS_MAX].data;

        if (date_parse(slice_make(at, (size_t)(value.data + value.len - at)), out_unix) != MT_OK)
            continue;
        if (i - 1 > least && is_day_name(words[(i - 2) % DATE_WORDS_MAX]))
            at = words[(i - 2) % DATE_WORDS_MAX].data;
        return (size_t)(at - value.data);
    }
    return value.len;
}

/* ---- What is told of it ----------------------------------------------------------------------------------------- */

/* A buf over a fixed array: it is as large as it may get, so it never allocates. */
static struct buf
fixed_buf(char *room, size_t size)
{
    return (struct buf){ .data = room, .cap = size, .limit = size };
}

/* White space of any length counts as one space. */
static void
append_words(struct buf *to, struct slice text)
{
    for (bool first = true;; first = false) {
        struct slice word = next_item(&text, BLANK);

        if (word.len == 0)
            return;
        if (!first)
            utf8_clean(to, slice_of(" "));
        utf8_clean(to, word);
    }
}

static struct slice
tell_words(char room[PARSED_HOP_TEXT_BYTES], struct slice text)
{
    struct buf b = fixed_buf(room, PARSED_HOP_TEXT_BYTES);

    append_words(&b, text);
    return buf_slice(&b);
}

/* "mx1.example (192.0.2.1)": the name that the client gave, and its address. */
static struct slice
tell_client(char room[PARSED_HOP_TEXT_BYTES], const struct findings *f)
{
    struct buf   b = fixed_buf(room, PARSED_HOP_TEXT_BYTES);
    struct slice word = f->words[CLAUSE_FROM];
    struct slice literal = address_in(without_brackets(word, '[', ']'));
    struct slice address = f->address.len > 0 ? f->address : literal;
    struct slice name = f->helo.len > 0 ? f->helo : literal.len > 0 ? literal : word;

    if (slice_equal(name, address)) {
        append_words(&b, address);
        return buf_slice(&b);
    }
    b.limit -= address.len > 0 ? address.len + strlen(" ()") : 0;
    append_words(&b, name);
    b.limit = PARSED_HOP_TEXT_BYTES;
    if (address.len > 0) {
        utf8_clean(&b, slice_of(b.len > 0 ? " (" : "("));
        utf8_clean(&b, address);
        utf8_clean(&b, slice_of(")"));
    }
    return buf_slice(&b);
}

/* "TLSv1.3 TLS_AES_256_GCM_SHA384". The version is written as OpenSSL does, so that the same one looks the same at each hop. */
static struct slice
tell_tls(char room[PARSED_HOP_TEXT_BYTES], const struct findings *f)
{
    struct buf   b = fixed_buf(room, PARSED_HOP_TEXT_BYTES);
    struct slice version = f->tls_version;
    struct slice cipher = f->tls_cipher.len > 0 ? f->tls_cipher : f->words[CLAUSE_TLS];

    if (version.len == 0 && cipher.len == 0)
        append_words(&b, f->tls_word);
    if (version.len > 3 && slice_starts_nocase(version, "TLS") && ascii_lower(version.data[3]) != 'v') {
        append_words(&b, slice_of("TLSv"));
        version = slice_sub(version, 3, version.len);
    }
    for (; version.len > 0; version = slice_sub(version, 1, version.len))
        utf8_clean(&b, version.data[0] == '_' ? slice_of(".") : slice_sub(version, 0, 1));
    if (b.len > 0 && cipher.len > 0)
        utf8_clean(&b, slice_of(" "));
    append_words(&b, cipher);
    return buf_slice(&b);
}

/*
 * Behind the first semicolon; where that fails, as in an unbalanced comment, behind the last; and where there is none, at the
 * end: then what stands before it is read once more, so that no clause has words of the date.
 */
static int64_t
read_date(struct findings *f, struct slice value)
{
    const char *semicolon = value.len == 0 ? NULL : memrchr(value.data, ';', value.len);
    int64_t     at_unix = 0;
    size_t      at;

    if (date_parse(f->date, &at_unix) == MT_OK ||
        (semicolon != NULL && date_parse(slice_sub(value, (size_t)(semicolon - value.data) + 1, value.len), &at_unix) == MT_OK))
        return at_unix;
    at = find_loose_date(value, &at_unix);
    if (at < value.len) {
        *f = (struct findings){ .with_ended = false };
        read_clauses(f, slice_sub(value, 0, at));
    }
    return at_unix;
}

void
received_parse(struct slice value, struct received_text *text, struct hop *out)
{
    struct findings f = { .with_ended = false };

    read_clauses(&f, value);
    out->time_unix = read_date(&f, value);
    read_tls_of_with(&f);
    read_id_behind_date(&f);
    out->from = tell_client(text->from, &f);
    out->by = tell_words(text->by, f.words[CLAUSE_BY]);
    out->with = tell_words(text->with, f.words[CLAUSE_WITH]);
    out->tls = tell_tls(text->tls, &f);
    out->id = tell_words(text->id, without_brackets(f.words[CLAUSE_ID], '<', '>'));
    out->for_ = tell_words(text->for_, without_brackets(f.words[CLAUSE_FOR], '<', '>'));
}
