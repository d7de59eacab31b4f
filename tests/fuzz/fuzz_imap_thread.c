/*
 * Threads by both algorithms, of headers that are parted by lines of "%": each message stands once in the answer, whose parentheses
 * fit. And the base subject of all of it, of which the base subject is itself.
 */

#include "imapd/imap_subject.h"
#include "imapd/imap_thread.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

enum { MESSAGES_MAX = 256, OUT_BYTES = 64 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    assert(sodium_init() >= 0);
    return 0;
}

static uint32_t
show(void *arg, uint32_t number)
{
    (void)arg;
    return number;
}

static void
check_answer(struct slice text, uint32_t count)
{
    bool     seen[MESSAGES_MAX + 1] = { false };
    uint32_t number = 0, said = 0;
    int      depth = 0;

    for (size_t i = 0; i <= text.len; i++) {
        char c = i < text.len ? text.data[i] : ' ';

        if (c >= '0' && c <= '9') {
            number = number * 10 + (uint32_t)(c - '0');
            assert(depth > 0);
            continue;
        }
        assert(number <= count && (number == 0 || !seen[number]));
        said += number > 0;
        seen[number] = number > 0;
        number = 0;
        depth += (c == '(') - (c == ')');
        assert(depth >= 0 && (c != ')' || text.data[i - 1] != '('));
    }
    assert(depth == 0 && said == count);
}

static void
thread(enum imap_thread_algorithm algorithm, struct slice rest)
{
    struct imap_threads *t = imap_threads_new(algorithm);
    struct buf           out;
    uint32_t             count = 0;
    int                  rc;

    assert(t != NULL);
    while (rest.len > 0 && count < MESSAGES_MAX) {
        struct slice header = slice_sub(rest, 0, slice_find(rest, '%'));

        rest = slice_sub(rest, header.len + 1, rest.len);
        count++;
        assert(imap_threads_add(t, count, header, (int64_t)(header.len % 4)) == 0);
    }
    while (imap_threads_step(t, &rc))
        ;
    assert(rc == 0);
    buf_init(&out, OUT_BYTES);
    while (imap_threads_put(t, &out, show, NULL))
        ;
    assert(out.fault == 0);
    check_answer(out.len == 0 ? slice_make("", 0) : buf_slice(&out), count);
    buf_fini(&out);
    imap_threads_free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = slice_make(data, size);
    struct buf   base;

    buf_init(&base, IMAP_SUBJECT_BYTES * 2);
    (void)imap_base_subject(all, &base);
    assert(base.fault == 0);
    assert(base.len == 0 || (base.data[0] != ' ' && base.data[base.len - 1] != ' '));
    buf_fini(&base);
    thread(IMAP_REFERENCES, all);
    thread(IMAP_ORDERED_SUBJECT, all);
    return 0;
}
