#include "imapd/login.h"

#include "lib/error.h"
#include "lib/secret.h"

#include <sodium.h>

/* A user's parts, borrowed. */
struct user {
    struct slice mailbox;       /* with its domain */
    struct slice agent;         /* empty: none */
    struct slice folder;
};

/* The name of a mailbox in lower case, without a domain of ours. */
static bool
read_mailbox(const struct config *config, struct slice text, char out[MAILBOX_NAME_MAX + 1])
{
    size_t at = slice_find(text, '@');
    bool   ours = at == text.len || config_has_domain(config, slice_sub(text, at + 1, text.len));

    return ours && mailbox_name_parse(slice_sub(text, 0, at), out) == MT_OK;
}

static struct user
split(struct slice text)
{
    size_t       slash = slice_find(text, '/');
    struct slice name = slice_sub(text, 0, slash);
    size_t       star = slice_find(name, '*');

    return (struct user){ slice_sub(name, 0, star), slice_sub(name, star + 1, name.len), slice_sub(text, slash + 1, text.len) };
}

static bool
is_same_mailbox(const struct config *config, struct slice a, struct slice b)
{
    char one[MAILBOX_NAME_MAX + 1], other[MAILBOX_NAME_MAX + 1];

    return read_mailbox(config, a, one) && read_mailbox(config, b, other) && strcmp(one, other) == 0;
}

/* "acme*" is nobody, and not acme himself. */
static bool
names_empty_agent(struct slice text)
{
    return split(text).agent.len == 0 && slice_find(slice_sub(text, 0, slice_find(text, '/')), '*') < slice_find(text, '/');
}

/* False: the two identities contradict each other. */
static bool
read_user(const struct config *config, struct slice user, struct slice identity, struct user *out)
{
    struct user wanted = split(identity);

    *out = split(user);
    if (identity.len == 0)
        return true;
    if (out->folder.len == 0)
        out->folder = wanted.folder;
    if (is_same_mailbox(config, wanted.mailbox, out->mailbox))
        return wanted.agent.len == 0 || slice_equal_nocase(wanted.agent, out->agent);      /* the user himself once more, as mbsync writes it */
    if (wanted.agent.len > 0)
        return false;
    if (out->agent.len > 0)
        return false;
    out->agent = out->mailbox;
    out->mailbox = wanted.mailbox;
    return true;
}

void
login_name(const struct config *config, struct slice user, struct slice identity, char out[LOGIN_NAME_BYTES + 1])
{
    char        name[MAILBOX_NAME_MAX + 1];
    struct user u;
    bool        readable = read_user(config, user, identity, &u);

    if (readable && u.agent.len > 0 && mailbox_name_parse(u.agent, name) == MT_OK) {
        out[0] = '*';
        memcpy(out + 1, name, sizeof(name));
    } else if (readable && u.agent.len == 0 && read_mailbox(config, u.mailbox, name)) {
        memcpy(out, name, sizeof(name));
    } else {
        slice_copy(out, LOGIN_NAME_BYTES + 1, slice_sub(user, 0, user.len < LOGIN_NAME_BYTES ? user.len : LOGIN_NAME_BYTES));
        for (char *c = out; *c != '\0'; c++)
            *c = ascii_lower(*c);
    }
}

/* ---- Looking up ------------------------------------------------------------------------------------------------------------ */

/*
 * What SCRAM shows of a user that is not there, or whose secret it cannot check. The salt is the same at each try, in every process and
 * after a restart, as a kept one is.
 */
static int
make_decoy(const struct db_view *view, const char *name, struct login *out)
{
    struct slice instance;
    int          rc = db_get(view, TABLE_META, slice_of(DB_META_INSTANCE), &instance);

    if (rc == MT_OK && crypto_generichash(out->scram_salt, sizeof(out->scram_salt), (const unsigned char *)name, strlen(name),
                                          (const unsigned char *)instance.data, instance.len) != 0)
        rc = MT_EDAMAGED;
    return rc;
}

