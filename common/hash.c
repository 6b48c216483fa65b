/* SHA-256 by libcrypto (SHA-NI where the CPU has it). */
#include "common/hash.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

struct hash hash_bytes(struct span bytes)
{
    struct hash hash;
    static const uint8_t nothing = 0;
    (void)SHA256(bytes.size ? bytes.data : &nothing, bytes.size, hash.bytes);
    return hash;
}

/* Both names are libcrypto's context: it allocates, so a failure of it is an allocation's. */
static EVP_MD_CTX *context_of(struct hasher *hasher)
{
    return (EVP_MD_CTX *)hasher;
}

struct hasher *hasher_new(void)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    assert(good);
    return (struct hasher *)context;
}

void hasher_add(struct hasher *hasher, struct span bytes)
{
    (void)EVP_DigestUpdate(context_of(hasher), bytes.data, bytes.size);
}

struct hash hasher_end(struct hasher *hasher)
{
    struct hash hash;
    (void)EVP_DigestFinal_ex(context_of(hasher), hash.bytes, NULL);
    return hash;
}

void hasher_free(struct hasher *hasher)
{
    EVP_MD_CTX_free(context_of(hasher));
}

char *hash_hex(const struct hash *hash, char ret_hex[HASH_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < HASH_SIZE; i++) {
        ret_hex[2 * i] = digits[hash->bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[hash->bytes[i] & 15];
    }
    ret_hex[2 * HASH_SIZE] = '\0';
    return ret_hex;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hash_parse(const char *hex, struct hash *ret_hash, struct err *err)
{
    struct hash hash;
    if (strlen(hex) != 2 * HASH_SIZE)
        return err_set(err, ERR_INVALID, "'%.80s' is not an id: want 64 hex digits", hex);
    for (int i = 0; i < HASH_SIZE; i++) {
        int high = hex_value(hex[2 * i]), low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return err_set(err, ERR_INVALID, "'%.80s' is not an id: want 64 hex digits", hex);
        hash.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_hash = hash;
    return 0;
}

bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_SIZE) == 0;
}

int hash_compare(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_SIZE);
}

uint64_t hash_u64(const struct hash *hash)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | hash->bytes[i];
    return value;
}
