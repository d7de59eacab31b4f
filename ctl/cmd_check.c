/* The commands for checks: what mailtest-check found, as the service keeps it. */

#include "ctl/command.h"
#include "ctl/document.h"
#include "lib/answer_result.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/rfc3339.h"

#include <stdlib.h>

enum { HISTORY_DEFAULT = 50, HISTORY_STEP = 500, DOCUMENT_BYTES = 4 * 1024 * 1024 };
#define HISTORY_MAX UINT32_MAX

/* ---- Operands and options ------------------------------------------------------------------------------------------------------- */

/* The check's name and --mailbox: the fields that most requests begin with. */
static int
write_wanted(const struct ctl *ctl, struct buf *fields)
{
    const char *name = ctl->options.operands[0], *given = options_value(&ctl->options, "mailbox");
    char        mailbox[MAILBOX_NAME_MAX + 1] = "";

    if (!check_name_is_fine(slice_of(name)))
        return ctl_fail(EX_USAGE, "\"%.120s\" is no name of a check: 1 to %u letters, digits, '.', '-', '_' and '/'", name, CHECK_TEXT_MAX);
    if (given != NULL && strcmp(given, "-") != 0 && mailbox_name_parse(slice_of(given), mailbox) != MT_OK)
        return ctl_fail(EX_USAGE, "--mailbox \"%.100s\" is no name of a mailbox; \"-\" stands for none", given);
    write_string(fields, given != NULL && strcmp(given, "-") == 0 ? "-" : mailbox);
    write_string(fields, name);
    return EX_OK;
}

static int
end_wanted(const struct ctl *ctl, int rc)
{
    const char *name = ctl->options.operands[0];

    if (rc == MT_EEXIST)
        return ctl_fail(EX_DATAERR, "several mailboxes have a check %s: say which by --mailbox NAME, or --mailbox - for the one of none", name);
    return ctl_end(ctl, rc, "check %s", name);
}

/* "2026-11-21T03:30:00Z", or "2h": so long ago. Absent: fallback. */
static int
time_option(const struct ctl *ctl, const char *name, uint64_t fallback, uint64_t *out_us)
{
    const char *given = options_value(&ctl->options, name);
    uint64_t    ms, now = ctl_now_us();

    *out_us = fallback;
    if (given == NULL || rfc3339_parse(slice_of(given), out_us) == MT_OK)
        return EX_OK;
    if (duration_parse(slice_of(given), now / 1000, &ms) != MT_OK)
        return ctl_fail(EX_USAGE, "--%s \"%.100s\" is neither a time as 2026-11-21T03:30:00Z nor a span as 2h, which means so long ago", name, given);
    *out_us = now - ms * 1000;
    return EX_OK;
}

/* ---- What store sends ----------------------------------------------------------------------------------------------------------- */

/* What was written with emit, as a document that is added to the rows. */
static int
add_document(json_t *rows, const struct buf *text)
{
    return text->fault != MT_OK ? text->fault : json_array_append_new(rows, output_parsed(text)) != 0 ? MT_ENOMEM : MT_OK;
}

/* A check with its newest result: a row of the list, and the answer for one. */
static int
read_check(json_t *rows, struct reader *r, bool with_document)
{
    struct check_record  c;
    struct result_record newest;
    struct slice         mailbox, check, result;
    struct buf           text;
    struct emit          j;
    int                  rc;

    read_bytes(r, &mailbox, MAILBOX_NAME_MAX);
    read_bytes(r, &check, RECORD_BYTES_MAX);
    read_bytes(r, &result, RESULT_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = check_record_read(check, &c);
    if (rc == MT_OK && result.len > 0)
        rc = result_record_read(result, &newest);
    if (rc != MT_OK)
        return rc;
    buf_init(&text, DOCUMENT_BYTES);
    emit_init(&j, &text);
    answer_check(&j, NULL, &c, mailbox, result.len > 0 ? &newest : NULL, with_document);
    rc = add_document(rows, &text);
    buf_fini(&text);
    return rc;
}

static int
read_list_row(void *arg, struct reader *r)
{
    return read_check(arg, r, false);
}

static int
read_shown(void *arg, struct reader *r)
{
    return read_check(arg, r, true);
}

/* ---- List ------------------------------------------------------------------------------------------------------------------------ */

static void
show_list(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "CHECK",   "check",              AS_TEXT    },
        { "MAILBOX", "mailbox",            AS_TEXT    },
        { "STATE",   "state",              AS_TEXT    },
        { "SINCE",   "since",              AS_TIME    },
        { "VERDICT", "verdict",            AS_TEXT    },
        { "STEP",    "result.step",        AS_TEXT    },
        { "TOTAL",   "result.times.total", AS_SECONDS },
        { "LAST",    "last_at",            AS_TIME    },
        { "REASON",  "result.reason",      AS_SHORT   },
    };

    output_list(ctl->out, json_object_get(d, "checks"), columns, COUNT(columns), "There is no such check.");
}

