#include "tests/unit/unit.h"

#include "smtpd/reply.h"

#include <ctype.h>

/* RFC 2034 section 4: every 2yz, 4yz and 5yz reply but the greeting and the ones to EHLO and HELO; the first digits agree. */
static void
every_reply_has_the_right_enhanced_code(void **state)
{
    (void)state;
    for (int r = REPLY_NONE + 1; r < REPLY_COUNT; r++) {
        const char *text = reply_text((enum reply)r);

        assert_true(isdigit(text[0]) && isdigit(text[1]) && isdigit(text[2]) && text[3] == ' ');
        assert_int_equal(reply_class((enum reply)r), text[0] - '0');
        if (r == REPLY_GREETING || r == REPLY_HELLO || text[0] == '3')
            continue;
        if (text[4] != text[0] || text[5] != '.' || !isdigit(text[6]) || strchr(text + 6, ' ') == NULL)
            fail_msg("%s", text);
    }
}

static void
replies_fit_a_line_and_are_one(void **state)
{
    char detail[300];

    (void)state;
    memset(detail, 'd', sizeof(detail));
    for (int r = REPLY_NONE + 1; r < REPLY_COUNT; r++) {
        struct buf   b;
        struct slice s;

        buf_init(&b, 4096);
        reply_append2(&b, (enum reply)r, slice_make(detail, sizeof(detail)), slice_make(detail, sizeof(detail)));
        s = buf_slice(&b);
        assert_true(s.len <= 512);      /* RFC 5321 section 4.5.3.1.5 */
        assert_int_equal(slice_find(s, '\n'), s.len - 1);
        assert_int_equal(slice_find(s, '\r'), s.len - 2);
        assert_int_equal(slice_find(s, '%'), s.len);
        buf_fini(&b);
    }
}

static void
details_cannot_forge_a_line(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    reply_append(&b, REPLY_UNKNOWN_COMMAND, slice_of("A\r\n250 2.0.0 OK\xc3\xa4%"));
    assert_slice("forged", buf_slice(&b), "500 5.5.1 A??250 2.0.0 OK??% is not a command of this server\r\n");
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_has_the_right_enhanced_code),
        cmocka_unit_test(replies_fit_a_line_and_are_one),
        cmocka_unit_test(details_cannot_forge_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
