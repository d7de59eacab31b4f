/*
 * layers - what is open at each level, and how octets pass from one to the next. What a content is, content.h says; how it is
 * unpacked, walked or searched, the decoders say. Here it is only decided who gets which octets.
 */
#include "finder/layers.h"

#include "finder/blocks.h"
#include "finder/content.h"
#include "finder/field_search.h"
#include "finder/unpack.h"
#include "lib/error.h"

#include <assert.h>
#include <stdlib.h>

enum { LEVELS = LAYERS_DEEPEST + 1, LEVELS_KEPT = 2, NO_PART = UINT32_MAX, NAME_BYTES = 512 };

struct level {
    struct layers        *layers;
    unsigned              depth;
    bool                  open;
    bool                  attached;         /* all in it is in an attached message */
    bool                  transfer_file;    /* its transfer encoding is of another kind: what is uuencoded in it is the part */
    bool                  own;              /* a message, but no attached one: the signed, or an unannounced, part of one */
    struct content        content;
    bool                  known;            /* its first octets were looked at */
    enum content_form     form;
    size_t                begin_len;
    char                  begin[CONTENT_BEGIN_BYTES];
    bool                  searching, seeking, decoding, walking;    /* which of these are in use */
    struct search        *search;
    struct blocks         blocks;
    struct unpack        *decoder;
    struct mime_walk     *walk;
    struct field_search  *fields;
    struct content        part;             /* of the walk: what is known of the part that is read */
    uint32_t              body_part;        /* whose body the next level has open */
    uint32_t              encoded_part;     /* whose encoded octets encoded_scan is in */
    uint32_t              encoded_places;
    struct token_scan     encoded_scan;
};

struct layers {
    const struct mime_events *events;
    search_found_fn          *found;
    void                     *arg;
    struct level             *levels[LEVELS];   /* NULL: not needed yet */
    uint64_t                  budget;           /* octets that may still be decompressed */
    uint64_t                  work;
    bool                      gathering;        /* a compound file is open: one at a time, since it is kept in memory */
    bool                      is_finished;
    bool                      is_broken;
    bool                      is_cut;
};

static void level_feed(struct level *v, struct slice octets);

static void
on_found(void *arg, const struct token *t, uint32_t places)
{
    struct layers *l = arg;

    l->found(l->arg, t, places);
}

/* ---- Contents begin --------------------------------------------------------------------------------------------- */

static struct level *
level_at(struct layers *l, unsigned depth)
{
    struct level *v;

    assert(depth < LEVELS);
    if (l->levels[depth] == NULL && (v = calloc(1, sizeof(*v))) != NULL) {
        v->layers = l;
        v->depth = depth;
        l->levels[depth] = v;
    }
    if (l->levels[depth] == NULL)
        l->is_cut = true;
    return l->levels[depth];
}

/* The content that comes next in the one of v. NULL: out of memory. */
static struct level *
open_next(struct level *v, bool attached)
{
    struct level *next = level_at(v->layers, v->depth + 1);

    if (next == NULL)
        return NULL;
    assert(!next->open);
    next->open = true;
    next->attached = v->attached || attached;
    next->own = false;
    next->transfer_file = false;
    next->known = false;
    next->begin_len = 0;
    return next;
}

static void
scan_name(struct level *v, struct slice name)
{
    struct header_field field = { .name = slice_of("name"), .value = name, .first = true, .last = true };

    if (name.len < TOKEN_CHARS)
        return;
    if (v->fields == NULL)
        v->fields = field_search_new(on_found, v->layers);
    if (v->fields != NULL)
        field_search_feed(v->fields, &field, PLACE_PARAMETER | (v->attached ? PLACE_ATTACHED : 0u));
}

/* ---- What a container holds ------------------------------------------------------------------------------------- */

static void
on_content_begin(void *arg, enum content_kind kind, struct slice name)
{
    struct level *v = arg, *next;

    scan_name(v, name);
    /* TNEF is the message itself, but what is a TNEF within it, is a message attached to it. */
    next = open_next(v, v->form == FORM_TNEF && kind == CONTENT_TNEF);
    if (next == NULL)
        return;
    content_set(&next->content, kind, "", name);
    if (v->seeking && v->transfer_file && kind == CONTENT_UNKNOWN)
        next->content = v->content;
    next->own = v->form == FORM_PKCS7 || (v->seeking && kind == CONTENT_MESSAGE);
    if (v->seeking && kind == CONTENT_MESSAGE)
        v->layers->is_broken = true;
}

