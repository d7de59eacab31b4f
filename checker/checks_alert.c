/* checks_alert - whom checks.yaml wants to be told, and by which ways. */
#include "checker/checks_load.h"

#include "checker/alert_text.h"
#include "lib/error.h"

#include <stdio.h>

enum { TIMEOUT_MS = 30000, GIVE_UP_MS = 86400000, TEMPLATE_ERROR_BYTES = 400 };
#define TIMEOUT_MAX_MS  600000u
#define GIVE_UP_MAX_MS  (30u * 86400 * 1000)
#define REMINDER_MAX_MS (30u * 86400 * 1000)

static void
load_list(struct loader *l, const char *section, const char *name, const struct strings *given, enum text_form form, unsigned max,
          const char **out, unsigned *count)
{
    if (given->count > max)
        load_fail(l, GIVEN_NONE(section, name), "found a list of %u items, allowed: at most %u", given->count, max);
    for (*count = 0; *count < given->count && l->rc == MT_OK; (*count)++)
        load_text(l, (struct given){ .section = section, .name = name, .item = (int)*count, .text = given->items[*count] }, form, NULL,
                  &out[*count]);
}

static void
load_mail(struct loader *l, const char *way, const struct raw_mail *raw, struct alert_way *out)
{
    char section[SECTION_BYTES + 8];

    snprintf(section, sizeof(section), "%s.mail", way);
    if (raw->from == NULL || raw->to.count == 0 || raw->relays.count == 0)
        load_fail(l, GIVEN_NONE(section, ""), "found without %s, allowed: relays, from and to",
                  raw->relays.count == 0 ? "relays" : raw->from == NULL ? "from" : "to");
    load_text(l, GIVEN(section, raw, from), TEXT_ADDRESS, NULL, &out->from);
    load_list(l, section, "to", &raw->to, TEXT_ADDRESS, ALERT_RECIPIENTS_MAX, out->to, &out->to_count);
    if (raw->relays.count > COUNT(out->relays))
        load_fail(l, GIVEN_NONE(section, "relays"), "found a list of %u items, allowed: at most %zu", raw->relays.count, COUNT(out->relays));
    for (unsigned i = 0; i < raw->relays.count && l->rc == MT_OK; i++) {
        struct given g = GIVEN_ITEM(section, raw, relays, i);
        if (load_server(l, g, USE_SMTP, &out->relays[i]) != NULL && out->relays[i].host == NULL)
            load_refuse(l, g, "a server with a host");
        out->relays_count = i + 1;
    }
}

static void
load_template(struct loader *l, struct given g, enum text_form form, const char **out)
{
    char error[TEMPLATE_ERROR_BYTES];

    load_text(l, g, form, NULL, out);
    if (l->rc == MT_OK && *out != NULL && alert_template_check(*out, error, sizeof(error)) != MT_OK)
        load_fail(l, g, "%s", error);
}

