#ifndef CHECKER_SMTP_LINK_H
#define CHECKER_SMTP_LINK_H
/*
 * smtp_link - the connection of one sender: libcurl connects, reads the banner, says EHLO and starts TLS (CURLOPT_CONNECT_ONLY, without a
 * user, so that it does not log in); from there on it carries octets, and the sender speaks. What happens until then is written into the result.
 */

#include "checker/sender.h"

enum link_event {
    LINK_OPEN,          /* greeted: the sender speaks */
    LINK_LOST,          /* it could not be opened: smtp_link_reason; nothing comes after it */
    LINK_READABLE,
    LINK_WRITABLE,      /* once, after smtp_link_send said MT_EAGAIN */
};

/* Called from the loop, never from inside a call. smtp_link_close is not allowed. */
typedef void link_event_fn(void *arg, enum link_event event);

struct smtp_link;

/* task and result are borrowed; steps, tls_*, certificate and hopeless of the result are set. NULL: out of memory. */
struct smtp_link *smtp_link_open(struct event_base *base, const struct sender_task *task, struct sender_result *result, link_event_fn *event,
                                 void *arg);
void              smtp_link_close(struct smtp_link *l);     /* NULL is fine; at once, without a word to the server */

/* The end of the connecting is noted as a step as soon as somebody asks: no line tells of it. */
void smtp_link_note_connected(struct smtp_link *l);

/* MT_EAGAIN: not now; MT_EIO: the connection is broken. *sent may be less than len. */
int smtp_link_send(struct smtp_link *l, const char *data, size_t len, size_t *sent);
int smtp_link_receive(struct smtp_link *l, char *room, size_t size, size_t *got);

/* The mechanisms that the server offers for AUTH (RFC 4954), with blanks between them: of the last EHLO, thus after TLS. */
struct slice smtp_link_offered(const struct smtp_link *l);

/* Nobody can read on the way: TLS, or the server is on this machine. */
bool smtp_link_is_private(const struct smtp_link *l);

/* After LINK_LOST: why, in words; the server's own ones are as they came. */
const char *smtp_link_reason(const struct smtp_link *l);

#endif