static void
on_content_octets(void *arg, struct slice octets)
{
    struct level *v = arg, *next = v->layers->levels[v->depth + 1];

    if (next != NULL && next->open)
        level_feed(next, octets);
}

static void level_end(struct level *v);

static void
on_content_end(void *arg)
{
    struct level *v = arg, *next = v->layers->levels[v->depth + 1];

    if (next != NULL && next->open)
        level_end(next);
}

static const struct container_events container_events = {
    .begin = on_content_begin,
    .octets = on_content_octets,
    .end = on_content_end,
};

/* ---- Decoders --------------------------------------------------------------------------------------------------- */

static void
begin_decoder(struct level *v)
{
    struct layers *l = v->layers;
    struct level  *next;

    if (v->decoder == NULL && (v->decoder = malloc(sizeof(*v->decoder))) == NULL) {
        l->is_cut = true;
        return;
    }
    v->decoding = true;
    unpack_init(v->decoder, v->form, &container_events, v, &l->budget);
    if (v->form == FORM_COMPOUND_FILE)
        l->gathering = true;
    if (v->form != FORM_BASE64 || (next = open_next(v, false)) == NULL)
        return;
    next->content = v->content;
    next->own = v->own;
}

/* Ends what it unpacks, and frees what it took for that. */
static void
finish_decoder(struct level *v)
{
    v->decoding = false;
    if (!unpack_finish(v->decoder))
        v->layers->is_cut = true;
    if (v->form == FORM_COMPOUND_FILE)
        v->layers->gathering = false;
}

static void
drop_decoder(struct level *v)
{
    if (v->decoding)
        unpack_drop(v->decoder);
    v->decoding = false;
}

/* ---- Messages --------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t    place;
} field_places[] = {
    { "Subject",             PLACE_SUBJECT     },
    { "Message-ID",          PLACE_MESSAGE_ID  },
    { "In-Reply-To",         PLACE_IN_REPLY_TO },
    { "References",          PLACE_REFERENCES  },
    { "X-Mailtest-Token",    PLACE_OWN_HEADER  },
    { "Content-Type",        PLACE_PARAMETER   },
    { "Content-Disposition", PLACE_PARAMETER   },
};

uint32_t
layers_place_of_field(struct slice name)
{
    for (size_t i = 0; i < COUNT(field_places); i++)
        if (slice_equal_nocase(name, slice_of(field_places[i].name)))
            return field_places[i].place;
    return PLACE_HEADER;
}

/* The body that was read is complete. */
static void
end_body(struct level *v)
{
    if (v->body_part != NO_PART)
        on_content_end(v);
    v->body_part = NO_PART;
}

static void
on_part_begin(void *arg, const struct mime_part *p)
{
    struct level *v = arg;

    end_body(v);
    content_set(&v->part, CONTENT_UNKNOWN, "", slice_make("", 0));
    if (v->depth == 0)
        v->layers->events->part_begin(v->layers->arg, p);
}

/* Content-Disposition says the file name, or Content-Type does. */
static void
keep_name(struct level *v, const struct header_field *f)
{
    char name[NAME_BYTES];

    if ((slice_equal_nocase(f->name, slice_of("Content-Disposition")) &&
         content_type_parameter(f->value, "filename", name, sizeof(name))) ||
        (v->part.name[0] == '\0' && slice_equal_nocase(f->name, slice_of("Content-Type")) &&
         content_type_parameter(f->value, "name", name, sizeof(name))))
        content_set(&v->part, CONTENT_UNKNOWN, "", slice_of(name));
}

static void
on_field(void *arg, const struct mime_part *p, const struct header_field *f)
{
    struct level  *v = arg;
    struct layers *l = v->layers;

    if (v->depth == 0)
        l->events->field(l->arg, p, f);
    if (v->fields == NULL)
        v->fields = field_search_new(on_found, l);
    if (v->fields == NULL)
        l->is_cut = true;
    else
        field_search_feed(v->fields, f, layers_place_of_field(f->name) | (v->attached || p->attached ? PLACE_ATTACHED : 0u));
    if (f->first && f->name.len > 8 && slice_starts_nocase(f->name, "Content-"))
        keep_name(v, f);
}

static void
on_header_end(void *arg, const struct mime_part *p)
{
    struct level *v = arg;

    if (v->depth == 0)
        v->layers->events->header_end(v->layers->arg, p);
}

