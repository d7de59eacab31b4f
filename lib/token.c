#include "lib/token.h"

#include "lib/error.h"
#include "lib/wire.h"

#include <assert.h>
#include <sodium.h>

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

/* The value of a base32 digit in either case, plus one; 0 for every other octet. */
static const uint8_t values[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['g'] = 17, ['h'] = 18, ['j'] = 19, ['k'] = 20, ['m'] = 21, ['n'] = 22, ['p'] = 23, ['q'] = 24,
    ['r'] = 25, ['s'] = 26, ['t'] = 27, ['v'] = 28, ['w'] = 29, ['x'] = 30, ['y'] = 31, ['z'] = 32,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['G'] = 17, ['H'] = 18,
    ['J'] = 19, ['K'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24, ['R'] = 25, ['S'] = 26,
    ['T'] = 27, ['V'] = 28, ['W'] = 29, ['X'] = 30, ['Y'] = 31, ['Z'] = 32,
};

static inline bool
is_digit(char c)
{
    return values[(unsigned char)c] != 0;
}

/* ---- Keys and the MAC ------------------------------------------------------------------------------------------- */

/* Two mailboxes must not differ by case alone, so every address goes into a hash in lower case. */
static void
hash_address(crypto_generichash_state *hash, struct slice address)
{
    unsigned char part[64];

    while (address.len > 0) {
        size_t len = address.len < sizeof(part) ? address.len : sizeof(part);

        for (size_t i = 0; i < len; i++)
            part[i] = (unsigned char)ascii_lower(address.data[i]);
        crypto_generichash_update(hash, part, len);
        address = slice_sub(address, len, address.len);
    }
}

void
token_mailbox_key(const uint8_t master[TOKEN_KEY_BYTES], uint32_t key_id, struct slice address, uint8_t out[TOKEN_KEY_BYTES])
{
    static const unsigned char label[] = "mailtest mailbox key 1";  /* with its NUL, which ends it */
    crypto_generichash_state   hash;
    unsigned char              id[4];

    put_u32(id, key_id);
    crypto_generichash_init(&hash, master, TOKEN_KEY_BYTES, TOKEN_KEY_BYTES);
    crypto_generichash_update(&hash, label, sizeof(label));
    crypto_generichash_update(&hash, id, sizeof(id));
    hash_address(&hash, address);
    crypto_generichash_final(&hash, out, TOKEN_KEY_BYTES);
    sodium_memzero(&hash, sizeof(hash));
}

/* libsodium's shortest documented hash is longer than the MAC, so the MAC is the first octets of 32. */
static void
token_mac(const uint8_t key[TOKEN_KEY_BYTES], struct slice address, const uint8_t body[TOKEN_BODY_BYTES],
          uint8_t mac[TOKEN_MAC_BYTES])
{
    crypto_generichash_state hash;
    unsigned char            whole[crypto_generichash_BYTES];

    crypto_generichash_init(&hash, key, TOKEN_KEY_BYTES, sizeof(whole));
    crypto_generichash_update(&hash, body, TOKEN_BODY_BYTES);
    hash_address(&hash, address);
    crypto_generichash_final(&hash, whole, sizeof(whole));
    memcpy(mac, whole, TOKEN_MAC_BYTES);
    sodium_memzero(&hash, sizeof(hash));
    sodium_memzero(whole, sizeof(whole));
}

void
token_make(const uint8_t mailbox_key[TOKEN_KEY_BYTES], struct slice address, uint32_t issued_unix,
           const uint8_t random[8], struct token *out)
{
    put_u32(out->raw, issued_unix);
    memcpy(out->raw + 4, random, 8);
    token_mac(mailbox_key, address, out->raw, out->raw + TOKEN_BODY_BYTES);
}

void
token_mint(const uint8_t mailbox_key[TOKEN_KEY_BYTES], struct slice address, uint32_t issued_unix, struct token *out)
{
    uint8_t random[8];

    randombytes_buf(random, sizeof(random));
    token_make(mailbox_key, address, issued_unix, random, out);
}

bool
token_verify(const uint8_t mailbox_key[TOKEN_KEY_BYTES], struct slice address, const struct token *t)
{
    uint8_t mac[TOKEN_MAC_BYTES];
    bool    right;

    token_mac(mailbox_key, address, t->raw, mac);
    right = sodium_memcmp(mac, t->raw + TOKEN_BODY_BYTES, TOKEN_MAC_BYTES) == 0;
    sodium_memzero(mac, sizeof(mac));
    return right;
}

uint32_t
token_issued_unix(const struct token *t)
{
    return get_u32(t->raw);
}

bool
token_equal(const struct token *a, const struct token *b)
{
    return memcmp(a->raw, b->raw, TOKEN_RAW_BYTES) == 0;
}

/* ---- Text ------------------------------------------------------------------------------------------------------- */

/* 5 octets are 8 digits, most significant first, so 25 octets need no padding. */
void
token_encode(const struct token *t, char out[TOKEN_CHARS + 1])
{
    char *to = out + strlen(TOKEN_PREFIX);

    memcpy(out, TOKEN_PREFIX, strlen(TOKEN_PREFIX));
    for (size_t i = 0; i < TOKEN_RAW_BYTES; i += 5) {
        uint64_t group = (uint64_t)t->raw[i] << 32 | get_u32(t->raw + i + 1);

        for (int shift = 35; shift >= 0; shift -= 5)
            *to++ = digits[group >> shift & 31];
    }
    *to = '\0';
}

static bool
has_prefix(const char *at)
{
    return (at[0] | 0x20) == 'm' && (at[1] | 0x20) == 't' && at[2] == '1';
}

int
token_decode(struct slice text, struct token *out)
{
    const char  *from;
    struct token t;

    if (text.len != TOKEN_CHARS || !has_prefix(text.data))
        return MT_ESYNTAX;
    from = text.data + strlen(TOKEN_PREFIX);
    for (size_t i = 0; i < TOKEN_RAW_BYTES; i += 5) {
        uint64_t group = 0;

        for (int k = 0; k < 8; k++, from++) {
            if (!is_digit(*from))
                return MT_ESYNTAX;
            group = group << 5 | (values[(unsigned char)*from] - 1u);
        }
        t.raw[i] = (uint8_t)(group >> 32);
        put_u32(t.raw + i + 1, (uint32_t)group);
    }
    *out = t;
    return MT_OK;
}

/* ---- Scanning --------------------------------------------------------------------------------------------------- */

void
token_scan_init(struct token_scan *s, token_found_fn *found, void *arg)
{
    *s = (struct token_scan){ .found = found, .arg = arg };
}

void
token_scan_break(struct token_scan *s)
{
    s->len = 0;
}

static void
report(const struct token_scan *s, const char *at)
{
    struct token t;

    if (has_prefix(at) && token_decode(slice_make(at, TOKEN_CHARS), &t) == MT_OK)
        s->found(s->arg, &t);
}

/*
 * Reports every token in one piece of text, and returns where one may begin that the piece does not end (text.len: nowhere).
 *
 * A token is a long run of digits and words are short: so look at the octet where a token that starts here would end, and go
 * back from there to the last octet that is no digit. Ordinary text is passed in large steps, and no octet is looked at twice:
 * all from start to checked are known to be digits.
 */
static size_t
scan_text(const struct token_scan *s, struct slice text)
{
    const char *data = text.data;
    size_t      start = 0, checked = 0, i;

    while (text.len - start >= TOKEN_CHARS) {
        size_t end = start + TOKEN_CHARS;

        for (i = end; i > checked && is_digit(data[i - 1]); i--)
            ;
        if (i > checked) {
            start = i;
        } else {
            report(s, data + start);
            start++;
        }
        checked = end;
    }
    for (i = text.len; i > checked && is_digit(data[i - 1]); i--)
        ;
    return i > checked ? i : start;
}

/* Keeps the rest of text from the first octet that may begin a token: fewer than TOKEN_CHARS are left. */
static void
keep_begun(struct token_scan *s, struct slice text, size_t from)
{
    s->len = 0;
    for (; from < text.len; from++) {
        const char *at = text.data + from;
        size_t      left = text.len - from;

        if ((at[0] | 0x20) == 'm' && (left < 2 || (at[1] | 0x20) == 't') && (left < 3 || at[2] == '1')) {
            assert(left < TOKEN_CHARS);
            memcpy(s->window, at, left);
            s->len = (unsigned)left;
            return;
        }
    }
}

void
token_scan_feed(struct token_scan *s, struct slice text)
{
    /* What was begun, and enough of the new text to end it: tokens that start in the window end in here. */
    char         room[2 * TOKEN_CHARS];
    size_t       add = text.len < TOKEN_CHARS - 1 ? text.len : TOKEN_CHARS - 1;
    struct slice joined;

    if (text.len == 0)
        return;
    if (s->len > 0) {
        memcpy(room, s->window, s->len);
        memcpy(room + s->len, text.data, add);
        joined = slice_make(room, s->len + add);
        keep_begun(s, joined, scan_text(s, joined));
        if (add == text.len)
            return;
    }
    keep_begun(s, text, scan_text(s, text));
}
