/*
 * SORT and UID SORT (RFC 5256), with SORT=DISPLAY (RFC 5957) and ESORT (RFC 5267). For each message found a key of octets is made that
 * compares as the sort criteria say; then these are put in order.
 */

#include "imapd/imap_collect.h"
#include "imapd/imap_header.h"
#include "imapd/imap_order.h"
#include "imapd/imap_subject.h"
#include "imapd/imapd.h"

#include "lib/casemap.h"
#include "lib/charset.h"
#include "lib/error.h"

#include <stdlib.h>

enum { TEXT_KEY_BYTES = 256, KEY_BYTES = 9 * (TEXT_KEY_BYTES + 1), NUMBERS_A_STEP = 2000 };

enum criterion_kind { SORT_ARRIVAL, SORT_CC, SORT_DATE, SORT_FROM, SORT_SIZE, SORT_SUBJECT, SORT_TO, SORT_DISPLAY_FROM, SORT_DISPLAY_TO, SORT_KINDS };

static const struct {
    const char *name;
    const char *field;          /* that it needs; NULL: none */
} criteria[SORT_KINDS] = {
    [SORT_ARRIVAL] = { "ARRIVAL", NULL },   [SORT_CC] = { "CC", "Cc" },                      [SORT_DATE] = { "DATE", NULL },
    [SORT_FROM] = { "FROM", "From" },       [SORT_SIZE] = { "SIZE", NULL },                  [SORT_SUBJECT] = { "SUBJECT", "Subject" },
    [SORT_TO] = { "TO", "To" },             [SORT_DISPLAY_FROM] = { "DISPLAYFROM", "From" }, [SORT_DISPLAY_TO] = { "DISPLAYTO", "To" },
};

enum phase { PHASE_SEEK, PHASE_COLLECT, PHASE_ORDER, PHASE_SAY };

struct sort {
    struct imap_task    task;
    struct imap_seek    seek;
    struct imap_collect collect;
    struct imap_order   order;
    struct imapd       *imapd;
    enum phase          phase;
    uint32_t            said;
    unsigned            count;              /* of the criteria */
    struct {
        enum criterion_kind kind;
        bool                reverse;
    } by[SORT_KINDS];
};

/* ---- Keys ----------------------------------------------------------------------------------------------------------------------- */

static void
put_text(struct buf *key, struct slice text, bool reverse)
{
    struct buf mapped;

    buf_init(&mapped, TEXT_KEY_BYTES * 2);
    casemap_put(&mapped, slice_sub(text, 0, TEXT_KEY_BYTES));
    imap_order_put_text(key, slice_sub(buf_slice(&mapped), 0, TEXT_KEY_BYTES), reverse);
    buf_fini(&mapped);
}

/* The local part of the first address; for display its name, where it has none its whole address (RFC 5957 section 3). */
static void
put_address(struct buf *key, struct slice value, bool display, bool reverse)
{
    struct buf name, local, host, text;

    buf_init(&name, value.len + 1);
    buf_init(&local, value.len + 1);
    buf_init(&host, value.len + 1);
    buf_init(&text, TEXT_KEY_BYTES * 4);
    imap_put_first_address(value, &name, &local, &host);
    if (display && name.len > 0) {
        charset_convert_words(buf_slice(&name), &text);
    } else {
        buf_append_slice(&text, slice_sub(buf_slice(&local), 0, TEXT_KEY_BYTES));
        if (display && host.len > 0) {
            buf_append_byte(&text, '@');
            buf_append_slice(&text, slice_sub(buf_slice(&host), 0, TEXT_KEY_BYTES));
        }
    }
    put_text(key, text.len == 0 ? slice_make("", 0) : buf_slice(&text), reverse);
    buf_fini(&name);
    buf_fini(&local);
    buf_fini(&host);
    buf_fini(&text);
}

static void
put_subject(struct buf *key, struct slice value, bool reverse)
{
    struct buf text;

    buf_init(&text, IMAP_SUBJECT_BYTES * 2);
    imap_base_subject(value, &text);
    imap_order_put_text(key, slice_sub(slice_make(text.data == NULL ? "" : text.data, text.len), 0, TEXT_KEY_BYTES), reverse);
    buf_fini(&text);
}

static void
put_field(struct buf *key, enum criterion_kind kind, bool reverse, struct slice header)
{
    struct imap_field field = { .value = slice_make("", 0) };

    if (!imap_find_field(header, criteria[kind].field, &field))
        field.value = slice_make("", 0);
    if (kind == SORT_SUBJECT)
        put_subject(key, field.value, reverse);
    else
        put_address(key, field.value, kind == SORT_DISPLAY_FROM || kind == SORT_DISPLAY_TO, reverse);
}

