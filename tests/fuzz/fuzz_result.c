/*
 * fuzz_result - records of checks, of their results and of the sums of their hours, whatever lies in them: what can be read is written again as the
 * same octets, and is told as well-formed JSON. The first octet chooses a kind of record, whose checksum is added, or a document.
 */
#include "lib/answer_result.h"
#include "lib/error.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

enum { OUT_BYTES = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An older version of a record is read as well, and written as today's. */
static void
check_same(const struct buf *again, struct slice bytes)
{
    assert(again->fault == MT_OK && again->len == bytes.len);
    assert(memcmp(again->data + 1, bytes.data + 1, bytes.len - 1 - RECORD_SUM_BYTES) == 0);
}

/* Documents are JSON when they come: lookup has read them. */
static bool
is_json(struct slice text)
{
    json_t *document = text.len == 0 ? NULL : json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);

    json_decref(document);
    return document != NULL;
}

static void
read_result(struct slice bytes, struct buf *again, struct emit *j)
{
    struct result_record r = { 0 };
    struct buf           text;

    if (result_record_read(bytes, &r) != MT_OK)
        return;
    result_record_write(again, &r);
    check_same(again, bytes);
    buf_init(&text, RESULT_DOCUMENT_BYTES);
    answer_result(j, NULL, &r, is_json(result_document_text(&r, &text)));
    buf_fini(&text);
    (void)result_fault(&r, UINT64_C(1795231800000000));
}

static void
read_sum(struct slice bytes, struct buf *again, struct emit *j)
{
    struct result_sum s = { 0 };

    if (result_sum_read(bytes, &s) != MT_OK)
        return;
    result_sum_write(again, &s);
    check_same(again, bytes);
    answer_result_sum(j, NULL, 498684, &s);
    (void)result_sum_percentile_us(&s, 50);
}

static void
read_check(struct slice bytes, struct buf *again, struct emit *j)
{
    struct check_record c = { 0 };

    if (check_record_read(bytes, &c) != MT_OK)
        return;
    check_record_write(again, &c);
    check_same(again, bytes);
    answer_check(j, NULL, &c, slice_of("acme"), NULL, false);
}

static void (*const readers[])(struct slice bytes, struct buf *again, struct emit *j) = { read_result, read_sum, read_check };

/* How deep a parser finds it. */
static unsigned
depth_of(const json_t *value)
{
    const json_t *levels[2 * RESULT_DOCUMENT_DEPTH];
    unsigned      depth = 0;

    /* Along the first member of each: enough to find one that is told flat and is not. */
    while (value != NULL && (json_is_array(value) || json_is_object(value)) && depth < COUNT(levels)) {
        levels[depth++] = value;
        value = json_is_array(value) ? json_array_get(value, 0) : json_object_iter_value(json_object_iter((json_t *)(uintptr_t)value));
    }
    return depth;
}

static void
read_document(struct slice text)
{
    json_t *document = json_loadb(text.data, text.len, JSON_ALLOW_NUL, NULL);

    if (document != NULL && depth_of(document) > RESULT_DOCUMENT_DEPTH)
        assert(!result_document_is_flat(text));
    json_decref(document);
}

static void
check_told(const struct buf *b)
{
    json_t *document;

    assert(b->fault == MT_OK);
    if (b->len == 0)
        return;
    document = json_loadb(b->data, b->len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    assert(json_is_object(document));
    json_decref(document);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct emit j;
    struct buf  told, again;
    char       *record;

    if (size == 0 || size > RESULT_BYTES_MAX)
        return 0;
    if (data[0] >= COUNT(readers)) {
        read_document(slice_make(data + 1, size - 1));
        return 0;
    }
    record = malloc(size - 1 + RECORD_SUM_BYTES);
    assert(record != NULL);
    memcpy(record, data + 1, size - 1);
    put_u64(record + size - 1, checksum(slice_make(record, size - 1)));
    buf_init(&told, OUT_BYTES);
    buf_init(&again, OUT_BYTES);
    emit_init(&j, &told);
    readers[data[0]](slice_make(record, size - 1 + RECORD_SUM_BYTES), &again, &j);
    check_told(&told);
    buf_fini(&told);
    buf_fini(&again);
    free(record);
    return 0;
}