/* Whether the state is one of "CRITICAL,WARNING", without case. */
static bool
is_among(struct slice list, const char *state)
{
    while (list.len > 0) {
        struct slice word = slice_sub(list, 0, slice_find(list, ','));

        if (slice_equal_nocase(word, slice_of(state)))
            return true;
        list = slice_sub(list, word.len + 1, list.len);
    }
    return false;
}

static int
check_states(const char *states)
{
    struct slice rest = slice_of(states);

    while (rest.len > 0) {
        struct slice      word = slice_sub(rest, 0, slice_find(rest, ','));
        enum result_state state;

        if (result_state_of(word, &state) != MT_OK)
            return ctl_fail(EX_USAGE, "--state \"%.100s\" is no list of OK, WARNING, CRITICAL and UNKNOWN", states);
        rest = slice_sub(rest, word.len + 1, rest.len);
    }
    return EX_OK;
}

static int
by_name(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    int           order = strcmp(json_string_value(json_object_get(x, "check")), json_string_value(json_object_get(y, "check")));
    const char   *p = json_string_value(json_object_get(x, "mailbox")), *q = json_string_value(json_object_get(y, "mailbox"));

    return order != 0 ? order : strcmp(p != NULL ? p : "", q != NULL ? q : "");
}

/* Those that are wanted, in the order of their names; takes over rows. */
static json_t *
chosen(json_t *rows, const char *states)
{
    size_t   count = json_array_size(rows), kept = 0;
    json_t **list = calloc(count + 1, sizeof(*list));
    json_t  *out = json_array();

    for (size_t i = 0; list != NULL && i < count; i++) {
        json_t *row = json_array_get(rows, i);

        if (states == NULL || is_among(slice_of(states), json_string_value(json_object_get(row, "state"))))
            list[kept++] = row;
    }
    if (kept > 0)
        qsort(list, kept, sizeof(*list), by_name);
    for (size_t i = 0; i < kept; i++)
        json_array_append(out, list[i]);
    free(list);
    json_decref(rows);
    return out;
}

static int
run_list(struct ctl *ctl)
{
    const char *states = options_value(&ctl->options, "state"), *given = options_value(&ctl->options, "mailbox");
    char        mailbox[MAILBOX_NAME_MAX + 1] = "", what[MAILBOX_NAME_MAX + 16];
    json_t     *rows;
    int         rc, code = check_states(states);

    if (code != EX_OK)
        return code;
    if (given != NULL && strcmp(given, "-") != 0 && mailbox_name_parse(slice_of(given), mailbox) != MT_OK)
        return ctl_fail(EX_USAGE, "--mailbox \"%.100s\" is no name of a mailbox; \"-\" stands for none", given);
    rows = json_array();
    write_string(client_fields(ctl->client), given != NULL && strcmp(given, "-") == 0 ? "-" : mailbox);
    rc = client_call(ctl->client, MSG_CHECK_LIST, -1, read_list_row, NULL, rows);
    snprintf(what, sizeof(what), given == NULL ? "checks" : "mailbox %s", mailbox);
    return ctl_print_list(ctl, rc, "checks", chosen(rows, states), show_list, what);
}

/* ---- Show ------------------------------------------------------------------------------------------------------------------------ */

static void
show_times(const struct ctl *ctl, json_t *times)
{
    const char *name;
    json_t     *value;

    if (json_object_size(times) == 0)
        return;
    fputs("\nTimes\n", ctl->out);
    json_object_foreach(times, name, value)
    {
        struct buf text;

        buf_init(&text, OUTPUT_SHORT_MAX * 8);
        output_value(&text, value, AS_SECONDS);
        fprintf(ctl->out, "  %-16s ", name);
        output_slice(ctl->out, buf_slice(&text));
        fputc('\n', ctl->out);
        buf_fini(&text);
    }
}

