/* result - see result.h. The octets of each record: version, fields in the order of the struct, checksum. */

#include "lib/result.h"

#include "lib/error.h"

#include <assert.h>
#include <zlib.h>

static const char *const kind_names[RESULT_KINDS] = {
    [RESULT_ROUND_TRIP] = "round-trip", [RESULT_SMTP] = "smtp", [RESULT_BLACKLIST] = "blacklist",
};

static const char *const state_names[RESULT_STATES] = {
    [RESULT_OK] = "OK", [RESULT_WARNING] = "WARNING", [RESULT_CRITICAL] = "CRITICAL", [RESULT_UNKNOWN] = "UNKNOWN",
};

static const char *const verdict_names[RESULT_VERDICTS] = {
    [RESULT_ARRIVED] = "arrived",         [RESULT_LATE] = "late",       [RESULT_JUNK] = "junk",
    [RESULT_NOT_SENT] = "not-sent",       [RESULT_NOT_ARRIVED] = "not-arrived",
    [RESULT_RECEIVER_DOWN] = "not-arrived-receiver-down",               [RESULT_BOUNCED] = "bounced",
    [RESULT_AUTOREPLY] = "autoreply",     [RESULT_LISTED] = "listed",   [RESULT_FINE] = "ok",
    [RESULT_FAILED] = "failed",           [RESULT_NOT_KNOWN] = "unknown", [RESULT_OTHER] = "other",
};

const char *
result_kind_name(enum result_kind kind)
{
    assert((unsigned)kind < RESULT_KINDS);
    return kind_names[kind];
}

const char *
result_state_name(enum result_state state)
{
    assert((unsigned)state < RESULT_STATES);
    return state_names[state];
}

const char *
result_verdict_name(enum result_verdict verdict)
{
    assert((unsigned)verdict < RESULT_VERDICTS);
    return verdict_names[verdict];
}

int
result_kind_of(struct slice word, enum result_kind *out)
{
    for (unsigned i = 0; i < RESULT_KINDS; i++)
        if (slice_equal(word, slice_of(kind_names[i]))) {
            *out = (enum result_kind)i;
            return MT_OK;
        }
    return MT_ESYNTAX;
}

int
result_state_of(struct slice word, enum result_state *out)
{
    for (unsigned i = 0; i < RESULT_STATES; i++)
        if (slice_equal_nocase(word, slice_of(state_names[i]))) {
            *out = (enum result_state)i;
            return MT_OK;
        }
    return MT_ESYNTAX;
}

enum result_verdict
result_verdict_of(struct slice word)
{
    for (unsigned i = 0; i < RESULT_OTHER; i++)
        if (slice_equal(word, slice_of(verdict_names[i])))
            return (enum result_verdict)i;
    return RESULT_OTHER;
}

static bool
is_word_octet(char c)
{
    char lower = ascii_lower(c);

    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

static bool
is_word(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_word_octet(s.data[i]))
            return false;
    return true;
}

bool
check_name_is_fine(struct slice name)
{
    if (name.len == 0 || name.len > CHECK_TEXT_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_word_octet(name.data[i]) && name.data[i] != '/')
            return false;
    return true;
}

/* ---- One run ------------------------------------------------------------------------------------------------------------- */

void
result_record_write(struct buf *b, const struct result_record *r)
{
    size_t at = record_begin(b);

    assert(r->times_count <= RESULT_TIMES_MAX);
    write_u64(b, r->started_us);
    write_u64(b, r->took_us);
    write_u64(b, r->received_us);
    write_u8(b, (uint8_t)r->kind);
    write_u8(b, (uint8_t)r->state);
    write_u8(b, r->deferred);
    write_u8(b, r->scenario);
    write_u32(b, r->code);
    write_bytes(b, r->id);
    write_bytes(b, r->verdict);
    write_bytes(b, r->cause);
    write_bytes(b, r->step);
    write_bytes(b, r->host);
    write_bytes(b, r->reply);
    write_bytes(b, r->reason);
    write_bytes(b, r->changes);
    write_bytes(b, r->document);
    write_u8(b, r->document_packed);
    write_u32(b, r->document_bytes);
    write_u32(b, r->times_count);
    for (uint32_t i = 0; i < r->times_count; i++) {
        write_string(b, r->times[i].name);
        write_u64(b, r->times[i].us);
    }
    record_end(b, at);
}

/* An octet that numbers one of count things. */
static unsigned
read_choice(struct reader *r, unsigned count)
{
    uint8_t value;

    read_u8(r, &value);
    if (value >= count) {
        read_fail(r);
        return 0;
    }
    return value;
}

