/* Rows of the journal: see row.h. */
#include "store/row.h"

#include "common/mutant.h"

#include <nmmintrin.h>

uint32_t crc32c(uint32_t crc, struct span bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    uint64_t state = ~crc;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        state = _mm_crc32_u64(state, word);
    }
    for (; left > 0; left--, at++)
        state = _mm_crc32_u8((uint32_t)state, *at);
    return ~(uint32_t)state;
}

static void put_u32_le(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32_le(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
           (uint32_t)at[3] << 24;
}

void put_u64_le(uint8_t *at, uint64_t value)
{
    put_u32_le(at, (uint32_t)value);
    put_u32_le(at + 4, (uint32_t)(value >> 32));
}

uint64_t get_u64_le(const uint8_t *at)
{
    return get_u32_le(at) | (uint64_t)get_u32_le(at + 4) << 32;
}

void sequence_key(uint64_t sequence, uint8_t ret_key[SEQUENCE_SIZE])
{
    for (int i = 0; i < SEQUENCE_SIZE; i++)
        ret_key[i] = (uint8_t)(sequence >> (8 * (SEQUENCE_SIZE - 1 - i)));
}

uint64_t sequence_of_key(struct span key)
{
    uint64_t sequence = 0;
    if (key.size != SEQUENCE_SIZE)
        return 0;
    for (int i = 0; i < SEQUENCE_SIZE; i++)
        sequence = sequence << 8 | key.data[i];
    return sequence;
}

static uint32_t row_checksum(uint64_t sequence, const uint8_t header[ROW_HEADER_SIZE],
                             const struct span *parts, size_t n_parts)
{
    uint8_t key[SEQUENCE_SIZE];
    sequence_key(sequence, key);
    uint32_t crc = crc32c(0, (struct span){key, sizeof key});
    crc = crc32c(crc, (struct span){header, ROW_HEADER_SIZE - 4});
    for (size_t i = 0; i < n_parts; i++)
        crc = crc32c(crc, parts[i]);
    return crc;
}

void row_header(uint64_t sequence, enum row_kind kind, const struct span *parts, size_t n_parts,
                uint8_t ret_header[ROW_HEADER_SIZE])
{
    size_t size = 0;
    for (size_t i = 0; i < n_parts; i++)
        size += parts[i].size;
    memset(ret_header, 0, ROW_HEADER_SIZE);
    ret_header[0] = (uint8_t)kind;
    put_u32_le(ret_header + 4, (uint32_t)size);
    put_u32_le(ret_header + 8, row_checksum(sequence, ret_header, parts, n_parts));
}

int row_decode_unchecked(uint64_t sequence, struct span value, struct row *ret, struct err *err)
{
    unsigned long long number = sequence;
    if (value.size < ROW_HEADER_SIZE)
        return err_set(err, ERR_CORRUPT, "row %llu: %zu bytes, less than a header", number,
                       value.size);
    struct span payload = {value.data + ROW_HEADER_SIZE, value.size - ROW_HEADER_SIZE};
    if (get_u32_le(value.data + 4) != payload.size)
        return err_set(err, ERR_CORRUPT, "row %llu: says %u bytes, has %zu", number,
                       get_u32_le(value.data + 4), payload.size);
    uint8_t kind = value.data[0];
    if (kind < ROW_OBJECT || kind > ROW_PRUNED)
        return err_set(err, ERR_CORRUPT, "row %llu: kind %u is not known", number, kind);
    *ret = (struct row){(enum row_kind)kind, sequence, payload};
    return 0;
}

int row_decode(uint64_t sequence, struct span value, struct row *ret, struct err *err)
{
    struct span payload = {value.data + ROW_HEADER_SIZE, value.size - ROW_HEADER_SIZE};
    if (value.size >= ROW_HEADER_SIZE && get_u32_le(value.data + 4) == payload.size &&
        get_u32_le(value.data + 8) != row_checksum(sequence, value.data, &payload, 1) &&
        !MUTANT(CHECKSUM_IGNORED))
        return err_set(err, ERR_CORRUPT, "row %llu: wrong checksum",
                       (unsigned long long)sequence);
    return row_decode_unchecked(sequence, value, ret, err);
}

size_t object_head_encode(const struct store_info *info, uint8_t ret[ROW_OBJECT_HEAD_SIZE])
{
    size_t type_size = strlen(info->type);
    memcpy(ret, info->id.bytes, HASH_SIZE);
    put_u64_le(ret + HASH_SIZE, info->size);
    ret[HASH_SIZE + 8] = (uint8_t)type_size;
    memcpy(ret + HASH_SIZE + 9, info->type, type_size);
    return HASH_SIZE + 9 + type_size;
}

int object_head_decode(uint64_t sequence, struct span payload, struct store_info *ret,
                       struct span *ret_data, struct err *err)
{
    const size_t fixed = HASH_SIZE + 9;
    size_t type_size = payload.size < fixed ? OBJECT_TYPE_SIZE : payload.data[fixed - 1];
    if (type_size >= OBJECT_TYPE_SIZE || payload.size < fixed + type_size ||
        get_u64_le(payload.data + HASH_SIZE) > STORE_OBJECT_BYTES_MAX)
        return err_set(err, ERR_CORRUPT, "row %llu: no object begins here",
                       (unsigned long long)sequence);
    *ret = (struct store_info){.size = get_u64_le(payload.data + HASH_SIZE)};
    memcpy(ret->id.bytes, payload.data, HASH_SIZE);
    memcpy(ret->type, payload.data + fixed, type_size);
    *ret_data =
        (struct span){payload.data + fixed + type_size, payload.size - fixed - type_size};
    return 0;
}

uint64_t object_rows(uint64_t size)
{
    return size == 0 ? 1 : (size + STORE_CHUNK_BYTES - 1) / STORE_CHUNK_BYTES;
}