static void
show_changes(const struct ctl *ctl, const json_t *changes)
{
    if (json_array_size(changes) == 0)
        return;
    fputs("\nChanged since the run before\n", ctl->out);
    for (size_t i = 0; i < json_array_size(changes); i++)
        document_show_text(ctl->out, json_array_get(changes, i));
}

static void
show_check(const struct ctl *ctl, const json_t *d)
{
    static const struct column check[] = {
        { "check",        "check",        AS_TEXT  }, { "mailbox", "mailbox", AS_TEXT },
        { "kind",         "kind",         AS_TEXT  }, { "state",   "state",   AS_TEXT },
        { "since",        "since",        AS_TIME  }, { "runs",    "runs",    AS_TEXT },
        { "results kept", "results_kept", AS_TEXT  }, { "hours kept", "hours_kept", AS_TEXT },
    };
    static const struct column result[] = {
        { "began",    "started_at", AS_TIME    }, { "took",     "took_s",   AS_SECONDS }, { "scenario", "scenario", AS_TEXT },
        { "state",    "state",      AS_TEXT    }, { "verdict",  "verdict",  AS_TEXT    }, { "because",  "reason",   AS_LONG },
        { "cause",    "cause",      AS_LONG    }, { "at step",  "step",     AS_TEXT    }, { "host",     "host",     AS_LONG },
        { "code",     "code",       AS_TEXT    }, { "it said",  "reply",    AS_LONG    }, { "put off",  "deferred", AS_YES  },
    };
    json_t       *r = json_object_get(d, "result");
    const json_t *document = json_object_get(r, "document");

    output_fields(ctl->out, d, check, COUNT(check));
    if (!json_is_object(r)) {
        fputs("\nThere is no result of it, or none as old as that.\n", ctl->out);
        return;
    }
    fputs("\nResult\n", ctl->out);
    output_fields(ctl->out, r, result, COUNT(result));
    show_times(ctl, json_object_get(r, "times"));
    show_changes(ctl, json_object_get(r, "changes"));
    if (json_is_object(document)) {
        fputs("\nThe whole story\n", ctl->out);
        document_show(ctl->out, document);
    } else if (json_integer_value(json_object_get(r, "document_octets")) > 0) {
        fprintf(ctl->out, "\nThe whole story had %lld octets, which is too long to be kept.\n",
                (long long)json_integer_value(json_object_get(r, "document_octets")));
    }
}

static int
run_show(struct ctl *ctl)
{
    struct buf *fields = client_fields(ctl->client);
    json_t     *rows;
    uint64_t    at_us;
    int         rc, code = write_wanted(ctl, fields);

    if (code == EX_OK)
        code = time_option(ctl, "at", 0, &at_us);
    if (code != EX_OK)
        return code;
    write_u64(fields, at_us);
    rows = json_array();
    rc = client_call(ctl->client, MSG_CHECK_SHOW, -1, NULL, read_shown, rows);
    code = end_wanted(ctl, rc);
    if (code == EX_OK)
        code = ctl_print(ctl, json_incref(json_array_get(rows, 0)), show_check);
    json_decref(rows);
    return code;
}

/* ---- History --------------------------------------------------------------------------------------------------------------------- */

struct history {
    json_t     *rows;
    const char *verdict;        /* NULL: any */
    uint64_t    wanted;         /* rows, at most */
    uint64_t    before;         /* microseconds; of sums hours */
    uint32_t    got;            /* in the request under way */
};

