/* Whatever the text: it is refused with a place, or gives a configuration in which every text and list is there. */
#include "lib/config.h"
#include "lib/error.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_error error = { .text = "" };
    struct config      *c = NULL;
    int                 rc = config_parse(slice_make(data, size), "f", &c, &error);

    if (rc != MT_OK) {
        assert(c == NULL && strncmp(error.text, "f:", 2) == 0);
        assert(strncmp(error.text, "f:1:1: found what the schema", 28) != 0);     /* our own checks came first and say it better */
        return 0;
    }
    assert(c->domains.count > 0 && c->hostname[0] != '\0' && c->state_dir[0] != '\0' && c->processes.user != NULL);
    for (unsigned kind = 0; kind < LISTEN_COUNT; kind++) {
        struct strings addresses = config_listen(c, kind);
        for (unsigned i = 0; i < addresses.count; i++)
            assert(addresses.items[i] != NULL && addresses.items[i][0] != '\0');
    }
    assert(c->smtp.recipients_max >= 1 && c->smtp.recipients_max <= 1000 && c->log.level <= 3);
    config_free(c);
    return 0;
}