static void
on_body(void *arg, const struct mime_part *p, struct slice octets)
{
    struct level *v = arg, *next;

    if (v->depth == 0)
        v->layers->events->body(v->layers->arg, p, octets);
    if (p->index != v->body_part) {
        end_body(v);
        next = open_next(v, p->attached);
        if (next == NULL)
            return;
        v->body_part = p->index;
        next->content = v->part;
        slice_copy(next->content.type, sizeof(next->content.type), slice_of(p->type));
        if (p->kind == MIME_MULTIPART)
            next->content.name[0] = '\0';
        next->transfer_file = p->encoding == ENCODING_UNKNOWN;
    }
    level_feed(v->layers->levels[v->depth + 1], octets);
}

static void
on_part_end(void *arg, const struct mime_part *p)
{
    struct level *v = arg;

    end_body(v);
    if (v->depth == 0)
        v->layers->events->part_end(v->layers->arg, p);
}

static void
on_encoded_found(void *arg, const struct token *t)
{
    struct level *v = arg;

    on_found(v->layers, t, v->encoded_places);
}

/* Something may say that it is encoded, and not be. */
static void
on_encoded(void *arg, const struct mime_part *p, struct slice octets)
{
    struct level  *v = arg;
    struct content content;

    if (p->index != v->encoded_part) {
        content_set(&content, CONTENT_UNKNOWN, p->type, slice_make("", 0));
        v->encoded_part = p->index;
        v->encoded_places = content_place(&content, FORM_OCTETS) | (v->attached || p->attached ? PLACE_ATTACHED : 0u);
        token_scan_break(&v->encoded_scan);
    }
    token_scan_feed(&v->encoded_scan, octets);
}

static const struct mime_events walk_events = {
    .part_begin = on_part_begin,
    .field = on_field,
    .header_end = on_header_end,
    .body = on_body,
    .part_end = on_part_end,
    .encoded = on_encoded,
};

