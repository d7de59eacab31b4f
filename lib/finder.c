/*
 * finder - puts together what others read: the walk (lib/mime.h) says what is where, and here it is decided which octets are
 * searched as which place, and what else is kept of a field. Nothing here looks at line ends or boundaries.
 *
 * Each octet of a body is searched as it comes from the walk. A field is searched twice where it has encoded-words: as it
 * stands, and decoded. Folds are taken out with their white space, so that a token folded in its middle is found: what a fold
 * joins may begin or end in other text, and a token is found whatever stands around it.
 */
#include "lib/finder.h"

#include "lib/candidates.h"
#include "lib/date.h"
#include "lib/encoded_word.h"
#include "lib/error.h"
#include "lib/mime.h"
#include "lib/received.h"
#include "lib/shape.h"
#include "lib/utf8.h"

#include <assert.h>
#include <stdlib.h>

enum { NO_PART = UINT32_MAX, HOPS_KEPT_BYTES = 16 * 1024, STATUS_LINE_BYTES = 40 };

enum report { REPORT_NONE, REPORT_DELIVERY, REPORT_DISPOSITION };

/* What delivery status parts said in their Action fields (RFC 3464 section 2.3.3). */
enum action { ACTION_FAILED = 1, ACTION_DELAYED = 2, ACTION_PASSED_ON = 4 };

struct finder {
    struct mime_walk     *walk;
    struct candidate_set  candidates;
    uint32_t              places;           /* of what is searched now */
    struct token_scan     field_scan;
    struct token_scan     word_scan;        /* decoded encoded-words */
    struct token_scan     body_scan;
    struct encoded_word   words;
    bool                  in_fold;          /* the field's last octets were a line end, or white space behind one */
    uint32_t              body_part;        /* the part that body_scan is in */
    uint32_t              body_places;
    struct buf            subject, from, message_id;
    bool                  has_date;
    int64_t               date_unix;
    uint32_t              received_count;
    struct buf            hops;
    struct shape          shape;
    uint32_t              traits;
    enum report           report;
    unsigned              actions;          /* enum action bits */
    size_t                status_line_len;
    char                  status_line[STATUS_LINE_BYTES];
};

/* ---- Searching -------------------------------------------------------------------------------------------------- */

static void
on_token(void *arg, const struct token *t)
{
    struct finder *f = arg;

    if (!candidate_set_add(&f->candidates, t, f->places))
        f->traits |= TRAIT_CUT_SHORT;
}

static void
on_decoded_word(void *arg, const char *charset, struct slice octets)
{
    struct finder *f = arg;

    (void)charset;
    token_scan_feed(&f->word_scan, octets);
}

void
finder_recipient(struct finder *f, struct slice address)
{
    const char *at = address.len == 0 ? NULL : memrchr(address.data, '@', address.len);
    struct token_scan scan;

    if (at != NULL)
        address.len = (size_t)(at - address.data);
    f->places = PLACE_RECIPIENT;
    token_scan_init(&scan, on_token, f);
    token_scan_feed(&scan, address);
}

/* Searches a field's octets without its folds. */
static void
scan_unfolded(struct finder *f, struct slice text)
{
    while (text.len > 0) {
        size_t       len = 0;
        struct slice line;

        while (f->in_fold && len < text.len && (text.data[len] == ' ' || text.data[len] == '\t'))
            len++;
        text = slice_sub(text, len, text.len);
        f->in_fold = f->in_fold && text.len == 0;
        len = slice_find(text, '\n');
        line = slice_sub(text, 0, len);
        if (len < text.len) {
            f->in_fold = true;
            if (line.len > 0 && line.data[line.len - 1] == '\r')
                line.len--;
        }
        token_scan_feed(&f->field_scan, line);
        text = slice_sub(text, len + 1, text.len);
    }
}

static void
scan_field(struct finder *f, const struct header_field *field, uint32_t places)
{
    f->places = places;
    if (field->first) {
        token_scan_break(&f->field_scan);
        token_scan_break(&f->word_scan);
        f->in_fold = false;
    }
    scan_unfolded(f, field->value);
    /* A piece may end within the mark of an encoded-word, so a field in pieces is decoded in any case. */
    if (!field->first || !field->last || memmem(field->value.data, field->value.len, "=?", 2) != NULL) {
        encoded_word_feed(&f->words, field->value);
        if (field->last)
            encoded_word_finish(&f->words);
    }
}

