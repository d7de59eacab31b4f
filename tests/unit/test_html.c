#include "tests/unit/decoded.h"

#include "finder/html.h"
#include "finder/html_entity.h"

#include <stdio.h>

struct heard {
    struct decoded text, aside, values;
    bool           in_value;
};

static void
on_text(void *arg, struct slice octets)
{
    struct heard *h = arg;

    decoded_add(&h->text, octets);
}

static void
on_aside(void *arg, struct slice octets)
{
    struct heard *h = arg;

    decoded_add(&h->aside, octets);
}

/* "L[…]" for a link, "[…]" for another value. */
static void
on_value(void *arg, bool link, struct slice octets)
{
    struct heard *h = arg;

    if (!h->in_value)
        decoded_add(&h->values, slice_of(link ? "L[" : "["));
    h->in_value = true;
    decoded_add(&h->values, octets);
}

static void
on_value_end(void *arg)
{
    struct heard *h = arg;

    decoded_add(&h->values, slice_of(h->in_value ? "]" : "[]"));
    h->in_value = false;
}

static const struct html_events events = { .text = on_text, .aside = on_aside, .value = on_value, .value_end = on_value_end };

static void
take_apart(struct slice in, size_t piece_size, struct heard *got)
{
    struct html h;

    html_init(&h, &events, got);
    for (int round = 0; round < 2; round++) {
        got->text.len = got->aside.len = got->values.len = 0;
        got->in_value = false;
        html_feed(&h, slice_of(NULL));
        for (size_t at = 0; at < in.len; at += piece_at(in, at, piece_size).len)
            html_feed(&h, piece_at(in, at, piece_size));
        html_finish(&h);
    }
}

