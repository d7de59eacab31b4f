/*
 * Mails whose ENVELOPE, BODY, BODYSTRUCTURE, PREVIEW, THREADID, parts (BINARY), chosen fields and address lists are written: whatever stands in them, what comes
 * out is one well-formed value of IMAP's syntax. The mail is parsed as at its arrival, and lies in memory in place of the database.
 */

#include "finder/finder.h"
#include "imapd/imap_binary.h"
#include "imapd/imap_fields.h"
#include "imapd/imap_header.h"
#include "imapd/imap_preview.h"
#include "imapd/imap_thread_id.h"
#include "lib/error.h"
#include "lib/utf8.h"
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

/* BINARY: a part is as long when it is counted as a whole as when it is sent in pieces. */
static void
check_decoded(struct slice stored, enum part_encoding encoding, uint64_t offset, uint64_t octets)
{
    enum { PIECE_BYTES = 7 };
    struct imap_binary counted, sent;
    struct buf         b;

    buf_init(&b, OUT_BYTES_MAX);
    imap_binary_begin(&counted, encoding, (struct imap_partial){ .skip = offset, .left = octets });
    sent = counted;
    assert(imap_binary_feed(&counted, stored, NULL) == MT_OK && imap_binary_finish(&counted, NULL) == MT_OK);
    for (; stored.len > 0; stored = slice_sub(stored, PIECE_BYTES, stored.len))
        assert(imap_binary_feed(&sent, slice_sub(stored, 0, PIECE_BYTES), &b) == MT_OK);
    assert(imap_binary_finish(&sent, &b) == MT_OK);
    assert(counted.partial.octets == b.len && b.len <= octets && counted.partial.has_nul == (b.len > 0 && memchr(b.data, '\0', b.len) != NULL));
    buf_fini(&b);
}

/* HEADER.FIELDS: the same, of the header. */
static void
check_chosen(struct slice header, bool except)
{
    enum { PIECE_BYTES = 5 };
    struct imap_field_names names = { .count = 0 };
    struct imap_fields      counted, sent;
    struct buf              b;

    buf_init(&b, OUT_BYTES_MAX);
    assert(imap_field_names_add(&names, slice_of("Subject")) && imap_field_names_add(&names, slice_of("From")));
    imap_fields_begin(&counted, &names, except, (struct imap_partial){ .left = UINT64_MAX });
    sent = counted;
    assert(imap_fields_feed(&counted, header, NULL) == MT_OK && imap_fields_finish(&counted, NULL) == MT_OK);
    for (; header.len > 0; header = slice_sub(header, PIECE_BYTES, header.len))
        assert(imap_fields_feed(&sent, slice_sub(header, 0, PIECE_BYTES), &b) == MT_OK);
    assert(imap_fields_finish(&sent, &b) == MT_OK);
    assert(counted.partial.octets == b.len && b.len >= 2 && slice_equal(slice_sub(buf_slice(&b), b.len - 2, 2), slice_of("\r\n")));
    buf_fini(&b);
}

/* One string of at most 200 characters, in valid UTF-8 without control characters. */
static void
check_preview(struct imap_message *m, struct slice mail)
{
    struct buf b;

    buf_init(&b, OUT_BYTES_MAX);
    assert(imap_put_preview(&b, m) == MT_OK && syntax_is_value(buf_slice(&b)));
    for (int html = 0; html <= 1; html++) {
        struct slice rest;
        unsigned     characters = 0;

        buf_clear(&b);
        imap_preview_text(&b, mail, html);
        for (rest = buf_slice(&b); rest.len > 0; characters++) {
            size_t len = utf8_char_len(rest);

            assert(len > 0 && (unsigned char)rest.data[0] >= ' ');
            rest = slice_sub(rest, len, rest.len);
        }
        assert(characters <= IMAP_PREVIEW_CHARACTERS);
    }
    buf_fini(&b);
}

static void
check_thread_id(struct slice mail)
{
    uint64_t   id = imap_thread_id_of(mail, 1), got;
    struct buf b;

    buf_init(&b, OUT_BYTES_MAX);
    imap_thread_id_put(&b, id);
    assert(imap_thread_id_read(buf_slice(&b), &got) && got == id);
    (void)imap_thread_id_read(mail, &got);
    buf_fini(&b);
}

/* Every part that can be named lies within the message, and can be decoded. */
static void
check_parts(const struct imap_message *m, uint64_t size)
{
    for (uint32_t one = 1; one <= 3; one++)
        for (uint32_t two = 0; two <= 3; two++)
            for (int section = IMAP_SECTION_WHOLE; section <= IMAP_SECTION_MIME; section++) {
                uint32_t            path[] = { one, two };
                struct imap_range64 range;

                if (!imap_message_range(m, path, two == 0 ? 1 : 2, (enum imap_section)section, &range))
                    continue;
                assert(range.from <= range.to && range.to <= size);
                if (section == IMAP_SECTION_WHOLE)
                    check_decoded(slice_sub(m->memory, (size_t)range.from, (size_t)(range.to - range.from)),
                                  imap_message_encoding(m, path, two == 0 ? 1 : 2), two, two == 3 ? 5 : UINT64_MAX);
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
    check_preview(&m, mail);
    check_thread_id(mail);
    check_chosen(mail, false);
    check_chosen(mail, true);
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
