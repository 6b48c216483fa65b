/* Needs as text and as canonical bytes: see needs.h. */
#include "proto/needs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};
static const struct unit byte_units[] = {{"bytes", 1},           {"KiB", 1024},
                                         {"MiB", 1048576},       {"GiB", 1073741824},
                                         {"TiB", 1099511627776}, {NULL, 0}};
static const struct unit time_units[] = {{"ms", 1},    {"s", 1e3},    {"min", 6e4},
                                         {"h", 3.6e6}, {"d", 8.64e7}, {NULL, 0}};

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, " \t");
}

bool needs_is_none(const struct needs *needs)
{
    return !needs->memory_bytes && !needs->time_ms && !needs->gpus && !needs->tags[0];
}

/* ---- quantities ---- */

static int unit_wrong(const char *what, const char *text, const struct unit *units,
                      struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "%s: '%.40s' is no number with a unit", what, text);
    (void)err_hint(err, units == byte_units
                            ? "as in '4 GiB'; units are bytes, KiB, MiB, GiB, TiB"
                            : "as in '2 h'; units are ms, s, min, h, d");
    return ERR_CONFIG;
}

static int quantity_parse(const char *what, const char *text, const struct unit *units,
                          uint64_t max, uint64_t *ret, struct err *err)
{
    char *end;
    double number = strtod(text, &end);
    const struct unit *unit = units;
    while (unit->name && strcmp(unit->name, skip_blanks(end)) != 0)
        unit++;
    if (end == text || !(number > 0) || !isfinite(number) || !unit->name)
        return unit_wrong(what, text, units, err);
    double value = ceil(number * unit->factor);
    if (value > (double)max)
        return err_set(err, ERR_CONFIG, "%s: '%.40s' is too much", what, text);
    *ret = (uint64_t)value;
    return 0;
}

int bytes_parse(const char *text, uint64_t *ret, struct err *err)
{
    return quantity_parse("memory", text, byte_units, NEEDS_BYTES_MAX, ret, err);
}

const char *bytes_text(uint64_t bytes, char *ret, size_t size)
{
    const struct unit *unit = byte_units;
    while (unit[1].name && (double)bytes >= unit[1].factor)
        unit++;
    (void)snprintf(ret, size, "%.4g %s", (double)bytes / unit->factor, unit->name);
    return ret;
}

/* ---- tags ---- */

const char *tags_next(const char **at, char ret[TAG_SIZE])
{
    size_t size = strcspn(*at, ",");
    if (size == 0 || size >= TAG_SIZE)
        return NULL;
    memcpy(ret, *at, size);
    ret[size] = '\0';
    *at += size + ((*at)[size] == ',');
    return ret;
}

static bool is_tag(const char *text, size_t size)
{
    return size > 0 && size < TAG_SIZE &&
           strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") >= size;
}

/* The list with one more tag in its place. */
static int tag_add(char list[NEEDS_TAGS_SIZE], const char *tag, struct err *err)
{
    char rest[NEEDS_TAGS_SIZE], other[TAG_SIZE];
    const char *from = list;
    size_t place = 0;
    int n = 1;
    while (tags_next(&from, other)) {
        n++;
        if (strcmp(other, tag) == 0)
            return 0;
        if (strcmp(other, tag) < 0)
            place = (size_t)(from - list);
    }
    if (n > NEEDS_TAGS_MAX)
        return err_set(err, ERR_CONFIG, "tags: more than %d", NEEDS_TAGS_MAX);
    memcpy(rest, list + place, strlen(list + place) + 1);
    const char *before = place && list[place - 1] != ',' ? "," : "";
    (void)snprintf(list + place, NEEDS_TAGS_SIZE - place, "%s%s%s%s", before, tag,
                   rest[0] ? "," : "", rest);
    return 0;
}

int tags_parse(const char *text, char separator, char ret[NEEDS_TAGS_SIZE], struct err *err)
{
    char list[NEEDS_TAGS_SIZE] = "", tag[TAG_SIZE];
    const char stops[] = {separator, '\0'};
    int rc = 0;
    while (rc == 0) {
        text = skip_blanks(text);
        size_t whole = strcspn(text, stops), size = whole;
        while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
            size--;
        if (!is_tag(text, size))
            return err_set(err, ERR_CONFIG, "tags: '%.*s' is no tag: 1 to %d of a-z 0-9 . _ -",
                           (int)(size < 40 ? size : 40), text, TAG_SIZE - 1);
        memcpy(tag, text, size);
        tag[size] = '\0';
        rc = tag_add(list, tag, err);
        if (!text[whole])
            break;
        text += whole + 1;
    }
    if (rc == 0)
        memcpy(ret, list, NEEDS_TAGS_SIZE);
    return rc;
}

