/* api_results - POST /v1/results: what checks came to, many in one request. Each is stored, replaces one, or is refused for a reason of its own. */
#include "lookup/ask.h"
#include "lookup/body.h"

#include "lib/body.h"
#include "lib/error.h"
#include "lib/metrics.h"
#include "lib/result.h"
#include "lib/rfc3339.h"

#include <math.h>
#include <stdlib.h>

/* What is known of one element of the request until store has answered. */
struct item {
    char        check[CHECK_TEXT_MAX + 1];      /* "" where it has no name that can be told */
    uint64_t    started_us;
    unsigned    status;         /* 0: sent to store */
    const char *fault;          /* why not */
};

/* One request; the state of its ask. */
struct posting {
    unsigned    count, sent;
    struct item items[];
};

/* ---- Reading an element --------------------------------------------------------------------------------------------------- */

/* Texts of a result while its record is written: what is cut, and the document's. */
struct texts {
    struct buf changes;
    char      *document;
    struct buf packed;
};

static struct slice
text_of(const json_t *value)
{
    return slice_make(json_string_value(value), json_string_length(value));
}

/* At most max octets, up to the end of a character. */
static struct slice
cut(struct slice s, size_t max)
{
    size_t len = max;

    if (s.len <= len)
        return s;
    while (len > 0 && ((unsigned char)s.data[len] & 0xc0) == 0x80)
        len--;
    return slice_sub(s, 0, len);
}

static const struct member {
    const char *name;
    json_type   type;           /* JSON_REAL: any number; JSON_TRUE: either boolean */
    bool        needed;
    const char *fault;
} members[] = {
    { "id",         JSON_STRING,  false, "id must be a text" },
    { "check",      JSON_STRING,  true,  "check must be the check's name" },
    { "kind",       JSON_STRING,  true,  "kind must be round-trip, smtp or blacklist" },
    { "scenario",   JSON_INTEGER, false, "scenario must be a number from 1 to 5" },
    { "mailbox",    JSON_STRING,  false, "mailbox must be a mailbox's name" },
    { "started_at", JSON_STRING,  true,  "started_at must be a time as 2026-11-21T03:30:00.123456Z" },
    { "took_s",     JSON_REAL,    true,  "took_s must be seconds, from 0 to 31 days" },
    { "state",      JSON_STRING,  true,  "state must be OK, WARNING, CRITICAL or UNKNOWN" },
    { "verdict",    JSON_STRING,  false, "verdict must be a word of 1 to 31 letters, digits, '.', '-' and '_'" },
    { "cause",      JSON_STRING,  false, "cause must be a text" },
    { "step",       JSON_STRING,  false, "step must be a word of at most 16 letters, digits, '.', '-' and '_'" },
    { "host",       JSON_STRING,  false, "host must be a text" },
    { "code",       JSON_INTEGER, false, "code must be a number of at most three digits" },
    { "reply",      JSON_STRING,  false, "reply must be a text" },
    { "reason",     JSON_STRING,  false, "reason must be a text" },
    { "deferred",   JSON_TRUE,    false, "deferred must be true or false" },
    { "times",      JSON_OBJECT,  false, "times must be an object of names and seconds" },
    { "changes",    JSON_ARRAY,   false, "changes must be a list of at most 64 texts" },
    { "document",   JSON_OBJECT,  false, "document must be an object" },
};

static bool
has_type(const json_t *value, json_type type)
{
    if (type == JSON_REAL)
        return json_is_number(value);
    return json_typeof(value) == type || (type == JSON_TRUE && json_is_false(value));
}

/* What is there has its type, what is needed is there, and nothing else is. NULL: so it is. */
static const char *
types_fault(json_t *item)
{
    size_t known = 0;

    for (size_t i = 0; i < COUNT(members); i++) {
        const json_t *value = json_object_get(item, members[i].name);

        known += value != NULL;
        if (value == NULL || json_is_null(value) ? members[i].needed : !has_type(value, members[i].type))
            return members[i].fault;
    }
    return known == json_object_size(item) ? NULL : "it has a member that is not known here";
}

/* Seconds to microseconds. False: not a time that can be. */
static bool
take_seconds(const json_t *value, uint64_t *out)
{
    double seconds = json_number_value(value);

    if (!json_is_number(value) || !isfinite(seconds) || seconds < 0 || seconds * 1e6 > (double)RESULT_TIME_MAX_US)
        return false;
    *out = (uint64_t)(seconds * 1e6 + 0.5);
    return true;
}

