/*
 * mint_tokens - genuine tokens in bulk for the benchmarks' own service, straight from its key file: asking the service for a
 * million of them would take longer than what is to be measured, and warm what is to be measured cold.
 */

#include "lib/error.h"
#include "store/keys.h"

#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Token i is for mailbox i modulo MAILBOXES, plus one: as smtp_load deals them out with --mailboxes. */
int
main(int argc, char **argv)
{
    struct keys  *keys;
    struct token  token;
    char          text[TOKEN_CHARS + 1], address[256];
    unsigned long mailboxes, count;

    if (argc != 5) {
        fputs("usage: mint_tokens STATE_DIR DOMAIN MAILBOXES COUNT\n"
              "for box1@DOMAIN, box2@DOMAIN … in turn, one a line\n", stderr);
        return 64;
    }
    mailboxes = strtoul(argv[3], NULL, 10);
    count = strtoul(argv[4], NULL, 10);
    if (sodium_init() < 0 || keys_open(argv[1], false, (uint64_t)time(NULL), &keys) != MT_OK)
        errx(1, "no keys in %s", argv[1]);
    for (unsigned long i = 0; i < count; i++) {
        snprintf(address, sizeof(address), "box%lu@%s", i % mailboxes + 1, argv[2]);
        keys_select(keys, slice_of(address));
        keys_mint(keys, (uint32_t)time(NULL), &token);
        token_encode(&token, text);
        puts(text);
    }
    keys_close(keys);
    return fflush(stdout) == 0 ? 0 : 1;
}
