#include "ctl/mailbox_names.h"

#include "ctl/output.h"
#include "lib/error.h"
#include "lib/record.h"

#include <stdio.h>

static int
read_name(void *arg, struct reader *r)
{
    json_t               *names = arg;
    struct slice          bytes[3];         /* the mailbox, and its first folders */
    struct mailbox_record m;
    char                  id[16];
    int                   rc;

    for (size_t i = 0; i < COUNT(bytes); i++)
        read_bytes(r, &bytes[i], RECORD_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = mailbox_record_read(bytes[0], &m);
    if (rc != MT_OK)
        return rc;
    snprintf(id, sizeof(id), "%u", m.id);
    json_object_set_new(names, id, output_string(m.name));
    return MT_OK;
}

int
mailbox_names(struct ctl *ctl, json_t *names)
{
    client_fields(ctl->client);
    return client_call(ctl->client, MSG_MAILBOX_LIST, -1, read_name, NULL, names);
}
