/*
 * mail_load - reads mailboxes by IMAP or POP3 with many sessions at a time, one command after the other as a checker does, and
 * reports how many sessions came to their end and how long each step took: one line for a person on standard error, one JSON object
 * on standard output. With --idle the sessions stay where the script ends.
 *
 * It shares the machine with the server it measures, so it must be cheap; what it costs itself is in the report.
 */

#include "bench/common/histogram.h"
#include "bench/common/mail_client.h"

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

enum {
    NS_PER_MS = 1000000, NS_PER_S = 1000000000,
    STEPS_MAX = 8, COMMAND_BYTES = 512, WORD_BYTES = 128, TICK_MS = 100,
};

/* ---- What a session says ------------------------------------------------------------------------------------------- */

/* In a command %u, %s, %w and %n are the user, the secret, the word (of --words) and the number found last. */
struct step {
    const char      *name;
    const char      *command;
    enum mail_answer answer;
    const char      *number_behind; /* the answer's first line goes on with the number */
};

struct script {
    const char *name;
    const char *does;
    bool        pop3;
    struct step steps[STEPS_MAX];
};

#define LOGIN  { "login", "a LOGIN %u %s\r\n", MAIL_TAGGED, NULL }
#define SELECT { "select", "a SELECT INBOX\r\n", MAIL_TAGGED, NULL }
#define LOGOUT { "logout", "a LOGOUT\r\n", MAIL_TAGGED, NULL }
#define USER   { "user", "USER %u\r\n", MAIL_LINE, NULL }
#define PASS   { "pass", "PASS %s\r\n", MAIL_LINE, NULL }

static const struct script scripts[] = {
    { "token", "SEARCH SUBJECT for the word, FETCH of the message found, whole", false,
      { LOGIN, SELECT, { "search", "a SEARCH SUBJECT %w\r\n", MAIL_TAGGED, "* SEARCH " },
        { "fetch", "a FETCH %n BODY.PEEK[]\r\n", MAIL_TAGGED, NULL }, LOGOUT } },
    { "select", "SELECT alone", false, { LOGIN, SELECT, LOGOUT } },
    { "body", "SEARCH BODY for the word", false, { LOGIN, SELECT, { "search", "a SEARCH BODY %w\r\n", MAIL_TAGGED, NULL }, LOGOUT } },
    { "fetch", "FETCH of all messages, whole", false, { LOGIN, SELECT, { "fetch", "a FETCH 1:* BODY.PEEK[]\r\n", MAIL_TAGGED, NULL }, LOGOUT } },
    { "uidl", "POP3: STAT, UIDL, RETR of the last message", true,
      { USER, PASS, { "stat", "STAT\r\n", MAIL_LINE, "+OK " }, { "uidl", "UIDL\r\n", MAIL_DOT, NULL },
        { "retr", "RETR %n\r\n", MAIL_DOT, NULL }, { "quit", "QUIT\r\n", MAIL_LINE, NULL } } },
    { "login", "logged in, and no more: for --idle", false, { LOGIN } },
    { "selected", "logged in, INBOX selected: for --idle", false, { LOGIN, SELECT } },
};

struct login {
    char user[WORD_BYTES];
    char secret[WORD_BYTES];
};

/* One session at a time; a new one after each. */
struct slot {
    struct mail_client *client;
    struct load        *load;
    unsigned            index;
    unsigned            step;           /* whose answer is waited for; 0: the greeting, n: steps[n - 1] */
    uint64_t            serial;         /* of the session */
    uint64_t            opened, asked;  /* when */
    unsigned long       number;
    bool                busy;
    bool                idle;           /* --idle: it sits */
};

