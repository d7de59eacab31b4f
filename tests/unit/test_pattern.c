#include "tests/unit/unit.h"

#include "lib/pattern.h"

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)

/* ---- The state of a mailbox ---- */

static const struct {
    const char           *label;
    struct pattern_record p;
    uint64_t              now_us;
    enum setup_state      want;
} states[] = {
    { "nothing yet", { 0 }, 1000 * MINUTE, SETUP_WAITING },
    { "asked to confirm", { .confirmation_us = 5 }, 1000 * MINUTE, SETUP_CONFIRMATION },
    { "refused", { .refusal_us = 5 }, 10, SETUP_REFUSED },
    { "refused, then asked to confirm", { .refusal_us = 5, .confirmation_us = 6 }, 10, SETUP_CONFIRMATION },
    { "asked to confirm, then refused", { .refusal_us = 6, .confirmation_us = 5 }, 10, SETUP_REFUSED },
    { "the first one", { .arrivals = 1, .last_us = 5 }, 1000 * MINUTE, SETUP_FIRST_PROBE },
    { "the first one, after a refusal", { .arrivals = 1, .last_us = 7, .refusal_us = 6, .confirmation_us = 5 }, 10, SETUP_FIRST_PROBE },
    { "the second one", { .arrivals = 2, .last_us = 7, .usual_gap_us = 1 }, 1000 * MINUTE, SETUP_HEALTHY },
    { "three say nothing of what is usual", { .arrivals = 3, .last_us = 7, .usual_gap_us = 1 }, 1000 * MINUTE, SETUP_HEALTHY },
    { "four that came in a row", { .arrivals = 4, .last_us = MINUTE, .usual_gap_us = 0 }, 1000 * MINUTE, SETUP_HEALTHY },
    { "in time", { .arrivals = 4, .last_us = MINUTE, .usual_gap_us = 5 * MINUTE }, 21 * MINUTE, SETUP_HEALTHY },
    { "four gaps are over", { .arrivals = 4, .last_us = MINUTE, .usual_gap_us = 5 * MINUTE }, 21 * MINUTE + 1, SETUP_SILENT },
    { "a quarter of an hour at least", { .arrivals = 4, .last_us = MINUTE, .usual_gap_us = SECOND }, 16 * MINUTE, SETUP_HEALTHY },
    { "and no more", { .arrivals = 4, .last_us = MINUTE, .usual_gap_us = SECOND }, 16 * MINUTE + 1, SETUP_SILENT },
    { "refused since it was healthy", { .arrivals = 9, .last_us = 7, .usual_gap_us = MINUTE, .refusal_us = 8 }, 1000 * MINUTE, SETUP_REFUSED },
    { "asked to confirm after the first one", { .arrivals = 1, .last_us = 7, .confirmation_us = 8 }, 10, SETUP_FIRST_PROBE },
    { "asked to confirm since it was healthy", { .arrivals = 9, .last_us = 7, .usual_gap_us = MINUTE, .confirmation_us = 8 }, 10, SETUP_HEALTHY },
    { "asked to confirm while silent", { .arrivals = 9, .last_us = 7, .usual_gap_us = MINUTE, .confirmation_us = 8 }, 1000 * MINUTE, SETUP_SILENT },
    { "refused since it was healthy, then asked to confirm", { .arrivals = 9, .last_us = 7, .refusal_us = 8, .confirmation_us = 9 }, 10,
      SETUP_REFUSED },
    { "a pretended request", { .pretence_id = 1, .pretence_us = 8 }, 10, SETUP_WAITING },
    { "a pretended request after a refusal", { .refusal_us = 7, .pretence_id = 1, .pretence_us = 8 }, 10, SETUP_REFUSED },
    { "a pretended request after a real one", { .confirmation_us = 7, .pretence_id = 1, .pretence_us = 8 }, 10, SETUP_CONFIRMATION },
};

static void
a_mailbox_is_in_one_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(states); i++) {
        enum setup_state got = pattern_state(&states[i].p, states[i].now_us);

        if (got != states[i].want)
            fail_msg("%s: %s", states[i].label, setup_state_name(got));
    }
}

/* ---- What differs ---- */

struct keeper {
    struct pattern_record p;
    struct buf            scratch, kept, changes, facts;
    uint64_t              at_us;
    bool                  is_news;
};

