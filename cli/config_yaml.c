/* YAML to texts by key: see config_yaml.h. */
#include "cli/config_yaml.h"

#include "common/cleanup.h"
#include "common/mem.h"
#include "common/text.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

enum { GROUPS_MAX = 8, GROUP_SIZE = 32, PLACE_SIZE = 160, DEPTH_MAX = 16 };

/* ---- names ---- */

/* Bytes of "denoiser" in "denoiser.width", 0 for a key at the top. */
static size_t group_length(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? (size_t)(dot - name) : 0;
}

static const char *leaf_of(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : name;
}

static bool group_equal(const char *a, const char *b)
{
    return group_length(a) == group_length(b) && memcmp(a, b, group_length(a)) == 0;
}

struct nearest {
    const char *wrong;
    unsigned distance;
    char name[2 * GROUP_SIZE];
};

static void nearest_consider(struct nearest *nearest, const char *name, size_t length)
{
    char candidate[2 * GROUP_SIZE];
    (void)snprintf(candidate, sizeof candidate, "%.*s", (int)length, name);
    unsigned distance = text_distance(nearest->wrong, candidate);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        memcpy(nearest->name, candidate, sizeof candidate);
    }
}

int config_name_hint(const char *wrong, const struct config_name *names, uint32_t n_names,
                     struct err *err)
{
    struct nearest nearest = {.wrong = wrong, .distance = 1000};
    bool known_group = false;
    for (uint32_t i = 0; i < n_names; i++)
        known_group = known_group || group_equal(names[i].name, wrong);
    for (uint32_t i = 0; i < n_names; i++) {
        const char *name = names[i].name;
        if (strcmp(leaf_of(name), leaf_of(wrong)) == 0)
            return err_hint(err, "did you mean '%s'?", name);
        if (known_group && !group_equal(name, wrong)) {
            if (group_length(wrong) == 0)
                nearest_consider(&nearest, name, group_length(name));
            continue;
        }
        nearest_consider(&nearest, name, strlen(name));
    }
    return err_hint(err, "did you mean '%s'?", nearest.name);
}

/* ---- where things are ---- */

/* Walks the events of libyaml and looks for the node with a path like "targets[1]". */
struct walk {
    const char *wanted;
    bool key; /* the key's place, not its value's */
    struct {
        bool map, value_next;
        unsigned index;
        size_t length; /* of the path up to here */
    } levels[DEPTH_MAX];
    int depth;
    char path[PLACE_SIZE];
    uint64_t line, column; /* 1-based; 0 = not found. The last one found. */
    const char *problem;   /* of YAML itself, static text */
};

static void walk_found(struct walk *walk, yaml_mark_t mark)
{
    walk->line = mark.line + 1;
    walk->column = mark.column + 1;
}

/* A node begins: append its name or number to the path. True when it is a mapping's key. */
static bool walk_enter(struct walk *walk, const yaml_event_t *event)
{
    if (walk->depth == 0) {
        walk->path[0] = '\0';
        return false;
    }
    size_t length = walk->levels[walk->depth - 1].length, room = PLACE_SIZE - length;
    char *end = walk->path + length;
    if (!walk->levels[walk->depth - 1].map) {
        (void)snprintf(end, room, "[%u]", walk->levels[walk->depth - 1].index++);
        return false;
    }
    bool value_next = walk->levels[walk->depth - 1].value_next;
    walk->levels[walk->depth - 1].value_next = !value_next;
    if (value_next)
        return false;
    const char *key = event->type == YAML_SCALAR_EVENT ? (char *)event->data.scalar.value : "";
    (void)snprintf(end, room, "%s%s", length > 0 ? "." : "", key);
    return true;
}

static bool walk_event(struct walk *walk, const yaml_event_t *event)
{
    bool begins_map = event->type == YAML_MAPPING_START_EVENT;
    bool begins = begins_map || event->type == YAML_SEQUENCE_START_EVENT;
    if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT) {
        walk->depth--;
        return true;
    }
    if (!begins && event->type != YAML_SCALAR_EVENT && event->type != YAML_ALIAS_EVENT)
        return true;
    bool key = walk_enter(walk, event);
    if (key == walk->key && strcmp(walk->path, walk->wanted) == 0)
        walk_found(walk, event->start_mark);
    if (!begins)
        return true;
    if (walk->depth == DEPTH_MAX)
        return false;
    walk->levels[walk->depth].map = begins_map;
    walk->levels[walk->depth].value_next = false;
    walk->levels[walk->depth].index = 0;
    walk->levels[walk->depth].length = strlen(walk->path);
    walk->depth++;
    return true;
}

