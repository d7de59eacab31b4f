/*
 * smtp_load - sends test mails to an SMTP server from many connections at a time and reports how many were accepted, how long each
 * step took and what was refused: one line for a person on standard error, one JSON object on standard output.
 *
 * It shares the machine with the server it measures, so it must be cheap; what it costs itself is in the report.
 */

#include "bench/common/histogram.h"
#include "bench/common/smtp_client.h"

#include <assert.h>
#include <err.h>
#include <getopt.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000, CODES = 600, MAX_KINDS = 16, ADDRESS_MAX = 256 };

/* A connection and the message that is under way on it. */
struct slot {
    struct smtp_client *client;
    struct load        *load;
    struct slot        *next;           /* among the free ones */
    uint64_t            serial;         /* of this message */
    uint64_t            started;        /* when it was begun, or with --rate: was to be */
    unsigned            sent;           /* messages over the present connection */
    bool                busy;           /* a message is under way, or an idle connection is being opened */
    bool                idle;           /* --idle: it sits */
};

/* A token and the recipient that it is for; the token is NULL without --tokens. */
struct addressee {
    char *recipient;
    char *token;
};

struct options {
    unsigned    connections;
    uint64_t    messages;               /* 0: no limit */
    double      seconds;                /* 0: no limit */
    unsigned    per_connection;
    size_t      size_bytes;
    double      rate;                   /* a second; 0: as fast as it goes */
    unsigned    idle;
    unsigned    timeout_s;
    unsigned    mailboxes;
    bool        starttls;
    const char *recipient;
    const char *tokens_file;
};

struct load {
    struct options      options;
    struct smtp_setting setting;
    struct addressee   *to;
    size_t              to_count;
    struct slot        *slots;
    unsigned            slot_count;
    struct slot        *free;           /* may begin a message */
    unsigned            active;         /* begun and not yet ended */
    unsigned            idle;           /* --idle: open and greeted */
    unsigned            lost;           /* --idle: ended by the server */
    uint64_t            began;
    uint64_t            ended;
    struct rusage       usage;          /* when it began */
    uint64_t            checked;        /* for time-outs */
    uint64_t            started;
    uint64_t            accepted;
    uint64_t            failed;
    uint64_t            refused[CODES]; /* by reply code */
    struct {                            /* by what broke; a handful of names */
        const char *what;
        uint64_t    count;
    } broken[MAX_KINDS];
    char                first_failure[256];
    struct histogram    transaction;    /* from connect (or, later on a connection, MAIL) to the 250 */
    struct histogram    banner;         /* from connect to the 220 */
    struct histogram    handshake;      /* from STARTTLS's 220 to its end */
    struct histogram    dot;            /* from the last octet of the message to the 250 */
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signo)
{
    (void)signo;
    stopped = 1;
}

/* ---- What happens on a connection ---------------------------------------------------------------------------- */

static bool
may_start(const struct load *load, uint64_t now)
{
    const struct options *o = &load->options;

    if (stopped || (o->messages != 0 && load->started >= o->messages))
        return false;
    return o->seconds == 0 || (double)(now - load->began) < o->seconds * NS_PER_S;
}

static void
release(struct slot *slot)
{
    struct load *load = slot->load;

    if (slot->busy)
        load->active--;
    slot->busy = false;
    slot->next = load->free;
    load->free = slot;
    load->ended = now_ns();
}

static void
send_next(struct slot *slot)
{
    const struct load      *load = slot->load;
    const struct addressee *to = &load->to[slot->serial % load->to_count];

    smtp_client_send(slot->client, to->recipient, to->token, slot->serial);
}

static void
count_failure(struct load *load, const struct smtp_failure *failure)
{
    if (load->failed++ == 0)
        snprintf(load->first_failure, sizeof(load->first_failure), "%s%s%s", failure->what, failure->text[0] != '\0' ? ": " : "",
            failure->text);
    if (failure->code > 0 && failure->code < CODES) {
        load->refused[failure->code]++;
        return;
    }
    for (unsigned i = 0; i < MAX_KINDS; i++) {
        if (load->broken[i].what == NULL)
            load->broken[i].what = failure->what;
        if (strcmp(load->broken[i].what, failure->what) == 0) {
            load->broken[i].count++;
            return;
        }
    }
}

