#include "checker/imap_response.h"

#include "lib/date.h"
#include "lib/error.h"

enum { NUMBER_DIGITS = 10 };

/* ---- Whole responses ---------------------------------------------------------------------------------------------- */

/* Whether the line (without its end) announces a literal: "{12}" at its end (also "{12+}", and "~{12}" of RFC 3516). */
static bool
announces_literal(struct slice line, size_t *len)
{
    size_t   at = line.len;
    uint64_t n = 0;

    if (at < 3 || line.data[at - 1] != '}')
        return false;
    while (at > 0 && line.data[at - 1] != '{')
        at--;
    if (at == 0)
        return false;
    line = slice_sub(line, at, line.len - at - 1);
    if (line.len > 0 && line.data[line.len - 1] == '+')
        line.len--;
    if (slice_to_u64(line, UINT64_MAX, &n) != MT_OK)
        return false;
    *len = (size_t)n;
    return true;
}

/* The line at offset at: *end behind its LF. The text between is without the line end. */
static int
find_line(struct slice octets, size_t at, size_t room, struct slice *line, size_t *end)
{
    struct slice rest = slice_sub(octets, at, room + 1);
    size_t       lf = slice_find(rest, '\n');

    if (lf == rest.len)
        return rest.len > room ? MT_ESIZE : MT_EAGAIN;
    *line = slice_sub(rest, 0, lf);
    *end = at + lf + 1;
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    return slice_find(*line, '\0') < line->len ? MT_ESYNTAX : MT_OK;
}

int
imap_response_find(struct slice octets, size_t *len)
{
    size_t at = 0, lines = 0, literal;

    for (unsigned literals = 0; literals <= IMAP_LITERALS_MAX; literals++) {
        struct slice line;
        size_t       end;
        int          rc = find_line(octets, at, IMAP_LINE_BYTES - lines, &line, &end);

        if (rc != MT_OK)
            return rc;
        lines += end - at;
        if (lines > IMAP_LINE_BYTES)
            return MT_ESIZE;
        if (!announces_literal(line, &literal)) {
            *len = end;
            return MT_OK;
        }
        if (literal > IMAP_LITERAL_BYTES)
            return MT_ESIZE;
        at = end + literal;
        if (at > octets.len)
            return MT_EAGAIN;
    }
    return MT_ESIZE;
}

/* ---- What a response is ------------------------------------------------------------------------------------------- */

/* Takes a word up to the next blank, and the blank. */
static struct slice
take_word(struct slice *rest)
{
    size_t       end = slice_find(*rest, ' ');
    struct slice word = slice_sub(*rest, 0, end);

    *rest = slice_sub(*rest, end + 1, rest->len);
    return word;
}

static enum imap_condition
condition_of(struct slice name)
{
    static const struct { const char *name; enum imap_condition condition; } conditions[] = {
        { "OK", IMAP_OK }, { "NO", IMAP_NO }, { "BAD", IMAP_BAD }, { "BYE", IMAP_BYE }, { "PREAUTH", IMAP_PREAUTH },
    };

    for (size_t i = 0; i < COUNT(conditions); i++)
        if (slice_equal_nocase(name, slice_of(conditions[i].name)))
            return conditions[i].condition;
    return IMAP_NONE;
}

/* "[UIDNEXT 5] text". Quoted strings within a code may hold a bracket, but none that we look at has one. */
static void
take_code(struct imap_response *r)
{
    size_t end;

    if (!slice_starts(r->text, "["))
        return;
    end = slice_find(r->text, ']');
    if (end == r->text.len)
        return;
    r->code = slice_sub(r->text, 1, end - 1);
    r->text = slice_trim(slice_sub(r->text, end + 1, r->text.len));
}

static bool
is_number(struct slice word, uint32_t *out)
{
    uint64_t n;

    if (word.len == 0 || word.len > NUMBER_DIGITS || slice_to_u64(word, UINT32_MAX, &n) != MT_OK)
        return false;
    *out = (uint32_t)n;
    return true;
}

