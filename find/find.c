#include "find/find.h"

#include "find/found.h"
#include "finder/finder.h"
#include "lib/error.h"
#include "lib/options.h"
#include "lib/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

static const struct option_spec option_table[] = {
    { 0,   "address",      "ADDRESS", "the mailbox's address, such as acme@mailtest1.example.net; with a key: tell which tokens are genuine" },
    { 0,   "key",          "HEX",     "the mailbox's token key (\"mailtestctl mailbox key NAME\"); others on this machine may see it" },
    { 0,   "key-file",     "FILE",    "the same from a file" },
    { 0,   "reverse-path", "ADDRESS", "the envelope's sender, where it is known; it helps to tell the kind" },
    { 0,   "recipient",    "ADDRESS", "an envelope recipient; its detail part is searched, too" },
    { 'j', "json",         NULL,      "one JSON object a line for each mail" },
    { 'h', "help",         NULL,      "this text" },
    { 'V', "version",      NULL,      "the version" },
    { 0,   NULL,           NULL,      NULL },
};

struct run {
    struct options options;
    struct finder *finder;
    struct slice   address;
    bool           has_key;
    uint8_t       *key;             /* TOKEN_KEY_BYTES of sodium_malloc */
};

static int
complain(int exit_code, const char *what, const char *why)
{
    fprintf(stderr, "mailtest-find: %s: %s\n", what, why);
    return exit_code;
}

static int
show_help(void)
{
    puts("mailtest-find - where a Mailtest token stands in mails on disk, and what these mails are\n\n"
         "Usage: mailtest-find [OPTION…] FILE…\n\n"
         "Each FILE is one mail; - is standard input. Behind -- there are files alone.\n");
    options_help(option_table, stdout);
    puts("\nExit codes: 0 every mail has a token (with a key: a genuine one; without: what looks like one, which may not be genuine),\n"
         "65 one has none, 66 a file cannot be read, 64 usage.");
    return EX_OK;
}

/* ---- The key ---------------------------------------------------------------------------------------------------- */

