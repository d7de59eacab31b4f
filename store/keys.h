#ifndef STORE_KEYS_H
#define STORE_KEYS_H
/*
 * keys - the master keys of the tokens, in the file state_dir/token.keys (text, mode 0600) and in locked memory, nowhere
 * else. The newest one makes tokens; all that are not retired verify them. A mailbox's key is derived when it is needed. Beside them is the key that
 * seals webhooks' secrets, which lie in the database.
 *
 * The file: comments, a line "next ID", a line "seal HEX CHECK", and a line "key ID CREATED_UNIX HEX CHECK" for each key, oldest first. CHECK is a
 * hash of the line before it, so that a flipped bit is found, and not taken for a key under which nothing verifies any more.
 * Ids are never used twice.
 */

#include "lib/record.h"
#include "lib/webhook.h"

#define KEYS_FILE "token.keys"
#define KEYS_MAX  16u

struct keys;

struct key_info {
    uint32_t id;
    uint64_t created_unix;
    bool     active;        /* makes new tokens */
};

/*
 * Reads the keys from a folder. Where the file is missing and may_create, or where it is empty, it is made with one new key.
 * MT_ENOTFOUND  missing, and may_create is false
 * MT_EDENIED    not readable, or readable for others
 * MT_EDAMAGED   a line does not fit
 * MT_EIO MT_EFULL MT_ENOMEM. Each is logged here with the file and the line.
 */
int  keys_open(const char *dir, bool may_create, uint64_t now_unix, struct keys **out);
void keys_close(struct keys *k);                        /* NULL is fine; wipes */

unsigned keys_count(const struct keys *k);              /* 1 and more */
void     keys_info(const struct keys *k, unsigned i, struct key_info *out);     /* oldest first */

/* On disk when they return 0; otherwise nothing changed. */
int keys_rotate(struct keys *k, uint64_t now_unix, uint32_t *id);   /* MT_EFULL: KEYS_MAX keys, retire one first; MT_EIO (logged) */
int keys_retire(struct keys *k, uint32_t id);                       /* MT_ENOTFOUND; MT_EDENIED: the active one; MT_EIO MT_EFULL (logged) */

/* The mailbox that the next two are about: derives its keys. */
void keys_select(struct keys *k, struct slice address);
bool keys_is_genuine(const struct keys *k, const struct token *t);
void keys_mint(const struct keys *k, uint32_t issued_unix, struct token *out);

/* The selected mailbox's key under the active master key. The caller wipes it. */
void keys_mailbox_key(const struct keys *k, uint8_t out[TOKEN_KEY_BYTES]);

/*
 * A webhook's secret as the database has it: "1:" and base64url of nonce and crypto_secretbox. The key is made once and stays, whatever becomes of the
 * others. keys_unseal: MT_EDENIED: sealed with another key, or damaged. Its caller wipes out.
 */
void keys_seal(const struct keys *k, const char secret[WEBHOOK_SECRET_CHARS + 1], char out[WEBHOOK_SEALED_CHARS + 1]);
int  keys_unseal(const struct keys *k, const char *sealed, char out[WEBHOOK_SECRET_CHARS + 1]);
bool keys_is_sealed(const char *secret);        /* it has the form of one */

/* Copies the file to a descriptor and syncs it. MT_EIO, MT_EFULL. */
int keys_copy(const struct keys *k, int fd, uint64_t *bytes);

#endif
