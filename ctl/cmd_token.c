/* The commands for tokens. */

#include "ctl/command.h"
#include "ctl/facts.h"
#include "ctl/way.h"
#include "lib/duration.h"
#include "lib/error.h"
#include "lib/record.h"
#include "lib/rfc3339.h"
#include "lib/token.h"

#include <time.h>

/* What `token wait` ends with besides those of sysexits.h. */
enum { EX_BOUNCED = 1, EX_MISSED = 2 };

enum { WAIT_DEFAULT_MS = 10 * 60 * 1000 };

static uint64_t
now_us(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- Minting ---------------------------------------------------------------------------------------------------- */

struct minted {
    char     token[TOKEN_CHARS + 1];
    char     address[MAILBOX_ADDRESS_MAX + 1];
    uint64_t issued_unix;
};

static int
read_minted(void *arg, struct reader *r)
{
    struct minted *m = arg;

    read_string(r, m->token, sizeof(m->token));
    read_string(r, m->address, sizeof(m->address));
    read_u64(r, &m->issued_unix);
    return MT_OK;
}

static void
show_minted(const struct ctl *ctl, const json_t *d)
{
    fprintf(ctl->out, "%s\n", json_string_value(json_object_get(d, "token")));
}

/* "2026-11-21T06:00:00Z" or seconds since 1970, up to the next whole second. */
static int
read_time_option(const struct ctl *ctl, const char *name, uint64_t *out)
{
    const char *text = options_value(&ctl->options, name);
    uint64_t    us;

    *out = 0;
    if (text == NULL || slice_to_u64(slice_of(text), UINT32_MAX, out) == MT_OK)
        return EX_OK;
    if (rfc3339_parse(slice_of(text), &us) != MT_OK)
        return ctl_fail(EX_USAGE, "--%s \"%.100s\" is no time: one such as 2026-11-21T06:00:00Z or 2026-11-21T07:00:00+01:00 (RFC 3339), "
                        "or seconds since 1970", name, text);
    *out = us / 1000000 + (us % 1000000 != 0);
    return EX_OK;
}

/* --deadline as a time (RFC 3339, or Unix seconds) or --window as a span from now; 0: none. */
static int
read_deadline(const struct ctl *ctl, uint64_t *out)
{
    uint64_t window_ms;
    int      code = read_time_option(ctl, "deadline", out);

    if (code == EX_OK)
        code = ctl_duration_option(ctl, "window", 0, &window_ms);
    if (code != EX_OK || window_ms == 0)
        return code;
    if (*out != 0)
        return ctl_fail(EX_USAGE, "--deadline and --window say the same in two ways: give one of them");
    *out = (uint64_t)time(NULL) + (window_ms + 999) / 1000;
    return EX_OK;
}

static int
run_mint(struct ctl *ctl)
{
    struct minted m = { .issued_unix = 0 };
    struct buf   *fields;
    uint64_t      deadline;
    char          mailbox[MAILBOX_NAME_MAX + 1];
    int           rc, code = ctl_mailbox_operand(ctl, 0, mailbox);

    if (code == EX_OK)
        code = read_deadline(ctl, &deadline);
    if (code != EX_OK)
        return code;
    fields = client_fields(ctl->client);
    write_string(fields, mailbox);
    write_u64(fields, deadline);
    rc = client_call(ctl->client, MSG_MINT, -1, NULL, read_minted, &m);
    if (rc == MT_EINVALID)
        return ctl_fail(EX_USAGE, "the deadline is over already, or more than %u days ahead", TOKEN_DEADLINE_MAX_DAYS);
    if (rc != MT_OK)
        return ctl_end(ctl, rc, "mailbox %s", mailbox);
    return ctl_print(ctl, json_pack("{ss ss ss so so}", "token", m.token, "mailbox", mailbox, "address", m.address, "issued_at",
                                    output_time_unix(m.issued_unix), "deadline_at", output_time_unix(deadline)), show_minted);
}

/* ---- Showing ---------------------------------------------------------------------------------------------------- */

struct shown {
    const char *mailbox;
    const char *token;
    json_t     *document;
};

/* The same document of a token of which nothing is known, as the HTTP interface answers it. */
static int
read_unknown(struct shown *s)
{
    struct buf    fields, text;
    struct reader r;
    uint64_t      minted_us;
    int           rc;

    buf_init(&fields, RECORD_BYTES_MAX);
    buf_init(&text, FACTS_MAX_BYTES);
    write_bytes(&fields, slice_make("", 0));
    write_u32(&fields, 0);
    reader_init(&r, buf_slice(&fields));
    rc = fields.fault != MT_OK ? fields.fault : facts_token(&r, s->mailbox, s->token, now_us(CLOCK_REALTIME), &text, &minted_us);
    if (rc == MT_OK)
        s->document = output_parsed(&text);
    buf_fini(&fields);
    buf_fini(&text);
    return rc == MT_OK && s->document == NULL ? MT_ENOMEM : rc;
}

static int
read_shown(void *arg, struct reader *r)
{
    struct shown *s = arg;
    struct buf    text;
    uint64_t      minted_us;
    int           rc;

    buf_init(&text, FACTS_MAX_BYTES);
    rc = facts_token(r, s->mailbox, s->token, now_us(CLOCK_REALTIME), &text, &minted_us);
    if (rc == MT_OK) {
        s->document = output_parsed(&text);
        rc = s->document == NULL ? MT_ENOMEM : MT_OK;
    }
    buf_fini(&text);
    return rc;
}

static int
ask_token(struct ctl *ctl, const char *mailbox, const char *token, json_t **out)
{
    struct shown s = { .mailbox = mailbox, .token = token };
    struct buf  *fields = client_fields(ctl->client);
    int          rc;

    write_string(fields, mailbox);
    write_string(fields, token);
    rc = client_call(ctl->client, MSG_TOKEN_SHOW, -1, NULL, read_shown, &s);
    *out = s.document;
    return rc;
}

/* "2", or "2 (deleted)": of what has gone, some facts below are missing. */
static json_t *
message_text(const json_t *arrival)
{
    long long id = (long long)json_integer_value(json_object_get(arrival, "message_id"));

    return json_sprintf("%lld%s", id, json_is_false(json_object_get(arrival, "message_kept")) ? " (deleted)" : "");
}

static void
show_arrival(const struct ctl *ctl, json_t *arrival)
{
    static const struct column facts[] = {
        { "  received",  "received_at",    AS_TIME    },
        { "  after",     "latency_s",      AS_SECONDS },
        { "  kind",      "kind",           AS_TEXT    },
        { "  message",   "message",        AS_TEXT    },
        { "  size",      "size",           AS_BYTES   },
        { "  found in",  "found_in",       AS_PLACES  },
        { "  lost in",   "lost",           AS_PLACES  },
        { "  client",    "client.address", AS_TEXT    },
        { "  name",      "client.name",    AS_TEXT    },
        { "  HELO",      "client.helo",    AS_TEXT    },
        { "  protocol",  "protocol",       AS_TEXT    },
        { "  TLS",       "tls.version",    AS_TEXT    },
        { "  sender",    "envelope.from",  AS_TEXT    },
        { "  recipient", "envelope.to",    AS_TEXT    },
    };

    fputs("\nArrival\n", ctl->out);
    json_object_set_new(arrival, "message", message_text(arrival));
    output_lost_by(arrival);
    output_fields(ctl->out, arrival, facts, COUNT(facts));
    way_show(ctl->out, arrival);
}

static void
show_token(const struct ctl *ctl, const json_t *d)
{
    static const struct column facts[] = {
        { "token",    "token",         AS_TEXT },
        { "mailbox",  "mailbox",       AS_TEXT },
        { "verdict",  "verdict",       AS_TEXT },
        { "issued",   "issued_at",     AS_TIME },
        { "deadline", "deadline_at",   AS_TIME },
        { "decided",  "decided_at",    AS_TIME },
        { "amended",  "amended_at",    AS_TIME },
        { "down",     "down",          AS_TEXT },
        { "arrivals", "arrival_count", AS_TEXT },
        { "refused",  "report.status", AS_TEXT },
        { "because",  "report.diagnostic", AS_LONG },
        { "meaning",  "report.meaning", AS_LONG },
    };
    json_int_t down_ms = json_integer_value(json_object_get(d, "receiver_down_ms"));
    json_t    *shown = json_copy((json_t *)(uintptr_t)d), *arrival;
    char       text[DURATION_TEXT_BYTES];
    size_t     i;

    if (down_ms > 0)
        json_object_set_new(shown, "down", json_sprintf("this receiver, for %s of its window",
                                                        duration_text((uint64_t)down_ms * 1000, text)));
    output_fields(ctl->out, shown, facts, COUNT(facts));
    json_decref(shown);
    if (json_is_false(json_object_get(d, "registered")))
        output_paragraph(ctl->out, "Nothing is known of it: it was not minted here for this mailbox, and no mail with it has come.");
    json_array_foreach (json_object_get(d, "arrivals"), i, arrival)
        show_arrival(ctl, arrival);
}

static void
show_foreign_token(const struct ctl *ctl, const json_t *d)
{
    show_token(ctl, d);
    output_paragraph(ctl->out, "It is no genuine token of this mailbox: its key did not make it, or its key is retired. No mail can make it arrive.");
}

/* Operands 0 and 1: mailbox and token; the token is copied in lower case. */
static int
token_operands(const struct ctl *ctl, char mailbox[MAILBOX_NAME_MAX + 1], char token[TOKEN_CHARS + 1])
{
    struct token t;
    int          code = ctl_mailbox_operand(ctl, 0, mailbox);

    if (code != EX_OK)
        return code;
    if (token_decode(slice_of(ctl->options.operands[1]), &t) != MT_OK)
        return ctl_fail(EX_USAGE, "\"%.100s\" is no token: \"" TOKEN_PREFIX "\" and 40 letters and digits", ctl->options.operands[1]);
    token_encode(&t, token);
    return EX_OK;
}

static int
ignore_fields(void *arg, struct reader *r)
{
    struct slice bytes;

    (void)arg;
    for (int i = 0; i < 3; i++)
        read_bytes(r, &bytes, RECORD_BYTES_MAX);
    return read_ok(r) ? MT_OK : MT_EPROTO;
}

/* Store does not say whether it is the mailbox that it does not know. */
static int
ask_mailbox_exists(struct ctl *ctl, const char *mailbox)
{
    write_string(client_fields(ctl->client), mailbox);
    return client_call(ctl->client, MSG_MAILBOX_SHOW, -1, NULL, ignore_fields, NULL);
}

static int
show_not_found(struct ctl *ctl, const char *mailbox, const char *token)
{
    struct shown s = { .mailbox = mailbox, .token = token };
    int          rc = ask_mailbox_exists(ctl, mailbox);

    if (rc == MT_OK)
        rc = read_unknown(&s);
    return rc == MT_OK ? ctl_print(ctl, s.document, show_foreign_token) : ctl_end(ctl, rc, "mailbox %s", mailbox);
}

static int
run_show(struct ctl *ctl)
{
    json_t *document;
    char    mailbox[MAILBOX_NAME_MAX + 1], token[TOKEN_CHARS + 1];
    int     rc, code = token_operands(ctl, mailbox, token);

    if (code != EX_OK)
        return code;
    rc = ask_token(ctl, mailbox, token, &document);
    if (rc == MT_OK)
        return ctl_print(ctl, document, show_token);
    if (rc == MT_ENOTFOUND)
        return show_not_found(ctl, mailbox, token);
    return ctl_end(ctl, rc, "token %s of mailbox %s", token, mailbox);
}

static bool
change_is_of_token(void *arg, const struct change *change)
{
    return change->has_token && token_equal(&change->token, arg);
}

/*
 * The exit code for a verdict; EX_TEMPFAIL: it is still waited for. An automatic reply decides nothing before there is a deadline that
 * is over: the mail may still come.
 */
static int
code_of_verdict(const json_t *document)
{
    static const struct {
        const char *verdict;
        int         code;
    } codes[] = {
        { "waiting",       EX_TEMPFAIL },
        { "arrived",       EX_OK       },
        { "late",          EX_OK       },
        { "bounced",       EX_BOUNCED  },
        { "autoreply",     EX_MISSED   },
        { "not-arrived",   EX_MISSED   },
        { "receiver-down", EX_MISSED   },
    };
    const char *verdict = json_string_value(json_object_get(document, "verdict"));

    for (size_t i = 0; verdict != NULL && i < COUNT(codes); i++)
        if (strcmp(verdict, codes[i].verdict) == 0)
            return codes[i].code == EX_MISSED && !json_is_string(json_object_get(document, "decided_at")) ? EX_TEMPFAIL : codes[i].code;
    return EX_SOFTWARE;
}

/* Asks for the token anew on each change until its verdict is final, or the time is over. */
static int
wait_for_verdict(struct ctl *ctl, const char *mailbox, const char *token, uint64_t until_us, json_t **document)
{
    for (;;) {
        uint64_t now;
        int      rc = ask_token(ctl, mailbox, token, document);

        if (rc != MT_OK)
            return rc;
        now = now_us(CLOCK_MONOTONIC);
        if (code_of_verdict(*document) != EX_TEMPFAIL || now >= until_us)
            return MT_OK;
        rc = client_wait(ctl->client, (until_us - now + 999) / 1000);
        if (rc == MT_EAGAIN)
            return MT_OK;
        json_decref(*document);
        *document = NULL;
        if (rc != MT_OK)
            return rc;
    }
}

static int
run_wait(struct ctl *ctl)
{
    struct token t;
    json_t      *document = NULL;
    uint64_t     wait_ms;
    char         mailbox[MAILBOX_NAME_MAX + 1], token[TOKEN_CHARS + 1];
    int          rc, verdict_code, code = token_operands(ctl, mailbox, token);

    if (code == EX_OK)
        code = ctl_duration_option(ctl, "timeout", WAIT_DEFAULT_MS, &wait_ms);
    if (code != EX_OK)
        return code;
    client_set_patience(ctl->client, CLIENT_PATIENCE_MS);       /* what --timeout means here is not the time of one answer */
    token_decode(slice_of(token), &t);
    rc = client_watch(ctl->client, change_is_of_token, &t);
    if (rc == MT_OK)
        rc = wait_for_verdict(ctl, mailbox, token, now_us(CLOCK_MONOTONIC) + wait_ms * 1000, &document);
    if (rc == MT_ENOTFOUND && (rc = ask_mailbox_exists(ctl, mailbox)) != MT_OK)
        return ctl_end(ctl, rc, "mailbox %s", mailbox);
    if (document == NULL && rc == MT_OK)
        return ctl_fail(EX_NOINPUT, "token %s is no genuine token of mailbox %s: no mail can make it arrive", token, mailbox);
    if (rc != MT_OK)
        return ctl_end(ctl, rc, "token %s of mailbox %s", token, mailbox);
    verdict_code = code_of_verdict(document);
    code = ctl_print(ctl, document, show_token);
    return code == EX_OK ? verdict_code : code;
}

static const struct option_spec mint_options[] = {
    { 'w', "window",   "SPAN", "the mail is expected within this time, such as 10m" },
    { 0,   "deadline", "TIME", "or: until this time, such as 2026-11-21T06:00:00Z" },
    { 0, NULL, NULL, NULL },
};

const struct command token_commands[] = {
    { "mint", "MAILBOX", 1, 1, NEED_STORE, "make a token for a test mail",
      "With a window or a deadline the token is expected: its absence becomes the verdict not-arrived.\n"
      "JSON: token, mailbox, address, issued_at, deadline_at.", mint_options, run_mint, NULL },
    { "show", "MAILBOX TOKEN", 2, 2, NEED_STORE, "what is known of a token: verdict, arrivals, hops",
      "The JSON is what the HTTP interface answers. Of a token of which nothing is known that is: waiting, not registered.", NULL,
      run_show, NULL },
    { "wait", "MAILBOX TOKEN", 2, 2, NEED_STORE, "wait until its verdict is final, then show it",
      "It waits for --timeout, 10m without it, and ends at once when the verdict is final. Exit codes:\n"
      "  0   it arrived, also late\n"
      "  1   it bounced: the mail came back as undeliverable\n"
      "  2   it was missed: the deadline is over, and it did not arrive, or nothing came but an automatic reply, or this\n"
      "      receiver was down meanwhile (verdicts not-arrived, autoreply, receiver-down)\n"
      "  75  none of these within the time: it is still waited for", NULL, run_wait, NULL },
    { NULL, NULL, 0, 0, NEED_NOTHING, NULL, NULL, NULL, NULL, NULL },
};
