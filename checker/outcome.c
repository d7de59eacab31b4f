#include "checker/outcome.h"

#include "lib/slice.h"

void
outcome_init(struct outcome *o)
{
    *o = (struct outcome){ .state = STATE_UNKNOWN };
}

void
outcome_clear(struct outcome *o)
{
    json_decref(o->document);
    outcome_init(o);
}

void
outcome_add_time(struct outcome *o, const char *name, uint64_t us)
{
    struct outcome_time *t = &o->times[o->times_count];

    if (o->times_count == OUTCOME_TIMES_MAX)
        return;
    slice_copy(t->name, sizeof(t->name), slice_of(name));
    t->us = us;
    o->times_count++;
}
