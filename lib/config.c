#include "lib/config.h"

#include "lib/config_settings.h"
#include "lib/error.h"
#include "lib/log.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

const char config_default_file[] = MAILTEST_CONFIG;

/* ---- libcyaml's schema, from the lines of config_settings.h ---------------------------------------------------- */

#define SECTION(section) __typeof__(((struct config *)NULL)->section)
#define FIELD_NUMBER(section, name, lo, hi, init) CYAML_FIELD_UINT(#name, CYAML_FLAG_OPTIONAL, SECTION(section), name),
#define FIELD_BOOLEAN(section, name, init) CYAML_FIELD_BOOL(#name, CYAML_FLAG_OPTIONAL, SECTION(section), name),
#define FIELD_TEXT(section, name, form, init) \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, SECTION(section), name, 0, CYAML_UNLIMITED),
#define FIELD_LIST(section, name, form, lo, hi) \
    CYAML_FIELD_SEQUENCE_COUNT(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, SECTION(section), name.items, name.count, \
                               (form) == FORM_CERTIFICATE ? &certificate_schema : &item_schema, lo, hi),
#define FIELD_LEVEL(section, name, init) \
    CYAML_FIELD_ENUM(#name, CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, SECTION(section), name, level_names, COUNT(level_names)),
#define TOP_TEXT(name, form, init) \
    CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct config, name, 0, CYAML_UNLIMITED),
#define TOP_LIST(name, form, lo, hi) \
    CYAML_FIELD_SEQUENCE_COUNT(#name, CYAML_FLAG_POINTER, struct config, name.items, name.count, &item_schema, lo, hi),

#define SECTION_FIELDS(section, SETTINGS_OF_SECTION) \
    static const cyaml_schema_field_t section##_fields[] = { \
        SETTINGS_OF_SECTION(FIELD_NUMBER, FIELD_BOOLEAN, FIELD_TEXT, FIELD_LIST, FIELD_LEVEL) CYAML_FIELD_END \
    };
#define TOP_SECTION(section) CYAML_FIELD_MAPPING(#section, CYAML_FLAG_OPTIONAL, struct config, section, section##_fields)

static const cyaml_strval_t level_names[] = {
    { "error", LOG_LEVEL_ERROR }, { "warning", LOG_LEVEL_WARNING }, { "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG },
};
static const cyaml_schema_field_t certificate_fields[] = {
    CYAML_FIELD_STRING_PTR("certificate", CYAML_FLAG_POINTER, struct certificate_files, certificate, 0, CYAML_UNLIMITED),
    CYAML_FIELD_STRING_PTR("key", CYAML_FLAG_POINTER, struct certificate_files, key, 0, CYAML_UNLIMITED),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t certificate_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct certificate_files, certificate_fields)
};
static const cyaml_schema_value_t item_schema = { CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED) };

SECTION_FIELDS(listen, SETTINGS_LISTEN)
SECTION_FIELDS(processes, SETTINGS_PROCESSES)
SECTION_FIELDS(tls, SETTINGS_TLS)
SECTION_FIELDS(smtp, SETTINGS_SMTP)
SECTION_FIELDS(store, SETTINGS_STORE)
SECTION_FIELDS(retention, SETTINGS_RETENTION)
SECTION_FIELDS(quota, SETTINGS_QUOTA)
SECTION_FIELDS(http, SETTINGS_HTTP)
SECTION_FIELDS(access, SETTINGS_ACCESS)
SECTION_FIELDS(webhook, SETTINGS_WEBHOOK)
SECTION_FIELDS(limits, SETTINGS_LIMITS)
SECTION_FIELDS(proxy, SETTINGS_PROXY)
SECTION_FIELDS(log, SETTINGS_LOG)

static const cyaml_schema_field_t top_fields[] = {
    SETTINGS_TOP(TOP_TEXT, TOP_LIST)
    TOP_SECTION(listen), TOP_SECTION(processes), TOP_SECTION(tls),   TOP_SECTION(smtp), TOP_SECTION(store),
    TOP_SECTION(retention), TOP_SECTION(quota),  TOP_SECTION(http), TOP_SECTION(access),
    TOP_SECTION(webhook),   TOP_SECTION(limits), TOP_SECTION(proxy),
    TOP_SECTION(log),       CYAML_FIELD_END,
};
static const cyaml_schema_value_t top_schema = { CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct config, top_fields) };

static const cyaml_config_t cyaml = { .mem_fn = cyaml_mem, .flags = CYAML_CFG_NO_ALIAS };

