/*
 * fuzz_http_fields - what the HTTP interface reads by itself, behind libevent: an octet for the method and version, one for the size of the body,
 * then the fields, a line each ("name: value"). Every value is tried as a bearer key, a span of time and a moment, too.
 */
#include "lookup/auth.h"
#include "lookup/framing.h"

#include "lib/dns.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <assert.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 32 };

static void
look_at(const char *value)
{
    struct slice text = slice_of(value), key;
    uint64_t     out;
    uint32_t     id;

    if (bearer_parse(text, &key, &id) == MT_OK)
        assert(key.len > 0 && key.data >= text.data && key.data + key.len <= text.data + text.len);
    if (duration_parse(text, 1000, &out) == MT_OK)
        assert(out <= 1000);
    if (rfc3339_parse(text, &out) == MT_OK && out % 1000000 == 0) {
        char     again[RFC3339_TEXT_BYTES];
        uint64_t same;

        rfc3339_text(out / 1000000, again);
        assert(rfc3339_parse(slice_of(again), &same) == MT_OK && same == out);
    }
    if (dns_is_host_name(value))
        assert(text.len > 0 && text.len < DNS_HOST_BYTES && strpbrk(value, " \r\n\"<>&") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct evhttp_request req = { .major = 1 };
    struct evkeyval       rows[FIELDS_MAX];
    struct evkeyvalq      fields;
    struct framing        f;
    char                 *text, *line, *rest;
    unsigned              count = 0;

    if (size < 2 || (text = malloc(size - 1)) == NULL)
        return 0;
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    TAILQ_INIT(&fields);
    for (line = strtok_r(text, "\n", &rest); line != NULL && count < FIELDS_MAX; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ':');

        rows[count].key = line;
        rows[count].value = value == NULL ? line + strlen(line) : value + 1;
        if (value != NULL)
            *value = '\0';
        rows[count].value += strspn(rows[count].value, " ");
        look_at(rows[count].value);
        TAILQ_INSERT_TAIL(&fields, &rows[count], next);
        count++;
    }
    req.type = (enum evhttp_cmd_type)(1u << data[0] % 10);
    req.minor = (char)(data[0] >> 7);
    f = framing_check(&req, &fields, data[1]);
    assert(f.fault == NULL || f.is_last);
    free(text);
    return 0;
}
