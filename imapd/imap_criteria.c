#include "imapd/imap_criteria.h"

#include "imapd/imap_match.h"
#include "imapd/imap_thread_id.h"

#include "lib/casemap.h"
#include "lib/error.h"
#include "lib/record.h"

#include <stdlib.h>

enum { MONTHS = 12, TEXT_BYTES_MAX = 1024 };

/* What waits for operands while the keys are read. */
enum pending { PENDING_LIST, PENDING_NOT, PENDING_OR_FIRST, PENDING_OR_SECOND };

struct criteria_reader {
    struct imap_criteria          *to;
    struct imap_reader            *r;
    const struct imap_criteria_context *context;
    enum pending                   stack[IMAP_KEYS_DEPTH_MAX];
    unsigned                       operands[IMAP_KEYS_DEPTH_MAX];   /* of each list so far */
    unsigned                       depth;
};

static struct imap_key *
add(struct criteria_reader *c, enum imap_key_kind kind)
{
    if (c->to->count == IMAP_KEYS_MAX) {
        imap_fail(c->r, "at most 1000 search keys");
        return &c->to->keys[0];
    }
    c->to->keys[c->to->count] = (struct imap_key){ .kind = kind };
    return &c->to->keys[c->to->count++];
}

static void
push(struct criteria_reader *c, enum pending what)
{
    if (c->depth == IMAP_KEYS_DEPTH_MAX) {
        imap_fail(c->r, "less nesting");
        return;
    }
    c->operands[c->depth] = 0;
    c->stack[c->depth++] = what;
}

/* An operand is complete: so may be what waited for it. */
static void
complete(struct criteria_reader *c)
{
    while (c->depth > 0) {
        enum pending *top = &c->stack[c->depth - 1];

        if (*top == PENDING_LIST) {
            if (c->operands[c->depth - 1]++ > 0)
                add(c, KEY_AND);
            return;
        }
        if (*top == PENDING_OR_FIRST) {
            *top = PENDING_OR_SECOND;
            return;
        }
        add(c, *top == PENDING_NOT ? KEY_NOT : KEY_OR);
        c->depth--;
    }
}

/* ---- Arguments ----------------------------------------------------------------------------------------------------------------- */

