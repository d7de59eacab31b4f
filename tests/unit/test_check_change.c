#include "tests/unit/unit.h"

#include "checker/change.h"
#include "checker/last_run.h"

#include <stdlib.h>

static json_t *
parse(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);

    if (j == NULL)
        fail_msg("no JSON: %s", text);
    return j;
}

/* ---- Traits of a run's document ------------------------------------------------------------------------------------------ */

static const struct {
    const char *label, *document, *traits;
} reductions[] = {
    { "nothing known", "{}", "{}" },
    { "server by name", "{\"server\":{\"host\":\"mx.test\",\"address\":\"192.0.2.1\",\"port\":25}}", "{\"server\":\"mx.test[192.0.2.1]:25\"}" },
    { "server by address", "{\"server\":{\"host\":\"::1\",\"address\":\"::1\",\"port\":26}}", "{\"server\":\"::1:26\"}" },
    { "no server was reached", "{\"server\":{\"host\":\"mx.test\",\"address\":null,\"port\":25}}", "{}" },
    { "TLS", "{\"tls\":{\"version\":\"TLSv1.3\",\"cipher\":\"X\",\"verify\":\"ok\"}}", "{\"certificate\":\"ok\",\"tls\":\"TLSv1.3 with X\"}" },
    { "none, and it was sent", "{\"sent\":true,\"tls\":{\"version\":null}}", "{\"tls\":\"none\"}" },
    { "none, but it was not sent", "{\"sent\":false,\"tls\":{\"version\":null}}", "{}" },
    { "one server was looked at",
      "{\"hosts\":[{\"host\":\"a.test\",\"address\":\"192.0.2.1\",\"port\":25,\"state\":\"OK\",\"tls\":{\"version\":\"TLSv1.3\",\"cipher\":\"X\"},"
      "\"certificate\":{\"verify\":\"ok\",\"until\":\"2026-12-01T00:00:00Z\"}}],\"server\":3}",
      "{\"certificate\":\"ok, until 2026-12-01\",\"server\":\"a.test[192.0.2.1]:25\",\"tls\":\"TLSv1.3 with X\"}" },
    { "several servers",
      "{\"hosts\":[{\"host\":\"a.test\",\"address\":\"192.0.2.1\",\"port\":25,\"state\":\"OK\",\"tls\":{\"version\":\"TLSv1.3\",\"cipher\":\"X\"}},"
      "{\"host\":\"b.test\",\"address\":\"192.0.2.2\",\"port\":25,\"state\":\"WARNING\",\"tls\":null}]}",
      "{\"server\":\"a.test[192.0.2.1]:25, b.test[192.0.2.2]:25\",\"tls\":\"a.test: TLSv1.3 with X, b.test: none\"}" },
    { "one of them failed",
      "{\"hosts\":[{\"host\":\"a.test\",\"address\":\"192.0.2.1\",\"port\":25,\"state\":\"CRITICAL\",\"tls\":null}]}",
      "{\"server\":\"a.test[192.0.2.1]:25\"}" },
    { "hops", "{\"hops\":[{\"by\":\"a.test\"},{\"by\":null},{\"by\":\"b.test\"}]}", "{\"hops\":\"a.test, b.test\"}" },
    { "delivery to us",
      "{\"arrival\":{\"arrivals\":[{\"client\":{\"address\":\"192.0.2.9\"},\"tls\":{\"version\":\"TLSv1.2\",\"cipher\":\"Y\"}}]}}",
      "{\"client\":\"192.0.2.9\",\"delivery_tls\":\"TLSv1.2 with Y\"}" },
    { "authentication, without what is new each time",
      "{\"arrival\":{\"arrivals\":[{\"claims\":{\"authentication\":[\"mx.test; dkim=pass header.i=@a.test header.s=s1; SPF=softfail\"]}}]}}",
      "{\"authentication\":\"SPF=softfail dkim=pass\"}" },
    { "of other types", "{\"server\":[],\"tls\":3,\"hops\":{},\"arrival\":[1],\"sent\":\"yes\"}", "{}" },
};

