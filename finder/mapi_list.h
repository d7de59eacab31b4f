#ifndef FINDER_MAPI_LIST_H
#define FINDER_MAPI_LIST_H
/*
 * mapi_list - goes through a list of MAPI properties as TNEF has it (MS-OXTNEF 2.1.3.4), and through a table of such lists,
 * and tells their values (finder/mapi.h): named properties, several values, and the padding to four octets included.
 *
 * The caller ends it at the end of the attribute that holds it, so no length in it leads further. At a property of a type that
 * is not known it gives up the rest.
 *
 * Time: linear, as each property and each value takes four octets or more. Memory: the struct.
 */

#include "finder/mapi.h"

/* Private. */
struct mapi_list {
    struct mapi_value *value;           /* borrowed */
    struct slice       file_name;       /* borrowed: of the attachment whose properties these are */
    struct gather      gather;
    uint8_t            state;
    uint8_t            behind_skip;     /* what comes behind the octets that are skipped */
    uint32_t           rows, properties, values;    /* that are still to come */
    uint32_t           tag;
    uint64_t           left;            /* of the value, or to be skipped */
    uint8_t            padding;         /* behind the value */
};

/* A table has a number of lists in front. Borrows value, and file_name until the end. */
void mapi_list_begin(struct mapi_list *l, struct mapi_value *value, bool is_table, struct slice file_name);
void mapi_list_feed(struct mapi_list *l, struct slice octets);
void mapi_list_end(struct mapi_list *l);

#endif
