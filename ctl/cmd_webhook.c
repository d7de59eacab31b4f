/* The commands for webhooks: where events are posted to, and what could not be posted. */

#include "ctl/command.h"
#include "ctl/facts.h"
#include "lib/answer_event.h"
#include "lib/error.h"
#include "lib/webhook_url.h"

#include <sodium.h>

static long long
number_of(const json_t *document, const char *key)
{
    return (long long)json_integer_value(json_object_get(document, key));
}

/* Operand i as the id of a webhook. 0, or an exit code with the error said. */
static int
webhook_operand(const struct ctl *ctl, unsigned i, uint32_t *out)
{
    uint64_t id;
    int      code = ctl_number_operand(ctl, i, "webhook's id", UINT32_MAX, &id);

    if (code == EX_OK)
        *out = (uint32_t)id;
    return code;
}

/* ---- Add -------------------------------------------------------------------------------------------------------- */

struct added {
    uint32_t id;
    char     secret[WEBHOOK_SECRET_CHARS + 1];
};

static int
read_added(void *arg, struct reader *r)
{
    struct added *a = arg;

    read_u32(r, &a->id);
    read_string(r, a->secret, sizeof(a->secret));
    return MT_OK;
}

static void
show_added(const struct ctl *ctl, const json_t *d)
{
    const char *mailbox = json_string_value(json_object_get(d, "mailbox"));

    fprintf(ctl->out,
            "Webhook %lld posts events of %s%s from now on.\n\n"
            "  secret  %s   (shown this once; the receiver checks signatures with it)\n\n"
            "\"mailtestctl webhook test %lld\" posts an event to try it, \"mailtestctl webhook list\" tells how it went.\n",
            number_of(d, "id"), mailbox != NULL ? "mailbox " : "all mailboxes", mailbox != NULL ? mailbox : "",
            json_string_value(json_object_get(d, "secret")), number_of(d, "id"));
    if (ctl->config->webhook.posts_max == 0)
        fputs("\nNothing is posted as long as webhook.posts_max is 0 in the configuration.\n", ctl->out);
}

/* --mailbox and --events; 0, or an exit code with the error said. */
static int
read_add_options(const struct ctl *ctl, char mailbox[MAILBOX_NAME_MAX + 1], uint32_t *kinds)
{
    const char *name = options_value(&ctl->options, "mailbox"), *events = options_value(&ctl->options, "events");

    mailbox[0] = '\0';
    *kinds = 0;
    if (name != NULL && mailbox_name_parse(slice_of(name), mailbox) != MT_OK)
        return ctl_fail(EX_USAGE, "--mailbox \"%.100s\" is no name of a mailbox", name);
    if (events != NULL && (event_kinds_parse(slice_of(events), kinds) != MT_OK || (*kinds & ~EVENT_KINDS_ALL) != 0))
        return ctl_fail(EX_USAGE, "--events \"%.200s\" is no list of events: arrived, late, missed, bounced, autoreply, confirmation, silent, "
                        "changed, separated by commas", events);
    return EX_OK;
}

static int
run_add(struct ctl *ctl)
{
    const char        *url = ctl->options.operands[0], *why;
    struct webhook_url parsed;
    struct added       a = { .id = 0 };
    struct buf        *fields;
    uint32_t           kinds;
    char               mailbox[MAILBOX_NAME_MAX + 1];
    int                rc, code = read_add_options(ctl, mailbox, &kinds);

    if (code != EX_OK)
        return code;
    if (webhook_url_parse(slice_of(url), &parsed, &why) != MT_OK)
        return ctl_fail(EX_USAGE, "\"%.300s\" cannot be posted to: %s", url, why);
    fields = client_fields(ctl->client);
    write_string(fields, mailbox);
    write_u32(fields, kinds);
    write_string(fields, url);
    rc = client_call(ctl->client, MSG_WEBHOOK_ADD, -1, NULL, read_added, &a);
    if (rc == MT_EFULL || rc == MT_EQUOTA)
        return ctl_fail(ctl_exit_code(rc), "there is no room for another webhook: remove one first (at most %u)", WEBHOOKS_MAX);
    code = mailbox[0] != '\0' ? ctl_end(ctl, rc, "mailbox %s", mailbox) : ctl_end(ctl, rc, "the webhook");
    if (code == EX_OK)
        code = ctl_print(ctl, json_pack("{sI ss so ss}", "id", (json_int_t)a.id, "url", url, "mailbox",
                                        mailbox[0] != '\0' ? json_string(mailbox) : json_null(), "secret", a.secret), show_added);
    sodium_memzero(&a, sizeof(a));
    return code;
}

