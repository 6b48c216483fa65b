/* SHA-256, the name of everything: object id = hash of the object's bytes (FIPS 180-4). */
#ifndef WYCKMILL_COMMON_HASH_H
#define WYCKMILL_COMMON_HASH_H

#include "common/err.h"
#include "common/span.h"

#include <stdbool.h>

enum { HASH_SIZE = 32, HASH_HEX_SIZE = 65 /* 64 digits and NUL */ };

struct hash {
    uint8_t bytes[HASH_SIZE];
};

/* SHA-256 of the bytes. Cannot fail. */
struct hash hash_bytes(struct span bytes);

/* The same of bytes that come in parts: hash_bytes of all that was added. Cannot fail. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_add(struct hasher *hasher, struct span bytes);
/* Once, when all is added. */
struct hash hasher_end(struct hasher *hasher);
void hasher_free(struct hasher *hasher);

/* Lower-case hex, NUL-terminated. Returns `ret_hex`. */
char *hash_hex(const struct hash *hash, char ret_hex[HASH_HEX_SIZE]);

/* Exactly 64 hex digits. Errors: ERR_INVALID. */
int hash_parse(const char *hex, struct hash *ret_hash, struct err *err);

bool hash_equal(const struct hash *a, const struct hash *b);
int hash_compare(const struct hash *a, const struct hash *b);

/* The first 8 bytes as a little-endian number: the key of the action's random numbers. */
uint64_t hash_u64(const struct hash *hash);

#endif