static void
on_ready(struct slot *slot)
{
    struct load             *load = slot->load;
    const struct smtp_times *t = smtp_client_times(slot->client);

    histogram_add(&load->banner, t->banner - t->opened);
    if (t->tls_started != 0)
        histogram_add(&load->handshake, t->tls_done - t->tls_started);
    if (load->options.idle == 0) {
        send_next(slot);
        return;
    }
    slot->idle = true;
    slot->busy = false;
    load->active--;
    load->idle++;
    load->ended = now_ns();
}

static void
on_accepted(struct slot *slot)
{
    struct load             *load = slot->load;
    const struct smtp_times *t = smtp_client_times(slot->client);

    load->accepted++;
    slot->sent++;
    histogram_add(&load->transaction, t->accepted - slot->started);
    histogram_add(&load->dot, t->accepted - t->sent);
    if (slot->sent >= load->options.per_connection || !may_start(load, t->accepted))
        smtp_client_quit(slot->client);
    else
        release(slot);
}

static void
on_event(struct smtp_client *c, enum smtp_event event, void *owner)
{
    struct slot *slot = owner;

    switch (event) {
    case SMTP_READY:
        on_ready(slot);
        return;
    case SMTP_ACCEPTED:
        on_accepted(slot);
        return;
    case SMTP_FAILED:
        count_failure(slot->load, smtp_client_failure(c));
        break;
    case SMTP_CLOSED:
        break;
    }
    if (slot->idle) {
        slot->idle = false;
        slot->load->idle--;
        slot->load->lost++;
    } else if (slot->busy)
        release(slot);
    /* Else it lies among the free ones, waiting for its next message: that will open a connection anew. */
}

/* ---- What is begun when ---------------------------------------------------------------------------------------- */

static void
begin(struct load *load, uint64_t started)
{
    struct slot *slot = load->free;

    load->free = slot->next;
    load->active++;
    slot->busy = true;
    slot->serial = load->started++;
    slot->started = started;
    if (smtp_client_is_open(slot->client))
        send_next(slot);
    else {
        slot->sent = 0;
        smtp_client_open(slot->client);
    }
}

/* Connections of which nothing was heard for too long fail, once a second. */
static void
check_timeouts(struct load *load, uint64_t now)
{
    uint64_t limit = (uint64_t)load->options.timeout_s * NS_PER_S;

    if (now - load->checked < NS_PER_S)
        return;
    load->checked = now;
    for (unsigned i = 0; i < load->slot_count; i++) {
        struct slot *slot = &load->slots[i];

        if (slot->busy && now > smtp_client_heard(slot->client) + limit)
            smtp_client_abandon(slot->client, "timeout");
    }
}

/*
 * Begins what is due. With a rate, a message's time counts from when it was due, even where no connection was free then: a slow
 * server must not make the generator ask less of it (coordinated omission).
 */
static uint64_t
tick_load(void *arg, uint64_t now)
{
    struct load *load = arg;
    uint64_t     next = now + 100 * NS_PER_MS;

    check_timeouts(load, now);
    while (load->free != NULL && may_start(load, now)) {
        uint64_t due = now;

        if (load->options.rate > 0) {
            due = load->began + (uint64_t)((double)load->started * NS_PER_S / load->options.rate);
            if (due > now) {
                next = due < next ? due : next;
                break;
            }
        }
        begin(load, due);
    }
    return load->active == 0 && !may_start(load, now) ? LOOP_END : next;
}

/* Opens --idle connections, no more than --connections of them at a time. */
static uint64_t
tick_idle(void *arg, uint64_t now)
{
    struct load *load = arg;

    check_timeouts(load, now);
    while (load->free != NULL && load->active < load->options.connections && load->started < load->options.idle)
        begin(load, now);
    if (stopped || (load->active == 0 && load->started == load->options.idle))
        return LOOP_END;
    return now + 100 * NS_PER_MS;
}

/* They sit until the time is up, or without one until standard input ends. */
static uint64_t
tick_sit(void *arg, uint64_t now)
{
    struct load  *load = arg;
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char          byte;
    bool          over;

    if (load->options.seconds > 0)
        over = (double)(now - load->ended) > load->options.seconds * NS_PER_S;
    else
        over = poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
    return stopped || over ? LOOP_END : now + 100 * NS_PER_MS;
}

/* ---- Recipients and tokens ------------------------------------------------------------------------------------- */

static char *
copy(const char *text)
{
    char *c = strdup(text);

    if (c == NULL)
        err(1, "strdup");
    return c;
}