static int
read_result_row(void *arg, struct reader *r)
{
    struct history      *h = arg;
    struct result_record result;
    struct slice         bytes;
    struct buf           text;
    struct emit          j;
    int                  rc;

    read_bytes(r, &bytes, RESULT_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = result_record_read(bytes, &result);
    if (rc != MT_OK)
        return rc;
    h->got++;
    h->before = result.started_us;
    if (json_array_size(h->rows) >= h->wanted || (h->verdict != NULL && !slice_equal(result.verdict, slice_of(h->verdict))))
        return MT_OK;
    buf_init(&text, DOCUMENT_BYTES);
    emit_init(&j, &text);
    answer_result(&j, NULL, &result, false);
    rc = add_document(h->rows, &text);
    buf_fini(&text);
    return rc;
}

static int
read_sum_row(void *arg, struct reader *r)
{
    struct history   *h = arg;
    struct result_sum sum;
    struct slice      bytes;
    struct buf        text;
    struct emit       j;
    uint32_t          hour;
    int               rc;

    read_u32(r, &hour);
    read_bytes(r, &bytes, RECORD_BYTES_MAX);
    if (!read_ok(r))
        return MT_EPROTO;
    rc = result_sum_read(bytes, &sum);
    if (rc != MT_OK)
        return rc;
    h->got++;
    h->before = hour;
    buf_init(&text, DOCUMENT_BYTES);
    emit_init(&j, &text);
    answer_result_sum(&j, NULL, hour, &sum);
    rc = add_document(h->rows, &text);
    buf_fini(&text);
    return rc;
}

static void
show_history(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "BEGAN",   "started_at",  AS_TIME    }, { "STATE", "state", AS_TEXT },       { "VERDICT", "verdict", AS_TEXT },
        { "TOTAL",   "times.total", AS_SECONDS }, { "TOOK",  "took_s", AS_SECONDS },   { "STEP",    "step",    AS_TEXT },
        { "HOST",    "host",        AS_SHORT   }, { "REASON", "reason", AS_SHORT },
    };

    output_list(ctl->out, json_object_get(d, "results"), columns, COUNT(columns), "There is no such result; --hourly shows the sums that stay longer.");
}

static void
show_hours(const struct ctl *ctl, const json_t *d)
{
    static const struct column columns[] = {
        { "HOUR",     "hour",            AS_TIME    }, { "RUNS",    "runs",           AS_TEXT    }, { "OK",      "states.OK",       AS_TEXT    },
        { "WARNING",  "states.WARNING",  AS_TEXT    }, { "CRITICAL", "states.CRITICAL", AS_TEXT  }, { "UNKNOWN", "states.UNKNOWN",  AS_TEXT    },
        { "AVERAGE",  "total.average_s", AS_SECONDS }, { "MEDIAN",  "total.p50_s",    AS_SECONDS }, { "95 %",    "total.p95_s",     AS_SECONDS },
        { "LONGEST",  "total.max_s",     AS_SECONDS },
    };

    output_list(ctl->out, json_object_get(d, "hours"), columns, COUNT(columns), "There is no such hour.");
}

/* Asks in steps, so that a long list is no long transaction. */
static int
list_all(struct ctl *ctl, struct history *h, bool hours, uint64_t from)
{
    bool damaged = false;
    int  rc = MT_OK;

    while ((rc == MT_OK || rc == MT_EDAMAGED) && json_array_size(h->rows) < h->wanted) {
        uint64_t    left = h->wanted - json_array_size(h->rows);
        uint32_t    step = h->verdict != NULL ? RESULT_ROWS_MAX : left < HISTORY_STEP ? (uint32_t)left : HISTORY_STEP;
        struct buf *fields = client_fields(ctl->client);

        write_wanted(ctl, fields);      /* it was fine before */
        if (hours) {
            write_u32(fields, (uint32_t)from);
            write_u32(fields, (uint32_t)h->before);
        } else {
            write_u64(fields, from);
            write_u64(fields, h->before);
        }
        write_u32(fields, step);
        h->got = 0;
        rc = client_call(ctl->client, hours ? MSG_RESULT_SUMS : MSG_RESULT_LIST, -1, hours ? read_sum_row : read_result_row, NULL, h);
        damaged = damaged || rc == MT_EDAMAGED;
        if (h->got < step)
            break;
    }
    return rc == MT_OK && damaged ? MT_EDAMAGED : rc;
}

