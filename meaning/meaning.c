/*
 * meaning - gathers what the kinds of mail are told by while the walk goes on (seen.h), and lets each kind judge at the end
 * (kinds.h). A mail is of one kind: a report says also that it is automatic, and so does a receipt.
 */
#include "meaning/meaning.h"

#include "lib/error.h"
#include "meaning/kinds.h"

#include <assert.h>
#include <stdlib.h>

enum { NO_PART = UINT32_MAX, CHARSET_CHARS = 40, REPORT_TYPE_CHARS = 40 };

/* What the body of the current part is read as. */
enum reading { READING_NOTHING, READING_TEXT, READING_HTML, READING_REPORT };

struct meaning {
    struct seen  seen;
    uint32_t     part;                      /* the part that what follows is known of */
    enum reading reading;
    bool         is_attachment;             /* its Content-Disposition says so */
    char         charset[CHARSET_CHARS + 1];
    struct buf   facts;
};

static_assert(sizeof(struct meaning) + KEPT_TEXT_BYTES + 2 * MEANING_TEXT_BYTES + FACTS_BYTES + SEEN_REVERSE_PATH_BYTES + SEEN_RECIPIENT_BYTES <=
              MEANING_MEMORY_BYTES, "what is kept must fit the bound");

struct meaning *
meaning_new(void)
{
    struct meaning *m = calloc(1, sizeof(*m));

    if (m == NULL)
        return NULL;
    kept_init(&m->seen.header);
    own_text_init(&m->seen.text);
    report_fields_init(&m->seen.report);
    claims_clear(&m->seen.claims);
    buf_init(&m->seen.reverse_path, SEEN_REVERSE_PATH_BYTES);
    buf_init(&m->seen.recipient, SEEN_RECIPIENT_BYTES);
    buf_init(&m->facts, FACTS_BYTES);
    m->part = NO_PART;
    return m;
}

void
meaning_free(struct meaning *m)
{
    if (m == NULL)
        return;
    kept_fini(&m->seen.header);
    own_text_fini(&m->seen.text);
    buf_fini(&m->seen.reverse_path);
    buf_fini(&m->seen.recipient);
    buf_fini(&m->facts);
    free(m);
}

void
meaning_reset(struct meaning *m)
{
    struct seen *s = &m->seen;

    kept_clear(&s->header);
    own_text_clear(&s->text);
    report_fields_init(&s->report);
    claims_clear(&s->claims);
    s->stated = STATED_NONE;
    s->has_status_part = false;
    s->has_disposition_part = false;
    s->has_attached = false;
    s->has_reverse_path = false;
    buf_clear(&s->reverse_path);
    buf_clear(&s->recipient);
    s->places = 0;
    m->part = NO_PART;
    m->reading = READING_NOTHING;
    buf_clear(&m->facts);
}

void
meaning_reverse_path(struct meaning *m, struct slice reverse_path)
{
    buf_clear(&m->seen.reverse_path);
    m->seen.has_reverse_path = true;
    (void)buf_append_slice(&m->seen.reverse_path, slice_sub(reverse_path, 0, SEEN_REVERSE_PATH_BYTES));
}

void
meaning_recipient(struct meaning *m, struct slice address)
{
    if (m->seen.recipient.len == 0)
        (void)buf_append_slice(&m->seen.recipient, slice_sub(address, 0, SEEN_RECIPIENT_BYTES));
}

void
meaning_candidate(struct meaning *m, uint32_t places)
{
    m->seen.places |= (places & PLACE_ATTACHED) != 0 ? (uint32_t)PLACE_ATTACHED : places;
}

/* ---- Parts ------------------------------------------------------------------------------------------------------ */

static enum stated_report
stated_report_of(struct slice content_type)
{
    char type[CONTENT_TYPE_CHARS + 1], report[REPORT_TYPE_CHARS + 1];

    if (!content_type_name(content_type, type) || strcmp(type, "multipart/report") != 0)
        return STATED_NONE;
    if (!content_type_parameter(content_type, "report-type", report, sizeof(report)))
        return STATED_UNTYPED;
    if (slice_equal_nocase(slice_of(report), slice_of("delivery-status")))
        return STATED_DELIVERY;
    return slice_equal_nocase(slice_of(report), slice_of("disposition-notification")) ? STATED_DISPOSITION : STATED_OTHER;
}

