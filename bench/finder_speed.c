/*
 * finder_speed - how fast the finder reads one mail: again and again for so many seconds, as it came from the network, in pieces of
 * 64 KiB. The token must be found each time. Counts CPU time. finder_email and gmime/finder_gmime.c do the same job.
 */

#include "finder/finder.h"
#include "lib/error.h"

#include <err.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIECE_BYTES = 64 * 1024, MAIL_BYTES_MAX = 256 << 20 };

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct buf
read_file(const char *name)
{
    FILE      *in = fopen(name, "rb");
    struct buf b;
    size_t     len;
    char      *room;

    buf_init(&b, MAIL_BYTES_MAX);
    if (in == NULL)
        err(2, "%s", name);
    do {
        room = buf_reserve(&b, PIECE_BYTES);
        len = room == NULL ? 0 : fread(room, 1, PIECE_BYTES, in);
        buf_added(&b, len);
    } while (len > 0);
    fclose(in);
    if (b.fault != MT_OK)
        errx(2, "%s: %s", name, mt_strerror(b.fault));
    return b;
}

static bool
find(struct finder *f, struct slice mail, const struct token *token)
{
    struct parsed p;
    bool          found = false;

    for (size_t at = 0; at < mail.len; at += PIECE_BYTES)
        finder_feed(f, slice_sub(mail, at, PIECE_BYTES));
    finder_finish(f, &p);
    for (uint32_t i = 0; i < p.candidate_count; i++)
        found = found || token_equal(&p.candidates[i].token, token);
    finder_reset(f);
    return found;
}

int
main(int argc, char **argv)
{
    struct finder *f;
    struct token   token;
    struct buf     mail;
    double         seconds, begun;
    unsigned long  rounds = 0;

    if (argc != 4 || token_decode(slice_of(argv[3]), &token) != MT_OK)
        errx(2, "usage: finder_speed MAIL SECONDS TOKEN");
    if (sodium_init() < 0 || (f = finder_new()) == NULL)
        errx(2, "out of memory");
    mail = read_file(argv[1]);
    seconds = strtod(argv[2], NULL);
    find(f, buf_slice(&mail), &token);
    begun = cpu_seconds();
    do {
        if (!find(f, buf_slice(&mail), &token))
            errx(1, "the token was not found");
        rounds++;
    } while (cpu_seconds() - begun < seconds);
    seconds = cpu_seconds() - begun;
    printf("{\"bytes_per_second\": %.0f, \"us_per_mail\": %.2f}\n", (double)mail.len * (double)rounds / seconds, seconds / (double)rounds * 1e6);
    buf_fini(&mail);
    finder_free(f);
    return 0;
}
