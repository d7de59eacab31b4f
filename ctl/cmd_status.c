/* The command status: store's numbers, and the certificates of the configuration as their files are now. */

#include "ctl/command.h"
#include "lib/error.h"
#include "lib/tls.h"

#include <time.h>

enum { NAME_MAX_BYTES = 64, HOST_MAX_BYTES = 256, SECONDS_OF_A_DAY = 86400 };

/* ---- Certificates ---- */

static const char *
state_of(const struct config *config, int64_t expires_unix)
{
    int64_t left_s = expires_unix - (int64_t)time(NULL);

    if (left_s <= 0)
        return "EXPIRED";
    return left_s < (int64_t)config->tls.expiry_warning_days * SECONDS_OF_A_DAY ? "EXPIRES SOON" : "valid";
}

static void
add_certificate(const struct config *config, json_t *to, const char *file)
{
    char    name[HOST_MAX_BYTES] = "";
    int64_t expires_unix = 0;
    bool    readable = tls_certificate_read(file, name, sizeof(name), &expires_unix) == MT_OK;

    json_array_append_new(to, json_pack("{s:o,s:o,s:s,s:o}", "name", readable ? output_string(slice_of(name)) : json_null(), "expires",
                                        readable ? output_time_unix((uint64_t)expires_unix) : json_null(), "state",
                                        readable ? state_of(config, expires_unix) : "not readable", "file", output_string(slice_of(file))));
}

static json_t *
certificates_of(const struct config *config)
{
    json_t *all = json_array();

    add_certificate(config, all, config->tls.certificate);
    for (unsigned i = 0; i < config->tls.certificates.count; i++)
        add_certificate(config, all, config->tls.certificates.items[i].certificate);
    return all;
}

/* ---- Store's numbers ---- */

static int
read_row(void *arg, struct reader *r)
{
    char     name[NAME_MAX_BYTES + 1];
    uint64_t value;

    read_string(r, name, sizeof(name));
    read_u64(r, &value);
    if (read_ok(r))
        json_object_set_new(arg, name, json_integer((json_int_t)value));
    return MT_OK;
}

/* What a number means is in its name's end, as in the metrics. */
static enum format
format_of(const char *name)
{
    return slice_ends_nocase(slice_of(name), "bytes") ? AS_BYTES : AS_TEXT;
}

static void
show_status(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "CERTIFICATE", "name", AS_SHORT },
        { "EXPIRES", "expires", AS_TIME },
        { "STATE", "state", AS_TEXT },
        { "FILE", "file", AS_TEXT },
    };
    const char *name;
    json_t     *value;
    int         width = 0;
    struct buf  text;

    json_object_foreach ((json_t *)d, name, value)
        if (json_is_integer(value) && (int)strlen(name) > width)
            width = (int)strlen(name);
    buf_init(&text, 256);
    json_object_foreach ((json_t *)d, name, value) {
        if (!json_is_integer(value))
            continue;
        buf_clear(&text);
        output_value(&text, value, format_of(name));
        fprintf(ctl->out, "%-*s  ", width, name);
        output_slice(ctl->out, buf_slice(&text));
        fputc('\n', ctl->out);
    }
    buf_fini(&text);
    fputc('\n', ctl->out);
    output_list(ctl->out, json_object_get(d, "certificates"), columns, COUNT(columns), "no certificates");
}

int
run_status(struct ctl *ctl)
{
    json_t *document = json_object();
    int     rc;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_STATUS, -1, read_row, NULL, document);
    json_object_set_new(document, "certificates", certificates_of(ctl->config));
    if (rc == MT_OK)
        return ctl_print(ctl, document, show_status);
    json_decref(document);
    return ctl_end(ctl, rc, "status");
}
