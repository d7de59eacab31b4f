#include "tests/unit/unit.h"

#include "lib/result.h"

#include <stdio.h>

static const struct result_record whole = {
    .started_us = UINT64_C(1795233000123456),
    .took_us = 3500000,
    .received_us = UINT64_C(1795233004000000),
    .kind = RESULT_ROUND_TRIP,
    .state = RESULT_WARNING,
    .deferred = true,
    .scenario = 5,
    .code = 451,
    .id = { "a#1", 3 },
    .verdict = { "late", 4 },
    .cause = { "server relay.example:587 connect", 32 },
    .step = { "rcpt", 4 },
    .host = { "mx1.example[192.0.2.1]:25", 25 },
    .reply = { "451 4.7.1 come again", 20 },
    .reason = { "it came after the window", 24 },
    .changes = { "one\ntwo\n", 8 },
    .document = { "{\"a\":1}", 7 },
    .document_bytes = 7,
    .times_count = 2,
    .times = { { "connect", 12345 }, { "total", 3200000 } },
};

static void
a_result_reads_back_as_it_was_written(void **state)
{
    struct result_record r;
    struct buf           b;

    (void)state;
    buf_init(&b, RESULT_BYTES_MAX);
    result_record_write(&b, &whole);
    assert_int_equal(b.fault, MT_OK);
    assert_rc("read", result_record_read(buf_slice(&b), &r), MT_OK);
    assert_int_equal(r.started_us, whole.started_us);
    assert_int_equal(r.took_us, whole.took_us);
    assert_int_equal(r.received_us, whole.received_us);
    assert_int_equal(r.kind, whole.kind);
    assert_int_equal(r.state, whole.state);
    assert_true(r.deferred);
    assert_int_equal(r.scenario, 5);
    assert_int_equal(r.code, 451);
    assert_slice("id", r.id, "a#1");
    assert_slice("verdict", r.verdict, "late");
    assert_slice("cause", r.cause, "server relay.example:587 connect");
    assert_slice("step", r.step, "rcpt");
    assert_slice("host", r.host, "mx1.example[192.0.2.1]:25");
    assert_slice("reply", r.reply, "451 4.7.1 come again");
    assert_slice("reason", r.reason, "it came after the window");
    assert_slice("changes", r.changes, "one\ntwo\n");
    assert_slice("document", r.document, "{\"a\":1}");
    assert_int_equal(r.document_bytes, 7);
    assert_int_equal(r.times_count, 2);
    assert_string_equal(r.times[1].name, "total");
    assert_int_equal(r.times[1].us, 3200000);
    buf_fini(&b);
}

/* Every octet counts: whatever is flipped, and wherever it is cut. */
static void
a_damaged_record_is_never_read(void **state)
{
    struct check_record  c = { .id = 7, .mailbox_id = 3, .name = slice_of("a/b"), .verdict = slice_of("late"), .state = RESULT_CRITICAL, .runs = 5 };
    struct result_sum    sum = { .runs = 0 };
    struct result_record r;
    struct buf           b[3];

    (void)state;
    result_sum_add(&sum, &whole);
    for (size_t i = 0; i < COUNT(b); i++)
        buf_init(&b[i], RESULT_BYTES_MAX);
    result_record_write(&b[0], &whole);
    result_sum_write(&b[1], &sum);
    check_record_write(&b[2], &c);
    for (size_t i = 0; i < COUNT(b); i++)
        for (size_t at = 0; at < b[i].len; at++) {
            for (unsigned whole_or_flipped = 0; whole_or_flipped < 2; whole_or_flipped++) {
                struct slice bytes = slice_sub(buf_slice(&b[i]), 0, whole_or_flipped ? b[i].len : at);
                int          rc;

                b[i].data[at] ^= whole_or_flipped ? 0x10 : 0;
                rc = i == 0 ? result_record_read(bytes, &r) : i == 1 ? result_sum_read(bytes, &sum) : check_record_read(bytes, &c);
                b[i].data[at] ^= whole_or_flipped ? 0x10 : 0;
                assert_rc("damaged", rc, MT_EDAMAGED);
            }
        }
    for (size_t i = 0; i < COUNT(b); i++)
        buf_fini(&b[i]);
}

