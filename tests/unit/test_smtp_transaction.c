#include "tests/unit/unit.h"

#include "smtpd/transaction.h"

static const struct transaction_limits limits = {
    .message_max_bytes = 1000, .line_max_bytes = 100, .received_max = 3, .recipients_max = 5, .refuse_bare_newline = false,
};

static struct path
path_of(const char *text)
{
    struct path  p;
    struct slice rest;

    assert_int_equal(path_parse_reverse(slice_of(text), &p, &rest), MT_OK);
    return p;
}

static struct transaction *
begin(struct transaction_pool *pool, const char *sender)
{
    struct mail_args    args = { .path = path_of(sender), .eight_bit = true };
    struct transaction *t = transaction_begin(pool, &args);

    assert_non_null(t);
    return t;
}

static enum reply
add(struct transaction *t, const char *mailbox, const char *address)
{
    struct path p = path_of(address);

    return transaction_recipient(t, &limits, mailbox, &p);
}

static void
an_envelope_is_kept_as_it_was_given(void **state)
{
    struct transaction_pool pool = { .free = NULL };
    struct recipient        got[5];

    (void)state;
    for (unsigned round = 0; round < 3; round++) {      /* from the pool, from the second on */
        struct transaction *t = begin(&pool, "<sender@client.test>");

        assert_int_equal(add(t, "acme", "<ACME+one@a.test>"), REPLY_RECIPIENT_OK);
        assert_int_equal(add(t, "acme", "<acme+two@b.test>"), REPLY_RECIPIENT_OK);
        assert_int_equal(add(t, "other", "<other@a.test>"), REPLY_RECIPIENT_OK);
        assert_int_equal(t->accepted, 3);
        assert_int_equal(t->recipient_count, 2);
        transaction_recipients(t, got);
        assert_slice("mailbox", got[0].mailbox, "acme");
        assert_slice("address", got[0].address, "ACME+one@a.test");
        assert_slice("mailbox", got[1].mailbox, "other");
        assert_slice("sender", transaction_reverse_path(t), "sender@client.test");
        assert_int_equal(t->flags, DELIVERY_8BITMIME);
        transaction_end(&pool, t);
    }
    transaction_pool_fini(&pool);
}

static void
recipients_are_limited_by_number_and_by_octets(void **state)
{
    struct transaction_pool   pool = { .free = NULL };
    struct transaction       *t = begin(&pool, "<>");
    struct transaction_limits many = limits;
    char                      address[1024];
    struct path               p = { .text = slice_make(address, sizeof(address)) };
    unsigned                  n = 0;

    (void)state;
    memset(address, 'a', sizeof(address));
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(add(t, "acme", "<a@b>"), REPLY_RECIPIENT_OK);
    assert_int_equal(add(t, "acme", "<a@b>"), REPLY_TOO_MANY_RCPTS);
    many.recipients_max = 1000;
    while (transaction_recipient(t, &many, "box", &p) == REPLY_RECIPIENT_OK)
        n++;
    assert_true(n > 100 && n < 130);        /* TRANSACTION_TEXT_BYTES_MAX */
    assert_int_equal(add(t, "acme", "<a@b>"), REPLY_TOO_MANY_RCPTS);
    transaction_end(&pool, t);
    transaction_pool_fini(&pool);
}

static void
tokens_are_looked_for_in_every_recipient(void **state)
{
    struct transaction_pool pool = { .free = NULL };
    struct transaction     *t = begin(&pool, "<>");

    (void)state;
    assert_int_equal(add(t, "acme", "<acme+mt10123456789abcdefghjkmnpqrstvwxyz01234567@a.test>"), REPLY_RECIPIENT_OK);
    assert_int_equal(add(t, "acme", "<acme+mt1zzzz456789abcdefghjkmnpqrstvwxyz01234567@a.test>"), REPLY_RECIPIENT_OK);
    transaction_begin_message(&pool, t, DATA_DOTTED);
    transaction_feed(t, &limits, slice_of("Subject: x\r\n\r\n.\r\n"));
    transaction_finish_message(t, &limits, 1);
    assert_int_equal(t->refusal, REPLY_NONE);
    assert_int_equal(t->parsed.candidate_count, 2);
    assert_slice("subject", t->parsed.subject, "x");
    transaction_end(&pool, t);
    transaction_pool_fini(&pool);
}

#define X90 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X900 X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n" X90 "\r\n"

static const struct { const char *label, *in; bool strict; enum reply refusal; } messages[] = {
    { "plain",                 "a: b\r\n\r\nc\r\n.\r\n",                                     false, REPLY_NONE },
    { "bare LF",               "a: b\r\n\r\nc\nd\r\n.\r\n",                                  false, REPLY_NONE },
    { "bare LF, strict",       "a: b\r\n\r\nc\nd\r\n.\r\n",                                  true,  REPLY_BARE_NEWLINE },
    { "line at the limit",     X90 "1234567890\r\n.\r\n",                                    false, REPLY_NONE },
    { "line over the limit",   X90 "12345678901\r\n.\r\n",                                   false, REPLY_DATA_LINE_TOO_LONG },
    { "size at the limit",     X900 X90 "\r\n.\r\n",                                         false, REPLY_TOO_LARGE },
    { "size under the limit",  X900 "\r\n.\r\n",                                             false, REPLY_NONE },
    { "hops at the limit",     "Received: a\r\nReceived: a\r\nReceived: a\r\n\r\n.\r\n",     false, REPLY_NONE },
    { "hops over the limit",   "Received: a\r\nReceived: a\r\nreceived: a\r\nReceived: a\r\n\r\n.\r\n", false, REPLY_LOOP },
};

static void
messages_are_refused_at_their_limits_wherever_they_are_cut(void **state)
{
    struct transaction_pool pool = { .free = NULL };

    (void)state;
    for (size_t i = 0; i < COUNT(messages); i++) {
        struct transaction_limits l = limits;

        l.refuse_bare_newline = messages[i].strict;
        for (size_t piece = 1; piece < 2000; piece = piece * 2 + 1) {
            struct transaction *t = begin(&pool, "<>");
            struct slice        rest = slice_of(messages[i].in);

            transaction_begin_message(&pool, t, DATA_DOTTED);
            while (rest.len > 0 && !data_reader_ended(&t->reader))
                rest = slice_sub(rest, transaction_feed(t, &l, slice_sub(rest, 0, piece)), rest.len);
            assert_true(data_reader_ended(&t->reader));
            transaction_finish_message(t, &l, 1);
            if (t->refusal != messages[i].refusal)
                fail_msg("%s, in pieces of %zu: got \"%s\"", messages[i].label, piece, t->refusal == 0 ? "" : reply_text(t->refusal));
            assert_true(t->refusal == REPLY_NONE || t->body.size_bytes == 0);
            transaction_end(&pool, t);
        }
    }
    transaction_pool_fini(&pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_envelope_is_kept_as_it_was_given),
        cmocka_unit_test(recipients_are_limited_by_number_and_by_octets),
        cmocka_unit_test(tokens_are_looked_for_in_every_recipient),
        cmocka_unit_test(messages_are_refused_at_their_limits_wherever_they_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