static void
make_unknown(struct login *out)
{
    struct credentials *c = &out->credentials;

    out->known = false;
    if (out->unknown == NULL)
        out->unknown = out->reads_only ? "no such agent" : "no such mailbox";
    *c = (struct credentials){ .chosen = false };
    randombytes_buf(c->salt, sizeof(c->salt));
    randombytes_buf(c->secret_hash, sizeof(c->secret_hash));
    randombytes_buf(c->stored_key, sizeof(c->stored_key));
    randombytes_buf(c->server_key, sizeof(c->server_key));
}

static bool
may_read(const struct agent_record *a, uint32_t mailbox_id)
{
    for (uint32_t i = 0; i < a->mailbox_count; i++)
        if (a->mailboxes[i] == mailbox_id)
            return true;
    return a->all;
}

/* MT_ENOTFOUND: no such agent; an agent with no right to the mailbox is found, and not known. */
static int
find_agent(const struct db_view *view, struct slice name, bool has_mailbox, struct login *out)
{
    struct agent_record agent;
    int                 rc;

    if (mailbox_name_parse(name, out->agent) != MT_OK)
        return MT_ENOTFOUND;
    rc = db_agent_by_name(view, slice_of(out->agent), &agent);
    if (rc != MT_OK)
        return rc;
    if (!agent.enabled)
        out->unknown = "the agent is disabled";
    else if (!has_mailbox)
        out->unknown = "no such mailbox for an agent";
    else if (!may_read(&agent, out->mailbox_id))
        out->unknown = "the agent may not read that mailbox";
    else if (!out->enabled)
        out->unknown = "the agent's mailbox is disabled";
    out->known = out->unknown == NULL;
    out->enabled = true;
    out->credentials = agent.credentials;
    return MT_OK;
}

static int
find_mailbox(const struct config *config, const struct db_view *view, struct slice name, struct login *out)
{
    struct mailbox_record record;
    int                   rc;

    if (!read_mailbox(config, name, out->mailbox))
        return MT_ENOTFOUND;
    rc = db_mailbox_by_name(view, slice_of(out->mailbox), &record);
    if (rc != MT_OK)
        return rc;
    out->known = true;
    out->enabled = record.enabled;
    out->mailbox_id = record.id;
    out->credentials = record.credentials;
    return MT_OK;
}

static int
find(const struct config *config, const struct db_view *view, struct slice user, struct slice identity, struct login *out)
{
    struct user u;
    int         rc;

    if (names_empty_agent(user) || names_empty_agent(identity)) {
        out->unknown = "there is no agent's name behind the asterisk";
        return MT_ENOTFOUND;
    }
    if (!read_user(config, user, identity, &u)) {
        out->unknown = "the authorization identity is another user than the authentication identity";
        return MT_ENOTFOUND;
    }
    if (!slice_copy(out->folder, sizeof(out->folder), u.folder))
        return MT_ENOTFOUND;
    rc = find_mailbox(config, view, u.mailbox, out);
    if (u.agent.len == 0 || (rc != MT_OK && rc != MT_ENOTFOUND))
        return rc;
    out->reads_only = true;
    return find_agent(view, u.agent, rc == MT_OK, out);
}

int
login_find(struct db *db, const struct config *config, struct slice user, struct slice identity, struct login *out)
{
    struct db_view view;
    char           name[LOGIN_NAME_BYTES + 1];
    int            rc;

    *out = (struct login){ .known = false };
    login_name(config, user, identity, name);
    rc = db_view_begin(db, &view);
    if (rc != MT_OK)
        return rc;
    rc = find(config, &view, user, identity, out);
    out->has_credentials = rc == MT_OK;
    if (rc == MT_ENOTFOUND)
        make_unknown(out);
    memcpy(out->scram_salt, out->credentials.salt, sizeof(out->scram_salt));
    if (rc == MT_ENOTFOUND || (rc == MT_OK && out->credentials.chosen))
        rc = make_decoy(&view, name, out);
    db_view_end(&view);
    return rc;
}

bool
login_matches(const struct login *l, struct slice secret)
{
    return secret_matches(secret, &l->credentials) && !l->credentials.chosen && l->known;
}
