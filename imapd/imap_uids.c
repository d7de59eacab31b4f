#include "imapd/imap_uids.h"

#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 64, GROWTH_SHARE = 8 };       /* an eighth is left for what arrives */

struct imap_uids {
    unsigned users;         /* sessions, and who keeps it */
    uint32_t count;
    uint32_t room;
    uint32_t uids[];
};

static size_t
bytes_for(uint32_t room)
{
    return sizeof(struct imap_uids) + (size_t)room * sizeof(uint32_t);
}

struct imap_uids *
imap_uids_new(uint32_t room)
{
    struct imap_uids *l;

    if (room < ROOM_MIN)
        room = ROOM_MIN;
    if ((l = malloc(bytes_for(room))) == NULL)
        return NULL;
    l->users = 1;
    l->count = 0;
    l->room = room;
    return l;
}

struct imap_uids *
imap_uids_share(struct imap_uids *l)
{
    l->users++;
    return l;
}

void
imap_uids_release(struct imap_uids *l)
{
    if (l != NULL && --l->users == 0)
        free(l);
}

uint32_t *
imap_uids_array(struct imap_uids *l)
{
    return l->uids;
}

uint32_t
imap_uids_count(const struct imap_uids *l)
{
    return l->count;
}

static uint32_t
with_growth(uint32_t count)
{
    uint32_t more = count / GROWTH_SHARE + ROOM_MIN;

    return more > UINT32_MAX - count ? UINT32_MAX : count + more;
}

/* A list of its own with the first count, and with room for more. */
static bool
make_own(struct imap_uids **list, uint32_t count, uint32_t room)
{
    struct imap_uids *l = *list, *own;

    if (l->users == 1 && room <= l->room) {
        l->count = count;
        return true;
    }
    if (l->users == 1) {
        if ((own = realloc(l, bytes_for(room))) == NULL)
            return false;
        own->room = room;
        own->count = count;
    } else {
        if ((own = imap_uids_new(room)) == NULL)
            return false;
        memcpy(own->uids, l->uids, count * sizeof(l->uids[0]));
        own->count = count;
        imap_uids_release(l);
    }
    *list = own;
    return true;
}

bool
imap_uids_own(struct imap_uids **l, uint32_t count)
{
    return make_own(l, count, (*l)->users == 1 ? (*l)->room : with_growth(count));
}

bool
imap_uids_append(struct imap_uids **list, uint32_t *count, uint32_t uid)
{
    struct imap_uids *l = *list;

    if (*count < l->count && l->uids[*count] == uid) {      /* another user did it before */
        (*count)++;
        return true;
    }
    if (*count < l->count || l->count == l->room) {
        if (!make_own(list, *count, with_growth(*count)))
            return false;
        l = *list;
    }
    l->uids[l->count++] = uid;
    *count = l->count;
    return true;
}

/* ---- Those that are kept -------------------------------------------------------------------------------------------- */

static unsigned
place_of(uint32_t mailbox_id, uint32_t folder_id)
{
    return (mailbox_id * 31 + folder_id) % IMAP_UIDS_FOLDERS;
}

static void
drop(struct imap_uids_kept *k, unsigned place)
{
    if (k->folders[place].list == NULL)
        return;
    k->bytes -= bytes_for(k->folders[place].list->room);
    imap_uids_release(k->folders[place].list);
    k->folders[place].list = NULL;
}

static bool
is_kept(const struct imap_uids_kept *k, unsigned place, uint32_t mailbox_id, uint32_t folder_id)
{
    return k->folders[place].list != NULL && k->folders[place].mailbox_id == mailbox_id && k->folders[place].folder_id == folder_id;
}

struct imap_uids *
imap_uids_find(struct imap_uids_kept *k, uint32_t mailbox_id, uint32_t folder_id, uint32_t uidvalidity)
{
    unsigned place = place_of(mailbox_id, folder_id);

    if (!is_kept(k, place, mailbox_id, folder_id) || k->folders[place].uidvalidity != uidvalidity)
        return NULL;
    return imap_uids_share(k->folders[place].list);
}

void
imap_uids_keep(struct imap_uids_kept *k, uint32_t mailbox_id, uint32_t folder_id, uint32_t uidvalidity, struct imap_uids *l)
{
    unsigned place = place_of(mailbox_id, folder_id);
    size_t   bytes = bytes_for(l->room);

    if (k->folders[place].list == l && k->folders[place].uidvalidity == uidvalidity)
        return;
    drop(k, place);
    if (bytes > IMAP_UIDS_KEPT_BYTES)
        return;
    for (; k->bytes + bytes > IMAP_UIDS_KEPT_BYTES; k->next = (k->next + 1) % IMAP_UIDS_FOLDERS)
        drop(k, k->next);
    k->folders[place].mailbox_id = mailbox_id;
    k->folders[place].folder_id = folder_id;
    k->folders[place].uidvalidity = uidvalidity;
    k->folders[place].list = imap_uids_share(l);
    k->bytes += bytes;
}

static uint32_t
first_from(const struct imap_uids *l, uint32_t uid)
{
    uint32_t low = 0, high = l->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (l->uids[middle] < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void
imap_uids_gone(struct imap_uids_kept *k, uint32_t mailbox_id, uint32_t folder_id, uint32_t uid)
{
    unsigned          place = place_of(mailbox_id, folder_id);
    struct imap_uids *l = k->folders[place].list;
    uint32_t          at;

    if (!is_kept(k, place, mailbox_id, folder_id) || (at = first_from(l, uid)) == l->count || l->uids[at] != uid)
        return;
    if (l->users > 1) {             /* sessions that do not know of it yet go on with the old one */
        uint32_t          uidvalidity = k->folders[place].uidvalidity;
        struct imap_uids *own = imap_uids_share(l);

        drop(k, place);
        if (imap_uids_own(&own, own->count))
            imap_uids_keep(k, mailbox_id, folder_id, uidvalidity, own);
        imap_uids_release(own);
        if ((l = k->folders[place].list) == NULL)
            return;
    }
    memmove(l->uids + at, l->uids + at + 1, (l->count - at - 1) * sizeof(l->uids[0]));
    l->count--;
}

void
imap_uids_fini(struct imap_uids_kept *k)
{
    for (unsigned i = 0; i < IMAP_UIDS_FOLDERS; i++)
        drop(k, i);
}