static void
begin_walk(struct level *v)
{
    v->body_part = NO_PART;
    v->encoded_part = NO_PART;
    token_scan_init(&v->encoded_scan, on_encoded_found, v);
    if (v->walk == NULL)
        v->walk = mime_walk_new(&walk_events, v);
    else
        mime_walk_reset(v->walk);
    v->walking = v->walk != NULL;
    if (!v->walking)
        v->layers->is_cut = true;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------ */

static void
begin_search(struct level *v, enum search_kind kind, uint32_t places)
{
    if (v->search == NULL && (v->search = search_new(on_found, v->layers)) == NULL) {
        v->layers->is_cut = true;
        return;
    }
    search_begin(v->search, kind, places);
    v->searching = true;
}

/* How the octets of a form are searched, besides being unpacked. */
static enum search_kind
search_kind_of(enum content_form form)
{
    switch (form) {
    case FORM_TEXT:
    case FORM_FIELD:
    case FORM_BASE64:
    case FORM_MESSAGE:
        return SEARCH_TEXT;
    case FORM_HTML:
        return SEARCH_HTML;
    case FORM_RTF:
        return SEARCH_RTF;
    case FORM_OCTETS:
        return SEARCH_OCTETS;
    default:
        return SEARCH_PLAIN;
    }
}

/* Its first octets are known: decides how it is read. */
static void
begin_content(struct level *v)
{
    struct layers   *l = v->layers;
    bool             deepest = v->depth == LAYERS_DEEPEST;
    bool             declared_text = v->content.kind == CONTENT_UNKNOWN && strcmp(v->content.type, "text/plain") == 0;
    enum search_kind kind;
    uint32_t         places;

    v->known = true;
    v->form = content_form(&v->content, slice_make(v->begin, v->begin_len));
    kind = search_kind_of(v->form);
    if (v->form == FORM_COMPOUND_FILE && l->gathering)
        deepest = true;
    if (deepest && (unpack_is_for(v->form) || v->form == FORM_MESSAGE)) {
        l->is_cut = true;
        kind = SEARCH_OCTETS;
    }
    places = content_place(&v->content, v->form) | (v->attached ? PLACE_ATTACHED : 0u);
    if (!v->own && content_is_attached(&v->content, v->form)) {
        v->attached = true;
        /* A text that only looks like a message is that text all the same. */
        places |= declared_text && v->form == FORM_MESSAGE ? 0u : PLACE_ATTACHED;
    }
    if (v->form != FORM_MESSAGE || deepest || declared_text)
        begin_search(v, kind, places);
    if (deepest)
        return;
    if (v->form == FORM_MESSAGE)
        begin_walk(v);
    else if (unpack_is_for(v->form))
        begin_decoder(v);
    else if (v->form == FORM_TEXT || v->form == FORM_OCTETS || v->form == FORM_HTML)
        v->seeking = true;
    if (v->seeking)
        blocks_init(&v->blocks, &container_events, v);
}

/* ---- Any content ------------------------------------------------------------------------------------------------ */

static void
pass(struct level *v, struct slice octets)
{
    v->layers->work += octets.len;
    if (v->searching)
        search_feed(v->search, octets);
    if (v->seeking)
        blocks_feed(&v->blocks, octets);
    if (v->decoding)
        unpack_feed(v->decoder, octets);
    if (v->walking)
        mime_walk_feed(v->walk, octets);
}

static void
level_feed(struct level *v, struct slice octets)
{
    size_t take;

    if (!v->known) {
        take = sizeof(v->begin) - v->begin_len;
        take = octets.len < take ? octets.len : take;
        memcpy(v->begin + v->begin_len, octets.data, take);
        v->begin_len += take;
        if (v->begin_len < sizeof(v->begin))
            return;
        begin_content(v);
        pass(v, slice_make(v->begin, v->begin_len));
        octets = slice_sub(octets, take, octets.len);
    }
    if (octets.len > 0)
        pass(v, octets);
}

static void
level_end(struct level *v)
{
    if (!v->known) {
        begin_content(v);
        pass(v, slice_make(v->begin, v->begin_len));
    }
    if (v->decoding)
        finish_decoder(v);
    if (v->seeking) {
        blocks_finish(&v->blocks);
        blocks_fini(&v->blocks);
    }
    if (v->walking)
        mime_walk_finish(v->walk);
    if (v->walking && mime_walk_is_cut(v->walk))
        v->layers->is_cut = true;
    if (v->searching && !search_end(v->search))
        v->layers->is_cut = true;
    v->searching = v->seeking = v->walking = false;
    v->open = false;
}

static void
level_free(struct level *v)
{
    if (v == NULL)
        return;
    drop_decoder(v);
    if (v->seeking)
        blocks_fini(&v->blocks);
    search_free(v->search);
    free(v->decoder);
    mime_walk_free(v->walk);
    field_search_free(v->fields);
    free(v);
}

/* ---- As a whole ------------------------------------------------------------------------------------------------- */

static void
begin_mail(struct layers *l)
{
    struct level *v = l->levels[0];

    l->budget = LAYERS_UNPACKED_BYTES;
    l->work = 0;
    l->gathering = l->is_finished = l->is_broken = l->is_cut = false;
    v->open = v->known = true;
    v->form = FORM_MESSAGE;
    begin_walk(v);
}

struct layers *
layers_new(const struct mime_events *events, search_found_fn *found, void *arg)
{
    struct layers *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->events = events;
    l->found = found;
    l->arg = arg;
    if (level_at(l, 0) != NULL)
        begin_mail(l);
    if (l->levels[0] == NULL || !l->levels[0]->walking) {
        layers_free(l);
        return NULL;
    }
    return l;
}

void
layers_free(struct layers *l)
{
    if (l == NULL)
        return;
    for (unsigned i = 0; i < LEVELS; i++)
        level_free(l->levels[i]);
    free(l);
}

/* Of the first levels the searches are kept, which nearly every mail needs, unless they stopped in the middle of something. */
static void
shrink(struct level *v)
{
    if (!v->layers->is_finished) {
        drop_decoder(v);
        if (v->seeking)
            blocks_fini(&v->blocks);
        search_free(v->search);
        field_search_free(v->fields);
        v->search = NULL;
        v->fields = NULL;
    }
    v->searching = v->seeking = v->walking = v->open = false;
    free(v->decoder);
    v->decoder = NULL;
    if (v->depth > 0) {
        mime_walk_free(v->walk);
        v->walk = NULL;
    }
}

void
layers_reset(struct layers *l)
{
    for (unsigned i = 0; i < LEVELS; i++) {
        if (i < LEVELS_KEPT && l->levels[i] != NULL) {
            shrink(l->levels[i]);
        } else {
            level_free(l->levels[i]);
            l->levels[i] = NULL;
        }
    }
    begin_mail(l);
}

void
layers_feed(struct layers *l, struct slice octets)
{
    mime_walk_feed(l->levels[0]->walk, octets);
}

void
layers_finish(struct layers *l)
{
    mime_walk_finish(l->levels[0]->walk);
    l->is_finished = true;
}

bool
layers_is_broken(const struct layers *l)
{
    return l->is_broken || mime_walk_is_broken(l->levels[0]->walk);
}

bool
layers_is_cut(const struct layers *l)
{
    return l->is_cut || mime_walk_is_cut(l->levels[0]->walk);
}

uint64_t
layers_work_bytes(const struct layers *l)
{
    return l->work;
}
