#ifndef LIB_FOLDER_NAME_H
#define LIB_FOLDER_NAME_H
/*
 * folder_name - names of folders in UTF-8, whose levels "/" separates. Pure. INBOX is the same in any letter case, also as the first
 * of several levels.
 */

#include "lib/slice.h"

#define FOLDER_NAME_BYTES 255u

/*
 * Whether a folder may have that name: 1 to FOLDER_NAME_BYTES octets of valid UTF-8 without control characters (C0, DEL, C1), without
 * line and paragraph separators (U+2028, U+2029; RFC 6855 section 3), and without the wildcards "*" and "%"; no level of it is empty, "." or "..", which programs that keep folders as files could not keep.
 */
bool folder_name_is_fine(struct slice name);

/* Which of these rules a name breaks, for an answer: "it is empty"; NULL: none. */
const char *folder_name_fault(struct slice name);

/* Copies the name with a first level INBOX in capitals. False: it does not fit. */
bool folder_name_copy(char to[FOLDER_NAME_BYTES + 1], struct slice name);

/* The name of the folder around it; empty: there is none. */
struct slice folder_name_parent(struct slice name);

/* Whether name is below parent, at any depth. */
bool folder_name_is_below(struct slice name, struct slice parent);

#endif
