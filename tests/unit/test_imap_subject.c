#include "imapd/imap_subject.h"
#include "tests/unit/unit.h"

static void
base_subjects_are_those_of_rfc5256(void **state)
{
    static const struct {
        const char *in, *want;      /* mapped, so in upper case */
        bool        reply;
    } rows[] = {
        { "hello", "HELLO", false }, { "", "", false }, { "   ", "", false }, { " a \t b\r\n c ", "A B C", false },
        { "Re: hello", "HELLO", true }, { "re:hello", "HELLO", true }, { "RE : hello", "HELLO", true }, { "Fw: hello", "HELLO", true },
        { "Fwd: hello", "HELLO", true }, { "Re: Fwd: RE: hello", "HELLO", true }, { "Re[2]: hello", "HELLO", true }, { "Re [2] : hello", "HELLO", true },
        { "[list] hello", "HELLO", false }, { "[list] Re: hello", "HELLO", true }, { "Re: [list] hello", "HELLO", true },
        { "[a][b] [c] Re: [d] hello", "HELLO", true }, { "[a]", "[A]", false }, { "[a] [b]", "[B]", false }, { "Re: [a]", "[A]", true }, { "Re:", "", true },
        { "hello (fwd)", "HELLO", true }, { "hello(FWD) (fwd) ", "HELLO", true }, { "(fwd)", "", true }, { "[fwd: hello]", "HELLO", true },
        { "[Fwd: Re: hello (fwd)]", "HELLO", true }, { "[fwd: [fwd: x]]", "X", true }, { "[fwd: x] y", "Y", false }, { "Re: [fwd: x] (fwd)", "X", true },
        { "Regarding: x", "REGARDING: X", false }, { "Rea: x", "REA: X", false }, { "AW: x", "AW: X", false }, { "[a[b] x", "[A[B] X", false },
        { "[a] b] x", "B] X", false }, { "x [a]", "X [A]", false }, { "Re[a][b]: x", "RE[A][B]: X", false }, { "Forward: x", "FORWARD: X", false },
        { "=?utf-8?q?Re=3A_=C3=A4?=", "Ä", true }, { "=?iso-8859-1?q?Re=3A_=E4?=", "Ä", true }, { "=?koi8-r?b?8tXTy8nK?=", "РУСКИЙ", false },
        { "=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本", false }, { "[fwd:]", "", true }, { "[fwd: ", "[FWD:", false }, { "re", "RE", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;
        bool       reply;

        buf_init(&out, IMAP_SUBJECT_BYTES * 2);
        reply = imap_base_subject(slice_of(rows[i].in), &out);
        assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
        if (reply != rows[i].reply)
            fail_msg("%s: %s", rows[i].in, reply ? "a reply" : "no reply");
        buf_fini(&out);
    }
}

static void
long_subjects_are_cut_and_cost_little(void **state)
{
    static const char *const pieces[] = { "[a]", "re:", "[fwd:", "(fwd)", "[", "]", " ", "\xe2\x82\xac" };

    (void)state;
    for (size_t i = 0; i < COUNT(pieces); i++) {
        struct buf in, out;

        buf_init(&in, 1000000);
        buf_init(&out, IMAP_SUBJECT_BYTES * 2);
        while (in.len + 8 < 200000)
            buf_append_string(&in, pieces[i]);
        imap_base_subject(buf_slice(&in), &out);
        assert_int_equal(out.fault, MT_OK);
        assert_true(out.len <= IMAP_SUBJECT_BYTES);
        buf_fini(&in);
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_subjects_are_those_of_rfc5256),
        cmocka_unit_test(long_subjects_are_cut_and_cost_little),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