/* A step's name, which becomes one of a JSON member. */
static void
read_step(struct reader *r, char out[RESULT_STEP_BYTES + 1])
{
    read_string(r, out, RESULT_STEP_BYTES + 1);
    if (out[0] == '\0' || !is_word(slice_of(out)))
        read_fail(r);
}

int
result_record_read(struct slice bytes, struct result_record *out)
{
    enum { TIME_MIN_BYTES = 12 };
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_time_us(&r, &out->started_us);
    read_u64(&r, &out->took_us);
    read_time_us(&r, &out->received_us);
    out->kind = (enum result_kind)read_choice(&r, RESULT_KINDS);
    out->state = (enum result_state)read_choice(&r, RESULT_STATES);
    read_bool(&r, &out->deferred);
    read_u8(&r, &out->scenario);
    read_u32(&r, &out->code);
    read_bytes(&r, &out->id, RESULT_ID_BYTES);
    read_bytes(&r, &out->verdict, RESULT_VERDICT_BYTES);
    read_bytes(&r, &out->cause, RESULT_CAUSE_BYTES);
    read_bytes(&r, &out->step, RESULT_STEP_BYTES);
    read_bytes(&r, &out->host, RESULT_HOST_BYTES);
    read_bytes(&r, &out->reply, RESULT_REPLY_BYTES);
    read_bytes(&r, &out->reason, RESULT_REASON_BYTES);
    read_bytes(&r, &out->changes, RESULT_CHANGES_BYTES);
    read_bytes(&r, &out->document, RESULT_DOCUMENT_BYTES);
    read_bool(&r, &out->document_packed);
    read_u32(&r, &out->document_bytes);
    read_count(&r, &out->times_count, RESULT_TIMES_MAX, TIME_MIN_BYTES);
    for (uint32_t i = 0; i < out->times_count; i++) {
        read_step(&r, out->times[i].name);
        read_u64(&r, &out->times[i].us);
    }
    return record_close(&r);
}

static const char *
times_fault(const struct result_record *r)
{
    for (uint32_t i = 0; i < r->times_count; i++) {
        struct slice name = slice_of(r->times[i].name);

        if (name.len == 0 || !is_word(name))
            return "a name in times must be 1 to 16 letters, digits, '.', '-' or '_'";
        if (r->times[i].us > RESULT_TIME_MAX_US)
            return "a time is longer than 31 days";
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(r->times[k].name, r->times[i].name) == 0)
                return "a time is given twice";
    }
    return NULL;
}

const char *
result_fault(const struct result_record *r, uint64_t now_us)
{
    if (r->started_us == 0 || r->started_us > TIME_US_MAX)
        return "started_at must be a time as 2026-11-21T03:30:00.123456Z";
    if (r->started_us > now_us + RESULT_AHEAD_MAX_US)
        return "started_at is more than a day ahead of this service's clock";
    if (r->took_us > RESULT_TIME_MAX_US)
        return "took_s must be seconds, from 0 to 31 days";
    if (r->verdict.len == 0 || !is_word(r->verdict))
        return "verdict must be a word of 1 to 31 letters, digits, '.', '-' and '_'";
    if (!is_word(r->step))
        return "step must be a word of at most 16 letters, digits, '.', '-' and '_'";
    if (r->scenario > 5)
        return "scenario must be a number from 1 to 5";
    if (r->code > 999)
        return "code must be a number of at most three digits";
    if (r->document.len > 0 && !r->document_packed && !result_document_is_flat(r->document))
        return "document has more than 64 objects and arrays within each other";
    return times_fault(r);
}

void
result_document_pack(struct slice json, struct result_record *r, struct buf *out)
{
    uLongf len = json.len;
    char  *room = json.len == 0 ? NULL : buf_reserve(out, json.len);

    r->document = json;
    /* It fits where it is shorter, and else stays as it is. */
    r->document_packed = room != NULL && compress2((Bytef *)room, &len, (const Bytef *)json.data, json.len, Z_DEFAULT_COMPRESSION) == Z_OK && len < json.len;
    if (!r->document_packed)
        return;
    buf_added(out, len);
    r->document = buf_slice(out);
}

struct slice
result_document_text(const struct result_record *r, struct buf *out)
{
    uLongf len = RESULT_DOCUMENT_BYTES;
    size_t at = out->len;
    char  *room;

    if (!r->document_packed)
        return r->document;
    room = buf_reserve(out, RESULT_DOCUMENT_BYTES);
    if (room == NULL || uncompress((Bytef *)room, &len, (const Bytef *)r->document.data, r->document.len) != Z_OK)
        return slice_make(NULL, 0);
    buf_added(out, len);
    return slice_sub(buf_slice(out), at, len);
}

