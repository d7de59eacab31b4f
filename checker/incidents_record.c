/*
 * incidents_record - see incidents_parts.h: the records that outlive the program. Keys: "n" the numbers, "i" and a number an incident, "c" and a name
 * a check.
 */

#include "checker/incidents_parts.h"

#include "lib/error.h"
#include "lib/wire.h"

#include <stdlib.h>

enum { RECORD_VERSION_NOW = 1, KEY_NUMBERS = 'n', KEY_INCIDENT = 'i', KEY_CHECK = 'c' };

#define GONE            UINT32_MAX
#define KEY_BYTES       (1u + CHECK_NAME_MAX)
#define INCIDENT_BYTES  (4u * 1024 * 1024)      /* of CHECKS_MAX contacts less than that */
#define TOLD_MAX        65536u
#define TRACK_BYTES     2048u

/* A membership that was restored: checks come before or after their incidents. */
struct restored_track {
    unsigned   check;                   /* GONE: it is in the configuration no longer, or disabled */
    uint8_t    kind;                    /* enum track_kind */
    enum phase phase;
    uint64_t   incident;                /* 0: none */
    uint64_t   shown_at;
    char       name[CHECK_NAME_MAX + 1];
};

struct named {
    const char *name;
    unsigned    check;
};

struct restored {
    struct restored_track *tracks;
    size_t                 count, room;
    struct named          *named;       /* the enabled checks, by name */
    size_t                 named_count;
};

/* ---- Writing ---- */

static void
write_wall(struct buf *b, const struct incidents *in, uint64_t at)
{
    write_u64(b, moment_to_wall_us(in->first, in->now, at));
}

static void
write_facts(struct buf *b, const struct facts *f)
{
    write_u8(b, f != NULL);
    if (f == NULL)
        return;
    write_u8(b, (uint8_t)f->state);
    write_u32(b, f->code);
    write_string(b, f->verdict);
    write_string(b, f->cause);
    write_string(b, f->step);
    write_string(b, f->host);
    write_string(b, f->reply);
    write_string(b, f->reason);
    write_string(b, f->late);
}

static void
write_track(struct buf *b, const struct incidents *in, const struct track *t)
{
    write_u64(b, t->incident == NULL ? 0 : t->incident->id);
    write_u8(b, t->phase);
    write_u8(b, (uint8_t)t->shown);
    write_u32(b, t->failures);
    write_u32(b, t->criticals);
    write_u64(b, t->since_wall);
    write_wall(b, in, t->first_begun);
    write_wall(b, in, t->failed_begun);
    write_wall(b, in, t->not_before);
    write_wall(b, in, t->shown_at);
    write_wall(b, in, t->hold_until);
    write_u8(b, t->told);
    write_u8(b, t->prober);
    write_facts(b, t->facts);
}

static struct slice
check_key(char key[KEY_BYTES + 1], const char *name)
{
    key[0] = KEY_CHECK;
    slice_copy(key + 1, KEY_BYTES, slice_of(name));
    return slice_make(key, strlen(key));
}

/* Where all is well, nothing is remembered, and none wants to know when it ran last, there is no record. */
static bool
is_worth_keeping(const struct incidents *in, unsigned check)
{
    const struct watched *w = &in->watched[check];

    return in->dependents_at[check] < in->dependents_at[check + 1] || w->tracks[TRACK_CHECK].since_wall != 0 ||
           w->tracks[TRACK_OWN].since_wall != 0 || w->bouts[0] != 0;
}

static void
keep_check(struct incidents *in, unsigned check)
{
    struct watched *w = &in->watched[check];
    char            key[KEY_BYTES + 1];
    struct slice    k = check_key(key, in->checks->checks[check].name);
    struct buf      value;

    w->dirty = false;
    if (!is_worth_keeping(in, check)) {
        in->hooks.keep(in->hooks.arg, k, slice_make(NULL, 0));
        return;
    }
    buf_init(&value, TRACK_COUNT * TRACK_BYTES + 256);
    write_u8(&value, RECORD_VERSION_NOW);
    write_wall(&value, in, w->begun);
    for (unsigned b = 0; b < FLAP_BOUTS; b++)
        write_wall(&value, in, w->bouts[b]);
    write_u32(&value, w->calm);
    write_u8(&value, w->flapping);
    for (unsigned t = 0; t < TRACK_COUNT; t++)
        write_track(&value, in, &w->tracks[t]);
    if (value.fault == MT_OK)
        in->hooks.keep(in->hooks.arg, k, buf_slice(&value));
    buf_fini(&value);
}

