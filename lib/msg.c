#include "lib/msg.h"

#include "lib/error.h"

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_SUPERVISOR] = "supervisor", [ROLE_SMTPD] = "smtpd", [ROLE_IMAPD] = "imapd",
    [ROLE_LOOKUP] = "lookup",         [ROLE_STORE] = "store", [ROLE_CTL] = "ctl",
    [ROLE_WEBHOOK] = "webhook",     [ROLE_SIGNER] = "signer",
};

static const char *const listener_names[LISTEN_COUNT] = {
    [LISTEN_SMTP] = "smtp", [LISTEN_LMTP] = "lmtp",   [LISTEN_IMAP] = "imap", [LISTEN_IMAPS] = "imaps",
    [LISTEN_POP3] = "pop3", [LISTEN_POP3S] = "pop3s", [LISTEN_HTTP] = "http", [LISTEN_CONTROL] = "control",
};

#define NAME(type) [type] = #type
static const char *const msg_names[MSG_TYPE_LIMIT] = {
    NAME(MSG_LISTENER),       NAME(MSG_METRICS),        NAME(MSG_STORE),          NAME(MSG_PEER),
    NAME(MSG_GO),             NAME(MSG_READY),          NAME(MSG_DRAIN),          NAME(MSG_RELOAD),
    NAME(MSG_PING),           NAME(MSG_ANSWER),         NAME(MSG_ROW),            NAME(MSG_MAILBOX),
    NAME(MSG_MAILBOX_GONE),   NAME(MSG_MAILBOXES_SENT), NAME(MSG_CHANGED),        NAME(MSG_FULL),
    NAME(MSG_DELIVER),        NAME(MSG_MINT),           NAME(MSG_TOKEN_SHOW),     NAME(MSG_TOKEN_FORGET),
    NAME(MSG_MESSAGE_DELETE), NAME(MSG_MESSAGE_LIST),   NAME(MSG_MESSAGE_SHOW),   NAME(MSG_MESSAGE_RAW),
    NAME(MSG_MAILBOX_ADD),    NAME(MSG_MAILBOX_LIST),   NAME(MSG_MAILBOX_SHOW),   NAME(MSG_MAILBOX_ENABLE),
    NAME(MSG_MAILBOX_DELETE), NAME(MSG_MAILBOX_SECRET), NAME(MSG_MAILBOX_KEY),    NAME(MSG_KEY_ROTATE),
    NAME(MSG_KEY_LIST),       NAME(MSG_KEY_RETIRE),     NAME(MSG_API_KEY_ADD),    NAME(MSG_API_KEY_LIST),
    NAME(MSG_API_KEY_REVOKE), NAME(MSG_STATUS),         NAME(MSG_SUBSCRIBE),      NAME(MSG_BACKUP),
    NAME(MSG_SERVING),        NAME(MSG_WEBHOOK_ADD),    NAME(MSG_WEBHOOK_LIST),   NAME(MSG_WEBHOOK_REMOVE),
    NAME(MSG_WEBHOOK_TEST),   NAME(MSG_POST_LIST),      NAME(MSG_POST_RETRY),     NAME(MSG_POST_READY),
    NAME(MSG_POST),           NAME(MSG_POST_DONE),      NAME(MSG_PATTERN),
    NAME(MSG_MESSAGES_DELETE), NAME(MSG_FLAGS),
    NAME(MSG_FOLDER_CREATE),  NAME(MSG_FOLDER_DELETE),  NAME(MSG_FOLDER_RENAME),  NAME(MSG_FOLDER_SUBSCRIBE),
    NAME(MSG_SHARED_TABLE),   NAME(MSG_MAILBOX_CHOSEN), NAME(MSG_AGENT_ADD),      NAME(MSG_AGENT_LIST),
    NAME(MSG_AGENT_SHOW),     NAME(MSG_AGENT_REMOVE),   NAME(MSG_AGENT_ENABLE),   NAME(MSG_AGENT_SECRET),
    NAME(MSG_AGENT_CHOSEN),   NAME(MSG_AGENT_GRANT),    NAME(MSG_AGENT_REVOKE),
    NAME(MSG_SIGNER),         NAME(MSG_COPY),           NAME(MSG_APPEND),         NAME(MSG_RECENT),
    NAME(MSG_DELIVERED),      NAME(MSG_RESULTS),        NAME(MSG_CHECK_LIST),     NAME(MSG_CHECK_SHOW),
    NAME(MSG_RESULT_LIST),    NAME(MSG_RESULT_SUMS),    NAME(MSG_CHECK_DELETE),
};

const char *
role_name(enum role role)
{
    return (unsigned)role < ROLE_COUNT ? role_names[role] : NULL;
}

const char *
listener_name(enum listener kind)
{
    return (unsigned)kind < LISTEN_COUNT ? listener_names[kind] : NULL;
}

const char *
msg_name(unsigned type)
{
    return type < MSG_TYPE_LIMIT && msg_names[type] != NULL ? msg_names[type] : "unknown";
}

void
msg_head_write(struct buf *b, const struct msg_head *head)
{
    write_u16(b, head->version);
    write_u16(b, head->type);
    write_u32(b, head->len_bytes);
    write_u64(b, head->req);
}

void
msg_head_patch(struct buf *b, size_t head_offset, uint32_t len_bytes)
{
    put_u32(b->data + head_offset + 4, len_bytes);
}

int
msg_head_read(struct slice in, struct msg_head *out)
{
    struct reader r;

    if (in.len < MSG_HEAD_BYTES)
        return MT_EAGAIN;
    reader_init(&r, slice_sub(in, 0, MSG_HEAD_BYTES));
    read_u16(&r, &out->version);
    read_u16(&r, &out->type);
    read_u32(&r, &out->len_bytes);
    read_u64(&r, &out->req);
    if (out->version != MSG_VERSION || out->type >= MSG_TYPE_LIMIT || msg_names[out->type] == NULL ||
        out->len_bytes > MSG_MAX_BYTES)
        return MT_EPROTO;
    return MT_OK;
}
