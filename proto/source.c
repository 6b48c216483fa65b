/* The object "source": raw text of a few input structures. See objects.h. */
#include "proto/objects.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "proto/record.h"

#include <assert.h>
#include <stdlib.h>

enum { SOURCE_VERSION = 1 };

static const char source_format[] = "wyckmill source";

void source_done(struct source *source)
{
    for (uint32_t i = 0; source->items && i < source->n_items; i++)
        free(source->items[i].text);
    for (uint32_t i = 0; i < source->n_files; i++)
        free(source->files[i]);
    free(source->items);
    free(source->files);
    *source = (struct source){0};
}

const char *source_file(struct source *source, const char *name)
{
    uint32_t n = source->n_files;
    if (n > 0 && !strcmp(source->files[n - 1], name))
        return source->files[n - 1];
    if ((n & (n - 1)) == 0)
        source->files = mem_resize(source->files, n ? (size_t)n * 2 : 1, sizeof *source->files);
    source->files[source->n_files++] = mem_text(name);
    return source->files[n];
}

void source_encode(const struct source *source, struct buf *out)
{
    struct pack pack;
    assert(source->n_items <= SOURCE_ITEMS_MAX);
    pack_init(&pack, out);
    pack_map(&pack, 3);
    pack_key(&pack, "format");
    pack_text(&pack, source_format);
    pack_key(&pack, "items");
    pack_array(&pack, source->n_items);
    for (uint32_t i = 0; i < source->n_items; i++) {
        const struct source_item *item = &source->items[i];
        pack_map(&pack, 5);
        pack_key(&pack, "file");
        pack_text(&pack, item->file);
        pack_key(&pack, "format");
        pack_text(&pack, item->format);
        pack_key(&pack, "line");
        pack_u64(&pack, item->line);
        pack_key(&pack, "reject");
        pack_text(&pack, item->reject);
        pack_key(&pack, "text");
        pack_bytes(&pack, (struct span){(const uint8_t *)item->text, item->size});
    }
    pack_key(&pack, "version");
    pack_u64(&pack, SOURCE_VERSION);
}

static int read_item(struct value map, struct source *source, struct source_item *ret,
                     struct err *err)
{
    struct span text;
    char file[PATH_SIZE], reject[REASON_SIZE];
    int rc = value_map(map, "item", 5, err);
    if (rc == 0)
        rc = value_text(value_get(map, "file"), "file", file, sizeof file, err);
    if (rc == 0)
        rc = value_text(value_get(map, "format"), "format", ret->format, sizeof ret->format,
                        err);
    if (rc == 0)
        rc = map_u32(map, "line", UINT32_MAX, &ret->line, err);
    if (rc == 0)
        rc = value_text(value_get(map, "reject"), "reject", reject, sizeof reject, err);
    if (rc == 0)
        rc = value_bytes(value_get(map, "text"), "text", &text, err);
    if (rc != 0)
        return rc;
    ret->text = mem_new(text.size + 1 + strlen(reject) + 1, 1);
    if (text.size)
        memcpy(ret->text, text.data, text.size);
    ret->size = text.size;
    ret->file = source_file(source, file);
    ret->reject = strcpy(ret->text + text.size + 1, reject);
    return 0;
}

static int read_items(struct value array, struct source *ret, struct err *err)
{
    uint32_t n;
    int rc = value_array(array, "items", SOURCE_ITEMS_MAX, &n, err);
    if (rc != 0)
        return rc;
    ret->items = mem_new(n, sizeof *ret->items);
    ret->n_items = n;
    for (uint32_t i = 0; i < n; i++)
        if ((rc = read_item(value_at(array, i), ret, &ret->items[i], err)) != 0)
            return err_context(err, rc, "item %u", i);
    return 0;
}

int source_decode(struct span bytes, struct source *ret, struct err *err)
{
    cleanup(document_free_ptr) struct document *document = NULL;
    struct source source = {0};
    int rc = document_parse_format(bytes, &value_limits_object, source_format, SOURCE_VERSION,
                                   &document, err);
    if (rc != 0)
        return rc;
    struct value map = document_root(document);
    rc = value_map(map, "source", 3, err);
    if (rc == 0)
        rc = read_items(value_get(map, "items"), &source, err);
    if (rc != 0) {
        source_done(&source);
        return err_context(err, rc, "source");
    }
    *ret = source;
    return 0;
}
