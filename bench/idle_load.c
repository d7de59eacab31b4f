/*
 * idle_load - how soon idling IMAP sessions hear of an arrival: opens many sessions that IDLE on their INBOX, sends mails at a fixed
 * rate, and measures from each mail's 250 to the EXISTS line of each session of its mailbox. One line for a person on standard error,
 * one JSON object on standard output.
 *
 * One process sees both, so one clock measures. Where the line comes before the 250 the time counts as 0.
 */

#include "bench/common/histogram.h"
#include "bench/common/mail_client.h"
#include "bench/common/smtp_client.h"

#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    NS_PER_MS = 1000000, NS_PER_S = 1000000000,
    NAME_BYTES = 128, COMMAND_BYTES = 512, OPENING_MAX = 64,
    TIMEOUT_S = 30,                     /* a mail of which nobody is told for so long, and the run fails */
};

/* Those before STAGE_IDLE are the commands whose answer is waited for. */
enum stage { STAGE_CLOSED, STAGE_GREETING, STAGE_LOGIN, STAGE_SELECT, STAGE_CONTINUATION, STAGE_IDLE };

/* A mailbox, and the mail to it that is under way: one at a time. */
struct box {
    struct run         *run;
    struct smtp_client *smtp;
    char                user[NAME_BYTES], secret[NAME_BYTES], recipient[2 * NAME_BYTES];
    unsigned            sessions;       /* that idle on it */
    bool                busy;           /* until the 250 and all lines are there, and SMTP is closed */
    bool                smtp_open;
    size_t              index;          /* of the mail */
    uint64_t            begun, accepted;
    unsigned            told;
    uint64_t           *heard;          /* by each session of it; 0: not yet */
};

struct session {
    struct mail_client *client;
    struct box         *box;
    unsigned            number;         /* in its box */
    enum stage          stage;
};

struct run {
    struct smtp_setting smtp;
    struct mail_setting imap;
    const char         *domain;
    double              rate;
    struct box         *boxes;
    size_t              box_count;
    struct session     *sessions;
    unsigned            session_count, opened, idle;
    char              (*tokens)[LETTER_TOKEN_LEN + 1];
    size_t              token_count, begun, finished;
    uint64_t            start, early;
    struct histogram    latency;
};

/* ---- Mail ---------------------------------------------------------------------------------------------------------- */

static void
check_done(struct box *box)
{
    struct run *run = box->run;

    if (box->accepted == 0 || box->told < box->sessions || box->smtp_open)
        return;
    for (unsigned i = 0; i < box->sessions; i++) {
        run->early += box->heard[i] < box->accepted;
        histogram_add(&run->latency, box->heard[i] > box->accepted ? box->heard[i] - box->accepted : 0);
    }
    box->busy = false;
    run->finished++;
}

static void
on_smtp(struct smtp_client *c, enum smtp_event event, void *owner)
{
    struct box *box = owner;

    switch (event) {
    case SMTP_READY:
        smtp_client_send(c, box->recipient, box->run->tokens[box->index], box->index);
        break;
    case SMTP_ACCEPTED:
        box->accepted = smtp_client_times(c)->accepted;
        smtp_client_quit(c);
        break;
    case SMTP_FAILED:
        errx(1, "SMTP: %s: %s", smtp_client_failure(c)->what, smtp_client_failure(c)->text);
    case SMTP_CLOSED:
        box->smtp_open = false;
        check_done(box);
        break;
    }
}

static void
send_mail(struct box *box, uint64_t now)
{
    box->index = box->run->begun++;
    box->busy = box->smtp_open = true;
    box->begun = now;
    box->accepted = 0;
    box->told = 0;
    memset(box->heard, 0, box->sessions * sizeof(*box->heard));
    smtp_client_open(box->smtp);
}

/* ---- Sessions ------------------------------------------------------------------------------------------------------- */

static void
say(struct session *s, enum stage stage, enum mail_answer answer, const char *text)
{
    s->stage = stage;
    mail_client_send(s->client, text, strlen(text), answer);
}

