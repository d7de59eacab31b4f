#ifndef MAILTESTD_LISTENERS_H
#define MAILTESTD_LISTENERS_H
/*
 * listeners - the listening sockets of the service: bound as the configuration says, or taken over from systemd. They live in the
 * supervisor and are shared by all processes of a role, so that a restart or a reload loses no connection that waits for its accept.
 */

#include "lib/config.h"

struct bound {
    enum listener kind;
    int           fd;
    bool          inherited;        /* from systemd: stays, whatever the configuration says */
    bool          planned;          /* stays when the plan holds; what is handed to processes made now */
    bool          fresh;            /* bound for the plan: goes when the plan is dropped */
    char          address[128];
};

struct listeners {
    struct bound *items;
    unsigned      count;
};

/* What could not be bound and why, for one line; and the exit code (sysexits.h) for a first start. */
struct listen_error {
    char text[512];
    int  exit_code;
};

/*
 * Takes over the sockets of sd_listen_fds(3), named by FileDescriptorName= as the kinds ("smtp"). MT_EINVALID with *error set: one
 * of another name, or one that is no listening stream socket.
 */
int listeners_inherit(struct listeners *l, struct listen_error *error);

/*
 * Binds what the configuration names and is not bound yet; nothing is closed. A stale socket file is replaced, never one that somebody
 * listens on. Unix sockets get mode 0666, the control socket 0660, and the group gid (-1: that of the process).
 * On error what was bound anew is closed, and *error is set. MT_EIO, MT_ENOMEM.
 */
int listeners_plan(struct listeners *l, const struct config *config, int gid, struct listen_error *error);

/* The plan holds: the others are closed and their socket files removed. */
void listeners_commit(struct listeners *l);

/* The plan is dropped: what it had bound anew is closed. */
void listeners_drop(struct listeners *l);

/* Closes all and removes the socket files. */
void listeners_close(struct listeners *l);

#endif