struct load {
    struct mail_setting  setting;
    const struct script *script;
    unsigned             slot_count, idle_wanted;
    uint64_t             sessions;      /* 0: no limit */
    double               seconds;       /* 0: no limit */
    unsigned             timeout_s;
    bool                 tls;
    struct login        *logins;
    size_t               login_count;
    char               (*words)[WORD_BYTES];
    size_t               word_count;
    struct slot         *slots;
    unsigned             active, idle, lost;
    uint64_t             started, finished, failed;
    uint64_t             octets;        /* of answers */
    uint64_t             began, ended;
    struct rusage        usage;
    char                 first_failure[512];
    struct histogram     session, greeting, steps[STEPS_MAX];
};

static volatile sig_atomic_t stopped;

static void
on_signal(int signo)
{
    (void)signo;
    stopped = 1;
}

static void
slot_over(struct slot *slot, const char *failure)
{
    struct load *load = slot->load;

    mail_client_drop(slot->client);
    if (failure != NULL && load->failed++ == 0)
        snprintf(load->first_failure, sizeof(load->first_failure), "%s: %s",
            slot->step == 0 ? "greeting" : load->script->steps[slot->step - 1].name, failure);
    load->active -= slot->busy;
    slot->busy = false;
    load->ended = now_ns();
}

/* Fills in what a command leaves open. */
static size_t
make_command(const struct slot *slot, const char *format, char out[COMMAND_BYTES])
{
    const struct load  *load = slot->load;
    const struct login *login = &load->logins[slot->serial % load->login_count];
    size_t              len = 0;

    for (; *format != '\0' && len + WORD_BYTES < COMMAND_BYTES; format++) {
        if (*format != '%') {
            out[len++] = *format;
            continue;
        }
        switch (*++format) {
        case 'u': len += (size_t)sprintf(out + len, "%s", login->user); break;
        case 's': len += (size_t)sprintf(out + len, "%s", login->secret); break;
        /* Neighbouring sessions shall not want neighbouring messages: a stride that is prime to any count below it. */
        case 'w': len += (size_t)sprintf(out + len, "%s", load->word_count == 0 ? "" : load->words[slot->serial * 1000003 % load->word_count]); break;
        case 'n': len += (size_t)sprintf(out + len, "%lu", slot->number); break;
        default: errx(70, "%%%c", *format);
        }
    }
    return len;
}

static void
say_next(struct slot *slot)
{
    const struct step *step = &slot->load->script->steps[slot->step++];
    char               command[COMMAND_BYTES];
    size_t             len = make_command(slot, step->command, command);

    slot->asked = now_ns();
    mail_client_send(slot->client, command, len, step->answer);
}

static bool
is_positive(const struct slot *slot, const char *line, const char *first)
{
    if (slot->step == 0)
        return strncmp(line, slot->load->script->pop3 ? "+OK" : "* OK", 3) == 0;
    return slot->load->script->pop3 ? strncmp(first, "+OK", 3) == 0 : strncmp(line, "a OK", 4) == 0;
}

static void
end_session(struct slot *slot, uint64_t now)
{
    struct load *load = slot->load;

    histogram_add(&load->session, now - slot->opened);
    load->finished++;
    if (load->idle_wanted == 0) {
        slot_over(slot, NULL);
        return;
    }
    load->active -= slot->busy;
    slot->busy = false;
    slot->idle = true;
    load->idle++;
    load->ended = now;
}

static void
on_answer(struct slot *slot)
{
    struct load *load = slot->load;
    const char  *line = mail_client_line(slot->client), *first = mail_client_first(slot->client);
    uint64_t     now = now_ns();

    if (slot->idle)
        return;                         /* told of something */
    if (!is_positive(slot, line, first)) {
        slot_over(slot, line);
        return;
    }
    histogram_add(slot->step == 0 ? &load->greeting : &load->steps[slot->step - 1], now - slot->asked);
    load->octets += mail_client_octets(slot->client);
    if (slot->step > 0 && load->script->steps[slot->step - 1].number_behind != NULL) {
        const char *behind = load->script->steps[slot->step - 1].number_behind;

        slot->number = strncmp(first, behind, strlen(behind)) == 0 ? strtoul(first + strlen(behind), NULL, 10) : 0;
        if (slot->number == 0) {
            slot_over(slot, first);
            return;
        }
    }
    if (slot->step == STEPS_MAX || load->script->steps[slot->step].name == NULL)
        end_session(slot, now);
    else
        say_next(slot);
}

