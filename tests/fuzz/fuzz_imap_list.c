/*
 * LIST and LSUB as a client may send them: what is read stays within its bounds, what is chosen fits a pattern and has a reason, and no name is
 * there twice. The first octet chooses between LIST and LSUB, and whether names are in UTF-8.
 */

#include "imapd/imap_list.h"
#include "imapd/imap_name.h"

#include <assert.h>

static struct imap_list_names names;

static void
add_names(void)
{
    static const struct {
        const char *name;
        uint32_t    folder_id;
        bool        subscribed;
    } rows[] = {
        { "INBOX", FOLDER_INBOX, true }, { "Unmatched", FOLDER_UNMATCHED, false }, { "a", 3, false }, { "a/b", 4, true }, { "a/b/c", 5, false },
        { "x/y/z", 0, true }, { "x/y", 0, true }, { "Entw\xc3\xbcrfe", 6, true }, { "R&D", 7, false }, { "a/gone", 0, true },
    };

    names.count = 0;
    names.matched = 0;
    names.len = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        imap_list_add(&names, slice_of(rows[i].name), rows[i].folder_id, rows[i].subscribed);
}

static void
check_chosen(const struct imap_list *l)
{
    for (unsigned i = 0; i < names.count; i++) {
        const struct imap_list_name *n = &names.names[i];

        for (unsigned k = 0; k < i; k++)
            assert(!slice_equal(n->name, names.names[k].name));
        assert(!n->shown || (n->fits && (n->meets || n->child_meets)));
        assert(!n->shown || n->meets || l->lsub || (l->selections & LIST_RECURSIVEMATCH) != 0);
        assert(!n->meets || n->subscribed || (l->selections & LIST_SUBSCRIBED) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imap_reader r;
    struct imap_list   l;

    if (size == 0 || !imap_reader_init(&r, slice_make(data + 1, size - 1)))
        return 0;
    r.utf8 = (data[0] & 2) != 0;
    assert(imap_list_read(&l, &r, (data[0] & 1) != 0));
    assert(l.pattern_count <= IMAP_LIST_PATTERNS_MAX);
    if (imap_end(&r)) {
        add_names();
        while (!imap_list_choose(&l, &names))
            continue;
        check_chosen(&l);
    }
    imap_list_fini(&l);
    imap_reader_fini(&r);
    return 0;
}
