#include "checker/secret_echo.h"

#include <sodium.h>

enum { GROUP_OCTETS = 3, GROUP_CHARS = 4 };     /* of base64 */

/* Base64 has a text in one of three forms, by its place: of each the groups are looked for that nothing but the secret makes. */
static bool
is_in_base64(struct slice secret, struct slice text)
{
    char encoded[sodium_base64_ENCODED_LEN(SECRET_ECHO_LONGEST, sodium_base64_VARIANT_ORIGINAL)];
    bool found = false;

    for (size_t skipped = 0; skipped < GROUP_OCTETS && !found; skipped++) {
        size_t groups = (secret.len - skipped) / GROUP_OCTETS;

        if (groups == 0)
            continue;
        sodium_bin2base64(encoded, sizeof(encoded), (const unsigned char *)secret.data + skipped, groups * GROUP_OCTETS, sodium_base64_VARIANT_ORIGINAL);
        found = memmem(text.data, text.len, encoded, groups * GROUP_CHARS) != NULL;
    }
    sodium_memzero(encoded, sizeof(encoded));
    return found;
}

bool
secret_echo_is_in(const char *secret, struct slice text)
{
    struct slice s = slice_sub(slice_of(secret), 0, SECRET_ECHO_LONGEST);

    return s.len >= SECRET_ECHO_SHORTEST && text.len > 0 && (slice_find_nocase(text, s) < text.len || is_in_base64(s, text));
}
