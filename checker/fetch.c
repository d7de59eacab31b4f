#include "checker/fetch.h"

#include "checker/clock.h"
#include "checker/credential.h"
#include "checker/sasl_client.h"
#include "checker/secret_echo.h"
#include "lib/display.h"
#include "lib/error.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORDS_CHARS = 160, ARRIVALS_MAX = TOKEN_ARRIVALS_MAX, LOGIN_BYTES = SASL_CLIENT_BYTES * 2 };

/* ---- How it ends -------------------------------------------------------------------------------------------------- */

static void
fetch_free(struct fetch *f)
{
    if (f->dialogue != NULL)
        f->protocol->free(f->dialogue);
    mail_link_close(f->link);
    sasl_client_free(f->sasl);
    sodium_free(f->secret);
    if (f->finished != NULL)
        event_free(f->finished);
    json_decref(f->result.arrivals);
    json_decref(f->result.report);
    free(f);
}

void
fetch_cancel(struct fetch *f)
{
    if (f != NULL)
        fetch_free(f);
}

static void
note_link(struct fetch *f)
{
    struct fetch_result *r = &f->result;

    if (f->link == NULL)
        return;
    slice_copy(r->host, sizeof(r->host), slice_of(mail_link_host(f->link)));
    slice_copy(r->tls_version, sizeof(r->tls_version), slice_of(mail_link_tls_version(f->link)));
    slice_copy(r->tls_verify, sizeof(r->tls_verify), slice_of(mail_link_tls_verify(f->link)));
}

static void
on_finished(evutil_socket_t fd, short what, void *arg)
{
    struct fetch *f = arg;

    (void)fd;
    (void)what;
    note_link(f);
    mail_link_close(f->link);
    f->link = NULL;
    f->done(f->arg, &f->result);
    fetch_free(f);
}

void
fetch_finish(struct fetch *f)
{
    if (f->over)
        return;
    f->over = true;
    event_active(f->finished, EV_TIMEOUT, 0);
}

void
fetch_note(struct fetch *f, const char *step, const char *what, struct slice words)
{
    struct fetch_result *r = &f->result;
    struct buf           text;

    if (r->step[0] != '\0')
        return;
    if (secret_echo_is_in(f->secret, words))
        words = slice_of(SECRET_ECHO_SAID);
    slice_copy(r->step, sizeof(r->step), slice_of(step));
    buf_init(&text, sizeof(r->reason) * 4);
    buf_append_string(&text, what);
    if (words.len > 0)
        buf_append_string(&text, ": ");
    display_text(&text, words, WORDS_CHARS);
    slice_copy(r->reason, sizeof(r->reason), buf_slice(&text));
    buf_fini(&text);
}

void
fetch_fail(struct fetch *f, const char *step, const char *what, struct slice words)
{
    if (f->over)
        return;
    fetch_note(f, step, what, words);
    fetch_finish(f);
}

/* ---- What is found ------------------------------------------------------------------------------------------------ */

static const char *
folder_name(const struct fetch *f, enum fetch_folder folder)
{
    if (folder == FETCH_JUNK)
        return f->task.memory->junk;
    return f->task.plan->folder != NULL ? f->task.plan->folder : "INBOX";
}

static void
note_found(struct fetch *f, enum fetch_folder folder, enum message_kind kind)
{
    struct fetch_result *r = &f->result;

    if (kind == KIND_ARRIVED) {
        r->junk = folder == FETCH_JUNK && (r->copies == 0 || r->junk);
        r->copies++;
    }
    r->bounced = r->bounced || kind == KIND_BOUNCED;
    r->autoreply = r->autoreply || kind == KIND_AUTOREPLY || kind == KIND_RECEIPT;
    if (r->folder[0] == '\0')
        slice_copy(r->folder, sizeof(r->folder), slice_of(folder_name(f, folder)));
    if (kind == KIND_BOUNCED && r->report == NULL)
        r->report = mail_judge_report(f->task.judge);
    if (json_array_size(r->arrivals) < ARRIVALS_MAX)
        json_array_append_new(r->arrivals, mail_judge_arrival(f->task.judge));
}

