#include "checker/credential.h"

#include "checker/clock.h"
#include "checker/program.h"
#include "lib/buf.h"
#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REASON_BYTES = 400, KEY_BYTES_MAX = 64 * 1024 };

struct credential_request {
    TAILQ_ENTRY(credential_request) link;       /* in its token's list, or the files' */
    struct credentials *owner;
    struct token       *token;                  /* NULL: a password from its file */
    const struct auth  *auth;
    credential_fn      *done;
    void               *arg;
    struct event       *ready;                  /* the answer is there */
};

TAILQ_HEAD(request_list, credential_request);

/* What one token command has printed. */
struct token {
    TAILQ_ENTRY(token)  link;
    struct credentials *owner;
    struct buf          key;                    /* the words of the command, each with its NUL */
    char               *secret;                 /* sodium_malloc; NULL: it has none */
    char                reason[REASON_BYTES];   /* why it has none */
    bool                known;                  /* one of both is there */
    uint64_t            asked_us;               /* monotonic: when its answer came */
    struct program     *program;                /* under way; NULL: none is */
    struct request_list waiting;
};

struct credentials {
    struct event_base  *base;
    TAILQ_HEAD(, token) tokens;                 /* as many as there are different commands in checks.yaml */
    struct request_list files;
    char               *password;               /* sodium_malloc of CREDENTIAL_MAX_BYTES + 1; zero but during a call */
};

struct credentials *
credentials_new(struct event_base *base)
{
    struct credentials *c = calloc(1, sizeof(*c));

    if (c == NULL || sodium_init() < 0 || (c->password = sodium_malloc(CREDENTIAL_MAX_BYTES + 1)) == NULL) {
        free(c);
        return NULL;
    }
    c->base = base;
    TAILQ_INIT(&c->tokens);
    TAILQ_INIT(&c->files);
    sodium_memzero(c->password, CREDENTIAL_MAX_BYTES + 1);
    return c;
}

static void
request_free(struct credential_request *r)
{
    if (r->ready != NULL)
        event_free(r->ready);
    free(r);
}

static void
free_requests(struct request_list *list)
{
    struct credential_request *r;

    while ((r = TAILQ_FIRST(list)) != NULL) {
        TAILQ_REMOVE(list, r, link);
        request_free(r);
    }
}

static void
token_free(struct token *t)
{
    program_cancel(t->program);
    free_requests(&t->waiting);
    sodium_free(t->secret);
    buf_fini(&t->key);
    free(t);
}

void
credentials_free(struct credentials *c)
{
    struct token *t;

    if (c == NULL)
        return;
    while ((t = TAILQ_FIRST(&c->tokens)) != NULL) {
        TAILQ_REMOVE(&c->tokens, t, link);
        token_free(t);
    }
    free_requests(&c->files);
    sodium_free(c->password);
    free(c);
}

/* ---- What a secret is --------------------------------------------------------------------------------------------- */

/* A password has no control characters; a token (RFC 6750 section 2.1) is of printable ASCII without blanks. NULL, or what is wrong. */
static const char *
secret_fault(struct slice s, bool token)
{
    if (s.len == 0)
        return "is empty";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c == '\n' || c == '\r')
            return "has more than one line";
        if (c < ' ' || c == 0x7f || (token && (c == ' ' || c > 0x7f)))
            return token ? "is no access token" : "has control characters in it";
    }
    return NULL;
}

bool
credential_is_token(const struct auth *auth)
{
    if (auth->mechanism == AUTH_AUTO)
        return auth->password_file == NULL && auth->token_command[0] != NULL;
    return auth->mechanism == AUTH_XOAUTH2 || auth->mechanism == AUTH_OAUTHBEARER;
}

/* ---- Passwords ---------------------------------------------------------------------------------------------------- */

