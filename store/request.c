#include "store/request.h"

#include "lib/error.h"

#include <stdlib.h>

static const struct request requests[] = {
    { MSG_PING,           FROM(ROLE_SMTPD) | FROM(ROLE_IMAPD) | FROM(ROLE_LOOKUP) | FROM(ROLE_WEBHOOK), serve_ping },
    { MSG_DELIVER,        FROM(ROLE_SMTPD),                                       serve_deliver        },
    { MSG_DELIVERED,      FROM(ROLE_SMTPD),                                       serve_delivered      },
    { MSG_MINT,           FROM(ROLE_LOOKUP) | FROM(ROLE_CTL),                     serve_mint           },
    { MSG_TOKEN_SHOW,     FROM(ROLE_CTL),                                         serve_token_show     },
    { MSG_TOKEN_FORGET,   FROM(ROLE_LOOKUP) | FROM(ROLE_CTL),                     serve_token_forget   },
    { MSG_MESSAGE_DELETE, FROM(ROLE_LOOKUP) | FROM(ROLE_CTL),                     serve_message_delete },
    { MSG_MESSAGES_DELETE, FROM(ROLE_IMAPD),                                      serve_messages_delete },
    { MSG_FLAGS,          FROM(ROLE_IMAPD),                                       serve_flags          },
    { MSG_FOLDER_CREATE,  FROM(ROLE_IMAPD),                                       serve_folder_create  },
    { MSG_FOLDER_DELETE,  FROM(ROLE_IMAPD),                                       serve_folder_delete  },
    { MSG_FOLDER_RENAME,  FROM(ROLE_IMAPD),                                       serve_folder_rename  },
    { MSG_FOLDER_SUBSCRIBE, FROM(ROLE_IMAPD),                                     serve_folder_subscribe },
    { MSG_COPY,           FROM(ROLE_IMAPD),                                       serve_copy           },
    { MSG_APPEND,         FROM(ROLE_IMAPD),                                       serve_append         },
    { MSG_RECENT,         FROM(ROLE_IMAPD),                                       serve_recent         },
    { MSG_MESSAGE_LIST,   FROM(ROLE_CTL),                                         serve_message_list   },
    { MSG_MESSAGE_SHOW,   FROM(ROLE_CTL),                                         serve_message_show   },
    { MSG_MESSAGE_RAW,    FROM(ROLE_CTL),                                         serve_message_raw    },
    { MSG_MAILBOX_ADD,    FROM(ROLE_CTL),                                         serve_mailbox_add    },
    { MSG_MAILBOX_LIST,   FROM(ROLE_CTL),                                         serve_mailbox_list   },
    { MSG_MAILBOX_SHOW,   FROM(ROLE_CTL),                                         serve_mailbox_show   },
    { MSG_MAILBOX_ENABLE, FROM(ROLE_CTL),                                         serve_mailbox_enable },
    { MSG_MAILBOX_DELETE, FROM(ROLE_CTL),                                         serve_mailbox_delete },
    { MSG_MAILBOX_SECRET, FROM(ROLE_CTL),                                         serve_mailbox_secret },
    { MSG_MAILBOX_CHOSEN, FROM(ROLE_CTL),                                         serve_mailbox_chosen },
    { MSG_MAILBOX_KEY,    FROM(ROLE_CTL),                                         serve_mailbox_key    },
    { MSG_AGENT_ADD,      FROM(ROLE_CTL),                                         serve_agent_add     },
    { MSG_AGENT_LIST,     FROM(ROLE_CTL),                                         serve_agent_list    },
    { MSG_AGENT_SHOW,     FROM(ROLE_CTL),                                         serve_agent_show    },
    { MSG_AGENT_REMOVE,   FROM(ROLE_CTL),                                         serve_agent_remove  },
    { MSG_AGENT_ENABLE,   FROM(ROLE_CTL),                                         serve_agent_enable  },
    { MSG_AGENT_SECRET,   FROM(ROLE_CTL),                                         serve_agent_secret  },
    { MSG_AGENT_CHOSEN,   FROM(ROLE_CTL),                                         serve_agent_chosen  },
    { MSG_AGENT_GRANT,    FROM(ROLE_CTL),                                         serve_agent_grant   },
    { MSG_AGENT_REVOKE,   FROM(ROLE_CTL),                                         serve_agent_revoke  },
    { MSG_KEY_ROTATE,     FROM(ROLE_CTL),                                         serve_key_rotate     },
    { MSG_KEY_LIST,       FROM(ROLE_CTL),                                         serve_key_list       },
    { MSG_KEY_RETIRE,     FROM(ROLE_CTL),                                         serve_key_retire     },
    { MSG_API_KEY_ADD,    FROM(ROLE_CTL),                                         serve_api_key_add    },
    { MSG_API_KEY_LIST,   FROM(ROLE_CTL),                                         serve_api_key_list   },
    { MSG_API_KEY_REVOKE, FROM(ROLE_CTL),                                         serve_api_key_revoke },
    { MSG_STATUS,         FROM(ROLE_CTL),                                         serve_status         },
    { MSG_SUBSCRIBE,      FROM(ROLE_IMAPD) | FROM(ROLE_CTL),                       serve_subscribe      },
    { MSG_BACKUP,         FROM(ROLE_CTL),                                         serve_backup         },
    { MSG_WEBHOOK_ADD,    FROM(ROLE_CTL),                                         serve_webhook_add    },
    { MSG_WEBHOOK_LIST,   FROM(ROLE_CTL),                                         serve_webhook_list   },
    { MSG_WEBHOOK_REMOVE, FROM(ROLE_CTL),                                         serve_webhook_remove },
    { MSG_WEBHOOK_TEST,   FROM(ROLE_CTL),                                         serve_webhook_test   },
    { MSG_POST_LIST,      FROM(ROLE_CTL),                                         serve_post_list      },
    { MSG_POST_RETRY,     FROM(ROLE_CTL),                                         serve_post_retry     },
    { MSG_PATTERN,        FROM(ROLE_CTL),                                         serve_pattern        },
    { MSG_RESULTS,        FROM(ROLE_LOOKUP),                                      serve_results        },
    { MSG_CHECK_LIST,     FROM(ROLE_CTL),                                         serve_check_list     },
    { MSG_CHECK_SHOW,     FROM(ROLE_CTL),                                         serve_check_show     },
    { MSG_RESULT_LIST,    FROM(ROLE_CTL),                                         serve_result_list    },
    { MSG_RESULT_SUMS,    FROM(ROLE_CTL),                                         serve_result_sums    },
    { MSG_CHECK_DELETE,   FROM(ROLE_CTL),                                         serve_check_delete   },
    { MSG_SERVING,        FROM(ROLE_SMTPD) | REQUEST_TELLS,                       serve_serving        },
    { MSG_POST_READY,     FROM(ROLE_WEBHOOK) | REQUEST_TELLS,                     serve_post_ready     },
    { MSG_POST_DONE,      FROM(ROLE_WEBHOOK) | REQUEST_TELLS,                     serve_post_done      },
};

