#include "lib/signer_link.h"

#include "lib/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

void
signer_link_init(struct signer_link *link)
{
    *link = (struct signer_link){ .fd = -1 };
}

void
signer_link_fini(struct signer_link *link)
{
    if (link->fd != -1)
        close(link->fd);
    signer_link_init(link);
}

void
signer_link_set(struct signer_link *link, int fd)
{
    signer_link_fini(link);
    link->fd = fd;
}

int
signer_link_pair(int fds[2])
{
    const struct timeval limit = { .tv_sec = SIGNER_WAIT_MS / 1000, .tv_usec = SIGNER_WAIT_MS % 1000 * 1000 };

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
        return MT_EIO;
    if (fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0 && setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0 &&
        setsockopt(fds[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0)
        return MT_OK;
    close(fds[0]);
    close(fds[1]);
    return MT_EIO;
}

static int
give_up(struct signer_link *link, int rc)
{
    signer_link_fini(link);
    return rc;
}

/*
 * The answer to last_req into packet, which is what *answer then borrows from. Answers to earlier questions, which came too late, are passed
 * over: there is at most one.
 */
static int
take_answer(struct signer_link *link, int flags, unsigned char *packet, size_t size, struct signing_answer *answer)
{
    ssize_t n;

    do {
        do
            n = recv(link->fd, packet, size, flags);
        while (n < 0 && errno == EINTR);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return MT_EAGAIN;
        if (n <= 0)
            return give_up(link, MT_ESHUTDOWN);
        if (signing_answer_read(slice_make(packet, (size_t)n), answer) != MT_OK || answer->req > link->last_req)
            return give_up(link, MT_EPROTO);
    } while (answer->req != link->last_req);
    return MT_OK;
}

/* A signer that hangs costs one wait in all, not one for each client. */
static int
look_whether_it_lives(struct signer_link *link)
{
    unsigned char         packet[SIGNING_MESSAGE_BYTES];
    struct signing_answer answer;
    int                   rc;

    if (link->fd == -1)
        return MT_ESHUTDOWN;
    if (!link->late)
        return MT_OK;
    rc = take_answer(link, MSG_DONTWAIT, packet, sizeof(packet), &answer);
    link->late = rc != MT_OK;
    return rc;
}

static int
send_request(struct signer_link *link, const struct signing_request *request)
{
    struct buf b;
    ssize_t    n;
    int        rc;

    buf_init(&b, SIGNING_MESSAGE_BYTES);
    signing_request_write(&b, request);
    if ((rc = b.fault) == MT_OK) {
        do
            n = send(link->fd, b.data, b.len, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            rc = errno == EAGAIN || errno == EWOULDBLOCK ? MT_EAGAIN : give_up(link, MT_ESHUTDOWN);
    }
    buf_fini(&b);
    return rc;
}

int
signer_link_sign(struct signer_link *link, struct signing_request *request, unsigned char *to, size_t size, size_t *len_bytes)
{
    unsigned char         packet[SIGNING_MESSAGE_BYTES];
    struct signing_answer answer;
    int                   rc;

    if ((rc = look_whether_it_lives(link)) != MT_OK)
        return rc;
    request->req = link->last_req + 1;
    if ((rc = send_request(link, request)) != MT_OK)
        return rc;
    link->last_req++;
    rc = take_answer(link, 0, packet, sizeof(packet), &answer);
    link->late = rc == MT_EAGAIN;
    if (rc != MT_OK)
        return rc;
    if (answer.rc != MT_OK)
        return (int)answer.rc;
    if (answer.signature.len > size)
        return MT_ESIZE;
    memcpy(to, answer.signature.data, answer.signature.len);
    *len_bytes = answer.signature.len;
    return MT_OK;
}
