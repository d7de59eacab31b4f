#include "meaning/claims.h"

#include "lib/error.h"
#include "lib/fact.h"

#include <stdlib.h>

void
claims_clear(struct claims *c)
{
    c->authentication_count = c->arc_count = c->spf_count = 0;
}

/* ---- Texts ------------------------------------------------------------------------------------------------------ */

static void
add_char(struct claim *to, char c)
{
    bool glued = to->len == 0 || to->text[to->len - 1] == ' ';

    /* Runs of blanks become one, and none stands before a semicolon. */
    if (c == ' ' && glued)
        return;
    if (c == ';' && to->len > 0 && glued)
        to->len--;
    if (to->len < CLAIM_TEXT_BYTES)
        to->text[to->len++] = c;
}

static void
add_text(struct claim *to, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        add_char(to, text.data[i] == '\t' || text.data[i] == '\r' || text.data[i] == '\n' ? ' ' : text.data[i]);
}

static struct slice
claim_text(const struct claim *c)
{
    return slice_trim(slice_make(c->text, c->len));
}

/* The value without comments (RFC 5322 section 3.2.2: they nest, and a quoted string is none). */
static void
add_without_comments(struct claim *to, struct slice value)
{
    unsigned depth = 0;
    bool     quoted = false;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];

        if (c == '\\' && i + 1 < value.len && (depth > 0 || quoted))
            i++;
        else if (!quoted && c == '(')
            depth++;
        else if (!quoted && c == ')' && depth > 0)
            depth--;
        else if (depth == 0) {
            quoted = c == '"' ? !quoted : quoted;
            add_text(to, slice_make(&c, 1));
        }
    }
}

/* The value of "name=" at the beginning of text or behind a blank or semicolon, up to the next of these; or empty. */
static struct slice
tag_of(struct slice text, const char *name)
{
    size_t len = strlen(name);

    for (size_t at = 0; at + len < text.len; at++) {
        bool   begins = at == 0 || strchr(" ;\t\r\n", text.data[at - 1]) != NULL;
        size_t end = at + len + 1;

        if (!begins || text.data[at + len] != '=' || !slice_equal_nocase(slice_sub(text, at, len), slice_make(name, len)))
            continue;
        while (end < text.len && strchr(" ;\t\r\n", text.data[end]) == NULL)
            end++;
        return slice_trim(slice_sub(text, at + len + 1, end - at - len - 1));
    }
    return slice_make("", 0);
}

/* ---- Fields ----------------------------------------------------------------------------------------------------- */

static void
add_authentication(struct claims *c, struct slice value)
{
    struct claim *to;

    if (c->authentication_count == CLAIMS_MAX)
        return;
    to = &c->authentication[c->authentication_count++];
    to->len = 0;
    add_without_comments(to, value);
}

/* The host that checked stands in receiver=, or begins the comment: "pass (mx.example: domain of …)". */
static struct slice
spf_host(struct slice value)
{
    struct slice host = tag_of(value, "receiver"), comment;
    size_t       colon;

    if (host.len > 0)
        return host;
    comment = slice_sub(value, slice_find(value, '(') + 1, value.len);
    colon = slice_find(comment, ':');
    if (colon == comment.len || slice_find(slice_sub(comment, 0, colon), ' ') < colon || slice_find(comment, ')') < colon)
        return slice_make("", 0);
    return slice_sub(comment, 0, colon);
}

static void
add_spf(struct claims *c, struct slice value)
{
    static const char *const tags[] = { "client-ip", "envelope-from", "helo", "identity" };
    size_t                   len = 0;
    struct slice             host;
    struct claim            *to;

    if (c->spf_count == CLAIMS_MAX)
        return;
    to = &c->spf[c->spf_count++];
    to->len = 0;
    host = spf_host(value);
    if (host.len > 0) {
        add_text(to, host);
        add_text(to, slice_of("; "));
    }
    while (len < value.len && strchr(" (;\t\r\n", value.data[len]) == NULL)
        len++;
    add_text(to, slice_sub(value, 0, len));
    for (size_t i = 0; i < COUNT(tags); i++) {
        struct slice tag = tag_of(value, tags[i]);

        if (tag.len == 0)
            continue;
        add_text(to, slice_of("; "));
        add_text(to, slice_of(tags[i]));
        add_text(to, slice_of("="));
        add_text(to, tag);
    }
}

