#include "tests/unit/contents.h"
#include "tests/unit/deflated.h"

#include "finder/tnef.h"

#define FILE_BYTES 100000u

/* MS-OXTNEF 2.1.3: levels and identifiers of attributes. */
enum { MESSAGE = 1, ATTACHMENT = 2 };
enum {
    SUBJECT = 0x00018004, MESSAGE_ID = 0x00018009, BODY = 0x0002800c, ATTACH_DATA = 0x0006800f, ATTACH_TITLE = 0x00018010,
    ATTACH_REND_DATA = 0x00069002, MSG_PROPS = 0x00069003, RECIP_TABLE = 0x00069004, ATTACHMENT_PROPS = 0x00069005,
    TNEF_VERSION = 0x00089006, OEM_CODEPAGE = 0x00069007, MESSAGE_CLASS = 0x00078008, DATE_SENT = 0x00038005,
};

#define OCTETS(literal) slice_make(literal, sizeof(literal) - 1)

static void
run(struct contents *c, struct slice file, size_t piece)
{
    struct tnef t;

#define FEED(part) tnef_feed(&t, (part))
    tnef_init(&t, &contents_events, c);
    CONTENTS_FEED(file, piece, FEED);
    tnef_finish(&t);
#undef FEED
}

/* ---- A writer of TNEF ------------------------------------------------------------------------------------------- */

static void
put_attribute(struct buf *to, unsigned level, uint32_t id, struct slice data)
{
    uint16_t sum = 0;

    for (size_t i = 0; i < data.len; i++)
        sum = (uint16_t)(sum + (unsigned char)data.data[i]);
    put_le(to, level, 1);
    put_le(to, id, 4);
    put_le(to, data.len, 4);
    buf_append_slice(to, data);
    put_le(to, sum, 2);
    assert_int_equal(to->fault, MT_OK);
}

static void
begin_file(struct buf *to)
{
    buf_init(to, FILE_BYTES);
    put_le(to, 0x223e9f78, 4);
    put_le(to, 0x0001, 2);
    put_attribute(to, MESSAGE, TNEF_VERSION, OCTETS("\0\0\1\0"));
    put_attribute(to, MESSAGE, OEM_CODEPAGE, OCTETS("\xe4\x04\0\0\0\0\0\0"));
    put_attribute(to, MESSAGE, MESSAGE_CLASS, OCTETS("IPM.Microsoft Mail.Note"));
}

static void
put_padded(struct buf *to, struct slice octets)
{
    put_le(to, octets.len, 4);
    buf_append_slice(to, octets);
    put_le(to, 0, (4 - octets.len % 4) % 4);
}

static void
put_tag(struct buf *to, uint32_t tag)
{
    put_le(to, MAPI_TYPE(tag), 2);
    put_le(to, MAPI_ID(tag), 2);
}

/* A property with one value of variable size. */
static void
put_property(struct buf *to, uint32_t tag, struct slice value)
{
    put_tag(to, tag);
    put_le(to, 1, 4);
    put_padded(to, value);
}

/* Properties of all sizes that are not told, ten of them. */
#define OTHERS 10u
static void
put_others(struct buf *to)
{
    put_tag(to, MAPI_TAG(0x0017, MAPI_INTEGER32));
    put_le(to, 1, 4);
    put_tag(to, MAPI_TAG(0x1234, MAPI_INTEGER16));
    put_le(to, 1, 4);
    put_tag(to, MAPI_TAG(0x0e1f, MAPI_BOOLEAN));
    put_le(to, 1, 4);
    put_tag(to, MAPI_TAG(0x0039, MAPI_TIME));
    put_le(to, 1, 8);
    put_tag(to, MAPI_TAG(0x1235, MAPI_DOUBLE));
    put_le(to, 1, 8);
    put_tag(to, MAPI_TAG(0x1236, MAPI_GUID));
    put_le(to, 1, 8);
    put_le(to, 1, 8);
    put_property(to, MAPI_TAG(0x300b, MAPI_BINARY), OCTETS("not told"));
    put_tag(to, MAPI_TAG(0x1237, MAPI_INTEGER32 | MAPI_MULTIPLE));
    put_le(to, 3, 4);
    put_le(to, 1, 12);
    put_tag(to, MAPI_TAG(0x1238, MAPI_BINARY | MAPI_MULTIPLE));
    put_le(to, 2, 4);
    put_padded(to, OCTETS("neither"));
    put_padded(to, OCTETS("nor"));
    put_tag(to, MAPI_TAG(0x8001, MAPI_INTEGER32));      /* named by a number */
    put_le(to, 0x00062008, 8);
    put_le(to, 0x46000000000000c0, 8);
    put_le(to, 0, 4);
    put_le(to, 0x8554, 4);
    put_le(to, 1, 4);
}

