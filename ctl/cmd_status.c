/* The command status. */

#include "ctl/command.h"
#include "lib/error.h"

enum { NAME_MAX_BYTES = 64 };

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
    const char *name;
    json_t     *value;
    int         width = 0;
    struct buf  text;

    json_object_foreach ((json_t *)d, name, value)
        if ((int)strlen(name) > width)
            width = (int)strlen(name);
    buf_init(&text, 256);
    json_object_foreach ((json_t *)d, name, value) {
        buf_clear(&text);
        output_value(&text, value, format_of(name));
        fprintf(ctl->out, "%-*s  ", width, name);
        output_slice(ctl->out, buf_slice(&text));
        fputc('\n', ctl->out);
    }
    buf_fini(&text);
}

int
run_status(struct ctl *ctl)
{
    json_t *document = json_object();
    int     rc;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_STATUS, -1, read_row, NULL, document);
    if (rc == MT_OK)
        return ctl_print(ctl, document, show_status);
    json_decref(document);
    return ctl_end(ctl, rc, "status");
}
