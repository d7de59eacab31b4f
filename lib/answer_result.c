#include "lib/answer_result.h"

/* Sentences, each ended by LF. */
static void
emit_changes(struct emit *j, struct slice changes)
{
    emit_array(j, "changes");
    while (changes.len > 0) {
        size_t end = slice_find(changes, '\n');

        emit_slice(j, NULL, slice_sub(changes, 0, end));
        changes = slice_sub(changes, end + 1, changes.len);
    }
    emit_array_end(j);
}

static void
emit_number_or_null(struct emit *j, const char *key, uint64_t value)
{
    if (value == 0)
        emit_null(j, key);
    else
        emit_u64(j, key, value);
}

static void
emit_document(struct emit *j, const struct result_record *r, bool with_document)
{
    struct slice text;
    struct buf   unpacked;

    emit_u64(j, "document_octets", r->document_bytes);
    if (!with_document)
        return;
    buf_init(&unpacked, RESULT_DOCUMENT_BYTES);
    text = result_document_text(r, &unpacked);
    if (text.len == 0)
        emit_null(j, "document");
    else
        emit_json(j, "document", text);
    buf_fini(&unpacked);
}

void
answer_result(struct emit *j, const char *key, const struct result_record *r, bool with_document)
{
    emit_object(j, key);
    emit_slice_or_null(j, "id", r->id);
    emit_string(j, "kind", result_kind_name(r->kind));
    emit_number_or_null(j, "scenario", r->scenario);
    emit_time_us(j, "started_at", r->started_us);
    emit_seconds(j, "took_s", (int64_t)r->took_us);
    emit_time_us(j, "received_at", r->received_us);
    emit_string(j, "state", result_state_name(r->state));
    emit_slice(j, "verdict", r->verdict);
    emit_slice_or_null(j, "cause", r->cause);
    emit_slice_or_null(j, "step", r->step);
    emit_slice_or_null(j, "host", r->host);
    emit_number_or_null(j, "code", r->code);
    emit_slice_or_null(j, "reply", r->reply);
    emit_slice_or_null(j, "reason", r->reason);
    emit_bool(j, "deferred", r->deferred);
    emit_object(j, "times");
    for (uint32_t i = 0; i < r->times_count; i++)
        emit_seconds(j, r->times[i].name, (int64_t)r->times[i].us);
    emit_object_end(j);
    emit_changes(j, r->changes);
    emit_document(j, r, with_document);
    emit_object_end(j);
}

void
answer_check(struct emit *j, const char *key, const struct check_record *c, struct slice mailbox, const struct result_record *newest,
             bool with_document)
{
    emit_object(j, key);
    emit_slice(j, "check", c->name);
    emit_slice_or_null(j, "mailbox", mailbox);
    emit_string(j, "kind", result_kind_name(c->kind));
    emit_string(j, "state", result_state_name(c->state));
    emit_time_us(j, "since", c->since_us);
    emit_slice(j, "verdict", c->verdict);
    emit_time_us(j, "last_at", c->last_us);
    emit_time_us(j, "known_since", c->created_us);
    emit_u64(j, "runs", c->runs);
    emit_object(j, "states");
    for (unsigned i = 0; i < RESULT_STATES; i++)
        emit_u64(j, result_state_name((enum result_state)i), c->states[i]);
    emit_object_end(j);
    emit_u64(j, "results_kept", c->results);
    emit_u64(j, "hours_kept", c->sums);
    if (newest == NULL)
        emit_null(j, "result");
    else
        answer_result(j, "result", newest, with_document);
    emit_object_end(j);
}

/* Members count, sum_s, average_s, min_s, max_s of an object that is open. */
static void
emit_time_facts(struct emit *j, const struct result_sum_time *t)
{
    emit_u64(j, "count", t->count);
    emit_seconds(j, "sum_s", (int64_t)t->sum_us);
    emit_seconds(j, "average_s", (int64_t)(t->count == 0 ? 0 : t->sum_us / t->count));
    emit_seconds(j, "min_s", (int64_t)t->min_us);
    emit_seconds(j, "max_s", (int64_t)t->max_us);
}

static void
emit_total(struct emit *j, const struct result_sum *s)
{
    if (s->total.count == 0) {
        emit_null(j, "total");
        return;
    }
    emit_object(j, "total");
    emit_time_facts(j, &s->total);
    emit_seconds(j, "p50_s", (int64_t)result_sum_percentile_us(s, 50));
    emit_seconds(j, "p95_s", (int64_t)result_sum_percentile_us(s, 95));
    emit_seconds(j, "p99_s", (int64_t)result_sum_percentile_us(s, 99));
    emit_object_end(j);
}

void
answer_result_sum(struct emit *j, const char *key, uint32_t hour, const struct result_sum *s)
{
    emit_object(j, key);
    emit_time_unix(j, "hour", (int64_t)hour * 3600);
    emit_u64(j, "runs", s->runs);
    emit_u64(j, "deferred", s->deferred);
    emit_object(j, "states");
    for (unsigned i = 0; i < RESULT_STATES; i++)
        emit_u64(j, result_state_name((enum result_state)i), s->states[i]);
    emit_object_end(j);
    emit_object(j, "verdicts");
    for (unsigned i = 0; i < RESULT_VERDICTS; i++)
        if (s->verdicts[i] > 0)
            emit_u64(j, result_verdict_name((enum result_verdict)i), s->verdicts[i]);
    emit_object_end(j);
    emit_total(j, s);
    emit_object(j, "times");
    for (uint32_t i = 0; i < s->times_count; i++) {
        emit_object(j, s->times[i].name);
        emit_time_facts(j, &s->times[i]);
        emit_object_end(j);
    }
    emit_object_end(j);
    emit_object_end(j);
}
