#include "imapd/login.h"

#include "lib/error.h"
#include "lib/secret.h"

#include <sodium.h>

/* The name of a mailbox from what a user typed: "acme", "Acme@mailtest1.example.net", each perhaps with a folder behind it. */
static bool
read_user(const struct config *config, struct slice user, struct login *out)
{
    size_t       slash = slice_find(user, '/');
    struct slice name = slice_sub(user, 0, slash);
    size_t       at = slice_find(name, '@');
    struct slice domain = slice_sub(name, at + 1, name.len);
    bool         ours = at == name.len || config_has_domain(config, domain);

    if (!slice_copy(out->folder, sizeof(out->folder), slice_sub(user, slash + 1, user.len)))
        return false;
    return ours && mailbox_name_parse(slice_sub(name, 0, at), out->mailbox) == MT_OK;
}

static void
make_decoy(const uint8_t decoy_key[32], struct slice user, struct login *out)
{
    out->known = false;
    crypto_generichash(out->credentials.salt, sizeof(out->credentials.salt), (const unsigned char *)user.data, user.len, decoy_key, 32);
    randombytes_buf(out->credentials.secret_hash, sizeof(out->credentials.secret_hash));
    randombytes_buf(out->credentials.stored_key, sizeof(out->credentials.stored_key));
    randombytes_buf(out->credentials.server_key, sizeof(out->credentials.server_key));
}

int
login_find(struct db *db, const struct config *config, const uint8_t decoy_key[32], struct slice user, struct login *out)
{
    struct mailbox_record record;
    struct db_view        view;
    bool                  readable;
    int                   rc;

    *out = (struct login){ .known = true };
    readable = read_user(config, user, out);
    rc = db_view_begin(db, &view);
    if (rc != MT_OK)
        return rc;
    rc = db_mailbox_by_name(&view, slice_of(readable ? out->mailbox : ""), &record);
    if (rc == MT_OK) {
        out->enabled = record.enabled;
        out->mailbox_id = record.id;
        out->credentials = record.credentials;
    }
    db_view_end(&view);
    if (rc == MT_ENOTFOUND || (rc == MT_OK && !readable)) {
        make_decoy(decoy_key, user, out);
        rc = MT_OK;
    }
    return rc;
}

bool
login_matches(const struct login *l, struct slice secret)
{
    return secret_matches(secret, &l->credentials) && l->known;
}
