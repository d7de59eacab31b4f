#include "meaning/link.h"

#include "meaning/words.h"

/* What may stand in a link in running text (RFC 3986), which ends at anything else. */
static bool
is_link_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("-._~:/?#[]@!$&'()*+,;=%", c) != NULL);
}

/* Punctuation at its end belongs to the sentence. */
static size_t
link_len(struct slice s)
{
    size_t len = 0;

    while (len < s.len && is_link_char(s.data[len]))
        len++;
    while (len > 0 && strchr(".,;:!?')]", s.data[len - 1]) != NULL)
        len--;
    return len;
}

static bool
take_apart(struct slice whole, struct link *out)
{
    struct slice rest = slice_sub(whole, strlen("https://"), whole.len), authority, port;
    size_t       end = 0;

    while (end < rest.len && strchr("/?#", rest.data[end]) == NULL)
        end++;
    authority = slice_sub(rest, 0, end);
    if (slice_find(authority, '@') < authority.len)
        return false;
    port = slice_sub(authority, slice_find(authority, ':'), authority.len);
    out->whole = whole;
    out->host = slice_sub(authority, 0, slice_find(authority, ':'));
    out->path = slice_sub(rest, end, rest.len);
    return out->host.len > 0 && (port.len == 0 || slice_equal(port, slice_of(":443")));
}

bool
link_next(struct slice *rest, struct link *out)
{
    for (;;) {
        struct slice behind = words_after(*rest, "https://"), whole;

        if (behind.data == NULL)
            return false;
        whole = slice_make(behind.data - strlen("https://"), behind.len + strlen("https://"));
        whole.len = link_len(whole);
        *rest = slice_sub(behind, whole.len > strlen("https://") ? whole.len - strlen("https://") : 0, behind.len);
        if (whole.len > strlen("https://") && take_apart(whole, out))
            return true;
    }
}

bool
link_is_at(const struct link *l, const char *domain)
{
    size_t       len = strlen(domain);
    struct slice end;

    if (l->host.len < len)
        return false;
    end = slice_sub(l->host, l->host.len - len, len);
    return slice_equal_nocase(end, slice_make(domain, len)) && (l->host.len == len || l->host.data[l->host.len - len - 1] == '.');
}