/* ---- needs ---- */

static int parse_gpus(const char *text, struct needs *needs, struct err *err)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > NEEDS_GPUS_MAX)
        return err_set(err, ERR_CONFIG, "gpus: '%.40s' is no whole number from 1 to %d", text,
                       NEEDS_GPUS_MAX);
    needs->gpus = (uint32_t)n;
    return 0;
}

static int parse_memory(const char *text, struct needs *needs, struct err *err)
{
    return bytes_parse(text, &needs->memory_bytes, err);
}

static int parse_time(const char *text, struct needs *needs, struct err *err)
{
    return quantity_parse("time", text, time_units, NEEDS_TIME_MS_MAX, &needs->time_ms, err);
}

static int parse_tags(const char *text, struct needs *needs, struct err *err)
{
    return tags_parse(text, '+', needs->tags, err);
}

static const struct {
    const char *name;
    int (*parse)(const char *text, struct needs *needs, struct err *err);
} parts[] = {
    {"memory", parse_memory}, {"time", parse_time}, {"gpus", parse_gpus}, {"tags", parse_tags}};
enum { PARTS = sizeof parts / sizeof parts[0] };

/* One "NAME=VALUE", blanks around both allowed. *seen: bit per part. */
static int part_parse(char *text, struct needs *needs, unsigned *seen, struct err *err)
{
    char *value = strchr(text, '=');
    size_t length = value ? (size_t)(value - text) : 0;
    while (length > 0 && text[length - 1] == ' ')
        length--;
    for (int p = 0; value && p < PARTS; p++) {
        if (strlen(parts[p].name) != length || memcmp(parts[p].name, text, length) != 0)
            continue;
        if (*seen & 1u << p)
            return err_set(err, ERR_CONFIG, "%s is said twice", parts[p].name);
        *seen |= 1u << p;
        return parts[p].parse(skip_blanks(value + 1), needs, err);
    }
    (void)err_set(err, ERR_CONFIG, "'%.40s' is no need of a task", text);
    (void)err_hint(err, "write 'memory=4 GiB, time=2 h, gpus=1, tags=gpu+big', or some of it");
    return ERR_CONFIG;
}

int needs_parse(const char *text, struct needs *ret, struct err *err)
{
    struct needs needs = {0};
    unsigned seen = 0;
    char part[NEEDS_TAGS_SIZE + 16];
    text = skip_blanks(text);
    while (*text) {
        size_t whole = strcspn(text, ","), size = whole;
        while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
            size--;
        (void)snprintf(part, sizeof part, "%.*s", (int)(size < 1000 ? size : 1000), text);
        int rc = part_parse(part, &needs, &seen, err);
        if (rc)
            return rc;
        text = skip_blanks(text + whole + (text[whole] == ','));
    }
    *ret = needs;
    return 0;
}

void needs_pack(struct pack *pack, const struct needs *needs)
{
    pack_map(pack, 4);
    pack_key(pack, "gpus");
    pack_u64(pack, needs->gpus);
    pack_key(pack, "memory");
    pack_u64(pack, needs->memory_bytes);
    pack_key(pack, "tags");
    pack_text(pack, needs->tags);
    pack_key(pack, "time_ms");
    pack_u64(pack, needs->time_ms);
}

int needs_unpack(struct value value, struct needs *ret, struct err *err)
{
    char tags[NEEDS_TAGS_SIZE], sorted[NEEDS_TAGS_SIZE] = "";
    struct needs needs = {0};
    uint64_t gpus = 0;
    int rc = value_map(value, "needs", 4, err);
    if (rc == 0)
        rc = value_u64(value_get(value, "gpus"), "gpus", 0, NEEDS_GPUS_MAX, &gpus, err);
    if (rc == 0)
        rc = value_u64(value_get(value, "memory"), "memory", 0, NEEDS_BYTES_MAX,
                       &needs.memory_bytes, err);
    if (rc == 0)
        rc = value_u64(value_get(value, "time_ms"), "time_ms", 0, NEEDS_TIME_MS_MAX,
                       &needs.time_ms, err);
    if (rc == 0)
        rc = value_text(value_get(value, "tags"), "tags", tags, sizeof tags, err);
    if (rc == 0 && tags[0] &&
        (tags_parse(tags, ',', sorted, NULL) || strcmp(tags, sorted) != 0))
        rc = err_set(err, ERR_CORRUPT, "'%s' is no list of tags", tags);
    if (rc)
        return rc;
    needs.gpus = (uint32_t)gpus;
    memcpy(needs.tags, sorted, sizeof sorted);
    *ret = needs;
    return 0;
}
