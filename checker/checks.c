#include "checker/checks.h"

#include "checker/checks_load.h"
#include "lib/error.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LISTS_MAX = 1000, CODES_MAX = 1000, UNDER_WAY_MAX = 1000000, UNDER_WAY = 5000, GROUP_MS = 30000, GROUP_MAX_MS = 3600000 };
#define ZONE_FOLDER "/usr/share/zoneinfo/"

/* What struct checks points into. */
struct checks_memory {
    struct raw_top    *raw;
    struct raw_lists  *lists;       /* of blocklists_file */
    char              *lists_file;
    struct name_index  names;
    char               machine_name[256];
};

/* ---- Settings of the top ------------------------------------------------------------------------------------------------ */

static void
load_top(struct loader *l)
{
    static const struct raw_api none = { .url = NULL };
    struct checks              *c = l->out;
    const struct raw_top       *raw = l->raw;
    const struct raw_api       *api = raw->api != NULL ? raw->api : &none;
    char                        zone[sizeof(ZONE_FOLDER) + 64];

    load_text(l, GIVEN("api", api, url), TEXT_API, NULL, &c->api_url);
    load_text(l, GIVEN("api", api, key_file), TEXT_FILE, NULL, &c->api_key_file);
    load_text(l, GIVEN("api", api, ca_file), TEXT_FILE, NULL, &c->api_ca_file);
    load_bool(l, GIVEN("api", api, insecure), false, &c->api_insecure);
    if (raw->api != NULL && (api->url == NULL || api->key_file == NULL))
        load_fail(l, GIVEN_NONE("api", ""), "found without %s, allowed: url and key_file", api->url == NULL ? "url" : "key_file");
    load_text(l, GIVEN("", raw, state_dir), TEXT_FILE, "/var/lib/mailtest-check", &c->state_dir);
    load_text(l, GIVEN("", raw, metrics_listen), TEXT_LISTEN, NULL, &c->metrics_listen);
    load_text(l, GIVEN("", raw, results_file), TEXT_FILE, NULL, &c->results_file);
    load_text(l, GIVEN("", raw, dns), TEXT_DNS, NULL, &c->dns);
    load_text(l, GIVEN("", raw, quiet_zone), TEXT_ZONE, NULL, &c->quiet_zone);
    load_text(l, GIVEN("", raw, blocklists_file), TEXT_FILE, NULL, &c->blocklists_file);
    load_span(l, GIVEN("", raw, group), 0, GROUP_MAX_MS, GROUP_MS, &c->group_ms);
    load_number(l, GIVEN("", raw, under_way_max), 1, UNDER_WAY_MAX, UNDER_WAY, &c->under_way_max);
    snprintf(zone, sizeof(zone), "%s%s", ZONE_FOLDER, c->quiet_zone != NULL ? c->quiet_zone : "");
    if (c->quiet_zone != NULL && access(zone, R_OK) != 0)
        load_refuse(l, GIVEN("", raw, quiet_zone), "a time zone of this machine, such as \"Europe/Berlin\" (the package tzdata has them)");
}

/* ---- Block lists ---------------------------------------------------------------------------------------------------------- */

static void
load_codes(struct loader *l, const char *at, const struct raw_blocklist *raw, unsigned index)
{
    unsigned count = raw->codes.count;

    if (count > CODES_MAX)
        load_fail(l, GIVEN_NONE(at, "codes"), "found a list of %u items, allowed: at most %u", count, CODES_MAX);
    l->out->lists[index].codes = load_array(l, count, sizeof(*l->out->lists[index].codes));
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++) {
        const struct raw_code *code = &raw->codes.items[i];
        char                   section[2 * SECTION_BYTES];
        snprintf(section, sizeof(section), "%s.codes[%u]", at, i);
        if (code->answer == NULL)
            load_fail(l, GIVEN_NONE(section, ""), "found without answer, allowed: the address that the list answers with");
        load_text(l, GIVEN(section, code, answer), TEXT_CODE, NULL, &l->out->lists[index].codes[i].answer);
        load_text(l, GIVEN(section, code, meaning), TEXT_LINE, "", &l->out->lists[index].codes[i].meaning);
        load_bool(l, GIVEN(section, code, ignored), false, &l->out->lists[index].codes[i].ignored);
        l->out->lists[index].codes_count = i + 1;
    }
}

