#include "tests/unit/unit.h"

#include "lib/mime.h"

#include <stdlib.h>

/*
 * What the walk tells, as text: "+0" a part begins, "Name|value;" a field, "=type" its header ends, the body between quotes,
 * "-0[header_at,body_at,end_at]lines" it ends. A part's parent stands behind its begin: "+1^0", "!" marks an attached one.
 */
struct story {
    struct slice mail;
    struct buf   text;
    bool         in_body;
    uint32_t     body_of;
    size_t       body_at;       /* of the body's text in text */
};

static void
end_body(struct story *s)
{
    if (s->in_body)
        buf_append_byte(&s->text, '"');
    s->in_body = false;
}

static void
on_part_begin(void *arg, const struct mime_part *p)
{
    struct story *s = arg;

    end_body(s);
    buf_printf(&s->text, "+%u", p->index);
    if (p->parent != PARSED_NO_PARENT)
        buf_printf(&s->text, "^%u", p->parent);
    buf_append_string(&s->text, p->attached ? "! " : " ");
}

static void
on_field(void *arg, const struct mime_part *p, const struct header_field *f)
{
    struct story *s = arg;

    (void)p;
    end_body(s);
    buf_append_slice(&s->text, f->name);
    buf_append_byte(&s->text, '|');
    buf_append_slice(&s->text, slice_trim(f->value));
    buf_append_string(&s->text, "; ");
}

static void
on_header_end(void *arg, const struct mime_part *p)
{
    struct story *s = arg;

    buf_printf(&s->text, "=%s ", p->type);
}

static void
on_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct story *s = arg;

    assert_true(octets.len > 0);
    assert_true(p->kind != MIME_MESSAGE);
    if (s->in_body && s->body_of != p->index)
        end_body(s);
    if (!s->in_body) {
        buf_append_byte(&s->text, '"');
        s->body_at = s->text.len;
    }
    s->in_body = true;
    s->body_of = p->index;
    buf_append_slice(&s->text, octets);
}

static void
on_part_end(void *arg, const struct mime_part *p)
{
    struct story *s = arg;
    struct slice  body = slice_sub(s->mail, p->body_at, p->end_at - p->body_at);
    uint32_t      lines = 0;

    assert_true(p->header_at <= p->body_at && p->body_at <= p->end_at && p->end_at <= s->mail.len);
    for (size_t i = 0; i < body.len; i++)
        lines += body.data[i] == '\n';
    assert_int_equal(p->lines, lines);
    if (s->in_body && s->body_of == p->index && p->kind == MIME_LEAF && p->encoding == ENCODING_7BIT)
        assert_true(slice_equal(body, slice_sub(buf_slice(&s->text), s->body_at, s->text.len)));
    end_body(s);
    buf_printf(&s->text, "-%u[%u,%u,%u]%u ", p->index, (unsigned)p->header_at, (unsigned)p->body_at, (unsigned)p->end_at, p->lines);
}

static const struct mime_events events = { on_part_begin, on_field, on_header_end, on_body, on_part_end, NULL };

/* A multipart's header, and what is told of it. */
#define MIXED       "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define MIXED_STORY "+0 Content-Type|multipart/mixed; boundary=b; =multipart/mixed "

