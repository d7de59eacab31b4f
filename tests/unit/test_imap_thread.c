#include "imapd/imap_message_id.h"
#include "imapd/imap_thread.h"
#include "tests/unit/unit.h"

#include <stdio.h>

static uint32_t
show(void *arg, uint32_t number)
{
    (void)arg;
    return number;
}

static void
finish(struct imap_threads *t, struct buf *out)
{
    int rc;

    while (imap_threads_step(t, &rc))
        ;
    assert_int_equal(rc, MT_OK);
    while (imap_threads_put(t, out, show, NULL))
        ;
    assert_int_equal(out->fault, MT_OK);
}

/* Mails: separated by "|": "day,subject,id,references" or "day,subject,id,references,in-reply-to", ids by single letters. */
static void
thread(enum imap_thread_algorithm algorithm, const char *mails, struct buf *out)
{
    struct imap_threads *t = imap_threads_new(algorithm);
    uint32_t             number = 0;

    assert_non_null(t);
    for (struct slice rest = slice_of(mails); rest.len > 0;) {
        struct slice mail = slice_sub(rest, 0, slice_find(rest, '|')), part[5] = { { NULL, 0 } };
        struct buf   header;
        uint64_t     day;

        rest = slice_sub(rest, mail.len + 1, rest.len);
        for (unsigned i = 0; i < 5 && mail.data != NULL; i++) {
            part[i] = slice_sub(mail, 0, slice_find(mail, ','));
            mail = slice_sub(mail, part[i].len + 1, mail.len);
        }
        buf_init(&header, 1000);
        buf_printf(&header, "Subject: %.*s\r\n", (int)part[1].len, part[1].data);
        for (unsigned i = 2; i < 5; i++) {
            buf_append_string(&header, i == 2 ? "Message-ID:" : i == 3 ? "References:" : "In-Reply-To:");
            for (size_t n = 0; n < part[i].len; n++)
                buf_printf(&header, "\r\n <%c@x>", part[i].data[n]);
            buf_append_string(&header, "\r\n");
        }
        assert_int_equal(slice_to_u64(part[0], 1000, &day), MT_OK);
        assert_int_equal(imap_threads_add(t, ++number, buf_slice(&header), (int64_t)day), MT_OK);
        buf_fini(&header);
    }
    finish(t, out);
    imap_threads_free(t);
}

static void
threads_are_those_of_rfc5256(void **state)
{
    static const struct {
        const char                *label;
        enum imap_thread_algorithm algorithm;
        const char                *mails, *want;
    } rows[] = {
        { "none", IMAP_REFERENCES, "", "" },
        { "one", IMAP_REFERENCES, "1,a,a,", "(1)" },
        { "chain", IMAP_REFERENCES, "1,a,a,|2,Re: a,b,a|3,Re: a,c,ab", "(1 2 3)" },
        { "branches", IMAP_REFERENCES, "1,a,a,|2,Re: a,b,a|3,Re: a,c,a", "(1 (2)(3))" },
        { "a branch behind a chain", IMAP_REFERENCES, "1,a,a,|2,x,b,a|3,y,c,ab|4,z,d,ab|5,q,e,ab d", "(1 2 (3)(4 5))" },
        { "in any order", IMAP_REFERENCES, "3,Re: a,c,ab|2,Re: a,b,a|1,a,a,", "(3 2 1)" },
        { "In-Reply-To", IMAP_REFERENCES, "1,a,a,|2,b,b,,a", "(1 2)" },
        { "References first", IMAP_REFERENCES, "1,a,a,|2,b,b,|3,c,c,a,b", "(1 3)(2)" },
        { "the parent is missing, two children", IMAP_REFERENCES, "1,q,b,a|2,r,c,a", "((1)(2))" },
        { "the parent is missing, one child", IMAP_REFERENCES, "1,q,b,a|2,r,c,b", "(1 2)" },
        { "missing in the middle", IMAP_REFERENCES, "1,q,a,|2,r,c,ab|3,s,d,ab", "(1 (2)(3))" },
        { "missing parents within each other", IMAP_REFERENCES, "1,q,d,ab|2,r,e,ab|3,s,f,ac", "((1)(2)(3))" },
        { "a loop", IMAP_REFERENCES, "1,q,a,b|2,r,b,a", "(2 1)" },
        { "of itself", IMAP_REFERENCES, "1,q,a,a|2,r,b,bb", "(1)(2)" },
        { "the same id twice", IMAP_REFERENCES, "1,q,a,|2,r,a,|3,s,b,a", "(1 3)(2)" },
        { "the real parent counts", IMAP_REFERENCES, "1,q,a,|2,r,c,ab|3,s,d,c|4,t,c2,", "(1 2 3)(4)" },
        { "a parent that another mail told wrong", IMAP_REFERENCES, "3,s,c,ab|1,q,a,|2,r,b,", "(2)(3 1)" },
        { "no ids, same subject", IMAP_REFERENCES, "1,a,,|2,Re: a,,", "(1 2)" },
        { "no ids, same subject, no reply", IMAP_REFERENCES, "1,a,,|2,a,,|3,a,,", "((1)(2)(3))" },
        { "replies before what they reply to", IMAP_REFERENCES, "1,Re: a,,|2,Re: a,,|3,a,,", "(3 (1)(2))" },
        { "replies only", IMAP_REFERENCES, "1,Re: a,,|2,Re: a,,", "((1)(2))" },
        { "empty subjects", IMAP_REFERENCES, "1,,,|2,Re:,,|3,,,", "(1)(2)(3)" },
        { "a dummy and its subject", IMAP_REFERENCES, "1,a,b,x|2,a,c,x|3,a,d,|4,Re: a,e,", "((1)(2)(3)(4))" },
        { "two dummies of a subject", IMAP_REFERENCES, "1,a,b,x|2,a,c,x|3,a,d,y|4,a,e,y", "((1)(2)(3)(4))" },
        { "roots by date", IMAP_REFERENCES, "3,a,a,|1,b,b,|2,c,c,", "(2)(3)(1)" },
        { "siblings by date", IMAP_REFERENCES, "1,a,a,|4,b,b,a|3,c,c,a|3,d,d,a", "(1 (3)(4)(2))" },
        { "a dummy by its first child", IMAP_REFERENCES, "5,a,a,|7,b,b,x|3,c,c,x", "((3)(2))(1)" },
        { "ORDEREDSUBJECT: none", IMAP_ORDERED_SUBJECT, "", "" },
        { "ORDEREDSUBJECT", IMAP_ORDERED_SUBJECT, "3,a,,|1,b,,|2,Re: a,,|4,Re: b,,|5,[x] B (fwd),,", "(2 (4)(5))(3 1)" },
        { "ORDEREDSUBJECT: empty ones", IMAP_ORDERED_SUBJECT, "1,,,|2,Re:,,|3,c,,", "(1 2)(3)" },
        { "ORDEREDSUBJECT: equal dates", IMAP_ORDERED_SUBJECT, "1,b,,|1,a,,|1,a,,|1,b,,", "(1 4)(2 3)" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;

        buf_init(&out, 1000);
        thread(rows[i].algorithm, rows[i].mails, &out);
        assert_slice(rows[i].label, buf_slice(&out), rows[i].want);
        buf_fini(&out);
    }
}

enum { MANY = 100000 };

/* shape 0: each replies to the one before; 1: to the one behind; 2: all to the first; 3: to one at random. */
static void
make_many(int shape, struct buf *out)
{
    struct imap_threads *t = imap_threads_new(IMAP_REFERENCES);
    unsigned             random = 1;

    for (unsigned i = 1; i <= MANY; i++) {
        char     header[200];
        unsigned to = shape == 0 ? i - 1 : shape == 1 ? i + 1 : shape == 2 ? 1 : (random = random * 1103515245 + 12345) % MANY + 1;

        snprintf(header, sizeof(header), "Message-ID: <%u@x>\r\nReferences: <%u@x>\r\n", i, to);
        assert_int_equal(imap_threads_add(t, i, slice_of(header), 5), MT_OK);
    }
    finish(t, out);
    imap_threads_free(t);
}

static void
deep_and_wide_threads_name_each_message_once(void **state)
{
    static bool seen[MANY + 1];

    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        struct buf out;
        int        depth = 0;
        uint32_t   number = 0, count = 0;

        memset(seen, 0, sizeof(seen));
        buf_init(&out, 16u * 1024 * 1024);
        make_many(shape, &out);
        for (size_t i = 0; i < out.len; i++) {
            char c = out.data[i];

            depth += (c == '(') - (c == ')');
            number = c >= '0' && c <= '9' ? number * 10 + (uint32_t)(c - '0') : 0;
            if (number > 0 && (out.data[i + 1] < '0' || out.data[i + 1] > '9')) {
                assert_true(number <= MANY && !seen[number]);
                seen[number] = true;
                count++;
            }
        }
        assert_int_equal(depth, 0);
        assert_int_equal(count, MANY);
        buf_fini(&out);
    }
}