static void
document_is_reduced_to_its_traits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reductions); i++) {
        json_t *document = parse(reductions[i].document), *traits = change_traits(document);
        char   *text = json_dumps(traits, JSON_COMPACT | JSON_SORT_KEYS);

        assert_slice(reductions[i].label, slice_of(text), reductions[i].traits);
        free(text);
        json_decref(traits);
        json_decref(document);
    }
    json_decref(change_traits(NULL));
}

/* ---- Changes ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *label, *before, *now, *changes;
} comparisons[] = {
    { "the same", "{\"tls\":\"a\"}", "{\"tls\":\"a\"}", "[]" },
    { "the first run", "{}", "{\"tls\":\"a\"}", "[]" },
    { "not told this time", "{\"tls\":\"a\"}", "{}", "[]" },
    { "another", "{\"tls\":\"a\",\"hops\":\"x, y\"}", "{\"tls\":\"b\",\"hops\":\"x\"}",
      "[\"TLS of that server: b, before: a\",\"the hosts on the way: x, before: x, y\"]" },
};

static void
what_differs_is_told_in_sentences(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(comparisons); i++) {
        json_t *before = parse(comparisons[i].before), *now = parse(comparisons[i].now), *changes = change_list(before, now);
        char   *text = json_dumps(changes, JSON_COMPACT);

        assert_slice(comparisons[i].label, slice_of(text), comparisons[i].changes);
        free(text);
        json_decref(changes);
        json_decref(before);
        json_decref(now);
    }
}

/* A trait that a failed run does not tell is compared with the last run that did. */
static void
last_run_keeps_what_the_next_does_not_tell(void **state)
{
    struct last_run l = { .known = false }, read;
    struct outcome  o;
    struct buf      record;
    json_t         *changes;

    (void)state;
    outcome_init(&o);
    o.state = STATE_OK;
    o.started_us = 5000000;
    slice_copy(o.client, sizeof(o.client), slice_of("192.0.2.9"));
    o.document = parse("{\"server\":{\"address\":\"192.0.2.1\",\"host\":\"192.0.2.1\",\"port\":25}}");
    outcome_add_time(&o, "send", 1);
    outcome_add_time(&o, "total", 3250000);
    json_decref(last_run_take(&l, &o));
    assert_int_equal(l.total_us, 3250000);
    outcome_clear(&o);
    o.times_count = 0;
    o.state = STATE_CRITICAL;
    o.started_us = 6000000;
    o.client[0] = '\0';
    changes = last_run_take(&l, &o);
    assert_int_equal(l.total_us, 0);
    assert_int_equal(json_array_size(changes), 0);
    json_decref(changes);

    buf_init(&record, LAST_RUN_BYTES);
    last_run_write(&l, &record);
    assert_int_equal(last_run_read(buf_slice(&record), &read), MT_OK);
    assert_int_equal(read.state, STATE_CRITICAL);
    assert_int_equal(read.started_us, 6000000);
    assert_int_equal(read.last_success_us, 5000000);
    assert_string_equal(read.client, "192.0.2.9");
    o.document = parse("{\"server\":{\"address\":\"192.0.2.2\",\"host\":\"192.0.2.2\",\"port\":25}}");
    changes = last_run_take(&read, &o);
    assert_string_equal(json_string_value(json_array_get(changes, 0)), "the server that takes the mail: 192.0.2.2:25, before: 192.0.2.1:25");
    json_decref(changes);
    for (size_t len = 0; len < record.len; len++) {
        struct last_run cut;
        assert_int_equal(last_run_read(slice_sub(buf_slice(&record), 0, len), &cut), MT_EDAMAGED);
        assert_false(cut.known);
    }
    outcome_clear(&o);
    last_run_clear(&l);
    last_run_clear(&read);
    buf_fini(&record);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(document_is_reduced_to_its_traits),
        cmocka_unit_test(what_differs_is_told_in_sentences),
        cmocka_unit_test(last_run_keeps_what_the_next_does_not_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
