/*
 * The records of incidents and of the schedule, whatever they say: they are taken or left out, and what goes on with them neither crashes nor loops. An input
 * is some records, each a kind ('n', 'i', 'c', 's'), the octets' number (16 bits) and the octets.
 */

#include "checker/incidents.h"
#include "checker/schedule.h"
#include "lib/wire.h"

#include <assert.h>
#include <stdlib.h>

enum { CHECKS = 3, RUNS = 6, TURNS_MAX = 20 };
#define SECOND UINT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
on_tell(void *arg, unsigned contact, const unsigned *ways, unsigned ways_count, const struct notice *n)
{
    (void)arg;
    (void)contact;
    (void)ways;
    assert(ways_count == 1 && n->checks_told <= NOTICE_CHECKS_MAX && n->checks_told <= n->checks_count);
    for (unsigned i = 0; i < n->checks_told; i++)
        assert(n->checks[i].name != NULL && n->checks[i].reason != NULL && strlen(n->checks[i].reason) < 2000);
}

static void
on_keep(void *arg, struct slice key, struct slice value)
{
    (void)arg;
    assert(key.len > 0 && (value.data == NULL || value.len > 0));
}

static void
on_start(void *arg, unsigned check)
{
    (void)arg;
    assert(check < CHECKS);
}

static void
restore(struct incidents *in, struct schedule *s, struct slice rest)
{
    struct reader r;
    unsigned char key[9] = "i";
    uint64_t      id = 0;

    reader_init(&r, rest);
    while (read_ok(&r) && r.rest.len > 0) {
        uint8_t      kind;
        uint16_t     len;
        struct slice value;

        read_u8(&r, &kind);
        read_u16(&r, &len);
        value = slice_sub(r.rest, 0, len);
        r.rest = slice_sub(r.rest, value.len, r.rest.len);
        put_u64(key + 1, ++id);
        if (kind == 'n')
            incidents_restore(in, slice_of("n"), value);
        else if (kind == 'i')
            incidents_restore(in, slice_make(key, sizeof(key)), value);
        else if (kind == 's')
            schedule_restore(s, id % CHECKS, value);
        else
            incidents_restore(in, slice_of(id % 4 == 0 ? "ca" : id % 4 == 1 ? "cb" : id % 4 == 2 ? "cc" : "cgone"), value);
    }
}

static void
go_on(struct incidents *in, struct schedule *s, struct moment now)
{
    static const enum state states[RUNS] = { STATE_CRITICAL, STATE_OK, STATE_WARNING, STATE_CRITICAL, STATE_UNKNOWN, STATE_OK };
    struct outcome          o;

    outcome_init(&o);
    for (unsigned run = 0; run < RUNS; run++) {
        o.state = states[run];
        o.own_trouble = run == 4;
        for (unsigned check = 0; check < CHECKS; check++)
            incidents_take(in, check, &o, now);
        for (unsigned turn = 0; turn < TURNS_MAX; turn++) {
            uint64_t next = incidents_turn(in, now);

            assert(next > now.us);
            if (next > now.us + 100 * SECOND)
                break;
            now.wall_us += next - now.us;
            now.us = next;
        }
        schedule_turn(s, now);
        now.us += 100 * SECOND;
        now.wall_us += 100 * SECOND;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct contact contacts[] = { { .name = "ops", .ways_count = 1, .warnings = true, .recoveries = true, .reminder_ms = 60000 },
                                  { .name = "customer", .ways_count = 1, .recoveries = true } };
    struct check   list[CHECKS] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
    struct checks  checks = { .checks = list, .checks_count = CHECKS, .contacts = contacts, .contacts_count = 2, .group_ms = 30000 };
    struct moment  now = { .us = 5000 * SECOND, .wall_us = UINT64_C(1795392000) * SECOND };
    const struct incidents_hooks incidents_hooks = { .tell = on_tell, .keep = on_keep };
    const struct schedule_hooks  schedule_hooks = { .start = on_start };
    struct incidents *in;
    struct schedule  *s;

    for (unsigned i = 0; i < CHECKS; i++) {
        list[i].enabled = true;
        list[i].interval_ms = 300000;
        list[i].confirm = 1 + i % 2;
        list[i].contacts[0] = i % 2;
        list[i].contacts_count = 1;
    }
    list[1].depends_count = 1;
    in = incidents_new(&checks, &incidents_hooks, now);
    s = schedule_new(&checks, &schedule_hooks, now);
    assert(in != NULL && s != NULL);
    restore(in, s, slice_make(data, size));
    incidents_restored(in, now);
    go_on(in, s, now);
    incidents_free(in);
    schedule_free(s);
    return 0;
}
