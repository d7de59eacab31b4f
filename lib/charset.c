#include "lib/charset.h"

#include "lib/encoded_word.h"
#include "lib/error.h"
#include "lib/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

#define REPLACEMENT "\xef\xbf\xbd"      /* U+FFFD */

enum { OUT_BYTES = 4096 };

struct charset {
    const char *name;       /* of MIME */
    const char *iconv;      /* what the C library calls it; NULL: converted here */
    const char *aliases;    /* in lower case, a space around each */
};

static const struct charset charsets[] = {
    { "US-ASCII",        NULL,              " ascii us ansi_x3.4-1968 iso646-us " },
    { "UTF-8",           NULL,              " utf8 unicode-1-1-utf-8 cp65001 " },
    { "ISO-8859-1",      NULL,              " latin1 l1 iso8859-1 iso_8859-1 iso_8859-1:1987 cp819 ibm819 " },
    { "ISO-8859-2",      "ISO-8859-2",      " latin2 l2 iso8859-2 iso_8859-2 " },
    { "ISO-8859-3",      "ISO-8859-3",      " latin3 l3 iso8859-3 iso_8859-3 " },
    { "ISO-8859-4",      "ISO-8859-4",      " latin4 l4 iso8859-4 iso_8859-4 " },
    { "ISO-8859-5",      "ISO-8859-5",      " cyrillic iso8859-5 iso_8859-5 " },
    { "ISO-8859-6",      "ISO-8859-6",      " arabic iso8859-6 iso_8859-6 iso-8859-6-i iso-8859-6-e " },
    { "ISO-8859-7",      "ISO-8859-7",      " greek iso8859-7 iso_8859-7 " },
    { "ISO-8859-8",      "ISO-8859-8",      " hebrew iso8859-8 iso_8859-8 iso-8859-8-i iso-8859-8-e " },
    { "ISO-8859-9",      "ISO-8859-9",      " latin5 l5 iso8859-9 iso_8859-9 " },
    { "ISO-8859-10",     "ISO-8859-10",     " latin6 l6 iso8859-10 iso_8859-10 " },
    { "ISO-8859-11",     "ISO-8859-11",     " iso8859-11 iso_8859-11 " },
    { "ISO-8859-13",     "ISO-8859-13",     " latin7 l7 iso8859-13 iso_8859-13 " },
    { "ISO-8859-14",     "ISO-8859-14",     " latin8 l8 iso8859-14 iso_8859-14 " },
    { "ISO-8859-15",     "ISO-8859-15",     " latin-9 latin9 iso8859-15 iso_8859-15 " },
    { "ISO-8859-16",     "ISO-8859-16",     " latin10 l10 iso8859-16 iso_8859-16 " },
    { "windows-1250",    "CP1250",          " cp1250 x-cp1250 " },
    { "windows-1251",    "CP1251",          " cp1251 x-cp1251 " },
    { "windows-1252",    "CP1252",          " cp1252 x-cp1252 x-ansi " },
    { "windows-1253",    "CP1253",          " cp1253 x-cp1253 " },
    { "windows-1254",    "CP1254",          " cp1254 x-cp1254 " },
    { "windows-1255",    "CP1255",          " cp1255 x-cp1255 " },
    { "windows-1256",    "CP1256",          " cp1256 x-cp1256 " },
    { "windows-1257",    "CP1257",          " cp1257 x-cp1257 " },
    { "windows-1258",    "CP1258",          " cp1258 x-cp1258 " },
    { "windows-874",     "CP874",           " cp874 ibm874 dos-874 " },
    { "KOI8-R",          "KOI8-R",          " koi koi8 koi8_r " },
    { "KOI8-U",          "KOI8-U",          " koi8-ru " },
    { "macintosh",       "MACINTOSH",       " mac x-mac-roman " },
    { "IBM437",          "IBM437",          " cp437 437 " },
    { "IBM850",          "IBM850",          " cp850 850 " },
    { "IBM852",          "IBM852",          " cp852 852 " },
    { "IBM855",          "IBM855",          " cp855 855 " },
    { "IBM866",          "IBM866",          " cp866 866 " },
    { "TIS-620",         "TIS-620",         " tis620 " },
    { "VISCII",          "VISCII",          " csviscii " },
    { "UTF-7",           "UTF-7",           " unicode-1-1-utf-7 " },
    { "UTF-16",          "UTF-16",          " utf16 unicode ucs-2 iso-10646-ucs-2 " },
    { "UTF-16BE",        "UTF-16BE",        " utf16be " },
    { "UTF-16LE",        "UTF-16LE",        " utf16le " },
    { "UTF-32",          "UTF-32",          " utf32 ucs-4 iso-10646-ucs-4 " },
    { "UTF-32BE",        "UTF-32BE",        " utf32be " },
    { "UTF-32LE",        "UTF-32LE",        " utf32le " },
    { "GB2312",          "GBK",             " euc-cn gb_2312-80 csgb2312 " },     /* GBK has more, and programs write it */
    { "GBK",             "GBK",             " cp936 ms936 windows-936 x-gbk " },
    { "GB18030",         "GB18030",         " gb18030-2000 " },
    { "Big5",            "BIG5",            " cn-big5 big-5 x-x-big5 cp950 " },
    { "Big5-HKSCS",      "BIG5-HKSCS",      " big5hkscs " },
    { "EUC-TW",          "EUC-TW",          " euctw " },
    { "ISO-2022-CN",     "ISO-2022-CN",     " csiso2022cn " },
    { "Shift_JIS",       "CP932",           " shift-jis sjis x-sjis ms_kanji windows-31j cp932 csshiftjis " },
    { "EUC-JP",          "EUC-JP",          " eucjp x-euc-jp cseucpkdfmtjapanese " },
    { "ISO-2022-JP",     "ISO-2022-JP-3",   " csiso2022jp iso-2022-jp-1 iso-2022-jp-3 " },
    { "ISO-2022-JP-2",   "ISO-2022-JP-2",   " csiso2022jp2 " },
    { "EUC-KR",          "UHC",             " euckr ks_c_5601-1987 ksc5601 ksc_5601 korean cp949 uhc windows-949 cseuckr " },
    { "ISO-2022-KR",     "ISO-2022-KR",     " csiso2022kr " },
};

