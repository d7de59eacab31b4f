#include "meaning/seen.h"

#include "lib/error.h"
#include "meaning/words.h"

bool
seen_from_mail_system(const struct seen *s)
{
    static const char *const locals[] = { "mailer-daemon", "mailerdaemon", "mail-daemon", "maildaemon", "mail.daemon", "postmaster",
                                          "mailer_daemon", "mdaemon",
                                          /* the addresses that Exchange sends reports from */
                                          "microsoftexchange329e71ec88ae4615bbc36ab6ce41109e" };
    struct slice return_path = kept_find(&s->header, KEPT_RETURN_PATH);
    struct slice from = words_address_of(kept_find(&s->header, KEPT_FROM));
    struct slice local = slice_sub(from, 0, slice_find(from, '@'));

    if ((s->has_reverse_path && s->reverse_path.len == 0) || slice_equal(return_path, slice_of("<>")))
        return true;
    for (size_t i = 0; i < COUNT(locals); i++)
        if (slice_equal_nocase(local, slice_of(locals[i])))
            return true;
    return false;
}
