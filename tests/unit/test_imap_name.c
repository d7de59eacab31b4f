#include "imapd/imap_name.h"
#include "tests/unit/unit.h"

static void
names_go_both_ways(void **state)
{
    static const struct {
        const char *name, *wire, *utf8;     /* NULL: as the other one */
    } rows[] = {
        { "INBOX", "\"INBOX\"", NULL },
        { "a b", "\"a b\"", NULL },
        { "R&D", "\"R&-D\"", "\"R&D\"" },
        { "Entw\xc3\xbcrfe", "\"Entw&APw-rfe\"", "\"Entw\xc3\xbcrfe\"" },
        { "\xe5\x8f\xb0\xe5\x8c\x97", "\"&U,BTFw-\"", "\"\xe5\x8f\xb0\xe5\x8c\x97\"" },
        { "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"",
          "\"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\"" },
        { "\xf0\x9f\x98\x80", "\"&2D3eAA-\"", "\"\xf0\x9f\x98\x80\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"", NULL },
        { "\xe2\x82\xac&x", "\"&IKw-&-x\"", "\"\xe2\x82\xac&x\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char       name[IMAP_NAME_BYTES + 1], plain[100];
        size_t     len = 0;
        struct buf b;

        buf_init(&b, 1000);
        imap_put_name(&b, slice_of(rows[i].name), false);
        assert_slice(rows[i].name, buf_slice(&b), rows[i].wire);
        for (size_t at = 1; at + 1 < b.len; at++)
            if (b.data[at] != '\\' || b.data[++at] != '\0')
                plain[len++] = b.data[at];
        assert_true(imap_name_decode(slice_make(plain, len), false, name));
        assert_slice(rows[i].wire, slice_of(name), rows[i].name);
        assert_true(imap_name_decode(slice_of(strchr(rows[i].name, '&') == NULL ? rows[i].name : "x"), false, name));
        assert_true(imap_name_decode(slice_of(rows[i].name), true, name));
        assert_slice(rows[i].wire, slice_of(name), rows[i].name);
        buf_clear(&b);
        imap_put_name(&b, slice_of(rows[i].name), true);
        assert_slice(rows[i].wire, buf_slice(&b), rows[i].utf8 == NULL ? rows[i].wire : rows[i].utf8);
        buf_fini(&b);
    }
}

static void
bad_names_are_refused(void **state)
{
    static const char *const rows[] = {
        "&", "&A", "&APw", "&AP-", "&APx-", "&A!w-", "&2D0-", "&3gA-", "&2D0A-", "&2D3YPQ-", "a\tb", "a\x7f", "\xff", "\xc3", "&AAA-", "&AAo-", "&AGE-",
        "&ACY-", "&AC8-",
    };
    char name[IMAP_NAME_BYTES + 1], longest[IMAP_NAME_BYTES + 2];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (imap_name_decode(slice_of(rows[i]), false, name))
            fail_msg("%s became \"%s\"", rows[i], name);
    assert_false(imap_name_decode(slice_make("a\0b", 3), false, name));
    memset(longest, 'x', sizeof(longest));
    assert_true(imap_name_decode(slice_make(longest, IMAP_NAME_BYTES), false, name));
    assert_false(imap_name_decode(slice_make(longest, IMAP_NAME_BYTES + 1), false, name));
}

static void
in_utf8_nothing_is_encoded(void **state)
{
    static const char *const bad[] = { "a\tb", "a\x7f", "\xff", "\xc3", "\xed\xa0\x80" };
    char                     name[IMAP_NAME_BYTES + 1];

    (void)state;
    assert_true(imap_name_decode(slice_of("&APw-"), true, name));
    assert_string_equal(name, "&APw-");
    for (size_t i = 0; i < COUNT(bad); i++)
        if (imap_name_decode(slice_of(bad[i]), true, name))
            fail_msg("%s became \"%s\"", bad[i], name);
}

static void
patterns_are_decoded_whatever_their_length(void **state)
{
    static char long_pattern[4000], out[IMAP_PATTERN_ROOM(sizeof(long_pattern))];
    size_t      len;

    (void)state;
    assert_true(imap_pattern_decode(slice_of("Entw&APw-%*"), false, out, &len));
    assert_slice("encoded", slice_make(out, len), "Entw\xc3\xbc%*");
    assert_true(imap_pattern_decode(slice_of("R&D*"), true, out, &len));
    assert_slice("UTF-8", slice_make(out, len), "R&D*");
    assert_false(imap_pattern_decode(slice_of("R&D*"), false, out, &len));
    memset(long_pattern, '*', sizeof(long_pattern));
    assert_true(imap_pattern_decode(slice_make(long_pattern, sizeof(long_pattern)), false, out, &len));
    assert_int_equal(len, sizeof(long_pattern));
}

static void
wildcards(void **state)
{
    static const struct {
        const char *name, *reference, *pattern;
        bool        matches;
    } rows[] = {
        { "a",     "",   "a",    true  }, { "a",    "",   "A",      false }, { "INBOX", "",  "inBox", true  }, { "INBOX", "", "in%",  true  },
        { "INBOXES", "", "inboxes", false }, { "a/b", "", "%",      false }, { "a/b",  "",   "*",     true  }, { "a/b",   "", "%/%",  true  },
        { "a/b",   "a/", "%",    true  }, { "a/b",  "a",  "/b",     true  }, { "a/b/c", "",  "a/%",   false }, { "a/b/c", "", "a/*",  true  },
        { "a/b/c", "",   "*c",   true  }, { "a/b/c", "",  "%c",     false }, { "abc",  "",   "a%%c",  true  }, { "a/c",   "", "a%*c", true  },
        { "a/c",   "",   "a*%c", true  }, { "",     "",   "*",      true  }, { "",     "",   "",      true  }, { "a",     "", "",     false },
        { "abc",   "",   "abcd", false }, { "aXbXc", "",  "a*X*c",  true  }, { "INBOX/a", "", "inbox/%", true },
        { "INBOX/a", "", "inbox/A", false }, { "INBOXa", "", "inboxa", false }, { "a/b/c", "", "%/%/%", true }, { "a/b/c", "", "%b%", false },
        { "a//b",  "",   "a%b",  false }, { "a/b",  "%",  "*",      true  }, { "a/b",  "a%", "%b",    false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (imap_name_matches(slice_of(rows[i].name), slice_of(rows[i].reference), slice_of(rows[i].pattern)) != rows[i].matches)
            fail_msg("%s by %s%s", rows[i].name, rows[i].reference, rows[i].pattern);
}

/* Beside a matcher that tries everything, on short names and patterns of two letters, the delimiter and the wildcards. */
static bool
fits_slowly(const char *name, const char *pattern)
{
    if (*pattern == '\0')
        return *name == '\0';
    if (*pattern == '*' || *pattern == '%')
        return fits_slowly(name, pattern + 1) || (*name != '\0' && (*pattern == '*' || *name != '/') && fits_slowly(name + 1, pattern));
    return *name == *pattern && fits_slowly(name + 1, pattern + 1);
}

static void
wildcards_agree_with_trying_everything(void **state)
{
    enum { NAME = 4, PATTERN = 5, NAMES = 81, PATTERNS = 3125 };    /* 3 to the 4th, 5 to the 5th */
    char name[NAME + 1] = "", pattern[PATTERN + 1] = "";

    (void)state;
    for (unsigned n = 0; n < NAMES; n++) {
        for (unsigned i = 0, rest = n; i < NAME; i++, rest /= 3)
            name[i] = "ab/"[rest % 3];
        for (unsigned p = 0; p < PATTERNS; p++) {
            for (unsigned i = 0, rest = p; i < PATTERN; i++, rest /= 5)
                pattern[i] = "ab/*%"[rest % 5];
            if (imap_name_matches(slice_of(name), slice_of(""), slice_of(pattern)) != fits_slowly(name, pattern))
                fail_msg("%s by %s", name, pattern);
        }
    }
}

static void
the_longest_names_are_matched_over_all_their_octets(void **state)
{
    char name[IMAP_NAME_BYTES + 1], pattern[3 * IMAP_NAME_BYTES + 1];
    bool slash;

    (void)state;
    for (unsigned at = 1; at <= IMAP_NAME_BYTES; at++) {
        memset(name, 'a', sizeof(name));
        slash = at < IMAP_NAME_BYTES;
        name[slash ? at : 0] = slash ? '/' : 'a';
        assert_true(imap_name_matches(slice_make(name, IMAP_NAME_BYTES), slice_of(""), slice_of("*")));
        assert_true(imap_name_matches(slice_make(name, IMAP_NAME_BYTES), slice_of(""), slice_of("a%*a")) == (at != IMAP_NAME_BYTES - 1));
        assert_true(imap_name_matches(slice_make(name, IMAP_NAME_BYTES), slice_of(""), slice_of("%")) == !slash);
        assert_true(imap_name_matches(slice_make(name, IMAP_NAME_BYTES), slice_of(""), slice_of("%/%")) == slash);
        assert_true(imap_name_matches(slice_make(name, at), slice_of("*"), slice_of("%a")));
    }
    memset(name, 'a', sizeof(name));
    for (unsigned i = 0; i < IMAP_NAME_BYTES; i++)
        memcpy(pattern + (size_t)3 * i, "%*a", 3);
    assert_true(imap_name_matches(slice_make(name, IMAP_NAME_BYTES), slice_of(""), slice_make(pattern, sizeof(pattern) - 1)));
    pattern[sizeof(pattern) - 2] = 'b';
    assert_false(imap_name_matches(slice_make(name, IMAP_NAME_BYTES), slice_of(""), slice_make(pattern, sizeof(pattern) - 1)));
    assert_false(imap_name_matches(slice_make(name, IMAP_NAME_BYTES + 1), slice_of(""), slice_of("*")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(in_utf8_nothing_is_encoded),
        cmocka_unit_test(patterns_are_decoded_whatever_their_length),
        cmocka_unit_test(wildcards),
        cmocka_unit_test(wildcards_agree_with_trying_everything),
        cmocka_unit_test(the_longest_names_are_matched_over_all_their_octets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
