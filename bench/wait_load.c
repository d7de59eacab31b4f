/*
 * wait_load - how long a checker waits after the mail is in: asks for a token with a long poll, sends the mail that carries it,
 * and measures from the 250 to the answer. Many such pairs run at a time, begun at a fixed rate. One line for a person on
 * standard error, one JSON object on standard output.
 *
 * One process sees both the 250 and the answer, so one clock measures. Where the answer comes first the time counts as 0.
 */

#include "bench/common/histogram.h"
#include "bench/common/smtp_client.h"

#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NS_PER_MS = 1000000, NS_PER_S = 1000000000,
    ANSWER_MAX = 32768,                 /* of the HTTP answer: about a kilobyte */
    SETTLE_NS = 20 * NS_PER_MS,         /* so long before its mail is a token waited for */
    TIMEOUT_S = 30,                     /* one pair takes longer, and the run fails */
};

enum stage { FREE, ASKED, SENDING, DONE };

struct pair {
    struct watch        http;           /* first: the loop's callback casts back */
    struct run         *run;
    struct smtp_client *smtp;
    enum stage          stage;
    size_t              index;          /* of its token */
    uint64_t            asked;
    uint64_t            accepted;       /* 0: not yet */
    uint64_t            answered;       /* 0: not yet */
    size_t              len;
    char                answer[ANSWER_MAX];
};

struct run {
    struct smtp_setting setting;
    struct sockaddr_in  http;
    const char         *key, *domain;
    unsigned            mailboxes, pair_count;
    double              rate;
    struct pair        *pairs;
    char              (*tokens)[LETTER_TOKEN_LEN + 1];
    char              (*recipients)[64];
    size_t              token_count, begun, finished;
    uint64_t            start;
    uint64_t            early;          /* answers that were here before the 250 */
    struct histogram    latency;
};

static void
pair_check_done(struct pair *p)
{
    struct run *run = p->run;

    if (p->accepted == 0 || p->answered == 0)
        return;
    run->early += p->answered < p->accepted;
    histogram_add(&run->latency, p->answered > p->accepted ? p->answered - p->accepted : 0);
    run->finished++;
    p->stage = DONE;                    /* until its SMTP session has ended, too */
    smtp_client_quit(p->smtp);
}

static void
on_smtp(struct smtp_client *c, enum smtp_event event, void *owner)
{
    struct pair *p = owner;

    switch (event) {
    case SMTP_READY:
        smtp_client_send(c, p->run->recipients[p->index % p->run->mailboxes], p->run->tokens[p->index], p->index);
        break;
    case SMTP_ACCEPTED:
        p->accepted = smtp_client_times(c)->accepted;
        pair_check_done(p);
        break;
    case SMTP_FAILED:
        errx(1, "SMTP: %s: %s", smtp_client_failure(c)->what, smtp_client_failure(c)->text);
    case SMTP_CLOSED:
        if (p->stage != DONE)
            errx(1, "SMTP: closed while the answer was waited for");
        p->stage = FREE;
        break;
    }
}

/* Whether all of the answer is here. Only what our own server says: a length, no chunks. */
static bool
answer_is_whole(const struct pair *p)
{
    const char *end = strstr(p->answer, "\r\n\r\n"), *length = strcasestr(p->answer, "\r\nContent-Length:");

    if (end == NULL)
        return false;
    if (length == NULL || length > end)
        errx(1, "HTTP: an answer without its length: %.60s", p->answer);
    return p->len >= (size_t)(end + 4 - p->answer) + strtoul(length + 17, NULL, 10);
}

static void
on_http(struct watch *w, bool readable)
{
    struct pair *p = (struct pair *)w;
    ssize_t      n;

    if (!readable)
        return;
    while ((n = recv(w->fd, p->answer + p->len, sizeof(p->answer) - 1 - p->len, 0)) > 0) {
        p->len += (size_t)n;
        p->answer[p->len] = '\0';
    }
    if (n == 0 || errno != EAGAIN)
        errx(1, "HTTP: the connection ended: %s", n == 0 ? "closed" : strerror(errno));
    if (p->stage == FREE || p->len == 0 || !answer_is_whole(p))
        return;
    if (strstr(p->answer, "\"arrived\"") == NULL)
        errx(1, "HTTP: not the answer that was waited for: %s", p->answer);
    p->answered = now_ns();
    pair_check_done(p);
}

static void
http_connect(struct pair *p)
{
    const int on = 1;

    p->http.ready = on_http;
    p->http.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->http.fd < 0 || connect(p->http.fd, (const struct sockaddr *)&p->run->http, sizeof(p->run->http)) < 0)
        err(1, "HTTP: connect");
    setsockopt(p->http.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (fcntl(p->http.fd, F_SETFL, O_NONBLOCK) < 0)
        err(1, "fcntl");
    loop_add(p->run->setting.loop, &p->http);
}

static void
pair_ask(struct pair *p, uint64_t now)
{
    struct run *run = p->run;
    char        request[512];
    int         len;

    p->index = run->begun++;
    p->accepted = p->answered = 0;
    p->len = 0;
    len = snprintf(request, sizeof(request),
        "GET /v1/mailboxes/box%zu/tokens/%s?wait=60s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n\r\n",
        p->index % run->mailboxes + 1, run->tokens[p->index], run->key);
    assert(len > 0 && (size_t)len < sizeof(request));
    if (send(p->http.fd, request, (size_t)len, MSG_NOSIGNAL) != len)
        err(1, "HTTP: send");
    p->asked = now;
    p->stage = ASKED;
}

