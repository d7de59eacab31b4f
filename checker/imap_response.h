#ifndef CHECKER_IMAP_RESPONSE_H
#define CHECKER_IMAP_RESPONSE_H
/*
 * imap_response - reads what an IMAP server says to a client (RFC 9051 section 7, RFC 3501): whole responses out of a stream of octets,
 * and what stands in them. Pure, no allocation, no recursion; all slices borrow. Time: linear in the octets of a response.
 */

#include "lib/slice.h"

#define IMAP_LINE_BYTES    (128u * 1024)    /* of a response without its literals: a long answer to SEARCH */
#define IMAP_LITERAL_BYTES (288u * 1024)    /* of one literal; more than is ever asked for (fetch.h) */
#define IMAP_LITERALS_MAX  16u              /* of one response */

/*
 * The first whole response: *len octets with its literals and the line end. MT_EAGAIN: more octets are needed. MT_ESIZE: it is over a
 * bound above. MT_ESYNTAX: a NUL outside of a literal.
 */
int imap_response_find(struct slice octets, size_t *len);

enum imap_kind { IMAP_TAGGED, IMAP_UNTAGGED, IMAP_CONTINUE };

enum imap_condition { IMAP_NONE, IMAP_OK, IMAP_NO, IMAP_BAD, IMAP_BYE, IMAP_PREAUTH };

struct imap_response {
    enum imap_kind      kind;
    struct slice        tag;            /* IMAP_TAGGED */
    bool                has_number;     /* "* 5 EXISTS" */
    uint32_t            number;
    struct slice        name;           /* "EXISTS", "SEARCH", "OK"; empty for IMAP_CONTINUE */
    enum imap_condition condition;      /* of OK, NO, BAD, BYE, PREAUTH */
    struct slice        code;           /* "UIDNEXT 5": within the brackets behind these; empty: none */
    struct slice        text;           /* what follows */
};

/* whole: as imap_response_find gave it. MT_ESYNTAX: it is no response. */
int imap_response_parse(struct slice whole, struct imap_response *out);

/* Whether the code begins with that word, without case. */
bool imap_code_is(struct slice code, const char *word);

/* The number behind the word in a code such as "UIDNEXT 5". False: there is none. */
bool imap_code_number(struct slice code, const char *word, uint32_t *out);

/* The next number of an answer to SEARCH; *rest moves on. False: none is left, or what follows is no number. */
bool imap_number_next(struct slice *rest, uint32_t *out);

/* Whether the words of text, separated by blanks, hold this one, without case. */
bool imap_has_word(struct slice text, const char *word);

/* What FETCH told of one message. Members that were not told are empty or 0. */
struct imap_fetched {
    uint32_t     uid;
    uint64_t     size_bytes;            /* RFC822.SIZE */
    struct slice internal_date;         /* "17-Jul-2026 02:44:25 -0700" */
    bool         deleted;               /* \Deleted is among its flags */
    bool         has_body;
    struct slice body;                  /* of the first BODY[…] */
};

/* text: of a FETCH response. MT_ESYNTAX: it is none. */
int imap_fetched_read(struct slice text, struct imap_fetched *out);

/* INTERNALDATE to Unix seconds. MT_ESYNTAX. */
int imap_date_read(struct slice text, int64_t *out);

#define IMAP_FOLDER_BYTES 256u

/* What LIST told of one folder. */
struct imap_listed {
    bool junk;                          /* \Junk (RFC 6154) */
    bool selectable;                    /* neither \Noselect nor \NonExistent */
    char delimiter;                     /* 0: none */
    char name[IMAP_FOLDER_BYTES];       /* as on the wire (modified UTF-7), without quotes */
};

/* text: of a LIST response. MT_ESYNTAX: it is none, or the name is too long. */
int imap_listed_read(struct slice text, struct imap_listed *out);

#endif
