/* Structures from any format to any other: see convert.h. */
#include "cli/convert.h"

#include "common/cleanup.h"
#include "common/file.h"
#include "common/mem.h"
#include "workers/encode/encode.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <zstd.h>

enum { NAME_SIZE = ID_SIZE + 16, ZSTD_LEVEL = 10 };

void conversion_done(struct conversion *conversion)
{
    for (uint32_t i = 0; i < conversion->n; i++) {
        structure_done(&conversion->structures[i]);
        record_done(&conversion->records[i]);
    }
    free(conversion->structures);
    free(conversion->records);
    *conversion = (struct conversion){0};
}

/* ---- in ---- */

/* The structure's cell and atoms become those that its record gives; id and properties stay. */
static int decode(const struct record *record, bool primitive, struct structure *structure,
                  struct reject *ret_reject)
{
    struct structure decoded;
    struct err err = {0};
    int rc = primitive ? record_to_primitive(record, &decoded, &err)
                       : record_to_structure(record, &decoded, &err);
    if (rc) {
        *ret_reject = (struct reject){.line = structure->line};
        memcpy(ret_reject->id, structure->id, sizeof ret_reject->id);
        memcpy(ret_reject->file, structure->file, sizeof ret_reject->file);
        (void)snprintf(ret_reject->reason, sizeof ret_reject->reason, "%s", err.text);
        return rc;
    }
    decoded.n_properties = structure->n_properties;
    decoded.properties = take(structure->properties);
    structure_done(structure);
    *structure = decoded;
    return 0;
}

int conversion_add(struct conversion *conversion, const struct source_item *item,
                   struct reject *ret_reject)
{
    struct structure structure = {0};
    struct record record = {0};
    int rc;
    if (conversion->symmetrize)
        rc = encode_item(item, conversion->symprec, &structure, &record, ret_reject);
    else
        rc = encode_read(item, &structure, ret_reject);
    if (rc == 0 && conversion->symmetrize)
        rc = decode(&record, conversion->primitive, &structure, ret_reject);
    if (rc) {
        structure_done(&structure);
        record_done(&record);
        return rc;
    }
    if (conversion->n == conversion->capacity) {
        conversion->capacity = conversion->capacity ? 2 * conversion->capacity : 16;
        conversion->structures = mem_resize(conversion->structures, conversion->capacity,
                                            sizeof *conversion->structures);
        conversion->records =
            mem_resize(conversion->records, conversion->capacity, sizeof *conversion->records);
    }
    conversion->structures[conversion->n] = structure;
    conversion->records[conversion->n++] = record;
    return 0;
}

/* ---- names ---- */

/* What any file system and CIF take: no folders, no hidden files, no options. */
static void safe_name(const char *id, char ret[ID_SIZE])
{
    size_t n = 0;
    for (; id[n]; n++) {
        unsigned char c = (unsigned char)id[n];
        bool plain = c < 0x80 && (isalnum(c) || c == '-' || c == '.' || c == '_' || c == '+');
        ret[n] = plain && !(n == 0 && (c == '-' || c == '.')) ? id[n] : '_';
    }
    ret[n] = '\0';
    if (n == 0)
        (void)snprintf(ret, ID_SIZE, "structure");
}

static void lower_case(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* "mp-1", or "mp-1-2" when `used` has it; takes note of it there. */
static void unique_name(json_t *used, const char *id, char ret[NAME_SIZE])
{
    char base[ID_SIZE], key[NAME_SIZE];
    safe_name(id, base);
    (void)snprintf(ret, NAME_SIZE, "%s", base);
    (void)snprintf(key, NAME_SIZE, "%s", base);
    lower_case(key);
    json_t *counter = json_object_get(used, key);
    json_int_t k = json_integer_value(counter); /* 0 for none */
    while (json_object_get(used, key)) {
        (void)snprintf(ret, NAME_SIZE, "%s-%d", base, (int)++k);
        (void)snprintf(key, NAME_SIZE, "%s", ret);
        lower_case(key);
    }
    if (counter) /* where to go on for the next of this name */
        (void)json_integer_set(counter, k);
    (void)json_object_set_new(used, key, json_integer(1));
}

/* All structures with their names, for format_write. Caller frees both. */
static struct format_out *list_all(const struct conversion *conversion,
                                   char (**ret_names)[NAME_SIZE])
{
    struct format_out *list = mem_new(conversion->n, sizeof *list);
    char(*names)[NAME_SIZE] = mem_new(conversion->n, sizeof *names);
    json_t *used = json_object();
    for (uint32_t i = 0; i < conversion->n; i++) {
        unique_name(used, conversion->structures[i].id, names[i]);
        list[i] = (struct format_out){.structure = &conversion->structures[i],
                                      .record = conversion->symmetrize ? &conversion->records[i]
                                                                       : NULL,
                                      .all_atoms = conversion->primitive,
                                      .name = names[i]};
    }
    json_decref(used);
    *ret_names = names;
    return list;
}

/* ---- out ---- */

static void pack(const struct buf *plain, struct buf *out)
{
    size_t bound = ZSTD_compressBound(plain->size);
    cleanup(free_ptr) uint8_t *bytes = mem_new(bound, 1);
    size_t size = ZSTD_compress(bytes, bound, plain->data, plain->size, ZSTD_LEVEL);
    if (ZSTD_isError(size)) { /* only for want of memory: as common/mem.h */
        (void)fprintf(stderr, "wyckmill: zstd: %s\n", ZSTD_getErrorName(size));
        abort();
    }
    buf_append(out, bytes, size);
}

int conversion_print(const struct conversion *conversion, const char *format, bool lines,
                     bool packed, struct buf *out, struct err *err)
{
    struct buf plain = {0};
    char(*names)[NAME_SIZE];
    struct format_out *list = list_all(conversion, &names);
    uint32_t at_once = lines ? 1 : conversion->n;
    int rc = 0;
    for (uint32_t i = 0; i < conversion->n && rc == 0; i += at_once)
        rc = format_write(format, list + i, at_once, &plain, err);
    if (rc == 0 && packed)
        pack(&plain, out);
    else if (rc == 0)
        buf_append(out, plain.data, plain.size);
    buf_done(&plain);
    free(list);
    free(names);
    return rc;
}

int conversion_write_folder(const struct conversion *conversion, const char *format,
                            const char *folder, struct err *err)
{
    char(*names)[NAME_SIZE];
    struct format_out *list = list_all(conversion, &names);
    int rc = file_make_folder(folder, err);
    for (uint32_t i = 0; i < conversion->n && rc == 0; i++) {
        struct buf bytes = {0}, path = {0};
        buf_print(&path, "%s/%s.%s", folder, names[i], format);
        rc = format_write(format, &list[i], 1, &bytes, err);
        if (rc == 0)
            rc = file_write(buf_text(&path), buf_span(&bytes), err);
        buf_done(&bytes);
        buf_done(&path);
    }
    free(list);
    free(names);
    return rc;
}