static void
add_addressee(struct load *load, const char *recipient, const char *token)
{
    if ((load->to_count & (load->to_count - 1)) == 0) {    /* grows at each power of two */
        load->to = realloc(load->to, (load->to_count == 0 ? 1 : 2 * load->to_count) * sizeof(*load->to));
        if (load->to == NULL)
            err(1, "realloc");
    }
    load->to[load->to_count++] = (struct addressee){ copy(recipient), token == NULL ? NULL : copy(token) };
}

/* The one recipient, or where it has a % and --mailboxes was given, that many: % becomes 1, 2, 3 … */
static void
recipient_of(const struct options *o, uint64_t i, char out[static ADDRESS_MAX])
{
    const char *percent = strchr(o->recipient, '%');

    if (o->mailboxes == 0 || percent == NULL)
        snprintf(out, ADDRESS_MAX, "%s", o->recipient);
    else
        snprintf(out, ADDRESS_MAX, "%.*s%llu%s", (int)(percent - o->recipient), o->recipient,
            (unsigned long long)(i % o->mailboxes + 1), percent + 1);
}

/* Each line is a token, or a token and its recipient; a token without one goes to the recipients in turn. */
static void
read_tokens(struct load *load)
{
    char   line[512], token[64], recipient[ADDRESS_MAX];
    FILE  *f = fopen(load->options.tokens_file, "r");
    size_t n = 0;

    if (f == NULL)
        err(1, "%s", load->options.tokens_file);
    for (; fgets(line, sizeof(line), f) != NULL; n++) {
        int fields = sscanf(line, "%63s %255s", token, recipient);

        if (fields < 1 || strlen(token) != LETTER_TOKEN_LEN)
            errx(1, "%s:%zu: not a token", load->options.tokens_file, n + 1);
        if (fields < 2)
            recipient_of(&load->options, n, recipient);
        add_addressee(load, recipient, token);
    }
    fclose(f);
    if (n == 0)
        errx(1, "%s: no tokens", load->options.tokens_file);
}

static void
read_recipients(struct load *load)
{
    char recipient[ADDRESS_MAX];

    if (load->options.tokens_file != NULL) {
        read_tokens(load);
        return;
    }
    for (unsigned i = 0; i == 0 || i < load->options.mailboxes; i++) {
        recipient_of(&load->options, i, recipient);
        add_addressee(load, recipient, NULL);
    }
}

/* ---- The report ------------------------------------------------------------------------------------------------ */

