/* keys - see keys.h. */

#include "store/keys.h"

#include "lib/error.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_FILE KEYS_FILE ".new"

#define SEAL_MARK "1:"

enum {
    FILE_BYTES_MAX = 8192,
    CHECK_BYTES = 4,
    HEX_CHARS = 2 * TOKEN_KEY_BYTES,
    SEAL_BYTES = crypto_secretbox_KEYBYTES,
    SEALED_BYTES = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + WEBHOOK_SECRET_CHARS,
};
_Static_assert(sizeof(SEAL_MARK) - 1 + (SEALED_BYTES * 4 + 2) / 3 == WEBHOOK_SEALED_CHARS, "the length of base64 without padding");
_Static_assert(SEAL_BYTES == TOKEN_KEY_BYTES, "both are read as HEX_CHARS digits");

struct key {
    uint32_t id;
    uint64_t created_unix;
    uint8_t  master[TOKEN_KEY_BYTES];
    uint8_t  derived[TOKEN_KEY_BYTES];      /* of the selected mailbox */
};

struct keys {
    char       *path;                       /* for the log */
    int         dir_fd;
    uint32_t    next_id;
    unsigned    count;
    struct key *list;                       /* KEYS_MAX of them in sodium_malloc'ed memory; oldest first, the last is active */
    uint8_t    *seal;                       /* SEAL_BYTES in such memory */
    bool        has_seal;
    char        address[MAILBOX_ADDRESS_MAX + 1];
    size_t      address_len;
};

static const char file_head[] =
    "# The master keys of Mailtest's tokens. Whoever reads this can make tokens for every mailbox: keep it secret, and keep a copy.\n"
    "# Beside them is the key that seals webhooks' secrets in the database.\n"
    "# Change it with mailtestctl key rotate and key retire only.\n";

static void
check_of(struct slice line, char out[2 * CHECK_BYTES + 1])
{
    unsigned char hash[crypto_generichash_BYTES_MIN];

    crypto_generichash(hash, sizeof(hash), (const unsigned char *)line.data, line.len, NULL, 0);
    sodium_bin2hex(out, 2 * CHECK_BYTES + 1, hash, CHECK_BYTES);
}

/* The key in hexadecimal digits, and the check of the line that began at the octet at. */
static void
format_key(struct buf *b, size_t at, const uint8_t key[TOKEN_KEY_BYTES])
{
    char hex[HEX_CHARS + 1], check[2 * CHECK_BYTES + 1];

    sodium_bin2hex(hex, sizeof(hex), key, TOKEN_KEY_BYTES);
    buf_append_string(b, hex);
    sodium_memzero(hex, sizeof(hex));
    check_of(slice_make(b->data + at, b->len - at), check);
    buf_append_byte(b, ' ');
    buf_append_string(b, check);
    buf_append_byte(b, '\n');
}

/* The text of the file. The buffer must have room for all of it, so that no copy is left behind by growing. */
static void
format(const struct keys *k, struct buf *b)
{
    buf_append_string(b, file_head);
    buf_printf(b, "next %u\n", k->next_id);
    if (k->has_seal) {
        size_t at = b->len;

        buf_append_string(b, "seal ");
        format_key(b, at, k->seal);
    }
    for (unsigned i = 0; i < k->count; i++) {
        const struct key *key = &k->list[i];
        size_t            at = b->len;

        buf_printf(b, "key %u %llu ", key->id, (unsigned long long)key->created_unix);
        format_key(b, at, key->master);
    }
    assert(b->fault == MT_OK);
}

static int
write_all(int fd, struct slice s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.data, s.len);

        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            s = slice_sub(s, (size_t)n, s.len);
    }
    return fsync(fd);
}

/* Under another name, synced, renamed, and the folder synced: at each moment one of both is there and whole. */
static int
save(const struct keys *k)
{
    struct buf b;
    int        fd, err = 0;

    buf_init(&b, FILE_BYTES_MAX);
    if (buf_reserve(&b, FILE_BYTES_MAX) == NULL)
        return MT_ENOMEM;
    format(k, &b);
    unlinkat(k->dir_fd, NEW_FILE, 0);
    fd = openat(k->dir_fd, NEW_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd == -1 || write_all(fd, buf_slice(&b)) != 0)
        err = errno;
    if (fd != -1 && close(fd) != 0 && err == 0)
        err = errno;
    if (err == 0 && (renameat(k->dir_fd, NEW_FILE, k->dir_fd, KEYS_FILE) != 0 || fsync(k->dir_fd) != 0))
        err = errno;
    buf_wipe(&b);
    if (err == 0)
        return MT_OK;
    log_error("event=keys-not-saved file=%s reason=\"%s\"", k->path, strerror(err));
    return mt_from_errno(err);
}

