#include "checker/block_name.h"

#include "lib/error.h"

#include <arpa/inet.h>
#include <stdio.h>

#define DNS_NAME_MAX 253u

enum block_kind
block_kind_of(const char *text)
{
    struct in6_addr in;

    if (inet_pton(AF_INET, text, &in) == 1)
        return BLOCK_IPV4;
    return inet_pton(AF_INET6, text, &in) == 1 ? BLOCK_IPV6 : BLOCK_DOMAIN;
}

bool
block_name_make(enum block_kind kind, const char *text, const char *list, char out[BLOCK_NAME_BYTES])
{
    unsigned char a[sizeof(struct in6_addr)];
    size_t        len = 0;
    int           n;

    if (kind == BLOCK_IPV4 && inet_pton(AF_INET, text, a) == 1) {
        n = snprintf(out, BLOCK_NAME_BYTES, "%u.%u.%u.%u.%s", a[3], a[2], a[1], a[0], list);
    } else if (kind == BLOCK_IPV6 && inet_pton(AF_INET6, text, a) == 1) {
        for (int i = (int)sizeof(a) - 1; i >= 0; i--)
            len += (size_t)snprintf(out + len, BLOCK_NAME_BYTES - len, "%x.%x.", a[i] & 15u, a[i] >> 4);
        n = snprintf(out + len, BLOCK_NAME_BYTES - len, "%s", list) + (int)len;
    } else if (kind == BLOCK_DOMAIN) {
        n = snprintf(out, BLOCK_NAME_BYTES, "%s.%s", text, list);
    } else {
        return false;
    }
    return n > 0 && (size_t)n <= DNS_NAME_MAX;
}

const char *
block_listed_point(const struct block_list *list, enum block_kind kind)
{
    if (kind == BLOCK_DOMAIN)
        return list->listed != NULL ? list->listed : "test";
    return kind == BLOCK_IPV4 ? "127.0.0.2" : "::ffff:7f00:2";
}

const char *
block_unlisted_point(const struct block_list *list, enum block_kind kind)
{
    if (kind == BLOCK_DOMAIN)
        return list->unlisted != NULL ? list->unlisted : "invalid";
    return kind == BLOCK_IPV4 ? "127.0.0.1" : "::ffff:7f00:1";
}

bool
block_list_has(const struct block_list *list, enum block_kind kind)
{
    if (kind == BLOCK_DOMAIN)
        return list->domains;
    return list->addresses && (kind == BLOCK_IPV4 || list->ipv6);
}

/* ---- Answers ------------------------------------------------------------------------------------------------------ */

/* The last octet of a pattern: from low to high, or with one of these bits. */
struct pattern {
    unsigned char fixed[3];
    unsigned      low, high, bits;
};

static bool
take_octet(struct slice *rest, unsigned *out)
{
    uint64_t n = 0;
    size_t   len = 0;

    while (len < rest->len && rest->data[len] >= '0' && rest->data[len] <= '9')
        len++;
    if (slice_to_u64(slice_sub(*rest, 0, len), 255, &n) != MT_OK)
        return false;
    *out = (unsigned)n;
    *rest = slice_sub(*rest, len, rest->len);
    return true;
}

static bool
take_char(struct slice *rest, char c)
{
    if (rest->len == 0 || rest->data[0] != c)
        return false;
    *rest = slice_sub(*rest, 1, rest->len);
    return true;
}

static bool
read_pattern(struct slice text, struct pattern *p)
{
    unsigned octet = 0;

    *p = (struct pattern){ .high = 255 };
    for (size_t i = 0; i < COUNT(p->fixed); i++) {
        if (!take_octet(&text, &octet) || !take_char(&text, '.'))
            return false;
        p->fixed[i] = (unsigned char)octet;
    }
    if (take_char(&text, '*'))
        return text.len == 0;
    if (take_char(&text, '&'))
        return take_octet(&text, &p->bits) && p->bits != 0 && text.len == 0;
    if (!take_octet(&text, &p->low))
        return false;
    p->high = p->low;
    if (take_char(&text, '-') && !take_octet(&text, &p->high))
        return false;
    return text.len == 0 && p->low <= p->high;
}

bool
block_pattern_is_fit(struct slice pattern)
{
    struct pattern p;

    return read_pattern(pattern, &p);
}

bool
block_pattern_fits(const char *pattern, struct in_addr answer)
{
    const unsigned char *a = (const unsigned char *)&answer.s_addr;
    struct pattern       p;

    if (!read_pattern(slice_of(pattern), &p) || memcmp(a, p.fixed, sizeof(p.fixed)) != 0)
        return false;
    return p.bits != 0 ? (a[3] & p.bits) != 0 : a[3] >= p.low && a[3] <= p.high;
}

enum block_answer
block_answer_of(const struct block_list *list, struct in_addr answer, char *meaning, size_t size)
{
    const unsigned char *a = (const unsigned char *)&answer.s_addr;
    bool                 ignored = (a[1] == 255 && a[2] == 255) || (a[1] == 0 && a[2] == 0 && a[3] == 1), explained = false;

    if (a[0] != 127)
        return BLOCK_NONSENSE;
    for (unsigned i = 0; i < list->codes_count; i++) {
        const struct block_list_code *c = &list->codes[i];
        size_t                        len = strlen(meaning);

        if (!block_pattern_fits(c->answer, answer))
            continue;
        ignored = explained ? ignored : c->ignored;
        explained = true;
        if (c->meaning[0] != '\0' && len + 3 < size && strstr(meaning, c->meaning) == NULL)
            snprintf(meaning + len, size - len, "%s%s", len > 0 ? ", " : "", c->meaning);
    }
    return ignored ? BLOCK_REFUSED : BLOCK_LISTED;
}