static struct walk locate(const struct config_yaml *yaml, const char *wanted, bool key)
{
    struct walk walk = {.wanted = wanted, .key = key};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return walk;
    yaml_parser_set_input_string(&parser, (const unsigned char *)yaml->text, yaml->size);
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            walk.problem = parser.problem ? parser.problem : "unreadable";
            walk_found(&walk, parser.problem_mark);
            break;
        }
        more = walk_event(&walk, &event) && event.type != YAML_DOCUMENT_END_EVENT &&
               event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return walk;
}

static int place(const struct config_yaml *yaml, const struct walk *walk, struct err *err)
{
    if (walk->line == 0)
        return err_context(err, ERR_CONFIG, "%s", yaml->path);
    return err_context(err, ERR_CONFIG, "%s:%llu:%llu", yaml->path,
                       (unsigned long long)walk->line, (unsigned long long)walk->column);
}

int config_yaml_place(const struct config_yaml *yaml, const char *name, int32_t item,
                      struct err *err)
{
    char path[PLACE_SIZE];
    if (item < 0)
        (void)snprintf(path, sizeof path, "%s", name);
    else
        (void)snprintf(path, sizeof path, "%s[%d]", name, item);
    struct walk walk = locate(yaml, path, false);
    return place(yaml, &walk, err);
}

/* ---- the schema ---- */

/* libcyaml writes where the offsets say: into one of these. */
struct raw {
    char *scalars[CONFIG_KEYS_MAX];
    char **lists[CONFIG_KEYS_MAX];
    uint32_t counts[CONFIG_KEYS_MAX];
};

struct schema {
    cyaml_schema_value_t root, item;
    cyaml_schema_field_t top[CONFIG_KEYS_MAX + 1];
    cyaml_schema_field_t inner[GROUPS_MAX][CONFIG_KEYS_MAX + 1];
    char group_names[GROUPS_MAX][GROUP_SIZE];
};

static cyaml_schema_field_t schema_field(const struct schema *schema,
                                         const struct config_name *name, uint32_t index)
{
    cyaml_schema_field_t field = {.key = leaf_of(name->name)};
    field.value.flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL);
    if (!name->list) {
        field.data_offset = (uint32_t)(offsetof(struct raw, scalars) + index * sizeof(char *));
        field.value.type = CYAML_STRING;
        field.value.data_size = sizeof(char);
        field.value.string.max = CONFIG_VALUE_MAX;
        return field;
    }
    field.data_offset = (uint32_t)(offsetof(struct raw, lists) + index * sizeof(char **));
    field.count_offset = (uint32_t)(offsetof(struct raw, counts) + index * sizeof(uint32_t));
    field.count_size = sizeof(uint32_t);
    field.value.type = CYAML_SEQUENCE;
    field.value.data_size = sizeof(char *);
    field.value.sequence.entry = &schema->item;
    field.value.sequence.max = CONFIG_ITEMS_MAX;
    return field;
}

static struct schema *schema_new(const struct config_name *names, uint32_t n_names)
{
    struct schema *schema = mem_new(1, sizeof *schema);
    uint32_t n_top = 0, n_inner = 0;
    int group = -1;
    for (uint32_t i = 0; i < n_names; i++) {
        cyaml_schema_field_t field = schema_field(schema, &names[i], i);
        size_t length = group_length(names[i].name);
        if (length == 0) {
            schema->top[n_top++] = field;
            continue;
        }
        if (i == 0 || !group_equal(names[i].name, names[i - 1].name)) {
            n_inner = 0;
            group++;
            memcpy(schema->group_names[group], names[i].name, length);
            cyaml_schema_field_t *mapping = &schema->top[n_top++];
            mapping->key = schema->group_names[group];
            mapping->value.type = CYAML_MAPPING;
            mapping->value.flags = CYAML_FLAG_OPTIONAL;
            mapping->value.data_size = sizeof(struct raw);
            mapping->value.mapping.fields = schema->inner[group];
        }
        schema->inner[group][n_inner++] = field;
    }
    schema->item.type = CYAML_STRING;
    schema->item.flags = CYAML_FLAG_POINTER;
    schema->item.data_size = sizeof(char);
    schema->item.string.max = CONFIG_VALUE_MAX;
    schema->root.type = CYAML_MAPPING;
    schema->root.flags = CYAML_FLAG_POINTER;
    schema->root.data_size = sizeof(struct raw);
    schema->root.mapping.fields = schema->top;
    return schema;
}

