#include "meaning/seen.h"

#include "lib/error.h"
#include "meaning/words.h"

static bool
has_null_path(const struct seen *s)
{
    return (s->has_reverse_path && s->reverse_path.len == 0) || slice_equal(kept_find(&s->header, KEPT_RETURN_PATH), slice_of("<>"));
}

static bool
has_system_address(const struct seen *s)
{
    static const char *const locals[] = { "mailer-daemon", "mailerdaemon", "mail-daemon", "maildaemon", "mail.daemon", "postmaster",
                                          "mailer_daemon", "mdaemon",
                                          /* the addresses that Exchange sends reports from */
                                          "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e" };
    struct slice from = words_address_of(kept_find(&s->header, KEPT_FROM));
    struct slice local = slice_sub(from, 0, slice_find(from, '@'));

    for (size_t i = 0; i < COUNT(locals); i++)
        if (slice_equal_nocase(local, slice_of(locals[i])))
            return true;
    return false;
}

bool
seen_from_mail_system(const struct seen *s)
{
    return has_null_path(s) || has_system_address(s);
}

bool
seen_from_mail_system_surely(const struct seen *s)
{
    return has_null_path(s) && has_system_address(s);
}