static void
go_on(struct session *s)
{
    const char *line = mail_client_line(s->client);
    char        command[COMMAND_BYTES];

    if (strncmp(line, s->stage == STAGE_GREETING ? "* OK" : s->stage == STAGE_CONTINUATION ? "+" : "a OK", s->stage == STAGE_CONTINUATION ? 1 : 4) != 0)
        errx(1, "IMAP: %s", line);
    switch (s->stage) {
    case STAGE_GREETING:
        snprintf(command, sizeof(command), "a LOGIN %s %s\r\n", s->box->user, s->box->secret);
        say(s, STAGE_LOGIN, MAIL_TAGGED, command);
        break;
    case STAGE_LOGIN:
        say(s, STAGE_SELECT, MAIL_TAGGED, "a SELECT INBOX\r\n");
        break;
    case STAGE_SELECT:
        say(s, STAGE_CONTINUATION, MAIL_LINE, "a IDLE\r\n");
        break;
    default:
        s->stage = STAGE_IDLE;
        s->box->run->idle++;
        mail_client_await(s->client, MAIL_EVERY);
        break;
    }
}

static void
on_imap(struct mail_client *c, enum mail_event event, void *owner)
{
    struct session *s = owner;
    size_t          len;

    if (event == MAIL_CONNECTED) {
        s->stage = STAGE_GREETING;
        mail_client_await(c, MAIL_LINE);
        return;
    }
    if (event != MAIL_ANSWERED)
        errx(1, "IMAP: %s", event == MAIL_FAILED ? mail_client_failure(c) : "the server closed the connection");
    if (s->stage != STAGE_IDLE) {
        go_on(s);
        return;
    }
    len = strlen(mail_client_line(c));
    if (len < 7 || strcmp(mail_client_line(c) + len - 7, " EXISTS") != 0 || !s->box->busy || s->box->heard[s->number] != 0)
        return;
    s->box->heard[s->number] = now_ns();
    s->box->told++;
    check_done(s->box);
}

/* ---- The run ---------------------------------------------------------------------------------------------------------- */

static uint64_t
tick_open(void *arg, uint64_t now)
{
    struct run *run = arg;

    while (run->opened < run->session_count && run->opened - run->idle < OPENING_MAX) {
        mail_client_open(run->sessions[run->opened].client, run->opened);
        run->opened++;
    }
    return run->idle == run->session_count ? LOOP_END : now + 100 * (uint64_t)NS_PER_MS;
}

static uint64_t
tick_send(void *arg, uint64_t now)
{
    struct run *run = arg;

    for (size_t i = 0; i < run->box_count; i++) {
        struct box *box = &run->boxes[i];

        if (box->busy && now > box->begun + (uint64_t)TIMEOUT_S * NS_PER_S)
            errx(1, "no end after %d s: 250 %s, %u of %u sessions told", TIMEOUT_S, box->accepted ? "came" : "missing", box->told, box->sessions);
    }
    /* Token i belongs to mailbox i modulo their number. */
    while (run->box_count > 0 && run->begun < run->token_count && !run->boxes[run->begun % run->box_count].busy &&
           now >= run->start + (uint64_t)((double)run->begun * NS_PER_S / run->rate))
        send_mail(&run->boxes[run->begun % run->box_count], now);
    return run->finished == run->token_count ? LOOP_END : now + NS_PER_MS;
}

static void *
grown(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)         /* grows at each power of two */
        return array;
    array = realloc(array, (count == 0 ? 1 : 2 * count) * size);
    if (array == NULL)
        err(1, "realloc");
    return array;
}

static void
read_files(struct run *run, const char *logins, const char *tokens)
{
    char  line[2 * NAME_BYTES + 8];
    FILE *f = fopen(logins, "r");

    if (f == NULL)
        err(1, "%s", logins);
    while (fgets(line, sizeof(line), f) != NULL) {
        struct box *box;

        run->boxes = grown(run->boxes, run->box_count, sizeof(*run->boxes));
        box = &run->boxes[run->box_count++];
        memset(box, 0, sizeof(*box));
        if (sscanf(line, "%127s %127s", box->user, box->secret) != 2)
            errx(1, "%s: not a user and a secret: %s", logins, line);
    }
    fclose(f);
    if ((f = fopen(tokens, "r")) == NULL)
        err(1, "%s", tokens);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) != LETTER_TOKEN_LEN)
            errx(1, "%s: not a token: %s", tokens, line);
        run->tokens = grown(run->tokens, run->token_count, sizeof(*run->tokens));
        memcpy(run->tokens[run->token_count++], line, sizeof(*run->tokens));
    }
    fclose(f);
    if (run->box_count == 0 || run->token_count == 0)
        errx(1, "nobody, or no tokens");
}