static bool
decode_key(struct slice text, uint8_t out[TOKEN_KEY_BYTES])
{
    text = slice_trim(text);
    if (text.len != 2 * TOKEN_KEY_BYTES)
        return false;
    for (size_t i = 0; i < TOKEN_KEY_BYTES; i++) {
        int high = hex_value(text.data[2 * i]), low = hex_value(text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int
read_key_file(struct run *r, const char *file)
{
    char    text[2 * TOKEN_KEY_BYTES + 8];
    int     fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd == -1 ? -1 : read(fd, text, sizeof(text));
    int     err = errno;
    bool    good = len > 0 && decode_key(slice_make(text, (size_t)len), r->key);

    if (fd != -1)
        close(fd);
    sodium_memzero(text, sizeof(text));
    if (len < 0)
        return complain(EX_NOINPUT, file, strerror(err));
    return good ? EX_OK : complain(EX_USAGE, file, "no key: 64 hexadecimal digits (\"mailtestctl mailbox key NAME\")");
}

static int
read_key(struct run *r)
{
    const char *key = options_value(&r->options, "key"), *file = options_value(&r->options, "key-file");
    const char *address = options_value(&r->options, "address");

    if (key == NULL && file == NULL)
        return address == NULL ? EX_OK : complain(EX_USAGE, "--address", "wants the mailbox's key, too: --key-file FILE or --key HEX");
    if (address == NULL || strchr(address, '@') == NULL)
        return complain(EX_USAGE, "--key", "wants the mailbox's address, too: --address NAME@DOMAIN");
    r->address = slice_of(address);
    r->has_key = true;
    if (file != NULL)
        return read_key_file(r, file);
    return decode_key(slice_of(key), r->key) ? EX_OK : complain(EX_USAGE, "--key", "is no key: 64 hexadecimal digits");
}

/* ---- Reading ---------------------------------------------------------------------------------------------------- */

/* What a file's lines end in shows at its first line. */
struct lines {
    bool known;
    bool lf_only;
};

/* Feeds with line ends CRLF: mails on disk often have LF alone. */
static void
feed(struct finder *f, struct lines *lines, struct slice octets)
{
    while (octets.len > 0) {
        size_t len = slice_find(octets, '\n');

        if (!lines->known && len < octets.len) {
            lines->known = true;
            lines->lf_only = len == 0 || octets.data[len - 1] != '\r';
        }
        if (!lines->known || !lines->lf_only) {
            finder_feed(f, octets);
            return;
        }
        finder_feed(f, slice_sub(octets, 0, len));
        if (len < octets.len)
            finder_feed(f, slice_of("\r\n"));
        octets = slice_sub(octets, len + 1, octets.len);
    }
}

/* *size: octets of the file. */
static int
read_mail(struct run *r, const char *file, uint64_t *size)
{
    char         room[READ_BYTES];
    struct lines lines = { .known = false };
    int          fd = strcmp(file, "-") == 0 ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    ssize_t      len = -1;

    *size = 0;
    while (fd != -1 && (len = read(fd, room, sizeof(room))) > 0) {
        feed(r->finder, &lines, slice_make(room, (size_t)len));
        *size += (uint64_t)len;
    }
    if (len < 0)
        complain(EX_NOINPUT, file, strerror(errno));
    if (fd != -1 && fd != STDIN_FILENO)
        close(fd);
    return len < 0 ? EX_NOINPUT : EX_OK;
}

/* ---- Judging ---------------------------------------------------------------------------------------------------- */

/* Whether tokens are genuine. *first: the first of those that count. */
static void
judge_tokens(const struct run *r, struct found *f, const struct candidate **first)
{
    const struct parsed *p = &f->message.parsed;

    for (uint32_t i = 0; i < p->candidate_count; i++) {
        f->genuine[i] = !r->has_key ? GENUINE_UNKNOWN
                        : token_verify(r->key, r->address, &p->candidates[i].token) ? GENUINE_YES : GENUINE_NO;
        if (f->genuine[i] == GENUINE_NO)
            continue;
        if (f->token_count++ == 0)
            *first = &p->candidates[i];
    }
}

/* A token tells when its mail was sent, at the earliest, if it is genuine. */
static void
judge_hops(struct found *f, int64_t sent_us)
{
    struct hop_delay delays[HOP_DELAY_MAX];
    int64_t          times[HOP_DELAY_MAX];
    struct reader    reader;

    reader_init(&reader, f->message.parsed.hops);
    while (f->hop_count < HOP_DELAY_MAX && hop_next(&reader, &f->hops[f->hop_count].hop)) {
        times[f->hop_count] = f->hops[f->hop_count].hop.time_unix * 1000000;
        f->hops[f->hop_count].time_us = times[f->hop_count];
        f->hop_count++;
    }
    if (f->hop_count > 0)
        hop_delays(times, f->hop_count, sent_us, delays);
    for (unsigned i = 0; i < f->hop_count; i++)
        f->hops[i].delay = delays[i];
}

static void
judge(const struct run *r, struct found *f)
{
    const struct candidate *first = NULL;
    int64_t                 sent_us = 0;

    judge_tokens(r, f, &first);
    f->message.kind = message_kind_of(f->message.parsed.traits, f->token_count > 0);
    f->unsure = !r->has_key && f->message.kind != message_kind_of(f->message.parsed.traits, false);
    if (first != NULL && f->message.kind == KIND_ARRIVED)
        f->message.lost = message_lost_places(first->found_in);
    if (first != NULL && r->has_key)
        sent_us = (int64_t)token_issued_unix(&first->token) * 1000000;
    judge_hops(f, sent_us);
}

/* ---- One file after the other ----------------------------------------------------------------------------------- */

static int
tell(const struct run *r, const struct found *f, bool first)
{
    struct buf out;
    int        code = EX_OK;

    buf_init(&out, FOUND_BYTES_MAX);
    if (options_has(&r->options, "json"))
        found_write_json(&out, f);
    else
        found_show(&out, f);
    if (!first && !options_has(&r->options, "json"))
        putchar('\n');
    if (out.fault != MT_OK)
        code = complain(EX_OSERR, f->file, mt_strerror(out.fault));
    else
        fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return code;
}

static int
find_in(struct run *r, const char *file, bool is_first)
{
    struct found f = { .file = file };
    int          code;

    finder_reset(r->finder);
    finder_reverse_path(r->finder, slice_of(options_value(&r->options, "reverse-path")));
    finder_recipient(r->finder, slice_of(options_value(&r->options, "recipient")));
    code = read_mail(r, file, &f.message.body_bytes);
    finder_finish(r->finder, &f.message.parsed);
    if (code != EX_OK)
        return code;
    f.genuine = calloc(f.message.parsed.candidate_count + 1, sizeof(*f.genuine));
    if (f.genuine == NULL)
        return complain(EX_OSERR, file, mt_strerror(MT_ENOMEM));
    judge(r, &f);
    code = tell(r, &f, is_first);
    free(f.genuine);
    return code == EX_OK && f.token_count == 0 ? EX_DATAERR : code;
}

/*
 * Options stand anywhere, and there may be more files than options_read has room for: they are moved to the front of argv. Returns how
 * many there are, or -1.
 */
static int
read_arguments(struct run *r, int argc, char **argv)
{
    int count = 0, at = 0;

    options_init(&r->options, option_table, NULL);
    while (at < argc) {
        int  used = options_read(&r->options, argc - at, argv + at, true);
        bool ended;

        if (used < 0)
            return -1;
        at += used;
        ended = used > 0 && strcmp(argv[at - 1], "--") == 0;
        do {
            if (at < argc)
                argv[count++] = argv[at++];
        } while (ended && at < argc);
    }
    return count;
}

static int
run(struct run *r, int argc, char **argv)
{
    int worst = EX_OK, code, count = argc == 0 ? 0 : read_arguments(r, argc - 1, argv + 1);

    if (count < 0)
        return complain(EX_USAGE, r->options.error, "see --help");
    if (options_has(&r->options, "help"))
        return show_help();
    if (options_has(&r->options, "version"))
        return puts("mailtest-find " MAILTEST_VERSION) < 0 ? EX_IOERR : EX_OK;
    if (count == 0)
        return complain(EX_USAGE, "no file is given", "see --help");
    if ((code = read_key(r)) != EX_OK)
        return code;
    for (int i = 1; i <= count; i++) {
        code = find_in(r, argv[i], i == 1);
        worst = code == EX_OSERR || code > worst ? code : worst;
    }
    return fflush(stdout) == 0 ? worst : complain(EX_IOERR, "standard output", strerror(errno));
}

int
find_main(int argc, char **argv)
{
    struct run r = { .has_key = false };
    int        code = EX_OSERR;

    if (sodium_init() < 0 || (r.key = sodium_malloc(TOKEN_KEY_BYTES)) == NULL || (r.finder = finder_new()) == NULL)
        complain(code, "start", mt_strerror(MT_ENOMEM));
    else
        code = run(&r, argc, argv);
    finder_free(r.finder);
    sodium_free(r.key);
    return code;
}
