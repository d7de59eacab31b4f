#include "tests/unit/unit.h"

#include "finder/candidates.h"
#include "lib/wire.h"

#include <sodium.h>

static struct token
token_number(uint32_t n)
{
    struct token t = { .raw = { 0 } };

    put_u32(t.raw + 12, n);
    return t;
}

static void
places_of_one_token_are_joined(void **state)
{
    struct candidate_set s;
    struct token         a = token_number(1), b = token_number(2);

    (void)state;
    candidate_set_init(&s);
    assert_true(candidate_set_add(&s, &a, PLACE_SUBJECT));
    assert_true(candidate_set_add(&s, &b, PLACE_TEXT));
    assert_true(candidate_set_add(&s, &a, PLACE_TEXT | PLACE_ATTACHED));
    assert_int_equal(s.count, 2);
    assert_true(token_equal(&s.items[0].token, &a));
    assert_int_equal(s.items[0].found_in, PLACE_SUBJECT | PLACE_TEXT | PLACE_ATTACHED);
    assert_int_equal(s.items[1].found_in, PLACE_TEXT);
    candidate_set_clear(&s);
    assert_int_equal(s.count, 0);
    assert_true(candidate_set_add(&s, &b, PLACE_HTML));
    assert_int_equal(s.items[0].found_in, PLACE_HTML);
    candidate_set_fini(&s);
}

static void
look_alikes_of_one_place_leave_room_for_the_others(void **state)
{
    struct candidate_set s;
    uint32_t             kept = 0, n = 0;

    (void)state;
    candidate_set_init(&s);
    for (; n < 10000; n++) {
        struct token t = token_number(n);

        kept += candidate_set_add(&s, &t, PLACE_TEXT);
    }
    assert_int_equal(kept, s.count);
    assert_int_equal(kept, PARSED_CANDIDATES_MAX - (PLACE_COUNT - 1) * CANDIDATES_PER_PLACE);
    for (unsigned place = 0; place < PLACE_COUNT; place++) {
        for (uint32_t i = 0; i < CANDIDATES_PER_PLACE && 1u << place != PLACE_TEXT; i++) {
            struct token t = token_number(n++);

            assert_true(candidate_set_add(&s, &t, 1u << place));
        }
    }
    assert_int_equal(s.count, PARSED_CANDIDATES_MAX);
    for (uint32_t i = 0; i < kept; i++) {       /* first come, first kept; and still found among so many */
        struct token t = token_number(i);

        assert_true(token_equal(&s.items[i].token, &t));
        assert_true(candidate_set_add(&s, &t, PLACE_SUBJECT));
        assert_int_equal(s.items[i].found_in, PLACE_TEXT | PLACE_SUBJECT);
    }
    candidate_set_clear(&s);
    candidate_set_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_of_one_token_are_joined),
        cmocka_unit_test(look_alikes_of_one_place_leave_room_for_the_others),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
