#include "tests/unit/unit.h"

#include "lib/foreign.h"

static void
a_line_of_http_is_told_from_a_command(void **state)
{
    static const struct {
        const char *line;
        bool        foreign;
    } cases[] = {
        { "GET / HTTP/1.1", true },
        { "post /x?a=b HTTP/1.0", true },
        { "POST /a b c HTTP/1.1", true },
        { "PRI * HTTP/2.0", true },
        { "CONNECT mx:25 HTTP/1.1", true },
        { "Host: mail.test", true },
        { "HOST:mail.test", true },
        { "host:", true },
        { "GET NOOP", false },
        { "GET", false },
        { "GET ", false },
        { "POST LOGIN acme HTTP/1.1x", false },
        { "GET HTTP/1.1", true },
        { "a LOGIN acme HTTP/1.1", false },
        { "GETS / HTTP/1.1", false },
        { " HTTP/1.1", false },
        { "Hosts: x", false },
        { "HOST x", false },
        { "", false },
        { " ", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (foreign_line(slice_of(cases[i].line)) != cases[i].foreign)
            fail_msg("\"%s\"", cases[i].line);
}

static void
a_word_of_http_is_told_from_a_verb(void **state)
{
    static const char *const foreign[] = { "GET", "get", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE", "PRI", "Host:" };
    static const char *const ours[] = { "", "EHLO", "MAIL", "RCPT", "USER", "PASS", "DELE", "RETR", "TOP", "GE", "GETT", "HOST", "NOOP" };

    (void)state;
    for (size_t i = 0; i < COUNT(foreign); i++)
        if (!foreign_word(slice_of(foreign[i])))
            fail_msg("%s", foreign[i]);
    for (size_t i = 0; i < COUNT(ours); i++)
        if (foreign_word(slice_of(ours[i])))
            fail_msg("%s", ours[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_http_is_told_from_a_command),
        cmocka_unit_test(a_word_of_http_is_told_from_a_verb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
