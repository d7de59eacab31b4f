#include "lib/fact.h"

#include "lib/error.h"
#include "lib/utf8.h"

#include <assert.h>

static const char *const names[FACT_KIND_LIMIT] = {
    [FACT_REPORT_ACTION] = "report-action",
    [FACT_REPORT_STATUS] = "report-status",
    [FACT_REPORT_DIAGNOSTIC] = "report-diagnostic",
    [FACT_REPORT_HOST] = "report-host",
    [FACT_REPORT_REFUSED_BY] = "report-refused-by",
    [FACT_REPORT_RECIPIENT] = "report-recipient",
    [FACT_REPORT_FORM] = "report-form",
    [FACT_AUTOREPLY_WHY] = "autoreply-why",
    [FACT_RECEIPT_WHY] = "receipt-why",
    [FACT_REPLY_WHY] = "reply-why",
    [FACT_CONFIRMATION_PROVIDER] = "confirmation-provider",
    [FACT_CONFIRMATION_CODE] = "confirmation-code",
    [FACT_CONFIRMATION_LINK] = "confirmation-link",
    [FACT_CONFIRMATION_FOR] = "confirmation-for",
    [FACT_FORWARD_WAY] = "forward-way",
    [FACT_FORWARD_EVIDENCE] = "forward-evidence",
    [FACT_AUTHENTICATION] = "authentication",
    [FACT_ARC] = "arc",
    [FACT_SPF] = "spf",
};

const char *
fact_name(enum fact_kind kind)
{
    assert(kind > 0 && kind < FACT_KIND_LIMIT);
    return names[kind];
}

bool
fact_add(struct buf *b, enum fact_kind kind, struct slice text)
{
    enum { HEAD_BYTES = 5 };
    struct buf clean;
    size_t     before = b->len;

    buf_init(&clean, FACT_TEXT_BYTES);
    utf8_clean(&clean, slice_trim(text));
    if (clean.len > 0 && b->len + HEAD_BYTES + clean.len <= FACTS_BYTES) {
        write_u8(b, (uint8_t)kind);
        write_bytes(b, buf_slice(&clean));
    }
    buf_fini(&clean);
    return b->len > before;
}

bool
fact_next(struct reader *r, struct fact *out)
{
    uint8_t kind;

    if (r->rest.len == 0 || !read_ok(r))
        return false;
    read_u8(r, &kind);
    read_bytes(r, &out->text, FACT_TEXT_BYTES);
    if (kind == 0 || kind >= FACT_KIND_LIMIT)
        read_fail(r);
    out->kind = (enum fact_kind)kind;
    return read_ok(r);
}

struct slice
fact_find(struct slice facts, enum fact_kind kind)
{
    struct reader r;
    struct fact   fact;

    reader_init(&r, facts);
    while (fact_next(&r, &fact))
        if (fact.kind == kind)
            return fact.text;
    return slice_make("", 0);
}

bool
fact_is_recognised(struct slice facts)
{
    struct slice provider = fact_find(facts, FACT_CONFIRMATION_PROVIDER);

    return provider.len > 0 && !slice_starts(provider, FACT_NOT_RECOGNISED);
}
