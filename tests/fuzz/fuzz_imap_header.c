/*
 * Mails whose ENVELOPE, BODY, BODYSTRUCTURE and address lists are written: whatever stands in them, what comes out is one well-formed value of IMAP's
 * syntax. The mail is parsed as at its arrival, and lies in memory in place of the database.
 */

#include "finder/finder.h"
#include "imapd/imap_header.h"
#include "imapd/imap_message.h"
#include "lib/error.h"
#include "tests/unit/imap_syntax.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

enum { OUT_BYTES_MAX = 16 * 1024 * 1024 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    assert(sodium_init() >= 0);
    return 0;
}

static void
check_fields(struct slice header)
{
    struct imap_field field;
    size_t            left = header.len;

    while (imap_next_field(&header, &field)) {
        struct buf b;

        assert(header.len < left && field.whole.len == left - header.len);
        left = header.len;
        buf_init(&b, OUT_BYTES_MAX);
        imap_put_addresses(&b, field.value);
        assert(b.fault == MT_OK && syntax_is_value(buf_slice(&b)));
        buf_clear(&b);
        imap_put_unfolded(&b, field.value);
        assert(slice_find(buf_slice(&b), '\n') == b.len && slice_find(buf_slice(&b), '\r') == b.len);
        buf_fini(&b);
    }
}

/* Every part that can be named lies within the message. */
static void
check_parts(const struct imap_message *m, uint64_t size)
{
    for (uint32_t one = 1; one <= 3; one++)
        for (uint32_t two = 0; two <= 3; two++)
            for (int section = IMAP_SECTION_WHOLE; section <= IMAP_SECTION_MIME; section++) {
                uint32_t            path[] = { one, two };
                struct imap_range64 range;

                if (imap_message_range(m, path, two == 0 ? 1 : 2, (enum imap_section)section, &range))
                    assert(range.from <= range.to && range.to <= size);
            }
}

static void
check_message(struct slice mail, struct slice parts)
{
    static const size_t header_bytes[] = { IMAP_HEADER_BYTES_MAX, 40, 0 };
    struct imap_message m = { 0 };
    struct buf          b;

    m.memory = mail;
    m.record.body_bytes = mail.len;
    m.record.parsed.parts = parts;
    buf_init(&b, OUT_BYTES_MAX);
    assert(imap_message_parts(&m) == MT_OK);
    for (size_t i = 0; i < COUNT(header_bytes); i++)
        for (int what = 0; what < 3; what++) {
            m.header_bytes_max = header_bytes[i];
            buf_clear(&b);
            assert((what == 0 ? imap_put_message_envelope(&b, &m) : imap_put_structure(&b, &m, what == 1)) == MT_OK);
            assert(syntax_is_value(buf_slice(&b)));
        }
    check_parts(&m, mail.len);
    imap_message_close(&m);
    buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct finder *finder;
    struct slice          mail = slice_make(data, size);
    struct parsed         parsed;

    if (finder == NULL)
        finder = finder_new();
    assert(finder != NULL);
    check_fields(mail);
    finder_feed(finder, mail);
    finder_finish(finder, &parsed);
    check_message(mail, parsed.parts);
    finder_reset(finder);
    return 0;
}
