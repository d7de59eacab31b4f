#include "tests/unit/unit.h"

#include "finder/finder.h"

#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>

#define TOKEN "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"

/* What a mail gives, fed in pieces. *out borrows from the finder. */
static void
find(struct finder *f, struct slice mail, size_t piece, struct parsed *out)
{
    for (size_t at = 0; at < mail.len; at += piece)
        finder_feed(f, slice_sub(mail, at, piece));
    finder_finish(f, out);
}

/* Where TOKEN was found; 0: nowhere. */
static uint32_t
places_in(const struct parsed *p)
{
    struct token t;

    assert_int_equal(token_decode(slice_of(TOKEN), &t), MT_OK);
    for (uint32_t i = 0; i < p->candidate_count; i++)
        if (token_equal(&p->candidates[i].token, &t))
            return p->candidates[i].found_in;
    return 0;
}

static struct finder *
new_finder(void)
{
    struct finder *f = finder_new();

    assert_non_null(f);
    return f;
}

#define MULTIPART "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

/* TOKEN in base64, its last group without padding. */
#define BASE64_TOKEN "bXQxZDVhdmowMDAwNDEwNjEwNTByM2sxcWFoZG5rZWc0bXl3a3pmMTFiNw"

static const struct {
    const char *label, *mail;
    uint32_t    places;
} cases[] = {
    { "Subject", "Subject: Re: [EXTERNAL] " TOKEN "\r\n\r\nx", PLACE_SUBJECT },
    { "Message-ID", "Message-ID: <" TOKEN "@checker.example>\r\n\r\nx", PLACE_MESSAGE_ID },
    { "In-Reply-To", "In-Reply-To: <" TOKEN "@checker.example>\r\n\r\nx", PLACE_IN_REPLY_TO },
    { "References", "References: <a@b>\r\n <" TOKEN "@checker.example>\r\n\r\nx", PLACE_REFERENCES },
    { "own field", "X-Mailtest-Token: " TOKEN "\r\n\r\nx", PLACE_OWN_HEADER },
    { "own field, other case", "x-mailtest-TOKEN: MT1D5AVJ000041061050R3K1QAHDNKEG4MYWKZF11B7\r\n\r\nx", PLACE_OWN_HEADER },
    { "other field", "X-Original-To: acme+" TOKEN "@mailtest1.example\r\n\r\nx", PLACE_HEADER },
    { "a line that is no field", "x " TOKEN "\r\n\r\nx", PLACE_HEADER },
    { "parameter", "Content-Disposition: attachment; filename=\"" TOKEN ".txt\"\r\n\r\nx", PLACE_PARAMETER },
    { "text", "\r\nThe token is " TOKEN ".\r\n", PLACE_TEXT },
    { "text of another kind", "Content-Type: text/calendar\r\n\r\n" TOKEN, PLACE_TEXT },
    { "HTML", "Content-Type: text/html\r\n\r\n<a href=\"https://x.example/?t=" TOKEN "\">", PLACE_HTML | PLACE_LINK },
    { "other type", "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" BASE64_TOKEN,
      PLACE_OTHER },
    { "quoted-printable", "Content-Transfer-Encoding: quoted-printable\r\n\r\n=6Dt1d5avj0000410610=\r\n"
      "50r3k1qahdnkeg4mywkzf11b=37", PLACE_TEXT },
    { "encoded subject", "Subject: =?utf-8?Q?=E2=9C=93_mt1d5avj000041061050r?=\r\n"
      " =?utf-8?B?M2sxcWFoZG5rZWc0bXl3a3pmMTFiNw==?=\r\n\r\nx", PLACE_SUBJECT },
    { "encoded in Q with all octets", "X-A: =?x?q?=6D=74=31d5avj000041061050r3k1qahdnkeg4mywkzf11b7?=\r\n\r\nx", PLACE_HEADER },
    { "twice in one mail", "Subject: " TOKEN "\r\n\r\n" TOKEN, PLACE_SUBJECT | PLACE_TEXT },
    { "in parts", MULTIPART "--b\r\nContent-Type: text/html\r\n\r\n" TOKEN "\r\n--b\r\n"
      "Content-Type: text/plain; name=" TOKEN "\r\n\r\nx\r\n--b--\r\n",
      PLACE_HTML | PLACE_PARAMETER },
    { "preamble", MULTIPART TOKEN "\r\n--b\r\n\r\nx\r\n--b--\r\n", PLACE_OTHER },
    { "epilogue", MULTIPART "--b\r\n\r\nx\r\n--b--\r\n" TOKEN, PLACE_OTHER },
    { "attached message's subject", MULTIPART "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: " TOKEN "\r\n\r\nx\r\n"
      "--b--\r\n", PLACE_ATTACHED | PLACE_SUBJECT },
    { "attached message's text", MULTIPART "--b\r\nContent-Type: message/rfc822\r\n\r\n"
      "Content-Transfer-Encoding: base64\r\n\r\n" BASE64_TOKEN "\r\n--b--\r\n",
      PLACE_ATTACHED | PLACE_TEXT },
    { "attached message, encoded", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
      "U3ViamVjdDogbXQxZDVhdmowMDAwNDEwNjEwNTByM2sxcWFoZG5rZWc0bXl3a3pmMTFiNw0KDQp4", PLACE_ATTACHED | PLACE_SUBJECT },
    { "returned header", MULTIPART "--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: " TOKEN "\r\n--b--\r\n",
      PLACE_ATTACHED | PLACE_SUBJECT },
    { "delivery status", MULTIPART "--b\r\nContent-Type: message/delivery-status\r\n\r\nOriginal-Envelope-Id: " TOKEN "\r\n"
      "--b--\r\n", PLACE_REPORT },
    { "not over a part's end", MULTIPART "--b\r\n\r\nmt1d5avj00004106\r\n--b\r\n\r\n1050r3k1qahdnkeg4mywkzf11b7\r\n--b--\r\n",
      0 },
    { "not over a field's end", "A: mt1d5avj000041061050r\r\nB: 3k1qahdnkeg4mywkzf11b7\r\n\r\nx", 0 },
    { "not over a header's end", "A: mt1d5avj000041061050r\r\n\r\n3k1qahdnkeg4mywkzf11b7", 0 },
    { "over lines of text", "\r\nmt1d5avj000041061050r\r\n3k1qahdnkeg4mywkzf11b7", PLACE_TEXT },
};

