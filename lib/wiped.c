#include "lib/wiped.h"

#include <event2/event.h>
#include <malloc.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void
free_wiped(void *memory)
{
    if (memory != NULL)
        sodium_memzero(memory, malloc_usable_size(memory));
    free(memory);
}

/* realloc() would leave a copy behind. */
static void *
realloc_wiped(void *memory, size_t size)
{
    size_t had = memory == NULL ? 0 : malloc_usable_size(memory);
    void  *grown = malloc(size);

    if (grown == NULL)
        return NULL;
    if (had > 0)
        memcpy(grown, memory, had < size ? had : size);
    free_wiped(memory);
    return grown;
}

void
wiped_by_libevent(void)
{
    event_set_mem_functions(malloc, realloc_wiped, free_wiped);
}