static void
keeper_init(struct keeper *k)
{
    *k = (struct keeper){ .at_us = MINUTE };
    buf_init(&k->scratch, PATTERN_CLAIMS_BYTES);
    buf_init(&k->kept, PATTERN_CLAIMS_BYTES);
    buf_init(&k->changes, 1024);
    buf_init(&k->facts, FACTS_BYTES);
}

static void
keeper_fini(struct keeper *k)
{
    buf_fini(&k->scratch);
    buf_fini(&k->kept);
    buf_fini(&k->changes);
    buf_fini(&k->facts);
}

/* Takes one, and returns what was said of it. */
static const char *
take(struct keeper *k, uint32_t found_in, uint32_t hops, bool tls, const char *way, const char *authentication)
{
    static char            said[1025];
    static char            ways[4][32];
    static unsigned        next_way;
    struct pattern_arrival a = { .received_us = k->at_us, .found_in = found_in, .received_count = hops, .tls = tls };

    buf_clear(&k->facts);
    if (way != NULL)
        fact_add(&k->facts, FACT_FORWARD_WAY, slice_of(way));
    if (authentication != NULL)
        fact_add(&k->facts, FACT_AUTHENTICATION, slice_of(authentication));
    a.facts = buf_slice(&k->facts);
    buf_clear(&k->changes);
    pattern_add(&k->p, &a, &k->scratch, &k->changes, &k->is_news);
    assert_int_equal(k->changes.fault, MT_OK);
    /* The texts are in memory that the next one uses. */
    slice_copy(ways[next_way], sizeof(ways[0]), k->p.way);
    k->p.way = slice_of(ways[next_way]);
    next_way = (next_way + 1) % 4;
    buf_clear(&k->kept);
    buf_append_slice(&k->kept, k->p.claims);
    k->p.claims = buf_slice(&k->kept);
    k->at_us += MINUTE;
    slice_copy(said, sizeof(said), buf_slice(&k->changes));
    return said;
}

enum { USUAL = PLACE_SUBJECT | PLACE_MESSAGE_ID | PLACE_OWN_HEADER | PLACE_TEXT };