struct mail_verdict
fetch_judge(struct fetch *f, enum fetch_folder folder, const struct mail_facts *mail)
{
    struct mail_facts   facts = *mail;
    struct mail_verdict verdict;

    facts.folder = folder_name(f, folder);
    mail_judge_mail(f->task.judge, &facts, (int64_t)(wall_us() / 1000000), &verdict);
    if (verdict.ours)
        note_found(f, folder, verdict.kind);
    return verdict;
}

/* ---- The login ---------------------------------------------------------------------------------------------------- */

enum fetch_login
fetch_login_choose(struct fetch *f, struct slice offered, bool plain)
{
    const struct auth  *auth = f->task.auth;
    const struct server *s = &f->task.plan->account;
    char                reason[SASL_CLIENT_REASON_BYTES];
    bool                is_private = mail_link_is_private(f->link);
    enum auth_mechanism m = sasl_client_choose(auth, offered, is_private, reason);

    if (m == AUTH_NONE) {
        plain = plain && is_private && !credential_is_token(auth) &&
                (auth->mechanism == AUTH_AUTO || auth->mechanism == AUTH_PLAIN || auth->mechanism == AUTH_LOGIN);
        if (plain)
            return FETCH_LOGIN_PLAIN;
        f->result.hopeless = true;
        fetch_fail(f, "login", reason, slice_of(NULL));
        return FETCH_LOGIN_NONE;
    }
    f->sasl = sasl_client_new(m, auth->user, f->secret, s->host, s->port);
    if (f->sasl == NULL) {
        fetch_fail(f, "login", "out of memory", slice_of(NULL));
        return FETCH_LOGIN_NONE;
    }
    f->mechanism = sasl_mechanism_name(m);
    return FETCH_LOGIN_SASL;
}

/* Appends the next message of ours in base64; false: the exchange cannot go on. */
static bool
put_message(struct fetch *f, struct slice challenge, struct buf *out)
{
    struct buf message;
    bool       fine;

    buf_init(&message, LOGIN_BYTES);
    message.secret = true;
    fine = sasl_client_step(f->sasl, challenge, &message) == MT_OK && sasl_base64_encode(buf_slice(&message), out) == MT_OK;
    buf_wipe(&message);
    return fine;
}

void
fetch_login_begin(struct fetch *f, const char *verb, bool initial)
{
    struct buf out;

    buf_init(&out, LOGIN_BYTES);
    out.secret = true;
    buf_printf(&out, "%s %s", verb, f->mechanism);
    if (initial && sasl_client_is_first(f->sasl)) {
        size_t before;

        buf_append_byte(&out, ' ');
        before = out.len;
        if (!put_message(f, slice_of(NULL), &out))
            fetch_fail(f, "login", sasl_client_reason(f->sasl), slice_of(NULL));
        if (out.len == before)
            buf_append_byte(&out, '=');     /* RFC 4422 section 4.3.3: an empty one */
        f->first_said = true;
    }
    buf_append_string(&out, "\r\n");
    if (!f->over)
        mail_link_send(f->link, buf_slice(&out));
    buf_wipe(&out);
}

void
fetch_login_challenge(struct fetch *f, struct slice base64)
{
    struct buf   challenge, out;
    bool         first = !f->first_said && sasl_client_is_first(f->sasl), fine;

    buf_init(&challenge, LOGIN_BYTES);
    buf_init(&out, LOGIN_BYTES);
    out.secret = true;
    f->first_said = true;
    /* The server only asks for the first message: whatever it says with that is no challenge. */
    fine = first || sasl_base64_decode(base64, &challenge) == MT_OK;
    if (!fine || !put_message(f, buf_slice(&challenge), &out)) {
        fetch_note(f, "login", fine ? sasl_client_reason(f->sasl) : "the server's challenge is no base64", slice_of(NULL));
        buf_clear(&out);
        buf_append_byte(&out, '*');         /* RFC 9051 section 6.2.2, RFC 5034 section 4: cancels it */
    }
    buf_append_string(&out, "\r\n");
    mail_link_send(f->link, buf_slice(&out));
    buf_fini(&challenge);
    buf_wipe(&out);
}