static void
a_token_is_found_with_its_place_however_the_mail_is_cut(void **state)
{
    struct finder *f = new_finder();

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice mail = slice_of(cases[i].mail);

        for (size_t piece = 1; piece <= mail.len; piece++) {
            struct parsed p;

            find(f, mail, piece, &p);
            if (places_in(&p) != cases[i].places)
                fail_msg("%s: in pieces of %zu found in %x, want %x", cases[i].label, piece, places_in(&p), cases[i].places);
            finder_reset(f);
        }
    }
    finder_free(f);
}

/* The token with something between every two of its characters, one after the other. */
static void
what_cuts_a_token_is_taken_out_at_any_offset(void **state)
{
    static const struct {
        const char *label, *before, *cut, *after;
        uint32_t    places;
    } rows[] = {
        { "fold with a space",      "Subject: ",  "\r\n ",     "\r\n\r\nx", PLACE_SUBJECT },
        { "fold with a tab",        "Subject: ",  "\r\n\t",    "\r\n\r\nx", PLACE_SUBJECT },
        { "fold with more",         "Subject: ",  "\r\n \t  ", "\r\n\r\nx", PLACE_SUBJECT },
        { "fold, LF alone",         "Subject: ",  "\n ",       "\r\n\r\nx", PLACE_SUBJECT },
        { "two folds",              "Subject: ",  "\r\n \r\n ", "\r\n\r\nx", PLACE_SUBJECT },
        { "fold in a Message-ID",   "Message-ID: <", "\r\n ",  "@x>\r\n\r\nx", PLACE_MESSAGE_ID },
        { "encoded-words",          "Subject: =?utf-8?Q?", "?=\r\n =?us-ascii?Q?", "?=\r\n\r\nx", PLACE_SUBJECT },
        { "soft line break",        "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "=\r\n", "\r\n", PLACE_TEXT },
        { "soft line break, blank", "Content-Transfer-Encoding: quoted-printable\r\n\r\n", "= \r\n", "\r\n", PLACE_TEXT },
    };
    struct finder *f = new_finder();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (int at = 0; at <= (int)TOKEN_CHARS; at++) {
            struct buf    mail;
            struct parsed p;

            buf_init(&mail, 1000);
            buf_printf(&mail, "%s%.*s%s%s%s", rows[i].before, at, TOKEN, rows[i].cut, &TOKEN[at], rows[i].after);
            find(f, buf_slice(&mail), 7, &p);
            if (places_in(&p) != rows[i].places)
                fail_msg("%s at %d: found in %x", rows[i].label, at, places_in(&p));
            finder_reset(f);
            buf_fini(&mail);
        }
    }
    finder_free(f);
}