static const char *
take_times(json_t *times, struct result_record *r)
{
    const char *name;
    json_t     *value;

    if (json_object_size(times) > RESULT_TIMES_MAX)
        return "times has more than 24 members";
    json_object_foreach(times, name, value)
    {
        struct result_time *t = &r->times[r->times_count];

        if (json_is_null(value))
            continue;
        if (!slice_copy(t->name, sizeof(t->name), slice_of(name)))
            return "a name in times must be 1 to 16 letters, digits, '.', '-' or '_'";
        if (!take_seconds(value, &t->us))
            return "a time must be seconds, from 0 to 31 days";
        r->times_count++;
    }
    return NULL;
}

/* Each sentence in one line. */
static const char *
take_changes(const json_t *changes, struct texts *texts)
{
    if (json_array_size(changes) > RESULT_CHANGES_MAX)
        return "changes must be a list of at most 64 texts";
    for (size_t i = 0; i < json_array_size(changes); i++) {
        struct slice text = text_of(json_array_get(changes, i));

        if (!json_is_string(json_array_get(changes, i)))
            return "changes must be a list of at most 64 texts";
        if (texts->changes.len >= RESULT_CHANGES_BYTES)
            continue;
        text = cut(text, RESULT_CHANGES_BYTES - texts->changes.len - 1);
        for (size_t k = 0; k < text.len; k++)
            buf_append_byte(&texts->changes, text.data[k] == '\n' ? ' ' : text.data[k]);
        buf_append_byte(&texts->changes, '\n');
    }
    return NULL;
}

/* As JSON text; one that is too long is left out, with its length told. */
static const char *
take_document(const json_t *document, struct result_record *r, struct texts *texts)
{
    struct slice text;

    if (json_object_size(document) == 0)
        return NULL;
    texts->document = json_dumps(document, JSON_COMPACT);
    if (texts->document == NULL)
        return "document cannot be written as JSON again";
    text = slice_of(texts->document);
    if (!result_document_is_flat(text))
        return "document has more than 64 objects and arrays within each other";
    r->document_bytes = text.len < UINT32_MAX ? (uint32_t)text.len : UINT32_MAX;
    if (text.len <= RESULT_DOCUMENT_BYTES)
        result_document_pack(text, r, &texts->packed);
    return NULL;
}

static struct slice
member_text(const json_t *item, const char *name, size_t max)
{
    return cut(text_of(json_object_get(item, name)), max);
}

/* Numbers beyond what they may be become one that result_fault refuses. */
static uint32_t
member_number(const json_t *item, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(item, name));

    return value < 0 || value > UINT8_MAX * 256 ? UINT16_MAX : (uint32_t)value;
}

static const char *
take_record(json_t *item, struct result_record *r, struct texts *texts)
{
    const char *fault = types_fault(item);

    if (fault != NULL)
        return fault;
    if (result_kind_of(text_of(json_object_get(item, "kind")), &r->kind) != MT_OK)
        return "kind must be round-trip, smtp or blacklist";
    if (result_state_of(text_of(json_object_get(item, "state")), &r->state) != MT_OK)
        return "state must be OK, WARNING, CRITICAL or UNKNOWN";
    if (!take_seconds(json_object_get(item, "took_s"), &r->took_us))
        return "took_s must be seconds, from 0 to 31 days";
    if (rfc3339_parse(text_of(json_object_get(item, "started_at")), &r->started_us) != MT_OK)
        return "started_at must be a time as 2026-11-21T03:30:00.123456Z";
    r->scenario = member_number(item, "scenario") > UINT8_MAX ? UINT8_MAX : (uint8_t)member_number(item, "scenario");
    r->code = member_number(item, "code");
    r->deferred = json_is_true(json_object_get(item, "deferred"));
    r->verdict = text_of(json_object_get(item, "verdict"));
    if (r->verdict.len == 0)
        r->verdict = slice_of(result_verdict_name(RESULT_NOT_KNOWN));
    r->step = text_of(json_object_get(item, "step"));
    if (r->verdict.len > RESULT_VERDICT_BYTES || r->step.len > RESULT_STEP_BYTES)
        return "verdict has at most 31 characters, and step 16";
    r->id = member_text(item, "id", RESULT_ID_BYTES);
    r->cause = member_text(item, "cause", RESULT_CAUSE_BYTES);
    r->host = member_text(item, "host", RESULT_HOST_BYTES);
    r->reply = member_text(item, "reply", RESULT_REPLY_BYTES);
    r->reason = member_text(item, "reason", RESULT_REASON_BYTES);
    if ((fault = take_times(json_object_get(item, "times"), r)) != NULL || (fault = take_changes(json_object_get(item, "changes"), texts)) != NULL ||
        (fault = take_document(json_object_get(item, "document"), r, texts)) != NULL)
        return fault;
    r->changes = buf_slice(&texts->changes);
    return result_fault(r, r->received_us);
}