static double
seconds_of(struct timeval tv)
{
    return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

static void
print_string(const char *s)
{
    putchar('"');
    for (; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x20 && *s != '"' && *s != '\\')
            putchar(*s);
    putchar('"');
}

static void
print_failures(const struct load *load)
{
    const char *comma = "";

    printf("\"errors\":{");
    for (unsigned i = 0; i < CODES; i++) {
        if (load->refused[i] == 0)
            continue;
        printf("%s\"%u\":%llu", comma, i, (unsigned long long)load->refused[i]);
        comma = ",";
    }
    for (unsigned i = 0; i < MAX_KINDS && load->broken[i].what != NULL; i++) {
        printf("%s\"%s\":%llu", comma, load->broken[i].what, (unsigned long long)load->broken[i].count);
        comma = ",";
    }
    printf("},\"first_error\":");
    print_string(load->first_failure);
}

static void
report(const struct load *load)
{
    static const char *const names[] = { "transaction", "banner", "tls", "dot" };
    const struct histogram  *shown[] = { &load->transaction, &load->banner, &load->handshake, &load->dot };
    double                   elapsed = (double)(load->ended - load->began) / NS_PER_S;
    double                   rate = elapsed > 0 ? (double)load->accepted / elapsed : 0;
    double                   user, system, cpu_us;
    struct rusage            now;

    getrusage(RUSAGE_SELF, &now);
    user = seconds_of(now.ru_utime) - seconds_of(load->usage.ru_utime);
    system = seconds_of(now.ru_stime) - seconds_of(load->usage.ru_stime);
    cpu_us = load->accepted > 0 ? (user + system) * 1e6 / (double)load->accepted : 0;

    printf("{\"accepted\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"per_second\":%.1f,", (unsigned long long)load->accepted,
        (unsigned long long)load->failed, elapsed, rate);
    print_failures(load);
    printf(",\"cpu\":{\"user_s\":%.3f,\"system_s\":%.3f,\"us_per_message\":%.1f},\"latency_us\":{", user, system, cpu_us);
    for (unsigned i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        printf("%s\"%s\":", i == 0 ? "" : ",", names[i]);
        histogram_print_json(shown[i], stdout);
    }
    printf("}}\n");
    fflush(stdout);

    fprintf(stderr, "%llu accepted, %llu failed in %.2f s: %.0f/s; message p50 %.2f ms p99 %.2f ms; dot to 250 p50 %.2f ms p99 %.2f ms; "
        "own CPU %.0f us each%s%s\n", (unsigned long long)load->accepted, (unsigned long long)load->failed, elapsed, rate,
        (double)histogram_quantile(&load->transaction, 0.5) / NS_PER_MS, (double)histogram_quantile(&load->transaction, 0.99) / NS_PER_MS,
        (double)histogram_quantile(&load->dot, 0.5) / NS_PER_MS, (double)histogram_quantile(&load->dot, 0.99) / NS_PER_MS, cpu_us,
        load->failed > 0 ? "; first failure: " : "", load->first_failure);
}

/* ---- Starting -------------------------------------------------------------------------------------------------- */

static void
usage(FILE *to)
{
    fputs("usage: smtp_load [options] HOST PORT\n"
          "  -c, --connections N      at a time (16)\n"
          "  -n, --messages N         in all (10000 unless -d is given)\n"
          "  -d, --seconds S          begin none later than this\n"
          "  -m, --per-connection N   messages over one connection (1)\n"
          "  -s, --size BYTES         of each message (2048)\n"
          "  -r, --recipient ADDRESS  with --mailboxes N, a % in it becomes 1 to N in turn (bench@bench.test)\n"
          "      --mailboxes N\n"
          "  -f, --sender ADDRESS     (probe@sender.test)\n"
          "      --tokens FILE        a token a line, optionally with its recipient; used in turn\n"
          "      --starttls           in each session; certificates are not checked\n"
          "      --pipeline           MAIL, RCPT and DATA in one write\n"
          "      --rate R             messages a second; latencies count from when each was due\n"
          "      --sources N          connect from N loopback addresses in turn (the kernel's choice)\n"
          "      --timeout S          fail a message when nothing is heard for so long (30)\n"
          "      --idle N             open N connections, say EHLO, print {\"idle\": N, …}, and sit until -d or the end of input\n",
        to);
}

static double
number(const char *text, double min, double max)
{
    char  *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || value < min || value > max)
        errx(64, "%s: not a number from %g to %g", text, min, max);
    return value;
}

enum { OPT_STARTTLS = 256, OPT_PIPELINE, OPT_RATE, OPT_SOURCES, OPT_TIMEOUT, OPT_IDLE, OPT_TOKENS, OPT_MAILBOXES, OPT_HELP };

