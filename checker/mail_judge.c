#include "checker/mail_judge.h"

#include "finder/finder.h"
#include "lib/answer_event.h"
#include "lib/answer_hops.h"
#include "lib/error.h"

#include <stdlib.h>

enum { ARRIVAL_BYTES_MAX = 256 * 1024, RETURN_PATH_MAX = 1024 };

struct mail_judge {
    struct mail_judge_task task;
    const char            *label;
    uint32_t               leftover_s;
    bool                   has_token;       /* task.token is a token */
    struct token           token;
    struct finder         *finder;

    /* The mail that was judged last. */
    struct message_record  message;         /* its parsed borrows from the finder; most of the rest is empty */
    uint32_t               found_in;
    struct mail_facts      mail;
};

struct mail_judge *
mail_judge_new(const struct mail_judge_task *task)
{
    struct mail_judge *j = calloc(1, sizeof(*j));

    if (j == NULL)
        return NULL;
    j->task = *task;
    j->label = task->label != NULL ? task->label : MAIL_LABEL_NONE;
    j->leftover_s = task->window_s + (task->label != NULL ? LEFTOVER_GRACE_S : LEFTOVER_UNLABELED_S);
    j->has_token = token_decode(slice_of(task->token), &j->token) == MT_OK;
    j->finder = finder_new();
    if (j->finder == NULL) {
        mail_judge_free(j);
        return NULL;
    }
    return j;
}

void
mail_judge_free(struct mail_judge *j)
{
    if (j == NULL)
        return;
    finder_free(j->finder);
    free(j);
}

/* ---- Fields ------------------------------------------------------------------------------------------------------- */

/* The next line without its end; false at the end. */
static bool
next_line(struct slice *rest, struct slice *line)
{
    size_t lf = slice_find(*rest, '\n');

    if (rest->len == 0)
        return false;
    *line = slice_sub(*rest, 0, lf);
    if (line->len > 0 && line->data[line->len - 1] == '\r')
        line->len--;
    *rest = slice_sub(*rest, lf + 1, rest->len);
    return true;
}

/* The value of a field in one line; false: the line is another one. */
static bool
field_value(struct slice line, const char *name, struct slice *value)
{
    size_t len = strlen(name);

    if (!slice_starts_nocase(line, name) || line.len <= len || line.data[len] != ':')
        return false;
    *value = slice_trim(slice_sub(line, len + 1, line.len));
    return true;
}

/* Whether a line, of the header or anywhere, is the field with this label. */
static bool
has_label(struct slice octets, const char *label, bool own_header_alone)
{
    struct slice line, value;

    while (next_line(&octets, &line) && (line.len > 0 || !own_header_alone))
        if (field_value(line, MAIL_CHECK_FIELD, &value) && slice_equal(value, slice_of(label)))
            return true;
    return false;
}

/* The reverse-path that the last server wrote down: what tells reports from people's mail. */
static void
tell_return_path(struct mail_judge *j, struct slice octets)
{
    struct slice line, value;

    while (next_line(&octets, &line) && line.len > 0) {
        if (!field_value(line, "Return-Path", &value) || value.len > RETURN_PATH_MAX)
            continue;
        if (value.len >= 2 && value.data[0] == '<' && value.data[value.len - 1] == '>')
            value = slice_sub(value, 1, value.len - 2);
        finder_reverse_path(j->finder, value);
        return;
    }
}

/* ---- Judging ------------------------------------------------------------------------------------------------------ */

/* Whether it carries what is looked for; notes where. */
static bool
carries_it(struct mail_judge *j, struct slice octets)
{
    const struct parsed *p = &j->message.parsed;
    struct slice         text = slice_of(j->task.token);

    j->found_in = 0;
    for (uint32_t i = 0; j->has_token && i < p->candidate_count; i++)
        if (token_equal(&p->candidates[i].token, &j->token)) {
            j->found_in = p->candidates[i].found_in;
            return true;
        }
    if (j->has_token || text.len == 0)
        return false;
    if (slice_find_nocase(p->subject, text) < p->subject.len)
        j->found_in = PLACE_SUBJECT;
    else if (slice_find_nocase(octets, text) < octets.len)
        j->found_in = PLACE_OTHER;
    return j->found_in != 0;
}

