/* The writer of canonical msgpack: see value.h. */
#include "proto/value.h"

#include "common/mem.h"
#include "proto/utf8.h"

#include <assert.h>
#include <math.h>
#include <msgpack.h>
#include <stdlib.h>

static int append(void *out, const char *data, size_t size)
{
    buf_append(out, data, size);
    return 0;
}

static msgpack_packer packer(struct pack *pack)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, pack->out, append);
    return packer;
}

void pack_init(struct pack *pack, struct buf *out)
{
    *pack = (struct pack){.out = out};
}

static void close_full_levels(struct pack *pack)
{
    while (pack->depth > 0 && pack->levels[pack->depth - 1].left == 0)
        pack->depth--;
}

/* A value is about to be written: count it in the map or array it belongs to. */
static void count_value(struct pack *pack)
{
    if (pack->depth == 0)
        return;
    struct pack_level *level = &pack->levels[pack->depth - 1];
    assert(level->left > 0);
    assert(!level->map || level->value_next); /* a map's value without pack_key before it */
    level->value_next = false;
    level->left--;
}

static void open_level(struct pack *pack, uint32_t count, bool map)
{
    assert(pack->depth < PACK_DEPTH_MAX);
    pack->levels[pack->depth++] = (struct pack_level){.left = count, .map = map};
    close_full_levels(pack);
}

void pack_map(struct pack *pack, uint32_t count)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_map(&to, count);
    open_level(pack, count, true);
}

void pack_array(struct pack *pack, uint32_t count)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_array(&to, count);
    open_level(pack, count, false);
}

static bool is_ascending(const struct pack *pack, const struct pack_level *level,
                         const char *key, size_t size)
{
    if (level->key_at == 0)
        return true;
    const uint8_t *last = pack->out->data + level->key_at;
    size_t common = size < level->key_size ? size : level->key_size;
    int order = memcmp(last, key, common);
    return order < 0 || (order == 0 && level->key_size < size);
}

void pack_key(struct pack *pack, const char *key)
{
    assert(pack->depth > 0);
    struct pack_level *level = &pack->levels[pack->depth - 1];
    size_t size = strlen(key);
    assert(level->map && !level->value_next && level->left > 0);
    assert(is_ascending(pack, level, key, size));
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_str(&to, size);
    level->key_at = pack->out->size;
    level->key_size = size;
    level->value_next = true;
    (void)msgpack_pack_str_body(&to, key, size);
}

void pack_nil(struct pack *pack)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_nil(&to);
    close_full_levels(pack);
}

void pack_bool(struct pack *pack, bool value)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)(value ? msgpack_pack_true(&to) : msgpack_pack_false(&to));
    close_full_levels(pack);
}

void pack_u64(struct pack *pack, uint64_t value)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_uint64(&to, value);
    close_full_levels(pack);
}

void pack_i64(struct pack *pack, int64_t value)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_int64(&to, value);
    close_full_levels(pack);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7ff8000000000000 : bits;
}

void pack_f64(struct pack *pack, double value)
{
    count_value(pack);
    uint64_t bits = bits_of(value);
    memcpy(&value, &bits, sizeof value);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_double(&to, value);
    close_full_levels(pack);
}

void pack_text(struct pack *pack, const char *text)
{
    count_value(pack);
    size_t size = strlen(text), at = 0;
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_str(&to, size);
    while (at < size) {
        const uint8_t *rest = (const uint8_t *)text + at;
        size_t valid = utf8_valid_size(rest, size - at);
        buf_append(pack->out, rest, valid);
        at += valid;
        if (at < size) {
            buf_append(pack->out, "?", 1);
            at++;
        }
    }
    close_full_levels(pack);
}

void pack_bytes(struct pack *pack, struct span bytes)
{
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_bin(&to, bytes.size);
    buf_append(pack->out, bytes.data, bytes.size);
    close_full_levels(pack);
}

void pack_hash(struct pack *pack, const struct hash *hash)
{
    pack_bytes(pack, (struct span){hash->bytes, HASH_SIZE});
}

void pack_raw(struct pack *pack, struct span value)
{
    assert(value.size > 0);
    count_value(pack);
    buf_append(pack->out, value.data, value.size);
    close_full_levels(pack);
}

void pack_value(struct pack *pack, struct value value)
{
    if (!value.object) {
        pack_nil(pack);
        return;
    }
    count_value(pack);
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_object(&to, *(const msgpack_object *)value.object);
    close_full_levels(pack);
}

/* Room for a `bin` of `count` numbers of `width` bytes behind its header, to be filled. */
static uint8_t *begin_column(struct pack *pack, size_t count, size_t width)
{
    count_value(pack);
    struct buf *out = pack->out;
    msgpack_packer to = packer(pack);
    (void)msgpack_pack_bin(&to, count * width);
    mem_reserve(out->data, out->capacity, out->size + count * width);
    uint8_t *at = out->data + out->size;
    out->size += count * width;
    close_full_levels(pack);
    return at;
}

static void put_le(uint8_t *at, uint64_t value, int width)
{
    for (int i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void pack_f64_array(struct pack *pack, const double *values, size_t count)
{
    uint8_t *at = begin_column(pack, count, 8);
    for (size_t i = 0; i < count; i++)
        put_le(at + 8 * i, bits_of(values[i]), 8);
}

void pack_u16_array(struct pack *pack, const uint16_t *values, size_t count)
{
    uint8_t *at = begin_column(pack, count, 2);
    for (size_t i = 0; i < count; i++)
        put_le(at + 2 * i, values[i], 2);
}

void pack_u32_array(struct pack *pack, const uint32_t *values, size_t count)
{
    uint8_t *at = begin_column(pack, count, 4);
    for (size_t i = 0; i < count; i++)
        put_le(at + 4 * i, values[i], 4);
}

void pack_i64_array(struct pack *pack, const int64_t *values, size_t count)
{
    uint8_t *at = begin_column(pack, count, 8);
    for (size_t i = 0; i < count; i++)
        put_le(at + 8 * i, (uint64_t)values[i], 8);
}
