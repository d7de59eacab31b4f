#ifndef CHECKER_DISPATCH_H
#define CHECKER_DISPATCH_H
/*
 * dispatch - gets one mail to somebody who takes it: look-up, each address of each server in its order, with a login where the plan has one, or the
 * local sendmail program; and again after growing gaps as long as the refusals are for now (greylisting) and the window lasts. Writes down each
 * attempt in the story.
 */

#include "checker/credential.h"
#include "checker/story.h"

struct dispatch;

/* What to send and until when; borrowed but for the numbers. */
struct dispatch_task {
    struct event_base *base;
    struct resolver   *resolver;
    struct credentials *credentials;    /* for servers that want a login */
    const struct plan *plan;
    struct slice       message;
    uint64_t           start_us;        /* monotonic: the zero of the story's times */
    uint64_t           end_us;          /* of the window, on the story's clock */
};

enum dispatch_state {
    DISPATCH_UNDER_WAY,
    DISPATCH_SENT,              /* a server took it: story->sent */
    DISPATCH_GIVEN_UP,          /* dispatch_fault says why */
    DISPATCH_OWN_TROUBLE,       /* no resolver, no memory: so does it */
};

/* An attempt has ended, or the state is another one. Called from the loop, never from inside a call; dispatch_free is allowed. */
typedef void dispatch_changed_fn(void *arg);

/* Uses story->from; sets everything of look-up and sending in the story. NULL: out of memory. */
struct dispatch *dispatch_start(const struct dispatch_task *task, struct story *story, dispatch_changed_fn *changed, void *arg);
void             dispatch_free(struct dispatch *d);     /* NULL is fine */

enum dispatch_state dispatch_state(const struct dispatch *d);

/* "RCPT to mx1.example[192.0.2.1]:25 refused: 550 5.1.1 unknown": of the last attempt; empty where none failed. */
const char *dispatch_fault(const struct dispatch *d);

/* A connection was lost between the end of the data and its reply: the mail may be on its way although nobody said so. */
bool dispatch_maybe_taken(const struct dispatch *d);

/* Whether an attempt is under way. */
bool dispatch_is_sending(const struct dispatch *d);

/* What it does, for "… while sending". */
const char *dispatch_doing(const struct dispatch *d);

/* Gives up what is under way; what is known of it is written down with the reason. changed is not called. */
void dispatch_abandon(struct dispatch *d, const char *reason);

#endif
