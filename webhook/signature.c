#include "webhook/signature.h"

#include <sodium.h>
#include <stdio.h>

void
signature_make(struct slice secret, uint64_t timestamp_unix, struct slice body, char out[SIGNATURE_HEX_CHARS + 1])
{
    crypto_auth_hmacsha256_state state;
    uint8_t                      mac[crypto_auth_hmacsha256_BYTES];
    char                         front[24];
    int                          len = snprintf(front, sizeof(front), "%llu.", (unsigned long long)timestamp_unix);

    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret.data, secret.len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)front, (size_t)len);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)body.data, body.len);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2hex(out, SIGNATURE_HEX_CHARS + 1, mac, sizeof(mac));
    sodium_memzero(&state, sizeof(state));
}
