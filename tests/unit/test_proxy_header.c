#include "lib/error.h"
#include "lib/proxy_header.h"
#include "unit.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(text) { text, sizeof(text) - 1 }

static const struct row {
    const char       *label;
    struct slice      in;
    int               rc;
    size_t            len;
    enum proxy_source source;
    const char       *address;
} rows[] = {
    { "v1, IPv4",           BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 56324 25\r\nEHLO x\r\n"), MT_OK, 44, PROXY_CLIENT, "192.0.2.1" },
    { "v1, IPv6",           BYTES("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), MT_OK, 44, PROXY_CLIENT, "2001:db8::1" },
    { "v1, IPv4 as IPv6",   BYTES("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), MT_OK, 37, PROXY_CLIENT, "192.0.2.1" },
    { "v1, unknown",        BYTES("PROXY UNKNOWN\r\n"), MT_OK, 15, PROXY_UNKNOWN, "" },
    { "v1, unknown, more",  BYTES("PROXY UNKNOWN ffff::1 whatever it is\r\nx"), MT_OK, 38, PROXY_UNKNOWN, "" },
    { "v1, half",           BYTES("PROXY TCP4 192.0.2.1 19"), MT_EAGAIN, 0, PROXY_UNKNOWN, "" },
    { "v1, CR alone yet",   BYTES("PROXY UNKNOWN\r"), MT_EAGAIN, 0, PROXY_UNKNOWN, "" },
    { "v1, bare LF",        BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, lower case",     BYTES("proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, a name",         BYTES("PROXY TCP4 localhost 198.51.100.1 1 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, wrong family",   BYTES("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, bad target",     BYTES("PROXY TCP4 192.0.2.1 x 1 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, two spaces",     BYTES("PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, port too large", BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, port with 0",    BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, no port",        BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, a field more",   BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, space at end",   BYTES("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, NUL in it",      BYTES("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 2\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, nothing",        BYTES("PROXY \r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v1, too long",       BYTES("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"),
                            MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v2, IPv4",           BYTES(SIGNATURE "\x21\x11\0\x0c" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19" "EHLO"), MT_OK, 28, PROXY_CLIENT, "192.0.2.1" },
    { "v2, IPv6",           BYTES(SIGNATURE "\x21\x21\0\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
                                  "\x12\x34\0\x19"), MT_OK, 52, PROXY_CLIENT, "2001:db8::1" },
    { "v2, fields behind",  BYTES(SIGNATURE "\x21\x11\0\x11" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19" "\x03\0\x02xy" "EHLO"), MT_OK, 33, PROXY_CLIENT,
                            "192.0.2.1" },
    { "v2, local",          BYTES(SIGNATURE "\x20\0\0\0"), MT_OK, 16, PROXY_LOCAL, "" },
    { "v2, local, address", BYTES(SIGNATURE "\x20\x11\0\x0c" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19"), MT_OK, 28, PROXY_LOCAL, "" },
    { "v2, unspecified",    BYTES(SIGNATURE "\x21\0\0\0"), MT_OK, 16, PROXY_UNKNOWN, "" },
    { "v2, datagrams",      BYTES(SIGNATURE "\x21\x12\0\x0c" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19"), MT_OK, 28, PROXY_UNKNOWN, "" },
    { "v2, short address",  BYTES(SIGNATURE "\x21\x11\0\x0b" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v2, version 3",      BYTES(SIGNATURE "\x31\x11\0\x0c" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v2, command 2",      BYTES(SIGNATURE "\x22\x11\0\x0c" "\xc0\0\x02\x01\xc6\x33\x64\x01\x12\x34\0\x19"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v2, family 4",       BYTES(SIGNATURE "\x21\x41\0\0"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v2, too long",       BYTES(SIGNATURE "\x21\x11\xff\xff"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "v2, half",           BYTES(SIGNATURE "\x21\x11\0\x0c" "\xc0"), MT_EAGAIN, 0, PROXY_UNKNOWN, "" },
    { "v2, its head alone", BYTES(SIGNATURE "\x21"), MT_EAGAIN, 0, PROXY_UNKNOWN, "" },
    { "v2, wrong ending",   BYTES("\r\n\r\n\0\r\nQUIX"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "nothing yet",        { "", 0 }, MT_EAGAIN, 0, PROXY_UNKNOWN, "" },
    { "SMTP",               BYTES("EHLO client.test\r\n"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
    { "TLS",                BYTES("\x16\x03\x01\x02\0"), MT_EPROTO, 0, PROXY_UNKNOWN, "" },
};

static void
headers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct proxy_header h;
        size_t              len;
        int                 rc = proxy_header_parse(rows[i].in, &h, &len);

        assert_rc(rows[i].label, rc, rows[i].rc);
        if (rc == MT_OK && (len != rows[i].len || h.source != rows[i].source || strcmp(h.address, rows[i].address) != 0))
            fail_msg("%s: %zu octets, source %u, address \"%s\"", rows[i].label, len, h.source, h.address);
    }
}

/* However few octets have come, it is never taken for whole, nor given up, before it is. */
static void
each_beginning_of_a_header_waits_for_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t part = 1; rows[i].rc == MT_OK && part < rows[i].len; part++) {
            struct proxy_header h;
            size_t              len;

            assert_rc(rows[i].label, proxy_header_parse(slice_sub(rows[i].in, 0, part), &h, &len), MT_EAGAIN);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(each_beginning_of_a_header_waits_for_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