static const struct {
    const char *label, *mail, *story;
    bool        broken;
} cases[] = {
    { "plain", "A: b\r\n\r\nbody\r\nmore\r\n", "+0 A|b; =text/plain \"body\r\nmore\r\n\"-0[0,8,20]2 ", false },
    { "LF alone", "A: b\n\nbody\nmore\n", "+0 A|b; =text/plain \"body\nmore\n\"-0[0,6,16]2 ", false },
    { "no body", "A: b\r\n", "+0 A|b; =text/plain -0[0,6,6]0 ", false },
    { "no header", "\r\nbody", "+0 =text/plain \"body\"-0[0,2,6]0 ", false },
    { "nothing", "", "+0 =text/plain -0[0,0,0]0 ", false },
    { "From line",
      "From a@b Mon Jan  1 00:00:00 2024\r\nA: b\r\n\r\nx",
      "+0 |From a@b Mon Jan  1 00:00:00 2024; A|b; =text/plain \"x\"-0[0,43,44]0 ", false },
    { "a line that is no field",
      "A: b\r\nhello\r\nC: d\r\n\r\nx",
      "+0 A|b; |hello; C|d; =text/plain \"x\"-0[0,21,22]0 ", true },
    { "bare CR ends nothing", "A: b\rC: d\r\n\r\nx\ry\r", "+0 A|b\rC: d; =text/plain \"x\ry\r\"-0[0,13,17]0 ", false },
    { "base64",
      "Content-Transfer-Encoding: base64\r\n\r\naGVs\r\nbG8",
      "+0 Content-Transfer-Encoding|base64; =text/plain \"hello\"-0[0,37,46]1 ", false },
    { "quoted-printable",
      "Content-Transfer-Encoding: Quoted-Printable\r\n\r\nmt=\r\n1=41\r\n",
      "+0 Content-Transfer-Encoding|Quoted-Printable; =text/plain \"mt1A\r\n\"-0[0,47,58]2 ", false },
    { "bad base64",
      "Content-Transfer-Encoding: base64\r\n\r\na*GVsbG8=",
      "+0 Content-Transfer-Encoding|base64; =text/plain \"hello\"-0[0,37,46]0 ", true },
    { "unknown encoding",
      "Content-Transfer-Encoding: rot13\r\n\r\nx",
      "+0 Content-Transfer-Encoding|rot13; =text/plain \"x\"-0[0,36,37]0 ", true },
    { "multipart",
      MIXED "pre\r\n--b\r\nA: 1\r\n\r\none\r\n--b\r\n\r\ntwo\r\n\r\n--b--\r\nepi\r\n",
      MIXED_STORY "\"pre\"+1^0 A|1; =text/plain \"one\"-1[55,63,66]0 "
      "+2^0 =text/plain \"two\r\n\"-2[73,75,80]1 \"\r\nepi\r\n\"-0[0,45,94]11 ", false },
    { "a boundary in the first line",
      MIXED "--b\r\n\r\n--b--",
      MIXED_STORY "+1^0 =text/plain -1[50,52,52]0 -0[0,45,57]2 ", false },
    { "blanks behind a boundary",
      MIXED "--b \t\r\n\r\nx\r\n--b-- \r\n",
      MIXED_STORY "+1^0 =text/plain \"x\"-1[52,54,55]0 \"\r\n\"-0[0,45,65]4 ", false },
    { "no boundary, but hyphens",
      MIXED "--b\r\n\r\n-\r\n--\r\n-- \r\n---b\r\nx--b\r\n--a\r\n--b--\r\n",
      MIXED_STORY "+1^0 =text/plain \"-\r\n--\r\n-- \r\n---b\r\nx--b\r\n--a\"-1[50,52,79]5 \"\r\n\"-0[0,45,88]9 ", false },
    { "never closed", MIXED "--b\r\n\r\nx\r\n", MIXED_STORY "+1^0 =text/plain \"x\r\n\"-1[50,52,55]1 -0[0,45,55]3 ", true },
    { "no boundary parameter",
      "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx",
      "+0 Content-Type|multipart/mixed; =multipart/mixed \"--b\r\n\r\nx\"-0[0,33,41]2 ", true },
    { "empty line before a boundary is missing",
      "Content-Type: multipart/mixed; boundary=b\r\n--b\r\n\r\nx\r\n--b--\r\n",
      MIXED_STORY "+1^0 =text/plain \"x\"-1[48,50,51]0 \"\r\n\"-0[0,43,60]4 ", true },
    { "a boundary in a part's header",
      MIXED "--b\r\nA: 1\r\n--b\r\n\r\nx\r\n--b--\r\n",
      MIXED_STORY "+1^0 A|1; =text/plain -1[50,56,56]0 +2^0 =text/plain \"x\"-2[61,63,64]0 \"\r\n\"-0[0,45,73]6 ", false },
    { "the end in a boundary",
      MIXED "--b\r\n\r\nx\r\n--b",
      MIXED_STORY "+1^0 =text/plain \"x\"-1[50,52,53]0 -0[0,45,58]3 ", true },
    { "nested",
      MIXED "--b\r\nContent-Type: multipart/alternative; boundary=bb\r\n\r\n--bb\r\n\r\n1\r\n--bb\r\n"
      "Content-Type: text/html\r\n\r\n2\r\n--bb--\r\n--b\r\n\r\n3\r\n--b--\r\n",
      MIXED_STORY "+1^0 Content-Type|multipart/alternative; boundary=bb; =multipart/alternative "
      "+2^1 =text/plain \"1\"-2[108,110,111]0 +3^1 Content-Type|text/html;"
      " =text/html \"2\"-3[119,146,147]0 -1[50,102,155]7 "
      "+4^0 =text/plain \"3\"-4[162,164,165]0 \"\r\n\"-0[0,45,174]15 ", false },
    { "an outer boundary ends the inner one",
      MIXED "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\n",
      MIXED_STORY "+1^0 Content-Type|multipart/mixed; boundary=c; =multipart/mixed "
      "+2^1 =text/plain \"1\"-2[100,102,103]0 -1[50,95,103]2 +3^0 =text/plain \"2\"-3[110,112,113]0 \"\r\n"
      "\"-0[0,45,122]10 ", true },
    { "attached message",
      MIXED "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nin\r\n--b--\r\n",
      MIXED_STORY "+1^0 Content-Type|message/rfc822; =message/rfc822 "
      "+2^1! Subject|s; =text/plain \"in\"-2[82,96,98]0 -1[50,82,98]2 \"\r\n\"-0[0,45,107]7 ", false },
    { "attached message, encoded",
      "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg==",
      "+0 Content-Type|message/rfc822; Content-Transfer-Encoding|base64; =message/rfc822 \"A: b\"-0[0,67,75]0 ", false },
    { "message in a message",
      "Content-Type: message/rfc822\r\n\r\nContent-Type: message/global\r\n\r\nA: b",
      "+0 Content-Type|message/rfc822; =message/rfc822 +1^0! Content-Type|message/global; =message/global "
      "+2^1! A|b; =text/plain -2[64,68,68]0 -1[32,64,68]0 -0[0,32,68]2 ", false },
    { "digest",
      "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--",
      "+0 Content-Type|multipart/digest; boundary=b; =multipart/digest +1^0 =message/rfc822 +2^1! Subject|s;"
      " =text/plain \"x\"-2[53,67,68]0 -1[51,53,68]2 " "-0[0,46,75]5 ", false },
    { "the first of two types",
      "Content-Type: text/html\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
      "+0 Content-Type|text/html; Content-Type|multipart/mixed; boundary=b; =text/html \"--b\r\n\"-0[0,70,75]1 ", false },
    { "encoded multipart",
      "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n\r\nx=\r\n--b--\r\n",
      "+0 Content-Type|multipart/mixed; boundary=b; Content-Transfer-Encoding|base64; =multipart/mixed "
      "+1^0 =text/plain \"x=\"-1[85,87,89]0 \"\r\n\"-0[0,80,98]4 ", true },
    { "carriage returns before a boundary",
      MIXED "--b\r\n\r\nx\r\r\n\r\n\r--b\r\n--b--",
      MIXED_STORY "+1^0 =text/plain \"x\r\r\n\r\n\r--b\"-1[50,52,62]2 -0[0,45,69]5 ", false },
    { "text type cannot be read",
      "Content-Type: text\r\n\r\nx",
      "+0 Content-Type|text; =text/plain \"x\"-0[0,22,23]0 ", true },
};