/* The set that a field belongs to, made where it is new. NULL: no instance that can be read, or no room. */
static struct arc_set *
set_of(struct claims *c, struct slice value)
{
    enum { INSTANCE_MAX = 50 };     /* RFC 8617 section 4.2.1 */
    uint64_t        instance;
    struct arc_set *set;

    if (slice_to_u64(tag_of(value, "i"), INSTANCE_MAX, &instance) != MT_OK)
        return NULL;
    for (unsigned i = 0; i < c->arc_count; i++)
        if (c->arc[i].instance == instance)
            return &c->arc[i];
    if (c->arc_count == CLAIMS_MAX)
        return NULL;
    set = &c->arc[c->arc_count++];
    set->instance = (unsigned)instance;
    set->cv[0] = set->sealer[0] = '\0';
    set->results.len = 0;
    return set;
}

static void
add_arc_seal(struct claims *c, struct slice value)
{
    struct arc_set *set = set_of(c, value);

    if (set == NULL)
        return;
    slice_copy(set->cv, sizeof(set->cv), tag_of(value, "cv"));
    slice_copy(set->sealer, sizeof(set->sealer), tag_of(value, "d"));
}

static void
add_arc_results(struct claims *c, struct slice value)
{
    struct arc_set *set = set_of(c, value);

    if (set == NULL || set->results.len > 0)
        return;
    add_without_comments(&set->results, slice_sub(value, slice_find(value, ';') + 1, value.len));
}

void
claims_add(struct claims *c, const struct header_field *f)
{
    static const struct {
        const char *name;
        void      (*add)(struct claims *c, struct slice value);
    } fields[] = {
        { "Authentication-Results",     add_authentication },
        { "ARC-Authentication-Results", add_arc_results    },
        { "ARC-Seal",                   add_arc_seal       },
        { "Received-SPF",               add_spf            },
    };

    if (!f->first)
        return;
    for (size_t i = 0; i < COUNT(fields); i++)
        if (slice_equal_nocase(f->name, slice_of(fields[i].name)))
            fields[i].add(c, slice_trim(f->value));
}

/* ---- Facts ------------------------------------------------------------------------------------------------------ */

/* "i=2; mx.example; cv=pass; spf=fail": what the seal says stands behind the host's name. */
static void
write_arc(const struct arc_set *set, struct buf *facts)
{
    struct slice results = claim_text(&set->results);
    size_t       host_len = slice_find(results, ';');
    struct slice host = slice_sub(results, 0, host_len), rest = slice_sub(results, host_len, results.len);
    struct buf   text;

    if (slice_find(host, '=') < host.len || host.len == 0) {
        rest = results;
        host = slice_of(set->sealer);
    }
    buf_init(&text, FACT_TEXT_BYTES);
    buf_printf(&text, "i=%u", set->instance);
    if (host.len > 0)
        buf_printf(&text, "; %.*s", (int)host.len, host.data);
    if (set->cv[0] != '\0')
        buf_printf(&text, "; cv=%s", set->cv);
    if (rest.len > 0)
        buf_printf(&text, "%s%.*s", rest.data[0] == ';' ? "" : "; ", (int)rest.len, rest.data);
    fact_add(facts, FACT_ARC, buf_slice(&text));
    buf_fini(&text);
}

void
claims_write(const struct claims *c, struct buf *facts)
{
    unsigned below = UINT32_MAX;

    for (unsigned i = 0; i < c->authentication_count; i++)
        fact_add(facts, FACT_AUTHENTICATION, claim_text(&c->authentication[i]));
    for (unsigned i = 0; i < c->spf_count; i++)
        fact_add(facts, FACT_SPF, claim_text(&c->spf[i]));
    for (unsigned written = 0; written < c->arc_count; written++) {
        const struct arc_set *newest = NULL;

        for (unsigned i = 0; i < c->arc_count; i++)
            if (c->arc[i].instance < below && (newest == NULL || c->arc[i].instance > newest->instance))
                newest = &c->arc[i];
        if (newest == NULL)
            return;
        write_arc(newest, facts);
        below = newest->instance;
    }
}
