#include "tests/unit/unit.h"

#include "lib/msg.h"
#include "lib/body.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned char
octet(size_t i)
{
    return (unsigned char)(i * 31 + (i >> 8) * 7);
}

/* Total octets in pieces; then the body is looked at as store sees it. */
static void
check(size_t total, size_t piece)
{
    unsigned char *in = malloc(total + 1), *out = malloc(total + 1);
    struct body    b;
    struct slice   inside;
    int            fd;

    assert_true(in != NULL && out != NULL);
    for (size_t i = 0; i < total; i++)
        in[i] = octet(i);
    body_init(&b);
    for (size_t at = 0; at < total; at += piece)
        assert_int_equal(body_append(&b, slice_make(in + at, total - at < piece ? total - at : piece)), MT_OK);
    assert_int_equal(b.size_bytes, total);
    assert_int_equal(body_finish(&b, &inside, &fd), MT_OK);
    if (total <= MSG_INLINE_BODY_BYTES) {
        assert_int_equal(fd, -1);
        assert_int_equal(inside.len, total);
        assert_true(total == 0 || memcmp(inside.data, in, total) == 0);
    } else {
        assert_int_equal(inside.len, 0);
        assert_int_equal(pread(fd, out, total + 1, 0), (int)total);
        assert_memory_equal(in, out, total);
        assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
    }
    body_fini(&b);
    free(in);
    free(out);
}

static void
small_bodies_stay_in_memory_large_ones_go_to_a_sealed_memfd(void **state)
{
    static const size_t totals[] = { 0, 1, 1000, MSG_INLINE_BODY_BYTES - 1, MSG_INLINE_BODY_BYTES, MSG_INLINE_BODY_BYTES + 1, 200000, 1000000 };
    static const size_t pieces[] = { 7, 1000, 16 * 1024, 60000, 65536, 65537, 300000 };

    (void)state;
    for (size_t i = 0; i < COUNT(totals); i++)
        for (size_t k = 0; k < COUNT(pieces); k++)
            check(totals[i], pieces[k]);
}

static void
a_body_can_be_used_again(void **state)
{
    static char  large[100000];
    struct body  b;
    struct slice inside;
    int          fd;

    (void)state;
    body_init(&b);
    assert_int_equal(body_append(&b, slice_make(large, sizeof(large))), MT_OK);
    assert_int_equal(body_finish(&b, &inside, &fd), MT_OK);
    body_clear(&b);
    assert_int_equal(body_append(&b, slice_of("next")), MT_OK);
    assert_int_equal(body_finish(&b, &inside, &fd), MT_OK);
    assert_int_equal(fd, -1);
    assert_slice("next", inside, "next");
    body_fini(&b);
}

/* A full disk or memory shows as a failing write: here, a seal that came too early. */
static void
a_failed_write_is_kept_as_the_fault(void **state)
{
    static char large[100000];
    struct body b;

    (void)state;
    body_init(&b);
    assert_int_equal(body_append(&b, slice_make(large, sizeof(large))), MT_OK);
    assert_int_equal(fcntl(b.fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_rc("write", body_append(&b, slice_make(large, sizeof(large))), MT_EDENIED);
    assert_rc("kept", body_append(&b, slice_of("x")), MT_EDENIED);
    body_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_bodies_stay_in_memory_large_ones_go_to_a_sealed_memfd),
        cmocka_unit_test(a_body_can_be_used_again),
        cmocka_unit_test(a_failed_write_is_kept_as_the_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
