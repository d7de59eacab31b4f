#include "tests/unit/deflated.h"
#include "tests/unit/unit.h"

#include "finder/finder.h"
#include "finder/layers.h"

#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>

#define TOKEN "mt1d5avj000041061050r3k1qahdnkeg4mywkzf11b7"

enum { MAIL_BYTES_MAX = 8 << 20 };

/* ---- Packing ---------------------------------------------------------------------------------------------------- */

static void
put_base64(struct buf *out, struct slice octets)
{
    for (size_t at = 0; at < octets.len; at += 57) {
        struct slice line = slice_sub(octets, at, 57);
        char         text[80];

        sodium_bin2base64(text, sizeof(text), (const unsigned char *)line.data, line.len, sodium_base64_VARIANT_ORIGINAL);
        buf_printf(out, "%s\r\n", text);
    }
}

static void
put_part(struct buf *out, const char *type, struct slice octets)
{
    buf_printf(out, "Content-Type: %s\r\nContent-Transfer-Encoding: base64\r\n\r\n", type);
    put_base64(out, octets);
}

static void
put_uuencoded(struct buf *out, struct slice octets)
{
    buf_append_string(out, "A file:\r\nbegin 644 file\r\n");
    for (size_t at = 0; at < octets.len; at += 45) {
        struct slice line = slice_sub(octets, at, 45);

        buf_append_byte(out, (char)(' ' + line.len));
        for (size_t i = 0; i < line.len; i += 3) {
            uint32_t group = 0;

            for (size_t k = i; k < i + 3; k++)
                group = group << 8 | (k < line.len ? (unsigned char)line.data[k] : 0u);
            for (int shift = 18; shift >= 0; shift -= 6)
                buf_append_byte(out, (char)((group >> shift & 63) == 0 ? '`' : ' ' + (int)(group >> shift & 63)));
        }
        buf_append_string(out, "\r\n");
    }
    buf_append_string(out, "`\r\nend\r\n");
}

static void
put_stored(struct buf *out, struct slice octets)
{
    buf_append(out, "PK\3\4\n\0\0\0\0\0\0\0\0\0\0\0\0\0", 18);
    put_le(out, octets.len, 4);
    put_le(out, octets.len, 4);
    put_le(out, 4, 2);
    put_le(out, 0, 2);
    buf_append_string(out, "file");
    buf_append_slice(out, octets);
}

/* Packs what is in *b by one letter. A mail is a mail; other letters give what can be packed or be the content of a mail. */
static void
pack(struct buf *b, char how)
{
    struct buf out;

    buf_init(&out, MAIL_BYTES_MAX);
    switch (how) {
    case 'a':                                           /* a mail with it as an attachment */
        put_part(&out, "application/octet-stream", buf_slice(b));
        break;
    case 'p':                                           /* a mail with it as its text */
        buf_printf(&out, "MIME-Version: 1.0\r\n\r\n%.*s", (int)b->len, b->data);
        break;
    case 'h':                                           /* a mail with it as its HTML */
        put_part(&out, "text/html", buf_slice(b));
        break;
    case 'r':                                           /* a mail with that mail attached, wrongly encoded */
        put_part(&out, "message/rfc822", buf_slice(b));
        break;
    case 'm':                                           /* a mail with that mail attached as it should be */
        buf_printf(&out, "Content-Type: message/rfc822\r\n\r\n%.*s", (int)b->len, b->data);
        break;
    case 'x':                                           /* a text with a multipart that nothing announces */
        buf_printf(&out, "Hello\r\n--x\r\n%.*s\r\n--x--\r\n", (int)b->len, b->data);
        break;
    case 'b':                                           /* base64 */
        put_base64(&out, buf_slice(b));
        break;
    case 'g':
        put_deflated(&out, INFLATER_GZIP, buf_slice(b), NULL);
        break;
    case 'z':
        put_stored(&out, buf_slice(b));
        break;
    case 'u':
        put_uuencoded(&out, buf_slice(b));
        break;
    case 'w':                                           /* UTF-16 */
        buf_append(&out, "\xff\xfe", 2);
        for (size_t i = 0; i < b->len; i++) {
            buf_append_byte(&out, b->data[i]);
            buf_append_byte(&out, '\0');
        }
        break;
    case 't':                                           /* the token within tags */
        buf_printf(&out, "<html><p>%.*s<b></b>%s</p>", 20, TOKEN, &TOKEN[20]);
        break;
    default:                                            /* 's': the token over two lines */
        buf_printf(&out, "> %.*s\r\n> %s\r\n", 20, TOKEN, &TOKEN[20]);
        break;
    }
    assert_int_equal(out.fault, MT_OK);
    buf_fini(b);
    *b = out;
}

