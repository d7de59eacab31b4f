#include "tests/unit/unit.h"

#include "lib/dns.h"

#define LABEL_63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static const struct { const char *name; bool is_host; } cases[] = {
    { "mx.client.test", true },
    { "MX-1.client_a.TEST", true },
    { "localhost", true },
    { "7", true },
    { LABEL_63 ".test", true },
    { LABEL_63 "." LABEL_63 "." LABEL_63 "." "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy", true },      /* 253 */
    { LABEL_63 "." LABEL_63 "." LABEL_63 "." "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz", false },
    { LABEL_63 "x.test", false },
    { "", false },
    { ".", false },
    { "mx..test", false },
    { ".test", false },
    { "mx.test.", false },
    { "a b.test", false },
    { "a\\032b.test", false },
    { "(x).test", false },
    { "x\r\ny.test", false },
    { "m\xc3\xbcller.test", false },
};

static void
host_names_have_labels_of_few_characters(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (dns_is_host_name(cases[i].name) != cases[i].is_host)
            fail_msg("%s", cases[i].name);
}

int
main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(host_names_have_labels_of_few_characters) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
