#include "lib/casemap.h"
#include "lib/charset.h"
#include "tests/unit/unit.h"

static const struct {
    const char *charset;
    const char *in;
    size_t      len;
    const char *want;
} texts[] = {
    { "utf-8", "a\xc3\xa4z", 4, "aäz" }, { "", "a\xc3\xa4z", 4, "aäz" }, { "us-ascii", "a\xe4z", 3, "a\xef\xbf\xbdz" }, { "UTF-8", "\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
    { "utf-8", "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, { "ISO-8859-1", "a\xe4z\x80", 4, "aäz\xc2\x80" }, { "latin1", "\xff", 1, "ÿ" },
    { "ISO-8859-2", "\xb1", 1, "ą" }, { "iso-8859-15", "\xa4", 1, "€" }, { "windows-1252", "\x80\x81", 2, "€\xef\xbf\xbd" }, { "cp1251", "\xcf\xf0", 2, "Пр" },
    { "koi8-r", "\xf2\xd5", 2, "Ру" }, { "utf-7", "+IKw-", 5, "€" }, { "utf-16be", "\x20\xac\0a", 4, "€a" }, { "utf-16le", "\xac\x20" "a\0", 4, "€a" },
    { "utf-16", "\xfe\xff\x20\xac", 4, "€" }, { "utf-32be", "\0\0\x20\xac", 4, "€" }, { "gb2312", "\xc4\xe3", 2, "你" }, { "GB18030", "\x81\x30\x81\x30", 4, "\xc2\x80" },
    { "big5", "\xa7\x41", 2, "你" }, { "shift_jis", "\x93\xfa\x96{", 4, "日本" }, { "euc-jp", "\xc6\xfc\xcb\xdc", 4, "日本" }, { "iso-2022-jp", "\x1b$BF|K\\\x1b(B!", 11, "日本!" },
    { "euc-kr", "\xb0\xa1", 2, "가" }, { "ks_c_5601-1987", "\xb0\xa1", 2, "가" }, { "iso-2022-kr", "\x1b$)C\x0e\x30\x21\x0f" "a", 9, "가a" }, { "tis-620", "\xa1", 1, "ก" },
    { "ibm850", "\x84", 1, "ä" }, { "macintosh", "\x8a", 1, "ä" }, { "shift_jis", "\x93", 1, "\xef\xbf\xbd" }, { "koi8-u", "", 0, "" },
    { "windows-1258", "a\xec", 2, "á" }, { "windows-1258", "a", 1, "a" },
};

static void
append(void *arg, struct slice utf8)
{
    buf_append_slice(arg, utf8);
}

static void
texts_of_all_charsets_become_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        const struct charset *charset = charset_find(slice_of(texts[i].charset));
        struct buf            out;

        if (charset == NULL)
            fail_msg("%s is not known", texts[i].charset);
        buf_init(&out, 1000);
        charset_convert(charset, slice_make(texts[i].in, texts[i].len), &out);
        assert_slice(texts[i].charset, buf_slice(&out), texts[i].want);
        buf_fini(&out);
    }
}

static void
pieces_make_no_difference(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++)
        for (size_t piece = 1; piece <= 3; piece++) {
            struct charset_text t;
            struct buf          out;

            buf_init(&out, 1000);
            charset_text_begin(&t, charset_find(slice_of(texts[i].charset)), append, &out);
            for (size_t at = 0; at < texts[i].len; at += piece)
                charset_text_feed(&t, slice_sub(slice_make(texts[i].in, texts[i].len), at, piece));
            charset_text_finish(&t);
            assert_slice(texts[i].charset, buf_slice(&out), texts[i].want);
            buf_fini(&out);
        }
}

static void
names_have_aliases_and_others_are_unknown(void **state)
{
    static const char *const unknown[] = { "x", "utf-9", "utf-8 utf-7", "iso-8859-12", "\x01", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "UTF-8//TRANSLIT" };
    struct charset_modules  *modules;
    struct buf               names;

    (void)state;
    for (size_t i = 0; i < COUNT(unknown); i++)
        if (charset_find(slice_of(unknown[i])) != NULL)
            fail_msg("%s is known", unknown[i]);
    assert_ptr_equal(charset_find(slice_of("Latin1")), charset_find(slice_of("iso-8859-1")));
    assert_ptr_equal(charset_find(slice_of(" UTF8 ")), charset_find(slice_of("utf-8")));
    buf_init(&names, 1000);
    charset_put_names(&names);
    assert_int_equal(names.fault, MT_OK);
    assert_true(slice_starts(buf_slice(&names), "US-ASCII UTF-8 ISO-8859-1 "));
    buf_fini(&names);
    assert_int_equal(charset_modules_open(&modules), MT_OK);
    charset_modules_close(modules);
}

static void
what_is_too_long_is_cut_at_a_character(void **state)
{
    struct buf out;

    (void)state;
    for (size_t limit = 0; limit < 9; limit++) {
        buf_init(&out, limit);
        charset_convert_words(slice_of("=?iso-8859-15?q?=A4=A4?= =?utf-8?q?=E2=82=ACa?="), &out);
        assert_int_equal(out.len, limit / 3 * 3);
        assert_int_equal(out.limit, limit);
        assert_int_equal(out.fault, MT_OK);
        buf_fini(&out);
    }
}

static void
words_are_decoded(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "plain", "plain" }, { "\xc3\xa4", "ä" }, { "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä" }, { "=?x-odd?q?a=FFb?=", "a\xef\xbf\xbd" "b" },
        { "a =?windows-1251?b?z/A=?= z", "a Пр z" }, { "=?iso-2022-jp?b?GyRCRnwbKEI=?= =?iso-2022-jp?b?GyRCS1wbKEI=?=", "日本" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;

        buf_init(&out, 100);
        charset_convert_words(slice_of(rows[i].in), &out);
        assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void
case_makes_no_difference(void **state)
{
    static const struct {
        const char *in, *want;
    } rows[] = {
        { "azAZ09[`{", "AZAZ09[`{" }, { "äÖß", "ÄÖß" }, { "ÿ", "Ÿ" }, { "жЖ", "ЖЖ" }, { "σςΣ", "ΣΣΣ" }, { "ŕŖ", "ŔŖ" }, { "ſı", "ſı" },
        { "\xff\xc3z", "\xff\xc3Z" }, { "ǆǅǄ", "ǅǅǅ" }, { "𐐨", "𐐀" }, { "日本", "日本" }, { "ɐ", "Ɐ" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buf out;

        buf_init(&out, 100);
        casemap_put(&out, slice_of(rows[i].in));
        assert_slice(rows[i].in, buf_slice(&out), rows[i].want);
        buf_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_all_charsets_become_utf8),
        cmocka_unit_test(pieces_make_no_difference),
        cmocka_unit_test(names_have_aliases_and_others_are_unknown),
        cmocka_unit_test(what_is_too_long_is_cut_at_a_character),
        cmocka_unit_test(words_are_decoded),
        cmocka_unit_test(case_makes_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