static bool
tokens_are_old(const struct mail_judge *j, int64_t now_unix)
{
    const struct parsed *p = &j->message.parsed;

    for (uint32_t i = 0; i < p->candidate_count; i++)
        if ((int64_t)token_issued_unix(&p->candidates[i].token) + j->leftover_s > now_unix)
            return false;
    return p->candidate_count > 0;
}

static bool
is_leftover(const struct mail_judge *j, struct slice octets, int64_t now_unix)
{
    switch (message_kind_of(j->message.parsed.traits, true)) {
    case KIND_ARRIVED:
        return tokens_are_old(j, now_unix) && has_label(octets, j->label, true);
    case KIND_BOUNCED:
    case KIND_NOTICE:
    case KIND_AUTOREPLY:
    case KIND_RECEIPT:
        return tokens_are_old(j, now_unix) && has_label(octets, j->label, false);
    default:
        return false;
    }
}

void
mail_judge_mail(struct mail_judge *j, const struct mail_facts *mail, int64_t now_unix, struct mail_verdict *out)
{
    finder_reset(j->finder);
    tell_return_path(j, mail->octets);
    finder_feed(j->finder, mail->octets);
    j->message = (struct message_record){ .body_bytes = mail->size_bytes != 0 ? mail->size_bytes : mail->octets.len };
    finder_finish(j->finder, &j->message.parsed);
    j->mail = *mail;
    *out = (struct mail_verdict){ .ours = carries_it(j, mail->octets) };
    j->message.kind = message_kind_of(j->message.parsed.traits, out->ours);
    if (j->message.kind == KIND_ARRIVED && j->has_token)
        j->message.lost = message_lost_places(j->found_in);
    out->kind = j->message.kind;
    out->leftover = !out->ours && is_leftover(j, mail->octets, now_unix);
}

/* ---- Telling ------------------------------------------------------------------------------------------------------ */

/* The hops that the mail itself shows, newest first: the last server's clock is taken for right. */
static unsigned
hops_of(const struct mail_judge *j, struct message_hop *hops)
{
    int64_t          times_us[HOP_DELAY_MAX];
    struct hop_delay delays[HOP_DELAY_MAX];
    struct reader    r;
    unsigned         count = 0;

    reader_init(&r, j->message.parsed.hops);
    while (count < HOP_DELAY_MAX && hop_next(&r, &hops[count].hop)) {
        int64_t s = hops[count].hop.time_unix;

        times_us[count] = hops[count].time_us = s > 0 && s < 253402300800 ? s * 1000000 : 0;
        count++;
    }
    if (count > 0)
        hop_delays(times_us, count, j->has_token ? (int64_t)token_issued_unix(&j->token) * 1000000 : 0, delays);
    for (unsigned i = 0; i < count; i++)
        hops[i].delay = delays[i];
    return count;
}

static json_t *
load(struct buf *text)
{
    json_t *value = text->fault == MT_OK ? json_loadb(text->data, text->len, JSON_DECODE_ANY, NULL) : NULL;

    buf_fini(text);
    return value;
}

json_t *
mail_judge_arrival(struct mail_judge *j)
{
    struct message_hop hops[HOP_DELAY_MAX];
    unsigned           count = hops_of(j, hops);
    struct emit        e;
    struct buf         text;

    buf_init(&text, ARRIVAL_BYTES_MAX);
    emit_init(&e, &text);
    emit_object(&e, NULL);
    emit_string(&e, "kind", message_kind_name(j->message.kind));
    emit_string(&e, "folder", j->mail.folder);
    emit_time_unix(&e, "received_at", j->mail.received_unix != 0 || count == 0 ? j->mail.received_unix : hops[0].time_us / 1000000);
    emit_u64(&e, "size", j->message.body_bytes);
    emit_slice(&e, "subject", j->message.parsed.subject);
    emit_slice(&e, "from", j->message.parsed.from);
    answer_places(&e, "found_in", j->found_in);
    answer_places(&e, "lost", j->message.lost);
    answer_slowest_hop(&e, hops, count);
    answer_hops(&e, hops, count);
    emit_object_end(&e);
    return load(&text);
}

json_t *
mail_judge_report(struct mail_judge *j)
{
    struct emit e;
    struct buf  text;

    if (j->message.kind != KIND_BOUNCED)
        return json_null();
    buf_init(&text, ARRIVAL_BYTES_MAX);
    emit_init(&e, &text);
    answer_report(&e, NULL, j->message.parsed.facts);
    return load(&text);
}