static struct slice
incident_key(unsigned char key[9], uint64_t id)
{
    key[0] = KEY_INCIDENT;
    put_u64(key + 1, id);
    return slice_make(key, 9);
}

static void
write_told(struct buf *b, const struct incidents *in, const struct told *k)
{
    write_string(b, in->checks->contacts[k->contact].name);
    write_u8(b, k->told);
    write_u8(b, k->escalated);
    write_u8(b, (uint8_t)k->state);
    write_wall(b, in, k->due);
    write_wall(b, in, k->at);
    write_wall(b, in, k->last);
}

static void
keep_incident(struct incidents *in, struct incident *i)
{
    unsigned char key[9];
    struct buf    value;
    uint32_t      told = 0;

    i->dirty = false;
    for (unsigned k = 0; k < i->told_count; k++)
        told += i->told[k].contact < in->checks->contacts_count;
    buf_init(&value, INCIDENT_BYTES);
    write_u8(&value, RECORD_VERSION_NOW);
    write_u8(&value, (uint8_t)i->kind);
    write_u8(&value, i->confirmed);
    write_u64(&value, i->since_wall);
    write_string(&value, i->cause);
    write_u32(&value, i->gone_count);
    for (unsigned g = 0; g < i->gone_count; g++)
        write_string(&value, i->gone[g]);
    write_u32(&value, told);
    for (unsigned k = 0; k < i->told_count; k++)
        if (i->told[k].contact < in->checks->contacts_count)
            write_told(&value, in, &i->told[k]);
    if (value.fault == MT_OK)
        in->hooks.keep(in->hooks.arg, incident_key(key, i->id), buf_slice(&value));
    buf_fini(&value);
}

static void
keep_numbers(struct incidents *in)
{
    char       key = KEY_NUMBERS;
    struct buf value;

    buf_init(&value, 32);
    write_u8(&value, RECORD_VERSION_NOW);
    write_u64(&value, in->next_incident);
    write_u64(&value, in->next_notice);
    if (value.fault == MT_OK)
        in->hooks.keep(in->hooks.arg, slice_make(&key, 1), buf_slice(&value));
    buf_fini(&value);
}

void
incidents_keep(struct incidents *in, struct incident *one)
{
    struct incident *i;
    bool             any = one != NULL;

    if (in->hooks.keep == NULL) {
        while (in->dirty_count > 0)
            in->watched[in->dirty[--in->dirty_count]].dirty = false;
        return;
    }
    if (one != NULL)
        keep_incident(in, one);
    else if (in->any_dirty)
        TAILQ_FOREACH(i, &in->open, link)
            if (i->dirty) {
                keep_incident(in, i);
                any = true;
            }
    if (one == NULL)
        in->any_dirty = false;
    if (any)
        keep_numbers(in);
    while (one == NULL && in->dirty_count > 0)
        keep_check(in, in->dirty[--in->dirty_count]);
}

void
incidents_forget(struct incidents *in, const struct incident *i)
{
    unsigned char key[9];

    if (in->hooks.keep != NULL)
        in->hooks.keep(in->hooks.arg, incident_key(key, i->id), slice_make(NULL, 0));
}

/* ---- Reading ---- */

/* The clock may have been set back since: nothing that has happened lies ahead. */
static void
read_past(struct reader *r, const struct incidents *in, uint64_t *out)
{
    read_time_us(r, out);
    if (*out > incidents_steady(in))
        *out = incidents_steady(in);
}

static void
read_state(struct reader *r, enum state *out)
{
    uint8_t state;

    read_u8(r, &state);
    if (state > STATE_UNKNOWN)
        read_fail(r);
    *out = state > STATE_UNKNOWN ? STATE_UNKNOWN : (enum state)state;
}