static void
each_difference_is_a_sentence(void **state)
{
    static const struct {
        const char *label;
        uint32_t    found_in, hops;
        bool        tls;
        const char *way, *authentication, *said;
    } cases[] = {
        { "the same", USUAL, 3, true, "redirect", "mx.example; spf=pass smtp.mailfrom=a.example; dkim=pass", "" },
        { "a hop more", USUAL, 4, true, "redirect", "mx.example; spf=pass; dkim=pass", "It came by 4 hops; before it was 3.\n" },
        { "one hop alone", USUAL, 1, true, "redirect", "mx.example; spf=pass; dkim=pass", "It came by 1 hop; before it was 3.\n" },
        { "TLS gone", USUAL, 3, false, "redirect", "mx.example; spf=pass; dkim=pass", "It came to this receiver without TLS; before it was with.\n" },
        { "a place lost", USUAL & ~PLACE_MESSAGE_ID, 3, true, "redirect", "mx.example; spf=pass; dkim=pass",
          "The token is no longer in the Message-ID.\n" },
        { "a place more", USUAL | PLACE_RECIPIENT, 3, true, "redirect", "mx.example; spf=pass; dkim=pass",
          "The token is now in the recipient's address.\n" },
        { "text became HTML", (USUAL & ~PLACE_TEXT) | PLACE_HTML | PLACE_LINK, 3, true, "redirect", "mx.example; spf=pass; dkim=pass", "" },
        { "a signature broke", USUAL, 3, true, "redirect", "mx.example; spf=pass; dkim=fail (body hash)",
          "The host that received it before states dkim=fail; it was dkim=pass.\n" },
        { "one of two signatures passes", USUAL, 3, true, "redirect", "mx.example; dkim=fail; spf=pass; dkim=PASS header.d=a", "" },
        { "a result that is missing", USUAL, 3, true, "redirect", "mx.example; spf=pass", "" },
        { "a result that is new", USUAL, 3, true, "redirect", "mx.example; spf=pass; dkim=pass; dmarc=fail", "" },
        { "no results", USUAL, 3, true, "redirect", NULL, "" },
        { "another way", USUAL, 3, true, "attachment", "mx.example; spf=pass; dkim=pass",
          "The way of forwarding is now \"attachment\"; it was \"redirect\".\n" },
        { "a way that is not known", USUAL, 3, true, NULL, "mx.example; spf=pass; dkim=pass", "" },
        { "two at once", USUAL & ~PLACE_SUBJECT, 2, true, "redirect", "mx.example; spf=pass; dkim=pass",
          "It came by 2 hops; before it was 3.\nThe token is no longer in the Subject.\n" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct keeper k;

        keeper_init(&k);
        assert_string_equal(take(&k, USUAL, 3, true, "redirect", "mx.example; spf=pass smtp.mailfrom=a.example; dkim=pass"), "");
        assert_false(k.is_news);
        assert_slice("claims", k.p.claims, "spf=pass dkim=pass");
        assert_slice(cases[i].label, slice_of(take(&k, cases[i].found_in, cases[i].hops, cases[i].tls, cases[i].way, cases[i].authentication)),
                     cases[i].said);
        assert_int_equal(k.is_news, cases[i].said[0] != '\0');
        keeper_fini(&k);
    }
}

/* Absent is no news, and does not hide the news that follows. */
static void
what_an_arrival_does_not_say_is_not_forgotten(void **state)
{
    struct keeper k;

    (void)state;
    keeper_init(&k);
    assert_string_equal(take(&k, USUAL, 3, true, "redirect", "mx.example; spf=pass; dkim=pass"), "");
    assert_string_equal(take(&k, USUAL, 3, true, NULL, NULL), "");
    assert_string_equal(take(&k, USUAL, 3, true, NULL, "mx.example; dmarc=pass"), "");
    assert_slice("claims", k.p.claims, "spf=pass dkim=pass dmarc=pass");
    assert_string_equal(take(&k, USUAL, 3, true, NULL, "mx.example; spf=fail"),
                        "The host that received it before states spf=fail; it was spf=pass.\n");
    assert_true(k.is_news);
    assert_string_equal(take(&k, USUAL, 3, true, "attachment", NULL), "The way of forwarding is now \"attachment\"; it was \"redirect\".\n");
    keeper_fini(&k);
}

static void
what_comes_back_is_news_but_not_what_goes_to_and_fro(void **state)
{
    struct keeper k;

    (void)state;
    keeper_init(&k);
    take(&k, USUAL, 3, true, NULL, NULL);
    take(&k, USUAL, 3, false, NULL, NULL);
    assert_true(k.is_news);
    assert_string_equal(take(&k, USUAL, 3, true, NULL, NULL), "It came to this receiver with TLS; before it was without.\n");
    assert_true(k.is_news);
    for (unsigned i = 0; i < 20; i++) {
        assert_string_not_equal(take(&k, USUAL, 3, i % 2 == 1, NULL, NULL), "");
        assert_false(k.is_news);
    }
    take(&k, USUAL, 5, true, NULL, NULL);       /* a third shape is */
    assert_true(k.is_news);
    for (unsigned i = 0; i < PATTERN_RECENT; i++)
        take(&k, USUAL, 5, true, NULL, NULL);
    take(&k, USUAL, 3, true, NULL, NULL);       /* and so is what was forgotten */
    assert_true(k.is_news);
    keeper_fini(&k);
}

static void
the_usual_gap_is_smoothed(void **state)
{
    struct keeper k;

    (void)state;
    keeper_init(&k);
    take(&k, USUAL, 3, true, NULL, NULL);
    assert_int_equal(k.p.usual_gap_us, 0);
    for (unsigned i = 0; i < 20; i++)
        take(&k, USUAL, 3, true, NULL, NULL);
    assert_int_equal(k.p.usual_gap_us, MINUTE);
    assert_int_equal(k.p.arrivals, 21);
    k.at_us += 1000 * MINUTE;                   /* an outage counts as four gaps at most */
    take(&k, USUAL, 3, true, NULL, NULL);
    assert_in_range(k.p.usual_gap_us, MINUTE, MINUTE + MINUTE / 2);
    k.at_us -= 5000 * MINUTE / 10;              /* a clock that was set back */
    take(&k, USUAL, 3, true, NULL, NULL);
    assert_true(k.p.usual_gap_us < 2 * MINUTE);
    assert_true(k.p.last_us > k.at_us);
    k.p.silent = true;
    take(&k, USUAL, 3, true, NULL, NULL);
    assert_false(k.p.silent);
    keeper_fini(&k);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mailbox_is_in_one_state),
        cmocka_unit_test(each_difference_is_a_sentence),
        cmocka_unit_test(what_an_arrival_does_not_say_is_not_forgotten),
        cmocka_unit_test(what_comes_back_is_news_but_not_what_goes_to_and_fro),
        cmocka_unit_test(the_usual_gap_is_smoothed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