/* ---- Finding ---------------------------------------------------------------------------------------------------- */

static uint32_t
find(struct finder *f, struct slice mail, size_t piece, uint32_t *traits)
{
    struct parsed p;
    struct token  t;
    uint32_t      places = 0;

    assert_int_equal(token_decode(slice_of(TOKEN), &t), MT_OK);
    for (size_t at = 0; at < mail.len; at += piece)
        finder_feed(f, slice_sub(mail, at, piece));
    finder_finish(f, &p);
    for (uint32_t i = 0; i < p.candidate_count; i++)
        if (token_equal(&p.candidates[i].token, &t))
            places = p.candidates[i].found_in;
    *traits = p.traits;
    assert_true(finder_work_bytes(f) <= LAYERS_DEEPEST * (mail.len + LAYERS_UNPACKED_BYTES));
    return places;
}

static struct finder *
new_finder(void)
{
    struct finder *f = finder_new();

    assert_non_null(f);
    return f;
}

static const struct {
    const char *packing;    /* from the inside out */
    uint32_t    places;     /* among others */
} cases[] = {
    { "sp",         PLACE_TEXT                  },
    { "th",         PLACE_HTML                  },
    { "twh",        PLACE_HTML                  },
    { "tp",         PLACE_HTML                  },
    { "tbp",        PLACE_HTML                  },
    { "tbbp",       PLACE_HTML                  },
    { "tga",        PLACE_OTHER                 },
    { "twgza",      PLACE_OTHER                 },
    { "tup",        PLACE_OTHER                 },
    { "thr",        PLACE_HTML | PLACE_ATTACHED },
    { "thm",        PLACE_HTML | PLACE_ATTACHED },
    { "thrrm",      PLACE_HTML | PLACE_ATTACHED },
    { "thxp",       PLACE_HTML                  },
    { "thxbp",      PLACE_HTML                  },
    { "thza",       PLACE_HTML | PLACE_ATTACHED },
    { "thgup",      PLACE_HTML | PLACE_ATTACHED },
    { "szuupr",     PLACE_ATTACHED              },
    { "tupuamza",   PLACE_ATTACHED              },
    { "thgzgza",    PLACE_HTML | PLACE_ATTACHED },
};

static void
what_is_packed_in_what_is_packed_is_found(void **state)
{
    struct finder *f = new_finder();
    uint32_t       traits;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct buf mail;

        buf_init(&mail, MAIL_BYTES_MAX);
        for (const char *how = cases[i].packing; *how != '\0'; how++)
            pack(&mail, *how);
        for (size_t piece = 1; piece <= mail.len; piece = piece * 3 + 1) {
            uint32_t places = find(f, buf_slice(&mail), piece, &traits);

            if ((places & cases[i].places) != cases[i].places || (traits & TRAIT_CUT_SHORT) != 0)
                fail_msg("%s in pieces of %zu: found in %x, want %x", cases[i].packing, piece, places, cases[i].places);
            if (((places ^ cases[i].places) & PLACE_ATTACHED) != 0)
                fail_msg("%s: attached is wrong", cases[i].packing);
            finder_reset(f);
        }
        buf_fini(&mail);
    }
    finder_free(f);
}

static size_t
memory_in_use(void)
{
    struct mallinfo2 m = mallinfo2();   /* all zero under AddressSanitizer, which then checks nothing here */

    return m.uordblks + m.hblkhd;
}

