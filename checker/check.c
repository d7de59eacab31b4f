#include "checker/check.h"

#include "checker/report.h"
#include "checker/round_trip.h"
#include "checker/settings.h"
#include "lib/display.h"
#include "lib/error.h"

#include <ares.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY_MAX = 256, REAL_DIGITS = 15 };

/* One run of `once`. */
struct once {
    struct settings    settings;
    char              *key;             /* KEY_MAX octets of sodium_malloc */
    struct event_base *base;
    struct curl_loop  *loop;
    struct api        *api;
    struct resolver   *resolver;
    struct round_trip *trip;
    struct event      *signals[2];
    enum state         state;
};

static int
print(struct buf *text)
{
    if (text->len > 0)
        fwrite(text->data, 1, text->len, stdout);
    buf_fini(text);
    return fflush(stdout);
}

/* Our own trouble: the plugin's line, and UNKNOWN. */
static int
fail(const char *text)
{
    struct buf line;

    buf_init(&line, REPORT_MAX_BYTES);
    report_unknown(&line, text);
    print(&line);
    return STATE_UNKNOWN;
}

/* ---- The key ----------------------------------------------------------------------------------------------------- */

/* From the environment, which is wiped: nobody needs it there any more. */
static ssize_t
key_from_environment(char *key)
{
    char   *value = getenv("MAILTEST_API_KEY");
    ssize_t len;

    if (value == NULL)
        return -1;
    len = (ssize_t)strlen(value);
    slice_copy(key, KEY_MAX, slice_of(value));
    sodium_memzero(value, (size_t)len);
    return len;
}

static ssize_t
key_from_file(char *key, const char *file)
{
    int     fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd == -1 ? -1 : read(fd, key, KEY_MAX - 1);

    if (fd != -1)
        close(fd);
    if (len >= 0)
        key[len] = '\0';
    return len;
}

static int
read_key(struct once *o, char *error, size_t size)
{
    const char  *file = o->settings.api_key_file;
    ssize_t      len = file != NULL ? key_from_file(o->key, file) : key_from_environment(o->key);
    struct slice key;

    if (len < 0 && file != NULL)
        snprintf(error, size, "--api-key-file %.200s: %s", file, strerror(errno));
    else if (len < 0)
        snprintf(error, size, "there is no API key: give --api-key-file FILE, or set MAILTEST_API_KEY");
    if (len < 0)
        return MT_ENOTFOUND;
    key = slice_trim(slice_of(o->key));
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] <= ' ' || key.data[i] >= 0x7f)
            key.len = 0;
    if (key.len == 0 || len >= KEY_MAX - 1) {
        snprintf(error, size, "what is given as the API key is none: one line such as mtk_1_… (\"mailtestctl api-key add\" makes it)");
        return MT_ESYNTAX;
    }
    memmove(o->key, key.data, key.len);
    o->key[key.len] = '\0';
    return MT_OK;
}

/* ---- The run ----------------------------------------------------------------------------------------------------- */

static void
tell(const struct once *o, const struct story *story)
{
    struct buf text;

    buf_init(&text, REPORT_MAX_BYTES);
    if (o->settings.json) {
        json_t *document = report_json(&o->settings.plan, story);

        if (document != NULL)
            json_dumpf(document, stdout, JSON_ENSURE_ASCII | JSON_REAL_PRECISION(REAL_DIGITS));
        json_decref(document);
        buf_append_byte(&text, '\n');
    } else {
        report_line(&text, &o->settings.plan, story);
        if (o->settings.verbose > 0)
            report_timeline(&text, story);
    }
    print(&text);
}

static void
on_done(void *arg, const struct story *story)
{
    struct once *o = arg;

    o->state = story->state;
    tell(o, story);
    event_base_loopbreak(o->base);
}

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
    struct once *o = arg;

    (void)what;
    round_trip_interrupt(o->trip, number == SIGINT ? "interrupted" : "terminated");
}

static int
watch_signals(struct once *o)
{
    static const int numbers[] = { SIGINT, SIGTERM };

    for (size_t i = 0; i < COUNT(numbers); i++) {
        o->signals[i] = evsignal_new(o->base, numbers[i], on_signal, o);
        if (o->signals[i] == NULL || event_add(o->signals[i], NULL) != 0)
            return MT_ENOMEM;
    }
    return MT_OK;
}

