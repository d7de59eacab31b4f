#include "checker/authorities.h"

#include <dirent.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_CHARS = 8, ENTRIES_MAX = 1000 };

/* "5ed36f99.0", as openssl-rehash(1) names them. */
static bool
is_hashed(const char *name)
{
    return strspn(name, "0123456789abcdef") == HASH_CHARS && name[HASH_CHARS] == '.' && name[HASH_CHARS + 1] >= '0' && name[HASH_CHARS + 1] <= '9';
}

static bool
has_hashed_folder(void)
{
    DIR           *folder = opendir(X509_get_default_cert_dir());
    struct dirent *entry;
    bool           found = false;

    for (unsigned i = 0; folder != NULL && !found && i < ENTRIES_MAX && (entry = readdir(folder)) != NULL; i++)
        found = is_hashed(entry->d_name);
    if (folder != NULL)
        closedir(folder);
    return found;
}

bool
authorities_load(SSL_CTX *context, const char *file)
{
    bool own = getenv(X509_get_default_cert_file_env()) != NULL || getenv(X509_get_default_cert_dir_env()) != NULL;
    int  loaded;

    if (file != NULL)
        loaded = SSL_CTX_load_verify_file(context, file);
    else if (!own && has_hashed_folder())
        loaded = SSL_CTX_set_default_verify_dir(context);
    else
        loaded = SSL_CTX_set_default_verify_paths(context);
    if (loaded != 1)
        ERR_clear_error();
    return loaded == 1;
}