static int
complain(const struct keys *k, unsigned line, const char *what)
{
    log_error("event=keys-damaged file=%s line=%u reason=\"%s\" hint=\"restore it from a backup\"", k->path, line, what);
    return MT_EDAMAGED;
}

/* The next word of a line, which is cut off at its front. */
static struct slice
word(struct slice *line)
{
    struct slice w = slice_sub(*line, 0, slice_find(*line, ' '));

    *line = slice_sub(*line, w.len + 1, line->len);
    return w;
}

/* What stands at the end of a line: the key and the check of all before it. */
static int
read_hex(const struct keys *k, struct slice line, struct slice rest, unsigned number, uint8_t out[TOKEN_KEY_BYTES])
{
    struct slice hex = word(&rest), check = rest;
    char         expected[2 * CHECK_BYTES + 1];
    size_t       len = 0;

    if (check.len != 2 * CHECK_BYTES)
        return complain(k, number, "the line is not complete");
    check_of(slice_sub(line, 0, line.len - check.len - 1), expected);
    if (!slice_equal(check, slice_of(expected)))
        return complain(k, number, "the line was changed: its check does not fit");
    if (hex.len != HEX_CHARS || sodium_hex2bin(out, TOKEN_KEY_BYTES, hex.data, hex.len, NULL, &len, NULL) != 0 || len != TOKEN_KEY_BYTES)
        return complain(k, number, "the key is not 64 hexadecimal digits");
    return MT_OK;
}

static int
read_seal(struct keys *k, struct slice line, unsigned number)
{
    struct slice rest = line;
    int          rc;

    word(&rest);
    if (k->has_seal)
        return complain(k, number, "there is a second line \"seal\"");
    rc = read_hex(k, line, rest, number, k->seal);
    k->has_seal = rc == MT_OK;
    return rc;
}

static int
read_key(struct keys *k, struct slice line, unsigned number)
{
    struct slice rest = line;
    struct key  *key = &k->list[k->count];
    uint64_t     id;
    int          rc;

    if (k->count == KEYS_MAX)
        return complain(k, number, "too many keys");
    word(&rest);
    if (slice_to_u64(word(&rest), UINT32_MAX - 1, &id) != MT_OK ||
        slice_to_u64(word(&rest), UINT64_MAX, &key->created_unix) != MT_OK)
        return complain(k, number, "the key's number or time is unreadable");
    if ((rc = read_hex(k, line, rest, number, key->master)) != MT_OK)
        return rc;
    if (id == 0 || (k->count > 0 && id <= k->list[k->count - 1].id))
        return complain(k, number, "the keys are out of order");
    key->id = (uint32_t)id;
    k->count++;
    return MT_OK;
}

static int
parse(struct keys *k, struct slice text)
{
    unsigned number = 0;
    int      rc;

    while (text.len > 0) {
        struct slice line = slice_sub(text, 0, slice_find(text, '\n'));
        uint64_t     next;

        number++;
        text = slice_sub(text, line.len + 1, text.len);
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (slice_starts(line, "next ")) {
            if (slice_to_u64(slice_sub(line, 5, line.len), UINT32_MAX - 1, &next) != MT_OK)
                return complain(k, number, "the next key's number is unreadable");
            k->next_id = (uint32_t)next;
        } else if (slice_starts(line, "seal ")) {
            if ((rc = read_seal(k, line, number)) != MT_OK)
                return rc;
        } else if (!slice_starts(line, "key ")) {
            return complain(k, number, "neither a comment nor \"next ID\" nor \"seal KEY CHECK\" nor \"key ID TIME KEY CHECK\"");
        } else if ((rc = read_key(k, line, number)) != MT_OK) {
            return rc;
        }
    }
    if (k->count == 0)
        return complain(k, number, "there is no key in it");
    if (k->next_id <= k->list[k->count - 1].id)
        return complain(k, number, "the line \"next ID\" is missing or too low");
    return MT_OK;
}

