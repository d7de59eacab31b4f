#include "checker/tools.h"

#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEY_MAX = 256 };

struct tools {
    struct event_base  *base;
    struct curl_loop   *loop;
    struct api         *api;
    struct hosted      *hosted;
    struct resolver    *resolver;
    struct dns         *dns;
    struct credentials *credentials;
    struct watch_queue *queue;
};

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

/* key: KEY_MAX octets. */
static int
read_key(const struct tools_settings *s, char *key, char *error, size_t size)
{
    const char  *file = s->api_key_file;
    ssize_t      len = file != NULL ? key_from_file(key, file) : s->api_key_in_environment ? key_from_environment(key) : -1;
    struct slice text;

    if (len < 0 && file != NULL)
        snprintf(error, size, "the file with the API key, %.200s: %s", file, strerror(errno));
    else if (len < 0)
        snprintf(error, size, "there is no API key: give --api-key-file FILE, or set MAILTEST_API_KEY");
    if (len < 0)
        return MT_ENOTFOUND;
    text = slice_trim(slice_of(key));
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
            text.len = 0;
    if (text.len == 0 || len >= KEY_MAX - 1) {
        snprintf(error, size, "what is given as the API key is none: one line such as mtk_1_… (\"mailtestctl api-key add\" makes it)");
        return MT_ESYNTAX;
    }
    memmove(key, text.data, text.len);
    key[text.len] = '\0';
    return MT_OK;
}

/* ---- All of it --------------------------------------------------------------------------------------------------- */

static int
open_service(struct tools *t, const struct tools_settings *s, char *error, size_t size)
{
    struct api_settings api = { .url = s->api_url, .ca_file = s->api_ca_file, .insecure = s->api_insecure, .timeout_ms = s->timeout_ms };
    char               *key = sodium_malloc(KEY_MAX);
    int                 rc = key == NULL ? MT_ENOMEM : read_key(s, key, error, size);

    if (rc == MT_OK) {
        api.key = key;
        t->api = api_new(t->loop, &api);
        t->hosted = t->api != NULL && s->scheduled ? hosted_new(t->base, t->api, "") : NULL;
        rc = t->api == NULL || (s->scheduled && t->hosted == NULL) ? MT_ENOMEM : MT_OK;
    }
    sodium_free(key);       /* which wipes it */
    return rc;
}

static int
open_all(struct tools *t, const struct tools_settings *s, char *error, size_t size)
{
    t->base = event_base_new();
    t->loop = t->base == NULL ? NULL : curl_loop_new(t->base);
    t->credentials = t->loop == NULL ? NULL : credentials_new(t->base);
    t->queue = t->credentials == NULL ? NULL : watch_queue_new();
    if (t->queue == NULL)
        return MT_ENOMEM;
    t->resolver = resolver_new(t->base, s->dns, s->family);
    t->dns = t->resolver == NULL ? NULL : dns_new(t->base, s->dns, DNS_NEXT_SERVER, 0);
    if (t->dns == NULL) {
        if (s->dns != NULL)
            snprintf(error, size, "--dns is no list of name servers: ADDRESS or ADDRESS:PORT, separated by commas");
        return s->dns != NULL ? MT_EINVALID : MT_ENOMEM;
    }
    return s->api_url == NULL ? MT_OK : open_service(t, s, error, size);
}

int
tools_open(const struct tools_settings *settings, struct tools **out, char *error, size_t size)
{
    struct tools *t = calloc(1, sizeof(*t));
    int           rc = MT_ENOMEM;

    *out = NULL;
    snprintf(error, size, "%s", mt_strerror(MT_ENOMEM));
    if (t != NULL)
        rc = open_all(t, settings, error, size);
    if (rc != MT_OK) {
        tools_close(t);
        return rc;
    }
    *out = t;
    return MT_OK;
}

void
tools_close(struct tools *t)
{
    if (t == NULL)
        return;
    hosted_free(t->hosted);
    api_free(t->api);
    watch_queue_free(t->queue);
    credentials_free(t->credentials);
    dns_free(t->dns);
    resolver_free(t->resolver);
    curl_loop_free(t->loop);
    if (t->base != NULL)
        event_base_free(t->base);
    free(t);
}

struct round_trip_tools
tools_for_round_trips(const struct tools *t)
{
    return (struct round_trip_tools){ .base = t->base, .resolver = t->resolver, .credentials = t->credentials, .api = t->api,
                                      .hosted = t->hosted, .queue = t->queue };
}

struct probe_tools
tools_for_probes(const struct tools *t)
{
    return (struct probe_tools){ .base = t->base, .resolver = t->resolver, .dns = t->dns, .credentials = t->credentials };
}

struct event_base *
tools_base(const struct tools *t)
{
    return t->base;
}

struct curl_loop *
tools_curl_loop(const struct tools *t)
{
    return t->loop;
}

struct hosted *
tools_hosted(const struct tools *t)
{
    return t->hosted;
}