static const struct {
    const char  *label;
    struct slice in;
    const char  *text, *aside, *values;
} cases[] = {
    /* Text and tags. */
    { "text",                       LITERAL("mt1abc d\r\n"),                        "mt1abc d\r\n", "", "" },
    { "empty",                      LITERAL(""),                                    "", "", "" },
    { "tags leave nothing",         LITERAL("<p>mt1<wbr>a<b>b</b>c<br/>d</p >"),    "mt1abcd", "", "" },
    { "span with a style",          LITERAL("mt1<span style=\"color:red\">abc</span>"), "mt1abc", "", "[color:red]" },
    { "tag over lines",             LITERAL("mt1<span\r\n\tclass = 'x'\n>abc"),     "mt1abc", "", "[x]" },
    { "greater than in a value",    LITERAL("a<b x=\"1>2\">c"),                     "ac", "", "[1>2]" },
    { "less than in text",          LITERAL("1 < 2, 3<4, <> <-"),                   "1 < 2, 3<4, <> <-", "", "" },
    { "less than at the end",       LITERAL("a<"),                                  "a<", "", "" },
    { "slash in text",              LITERAL("a</ b</"),                             "a</ b</", "", "" },
    { "two less than (enriched)",   LITERAL("a<<bold>b</bold>"),                    "a<b", "", "" },
    { "upper case",                 LITERAL("<P ALIGN=LEFT>a</P>"),                 "a", "", "[LEFT]" },
    { "self-closing, bare value",   LITERAL("<img src=x/>a"),                       "a", "", "L[x/]" },
    { "tag without an end",         LITERAL("a<b c"),                               "a", "", "" },
    { "address nobody escaped",     LITERAL("To: <acme+" SOME_TOKEN "@t.example>"), "To: ", "", "[acme+" SOME_TOKEN "@t.example]" },
    { "token as an attribute",      LITERAL("a <b " SOME_TOKEN ">c"),               "a c", "", "[" SOME_TOKEN "]" },
    { "long name",                  LITERAL("<x" SOME_TOKEN SOME_TOKEN " y=z>"),    "", "", "[x" SOME_TOKEN SOME_TOKEN "][z]" },
    { "long name of a link",        LITERAL("<a href" SOME_TOKEN SOME_TOKEN "=z>"), "", "", "[href" SOME_TOKEN SOME_TOKEN "][z]" },
    /* Entities. */
    { "decimal",                    LITERAL("&#109;&#116;&#49;"),                   "mt1", "", "" },
    { "hexadecimal",                LITERAL("&#x6D;&#X74;&#x000031;"),              "mt1", "", "" },
    { "without semicolon",          LITERAL("&#109&#x74 &#49x"),                    "mt 1x", "", "" },
    { "named",                      LITERAL("&lt;a&gt;&quot;&apos;&nbsp;"),         "<a>\"'\xc2\xa0", "", "" },
    { "invisible ones",             LITERAL("m&shy;t&zwnj;1&zwj;a&ZeroWidthSpace;b&lrm;c&NoBreak;"),
      "m\xc2\xadt\xe2\x80\x8c" "1\xe2\x80\x8d" "a\xe2\x80\x8b" "b\xe2\x80\x8e" "c\xe2\x81\xa0", "", "" },
    { "named without semicolon",    LITERAL("a&lt b&ltc&shyd5avj0&nbsp"),           "a< b<c\xc2\xad" "d5avj0\xc2\xa0", "", "" },
    { "not without semicolon",      LITERAL("&colonb &colon "),                     "&colonb : ", "", "" },
    { "unknown",                    LITERAL("&foo; &copy; &mt1abc; a&b"),           "&foo; &copy; &mt1abc; a&b", "", "" },
    { "no entities",                LITERAL("& && &; &#; &#x; &#xg; &1"),           "& && &; &#; &#x; &#xg; &1", "", "" },
    { "long name of no entity",     LITERAL("&" SOME_TOKEN ";"),                    "&" SOME_TOKEN ";", "", "" },
    { "short name, long rest",      LITERAL("&amp" SOME_TOKEN),                     "&" SOME_TOKEN, "", "" },
    { "encoded twice",              LITERAL("&amp;#109;&amp;amp;#x74;&#38;#49;&amp;lt;"), "mt1<", "", "" },
    { "ampersands",                 LITERAL("a&amp;b &amp; &amp;&amp;"),            "a&b & &&", "", "" },
    { "out of range",               LITERAL("a&#0;&#1114112;&#99999999999999999999;&#xD;b"), "a\rb", "", "" },
    { "entity before a tag",        LITERAL("m&shy<b>t</b>&#49<i>2"),               "m\xc2\xad" "t12", "", "" },
    { "entity at the end",          LITERAL("a&#109"),                              "am", "", "" },
    { "name at the end",            LITERAL("a&foo"),                               "a&foo", "", "" },
    /* Values. */
    { "link",                       LITERAL("<a href=\"https://t.example/?a=1&amp;id=mt1\">x</a>"), "x", "",
      "L[https://t.example/?a=1&id=mt1]" },
    { "link in single quotes",      LITERAL("<a HREF='x'>"),                        "", "", "L[x]" },
    { "link without quotes",        LITERAL("<a href=http://t.example/mt1 x>"),     "", "", "L[http://t.example/mt1]" },
    { "several",                    LITERAL("<img src=\"a\"alt='b'title = c data=d>"), "", "", "L[a][b][c]L[d]" },
    { "links of all kinds",         LITERAL("<x action=a formaction=b cite=c background=d poster=e longdesc=f xlink:href=g ping=h>"),
      "", "", "L[a]L[b]L[c]L[d]L[e]L[f]L[g]L[h]" },
    { "added by mail systems",      LITERAL("<a originalsrc=a shash=b data-saferedirecturl=c>"), "", "", "L[a][b]L[c]" },
    { "meta refresh",               LITERAL("<meta http-equiv=refresh content=\"0; url=x\">"), "", "", "[refresh]L[0; url=x]" },
    { "value over lines",           LITERAL("<a href=\"http://t.example/\r\nmt1\">x"), "x", "", "L[http://t.example/\r\nmt1]" },
    { "entities in a value",        LITERAL("<a title='&#109;t&shy;1&amp'>"),       "", "", "[mt\xc2\xad" "1&]" },
    { "entity before the quote",    LITERAL("<a title=\"x&lt\" y=&#109>"),          "", "", "[x<][m]" },
    { "empty value",                LITERAL("<a href=\"\" x=>a"),                   "a", "", "[]" },
    { "no value",                   LITERAL("<a href x=y>"),                        "", "", "[y]" },
    { "quoted-printable left over", LITERAL("<a href=3D\"http://t.example/mt1\">x"), "x", "", "L[3D\"http://t.example/mt1\"]" },
    { "quote without an end",       LITERAL("<a href=\"mt1>x"),                     "", "", "L[mt1>x]" },
    /* Comments and the like. */
    { "comment",                    LITERAL("mt1<!-- x > y -- z --->abc"),          "mt1abc", " x > y -- z --- ", "" },
    { "short comments",             LITERAL("a<!-->b<!--->c<!---->d"),              "abcd", " - -- ", "" },
    { "comment with a bang",        LITERAL("a<!--x--!>b"),                         "ab", "x--! ", "" },
    { "declaration",                LITERAL("<!DOCTYPE html>a<?xml x?>b<!-x>c"),    "abc", "DOCTYPE html xml x? x ", "" },
    { "hidden for others",          LITERAL("a<!--[if mso]><b href='x'>b</b><![endif]-->c"), "abc", "[if mso] endif]-- ", "L[x]" },
    { "shown to others",            LITERAL("a<![if !mso]>b<![endif]>c"),           "abc", "if !mso] endif] ", "" },
    { "shown to all but one",       LITERAL("a<!--[if !mso]><!-->b<!--<![endif]-->c"), "abc", "[if !mso]  <![endif]-- ", "" },
    { "CDATA",                      LITERAL("a<![CDATA[b&lt;]]>c"),                 "ab<]]>c", "CDATA ", "" },
    { "style sheet",                LITERAL("a<style type=x>p > a { } </styl </STYLE >b"), "ab", "p > a { } </styl  ", "[x]" },
    { "script",                     LITERAL("a<script>if (x<y) z='</p>';<</script>b"), "ab", "if (x<y) z='</p>';< ", "" },
    { "script without an end",      LITERAL("a<script>b</scr"),                     "a", "b</scr ", "" },
    { "parameter (enriched)",       LITERAL("mt1<color><param>red</param>abc</color>"), "mt1abc", "red ", "" },
    { "parameter of HTML",          LITERAL("<param name=a value=b>mt1"),           "mt1", "", "[a][b]" },
    { "end of no script",           LITERAL("a</script>b</style>c"),                "abc", "", "" },
    { "comment without an end",     LITERAL("a<!-- mt1"),                           "a", " mt1 ", "" },
    /* Charsets. */
    { "UTF-16",                     LITERAL("<\0a\0 \0h\0r\0e\0f\0=\0x\0>\0m\0&\0#\0\x31\0\x31\0\x36\0;\0"), "mt", "", "L[x]" },
    { "ISO-2022-JP",                LITERAL("a\033$B$<%a&l\033(B<b>m&#116;"),       "a\033$B$<%a&l\033(Bmt", "", "" },
    { "ISO-2022-JP ends with a line", LITERAL("\033$B<a\r\n<b>c"),                  "\033$B<a\r\nc", "", "" },
    { "other escapes",              LITERAL("\033(B<b>c\033<b>d\033"),              "\033(Bc\033" "d\033", "", "" },
    { "octets over 127",            LITERAL("\xe9<b>\xa0\xad</b>\xff"),             "\xe9\xa0\xad\xff", "", "" },
};

