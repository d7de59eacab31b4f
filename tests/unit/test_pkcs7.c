#include "tests/unit/contents.h"
#include "tests/unit/deflated.h"

#include "finder/pkcs7.h"

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#define FILE_BYTES 200000u
#define BUDGET     100000u

#define OCTETS(literal)  slice_make(literal, sizeof(literal) - 1)
#define STRING(literal)  { literal, sizeof(literal) - 1 }
#define NOTHING          slice_make(NULL, 0)

/* Tags (X.690), with the class and the bit for constructed ones. */
enum { INTEGER = 0x02, OCTET_STRING = 0x04, OID = 0x06, OCTET_STRINGS = 0x24, SEQUENCE = 0x30, SET = 0x31, CONTEXT_0 = 0xa0 };

/* How lengths are given. */
enum form { DER, INDEFINITE, LONG_LENGTHS };

#define OID_DATA       OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")
#define OID_SIGNED     OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")
#define OID_ENVELOPED  OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")
#define OID_COMPRESSED OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09")
#define OID_ZLIB       OCTETS("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03\x08")

static uint64_t budget;
static bool     cut;

static void
run(struct contents *c, struct slice file, size_t piece)
{
    struct pkcs7 p;
    uint64_t     left = budget;

#define FEED(part) pkcs7_feed(&p, (part))
    pkcs7_init(&p, &contents_events, c, &left);
    CONTENTS_FEED(file, piece, FEED);
    pkcs7_finish(&p);
    cut = p.cut;
#undef FEED
}

/* ---- A writer of elements --------------------------------------------------------------------------------------- */

static void
put_element(struct buf *to, enum form form, unsigned tag, struct slice content)
{
    bool constructed = (tag & 0x20) != 0;

    put_le(to, tag, 1);
    if (form == INDEFINITE && constructed) {
        put_le(to, 0x80, 1);
    } else if (form == LONG_LENGTHS) {
        put_le(to, 0x84, 1);
        for (size_t i = 0; i < 4; i++)
            put_le(to, content.len >> 8 * (3 - i), 1);
    } else if (content.len < 0x80) {
        put_le(to, content.len, 1);
    } else {
        put_le(to, 0x82, 1);
        put_le(to, content.len >> 8, 1);
        put_le(to, content.len, 1);
    }
    buf_append_slice(to, content);
    if (form == INDEFINITE && constructed)
        put_le(to, 0, 2);
    assert_int_equal(to->fault, MT_OK);
}

/* Puts what is in the buffer so far into an element. */
static void
wrap(struct buf *b, enum form form, unsigned tag)
{
    struct buf outer;

    buf_init(&outer, FILE_BYTES);
    put_element(&outer, form, tag, buf_slice(b));
    buf_fini(b);
    *b = outer;
}

/*
 * The elements of a SignedData or CompressedData around its content: string is the element with the octets. Behind it come
 * some that look like it.
 */
static void
put_signed_data(struct buf *to, enum form form, struct slice string)
{
    struct buf b;

    put_element(to, form, INTEGER, OCTETS("\1"));
    buf_init(&b, FILE_BYTES);
    put_element(&b, form, OID, OID_ZLIB);
    wrap(&b, form, SEQUENCE);
    wrap(&b, form, SET);
    buf_append_slice(to, buf_slice(&b));
    buf_clear(&b);
    put_element(&b, form, OID, OID_DATA);
    put_element(&b, form, CONTEXT_0, string);
    put_element(to, form, SEQUENCE, buf_slice(&b));
    put_element(to, form, CONTEXT_0, OCTETS("\x04\x05" "certs"));
    put_element(to, form, SET, OCTETS("\x04\x05" "signs"));
    if (string.len > 0 && (string.data[0] == OCTET_STRING || string.data[0] == OCTET_STRINGS))
        put_element(to, form, SEQUENCE, OCTETS("\xa0\x08\x04\x06" "behind"));
    buf_fini(&b);
}