const struct request *
request_find(unsigned type, enum role role)
{
    for (size_t i = 0; i < COUNT(requests); i++)
        if (requests[i].type == type)
            return (requests[i].from & FROM(role)) != 0 ? &requests[i] : NULL;
    return NULL;
}

static void
done(struct batch_op *op, int rc)
{
    struct request_op *o = (struct request_op *)op;
    struct buf        *b;

    if (rc != MT_OK || o->answer == NULL) {
        peer_answer(o->peer, o->req, rc);
    } else if ((b = peer_answer_begin(o->peer, o->req)) != NULL) {
        o->answer(o, b);
        peer_answer_end(o->peer, o->req);
    }
    if (rc == MT_OK && o->tell != NULL)
        o->tell(o);
    if (o->fini != NULL)
        o->fini(o);
    peer_release(o->peer);
    free(o);
}

void *
request_op_new(struct peer *p, uint64_t req, size_t size, int (*run)(struct batch_op *op, struct tx *tx),
               void (*answer)(struct request_op *o, struct buf *b), bool grows)
{
    struct request_op *o = calloc(1, size);

    if (o == NULL) {
        peer_answer(p, req, MT_ENOMEM);
        return NULL;
    }
    *o = (struct request_op){ .op = { .run = run, .done = done, .bytes = size, .grows = grows }, .peer = p, .req = req, .answer = answer };
    peer_hold(p);
    return o;
}

void
request_queue(struct request_op *o)
{
    batch_add(peer_store(o->peer)->batch, &o->op);
}

const char *
request_by(const struct request_op *o)
{
    return peer_role(o->peer) == ROLE_CTL ? "control" : "api";
}

int
request_stream(struct peer *p, uint64_t req, peer_stream_fn *step, void *state)
{
    int rc = peer_stream(p, req, step, state);

    if (rc != MT_OK) {
        free(state);
        peer_answer(p, req, rc);
    }
    return MT_OK;
}
