/* What a session is told of the flags that its folder has. */

#include "imapd/imap.h"
#include "tests/unit/unit.h"

/* A "]" in a keyword, which is taken no more, would end the response code for clients. */
static void
keywords_that_are_stored_break_no_line(void **state)
{
    static const struct {
        const char *keywords, *flags, *permanent;
    } rows[] = {
        { "",             "",              ""         },
        { "$One",         " $One",         " $One"    },
        { "$One two",     " $One two",     " $One two" },
        { "a]b",          " a]b",          ""         },
        { "$One ] $Two",  " $One ] $Two",  " $One $Two" },
        { "]x y] z",      " ]x y] z",      " z"       },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap       session = { .read_only = false };
        struct connection c = { .own = &session };
        char              want[500];

        buf_init(&c.out, 1000);
        snprintf(want, sizeof(want),
                 "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft%s)\r\n"
                 "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft%s \\*)] flags that are kept\r\n",
                 rows[i].flags, rows[i].permanent);
        imap_say_flags(&c, slice_of(rows[i].keywords));
        assert_slice(rows[i].keywords, buf_slice(&c.out), want);
        buf_fini(&c.out);
    }
}

static void
who_only_reads_is_told_that_no_flag_is_kept(void **state)
{
    struct imap       session = { .read_only = true };
    struct connection c = { .own = &session };

    (void)state;
    buf_init(&c.out, 1000);
    imap_say_flags(&c, slice_of("a]b"));
    assert_slice("examined", buf_slice(&c.out),
                 "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft a]b)\r\n* OK [PERMANENTFLAGS ()] no flags can be changed\r\n");
    buf_fini(&c.out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keywords_that_are_stored_break_no_line),
        cmocka_unit_test(who_only_reads_is_told_that_no_flag_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