static double
number(const char *text, double max)
{
    char  *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value < 1 || value > max)
        errx(64, "%s: not a number from 1 to %g", text, max);
    return value;
}

static void
take_options(struct run *run, int argc, char **argv)
{
    static const char usage[] = "usage: idle_load [options] HOST SMTP_PORT IMAP_PORT DOMAIN LOGINS_FILE TOKENS_FILE\n"
        "logins: lines of \"USER SECRET\"; token i is for the user in line i modulo their number, at DOMAIN; each is sent once\n"
        "  -s, --sessions N  that idle, dealt out to the users in turn (1000)\n"
        "  -r, --rate R      mails a second (20)\n";
    static const struct option options[] = {
        { "sessions", required_argument, NULL, 's' },
        { "rate", required_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    run->session_count = 1000;
    run->rate = 20;
    while ((c = getopt_long(argc, argv, "s:r:", options, NULL)) != -1)
        switch (c) {
        case 's': run->session_count = (unsigned)number(optarg, 100000); break;
        case 'r': run->rate = number(optarg, 1e6); break;
        default: fputs(usage, stderr); exit(64);
        }
    argv += optind;
    if (argc - optind != 6) {
        fputs(usage, stderr);
        exit(64);
    }
    if (!smtp_setting_resolve(&run->smtp, argv[0], argv[1]) || !mail_setting_resolve(&run->imap, argv[0], argv[2]))
        errx(68, "%s ports %s and %s: unknown", argv[0], argv[1], argv[2]);
    run->domain = argv[3];
    read_files(run, argv[4], argv[5]);
}

static void
prepare(struct run *run)
{
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    run->smtp.loop = run->imap.loop = loop_new();
    run->smtp.sender = "probe@sender.test";
    run->smtp.on_event = on_smtp;
    run->imap.on_event = on_imap;
    run->sessions = calloc(run->session_count, sizeof(*run->sessions));
    if (run->sessions == NULL)
        err(1, "calloc");
    for (unsigned i = 0; i < run->session_count; i++) {
        struct box *box = &run->boxes[i % run->box_count];

        run->sessions[i] = (struct session){ .client = mail_client_new(&run->imap, &run->sessions[i]), .box = box, .number = box->sessions++ };
    }
    for (size_t i = 0; i < run->box_count; i++) {
        struct box *box = &run->boxes[i];

        box->run = run;
        box->smtp = smtp_client_new(&run->smtp, box);
        box->heard = calloc(box->sessions + 1, sizeof(*box->heard));
        if (box->heard == NULL)
            err(1, "calloc");
        snprintf(box->recipient, sizeof(box->recipient), "%s@%s", box->user, run->domain);
    }
    run->smtp.letter = letter_new(2048, run->smtp.sender, run->boxes[0].recipient, true);
}

static void
cleanup(struct run *run)
{
    for (unsigned i = 0; i < run->session_count; i++)
        mail_client_free(run->sessions[i].client);
    for (size_t i = 0; i < run->box_count; i++) {
        smtp_client_free(run->boxes[i].smtp);
        free(run->boxes[i].heard);
    }
    letter_free(run->smtp.letter);
    loop_free(run->smtp.loop);
    free(run->sessions);
    free(run->boxes);
    free(run->tokens);
    free(run);
}

int
main(int argc, char **argv)
{
    struct run *run = calloc(1, sizeof(*run));

    if (run == NULL)
        err(1, "calloc");
    signal(SIGPIPE, SIG_IGN);
    take_options(run, argc, argv);
    prepare(run);
    loop_run(run->imap.loop, tick_open, run);
    run->start = now_ns();
    loop_run(run->imap.loop, tick_send, run);
    printf("{\"sessions\":%u,\"mails\":%zu,\"early\":%llu,\"latency_us\":", run->session_count, run->finished, (unsigned long long)run->early);
    histogram_print_json(&run->latency, stdout);
    printf("}\n");
    fprintf(stderr, "%zu mails, %u sessions: from the 250 to EXISTS p50 %.2f ms, p99 %.2f ms\n", run->finished, run->session_count,
        (double)histogram_quantile(&run->latency, 0.5) / NS_PER_MS, (double)histogram_quantile(&run->latency, 0.99) / NS_PER_MS);
    cleanup(run);
    return 0;
}