static const struct option long_options[] = {
    { "connections",    required_argument, NULL, 'c' },
    { "messages",       required_argument, NULL, 'n' },
    { "seconds",        required_argument, NULL, 'd' },
    { "per-connection", required_argument, NULL, 'm' },
    { "size",           required_argument, NULL, 's' },
    { "recipient",      required_argument, NULL, 'r' },
    { "sender",         required_argument, NULL, 'f' },
    { "mailboxes",      required_argument, NULL, OPT_MAILBOXES },
    { "tokens",         required_argument, NULL, OPT_TOKENS },
    { "starttls",       no_argument,       NULL, OPT_STARTTLS },
    { "pipeline",       no_argument,       NULL, OPT_PIPELINE },
    { "rate",           required_argument, NULL, OPT_RATE },
    { "sources",        required_argument, NULL, OPT_SOURCES },
    { "timeout",        required_argument, NULL, OPT_TIMEOUT },
    { "idle",           required_argument, NULL, OPT_IDLE },
    { "help",           no_argument,       NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static void
take_options(struct load *load, int argc, char **argv)
{
    struct options *o = &load->options;
    int             c;

    *o = (struct options){ .connections = 16, .per_connection = 1, .size_bytes = 2048, .timeout_s = 30,
        .recipient = "bench@bench.test" };
    load->setting.sender = "probe@sender.test";
    while ((c = getopt_long(argc, argv, "c:n:d:m:s:r:f:", long_options, NULL)) != -1) {
        switch (c) {
        case 'c': o->connections = (unsigned)number(optarg, 1, 100000); break;
        case 'n': o->messages = (uint64_t)number(optarg, 1, 1e12); break;
        case 'd': o->seconds = number(optarg, 0.001, 1e6); break;
        case 'm': o->per_connection = (unsigned)number(optarg, 1, 1e9); break;
        case 's': o->size_bytes = (size_t)number(optarg, 0, 1e9); break;
        case 'r': o->recipient = optarg; break;
        case 'f': load->setting.sender = optarg; break;
        case OPT_MAILBOXES: o->mailboxes = (unsigned)number(optarg, 1, 1e7); break;
        case OPT_TOKENS: o->tokens_file = optarg; break;
        case OPT_STARTTLS: o->starttls = true; break;
        case OPT_PIPELINE: load->setting.pipeline = true; break;
        case OPT_RATE: o->rate = number(optarg, 0.001, 1e9); break;
        case OPT_SOURCES: load->setting.sources = (unsigned)number(optarg, 1, 65000); break;
        case OPT_TIMEOUT: o->timeout_s = (unsigned)number(optarg, 1, 1e6); break;
        case OPT_IDLE: o->idle = (unsigned)number(optarg, 1, 1e6); break;
        case OPT_HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(64);
        }
    }
    if (argc - optind != 2) {
        usage(stderr);
        exit(64);
    }
    if (o->messages == 0 && o->seconds == 0)
        o->messages = 10000;
    if (!smtp_setting_resolve(&load->setting, argv[optind], argv[optind + 1]))
        errx(68, "%s port %s: unknown", argv[optind], argv[optind + 1]);
}

static void
prepare(struct load *load)
{
    struct options *o = &load->options;
    struct rlimit   files;

    load->slot_count = o->idle > 0 ? o->idle : o->connections;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < load->slot_count + 16) {
        files.rlim_cur = load->slot_count + 16;
        if (files.rlim_max < files.rlim_cur)
            files.rlim_max = files.rlim_cur;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            err(1, "%u open files", load->slot_count);
    }
    if (o->starttls && (load->setting.tls = SSL_CTX_new(TLS_client_method())) == NULL)
        errx(1, "TLS: %s", ERR_error_string(ERR_get_error(), NULL));
    if (o->starttls) {
        SSL_CTX_set1_groups_list(load->setting.tls, "P-256");
        SSL_CTX_set_mode(load->setting.tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(load->setting.tls, 1);
    }
    read_recipients(load);
    load->setting.letter = letter_new(o->size_bytes, load->setting.sender, load->to[0].recipient, o->tokens_file != NULL);
    load->setting.loop = loop_new();
    load->setting.on_event = on_event;
    if ((load->slots = calloc(load->slot_count, sizeof(*load->slots))) == NULL)
        err(1, "calloc");
    for (unsigned i = 0; i < load->slot_count; i++) {
        struct slot *slot = &load->slots[i];

        slot->load = load;
        slot->client = smtp_client_new(&load->setting, slot);
        slot->next = load->free;
        load->free = slot;
    }
}

static void
cleanup(struct load *load)
{
    for (unsigned i = 0; i < load->slot_count; i++)
        smtp_client_free(load->slots[i].client);
    for (size_t i = 0; i < load->to_count; i++) {
        free(load->to[i].recipient);
        free(load->to[i].token);
    }
    free(load->slots);
    free(load->to);
    letter_free(load->setting.letter);
    SSL_CTX_free(load->setting.tls);
    loop_free(load->setting.loop);
    free(load);
}

static void
sit_idle(struct load *load)
{
    loop_run(load->setting.loop, tick_idle, load);
    printf("{\"idle\":%u,\"seconds\":%.3f,", load->idle, (double)(load->ended - load->began) / NS_PER_S);
    print_failures(load);
    printf("}\n");
    fflush(stdout);
    loop_run(load->setting.loop, tick_sit, load);
    printf("{\"idle\":%u,\"lost\":%u}\n", load->idle, load->lost);
}

int
main(int argc, char **argv)
{
    struct load *load = calloc(1, sizeof(*load));
    int          rc;

    if (load == NULL)
        err(1, "calloc");
    take_options(load, argc, argv);
    prepare(load);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    getrusage(RUSAGE_SELF, &load->usage);
    load->began = load->ended = load->checked = now_ns();
    if (load->options.idle > 0)
        sit_idle(load);
    else {
        loop_run(load->setting.loop, tick_load, load);
        report(load);
    }
    rc = load->failed > 0 ? 1 : 0;
    cleanup(load);
    return rc;
}