static void
on_event(struct mail_client *c, enum mail_event event, void *owner)
{
    struct slot *slot = owner;

    if (event == MAIL_CONNECTED) {
        mail_client_await(c, MAIL_LINE);
    } else if (event == MAIL_ANSWERED) {
        on_answer(slot);
    } else if (slot->idle) {
        slot->idle = false;
        slot->load->idle--;
        slot->load->lost++;
    } else if (slot->busy) {
        slot_over(slot, event == MAIL_FAILED ? mail_client_failure(c) : "the server closed the connection");
    }
}

/* ---- What is begun when ---------------------------------------------------------------------------------------- */

static void
begin(struct slot *slot)
{
    struct load *load = slot->load;

    slot->serial = load->started++;
    slot->step = 0;
    slot->number = 0;
    slot->busy = true;
    load->active++;
    slot->opened = slot->asked = now_ns();
    mail_client_open(slot->client, slot->index);
}

static bool
may_start(const struct load *load, uint64_t now)
{
    if (stopped || load->failed > 0 || (load->sessions != 0 && load->started >= load->sessions))
        return false;
    return load->seconds == 0 || (double)(now - load->began) < load->seconds * NS_PER_S;
}

static uint64_t
tick_load(void *arg, uint64_t now)
{
    struct load *load = arg;

    for (unsigned i = 0; i < load->slot_count; i++) {
        struct slot *slot = &load->slots[i];

        if (slot->busy && now > slot->asked + (uint64_t)load->timeout_s * NS_PER_S)
            slot_over(slot, "timeout");
        if (!slot->busy && may_start(load, now))
            begin(slot);
    }
    return load->active == 0 && !may_start(load, now) ? LOOP_END : now + (uint64_t)TICK_MS * NS_PER_MS;
}

/* Opens the connections that are to sit, a few at a time. */
static uint64_t
tick_idle(void *arg, uint64_t now)
{
    enum { AT_A_TIME = 64 };
    struct load *load = arg;

    while (load->active < AT_A_TIME && load->started < load->idle_wanted && load->failed == 0)
        begin(&load->slots[load->started]);
    if (stopped || (load->active == 0 && (load->failed > 0 || load->started == load->idle_wanted)))
        return LOOP_END;
    return now + (uint64_t)TICK_MS * NS_PER_MS;
}

/* They sit until standard input ends. */
static uint64_t
tick_sit(void *arg, uint64_t now)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char          byte;

    (void)arg;
    if (stopped || (poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0))
        return LOOP_END;
    return now + (uint64_t)TICK_MS * NS_PER_MS;
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
report(const struct load *load)
{
    double        elapsed = (double)(load->ended - load->began) / NS_PER_S;
    double        rate = elapsed > 0 ? (double)load->finished / elapsed : 0;
    double        cpu_s;
    struct rusage now;

    getrusage(RUSAGE_SELF, &now);
    cpu_s = seconds_of(now.ru_utime) - seconds_of(load->usage.ru_utime) + seconds_of(now.ru_stime) - seconds_of(load->usage.ru_stime);
    printf("{\"sessions\":%llu,\"failed\":%llu,\"idle\":%u,\"seconds\":%.3f,\"per_second\":%.1f,\"octets\":%llu,\"cpu_s\":%.3f,\"first_error\":",
        (unsigned long long)load->finished, (unsigned long long)load->failed, load->idle, elapsed, rate, (unsigned long long)load->octets, cpu_s);
    print_string(load->first_failure);
    printf(",\"latency_us\":{\"session\":");
    histogram_print_json(&load->session, stdout);
    printf(",\"greeting\":");
    histogram_print_json(&load->greeting, stdout);
    for (unsigned i = 0; i < STEPS_MAX && load->script->steps[i].name != NULL; i++) {
        printf(",\"%s\":", load->script->steps[i].name);
        histogram_print_json(&load->steps[i], stdout);
    }
    printf("}}\n");
    fflush(stdout);
    fprintf(stderr, "%llu sessions, %llu failed in %.2f s: %.0f/s; p50 %.2f ms p99 %.2f ms; own CPU %.2f s%s%s\n",
        (unsigned long long)load->finished, (unsigned long long)load->failed, elapsed, rate,
        (double)histogram_quantile(&load->session, 0.5) / NS_PER_MS, (double)histogram_quantile(&load->session, 0.99) / NS_PER_MS, cpu_s,
        load->failed > 0 ? "; first failure: " : "", load->first_failure);
}

