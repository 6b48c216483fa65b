/* The campaign file: one row per key, texts to values, checks. See config.h. */
#include "cli/config.h"

#include "cli/config_yaml.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "common/text.h"
#include "workers/crystal/elements.h"
#include "workers/crystal/wyckoff.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

enum key_kind {
    KIND_NAME,
    KIND_U32,
    KIND_U64,
    KIND_I32,
    KIND_F64,
    KIND_BOOL,
    KIND_NEEDS,
    KIND_DATA,
    KIND_TARGETS,
    KIND_ELEMENTS,
    KIND_SPACEGROUPS,
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t offset; /* in struct campaign; unused for lists */
    double min, max;
    const char *unit, *help;
};

#define AT(member) offsetof(struct campaign, member)

/* clang-format off */
#define NETWORK_KEYS(net)                                                                      \
    {#net ".width",         KIND_U32, AT(net.width),         8, 2048, "", "size of a token; a multiple of 8 and of heads"}, \
    {#net ".layers",        KIND_U32, AT(net.layers),        1, 32,   "", "transformer layers"},     \
    {#net ".heads",         KIND_U32, AT(net.heads),         1, 64,   "", "attention heads"},        \
    {#net ".steps",         KIND_U32, AT(net.steps),         1, 1e8,  "", "optimizer steps in all"}, \
    {#net ".task_steps",    KIND_U32, AT(net.task_steps),    1, 1e6,  "", "optimizer steps per train-step task"}, \
    {#net ".batch",         KIND_U32, AT(net.batch),         1, 65536, "", "crystals per optimizer step"}, \
    {#net ".learning_rate", KIND_F64, AT(net.learning_rate), 1e-8, 1, "", "AdamW, after the warm-up"}, \
    {#net ".warmup",        KIND_U32, AT(net.warmup),        0, 1e7,  "", "steps of rising learning rate"}, \
    {#net ".weight_decay",  KIND_F64, AT(net.weight_decay),  0, 10,   "", "AdamW"}, \
    {#net ".ema",           KIND_F64, AT(net.ema),           0, 0.999999, "", "decay of the averaged weights, 0 = off"}

/* A row per task kind. */
#define NEEDS_KEY(identifier, name, revision, floats)                                          \
    {"resources." name, KIND_NEEDS, AT(needs[KIND_##identifier]), 0, 0, "", "what such tasks need: \"memory=4 GiB, time=2 h, gpus=1, tags=gpu+big\""},

/* Keys of one mapping stand together. */
static const struct key keys[] = {
    {"name",       KIND_NAME, AT(name),     0, 0, "", "of the campaign: a-z 0-9 . _ -"},
    {"seed",       KIND_U64, AT(seed),      0, 0, "", "of all random numbers"},
    {"priority",   KIND_I32, AT(priority),  -1000, 1000, "", "weight among the campaigns of a broker: each step from -8 to 8 doubles its share of slot time"},
    {"data",       KIND_DATA, 0,            0, 0, "", "\"demo\", files or folders with structures"},
    {"symprec",    KIND_F64, AT(symprec),   1e-5, 1, "Angstrom", "tolerance of the symmetry search"},
    {"validation", KIND_F64, AT(validation), 0, 0.5, "", "part of the data kept for validation"},
    {"atoms_max",  KIND_U32, AT(atoms_max), 1, ATOMS_MAX, "", "larger conventional cells are left out"},
    {"timesteps",  KIND_U32, AT(timesteps), 2, 10000, "", "steps of the forward process"},
    NETWORK_KEYS(denoiser),
    NETWORK_KEYS(guide),
    {"targets",    KIND_TARGETS, 0,         0, 0, "", "wanted properties: \"density=4..5 g/cm3\", \"band_gap>2\""},
    {"elements",   KIND_ELEMENTS, 0,        0, 0, "", "only these; empty = all of the data"},
    {"spacegroups", KIND_SPACEGROUPS, 0,    0, 0, "", "only these, numbers or symbols; empty = as in the data"},
    {"candidates", KIND_U32, AT(candidates), 1, 1e6, "", "wanted: valid and distinct"},
    {"sample.batch",      KIND_U32, AT(batch),        1, 65536, "", "samples per task"},
    {"sample.tasks",      KIND_U32, AT(tasks),        1, 1e4, "", "tasks per round"},
    {"sample.rounds_max", KIND_U32, AT(rounds_max),   0, 1e6, "", "rounds until it gives up, 0 = never"},
    {"sample.steps",      KIND_U32, AT(sample_steps), 1, 10000, "", "backward steps, at most timesteps"},
    {"sample.guidance",   KIND_F64, AT(guidance),     0, 100, "", "strength, 0 = unguided"},
    {"sample.compare",    KIND_BOOL, AT(compare),     0, 0, "", "as many unguided samples beside"},
    {"stop.found",          KIND_BOOL, AT(stop_found),    0, 0, "", "end when the candidates are found; false: go on for better ones"},
    {"stop.meeting",        KIND_U32, AT(stop_meeting),   0, 1e6, "", "instead: end when so many of them meet the targets, 0 = off"},
    {"stop.rounds_without", KIND_U32, AT(stop_rounds_without), 0, 1e6, "", "end when so many rounds in a row brought nothing new, 0 = off"},
    {"budget.tasks",        KIND_U32, AT(budget_tasks),   0, 4294967295.0, "", "tasks at most, 0 = no limit"},
    {"budget.slot_hours",   KIND_F64, AT(budget_slot_hours), 0, 1e9, "h", "time in slots at most, all slots together, 0 = no limit"},
    {"budget.bytes",        KIND_U64, AT(budget_bytes),   0, 0, "", "bytes of results at most, 0 = no limit"},
    {"realize.random_starts",   KIND_U32, AT(random_starts),   0, 1000, "", "per sample without a template"},
    {"realize.relax_steps_max", KIND_U32, AT(relax_steps_max), 0, 1e5, "", "L-BFGS iterations"},
    KIND_LIST(NEEDS_KEY)
};
/* clang-format on */

enum { KEYS = sizeof keys / sizeof keys[0] };

static bool kind_is_list(enum key_kind kind)
{
    return kind >= KIND_DATA;
}

/* ---- one text to one value ---- */

static int set_name(const struct key *key, const char *text, char *ret, struct err *err)
{
    size_t length = strlen(text);
    if (length == 0 || length >= CAMPAIGN_NAME_SIZE ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length || text[0] == '.')
        return err_set(err, ERR_CONFIG,
                       "%s: '%.80s' is no name: 1 to %d of a-z 0-9 . _ -, the first no dot",
                       key->name, text, CAMPAIGN_NAME_SIZE - 1);
    (void)snprintf(ret, CAMPAIGN_NAME_SIZE, "%s", text);
    return 0;
}

static int set_u64(const struct key *key, const char *text, uint64_t *ret, struct err *err)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno == ERANGE)
        return err_set(err, ERR_CONFIG, "%s: '%.80s' is no whole number from 0 to 2^64-1",
                       key->name, text);
    *ret = value;
    return 0;
}

static int set_whole(const struct key *key, const char *text, double *ret, struct err *err)
{
    char *end;
    long long value = strtoll(text, &end, 10); /* out of range comes as its largest: outside */
    if (text[0] == '\0' || isspace((unsigned char)text[0]) || *end != '\0')
        return err_set(err, ERR_CONFIG, "%s: '%.80s' is no whole number", key->name, text);
    *ret = (double)value;
    if (*ret < key->min || *ret > key->max)
        return err_set(err, ERR_CONFIG, "%s = %s is not in %.10g..%.10g", key->name, text,
                       key->min, key->max);
    return 0;
}

static bool number_from(const char *text, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return text[0] != '\0' && !isspace((unsigned char)text[0]) && *end == '\0' &&
           isfinite(*ret);
}

static int set_f64(const struct key *key, const char *text, double *ret, struct err *err)
{
    double value;
    if (!number_from(text, &value))
        return err_set(err, ERR_CONFIG, "%s: '%.80s' is no number", key->name, text);
    if (value < key->min || value > key->max)
        return err_set(err, ERR_CONFIG, "%s = %.80s is not in %.10g..%.10g%s%s", key->name,
                       text, key->min, key->max, key->unit[0] ? " " : "", key->unit);
    *ret = value;
    return 0;
}

static int set_bool(const struct key *key, const char *text, bool *ret, struct err *err)
{
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 3; i++)
            if (strcmp(text, words[value][i]) == 0) {
                *ret = value;
                return 0;
            }
    return err_set(err, ERR_CONFIG, "%s: '%.80s' is neither true nor false", key->name, text);
}

static int set_scalar(const struct key *key, const char *text, struct campaign *campaign,
                      struct err *err)
{
    char *field = (char *)campaign + key->offset;
    double whole = 0;
    int rc = 0;
    switch (key->kind) {
    case KIND_NAME:
        return set_name(key, text, field, err);
    case KIND_U64:
        return set_u64(key, text, (uint64_t *)(void *)field, err);
    case KIND_F64:
        return set_f64(key, text, (double *)(void *)field, err);
    case KIND_BOOL:
        return set_bool(key, text, (bool *)field, err);
    case KIND_NEEDS:
        rc = needs_parse(text, (struct needs *)(void *)field, err);
        return rc ? err_context(err, rc, "%s", key->name) : 0;
    case KIND_U32:
        rc = set_whole(key, text, &whole, err);
        if (!rc)
            *(uint32_t *)(void *)field = (uint32_t)whole;
        return rc;
    case KIND_I32:
        rc = set_whole(key, text, &whole, err);
        if (!rc)
            *(int32_t *)(void *)field = (int32_t)whole;
        return rc;
    case KIND_DATA:
    case KIND_TARGETS:
    case KIND_ELEMENTS:
    case KIND_SPACEGROUPS:
        break;
    }
    return err_set(err, ERR_CONFIG, "%s wants a list", key->name);
}

/* ---- entries of lists; the entry is added to what the file holds already ---- */

static int add_data(struct campaign_file *file, const char *text, struct err *err)
{
    if (text[0] == '\0')
        return err_set(err, ERR_CONFIG, "data: an empty path");
    file->data = mem_resize(file->data, file->n_data + 1, sizeof *file->data);
    file->data[file->n_data++] = mem_text(text);
    return 0;
}

static int add_element(struct campaign_file *file, const char *text, struct err *err)
{
    struct campaign *campaign = &file->campaign;
    int z = element_parse(text, (int)strlen(text)), nearest = 1;
    if (z == 0) {
        char capital[4] = "";
        for (size_t i = 0; i < 3 && text[i]; i++)
            capital[i] = (char)(i == 0 ? toupper((unsigned char)text[i])
                                       : tolower((unsigned char)text[i]));
        for (int other = 2; other <= ELEMENT_MAX; other++)
            if (text_distance(capital, element_get(other)->symbol) <
                text_distance(capital, element_get(nearest)->symbol))
                nearest = other;
        (void)err_set(err, ERR_CONFIG, "elements: no element '%.40s'", text);
        return err_hint(err, "did you mean '%s'?", element_get(nearest)->symbol);
    }
    uint32_t at = campaign->n_elements;
    for (; at > 0 && campaign->elements[at - 1] >= z; at--)
        if (campaign->elements[at - 1] == z)
            return err_set(err, ERR_CONFIG, "elements: '%s' is listed twice", text);
    memmove(&campaign->elements[at + 1], &campaign->elements[at], campaign->n_elements - at);
    campaign->elements[at] = (uint8_t)z;
    campaign->n_elements++;
    return 0;
}

static int add_spacegroup(struct campaign_file *file, const char *text, struct err *err)
{
    struct campaign *campaign = &file->campaign;
    const struct spacegroup *group;
    if (spacegroup_parse(text, &group, err)) {
        if (err)
            err->code = ERR_CONFIG;
        return err_context(err, ERR_CONFIG, "spacegroups");
    }
    uint32_t at = campaign->n_spacegroups;
    uint16_t *groups = campaign->spacegroups;
    for (; at > 0 && groups[at - 1] >= group->number; at--)
        if (groups[at - 1] == group->number)
            return err_set(err, ERR_CONFIG, "spacegroups: '%s' (number %u) is listed twice",
                           text, group->number);
    memmove(&groups[at + 1], &groups[at], (campaign->n_spacegroups - at) * sizeof groups[0]);
    groups[at] = group->number;
    campaign->n_spacegroups++;
    return 0;
}

/* ---- targets: NAME=LOW..HIGH UNIT, NAME<HIGH UNIT, NAME>LOW UNIT ---- */

static void trim(char *text)
{
    size_t begin = strspn(text, " \t"), length = strlen(text);
    while (length > begin && isspace((unsigned char)text[length - 1]))
        length--;
    memmove(text, text + begin, length - begin);
    text[length - begin] = '\0';
}

/* "5 g/cm3" -> 5 and the unit; an empty number leaves *ret as it is. */
static bool limit_from(char *text, double *ret, char *ret_unit)
{
    trim(text);
    size_t length = strcspn(text, " \t");
    char *unit = text + length;
    bool last = *unit == '\0';
    *unit = '\0';
    if (!last)
        trim(++unit);
    (void)snprintf(ret_unit, UNIT_SIZE, "%s", unit);
    return strlen(unit) < UNIT_SIZE && (text[0] == '\0' || number_from(text, ret));
}

static bool range_from(char *text, struct target *target, char *ret_unit)
{
    char *dots = strstr(text, "..");
    if (!dots)
        return false;
    *dots = '\0';
    /* a unit may stand behind the open end, "4.. g/cm3" */
    return limit_from(text, &target->low, ret_unit) && ret_unit[0] == '\0' &&
           (dots[2] != ' ' || !isalpha((unsigned char)dots[3])
                ? limit_from(dots + 2, &target->high, ret_unit)
                : (trim(dots + 2), strlen(dots + 2) < UNIT_SIZE &&
                                       snprintf(ret_unit, UNIT_SIZE, "%s", dots + 2) > 0));
}

static int target_wrong(const char *text, struct err *err)
{
    (void)err_set(err, ERR_CONFIG, "targets: '%.80s' is no target", text);
    return err_hint(err, "write NAME=LOW..HIGH UNIT (an end may stay open), NAME<HIGH or "
                         "NAME>LOW, as in 'density=4..5 g/cm3'");
}

static int add_target(struct campaign_file *file, const char *text, struct err *err)
{
    struct targets *targets = &file->campaign.targets;
    struct target target = {.low = -HUGE_VAL, .high = HUGE_VAL, .weight = 1};
    char unit[UNIT_SIZE] = "";
    cleanup(free_ptr) char *copy = mem_text(text);
    char *sign = copy + strcspn(copy, "=<>"), operation = *sign;
    if (operation == '\0')
        return target_wrong(text, err);
    *sign++ = '\0';
    trim(copy);
    size_t length = strlen(copy);
    bool strict = operation != '=';
    if (strict && *sign == '=') /* <= and >= are the same for real numbers */
        sign++;
    if (length == 0 || length >= PROPERTY_NAME_SIZE ||
        strcspn(copy, " \t,'\"()[]{}") != length ||
        !(operation == '='   ? range_from(sign, &target, unit)
          : operation == '<' ? limit_from(sign, &target.high, unit)
                             : limit_from(sign, &target.low, unit)))
        return target_wrong(text, err);
    if (isinf(target.low) && isinf(target.high))
        return target_wrong(text, err);
    if (target.low > target.high)
        return err_set(err, ERR_CONFIG, "targets: '%.80s': %g is above %g", text, target.low,
                       target.high);
    (void)snprintf(target.property, sizeof target.property, "%s", copy);
    for (uint32_t i = 0; i < targets->n; i++)
        if (strcmp(targets->items[i].property, target.property) == 0)
            return err_set(err, ERR_CONFIG, "targets: '%s' has two ranges", copy);
    if (targets->n == TARGETS_MAX)
        return err_set(err, ERR_CONFIG, "targets: more than %d", TARGETS_MAX);
    memcpy(file->target_units[targets->n], unit, sizeof unit);
    targets->items[targets->n++] = target;
    return 0;
}

/* ---- one key ---- */

static void clear_list(struct campaign_file *file, enum key_kind kind)
{
    if (kind == KIND_ELEMENTS)
        file->campaign.n_elements = 0;
    if (kind == KIND_SPACEGROUPS)
        file->campaign.n_spacegroups = 0;
    if (kind == KIND_TARGETS)
        file->campaign.targets.n = 0;
    for (; kind == KIND_DATA && file->n_data > 0; file->n_data--)
        free(file->data[file->n_data - 1]);
}

static int add_item(struct campaign_file *file, enum key_kind kind, const char *text,
                    struct err *err)
{
    return kind == KIND_DATA       ? add_data(file, text, err)
           : kind == KIND_TARGETS  ? add_target(file, text, err)
           : kind == KIND_ELEMENTS ? add_element(file, text, err)
                                   : add_spacegroup(file, text, err);
}

static int set_from_yaml(const struct config_yaml *yaml, uint32_t k, struct campaign_file *file,
                         struct err *err)
{
    const struct key *key = &keys[k];
    if (!kind_is_list(key->kind)) {
        if (yaml->scalars[k] && set_scalar(key, yaml->scalars[k], &file->campaign, err))
            return config_yaml_place(yaml, key->name, -1, err);
        return 0;
    }
    if (!yaml->lists[k])
        return 0;
    clear_list(file, key->kind);
    for (uint32_t i = 0; i < yaml->counts[k]; i++)
        if (add_item(file, key->kind, yaml->lists[k][i], err))
            return config_yaml_place(yaml, key->name, (int32_t)i, err);
    return 0;
}

/* "a, b" or "[a, b]"; an empty text is an empty list. */
static int set_list(struct campaign_file *file, enum key_kind kind, const char *text,
                    struct err *err)
{
    cleanup(free_ptr) char *copy = mem_text(text);
    trim(copy);
    size_t length = strlen(copy);
    char *item = copy;
    if (length >= 2 && copy[0] == '[' && copy[length - 1] == ']') {
        copy[length - 1] = '\0';
        item++;
    }
    clear_list(file, kind);
    trim(item);
    while (item && *item) {
        char *comma = strchr(item, ',');
        if (comma)
            *comma = '\0';
        trim(item);
        int rc = add_item(file, kind, item, err);
        if (rc)
            return rc;
        item = comma ? comma + 1 : NULL;
    }
    return 0;
}

static void names_of_keys(struct config_name names[KEYS])
{
    for (int k = 0; k < KEYS; k++)
        names[k] = (struct config_name){keys[k].name, kind_is_list(keys[k].kind)};
}

static int set_override(struct campaign_file *file, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        (void)err_set(err, ERR_CONFIG, "no '=' in it");
        return err_hint(err, "write -S KEY=VALUE, as in -S denoiser.steps=100");
    }
    size_t length = (size_t)(equals - text);
    for (int k = 0; k < KEYS; k++)
        if (strlen(keys[k].name) == length && memcmp(keys[k].name, text, length) == 0)
            return kind_is_list(keys[k].kind)
                       ? set_list(file, keys[k].kind, equals + 1, err)
                       : set_scalar(&keys[k], equals + 1, &file->campaign, err);
    char wrong[64];
    struct config_name names[KEYS];
    names_of_keys(names);
    (void)snprintf(wrong, sizeof wrong, "%.*s", (int)(length < 63 ? length : 63), text);
    (void)err_set(err, ERR_CONFIG, "no key '%s'", wrong);
    return config_name_hint(wrong, names, KEYS, err);
}

/* ---- what must fit together ---- */

static int check_network(const struct campaign_network *network, const char *name,
                         const char **ret_key, struct err *err)
{
    *ret_key = name;
    if (network->width % network->heads != 0 || network->width % 8 != 0)
        return err_set(err, ERR_CONFIG, "%s = %u is no multiple of 8 and of the %u heads", name,
                       network->width, network->heads);
    return 0;
}

static int check(const struct campaign_file *file, const char **ret_key, struct err *err)
{
    const struct campaign *campaign = &file->campaign;
    int rc = check_network(&campaign->denoiser, "denoiser.width", ret_key, err);
    if (!rc)
        rc = check_network(&campaign->guide, "guide.width", ret_key, err);
    if (rc)
        return rc;
    *ret_key = "sample.steps";
    if (campaign->sample_steps > campaign->timesteps)
        return err_set(err, ERR_CONFIG, "sample.steps = %u is more than timesteps = %u",
                       campaign->sample_steps, campaign->timesteps);
    *ret_key = "sample.rounds_max";
    uint64_t samples = (uint64_t)campaign->tasks * campaign->batch;
    if (campaign->rounds_max > CAMPAIGN_SAMPLES_MAX / samples)
        return err_set(err, ERR_CONFIG,
                       "sample.rounds_max (%u) x sample.tasks (%u) x sample.batch (%u) is over "
                       "2^32 samples",
                       campaign->rounds_max, campaign->tasks, campaign->batch);
    *ret_key = "stop.meeting";
    if (campaign->stop_meeting > campaign->candidates)
        return err_set(err, ERR_CONFIG, "stop.meeting = %u is more than candidates = %u",
                       campaign->stop_meeting, campaign->candidates);
    *ret_key = "data";
    if (file->n_data == 0) {
        (void)err_set(err, ERR_CONFIG, "no data");
        return err_hint(err, "give 'data: [demo]' or a list of files and folders");
    }
    return 0;
}

static int load(const struct config_yaml *yaml, const char *const *overrides,
                size_t n_overrides, struct campaign_file *file, struct err *err)
{
    for (uint32_t k = 0; k < KEYS; k++) {
        int rc = set_from_yaml(yaml, k, file, err);
        if (rc)
            return rc;
    }
    for (size_t i = 0; i < n_overrides; i++)
        if (set_override(file, overrides[i], err))
            return err_context(err, ERR_CONFIG, "-S %.100s", overrides[i]);
    const char *key;
    if (check(file, &key, err))
        return config_yaml_place(yaml, key, -1, err);
    /* and whatever else the broker would refuse; the sources come later */
    struct hash source = {{0}};
    struct campaign complete = file->campaign;
    complete.n_sources = 1;
    complete.sources = &source;
    return campaign_check(&complete, err) ? err_context(err, ERR_CONFIG, "%s", yaml->path) : 0;
}

int config_load(const char *path, const char *const *overrides, size_t n_overrides,
                struct campaign_file *ret, struct err *err)
{
    struct config_name names[KEYS];
    struct config_yaml yaml = {0};
    struct campaign_file file = {.n_data = 0};
    names_of_keys(names);
    int rc = config_yaml_read(path, names, KEYS, &yaml, err);
    if (rc)
        return rc;
    campaign_default(&file.campaign);
    rc = load(&yaml, overrides, n_overrides, &file, err);
    config_yaml_done(&yaml);
    if (rc) {
        campaign_file_done(&file);
        return rc;
    }
    *ret = file;
    return 0;
}

void campaign_file_done(struct campaign_file *file)
{
    clear_list(file, KIND_DATA);
    free(file->data);
    campaign_done(&file->campaign);
    *file = (struct campaign_file){.n_data = 0};
}

/* ---- help ---- */

static void print_default(const struct key *key, const struct campaign *campaign, char *ret,
                          size_t size)
{
    const char *field = (const char *)campaign + key->offset;
    (void)snprintf(ret, size, "%s", kind_is_list(key->kind) ? "[]" : "");
    if (key->kind == KIND_NAME)
        (void)snprintf(ret, size, "%s", field);
    if (key->kind == KIND_U64)
        (void)snprintf(ret, size, "%llu",
                       (unsigned long long)*(const uint64_t *)(const void *)field);
    if (key->kind == KIND_U32)
        (void)snprintf(ret, size, "%u", *(const uint32_t *)(const void *)field);
    if (key->kind == KIND_I32)
        (void)snprintf(ret, size, "%d", *(const int32_t *)(const void *)field);
    if (key->kind == KIND_F64)
        (void)snprintf(ret, size, "%.10g", *(const double *)(const void *)field);
    if (key->kind == KIND_BOOL)
        (void)snprintf(ret, size, "%s", *(const bool *)field ? "true" : "false");
}

void config_help(FILE *out)
{
    struct campaign campaign = {0};
    campaign_default(&campaign);
    (void)fprintf(out, "%-24s %-10s %-18s %s\n", "key", "default", "range", "meaning");
    for (int k = 0; k < KEYS; k++) {
        char value[CAMPAIGN_NAME_SIZE], range[48] = "";
        print_default(&keys[k], &campaign, value, sizeof value);
        if (keys[k].max > keys[k].min)
            (void)snprintf(range, sizeof range, "%.6g..%.6g", keys[k].min, keys[k].max);
        (void)fprintf(out, "%-24s %-10s %-18s %s%s%s%s\n", keys[k].name, value, range,
                      keys[k].help, keys[k].unit[0] ? " (" : "", keys[k].unit,
                      keys[k].unit[0] ? ")" : "");
    }
    campaign_done(&campaign);
}