/* The file so far and this list as an attribute; frees both buffers and checks what is told. */
static void
assert_list(const char *label, struct buf *list, uint32_t id, const char *want)
{
    struct buf file;

    begin_file(&file);
    put_attribute(&file, id == ATTACHMENT_PROPS ? ATTACHMENT : MESSAGE, id, buf_slice(list));
    put_attribute(&file, MESSAGE, SUBJECT, OCTETS("behind"));
    assert_contents(label, run, buf_slice(&file), want);
    buf_fini(&file);
    buf_fini(list);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

static void
attributes_are_told(void **state)
{
    struct buf file;

    (void)state;
    begin_file(&file);
    put_attribute(&file, MESSAGE, SUBJECT, OCTETS("Probe mt1abc\0"));
    put_attribute(&file, MESSAGE, DATE_SENT, OCTETS("\xea\7\1\0\1\0\0\0\0\0\0\0\0\0"));
    put_attribute(&file, MESSAGE, MESSAGE_ID, OCTETS("0123456789ABCDEF\0"));
    put_attribute(&file, MESSAGE, BODY, OCTETS("Dear customer\r\n\0"));
    put_attribute(&file, ATTACHMENT, ATTACH_REND_DATA, OCTETS("\1\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0"));
    put_attribute(&file, ATTACHMENT, ATTACH_TITLE, OCTETS("probe.txt\0"));
    put_attribute(&file, ATTACHMENT, ATTACH_DATA, OCTETS("attached"));
    put_attribute(&file, ATTACHMENT, ATTACH_REND_DATA, OCTETS("\1\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0"));
    put_attribute(&file, ATTACHMENT, ATTACH_DATA, OCTETS("its title comes later"));
    put_attribute(&file, ATTACHMENT, ATTACH_TITLE, OCTETS("b.txt\0"));
    put_attribute(&file, ATTACHMENT, ATTACH_DATA, OCTETS(""));
    assert_contents("attributes", run, buf_slice(&file),
                    "field()=Probe mt1abc\\x00|field()=0123456789ABCDEF\\x00|text()=Dear customer\\x0d\\x0a\\x00|"
                    "field()=probe.txt\\x00|unknown(probe.txt)=attached|unknown()=its title comes later|"
                    "field()=b.txt\\x00|unknown(b.txt)=|");
    buf_fini(&file);
}

static void
properties_of_the_message_are_told(void **state)
{
    struct buf list;

    (void)state;
    buf_init(&list, FILE_BYTES);
    put_le(&list, 12 + 2 * OTHERS, 4);
    put_others(&list);
    put_property(&list, 0x0037001e, OCTETS("8 bits\0"));
    put_property(&list, 0x0e1d001f, OCTETS("U\0\xe4\0\xac\x20\x3d\xd8\x00\xde\0\0"));
    put_property(&list, 0x0070001e, OCTETS("topic\0"));
    put_property(&list, 0x1035001e, OCTETS("<id@example.net>\0"));
    put_property(&list, 0x1042001e, OCTETS("<a@b>\0"));
    put_property(&list, 0x1039001e, OCTETS("<a@b> <c@d>\0"));
    put_property(&list, 0x007d001f, OCTETS("A\0:\0 \0b\0\r\0\n\0"));
    put_property(&list, 0x1000001f, OCTETS("t\0e\0x\0t\0"));
    put_property(&list, 0x10130102, OCTETS("<p>html"));
    put_property(&list, 0x1013001e, OCTETS("<p>"));
    put_property(&list, 0x10090102, OCTETS("\x17\0\0\0\x0b\0\0\0MELA\0\0\0\0{\\rtf1 abc}"));
    put_property(&list, 0x10090102, OCTETS("\x13\0\0\0\2\0\0\0LZFu\0\0\0\0\0hi"));
    put_others(&list);
    assert_list("message", &list, MSG_PROPS,
                "field()=8 bits\\x00|field()=U\\xc3\\xa4\\xe2\\x82\\xac\\xf0\\x9f\\x98\\x80|field()=topic\\x00|"
                "field()=<id@example.net>\\x00|field()=<a@b>\\x00|field()=<a@b> <c@d>\\x00|message()=A: b\\x0d\\x0a|text()=text|"
                "html()=<p>html|html()=<p>|rtf()={\\rtf1 abc}|rtf()=hi|field()=behind|");
}

static void
named_properties_with_several_values_are_told(void **state)
{
    struct buf list;

    (void)state;
    buf_init(&list, FILE_BYTES);
    put_le(&list, 2, 4);
    put_tag(&list, MAPI_TAG(0x8000, MAPI_STRING));
    put_le(&list, 0x00020386, 8);
    put_le(&list, 0x46000000000000c0, 8);
    put_le(&list, 1, 4);
    put_padded(&list, OCTETS("x\0-\0t\0\0\0"));
    put_le(&list, 1, 4);
    put_padded(&list, OCTETS("m\0t\0" "1\0\0\0"));
    put_tag(&list, MAPI_TAG(0x8002, MAPI_STRING8 | MAPI_MULTIPLE));
    put_le(&list, 0x00020386, 8);
    put_le(&list, 0x46000000000000c0, 8);
    put_le(&list, 1, 4);
    put_padded(&list, OCTETS("o\0d\0d\0"));
    put_le(&list, 3, 4);
    put_padded(&list, OCTETS("one"));
    put_padded(&list, OCTETS(""));
    put_padded(&list, OCTETS("three"));
    assert_list("named", &list, MSG_PROPS, "field()=mt1|field()=one|field()=|field()=three|field()=behind|");
}

static void
recipients_are_told(void **state)
{
    struct buf list;

    (void)state;
    buf_init(&list, FILE_BYTES);
    put_le(&list, 3, 4);
    put_le(&list, 2, 4);
    put_property(&list, 0x3001001e, OCTETS("Ann"));
    put_property(&list, 0x3003001e, OCTETS("ann@customer.test"));
    put_le(&list, 0, 4);
    put_le(&list, 1, 4);
    put_property(&list, 0x3003001e, OCTETS("bob@customer.test"));
    put_le(&list, 1, 4);
    put_property(&list, 0x3003001e, OCTETS("more than the rows stated"));
    assert_list("recipients", &list, RECIP_TABLE,
                "field()=Ann|field()=ann@customer.test|field()=bob@customer.test|field()=behind|");
}

#define MESSAGE_INTERFACE "\x07\x03\x02\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"
#define STORAGE_INTERFACE "\x0b\0\0\0\0\0\0\0\xc0\0\0\0\0\0\0\x46"

static void
attached_objects_are_told(void **state)
{
    struct buf file, list;

    (void)state;
    buf_init(&list, FILE_BYTES);
    put_le(&list, 5, 4);
    put_property(&list, 0x3701000d, OCTETS(MESSAGE_INTERFACE "\x78\x9f\x3e\x22 and more"));
    put_property(&list, 0x3701000d, OCTETS(STORAGE_INTERFACE "\xd0\xcf\x11\xe0"));
    put_property(&list, 0x3701000d, OCTETS("too short"));
    put_property(&list, 0x37010102, OCTETS("octets"));
    put_property(&list, 0x3707001f, OCTETS("p\0r\0o\0b\0e\0.\0e\0m\0l\0\0\0"));
    begin_file(&file);
    put_attribute(&file, ATTACHMENT, ATTACH_TITLE, OCTETS("probe.em\0junk"));
    put_attribute(&file, ATTACHMENT, ATTACHMENT_PROPS, buf_slice(&list));
    assert_contents("objects", run, buf_slice(&file),
                    "field()=probe.em\\x00junk|tnef()=x\\x9f>\" and more|unknown()=\\xd0\\xcf\\x11\\xe0|"
                    "unknown(probe.em)=octets|field()=probe.eml|");
    buf_fini(&file);
    buf_fini(&list);
}

static void
half_characters_are_replaced(void **state)
{
    struct buf list;

    (void)state;
    buf_init(&list, FILE_BYTES);
    put_le(&list, 4, 4);
    put_property(&list, 0x0037001f, OCTETS("\x3d\xd8" "a\0\x00\xde" "b\0"));
    put_property(&list, 0x0037001f, OCTETS("\x3d\xd8\x3d\xd8\x00\xde"));
    put_property(&list, 0x0037001f, OCTETS("\x3d\xd8"));
    put_property(&list, 0x0037001f, OCTETS("a\0b"));
    assert_list("surrogates", &list, MSG_PROPS,
                "field()=\\xef\\xbf\\xbda\\xef\\xbf\\xbdb|field()=\\xef\\xbf\\xbd\\xf0\\x9f\\x98\\x80|field()=\\xef\\xbf\\xbd|"
                "field()=a|field()=behind|");
}

/* Each list is damaged within its attribute; the attribute behind it is told all the same. */
static void
damage_ends_with_its_attribute(void **state)
{
    struct buf list;

    (void)state;
    buf_init(&list, FILE_BYTES);
    put_le(&list, 7, 4);
    put_property(&list, 0x0037001e, OCTETS("told"));
    assert_list("fewer properties than stated", &list, MSG_PROPS, "field()=told|field()=behind|");
    put_le(&list, 1, 4);
    put_tag(&list, 0x0037001e);
    put_le(&list, UINT32_MAX, 4);
    put_le(&list, 0xfffffff0, 4);
    buf_append_string(&list, "told");
    assert_list("a longer value than there is", &list, MSG_PROPS, "field()=told|field()=behind|");
    put_le(&list, 2, 4);
    put_tag(&list, MAPI_TAG(0x0037, 0x0077));
    put_property(&list, 0x0037001e, OCTETS("lost"));
    assert_list("an unknown type", &list, MSG_PROPS, "field()=behind|");
    put_le(&list, 2, 4);
    put_tag(&list, MAPI_TAG(0x1234, MAPI_TIME | MAPI_MULTIPLE));
    put_le(&list, UINT32_MAX, 4);
    put_property(&list, 0x0037001e, OCTETS("lost"));
    assert_list("more values than there are", &list, MSG_PROPS, "field()=behind|");
    put_le(&list, 1, 4);
    put_tag(&list, 0x8000001e);
    put_le(&list, 0, 16);
    put_le(&list, 2, 4);
    assert_list("an unknown kind of name", &list, MSG_PROPS, "field()=behind|");
    put_le(&list, UINT32_MAX, 4);
    put_le(&list, 0, 8);
    assert_list("more rows than there are", &list, RECIP_TABLE, "field()=behind|");
    buf_append_string(&list, "abc");
    assert_list("no whole number", &list, MSG_PROPS, "field()=behind|");
}

static void
behind_damage_the_next_attribute_is_found(void **state)
{
    struct buf file;

    (void)state;
    begin_file(&file);
    buf_append_string(&file, "\x03\x01 octets that are no attribute, \xff\xff");
    put_attribute(&file, MESSAGE, SUBJECT, OCTETS("found"));
    buf_append(&file, "\0\0\0", 3);
    put_attribute(&file, MESSAGE, BODY, OCTETS("too"));
    assert_contents("damage", run, buf_slice(&file), "field()=found|text()=too|");
    buf_fini(&file);
}

static void
what_breaks_off_is_told_as_far_as_it_goes(void **state)
{
    struct buf file;

    (void)state;
    begin_file(&file);
    put_attribute(&file, MESSAGE, BODY, OCTETS("a body"));
    assert_contents("within the body", run, slice_sub(buf_slice(&file), 0, file.len - 4), "text()=a bo|");
    assert_contents("within the header", run, slice_sub(buf_slice(&file), 0, file.len - 9), "");
    file.data[0] = 0;
    assert_contents("no signature", run, buf_slice(&file), "");
    assert_false(tnef_is(buf_slice(&file)));
    file.data[0] = 0x78;
    assert_true(tnef_is(buf_slice(&file)));
    assert_false(tnef_is(slice_sub(buf_slice(&file), 0, 3)));
    buf_fini(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_are_told),
        cmocka_unit_test(properties_of_the_message_are_told),
        cmocka_unit_test(named_properties_with_several_values_are_told),
        cmocka_unit_test(recipients_are_told),
        cmocka_unit_test(attached_objects_are_told),
        cmocka_unit_test(half_characters_are_replaced),
        cmocka_unit_test(damage_ends_with_its_attribute),
        cmocka_unit_test(behind_damage_the_next_attribute_is_found),
        cmocka_unit_test(what_breaks_off_is_told_as_far_as_it_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
