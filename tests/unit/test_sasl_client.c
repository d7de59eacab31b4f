#include "tests/unit/unit.h"

#include "checker/sasl_client.h"

#include <sodium.h>

#define SHA1_FIRST   "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"
#define SHA256_FIRST "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"

enum { STEPS = 4 };

/* One exchange: the server's challenges, and what the client must answer; a NULL challenge ends it. */
static const struct exchange {
    const char         *label;
    enum auth_mechanism mechanism;
    const char         *user, *secret, *nonce;
    const char         *challenges[STEPS], *answers[STEPS];
} exchanges[] = {
    { "RFC 2195", AUTH_CRAM_MD5, "tim", "tanstaaftanstaaf", "", { "<1896.697170952@postoffice.reston.mci.net>" },
      { "tim b913a602c7eda7a495b4e6e7334d3890" } },
    { "RFC 5802", AUTH_SCRAM_SHA_1, "user", "pencil", "fyko+d2lbbFgONRv9qkxdawL", { "", SHA1_FIRST, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=" },
      { "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL", "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "" } },
    { "RFC 7677", AUTH_SCRAM_SHA_256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO",
      { "", SHA256_FIRST, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" },
      { "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "" } },
    { "a name with a comma and an equals sign", AUTH_SCRAM_SHA_256, "a,b=c", "x", "N", { "" }, { "n,,n=a=2Cb=3Dc,r=N" } },
    { "LOGIN", AUTH_LOGIN, "tim", "hush", "", { "Username:", "Password:" }, { "tim", "hush" } },
};

static struct sasl_client *
begin(const struct exchange *e)
{
    struct sasl_client *c = sasl_client_new_with_nonce(e->mechanism, e->user, e->secret, "mx.example", 587, e->nonce);

    assert_non_null(c);
    return c;
}

static void
answers_are_those_of_the_rfcs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(exchanges); i++) {
        const struct exchange *e = &exchanges[i];
        struct sasl_client    *c = begin(e);
        struct buf             out;

        buf_init(&out, SASL_CLIENT_BYTES);
        for (unsigned step = 0; step < STEPS && e->challenges[step] != NULL; step++) {
            buf_clear(&out);
            assert_rc(e->label, sasl_client_step(c, slice_of(e->challenges[step]), &out), MT_OK);
            assert_slice(e->label, buf_slice(&out), e->answers[step]);
        }
        buf_fini(&out);
        if (e->challenges[2] != NULL && !sasl_client_finish(c))
            fail_msg("%s: %s", e->label, sasl_client_reason(c));
        sasl_client_free(c);
    }
}

static void
messages_with_octets_between(void **state)
{
    static const struct {
        enum auth_mechanism mechanism;
        const char         *user, *secret;
        uint16_t            port;
        const char         *base64;     /* RFC 4616 section 4, the example of RFC 7628 section 4.1, and that of Google's XOAUTH2 */
    } cases[] = {
        { AUTH_PLAIN, "tim", "tanstaaftanstaaf", 25, "AHRpbQB0YW5zdGFhZnRhbnN0YWFm" },
        { AUTH_OAUTHBEARER, "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", 143,
          "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9"
          "PQEB" },
        { AUTH_XOAUTH2, "someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg", 143,
          "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sasl_client *c = sasl_client_new(cases[i].mechanism, cases[i].user, cases[i].secret, "server.example.com", cases[i].port);
        const char         *label = sasl_mechanism_name(cases[i].mechanism);
        struct buf          out, text;

        assert_non_null(c);
        buf_init(&out, SASL_CLIENT_BYTES);
        buf_init(&text, SASL_CLIENT_BYTES);
        assert_true(sasl_client_is_first(c));
        assert_rc(label, sasl_client_step(c, slice_of(""), &out), MT_OK);
        assert_rc(label, sasl_base64_encode(buf_slice(&out), &text), MT_OK);
        assert_slice(label, buf_slice(&text), cases[i].base64);
        assert_true(sasl_client_finish(c));
        buf_fini(&text);
        buf_fini(&out);
        sasl_client_free(c);
    }
}

static void
a_server_that_cheats_in_scram_is_refused(void **state)
{
    static const struct {
        const char *label, *first, *final, *reason;
    } cases[] = {
        { "no first message",   "hello",                                                  NULL, "is none of SCRAM" },
        { "empty",              "",                                                       NULL, "is none of SCRAM" },
        { "extension",          "m=x,r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXC,i=4096",          NULL, "is none of SCRAM" },
        { "another nonce",      "r=other,s=QSXCR+Q6sek8bf92,i=4096",                      NULL, "does not go on from ours" },
        { "our nonce alone",    "r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096",   NULL, "does not go on from ours" },
        { "salt",               "r=fyko+d2lbbFgONRv9qkxdawL3,s=!!,i=4096",                NULL, "salt" },
        { "no salt",            "r=fyko+d2lbbFgONRv9qkxdawL3,s=,i=4096",                  NULL, "salt" },
        { "count",              "r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=many",  NULL, "is no number" },
        { "small count",        "r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=1",     NULL, "below 4096" },
        { "large count",        "r=fyko+d2lbbFgONRv9qkxdawL3,s=QSXCR+Q6sek8bf92,i=999999999", NULL, "over 200000" },
        { "wrong proof",        SHA1_FIRST, "v=rmF9pqV8S7suAoZWja4dJRkFsKA=",             "its proof is wrong" },
        { "short proof",        SHA1_FIRST, "v=rmF9",                                     "its proof is wrong" },
        { "refusal",            SHA1_FIRST, "e=invalid-proof",                            "the server says invalid-proof" },
        { "rubbish at the end", SHA1_FIRST, "hm",                                         "its proof is wrong" },
        { "no proof at all",    SHA1_FIRST, NULL,                                         "has not proved" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sasl_client *c = sasl_client_new_with_nonce(AUTH_SCRAM_SHA_1, "user", "pencil", "h", 25, "fyko+d2lbbFgONRv9qkxdawL");
        struct buf          out;
        int                 rc;

        assert_non_null(c);
        buf_init(&out, SASL_CLIENT_BYTES);
        assert_int_equal(sasl_client_step(c, slice_of(""), &out), MT_OK);
        buf_clear(&out);
        rc = sasl_client_step(c, slice_of(cases[i].first), &out);
        if (rc == MT_OK && cases[i].final != NULL)
            rc = sasl_client_step(c, slice_of(cases[i].final), &out);
        if (rc == MT_OK && sasl_client_finish(c))
            fail_msg("%s: taken", cases[i].label);
        if (strstr(sasl_client_reason(c), cases[i].reason) == NULL)
            fail_msg("%s: reason \"%s\"", cases[i].label, sasl_client_reason(c));
        buf_fini(&out);
        sasl_client_free(c);
    }
}

static void
a_refused_token_is_answered_and_told(void **state)
{
    static const struct {
        const char         *label;
        enum auth_mechanism mechanism;
        const char         *challenge, *answer, *reason;
    } cases[] = {
        { "OAUTHBEARER", AUTH_OAUTHBEARER, "{\"status\":\"invalid_token\",\"scope\":\"mail\"}", "\001", "the access token is refused: status invalid_token" },
        { "XOAUTH2", AUTH_XOAUTH2, "{\"status\":\"401\",\"schemes\":\"bearer\"}", "", "the access token is refused: status 401" },
        { "no JSON", AUTH_OAUTHBEARER, "sorry", "\001", "the access token is refused" },
        { "nothing", AUTH_XOAUTH2, "", "", "the access token is refused" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sasl_client *c = sasl_client_new(cases[i].mechanism, "u", "t", "h", 25);
        struct buf          out;

        assert_non_null(c);
        buf_init(&out, SASL_CLIENT_BYTES);
        assert_rc(cases[i].label, sasl_client_step(c, slice_of(""), &out), MT_OK);
        buf_clear(&out);
        assert_rc(cases[i].label, sasl_client_step(c, slice_of(cases[i].challenge), &out), MT_OK);
        assert_slice(cases[i].label, buf_slice(&out), cases[i].answer);
        assert_slice(cases[i].label, slice_of(sasl_client_reason(c)), cases[i].reason);
        assert_rc(cases[i].label, sasl_client_step(c, slice_of(cases[i].challenge), &out), MT_EPROTO);
        buf_fini(&out);
        sasl_client_free(c);
    }
}

static void
questions_without_end_are_cut(void **state)
{
    (void)state;
    for (enum auth_mechanism m = AUTH_PLAIN; m <= AUTH_OAUTHBEARER; m++) {
        struct sasl_client *c = sasl_client_new(m, "u", "s", "h", 25);
        struct buf          out;
        unsigned            steps = 0;

        assert_non_null(c);
        buf_init(&out, SASL_CLIENT_BYTES);
        while (steps < 10 && sasl_client_step(c, slice_of("?"), &out) == MT_OK)
            steps++;
        assert_true(steps < 3);
        buf_fini(&out);
        sasl_client_free(c);
    }
}

#define ALL "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER GSSAPI"

static void
the_strongest_that_is_safe_is_chosen(void **state)
{
    static const struct {
        const char         *label;
        enum auth_mechanism wanted;
        bool                token, is_private;
        const char         *offered;
        enum auth_mechanism chosen;
        const char         *reason;
    } cases[] = {
        { "all",                   AUTH_AUTO,        false, true,  ALL,                  AUTH_SCRAM_SHA_256, "" },
        { "all, in the clear",     AUTH_AUTO,        false, false, ALL,                  AUTH_SCRAM_SHA_256, "" },
        { "token",                 AUTH_AUTO,        true,  true,  ALL,                  AUTH_OAUTHBEARER,   "" },
        { "token, XOAUTH2 alone",  AUTH_AUTO,        true,  true,  "PLAIN xoauth2",      AUTH_XOAUTH2,       "" },
        { "PLAIN before LOGIN",    AUTH_AUTO,        false, true,  "LOGIN PLAIN",        AUTH_PLAIN,         "" },
        { "CRAM-MD5 in the clear", AUTH_AUTO,        false, false, "LOGIN PLAIN CRAM-MD5", AUTH_CRAM_MD5,    "" },
        { "PLAIN in the clear",    AUTH_AUTO,        false, false, "LOGIN PLAIN",        AUTH_NONE,          "PLAIN would show the password" },
        { "wanted in the clear",   AUTH_LOGIN,       false, false, ALL,                  AUTH_NONE,          "LOGIN would show the password" },
        { "token in the clear",    AUTH_XOAUTH2,     true,  false, ALL,                  AUTH_NONE,          "XOAUTH2 would show the access token" },
        { "wanted",                AUTH_CRAM_MD5,    false, true,  ALL,                  AUTH_CRAM_MD5,      "" },
        { "not offered",           AUTH_SCRAM_SHA_1, false, true,  "PLAIN LOGIN",        AUTH_NONE,          "does not offer SCRAM-SHA-1, but PLAIN LOGIN" },
        { "no part of a name",     AUTH_SCRAM_SHA_1, false, true,  "SCRAM-SHA-1-PLUS",   AUTH_NONE,          "does not offer SCRAM-SHA-1" },
        { "nothing for a token",   AUTH_AUTO,        true,  true,  "PLAIN",              AUTH_NONE,          "does not offer XOAUTH2 or OAUTHBEARER, but PLAIN" },
        { "nothing we know",       AUTH_AUTO,        false, true,  "GSSAPI",             AUTH_NONE,          "but GSSAPI" },
        { "no AUTH",               AUTH_AUTO,        false, true,  "",                   AUTH_NONE,          "the server offers no login" },
        { "control codes",         AUTH_AUTO,        false, true,  "\033[2J",            AUTH_NONE,          "but \\x1b[2J" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct auth         auth = { .mechanism = cases[i].wanted, .password_file = cases[i].token ? NULL : "f", .token_command = { cases[i].token ? "t" : NULL } };
        char                reason[SASL_CLIENT_REASON_BYTES];
        enum auth_mechanism chosen = sasl_client_choose(&auth, slice_of(cases[i].offered), cases[i].is_private, reason);

        if (chosen != cases[i].chosen)
            fail_msg("%s: chose \"%s\": %s", cases[i].label, sasl_mechanism_name(chosen), reason);
        if (strstr(reason, cases[i].reason) == NULL || (cases[i].reason[0] == '\0' && reason[0] != '\0'))
            fail_msg("%s: reason \"%s\"", cases[i].label, reason);
    }
}

static void
names_and_base64(void **state)
{
    struct buf out;

    (void)state;
    assert_string_equal(sasl_mechanism_name(AUTH_SCRAM_SHA_256), "SCRAM-SHA-256");
    assert_string_equal(sasl_mechanism_name(AUTH_AUTO), "");
    buf_init(&out, 64);
    assert_int_equal(sasl_base64_decode(slice_of(""), &out), MT_OK);
    assert_int_equal(sasl_base64_decode(slice_of("aGVs"), &out), MT_OK);
    assert_int_equal(sasl_base64_decode(slice_of("bG8="), &out), MT_OK);
    assert_slice("decoded", buf_slice(&out), "hello");
    assert_int_equal(sasl_base64_decode(slice_of("bG8"), &out), MT_ESYNTAX);
    assert_int_equal(sasl_base64_decode(slice_of("bG8=x"), &out), MT_ESYNTAX);
    assert_int_equal(sasl_base64_decode(slice_of("*"), &out), MT_ESYNTAX);
    assert_slice("unchanged", buf_slice(&out), "hello");
    buf_fini(&out);
}

static int
setup(void **state)
{
    (void)state;
    return sodium_init() < 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_the_rfcs),
        cmocka_unit_test(messages_with_octets_between),
        cmocka_unit_test(a_server_that_cheats_in_scram_is_refused),
        cmocka_unit_test(a_refused_token_is_answered_and_told),
        cmocka_unit_test(questions_without_end_are_cut),
        cmocka_unit_test(the_strongest_that_is_safe_is_chosen),
        cmocka_unit_test(names_and_base64),
    };

    return cmocka_run_group_tests_name("sasl_client", tests, setup, NULL);
}
