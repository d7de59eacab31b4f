#include "imapd/imap_name.h"
#include "tests/unit/unit.h"

static void
names_go_both_ways(void **state)
{
    static const struct {
        const char *name, *wire;
    } rows[] = {
        { "INBOX", "\"INBOX\"" }, { "a b", "\"a b\"" }, { "R&D", "\"R&-D\"" }, { "Entw\xc3\xbcrfe", "\"Entw&APw-rfe\"" },
        { "\xe5\x8f\xb0\xe5\x8c\x97", "\"&U,BTFw-\"" }, { "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\"" },
        { "\xf0\x9f\x98\x80", "\"&2D3eAA-\"" }, { "a\"b\\c", "\"a\\\"b\\\\c\"" }, { "\xe2\x82\xac&x", "\"&IKw-&-x\"" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char       name[IMAP_NAME_BYTES + 1], plain[100];
        size_t     len = 0;
        struct buf b;

        buf_init(&b, 1000);
        imap_put_name(&b, slice_of(rows[i].name));
        assert_slice(rows[i].name, buf_slice(&b), rows[i].wire);
        for (size_t at = 1; at + 1 < b.len; at++)
            if (b.data[at] != '\\' || b.data[++at] != '\0')
                plain[len++] = b.data[at];
        assert_true(imap_name_decode(slice_make(plain, len), name));
        assert_slice(rows[i].wire, slice_of(name), rows[i].name);
        assert_true(imap_name_decode(slice_of(strchr(rows[i].name, '&') == NULL ? rows[i].name : "x"), name));
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
        if (imap_name_decode(slice_of(rows[i]), name))
            fail_msg("%s became \"%s\"", rows[i], name);
    assert_false(imap_name_decode(slice_make("a\0b", 3), name));
    memset(longest, 'x', sizeof(longest));
    assert_true(imap_name_decode(slice_make(longest, IMAP_NAME_BYTES), name));
    assert_false(imap_name_decode(slice_make(longest, IMAP_NAME_BYTES + 1), name));
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
        { "abc",   "",   "abcd", false }, { "aXbXc", "",  "a*X*c",  true  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (imap_name_matches(slice_of(rows[i].name), slice_of(rows[i].reference), slice_of(rows[i].pattern)) != rows[i].matches)
            fail_msg("%s by %s%s", rows[i].name, rows[i].reference, rows[i].pattern);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(wildcards),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
