#include "checker/alert_text.h"

#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdio.h>

const char alert_subject_template[] = "{{first_line}}";
const char alert_test_template[] = "{{first_line}}\n";
const char alert_body_template[] =
    "{{first_line}}\n"
    "\n"
    "{{reason}}\n"
    "\n"
    "{{list}}\n"
    "Cause:    {{cause}}\n"
    "Since:    {{since}}\n"
    "Now:      {{now}}\n"
    "Incident: {{incident}}\n";

/* ---- Pieces ------------------------------------------------------------------------------------------------------ */

static const struct notice_check nobody = { .name = "", .verdict = "", .step = "", .host = "", .reply = "", .reason = "" };

static const struct notice_check *
first_check(const struct notice *n)
{
    return n->checks_told > 0 ? &n->checks[0] : &nobody;
}

static void
put_plain(struct buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        buf_append_byte(out, (unsigned char)*p < ' ' || *p == 0x7f ? ' ' : *p);
}

static void
put_time(struct buf *out, uint64_t us)
{
    char   text[RFC3339_TEXT_BYTES];
    size_t len = rfc3339_text(us / 1000000, text);

    buf_append(out, text, len);
}

static void
put_span(struct buf *out, uint64_t us)
{
    char text[DURATION_TEXT_BYTES];

    buf_append_string(out, duration_text(us, text));
}

static uint64_t
lasted_us(const struct notice *n)
{
    return n->now_us > n->since_us ? n->now_us - n->since_us : 0;
}

/* ---- The first line ---------------------------------------------------------------------------------------------- */

static void
put_who(struct buf *out, const struct notice *n)
{
    if (n->checks_count <= 1) {
        put_plain(out, first_check(n)->name);
        return;
    }
    buf_printf(out, "%u checks (", n->checks_count);
    put_plain(out, n->cause[0] != '\0' ? n->cause : first_check(n)->name);
    buf_append_byte(out, ')');
}

/* "mx1.example:25 said 550 no", or the reason in words where no server said anything. */
static void
put_said(struct buf *out, const struct notice_check *c)
{
    if (c->reply[0] == '\0') {
        put_plain(out, c->reason[0] != '\0' ? c->reason : c->verdict);
        return;
    }
    put_plain(out, c->host[0] != '\0' ? c->host : "the server");
    buf_append_string(out, " said ");
    if (c->code != 0 && (c->reply[0] < '0' || c->reply[0] > '9'))
        buf_printf(out, "%u ", c->code);
    put_plain(out, c->reply);
}

static void
put_problem(struct buf *out, const struct notice *n)
{
    const struct notice_check *c = first_check(n);

    buf_printf(out, "%s ", state_name(n->state));
    put_who(out, n);
    buf_append_string(out, ": failed");
    if (c->step[0] != '\0') {
        buf_append_string(out, " at ");
        put_plain(out, c->step);
    }
    buf_append_string(out, " since ");
    put_time(out, n->since_us);
    buf_append_string(out, ": ");
    put_said(out, c);
}

void
alert_first_line(struct buf *out, const struct notice *n)
{
    switch (n->kind) {
    case NOTICE_TEST:
        buf_append_string(out, "TEST: alerts of Mailtest reach you by this way");
        return;
    case NOTICE_RECOVERY:
        buf_append_string(out, "OK ");
        put_who(out, n);
        /* Checks that are not in the file any more stand behind the others, as UNKNOWN: when one is the first, there are no others. */
        buf_append_string(out, first_check(n)->state == STATE_UNKNOWN ? ": not checked any more since " : ": works again since ");
        put_time(out, n->now_us);
        buf_append_string(out, ", after ");
        put_span(out, lasted_us(n));
        return;
    case NOTICE_REMINDER:
    case NOTICE_ESCALATION:
        buf_append_string(out, n->kind == NOTICE_REMINDER ? "still (" : "ESCALATED (after ");
        put_span(out, lasted_us(n));
        buf_append_string(out, ") ");
        break;
    case NOTICE_PROBLEM:
        break;
    }
    put_problem(out, n);
}

/* The checks of the notice, one a line, at most NOTICE_CHECKS_MAX, and how many more there are. */
static void
put_check_list(struct buf *out, const struct notice *n)
{
    for (unsigned i = 0; i < n->checks_told; i++) {
        const struct notice_check *c = &n->checks[i];

        buf_printf(out, "%-8s ", state_name(c->state));
        put_plain(out, c->name);
        buf_append_string(out, n->kind == NOTICE_RECOVERY ? ", failed since " : " since ");
        put_time(out, c->since_us);
        if (c->step[0] != '\0') {
            buf_append_string(out, " at ");
            put_plain(out, c->step);
        }
        if (c->reply[0] != '\0' || c->reason[0] != '\0') {
            buf_append_string(out, ": ");
            put_said(out, c);
        }
        buf_append_byte(out, '\n');
    }
    if (n->checks_count > n->checks_told)
        buf_printf(out, "and %u more\n", n->checks_count - n->checks_told);
}

