/*
 * finder - puts together what others read: the layers (layers.h) say what stood where, meaning (meaning/meaning.h) what kind of
 * mail it is; here is decided what else is kept of the mail's own header, and the shape is gathered.
 */
#include "finder/finder.h"

#include "finder/candidates.h"
#include "finder/layers.h"
#include "lib/date.h"
#include "lib/encoded_word.h"
#include "lib/error.h"
#include "lib/received.h"
#include "lib/shape.h"
#include "lib/utf8.h"
#include "meaning/meaning.h"

#include <assert.h>
#include <stdlib.h>

enum { HOPS_KEPT_BYTES = 16 * 1024 };

struct finder {
    struct layers        *layers;
    struct meaning       *meaning;
    struct candidate_set  candidates;
    struct buf            subject, from, message_id;
    bool                  has_date;
    int64_t               date_unix;
    uint32_t              received_count;
    struct buf            hops;
    struct shape          shape;
    uint32_t              traits;
};

/* ---- Searching -------------------------------------------------------------------------------------------------- */

static void
on_found(void *arg, const struct token *t, uint32_t places)
{
    struct finder *f = arg;

    if (!candidate_set_add(&f->candidates, t, places))
        f->traits |= TRAIT_CUT_SHORT;
    meaning_candidate(f->meaning, places);
}

static void
on_recipient_token(void *arg, const struct token *t)
{
    on_found(arg, t, PLACE_RECIPIENT);
}

void
finder_recipient(struct finder *f, struct slice address)
{
    const char *at = address.len == 0 ? NULL : memrchr(address.data, '@', address.len);
    struct token_scan scan;

    meaning_recipient(f->meaning, address);
    if (at != NULL)
        address.len = (size_t)(at - address.data);
    token_scan_init(&scan, on_recipient_token, f);
    token_scan_feed(&scan, address);
}

void
finder_reverse_path(struct finder *f, struct slice reverse_path)
{
    meaning_reverse_path(f->meaning, reverse_path);
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

/* What is kept of each field when it is the message's own. */
static const struct field_kind {
    const char *name;
    void      (*keep)(struct finder *f, struct slice value);
} field_kinds[] = {
    { "Received",   keep_hop        },
    { "Subject",    keep_subject    },
    { "From",       keep_from       },
    { "Date",       keep_date       },
    { "Message-ID", keep_message_id },
};

static void
keep_field(struct finder *f, const struct header_field *field)
{
    for (size_t i = 0; i < COUNT(field_kinds); i++)
        if (slice_equal_nocase(field->name, slice_of(field_kinds[i].name)))
            field_kinds[i].keep(f, field->value);
}

/* ---- The walk's events ------------------------------------------------------------------------------------------ */

static void
on_part_begin(void *arg, const struct mime_part *p)
{
    struct finder *f = arg;

    shape_begin(&f->shape, p);
}

static void
on_field(void *arg, const struct mime_part *p, const struct header_field *field)
{
    struct finder *f = arg;

    meaning_field(f->meaning, p, field);
    if (p->index == 0 && field->first)
        keep_field(f, field);
}

static void
on_header_end(void *arg, const struct mime_part *p)
{
    struct finder *f = arg;

    meaning_header_end(f->meaning, p);
    shape_header_end(&f->shape, p);
}

static void
on_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct finder *f = arg;

    meaning_body(f->meaning, p, octets);
}

static void
on_part_end(void *arg, const struct mime_part *p)
{
    struct finder *f = arg;

    meaning_part_end(f->meaning, p);
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
    candidate_set_init(&f->candidates);
    buf_init(&f->subject, PARSED_EXCERPT_BYTES);
    buf_init(&f->from, PARSED_EXCERPT_BYTES);
    buf_init(&f->message_id, PARSED_EXCERPT_BYTES);
    buf_init(&f->hops, PARSED_HOPS_BYTES);
    shape_init(&f->shape);
    f->layers = layers_new(&events, on_found, f);
    f->meaning = meaning_new();
    if (f->layers == NULL || f->meaning == NULL) {
        finder_free(f);
        return NULL;
    }
    return f;
}

void
finder_free(struct finder *f)
{
    if (f == NULL)
        return;
    layers_free(f->layers);
    meaning_free(f->meaning);
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
    layers_reset(f->layers);
    meaning_reset(f->meaning);
    candidate_set_clear(&f->candidates);
    buf_clear(&f->subject);
    buf_clear(&f->from);
    buf_clear(&f->message_id);
    buf_clear(&f->hops);
    if (f->hops.cap > HOPS_KEPT_BYTES)
        buf_fini(&f->hops);
    shape_clear(&f->shape);
    f->has_date = false;
    f->date_unix = 0;
    f->received_count = 0;
    f->traits = 0;
}

void
finder_feed(struct finder *f, struct slice bytes)
{
    layers_feed(f->layers, bytes);
}

uint32_t
finder_received_count(const struct finder *f)
{
    return f->received_count;
}

uint64_t
finder_work_bytes(const struct finder *f)
{
    return layers_work_bytes(f->layers);
}

void
finder_finish(struct finder *f, struct parsed *out)
{
    bool whole_shape;

    layers_finish(f->layers);
    *out = (struct parsed){ .parts = shape_write(&f->shape, &whole_shape) };
    f->traits |= meaning_finish(f->meaning, &out->facts);
    if (layers_is_broken(f->layers))
        f->traits |= TRAIT_BROKEN_MIME;
    if (layers_is_cut(f->layers) || !whole_shape)
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