/* Days from 1970-01-01 to that date of the Gregorian calendar. */
static int64_t
day_number(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = y / 400, of_era = y % 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool
day_exists(int64_t year, int64_t month, int64_t day)
{
    return day >= 1 && day_number(year, month, day) < day_number(month == MONTHS ? year + 1 : year, month % MONTHS + 1, 1);
}

/* "1-Feb-1994", in quotes or not. */
static int64_t
read_date(struct imap_reader *r)
{
    static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
    bool              quoted = imap_take(r, "\"");
    uint32_t          day = imap_number(r), month = 0, year;

    if (!imap_take(r, "-"))
        imap_fail(r, "a date such as 1-Feb-2026");
    while (month < MONTHS && (r->rest.len < 3 || !slice_equal_nocase(slice_sub(r->rest, 0, 3), slice_make(months + 3 * month, 3))))
        month++;
    if (month == MONTHS)
        imap_fail(r, "a month such as Feb");
    r->rest = slice_sub(r->rest, 3, r->rest.len);
    if (!imap_take(r, "-"))
        imap_fail(r, "a date such as 1-Feb-2026");
    year = imap_number(r);
    if (quoted && !imap_take(r, "\""))
        imap_fail(r, "the end of the date");
    if (!imap_ok(r))
        return 0;
    if (year < 1 || year > 9999 || !day_exists(year, (int64_t)month + 1, day))
        imap_fail(r, "a date that exists");
    return day_number(year, (int64_t)month + 1, day);
}

/* To UTF-8, and mapped so that case makes no difference. */
static void
read_text(struct criteria_reader *c, struct imap_key *key)
{
    struct slice text = imap_astring(c->r);
    struct buf   utf8, mapped;

    if (text.len > TEXT_BYTES_MAX)
        imap_fail(c->r, "a string of at most 1024 octets");
    if (!imap_ok(c->r))
        return;
    buf_init(&utf8, IMAP_MATCH_BYTES);
    buf_init(&mapped, IMAP_MATCH_BYTES);
    if (c->context->charset == NULL || charset_is_utf8(c->context->charset))
        casemap_put(&mapped, text);
    else
        charset_convert(c->context->charset, text, &utf8);
    casemap_put(&mapped, buf_slice(&utf8));
    key->text = buf_slice(&mapped);
    key->own = mapped.data;
    if (utf8.fault != MT_OK || mapped.fault != MT_OK)
        imap_fail(c->r, "less: there is no memory for that");
    buf_fini(&utf8);
}

static void
read_set(struct criteria_reader *c, enum imap_key_kind kind)
{
    struct slice     text = imap_set_text(c->r);
    struct imap_key *key;
    bool             saved = slice_equal(text, slice_of("$"));

    if (!imap_ok(c->r))
        return;
    key = add(c, saved ? KEY_UIDS : kind);
    if (!imap_ok(c->r))
        return;
    if (saved) {
        if (!imap_set_copy(&key->set, c->context->saved))
            imap_fail(c->r, "less: there is no memory for that");
    } else if (imap_set_parse(text, kind == KEY_UIDS ? c->context->last_uid : c->context->last_number, &key->set) != MT_OK) {
        imap_fail(c->r, "a sequence set");
    }
}

static void
read_modseq(struct criteria_reader *c, struct imap_key *key)
{
    if (imap_next_is(c->r, '"')) {          /* entry name and type: all flags have the same (RFC 7162 section 3.1.5) */
        imap_string(c->r);
        imap_space(c->r);
        imap_atom(c->r);
        imap_space(c->r);
    }
    key->number = imap_number64(c->r);
    c->to->has_modseq = true;
}

/* ---- Keys ------------------------------------------------------------------------------------------------------------------------ */

enum argument { ARGUMENT_NONE, ARGUMENT_TEXT, ARGUMENT_DATE, ARGUMENT_NUMBER, ARGUMENT_WORD, ARGUMENT_NAMED, ARGUMENT_MODSEQ, ARGUMENT_ID,
                ARGUMENT_THREAD_ID };

static const struct key_name {
    const char        *name;
    enum imap_key_kind kind;
    enum argument      argument;
    uint64_t           number;      /* flag; for "UN…" keys a NOT follows */
    bool               not;
    const char        *header;      /* of keys that are short for HEADER */
} key_names[] = {
    { "ALL",         KEY_ALL,          ARGUMENT_NONE,   0,              false, NULL      },
    { "ANSWERED",    KEY_FLAG,         ARGUMENT_NONE,   ENTRY_ANSWERED, false, NULL      },
    { "UNANSWERED",  KEY_FLAG,         ARGUMENT_NONE,   ENTRY_ANSWERED, true,  NULL      },
    { "DELETED",     KEY_FLAG,         ARGUMENT_NONE,   ENTRY_DELETED,  false, NULL      },
    { "UNDELETED",   KEY_FLAG,         ARGUMENT_NONE,   ENTRY_DELETED,  true,  NULL      },
    { "DRAFT",       KEY_FLAG,         ARGUMENT_NONE,   ENTRY_DRAFT,    false, NULL      },
    { "UNDRAFT",     KEY_FLAG,         ARGUMENT_NONE,   ENTRY_DRAFT,    true,  NULL      },
    { "FLAGGED",     KEY_FLAG,         ARGUMENT_NONE,   ENTRY_FLAGGED,  false, NULL      },
    { "UNFLAGGED",   KEY_FLAG,         ARGUMENT_NONE,   ENTRY_FLAGGED,  true,  NULL      },
    { "SEEN",        KEY_FLAG,         ARGUMENT_NONE,   ENTRY_SEEN,     false, NULL      },
    { "UNSEEN",      KEY_FLAG,         ARGUMENT_NONE,   ENTRY_SEEN,     true,  NULL      },
    { "RECENT",      KEY_RECENT,       ARGUMENT_NONE,   0,              false, NULL      },
    { "OLD",         KEY_RECENT,       ARGUMENT_NONE,   0,              true,  NULL      },
    { "KEYWORD",     KEY_KEYWORD,      ARGUMENT_WORD,   0,              false, NULL      },
    { "UNKEYWORD",   KEY_KEYWORD,      ARGUMENT_WORD,   0,              true,  NULL      },
    { "LARGER",      KEY_LARGER,       ARGUMENT_NUMBER, 0,              false, NULL      },
    { "SMALLER",     KEY_SMALLER,      ARGUMENT_NUMBER, 0,              false, NULL      },
    { "BEFORE",      KEY_BEFORE,       ARGUMENT_DATE,   0,              false, NULL      },
    { "ON",          KEY_ON,           ARGUMENT_DATE,   0,              false, NULL      },
    { "SINCE",       KEY_SINCE,        ARGUMENT_DATE,   0,              false, NULL      },
    { "SENTBEFORE",  KEY_SENT_BEFORE,  ARGUMENT_DATE,   0,              false, NULL      },
    { "SENTON",      KEY_SENT_ON,      ARGUMENT_DATE,   0,              false, NULL      },
    { "SENTSINCE",   KEY_SENT_SINCE,   ARGUMENT_DATE,   0,              false, NULL      },
    { "SAVEDBEFORE", KEY_SAVED_BEFORE, ARGUMENT_DATE,   0,              false, NULL      },
    { "SAVEDON",     KEY_SAVED_ON,     ARGUMENT_DATE,   0,              false, NULL      },
    { "SAVEDSINCE",  KEY_SAVED_SINCE,  ARGUMENT_DATE,   0,              false, NULL      },
    { "SAVEDATESUPPORTED", KEY_ALL,    ARGUMENT_NONE,   0,              false, NULL      },
    { "YOUNGER",     KEY_YOUNGER,      ARGUMENT_NUMBER, 0,              false, NULL      },
    { "OLDER",       KEY_OLDER,        ARGUMENT_NUMBER, 0,              false, NULL      },
    { "MODSEQ",      KEY_MODSEQ,       ARGUMENT_MODSEQ, 0,              false, NULL      },
    { "EMAILID",     KEY_EMAIL_ID,     ARGUMENT_ID,     0,              false, NULL      },
    { "THREADID",    KEY_THREAD_ID,    ARGUMENT_THREAD_ID, 0,           false, NULL      },
    { "HEADER",      KEY_HEADER,       ARGUMENT_NAMED,  0,              false, NULL      },
    { "SUBJECT",     KEY_HEADER,       ARGUMENT_TEXT,   0,              false, "Subject" },
    { "FROM",        KEY_HEADER,       ARGUMENT_TEXT,   0,              false, "From"    },
    { "TO",          KEY_HEADER,       ARGUMENT_TEXT,   0,              false, "To"      },
    { "CC",          KEY_HEADER,       ARGUMENT_TEXT,   0,              false, "Cc"      },
    { "BCC",         KEY_HEADER,       ARGUMENT_TEXT,   0,              false, "Bcc"     },
    { "BODY",        KEY_BODY,         ARGUMENT_TEXT,   0,              false, NULL      },
    { "TEXT",        KEY_TEXT,         ARGUMENT_TEXT,   0,              false, NULL      },
};

/* Any other word is no id of ours, and finds nothing. */
static void
read_email_id(struct imap_reader *r, struct imap_key *key)
{
    struct slice word = imap_astring(r);

    if (!slice_starts(word, "M") || slice_to_u64(slice_sub(word, 1, word.len), UINT64_MAX, &key->number) != MT_OK)
        key->kind = KEY_NONE;
}

static void
read_argument(struct criteria_reader *c, const struct key_name *name, struct imap_key *key)
{
    if (name->argument != ARGUMENT_NONE)
        imap_space(c->r);
    switch (name->argument) {
    case ARGUMENT_NONE:
        break;
    case ARGUMENT_TEXT:
        read_text(c, key);
        break;
    case ARGUMENT_NAMED:
        key->name = imap_astring(c->r);
        imap_space(c->r);
        read_text(c, key);
        break;
    case ARGUMENT_DATE:
        key->day = read_date(c->r);
        break;
    case ARGUMENT_NUMBER:
        key->number = imap_number64(c->r);
        break;
    case ARGUMENT_WORD:
        key->text = imap_flag(c->r);
        break;
    case ARGUMENT_MODSEQ:
        read_modseq(c, key);
        break;
    case ARGUMENT_ID:
        read_email_id(c->r, key);
        break;
    case ARGUMENT_THREAD_ID:
        if (!imap_thread_id_read(imap_astring(c->r), &key->number))
            key->kind = KEY_NONE;
        break;
    }
}

static void
read_named_key(struct criteria_reader *c, struct slice word)
{
    struct imap_key *key;

    for (size_t i = 0; i < COUNT(key_names); i++) {
        const struct key_name *name = &key_names[i];

        if (!slice_equal_nocase(word, slice_of(name->name)))
            continue;
        key = add(c, name->kind);
        key->number = name->number;
        key->name = slice_of(name->header);
        read_argument(c, name, key);
        if (name->not)
            add(c, KEY_NOT);
        complete(c);
        return;
    }
    imap_fail(c->r, "a search key, such as SUBJECT, SINCE or UNSEEN");
}

/* RECENT and UNSEEN. */
static void
add_new(struct criteria_reader *c)
{
    add(c, KEY_RECENT);
    add(c, KEY_FLAG)->number = ENTRY_SEEN;
    add(c, KEY_NOT);
    add(c, KEY_AND);
    complete(c);
}

static void
read_key(struct criteria_reader *c)
{
    struct imap_reader *r = c->r;
    struct slice        word;

    if (imap_take(r, "(")) {
        push(c, PENDING_LIST);
        return;
    }
    if (r->rest.len > 0 && (strchr("0123456789*$", r->rest.data[0]) != NULL) && r->rest.data[0] != '\0') {
        read_set(c, KEY_NUMBERS);
        complete(c);
        return;
    }
    word = imap_atom(r);
    if (slice_equal_nocase(word, slice_of("NOT"))) {
        push(c, PENDING_NOT);
        imap_space(r);
        return;
    }
    if (slice_equal_nocase(word, slice_of("OR"))) {
        push(c, PENDING_OR_FIRST);
        imap_space(r);
        return;
    }
    if (slice_equal_nocase(word, slice_of("NEW"))) {
        add_new(c);
        return;
    }
    if (slice_equal_nocase(word, slice_of("UID"))) {
        imap_space(r);
        read_set(c, KEY_UIDS);
        complete(c);
        return;
    }
    read_named_key(c, word);
}

/* ---- Order ----------------------------------------------------------------------------------------------------------------------- */

enum cost { COST_ENTRY, COST_RECORD, COST_HEADER, COST_BODY, COST_LIMIT };

static enum cost
cost_of(const struct imap_key *keys, unsigned from, unsigned to)
{
    enum cost most = COST_ENTRY;

    for (unsigned i = from; i <= to; i++) {
        enum imap_key_kind kind = keys[i].kind;
        enum cost          cost = COST_ENTRY;

        if (kind >= KEY_BODY)
            cost = COST_BODY;
        else if (kind >= KEY_THREAD_ID)
            cost = COST_HEADER;
        else if (kind >= KEY_LARGER && kind <= KEY_OLDER)
            cost = COST_RECORD;
        most = cost > most ? cost : most;
    }
    return most;
}

/* starts[i]: where the operand begins that ends with key i. */
static void
find_starts(const struct imap_criteria *k, unsigned *starts)
{
    for (unsigned i = 0; i < k->count; i++) {
        enum imap_key_kind kind = k->keys[i].kind;

        if (kind == KEY_NOT)
            starts[i] = starts[i - 1];
        else
            starts[i] = kind == KEY_AND || kind == KEY_OR ? starts[starts[i - 1] - 1] : i;
    }
}

/* What is joined by AND on the outside: the cheap keys come first, so that the others need not be looked at. */
static bool
put_in_order(struct imap_criteria *k)
{
    struct imap_key *ordered = malloc(k->count * sizeof(*ordered));
    unsigned         starts[IMAP_KEYS_MAX], firsts[IMAP_KEYS_MAX], lasts[IMAP_KEYS_MAX], operands = 0, put = 0;
    unsigned         last = k->count - 1;

    if (ordered == NULL)
        return false;
    find_starts(k, starts);
    for (bool joined = true; joined; operands++) {
        joined = k->keys[last].kind == KEY_AND;
        lasts[operands] = joined ? last - 1 : last;
        firsts[operands] = joined ? starts[last - 1] : 0;
        last = firsts[operands] - 1;
    }
    for (enum cost cost = COST_ENTRY; cost < COST_LIMIT; cost++)
        for (unsigned n = operands; n > 0; n--) {
            unsigned first = firsts[n - 1], len = lasts[n - 1] - first + 1;
            bool     joins = put > 0;

            if (cost_of(k->keys, first, lasts[n - 1]) != cost)
                continue;
            memcpy(ordered + put, k->keys + first, len * sizeof(*ordered));
            put += len;
            if (joins)
                ordered[put++] = (struct imap_key){ .kind = KEY_AND };
        }
    free(k->keys);
    k->keys = ordered;
    return true;
}

bool
imap_criteria_read(struct imap_criteria *k, struct imap_reader *r, const struct imap_criteria_context *context)
{
    struct criteria_reader c = { .to = k, .r = r, .context = context };
    bool                   operand_next = true;

    *k = (struct imap_criteria){ .keys = malloc(IMAP_KEYS_MAX * sizeof(*k->keys)) };
    if (k->keys == NULL)
        return false;
    push(&c, PENDING_LIST);
    while (imap_ok(r) && (operand_next || r->rest.len > 0)) {
        unsigned depth = c.depth;
        unsigned count = k->count;

        if (operand_next) {
            read_key(&c);
            /* Behind "(", NOT and OR another operand comes at once. */
            operand_next = k->count == count && c.depth > depth;
        } else if (c.depth > 1 && imap_take(r, ")")) {
            if (c.stack[c.depth - 1] != PENDING_LIST)
                imap_fail(r, "an operand");
            c.depth--;
            complete(&c);
        } else {
            imap_space(r);
            operand_next = true;
        }
    }
    if (imap_ok(r) && (c.depth != 1 || operand_next))
        imap_fail(r, "the end of a parenthesis, or an operand");
    return !imap_ok(r) || put_in_order(k);
}

void
imap_criteria_fini(struct imap_criteria *k)
{
    for (unsigned i = 0; i < k->count; i++) {
        imap_set_fini(&k->keys[i].set);
        free(k->keys[i].own);
    }
    free(k->keys);
    *k = (struct imap_criteria){ 0 };
}
