/* The commands for the master keys that tokens are made with, and for the keys of the HTTP API. */

#include "ctl/command.h"
#include "ctl/mailbox_names.h"
#include "lib/display.h"
#include "lib/error.h"
#include "lib/record.h"

#include <sodium.h>
#include <time.h>

static long long
id_of(const json_t *document)
{
    return (long long)json_integer_value(json_object_get(document, "id"));
}

/* The answer of a command that has nothing to tell but which one. */
static int
print_id(const struct ctl *ctl, uint64_t id, ctl_show_fn *show)
{
    return ctl_print(ctl, json_pack("{sI}", "id", (json_int_t)id), show);
}

/* ---- Master keys ------------------------------------------------------------------------------------------------ */

static int
read_id(void *arg, struct reader *r)
{
    read_u32(r, arg);
    return MT_OK;
}

static void
show_rotated(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "New tokens are made with key %lld from now on. Older ones stay valid until their key is retired.\n", id_of(d));
}

static int
run_rotate(struct ctl *ctl)
{
    uint32_t id = 0;
    int      rc;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_KEY_ROTATE, -1, NULL, read_id, &id);
    return rc == MT_OK ? print_id(ctl, id, show_rotated) : ctl_end(ctl, rc, "rotating the master key");
}

static int
read_key_row(void *arg, struct reader *r)
{
    uint32_t id;
    uint64_t created_unix;
    bool     active;

    read_u32(r, &id);
    read_u64(r, &created_unix);
    read_bool(r, &active);
    json_array_append_new(arg, json_pack("{sI so sb}", "id", (json_int_t)id, "created_at", output_time_unix(created_unix),
                                         "active", active));
    return MT_OK;
}

static void
show_keys(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "KEY",     "id",         AS_TEXT },
        { "CREATED", "created_at", AS_TIME },
        { "MINTS",   "active",     AS_YES  },
    };

    output_list(ctl->out, json_object_get(d, "keys"), columns, COUNT(columns), "There is no key.");
}

static int
run_key_list(struct ctl *ctl)
{
    json_t *rows = json_array();
    int     rc;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_KEY_LIST, -1, read_key_row, NULL, rows);
    return ctl_print_list(ctl, rc, "keys", rows, show_keys, "keys");
}

static void
show_retired(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Key %lld is retired: tokens made with it are no longer genuine.\n", id_of(d));
}

static int
run_retire(struct ctl *ctl)
{
    uint64_t id;
    int      rc, code = ctl_number_operand(ctl, 0, "key id", UINT32_MAX, &id);

    if (code == EX_OK)
        code = ctl_confirm(ctl, "Retire key %llu? Tokens made with it, also those under way, are no longer genuine.", (unsigned long long)id);
    if (code != EX_OK)
        return code;
    write_u32(client_fields(ctl->client), (uint32_t)id);
    rc = client_call(ctl->client, MSG_KEY_RETIRE, -1, NULL, NULL, NULL);
    if (rc == MT_EDENIED)
        return ctl_fail(EX_USAGE, "key %llu makes the new tokens: run \"mailtestctl key rotate\" first, then retire it",
                        (unsigned long long)id);
    return rc == MT_OK ? print_id(ctl, id, show_retired) : ctl_end(ctl, rc, "key %llu", (unsigned long long)id);
}

static const struct option_spec retire_options[] = {
    { 'y', "yes", NULL, "do not ask; needed where there is no terminal" },
    { 0, NULL, NULL, NULL },
};

const struct command key_commands[] = {
    { "rotate", "", 0, 0, NEED_STORE, "make a new master key and mint with it from now on",
      "Tokens made with older keys stay genuine until those are retired.", NULL, run_rotate, NULL },
    { "list", "", 0, 0, NEED_STORE, "the master keys' ids and ages; never the keys", NULL, NULL, run_key_list, NULL },
    { "retire", "ID", 1, 1, NEED_STORE, "forget an old master key: its tokens are no longer genuine",
      "It asks first: a mail under way with a token of this key no longer counts. Wait until the last of them has its verdict.",
      retire_options, run_retire, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};

/* ---- API keys --------------------------------------------------------------------------------------------------- */

enum { API_KEY_TEXT_MAX = 128, API_KEY_NAME_MAX = 100 };

struct api_key {
    uint32_t id;
    char     text[API_KEY_TEXT_MAX + 1];
};

static int
read_api_key(void *arg, struct reader *r)
{
    struct api_key *k = arg;

    read_u32(r, &k->id);
    read_string(r, k->text, sizeof(k->text));
    return MT_OK;
}

static void
show_api_key(const struct ctl *ctl, const json_t *d)
{
    const char *mailbox = json_string_value(json_object_get(d, "mailbox"));

    fprintf(ctl->out,
            "API key %lld (%s), for %s%s:\n\n  %s\n\n"
            "It is shown this once. Put it into a file that only the checker can read, and give that with --api-key-file.\n",
            id_of(d), json_string_value(json_object_get(d, "name")), mailbox == NULL ? "everything" : "mailbox ",
            mailbox == NULL ? "" : mailbox, json_string_value(json_object_get(d, "key")));
}

/* The name of a key that was given none: the day. */
static void
name_by_date(char *to, size_t size)
{
    time_t    now = time(NULL);
    struct tm tm;

    if (gmtime_r(&now, &tm) == NULL || strftime(to, size, "key-%Y-%m-%d", &tm) == 0)
        snprintf(to, size, "key");
}

/* Shown in lists, on terminals: what lib/display.h would show in another way is refused. */
static bool
is_shown_as_it_is(const char *name)
{
    struct buf shown;
    bool       same;

    buf_init(&shown, 8 * API_KEY_NAME_MAX);
    display_text(&shown, slice_of(name), API_KEY_NAME_MAX);
    same = shown.fault == MT_OK && slice_equal(buf_slice(&shown), slice_of(name));
    buf_fini(&shown);
    return same;
}

static int
run_api_key_add(struct ctl *ctl)
{
    const char    *scope = options_value(&ctl->options, "mailbox");
    char           name[API_KEY_NAME_MAX + 1], mailbox[MAILBOX_NAME_MAX + 1] = "";
    struct api_key key = { .id = 0 };
    struct buf    *fields;
    int            rc, code;

    name_by_date(name, sizeof(name));
    if (ctl->options.operand_count > 0 && slice_trim(slice_of(ctl->options.operands[0])).len == 0)
        return ctl_fail(EX_USAGE, "the name of a key is empty: give one, or leave it out to have the day as its name");
    if (ctl->options.operand_count > 0 && !slice_copy(name, sizeof(name), slice_of(ctl->options.operands[0])))
        return ctl_fail(EX_USAGE, "the name of a key has at most %d characters", API_KEY_NAME_MAX);
    if (!is_shown_as_it_is(name))
        return ctl_fail(EX_USAGE, "the name of a key has a control character, or another that cannot be shown");
    if (scope != NULL && mailbox_name_parse(slice_of(scope), mailbox) != MT_OK)
        return ctl_fail(EX_USAGE, "--mailbox \"%.100s\" is no name of a mailbox", scope);
    fields = client_fields(ctl->client);
    write_string(fields, name);
    write_string(fields, mailbox);
    rc = client_call(ctl->client, MSG_API_KEY_ADD, -1, NULL, read_api_key, &key);
    code = rc == MT_ENOTFOUND ? ctl_end(ctl, rc, "mailbox %s", mailbox) : ctl_end(ctl, rc, "API key %s", name);
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{ss sI so ss?}", "key", key.text, "id", (json_int_t)key.id,
                                        "name", output_string(slice_of(name)), "mailbox", scope == NULL ? NULL : mailbox),
                         show_api_key);
    sodium_memzero(&key, sizeof(key));
    return code;
}

