/* Folders' names as clients write them, and the folders of these names. */

#include "imapd/imap.h"
#include "imapd/imapd.h"
#include "imapd/imap_name.h"

#include "lib/error.h"
#include "lib/folder_name.h"

struct slice
imap_read_written_name(struct imap_reader *r, char *text)
{
    struct slice written = imap_astring(r);

    if (!imap_name_decode(written, r->utf8, text)) {
        imap_fail(r, r->utf8 ? "a mailbox name in UTF-8, of at most 255 octets" : "a mailbox name in modified UTF-7 or UTF-8, of at most 255 octets");
        text[0] = '\0';
    }
    return slice_of(text);
}

struct slice
imap_read_name(struct imap_reader *r, char *text)
{
    char written[IMAP_NAME_BYTES + 1];

    folder_name_copy(text, imap_read_written_name(r, written));
    return slice_of(text);
}

int
imap_find_folder(struct connection *c, struct slice name, uint32_t *id)
{
    const struct imap   *s = c->own;
    struct folder_record folder;
    struct db_view       view;
    int                  rc = db_view_begin(c->imapd->db, &view);

    if (rc != MT_OK)
        return rc;
    rc = db_folder_by_name(&view, s->login.mailbox_id, name, &folder);
    db_view_end(&view);
    *id = rc == MT_OK ? folder.id : 0;
    return rc;
}
