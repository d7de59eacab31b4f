#ifndef MAILTESTD_STATE_H
#define MAILTESTD_STATE_H
/*
 * state - the folder of the database and the keys (state_dir) before anything is opened in it: made on the first start, locked against a
 * second instance, given to the user that store runs as, and a certificate put into it where wanted.
 */

#include "lib/config.h"

struct state_error {
    char text[1024];
    int  exit_code;         /* sysexits.h */
};

/*
 * Whether there is what the configuration relies on, before anything is made: as root the user of each role; a certificate and a key that can
 * be read and belong together, or, when starting, tls.self_signed and neither of them. *error is set where not.
 * MT_ENOTFOUND    no such user; or certificate or key is missing
 * MT_EINVALID     they are none, or do not belong together
 * MT_EDENIED, MT_EIO, MT_ENOMEM
 */
int state_check(const struct config *config, bool starting, struct state_error *error);

/*
 * Makes state_dir (0750) where it is missing, and locks it; *lock is a descriptor that holds the lock until it is closed. Makes a self-signed
 * certificate where tls.self_signed asks for it and both files are missing. As root, what belongs to root in state_dir is given to the user of
 * store (processes.user), so that runs as different users leave one owner.
 * MT_EBUSY        another instance has it
 * MT_ENOTFOUND    no such user; or one of certificate and key is missing
 * MT_EDENIED, MT_EIO
 * *error is set; its text is empty where the cause was logged already.
 */
int state_open(const struct config *config, int *lock, struct state_error *error);

#endif
