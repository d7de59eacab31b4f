#include "tests/unit/unit.h"

#include "checker/block_name.h"

#include <arpa/inet.h>

static const struct { const char *label, *text; enum block_kind kind; const char *name; } names[] = {
    { "IPv4",   "192.0.2.99",  BLOCK_IPV4,   "99.2.0.192.bl.test" },
    { "IPv6",   "2001:db8:1:2:3:4:567:89ab", BLOCK_IPV6, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.bl.test" },
    { "mapped test point", "::ffff:7f00:2", BLOCK_IPV6, "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.bl.test" },
    { "domain", "example.com", BLOCK_DOMAIN, "example.com.bl.test" },
};

static void
names_are_made_as_rfc_5782_says(void **state)
{
    char out[BLOCK_NAME_BYTES], text[256];

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(block_kind_of(names[i].text), names[i].kind);
        assert_true(block_name_make(names[i].kind, names[i].text, "bl.test", out));
        assert_string_equal(out, names[i].name);
    }
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    assert_false(block_name_make(BLOCK_DOMAIN, text, "bl.test", out));
}

static const struct { const char *pattern; bool fit; const char *yes, *no; } patterns[] = {
    { "127.0.0.2",      true,  "127.0.0.2",  "127.0.0.3"  },
    { "127.0.0.4-7",    true,  "127.0.0.7",  "127.0.0.8"  },
    { "127.0.0.4-4",    true,  "127.0.0.4",  "127.0.0.5"  },
    { "127.0.1.*",      true,  "127.0.1.0",  "127.0.0.1"  },
    { "127.0.0.&8",     true,  "127.0.0.12", "127.0.0.4"  },
    { "127.0.0.7-4",    false, NULL, NULL },
    { "127.0.0.256",    false, NULL, NULL },
    { "127.0.0",        false, NULL, NULL },
    { "127.0.0.2 ",     false, NULL, NULL },
    { "127.0.0.&0",     false, NULL, NULL },
    { "127.0.0.**",     false, NULL, NULL },
    { "",               false, NULL, NULL },
};

static void
patterns_fit_what_they_say(void **state)
{
    struct in_addr a;

    (void)state;
    for (size_t i = 0; i < COUNT(patterns); i++) {
        if (block_pattern_is_fit(slice_of(patterns[i].pattern)) != patterns[i].fit)
            fail_msg("%s: fit is %d", patterns[i].pattern, !patterns[i].fit);
        if (!patterns[i].fit)
            continue;
        inet_pton(AF_INET, patterns[i].yes, &a);
        assert_true(block_pattern_fits(patterns[i].pattern, a));
        inet_pton(AF_INET, patterns[i].no, &a);
        assert_false(block_pattern_fits(patterns[i].pattern, a));
    }
}

static void
answers_are_explained_and_errors_are_none(void **state)
{
    static struct block_list_code codes[] = {
        { "127.0.0.&2", "black", false }, { "127.0.0.&8", "phishing", false }, { "127.0.0.200", "asks too much", true }, { "127.0.0.1", "", true },
    };
    const struct block_list list = { .name = "bl.test", .addresses = true, .codes = codes, .codes_count = COUNT(codes) };
    static const struct { const char *address; enum block_answer answer; const char *meaning; } cases[] = {
        { "127.0.0.10",      BLOCK_LISTED,   "black, phishing" },
        { "127.0.0.64",      BLOCK_LISTED,   ""                },
        { "127.0.0.1",       BLOCK_REFUSED,  ""                },
        { "127.255.255.254", BLOCK_REFUSED,  ""                },
        { "203.0.113.1",     BLOCK_NONSENSE, ""                },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char           meaning[64] = "";
        struct in_addr a;

        inet_pton(AF_INET, cases[i].address, &a);
        if (block_answer_of(&list, a, meaning, sizeof(meaning)) != cases[i].answer || strcmp(meaning, cases[i].meaning) != 0)
            fail_msg("%s: \"%s\"", cases[i].address, meaning);
    }
}

static void
test_points_hang_on_the_kind(void **state)
{
    const struct block_list plain = { .domains = true, .addresses = true }, own = { .domains = true, .listed = "dbltest.com", .unlisted = "example.com" };

    (void)state;
    assert_string_equal(block_listed_point(&plain, BLOCK_IPV4), "127.0.0.2");
    assert_string_equal(block_unlisted_point(&plain, BLOCK_IPV6), "::ffff:7f00:1");
    assert_string_equal(block_listed_point(&plain, BLOCK_DOMAIN), "test");
    assert_string_equal(block_unlisted_point(&own, BLOCK_DOMAIN), "example.com");
    assert_true(block_list_has(&plain, BLOCK_IPV4) && !block_list_has(&plain, BLOCK_IPV6) && block_list_has(&plain, BLOCK_DOMAIN));
    assert_false(block_list_has(&own, BLOCK_IPV4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_as_rfc_5782_says),
        cmocka_unit_test(patterns_fit_what_they_say),
        cmocka_unit_test(answers_are_explained_and_errors_are_none),
        cmocka_unit_test(test_points_hang_on_the_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
