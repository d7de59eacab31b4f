#include "checker/last_run.h"

#include "checker/change.h"
#include "lib/error.h"
#include "lib/wire.h"

#include <stdlib.h>

enum { VERSION = 1, TRAITS_BYTES_MAX = LAST_RUN_BYTES - 128 };

void
last_run_clear(struct last_run *l)
{
    json_decref(l->traits);
    *l = (struct last_run){ .known = false };
}

json_t *
last_run_take(struct last_run *l, const struct outcome *outcome)
{
    json_t *now = change_traits(outcome->document), *changes = now == NULL ? NULL : change_list(l->traits, now);

    l->known = true;
    l->state = outcome->state;
    l->started_us = outcome->started_us;
    l->total_us = 0;
    for (unsigned i = 0; i < outcome->times_count; i++)
        if (strcmp(outcome->times[i].name, "total") == 0)
            l->total_us = outcome->times[i].us;
    if (outcome->state == STATE_OK || outcome->state == STATE_WARNING)
        l->last_success_us = outcome->started_us;
    if (outcome->client[0] != '\0')
        slice_copy(l->client, sizeof(l->client), slice_of(outcome->client));
    if (l->traits == NULL)
        l->traits = json_object();
    if (now != NULL && l->traits != NULL)
        change_take(l->traits, now);
    json_decref(now);
    return changes;
}

void
last_run_write(const struct last_run *l, struct buf *out)
{
    char *traits = l->traits == NULL ? NULL : json_dumps(l->traits, JSON_COMPACT | JSON_SORT_KEYS);

    write_u8(out, VERSION);
    write_u8(out, (uint8_t)l->state);
    write_u64(out, l->started_us);
    write_u64(out, l->last_success_us);
    write_string(out, l->client);
    write_bytes(out, slice_of(traits != NULL && strlen(traits) <= TRAITS_BYTES_MAX ? traits : "{}"));
    free(traits);
}

int
last_run_read(struct slice octets, struct last_run *out)
{
    struct reader   in;
    struct last_run l = { .known = true };
    uint8_t         version, state;
    struct slice    traits;

    *out = (struct last_run){ .known = false };
    reader_init(&in, octets);
    read_u8(&in, &version);
    read_u8(&in, &state);
    read_u64(&in, &l.started_us);
    read_u64(&in, &l.last_success_us);
    read_string(&in, l.client, sizeof(l.client));
    read_bytes(&in, &traits, TRAITS_BYTES_MAX);
    if (!read_end(&in) || version != VERSION || state > STATE_UNKNOWN)
        return MT_EDAMAGED;
    l.state = (enum state)state;
    l.traits = json_loadb(traits.data, traits.len, 0, NULL);
    if (!json_is_object(l.traits)) {
        json_decref(l.traits);
        return MT_EDAMAGED;
    }
    *out = l;
    return MT_OK;
}
