#include "ctl/explain.h"

#include "ctl/way.h"
#include "lib/error.h"

/* What an arrival of this message lost of a token; NULL: that is not known, or no such arrival is kept. */
static json_t *
lost_of(const json_t *token, const json_t *message)
{
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    size_t     i;
    json_t    *arrival;

    json_array_foreach (json_object_get(token, "arrivals"), i, arrival)
        if (json_integer_value(json_object_get(arrival, "message_id")) == id)
            return json_object_get(arrival, "lost");
    return NULL;
}

/* found: the token with its places in this message; known: what is known of it, NULL: nothing. */
static void
explain_token(const struct ctl *ctl, const json_t *message, const json_t *found, const json_t *known)
{
    static const struct column facts[] = {
        { "token",    "token",       AS_TEXT   },
        { "found in", "found_in",    AS_PLACES },
        { "lost in",  "lost",        AS_PLACES },
        { "verdict",  "verdict",     AS_TEXT   },
        { "deadline", "deadline_at", AS_TIME   },
        { "decided",  "decided_at",  AS_TIME   },
        { "amended",  "amended_at",  AS_TIME   },
    };
    json_t *row = json_copy((json_t *)(uintptr_t)found), *lost = lost_of(known, message);

    json_object_set(row, "kind", json_object_get(message, "kind"));
    if (lost != NULL)
        json_object_set(row, "lost", lost);
    for (size_t i = 0; known != NULL && i < COUNT(facts); i++)
        if (json_object_get(row, facts[i].path) == NULL && strcmp(facts[i].path, "lost") != 0)
            json_object_set(row, facts[i].path, json_object_get(known, facts[i].path));
    output_lost_by(row);
    output_fields(ctl->out, row, facts, COUNT(facts));
    json_decref(row);
}

/* Of tokens, as many as there are in the message, those of which nothing is known are null. */
static void
explain_tokens(const struct ctl *ctl, const json_t *message, const json_t *tokens)
{
    const json_t *all = json_object_get(message, "tokens");
    size_t        count = json_array_size(all);

    fputs(count > 1 ? "\nTokens\n" : "\nToken\n", ctl->out);
    if (count == 0)
        fputs("There is no genuine token of this mailbox in it.\n", ctl->out);
    for (size_t i = 0; i < count; i++) {
        const json_t *known = json_array_get(tokens, i);

        if (i > 0)
            fputc('\n', ctl->out);
        explain_token(ctl, message, json_array_get(all, i), json_is_object(known) ? known : NULL);
    }
}

static void
explain_report(const struct ctl *ctl, const json_t *message)
{
    static const struct column facts[] = {
        { "action",     "action",     AS_TEXT },
        { "status",     "status",     AS_TEXT },
        { "words",      "diagnostic", AS_LONG },
        { "meaning",    "meaning",    AS_LONG },
        { "recipient",  "recipient",  AS_TEXT },
        { "refused by", "refused_by", AS_TEXT },
        { "reported by", "host",      AS_TEXT },
        { "read as",    "form",       AS_TEXT },
    };
    const json_t *report = json_object_get(message, "report");

    if (!json_is_object(report))
        return;
    fputs("\nReport\n", ctl->out);
    output_fields(ctl->out, report, facts, COUNT(facts));
}

static void
explain_confirmation(const struct ctl *ctl, const json_t *message)
{
    static const struct column facts[] = {
        { "provider", "provider", AS_TEXT },
        { "code",     "code",     AS_TEXT },
        { "link",     "link",     AS_LONG },
        { "for",      "for",      AS_TEXT },
    };
    const json_t *confirmation = json_object_get(message, "confirmation");

    if (!json_is_object(confirmation))
        return;
    if (json_is_true(json_object_get(confirmation, "recognised")))
        fputs("\nForwarding to be confirmed (the link was not followed)\n", ctl->out);
    else
        fputs("\nA mail that pretends to be a provider's request to confirm a forwarding: do not act on it\n", ctl->out);
    output_fields(ctl->out, confirmation, facts, COUNT(facts));
}

/* An array of texts, one a line under a title; without any, nothing. */
static void
explain_list(const struct ctl *ctl, const char *title, const json_t *texts)
{
    struct buf line;
    size_t     i;
    json_t    *text;

    if (json_array_size(texts) == 0)
        return;
    fprintf(ctl->out, "%s\n", title);
    json_array_foreach (texts, i, text) {
        buf_init(&line, (size_t)OUTPUT_LONG_MAX * 4);
        output_value(&line, text, AS_LONG);
        fputs("  ", ctl->out);
        output_wrapped(ctl->out, buf_slice(&line), 2);
        fputc('\n', ctl->out);
        buf_fini(&line);
    }
}

static const char *
way_in_words(const char *way)
{
    static const char *const words[][2] = {
        { "redirect",   "redirected: the mail was passed on as it was" },
        { "inline",     "forwarded inline: the mail's text stands in a new one" },
        { "attachment", "forwarded as attachment: the mail is inside a new one" },
        { "direct",     "not forwarded: it came to this mailbox directly" },
    };

    for (size_t i = 0; way != NULL && i < COUNT(words); i++)
        if (strcmp(way, words[i][0]) == 0)
            return words[i][1];
    return "nothing in the mail says how it was forwarded";
}

void
explain_show(const struct ctl *ctl, const json_t *d)
{
    static const struct column facts[] = {
        { "message",  "id",          AS_TEXT },
        { "mailbox",  "mailbox",     AS_TEXT },
        { "kind",     "kind",        AS_TEXT },
        { "because",  "why",         AS_LONG },
        { "received", "received_at", AS_TIME },
        { "subject",  "subject",     AS_TEXT },
        { "from",     "from",        AS_TEXT },
    };
    const json_t *message = json_object_get(d, "message"), *forward = json_object_get(message, "forward");
    const json_t *claims = json_object_get(message, "claims");

    output_fields(ctl->out, message, facts, COUNT(facts));
    explain_tokens(ctl, message, json_object_get(d, "tokens"));
    explain_report(ctl, message);
    explain_confirmation(ctl, message);
    fprintf(ctl->out, "\nForward\n%s\n", way_in_words(json_string_value(json_object_get(forward, "way"))));
    explain_list(ctl, "by this evidence:", json_object_get(forward, "evidence"));
    way_show(ctl->out, message);
    if (json_array_size(json_object_get(message, "changes")) > 0)
        fputc('\n', ctl->out);
    explain_list(ctl, "Changed since the arrivals before", json_object_get(message, "changes"));
    if (json_array_size(json_object_get(claims, "authentication")) + json_array_size(json_object_get(claims, "arc")) +
            json_array_size(json_object_get(claims, "spf")) > 0)
        fputs("\nClaims of the hosts on its way, as they wrote them\n", ctl->out);
    explain_list(ctl, "Authentication-Results", json_object_get(claims, "authentication"));
    explain_list(ctl, "ARC, newest first", json_object_get(claims, "arc"));
    explain_list(ctl, "Received-SPF", json_object_get(claims, "spf"));
}
