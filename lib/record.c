/* record - see record.h. The octets of each record: version, fields in the order of the struct, checksum. */

#include "lib/record.h"

#include "lib/error.h"

#include <assert.h>
#include <xxhash.h>

enum { NAME_BYTES_MAX = 255, TEXT_BYTES_MAX = 4096, SHORT_SUM_BYTES = 4 };

static const char *const kind_names[KIND_LIMIT] = {
    [KIND_UNMATCHED] = "unmatched", [KIND_ARRIVED] = "arrived",           [KIND_BOUNCED] = "bounced",
    [KIND_AUTOREPLY] = "autoreply", [KIND_CONFIRMATION] = "confirmation",
    [KIND_NOTICE] = "notice",       [KIND_RECEIPT] = "receipt",           [KIND_REPLY] = "reply",
    [KIND_APPENDED] = "appended",
};

const char *
message_kind_name(enum message_kind kind)
{
    assert((unsigned)kind < KIND_LIMIT);
    return kind_names[kind];
}

/* The surest first: receipts and requests often also say that they are automatic. */
static const struct {
    uint32_t          traits;
    enum message_kind kind;
} kinds[] = {
    { TRAIT_DELIVERY_REPORT, KIND_BOUNCED },
    /* That it is delayed, or was delivered somewhere, is not yet the mail itself. */
    { TRAIT_DELAY_REPORT | TRAIT_SUCCESS_REPORT, KIND_NOTICE },
    { TRAIT_CONFIRMATION, KIND_CONFIRMATION },
    { TRAIT_READ_RECEIPT, KIND_RECEIPT },
    { TRAIT_AUTO_REPLIED, KIND_AUTOREPLY },
    { TRAIT_REPLY, KIND_REPLY },
};

enum message_kind
message_kind_of(uint32_t traits, bool has_token)
{
    if (!has_token)
        return (traits & TRAIT_CONFIRMATION) != 0 ? KIND_CONFIRMATION : KIND_UNMATCHED;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if ((traits & kinds[i].traits) != 0)
            return kinds[i].kind;
    return KIND_ARRIVED;
}

uint32_t
message_lost_places(uint32_t found_in)
{
    const uint32_t put = PLACE_SUBJECT | PLACE_MESSAGE_ID | PLACE_OWN_HEADER | PLACE_TEXT;

    return put & ~(found_in | ((found_in & PLACE_HTML) != 0 ? (uint32_t)PLACE_TEXT : 0u));
}

uint64_t
checksum(struct slice bytes)
{
    return XXH3_64bits(bytes.data, bytes.len);
}

size_t
record_begin(struct buf *b)
{
    size_t at = b->len;

    write_u8(b, RECORD_VERSION);
    return at;
}

void
record_end(struct buf *b, size_t at)
{
    if (b->fault == MT_OK)
        write_u64(b, checksum(slice_make(b->data + at, b->len - at)));
}

int
record_open(struct slice bytes, struct reader *r)
{
    struct slice covered;
    uint8_t      version;

    if (bytes.len < 1 + RECORD_SUM_BYTES)
        return MT_EDAMAGED;
    covered = slice_sub(bytes, 0, bytes.len - RECORD_SUM_BYTES);
    if (checksum(covered) != get_u64(bytes.data + covered.len))
        return MT_EDAMAGED;
    reader_init(r, covered);
    read_u8(r, &version);
    if (version > RECORD_VERSION)
        return MT_EVERSION;
    return version >= RECORD_OLDEST ? MT_OK : MT_EDAMAGED;
}

int
record_close(const struct reader *r)
{
    return read_end(r) ? MT_OK : MT_EDAMAGED;
}

static void
credentials_write(struct buf *b, const struct credentials *c)
{
    write_u8(b, c->chosen);
    write_fixed(b, c->salt, sizeof(c->salt));
    write_fixed(b, c->secret_hash, sizeof(c->secret_hash));
    write_fixed(b, c->stored_key, sizeof(c->stored_key));
    write_fixed(b, c->server_key, sizeof(c->server_key));
}