static void
a_check_reads_back_as_it_was_written(void **state)
{
    const struct check_record c = { .id = 7, .mailbox_id = 3, .name = slice_of("probe/a.b-c_d"), .kind = RESULT_BLACKLIST, .created_us = 1, .last_us = 9,
                                    .state = RESULT_UNKNOWN, .verdict = slice_of("listed"), .since_us = 5, .runs = UINT64_C(1) << 40,
                                    .states = { 1, 2, 3, 4 }, .results = 8, .bytes = UINT64_C(1) << 41, .sums = 6, .closed_us = 4 };
    struct check_record       out;
    struct buf                b;

    (void)state;
    buf_init(&b, RECORD_BYTES_MAX);
    check_record_write(&b, &c);
    assert_rc("read", check_record_read(buf_slice(&b), &out), MT_OK);
    assert_slice("name", out.name, "probe/a.b-c_d");
    assert_slice("verdict", out.verdict, "listed");
    assert_true(out.id == c.id && out.mailbox_id == c.mailbox_id && out.kind == c.kind && out.created_us == c.created_us && out.last_us == c.last_us &&
                out.state == c.state && out.since_us == c.since_us && out.runs == c.runs && out.results == c.results && out.bytes == c.bytes &&
                out.sums == c.sums && out.closed_us == c.closed_us && memcmp(out.states, c.states, sizeof(c.states)) == 0);
    buf_fini(&b);
}

static const struct {
    const char *label, *name;
    bool        fine;
} names[] = {
    { "a word",          "acme",              true  },
    { "all that may be", "Probe/acme.mx-1_x", true  },
    { "one character",   "a",                 true  },
    { "nothing",         "",                  false },
    { "a blank",         "a b",               false },
    { "a percent sign",  "a%2f",              false },
    { "not ASCII",       "ä",                 false },
    { "a control",       "a\n",               false },
};

static void
names_of_checks(void **state)
{
    char longest[CHECK_TEXT_MAX + 2];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        if (check_name_is_fine(slice_of(names[i].name)) != names[i].fine)
            fail_msg("%s", names[i].label);
    memset(longest, 'x', sizeof(longest));
    assert_true(check_name_is_fine(slice_make(longest, CHECK_TEXT_MAX)));
    assert_false(check_name_is_fine(slice_make(longest, CHECK_TEXT_MAX + 1)));
}

static void
words_have_numbers_and_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RESULT_KINDS; i++) {
        enum result_kind kind;

        assert_int_equal(result_kind_of(slice_of(result_kind_name((enum result_kind)i)), &kind), MT_OK);
        assert_int_equal(kind, i);
    }
    for (unsigned i = 0; i < RESULT_STATES; i++) {
        enum result_state s;

        assert_int_equal(result_state_of(slice_of(result_state_name((enum result_state)i)), &s), MT_OK);
        assert_int_equal(s, i);
    }
    for (unsigned i = 0; i < RESULT_OTHER; i++)
        assert_int_equal(result_verdict_of(slice_of(result_verdict_name((enum result_verdict)i))), i);
    assert_int_equal(result_verdict_of(slice_of("eaten")), RESULT_OTHER);
}

/* What repeats itself gets shorter, what does not stays as it is, and what is damaged is not told. */
static void
documents_are_packed(void **state)
{
    struct result_record r = whole;
    struct buf           text, packed, out;

    (void)state;
    buf_init(&text, RESULT_DOCUMENT_BYTES);
    buf_init(&packed, RESULT_DOCUMENT_BYTES);
    buf_init(&out, RESULT_DOCUMENT_BYTES);
    result_document_pack(slice_of("{}"), &r, &packed);
    assert_false(r.document_packed);
    assert_slice("short", result_document_text(&r, &out), "{}");
    result_document_pack(slice_make(NULL, 0), &r, &packed);
    assert_int_equal(result_document_text(&r, &out).len, 0);
    while (text.len < RESULT_DOCUMENT_BYTES - 100)
        buf_printf(&text, "[\"connect\", \"mx%zu.example\"]", text.len);
    buf_clear(&packed);
    result_document_pack(buf_slice(&text), &r, &packed);
    assert_true(r.document_packed && r.document.len < text.len / 3);
    assert_true(slice_equal(result_document_text(&r, &out), buf_slice(&text)));
    packed.data[packed.len / 2] ^= 0x55;
    buf_clear(&out);
    assert_int_equal(result_document_text(&r, &out).len, 0);
    buf_fini(&text);
    buf_fini(&packed);
    buf_fini(&out);
}

