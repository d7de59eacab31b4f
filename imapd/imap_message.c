#include "imapd/imap_message.h"

#include "imapd/imap_header.h"

#include "lib/error.h"

#include <stdlib.h>

int
imap_message_open(const struct db_view *view, uint64_t id, struct imap_message *out)
{
    *out = (struct imap_message){ .view = view };
    return db_message(view, id, &out->record);
}

void
imap_message_close(struct imap_message *m)
{
    free(m->parts);
    free(m->child);
    m->parts = NULL;
    m->child = m->sibling = NULL;
}

/* Children in the order of the walk: each part is put in front of those that were put before it. */
static void
link_parts(struct imap_message *m)
{
    for (uint32_t i = 0; i < m->part_count; i++)
        m->child[i] = m->sibling[i] = PARSED_NO_PARENT;
    for (uint32_t i = m->part_count; i-- > 1;) {
        uint32_t parent = m->parts[i].parent;

        if (parent >= m->part_count)
            continue;
        m->sibling[i] = m->child[parent];
        m->child[parent] = i;
    }
}

int
imap_message_parts(struct imap_message *m)
{
    struct reader r;
    struct part   part;
    uint32_t      count = 0;

    if (m->parts != NULL)
        return MT_OK;
    for (reader_init(&r, m->record.parsed.parts); part_next(&r, &part);)
        count++;
    m->parts = calloc(count + 1, sizeof(*m->parts));
    m->child = calloc(2 * ((size_t)count + 1), sizeof(*m->child));
    if (m->parts == NULL || m->child == NULL)
        return MT_ENOMEM;
    m->sibling = m->child + count + 1;
    for (reader_init(&r, m->record.parsed.parts); m->part_count < count && part_next(&r, &m->parts[m->part_count]);)
        m->part_count++;
    link_parts(m);
    return count == 0 ? MT_EDAMAGED : MT_OK;
}

static bool
is_multipart(const struct imap_message *m, uint32_t part)
{
    return slice_starts(m->parts[part].type, "multipart/") && m->child[part] != PARSED_NO_PARENT;
}

bool
imap_message_is_message(const struct imap_message *m, uint32_t part)
{
    return slice_starts(m->parts[part].type, "message/") && m->child[part] != PARSED_NO_PARENT;
}

static uint32_t
nth_child(const struct imap_message *m, uint32_t part, uint32_t number)
{
    uint32_t at = m->child[part];

    while (at != PARSED_NO_PARENT && --number > 0)
        at = m->sibling[at];
    return at;
}

/* What the numbers behind a part count: of a message, those of the message in it; of what is no multipart, "1" is itself. */
static uint32_t
step_down(const struct imap_message *m, uint32_t part, bool top, uint32_t number)
{
    uint32_t body = part;

    if (!top && imap_message_is_message(m, part))
        body = m->child[part];
    else if (!top && !is_multipart(m, part))
        return PARSED_NO_PARENT;
    if (is_multipart(m, body))
        return nth_child(m, body, number);
    return number == 1 && (top || body != part) ? body : PARSED_NO_PARENT;
}

uint32_t
imap_message_find(const struct imap_message *m, const uint32_t *path, unsigned len)
{
    uint32_t part = 0;

    for (unsigned i = 0; i < len && part != PARSED_NO_PARENT; i++)
        part = step_down(m, part, i == 0, path[i]);
    return part;
}

bool
imap_message_range(const struct imap_message *m, const uint32_t *path, unsigned len, enum imap_section section, struct imap_range64 *out)
{
    uint64_t           head = m->record.head.len;
    uint32_t           at = imap_message_find(m, path, len);
    const struct part *p;

    if (at == PARSED_NO_PARENT)
        return false;
    p = &m->parts[at];
    if (len == 0) {
        *out = (struct imap_range64){ 0, head + m->record.body_bytes };
        if (section == IMAP_SECTION_HEADER)
            out->to = head + p->body_at;
        else if (section == IMAP_SECTION_TEXT)
            out->from = head + p->body_at;
        return section != IMAP_SECTION_MIME;
    }
    if (section == IMAP_SECTION_HEADER || section == IMAP_SECTION_TEXT) {
        if (!imap_message_is_message(m, at))
            return false;
        p = &m->parts[m->child[at]];
    }
    switch (section) {
    case IMAP_SECTION_WHOLE:
    case IMAP_SECTION_TEXT:
        *out = (struct imap_range64){ head + p->body_at, head + p->end_at };
        return true;
    default:
        *out = (struct imap_range64){ head + p->header_at, head + p->body_at };
        /* Of a message that is no multipart, 1.MIME is its own header, as served. */
        if (at == 0 && section == IMAP_SECTION_MIME)
            out->from = 0;
        return true;
    }
}

enum part_encoding
imap_message_encoding(const struct imap_message *m, const uint32_t *path, unsigned len)
{
    uint32_t at = imap_message_find(m, path, len);

    return len == 0 || m->child[at] != PARSED_NO_PARENT ? ENCODING_BINARY : (enum part_encoding)m->parts[at].encoding;
}

int
imap_message_read(const struct imap_message *m, struct imap_range64 range, struct buf *out)
{
    uint64_t len = range.to > range.from ? range.to - range.from : 0;

    if (m->view == NULL)
        return buf_append_slice(out, slice_sub(m->memory, (size_t)range.from, (size_t)(len < IMAP_HEADER_BYTES_MAX ? len : IMAP_HEADER_BYTES_MAX)));
    return db_message_read(m->view, &m->record, range.from, len < IMAP_HEADER_BYTES_MAX ? (size_t)len : IMAP_HEADER_BYTES_MAX, out);
}