/* Reads the whole file into password, with a NUL. -1 with errno; EFBIG: it is too large; EINVAL: it is no file. */
static ssize_t
read_whole(const char *file, char *password)
{
    struct stat st;
    ssize_t     got, len = 0;
    int         fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;

    if (fd == -1)
        return -1;
    err = fstat(fd, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
    while (err == 0 && (got = read(fd, password + len, CREDENTIAL_MAX_BYTES + 1 - (size_t)len)) != 0) {
        err = got < 0 ? errno : len + got > (ssize_t)CREDENTIAL_MAX_BYTES ? EFBIG : 0;
        len += got > 0 ? got : 0;
    }
    close(fd);
    errno = err;
    if (err != 0)
        return -1;
    password[len] = '\0';
    return len;
}

/* The secret, which is the part of c->password without the line end; NULL with the reason. */
static const char *
read_password(struct credentials *c, const struct auth *auth, char reason[REASON_BYTES])
{
    const char *file = auth->password_file, *fault;
    ssize_t     len;

    if (file == NULL) {
        snprintf(reason, REASON_BYTES, "there is no password file for %.200s", auth->user != NULL ? auth->user : "the login");
        return NULL;
    }
    len = read_whole(file, c->password);
    if (len < 0) {
        snprintf(reason, REASON_BYTES, "password file %.200s: %s", file, strerror(errno));
        return NULL;
    }
    if (len > 0 && c->password[len - 1] == '\n')
        c->password[--len] = '\0';
    if (len > 0 && c->password[len - 1] == '\r')
        c->password[--len] = '\0';
    fault = secret_fault(slice_make(c->password, (size_t)len), false);
    if (fault == NULL)
        return c->password;
    snprintf(reason, REASON_BYTES, "password file %.200s: it %s", file, fault);
    return NULL;
}

static void
answer_password(struct credential_request *r)
{
    struct credentials *c = r->owner;
    char                reason[REASON_BYTES] = "";
    const char         *secret;

    TAILQ_REMOVE(&c->files, r, link);
    secret = read_password(c, r->auth, reason);
    r->done(r->arg, secret, secret == NULL ? reason : NULL);
    sodium_memzero(c->password, CREDENTIAL_MAX_BYTES + 1);
    request_free(r);
}

/* ---- Tokens ------------------------------------------------------------------------------------------------------- */

static void
token_forget(struct token *t)
{
    sodium_free(t->secret);
    t->secret = NULL;
    t->reason[0] = '\0';
    t->known = false;
}

static uint64_t
age_ms(const struct token *t)
{
    return (monotonic_us() - t->asked_us) / 1000;
}

static bool
is_fresh(const struct token *t)
{
    return t->known && age_ms(t) < (t->secret != NULL ? CREDENTIAL_KEPT_MS : CREDENTIAL_FAULT_KEPT_MS);
}

static void
take_output(struct token *t, const struct program_result *result)
{
    struct slice text = slice_trim(result->output);
    const char  *fault = NULL;

    if (result->reason[0] == '\0')
        fault = text.len > CREDENTIAL_MAX_BYTES ? "is too large" : secret_fault(text, true);
    if (result->reason[0] != '\0') {
        snprintf(t->reason, sizeof(t->reason), "token command: %.300s", result->reason);
    } else if (fault != NULL) {
        snprintf(t->reason, sizeof(t->reason), "token command: what it printed %s", fault);
    } else if ((t->secret = sodium_malloc(text.len + 1)) == NULL) {
        snprintf(t->reason, sizeof(t->reason), "token command: out of memory");
    } else {
        memcpy(t->secret, text.data, text.len);
        t->secret[text.len] = '\0';
    }
}

static void
on_printed(void *arg, const struct program_result *result)
{
    struct token              *t = arg;
    struct credential_request *r;

    t->program = NULL;
    token_forget(t);
    t->known = true;
    t->asked_us = monotonic_us();
    take_output(t, result);
    TAILQ_FOREACH(r, &t->waiting, link)
        event_active(r->ready, EV_TIMEOUT, 0);
}

static bool
token_ask(struct token *t, const struct auth *auth)
{
    struct program_task task = {
        .words = auth->token_command, .timeout_ms = CREDENTIAL_COMMAND_MS, .output_max = CREDENTIAL_MAX_BYTES + 16,
    };

    if (t->program == NULL)
        t->program = program_start(t->owner->base, &task, on_printed, t);
    return t->program != NULL;
}

static void
answer_token(struct credential_request *r)
{
    struct token *t = r->token;

    TAILQ_REMOVE(&t->waiting, r, link);
    /* A refusal may have come between the answer and this event. */
    r->done(r->arg, t->secret, t->secret != NULL ? NULL : t->known ? t->reason : "token command: the token was refused");
    request_free(r);
}

/* The words of the command as one key. */
static int
write_key(struct buf *out, const struct auth *auth)
{
    buf_init(out, KEY_BYTES_MAX);
    for (unsigned i = 0; i < TOKEN_COMMAND_WORDS_MAX && auth->token_command[i] != NULL; i++)
        buf_append(out, auth->token_command[i], strlen(auth->token_command[i]) + 1);
    return out->fault;
}

/* The token of this command; where there is none yet and made is asked for, a new one. NULL: none, or out of memory. */
static struct token *
find_token(struct credentials *c, const struct auth *auth, bool made)
{
    struct token *t = NULL;
    struct buf    key;

    if (write_key(&key, auth) == MT_OK) {
        TAILQ_FOREACH(t, &c->tokens, link)
            if (slice_equal(buf_slice(&t->key), buf_slice(&key)))
                break;
        if (t == NULL && made && (t = calloc(1, sizeof(*t))) != NULL) {
            t->owner = c;
            t->key = key;
            TAILQ_INIT(&t->waiting);
            TAILQ_INSERT_TAIL(&c->tokens, t, link);
            return t;
        }
    }
    buf_fini(&key);
    return t;
}

/* ---- Asking ------------------------------------------------------------------------------------------------------- */

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct credential_request *r = arg;

    (void)fd;
    (void)what;
    if (r->token != NULL)
        answer_token(r);
    else
        answer_password(r);
}

