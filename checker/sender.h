#ifndef CHECKER_SENDER_H
#define CHECKER_SENDER_H
/*
 * sender - one attempt to hand one mail to one server address by SMTP, with the time of each step.
 *
 * libcurl connects, greets and starts TLS, and carries the octets (CURLOPT_CONNECT_ONLY, curl_easy_send and curl_easy_recv).
 * MAIL to QUIT are spoken here: libcurl's own SMTP upload waits for the answer to the end of the data, and for that to QUIT, in a
 * blocking call, which would stop every other check on the loop; and it ends a mail that is given up half way with the dot that
 * makes it count.
 */

#include "checker/plan.h"
#include "checker/steps.h"

#include <event2/event.h>

/* What to send where; all borrowed until the end of the attempt. */
struct sender_task {
    const char   *host;             /* name of the server, for messages, SNI and the certificate */
    const char   *address;          /* "192.0.2.1", "2001:db8::1" */
    uint16_t      port;
    const char   *helo;             /* name for EHLO; empty: this machine's */
    const char   *from, *to;        /* envelope, without angle brackets */
    struct slice  message;          /* whole, CRLF line ends */
    enum tls_mode tls;
    const char   *ca_file;          /* NULL: the system's */
    uint32_t      timeout_ms;       /* for everything before MAIL, and for each reply (10 minutes for that to the end of the data) */
    uint32_t      limit_ms;         /* for the whole attempt */
};

#define SENDER_REASON_BYTES 256u

/* What came of it. */
struct sender_result {
    struct steps steps;
    bool         accepted;                      /* the end of the data was answered with 2yz */
    bool         data_sent;                     /* the whole mail has left: it may have been taken even without a reply */
    bool         no_trust;                      /* the TLS that was demanded cannot be had: trying again soon is no use */
    unsigned     code;                          /* of the reply that refused it; 0: none did */
    char         reason[SENDER_REASON_BYTES];   /* why it failed, in words; empty when accepted */
    char         tls_version[16];               /* "TLSv1.3"; empty: in the clear */
    char         tls_cipher[64];
    char         tls_verify[128];               /* "ok", or why the certificate is not valid; empty without TLS */
};

struct sender;

/* result is valid during the call; the sender is freed after it. */
typedef void sender_done_fn(void *arg, const struct sender_result *result);

/* Starts the attempt. done is called from the loop. NULL: out of memory. */
struct sender *sender_start(struct event_base *base, const struct sender_task *task, sender_done_fn *done, void *arg);

/* Gives it up and frees it, without a call of done. NULL is fine. */
void sender_cancel(struct sender *s);

/* What is known so far. */
void sender_peek(struct sender *s, struct sender_result *out);

#endif
