/*
 * fuzz_smtp_command - what a client sends as commands: an octet for the size of the pieces that it comes in, then the octets.
 * However they are cut, the same lines come out; and what is read from a line lies within it and keeps its promises.
 */
#include "lib/error.h"
#include "smtpd/command.h"
#include "smtpd/line.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_inside(struct slice part, struct slice whole)
{
    assert(part.len == 0 || (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void
check_mailbox(const struct path *p)
{
    static char         first[] = "mailtest1.test", second[] = "other.test";
    char               *domains[] = { first, second };
    const struct config config = { .domains = { .items = domains, .count = COUNT(domains) } };
    char                name[MAILBOX_NAME_MAX + 1], again[MAILBOX_NAME_MAX + 1];
    struct slice        detail;

    if (address_mailbox(p, &config, name, &detail) != MT_OK)
        return;
    assert(mailbox_name_parse(slice_of(name), again) == MT_OK && strcmp(name, again) == 0);
    assert(!p->quoted && !p->source_route);
    assert(slice_find(p->local, '%') == p->local.len && slice_find(p->local, '!') == p->local.len);
    assert(p->domain.len == 0 || config_has_domain(&config, p->domain));
    check_inside(detail, p->text);
}

static void
check_arguments(struct slice args)
{
    struct mail_args mail;
    struct path      path;
    struct bdat_args bdat;
    struct slice     detail = slice_make(NULL, 0);

    if (command_mail(args, &mail, &detail) == REPLY_NONE) {
        check_inside(mail.path.text, args);
        assert(mail.path.text.len <= 1024 && (mail.utf8 || !mail.path.utf8));
    }
    for (int utf8 = 0; utf8 < 2; utf8++) {
        if (command_rcpt(args, utf8 != 0, &path, &detail) != REPLY_NONE)
            continue;
        check_inside(path.text, args);
        assert(path.text.len > 0 && (path.domain.len > 0 || slice_equal_nocase(path.local, slice_of("postmaster"))));
        check_mailbox(&path);
    }
    check_inside(detail, args);
    if (command_bdat(args, &bdat))
        assert(bdat.size_bytes <= INT64_MAX);
}

/* One line, or a fault: a letter each, and the lengths of the lines; enough to compare two runs. */
struct seen {
    uint64_t hash;
    unsigned lines;
};

static void
note(struct seen *seen, int rc, struct slice line)
{
    seen->lines++;
    seen->hash = seen->hash * 31 + (uint64_t)rc;
    if (rc != MT_OK)
        return;
    assert(line.len <= LINE_BYTES_MAX && slice_find(line, '\n') == line.len);
    for (size_t i = 0; i < line.len; i++)
        seen->hash = seen->hash * 131 + (unsigned char)line.data[i];
}

static void
check_line(struct slice line)
{
    struct slice verb, args;

    if (!command_split(line, &verb, &args))
        return;
    check_inside(verb, line);
    check_inside(args, line);
    check_arguments(args);
}

/* As session.c does it: what is not used stays in front of what comes next. */
static struct seen
read_lines(struct slice in, size_t piece)
{
    struct line  l = { .scanned = 0 };
    struct seen  seen = { .hash = 0 };
    struct slice line;
    size_t       begin = 0;
    int          rc = MT_EAGAIN;

    for (size_t end = 0; end < in.len && (rc == MT_EAGAIN);) {
        struct slice rest;

        end = in.len - end < piece ? in.len : end + piece;
        rest = slice_sub(in, begin, end - begin);
        while ((rc = line_take(&l, &rest, &line)) != MT_EAGAIN) {
            note(&seen, rc, line);
            if (rc == MT_OK)
                check_line(line);
            if (rc == MT_ESYNTAX || rc == MT_EFULL)
                break;
        }
        assert(rest.len <= LINE_BYTES_MAX + 1 || rc != MT_EAGAIN);
        begin = end - rest.len;
    }
    return seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in;
    struct seen  whole, cut;

    if (size == 0)
        return 0;
    in = slice_make(data + 1, size - 1);
    whole = read_lines(in, in.len + 1);
    cut = read_lines(in, data[0] + 1u);
    /* Of a line that is too long either its size or its wrong end is told first; below that limit all is the same. */
    if (in.len <= LINE_BYTES_MAX)
        assert(whole.hash == cut.hash && whole.lines == cut.lines);
    check_arguments(in);
    return 0;
}
