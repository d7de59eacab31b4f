#include "tests/unit/contents.h"
#include "tests/unit/deflated.h"

#include "finder/inflater.h"

#define OCTETS "hello token, hello token"

static const struct {
    const char *label;
    int         format;
} formats[] = {
    { "raw",  INFLATER_RAW  },
    { "zlib", INFLATER_ZLIB },
    { "gzip", INFLATER_GZIP },
};

static void
on_inflated(void *arg, struct slice octets)
{
    buf_append_slice(arg, octets);
}

/* One inflater for all streams, as a container with many members has it. */
static void
streams_are_inflated_one_after_the_other(void **state)
{
    uint64_t        budget = 1000;
    struct inflater f;
    struct buf      in, out;

    (void)state;
    inflater_init(&f, &budget);
    buf_init(&in, 1000);
    buf_init(&out, 1000);
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct slice rest;

        buf_clear(&in);
        buf_clear(&out);
        put_deflated(&in, formats[i].format, slice_of(OCTETS), NULL);
        buf_append_string(&in, "behind");
        assert_true(inflater_begin(&f, formats[i].format));
        rest = slice_sub(buf_slice(&in), 0, 10);
        assert_int_equal(inflater_feed(&f, &rest, on_inflated, &out), INFLATER_MORE);
        assert_int_equal(rest.len, 0);
        rest = slice_sub(buf_slice(&in), 10, in.len);
        assert_int_equal(inflater_feed(&f, &rest, on_inflated, &out), INFLATER_END);
        assert_slice(formats[i].label, rest, "behind");
        assert_slice(formats[i].label, buf_slice(&out), OCTETS);
        assert_int_equal(budget, 1000 - (i + 1) * strlen(OCTETS));
    }
    inflater_fini(&f);
    inflater_fini(&f);
    buf_fini(&in);
    buf_fini(&out);
}

static void
a_stream_ends_at_the_budget(void **state)
{
    uint64_t        budget = strlen(OCTETS) - 1;
    struct inflater f;
    struct buf      in, out;
    struct slice    rest;

    (void)state;
    inflater_init(&f, &budget);
    buf_init(&in, 1000);
    buf_init(&out, 1000);
    put_deflated(&in, INFLATER_ZLIB, slice_of(OCTETS), NULL);
    assert_true(inflater_begin(&f, INFLATER_ZLIB));
    assert_false(inflater_is_cut(&f));
    rest = buf_slice(&in);
    assert_int_equal(inflater_feed(&f, &rest, on_inflated, &out), INFLATER_CUT);
    assert_true(inflater_is_cut(&f));
    assert_int_equal(out.len, strlen(OCTETS) - 1);
    buf_clear(&out);
    budget = strlen(OCTETS);
    assert_true(inflater_begin(&f, INFLATER_ZLIB));
    rest = buf_slice(&in);
    assert_int_equal(inflater_feed(&f, &rest, on_inflated, &out), INFLATER_END);
    assert_slice("just the budget", buf_slice(&out), OCTETS);
    inflater_fini(&f);
    buf_fini(&in);
    buf_fini(&out);
}

static void
what_is_no_stream_is_broken(void **state)
{
    uint64_t        budget = 1000;
    struct inflater f;
    struct buf      out;

    (void)state;
    inflater_init(&f, &budget);
    buf_init(&out, 1000);
    for (size_t i = 0; i < COUNT(formats); i++) {
        struct slice in = slice_of("\xff\xff\xff\xff");

        assert_true(inflater_begin(&f, formats[i].format));
        assert_int_equal(inflater_feed(&f, &in, on_inflated, &out), INFLATER_BROKEN);
    }
    assert_int_equal(out.len, 0);
    inflater_fini(&f);
    buf_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_inflated_one_after_the_other),
        cmocka_unit_test(a_stream_ends_at_the_budget),
        cmocka_unit_test(what_is_no_stream_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