/* ---- What is kept of fields ------------------------------------------------------------------------------------- */

static void
on_excerpt_word(void *arg, const char *charset, struct slice octets)
{
    utf8_text_feed(arg, utf8_charset_of(charset), octets);
}

static void
keep_excerpt(struct buf *to, struct slice value)
{
    struct utf8_text    text;
    struct encoded_word words;

    if (to->len > 0)
        return;
    utf8_text_init(&text, to);
    encoded_word_init(&words, on_excerpt_word, &text);
    encoded_word_feed(&words, slice_trim(value));
    encoded_word_finish(&words);
    utf8_text_finish(&text);
}

static void
keep_subject(struct finder *f, struct slice value)
{
    keep_excerpt(&f->subject, value);
}

static void
keep_from(struct finder *f, struct slice value)
{
    keep_excerpt(&f->from, value);
}

static void
keep_message_id(struct finder *f, struct slice value)
{
    if (f->message_id.len == 0)
        utf8_clean(&f->message_id, slice_trim(value));
}

static void
keep_date(struct finder *f, struct slice value)
{
    if (!f->has_date && date_parse(value, &f->date_unix) != MT_OK)
        f->date_unix = 0;
    f->has_date = true;
}

static void
keep_hop(struct finder *f, struct slice value)
{
    struct received_text text;
    struct hop           hop;

    if (f->received_count++ >= PARSED_HOPS_MAX)
        return;
    received_parse(value, &text, &hop);
    hop_write(&f->hops, &hop);
    if (f->hops.fault != MT_OK)
        f->traits |= TRAIT_CUT_SHORT;
}

static void
keep_auto_submitted(struct finder *f, struct slice value)
{
    if (slice_starts_nocase(slice_trim(value), "auto-replied"))
        f->traits |= TRAIT_AUTO_REPLIED;
}

static void
keep_autoreply(struct finder *f, struct slice value)
{
    (void)value;
    f->traits |= TRAIT_AUTO_REPLIED;
}

static void
keep_report_type(struct finder *f, struct slice value)
{
    char type[CONTENT_TYPE_CHARS + 1], report[40];

    if (!content_type_name(value, type) || strcmp(type, "multipart/report") != 0 ||
        !content_type_parameter(value, "report-type", report, sizeof(report)))
        return;
    if (slice_equal_nocase(slice_of(report), slice_of("delivery-status")))
        f->report = REPORT_DELIVERY;
    else if (slice_equal_nocase(slice_of(report), slice_of("disposition-notification")))
        f->report = REPORT_DISPOSITION;
}

/* The place that each field is, and what is kept of it when it is the message's own. */
static const struct field_kind {
    const char *name;
    uint32_t    place;
    void      (*keep)(struct finder *f, struct slice value);
} field_kinds[] = {
    { "Received",            PLACE_HEADER,      keep_hop            },
    { "Subject",             PLACE_SUBJECT,     keep_subject        },
    { "From",                PLACE_HEADER,      keep_from           },
    { "Date",                PLACE_HEADER,      keep_date           },
    { "Message-ID",          PLACE_MESSAGE_ID,  keep_message_id     },
    { "In-Reply-To",         PLACE_IN_REPLY_TO, NULL                },
    { "References",          PLACE_REFERENCES,  NULL                },
    { "X-Mailtest-Token",    PLACE_OWN_HEADER,  NULL                },
    { "Content-Type",        PLACE_PARAMETER,   keep_report_type    },
    { "Content-Disposition", PLACE_PARAMETER,   NULL                },
    { "Auto-Submitted",      PLACE_HEADER,      keep_auto_submitted },
    { "X-Autoreply",         PLACE_HEADER,      keep_autoreply      },
};

static const struct field_kind *
field_kind_of(struct slice name)
{
    static const struct field_kind other = { "", PLACE_HEADER, NULL };

    for (size_t i = 0; i < COUNT(field_kinds); i++)
        if (slice_equal_nocase(name, slice_of(field_kinds[i].name)))
            return &field_kinds[i];
    return &other;
}

