#include "checker/late.h"

#include "checker/clock.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/rfc3339.h"
#include "lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { VERSION = 1, KEY_BYTES = sizeof(LATE_KEY_PREFIX) + TOKEN_CHARS, SWEEP_S = 60 };
#define RECORD_MAX_BYTES (512u * 1024)

/* One mail. */
struct entry {
    TAILQ_ENTRY(entry)  link;
    struct late        *late;
    char                token[TOKEN_CHARS + 1];
    char                check[CHECK_NAME_MAX + 1];
    char                mailbox[65];
    bool                keep;
    uint64_t            until_us;       /* wall clock */
    struct hosted_wait *wait;
    struct api_call    *forget;         /* it has come: its mail is being deleted */
};

TAILQ_HEAD(entry_list, entry);

struct late {
    struct hosted     *hosted;
    struct api        *api;
    struct state_file *state;
    late_fn           *fn;
    void              *arg;
    struct event      *sweep;
    struct entry_list  entries;         /* oldest first */
    unsigned           count;
};

static struct slice
key_of(const char *token, char out[KEY_BYTES])
{
    return slice_make(out, (size_t)snprintf(out, KEY_BYTES, "%s%s", LATE_KEY_PREFIX, token));
}

static void
entry_free(struct entry *e)
{
    TAILQ_REMOVE(&e->late->entries, e, link);
    e->late->count--;
    hosted_wait_end(e->wait);
    api_cancel(e->forget);
    free(e);
}

/* It is over, whether it came or not. */
static void
give_up(struct entry *e)
{
    char key[KEY_BYTES];

    state_file_delete(e->late->state, STATE_TABLE_RUN, key_of(e->token, key));
    entry_free(e);
}

/* ---- It has come ------------------------------------------------------------------------------------------------------- */

static void
on_forgotten(void *arg, const struct api_reply *reply)
{
    struct entry *e = arg;

    if (reply->reason[0] != '\0')
        log_warning("event=late-mail-kept check=\"%s\" reason=\"%s\"", e->check, LOG_TEXT(slice_of(reply->reason)));
    e->forget = NULL;
    entry_free(e);
}

static double
time_of(const json_t *times, const char *name)
{
    return json_number_value(json_object_get(times, name));     /* 0 where there is none */
}

/* From the beginning of sending, and from the server's 250, as of a run whose mail came in time. */
static void
put_way(json_t *times, double since_start_s)
{
    double total_s = since_start_s - time_of(times, "mint"), transit_s = total_s - time_of(times, "send");

    json_object_set_new(times, "total", json_real(total_s > 0 ? total_s : 0));
    if (json_object_get(times, "send") != NULL)
        json_object_set_new(times, "transit", json_real(transit_s > 0 ? transit_s : 0));
}

#define LOST_CAUSE "arrival "

/* Mail to the recipient is not lost, but slow (docs/checker.md). */
static void
put_cause(json_t *result)
{
    const char *cause = json_string_value(json_object_get(result, "cause"));

    if (cause != NULL && strncmp(cause, LOST_CAUSE, strlen(LOST_CAUSE)) == 0)
        json_object_set_new(result, "cause", json_sprintf("delay %s", cause + strlen(LOST_CAUSE)));
}

/* The result as it was told, with what is known now. */
static json_t *
amended(json_t *result, const struct outcome *o, uint64_t came_us)
{
    json_t *document = json_object_get(result, "document"), *times = json_object_get(result, "times");
    char    at[RFC3339_TEXT_BYTES];

    rfc3339_text_us(came_us, at);
    json_object_set_new(result, "verdict", json_string(o->verdict));
    json_object_set_new(result, "reason", json_string(o->reason));
    put_cause(result);
    put_way(times, (double)(came_us - o->started_us) / 1e6);
    json_object_set_new(document, "verdict", json_string(o->verdict));
    json_object_set_new(document, "arrived", json_true());
    json_object_set_new(document, "arrived_at", json_string(at));
    json_object_set_new(document, "summary", json_string(o->reason));
    return result;
}

static void
tell(struct entry *e, json_t *result, uint64_t ago_us)
{
    const char    *started = json_string_value(json_object_get(result, "started_at"));
    uint64_t       now_us = wall_us() - ago_us;         /* when it came, not when we heard of it: the checker may have been down */
    struct outcome o;

    outcome_init(&o);
    o.state = STATE_CRITICAL;
    slice_copy(o.verdict, sizeof(o.verdict), slice_of("late"));
    if (started == NULL || rfc3339_parse(slice_of(started), &o.started_us) != MT_OK || o.started_us > now_us)
        o.started_us = now_us;
    o.took_us = now_us - o.started_us;
    snprintf(o.reason, sizeof(o.reason), "arrived after all, %.0f s after it was sent: too late for its window", (double)o.took_us / 1e6);
    e->late->fn(e->late->arg, e->check, amended(result, &o, now_us), &o);
    outcome_clear(&o);
}

static bool
read_record(struct slice value, struct entry *e, struct slice *result)
{
    struct reader in;
    uint8_t       version, keep;

    reader_init(&in, value);
    read_u8(&in, &version);
    read_u64(&in, &e->until_us);
    read_u8(&in, &keep);
    read_string(&in, e->check, sizeof(e->check));
    read_string(&in, e->mailbox, sizeof(e->mailbox));
    read_bytes(&in, result, RECORD_MAX_BYTES);
    e->keep = keep != 0;
    return read_end(&in) && version == VERSION;
}

