#ifndef LIB_ERROR_H
#define LIB_ERROR_H
/*
 * error - the results that functions of this project return: 0, or one of these. A foreign error (errno, LMDB, OpenSSL) is
 * turned into one where it arises.
 */

enum mt_error {
    MT_OK = 0,
    MT_ENOMEM,      /* out of memory */
    MT_ESYNTAX,     /* the bytes do not follow the grammar */
    MT_EPROTO,      /* a peer broke the protocol between roles; its channel is closed */
    MT_ESIZE,       /* larger than the limit that holds here */
    MT_EFULL,       /* no room at the moment (queue, disk, map): try again later */
    MT_EQUOTA,      /* the mailbox's own quota is used up */
    MT_ENOTFOUND,   /* no such mailbox, message, token, key, file */
    MT_EEXIST,      /* already there */
    MT_EDISABLED,   /* the mailbox is disabled */
    MT_EDENIED,     /* not allowed to ask for this */
    MT_EIO,         /* the disk or the kernel failed */
    MT_EDAMAGED,    /* a checksum or a record does not fit: never served */
    MT_EVERSION,    /* written by a newer version, or by an older one that cannot be read any more */
    MT_EBUSY,       /* in use by another instance */
    MT_ESHUTDOWN,   /* stopping; ask again after the restart */
    MT_EINVALID,    /* an argument that makes no sense */
    MT_EAGAIN,      /* not yet: more bytes are needed */
    MT_ERROR_COUNT
};

/* A short English text without a full stop, such as "no such entry". Never NULL. */
const char *mt_strerror(int rc);

/* The nearest of the above for an errno value (ENOSPC and EDQUOT: MT_EFULL; ENOMEM: MT_ENOMEM; ENOENT: MT_ENOTFOUND; others: MT_EIO). */
int mt_from_errno(int err);

/* Elements of an array. */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