static void
feed_in_pieces(struct mime_walk *w, struct slice mail, size_t first, size_t piece)
{
    mime_walk_feed(w, slice_sub(mail, 0, first));
    for (size_t at = first; at < mail.len; at += piece)
        mime_walk_feed(w, slice_sub(mail, at, piece));
    mime_walk_finish(w);
}

static void
the_story_is_right_however_the_mail_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice      mail = slice_of(cases[i].mail);
        struct story      s = { .mail = mail };
        struct mime_walk *w = mime_walk_new(&events, &s);

        assert_non_null(w);
        buf_init(&s.text, 10000);
        for (size_t first = 0; first <= mail.len; first++) {
            for (size_t piece = 1; piece < 80; piece += 13) {
                buf_clear(&s.text);
                feed_in_pieces(w, mail, first, piece);
                assert_slice(cases[i].label, buf_slice(&s.text), cases[i].story);
                if (mime_walk_is_broken(w) != cases[i].broken)
                    fail_msg("%s: broken is %d", cases[i].label, mime_walk_is_broken(w));
                assert_false(mime_walk_is_cut(w));
                mime_walk_reset(w);
            }
        }
        mime_walk_free(w);
        buf_fini(&s.text);
    }
}

/* ---- Bounds ----------------------------------------------------------------------------------------------------- */