static void
markup_is_taken_apart(void **state)
{
    static struct heard got;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t k = 0; k < COUNT(piece_sizes); k++) {
            char label[100];

            snprintf(label, sizeof(label), "%s, pieces of %zu", cases[i].label, piece_sizes[k]);
            take_apart(cases[i].in, piece_sizes[k], &got);
            assert_slice(label, decoded_slice(&got.text), cases[i].text);
            assert_slice(label, decoded_slice(&got.aside), cases[i].aside);
            assert_slice(label, decoded_slice(&got.values), cases[i].values);
        }
    }
}

/* What is opened, and what must be text again behind HTML_UNCLOSED_MAX octets. */
static void
what_is_not_closed_ends(void **state)
{
    static const char *const opens[] = {
        "<a href=\"", "<a href='", "<a href=", "<a ", "<a href", "<a", "</a ", "<!--", "<!-", "<!DOCTYPE ", "<?", "<![CDATA",
        "<style>", "<script>", "<a href=\"x\" ", "<a href=\"x\"", "<a href=\"&#", "<!--[if mso]", "<a href \t", "<a href = ", "\033$B",
    };
    static struct heard got;
    static char         in[3 * HTML_UNCLOSED_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT(opens); i++) {
        for (int fill = 0; fill < 3; fill++) {
            size_t len = strlen(opens[i]);

            memset(in, "x 0"[fill], sizeof(in));
            memcpy(in, opens[i], len);
            len += HTML_UNCLOSED_MAX;
            memcpy(in + len, "&#109;<b>t1", 11);
            take_apart(slice_make(in, len + 11), 0, &got);
            if (!slice_ends_nocase(decoded_slice(&got.text), "mt1"))
                fail_msg("%s with fill %d stays open", opens[i], fill);
            take_apart(slice_make(in, len + 11), 7, &got);
            assert_true(slice_ends_nocase(decoded_slice(&got.text), "mt1"));
        }
    }
}