static struct facts *
read_facts(struct reader *r)
{
    struct facts *f;
    bool          there;
    uint32_t      code;

    read_bool(r, &there);
    f = there ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL) {
        if (there)
            read_fail(r);
        return NULL;
    }
    read_state(r, &f->state);
    read_u32(r, &code);
    f->code = code;
    read_string(r, f->verdict, sizeof(f->verdict));
    read_string(r, f->cause, sizeof(f->cause));
    read_string(r, f->step, sizeof(f->step));
    read_string(r, f->host, sizeof(f->host));
    read_string(r, f->reply, sizeof(f->reply));
    read_string(r, f->reason, sizeof(f->reason));
    read_string(r, f->late, sizeof(f->late));
    return f;
}

/* hold_until lies ahead, but not far. */
static void
read_track(struct reader *r, const struct incidents *in, struct track *t, struct restored_track *place)
{
    uint8_t phase;

    read_u64(r, &place->incident);
    read_u8(r, &phase);
    if (phase >= PHASE_COUNT)
        read_fail(r);
    place->phase = (enum phase)(phase < PHASE_COUNT ? phase : APART);
    read_state(r, &t->shown);
    read_u32(r, &t->failures);
    read_u32(r, &t->criticals);
    read_time_us(r, &t->since_wall);
    read_past(r, in, &t->first_begun);
    read_past(r, in, &t->failed_begun);
    read_past(r, in, &t->not_before);
    read_past(r, in, &t->shown_at);
    read_time_us(r, &t->hold_until);
    if (t->hold_until > incidents_steady(in) + HOLD_US)
        t->hold_until = incidents_steady(in);
    read_bool(r, &t->told);
    read_bool(r, &t->prober);
    t->facts = read_facts(r);
    /* What fails has something to be said of it. */
    if (t->facts == NULL && (t->failures > 0 || place->phase != APART))
        read_fail(r);
}

static int
compare_names(const void *a, const void *b)
{
    const struct named *left = a, *right = b;

    return strcmp(left->name, right->name);
}

/* Before the first record. */
static int
begin_restoring(struct incidents *in)
{
    struct restored *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return MT_ENOMEM;
    r->named = calloc(in->checks->checks_count + 1u, sizeof(*r->named));
    if (r->named == NULL) {
        free(r);
        return MT_ENOMEM;
    }
    for (unsigned c = 0; c < in->checks->checks_count; c++)
        if (in->checks->checks[c].enabled)
            r->named[r->named_count++] = (struct named){ .name = in->checks->checks[c].name, .check = c };
    qsort(r->named, r->named_count, sizeof(*r->named), compare_names);
    in->restored = r;
    return MT_OK;
}

static unsigned
find_check(const struct incidents *in, const char *name)
{
    const struct named  key = { .name = name };
    const struct named *found = bsearch(&key, in->restored->named, in->restored->named_count, sizeof(key), compare_names);

    return found == NULL ? GONE : found->check;
}

static int
add_restored(struct incidents *in, const struct restored_track *track)
{
    struct restored *all = in->restored;

    if (all->count == all->room) {
        size_t                 room = all->room == 0 ? 64 : all->room * 2;
        struct restored_track *more = realloc(all->tracks, room * sizeof(*more));

        if (more == NULL)
            return MT_ENOMEM;
        all->tracks = more;
        all->room = room;
    }
    all->tracks[all->count++] = *track;
    return MT_OK;
}

static void
free_facts(struct watched *w)
{
    for (unsigned t = 0; t < TRACK_COUNT; t++)
        free(w->tracks[t].facts);
}

