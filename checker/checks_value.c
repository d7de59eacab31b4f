/* checks_value - single values of checks.yaml: numbers, spans, words, forms of texts, names. */
#include "checker/checks_load.h"

#include "checker/api.h"
#include "checker/block_name.h"
#include "checker/compose.h"
#include "checker/settings.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/mailbox.h"
#include "lib/network.h"
#include "lib/webhook_url.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_MAX_BYTES = 1000, LONG_MAX_BYTES = 16384, ZONE_MAX_BYTES = 64, FOUND_BYTES = LOG_TEXT_BYTES * 4 + 16 };

/* ---- Names ------------------------------------------------------------------------------------------------------------ */

static int
entry_compare(const void *a, const void *b)
{
    const struct name_entry *x = a, *y = b;
    int                      order = strcmp(x->name, y->name);

    return order != 0 ? order : x->index < y->index ? -1 : x->index > y->index;
}

int
name_index_add(struct name_index *x, unsigned cap, const char *name, unsigned index)
{
    if (x->entries == NULL && (x->entries = calloc(cap, sizeof(*x->entries))) == NULL)
        return MT_ENOMEM;
    x->entries[x->count++] = (struct name_entry){ .name = name, .index = index };
    return MT_OK;
}

int
name_index_sort(struct name_index *x)
{
    if (x->count > 0)
        qsort(x->entries, x->count, sizeof(*x->entries), entry_compare);
    for (unsigned i = 1; i < x->count; i++)
        if (strcmp(x->entries[i].name, x->entries[i - 1].name) == 0)
            return (int)i;
    return -1;
}

int
name_index_find(const struct name_index *x, const char *name)
{
    unsigned low = 0, high = x->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int      order = strcmp(x->entries[middle].name, name);
        if (order == 0)
            return (int)x->entries[middle].index;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

void
name_index_fini(struct name_index *x)
{
    free(x->entries);
    *x = (struct name_index){ .count = 0 };
}

/* ---- Faults ------------------------------------------------------------------------------------------------------------ */

const char *
section_of(char out[SECTION_BYTES], const char *list, unsigned index)
{
    snprintf(out, SECTION_BYTES, "%s[%u]", list, index);
    return out;
}

static void
path_of(struct given g, char *out, size_t size)
{
    int n = snprintf(out, size, "%s%s%s", g.section, g.section[0] != '\0' && g.name[0] != '\0' ? "." : "", g.name);

    if (g.item >= 0 && n > 0 && (size_t)n < size)
        snprintf(out + n, size - (size_t)n, "[%d]", g.item);
}

static void __attribute__((format(printf, 4, 0)))
fail_with(struct loader *l, struct given g, bool found, const char *format, va_list args)
{
    char               path[256], text[700], quoted[FOUND_BYTES] = "nothing";
    const struct node *n;

    if (l->rc != MT_OK)
        return;
    path_of(g, path, sizeof(path));
    vsnprintf(text, sizeof(text), format, args);
    n = outline_find(l->outline, path);
    if (n == NULL)
        n = outline_find(l->outline, g.section);
    if (g.text != NULL)
        snprintf(quoted, sizeof(quoted), "\"%s\"", LOG_TEXT(slice_of(g.text)));
    l->rc = config_fail(l->error, l->outline->file, n == NULL ? 1 : n->line, n == NULL ? 1 : n->column, "%s%s%s%s%s%s", path,
                        path[0] != '\0' ? ": " : "", found ? "found " : "", found ? quoted : "", found ? ", allowed: " : "", text);
}

void
load_fail(struct loader *l, struct given g, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_with(l, g, false, format, args);
    va_end(args);
}

void
load_refuse(struct loader *l, struct given g, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fail_with(l, g, true, format, args);
    va_end(args);
}

void
load_out_of_memory(struct loader *l)
{
    if (l->rc == MT_OK)
        l->rc = MT_ENOMEM;
}

void *
load_array(struct loader *l, size_t count, size_t size)
{
    void *array = calloc(count == 0 ? 1 : count, size);

    if (array == NULL)
        load_out_of_memory(l);
    return array;
}

bool
load_has(const struct loader *l, const char *section, const char *name)
{
    char path[256];

    path_of(GIVEN_NONE(section, name), path, sizeof(path));
    return outline_find(l->outline, path) != NULL;
}

/* ---- Numbers, spans, words ---------------------------------------------------------------------------------------------- */

void
load_bool(struct loader *l, struct given g, bool fallback, bool *out)
{
    *out = g.text == NULL ? fallback : strcmp(g.text, "true") == 0;
    if (g.text != NULL && !*out && strcmp(g.text, "false") != 0)
        load_refuse(l, g, "true or false");
}

void
load_number(struct loader *l, struct given g, uint32_t least, uint32_t most, uint32_t fallback, uint32_t *out)
{
    uint64_t number = fallback;

    if (g.text != NULL && (slice_to_u64(slice_of(g.text), most, &number) != MT_OK || number < least ||
                           (g.text[0] == '0' && g.text[1] != '\0')))
        load_refuse(l, g, "a whole number from %u to %u", least, most);
    *out = (uint32_t)number;
}

/* The largest unit that leaves no rest, as one would write it. */
static const char *
span_text(uint32_t ms, char out[16])
{
    static const struct { uint32_t ms; const char *unit; } units[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "m" }, { 1000, "s" } };

    snprintf(out, 16, ms == 0 ? "0" : "%ums", ms);
    for (size_t i = 0; i < COUNT(units) && ms > 0; i++) {
        if (ms % units[i].ms == 0) {
            snprintf(out, 16, "%u%s", ms / units[i].ms, units[i].unit);
            break;
        }
    }
    return out;
}