static void
base64_lines_may_end_anywhere_in_a_token(void **state)
{
    struct finder *f = new_finder();

    (void)state;
    for (size_t before = 0; before < 3; before++) {
        for (size_t line = 1; line < 80; line++) {
            char          text[60], encoded[100];
            struct buf    mail;
            struct parsed p;

            buf_init(&mail, 1000);
            slice_copy(text, sizeof(text), slice_sub(slice_of("--" TOKEN), 2 - before, 60));
            sodium_bin2base64(encoded, sizeof(encoded), (unsigned char *)text, strlen(text), sodium_base64_VARIANT_ORIGINAL);
            buf_append_string(&mail, "Content-Transfer-Encoding: base64\r\n\r\n");
            for (size_t at = 0; at < strlen(encoded); at += line) {
                buf_append_slice(&mail, slice_sub(slice_of(encoded), at, line));
                buf_append_string(&mail, "\r\n");
            }
            find(f, buf_slice(&mail), 11, &p);
            assert_int_equal(places_in(&p), PLACE_TEXT);
            finder_reset(f);
            buf_fini(&mail);
        }
    }
    finder_free(f);
}

static void
recipients_are_searched_before_the_domain(void **state)
{
    struct finder *f = new_finder();
    struct parsed  p;

    (void)state;
    finder_recipient(f, slice_of("acme@x.example"));
    finder_recipient(f, slice_of("acme+" TOKEN "@x.example"));
    finder_recipient(f, slice_of(""));
    find(f, slice_of("Subject: " TOKEN "\r\n\r\nx"), 100, &p);
    assert_int_equal(places_in(&p), PLACE_RECIPIENT | PLACE_SUBJECT);
    finder_reset(f);
    finder_recipient(f, slice_of("acme@" TOKEN));
    find(f, slice_of("\r\nx"), 100, &p);
    assert_int_equal(places_in(&p), 0);
    finder_free(f);
}

/* ---- What else is learned --------------------------------------------------------------------------------------- */

static void
excerpts_are_of_the_message_itself(void **state)
{
    static const char mail[] =
        "Subject: =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?B?IPCfk6c=?=\r\n\tand\tmore\x01 \xff\r\n"
        "From: =?utf-8?Q?J=C3=B6rg?= <j@x.example>\r\n"
        "Message-ID:\r\n <abc@x.example>\r\n"
        "Date: Tue, 2 Jan 2024 10:00:05 +0000\r\n"
        "Subject: another\r\n"
        "Content-Type: message/rfc822\r\n\r\n"
        "Subject: inner\r\nDate: Wed, 3 Jan 2024 10:00:05 +0000\r\n"
      "Received: from a by b; Tue, 2 Jan 2024 10:00:05 +0000\r\n\r\nx";
    struct finder *f = new_finder();
    struct parsed  p;

    (void)state;
    find(f, slice_of(mail), 5, &p);
    assert_slice("subject", p.subject, "Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x93\xa7 and more  \xef\xbf\xbd");
    assert_slice("from", p.from, "J\xc3\xb6rg <j@x.example>");
    assert_slice("message-id", p.message_id, "<abc@x.example>");
    assert_int_equal(p.date_unix, 1704189605);
    assert_int_equal(p.received_count, 0);
    finder_reset(f);
    find(f, slice_of("x: y\r\n\r\n"), 5, &p);
    assert_slice("no subject", p.subject, "");
    assert_slice("no message-id", p.message_id, "");
    assert_int_equal(p.date_unix, 0);
    finder_free(f);
}

static void
hops_are_kept_newest_first_and_all_are_counted(void **state)
{
    struct finder *f = new_finder();
    struct buf     mail;
    struct parsed  p;
    struct reader  r;
    struct hop     hop;
    unsigned       count = 0;

    (void)state;
    buf_init(&mail, 100 * 1024);
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&mail, "Received: from a%u by b%u; Tue, 2 Jan 2024 10:00:05 +0000\r\n", i, i);
    finder_feed(f, buf_slice(&mail));
    finder_feed(f, slice_of("\r\n"));
    assert_int_equal(finder_received_count(f), 100);
    finder_finish(f, &p);
    assert_int_equal(p.received_count, 100);
    reader_init(&r, p.hops);
    for (; hop_next(&r, &hop); count++) {
        char want[10];

        snprintf(want, sizeof(want), "a%u", count);
        assert_slice("from", hop.from, want);
        assert_int_equal(hop.time_unix, 1704189605);
    }
    assert_true(read_end(&r));
    assert_int_equal(count, PARSED_HOPS_MAX);
    finder_free(f);
    buf_fini(&mail);
}

#define REPORT "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" \
               "Reporting-MTA: dns; x.example\r\n\r\nFinal-Recipient: rfc822; a@b\r\n"