int
imap_response_parse(struct slice whole, struct imap_response *out)
{
    struct imap_response r = { .kind = IMAP_TAGGED };
    struct slice         rest = whole;

    while (rest.len > 0 && (rest.data[rest.len - 1] == '\n' || rest.data[rest.len - 1] == '\r'))
        rest.len--;
    if (rest.len > 0 && rest.data[0] == '+') {
        r.kind = IMAP_CONTINUE;
        r.text = slice_trim(slice_sub(rest, 1, rest.len));
        *out = r;
        return MT_OK;
    }
    r.tag = take_word(&rest);
    if (r.tag.len == 0)
        return MT_ESYNTAX;
    if (slice_equal(r.tag, slice_of("*")))
        r.kind = IMAP_UNTAGGED;
    r.name = take_word(&rest);
    if (r.kind == IMAP_UNTAGGED && is_number(r.name, &r.number)) {
        r.has_number = true;
        r.name = take_word(&rest);
    }
    r.condition = condition_of(r.name);
    r.text = rest;
    if (r.name.len == 0 || (r.kind == IMAP_TAGGED && r.condition != IMAP_OK && r.condition != IMAP_NO && r.condition != IMAP_BAD))
        return MT_ESYNTAX;
    if (r.condition != IMAP_NONE)
        take_code(&r);
    *out = r;
    return MT_OK;
}

bool
imap_code_is(struct slice code, const char *word)
{
    return slice_equal_nocase(slice_sub(code, 0, slice_find(code, ' ')), slice_of(word));
}

bool
imap_code_number(struct slice code, const char *word, uint32_t *out)
{
    struct slice rest = code;

    if (!imap_code_is(code, word))
        return false;
    take_word(&rest);
    return is_number(slice_trim(rest), out);
}

bool
imap_number_next(struct slice *rest, uint32_t *out)
{
    struct slice s = slice_trim(*rest), word = take_word(&s);

    if (!is_number(word, out))
        return false;
    *rest = s;
    return true;
}

bool
imap_has_word(struct slice text, const char *word)
{
    while (text.len > 0)
        if (slice_equal_nocase(take_word(&text), slice_of(word)))
            return true;
    return false;
}

/* ---- Pieces of an answer ------------------------------------------------------------------------------------------ */

/* A piece of an answer: an atom, a string (quoted or a literal), or a parenthesis. */
enum imap_piece { IMAP_END, IMAP_ATOM, IMAP_STRING, IMAP_OPEN, IMAP_CLOSE, IMAP_BROKEN };

static enum imap_piece
take_quoted(struct slice *rest, struct slice *octets)
{
    for (size_t i = 1; i < rest->len; i++) {
        if (rest->data[i] == '\\')
            i++;
        else if (rest->data[i] == '"') {
            *octets = slice_sub(*rest, 1, i - 1);
            *rest = slice_sub(*rest, i + 1, rest->len);
            return IMAP_STRING;
        }
    }
    return IMAP_BROKEN;
}

static enum imap_piece
take_literal(struct slice *rest, struct slice *octets)
{
    size_t lf = slice_find(*rest, '\n'), len;
    struct slice line = slice_sub(*rest, 0, lf);

    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (lf == rest->len || !announces_literal(line, &len) || slice_find(line, '}') != line.len - 1 || len > rest->len - lf - 1)
        return IMAP_BROKEN;
    *octets = slice_sub(*rest, lf + 1, len);
    *rest = slice_sub(*rest, lf + 1 + len, rest->len);
    return IMAP_STRING;
}

/* An atom; brackets in it belong to it with all that they hold. */
static enum imap_piece
take_atom(struct slice *rest, struct slice *octets)
{
    bool   bracket = false;
    size_t i = 0;

    for (; i < rest->len; i++) {
        char c = rest->data[i];

        if (c == '\r' || c == '\n' || (!bracket && (c == ' ' || c == '(' || c == ')' || c == '"')))
            break;
        if (c == '[' || c == ']')
            bracket = c == '[';
    }
    if (i == 0 || bracket)
        return IMAP_BROKEN;
    *octets = slice_sub(*rest, 0, i);
    *rest = slice_sub(*rest, i, rest->len);
    return IMAP_ATOM;
}

/* The next one; *rest moves on. An atom goes on over "[…]", as in BODY[HEADER.FIELDS (Subject)]. octets of a quoted string are with their backslashes. */
static enum imap_piece
piece_next(struct slice *rest, struct slice *octets)
{
    char c;

    while (rest->len > 0 && rest->data[0] == ' ')
        *rest = slice_sub(*rest, 1, rest->len);
    *octets = slice_sub(*rest, 0, 0);
    if (rest->len == 0)
        return IMAP_END;
    c = rest->data[0];
    if (c == '(' || c == ')') {
        *rest = slice_sub(*rest, 1, rest->len);
        return c == '(' ? IMAP_OPEN : IMAP_CLOSE;
    }
    if (c == '"')
        return take_quoted(rest, octets);
    if (c == '{' || (c == '~' && rest->len > 1 && rest->data[1] == '{'))
        return take_literal(rest, octets);
    return take_atom(rest, octets);
}

