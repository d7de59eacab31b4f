#ifndef LIB_RESULT_H
#define LIB_RESULT_H
/*
 * result - what checks came to, as the store keeps it: a record of each check, one of each run, and one of each hour that has runs, which
 * stays when the runs have expired. Who reads them: lib/db_result.h; who writes them: store/result.h. Records are framed as those of
 * lib/record.h are, and are read with the same errors.
 *
 * Runs come from outside, by the HTTP API: result_fault tells what of one is out of its bounds.
 */

#include "lib/record.h"

#define CHECK_TEXT_MAX          100u    /* octets of a check's name: letters, digits, '.', '-', '_' and '/' */
#define RESULT_ID_BYTES         100u
#define RESULT_VERDICT_BYTES    31u
#define RESULT_STEP_BYTES       16u     /* of a step's or a time's name */
#define RESULT_CAUSE_BYTES      256u
#define RESULT_HOST_BYTES       300u
#define RESULT_REPLY_BYTES      600u
#define RESULT_REASON_BYTES     1000u
#define RESULT_CHANGES_BYTES    4096u   /* sentences, each ended by LF */
#define RESULT_CHANGES_MAX      64u     /* of them */
#define RESULT_DOCUMENT_BYTES   (64u * 1024)    /* a longer document is left out; the rest of the result tells what it came to */
#define RESULT_DOCUMENT_DEPTH   64u     /* objects and arrays within each other */
#define RESULT_TIMES_MAX        24u
#define RESULT_TIME_MAX_US      (UINT64_C(31) * 86400 * 1000000)    /* the longest time that a step, or a run, may have taken */
#define RESULT_AHEAD_MAX_US     (UINT64_C(86400) * 1000000)         /* so far ahead of this clock a run may have begun: a day */
#define RESULT_BYTES_MAX        (96u * 1024)    /* of a record: more than any that the bounds allow */
#define RESULTS_A_POST          500u    /* in one request */
#define RESULTS_AN_HOUR         720u    /* of one check: one every five seconds. Bounds what recounting an hour costs */
#define RESULT_ROWS_MAX         2000u   /* that one request to store lists */
#define CHECKS_MAX_STORED       100000u
#define CHECKS_OF_A_KEY         1000u   /* that a key for one mailbox may make in it */

enum result_kind { RESULT_ROUND_TRIP, RESULT_SMTP, RESULT_BLACKLIST, RESULT_KINDS };
enum result_state { RESULT_OK, RESULT_WARNING, RESULT_CRITICAL, RESULT_UNKNOWN, RESULT_STATES };

/* Counted one by one in sums and metrics; a word that is none of these is kept, and counted as other. */
enum result_verdict {
    RESULT_ARRIVED, RESULT_LATE, RESULT_JUNK, RESULT_NOT_SENT, RESULT_NOT_ARRIVED, RESULT_RECEIVER_DOWN, RESULT_BOUNCED, RESULT_AUTOREPLY,
    RESULT_LISTED, RESULT_FINE, RESULT_FAILED, RESULT_NOT_KNOWN, RESULT_OTHER, RESULT_VERDICTS
};

/* What became of a run that was posted. Over the wire as an octet. */
enum result_done {
    RESULT_STORED,
    RESULT_REPLACED,            /* there was one of the same check that began at the same time */
    RESULT_TOO_OLD,             /* its hour has expired, or expires */
    RESULT_HOUR_FULL,           /* RESULTS_AN_HOUR */
    RESULT_NO_MAILBOX,          /* it has gone */
    RESULT_CHECKS_FULL,         /* CHECKS_MAX_STORED, or CHECKS_OF_A_KEY */
    RESULT_CHECK_DAMAGED,       /* what is stored of the check, or of its mailbox */
    RESULT_DONE_LIMIT
};

/* "round-trip", "OK", "arrived" and so on; *_of: MT_ESYNTAX for another word (result_verdict_of: RESULT_OTHER). */
const char         *result_kind_name(enum result_kind kind);
const char         *result_state_name(enum result_state state);
const char         *result_verdict_name(enum result_verdict verdict);
int                 result_kind_of(struct slice word, enum result_kind *out);
int                 result_state_of(struct slice word, enum result_state *out);    /* also in lower case */
enum result_verdict result_verdict_of(struct slice word);

/* Whether it is a check's name. Case counts. */
bool check_name_is_fine(struct slice name);

/* The time of one step, such as "connect", "transit", "total". */
struct result_time {
    char     name[RESULT_STEP_BYTES + 1];   /* letters, digits, '-', '_', '.' */
    uint64_t us;
};

