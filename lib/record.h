#ifndef LIB_RECORD_H
#define LIB_RECORD_H
/*
 * record - what lies under the keys of the store (lib/db.h): one struct for each table, with a function that writes it and one
 * that reads it. Each record begins with its version octet and ends with a checksum (XXH3, 64 bits) over what stands before;
 * reading checks both, so damage is reported and never served. Slices that were read borrow from the record's bytes.
 *
 * Every ..._read returns 0, MT_EDAMAGED (the checksum or a field does not fit) or MT_EVERSION (written by a newer version).
 */

#include "lib/delivery.h"
#include "lib/mailbox.h"

#define RECORD_VERSION      3u
#define RECORD_OLDEST       2u          /* records of this one that look as today are left as they are (store/convert.c) */
#define RECORD_SUM_BYTES    8u
#define RECORD_BYTES_MAX    (256u * 1024)   /* more than any record that the bounds of its fields allow */
#define SCRAM_ITERATIONS    4096u   /* RFC 7677 section 4 */

enum folder_id { FOLDER_INBOX = 1, FOLDER_UNMATCHED = 2, FOLDER_FIRST_OWN = 3 };

/* What is kept of a secret, so that it can be checked but not read. */
struct credentials {
    bool    chosen;             /* by a person; false: made by us, random and of at least 128 bits */
    uint8_t salt[16];
    uint8_t secret_hash[32];    /* made by us: BLAKE2b of it, keyed with the salt, which is fast and safe for a random secret only; chosen: argon2id */
    uint8_t stored_key[32];     /* made by us: SCRAM-SHA-256 (RFC 5803) with the same salt and SCRAM_ITERATIONS; chosen: zero, nothing weaker is kept */
    uint8_t server_key[32];
};

/* Table mailbox: id -> this. */
struct mailbox_record {
    uint32_t     id;
    struct slice name;              /* in lower case */
    struct slice domain;            /* that its address was made with, in lower case */
    bool         enabled;
    uint64_t     created_unix;
    uint32_t     next_folder_id;
    uint32_t     uidvalidity;       /* the highest that one of its folders ever had */
    uint64_t     bytes;             /* of all its messages; what the quota counts */
    uint64_t     messages;
    uint64_t     last_arrival_us;   /* of a message with a genuine token; 0: none yet */
    struct credentials credentials;
};

/* Table folder: mailbox id, folder id -> this. */
struct folder_record {
    uint32_t     mailbox_id;
    uint32_t     id;                /* enum folder_id and up */
    struct slice name;              /* UTF-8: "INBOX", "Unmatched" */
    uint32_t     uidvalidity;
    uint32_t     uidnext;
    uint64_t     modseq;            /* highest in it (RFC 7162) */
    uint64_t     messages;
    uint64_t     bytes;
    bool         subscribed;
    bool         brought;           /* there may be mail in it that was copied or brought in: no token's record names that */
    uint32_t     recent_uid;        /* from this UID on no session that may write has been told of the messages (\Recent, RFC 3501) */
    struct slice keywords;          /* that a message in it has or had, separated by spaces; at most FOLDER_KEYWORDS_BYTES */
};

#define FOLDER_KEYWORDS_BYTES 4096u     /* of one folder */

/* Table entry: mailbox id, folder id, UID -> this. No version octet; a short checksum, over its key as well. */
struct entry {
    uint64_t     message_id;
    uint64_t     modseq;
    uint32_t     flags;             /* enum entry_flag */
    struct slice keywords;          /* separated by spaces; empty: none */
};
#define ENTRY_KEYWORDS_BYTES 1024u      /* of one entry */

/* Whether the word, without case, is one of the keywords. */
bool entry_has_keyword(struct slice keywords, struct slice word);

enum entry_flag { ENTRY_SEEN = 1, ENTRY_ANSWERED = 2, ENTRY_FLAGGED = 4, ENTRY_DELETED = 8, ENTRY_DRAFT = 16 };
#define ENTRY_FLAGS (ENTRY_SEEN | ENTRY_ANSWERED | ENTRY_FLAGGED | ENTRY_DELETED | ENTRY_DRAFT)

/* What a message counts as. message_kind_name gives the API's word. */
enum message_kind {
    KIND_UNMATCHED = 0,     /* no genuine token of this mailbox */
    KIND_ARRIVED,
    KIND_BOUNCED,           /* a delivery status report with the token */
    KIND_AUTOREPLY,
    KIND_CONFIRMATION,      /* a provider's "confirm this forwarding address" */
    KIND_NOTICE,            /* a report with the token that decides nothing: delayed, delivered, relayed */
    KIND_RECEIPT,           /* a read receipt (RFC 8098) with the token */
    KIND_REPLY,             /* a person's reply that quotes the token */
    KIND_APPENDED,          /* brought in by a client (IMAP's APPEND), with a token or without: it did not arrive */
    KIND_LIMIT
};
const char *message_kind_name(enum message_kind kind);

/* By what a message says of itself (enum trait bits), and whether it carries a genuine token of its mailbox. */
enum message_kind message_kind_of(uint32_t traits, bool has_token);

/*
 * Where the checker puts each token: what of it an arrival no longer has is lost. Whether the address that the checker wrote to had
 * the token, too, nobody tells us; that it no longer is in ours shows in the pattern (lib/pattern.h).
 */
uint32_t message_lost_places(uint32_t found_in);

