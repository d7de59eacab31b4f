#include "tests/unit/unit.h"

#include "webhook/signature.h"

#include <sodium.h>

/* Each by another implementation of HMAC-SHA256 over the decimal time stamp, ".", and the body. */
static const struct {
    const char *label, *secret;
    uint64_t    timestamp;
    const char *body, *want;
} rows[] = {
    { "short secret", "s3cret", 1795244400, "{\"id\":1}", "79486e0e7d9162b210adabde7116b77414dfc24e140c661f0a336ee10abe083e" },
    { "secret of 44 octets, empty body", "JefeJefeJefeJefeJefeJefeJefeJefeJefeJefeJefe", 0, "",
      "d0463497f366f80c56336c96c285fc48f29f776512a3c1425ef07f4ff090f527" },
};

static void
signature_is_hmac_sha256_of_time_and_body(void **state)
{
    char got[SIGNATURE_HEX_CHARS + 1], body[1000], secret[43];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        signature_make(slice_of(rows[i].secret), rows[i].timestamp, slice_of(rows[i].body), got);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].label, got);
    }
    memset(body, 'x', sizeof(body));
    memset(secret, 'k', sizeof(secret));
    signature_make(slice_make(secret, sizeof(secret)), UINT64_MAX, slice_make(body, sizeof(body)), got);
    assert_string_equal(got, "bf3e9a683384cd7653005c5b74a89b712b59321b783e00e71b10a25a8a1ed4d8");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signature_is_hmac_sha256_of_time_and_body),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