/* ---- libcyaml's complaints ---- */

enum { COMPLAINT_SIZE = 200 };

struct complaint {
    char first[COMPLAINT_SIZE]; /* the error itself */
    char path[PLACE_SIZE];      /* from its backtrace: "denoiser.width", "targets[1]" */
    bool more_documents;
};

/* The backtrace comes innermost first, so every line goes in front. */
static void complaint_frame(struct complaint *complaint, const char *line)
{
    char name[64], path[PLACE_SIZE];
    unsigned entry;
    const char *rest = complaint->path;
    const char *dot = rest[0] && rest[0] != '[' ? "." : "";
    if (sscanf(line, "  in mapping field '%63[^']'", name) == 1)
        (void)snprintf(path, sizeof path, "%s%s%.*s", name, dot, PLACE_SIZE - 70, rest);
    else if (sscanf(line, "  in sequence entry '%u'", &entry) == 1)
        (void)snprintf(path, sizeof path, "[%u]%s%.*s", entry > 0 ? entry - 1 : 0, dot,
                       PLACE_SIZE - 70, rest);
    else
        return;
    memcpy(complaint->path, path, sizeof path);
}

__attribute__((format(printf, 3, 0))) static void
complaint_log(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct complaint *complaint = context;
    char line[COMPLAINT_SIZE];
    (void)vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (level == CYAML_LOG_WARNING && strstr(text, "documents after first"))
        complaint->more_documents = true;
    if (level != CYAML_LOG_ERROR)
        return;
    if (complaint->first[0] == '\0')
        (void)snprintf(complaint->first, sizeof complaint->first, "%s", text);
    else
        complaint_frame(complaint, text);
}

/* "SCALAR" and the like, as people say it. */
static const char *kind_of(const char *word)
{
    return strncmp(word, "SEQUENCE", 8) == 0  ? "a list"
           : strncmp(word, "MAPPING", 7) == 0 ? "a mapping of keys"
                                              : "one value";
}

static void complaint_key(const struct complaint *complaint, const char *key, char *ret)
{
    (void)snprintf(ret, PLACE_SIZE, "%.80s%s%.60s", complaint->path,
                   complaint->path[0] ? "." : "", key);
}

static int complain_unknown_key(const struct config_yaml *yaml,
                                const struct complaint *complaint, const char *key,
                                const struct config_name *names, uint32_t n_names,
                                struct err *err)
{
    char wrong[PLACE_SIZE];
    complaint_key(complaint, key, wrong);
    if (complaint->path[0])
        (void)err_set(err, ERR_CONFIG, "no key '%.60s' in '%s'", key, complaint->path);
    else
        (void)err_set(err, ERR_CONFIG, "no key '%.60s'", key);
    (void)config_name_hint(wrong, names, n_names, err);
    struct walk walk = locate(yaml, wrong, true);
    return place(yaml, &walk, err);
}

/* A key given twice: libcyaml's backtrace still ends in the key before it. */
static int complain_repeated_key(const struct config_yaml *yaml,
                                 const struct complaint *complaint, const char *key,
                                 struct err *err)
{
    char path[PLACE_SIZE];
    const char *dot = strrchr(complaint->path, '.');
    (void)snprintf(path, sizeof path, "%.*s%.60s", dot ? (int)(dot - complaint->path) + 1 : 0,
                   complaint->path, key);
    (void)err_set(err, ERR_CONFIG, "key '%.60s' is given twice", key);
    struct walk walk = locate(yaml, path, true);
    return place(yaml, &walk, err);
}