/* ---- Names ---------------------------------------------------------------------------------------------------------------------- */

enum { ALIAS_CHARS = 40 };

const struct charset *
charset_find(struct slice name)
{
    char word[ALIAS_CHARS + 3] = " ";

    name = slice_trim(name);
    if (name.len == 0)
        return &charsets[0];
    if (name.len > ALIAS_CHARS || memchr(name.data, ' ', name.len) != NULL || memchr(name.data, '\0', name.len) != NULL)
        return NULL;
    for (size_t i = 0; i < name.len; i++)
        word[1 + i] = ascii_lower(name.data[i]);
    word[1 + name.len] = ' ';
    word[2 + name.len] = '\0';
    for (size_t i = 0; i < COUNT(charsets); i++)
        if (slice_equal_nocase(name, slice_of(charsets[i].name)) || strstr(charsets[i].aliases, word) != NULL)
            return &charsets[i];
    return NULL;
}

bool
charset_is_utf8(const struct charset *c)
{
    return c == &charsets[0] || c == &charsets[1];
}

static bool
is_latin1(const struct charset *c)
{
    return c == &charsets[2];
}

void
charset_put_names(struct buf *out)
{
    for (size_t i = 0; i < COUNT(charsets); i++) {
        if (i > 0)
            buf_append_byte(out, ' ');
        buf_append_string(out, charsets[i].name);
    }
}

/* ---- Modules -------------------------------------------------------------------------------------------------------------------- */