/* ---- Starting -------------------------------------------------------------------------------------------------- */

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

/* Lines of "USER SECRET". */
static void
read_logins(struct load *load, const char *file)
{
    char  line[2 * WORD_BYTES + 8];
    FILE *f = fopen(file, "r");

    if (f == NULL)
        err(1, "%s", file);
    while (fgets(line, sizeof(line), f) != NULL) {
        load->logins = grown(load->logins, load->login_count, sizeof(*load->logins));
        if (sscanf(line, "%127s %127s", load->logins[load->login_count].user, load->logins[load->login_count].secret) != 2)
            errx(1, "%s: not a user and a secret: %s", file, line);
        load->login_count++;
    }
    fclose(f);
    if (load->login_count == 0)
        errx(1, "%s: nobody", file);
}

static void
read_words(struct load *load, const char *file)
{
    char  line[WORD_BYTES + 8];
    FILE *f = fopen(file, "r");

    if (f == NULL)
        err(1, "%s", file);
    while (fgets(line, sizeof(line), f) != NULL) {
        load->words = grown(load->words, load->word_count, sizeof(*load->words));
        if (sscanf(line, "%127s", load->words[load->word_count]) == 1)
            load->word_count++;
    }
    fclose(f);
}

static void
usage(FILE *to)
{
    fputs("usage: mail_load [options] SCRIPT HOST PORT\n"
          "  -c, --connections N   sessions at a time (16)\n"
          "  -n, --sessions N      in all (1000 unless -d is given)\n"
          "  -d, --seconds S       begin none later than this\n"
          "      --logins FILE     lines of \"USER SECRET\", used in turn; required\n"
          "      --words FILE      what is searched for, one a line, used in turn\n"
          "      --tls             from the first octet on; certificates are not checked\n"
          "      --sources N       connect from N loopback addresses in turn (the kernel's choice)\n"
          "      --timeout S       fail when a command takes longer (60)\n"
          "      --idle N          open N connections, report, and sit until the end of input\n"
          "scripts:\n", to);
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        fprintf(to, "  %-10s %s\n", scripts[i].name, scripts[i].does);
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

enum { OPT_LOGINS = 256, OPT_WORDS, OPT_TLS, OPT_SOURCES, OPT_TIMEOUT, OPT_IDLE, OPT_HELP };

static const struct option long_options[] = {
    { "connections", required_argument, NULL, 'c' },
    { "sessions",    required_argument, NULL, 'n' },
    { "seconds",     required_argument, NULL, 'd' },
    { "logins",      required_argument, NULL, OPT_LOGINS },
    { "words",       required_argument, NULL, OPT_WORDS },
    { "tls",         no_argument,       NULL, OPT_TLS },
    { "sources",     required_argument, NULL, OPT_SOURCES },
    { "timeout",     required_argument, NULL, OPT_TIMEOUT },
    { "idle",        required_argument, NULL, OPT_IDLE },
    { "help",        no_argument,       NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static void
take_options(struct load *load, int argc, char **argv)
{
    int c;

    load->slot_count = 16;
    load->timeout_s = 60;
    while ((c = getopt_long(argc, argv, "c:n:d:", long_options, NULL)) != -1) {
        switch (c) {
        case 'c': load->slot_count = (unsigned)number(optarg, 1, 100000); break;
        case 'n': load->sessions = (uint64_t)number(optarg, 1, 1e12); break;
        case 'd': load->seconds = number(optarg, 0.001, 1e6); break;
        case OPT_LOGINS: read_logins(load, optarg); break;
        case OPT_WORDS: read_words(load, optarg); break;
        case OPT_TLS: load->tls = true; break;
        case OPT_SOURCES: load->setting.sources = (unsigned)number(optarg, 1, 65000); break;
        case OPT_TIMEOUT: load->timeout_s = (unsigned)number(optarg, 1, 1e6); break;
        case OPT_IDLE: load->idle_wanted = (unsigned)number(optarg, 1, 1e6); break;
        case OPT_HELP: usage(stdout); exit(0);
        default: usage(stderr); exit(64);
        }
    }
    for (size_t i = 0; optind < argc && i < sizeof(scripts) / sizeof(scripts[0]); i++)
        if (strcmp(argv[optind], scripts[i].name) == 0)
            load->script = &scripts[i];
    if (argc - optind != 3 || load->script == NULL || load->login_count == 0) {
        usage(stderr);
        exit(64);
    }
    if (load->sessions == 0 && load->seconds == 0)
        load->sessions = 1000;
    if (!mail_setting_resolve(&load->setting, argv[optind + 1], argv[optind + 2]))
        errx(68, "%s port %s: unknown", argv[optind + 1], argv[optind + 2]);
}

static void
prepare(struct load *load)
{
    struct rlimit files;

    if (load->idle_wanted > 0)
        load->slot_count = load->idle_wanted;
    getrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < load->slot_count + 16) {
        files.rlim_cur = load->slot_count + 16;
        if (files.rlim_max < files.rlim_cur)
            files.rlim_max = files.rlim_cur;
        if (setrlimit(RLIMIT_NOFILE, &files) < 0)
            err(1, "%u open files", load->slot_count);
    }
    if (load->tls) {
        if ((load->setting.tls = SSL_CTX_new(TLS_client_method())) == NULL)
            errx(1, "TLS: %s", ERR_error_string(ERR_get_error(), NULL));
        SSL_CTX_set1_groups_list(load->setting.tls, "P-256");
        SSL_CTX_set_mode(load->setting.tls, SSL_MODE_RELEASE_BUFFERS);
    }
    load->setting.loop = loop_new();
    load->setting.on_event = on_event;
    if ((load->slots = calloc(load->slot_count, sizeof(*load->slots))) == NULL)
        err(1, "calloc");
    for (unsigned i = 0; i < load->slot_count; i++) {
        load->slots[i].load = load;
        load->slots[i].index = i;
        load->slots[i].client = mail_client_new(&load->setting, &load->slots[i]);
    }
}

static void
cleanup(struct load *load)
{
    for (unsigned i = 0; i < load->slot_count; i++)
        mail_client_free(load->slots[i].client);
    free(load->slots);
    free(load->logins);
    free(load->words);
    SSL_CTX_free(load->setting.tls);
    loop_free(load->setting.loop);
    free(load);
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
    load->began = load->ended = now_ns();
    loop_run(load->setting.loop, load->idle_wanted > 0 ? tick_idle : tick_load, load);
    report(load);
    if (load->idle_wanted > 0) {
        loop_run(load->setting.loop, tick_sit, load);
        printf("{\"idle\":%u,\"lost\":%u}\n", load->idle, load->lost);
    }
    rc = load->failed > 0 ? 1 : 0;
    cleanup(load);
    return rc;
}