/* ---- Whose it is ------------------------------------------------------------------------------------------------------------ */

static bool
refuse(struct item *it, unsigned status, const char *fault)
{
    it->status = status;
    it->fault = fault;
    return false;
}

/* The mailbox that it names, if the key may see that; 0: it names none, and the key is for all. */
static bool
take_mailbox(struct call *c, const json_t *item, struct item *it, uint32_t *id)
{
    const json_t         *name = json_object_get(item, "mailbox");
    struct mailbox_record mailbox;
    char                  lower[MAILBOX_NAME_MAX + 1];

    *id = 0;
    if (name == NULL || json_is_null(name)) {
        if (c->caller.mailbox_id == 0)
            return true;
        return refuse(it, 404, "the key is for one mailbox, and the result names none");
    }
    if (mailbox_name_parse(text_of(name), lower) != MT_OK || db_mailbox_by_name(c->view, slice_of(lower), &mailbox) != MT_OK ||
        !caller_may_see(&c->caller, mailbox.id))
        return refuse(it, 404, "the mailbox does not exist, or this key may not see it");
    *id = mailbox.id;
    return true;
}

/* One element, as it goes to store. False: it is refused, and it says why. */
static bool
take_item(struct call *c, json_t *item, struct item *it, struct body *out)
{
    struct result_record r = { .received_us = lookup_now_us() };
    struct texts         texts;
    struct slice         name = text_of(json_object_get(item, "check"));
    struct buf           record, fields;
    uint32_t             mailbox_id = 0;
    bool                 fine;

    if (!json_is_object(item))
        return refuse(it, 400, "it is not an object");
    if (!check_name_is_fine(name))
        return refuse(it, 400, "check must be a name of 1 to 100 letters, digits, '.', '-', '_' and '/'");
    slice_copy(it->check, sizeof(it->check), name);
    buf_init(&texts.changes, RESULT_CHANGES_BYTES + 1);
    texts.document = NULL;
    buf_init(&texts.packed, RESULT_DOCUMENT_BYTES);
    it->fault = take_record(item, &r, &texts);
    it->started_us = r.started_us > TIME_US_MAX ? 0 : r.started_us;
    fine = it->fault == NULL ? take_mailbox(c, item, it, &mailbox_id) : refuse(it, 400, it->fault);
    if (fine) {
        buf_init(&record, RESULT_BYTES_MAX);
        buf_init(&fields, RESULT_BYTES_MAX + CHECK_TEXT_MAX + 16);
        result_record_write(&record, &r);
        write_u32(&fields, mailbox_id);
        write_bytes(&fields, name);
        write_bytes(&fields, buf_slice(&record));
        if (record.fault != MT_OK || fields.fault != MT_OK || body_append(out, buf_slice(&fields)) != MT_OK)
            fine = refuse(it, 503, "there is no room for it now");
        buf_fini(&record);
        buf_fini(&fields);
    }
    buf_fini(&texts.changes);
    buf_fini(&texts.packed);
    free(texts.document);
    return fine;
}

/* ---- The answer --------------------------------------------------------------------------------------------------------------- */

static const struct outcome {
    const char *word;
    unsigned    status;         /* 0: it is stored */
    const char *fault;
} outcomes[RESULT_DONE_LIMIT] = {
    [RESULT_STORED]        = { "stored",   0,   NULL },
    [RESULT_REPLACED]      = { "replaced", 0,   NULL },
    [RESULT_TOO_OLD]       = { "refused",  400, "started_at is older than results are kept (retention.result_days)" },
    [RESULT_HOUR_FULL]     = { "refused",  429, "the check has 720 results of that hour already: one every five seconds at most" },
    [RESULT_NO_MAILBOX]    = { "refused",  404, "the mailbox does not exist, or this key may not see it" },
    [RESULT_CHECKS_FULL]   = { "refused",  429, "there are as many checks as there may be; mailtestctl check delete removes those that are not needed" },
    [RESULT_CHECK_DAMAGED] = { "refused",  500, "what is stored of the check is damaged; the operator finds out more with mailtestctl verify" },
};