static void
on_event(void *arg, const struct hosted_event *event)
{
    struct entry *e = arg;
    struct entry  copy = { .late = e->late };
    struct slice  value, text;
    char          key[KEY_BYTES];
    json_t       *result = NULL;
    bool          came = strcmp(event->verdict, "arrived") == 0 || strcmp(event->verdict, "late") == 0 || strcmp(event->name, "arrived") == 0 ||
                         strcmp(event->name, "late") == 0;

    if (!came || e->forget != NULL)
        return;
    if (state_file_get(e->late->state, STATE_TABLE_RUN, key_of(e->token, key), &value) == MT_OK && read_record(value, &copy, &text))
        result = json_loadb(text.data, text.len, 0, NULL);
    state_file_delete(e->late->state, STATE_TABLE_RUN, key_of(e->token, key));
    if (json_is_object(result))
        tell(e, result, event->ago_us);
    json_decref(result);
    e->forget = e->keep ? NULL : api_forget(e->late->api, e->mailbox, e->token, on_forgotten, e);
    if (e->forget == NULL)
        entry_free(e);
}

/* ---- Waiting ------------------------------------------------------------------------------------------------------------- */

static struct entry *
add_entry(struct late *l, const struct entry *given, const char *token)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    *e = *given;
    e->late = l;
    slice_copy(e->token, sizeof(e->token), slice_of(token));
    TAILQ_INSERT_TAIL(&l->entries, e, link);
    l->count++;
    e->wait = hosted_wait_token(l->hosted, e->token, on_event, e);
    if (e->wait == NULL) {
        entry_free(e);
        return NULL;
    }
    return e;
}

void
late_wait(struct late *l, const char *token, const char *check, bool keep, json_t *result)
{
    struct entry given = { .keep = keep, .until_us = wall_us() + (uint64_t)LATE_KEPT_MS * 1000 };
    const char  *mailbox = json_string_value(json_object_get(result, "mailbox"));
    char        *text = json_dumps(result, JSON_COMPACT), key[KEY_BYTES];
    struct buf   record;

    buf_init(&record, RECORD_MAX_BYTES);
    if (l->count >= LATE_WAITING_MAX)
        give_up(TAILQ_FIRST(&l->entries));
    slice_copy(given.check, sizeof(given.check), slice_of(check));
    slice_copy(given.mailbox, sizeof(given.mailbox), slice_of(mailbox));
    if (text != NULL && l->hosted != NULL && add_entry(l, &given, token) != NULL) {
        write_u8(&record, VERSION);
        write_u64(&record, given.until_us);
        write_u8(&record, keep);
        write_string(&record, given.check);
        write_string(&record, given.mailbox);
        write_bytes(&record, slice_of(text));
        if (record.fault == MT_OK)
            state_file_put(l->state, STATE_TABLE_RUN, key_of(token, key), buf_slice(&record));
    }
    free(text);
    buf_fini(&record);
}

static void
on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct late  *l = arg;
    struct entry *e, *next;
    uint64_t      now_us = wall_us();

    (void)fd;
    (void)what;
    for (e = TAILQ_FIRST(&l->entries); e != NULL; e = next) {
        next = TAILQ_NEXT(e, link);
        if (e->until_us <= now_us && e->forget == NULL)
            give_up(e);
    }
}

static bool
take_up(void *arg, struct slice key, struct slice value)
{
    struct late *l = arg;
    struct entry given = { .keep = false };
    struct slice result;
    char         token[TOKEN_CHARS + 1];

    if (!slice_starts(key, LATE_KEY_PREFIX))
        return false;
    if (l->count < LATE_WAITING_MAX && slice_copy(token, sizeof(token), slice_sub(key, strlen(LATE_KEY_PREFIX), key.len)) &&
        read_record(value, &given, &result)) {
        struct entry *e = add_entry(l, &given, token);
        if (e != NULL)
            hosted_wait_ask(e->wait);
    }
    return true;
}

int
late_open(struct event_base *base, struct hosted *hosted, struct api *api, struct state_file *state, late_fn *fn, void *arg, struct late **out)
{
    static const struct timeval every = { .tv_sec = SWEEP_S };
    struct late                *l = calloc(1, sizeof(*l));
    int                         rc = MT_ENOMEM;

    if (l == NULL)
        return MT_ENOMEM;
    *l = (struct late){ .hosted = hosted, .api = api, .state = state, .fn = fn, .arg = arg };
    TAILQ_INIT(&l->entries);
    l->sweep = event_new(base, -1, EV_PERSIST, on_sweep, l);
    if (l->sweep != NULL && event_add(l->sweep, &every) == 0)
        rc = hosted == NULL ? MT_OK : state_file_each(state, STATE_TABLE_RUN, slice_of(LATE_KEY_PREFIX), take_up, l);
    if (rc != MT_OK) {
        late_close(l);
        return rc;
    }
    *out = l;
    return MT_OK;
}

void
late_close(struct late *l)
{
    if (l == NULL)
        return;
    while (!TAILQ_EMPTY(&l->entries))
        entry_free(TAILQ_FIRST(&l->entries));
    if (l->sweep != NULL)
        event_free(l->sweep);
    free(l);
}

unsigned
late_waiting(const struct late *l)
{
    return l->count;
}