static int complain(const struct config_yaml *yaml, const struct complaint *complaint,
                    cyaml_err_t code, const struct config_name *names, uint32_t n_names,
                    struct err *err)
{
    char wanted[24], got[24], key[64];
    const char *path = complaint->path;
    struct walk walk = locate(yaml, path, false);
    if (walk.problem)
        (void)err_set(err, ERR_CONFIG, "no YAML: %s", walk.problem);
    else if (sscanf(complaint->first, "Unexpected key: %63[^\n]", key) == 1)
        return complain_unknown_key(yaml, complaint, key, names, n_names, err);
    else if (sscanf(complaint->first, "Mapping field already seen: %63[^\n]", key) == 1)
        return complain_repeated_key(yaml, complaint, key, err);
    else if (code == CYAML_ERR_ALIAS || code == CYAML_ERR_INVALID_ALIAS)
        (void)err_set(err, ERR_CONFIG, "aliases (*NAME) are not supported");
    else if (code == CYAML_ERR_STRING_LENGTH_MAX)
        (void)err_set(err, ERR_CONFIG, "'%s' is longer than %d bytes", path, CONFIG_VALUE_MAX);
    else if (code == CYAML_ERR_SEQUENCE_ENTRIES_MAX)
        (void)err_set(err, ERR_CONFIG, "more than %d entries in a list", CONFIG_ITEMS_MAX);
    else if (sscanf(complaint->first, "Expecting %23[A-Z_], got event: %23[A-Z_]", wanted,
                    got) == 2)
        (void)err_set(err, ERR_CONFIG, "%s%s%s wants %s, not %s", path[0] ? "'" : "",
                      path[0] ? path : "the file", path[0] ? "'" : "", kind_of(wanted),
                      kind_of(got));
    else
        (void)err_set(err, ERR_CONFIG, "%s", cyaml_strerror(code));
    return place(yaml, &walk, err);
}

/* ---- reading ---- */

static const cyaml_config_t cyaml_quiet = {.mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};

static int read_text(struct config_yaml *yaml, struct err *err)
{
    cleanup(fclose_ptr) FILE *file = fopen(yaml->path, "rb");
    if (!file)
        return err_set(err, ERR_CONFIG, "open '%s': %s", yaml->path, strerror(errno));
    yaml->text = mem_new(CONFIG_BYTES_MAX + 1, 1);
    yaml->size = fread(yaml->text, 1, CONFIG_BYTES_MAX + 1, file);
    if (ferror(file))
        return err_set(err, ERR_CONFIG, "read '%s': %s", yaml->path, strerror(errno));
    if (yaml->size > CONFIG_BYTES_MAX)
        return err_set(err, ERR_CONFIG, "%s: larger than %d bytes, no configuration",
                       yaml->path, CONFIG_BYTES_MAX);
    return 0;
}

static int read_values(struct config_yaml *yaml, const struct config_name *names,
                       uint32_t n_names, struct err *err)
{
    struct schema *schema = schema_new(names, n_names);
    struct complaint complaint = {.first = ""};
    cyaml_config_t config = cyaml_quiet;
    config.log_level = CYAML_LOG_WARNING;
    config.log_fn = complaint_log;
    config.log_ctx = &complaint;
    config.flags = CYAML_CFG_NO_ALIAS;
    yaml->schema = schema;
    cyaml_err_t code = cyaml_load_data((const uint8_t *)yaml->text, yaml->size, &config,
                                       &schema->root, &yaml->data, NULL);
    if (code != CYAML_OK)
        return complain(yaml, &complaint, code, names, n_names, err);
    if (complaint.more_documents)
        return err_set(err, ERR_CONFIG, "%s: more than one YAML document (---)", yaml->path);
    if (!yaml->data)
        return 0; /* an empty file says nothing wrong */
    const struct raw *raw = yaml->data;
    memcpy(yaml->scalars, raw->scalars, sizeof yaml->scalars);
    memcpy(yaml->lists, raw->lists, sizeof yaml->lists);
    memcpy(yaml->counts, raw->counts, sizeof yaml->counts);
    return 0;
}

int config_yaml_read(const char *path, const struct config_name *names, uint32_t n_names,
                     struct config_yaml *ret, struct err *err)
{
    struct config_yaml yaml = {.path = mem_text(path)};
    int rc = read_text(&yaml, err);
    if (!rc)
        rc = read_values(&yaml, names, n_names, err);
    if (rc) {
        config_yaml_done(&yaml);
        return rc;
    }
    *ret = yaml;
    return 0;
}

void config_yaml_done(struct config_yaml *yaml)
{
    struct schema *schema = yaml->schema;
    if (schema && yaml->data)
        (void)cyaml_free(&cyaml_quiet, &schema->root, yaml->data, 0);
    free(schema);
    free(yaml->text);
    free(yaml->path);
    *yaml = (struct config_yaml){0};
}