/* Reads the whole file into locked memory. MT_ENOTFOUND: missing; *len 0: empty. */
static int
load(struct keys *k, char *text, size_t *len)
{
    struct stat st;
    ssize_t     n = 0;
    int         fd = openat(k->dir_fd, KEYS_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd == -1 && errno == ENOENT)
        return MT_ENOTFOUND;
    if (fd == -1 || fstat(fd, &st) != 0) {
        int err = errno;

        log_error("event=keys-unreadable file=%s reason=\"%s\"", k->path, strerror(err));
        if (fd != -1)
            close(fd);
        return mt_from_errno(err);
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        log_error("event=keys-unsafe file=%s mode=%04o reason=\"others can read it\" hint=\"chmod 600\"", k->path, (unsigned)st.st_mode & 07777);
        close(fd);
        return MT_EDENIED;
    }
    *len = 0;
    while (*len < FILE_BYTES_MAX && (n = read(fd, text + *len, FILE_BYTES_MAX - *len)) > 0)
        *len += (size_t)n;
    close(fd);
    if (n < 0) {
        log_error("event=keys-unreadable file=%s reason=\"%s\"", k->path, strerror(errno));
        return MT_EIO;
    }
    return *len == FILE_BYTES_MAX ? complain(k, 1, "the file is too long") : MT_OK;
}

static void
make_seal(struct keys *k)
{
    randombytes_buf(k->seal, SEAL_BYTES);
    k->has_seal = true;
}

static int
load_or_make(struct keys *k, bool may_create, uint64_t now_unix)
{
    char    *text = sodium_malloc(FILE_BYTES_MAX);
    size_t   len = 0;
    uint32_t id;
    int      rc;

    if (text == NULL)
        return MT_ENOMEM;
    rc = load(k, text, &len);
    if (rc == MT_ENOTFOUND && !may_create) {
        log_error("event=keys-missing file=%s reason=\"there is a database, but not the keys of its tokens\""
                  " hint=\"restore the file from a backup; or make an empty one to begin with a new key,"
                  " under which tokens made so far are unknown\"",
                  k->path);
    } else if (rc == MT_ENOTFOUND || (rc == MT_OK && len == 0)) {
        make_seal(k);
        rc = keys_rotate(k, now_unix, &id);
        if (rc == MT_OK)
            log_info("event=keys-made file=%s key=%u", k->path, id);
    } else if (rc == MT_OK) {
        rc = parse(k, slice_make(text, len));
        /* A file of an older version has none. */
        if (rc == MT_OK && !k->has_seal) {
            make_seal(k);
            rc = save(k);
        }
    }
    sodium_free(text);
    return rc;
}

int
keys_open(const char *dir, bool may_create, uint64_t now_unix, struct keys **out)
{
    struct keys *k = calloc(1, sizeof(*k));
    int          rc = MT_ENOMEM;

    if (k == NULL)
        return MT_ENOMEM;
    k->next_id = 1;
    k->dir_fd = -1;
    k->list = sodium_allocarray(KEYS_MAX, sizeof(*k->list));
    k->seal = sodium_malloc(SEAL_BYTES);
    if (k->list == NULL || k->seal == NULL || asprintf(&k->path, "%s/%s", dir, KEYS_FILE) < 0) {
        k->path = NULL;
        goto fail;
    }
    k->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->dir_fd == -1) {
        rc = mt_from_errno(errno);
        log_error("event=keys-unreadable file=%s reason=\"%s\"", k->path, strerror(errno));
        goto fail;
    }
    rc = load_or_make(k, may_create, now_unix);
    if (rc != MT_OK)
        goto fail;
    *out = k;
    return MT_OK;
fail:
    keys_close(k);
    return rc;
}

void
keys_close(struct keys *k)
{
    if (k == NULL)
        return;
    if (k->dir_fd != -1)
        close(k->dir_fd);
    sodium_free(k->list);
    sodium_free(k->seal);
    free(k->path);
    free(k);
}

unsigned
keys_count(const struct keys *k)
{
    return k->count;
}

void
keys_info(const struct keys *k, unsigned i, struct key_info *out)
{
    assert(i < k->count);
    *out = (struct key_info){ .id = k->list[i].id, .created_unix = k->list[i].created_unix, .active = i + 1 == k->count };
}

int
keys_rotate(struct keys *k, uint64_t now_unix, uint32_t *id)
{
    struct key *key;
    int         rc;

    if (k->count == KEYS_MAX)
        return MT_EFULL;
    key = &k->list[k->count];
    key->id = k->next_id;
    key->created_unix = now_unix;
    randombytes_buf(key->master, sizeof(key->master));
    k->count++;
    k->next_id++;
    rc = save(k);
    if (rc != MT_OK) {
        k->count--;
        k->next_id--;
        sodium_memzero(key, sizeof(*key));
        return rc;
    }
    *id = key->id;
    k->address_len = 0;
    return MT_OK;
}