/* ---- Bounds ---- */

#define NOW UINT64_C(1795233005000000)

static void
what_is_out_of_bounds_is_told(void **state)
{
    struct result_record r;
    char                 deep[2 * RESULT_DOCUMENT_DEPTH + 8] = "";

    (void)state;
    assert_null(result_fault(&whole, NOW));
    assert_null(result_fault(&whole, whole.started_us - RESULT_AHEAD_MAX_US));
    assert_non_null(result_fault(&whole, whole.started_us - RESULT_AHEAD_MAX_US - 1));
#define FAULTY(change) \
    do { \
        r = whole; \
        change; \
        if (result_fault(&r, NOW) == NULL) \
            fail_msg("%s", #change); \
    } while (0)
    FAULTY(r.started_us = 0);
    FAULTY(r.started_us = UINT64_MAX);
    FAULTY(r.took_us = RESULT_TIME_MAX_US + 1);
    FAULTY(r.verdict = slice_of(""));
    FAULTY(r.verdict = slice_of("not good"));
    FAULTY(r.step = slice_of("\n"));
    FAULTY(r.scenario = 6);
    FAULTY(r.code = 1000);
    FAULTY(r.times[0].us = RESULT_TIME_MAX_US + 1);
    FAULTY(r.times[0].name[0] = '\0');
    FAULTY(r.times[0].name[0] = ' ');
    FAULTY(r.times[1] = r.times[0]);
    memset(deep, '[', RESULT_DOCUMENT_DEPTH);
    assert_true(result_document_is_flat(slice_of(deep)));
    deep[RESULT_DOCUMENT_DEPTH] = '{';
    assert_false(result_document_is_flat(slice_of(deep)));
    FAULTY(r.document = slice_of(deep));
}

/* Brackets in texts are no depth, and what was closed is none any more. */
static void
depth_is_told_from_texts(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 64 * 1024);
    buf_append_string(&b, "[\"\\\"");
    for (unsigned i = 0; i < 1000; i++)
        buf_append_string(&b, "[{");
    buf_append_string(&b, "\\\\\"");
    for (unsigned i = 0; i < 1000; i++)
        buf_append_string(&b, ",[{}]");
    buf_append_string(&b, "]");
    assert_true(result_document_is_flat(buf_slice(&b)));
    buf_fini(&b);
}

/* ---- Sums ---- */