struct credential_request *
credential_get(struct credentials *c, const struct auth *auth, credential_fn *done, void *arg)
{
    struct credential_request *r = calloc(1, sizeof(*r));
    bool                       is_token = credential_is_token(auth) && auth->token_command[0] != NULL;

    if (r == NULL)
        return NULL;
    *r = (struct credential_request){ .owner = c, .auth = auth, .done = done, .arg = arg };
    r->ready = event_new(c->base, -1, 0, on_ready, r);
    if (r->ready == NULL || (is_token && (r->token = find_token(c, auth, true)) == NULL) ||
        (is_token && !is_fresh(r->token) && !token_ask(r->token, auth))) {
        request_free(r);
        return NULL;
    }
    if (is_token)
        TAILQ_INSERT_TAIL(&r->token->waiting, r, link);
    else
        TAILQ_INSERT_TAIL(&c->files, r, link);
    if (!is_token || r->token->program == NULL)
        event_active(r->ready, EV_TIMEOUT, 0);
    return r;
}

void
credential_cancel(struct credential_request *r)
{
    if (r == NULL)
        return;
    if (r->token != NULL)
        TAILQ_REMOVE(&r->token->waiting, r, link);
    else
        TAILQ_REMOVE(&r->owner->files, r, link);
    request_free(r);
}

bool
credential_refused(struct credentials *c, const struct auth *auth)
{
    struct token *t = credential_is_token(auth) ? find_token(c, auth, false) : NULL;

    /* Of many that used the same token, the first to be refused has it asked for anew; for the others it is new already. */
    if (t == NULL || !t->known || t->program != NULL)
        return t != NULL;
    if (age_ms(t) < CREDENTIAL_FAULT_KEPT_MS)
        return false;
    token_forget(t);
    return true;
}
