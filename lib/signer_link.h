#ifndef LIB_SIGNER_LINK_H
#define LIB_SIGNER_LINK_H
/*
 * signer_link - a role's end of its socket pair to signer, and the one question that is asked over it. OpenSSL wants the signature before it
 * goes on, so the question blocks; how long is bounded: for SIGNER_WAIT_MS once, and from then on not at all until signer has answered again.
 */

#include "lib/signing.h"

/* How long a signature may take. It takes 0.1 ms (P-256) to 5 ms (RSA of 4096 bits) and its turn among those of other processes. */
#define SIGNER_WAIT_MS 1000u

struct signer_link {
    int      fd;            /* owned; -1: there is no signer at the moment */
    uint64_t last_req;
    bool     late;          /* the answer to last_req did not come in time */
};

void signer_link_init(struct signer_link *link);
void signer_link_fini(struct signer_link *link);

/* Takes over the socket of a new pair; the old one is closed. */
void signer_link_set(struct signer_link *link, int fd);

/*
 * Asks for one signature; request->req is set here. *len_bytes on success only.
 * MT_ESHUTDOWN  there is no signer, or it ended
 * MT_EAGAIN     it does not answer
 * MT_ESIZE      the signature is over size
 * MT_EPROTO     it answered what is none: the pair is given up
 * others        as of struct signing_answer
 */
int signer_link_sign(struct signer_link *link, struct signing_request *request, unsigned char *to, size_t size, size_t *len_bytes);

/* A connected pair: fds[0] for signer (non-blocking), fds[1] for the role (with its time limit). 0 or MT_EIO. */
int signer_link_pair(int fds[2]);

#endif
