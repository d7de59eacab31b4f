#ifndef MEANING_SUBJECT_H
#define MEANING_SUBJECT_H
/*
 * subject - what the beginning of a Subject tells: the prefixes that mail programs put in front of replies and forwards in
 * many languages, and the wording of automatic replies. Tags in brackets that gateways add ("[EXTERNAL]") are passed over.
 * A hint only: whoever asks has other evidence.
 */

#include "lib/slice.h"

enum subject_prefix {
    SUBJECT_PLAIN,
    SUBJECT_REPLY,          /* "Re:", "AW:", "SV:", "Re[2]:" */
    SUBJECT_FORWARD,        /* "Fwd:", "WG:", "TR:" */
    SUBJECT_EITHER,         /* "VS:" is a reply in Finnish and a forward in Danish and Norwegian */
};

/* subject: decoded, UTF-8. *prefix: the outermost prefix with its colon; empty where there is none. */
enum subject_prefix subject_prefix_of(struct slice subject, struct slice *prefix);

/* Whether it begins, behind reply prefixes, as automatic replies do: "Out of Office", "Abwesenheitsnotiz". *wording: those words. */
bool subject_is_automatic(struct slice subject, struct slice *wording);

#endif
