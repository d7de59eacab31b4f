/* run_state - what schedule, incidents and last runs were, from the state and back into it. */
#include "checker/run_parts.h"

#include "lib/error.h"
#include "lib/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { KEY_BYTES = sizeof(LAST_KEY_PREFIX) + CHECK_NAME_MAX };

/* A pair that was copied out of a walk, since nothing else may be done during one. */
struct pair {
    STAILQ_ENTRY(pair) link;
    struct buf key, value;
};
STAILQ_HEAD(pair_list, pair);

struct collect {
    struct pair_list list;
    const char      *prefix;        /* of the keys that are wanted */
    bool             failed;
};

static bool
collect(void *arg, struct slice key, struct slice value)
{
    struct collect *c = arg;
    struct pair    *p;

    if (!slice_starts(key, c->prefix))
        return false;
    p = calloc(1, sizeof(*p));
    c->failed = p == NULL;
    if (p == NULL)
        return false;
    buf_init(&p->key, STATE_KEY_MAX);
    buf_init(&p->value, STATE_VALUE_MAX);
    c->failed = buf_append_slice(&p->key, key) != MT_OK || buf_append_slice(&p->value, value) != MT_OK;
    STAILQ_INSERT_TAIL(&c->list, p, link);
    return !c->failed;
}

static void
pair_free(struct pair *p)
{
    buf_fini(&p->key);
    buf_fini(&p->value);
    free(p);
}

/* Calls take for each pair of a table. MT_ENOMEM, MT_EIO. */
typedef void take_fn(struct run *r, struct slice key, struct slice value);

static int
take_each(struct run *r, enum state_table table, const char *prefix, take_fn *take)
{
    struct collect c = { .prefix = prefix };
    int            rc;

    STAILQ_INIT(&c.list);
    rc = state_file_each(r->state, table, slice_of(prefix), collect, &c);
    if (rc == MT_OK && c.failed)
        rc = MT_ENOMEM;
    while (!STAILQ_EMPTY(&c.list)) {
        struct pair *p = STAILQ_FIRST(&c.list);
        STAILQ_REMOVE_HEAD(&c.list, link);
        if (rc == MT_OK)
            take(r, buf_slice(&p->key), buf_slice(&p->value));
        pair_free(p);
    }
    return rc;
}

static int
index_of(const struct run *r, struct slice name)
{
    char text[CHECK_NAME_MAX + 1];

    return slice_copy(text, sizeof(text), name) ? checks_find(r->generation->checks, text) : -1;
}

/* ---- Reading ---------------------------------------------------------------------------------------------------------- */

static void
tell_damaged(const char *what, struct slice key, int rc)
{
    log_warning("event=state-left-out what=%s key=\"%s\" reason=\"%s\"", what, LOG_TEXT(key), mt_strerror(rc));
}

static void
take_schedule(struct run *r, struct slice key, struct slice value)
{
    int index = index_of(r, key), rc;

    if (index >= 0 && (rc = schedule_restore(r->schedule, (unsigned)index, value)) != MT_OK)
        tell_damaged("schedule", key, rc);
}

static void
take_incident(struct run *r, struct slice key, struct slice value)
{
    int rc = incidents_restore(r->incidents, key, value);

    if (rc != MT_OK)
        tell_damaged("incident", key, rc);
}

static void
take_last(struct run *r, struct slice key, struct slice value)
{
    int index = index_of(r, slice_sub(key, strlen(LAST_KEY_PREFIX), key.len)), rc;

    if (index >= 0 && (rc = last_run_read(value, &r->last[index])) != MT_OK)
        tell_damaged("last-run", key, rc);
}

int
run_take_state(struct run *r)
{
    int rc = take_each(r, STATE_TABLE_CHECK, "", take_schedule);

    if (rc == MT_OK)
        rc = take_each(r, STATE_TABLE_INCIDENT, "", take_incident);
    if (rc == MT_OK)
        rc = take_each(r, STATE_TABLE_META, LAST_KEY_PREFIX, take_last);
    if (rc == MT_OK)
        incidents_restored(r->incidents, moment_now());
    return rc;
}

/* ---- Forgetting --------------------------------------------------------------------------------------------------------- */

static void
forget_schedule(struct run *r, struct slice key, struct slice value)
{
    (void)value;
    if (index_of(r, key) == -1)
        state_file_delete(r->state, STATE_TABLE_CHECK, key);
}

static void
forget_last(struct run *r, struct slice key, struct slice value)
{
    (void)value;
    if (index_of(r, slice_sub(key, strlen(LAST_KEY_PREFIX), key.len)) == -1)
        state_file_delete(r->state, STATE_TABLE_META, key);
}

int
run_forget_gone(struct run *r)
{
    int rc = take_each(r, STATE_TABLE_CHECK, "", forget_schedule);

    return rc == MT_OK ? take_each(r, STATE_TABLE_META, LAST_KEY_PREFIX, forget_last) : rc;
}

/* ---- Writing ---------------------------------------------------------------------------------------------------------- */

void
run_keep_last(struct run *r, unsigned check)
{
    char       key[KEY_BYTES];
    struct buf record;
    int        len = snprintf(key, sizeof(key), "%s%s", LAST_KEY_PREFIX, r->generation->checks->checks[check].name);

    buf_init(&record, LAST_RUN_BYTES);
    last_run_write(&r->last[check], &record);
    if (record.fault == MT_OK)
        state_file_put(r->state, STATE_TABLE_META, slice_make(key, (size_t)len), buf_slice(&record));
    buf_fini(&record);
}

void
run_keep_schedule(struct run *r, unsigned check)
{
    struct buf record;

    buf_init(&record, SCHEDULE_RECORD_BYTES);
    schedule_record(r->schedule, check, moment_now(), &record);
    if (record.fault == MT_OK)
        state_file_put(r->state, STATE_TABLE_CHECK, slice_of(r->generation->checks->checks[check].name), buf_slice(&record));
    buf_fini(&record);
}