/* ---- Delivery status parts -------------------------------------------------------------------------------------- */

static void
read_status_line(struct finder *f, struct slice line)
{
    static const struct {
        const char *word;
        enum action action;
    } actions[] = {
        { "failed",    ACTION_FAILED    },
        { "delayed",   ACTION_DELAYED   },
        { "delivered", ACTION_PASSED_ON },
        { "relayed",   ACTION_PASSED_ON },
        { "expanded",  ACTION_PASSED_ON },
    };
    size_t colon = slice_find(line, ':');

    if (!slice_equal_nocase(slice_trim(slice_sub(line, 0, colon)), slice_of("Action")))
        return;
    line = slice_trim(slice_sub(line, colon + 1, line.len));
    for (size_t i = 0; i < COUNT(actions); i++)
        if (slice_starts_nocase(line, actions[i].word))
            f->actions |= actions[i].action;
}

/* Reads lines, of which the first octets are enough. */
static void
read_status(struct finder *f, struct slice octets)
{
    while (octets.len > 0) {
        size_t len = slice_find(octets, '\n');
        size_t room = sizeof(f->status_line) - f->status_line_len;
        size_t take = len < room ? len : room;

        memcpy(f->status_line + f->status_line_len, octets.data, take);
        f->status_line_len += take;
        if (len < octets.len) {
            read_status_line(f, slice_make(f->status_line, f->status_line_len));
            f->status_line_len = 0;
        }
        octets = slice_sub(octets, len + 1, octets.len);
    }
}

static bool
is_delivery_status(const struct mime_part *p)
{
    return strcmp(p->type, "message/delivery-status") == 0 || strcmp(p->type, "message/global-delivery-status") == 0;
}

/* ---- The walk's events ------------------------------------------------------------------------------------------ */

static void
on_part_begin(void *arg, const struct mime_part *p)
{
    struct finder *f = arg;

    f->body_part = NO_PART;
    shape_begin(&f->shape, p);
}

static void
on_field(void *arg, const struct mime_part *p, const struct header_field *field)
{
    struct finder           *f = arg;
    const struct field_kind *kind = field_kind_of(field->name);

    scan_field(f, field, kind->place | (p->attached ? PLACE_ATTACHED : 0u));
    if (p->index == 0 && field->first && kind->keep != NULL)
        kind->keep(f, field->value);
}

static void
on_header_end(void *arg, const struct mime_part *p)
{
    struct finder *f = arg;

    shape_header_end(&f->shape, p);
}

static uint32_t
places_of(const struct mime_part *p)
{
    static const struct {
        const char *type;
        uint32_t    places;
    } types[] = {
        { "text/html",                               PLACE_HTML                    },
        { "text/rfc822-headers",                     PLACE_ATTACHED | PLACE_HEADER },
        { "message/global-headers",                  PLACE_ATTACHED | PLACE_HEADER },
        { "message/rfc822",                          PLACE_ATTACHED | PLACE_OTHER  },   /* not opened: encoded, or too deep */
        { "message/global",                          PLACE_ATTACHED | PLACE_OTHER  },
        { "message/delivery-status",                 PLACE_REPORT                  },
        { "message/global-delivery-status",          PLACE_REPORT                  },
        { "message/disposition-notification",        PLACE_REPORT                  },
        { "message/global-disposition-notification", PLACE_REPORT                  },
    };
    uint32_t attached = p->attached ? PLACE_ATTACHED : 0u;

    for (size_t i = 0; i < COUNT(types); i++)
        if (strcmp(p->type, types[i].type) == 0)
            return types[i].places | attached;
    return (slice_starts(slice_of(p->type), "text/") ? PLACE_TEXT : PLACE_OTHER) | attached;
}

static void
on_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct finder *f = arg;

    if (p->index != f->body_part) {
        f->body_part = p->index;
        f->body_places = places_of(p);
        token_scan_break(&f->body_scan);
    }
    f->places = f->body_places;
    token_scan_feed(&f->body_scan, octets);
    if (f->body_places == PLACE_REPORT && is_delivery_status(p))
        read_status(f, octets);
}