/* The bound counts for each value anew. */
static void
a_tag_may_be_longer_than_a_value(void **state)
{
    enum { PART = HTML_UNCLOSED_MAX - 100 };
    static struct heard got;
    static char         in[4 * HTML_UNCLOSED_MAX];
    int                 len;

    (void)state;
    len = snprintf(in, sizeof(in), "<a %*s href=\"%0*d\" title='%0*d'%*sx>mt1", PART, "", PART, 0, PART, 0, PART, "");
    take_apart(slice_make(in, (size_t)len), 0, &got);
    assert_slice("text", decoded_slice(&got.text), "mt1");
    assert_int_equal(got.values.len, 2 * PART + strlen("L[][]"));
}

static void
every_name_is_found(void **state)
{
    static const struct {
        const char *name;
        uint32_t    character;
    } names[] = {
        { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' }, { "apos", '\'' }, { "nbsp", 0xA0 }, { "shy", 0xAD },
        { "zwj", 0x200D }, { "zwnj", 0x200C }, { "ensp", 0x2002 }, { "emsp", 0x2003 }, { "thinsp", 0x2009 }, { "hairsp", 0x200A },
        { "numsp", 0x2007 }, { "puncsp", 0x2008 }, { "emsp13", 0x2004 }, { "emsp14", 0x2005 }, { "ZeroWidthSpace", 0x200B },
        { "NegativeThinSpace", 0x200B }, { "NoBreak", 0x2060 }, { "lrm", 0x200E }, { "rlm", 0x200F }, { "colon", ':' },
        { "equals", '=' }, { "plus", '+' }, { "sol", '/' }, { "bsol", '\\' }, { "period", '.' }, { "comma", ',' }, { "lowbar", '_' },
        { "dash", 0x2010 }, { "hyphen", 0x2010 }, { "num", '#' }, { "percnt", '%' }, { "commat", '@' }, { "quest", '?' },
        { "semi", ';' }, { "AMP", '&' }, { "LT", '<' }, { "GT", '>' }, { "QUOT", '"' }, { "Tab", '\t' }, { "NewLine", '\n' },
        { "NonBreakingSpace", 0xA0 },
        { "MediumSpace", 0x205F }, { "ThinSpace", 0x2009 }, { "VeryThinSpace", 0x200A }, { "af", 0x2061 }, { "ic", 0x2063 },
        { "it", 0x2062 }, { "excl", '!' }, { "dollar", '$' }, { "ast", '*' }, { "midast", '*' }, { "lpar", '(' }, { "rpar", ')' },
        { "lsqb", '[' }, { "lbrack", '[' }, { "rsqb", ']' }, { "rbrack", ']' }, { "lcub", '{' }, { "lbrace", '{' }, { "rcub", '}' },
        { "rbrace", '}' }, { "verbar", '|' }, { "vert", '|' }, { "VerticalLine", '|' }, { "Hat", '^' }, { "grave", '`' },
        { "DiacriticalGrave", '`' }, { "UnderBar", '_' }, { "NegativeMediumSpace", 0x200B }, { "NegativeThickSpace", 0x200B },
        { "NegativeVeryThinSpace", 0x200B }, { "ThickSpace", 0x205F }, { "ApplyFunction", 0x2061 }, { "InvisibleComma", 0x2063 },
        { "InvisibleTimes", 0x2062 }, { "", 0 }, { "am", 0 }, { "ampe", 0 }, { "Amp", 0 }, { "a", 0 }, { "zzz", 0 }, { "A", 0 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        if (html_entity_find(slice_of(names[i].name)) != names[i].character)
            fail_msg("%s: got %x", names[i].name, html_entity_find(slice_of(names[i].name)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(markup_is_taken_apart),
        cmocka_unit_test(what_is_not_closed_ends),
        cmocka_unit_test(a_tag_may_be_longer_than_a_value),
        cmocka_unit_test(every_name_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