static uint32_t
draw(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void
draw_result(uint32_t *seed, struct result_record *r)
{
    static const char *const verdicts[] = { "arrived", "late", "not-sent", "bounced", "eaten" };
    static const char *const steps[] = { "connect", "banner", "tls", "rcpt" };

    *r = (struct result_record){ .started_us = NOW + draw(seed), .took_us = draw(seed), .kind = draw(seed) % 4 == 0 ? RESULT_SMTP : RESULT_ROUND_TRIP,
                                 .state = (enum result_state)(draw(seed) % RESULT_STATES), .deferred = draw(seed) % 5 == 0,
                                 .verdict = slice_of(verdicts[draw(seed) % COUNT(verdicts)]) };
    for (size_t i = 0; i < COUNT(steps); i++)
        if (draw(seed) % 3 != 0) {
            struct result_time *t = &r->times[r->times_count++];

            slice_copy(t->name, sizeof(t->name), slice_of(steps[i]));
            t->us = draw(seed) % 1000000;
        }
    if (draw(seed) % 4 != 0) {
        r->times[r->times_count] = (struct result_time){ .name = "total", .us = draw(seed) };
        r->times_count++;
    }
}

/* The same numbers, reckoned in the simplest way. */
static void
a_sum_is_exact(void **state)
{
    enum { RUNS = 500 };
    static struct result_record runs[RUNS];
    struct result_sum           s = { .runs = 0 }, read = { .runs = 0 };
    uint64_t                    total = 0, least = UINT64_MAX, most = 0, connects = 0, in_buckets = 0, us;
    uint32_t                    seed = 4711, count = 0, connect_count = 0, deferred = 0, late = 0;
    struct buf                  b;

    (void)state;
    for (unsigned i = 0; i < RUNS; i++) {
        draw_result(&seed, &runs[i]);
        result_sum_add(&s, &runs[i]);
        deferred += runs[i].deferred;
        late += slice_equal(runs[i].verdict, slice_of("late"));
        if (result_total_us(&runs[i], &us)) {
            count++;
            total += us;
            least = us < least ? us : least;
            most = us > most ? us : most;
        }
        for (unsigned k = 0; k < runs[i].times_count; k++)
            if (strcmp(runs[i].times[k].name, "connect") == 0) {
                connect_count++;
                connects += runs[i].times[k].us;
            }
    }
    buf_init(&b, RECORD_BYTES_MAX);
    result_sum_write(&b, &s);
    assert_rc("read", result_sum_read(buf_slice(&b), &read), MT_OK);
    assert_memory_equal(&read, &s, sizeof(s));
    buf_fini(&b);
    assert_true(read.runs == RUNS && read.deferred == deferred && read.verdicts[RESULT_LATE] == late && late > 0);
    assert_true(read.total.count == count && read.total.sum_us == total && read.total.min_us == least && read.total.max_us == most);
    assert_int_equal(read.states[0] + read.states[1] + read.states[2] + read.states[3], RUNS);
    for (unsigned i = 0; i < RESULT_BUCKETS; i++)
        in_buckets += read.buckets[i];
    assert_int_equal(in_buckets, count);
    for (unsigned i = 0; i < read.times_count; i++)
        if (strcmp(read.times[i].name, "connect") == 0)
            assert_true(read.times[i].count == connect_count && read.times[i].sum_us == connects);
}

static void
steps_without_a_place_are_counted(void **state)
{
    struct result_sum    s = { .runs = 0 };
    struct result_record r = { .verdict = slice_of("ok"), .times_count = 1 };

    (void)state;
    for (unsigned i = 0; i < RESULT_SUM_TIMES + 5; i++) {
        snprintf(r.times[0].name, sizeof(r.times[0].name), "step-%u", i);
        result_sum_add(&s, &r);
    }
    assert_int_equal(s.times_count, RESULT_SUM_TIMES);
    assert_int_equal(s.times_left_out, 5);
    assert_int_equal(s.runs, RESULT_SUM_TIMES + 5);
}

static void
buckets_grow_and_percentiles_are_right_to_one(void **state)
{
    struct result_sum    s = { .runs = 0 };
    struct result_record r = { .kind = RESULT_SMTP, .verdict = slice_of("ok") };

    (void)state;
    for (unsigned i = 1; i < RESULT_BUCKETS - 1; i++)
        assert_in_range(result_bucket_us(i) * 1000 / result_bucket_us(i - 1), 1413, 1415);
    assert_true(result_bucket_us(RESULT_BUCKETS - 1) == UINT64_MAX);
    assert_int_equal(result_sum_percentile_us(&s, 50), 0);
    r.took_us = 5000000;
    result_sum_add(&s, &r);
    assert_int_equal(result_sum_percentile_us(&s, 1), 5000000);
    assert_int_equal(result_sum_percentile_us(&s, 99), 5000000);
    s = (struct result_sum){ .runs = 0 };
    for (unsigned i = 1; i <= 1000; i++) {
        r.took_us = i * 1000;
        result_sum_add(&s, &r);
    }
    assert_in_range(result_sum_percentile_us(&s, 50), 500000, 710000);
    assert_in_range(result_sum_percentile_us(&s, 95), 950000, 1000000);
    assert_int_equal(result_sum_percentile_us(&s, 100), 1000000);
    r.took_us = RESULT_TIME_MAX_US;
    result_sum_add(&s, &r);
    assert_int_equal(result_sum_percentile_us(&s, 100), RESULT_TIME_MAX_US);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_result_reads_back_as_it_was_written),
        cmocka_unit_test(a_damaged_record_is_never_read),
        cmocka_unit_test(a_check_reads_back_as_it_was_written),
        cmocka_unit_test(names_of_checks),
        cmocka_unit_test(words_have_numbers_and_back),
        cmocka_unit_test(documents_are_packed),
        cmocka_unit_test(what_is_out_of_bounds_is_told),
        cmocka_unit_test(depth_is_told_from_texts),
        cmocka_unit_test(a_sum_is_exact),
        cmocka_unit_test(steps_without_a_place_are_counted),
        cmocka_unit_test(buckets_grow_and_percentiles_are_right_to_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