static void
load_one_list(struct loader *l, const struct raw_blocklist *raw, unsigned place, unsigned index)
{
    char at[SECTION_BYTES];
    bool addresses, domains, ipv6;

    section_of(at, "lists", place);
    if (raw->name == NULL)
        load_fail(l, GIVEN_NONE(at, ""), "found without name, allowed: the domain of the list, such as \"bl.example.org\"");
    load_text(l, GIVEN(at, raw, name), TEXT_HOST, NULL, &l->out->lists[index].name);
    load_bool(l, GIVEN(at, raw, domains), false, &domains);
    load_bool(l, GIVEN(at, raw, addresses), !domains, &addresses);
    load_bool(l, GIVEN(at, raw, ipv6), false, &ipv6);
    load_text(l, GIVEN(at, raw, listed), TEXT_HOST, NULL, &l->out->lists[index].listed);
    load_text(l, GIVEN(at, raw, unlisted), TEXT_HOST, NULL, &l->out->lists[index].unlisted);
    l->out->lists[index].domains = domains;
    l->out->lists[index].addresses = addresses;
    l->out->lists[index].ipv6 = ipv6;
    for (unsigned i = 0; i < index && l->rc == MT_OK; i++)
        if (strcmp(l->out->lists[i].name, l->out->lists[index].name) == 0)
            load_refuse(l, GIVEN(at, raw, name), "each list once, in the file of block lists and here together");
    if (!addresses && !domains)
        load_fail(l, GIVEN_NONE(at, ""), "found neither addresses nor domains, allowed: one of them, or both");
    if (ipv6 && !addresses)
        load_refuse(l, GIVEN(at, raw, ipv6), "with addresses: true");
    load_codes(l, at, raw, index);
}

void
load_lists(struct loader *l, struct raw_blocklist *lists, unsigned count)
{
    unsigned had = l->out->lists_count;
    void    *grown;

    if (had + count > LISTS_MAX)
        load_fail(l, GIVEN_NONE("", "lists"), "found %u block lists, allowed: at most %u", had + count, (unsigned)LISTS_MAX);
    if (l->rc != MT_OK)
        return;
    grown = reallocarray(l->out->lists, had + count + 1, sizeof(*l->out->lists));
    if (grown == NULL) {
        load_out_of_memory(l);
        return;
    }
    l->out->lists = grown;
    memset(l->out->lists + had, 0, (count + 1) * sizeof(*l->out->lists));
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++) {
        l->out->lists_count = had + i + 1;
        load_one_list(l, &lists[i], i, had + i);
    }
}

/* A check of block lists needs some. */
static int
check_lists(const struct checks *c, const char *file, struct config_error *error)
{
    for (unsigned i = 0; c->lists_count == 0 && i < c->checks_count; i++)
        if (c->checks[i].kind == CHECK_BLACKLIST)
            return config_fail(error, file, c->checks[i].line, 1, "checks[%u]: found with kind: blacklist without lists, allowed: blocklists_file, or lists", i);
    return MT_OK;
}

/* ---- Parsing ---------------------------------------------------------------------------------------------------------------- */

static void
load_all(struct loader *l)
{
    load_top(l);
    load_servers(l);
    load_ways(l);
    load_contacts(l);
    load_lists(l, l->raw->lists.items, l->raw->lists.count);
    load_checks(l);
}

static int
fail_memory(const char *file, struct config_error *error)
{
    snprintf(error->text, sizeof(error->text), "%s: %s", file, mt_strerror(MT_ENOMEM));
    return MT_ENOMEM;
}

static struct checks *
checks_new(void)
{
    struct checks        *c = calloc(1, sizeof(*c));
    struct checks_memory *m = calloc(1, sizeof(*m));

    if (c == NULL || m == NULL) {
        free(c);
        free(m);
        return NULL;
    }
    if (gethostname(m->machine_name, sizeof(m->machine_name) - 1) != 0 || m->machine_name[0] == '\0')
        snprintf(m->machine_name, sizeof(m->machine_name), "localhost");
    c->machine_name = m->machine_name;
    c->memory = m;
    return c;
}

