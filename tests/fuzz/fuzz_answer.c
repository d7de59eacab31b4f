/*
 * fuzz_answer - what is told of records whose texts came by mail: whatever lies in them, the JSON is well formed, and one line, since it is the
 * data of an event. The first octet chooses a record, or a text of an operator's; of a record the checksum is added.
 */
#include "lib/answer.h"
#include "lib/answer_event.h"
#include "lib/error.h"
#include "lib/webhook_url.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#define NOW_US UINT64_C(1795231800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
tell_event(struct slice record, struct emit *j)
{
    struct event_record e;

    if (event_record_read(record, &e) == MT_OK)
        answer_event(j, NULL, 7, &e);
}

static void
tell_message(struct slice record, struct emit *j)
{
    struct message_record m;

    if (message_record_read(record, &m) == MT_OK)
        answer_message(j, NULL, 7, slice_of("acme"), slice_of("INBOX"), &m, NOW_US);
}

static void
tell_token(struct slice record, struct emit *j)
{
    struct token_record t;
    struct token_answer a = { .mailbox = slice_of("acme"), .record = &t, .now_us = NOW_US };

    if (token_record_read(record, &t) == MT_OK)
        answer_token(j, NULL, &a);
}

static void
tell_pattern(struct slice record, struct emit *j)
{
    static const struct mailbox_record mailbox = { .id = 1, .name = { "acme", 4 }, .domain = { "example.net", 11 } };
    static const struct folder_record  folder = { .mailbox_id = 1, .id = FOLDER_INBOX };
    struct pattern_record              p;
    struct mailbox_answer              a = { .mailbox = &mailbox, .inbox = &folder, .unmatched = &folder, .pattern = &p, .now_us = NOW_US };

    if (pattern_record_read(record, &p) == MT_OK)
        answer_mailbox(j, NULL, &a);
}

static void
tell_webhook(struct slice record, struct emit *j)
{
    struct webhook_record w;
    struct webhook_answer a = { .id = 1, .mailbox = slice_of("acme"), .webhook = &w };

    if (webhook_record_read(record, &w) == MT_OK)
        answer_webhook(j, NULL, &a);
}

static void
tell_post(struct slice record, struct emit *j)
{
    struct post_record p;

    if (post_record_read(record, &p) == MT_OK)
        answer_post(j, NULL, 1, 7, &p, NULL);
}

static void (*const tellers[])(struct slice record, struct emit *j) = {
    tell_event, tell_message, tell_token, tell_pattern, tell_webhook, tell_post,
};

/* What an operator or a client of the API writes. */
static void
read_text(struct slice text)
{
    struct webhook_url u;
    const char        *why = NULL;
    uint32_t           kinds;

    if (webhook_url_parse(text, &u, &why) == MT_OK)
        assert(u.port != 0 && u.host[0] != '\0' && why == NULL);
    else
        assert(why != NULL);
    if (event_kinds_parse(text, &kinds) == MT_OK)
        assert(kinds != 0 && (kinds & ~(EVENT_KINDS_ALL | 1u << EVENT_TEST)) == 0);
}

static void
check_json(const struct buf *b)
{
    json_t *document;

    assert(b->fault == MT_OK);
    if (b->len == 0)
        return;
    assert(memchr(b->data, '\n', b->len) == NULL && memchr(b->data, '\r', b->len) == NULL);
    document = json_loadb(b->data, b->len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    assert(json_is_object(document));
    json_decref(document);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct emit j;
    struct buf  b;
    char       *record;

    if (size == 0 || size > RECORD_BYTES_MAX)
        return 0;
    if (data[0] >= COUNT(tellers)) {
        read_text(slice_make(data + 1, size - 1));
        return 0;
    }
    record = malloc(size - 1 + RECORD_SUM_BYTES);
    assert(record != NULL);
    memcpy(record, data + 1, size - 1);
    put_u64(record + size - 1, checksum(slice_make(record, size - 1)));
    buf_init(&b, 64u * RECORD_BYTES_MAX);
    emit_init(&j, &b);
    tellers[data[0]](slice_make(record, size - 1 + RECORD_SUM_BYTES), &j);
    check_json(&b);
    buf_fini(&b);
    free(record);
    return 0;
}