/* A ContentInfo of this type. */
static struct buf
content_info(enum form form, struct slice type, struct slice string)
{
    struct buf b, inner;

    buf_init(&inner, FILE_BYTES);
    put_signed_data(&inner, form, string);
    wrap(&inner, form, SEQUENCE);
    buf_init(&b, FILE_BYTES);
    put_element(&b, form, OID, type);
    put_element(&b, form, CONTEXT_0, buf_slice(&inner));
    wrap(&b, form, SEQUENCE);
    buf_fini(&inner);
    return b;
}

static void
assert_info(const char *label, enum form form, struct slice type, struct slice string, const char *want)
{
    struct buf file = content_info(form, type, string);

    assert_contents(label, run, buf_slice(&file), want);
    buf_fini(&file);
}

/* ---- Tests ------------------------------------------------------------------------------------------------------ */

/* Some are not what their form says all through: the strings are composed by hand. */
static const struct {
    const char  *label;
    struct slice string;
    const char  *want;
} strings[] = {
    { "in one", STRING("\x04\x05hello"), "message()=hello|" },
    { "empty", STRING("\x04\x00"), "message()=|" },
    { "in parts", STRING("\x24\x08\x04\x02he\x04\x02ll"), "message()=hell|" },
    { "in parts, of indefinite length", STRING("\x24\x80\x04\x02he\x04\x00\x04\x03llo\x00\x00"), "message()=hello|" },
    { "in parts of parts", STRING("\x24\x80\x24\x80\x04\x02he\x00\x00\x24\x03\x04\x01l\x00\x00"), "message()=hel|" },
    { "something else between the parts",
      STRING("\x24\x80\x04\x02he\x02\x01x\x30\x80\x04\x01x\x00\x00\x04\x01l\x00\x00"), "message()=hel|" },
    { "a tag of several octets", STRING("\xbf\x8f\x7f\x01x"), "" },
    { "none", STRING(""), "" },
    { "a SEQUENCE instead", STRING("\x30\x03\x04\x01x"), "" },
};

static void
content_of_signed_data_is_told(void **state)
{
    static const enum form forms[] = { DER, INDEFINITE, LONG_LENGTHS };

    (void)state;
    budget = 0;
    for (size_t f = 0; f < COUNT(forms); f++) {
        for (size_t i = 0; i < COUNT(strings); i++)
            assert_info(strings[i].label, forms[f], OID_SIGNED, strings[i].string, strings[i].want);
        assert_info("enveloped", forms[f], OID_ENVELOPED, strings[0].string, "");
        assert_info("another type", forms[f], OID_DATA, strings[0].string, "");
    }
    assert_info("longer than what it is in", DER, OID_SIGNED, OCTETS("\x04\x7fhello"), "message()=hello|");
}

static void
content_of_compressed_data_is_told(void **state)
{
    static const char zeros[BUDGET];
    struct buf        packed, string;

    (void)state;
    budget = BUDGET;
    buf_init(&packed, FILE_BYTES);
    buf_init(&string, FILE_BYTES);
    put_deflated(&packed, INFLATER_ZLIB, OCTETS("hello token"), NULL);
    put_element(&string, DER, OCTET_STRING, buf_slice(&packed));
    assert_info("in one", DER, OID_COMPRESSED, buf_slice(&string), "message()=hello token|");
    buf_clear(&string);
    put_element(&string, DER, OCTET_STRING, slice_sub(buf_slice(&packed), 0, 10));
    put_element(&string, DER, OCTET_STRING, slice_sub(buf_slice(&packed), 10, packed.len));
    wrap(&string, INDEFINITE, OCTET_STRINGS);
    assert_info("in parts", INDEFINITE, OID_COMPRESSED, buf_slice(&string), "message()=hello token|");
    assert_false(cut);
    assert_info("not compressed", DER, OID_COMPRESSED, OCTETS("\x04\x05hello"), "message()=|");
    buf_clear(&string);
    buf_clear(&packed);
    put_deflated(&packed, INFLATER_ZLIB, slice_make(zeros, sizeof(zeros)), NULL);
    put_element(&string, DER, OCTET_STRING, buf_slice(&packed));
    budget = 3;
    assert_info("a bomb", DER, OID_COMPRESSED, buf_slice(&string), "message()=\\x00\\x00\\x00|");
    assert_true(cut);
    buf_fini(&packed);
    buf_fini(&string);
}

