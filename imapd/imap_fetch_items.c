/* What a FETCH asks for (RFC 9051 section 6.4.5 and 9, fetch): reads it from the command. imap_fetch.h tells of the other files. */

#include "imapd/imap_fetch.h"

#include "lib/error.h"

static struct imap_fetch_item *
add_item(struct imap_fetch *f, enum imap_fetch_kind kind)
{
    for (unsigned i = 0; i < f->count && kind < ITEM_SECTION; i++)
        if (f->items[i].kind == kind)
            return &f->items[i];
    if (f->count == IMAP_FETCH_ITEMS_MAX) {
        imap_fail(&f->reader, "at most 64 items");
        return &f->items[0];
    }
    f->items[f->count] = (struct imap_fetch_item){ .kind = kind };
    return &f->items[f->count++];
}

static void
read_names(struct imap_reader *r, struct imap_fetch_item *item)
{
    imap_space(r);
    if (!imap_take(r, "("))
        imap_fail(r, "a list of field names");
    while (imap_ok(r) && !imap_next_is(r, ')')) {
        if (!imap_field_names_add(&item->names, imap_astring(r)))
            imap_fail(r, "at most 256 field names");
        imap_take(r, " ");
    }
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the field names");
}

/* "1.2.", and whether a word may follow: at the start, or behind a dot. */
static bool
read_path(struct imap_reader *r, struct imap_fetch_item *item)
{
    bool dot = true;

    while (dot && r->rest.len > 0 && r->rest.data[0] >= '0' && r->rest.data[0] <= '9') {
        uint32_t number = imap_number(r);

        if (item->path_len == IMAP_PATH_MAX || number == 0)
            imap_fail(r, "part numbers from 1, at most 102 of them");
        else
            item->path[item->path_len++] = number;
        dot = imap_take(r, ".");
    }
    return dot;
}

/* What stands between the brackets: "", "1.2", "HEADER", "1.2.MIME", "HEADER.FIELDS (From To)". */
static void
read_section(struct imap_reader *r, struct imap_fetch_item *item)
{
    bool word = read_path(r, item);

    if (word && imap_take(r, "HEADER.FIELDS.NOT"))
        item->by_fields = item->not_fields = true;
    else if (word && imap_take(r, "HEADER.FIELDS"))
        item->by_fields = true;
    else if (word && imap_take(r, "HEADER"))
        item->section = IMAP_SECTION_HEADER;
    else if (word && imap_take(r, "TEXT"))
        item->section = IMAP_SECTION_TEXT;
    else if (word && item->path_len > 0 && imap_take(r, "MIME"))
        item->section = IMAP_SECTION_MIME;
    else if (word && item->path_len > 0)
        imap_fail(r, "HEADER, TEXT or MIME behind a dot");
    if (item->by_fields) {
        item->section = IMAP_SECTION_HEADER;
        read_names(r, item);
    }
    if (!imap_take(r, "]"))
        imap_fail(r, "a section, and ]");
}

static void
read_partial(struct imap_reader *r, struct imap_fetch_item *item)
{
    if (!imap_take(r, "<"))
        return;
    item->partial = true;
    item->offset = imap_number64(r);
    if (!imap_take(r, "."))
        imap_fail(r, "a dot");
    item->octets = imap_number64(r);
    if (item->octets == 0)
        imap_fail(r, "a partial of at least one octet");
    if (!imap_take(r, ">"))
        imap_fail(r, "the end of the partial");
}

static void
read_body(struct imap_fetch *f, bool peek)
{
    struct imap_reader *r = &f->reader;
    struct imap_fetch_item        *item = add_item(f, ITEM_SECTION);

    f->marks = f->marks || !peek;
    read_section(r, item);
    read_partial(r, item);
}

/* RFC 3516: part numbers alone, no word behind them. */
static void
read_binary(struct imap_fetch *f, enum imap_fetch_kind kind, bool peek)
{
    struct imap_reader     *r = &f->reader;
    struct imap_fetch_item *item = add_item(f, kind);

    f->marks = f->marks || !peek;
    if (read_path(r, item) && item->path_len > 0)
        imap_fail(r, "part numbers, and ]");
    if (!imap_take(r, "]"))
        imap_fail(r, "part numbers, and ]");
    if (kind == ITEM_BINARY)
        read_partial(r, item);
}

/*
 * RFC 8970 section 3.2. What LAZY allows to leave out is made at once, so it changes nothing. Another parenthesis behind PREVIEW begins the
 * modifiers of FETCH.
 */
static void
read_preview(struct imap_fetch *f)
{
    struct imap_reader *r = &f->reader;

    add_item(f, ITEM_PREVIEW);
    if (!imap_take(r, " (LAZY"))
        return;
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the modifiers of PREVIEW");
}

static void
add_section(struct imap_fetch *f, const char *label, enum imap_section section, bool marks)
{
    struct imap_fetch_item *item = add_item(f, ITEM_SECTION);

    item->section = section;
    item->label = label;
    f->marks = f->marks || marks;
}

