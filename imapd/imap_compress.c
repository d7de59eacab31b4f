/* COMPRESS (RFC 4978): only where configured, over TLS and behind the login, and once. What it does: imapd/compression.h. */

#include "imapd/imap.h"
#include "imapd/imapd.h"

bool
imap_may_compress(const struct connection *c)
{
    const struct imap *s = c->own;

    return c->imapd->config->access.compress && s->state != IMAP_CONNECTED && connection_is_secure(c) && c->compression == NULL;
}

static void
compress(struct connection *c, struct imap_reader *r)
{
    struct slice mechanism;

    imap_space(r);
    mechanism = imap_atom(r);
    if (imap_refuse_syntax(c, r))
        return;
    if (c->compression != NULL)
        imap_answer(c, "NO", "[COMPRESSIONACTIVE] the connection is compressed already");
    else if (!imap_may_compress(c))
        imap_answer(c, "NO", "[CANNOT] there is no compression here; CAPABILITY tells what there is");
    else if (!slice_equal_nocase(mechanism, slice_of("DEFLATE")))
        imap_answer(c, "NO", "[CANNOT] DEFLATE is all that is offered");
    else if (!connection_compress(c))
        imap_answer(c, "NO", "[LIMIT] too many clients compress at the moment");
    else
        imap_answer(c, "OK", "both sides compress from here on");
}

const struct imap_verb imap_compress_verbs[] = {
    { "COMPRESS", IMAP_LOGGED_IN | IMAP_SELECTED, false, compress },
    { NULL,       0,                              false, NULL     },
};