static void
credentials_read(struct reader *r, struct credentials *out)
{
    read_bool(r, &out->chosen);
    read_fixed(r, out->salt, sizeof(out->salt));
    read_fixed(r, out->secret_hash, sizeof(out->secret_hash));
    read_fixed(r, out->stored_key, sizeof(out->stored_key));
    read_fixed(r, out->server_key, sizeof(out->server_key));
}

void
mailbox_record_write(struct buf *b, const struct mailbox_record *m)
{
    size_t at = record_begin(b);

    write_u32(b, m->id);
    write_bytes(b, m->name);
    write_bytes(b, m->domain);
    write_u8(b, m->enabled);
    write_u64(b, m->created_unix);
    write_u32(b, m->next_folder_id);
    write_u32(b, m->uidvalidity);
    write_u64(b, m->bytes);
    write_u64(b, m->messages);
    write_u64(b, m->last_arrival_us);
    credentials_write(b, &m->credentials);
    record_end(b, at);
}

int
mailbox_record_read(struct slice bytes, struct mailbox_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->id);
    read_bytes(&r, &out->name, MAILBOX_NAME_MAX);
    read_bytes(&r, &out->domain, NAME_BYTES_MAX);
    read_bool(&r, &out->enabled);
    read_u64(&r, &out->created_unix);
    read_u32(&r, &out->next_folder_id);
    read_u32(&r, &out->uidvalidity);
    read_u64(&r, &out->bytes);
    read_u64(&r, &out->messages);
    read_time_us(&r, &out->last_arrival_us);
    credentials_read(&r, &out->credentials);
    return record_close(&r);
}

void
folder_record_write(struct buf *b, const struct folder_record *f)
{
    size_t at = record_begin(b);

    write_u32(b, f->mailbox_id);
    write_u32(b, f->id);
    write_bytes(b, f->name);
    write_u32(b, f->uidvalidity);
    write_u32(b, f->uidnext);
    write_u64(b, f->modseq);
    write_u64(b, f->messages);
    write_u64(b, f->bytes);
    write_u8(b, f->subscribed);
    write_u8(b, f->brought);
    write_u32(b, f->recent_uid);
    write_bytes(b, f->keywords);
    record_end(b, at);
}

int
folder_record_read(struct slice bytes, struct folder_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->mailbox_id);
    read_u32(&r, &out->id);
    read_bytes(&r, &out->name, NAME_BYTES_MAX);
    read_u32(&r, &out->uidvalidity);
    read_u32(&r, &out->uidnext);
    read_u64(&r, &out->modseq);
    read_u64(&r, &out->messages);
    read_u64(&r, &out->bytes);
    read_bool(&r, &out->subscribed);
    read_bool(&r, &out->brought);
    read_u32(&r, &out->recent_uid);
    read_bytes(&r, &out->keywords, FOLDER_KEYWORDS_BYTES);
    return record_close(&r);
}

/* Half of the usual one: of small rows there are many. What a row says is bound to its key, too. */
static uint32_t
short_checksum(struct slice key, struct slice bytes)
{
    return (uint32_t)XXH3_64bits_withSeed(bytes.data, bytes.len, checksum(key));
}

void
entry_write(struct buf *b, struct slice key, const struct entry *e)
{
    size_t at = b->len;

    write_u64(b, e->message_id);
    write_u64(b, e->modseq);
    write_u32(b, e->flags);
    write_fixed(b, e->keywords.data, e->keywords.len);
    if (b->fault == MT_OK)
        write_u32(b, short_checksum(key, slice_make(b->data + at, b->len - at)));
}

int
entry_read(struct slice key, struct slice bytes, struct entry *out)
{
    struct slice  covered = slice_sub(bytes, 0, bytes.len < SHORT_SUM_BYTES ? 0 : bytes.len - SHORT_SUM_BYTES);
    struct reader r;

    reader_init(&r, covered);
    read_u64(&r, &out->message_id);
    read_u64(&r, &out->modseq);
    read_u32(&r, &out->flags);
    out->keywords = r.rest;
    if (!read_ok(&r) || r.rest.len > ENTRY_KEYWORDS_BYTES || get_u32(bytes.data + covered.len) != short_checksum(key, covered))
        return MT_EDAMAGED;
    return MT_OK;
}

