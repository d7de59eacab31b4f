#ifndef FINDER_VIEWS_H
#define FINDER_VIEWS_H
/*
 * views - one run of text, searched for tokens in all the ways in which mail systems break and wrap a word:
 *
 *   text -> squeeze, bare                       wrapped, quoted, hyphenated, widened, sprinkled with invisible characters
 *   text -> unquote, bare                       quoted with initials; JSON's escapes
 *   text -> utf7, bare
 *   text -> squeeze -> percent (%, -, =), bare  percent-encoded, also by urldefense; quoted-printable encoded twice
 *                   -> percent (%), base64_runs base64 and base64url
 *
 * The second to fourth make a difference only where an escape of theirs stands, so each is used from the first on, with
 * VIEWS_BEFORE octets before it. All of them are spared what cannot hide a token (sieve.h).
 *
 * Time: linear, a fixed number of steps an octet. Memory: the struct alone, about 7 KiB. Nothing is said of what stood where:
 * whoever asks keeps texts apart by views_finish.
 */

#include "finder/base64_runs.h"
#include "finder/percent.h"
#include "finder/sieve.h"
#include "finder/squeeze.h"
#include "finder/unquote.h"
#include "finder/utf7.h"

#define VIEWS_BEFORE 64u    /* a token that escapes break may begin so far before the first of them */

/* The last octets of a text so far. */
struct views_before {
    size_t len;
    char   octets[VIEWS_BEFORE];
};

struct views {
    struct sieve        sieve;          /* private, all of it */
    struct squeeze      bare;
    struct unquote      unquote;
    struct squeeze      unquote_bare;
    struct utf7         utf7;
    struct squeeze      utf7_bare;
    struct squeeze      squeeze;
    struct percent      any_mark;
    struct squeeze      any_mark_bare;
    struct percent      percent;
    struct base64_runs  base64_runs;
    struct token_scan   plain, unquoted, unescaped, from_utf7, from_base64;
    bool                has_quote, has_mark, has_plus, has_percent;
    struct views_before text_before, squeezed_before;
};

/* Must not be moved afterwards. */
void views_init(struct views *v, token_found_fn *found, void *arg);
void views_feed(struct views *v, struct slice text);

/* The text ended: tells what was held back. Then it is ready for another. */
void views_finish(struct views *v);

#endif