/* ---- Templates --------------------------------------------------------------------------------------------------- */

enum field {
    FIELD_KIND, FIELD_STATE, FIELD_FIRST_LINE, FIELD_INCIDENT, FIELD_NOTICE, FIELD_CAUSE, FIELD_CHECK, FIELD_CHECKS_COUNT, FIELD_SINCE,
    FIELD_NOW, FIELD_LASTED, FIELD_VERDICT, FIELD_STEP, FIELD_HOST, FIELD_CODE, FIELD_REPLY, FIELD_REASON, FIELD_LIST, FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
    "kind", "state", "first_line", "incident", "notice", "cause", "check", "checks_count", "since",
    "now", "lasted", "verdict", "step", "host", "code", "reply", "reason", "list",
};

static void
put_field(struct buf *out, enum field field, const struct notice *n)
{
    const struct notice_check *c = first_check(n);
    const char *const texts[FIELD_COUNT] = {
        [FIELD_KIND] = notice_kind_name(n->kind), [FIELD_STATE] = state_name(n->state), [FIELD_CAUSE] = n->cause, [FIELD_CHECK] = c->name,
        [FIELD_VERDICT] = c->verdict, [FIELD_STEP] = c->step, [FIELD_HOST] = c->host, [FIELD_REPLY] = c->reply, [FIELD_REASON] = c->reason,
    };

    if (texts[field] != NULL)
        put_plain(out, texts[field]);
    else if (field == FIELD_FIRST_LINE)
        alert_first_line(out, n);
    else if (field == FIELD_LIST)
        put_check_list(out, n);
    else if (field == FIELD_SINCE || field == FIELD_NOW)
        put_time(out, field == FIELD_NOW ? n->now_us : n->since_us);
    else if (field == FIELD_LASTED)
        put_span(out, lasted_us(n));
    else if (field == FIELD_CODE && c->code == 0)
        return;
    else
        buf_printf(out, "%llu", field == FIELD_CODE           ? (unsigned long long)c->code
                                : field == FIELD_INCIDENT     ? (unsigned long long)n->incident
                                : field == FIELD_CHECKS_COUNT ? (unsigned long long)n->checks_count
                                                              : (unsigned long long)n->id);
}

/*
 * The next piece of a template: text up to the next "{{", then what stands between it and "}}", without blanks around. rest is what
 * follows. False at the end; *name empty and *open true: "{{" without its "}}".
 */
static bool
next_piece(struct slice *rest, struct slice *text, struct slice *name, bool *open)
{
    const char *begin = rest->len == 0 ? NULL : memmem(rest->data, rest->len, "{{", 2), *end;

    *name = slice_make(NULL, 0);
    *open = false;
    if (rest->len == 0)
        return false;
    *text = begin == NULL ? *rest : slice_sub(*rest, 0, (size_t)(begin - rest->data));
    *rest = slice_sub(*rest, text->len, rest->len);
    if (begin == NULL)
        return true;
    end = memmem(rest->data, rest->len, "}}", 2);
    if (end == NULL) {
        *open = true;
        return true;
    }
    *name = slice_trim(slice_sub(*rest, 2, (size_t)(end - rest->data) - 2));
    *rest = slice_sub(*rest, (size_t)(end - rest->data) + 2, rest->len);
    if (name->len == 0)
        *name = slice_of(" ");      /* "{{}}" is a field, though none that there is */
    return true;
}

static enum field
find_field(struct slice name)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (slice_equal(name, slice_of(field_names[i])))
            return (enum field)i;
    return FIELD_COUNT;
}

int
alert_template_check(const char *template, char *error, size_t size)
{
    struct slice rest = slice_of(template), text, name;
    bool         open;

    while (next_piece(&rest, &text, &name, &open)) {
        struct buf all;

        if (open) {
            snprintf(error, size, "\"{{\" without \"}}\"");
            return MT_ESYNTAX;
        }
        if (name.len == 0 || find_field(name) < FIELD_COUNT)
            continue;
        buf_init(&all, size);
        for (unsigned i = 0; i < FIELD_COUNT; i++)
            buf_printf(&all, "%s%s", i > 0 ? ", " : "", field_names[i]);
        snprintf(error, size, "{{%.*s}} is no field: there are %.*s", (int)(name.len < 40 ? name.len : 40), name.data, (int)all.len,
                 all.data == NULL ? "" : all.data);
        buf_fini(&all);
        return MT_ESYNTAX;
    }
    return MT_OK;
}

void
alert_template_write(struct buf *out, const char *template, const struct notice *n)
{
    struct slice rest = slice_of(template), text, name;
    bool         open;

    while (next_piece(&rest, &text, &name, &open)) {
        enum field field = find_field(name);

        buf_append_slice(out, text);
        if (open)
            return;
        if (field < FIELD_COUNT)
            put_field(out, field, n);
    }
}