/* Each of them as often within itself as there is room for, more often, and a token behind it. */
static void
the_depth_has_a_bound(void **state)
{
    static const char *const packings[] = { "r", "b", "g", "z", "up", "x", "gzugza", "hr", "mmmr" };
    size_t                   most = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(packings); i++) {
        struct buf     inner, mail;
        struct finder *f;
        size_t         before, used;
        uint32_t       traits;

        buf_init(&inner, MAIL_BYTES_MAX);
        buf_init(&mail, MAIL_BYTES_MAX);
        buf_append_string(&inner, "Subject: nothing\r\n\r\nnothing");
        for (unsigned times = 0; times < 12; times++)
            for (const char *how = packings[i]; *how != '\0'; how++)
                pack(&inner, *how);
        buf_append_string(&mail, "Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n");
        put_part(&mail, "application/octet-stream", buf_slice(&inner));
        buf_append_string(&mail, "--outer\r\n\r\n" TOKEN "\r\n--outer--\r\n");
        before = memory_in_use();
        f = new_finder();
        if (find(f, buf_slice(&mail), 4096, &traits) != PLACE_TEXT)
            fail_msg("%s: what is behind it was not found", packings[i]);
        used = memory_in_use() - before;
        most = used > most ? used : most;
        finder_reset(f);
        if (memory_in_use() - before > 48u * 1024)
            fail_msg("%s: kept %zu octets", packings[i], memory_in_use() - before);
        finder_free(f);
        buf_fini(&inner);
        buf_fini(&mail);
    }
    assert_true(most <= FINDER_MEMORY_BYTES);
}

/* 64 MiB of one octet, packed once and twice; what is behind it is found all the same, and the work is bounded. */
static void
bombs_cost_little(void **state)
{
    static const char *const packings[] = { "g", "gg", "gza", "ggup" };
    char                    *zeros = calloc(1, 64 << 20);

    (void)state;
    assert_non_null(zeros);
    for (size_t i = 0; i < COUNT(packings); i++) {
        struct finder *f = new_finder();
        struct buf     inner, mail;
        uint32_t       traits;

        buf_init(&inner, MAIL_BYTES_MAX);
        buf_init(&mail, MAIL_BYTES_MAX);
        put_deflated(&inner, INFLATER_GZIP, slice_make(zeros, 64 << 20), NULL);
        for (const char *how = packings[i] + 1; *how != '\0'; how++)
            pack(&inner, *how);
        buf_append_string(&mail, "Content-Type: multipart/mixed; boundary=outer\r\n\r\n");
        for (unsigned times = 0; times < 10; times++) {
            buf_append_string(&mail, "--outer\r\n");
            put_part(&mail, "application/octet-stream", buf_slice(&inner));
        }
        buf_append_string(&mail, "--outer\r\n\r\n" TOKEN "\r\n--outer--\r\n");
        if (find(f, buf_slice(&mail), 65536, &traits) != PLACE_TEXT || (traits & TRAIT_CUT_SHORT) == 0)
            fail_msg("%s: not found behind it, or not cut short", packings[i]);
        if (finder_work_bytes(f) > 3 * (mail.len + LAYERS_UNPACKED_BYTES))
            fail_msg("%s: %llu octets of work", packings[i], (unsigned long long)finder_work_bytes(f));
        finder_free(f);
        buf_fini(&inner);
        buf_fini(&mail);
    }
    free(zeros);
}

/* What one mail began and did not end must not show in the next. */
static void
a_mail_that_broke_off_leaves_nothing_behind(void **state)
{
    static const char *const packings[] = { "sp", "th", "tga", "twgza", "tup", "thr", "thxp", "tbp" };
    struct finder           *f = new_finder();
    uint32_t                 traits;

    (void)state;
    for (size_t i = 0; i < COUNT(packings); i++) {
        struct buf mail;

        buf_init(&mail, MAIL_BYTES_MAX);
        for (const char *how = packings[i]; *how != '\0'; how++)
            pack(&mail, *how);
        for (size_t len = 0; len < mail.len; len++) {
            finder_feed(f, slice_sub(buf_slice(&mail), 0, len));
            finder_reset(f);
            if (find(f, slice_of("x: y\r\n\r\nz"), 100, &traits) != 0 || traits != 0)
                fail_msg("%s broken off at %zu shows in the next mail", packings[i], len);
            finder_reset(f);
        }
        buf_fini(&mail);
    }
    finder_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_in_what_is_packed_is_found),
        cmocka_unit_test(the_depth_has_a_bound),
        cmocka_unit_test(bombs_cost_little),
        cmocka_unit_test(a_mail_that_broke_off_leaves_nothing_behind),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