static void
once_close(struct once *o)
{
    round_trip_free(o->trip);
    resolver_free(o->resolver);
    api_free(o->api);
    curl_loop_free(o->loop);
    for (size_t i = 0; i < COUNT(o->signals); i++)
        if (o->signals[i] != NULL)
            event_free(o->signals[i]);
    if (o->base != NULL)
        event_base_free(o->base);
    sodium_free(o->key);
}

static int
once_open(struct once *o)
{
    struct api_settings api = {
        .url = o->settings.api_url, .key = o->key, .ca_file = o->settings.plan.server.ca_file, .insecure = o->settings.insecure,
        .timeout_ms = o->settings.plan.timeout_ms,
    };
    struct round_trip_tools tools;

    o->base = event_base_new();
    o->loop = o->base == NULL ? NULL : curl_loop_new(o->base);
    o->api = o->loop == NULL ? NULL : api_new(o->loop, &api);
    o->resolver = o->api == NULL ? NULL : resolver_new(o->base, o->settings.dns, o->settings.family);
    sodium_memzero(o->key, KEY_MAX);
    if (o->api == NULL)
        return MT_ENOMEM;
    if (o->resolver == NULL)
        return o->settings.dns != NULL ? MT_EINVALID : MT_ENOMEM;
    tools = (struct round_trip_tools){ .base = o->base, .api = o->api, .resolver = o->resolver };
    o->trip = round_trip_start(&tools, &o->settings.plan, on_done, o);
    return o->trip == NULL ? MT_ENOMEM : watch_signals(o);
}

static int
run_once(const struct options *options)
{
    struct once o = { .state = STATE_UNKNOWN };
    char        error[SETTINGS_ERROR_BYTES];
    int         rc;

    if (settings_read(&o.settings, options, getenv("MAILTEST_API")) != MT_OK)
        return fail(o.settings.error);
    o.key = sodium_malloc(KEY_MAX);
    if (o.key == NULL)
        return fail(mt_strerror(MT_ENOMEM));
    if (read_key(&o, error, sizeof(error)) != MT_OK) {
        sodium_free(o.key);
        return fail(error);
    }
    rc = once_open(&o);
    if (rc == MT_OK && event_base_dispatch(o.base) != 0)
        rc = MT_EIO;
    if (rc == MT_EINVALID)
        fail("--dns is no list of name servers: ADDRESS or ADDRESS:PORT, separated by commas");
    else if (rc != MT_OK)
        fail(mt_strerror(rc));
    once_close(&o);
    return (int)o.state;
}

static int
help(void)
{
    fputs("Usage: mailtest-check once [OPTION…]\n"
          "Sends a test mail to a customer's address whose rule forwards it to us, and tells whether and when it arrived.\n\n"
          "Scenario 2: through the customer's server (--smtp, or the MX of the recipient's domain).\n"
          "Scenario 5: through our own relay (--relay).\n"
          "Prints one line with performance data and exits as monitoring plugins do: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n\n"
          "Options:\n", stdout);
    options_help(once_options, stdout);
    fputs("\nThe API key comes from a file or the environment, never from the command line.\n", stdout);
    return STATE_OK;
}

int
check_main(int argc, char **argv)
{
    struct options options;
    char           text[400];
    int            read;

    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return fail("a library could not be set up");
    signal(SIGPIPE, SIG_IGN);       /* libraries write to sockets that peers may have closed */
    options_init(&options, once_options, NULL);
    read = options_read(&options, argc - 1, argv + 1, false);
    if (read != -1 && options_has(&options, "help"))
        return help();
    if (read != -1 && options_has(&options, "version")) {
        printf("mailtest-check %s\n", MAILTEST_VERSION);
        return STATE_OK;
    }
    if (read == -1)
        snprintf(text, sizeof(text), "%.255s; see \"mailtest-check --help\"", options.error);
    else if (options.operand_count == 0)
        snprintf(text, sizeof(text), "a command is missing: \"mailtest-check once …\"; see \"mailtest-check --help\"");
    else if (options.operand_count > 1 || strcmp(options.operands[0], "once") != 0)
        snprintf(text, sizeof(text), "there is no command \"%.60s\": there is once",
                 options.operands[options.operand_count > 1 ? 1 : 0]);
    else
        return run_once(&options);
    return fail(text);
}
