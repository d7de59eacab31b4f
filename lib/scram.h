#ifndef LIB_SCRAM_H
#define LIB_SCRAM_H
/* scram - reads the attributes of which the messages of SCRAM consist (RFC 5802 section 5.1). */

#include "lib/slice.h"

/*
 * The value of the attribute that *s begins with ("r=…"), up to the next comma; *s then begins behind that. False: it begins with another one, or
 * with none; nothing is changed.
 */
bool scram_attribute(struct slice *s, char name, struct slice *value);

#endif