void
body_ref_write(unsigned char out[BODY_REF_BYTES], uint64_t body_id, uint32_t count)
{
    unsigned char key[8];

    put_u64(key, body_id);
    put_u32(out, count);
    put_u32(out + 4, short_checksum(slice_make(key, sizeof(key)), slice_make(out, 4)));
}

int
body_ref_read(struct slice bytes, uint64_t body_id, uint32_t *count)
{
    unsigned char expected[BODY_REF_BYTES];

    if (bytes.len != BODY_REF_BYTES)
        return MT_EDAMAGED;
    *count = get_u32(bytes.data);
    body_ref_write(expected, body_id, *count);
    return memcmp(expected, bytes.data, BODY_REF_BYTES) == 0 ? MT_OK : MT_EDAMAGED;
}

bool
entry_has_keyword(struct slice keywords, struct slice word)
{
    while (keywords.len > 0) {
        size_t len = slice_find(keywords, ' ');

        if (slice_equal_nocase(slice_sub(keywords, 0, len), word))
            return true;
        keywords = slice_sub(keywords, len + 1, keywords.len);
    }
    return false;
}

void
message_record_write(struct buf *b, const struct message_record *m)
{
    size_t at = record_begin(b);

    write_u32(b, m->mailbox_id);
    write_u32(b, m->folder_id);
    write_u32(b, m->uid);
    write_u64(b, m->body_id);
    write_u8(b, m->body_shared);
    write_u64(b, m->body_bytes);
    write_u64(b, m->body_sum);
    write_u64(b, m->received_us);
    write_u64(b, m->committed_us);
    write_u8(b, (uint8_t)m->kind);
    session_facts_write(b, &m->session);
    write_bytes(b, m->reverse_path);
    write_bytes(b, m->recipient);
    write_bytes(b, m->head);
    parsed_write(b, &m->parsed);
    write_u32(b, m->lost);
    write_bytes(b, m->changes);
    record_end(b, at);
}

int
message_record_read(struct slice bytes, struct message_record *out)
{
    struct reader r;
    uint8_t       kind;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->mailbox_id);
    read_u32(&r, &out->folder_id);
    read_u32(&r, &out->uid);
    read_u64(&r, &out->body_id);
    read_bool(&r, &out->body_shared);
    read_u64(&r, &out->body_bytes);
    read_u64(&r, &out->body_sum);
    read_time_us(&r, &out->received_us);
    read_time_us(&r, &out->committed_us);
    read_u8(&r, &kind);
    if (kind >= KIND_LIMIT)
        read_fail(&r);
    out->kind = (enum message_kind)kind;
    session_facts_read(&r, &out->session);
    read_bytes(&r, &out->reverse_path, TEXT_BYTES_MAX);
    read_bytes(&r, &out->recipient, TEXT_BYTES_MAX);
    read_bytes(&r, &out->head, MESSAGE_HEAD_BYTES);
    parsed_read(&r, &out->parsed, out->tokens, MESSAGE_TOKENS_MAX);
    read_u32(&r, &out->lost);
    read_bytes(&r, &out->changes, MESSAGE_CHANGES_BYTES);
    return record_close(&r);
}

static void
arrival_write(struct buf *b, const struct arrival *a)
{
    write_u64(b, a->message_id);
    write_u64(b, a->received_us);
    write_u64(b, a->committed_us);
    write_u64(b, a->size_bytes);
    write_u8(b, (uint8_t)a->kind);
    write_u32(b, a->found_in);
    write_u32(b, a->lost);
    write_string(b, a->client);
}