static void
what_is_broken_is_told_as_far_as_it_goes(void **state)
{
    struct buf file = content_info(INDEFINITE, OID_SIGNED, strings[0].string), deep;

    (void)state;
    budget = 0;
    assert_true(pkcs7_is(buf_slice(&file)));
    assert_false(pkcs7_is(slice_sub(buf_slice(&file), 0, 12)));
    for (size_t len = 0; len < file.len; len++) {
        struct buf got = contents_of(run, slice_sub(buf_slice(&file), 0, len), 1);

        assert_true(got.len == 0 || slice_starts(buf_slice(&got), "message()="));
        buf_fini(&got);
    }
    buf_fini(&file);
    file = content_info(LONG_LENGTHS, OID_COMPRESSED, strings[0].string);
    assert_true(pkcs7_is(buf_slice(&file)));
    buf_fini(&file);
    file = content_info(DER, OID_ENVELOPED, strings[0].string);
    assert_false(pkcs7_is(buf_slice(&file)));
    buf_fini(&file);
    assert_contents("nothing", run, NOTHING, "");
    assert_contents("text", run, OCTETS("0nly some text"), "");
    assert_contents("an end at the start", run, OCTETS("\0\0\0\0"), "");
    assert_contents("a length of 16 octets", run, OCTETS("\x30\x90\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10"), "");
    assert_contents("a length over all bounds", run, OCTETS("\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff\x06\x01"), "");
    assert_contents("a header that never ends", run,
                    OCTETS("\x3f\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"
                           "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"), "");
    buf_init(&deep, FILE_BYTES);
    for (size_t i = 0; i < 1000; i++)
        buf_append(&deep, "\x24\x80", 2);
    buf_append(&deep, "\x04\x01x", 3);
    assert_info("too deep", INDEFINITE, OID_SIGNED, buf_slice(&deep), "message()=|");
    buf_fini(&deep);
}

/* What OpenSSL writes, in DER and as a stream. */
static void
opaque_signed_mail_of_openssl_is_told(void **state)
{
    static const char     mail[] = "Subject: probe\r\n\r\ntoken\r\n";
    static const unsigned modes[] = { CMS_BINARY, CMS_BINARY | CMS_STREAM };
    EVP_PKEY             *key = EVP_EC_gen("P-256");
    X509                 *certificate = X509_new();

    (void)state;
    budget = 0;
    assert_non_null(key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"probe", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    for (size_t i = 0; i < COUNT(modes); i++) {
        BIO             *in = BIO_new_mem_buf(mail, sizeof(mail) - 1), *out = BIO_new(BIO_s_mem());
        CMS_ContentInfo *cms = CMS_sign(certificate, key, NULL, in, modes[i]);
        char            *data;
        long             len;

        assert_non_null(cms);
        assert_int_equal(i2d_CMS_bio_stream(out, cms, in, (int)modes[i]), 1);
        len = BIO_get_mem_data(out, &data);
        assert_true(pkcs7_is(slice_make(data, (size_t)len)));
        assert_contents("signed", run, slice_make(data, (size_t)len),
                        "message()=Subject: probe\\x0d\\x0a\\x0d\\x0atoken\\x0d\\x0a|");
        CMS_ContentInfo_free(cms);
        BIO_free(in);
        BIO_free(out);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_of_signed_data_is_told),
        cmocka_unit_test(content_of_compressed_data_is_told),
        cmocka_unit_test(what_is_broken_is_told_as_far_as_it_goes),
        cmocka_unit_test(opaque_signed_mail_of_openssl_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
