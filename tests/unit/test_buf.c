#include "tests/unit/unit.h"

#include "lib/buf.h"

static void
appends_up_to_the_limit_and_not_further(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10);
    assert_int_equal(buf_append_string(&b, "12345"), MT_OK);
    assert_int_equal(buf_append_string(&b, "67890"), MT_OK);
    assert_int_equal(buf_append_byte(&b, 'x'), MT_ESIZE);
    assert_slice("unchanged by the append that failed", buf_slice(&b), "1234567890");
    buf_fini(&b);
}

static void
a_fault_stays_until_cleared(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4);
    assert_int_equal(buf_append_string(&b, "12345"), MT_ESIZE);
    assert_int_equal(buf_append_string(&b, "1"), MT_ESIZE);
    assert_int_equal(buf_printf(&b, "%d", 7), MT_ESIZE);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
    assert_int_equal(buf_append_string(&b, "1234"), MT_OK);
    buf_fini(&b);
}

static void
formats_text_of_any_length(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    assert_int_equal(buf_printf(&b, "%s-%d", "abc", 42), MT_OK);
    assert_slice("short", buf_slice(&b), "abc-42");
    for (int len = 500; len < 520; len++) {         /* what is short ends somewhere here */
        buf_clear(&b);
        assert_int_equal(buf_printf(&b, "%0*d", len, 7), MT_OK);
        assert_int_equal(b.len, len);
        assert_memory_equal(b.data + len - 2, "07", 2);
    }
    buf_clear(&b);
    assert_int_equal(buf_printf(&b, "%05000d", 7), MT_OK);
    assert_int_equal(b.len, 5000);
    buf_fini(&b);
}

static void
consuming_moves_the_rest_to_the_front(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    buf_append_string(&b, "abcdef");
    buf_consume(&b, 2);
    assert_slice("rest", buf_slice(&b), "cdef");
    buf_consume(&b, 99);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void
reserved_room_counts_only_when_added(void **state)
{
    struct buf b;
    char      *room;

    (void)state;
    buf_init(&b, 300);
    room = buf_reserve(&b, 200);
    assert_non_null(room);
    memset(room, 'x', 200);
    assert_int_equal(b.len, 0);
    buf_added(&b, 200);
    assert_int_equal(b.len, 200);
    assert_null(buf_reserve(&b, 101));
    assert_int_equal(b.fault, MT_ESIZE);
    buf_wipe(&b);
    assert_null(b.data);
}

static bool
is_zero(const char *bytes, size_t len)
{
    while (len > 0 && bytes[len - 1] == 0)
        len--;
    return len == 0;
}

static void
octets_that_leave_a_secret_buffer_are_wiped(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1000);
    b.secret = true;
    buf_append_string(&b, "abcdef");
    buf_consume(&b, 2);
    assert_slice("rest", buf_slice(&b), "cdef");
    assert_true(is_zero(b.data + b.len, 2));
    buf_printf(&b, "%0500d", 7);        /* moves to a larger piece of memory */
    assert_int_equal(b.len, 504);
    buf_consume(&b, 1000);
    assert_int_equal(b.len, 0);
    assert_true(is_zero(b.data, 504));
    buf_append_string(&b, "abcdef");
    buf_clear(&b);
    assert_true(is_zero(b.data, 6));
    buf_fini(&b);
    assert_true(b.secret);
    assert_int_equal(b.limit, 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_up_to_the_limit_and_not_further), cmocka_unit_test(a_fault_stays_until_cleared),
        cmocka_unit_test(formats_text_of_any_length),              cmocka_unit_test(consuming_moves_the_rest_to_the_front),
        cmocka_unit_test(reserved_room_counts_only_when_added),    cmocka_unit_test(octets_that_leave_a_secret_buffer_are_wiped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