static void
arrival_read(struct reader *r, struct arrival *out)
{
    uint8_t kind;

    read_u64(r, &out->message_id);
    read_time_us(r, &out->received_us);
    read_time_us(r, &out->committed_us);
    read_u64(r, &out->size_bytes);
    read_u8(r, &kind);
    if (kind >= KIND_LIMIT)
        read_fail(r);
    out->kind = (enum message_kind)kind;
    read_u32(r, &out->found_in);
    read_u32(r, &out->lost);
    read_string(r, out->client, sizeof(out->client));
}

void
token_record_write(struct buf *b, const struct token_record *t)
{
    size_t at = record_begin(b);

    assert(t->kept <= TOKEN_ARRIVALS_MAX && t->kept <= t->arrival_count);
    write_u32(b, t->mailbox_id);
    write_u64(b, t->minted_us);
    write_u64(b, t->deadline_unix);
    write_u8(b, t->verdict);
    write_u64(b, t->decided_us);
    write_u64(b, t->amended_us);
    write_u64(b, t->refused_us);
    write_bytes(b, t->hops);
    write_u32(b, t->arrival_count);
    write_u32(b, t->kept);
    for (uint32_t i = 0; i < t->kept; i++)
        arrival_write(b, &t->arrivals[i]);
    record_end(b, at);
}

int
token_record_read(struct slice bytes, struct token_record *out)
{
    enum { ARRIVAL_MIN_BYTES = 45 };
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->mailbox_id);
    read_time_us(&r, &out->minted_us);
    read_u64(&r, &out->deadline_unix);
    read_u8(&r, &out->verdict);
    read_time_us(&r, &out->decided_us);
    read_time_us(&r, &out->amended_us);
    read_time_us(&r, &out->refused_us);
    read_bytes(&r, &out->hops, TOKEN_HOPS_BYTES);
    read_u32(&r, &out->arrival_count);
    read_count(&r, &out->kept, TOKEN_ARRIVALS_MAX, ARRIVAL_MIN_BYTES);
    if (out->kept > out->arrival_count)
        read_fail(&r);
    for (uint32_t i = 0; i < out->kept; i++)
        arrival_read(&r, &out->arrivals[i]);
    return record_close(&r);
}

void
agent_record_write(struct buf *b, const struct agent_record *a)
{
    size_t at = record_begin(b);

    write_u32(b, a->id);
    write_bytes(b, a->name);
    write_u64(b, a->created_unix);
    write_u8(b, a->enabled);
    write_u8(b, a->all);
    write_u32(b, a->mailbox_count);
    for (uint32_t i = 0; i < a->mailbox_count; i++)
        write_u32(b, a->mailboxes[i]);
    credentials_write(b, &a->credentials);
    record_end(b, at);
}

int
agent_record_read(struct slice bytes, struct agent_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_u32(&r, &out->id);
    read_bytes(&r, &out->name, MAILBOX_NAME_MAX);
    read_u64(&r, &out->created_unix);
    read_bool(&r, &out->enabled);
    read_bool(&r, &out->all);
    read_u32(&r, &out->mailbox_count);
    if (out->mailbox_count > AGENT_MAILBOXES_MAX)
        return MT_EDAMAGED;
    for (uint32_t i = 0; i < out->mailbox_count; i++)
        read_u32(&r, &out->mailboxes[i]);
    credentials_read(&r, &out->credentials);
    return record_close(&r);
}

void
api_key_record_write(struct buf *b, const struct api_key_record *k)
{
    size_t at = record_begin(b);

    write_bytes(b, k->name);
    write_u32(b, k->mailbox_id);
    write_u64(b, k->created_unix);
    write_fixed(b, k->hash, sizeof(k->hash));
    record_end(b, at);
}

int
api_key_record_read(struct slice bytes, struct api_key_record *out)
{
    struct reader r;
    int           rc = record_open(bytes, &r);

    if (rc != MT_OK)
        return rc;
    read_bytes(&r, &out->name, NAME_BYTES_MAX);
    read_u32(&r, &out->mailbox_id);
    read_u64(&r, &out->created_unix);
    read_fixed(&r, out->hash, sizeof(out->hash));
    return record_close(&r);
}