bool
fetch_login_passed(struct fetch *f)
{
    if (f->sasl != NULL && !sasl_client_finish(f->sasl)) {
        f->result.hopeless = true;
        fetch_fail(f, "login", sasl_client_reason(f->sasl), slice_of(NULL));
        return false;
    }
    sasl_client_free(f->sasl);
    f->sasl = NULL;             /* the secret itself stays: no word of the server that repeats it is told */
    return true;
}

void
fetch_login_refused(struct fetch *f, struct slice words, bool healing)
{
    const char *told = f->sasl != NULL ? sasl_client_reason(f->sasl) : "";
    struct buf  all;

    f->result.refused = !healing;
    f->result.hopeless = !healing;
    buf_init(&all, LOGIN_BYTES);
    buf_append_slice(&all, words);
    if (told[0] != '\0')
        buf_printf(&all, " (%s)", told);
    fetch_fail(f, "login", healing ? "login put off" : "login refused", buf_slice(&all));
    buf_fini(&all);
}

/* ---- The connection ----------------------------------------------------------------------------------------------- */

static void
on_link(void *arg, enum mail_link_event event)
{
    struct fetch *f = arg;
    const char   *step, *reason;

    if (f->over)
        return;
    if (event == MAIL_LINK_OPEN) {
        f->protocol->opened(f->dialogue);
    } else if (event == MAIL_LINK_OCTETS) {
        f->protocol->octets(f->dialogue);
    } else if (f->result.looked) {          /* all is done but the good-bye */
        fetch_finish(f);
    } else {
        step = mail_link_step(f->link);
        reason = mail_link_reason(f->link);
        f->result.hopeless = f->result.hopeless || mail_link_no_trust(f->link);
        f->result.own_trouble = mail_link_own_trouble(f->link);
        fetch_fail(f, step[0] != '\0' ? step : f->protocol->step(f->dialogue),
            secret_echo_is_in(f->secret, slice_of(reason)) ? SECRET_ECHO_SAID : reason, slice_of(NULL));
    }
}

struct fetch *
fetch_start(const struct fetch_task *task, fetch_done_fn *done, void *arg)
{
    struct fetch         *f = calloc(1, sizeof(*f));
    const struct plan    *plan = task->plan;
    struct mail_link_task link = {
        .base = task->base,
        .pop3 = plan->receive == RECEIVE_POP3,
        .server = &plan->account,
        .route = task->route,
        .timeout_ms = plan->timeout_ms,
        .limit_ms = plan->timeout_ms * FETCH_LIMIT_STEPS,
    };

    if (f == NULL)
        return NULL;
    f->task = *task;
    f->done = done;
    f->arg = arg;
    f->task.secret = NULL;
    f->protocol = link.pop3 ? &fetch_pop3 : &fetch_imap;
    f->result.arrivals = json_array();
    f->secret = sodium_malloc(strlen(task->secret) + 1);
    f->finished = event_new(task->base, -1, 0, on_finished, f);
    f->dialogue = f->protocol->start(f);
    if (f->secret != NULL)
        memcpy(f->secret, task->secret, strlen(task->secret) + 1);
    if (f->result.arrivals == NULL || f->secret == NULL || f->finished == NULL || f->dialogue == NULL ||
        (f->link = mail_link_open(&link, on_link, f)) == NULL) {
        fetch_free(f);
        return NULL;
    }
    return f;
}
