/* What an IMAP server says to a client, whole responses and all that is read out of them. */

#include "checker/imap_response.h"
#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

static void
lies_within(struct slice inner, struct slice outer)
{
    assert(inner.len == 0 || (inner.data >= outer.data && inner.data + inner.len <= outer.data + outer.len));
}

static void
look_at(struct slice whole)
{
    struct imap_response r;
    struct imap_fetched  f;
    struct imap_listed   l;
    struct slice         rest;
    uint32_t             n;
    int64_t              at;

    if (imap_response_parse(whole, &r) != MT_OK)
        return;
    lies_within(r.tag, whole);
    lies_within(r.name, whole);
    lies_within(r.code, whole);
    lies_within(r.text, whole);
    imap_code_number(r.code, "UIDNEXT", &n);
    imap_has_word(r.text, "UIDPLUS");
    for (rest = r.text; imap_number_next(&rest, &n);)
        lies_within(rest, whole);
    if (imap_fetched_read(r.text, &f) == MT_OK) {
        lies_within(f.body, whole);
        lies_within(f.internal_date, whole);
        imap_date_read(f.internal_date, &at);
    }
    if (imap_listed_read(r.text, &l) == MT_OK)
        assert(strlen(l.name) < sizeof(l.name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_make(data, size);
    size_t       len = 0;

    while (imap_response_find(in, &len) == MT_OK) {
        assert(len > 0 && len <= in.len);
        look_at(slice_sub(in, 0, len));
        in = slice_sub(in, len, in.len);
    }
    return 0;
}