static uint64_t
tick(void *arg, uint64_t now)
{
    struct run *run = arg;

    for (unsigned i = 0; i < run->pair_count; i++) {
        struct pair *p = &run->pairs[i];

        if (p->stage == ASKED && p->len > 0)
            errx(1, "HTTP: answered before the mail was sent: %s", p->answer);
        if (p->stage == ASKED && now >= p->asked + SETTLE_NS) {
            p->stage = SENDING;
            smtp_client_open(p->smtp);
        }
        if (p->stage != FREE && now > p->asked + (uint64_t)TIMEOUT_S * NS_PER_S)
            errx(1, "no end after %d s: 250 %s, answer %s", TIMEOUT_S, p->accepted ? "came" : "missing", p->answered ? "came" : "missing");
        if (p->stage == FREE && run->begun < run->token_count &&
            now >= run->start + (uint64_t)((double)run->begun * NS_PER_S / run->rate))
            pair_ask(p, now);
    }
    return run->finished == run->token_count ? LOOP_END : now + NS_PER_MS;
}

static void
read_tokens(struct run *run, const char *file)
{
    char   line[128];
    size_t room = 0;
    FILE  *f = fopen(file, "r");

    if (f == NULL)
        err(1, "%s", file);
    while (fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strlen(line) != LETTER_TOKEN_LEN)
            errx(1, "%s: not a token: %s", file, line);
        if (run->token_count == room) {
            room = room == 0 ? 1024 : 2 * room;
            if ((run->tokens = realloc(run->tokens, room * sizeof(*run->tokens))) == NULL)
                err(1, "realloc");
        }
        memcpy(run->tokens[run->token_count++], line, sizeof(*run->tokens));
    }
    fclose(f);
    if (run->token_count == 0)
        errx(1, "%s: no tokens", file);
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
    static const char usage[] = "usage: wait_load [options] HOST SMTP_PORT HTTP_PORT KEY DOMAIN TOKENS_FILE\n"
        "token i is for box(i modulo MAILBOXES, plus 1)@DOMAIN; each is waited for and sent once\n"
        "  -p, --pairs N      that wait at a time (100)\n"
        "  -r, --rate R       begun a second (300)\n"
        "      --mailboxes N  (16)\n";
    static const struct option options[] = {
        { "pairs", required_argument, NULL, 'p' },
        { "rate", required_argument, NULL, 'r' },
        { "mailboxes", required_argument, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    run->pair_count = 100;
    run->rate = 300;
    run->mailboxes = 16;
    while ((c = getopt_long(argc, argv, "p:r:m:", options, NULL)) != -1)
        switch (c) {
        case 'p': run->pair_count = (unsigned)number(optarg, 10000); break;
        case 'r': run->rate = number(optarg, 1e6); break;
        case 'm': run->mailboxes = (unsigned)number(optarg, 1e6); break;
        default: fputs(usage, stderr); exit(64);
        }
    argv += optind;
    if (argc - optind != 6) {
        fputs(usage, stderr);
        exit(64);
    }
    run->http = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)number(argv[2], 65535)) };
    if (inet_pton(AF_INET, argv[0], &run->http.sin_addr) != 1 || !smtp_setting_resolve(&run->setting, argv[0], argv[1]))
        errx(68, "%s port %s: give an IPv4 address and a port", argv[0], argv[1]);
    run->key = argv[3];
    run->domain = argv[4];
    read_tokens(run, argv[5]);
}

static void
prepare(struct run *run)
{
    run->setting.loop = loop_new();
    run->setting.sender = "probe@sender.test";
    run->setting.on_event = on_smtp;
    run->recipients = calloc(run->mailboxes, sizeof(*run->recipients));
    run->pairs = calloc(run->pair_count, sizeof(*run->pairs));
    if (run->recipients == NULL || run->pairs == NULL)
        err(1, "calloc");
    for (unsigned i = 0; i < run->mailboxes; i++)
        snprintf(run->recipients[i], sizeof(run->recipients[i]), "box%u@%s", i + 1, run->domain);
    run->setting.letter = letter_new(2048, run->setting.sender, run->recipients[0], true);
    for (unsigned i = 0; i < run->pair_count; i++) {
        run->pairs[i].run = run;
        run->pairs[i].smtp = smtp_client_new(&run->setting, &run->pairs[i]);
        http_connect(&run->pairs[i]);
    }
}

static void
cleanup(struct run *run)
{
    for (unsigned i = 0; i < run->pair_count; i++) {
        smtp_client_free(run->pairs[i].smtp);
        close(run->pairs[i].http.fd);
    }
    letter_free(run->setting.letter);
    loop_free(run->setting.loop);
    free(run->pairs);
    free(run->tokens);
    free(run->recipients);
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
    run->start = now_ns();
    loop_run(run->setting.loop, tick, run);
    printf("{\"waits\":%zu,\"early\":%llu,\"latency_us\":", run->finished, (unsigned long long)run->early);
    histogram_print_json(&run->latency, stdout);
    printf("}\n");
    fprintf(stderr, "%zu waits: from the 250 to the answer p50 %.2f ms, p99 %.2f ms\n", run->finished,
        (double)histogram_quantile(&run->latency, 0.5) / NS_PER_MS, (double)histogram_quantile(&run->latency, 0.99) / NS_PER_MS);
    cleanup(run);
    return 0;
}