static void
load_way(struct loader *l, unsigned i)
{
    const struct raw_way *raw = &l->raw->ways.items[i];
    struct alert_way     *out = &l->out->ways[i];
    char                  section[SECTION_BYTES];
    unsigned              words, kinds = (raw->command.count > 0) + (raw->webhook != NULL) + (raw->mail != NULL);

    section_of(section, "ways", i);
    if (raw->name == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without name, allowed: a name that contacts call it by");
    if (kinds != 1)
        load_fail(l, GIVEN_NONE(section, ""), "found with %u of command, webhook and mail, allowed: one of them", kinds);
    load_text(l, GIVEN(section, raw, name), TEXT_NAME, NULL, &out->name);
    out->kind = raw->mail != NULL ? ALERT_MAIL : raw->webhook != NULL ? ALERT_WEBHOOK : ALERT_COMMAND;
    load_list(l, section, "command", &raw->command, TEXT_LINE_OR_NONE, ALERT_COMMAND_WORDS_MAX, out->command, &words);
    if (words > 0 && out->command[0][0] == '\0')
        load_refuse(l, GIVEN_ITEM(section, raw, command, 0), "a program");
    load_text(l, GIVEN(section, raw, webhook), TEXT_URL, NULL, &out->url);
    load_text(l, GIVEN(section, raw, secret_file), TEXT_FILE, NULL, &out->secret_file);
    load_text(l, GIVEN(section, raw, ca_file), TEXT_FILE, NULL, &out->ca_file);
    if (out->kind != ALERT_WEBHOOK && raw->secret_file != NULL)
        load_refuse(l, GIVEN(section, raw, secret_file), "with webhook");
    if (out->kind != ALERT_WEBHOOK && raw->ca_file != NULL)
        load_refuse(l, GIVEN(section, raw, ca_file), "with webhook; a relay's stands with its server");
    if (raw->mail != NULL)
        load_mail(l, section, raw->mail, out);
    load_template(l, GIVEN(section, raw, subject), TEXT_LINE, &out->subject);
    load_template(l, GIVEN(section, raw, text), TEXT_LONG, &out->text);
    load_span(l, GIVEN(section, raw, timeout), 100, TIMEOUT_MAX_MS, TIMEOUT_MS, &out->timeout_ms);
    load_span(l, GIVEN(section, raw, give_up), 1000, GIVE_UP_MAX_MS, GIVE_UP_MS, &out->give_up_ms);
    if (l->rc == MT_OK && name_index_add(&l->ways, l->raw->ways.count, raw->name, i) != MT_OK)
        load_out_of_memory(l);
}

void
load_ways(struct loader *l)
{
    unsigned count = l->raw->ways.count;
    int      second;

    l->out->ways = load_array(l, count, sizeof(*l->out->ways));
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++)
        load_way(l, i);
    l->out->ways_count = l->rc == MT_OK ? count : 0;
    if (l->rc == MT_OK && (second = name_index_sort(&l->ways)) >= 0) {
        char     section[SECTION_BYTES];
        unsigned i = l->ways.entries[second].index;
        section_of(section, "ways", i);
        load_refuse(l, GIVEN(section, &l->raw->ways.items[i], name), "each name once");
    }
}

static void
load_contact(struct loader *l, unsigned i)
{
    const struct raw_contact *raw = &l->raw->contacts.items[i];
    struct contact           *out = &l->out->contacts[i];
    char                      section[SECTION_BYTES];

    section_of(section, "contacts", i);
    if (raw->name == NULL)
        load_fail(l, GIVEN_NONE(section, ""), "found without name, allowed: a name that checks call it by");
    load_text(l, GIVEN(section, raw, name), TEXT_NAME, NULL, &out->name);
    load_names(l, section, "ways", &raw->ways, &l->ways, "way", CONTACT_WAYS_MAX, out->ways, &out->ways_count);
    if (out->ways_count == 0)
        load_fail(l, GIVEN_NONE(section, ""), "found without ways, allowed: the names of 1 to %u ways", CONTACT_WAYS_MAX);
    load_span(l, GIVEN(section, raw, reminder), 0, REMINDER_MAX_MS, 0, &out->reminder_ms);
    load_span(l, GIVEN(section, raw, escalate_after), 0, REMINDER_MAX_MS, 0, &out->escalate_after_ms);
    load_names(l, section, "escalate_to", &raw->escalate_to, &l->ways, "way", CONTACT_WAYS_MAX, out->escalate_to, &out->escalate_count);
    if ((out->escalate_after_ms > 0) != (out->escalate_count > 0))
        load_fail(l, GIVEN_NONE(section, out->escalate_count > 0 ? "escalate_to" : "escalate_after"), "found without %s, allowed: both or none",
                  out->escalate_count > 0 ? "escalate_after" : "escalate_to");
    load_bool(l, GIVEN(section, raw, warnings), true, &out->warnings);
    load_bool(l, GIVEN(section, raw, recoveries), true, &out->recoveries);
    if (l->rc == MT_OK && name_index_add(&l->contacts, l->raw->contacts.count, raw->name, i) != MT_OK)
        load_out_of_memory(l);
}

void
load_contacts(struct loader *l)
{
    unsigned count = l->raw->contacts.count;
    int      second;

    l->out->contacts = load_array(l, count, sizeof(*l->out->contacts));
    for (unsigned i = 0; i < count && l->rc == MT_OK; i++)
        load_contact(l, i);
    l->out->contacts_count = l->rc == MT_OK ? count : 0;
    if (l->rc == MT_OK && (second = name_index_sort(&l->contacts)) >= 0) {
        char     section[SECTION_BYTES];
        unsigned i = l->contacts.entries[second].index;
        section_of(section, "contacts", i);
        load_refuse(l, GIVEN(section, &l->raw->contacts.items[i], name), "each name once");
    }
}