/* Rows of a list that show a mailbox by its id, and the names by id. */
struct api_key_list {
    json_t *rows;
    json_t *names;      /* object: id in decimal -> name */
};

static int
read_api_key_row(void *arg, struct reader *r)
{
    struct api_key_list  *list = arg;
    struct api_key_record k;
    struct slice          bytes;
    uint32_t              id;
    char                  mailbox_id[16];
    const char           *mailbox;
    int                   rc;

    read_u32(r, &id);
    read_bytes(r, &bytes, MSG_MAX_BYTES);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = api_key_record_read(bytes, &k);
    if (rc != MT_OK)
        return rc;
    snprintf(mailbox_id, sizeof(mailbox_id), "%u", k.mailbox_id);
    mailbox = json_string_value(json_object_get(list->names, mailbox_id));
    if (mailbox == NULL && k.mailbox_id != 0)
        mailbox = "";           /* it has gone meanwhile */
    json_array_append_new(list->rows, json_pack("{sI so ss? so}", "id", (json_int_t)id, "name", output_string(k.name),
                                                "mailbox", mailbox, "created_at", output_time_unix(k.created_unix)));
    return MT_OK;
}

static void
show_api_keys(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "ID",      "id",         AS_TEXT },
        { "NAME",    "name",       AS_TEXT },
        { "MAILBOX", "mailbox",    AS_SCOPE },
        { "CREATED", "created_at", AS_TIME },
    };

    output_list(ctl->out, json_object_get(d, "keys"), columns, COUNT(columns),
                "There is no API key yet; \"mailtestctl api-key add NAME\" makes one.");
}

static int
run_api_key_list(struct ctl *ctl)
{
    struct api_key_list list = { .rows = json_array(), .names = json_object() };
    int                 rc;

    rc = mailbox_names(ctl, list.names);
    client_fields(ctl->client);
    if (rc == MT_OK)
        rc = client_call(ctl->client, MSG_API_KEY_LIST, -1, read_api_key_row, NULL, &list);
    json_decref(list.names);
    return ctl_print_list(ctl, rc, "keys", list.rows, show_api_keys, "API keys");
}

static void
show_revoked(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "API key %lld is revoked.\n", id_of(d));
}

static int
run_api_key_revoke(struct ctl *ctl)
{
    uint64_t id;
    int      rc, code = ctl_number_operand(ctl, 0, "id of an API key", UINT32_MAX, &id);

    if (code != EX_OK)
        return code;
    write_u32(client_fields(ctl->client), (uint32_t)id);
    rc = client_call(ctl->client, MSG_API_KEY_REVOKE, -1, NULL, NULL, NULL);
    return rc == MT_OK ? print_id(ctl, id, show_revoked) : ctl_end(ctl, rc, "API key %llu", (unsigned long long)id);
}

static const struct option_spec api_key_add_options[] = {
    { 'm', "mailbox", "MAILBOX", "only for this mailbox; without it, for all and for the service's own facts" },
    { 0, NULL, NULL, NULL },
};

const struct command api_key_commands[] = {
    { "add", "[NAME]", 0, 1, NEED_STORE, "make a key for the HTTP API, shown once",
      "NAME is for you, to know it again in the list; without one, the day is taken. JSON: key, id, name, mailbox.",
      api_key_add_options, run_api_key_add, NULL },
    { "list", "", 0, 0, NEED_STORE, "the keys' names, ages and scopes; never the keys", NULL, NULL, run_api_key_list, NULL },
    { "revoke", "ID", 1, 1, NEED_STORE, "end a key at once", NULL, NULL, run_api_key_revoke, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
