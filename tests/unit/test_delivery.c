#include "tests/unit/unit.h"

#include "lib/delivery.h"
#include "lib/error.h"
#include "lib/msg.h"

/* A delivery with something in every field; lists as written by hop_write and part_write. */
struct sample {
    struct delivery  d;
    struct recipient recipients[2];
    struct candidate candidates[2];
    struct buf       hops, parts;
};

static void
sample_init(struct sample *s)
{
    struct delivery *d = &s->d;

    *s = (struct sample){ 0 };
    buf_init(&s->hops, 10000);
    buf_init(&s->parts, 10000);
    hop_write(&s->hops, &(struct hop){ .from = slice_of("mx.example"), .by = slice_of("in.example"), .with = slice_of("ESMTPS"),
                                       .tls = slice_of("TLSv1.3"), .id = slice_of("42"), .for_ = slice_of("a@b"), .time_unix = -5 });
    part_write(&s->parts, &(struct part){ .parent = PARSED_NO_PARENT, .header_at = 0, .body_at = 10, .end_at = 20, .lines = 2,
                                          .encoding = ENCODING_BASE64, .type = slice_of("text/plain") });
    part_write(&s->parts, &(struct part){ .parent = 0, .header_at = 11, .body_at = 12, .end_at = 19, .type = slice_of("x/y") });
    s->recipients[0] = (struct recipient){ slice_of("acme"), slice_of("Acme+x@t.example") };
    s->recipients[1] = (struct recipient){ slice_of("beta"), slice_of("beta@t.example") };
    for (unsigned i = 0; i < 2; i++) {
        memset(s->candidates[i].token.raw, (int)(i + 1), TOKEN_RAW_BYTES);
        s->candidates[i].found_in = PLACE_SUBJECT << i;
    }
    d->session = (struct session_facts){ slice_of("192.0.2.1"), slice_of("mx.example"), slice_of("helo"), slice_of("ESMTPS"),
                                         slice_of("TLSv1.3"),   slice_of("CIPHER"),     slice_of("id"),   DELIVERY_BARE_LF };
    d->reverse_path = slice_of("user+caf_=x=y@gmail.example");
    d->trace = slice_of("Received: from x by y; date\r\n");
    d->received_us = 1700000000123456;
    d->recipients = s->recipients;
    d->recipient_count = 2;
    d->parsed = (struct parsed){ .subject = slice_of("subject"), .from = slice_of("from"), .message_id = slice_of("<id@x>"),
                                 .date_unix = -1, .traits = TRAIT_AUTO_REPLIED, .received_count = 3, .candidates = s->candidates,
                                 .candidate_count = 2, .hops = buf_slice(&s->hops), .parts = buf_slice(&s->parts) };
    d->body = slice_of("From: a\r\n\r\nbody\r\n");
    d->size_bytes = d->body.len;
}

static void
sample_fini(struct sample *s)
{
    buf_fini(&s->hops);
    buf_fini(&s->parts);
}

static int
read_back(const struct buf *b, struct delivery *out)
{
    struct reader r;

    reader_init(&r, buf_slice(b));
    return delivery_read(&r, out);
}