static int
run_history(struct ctl *ctl)
{
    bool           hours = options_has(&ctl->options, "hourly");
    struct history h = { .verdict = options_value(&ctl->options, "verdict") };
    uint64_t       from, to;
    int            rc, code = write_wanted(ctl, client_fields(ctl->client));

    if (code == EX_OK && hours && h.verdict != NULL)
        code = ctl_fail(EX_USAGE, "--hourly and --verdict together: an hour has all verdicts in it");
    if (code == EX_OK)
        code = ctl_number_option(ctl, "limit", HISTORY_MAX, HISTORY_DEFAULT, &h.wanted);
    if (code == EX_OK && h.wanted == 0)
        code = ctl_fail(EX_USAGE, "--limit 0 would show nothing: a number from 1 on");
    if (code == EX_OK)
        code = time_option(ctl, "from", 0, &from);
    if (code == EX_OK)
        code = time_option(ctl, "to", TIME_US_MAX, &to);
    if (code != EX_OK)
        return code;
    h.rows = json_array();
    h.before = hours ? (to + HOUR_US - 1) / HOUR_US : to;
    rc = list_all(ctl, &h, hours, hours ? result_hour(from) : from);
    if (rc != MT_OK && rc != MT_EDAMAGED) {
        json_decref(h.rows);
        return end_wanted(ctl, rc);
    }
    return ctl_print_list(ctl, rc, hours ? "hours" : "results", h.rows, hours ? show_hours : show_history, "the history");
}

/* ---- Delete ---------------------------------------------------------------------------------------------------------------------- */

static int
read_deleted(void *arg, struct reader *r)
{
    read_u32(r, arg);
    return MT_OK;
}

static void
show_deleted(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "Check %s is deleted, and with it %lld results. It comes back with the next result that is posted of it.\n",
            json_string_value(json_object_get(d, "check")), (long long)json_integer_value(json_object_get(d, "results_deleted")));
}

static int
run_delete(struct ctl *ctl)
{
    const char *name = ctl->options.operands[0];
    uint32_t    deleted = 0;
    int         rc, code = write_wanted(ctl, client_fields(ctl->client));

    if (code == EX_OK)
        code = ctl_confirm(ctl, "Delete all that is known of check %s?", name);
    if (code != EX_OK)
        return code;
    rc = client_call(ctl->client, MSG_CHECK_DELETE, -1, NULL, read_deleted, &deleted);
    if (rc != MT_OK)
        return end_wanted(ctl, rc);
    return ctl_print(ctl, json_pack("{ss sI}", "check", name, "results_deleted", (json_int_t)deleted), show_deleted);
}

/* ---- The table ------------------------------------------------------------------------------------------------------------------- */

#define MAILBOX_OPTION { 'm', "mailbox", "NAME", "the check of this mailbox; \"-\": of none. Needed where several have one of that name" }

static const struct option_spec list_options[] = {
    { 's', "state",   "STATE", "those whose newest result is OK, WARNING, CRITICAL or UNKNOWN; several separated by commas" },
    { 'm', "mailbox", "NAME",  "those of this mailbox; \"-\": of none" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec show_options[] = {
    MAILBOX_OPTION,
    { 0, "at", "TIME", "its last result at that time, as 2026-11-21T03:30:00Z, or 2h: so long ago" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec history_options[] = {
    MAILBOX_OPTION,
    { 0,   "from",    "TIME", "runs that began then or later: 2026-11-21T03:30:00Z, or 2h: so long ago" },
    { 0,   "to",      "TIME", "runs that began before" },
    { 0,   "verdict", "WORD", "runs with this verdict, such as late or not-arrived" },
    { 0,   "hourly",  NULL,   "sums of hours, which stay when the results have expired" },
    { 'n', "limit",   "N",    "at most so many; 50 without it" },
    { 0, NULL, NULL, NULL },
};

static const struct option_spec delete_options[] = {
    MAILBOX_OPTION,
    { 'y', "yes", NULL, "do not ask; needed where there is no terminal" },
    { 0, NULL, NULL, NULL },
};

const struct command check_commands[] = {
    { "list", "", 0, 0, NEED_STORE, "all checks that have results, with the newest of each", NULL, list_options, run_list, NULL },
    { "show", "NAME", 1, 1, NEED_STORE, "one check, and all of its last result: steps, times, hops, what the server said", NULL, show_options, run_show, NULL },
    { "history", "NAME", 1, 1, NEED_STORE, "its results, newest first", NULL, history_options, run_history, NULL },
    { "delete", "NAME", 1, 1, NEED_STORE, "forget a check with all its results", NULL, delete_options, run_delete, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