int
keys_retire(struct keys *k, uint32_t id)
{
    struct key *removed;
    unsigned    i = 0;
    int         rc;

    while (i < k->count && k->list[i].id != id)
        i++;
    if (i == k->count)
        return MT_ENOTFOUND;
    if (i + 1 == k->count)
        return MT_EDENIED;
    removed = sodium_malloc(sizeof(*removed));
    if (removed == NULL)
        return MT_ENOMEM;
    *removed = k->list[i];
    memmove(&k->list[i], &k->list[i + 1], (k->count - i - 1) * sizeof(*k->list));
    k->count--;
    rc = save(k);
    if (rc == MT_OK) {
        sodium_memzero(&k->list[k->count], sizeof(*k->list));
    } else {
        memmove(&k->list[i + 1], &k->list[i], (k->count - i) * sizeof(*k->list));
        k->list[i] = *removed;
        k->count++;
    }
    k->address_len = 0;
    sodium_free(removed);
    return rc;
}

void
keys_select(struct keys *k, struct slice address)
{
    if (slice_equal(address, slice_make(k->address, k->address_len)))
        return;
    slice_copy(k->address, sizeof(k->address), address);
    k->address_len = strlen(k->address);
    for (unsigned i = 0; i < k->count; i++)
        token_mailbox_key(k->list[i].master, k->list[i].id, address, k->list[i].derived);
}

bool
keys_is_genuine(const struct keys *k, const struct token *t)
{
    struct slice address = slice_make(k->address, k->address_len);

    assert(address.len > 0);
    for (unsigned i = k->count; i > 0; i--)
        if (token_verify(k->list[i - 1].derived, address, t))
            return true;
    return false;
}

void
keys_mint(const struct keys *k, uint32_t issued_unix, struct token *out)
{
    assert(k->address_len > 0);
    token_mint(k->list[k->count - 1].derived, slice_make(k->address, k->address_len), issued_unix, out);
}

void
keys_mailbox_key(const struct keys *k, uint8_t out[TOKEN_KEY_BYTES])
{
    assert(k->address_len > 0);
    memcpy(out, k->list[k->count - 1].derived, TOKEN_KEY_BYTES);
}

bool
keys_is_sealed(const char *secret)
{
    return slice_starts(slice_of(secret), SEAL_MARK) && strlen(secret) == WEBHOOK_SEALED_CHARS;
}

void
keys_seal(const struct keys *k, const char secret[WEBHOOK_SECRET_CHARS + 1], char out[WEBHOOK_SEALED_CHARS + 1])
{
    unsigned char bytes[SEALED_BYTES], *nonce = bytes;

    randombytes_buf(nonce, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(bytes + crypto_secretbox_NONCEBYTES, (const unsigned char *)secret, WEBHOOK_SECRET_CHARS, nonce, k->seal);
    memcpy(out, SEAL_MARK, sizeof(SEAL_MARK) - 1);
    sodium_bin2base64(out + sizeof(SEAL_MARK) - 1, WEBHOOK_SEALED_CHARS + 2 - sizeof(SEAL_MARK), bytes, sizeof(bytes),
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int
keys_unseal(const struct keys *k, const char *sealed, char out[WEBHOOK_SECRET_CHARS + 1])
{
    const char   *text = sealed + sizeof(SEAL_MARK) - 1;
    unsigned char bytes[SEALED_BYTES];
    size_t        len = 0;

    if (!keys_is_sealed(sealed) ||
        sodium_base642bin(bytes, sizeof(bytes), text, strlen(text), NULL, &len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        len != sizeof(bytes) ||
        crypto_secretbox_open_easy((unsigned char *)out, bytes + crypto_secretbox_NONCEBYTES, len - crypto_secretbox_NONCEBYTES, bytes, k->seal) != 0)
        return MT_EDENIED;
    out[WEBHOOK_SECRET_CHARS] = '\0';
    return MT_OK;
}

int
keys_copy(const struct keys *k, int fd, uint64_t *bytes)
{
    struct buf b;
    int        rc = MT_OK;

    buf_init(&b, FILE_BYTES_MAX);
    if (buf_reserve(&b, FILE_BYTES_MAX) == NULL)
        return MT_ENOMEM;
    format(k, &b);
    *bytes = b.len;
    if (write_all(fd, buf_slice(&b)) != 0) {
        rc = mt_from_errno(errno);
        log_error("event=keys-copy-failed reason=\"%s\"", strerror(errno));
    }
    buf_wipe(&b);
    return rc;
}