/* Skips one value: an atom, a string, or a list with all that is in it. */
static bool
skip_value(struct slice *rest)
{
    size_t depth = 0;

    do {
        struct slice    octets;
        enum imap_piece piece = piece_next(rest, &octets);

        if (piece == IMAP_BROKEN || piece == IMAP_END || (piece == IMAP_CLOSE && depth == 0))
            return false;
        depth += piece == IMAP_OPEN;
        depth -= piece == IMAP_CLOSE;
    } while (depth > 0);
    return true;
}

/* A string, or an atom (NIL, and what lenient servers send) as it stands. */
static bool
take_value(struct slice *rest, struct slice *octets)
{
    enum imap_piece piece = piece_next(rest, octets);

    if (piece == IMAP_ATOM && slice_equal_nocase(*octets, slice_of("NIL")))
        *octets = slice_sub(*octets, 0, 0);
    return piece == IMAP_ATOM || piece == IMAP_STRING;
}

/* "(\Seen \Deleted)" */
static bool
take_flags(struct slice *rest, const char *wanted, bool *has)
{
    struct slice flag;

    if (piece_next(rest, &flag) != IMAP_OPEN)
        return false;
    for (;;) {
        enum imap_piece piece = piece_next(rest, &flag);

        if (piece == IMAP_CLOSE)
            return true;
        if (piece != IMAP_ATOM && piece != IMAP_STRING)
            return false;
        *has = *has || slice_equal_nocase(flag, slice_of(wanted));
    }
}

static bool
take_item(struct slice name, struct slice *rest, struct imap_fetched *out)
{
    struct slice value;

    if (slice_equal_nocase(name, slice_of("FLAGS")))
        return take_flags(rest, "\\Deleted", &out->deleted);
    if (slice_equal_nocase(name, slice_of("UID")))
        return take_value(rest, &value) && is_number(value, &out->uid);
    if (slice_equal_nocase(name, slice_of("RFC822.SIZE")))
        return take_value(rest, &value) && slice_to_u64(value, UINT64_MAX, &out->size_bytes) == MT_OK;
    if (slice_equal_nocase(name, slice_of("INTERNALDATE")))
        return take_value(rest, &out->internal_date);
    if (slice_starts_nocase(name, "BODY[") && !out->has_body) {
        out->has_body = true;
        return take_value(rest, &out->body);
    }
    return skip_value(rest);
}

int
imap_fetched_read(struct slice text, struct imap_fetched *out)
{
    struct imap_fetched f = { .uid = 0 };
    struct slice        rest = text, name;

    if (piece_next(&rest, &name) != IMAP_OPEN)
        return MT_ESYNTAX;
    for (;;) {
        enum imap_piece piece = piece_next(&rest, &name);

        if (piece == IMAP_CLOSE)
            break;
        if (piece != IMAP_ATOM || !take_item(name, &rest, &f))
            return MT_ESYNTAX;
    }
    *out = f;
    return MT_OK;
}

int
imap_date_read(struct slice text, int64_t *out)
{
    return date_parse(text, out);
}

/* ---- LIST --------------------------------------------------------------------------------------------------------- */

/* A quoted string without its backslashes. */
static bool
unquote(struct slice from, char *to, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < from.len; i++) {
        if (from.data[i] == '\\' && i + 1 < from.len)
            i++;
        if (len + 1 >= size || (unsigned char)from.data[i] < ' ')
            return false;
        to[len++] = from.data[i];
    }
    to[len] = '\0';
    return true;
}

int
imap_listed_read(struct slice text, struct imap_listed *out)
{
    struct imap_listed l = { .selectable = true };
    struct slice       rest = text, octets;
    enum imap_piece    piece;

    if (piece_next(&rest, &octets) != IMAP_OPEN)
        return MT_ESYNTAX;
    while ((piece = piece_next(&rest, &octets)) == IMAP_ATOM) {
        l.junk = l.junk || slice_equal_nocase(octets, slice_of("\\Junk"));
        if (slice_equal_nocase(octets, slice_of("\\Noselect")) || slice_equal_nocase(octets, slice_of("\\NonExistent")))
            l.selectable = false;
    }
    if (piece != IMAP_CLOSE || !take_value(&rest, &octets))
        return MT_ESYNTAX;
    if (octets.len > 0)
        l.delimiter = octets.data[octets.len - 1];
    piece = piece_next(&rest, &octets);
    if ((piece != IMAP_ATOM && piece != IMAP_STRING) || octets.len == 0 || !unquote(octets, l.name, sizeof(l.name)))
        return MT_ESYNTAX;
    *out = l;
    return MT_OK;
}
