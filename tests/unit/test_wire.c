#include "tests/unit/unit.h"

#include "lib/wire.h"

static void
what_was_written_is_read_back(void **state)
{
    struct buf    b;
    struct reader r;
    uint8_t       u8;
    uint16_t      u16;
    uint32_t      u32;
    uint64_t      u64;
    bool          flag;
    struct slice  bytes;
    char          text[8], fixed[3];

    (void)state;
    buf_init(&b, 1000);
    write_u8(&b, 0xfe);
    write_u16(&b, 0xfedc);
    write_u32(&b, 0xfedcba98);
    write_u64(&b, 0xfedcba9876543210);
    write_u8(&b, 1);
    write_bytes(&b, slice_make("a\0b", 3));
    write_string(&b, "1234567");
    write_fixed(&b, "xyz", 3);
    assert_int_equal(b.fault, MT_OK);

    reader_init(&r, buf_slice(&b));
    read_u8(&r, &u8);
    read_u16(&r, &u16);
    read_u32(&r, &u32);
    read_u64(&r, &u64);
    read_bool(&r, &flag);
    read_bytes(&r, &bytes, 3);
    assert_false(read_end(&r));
    read_string(&r, text, sizeof(text));
    read_fixed(&r, fixed, sizeof(fixed));
    assert_true(read_end(&r));
    assert_int_equal(u8, 0xfe);
    assert_int_equal(u16, 0xfedc);
    assert_int_equal(u32, 0xfedcba98);
    assert_true(u64 == 0xfedcba9876543210);
    assert_true(flag);
    assert_int_equal(bytes.len, 3);
    assert_memory_equal(bytes.data, "a\0b", 3);
    assert_string_equal(text, "1234567");
    assert_memory_equal(fixed, "xyz", 3);
    buf_fini(&b);
}

static void
integers_sort_as_bytes(void **state)
{
    unsigned char small[8], large[8];

    (void)state;
    put_u64(small, 255);
    put_u64(large, 256);
    assert_true(memcmp(small, large, sizeof(small)) < 0);
    assert_true(get_u64(large) == 256);
}

static void
every_fault_is_kept_and_gives_zero(void **state)
{
    static const struct { const char *label; const char *in; size_t len; } cases[] = {
        { "empty",                "",                      0 },
        { "one octet short",      "\0\0\0\3ab",            6 },
        { "length over the rest", "\377\377\377\377abc",   7 },
        { "length over the max",  "\0\0\0\5abcde",         9 },
        { "NUL inside a string",  "\0\0\0\2a\0",           6 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reader r;
        char          text[5];
        uint32_t      after = 7;

        reader_init(&r, slice_make(cases[i].in, cases[i].len));
        read_string(&r, text, sizeof(text));
        read_u32(&r, &after);
        if (read_ok(&r) || read_end(&r) || text[0] != '\0' || after != 0)
            fail_msg("%s: taken", cases[i].label);
    }
}

static void
counts_are_bounded_by_what_is_left(void **state)
{
    static const struct { const char *label; const char *in; size_t len; uint32_t max; bool ok; } cases[] = {
        { "fits",              "\0\0\0\2aabb",       8, 10, true },
        { "more than is left", "\0\0\0\3aabb",       8, 10, false },
        { "over the maximum",  "\0\0\0\2aabb",       8, 1,  false },
        { "huge",              "\377\377\377\377aa", 6, UINT32_MAX, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct reader r;
        uint32_t      count;

        reader_init(&r, slice_make(cases[i].in, cases[i].len));
        read_count(&r, &count, cases[i].max, 2);
        if (read_ok(&r) != cases[i].ok || (!cases[i].ok && count != 0))
            fail_msg("%s: wrong", cases[i].label);
    }
}

static void
booleans_are_zero_or_one(void **state)
{
    struct reader r;
    bool          flag;

    (void)state;
    reader_init(&r, slice_of("\2"));
    read_bool(&r, &flag);
    assert_false(read_ok(&r));
}

static void
times_end_with_the_year_9999(void **state)
{
    char          bytes[16];
    struct reader r;
    uint64_t      us;

    (void)state;
    put_u64(bytes, TIME_US_MAX);
    put_u64(bytes + 8, TIME_US_MAX + 1);
    reader_init(&r, slice_make(bytes, sizeof(bytes)));
    read_time_us(&r, &us);
    assert_true(read_ok(&r) && us == TIME_US_MAX);
    read_time_us(&r, &us);
    assert_false(read_ok(&r));
    assert_true(us == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),      cmocka_unit_test(integers_sort_as_bytes),
        cmocka_unit_test(every_fault_is_kept_and_gives_zero), cmocka_unit_test(counts_are_bounded_by_what_is_left),
        cmocka_unit_test(booleans_are_zero_or_one),           cmocka_unit_test(times_end_with_the_year_9999),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