static int
restore_check(struct incidents *in, struct slice name, struct reader *r)
{
    struct restored_track places[TRACK_COUNT] = { 0 };
    struct watched        w = { 0 };
    unsigned              check;
    int                   rc = MT_OK;

    if (!slice_copy(places[0].name, sizeof(places[0].name), name))
        return MT_EDAMAGED;
    check = find_check(in, places[0].name);
    read_past(r, in, &w.begun);
    for (unsigned b = 0; b < FLAP_BOUTS; b++)
        read_past(r, in, &w.bouts[b]);
    read_u32(r, &w.calm);
    read_bool(r, &w.flapping);
    for (unsigned t = 0; t < TRACK_COUNT; t++) {
        memcpy(places[t].name, places[0].name, sizeof(places[t].name));
        places[t].kind = (uint8_t)t;
        places[t].check = check;
        read_track(r, in, &w.tracks[t], &places[t]);
        places[t].shown_at = w.tracks[t].shown_at;
        if (check == GONE && !w.tracks[t].told)
            places[t].incident = 0;
    }
    if (!read_end(r))
        rc = MT_EDAMAGED;
    for (unsigned t = 0; rc == MT_OK && t < TRACK_COUNT; t++)
        if (check == GONE || places[t].phase != APART)
            rc = add_restored(in, &places[t]);
    if (rc != MT_OK || check == GONE) {
        free_facts(&w);
        return rc;
    }
    free_facts(&in->watched[check]);
    w.wants_warnings = in->watched[check].wants_warnings;
    in->watched[check] = w;
    return MT_OK;
}

static int
find_contact(const struct checks *checks, struct slice name)
{
    for (unsigned c = 0; c < checks->contacts_count; c++)
        if (slice_equal(slice_of(checks->contacts[c].name), name))
            return (int)c;
    return -1;
}

/* A contact that is gone is told nothing any more. */
static int
read_told(struct incidents *in, struct reader *r, struct incident *i)
{
    struct told  known = { 0 }, *place;
    struct slice name;
    int          contact;

    read_bytes(r, &name, UINT16_MAX);
    read_bool(r, &known.told);
    read_bool(r, &known.escalated);
    read_state(r, &known.state);
    read_time_us(r, &known.due);
    read_past(r, in, &known.at);
    read_past(r, in, &known.last);
    if (!read_ok(r))
        return MT_EDAMAGED;
    if (known.due > incidents_steady(in) + (uint64_t)in->checks->group_ms * 1000)
        known.due = incidents_steady(in);
    contact = find_contact(in->checks, name);
    if (contact < 0)
        return MT_OK;
    place = incident_add_told(i, (unsigned)contact);
    if (place == NULL)
        return MT_ENOMEM;
    known.contact = (unsigned)contact;
    *place = known;
    return MT_OK;
}

static bool
add_gone(struct incident *i, const char *name)
{
    if (i->gone == NULL)
        i->gone = calloc(GONE_MAX, sizeof(*i->gone));
    if (i->gone == NULL || i->gone_count == GONE_MAX)
        return false;
    slice_copy(i->gone[i->gone_count], sizeof(i->gone[0]), slice_of(name));
    i->gone_count++;
    return true;
}

static int
restore_incident(struct incidents *in, uint64_t id, struct reader *r)
{
    struct incident *i;
    char             cause[sizeof(i->cause)], name[CHECK_NAME_MAX + 1];
    uint64_t         since_wall;
    uint32_t         count;
    uint8_t          kind;
    bool             confirmed;
    int              rc = MT_OK;

    read_u8(r, &kind);
    read_bool(r, &confirmed);
    read_time_us(r, &since_wall);
    read_string(r, cause, sizeof(cause));
    read_count(r, &count, GONE_MAX, 4);
    if (!read_ok(r) || kind >= TRACK_COUNT || id == 0)
        return MT_EDAMAGED;
    i = incident_new(in, (enum track_kind)kind, cause, id);
    if (i == NULL)
        return MT_ENOMEM;
    i->confirmed = confirmed;
    i->since_wall = since_wall;
    for (uint32_t g = 0; g < count; g++) {
        read_string(r, name, sizeof(name));
        if (read_ok(r))
            add_gone(i, name);
    }
    read_count(r, &count, TOLD_MAX, 4);
    for (uint32_t k = 0; rc == MT_OK && k < count; k++)
        rc = read_told(in, r, i);
    if (rc == MT_OK && !read_end(r))
        rc = MT_EDAMAGED;
    /* What could be read of it stays: better a contact forgotten than all of them. */
    if (rc == MT_EDAMAGED)
        i->dirty = in->any_dirty = true;
    return rc;
}