void
load_span(struct loader *l, struct given g, uint32_t least_ms, uint32_t most_ms, uint32_t fallback_ms, uint32_t *out)
{
    uint64_t ms = fallback_ms;
    char     least[16], most[16];

    if (g.text != NULL && (duration_parse(slice_of(g.text), most_ms, &ms) != MT_OK || ms < least_ms))
        load_refuse(l, g, "a time span with ms, s, m, h or d, such as 5m, from %s to %s", span_text(least_ms, least), span_text(most_ms, most));
    *out = (uint32_t)ms;
}

void
load_range(struct loader *l, struct given g, const char *fallback, struct range *out)
{
    if (range_parse(slice_of(g.text != NULL ? g.text : fallback), out) != MT_OK)
        load_refuse(l, g, "a range 95, 10:, ~:10, 10:20 or @10:20, in seconds");
}

void
load_word(struct loader *l, struct given g, const char *const *words, unsigned fallback, unsigned *out)
{
    char allowed[300] = "";

    *out = fallback;
    if (g.text == NULL)
        return;
    for (unsigned i = 0; words[i] != NULL; i++) {
        size_t used = strlen(allowed);
        if (strcmp(words[i], g.text) == 0) {
            *out = i;
            return;
        }
        snprintf(allowed + used, sizeof(allowed) - used, "%s%s", used == 0 ? "" : words[i + 1] == NULL ? " or " : ", ", words[i]);
    }
    load_refuse(l, g, "%s", allowed);
}

/* ---- Texts ------------------------------------------------------------------------------------------------------------ */

static bool
is_alnum(char c)
{
    return (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') || (c >= '0' && c <= '9');
}

/* Letters, digits, and the other characters; 1 to max octets. */
static bool
is_of(struct slice s, const char *others, size_t max)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.data[i]) && strchr(others, s.data[i]) == NULL)
            return false;
    return s.len > 0 && s.len <= max;
}

static bool
is_name(struct slice s)
{
    return is_of(s, ".-_/", CHECK_NAME_MAX);
}

static bool
is_line_or_none(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f)
            return false;
    return s.len <= LINE_MAX_BYTES;
}

static bool
is_line(struct slice s)
{
    return s.len > 0 && is_line_or_none(s);
}

static bool
is_long(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.data[i] < 0x20 && s.data[i] != '\n' && s.data[i] != '\t') || s.data[i] == 0x7f)
            return false;
    return s.len > 0 && s.len <= LONG_MAX_BYTES;
}

static bool
is_host(struct slice s)
{
    struct ip_address address;

    return ip_address_parse(s, &address) || (is_of(s, ".-_", ROUTE_HOST_BYTES - 1) && s.data[0] != '.' && s.data[0] != '-');
}

static bool
is_mailbox(struct slice s)
{
    char name[MAILBOX_NAME_MAX + 1];

    return mailbox_name_parse(s, name) == MT_OK;
}

static bool
is_api(struct slice s)
{
    return is_line(s) && api_url_is_fit(s.data);
}

static bool
is_url(struct slice s)
{
    struct webhook_url url;
    const char        *why;

    return webhook_url_parse(s, &url, &why) == MT_OK;
}

/* "192.0.2.1:53", "[2001:db8::1]:53"; without the port where it is free. */
static bool
is_address_port(struct slice s, bool port_wanted)
{
    char              host[ROUTE_HOST_BYTES];
    uint16_t          port = 0;
    struct ip_address address;

    return settings_parse_server(s, host, &port) == MT_OK && ip_address_parse(slice_of(host), &address) && (port > 0 || !port_wanted);
}