static void
a_delivery_is_read_as_it_was_written(void **state)
{
    struct sample   s;
    struct buf      b;
    struct delivery d;
    struct reader   r;
    struct hop      hop;
    struct part     part;

    (void)state;
    sample_init(&s);
    buf_init(&b, 100000);
    delivery_write(&b, &s.d);
    assert_rc("read", read_back(&b, &d), MT_OK);
    assert_slice("helo", d.session.helo, "helo");
    assert_int_equal(d.session.flags, DELIVERY_BARE_LF);
    assert_slice("reverse-path", d.reverse_path, "user+caf_=x=y@gmail.example");
    assert_true(d.received_us == 1700000000123456);
    assert_int_equal(d.recipient_count, 2);
    assert_slice("second mailbox", d.recipients[1].mailbox, "beta");
    assert_slice("first address", d.recipients[0].address, "Acme+x@t.example");
    assert_int_equal(d.parsed.candidate_count, 2);
    assert_memory_equal(d.parsed.candidates[1].token.raw, s.candidates[1].token.raw, TOKEN_RAW_BYTES);
    assert_int_equal(d.parsed.candidates[1].found_in, PLACE_SUBJECT << 1);
    assert_true(d.parsed.date_unix == -1);
    assert_slice("body", d.body, "From: a\r\n\r\nbody\r\n");

    reader_init(&r, d.parsed.hops);
    assert_true(hop_next(&r, &hop));
    assert_slice("hop for", hop.for_, "a@b");
    assert_true(hop.time_unix == -5);
    assert_false(hop_next(&r, &hop));
    assert_true(read_end(&r));
    reader_init(&r, d.parsed.parts);
    assert_true(part_next(&r, &part));
    assert_true(part_next(&r, &part));
    assert_int_equal(part.parent, 0);
    assert_slice("type", part.type, "x/y");
    assert_false(part_next(&r, &part));
    delivery_fini(&d);
    buf_fini(&b);
    sample_fini(&s);
}

static void
a_delivery_cut_anywhere_is_refused(void **state)
{
    struct sample s;
    struct buf    b;

    (void)state;
    sample_init(&s);
    buf_init(&b, 100000);
    delivery_write(&b, &s.d);
    for (size_t len = 0; len < b.len; len++) {
        struct delivery d;
        struct reader   r;

        reader_init(&r, slice_make(b.data, len));
        if (delivery_read(&r, &d) != MT_EPROTO)
            fail_msg("cut at %zu of %zu octets: taken", len, b.len);
    }
    buf_fini(&b);
    sample_fini(&s);
}

static void
misfits_are_refused(void **state)
{
    enum { NO_RECIPIENT, SIZE_SMALLER, SIZE_LARGER, BODY_MISSING, PART_BEFORE_ITS_PARENT, PART_ENDS_BEFORE_IT_BEGINS, MISFITS };
    static const char *const labels[MISFITS] = { "no recipient", "size smaller", "size larger", "body missing",
                                                 "a part before its parent", "a part that ends before it begins" };

    (void)state;
    for (unsigned i = 0; i < MISFITS; i++) {
        struct sample   s;
        struct buf      b;
        struct delivery d;

        sample_init(&s);
        buf_init(&b, 100000);
        if (i == NO_RECIPIENT)
            s.d.recipient_count = 0;
        if (i == SIZE_SMALLER)
            s.d.size_bytes--;
        if (i == SIZE_LARGER)
            s.d.size_bytes++;
        if (i == BODY_MISSING)
            s.d.body = slice_make(NULL, 0);
        if (i == PART_BEFORE_ITS_PARENT)
            part_write(&s.parts, &(struct part){ .parent = 2 });
        if (i == PART_ENDS_BEFORE_IT_BEGINS)
            part_write(&s.parts, &(struct part){ .parent = 0, .body_at = 2, .end_at = 1 });
        s.d.parsed.parts = buf_slice(&s.parts);
        delivery_write(&b, &s.d);
        assert_rc(labels[i], read_back(&b, &d), MT_EPROTO);
        buf_fini(&b);
        sample_fini(&s);
    }
}

static void
a_large_body_stays_outside(void **state)
{
    struct sample   s;
    struct buf      b;
    struct delivery d;

    (void)state;
    sample_init(&s);
    buf_init(&b, 100000);
    s.d.body = slice_make(NULL, 0);
    s.d.size_bytes = MSG_INLINE_BODY_BYTES + 1;
    delivery_write(&b, &s.d);
    assert_rc("large", read_back(&b, &d), MT_OK);
    assert_int_equal(d.body.len, 0);
    assert_true(d.size_bytes == MSG_INLINE_BODY_BYTES + 1);
    delivery_fini(&d);
    buf_fini(&b);
    sample_fini(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivery_is_read_as_it_was_written),
        cmocka_unit_test(a_delivery_cut_anywhere_is_refused),
        cmocka_unit_test(misfits_are_refused),
        cmocka_unit_test(a_large_body_stays_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