static const struct {
    const char *label, *mail;
    uint32_t    traits;
} traits[] = {
    { "none", "Subject: a\r\nAuto-Submitted: auto-generated\r\n\r\nAction: failed\r\n", 0 },
    { "vacation", "Auto-Submitted: Auto-Replied (vacation)\r\n\r\n", TRAIT_AUTO_REPLIED },
    { "X-Autoreply", "X-Autoreply: yes\r\n\r\n", TRAIT_AUTO_REPLIED },
    { "failed", REPORT "Action: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n", TRAIT_DELIVERY_REPORT },
    { "failed at the end", REPORT "action :FAILED (x)\r\n--b--\r\n", TRAIT_DELIVERY_REPORT },
    { "delayed", REPORT "Action: delayed\r\n\r\n--b--\r\n", TRAIT_DELAY_REPORT },
    { "delayed, then failed", REPORT "Action: delayed\r\n\r\nFinal-Recipient: rfc822; c@d\r\nAction: failed\r\n\r\n--b--\r\n",
      TRAIT_DELIVERY_REPORT },
    { "relayed", REPORT "Action: relayed\r\n\r\n--b--\r\n", TRAIT_SUCCESS_REPORT },
    { "no action", REPORT "\r\n--b--\r\n", TRAIT_DELIVERY_REPORT },
    { "action in a long line",
      REPORT "X-Long: 0123456789012345678901234567890123456789012345678901234567890123456789Action: failed\r\n"
      "Action: delayed\r\n--b--\r\n",
      TRAIT_DELAY_REPORT },
    { "read receipt", "Content-Type: multipart/report; report-type=\"Disposition-Notification\"; boundary=b\r\n\r\n--b--\r\n",
      TRAIT_READ_RECEIPT },
    { "attached report", "Content-Type: message/rfc822\r\n\r\nAuto-Submitted: auto-replied\r\n" REPORT "Action: failed\r\n"
      "--b--\r\n", 0 },
    { "broken", MULTIPART "--b\r\n\r\nx", TRAIT_BROKEN_MIME },
};

static void
traits_say_what_kind_of_mail_it_is(void **state)
{
    struct finder *f = new_finder();

    (void)state;
    for (size_t i = 0; i < COUNT(traits); i++) {
        for (size_t piece = 1; piece < 200; piece += 9) {
            struct parsed p;

            find(f, slice_of(traits[i].mail), piece, &p);
            if (p.traits != traits[i].traits)
                fail_msg("%s: got %x, want %x", traits[i].label, p.traits, traits[i].traits);
            finder_reset(f);
        }
    }
    finder_free(f);
}

static void
the_shape_has_every_part_in_order(void **state)
{
    static const char *const want[] = { "multipart/mixed", "message/rfc822", "text/html", "text/plain" };
    struct finder           *f = new_finder();
    struct parsed            p;
    struct reader            r;
    struct part              part;
    unsigned                 count = 0;

    (void)state;
    find(f, slice_of(MULTIPART "--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n"
      "Content-Transfer-Encoding: 8bit\r\n\r\n<b>\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"),
         100, &p);
    reader_init(&r, p.parts);
    for (; part_next(&r, &part); count++) {
        assert_true(count < COUNT(want));
        assert_slice("type", part.type, want[count]);
        if (count == 2) {
            assert_int_equal(part.parent, 1);
            assert_int_equal(part.header_at, 82);
            assert_int_equal(part.body_at, 142);
            assert_int_equal(part.end_at, 147);
            assert_int_equal(part.lines, 1);
            assert_int_equal(part.encoding, ENCODING_8BIT);
        }
    }
    assert_true(read_end(&r));
    assert_int_equal(count, COUNT(want));
    finder_free(f);
}

/* ---- Bounds ----------------------------------------------------------------------------------------------------- */

/* A mail built of repeated text, with TOKEN somewhere. */
struct hostile {
    const char *label;
    const char *head;
    const char *again;      /* %u is a running number where it stands */
    unsigned    times;
    const char *tail;
    uint32_t    places;
    uint32_t    traits;     /* that must be set */
};