int
incidents_restore(struct incidents *in, struct slice key, struct slice value)
{
    struct reader r;
    uint64_t      next_incident, next_notice;
    uint8_t       version;

    if (in->restored == NULL && begin_restoring(in) != MT_OK)
        return MT_ENOMEM;
    reader_init(&r, value);
    read_u8(&r, &version);
    if (read_ok(&r) && version != RECORD_VERSION_NOW)
        return MT_EVERSION;
    if (key.len == 9 && key.data[0] == KEY_INCIDENT)
        return restore_incident(in, get_u64(key.data + 1), &r);
    if (key.len > 1 && key.data[0] == KEY_CHECK)
        return restore_check(in, slice_sub(key, 1, key.len), &r);
    if (key.len != 1 || key.data[0] != KEY_NUMBERS)
        return MT_EDAMAGED;
    read_u64(&r, &next_incident);
    read_u64(&r, &next_notice);
    if (!read_end(&r) || next_incident == 0 || next_notice == 0)
        return MT_EDAMAGED;
    in->next_incident = next_incident;
    in->next_notice = next_notice;
    return MT_OK;
}

static int
compare_ids(const void *a, const void *b)
{
    const struct incident *const *left = a, *const *right = b;

    return (*left)->id < (*right)->id ? -1 : (*left)->id > (*right)->id;
}

/* All incidents by id. NULL: out of memory. */
static struct incident **
sorted_incidents(struct incidents *in, size_t *count)
{
    struct incident **list, *i;

    *count = 0;
    TAILQ_FOREACH(i, &in->open, link)
        (*count)++;
    list = calloc(*count + 1, sizeof(struct incident *));
    *count = 0;
    if (list == NULL)
        return NULL;
    TAILQ_FOREACH(i, &in->open, link)
        list[(*count)++] = i;
    qsort(list, *count, sizeof(struct incident *), compare_ids);
    return list;
}

/* In the order in which they became members. */
static int
compare_restored(const void *a, const void *b)
{
    const struct restored_track *left = a, *right = b;

    if (left->shown_at != right->shown_at)
        return left->shown_at < right->shown_at ? -1 : 1;
    return left->check < right->check ? -1 : left->check > right->check;
}

/* One membership. Where its incident was lost, the check has to fail once more, and is told of anew. */
static void
place_track(struct incidents *in, const struct restored_track *place, struct incident *i)
{
    struct track *t;
    char          key[KEY_BYTES + 1];

    if (place->check == GONE) {
        if (i != NULL && add_gone(i, place->name))
            incident_mark(in, i);
        if (in->hooks.keep != NULL)
            in->hooks.keep(in->hooks.arg, check_key(key, place->name), slice_make(NULL, 0));
        return;
    }
    t = &in->watched[place->check].tracks[place->kind];
    if (i != NULL && i->kind == (enum track_kind)place->kind && t->incident == NULL) {
        incident_add(i, t, place->phase);
        return;
    }
    t->shown = STATE_OK;
    t->told = false;
}

void
incidents_restored(struct incidents *in, struct moment now)
{
    struct incident **list, **found, *i, wanted;
    const struct incident *key = &wanted;
    size_t            count;

    in->now = now;
    list = sorted_incidents(in, &count);
    if (in->restored != NULL && in->restored->count > 0)
        qsort(in->restored->tracks, in->restored->count, sizeof(*in->restored->tracks), compare_restored);
    for (size_t t = 0; in->restored != NULL && t < in->restored->count; t++) {
        wanted.id = in->restored->tracks[t].incident;
        found = list == NULL ? NULL : bsearch(&key, list, count, sizeof(struct incident *), compare_ids);
        place_track(in, &in->restored->tracks[t], found == NULL ? NULL : *found);
    }
    free(list);
    incidents_drop_restored(in);
    TAILQ_FOREACH(i, &in->open, link) {
        if (i->id >= in->next_incident)
            in->next_incident = i->id + 1;
        incident_touch(in, i);
    }
    incidents_keep(in, NULL);
}

void
incidents_drop_restored(struct incidents *in)
{
    if (in->restored != NULL) {
        free(in->restored->tracks);
        free(in->restored->named);
    }
    free(in->restored);
    in->restored = NULL;
}
