#ifndef FINDER_COMPRESSED_RTF_H
#define FINDER_COMPRESSED_RTF_H
/*
 * compressed_rtf - decompresses the RTF of the MAPI property PidTagRtfCompressed (MS-OXRTFCP): "LZFu", and "MELA", which is
 * not compressed. Lenient: sizes and checksum are not looked at; the stream ends where it says so, or where the octets end.
 *
 * Time: linear; at most nine times the octets fed are told. Memory: the struct, about 4.2 KiB.
 */

#include "finder/gather.h"
#include "finder/octets.h"

#define COMPRESSED_RTF_DICTIONARY_BYTES 4096u

/* Private. */
struct compressed_rtf {
    octets_fn    *told;
    void         *arg;
    struct gather header;
    uint8_t       state;
    uint8_t       flags, flags_left;    /* for the items that follow, lowest bit first */
    uint8_t       first;                /* the first octet of a reference */
    uint16_t      write_at;
    unsigned char dictionary[COMPRESSED_RTF_DICTIONARY_BYTES];
};

void compressed_rtf_init(struct compressed_rtf *c, octets_fn *told, void *arg);

/* Whatever can be told is told at once: there is nothing to finish. */
void compressed_rtf_feed(struct compressed_rtf *c, struct slice octets);

#endif