int
checks_parse(struct slice text, const char *file, struct checks **out, struct config_error *error)
{
    struct outline        outline = { 0 };
    struct checks        *c = checks_new();
    struct checks_memory *m = c == NULL ? NULL : c->memory;
    struct loader         l = { .outline = &outline, .error = error, .out = c };

    if (m == NULL)
        return fail_memory(file, error);
    if (text.len > CHECKS_MAX_BYTES)
        l.rc = config_fail(error, file, 1, 1, "found %zu octets, allowed: at most %u", text.len, CHECKS_MAX_BYTES);
    else if ((l.rc = raw_top_read(text, file, &outline, &m->raw, error)) == MT_OK) {
        l.raw = m->raw;
        load_all(&l);
    }
    outline_fini(&outline);
    name_index_fini(&l.servers);
    name_index_fini(&l.ways);
    name_index_fini(&l.contacts);
    m->names = l.checks;
    if (l.rc == MT_OK && c->blocklists_file == NULL)
        l.rc = check_lists(c, file, error);
    if (l.rc != MT_OK) {
        checks_free(c);
        return l.rc == MT_ENOMEM ? fail_memory(file, error) : l.rc;
    }
    *out = c;
    return MT_OK;
}

/* A name that does not begin with "/" starts at the folder of the file that has it. */
static char *
path_beside(const char *file, const char *name)
{
    const char *slash = strrchr(file, '/');
    char       *path = NULL;

    if (name[0] == '/' || slash == NULL)
        return strdup(name);
    return asprintf(&path, "%.*s/%s", (int)(slash - file), file, name) < 0 ? NULL : path;
}

static int
read_lists(struct checks *c, const char *file, struct config_error *error)
{
    struct checks_memory *m = c->memory;
    struct outline        outline = { 0 };
    struct loader         l = { .outline = &outline, .error = error, .out = c };
    struct buf            text;

    m->lists_file = path_beside(file, c->blocklists_file);
    if (m->lists_file == NULL)
        return fail_memory(file, error);
    buf_init(&text, CONFIG_MAX_BYTES);
    l.rc = config_read_text(m->lists_file, &text, error);
    if (l.rc == MT_OK && (l.rc = raw_lists_read(buf_slice(&text), m->lists_file, &outline, &m->lists, error)) == MT_OK)
        load_lists(&l, m->lists->lists.items, m->lists->lists.count);
    outline_fini(&outline);
    buf_fini(&text);
    return l.rc == MT_OK ? check_lists(c, file, error) : l.rc == MT_ENOMEM ? fail_memory(file, error) : l.rc;
}

int
checks_read_file(const char *file, struct checks **out, struct config_error *error)
{
    struct buf     text;
    struct checks *c = NULL;
    int            rc;

    buf_init(&text, CHECKS_MAX_BYTES);
    rc = config_read_text(file, &text, error);
    if (rc == MT_OK)
        rc = checks_parse(buf_slice(&text), file, &c, error);
    buf_fini(&text);
    assert(rc != MT_OK || c != NULL);
    if (rc == MT_OK && c->blocklists_file != NULL)
        rc = read_lists(c, file, error);
    if (rc != MT_OK) {
        checks_free(c);
        return rc;
    }
    *out = c;
    return MT_OK;
}

void
checks_free(struct checks *c)
{
    struct checks_memory *m;

    if (c == NULL)
        return;
    m = c->memory;
    for (unsigned i = 0; i < c->lists_count; i++)
        free(c->lists[i].codes);
    free(c->lists);
    free(c->servers);
    free(c->ways);
    free(c->contacts);
    free(c->checks);
    raw_top_free(m->raw);
    raw_lists_free(m->lists);
    free(m->lists_file);
    name_index_fini(&m->names);
    free(m);
    free(c);
}

int
checks_find(const struct checks *c, const char *name)
{
    const struct checks_memory *m = c->memory;

    return name_index_find(&m->names, name);
}
