/*
 * mint_tokens - genuine tokens in bulk for the benchmarks' own service, straight from its key file: asking the service for a
 * million of them would take longer than what is to be measured, and warm what is to be measured cold. With --register they
 * are written to the database, too, as the service does when it mints; then the service must not be running.
 */

#include "lib/error.h"
#include "store/keys.h"
#include "store/tx.h"

#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TRANSACTION_TOKENS = 50000, PATH_BYTES = 4096, NAME_BYTES = 32 };

static const uint64_t map_bytes = UINT64_C(64) << 30;   /* of virtual memory, as store's default */

static void
commit(struct tx *tx)
{
    bool file_failed;

    if (tx_commit(tx, &file_failed) != MT_OK)
        errx(1, "the tokens could not be written");
    tx_free(tx);
}

static void
register_token(struct tx *tx, const char *mailbox_name, const struct token *token)
{
    struct token_record   record = { .minted_us = tx_now_us(tx) };
    struct mailbox_record mailbox;
    unsigned char         key[DB_KEY_MAX];
    struct buf           *b;

    if (db_mailbox_by_name(tx_view(tx), slice_of(mailbox_name), &mailbox) != MT_OK)
        errx(1, "no mailbox %s", mailbox_name);
    record.mailbox_id = mailbox.id;
    b = tx_scratch(tx);
    token_record_write(b, &record);
    tx_put(tx, TABLE_TOKEN, slice_make(token->raw, sizeof(token->raw)), buf_slice(b), 0);
    tx_put(tx, TABLE_EXPIRY, db_key_token_expiry(key, token, &record), slice_make("", 0), 0);
}

/* Token i is for mailbox i modulo mailboxes, plus one: as smtp_load deals them out with --mailboxes. db: NULL, or where to register. */
static void
mint(struct keys *keys, struct db *db, const char *domain, unsigned long mailboxes, unsigned long count)
{
    time_t     now = time(NULL);
    struct tx *tx = NULL;

    for (unsigned long i = 0; i < count; i++) {
        struct token token;
        char         name[NAME_BYTES], address[NAME_BYTES + 256], text[TOKEN_CHARS + 1];

        snprintf(name, sizeof(name), "box%lu", i % mailboxes + 1);
        snprintf(address, sizeof(address), "%s@%s", name, domain);
        keys_select(keys, slice_of(address));
        keys_mint(keys, (uint32_t)now, &token);
        if (db != NULL && i % TRANSACTION_TOKENS == 0) {
            if (tx != NULL)
                commit(tx);
            if (tx_begin(db, (uint64_t)now * 1000000, &tx) != MT_OK)
                errx(1, "no transaction");
        }
        if (tx != NULL)
            register_token(tx, name, &token);
        token_encode(&token, text);
        puts(text);
    }
    if (tx != NULL)
        commit(tx);
}

static struct db *
open_database(const char *state_dir)
{
    char              dir[PATH_BYTES];
    struct db_options options = { .dir = dir, .map_bytes = map_bytes, .readers_max = 126 };
    struct db        *db;
    int               lock;         /* held until we end */

    snprintf(dir, sizeof(dir), "%s/%s", state_dir, DB_DIR);
    if (db_lock(state_dir, &lock) != MT_OK || db_open(&options, &db) != MT_OK)
        errx(1, "no database in %s, or it is in use", state_dir);
    return db;
}

int
main(int argc, char **argv)
{
    bool         registered = argc > 1 && strcmp(argv[1], "--register") == 0;
    struct keys *keys;
    struct db   *db = NULL;

    argc -= registered;
    argv += registered;
    if (argc != 5) {
        fputs("usage: mint_tokens [--register] STATE_DIR DOMAIN MAILBOXES COUNT\n"
              "for box1@DOMAIN, box2@DOMAIN … in turn, one a line; --register: and into the database\n", stderr);
        return 64;
    }
    if (sodium_init() < 0 || keys_open(argv[1], false, (uint64_t)time(NULL), &keys) != MT_OK)
        errx(1, "no keys in %s", argv[1]);
    if (registered)
        db = open_database(argv[1]);
    mint(keys, db, argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    db_close(db);
    keys_close(keys);
    return fflush(stdout) == 0 ? 0 : 1;
}