/* Table message: message id -> this. A message is in one folder. */
struct message_record {
    uint32_t             mailbox_id;
    uint32_t             folder_id;
    uint32_t             uid;
    uint64_t             body_id;           /* key of its body; several messages may share one */
    bool                 body_shared;       /* then body_ref counts them */
    uint64_t             body_bytes;        /* as received */
    uint64_t             body_sum;          /* XXH3 (64 bits) over the body */
    uint64_t             received_us;       /* end of data, microseconds since 1970 */
    uint64_t             committed_us;      /* written by store just before the commit */
    enum message_kind    kind;
    struct session_facts session;
    struct slice         reverse_path;
    struct slice         recipient;         /* as given in RCPT */
    struct slice         head;              /* the trace fields that we put in front: the message as served is head, then body */
    struct parsed        parsed;            /* candidates: the genuine tokens only */
    uint32_t             lost;              /* enum place bits: where the checker had put the first of its tokens and it is gone; of arrivals only */
    struct slice         changes;           /* what differs from the arrivals before: sentences, each ended by LF; may be empty */
    struct candidate     tokens[8];         /* parsed.candidates points here after reading; more than that is not kept */
};
#define MESSAGE_TOKENS_MAX 8u
#define MESSAGE_HEAD_BYTES (20u * 1024) /* of head: more than the longest addresses and trace together */

/* Octets of the message as served (RFC822.SIZE). */
static inline uint64_t
message_size(const struct message_record *m)
{
    return m->head.len + m->body_bytes;
}

/* One arrival as the token's record keeps it, also when the message has gone. */
struct arrival {
    uint64_t          message_id;
    uint64_t          received_us;
    uint64_t          committed_us;
    uint64_t          size_bytes;
    enum message_kind kind;
    uint32_t          found_in;         /* enum place bits */
    uint32_t          lost;             /* as in message_record */
    char              client[46];       /* address in text */
};
#define TOKEN_ARRIVALS_MAX 16u          /* kept, the first ones, and the first of each kind in any case; all are counted */
#define TOKEN_DEADLINE_MAX_DAYS 366u    /* the furthest ahead that store lets a token be expected; its record is kept from the deadline on */
#define TOKEN_HOPS_BYTES   1024u        /* of the hops in it */
#define MESSAGE_CHANGES_BYTES 1024u

/* Table token: the token's 25 octets -> this. */
struct token_record {
    uint32_t       mailbox_id;
    uint64_t       minted_us;           /* by this service; 0: minted elsewhere with the mailbox's key */
    uint64_t       deadline_unix;       /* 0: not expected */
    uint32_t       arrival_count;       /* in all */
    uint8_t        verdict;             /* enum verdict (lib/answer.h) as it was decided at the deadline or before; VERDICT_WAITING: not yet */
    uint64_t       decided_us;          /* 0: not yet */
    uint64_t       amended_us;          /* a late arrival amended it; 0: none did */
    uint64_t       refused_us;          /* how long of the window from minting to deadline every receiver was down or refusing */
    struct slice   hops;                /* of the first arrival: hop_write() each, newest first, our own hop included, without id, and without for where
                                           that would be too much; as many as TOKEN_HOPS_BYTES take; kept when the message has gone */
    uint32_t       kept;                /* in arrivals */
    struct arrival arrivals[TOKEN_ARRIVALS_MAX];
};

#define AGENT_MAILBOXES_MAX 256u

/* Table agent: id -> this. Somebody with a secret of his own who may read mailboxes of others, and change nothing in them. */
struct agent_record {
    uint32_t     id;
    struct slice name;                  /* in lower case; unique */
    uint64_t     created_unix;
    bool         enabled;
    bool         all;                   /* every mailbox, those to come included */
    uint32_t     mailbox_count;
    uint32_t     mailboxes[AGENT_MAILBOXES_MAX];    /* ids, rising, when not all */
    struct credentials credentials;
};

/* Table api_key: id -> this. The key is "mtk_" + id in decimal + "_" + 43 characters of base64url (256 random bits). */
struct api_key_record {
    struct slice name;                  /* given by the operator */
    uint32_t     mailbox_id;            /* 0: all mailboxes and the service's own facts */
    uint64_t     created_unix;
    uint8_t      hash[32];              /* BLAKE2b of the whole key text */
};

void mailbox_record_write(struct buf *b, const struct mailbox_record *m);
int  mailbox_record_read(struct slice bytes, struct mailbox_record *out);
void folder_record_write(struct buf *b, const struct folder_record *f);
int  folder_record_read(struct slice bytes, struct folder_record *out);
void entry_write(struct buf *b, struct slice key, const struct entry *e);
int  entry_read(struct slice key, struct slice bytes, struct entry *out);
void message_record_write(struct buf *b, const struct message_record *m);
int  message_record_read(struct slice bytes, struct message_record *out);
void token_record_write(struct buf *b, const struct token_record *t);
int  token_record_read(struct slice bytes, struct token_record *out);
void agent_record_write(struct buf *b, const struct agent_record *a);
int  agent_record_read(struct slice bytes, struct agent_record *out);
void api_key_record_write(struct buf *b, const struct api_key_record *k);
int  api_key_record_read(struct slice bytes, struct api_key_record *out);

/*
 * The frame of every record, for those of other headers, too. record_begin writes the version and returns where the record begins,
 * for record_end, which adds the checksum. record_open checks both and leaves the reader at the first field; record_close
 * that nothing is left over.
 */
size_t record_begin(struct buf *b);
void   record_end(struct buf *b, size_t at);
int    record_open(struct slice bytes, struct reader *r);
int    record_close(const struct reader *r);

/* Table body_ref: body id -> how many messages share it, with a short checksum over both. */
#define BODY_REF_BYTES 8u
void body_ref_write(unsigned char out[BODY_REF_BYTES], uint64_t body_id, uint32_t count);
int  body_ref_read(struct slice bytes, uint64_t body_id, uint32_t *count);

/* XXH3, 64 bits: the checksum of bodies; in one piece or in several. */
uint64_t checksum(struct slice bytes);

#endif
