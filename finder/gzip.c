#include "finder/gzip.h"

bool
gzip_is(struct slice first)
{
    return slice_starts(first, "\x1f\x8b\x08");
}

void
gzip_init(struct gzip *g, const struct container_events *events, void *arg, uint64_t *budget)
{
    *g = (struct gzip){ .events = events, .arg = arg };
    inflater_init(&g->inflater, budget);
}

static void
close_content(struct gzip *g)
{
    if (g->open)
        g->events->end(g->arg);
    g->open = false;
}

/* The member's header was read: only now its name is known. */
static void
begin_content(struct gzip *g)
{
    struct slice name = slice_of(g->header.name == NULL ? "" : g->name);

    g->begun = true;
    if (g->open && name.len == 0)
        return;
    close_content(g);
    g->events->begin(g->arg, CONTENT_UNKNOWN, name);
    g->open = true;
}

static void
on_inflated(void *arg, struct slice octets)
{
    struct gzip *g = arg;

    if (!g->begun)
        begin_content(g);
    g->events->octets(g->arg, octets);
}

static bool
start_member(struct gzip *g)
{
    memset(g->name, 0, sizeof(g->name));
    g->header = (gz_header){ .name = (Bytef *)g->name, .name_max = sizeof(g->name) - 1 };
    g->begun = false;
    g->started = inflater_begin(&g->inflater, INFLATER_GZIP) && inflateGetHeader(&g->inflater.zlib, &g->header) == Z_OK;
    return g->started;
}

void
gzip_feed(struct gzip *g, struct slice octets)
{
    while (octets.len > 0 && !g->done) {
        enum inflater_result result;

        if (!g->started && !start_member(g)) {
            g->done = true;
            return;
        }
        result = inflater_feed(&g->inflater, &octets, on_inflated, g);
        if (result == INFLATER_END && !g->begun)
            begin_content(g);
        if (result == INFLATER_END)
            g->started = false;
        if (result == INFLATER_CUT)
            g->cut = true;
        g->done = result == INFLATER_BROKEN || result == INFLATER_CUT;
    }
}

void
gzip_finish(struct gzip *g)
{
    if (g->started && !g->done && inflater_is_cut(&g->inflater))
        g->cut = true;
    close_content(g);
    g->done = true;
    gzip_fini(g);
}

void
gzip_fini(struct gzip *g)
{
    inflater_fini(&g->inflater);
}