struct tally {
    uint32_t parts, ended;
    uint32_t depth, deepest;
    size_t   body_octets;
};

static void
count_begin(void *arg, const struct mime_part *p)
{
    struct tally *t = arg;

    assert_int_equal(p->index, t->parts);
    t->parts++;
    t->depth++;
    if (t->depth > t->deepest)
        t->deepest = t->depth;
}

static void
count_field(void *arg, const struct mime_part *p, const struct header_field *f)
{
    (void)arg, (void)p, (void)f;
}

static void
count_header_end(void *arg, const struct mime_part *p)
{
    (void)arg;
    assert_true(p->body_at >= p->header_at);
}

static void
count_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct tally *t = arg;

    (void)p;
    t->body_octets += octets.len;
}

static void
count_end(void *arg, const struct mime_part *p)
{
    struct tally *t = arg;

    assert_true(p->end_at >= p->body_at);
    t->depth--;
    t->ended++;
}

static const struct mime_events counters = { count_begin, count_field, count_header_end, count_body, count_end, NULL };

static void
what_is_too_deep_is_not_opened_but_still_told(void **state)
{
    struct buf        mail;
    struct tally      t = { .parts = 0 };
    struct mime_walk *w = mime_walk_new(&counters, &t);

    (void)state;
    assert_non_null(w);
    buf_init(&mail, 1024 * 1024);
    for (unsigned i = 0; i < 1000; i++)
        buf_printf(&mail, "Content-Type: multipart/mixed; boundary=b%04u\r\n\r\n--b%04u\r\n", i, i);
    buf_append_string(&mail, "\r\nthe end");
    mime_walk_feed(w, buf_slice(&mail));
    mime_walk_finish(w);
    assert_int_equal(t.deepest, MIME_DEPTH_MAX);
    assert_int_equal(t.parts, MIME_DEPTH_MAX);
    assert_int_equal(t.ended, t.parts);
    assert_true(mime_walk_is_cut(w));
    assert_true(t.body_octets > mail.len * 8 / 10);

    buf_clear(&mail);
    for (unsigned i = 0; i < 1000; i++)
        buf_append_string(&mail, "Content-Type: message/rfc822\r\n\r\n");
    mime_walk_reset(w);
    t = (struct tally){ .parts = 0 };
    mime_walk_feed(w, buf_slice(&mail));
    mime_walk_finish(w);
    assert_int_equal(t.parts, MIME_DEPTH_MAX);
    assert_true(mime_walk_is_cut(w));

    mime_walk_reset(w);
    t = (struct tally){ .parts = 0 };
    mime_walk_feed(w, slice_of("A: b\r\n\r\nx"));
    mime_walk_finish(w);
    assert_int_equal(t.parts, 1);
    assert_false(mime_walk_is_cut(w));
    assert_false(mime_walk_is_broken(w));
    mime_walk_free(w);
    buf_fini(&mail);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_story_is_right_however_the_mail_is_cut),
        cmocka_unit_test(what_is_too_deep_is_not_opened_but_still_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