static iconv_t
open_iconv(const struct charset *c)
{
    return iconv_open("UTF-8", c->iconv);
}

struct charset_modules {
    iconv_t opened[COUNT(charsets)];        /* (iconv_t)-1: not there */
};

int
charset_modules_open(struct charset_modules **out)
{
    struct charset_modules *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return MT_ENOMEM;
    for (size_t i = 0; i < COUNT(charsets); i++)
        m->opened[i] = charsets[i].iconv == NULL ? (iconv_t)-1 : open_iconv(&charsets[i]);
    *out = m;
    return MT_OK;
}

void
charset_modules_close(struct charset_modules *m)
{
    for (size_t i = 0; m != NULL && i < COUNT(charsets); i++)
        if (m->opened[i] != (iconv_t)-1)
            iconv_close(m->opened[i]);
    free(m);
}

/* ---- Converting ----------------------------------------------------------------------------------------------------------------- */

static void
put_replacement(struct charset_text *t)
{
    t->out(t->arg, slice_of(REPLACEMENT));
}

/* Whether s may be the begin of a UTF-8 character that goes on in the next piece. */
static bool
is_begun(struct slice s)
{
    unsigned char lead = (unsigned char)s.data[0];
    size_t        len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

    if (lead < 0xc2 || lead > 0xf4 || s.len >= len)
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (((unsigned char)s.data[i] & 0xc0) != 0x80)
            return false;
    return true;
}

static size_t
ascii_length(struct slice s)
{
    size_t len = 0;

    while (len < s.len && (unsigned char)s.data[len] < 0x80)
        len++;
    return len;
}

/* What is valid goes on as it stands, in runs as long as possible. Returns how many octets it took: all but a character that was begun. */
static size_t
feed_utf8(struct charset_text *t, struct slice octets, bool last)
{
    size_t from = 0, at = 0;

    while (at < octets.len) {
        struct slice rest = slice_sub(octets, at, octets.len);
        size_t       len = ascii_length(rest);

        if (len == 0)
            len = utf8_char_len(rest);
        if (len == 0 && !last && is_begun(rest))
            break;
        if (len == 0) {
            if (at > from)
                t->out(t->arg, slice_sub(octets, from, at - from));
            put_replacement(t);
            from = ++at;
        }
        at += len;
    }
    if (at > from)
        t->out(t->arg, slice_sub(octets, from, at - from));
    return at;
}

static void
feed_latin1(struct charset_text *t, struct slice octets)
{
    char   out[OUT_BYTES];
    size_t len = 0;

    for (size_t i = 0; i < octets.len; i++) {
        unsigned char c = (unsigned char)octets.data[i];

        if (len + 2 > sizeof(out)) {
            t->out(t->arg, slice_make(out, len));
            len = 0;
        }
        if (c >= 0x80)
            out[len++] = (char)(0xc0 | c >> 6);
        out[len++] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
    }
    if (len > 0)
        t->out(t->arg, slice_make(out, len));
}

/* As feed_utf8. With no octets: what iconv holds back itself. */
static size_t
feed_iconv(struct charset_text *t, struct slice octets, bool last)
{
    char   out[OUT_BYTES];
    char  *in = (char *)(uintptr_t)octets.data;     /* iconv's prototype lacks a const; it does not write there */
    size_t left = octets.len;
    bool   more = true;

    while (more) {
        char  *to = out;
        size_t room = sizeof(out);
        size_t rc = octets.len == 0 ? iconv(t->iconv, NULL, NULL, &to, &room) : iconv(t->iconv, &in, &left, &to, &room);
        int    error = rc == (size_t)-1 ? errno : 0;

        if (to > out)
            t->out(t->arg, slice_make(out, (size_t)(to - out)));
        more = error == E2BIG;
        if (left > 0 && (error == EILSEQ || (error == EINVAL && (last || left >= sizeof(t->held))))) {
            put_replacement(t);
            in++;
            left--;
            more = left > 0;
        }
    }
    return octets.len - left;
}