bool
result_document_is_flat(struct slice json)
{
    unsigned depth = 0;
    bool     in_string = false;

    for (size_t i = 0; i < json.len; i++) {
        char c = json.data[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if ((c == '{' || c == '[') && ++depth > RESULT_DOCUMENT_DEPTH) {
            return false;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return true;
}

bool
result_total_us(const struct result_record *r, uint64_t *out)
{
    for (uint32_t i = 0; i < r->times_count; i++)
        if (strcmp(r->times[i].name, "total") == 0) {
            *out = r->times[i].us;
            return true;
        }
    *out = r->took_us;
    return r->kind != RESULT_ROUND_TRIP;
}

/* ---- Hours ---------------------------------------------------------------------------------------------------------------- */

/* Bucket 0 ends here; the last that has an end, at 1 ms times 2 to the power of 19: 524 s. */
#define FIRST_BUCKET_US UINT64_C(1000)

uint64_t
result_bucket_us(unsigned bucket)
{
    uint64_t octave = FIRST_BUCKET_US << (bucket / 2);

    if (bucket >= RESULT_BUCKETS - 1)
        return UINT64_MAX;
    return bucket % 2 == 0 ? octave : octave * 1414 / 1000;
}

static unsigned
bucket_of(uint64_t us)
{
    unsigned i = 0;

    while (us > result_bucket_us(i))
        i++;
    return i;
}

static void
add_time(struct result_sum_time *t, uint32_t count, uint64_t sum_us, uint64_t min_us, uint64_t max_us)
{
    if (count == 0)
        return;
    if (t->count == 0 || min_us < t->min_us)
        t->min_us = min_us;
    if (max_us > t->max_us)
        t->max_us = max_us;
    t->count += count;
    t->sum_us += sum_us;
}

/* NULL: there is no place for another step. */
static struct result_sum_time *
time_named(struct result_sum *s, const char *name)
{
    for (uint32_t i = 0; i < s->times_count; i++)
        if (strcmp(s->times[i].name, name) == 0)
            return &s->times[i];
    if (s->times_count == RESULT_SUM_TIMES)
        return NULL;
    s->times[s->times_count] = (struct result_sum_time){ .count = 0 };
    slice_copy(s->times[s->times_count].name, sizeof(s->times[0].name), slice_of(name));
    return &s->times[s->times_count++];
}

void
result_sum_add(struct result_sum *s, const struct result_record *r)
{
    uint64_t total;

    s->runs++;
    s->deferred += r->deferred;
    s->states[r->state]++;
    s->verdicts[result_verdict_of(r->verdict)]++;
    if (result_total_us(r, &total)) {
        add_time(&s->total, 1, total, total, total);
        s->buckets[bucket_of(total)]++;
    }
    for (uint32_t i = 0; i < r->times_count; i++) {
        struct result_sum_time *t = time_named(s, r->times[i].name);

        if (t != NULL)
            add_time(t, 1, r->times[i].us, r->times[i].us, r->times[i].us);
        else
            s->times_left_out++;
    }
}

uint64_t
result_sum_percentile_us(const struct result_sum *s, unsigned percent)
{
    uint64_t wanted = ((uint64_t)s->total.count * percent + 99) / 100, seen = 0, us;
    unsigned i = 0;

    if (s->total.count == 0)
        return 0;
    while (i < RESULT_BUCKETS - 1 && (seen += s->buckets[i]) < wanted)
        i++;
    us = result_bucket_us(i);
    return us > s->total.max_us ? s->total.max_us : us < s->total.min_us ? s->total.min_us : us;
}

static void
sum_time_write(struct buf *b, const struct result_sum_time *t)
{
    write_u32(b, t->count);
    write_u64(b, t->sum_us);
    write_u64(b, t->min_us);
    write_u64(b, t->max_us);
}

static void
sum_time_read(struct reader *r, struct result_sum_time *out)
{
    read_u32(r, &out->count);
    read_u64(r, &out->sum_us);
    read_u64(r, &out->min_us);
    read_u64(r, &out->max_us);
    if (out->min_us > out->max_us)
        read_fail(r);
}

/* Only the buckets that have something: most hours have two or three. */
static void
buckets_write(struct buf *b, const struct result_sum *s)
{
    uint32_t used = 0;

    for (unsigned i = 0; i < RESULT_BUCKETS; i++)
        used += s->buckets[i] > 0;
    write_u32(b, used);
    for (unsigned i = 0; i < RESULT_BUCKETS; i++)
        if (s->buckets[i] > 0) {
            write_u8(b, (uint8_t)i);
            write_u32(b, s->buckets[i]);
        }
}

static void
buckets_read(struct reader *r, struct result_sum *out)
{
    enum { BUCKET_BYTES = 5 };
    uint32_t used;
    unsigned next = 0;

    memset(out->buckets, 0, sizeof(out->buckets));
    read_count(r, &used, RESULT_BUCKETS, BUCKET_BYTES);
    for (uint32_t i = 0; i < used; i++) {
        unsigned bucket = read_choice(r, RESULT_BUCKETS);

        read_u32(r, &out->buckets[bucket]);
        if (bucket < next || out->buckets[bucket] == 0)
            read_fail(r);
        next = bucket + 1;
    }
}

void
result_sum_write(struct buf *b, const struct result_sum *s)
{
    size_t at = record_begin(b);

    assert(s->times_count <= RESULT_SUM_TIMES);
    write_u32(b, s->runs);
    write_u32(b, s->deferred);
    for (unsigned i = 0; i < RESULT_STATES; i++)
        write_u32(b, s->states[i]);
    write_u8(b, RESULT_VERDICTS);
    for (unsigned i = 0; i < RESULT_VERDICTS; i++)
        write_u32(b, s->verdicts[i]);
    sum_time_write(b, &s->total);
    buckets_write(b, s);
    write_u32(b, s->times_left_out);
    write_u32(b, s->times_count);
    for (uint32_t i = 0; i < s->times_count; i++) {
        write_string(b, s->times[i].name);
        sum_time_write(b, &s->times[i]);
    }
    record_end(b, at);
}

int
result_sum_read(struct slice bytes, struct result_sum *out)
{
    enum { TIME_MIN_BYTES = 32 };
    struct reader r;
    uint8_t       verdicts;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->runs);
    read_u32(&r, &out->deferred);
    for (unsigned i = 0; i < RESULT_STATES; i++)
        read_u32(&r, &out->states[i]);
    read_u8(&r, &verdicts);
    if (verdicts != RESULT_VERDICTS)
        read_fail(&r);
    for (unsigned i = 0; i < RESULT_VERDICTS; i++)
        read_u32(&r, &out->verdicts[i]);
    out->total.name[0] = '\0';
    sum_time_read(&r, &out->total);
    buckets_read(&r, out);
    read_u32(&r, &out->times_left_out);
    read_count(&r, &out->times_count, RESULT_SUM_TIMES, TIME_MIN_BYTES);
    for (uint32_t i = 0; i < out->times_count; i++) {
        read_step(&r, out->times[i].name);
        sum_time_read(&r, &out->times[i]);
    }
    return record_close(&r);
}

/* ---- Checks --------------------------------------------------------------------------------------------------------------- */

void
check_record_write(struct buf *b, const struct check_record *c)
{
    size_t at = record_begin(b);

    write_u32(b, c->id);
    write_u32(b, c->mailbox_id);
    write_bytes(b, c->name);
    write_u8(b, (uint8_t)c->kind);
    write_u64(b, c->created_us);
    write_u64(b, c->last_us);
    write_u8(b, (uint8_t)c->state);
    write_bytes(b, c->verdict);
    write_u64(b, c->since_us);
    write_u64(b, c->runs);
    for (unsigned i = 0; i < RESULT_STATES; i++)
        write_u64(b, c->states[i]);
    write_u32(b, c->results);
    write_u64(b, c->bytes);
    write_u32(b, c->sums);
    write_u64(b, c->closed_us);
    record_end(b, at);
}

int
check_record_read(struct slice bytes, struct check_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->id);
    read_u32(&r, &out->mailbox_id);
    read_bytes(&r, &out->name, CHECK_TEXT_MAX);
    out->kind = (enum result_kind)read_choice(&r, RESULT_KINDS);
    read_time_us(&r, &out->created_us);
    read_time_us(&r, &out->last_us);
    out->state = (enum result_state)read_choice(&r, RESULT_STATES);
    read_bytes(&r, &out->verdict, RESULT_VERDICT_BYTES);
    read_time_us(&r, &out->since_us);
    read_u64(&r, &out->runs);
    for (unsigned i = 0; i < RESULT_STATES; i++)
        read_u64(&r, &out->states[i]);
    read_u32(&r, &out->results);
    read_u64(&r, &out->bytes);
    read_u32(&r, &out->sums);
    read_time_us(&r, &out->closed_us);
    return record_close(&r);
}