static int
take_message(void *arg, uint32_t uid, const struct message_record *m, struct slice header)
{
    struct sort *f = arg;
    struct buf   key;
    int          rc;

    buf_init(&key, KEY_BYTES);
    for (unsigned i = 0; i < f->count; i++) {
        enum criterion_kind kind = f->by[i].kind;
        bool                reverse = f->by[i].reverse;

        if (kind == SORT_ARRIVAL)
            imap_order_put_number(&key, (int64_t)(m->received_us / 1000000), reverse);
        else if (kind == SORT_DATE)
            imap_order_put_number(&key, imap_sent_date(m), reverse);
        else if (kind == SORT_SIZE)
            imap_order_put_number(&key, (int64_t)message_size(m), reverse);
        else
            put_field(&key, kind, reverse, header);
    }
    rc = key.fault == MT_OK ? imap_order_add(&f->order, uid, buf_slice(&key)) : key.fault;
    buf_fini(&key);
    return rc;
}

/* ---- Answering ------------------------------------------------------------------------------------------------------------------ */

static uint32_t
shown(const struct connection *c, const struct sort *f, uint32_t row)
{
    return imap_seek_shown(c->own, &f->seek, f->order.rows[row].number);
}

/* In the order of the sort; what follows each other rising by one is a range. */
static uint32_t
end_of_range(const struct connection *c, const struct sort *f, uint32_t row)
{
    while (row + 1 < f->order.count && shown(c, f, row + 1) == shown(c, f, row) + 1)
        row++;
    return row;
}

static void
begin_answer(struct connection *c, struct sort *f)
{
    const struct imap *s = c->own;
    uint32_t           count = f->order.count;
    unsigned           returns = f->seek.returns;

    if (returns == 0) {
        buf_append_string(&c->out, "* SORT");
        return;
    }
    if (returns == IMAP_RETURN_SAVE) {      /* RFC 5182 section 2.1: nothing is told */
        f->said = count;
        return;
    }
    buf_printf(&c->out, "* ESEARCH (TAG \"%s\")%s", s->tag, f->seek.uids ? " UID" : "");
    if ((returns & IMAP_RETURN_MIN) != 0 && count > 0)
        buf_printf(&c->out, " MIN %u", shown(c, f, 0));
    if ((returns & IMAP_RETURN_MAX) != 0 && count > 0)
        buf_printf(&c->out, " MAX %u", shown(c, f, count - 1));
    if ((returns & IMAP_RETURN_COUNT) != 0)
        buf_printf(&c->out, " COUNT %u", count);
    if ((returns & IMAP_RETURN_ALL) == 0)
        f->said = count;
    else if (count > 0)
        buf_append_string(&c->out, " ALL ");
}

static void
end_answer(struct connection *c, struct sort *f)
{
    if (f->seek.returns == IMAP_RETURN_SAVE) {
        imap_seek_save(c, &f->seek);
        imap_answer(c, "OK", "SORT completed");
        return;
    }
    if (f->seek.criteria.has_modseq && f->order.count > 0)
        buf_printf(&c->out, f->seek.returns == 0 ? " (MODSEQ %llu)" : " MODSEQ %llu", (unsigned long long)f->seek.modseq);
    buf_append_string(&c->out, "\r\n");
    imap_seek_save(c, &f->seek);
    imap_answer(c, "OK", "SORT completed");
}

/* False: all has been said. */
static bool
say_some(struct connection *c, struct sort *f)
{
    for (unsigned n = 0; n < NUMBERS_A_STEP && f->said < f->order.count; n++) {
        uint32_t first = f->said++, last = f->seek.returns == 0 ? first : end_of_range(c, f, first);

        f->said = last + 1;
        if (f->seek.returns == 0)
            buf_printf(&c->out, " %u", shown(c, f, first));
        else
            buf_printf(&c->out, first == last ? "%s%u" : "%s%u:%u", first == 0 ? "" : ",", shown(c, f, first), shown(c, f, last));
    }
    if (f->said < f->order.count)
        return true;
    end_answer(c, f);
    return false;
}

/* ---- Steps ---------------------------------------------------------------------------------------------------------------------- */

static void
next_phase(struct connection *c, struct sort *f)
{
    f->phase++;
    if (f->phase == PHASE_SAY)
        begin_answer(c, f);
}