static size_t
feed(struct charset_text *t, struct slice octets, bool last)
{
    if (t->iconv != NULL)
        return feed_iconv(t, octets, last);
    if (!is_latin1(t->charset))
        return feed_utf8(t, octets, last);
    feed_latin1(t, octets);
    return octets.len;
}

void
charset_text_begin(struct charset_text *t, const struct charset *charset, charset_fn *out, void *arg)
{
    *t = (struct charset_text){ .charset = charset == NULL ? &charsets[0] : charset, .out = out, .arg = arg };
    if (t->charset->iconv == NULL)
        return;
    t->iconv = open_iconv(t->charset);
    if (t->iconv == (iconv_t)-1)
        t->iconv = NULL;
}

void
charset_text_feed(struct charset_text *t, struct slice octets)
{
    size_t taken;

    /* Octet by octet until the character that was begun is complete: it has a few. */
    while (t->held_len > 0 && octets.len > 0) {
        t->held[t->held_len++] = octets.data[0];
        octets = slice_sub(octets, 1, octets.len);
        taken = feed(t, slice_make(t->held, t->held_len), false);
        t->held_len -= taken;
        memmove(t->held, t->held + taken, t->held_len);
    }
    if (octets.len == 0)
        return;
    taken = feed(t, octets, false);
    octets = slice_sub(octets, taken, octets.len);
    memcpy(t->held, octets.data, octets.len);
    t->held_len = octets.len;
}

void
charset_text_finish(struct charset_text *t)
{
    if (t->held_len > 0)
        feed(t, slice_make(t->held, t->held_len), true);
    if (t->iconv != NULL) {
        feed_iconv(t, slice_make(NULL, 0), true);
        iconv_close(t->iconv);
    }
    t->iconv = NULL;
    t->held_len = 0;
}

/* ---- To a buf ------------------------------------------------------------------------------------------------------------------- */

static void
append(void *arg, struct slice utf8)
{
    struct buf *out = arg;
    size_t      len = utf8.len, room = out->limit - out->len;

    if (len > room)
        for (len = room; len > 0 && ((unsigned char)utf8.data[len] & 0xc0) == 0x80; len--)
            ;
    buf_append(out, utf8.data, len);
    if (len < utf8.len)
        out->limit = out->len;          /* nothing may follow what is missing; the caller puts it back */
}

void
charset_convert(const struct charset *charset, struct slice octets, struct buf *out)
{
    struct charset_text t;
    size_t              limit = out->limit;

    charset_text_begin(&t, charset, append, out);
    charset_text_feed(&t, octets);
    charset_text_finish(&t);
    out->limit = limit;
}

void
charset_convert_words(struct slice value, struct buf *out)
{
    size_t limit = out->limit;

    charset_decode_words(value, append, out);
    out->limit = limit;
}

/* ---- Encoded-words -------------------------------------------------------------------------------------------------------------- */

struct words {
    struct charset_text text;
    charset_fn         *out;
    void               *arg;
};

/* Words of one charset that touch are one text: some programs cut characters between them. */
static void
take_words(void *arg, const char *charset, struct slice octets)
{
    struct words         *w = arg;
    const struct charset *of = charset_find(slice_of(charset));

    if (of == NULL)
        of = &charsets[0];
    if (of != w->text.charset) {
        charset_text_finish(&w->text);
        charset_text_begin(&w->text, of, w->out, w->arg);
    }
    charset_text_feed(&w->text, octets);
}

void
charset_decode_words(struct slice value, charset_fn *out, void *arg)
{
    struct encoded_word e;
    struct words        w = { .out = out, .arg = arg };

    charset_text_begin(&w.text, &charsets[0], out, arg);
    encoded_word_init(&e, take_words, &w);
    encoded_word_feed(&e, value);
    encoded_word_finish(&e);
    charset_text_finish(&w.text);
}