/* ---- Defaults ------------------------------------------------------------------------------------------------- */

static void
set_number(void *member, size_t size, uint64_t value)
{
    if (size == sizeof(uint64_t))
        *(uint64_t *)member = value;
    else
        *(uint32_t *)member = (uint32_t)value;
}

static int
set_defaults(struct config *c, const struct outline *o)
{
    for (unsigned i = 0; i < setting_count; i++) {
        const struct setting *s = &settings[i];
        void                 *member = (char *)c + s->offset;
        if (outline_find(o, s->path) != NULL)
            continue;
        switch (s->kind) {
        case SETTING_NUMBER:
            set_number(member, s->size, s->initial);
            break;
        case SETTING_BOOLEAN:
            *(bool *)member = s->initial != 0;
            break;
        case SETTING_LEVEL:
            level_parse(s->text, member);
            break;
        case SETTING_TEXT:
            if ((*(char **)member = strdup(s->text)) == NULL)
                return MT_ENOMEM;
            break;
        case SETTING_LIST:
            break;
        }
    }
    return MT_OK;
}

static char *
machine_name(void)
{
    char name[256];

    if (gethostname(name, sizeof(name)) != 0)
        name[0] = '\0';
    name[sizeof(name) - 1] = '\0';
    return strdup(name[0] != '\0' ? name : "localhost");
}

/* *text becomes made where it is empty. */
static int
set_if_empty(char **text, char *made)
{
    if (made == NULL)
        return MT_ENOMEM;
    if ((*text)[0] != '\0') {
        free(made);
        return MT_OK;
    }
    free(*text);
    *text = made;
    return MT_OK;
}

static void
lower_case(char *text)
{
    for (; *text != '\0'; text++)
        *text = ascii_lower(*text);
}

/* Who is on this machine; an empty list in the file stays one. */
static int
set_trusted(struct config *c, const struct outline *o)
{
    static const char *const loopback[] = { "127.0.0.0/8", "::1" };
    struct strings          *trusted = &c->limits.trusted;

    if (outline_find(o, "limits.trusted") != NULL)
        return MT_OK;
    if ((trusted->items = calloc(COUNT(loopback), sizeof(char *))) == NULL)
        return MT_ENOMEM;
    for (unsigned i = 0; i < COUNT(loopback); i++, trusted->count++)
        if ((trusted->items[i] = strdup(loopback[i])) == NULL)
            return MT_ENOMEM;
    return MT_OK;
}

/* Defaults that are made of other settings or of the machine. */
static int
set_derived(struct config *c, const struct outline *o, struct config_error *error)
{
    const struct node *state_dir = outline_find(o, "state_dir");
    int                rc;

    if ((rc = set_if_empty(&c->hostname, machine_name())) != MT_OK ||
        (rc = set_if_empty(&c->control_socket, config_state_path(c, "control.sock"))) != MT_OK ||
        (rc = set_if_empty(&c->tls.certificate, config_state_path(c, "tls/certificate.pem"))) != MT_OK ||
        (rc = set_trusted(c, o)) != MT_OK ||
        (rc = set_if_empty(&c->tls.key, config_state_path(c, "tls/key.pem"))) != MT_OK)
        return rc;
    if ((c->control_listen.items = calloc(1, sizeof(char *))) == NULL ||
        asprintf(&c->control_listen.items[0], "unix:%s", c->control_socket) < 0)
        return MT_ENOMEM;
    c->control_listen.count = 1;
    lower_case(c->hostname);
    for (unsigned i = 0; i < c->domains.count; i++)
        lower_case(c->domains.items[i]);
    if (strlen(c->control_socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path) && state_dir != NULL)
        return config_fail(error, o->file, state_dir->line, state_dir->column,
                           "state_dir: found a name of %zu octets, allowed: at most 94, or a control_socket elsewhere",
                           strlen(c->state_dir));
    return MT_OK;
}

/* ---- Reading -------------------------------------------------------------------------------------------------- */

static int
load(struct slice text, const struct outline *o, struct config **out, struct config_error *error)
{
    cyaml_data_t *data = NULL;
    cyaml_err_t   err = cyaml_load_data((const uint8_t *)text.data, text.len, &cyaml, &top_schema, &data, NULL);
    int           rc;

    if (err == CYAML_ERR_OOM)
        return MT_ENOMEM;
    if (err != CYAML_OK || data == NULL)        /* the outline was checked: this would be a difference between it and the schema */
        return config_fail(error, o->file, 1, 1, "found what the schema does not allow: %s", cyaml_strerror(err));
    if ((rc = set_defaults(data, o)) != MT_OK || (rc = set_derived(data, o, error)) != MT_OK) {
        config_free(data);
        return rc;
    }
    *out = data;
    return MT_OK;
}