/* ---- List ------------------------------------------------------------------------------------------------------- */

typedef int facts_fn(struct reader *r, struct buf *out);

static int
append_row(json_t *rows, struct reader *r, facts_fn *facts)
{
    struct buf text;
    int        rc;

    buf_init(&text, FACTS_MAX_BYTES);
    rc = facts(r, &text);
    if (rc == MT_OK && json_array_append_new(rows, output_parsed(&text)) != 0)
        rc = MT_ENOMEM;
    buf_fini(&text);
    return rc;
}

static int
read_webhook_row(void *arg, struct reader *r)
{
    return append_row(arg, r, facts_webhook);
}

static int
read_post_row(void *arg, struct reader *r)
{
    return append_row(arg, r, facts_post);
}

static void
show_list(const struct ctl *ctl, const json_t *d)
{
    static const struct column webhooks[] = {
        { "ID",      "id",         AS_TEXT  },
        { "MAILBOX", "mailbox",    AS_SCOPE },
        { "WAITING", "waiting",    AS_TEXT  },
        { "DEAD",    "dead",       AS_TEXT  },
        { "CREATED", "created_at", AS_TIME  },
        { "EVENTS",  "events",     AS_WORDS },
        { "URL",     "url",        AS_TEXT  },
    };
    static const struct column posts[] = {
        { "WEBHOOK", "webhook",       AS_TEXT },
        { "EVENT",   "event_id",      AS_TEXT },
        { "WHAT",    "event.event",   AS_TEXT },
        { "MAILBOX", "event.mailbox", AS_TEXT },
        { "SINCE",   "first_at",      AS_TIME },
        { "TRIED",   "attempts",      AS_TEXT },
        { "AGAIN",   "due_at",        AS_TIME },
        { "STATUS",  "status",        AS_TEXT },
        { "ERROR",   "error",         AS_TEXT },
    };
    const json_t *rows = json_object_get(d, "posts");

    output_list(ctl->out, json_object_get(d, "webhooks"), webhooks, COUNT(webhooks),
                "There is no webhook; \"mailtestctl webhook add URL\" makes one.");
    if (json_array_size(rows) == 0)
        return;
    fprintf(ctl->out, "\n%s; \"mailtestctl webhook retry ID [EVENT]\" tries again:\n",
            options_has(&ctl->options, "all") ? "Posts that wait or are dead" : "Posts that are dead");
    output_list(ctl->out, rows, posts, COUNT(posts), "");
}

static int
run_list(struct ctl *ctl)
{
    json_t     *webhooks = json_array(), *posts = json_array();
    struct buf *fields;
    int         rc, code;

    client_fields(ctl->client);
    rc = client_call(ctl->client, MSG_WEBHOOK_LIST, -1, read_webhook_row, NULL, webhooks);
    if (rc == MT_OK) {
        fields = client_fields(ctl->client);
        write_u32(fields, 0);
        write_u8(fields, !options_has(&ctl->options, "all"));
        rc = client_call(ctl->client, MSG_POST_LIST, -1, read_post_row, NULL, posts);
    }
    if (rc != MT_OK && rc != MT_EDAMAGED) {
        json_decref(webhooks);
        json_decref(posts);
        return ctl_end(ctl, rc, "webhooks");
    }
    code = ctl_print(ctl, json_pack("{so so}", "webhooks", webhooks, "posts", posts), show_list);
    return code == EX_OK ? ctl_end(ctl, rc, "webhooks: something is left out") : code;
}

/* ---- Changing --------------------------------------------------------------------------------------------------- */

static void
show_removed(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Webhook %lld is removed, and its posts with it.\n", number_of(d, "id"));
}