static const struct hostile hostiles[] = {
    { "1,000-deep MIME", "", "Content-Type: multipart/mixed; boundary=b%04u\r\n\r\n--b%04u\r\n", 1000, "\r\n" TOKEN,
      PLACE_OTHER, TRAIT_CUT_SHORT },
    { "1,000 messages in each other", "", "Content-Type: message/rfc822\r\n\r\n", 1000, "\r\n" TOKEN,
      PLACE_ATTACHED | PLACE_OTHER, TRAIT_CUT_SHORT },
    { "a token, then look-alikes", "\r\n" TOKEN, " mt1%08u%032u", 10000, "", PLACE_TEXT, TRAIT_CUT_SHORT },
    { "look-alikes in a header, then a token in the text", "X-A:", " mt1%08u%032u\r\n", 10000, "\r\n" TOKEN, PLACE_TEXT,
      TRAIT_CUT_SHORT },
    { "header field of 1 MB", "X-A: " TOKEN, "\r\n 0123456789abcdef0123456789abcdef", 30000, "\r\n\r\nx", PLACE_HEADER, 0 },
    { "header line of 1 MB", "Subject: ", "0123456789abcdef 0123456789abcde", 32000, TOKEN "\r\n\r\nx", PLACE_SUBJECT, 0 },
    { "100,000 header fields", "", "A: b\r\n", 100000, "Subject: " TOKEN "\r\n\r\nx", PLACE_SUBJECT, 0 },
    { "100,000 parts", MULTIPART, "--b\r\n", 100000, "\r\n" TOKEN, PLACE_TEXT, TRAIT_CUT_SHORT },
    { "10,000 parts with long types", MULTIPART,
      "--b\r\nContent-Type: text/0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n\r\n", 10000,
      TOKEN, PLACE_TEXT, TRAIT_CUT_SHORT },
    { "lines that are nearly boundaries", "Content-Type: multipart/mixed; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\r\n\r\n"
      "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\r\n\r\n",
      "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", 30000, TOKEN, PLACE_TEXT, TRAIT_BROKEN_MIME },
    { "encoded-words that never end", "Subject: ", "=?utf-8?Q?", 100000, TOKEN "\r\n\r\nx", PLACE_SUBJECT, 0 },
    { "Received fields", "",
      "Received: from a0123456789 by b0123456789 with c id d for e@f; Tue, 2 Jan 2024 10:00:05 +0000\r\n", 10000,
      "Subject: " TOKEN "\r\n\r\n", PLACE_SUBJECT, 0 },
};

static size_t
memory_in_use(void)
{
    struct mallinfo2 m = mallinfo2();   /* all zero under AddressSanitizer, which then checks nothing here */

    return m.uordblks + m.hblkhd;
}

static void
hostile_mail_is_searched_within_the_bounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(hostiles); i++) {
        const struct hostile *h = &hostiles[i];
        struct buf            mail;
        struct finder        *f;
        struct parsed         p;
        size_t                before, used;

        buf_init(&mail, 8 * 1024 * 1024);
        buf_append_string(&mail, h->head);
        for (unsigned n = 0; n < h->times; n++) {
            char text[300];

/* The format is a row's, which counts once, twice or not at all. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
            snprintf(text, sizeof(text), h->again, n, n);
#pragma GCC diagnostic pop
            buf_append_string(&mail, text);
        }
        buf_append_string(&mail, h->tail);
        assert_int_equal(mail.fault, MT_OK);
        before = memory_in_use();
        f = new_finder();
        find(f, buf_slice(&mail), 4096, &p);
        used = memory_in_use() - before;
        if (places_in(&p) != h->places || (p.traits & h->traits) != h->traits)
            fail_msg("%s: found in %x, traits %x", h->label, places_in(&p), p.traits);
        if (used > FINDER_MEMORY_BYTES)
            fail_msg("%s: took %zu octets", h->label, used);
        finder_reset(f);
        used = memory_in_use() - before;
        if (used > 48u * 1024)
            fail_msg("%s: kept %zu octets", h->label, used);
        finder_free(f);
        buf_fini(&mail);
    }
}

static void
a_new_finder_is_small(void **state)
{
    size_t         before = memory_in_use();
    struct finder *f = new_finder();

    (void)state;
    assert_true(memory_in_use() - before < 28u * 1024);
    finder_free(f);
    finder_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_found_with_its_place_however_the_mail_is_cut),
        cmocka_unit_test(what_cuts_a_token_is_taken_out_at_any_offset),
        cmocka_unit_test(base64_lines_may_end_anywhere_in_a_token),
        cmocka_unit_test(recipients_are_searched_before_the_domain),
        cmocka_unit_test(excerpts_are_of_the_message_itself),
        cmocka_unit_test(hops_are_kept_newest_first_and_all_are_counted),
        cmocka_unit_test(traits_say_what_kind_of_mail_it_is),
        cmocka_unit_test(the_shape_has_every_part_in_order),
        cmocka_unit_test(hostile_mail_is_searched_within_the_bounds),
        cmocka_unit_test(a_new_finder_is_small),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
