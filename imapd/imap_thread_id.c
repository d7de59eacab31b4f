#include "imapd/imap_thread_id.h"

#include "imapd/imap_header.h"

#include "lib/error.h"
#include "lib/transfer.h"

enum { MESSAGE_ID_BYTES_MAX = 998 };    /* of one that counts: as long as a line may be (RFC 5322 section 2.1.1); the rest is left out */

/*
 * What stands between the first "<" and the ">" behind it, without white space, which a fold may have put there. False: nothing.
 */
static bool
take_first_id(struct slice value, char id[MESSAGE_ID_BYTES_MAX], size_t *len)
{
    value = slice_sub(value, slice_find(value, '<') + 1, value.len);
    value = slice_sub(value, 0, slice_find(value, '>'));
    *len = 0;
    for (size_t i = 0; i < value.len && *len < MESSAGE_ID_BYTES_MAX; i++)
        if (value.data[i] != ' ' && value.data[i] != '\t' && value.data[i] != '\r' && value.data[i] != '\n')
            id[(*len)++] = value.data[i];
    return *len > 0;
}

uint64_t
imap_thread_id_of(struct slice header, uint64_t id)
{
    static const char *const names[] = { "References", "In-Reply-To", "Message-ID" };
    struct slice      values[COUNT(names)] = { { NULL, 0 } };
    struct imap_field field;
    char              text[MESSAGE_ID_BYTES_MAX];
    size_t            len;

    while (imap_next_field(&header, &field))
        for (size_t i = 0; i < COUNT(names); i++)
            if (values[i].data == NULL && slice_equal_nocase(field.name, slice_of(names[i])))
                values[i] = field.value;
    for (size_t i = 0; i < COUNT(names); i++)
        if (take_first_id(values[i], text, &len))
            return checksum(slice_make(text, len));
    return checksum(slice_make(&id, sizeof(id)));
}

int
imap_thread_id(const struct db_view *view, const struct message_record *m, uint64_t id, uint64_t *out)
{
    struct reader parts;
    struct part   root;
    struct buf    header;
    uint64_t      len;
    int           rc;

    reader_init(&parts, m->parsed.parts);
    if (!part_next(&parts, &root))
        return MT_EDAMAGED;
    len = m->head.len + root.body_at;
    buf_init(&header, IMAP_HEADER_BYTES_MAX);
    rc = db_message_read(view, m, 0, len < IMAP_HEADER_BYTES_MAX ? (size_t)len : IMAP_HEADER_BYTES_MAX, &header);
    if (rc == MT_OK)
        *out = imap_thread_id_of(buf_slice(&header), id);
    buf_fini(&header);
    return rc;
}

bool
imap_thread_id_read(struct slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len != IMAP_THREAD_ID_CHARS || text.data[0] != 'T')
        return false;
    for (size_t i = 1; i < text.len; i++) {
        char c = text.data[i];

        if (hex_value(c) < 0 || c != ascii_lower(c))
            return false;
        value = value << 4 | (uint64_t)hex_value(c);
    }
    *out = value;
    return true;
}

void
imap_thread_id_put(struct buf *b, uint64_t thread_id)
{
    buf_printf(b, "T%016llx", (unsigned long long)thread_id);
}
