#include "finder/views.h"

#include "lib/error.h"

/* ---- From one view to the next ---------------------------------------------------------------------------------- */

static void
on_bare(void *arg, struct slice octets)
{
    token_scan_feed(arg, octets);
}

static void
on_unescaped(void *arg, struct slice octets)
{
    squeeze_feed(arg, octets);
}

static void
on_without_percent(void *arg, struct slice octets)
{
    base64_runs_feed(arg, octets);
}

static void
keep_before(struct views_before *b, struct slice text)
{
    size_t keep;

    if (text.len >= VIEWS_BEFORE) {
        memcpy(b->octets, text.data + text.len - VIEWS_BEFORE, VIEWS_BEFORE);
        b->len = VIEWS_BEFORE;
        return;
    }
    keep = VIEWS_BEFORE - text.len;
    if (b->len > keep) {
        memmove(b->octets, b->octets + b->len - keep, keep);
        b->len = keep;
    }
    memcpy(b->octets + b->len, text.data, text.len);
    b->len += text.len;
}

/* Offset of the first mark of percent, or text.len. */
static size_t
find_mark(struct slice text)
{
    size_t at = slice_find(text, '%');

    at = slice_find(slice_sub(text, 0, at), '=');
    return slice_find(slice_sub(text, 0, at), '-');
}

/* The last VIEWS_BEFORE octets before offset at of text, some of which may be of what came before it. */
static struct slice
octets_before(const struct views_before *b, struct slice text, size_t at, char room[VIEWS_BEFORE])
{
    size_t from = at > VIEWS_BEFORE ? at - VIEWS_BEFORE : 0;
    size_t held = VIEWS_BEFORE - (at - from);

    held = held < b->len ? held : b->len;
    memcpy(room, b->octets + b->len - held, held);
    memcpy(room + held, text.data + from, at - from);
    return slice_make(room, held + at - from);
}

static void
feed_any_mark(struct views *v, struct slice text)
{
    size_t at = v->has_mark ? 0 : find_mark(text);
    char   room[VIEWS_BEFORE];

    if (!v->has_mark && at < text.len) {
        percent_feed(&v->any_mark, octets_before(&v->squeezed_before, text, at, room));
        v->has_mark = true;
    }
    if (v->has_mark)
        percent_feed(&v->any_mark, slice_sub(text, at, text.len));
}

static void
feed_unquote(struct views *v, struct slice text)
{
    size_t at = 0;
    char   room[VIEWS_BEFORE];

    if (!v->has_quote) {
        at = slice_find(text, '>');
        at = slice_find(slice_sub(text, 0, at), '\\');
        if (at == text.len)
            return;
        unquote_feed(&v->unquote, octets_before(&v->text_before, text, at, room));
        v->has_quote = true;
    }
    unquote_feed(&v->unquote, slice_sub(text, at, text.len));
}

static void
feed_utf7(struct views *v, struct slice text)
{
    size_t at = v->has_plus ? 0 : slice_find(text, '+');
    char   room[VIEWS_BEFORE];

    if (!v->has_plus && at < text.len) {
        utf7_feed(&v->utf7, octets_before(&v->text_before, text, at, room));
        v->has_plus = true;
    }
    if (v->has_plus)
        utf7_feed(&v->utf7, slice_sub(text, at, text.len));
}

/* What has no "%" passes through percent unchanged. */
static void
feed_base64_runs(struct views *v, struct slice text)
{
    size_t at = v->has_percent ? 0 : slice_find(text, '%');

    base64_runs_feed(&v->base64_runs, slice_sub(text, 0, at));
    v->has_percent = v->has_percent || at < text.len;
    percent_feed(&v->percent, slice_sub(text, at, text.len));
}

static void
on_squeezed(void *arg, struct slice octets)
{
    struct views *v = arg;

    feed_any_mark(v, octets);
    feed_base64_runs(v, octets);
    keep_before(&v->squeezed_before, octets);
}

/* ---- What passed the sieve -------------------------------------------------------------------------------------- */

static void
on_pass(void *arg, struct slice text)
{
    struct views *v = arg;

    squeeze_feed(&v->bare, text);
    squeeze_feed(&v->squeeze, text);
    feed_unquote(v, text);
    feed_utf7(v, text);
    keep_before(&v->text_before, text);
}

/* Tells what was held back, and forgets what was begun. */
static void
on_skip(void *arg)
{
    struct views *v = arg;

    squeeze_finish(&v->bare);
    squeeze_finish(&v->squeeze);
    if (v->has_mark) {
        percent_finish(&v->any_mark);
        squeeze_finish(&v->any_mark_bare);
    }
    if (v->has_quote) {
        unquote_finish(&v->unquote);
        squeeze_finish(&v->unquote_bare);
    }
    if (v->has_plus) {
        utf7_finish(&v->utf7);
        squeeze_finish(&v->utf7_bare);
    }
    percent_finish(&v->percent);
    base64_runs_finish(&v->base64_runs);
    token_scan_break(&v->plain);
    token_scan_break(&v->unquoted);
    token_scan_break(&v->unescaped);
    token_scan_break(&v->from_utf7);
    token_scan_break(&v->from_base64);
    v->has_quote = v->has_mark = v->has_plus = v->has_percent = false;
    v->text_before.len = v->squeezed_before.len = 0;
}

static const struct sieve_events sieve_events = { on_pass, on_skip };

/* ---- As a whole ------------------------------------------------------------------------------------------------- */

void
views_init(struct views *v, token_found_fn *found, void *arg)
{
    sieve_init(&v->sieve, &sieve_events, v);
    squeeze_init_bare(&v->bare, on_bare, &v->plain);
    squeeze_init(&v->squeeze, on_squeezed, v);
    percent_init(&v->any_mark, PERCENT_MARK_ALL, on_unescaped, &v->any_mark_bare);
    squeeze_init_bare(&v->any_mark_bare, on_bare, &v->unescaped);
    unquote_init(&v->unquote, on_unescaped, &v->unquote_bare);
    squeeze_init_bare(&v->unquote_bare, on_bare, &v->unquoted);
    utf7_init(&v->utf7, on_unescaped, &v->utf7_bare);
    squeeze_init_bare(&v->utf7_bare, on_bare, &v->from_utf7);
    percent_init(&v->percent, PERCENT_MARK_PERCENT, on_without_percent, &v->base64_runs);
    base64_runs_init(&v->base64_runs, on_bare, &v->from_base64);
    token_scan_init(&v->plain, found, arg);
    token_scan_init(&v->unquoted, found, arg);
    token_scan_init(&v->unescaped, found, arg);
    token_scan_init(&v->from_utf7, found, arg);
    token_scan_init(&v->from_base64, found, arg);
    v->has_quote = v->has_mark = v->has_plus = v->has_percent = false;
    v->text_before.len = v->squeezed_before.len = 0;
}

void
views_feed(struct views *v, struct slice text)
{
    sieve_feed(&v->sieve, text);
}

void
views_finish(struct views *v)
{
    sieve_finish(&v->sieve);
}