static int
run_remove(struct ctl *ctl)
{
    uint32_t id;
    int      rc, code = webhook_operand(ctl, 0, &id);

    if (code != EX_OK)
        return code;
    write_u32(client_fields(ctl->client), id);
    rc = client_call(ctl->client, MSG_WEBHOOK_REMOVE, -1, NULL, NULL, NULL);
    return rc == MT_OK ? ctl_print(ctl, json_pack("{sI}", "id", (json_int_t)id), show_removed) : ctl_end(ctl, rc, "webhook %u", id);
}

static int
read_event_id(void *arg, struct reader *r)
{
    read_u64(r, arg);
    return MT_OK;
}

static void
show_test(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Event %lld is posted to webhook %lld. \"mailtestctl webhook list --all\" shows it as long as it was not taken.\n",
            number_of(d, "event_id"), number_of(d, "id"));
}

static int
run_test(struct ctl *ctl)
{
    uint64_t event_id = 0;
    uint32_t id;
    int      rc, code = webhook_operand(ctl, 0, &id);

    if (code != EX_OK)
        return code;
    write_u32(client_fields(ctl->client), id);
    rc = client_call(ctl->client, MSG_WEBHOOK_TEST, -1, NULL, read_event_id, &event_id);
    if (rc != MT_OK)
        return ctl_end(ctl, rc, "webhook %u", id);
    return ctl_print(ctl, json_pack("{sI sI}", "id", (json_int_t)id, "event_id", (json_int_t)event_id), show_test);
}

static int
read_count_of_posts(void *arg, struct reader *r)
{
    read_u32(r, arg);
    return MT_OK;
}

static void
show_retried(const struct ctl *ctl, const json_t *d)
{
    long long count = number_of(d, "posts");

    fprintf(ctl->out, "%lld %s of webhook %lld tried again now.\n", count, count == 1 ? "post is" : "posts are", number_of(d, "id"));
}

static int
run_retry(struct ctl *ctl)
{
    struct buf *fields;
    uint64_t    event_id = 0;
    uint32_t    id, posts = 0;
    int         rc, code = webhook_operand(ctl, 0, &id);

    if (code == EX_OK && ctl->options.operand_count > 1)
        code = ctl_number_operand(ctl, 1, "event's id", UINT64_MAX, &event_id);
    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_u32(fields, id);
    write_u64(fields, event_id);
    rc = client_call(ctl->client, MSG_POST_RETRY, -1, NULL, read_count_of_posts, &posts);
    if (rc != MT_OK)
        return event_id != 0 ? ctl_end(ctl, rc, "event %llu of webhook %u", (unsigned long long)event_id, id)
                             : ctl_end(ctl, rc, "webhook %u", id);
    return ctl_print(ctl, json_pack("{sI sI}", "id", (json_int_t)id, "posts", (json_int_t)posts), show_retried);
}

static const struct option_spec add_options[] = {
    { 'm', "mailbox", "NAME", "only events of this mailbox; of all without it" },
    { 'e', "events",  "LIST", "only these, such as arrived,missed; all without it" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec list_options[] = {
    { 'a', "all", NULL, "also the posts that wait for their next attempt" },
    { 0, NULL, NULL, NULL },
};

const struct command webhook_commands[] = {
    { "add", "URL", 1, 1, NEED_STORE, "post events there; prints the secret that signs them, once",
      "URL begins with https:// or http://. Events: arrived, late, missed, bounced, autoreply, confirmation, silent, changed.\n"
      "docs/webhooks.md describes what is posted and how to check the signature. JSON: id, url, mailbox, secret.",
      add_options, run_add, NULL },
    { "list", "", 0, 0, NEED_STORE, "all webhooks, what waits to be posted, and what is dead", "JSON: webhooks, posts.", list_options,
      run_list, NULL },
    { "remove", "ID", 1, 1, NEED_STORE, "post there no more", NULL, NULL, run_remove, NULL },
    { "test", "ID", 1, 1, NEED_STORE, "post an event that means nothing, to try it", "JSON: id, event_id.", NULL, run_test, NULL },
    { "retry", "ID [EVENT]", 1, 2, NEED_STORE, "try dead posts again, all of it or that of one event",
      "An EVENT that waits for its next attempt is tried at once. JSON: id, posts.", NULL, run_retry, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
