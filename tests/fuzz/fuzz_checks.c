/* Whatever the text: it is refused with a place, or gives checks in which every name and reference is good and every route has what it needs. */
#include "checker/checks.h"
#include "lib/error.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct checks *c, const struct plan *p)
{
    assert((p->to != NULL) == (p->send != SEND_NONE));
    assert((p->send != SEND_HOST && p->send != SEND_RELAY) || p->server.host != NULL);
    assert(p->send != SEND_MX || p->server.host == NULL);
    assert(p->receive != RECEIVE_HOSTED || (p->mailbox != NULL && c->api_url != NULL));
    assert((p->receive != RECEIVE_IMAP && p->receive != RECEIVE_POP3) || (p->account.host != NULL && p->account.auth.user != NULL));
    assert(p->window_ms >= 1000 && p->scenario <= 5);
}

static void
check_one(const struct checks *c, unsigned i)
{
    const struct check *k = &c->checks[i];

    assert(checks_find(c, k->name) == (int)i && k->line > 0);
    assert(k->interval_ms >= 1000 && k->confirm >= 1 && k->quiet_count <= CHECK_QUIET_MAX && k->hosts_count <= CHECK_HOSTS_MAX);
    for (unsigned j = 0; j < k->quiet_count; j++)
        assert(k->quiet[j].from_minute < 10080 && k->quiet[j].to_minute <= 10080);
    for (unsigned j = 0; j < k->depends_count; j++)
        assert(k->depends[j] < c->checks_count && k->depends[j] != i);
    for (unsigned j = 0; j < k->contacts_count; j++)
        assert(k->contacts[j] < c->contacts_count);
    assert(k->client_of < (int)c->checks_count);
    if (k->kind == CHECK_ROUND_TRIP)
        check_round_trip(c, &k->plan);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error error = { .text = "" };
    struct checks      *c = NULL;
    int                 rc = checks_parse(slice_make(data, size), "f", &c, &error);

    if (rc != MT_OK) {
        assert(c == NULL && strncmp(error.text, "f:", 2) == 0);
        assert(strncmp(error.text, "f:1:1: found what the schema", 28) != 0);     /* our own checks came first and say it better */
        return 0;
    }
    for (unsigned i = 0; i < c->checks_count; i++)
        check_one(c, i);
    for (unsigned i = 0; i < c->servers_count; i++)
        assert(c->servers[i].server.name != NULL);
    for (unsigned i = 0; i < c->contacts_count; i++)
        assert(c->contacts[i].name != NULL && c->contacts[i].ways_count > 0);
    checks_free(c);
    return 0;
}
