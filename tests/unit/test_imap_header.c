#include "imapd/imap_header.h"
#include "tests/unit/imap_syntax.h"
#include "tests/unit/unit.h"

#define ONE(name, local, host) "((" name " NIL \"" local "\" \"" host "\"))"

static void
addresses_are_written(void **state)
{
    static const struct {
        const char *value, *want;
    } rows[] = {
        { " a@b.test",                               ONE("NIL", "a", "b.test") },
        { " Al Pha <a@b.test>",                      ONE("\"Al Pha\"", "a", "b.test") },
        { " \"A, \\\"q\\\"\" <a@b.test>",            ONE("\"A, \\\"q\\\"\"", "a", "b.test") },
        { " a@b.test (Al (the) Pha)",                ONE("\"Al (the) Pha\"", "a", "b.test") },
        { " (first) a@b.test (second)",              ONE("\"second\"", "a", "b.test") },
        { " a . b @ c . test",                       ONE("NIL", "a . b", "c.test") },
        { " \"a b\"@c.test",                         ONE("NIL", "a b", "c.test") },
        { " x@[192.0.2.1]",                          ONE("NIL", "x", "[192.0.2.1]") },
        { " x@[192.0.\r\n 2.1]",                     ONE("NIL", "x", "[192.0. 2.1]") },
        { " <@r1.test,@r2.test:a@b.test>",           ONE("NIL", "a", "b.test") },
        { " N <@r1.test:a@b.test>",                  ONE("\"N\"", "a", "b.test") },
        { " =?utf-8?q?x?= <a@b.test>",               ONE("\"=?utf-8?q?x?=\"", "a", "b.test") },
        { " a,\r\n\tb@c.test",                       "((NIL NIL \"a\" \"\")(NIL NIL \"b\" \"c.test\"))" },
        { " g: a@b.test, c@d.test;",                 "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b.test\")(NIL NIL \"c\" \"d.test\")(NIL NIL NIL NIL))" },
        { " undisclosed-recipients:;",               "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL))" },
        { " g: a@b.test",                            "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b.test\")(NIL NIL NIL NIL))" },
        { " a@b.test;",                              ONE("NIL", "a", "b.test") },
        { " <>",                                     ONE("NIL", "", "") },
        { " ,,, ;",                                  "NIL" },
        { "",                                        "NIL" },
        { " (only a comment)",                       "NIL" },
        { " \"never ends <a@b.test>",                ONE("NIL", "never ends <a@b.test>", "") },
        { " K\xc3\xb6ln <a@b.test>",                 "(({5}\r\nK\xc3\xb6ln NIL \"a\" \"b.test\"))" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf b;

        buf_init(&b, 10000);
        imap_put_addresses(&b, slice_of(rows[i].value));
        assert_slice(rows[i].value, buf_slice(&b), rows[i].want);
        assert_true(syntax_is_value(buf_slice(&b)));
        buf_fini(&b);
    }
}

static void
fields_are_found(void **state)
{
    struct slice header = slice_of("Subject: a\r\n b\r\nX-Y : z\nno field\r\n:empty name\r\nSubject: second\r\n\r\nBody: x\r\n");
    static const char *const names[] = { "Subject", "X-Y", "", "", "Subject" };
    struct imap_field  field;
    struct buf         b;

    (void)state;
    buf_init(&b, 100);
    assert_true(imap_find_field(header, "SUBJECT", &field));
    imap_put_unfolded(&b, field.value);
    assert_slice("unfolded", buf_slice(&b), "a b");
    assert_slice("whole", field.whole, "Subject: a\r\n b\r\n");
    assert_false(imap_find_field(header, "Body", &field));
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_true(imap_next_field(&header, &field));
        assert_slice("name", field.name, names[i]);
    }
    assert_false(imap_next_field(&header, &field));
    buf_clear(&b);
    imap_put_unfolded(&b, slice_make(" a\0b\rc\n", 7));
    assert_slice("what breaks framing", buf_slice(&b), "abc");
    buf_clear(&b);
    imap_put_addresses(&b, slice_make("x\0y@[\0]", 8));
    assert_true(syntax_is_value(buf_slice(&b)));
    buf_fini(&b);
}

static void
an_envelope_takes_sender_and_reply_to_from_from(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 10000);
    imap_put_envelope(&b, slice_of("From: a@b.test\r\nFrom: second@b.test\r\nReply-To: \r\nSubject: x \"y\" \\\r\n\r\n"));
    assert_slice("envelope", buf_slice(&b), "(NIL \"x \\\"y\\\" \\\\\" " ONE("NIL", "a", "b.test") " " ONE("NIL", "a", "b.test") " " ONE("NIL", "a", "b.test")
                 " NIL NIL NIL NIL NIL)");
    buf_clear(&b);
    imap_put_envelope(&b, slice_make(NULL, 0));
    assert_slice("nothing", buf_slice(&b), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    buf_fini(&b);
}

static void
a_field_of_very_many_addresses_has_a_bound(void **state)
{
    struct buf value, b;
    unsigned   count = 0;

    (void)state;
    buf_init(&value, IMAP_HEADER_BYTES_MAX);
    buf_init(&b, 4 * IMAP_HEADER_BYTES_MAX);
    for (unsigned i = 0; i < 2 * IMAP_ADDRESSES_MAX; i++)
        buf_append_string(&value, "a@b,");
    imap_put_addresses(&b, buf_slice(&value));
    assert_true(syntax_is_value(buf_slice(&b)));
    for (size_t i = 1; i < b.len; i++)
        count += b.data[i] == '(';
    assert_int_equal(count, IMAP_ADDRESSES_MAX);
    buf_fini(&value);
    buf_fini(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_written),
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(an_envelope_takes_sender_and_reply_to_from_from),
        cmocka_unit_test(a_field_of_very_many_addresses_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