static void
on_part_end(void *arg, const struct mime_part *p)
{
    struct finder *f = arg;

    if (f->status_line_len > 0)
        read_status(f, slice_of("\n"));
    shape_end(&f->shape, p);
}

static const struct mime_events events = {
    .part_begin = on_part_begin,
    .field = on_field,
    .header_end = on_header_end,
    .body = on_body,
    .part_end = on_part_end,
};

/* ---- The finder as a whole -------------------------------------------------------------------------------------- */

struct finder *
finder_new(void)
{
    struct finder *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->walk = mime_walk_new(&events, f);
    if (f->walk == NULL) {
        free(f);
        return NULL;
    }
    candidate_set_init(&f->candidates);
    buf_init(&f->subject, PARSED_EXCERPT_BYTES);
    buf_init(&f->from, PARSED_EXCERPT_BYTES);
    buf_init(&f->message_id, PARSED_EXCERPT_BYTES);
    buf_init(&f->hops, PARSED_HOPS_BYTES);
    shape_init(&f->shape);
    token_scan_init(&f->field_scan, on_token, f);
    token_scan_init(&f->word_scan, on_token, f);
    token_scan_init(&f->body_scan, on_token, f);
    encoded_word_init(&f->words, on_decoded_word, f);
    f->body_part = NO_PART;
    return f;
}

void
finder_free(struct finder *f)
{
    if (f == NULL)
        return;
    mime_walk_free(f->walk);
    candidate_set_fini(&f->candidates);
    buf_fini(&f->subject);
    buf_fini(&f->from);
    buf_fini(&f->message_id);
    buf_fini(&f->hops);
    shape_fini(&f->shape);
    free(f);
}

void
finder_reset(struct finder *f)
{
    mime_walk_reset(f->walk);
    candidate_set_clear(&f->candidates);
    buf_clear(&f->subject);
    buf_clear(&f->from);
    buf_clear(&f->message_id);
    buf_clear(&f->hops);
    if (f->hops.cap > HOPS_KEPT_BYTES)
        buf_fini(&f->hops);
    shape_clear(&f->shape);
    encoded_word_init(&f->words, on_decoded_word, f);
    f->body_part = NO_PART;
    f->has_date = false;
    f->date_unix = 0;
    f->received_count = 0;
    f->traits = 0;
    f->report = REPORT_NONE;
    f->actions = 0;
    f->status_line_len = 0;
}

void
finder_feed(struct finder *f, struct slice bytes)
{
    mime_walk_feed(f->walk, bytes);
}

uint32_t
finder_received_count(const struct finder *f)
{
    return f->received_count;
}

/*
 * A report that does not say what happened counts as one of a failure: that is what nearly all of them tell of, and the token
 * in it must not pass for an arrival.
 */
static uint32_t
report_traits(const struct finder *f)
{
    if (f->report == REPORT_DISPOSITION)
        return TRAIT_READ_RECEIPT;
    if (f->report == REPORT_NONE)
        return 0;
    if ((f->actions & ACTION_FAILED) != 0 || f->actions == 0)
        return TRAIT_DELIVERY_REPORT;
    return (f->actions & ACTION_DELAYED) != 0 ? TRAIT_DELAY_REPORT : TRAIT_SUCCESS_REPORT;
}

void
finder_finish(struct finder *f, struct parsed *out)
{
    bool whole_shape;

    mime_walk_finish(f->walk);
    *out = (struct parsed){ .parts = shape_write(&f->shape, &whole_shape) };
    f->traits |= report_traits(f);
    if (mime_walk_is_broken(f->walk))
        f->traits |= TRAIT_BROKEN_MIME;
    if (mime_walk_is_cut(f->walk) || !whole_shape)
        f->traits |= TRAIT_CUT_SHORT;
    out->subject = buf_slice(&f->subject);
    out->from = buf_slice(&f->from);
    out->message_id = buf_slice(&f->message_id);
    out->date_unix = f->date_unix;
    out->traits = f->traits;
    out->received_count = f->received_count;
    out->candidates = f->candidates.items;
    out->candidate_count = f->candidates.count;
    out->hops = buf_slice(&f->hops);
}