static void
begin_part(struct meaning *m, const struct mime_part *p)
{
    if (p->index == m->part)
        return;
    m->part = p->index;
    m->reading = READING_NOTHING;
    m->is_attachment = false;
    m->charset[0] = '\0';
}

void
meaning_field(struct meaning *m, const struct mime_part *p, const struct header_field *f)
{
    if (p->attached)
        return;
    begin_part(m, p);
    if (p->index == 0) {
        kept_add(&m->seen.header, f);
        claims_add(&m->seen.claims, f);
    }
    if (!f->first)
        return;
    if (slice_equal_nocase(f->name, slice_of("Content-Type"))) {
        if (p->index == 0 && m->seen.stated == STATED_NONE)
            m->seen.stated = stated_report_of(f->value);
        if (!content_type_parameter(f->value, "charset", m->charset, sizeof(m->charset)))
            m->charset[0] = '\0';
    } else if (slice_equal_nocase(f->name, slice_of("Content-Disposition"))) {
        m->is_attachment = slice_starts_nocase(slice_trim(f->value), "attachment");
    }
}

/* A delivery status part and a disposition part do not stand in one mail; if they do, the first is read. */
static enum reading
reading_of(struct meaning *m, const char *type)
{
    struct seen *s = &m->seen;

    if (strcmp(type, "text/plain") == 0)
        return m->is_attachment ? READING_NOTHING : READING_TEXT;
    if (strcmp(type, "text/html") == 0)
        return m->is_attachment ? READING_NOTHING : READING_HTML;
    if (s->has_status_part || s->has_disposition_part)
        return READING_NOTHING;
    s->has_status_part = strcmp(type, "message/delivery-status") == 0 || strcmp(type, "message/global-delivery-status") == 0;
    s->has_disposition_part = strcmp(type, "message/disposition-notification") == 0 ||
                              strcmp(type, "message/global-disposition-notification") == 0;
    return s->has_status_part || s->has_disposition_part ? READING_REPORT : READING_NOTHING;
}

static bool
is_returned(const char *type)
{
    return strcmp(type, "message/rfc822") == 0 || strcmp(type, "message/global") == 0 ||
           strcmp(type, "text/rfc822-headers") == 0 || strcmp(type, "message/global-headers") == 0;
}

void
meaning_header_end(struct meaning *m, const struct mime_part *p)
{
    if (p->attached)
        return;
    begin_part(m, p);
    m->seen.has_attached = m->seen.has_attached || is_returned(p->type);
    if (p->kind != MIME_LEAF)
        return;
    m->reading = reading_of(m, p->type);
    if (m->reading == READING_TEXT || m->reading == READING_HTML)
        own_text_begin(&m->seen.text, m->reading == READING_HTML, m->charset);
}

void
meaning_body(struct meaning *m, const struct mime_part *p, struct slice octets)
{
    if (p->attached || p->index != m->part)
        return;
    if (m->reading == READING_REPORT)
        report_fields_feed(&m->seen.report, octets);
    else if (m->reading != READING_NOTHING)
        own_text_feed(&m->seen.text, m->reading == READING_HTML, octets);
}

void
meaning_part_end(struct meaning *m, const struct mime_part *p)
{
    if (p->attached || p->index != m->part)
        return;
    if (m->reading == READING_REPORT)
        report_fields_end(&m->seen.report);
    else if (m->reading != READING_NOTHING)
        own_text_end(&m->seen.text);
    m->reading = READING_NOTHING;
}

/* ---- The end ---------------------------------------------------------------------------------------------------- */

uint32_t
meaning_finish(struct meaning *m, struct slice *facts)
{
    static uint32_t (*const kinds[])(const struct seen *s, struct buf *facts) = {
        report_judge, receipt_judge, confirmation_judge, autoreply_judge, reply_judge,
    };
    uint32_t traits = 0;

    buf_clear(&m->facts);
    for (size_t i = 0; i < COUNT(kinds) && traits == 0; i++)
        traits = kinds[i](&m->seen, &m->facts);
    forward_judge(&m->seen, traits == 0, &m->facts);
    claims_write(&m->seen.claims, &m->facts);
    *facts = buf_slice(&m->facts);
    return traits;
}
