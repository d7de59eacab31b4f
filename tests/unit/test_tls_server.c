#include "tests/unit/unit.h"

#include "lib/tls.h"
#include "lib/tls_server.h"
#include "lookup/certificates.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FILES = 4 };

static const char *const names[FILES][3] = {
    { "mx.a.test", "*.a.test", "same.test" }, { "Mx.B.test", "b.test", "same.test" }, { "*.c.test", "*.deep.c.test", "x.a.test" },
    { "*", "*.", "c*.d.test" },
};

static struct fixture {
    char               dir[64], certificate[FILES][96], key[FILES][96];
    struct config     *config;
    struct tls_server *server;
} f;

static int
open_server(void **state)
{
    struct config_error error;
    char                text[2048];
    size_t              used;

    (void)state;
    snprintf(f.dir, sizeof(f.dir), "/tmp/mailtest-names-XXXXXX");
    if (mkdtemp(f.dir) == NULL)
        return -1;
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(f.certificate[i], sizeof(f.certificate[i]), "%s/%u.pem", f.dir, i);
        snprintf(f.key[i], sizeof(f.key[i]), "%s/%u.key", f.dir, i);
        assert_rc("sign", tls_self_sign(f.certificate[i], f.key[i], names[i], 3), MT_OK);
    }
    used = (size_t)snprintf(text, sizeof(text), "domains: [a.test]\ntls:\n  certificate: %s\n  key: %s\n  certificates:\n", f.certificate[0],
                            f.key[0]);
    for (unsigned i = 1; i < FILES; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "  - certificate: %s\n    key: %s\n", f.certificate[i], f.key[i]);
    if (config_parse(slice_of(text), "f.yaml", &f.config, &error) != MT_OK)
        fail_msg("%s", error.text);
    assert_int_equal(f.config->tls.certificates.count, FILES - 1);
    assert_string_equal(f.config->tls.certificates.items[2].key, f.key[3]);
    assert_rc("open", tls_server_new(f.config, NULL, &f.server), MT_OK);
    return 0;
}

static int
close_server(void **state)
{
    (void)state;
    tls_server_free(f.server);
    config_free(f.config);
    for (unsigned i = 0; i < FILES; i++) {
        unlink(f.certificate[i]);
        unlink(f.key[i]);
    }
    return rmdir(f.dir);
}

static const struct {
    const char *label, *name;
    unsigned    certificate;
} choices[] = {
    { "name of the first",                 "mx.a.test", 0 },
    { "name of another",                   "b.test", 1 },
    { "other case",                        "MX.b.TEST", 1 },
    { "final dot",                         "b.test.", 1 },
    { "in two: the first of them",         "same.test", 0 },
    { "wildcard",                          "imap.c.test", 2 },
    { "wildcard in other case",            "IMAP.C.test", 2 },
    { "wildcard below a name",             "x.deep.c.test", 2 },
    { "wildcard stands for one label",     "a.b.c.test", 0 },
    { "wildcard stands for a label",       "c.test", 0 },
    { "empty label",                       ".c.test", 0 },
    { "a name goes before a wildcard",     "x.a.test", 2 },
    { "wildcard of the first",             "y.a.test", 0 },
    { "part of a label is no wildcard",    "cat.d.test", 0 },
    { "one label",                         "localhost", 0 },
    { "the star itself",                   "*.c.test", 2 },
    { "unknown",                           "mail.example", 0 },
    { "empty",                             "", 0 },
    { "dot",                               ".", 0 },
    { "dots",                              "..", 0 },
    { "address",                           "192.0.2.1", 0 },
};

static void
the_name_chooses_the_certificate(void **state)
{
    char longest[400];

    (void)state;
    for (size_t i = 0; i < COUNT(choices); i++)
        if (tls_server_choose(f.server, slice_of(choices[i].name)) != choices[i].certificate)
            fail_msg("%s: got %u", choices[i].label, tls_server_choose(f.server, slice_of(choices[i].name)));
    memset(longest, 'a', sizeof(longest));
    assert_int_equal(tls_server_choose(f.server, slice_make(longest, sizeof(longest))), 0);
    assert_int_equal(tls_server_choose(f.server, slice_make("b.test\0x", 8)), 0);
}

static void
each_certificate_is_told_of(void **state)
{
    struct certificates c;
    struct buf          b;
    int64_t             now = time(NULL);

    (void)state;
    assert_rc("read", certificates_read(f.config, &c), MT_OK);
    assert_int_equal(c.count, FILES);
    assert_string_equal(c.items[1].name, "Mx.B.test");
    buf_init(&b, 100000);
    certificates_metrics(&b, &c);
    assert_true(slice_find_nocase(buf_slice(&b), slice_of("mailtest_certificate_expiry_seconds{certificate=\"2\",name=\"*.c.test\"} 2")) < b.len);
    buf_clear(&b);
    certificates_table(&b, &c, now, 14);
    assert_true(slice_find_nocase(buf_slice(&b), slice_of("<td>mx.a.test</td><td class=\"good\">expires ")) < b.len);
    assert_int_equal(slice_find_nocase(buf_slice(&b), slice_of("Mx.B.test")), b.len);       /* lasts for long: not worth a line */
    buf_clear(&b);
    certificates_table(&b, &c, now + INT64_C(3645) * 86400, 14);
    assert_true(slice_find_nocase(buf_slice(&b), slice_of("<td>Mx.B.test</td><td class=\"bad\">expires ")) < b.len);
    buf_clear(&b);
    certificates_table(&b, &c, now + INT64_C(3660) * 86400, 14);
    assert_true(slice_find_nocase(buf_slice(&b), slice_of("class=\"bad\">expired ")) < b.len);
    buf_fini(&b);
    certificates_fini(&c);
    assert_in_range(tls_server_expires_unix(f.server) - now, 3649 * 86400, 3650 * 86400);
}

static void
a_missing_file_is_refused(void **state)
{
    struct tls_server *server = NULL;

    (void)state;
    assert_int_equal(rename(f.key[2], f.key[0]), 0);
    assert_rc("key of another, and one that is missing", tls_server_new(f.config, NULL, &server), MT_EINVALID);
    assert_null(server);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_chooses_the_certificate),
        cmocka_unit_test(each_certificate_is_told_of),
        cmocka_unit_test(a_missing_file_is_refused),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