static void
what_takes_too_much_is_refused(void **state)
{
    struct imap_threads *t = imap_threads_new(IMAP_REFERENCES);
    struct buf           header;
    int                  rc = MT_OK;

    (void)state;
    for (unsigned i = 0; i < 1000 && rc == MT_OK; i++) {
        buf_init(&header, 100000);
        buf_append_string(&header, "References:");
        for (unsigned n = 0; n < 2000; n++)
            buf_printf(&header, " <%u.%u@x>", i, n);
        rc = imap_threads_add(t, i + 1, buf_slice(&header), 0);
        buf_fini(&header);
        assert_true(rc == MT_OK || i >= IMAP_THREAD_NODES_MAX / IMAP_THREAD_REFERENCES_MAX - 1);
    }
    assert_int_equal(rc, MT_ESIZE);
    imap_threads_free(t);
}

static void
message_ids_are_normalized(void **state)
{
    static const struct {
        const char *in, *want;      /* all of them, separated by spaces */
    } rows[] = {
        { "", "" }, { "<a@b>", "a@b " }, { " <a@b>\r\n\t<c@d>", "a@b c@d " }, { "<\"a\"@b>", "a@b " }, { "<\"a b\\\"\"@b>", "a b\"@b " }, { "<a@[1.2.3.4]>", "a@[1.2.3.4] " },
        { "<a>", "" }, { "<@b>", "" }, { "<a@>", "" }, { "<a@b", "" }, { "a@b", "" }, { "<a b@c> <d@e>", "d@e " }, { "<a <b@c>", "b@c " }, { "<>", "" }, { "text <a@b> (c)", "a@b " },
        { "<\"@\"@b>", "@@b " }, { "<a\\", "" }, { "<\"<a@b>", "a@b " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_of(rows[i].in);
        struct buf   id, all;

        buf_init(&id, IMAP_THREAD_ID_BYTES);
        buf_init(&all, 1000);
        while (imap_next_message_id(&rest, &id)) {
            buf_append_slice(&all, buf_slice(&id));
            buf_append_byte(&all, ' ');
        }
        assert_slice(rows[i].in, buf_slice(&all), rows[i].want);
        buf_fini(&id);
        buf_fini(&all);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_those_of_rfc5256),
        cmocka_unit_test(deep_and_wide_threads_name_each_message_once),
        cmocka_unit_test(what_takes_too_much_is_refused),
        cmocka_unit_test(message_ids_are_normalized),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
