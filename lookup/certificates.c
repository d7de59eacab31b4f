#include "lookup/certificates.h"

#include "lib/error.h"
#include "lib/rfc3339.h"
#include "lib/tls.h"

#include <stdlib.h>

enum { SECONDS_OF_A_DAY = 86400 };

/* Neither HTML nor a label of Prometheus needs anything escaped then. */
static void
make_harmless(char *name)
{
    for (; *name != '\0'; name++)
        if (*name <= ' ' || *name >= 0x7f || strchr("\"'\\<>&", *name) != NULL)
            *name = '?';
}

static void
add(struct certificates *c, const char *file)
{
    struct certificate *item = &c->items[c->count];

    if (tls_certificate_read(file, item->name, sizeof(item->name), &item->expires_unix) != MT_OK)
        return;
    make_harmless(item->name);
    c->count++;
}

int
certificates_read(const struct config *config, struct certificates *out)
{
    *out = (struct certificates){ .items = calloc(1 + config->tls.certificates.count, sizeof(out->items[0])) };
    if (out->items == NULL)
        return MT_ENOMEM;
    add(out, config->tls.certificate);
    for (unsigned i = 0; i < config->tls.certificates.count; i++)
        add(out, config->tls.certificates.items[i].certificate);
    return MT_OK;
}

void
certificates_fini(struct certificates *c)
{
    free(c->items);
    *c = (struct certificates){ .items = NULL };
}

void
certificates_metrics(struct buf *out, const struct certificates *c)
{
    buf_append_string(out, "# HELP mailtest_certificate_expiry_seconds when each certificate expires, seconds since 1970\n"
                           "# TYPE mailtest_certificate_expiry_seconds gauge\n");
    for (unsigned i = 0; i < c->count; i++)
        buf_printf(out, "mailtest_certificate_expiry_seconds{certificate=\"%u\",name=\"%s\"} %lld\n", i, c->items[i].name,
                   (long long)c->items[i].expires_unix);
}

void
certificates_table(struct buf *out, const struct certificates *c, int64_t now_unix, uint32_t warning_days)
{
    char when[RFC3339_TEXT_BYTES];

    if (c->count == 0)
        return;
    buf_append_string(out, "<h2>Certificates</h2>\n<table>\n");
    for (unsigned i = 0; i < c->count; i++) {
        const struct certificate *item = &c->items[i];
        int64_t                   left = item->expires_unix - now_unix;
        bool                      soon = left < (int64_t)warning_days * SECONDS_OF_A_DAY;
        if (i > 0 && !soon)
            continue;
        rfc3339_text((uint64_t)(item->expires_unix > 0 ? item->expires_unix : 0), when);
        buf_printf(out, "<tr><td>%s</td><td class=\"%s\">%s %s</td></tr>\n", item->name, soon ? "bad" : "good",
                   left < 0 ? "expired" : "expires", when);
    }
    buf_append_string(out, "</table>\n");
}