static bool
is_listen(struct slice s)
{
    return is_address_port(s, true);
}

static bool
is_dns(struct slice s)
{
    while (s.len > 0) {
        size_t comma = slice_find(s, ',');
        if (!is_address_port(slice_sub(s, 0, comma), false) || comma + 1 == s.len)
            return false;
        s = slice_sub(s, comma + 1, s.len);
    }
    return s.data != NULL;
}

static bool
is_zone(struct slice s)
{
    return is_of(s, "/_-+", ZONE_MAX_BYTES) && s.data[0] != '/';
}

static bool
is_helo(struct slice s)
{
    return is_of(s, "-._[]:", ROUTE_HOST_BYTES - 1);
}

static const struct {
    bool      (*fits)(struct slice s);
    const char *allowed;
} forms[TEXT_FORM_COUNT] = {
    [TEXT_NAME]         = { is_name,         "1 to 100 letters, digits, \".\", \"-\", \"_\" and \"/\"" },
    [TEXT_HOST]         = { is_host,         "the name of a host in ASCII, or an address without brackets" },
    [TEXT_FILE]         = { is_line,         "the name of a file or folder" },
    [TEXT_ADDRESS]      = { compose_address_is_fit, "an address local@domain in ASCII, without blanks, quotes and brackets" },
    [TEXT_MAILBOX]      = { is_mailbox,      "the name of a mailbox of the service, without a domain" },
    [TEXT_API]          = { is_api,          "http://HOST:PORT, https://HOST:PORT or unix:/PATH" },
    [TEXT_URL]          = { is_url,          "http://… or https://…, without a user, a password and a fragment" },
    [TEXT_LISTEN]       = { is_listen,       "\"127.0.0.1:9725\" or \"[::1]:9725\"" },
    [TEXT_DNS]          = { is_dns,          "name servers \"192.0.2.1\", \"192.0.2.1:53\" or \"[2001:db8::1]:53\", separated by commas" },
    [TEXT_ZONE]         = { is_zone,         "a time zone such as \"Europe/Berlin\"" },
    [TEXT_HELO]         = { is_helo,         "the name of a host, or an address in brackets" },
    [TEXT_LINE]         = { is_line,         "a text of one line, of at most 1000 octets" },
    [TEXT_LINE_OR_NONE] = { is_line_or_none, "a text of one line, of at most 1000 octets, or \"\"" },
    [TEXT_LONG]         = { is_long,         "a text of at most 16384 octets without control characters" },
    [TEXT_CODE]         = { block_pattern_is_fit, "an answer \"127.0.0.2\", or several: \"127.0.0.4-7\", \"127.0.0.*\", \"127.0.0.&8\" (with bit 8)" },
};

void
load_text(struct loader *l, struct given g, enum text_form form, const char *fallback, const char **out)
{
    *out = g.text == NULL ? fallback : g.text;
    if (g.text == NULL)
        return;
    if (!forms[form].fits(slice_of(g.text)))
        load_refuse(l, g, "%s", forms[form].allowed);
    if (form == TEXT_MAILBOX)
        for (char *p = g.text; *p != '\0'; p++)
            *p = ascii_lower(*p);
}

/* ---- Names of others ---------------------------------------------------------------------------------------------------- */

int
load_name(struct loader *l, struct given g, const struct name_index *known, const char *what)
{
    int place = name_index_find(known, g.text);

    for (unsigned i = 0; place == -1 && i < known->count; i++)
        if (outline_names_are_near(slice_of(known->entries[i].name), slice_of(g.text)))
            load_refuse(l, g, "the name of a %s of this file; did you mean \"%s\"?", what, known->entries[i].name);
    if (place == -1)
        load_refuse(l, g, "the name of a %s of this file", what);
    return place;
}

void
load_names(struct loader *l, const char *section, const char *name, const struct strings *given, const struct name_index *known,
           const char *what, unsigned max, unsigned *out, unsigned *count)
{
    *count = 0;
    if (given->count > max) {
        load_fail(l, GIVEN_NONE(section, name), "found a list of %u items, allowed: at most %u", given->count, max);
        return;
    }
    for (unsigned i = 0; i < given->count && l->rc == MT_OK; i++) {
        struct given g = { .section = section, .name = name, .item = (int)i, .text = given->items[i] };
        int          place = load_name(l, g, known, what);
        for (unsigned j = 0; j < *count; j++)
            if ((int)out[j] == place)
                load_fail(l, g, "found \"%s\" a second time, allowed: once", LOG_TEXT(slice_of(g.text)));
        if (place >= 0)
            out[(*count)++] = (unsigned)place;
    }
}
