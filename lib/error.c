#include "lib/error.h"

#include <errno.h>

static const char *const texts[MT_ERROR_COUNT] = {
    [MT_OK]        = "success",
    [MT_ENOMEM]    = "out of memory",
    [MT_ESYNTAX]   = "syntax error",
    [MT_EPROTO]    = "protocol error between roles",
    [MT_ESIZE]     = "over the size limit",
    [MT_EFULL]     = "no room at the moment",
    [MT_EQUOTA]    = "over quota",
    [MT_ENOTFOUND] = "no such entry",
    [MT_EEXIST]    = "already exists",
    [MT_EDISABLED] = "disabled",
    [MT_EDENIED]   = "not allowed",
    [MT_EIO]       = "input/output error",
    [MT_EDAMAGED]  = "damaged data",
    [MT_EVERSION]  = "written by another version",
    [MT_EBUSY]     = "in use by another instance",
    [MT_ESHUTDOWN] = "shutting down",
    [MT_EINVALID]  = "invalid argument",
    [MT_EAGAIN]    = "not complete yet",
};

const char *
mt_strerror(int rc)
{
    if (rc < 0 || rc >= MT_ERROR_COUNT)
        return "unknown error";
    return texts[rc];
}

int
mt_from_errno(int err)
{
    switch (err) {
    case 0:
        return MT_OK;
    case ENOMEM:
        return MT_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return MT_EFULL;
    case ENOENT:
        return MT_ENOTFOUND;
    case EEXIST:
        return MT_EEXIST;
    case EACCES:
    case EPERM:
        return MT_EDENIED;
    case EBUSY:
        return MT_EBUSY;
    default:
        return MT_EIO;
    }
}
