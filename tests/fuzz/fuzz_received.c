/* Received fields and dates: what is read is bounded, valid UTF-8 without control characters, and within the years that a date can have. */
#include "lib/date.h"
#include "lib/error.h"
#include "lib/received.h"
#include "lib/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct slice s)
{
    assert(s.len <= PARSED_HOP_TEXT_BYTES);
    assert(utf8_is_valid(s));
    for (size_t i = 0; i < s.len; i++)
        assert((unsigned char)s.data[i] >= ' ' && s.data[i] != 127);
}

static void
check_time(int64_t unix_s)
{
    assert(unix_s >= -2208988800 - 86400 && unix_s <= 253402300799 + 86400);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice         value = slice_make(data, size);
    struct received_text text;
    struct hop           hop;
    int64_t              at;

    received_parse(value, &text, &hop);
    check(hop.from);
    check(hop.by);
    check(hop.with);
    check(hop.tls);
    check(hop.id);
    check(hop.for_);
    check_time(hop.time_unix);
    if (date_parse(value, &at) == MT_OK)
        check_time(at);
    return 0;
}