/* False: the word is none. */
static bool
add_macro(struct imap_fetch *f, struct slice word)
{
    static const enum imap_fetch_kind full[] = { ITEM_FLAGS, ITEM_INTERNALDATE, ITEM_SIZE, ITEM_ENVELOPE, ITEM_BODY };
    static const struct {
        const char *name;
        unsigned    count;
    } macros[] = { { "FAST", 3 }, { "ALL", 4 }, { "FULL", 5 } };

    for (size_t i = 0; i < COUNT(macros); i++) {
        if (!slice_equal_nocase(word, slice_of(macros[i].name)))
            continue;
        for (unsigned k = 0; k < macros[i].count; k++)
            add_item(f, full[k]);
        return true;
    }
    return false;
}

/* What brackets follow. False: it is none of these. */
static bool
read_bracketed(struct imap_fetch *f)
{
    struct imap_reader *r = &f->reader;

    if (imap_take(r, "BODY.PEEK["))
        read_body(f, true);
    else if (imap_take(r, "BODY["))
        read_body(f, false);
    else if (imap_take(r, "BINARY.PEEK["))
        read_binary(f, ITEM_BINARY, true);
    else if (imap_take(r, "BINARY.SIZE["))
        read_binary(f, ITEM_BINARY_SIZE, true);
    else if (imap_take(r, "BINARY["))
        read_binary(f, ITEM_BINARY, false);
    else
        return false;
    return true;
}

/* alone: not in a list, where a macro must not stand (RFC 9051 section 9, fetch). */
static void
read_item(struct imap_fetch *f, bool alone)
{
    static const struct {
        const char          *name;
        enum imap_fetch_kind kind;
    } plain[] = {
        { "UID", ITEM_UID }, { "FLAGS", ITEM_FLAGS }, { "INTERNALDATE", ITEM_INTERNALDATE }, { "RFC822.SIZE", ITEM_SIZE },
        { "MODSEQ", ITEM_MODSEQ }, { "EMAILID", ITEM_EMAILID }, { "THREADID", ITEM_THREADID }, { "SAVEDATE", ITEM_SAVEDATE },
        { "ENVELOPE", ITEM_ENVELOPE }, { "BODYSTRUCTURE", ITEM_BODYSTRUCTURE }, { "BODY", ITEM_BODY },
    };
    static const struct {
        const char       *name;
        enum imap_section section;
        bool              marks;
    } old[] = {
        { "RFC822", IMAP_SECTION_WHOLE, true }, { "RFC822.HEADER", IMAP_SECTION_HEADER, false }, { "RFC822.TEXT", IMAP_SECTION_TEXT, true },
    };
    struct slice word;

    if (read_bracketed(f))
        return;
    word = imap_atom(&f->reader);
    for (size_t i = 0; i < COUNT(plain); i++)
        if (slice_equal_nocase(word, slice_of(plain[i].name))) {
            add_item(f, plain[i].kind);
            return;
        }
    for (size_t i = 0; i < COUNT(old); i++)
        if (slice_equal_nocase(word, slice_of(old[i].name))) {
            add_section(f, old[i].name, old[i].section, old[i].marks);
            return;
        }
    if (slice_equal_nocase(word, slice_of("PREVIEW")))
        read_preview(f);
    else if (!alone || !add_macro(f, word))
        imap_fail(&f->reader, "something to fetch, such as FLAGS, ENVELOPE, BODYSTRUCTURE or BODY[]");
}

static void
read_items(struct imap_fetch *f)
{
    struct imap_reader *r = &f->reader;

    if (!imap_take(r, "(")) {
        read_item(f, true);
        return;
    }
    do
        read_item(f, false);
    while (imap_take(r, " "));
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the items");
}

/* RFC 7162 section 3.1.4.1. */
static void
read_modifiers(struct connection *c, struct imap_fetch *f)
{
    struct imap_reader *r = &f->reader;

    if (!imap_take(r, " ("))
        return;
    if (!imap_take(r, "CHANGEDSINCE "))
        imap_fail(r, "CHANGEDSINCE");
    f->changed_since = imap_number64(r);
    add_item(f, ITEM_MODSEQ);
    if (f->uids && imap_take(r, " VANISHED"))
        imap_vanished_read(c, r, f->set, f->changed_since, &f->vanished);
    if (!imap_take(r, ")"))
        imap_fail(r, "the end of the modifiers");
}

void
imap_fetch_read(struct connection *c, struct imap_fetch *f)
{
    if (f->uids)
        add_item(f, ITEM_UID);
    read_items(f);
    read_modifiers(c, f);
    for (unsigned i = 0; i < f->count && imap_ok(&f->reader); i++)
        if (f->items[i].kind == ITEM_MODSEQ)
            ((struct imap *)c->own)->enabled |= IMAP_CONDSTORE;     /* RFC 7162 section 3.1 */
}