/* Table result: check id, started_us -> this. One run. Texts are UTF-8, but for what a damaged client sends. */
struct result_record {
    uint64_t          started_us;       /* microseconds since 1970, by the checker's clock; also in the key */
    uint64_t          took_us;
    uint64_t          received_us;      /* by this service's clock, when it was posted */
    enum result_kind  kind;
    enum result_state state;
    bool              deferred;         /* it failed, or was slow, because of 4yz replies alone */
    uint8_t           scenario;         /* 1 to 5; 0: none */
    uint32_t          code;             /* of the reply; 0: none */
    struct slice      id, verdict, cause, step, host, reply, reason;
    struct slice      changes;          /* what is not as it was in the run before: sentences, each ended by LF */
    struct slice      document;         /* JSON text, checked; empty: none, or it was longer than RESULT_DOCUMENT_BYTES */
    bool              document_packed;  /* document is that text deflated (result_document_pack) */
    uint32_t          document_bytes;   /* it had as it came */
    uint32_t          times_count;
    struct result_time times[RESULT_TIMES_MAX];
};

void result_record_write(struct buf *b, const struct result_record *r);
int  result_record_read(struct slice bytes, struct result_record *out);

/* What is wrong with a run that came from outside, as a sentence; NULL: nothing. now_us: this service's clock. */
const char *result_fault(const struct result_record *r, uint64_t now_us);

/*
 * Most of a result is its document, and most of that is the same words again and again: deflated (zlib's format) it takes a third of the room. Sets r->document to
 * what is shorter, the text or what was appended to an empty out, which then must stay.
 */
void result_document_pack(struct slice json, struct result_record *r, struct buf *out);

/* The text of a record's document: borrowed from the record or from out, to which it was appended. Empty: there is none, or it is damaged. */
struct slice result_document_text(const struct result_record *r, struct buf *out);

/* Whether JSON text has at most RESULT_DOCUMENT_DEPTH objects and arrays within each other. */
bool result_document_is_flat(struct slice json);

/*
 * The time that an hour's histogram and percentiles are of: the one called "total"; where a run of another kind than round trip has none, what
 * it took. False: it has none.
 */
bool result_total_us(const struct result_record *r, uint64_t *out);

/* ---- Hours ---------------------------------------------------------------------------------------------------------------- */

#define HOUR_US             (UINT64_C(3600) * 1000000)
#define RESULT_SUM_TIMES    32u     /* steps that an hour keeps; of further ones only the number is counted */
#define RESULT_BUCKETS      40u     /* bucket i: up to result_bucket_us(i); the last has no end */

struct result_sum_time {
    char     name[RESULT_STEP_BYTES + 1];
    uint32_t count;
    uint64_t sum_us, min_us, max_us;
};

/* Table result-sum: check id, hour since 1970 u32 -> this. */
struct result_sum {
    uint32_t               runs;
    uint32_t               deferred;
    uint32_t               states[RESULT_STATES];
    uint32_t               verdicts[RESULT_VERDICTS];
    struct result_sum_time total;               /* its name is empty */
    uint32_t               buckets[RESULT_BUCKETS];     /* of total */
    uint32_t               times_count;
    uint32_t               times_left_out;      /* measurements of steps that found no place */
    struct result_sum_time times[RESULT_SUM_TIMES];
};

void result_sum_write(struct buf *b, const struct result_sum *s);
int  result_sum_read(struct slice bytes, struct result_sum *out);

/* Adds one run to a sum that was all zeros at first. */
void result_sum_add(struct result_sum *s, const struct result_record *r);

/* The upper end of a bucket; UINT64_MAX of the last. Each is longer than the one before by half of an octave: a factor of 1.41. */
uint64_t result_bucket_us(unsigned bucket);

/* About the time that percent of the totals did not exceed: right to a bucket. 0 where there are none. */
uint64_t result_sum_percentile_us(const struct result_sum *s, unsigned percent);

static inline uint32_t
result_hour(uint64_t us)
{
    return (uint32_t)(us / HOUR_US);
}

/* ---- Checks --------------------------------------------------------------------------------------------------------------- */

/* Table check: id -> this. What is known of it without looking at its runs. */
struct check_record {
    uint32_t            id;
    uint32_t            mailbox_id;     /* 0: it is of no mailbox of this service */
    struct slice        name;           /* unique in the mailbox */
    enum result_kind    kind;
    uint64_t            created_us;
    uint64_t            last_us;        /* when the newest run began; it stays when that has expired */
    enum result_state   state;          /* of it */
    struct slice        verdict;        /* of it */
    uint64_t            since_us;       /* the first of the runs in a row that had this state began then */
    uint64_t            runs;           /* ever */
    uint64_t            states[RESULT_STATES];  /* of these */
    uint32_t            results;        /* that are kept */
    uint64_t            bytes;          /* of their records */
    uint32_t            sums;           /* hours that are kept */
    uint64_t            closed_us;      /* runs that began before are not taken any more: their hour expires, or has */
};

void check_record_write(struct buf *b, const struct check_record *c);
int  check_record_read(struct slice bytes, struct check_record *out);

#endif