static void
emit_item(struct emit *j, const struct item *it, const struct outcome *o)
{
    emit_object(j, NULL);
    emit_slice_or_null(j, "check", slice_of(it->check));
    emit_time_us(j, "started_at", it->started_us);
    emit_string(j, "result", o->word);
    if (o->status != 0) {
        emit_u64(j, "status", o->status);
        emit_string(j, "detail", o->fault);
    }
    emit_object_end(j);
}

/* done: what store said of those that were sent, in their order. */
static void
reply_items(struct lookup *l, struct exchange *x, const struct posting *p, const uint8_t *done)
{
    uint64_t    stored = 0, replaced = 0, refused = 0;
    unsigned    at = 0;
    struct emit j = lookup_json(l);

    emit_object(&j, NULL);
    emit_array(&j, "results");
    for (unsigned i = 0; i < p->count; i++) {
        const struct item   *it = &p->items[i];
        const struct outcome own = { "refused", it->status, it->fault };
        const struct outcome *o = it->status != 0 ? &own : &outcomes[done[at++]];

        stored += o == &outcomes[RESULT_STORED];
        replaced += o == &outcomes[RESULT_REPLACED];
        refused += o->status != 0;
        emit_item(&j, it, o);
    }
    emit_array_end(&j);
    emit_u64(&j, "stored", stored);
    emit_u64(&j, "replaced", replaced);
    emit_u64(&j, "refused", refused);
    emit_object_end(&j);
    metric_add(METRIC_RESULTS_REFUSED_TOTAL, refused);
    reply_json(l, x, 200);
}

static int
on_stored(struct lookup *l, struct exchange *x, const struct ask_note *note, int rc, struct reader *r)
{
    const struct posting *p = note->state;
    uint8_t               done[RESULTS_A_POST];

    if (rc != MT_OK) {
        reply_error(x, rc, "the results");
        return MT_OK;
    }
    read_fixed(r, done, p->sent);
    for (unsigned i = 0; i < p->sent && read_ok(r); i++)
        if (done[i] >= RESULT_DONE_LIMIT)
            read_fail(r);
    if (!read_end(r)) {
        reply_error(x, MT_EPROTO, "the store's answer");
        return MT_EPROTO;
    }
    reply_items(l, x, p, done);
    return MT_OK;
}

/* Sends what was not refused. Takes over p. */
static void
send_items(struct call *c, struct posting *p, struct body *items)
{
    struct ask_note note = { .state = p };
    struct slice    octets;
    struct buf     *out;
    int             fd = -1, rc = body_finish(items, &octets, &fd);

    if (rc != MT_OK) {
        free(p);
        reply_error(c->exchange, rc, "the results");
        return;
    }
    out = ask_begin(c->lookup, c->exchange, MSG_RESULTS, &note, on_stored);
    if (out == NULL) {
        free(p);
        return;
    }
    write_u8(out, c->caller.mailbox_id != 0);
    write_u32(out, p->sent);
    write_u64(out, items->size_bytes);
    write_bytes(out, octets);
    ask_end_with(c->lookup, fd);
    items->fd = -1;
}

/* NULL: a problem was replied. */
static struct posting *
make_posting(struct call *c, const json_t *results)
{
    size_t          count = json_array_size(results);
    struct posting *p;

    if (!json_is_array(results) || count == 0) {
        reply_problem(c->exchange, 400, "the body needs \"results\": a list of results of checks");
        return NULL;
    }
    if (count > RESULTS_A_POST) {
        reply_problem(c->exchange, 413, "more than %u results in one request", RESULTS_A_POST);
        return NULL;
    }
    p = calloc(1, sizeof(*p) + count * sizeof(p->items[0]));
    if (p == NULL)
        reply_busy(c->exchange, 1, "out of memory");
    else
        p->count = (unsigned)count;
    return p;
}

void
api_results_post(struct call *c)
{
    static const char *const names[] = { "results", NULL };
    json_t                  *body = body_object_with_nul(c, names), *results = json_object_get(body, "results");
    struct posting          *p = body == NULL ? NULL : make_posting(c, results);
    const uint8_t            nothing[1] = { 0 };
    struct body              items;

    if (p == NULL) {
        json_decref(body);
        return;
    }
    body_init(&items);
    for (unsigned i = 0; i < p->count; i++)
        p->sent += take_item(c, json_array_get(results, i), &p->items[i], &items);
    json_decref(body);
    if (p->sent > 0) {
        send_items(c, p, &items);
    } else {
        reply_items(c->lookup, c->exchange, p, nothing);
        free(p);
    }
    body_fini(&items);
}
