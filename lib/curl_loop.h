#ifndef LIB_CURL_LOOP_H
#define LIB_CURL_LOOP_H
/* curl_loop - drives libcurl's transfers on a libevent loop (multi_socket interface): any number at once, none blocks. */

#include <curl/curl.h>
#include <event2/event.h>
#include <stdbool.h>

struct curl_loop;

/* Borrows base. NULL: out of memory. */
struct curl_loop *curl_loop_new(struct event_base *base);
void              curl_loop_free(struct curl_loop *loop);      /* NULL is fine; every transfer was removed before */

/* A transfer is over. Everything may be done from inside. */
typedef void curl_loop_done_fn(void *arg, CURLcode result);

/* One transfer on its way: part of the caller's object. */
struct curl_transfer {
    CURL              *easy;
    curl_loop_done_fn *done;
    void              *arg;
    bool               stays;       /* on the loop when it is over, until curl_loop_remove, which ends a CURLOPT_CONNECT_ONLY connection */
    bool               running;     /* on the loop */
};

/* Starts t->easy; done is called from the loop, never from inside this call. Uses CURLOPT_PRIVATE. 0, or MT_ENOMEM. */
int curl_loop_add(struct curl_loop *loop, struct curl_transfer *t);

/* Ends a transfer at once, without a word to the peer. Nothing when it is not running. Not from inside libcurl's callbacks. */
void curl_loop_remove(struct curl_loop *loop, struct curl_transfer *t);

#endif