static int
fail_file(const char *file, const char *what, int err, struct config_error *error)
{
    int rc = mt_from_errno(err);

    snprintf(error->text, sizeof(error->text), "%s: cannot %s the configuration: %s", file, what, strerror(err));
    return rc == MT_ENOTFOUND || rc == MT_EDENIED || rc == MT_ENOMEM ? rc : MT_EIO;
}

int
config_parse(struct slice text, const char *file, struct config **out, struct config_error *error)
{
    static const struct outline_limits limits = { .depth = 4, .nodes = 4000 };    /* document, section, list, item */
    struct outline                     o = { 0 };
    int                                rc;

    if (text.len > CONFIG_MAX_BYTES)
        return config_fail(error, file, 1, 1, "found %zu octets, allowed: at most %u", text.len, CONFIG_MAX_BYTES);
    if ((rc = outline_read(&o, text, file, limits, error)) == MT_OK && (rc = outline_check(&o, error)) == MT_OK)
        rc = load(text, &o, out, error);
    outline_fini(&o);
    if (rc == MT_ENOMEM)
        fail_file(file, "hold", ENOMEM, error);
    return rc;
}

int
config_parse_fd(int fd, struct config **out, struct config_error *error)
{
    struct stat st;
    void       *text;
    int         rc;

    if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > CONFIG_MAX_BYTES ||
        (text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED) {
        snprintf(error->text, sizeof(error->text), "the supervisor handed over no configuration");
        return MT_EINVALID;
    }
    rc = config_parse(slice_make(text, (size_t)st.st_size), "configuration", out, error);
    munmap(text, (size_t)st.st_size);
    return rc;
}

int
config_read_text(const char *file, struct buf *out, struct config_error *error)
{
    int     fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;
    int     err = 0;

    if (fd < 0)
        return fail_file(file, "open", errno, error);
    while (n > 0) {
        char *room = buf_reserve(out, 4096);
        if (room == NULL)
            break;
        n = read(fd, room, 4096);
        if (n > 0)
            buf_added(out, (size_t)n);
        else if (n < 0)
            err = errno;
    }
    close(fd);
    if (out->fault == MT_ENOMEM || err != 0)
        return fail_file(file, "read", err != 0 ? err : ENOMEM, error);
    if (out->fault != MT_OK)
        return config_fail(error, file, 1, 1, "found more than %zu octets, allowed: a configuration of at most these", out->limit);
    return MT_OK;
}

int
config_read_file(const char *file, struct config **out, struct config_error *error)
{
    struct buf text;
    int        rc;

    buf_init(&text, CONFIG_MAX_BYTES);
    rc = config_read_text(file, &text, error);
    if (rc == MT_OK)
        rc = config_parse(buf_slice(&text), file, out, error);
    buf_fini(&text);
    return rc;
}

void
config_free(struct config *c)
{
    if (c == NULL)
        return;
    if (c->control_listen.count > 0)
        free(c->control_listen.items[0]);
    free(c->control_listen.items);
    cyaml_free(&cyaml, &top_schema, c, 0);
}

/* ---- Looking ---------------------------------------------------------------------------------------------------- */

struct strings
config_listen(const struct config *c, enum listener kind)
{
    switch (kind) {
    case LISTEN_SMTP:
        return c->listen.smtp;
    case LISTEN_LMTP:
        return c->listen.lmtp;
    case LISTEN_IMAP:
        return c->listen.imap;
    case LISTEN_IMAPS:
        return c->listen.imaps;
    case LISTEN_POP3:
        return c->listen.pop3;
    case LISTEN_POP3S:
        return c->listen.pop3s;
    case LISTEN_HTTP:
        return c->listen.http;
    case LISTEN_CONTROL:
        return c->control_listen;
    default:
        return (struct strings){ 0 };
    }
}

bool
config_has_domain(const struct config *c, struct slice domain)
{
    for (unsigned i = 0; i < c->domains.count; i++)
        if (slice_equal_nocase(slice_of(c->domains.items[i]), domain))
            return true;
    return false;
}

char *
config_state_path(const struct config *c, const char *name)
{
    char *path;

    return asprintf(&path, "%s/%s", c->state_dir, name) < 0 ? NULL : path;
}
