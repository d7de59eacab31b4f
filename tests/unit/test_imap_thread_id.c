#include "imapd/imap_thread_id.h"
#include "tests/unit/unit.h"

static void
a_thread_is_named_by_the_message_it_began_with(void **state)
{
    static const struct {
        const char *label, *header;
    } of_one[] = {
        { "its first message",       "Message-ID: <root@b.test>\r\n\r\n" },
        { "an answer",               "Message-ID: <two@b.test>\r\nIn-Reply-To: <root@b.test>\r\n\r\n" },
        { "an answer to an answer",  "Message-ID: <three@b.test>\r\nIn-Reply-To: <two@b.test>\r\nReferences: <root@b.test> <two@b.test>\r\n\r\n" },
        { "folded",                  "References:\r\n\t<root@\r\n b.test>\r\n <two@b.test>\r\n\r\n" },
        { "references of no message", "References: none\r\nIn-Reply-To: Your mail <root@b.test> of Monday\r\n\r\n" },
        { "a second field",          "message-id: <root@b.test>\r\nMessage-ID: <other@b.test>\r\n\r\n" },
    };
    uint64_t want = imap_thread_id_of(slice_of(of_one[0].header), 1);

    (void)state;
    for (size_t i = 0; i < COUNT(of_one); i++)
        if (imap_thread_id_of(slice_of(of_one[i].header), i + 2) != want)
            fail_msg("%s: another thread", of_one[i].label);
    assert_int_not_equal(imap_thread_id_of(slice_of("Message-ID: <other@b.test>\r\n\r\n"), 1), want);
}

static void
a_message_that_names_none_is_a_thread_of_its_own(void **state)
{
    struct slice header = slice_of("Subject: x\r\nMessage-ID: <>\r\n\r\nMessage-ID: <body@b.test>\r\n");

    (void)state;
    assert_int_equal(imap_thread_id_of(header, 7), imap_thread_id_of(slice_make(NULL, 0), 7));
    assert_int_not_equal(imap_thread_id_of(header, 7), imap_thread_id_of(header, 8));
}

static void
what_is_shown_is_read_again(void **state)
{
    static const char *const none[] = { "", "T", "T123", "T0123456789abcdeF", "M0123456789abcdef", "t0123456789abcdef", "T0123456789abcdef0",
                                        "T0123456789abcdeg" };
    static const uint64_t    ids[] = { 0, 1, 0x0123456789abcdef, UINT64_MAX };
    uint64_t                 got;

    (void)state;
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct buf b;

        buf_init(&b, 100);
        imap_thread_id_put(&b, ids[i]);
        assert_int_equal(b.len, IMAP_THREAD_ID_CHARS);
        assert_true(imap_thread_id_read(buf_slice(&b), &got));
        assert_true(got == ids[i]);
        buf_fini(&b);
    }
    for (size_t i = 0; i < COUNT(none); i++)
        assert_false(imap_thread_id_read(slice_of(none[i]), &got));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_is_named_by_the_message_it_began_with),
        cmocka_unit_test(a_message_that_names_none_is_a_thread_of_its_own),
        cmocka_unit_test(what_is_shown_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
