/* Which bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms, up to U+10FFFF). */
#ifndef WYCKMILL_PROTO_UTF8_H
#define WYCKMILL_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Length of the sequence at `bytes`, 1..4; 0 when it is not one. `left` > 0 bytes may be read.
 */
static inline size_t utf8_sequence(const uint8_t *bytes, size_t left)
{
    uint8_t b = bytes[0];
    if (b < 0x80)
        return 1;
    size_t size = b >= 0xc2 && b <= 0xdf   ? 2
                  : (b & 0xf0) == 0xe0     ? 3
                  : b >= 0xf0 && b <= 0xf4 ? 4
                                           : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    if ((b == 0xe0 && bytes[1] < 0xa0) || (b == 0xed && bytes[1] > 0x9f) ||
        (b == 0xf0 && bytes[1] < 0x90) || (b == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return size;
}

/* Offset of the first byte that is not UTF-8; `size` when all are. */
static inline size_t utf8_valid_size(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        size_t n = utf8_sequence(bytes + at, size - at);
        if (n == 0)
            return at;
        at += n;
    }
    return size;
}

#endif