static bool
produce(struct connection *c, struct imap_task *t)
{
    struct sort          *f = (struct sort *)t;
    enum imap_seek_result result;
    bool                  more = false;
    int                   rc = MT_OK;

    switch (f->phase) {
    case PHASE_SEEK:
        result = imap_seek_step(c, &f->seek);
        if (result == IMAP_SEEK_REFUSED)
            return false;
        more = result == IMAP_SEEK_MORE;
        break;
    case PHASE_COLLECT:
        rc = imap_collect_step(c, &f->collect, &f->seek, take_message, f, &more);
        if (rc == MT_OK)
            rc = imap_collect_count(c->imapd, &f->collect, imap_order_bytes(&f->order));
        break;
    case PHASE_ORDER:
        more = imap_order_step(&f->order, &rc);
        break;
    case PHASE_SAY:
        return say_some(c, f);
    }
    if (rc != MT_OK) {
        imap_collect_refuse(c, &f->seek, rc);
        return false;
    }
    if (!more)
        next_phase(c, f);
    return true;
}

static void
free_sort(struct imap_task *t)
{
    struct sort *f = (struct sort *)t;

    imap_collect_count(f->imapd, &f->collect, 0);
    imap_order_fini(&f->order);
    imap_seek_fini(&f->seek);
    free(f);
}

/* ---- The command ------------------------------------------------------------------------------------------------------------------ */

/* A criterion that comes again changes nothing: the first of its kind has decided. */
static void
add_criterion(struct sort *f, enum criterion_kind kind, bool reverse)
{
    for (unsigned i = 0; i < f->count; i++)
        if (f->by[i].kind == kind)
            return;
    f->by[f->count].kind = kind;
    f->by[f->count++].reverse = reverse;
    f->collect.headers = f->collect.headers || criteria[kind].field != NULL;
}

/* "(REVERSE DATE SUBJECT) " */
static void
read_sort_criteria(struct sort *f, struct imap_reader *r)
{
    bool reverse = false;

    if (!imap_take(r, "("))
        imap_fail(r, "the sort criteria in parentheses");
    while (imap_ok(r)) {
        struct slice word = imap_atom(r);
        unsigned     kind = 0;

        while (kind < SORT_KINDS && !slice_equal_nocase(word, slice_of(criteria[kind].name)))
            kind++;
        if (!reverse && slice_equal_nocase(word, slice_of("REVERSE"))) {
            reverse = true;
            imap_space(r);
            continue;
        }
        if (kind == SORT_KINDS) {
            imap_fail(r, "a sort criterion, such as DATE or SUBJECT");
            return;
        }
        add_criterion(f, (enum criterion_kind)kind, reverse);
        reverse = false;
        if (imap_take(r, ")")) {
            if (!imap_take(r, " "))
                imap_fail(r, "a charset, such as UTF-8, and search keys behind it");
            return;
        }
        imap_space(r);
    }
}

static void
begin_sort(struct connection *c, struct imap_reader *command, bool uids)
{
    struct sort *f = calloc(1, sizeof(*f));
    struct slice charset;

    if (f == NULL || !imap_seek_init(&f->seek, command->rest, uids)) {
        imap_answer(c, "NO", "[SERVERBUG] out of memory");
        if (f != NULL)
            imap_seek_fini(&f->seek);
        free(f);
        return;
    }
    f->task = (struct imap_task){ produce, free_sort };
    f->imapd = c->imapd;
    imap_order_init(&f->order);
    f->seek.reader.utf8 = command->utf8;
    imap_space(&f->seek.reader);
    imap_seek_read_returns(&f->seek);
    read_sort_criteria(f, &f->seek.reader);
    charset = imap_astring(&f->seek.reader);
    if (!imap_take(&f->seek.reader, " "))
        imap_fail(&f->seek.reader, "a charset, such as UTF-8, and search keys behind it");
    if (imap_seek_read_criteria(c, &f->seek, true, charset))
        imap_begin_task(c, &f->task);
    else
        free_sort(&f->task);
}

static void
sort(struct connection *c, struct imap_reader *r)
{
    begin_sort(c, r, false);
}

static void
uid_sort(struct connection *c, struct imap_reader *r)
{
    begin_sort(c, r, true);
}

const struct imap_verb imap_sort_verbs[] = {
    { "SORT",     IMAP_SELECTED, true,  sort     },
    { "UID SORT", IMAP_SELECTED, false, uid_sort },
    { NULL,       0,             false, NULL     },
};
