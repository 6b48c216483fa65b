/* Why was a task not a cache hit? Its id is the hash of its key (kind, revision, params,
 * inputs, profile); here is the stored action whose key is nearest, field by field, and for an
 * input that differs the cause, however many steps before. */
#include "cli/explain.h"

#include "common/mem.h"
#include "proto/event.h"

#include <stdlib.h>
#include <string.h>

enum {
    KEY_SIZE = 200,
    VALUE_SHOWN = 100,
    STEPS_MAX = 4096,
    INPUTS_TOLD = 3,
    DIGITS_SHOWN = 16,
};

/* ---- two keys ---- */

struct difference {
    uint32_t n, n_inputs; /* fields that differ; of them inputs */
    uint32_t distance;    /* with inputs that only one has counted twice */
    uint32_t first_input; /* if n_inputs > 0 */
    json_t *fields;       /* NULL: only count */
};

static void add_field(struct difference *difference, const char *field, const char *here,
                      const char *there)
{
    difference->n++;
    difference->distance++;
    if (difference->fields)
        (void)json_array_append_new(
            difference->fields,
            json_pack("{s:s,s:s,s:s}", "field", field, "here", here, "there", there));
}

static void print_value(struct value value, struct buf *out)
{
    if (value.object)
        value_print_json(value, out);
    else
        buf_print(out, "(none)");
}

static void compare_values(struct difference *difference, const char *field, struct value here,
                           struct value there);

/* Keys of `a`; of `b` those that `a` lacks. */
static void compare_maps(struct difference *difference, const char *field, struct value a,
                         struct value b)
{
    char key[KEY_SIZE], name[2 * KEY_SIZE];
    for (uint32_t i = 0; i < value_count(a); i++) {
        struct value value = value_pair(a, i, key, sizeof key);
        (void)snprintf(name, sizeof name, "%.190s.%s", field, key);
        compare_values(difference, name, value, value_get(b, key));
    }
    for (uint32_t i = 0; i < value_count(b); i++) {
        struct value value = value_pair(b, i, key, sizeof key);
        (void)snprintf(name, sizeof name, "%.190s.%s", field, key);
        if (!value_get(a, key).object)
            compare_values(difference, name, (struct value){0}, value);
    }
}

static void compare_values(struct difference *difference, const char *field, struct value here,
                           struct value there)
{
    struct buf a = {0}, b = {0};
    if (value_is_map(here) && value_is_map(there)) {
        compare_maps(difference, field, here, there);
        return;
    }
    print_value(here, &a);
    print_value(there, &b);
    if (a.size != b.size || memcmp(a.data, b.data, a.size) != 0) {
        char shown[2][VALUE_SHOWN + 1];
        (void)snprintf(shown[0], sizeof shown[0], "%s", buf_text(&a));
        (void)snprintf(shown[1], sizeof shown[1], "%s", buf_text(&b));
        add_field(difference, field, shown[0], shown[1]);
    }
    buf_done(&a);
    buf_done(&b);
}

static void compare_params(struct difference *difference, const struct action *here,
                           const struct action *there)
{
    struct document *a = NULL, *b = NULL;
    if (here->params.size == there->params.size &&
        !memcmp(here->params.data, there->params.data, here->params.size))
        return;
    if (document_parse(buf_span(&here->params), &value_limits_object, &a, NULL) == 0 &&
        document_parse(buf_span(&there->params), &value_limits_object, &b, NULL) == 0)
        compare_values(difference, "params", document_root(a), document_root(b));
    document_free(a);
    document_free(b);
}

static void compare_inputs(struct difference *difference, const struct action *here,
                           const struct action *there)
{
    uint32_t n = here->n_inputs > there->n_inputs ? here->n_inputs : there->n_inputs;
    char field[32], a[HASH_HEX_SIZE], b[HASH_HEX_SIZE];
    for (uint32_t i = 0; i < n; i++) {
        bool in_a = i < here->n_inputs, in_b = i < there->n_inputs;
        difference->distance += in_a != in_b;
        if (in_a && in_b && hash_equal(&here->inputs[i], &there->inputs[i]))
            continue;
        if (difference->n_inputs++ == 0)
            difference->first_input = i;
        (void)snprintf(field, sizeof field, "input %u", i);
        (void)snprintf(a, sizeof a, "(none)");
        (void)snprintf(b, sizeof b, "(none)");
        add_field(difference, field, in_a ? hash_hex(&here->inputs[i], a) : a,
                  in_b ? hash_hex(&there->inputs[i], b) : b);
    }
}

static void compare_keys(struct difference *difference, const struct action *here,
                         const struct action *there)
{
    if (here->revision != there->revision) {
        char a[16], b[16];
        (void)snprintf(a, sizeof a, "%u", here->revision);
        (void)snprintf(b, sizeof b, "%u", there->revision);
        add_field(difference, "revision", a, b);
    }
    if (strcmp(here->profile, there->profile) != 0)
        add_field(difference, "profile", here->profile, there->profile);
    compare_params(difference, here, there);
    compare_inputs(difference, here, there);
}

/* ---- the nearest ---- */

struct actions {
    struct hash *ids;
    size_t n, capacity;
};

static int collect_action(void *context, const struct store_info *info)
{
    struct actions *actions = context;
    if (strcmp(info->type, "action") != 0)
        return 0;
    mem_reserve(actions->ids, actions->capacity, actions->n + 1);
    actions->ids[actions->n++] = info->id;
    return 0;
}

/* It has as few differences: is it better to tell of? One with a result could have answered. */
static bool is_better(struct explain *explain, const struct hash *id, const struct hash *best)
{
    struct result result = {0}, old = {0};
    bool has = store_get_result(explain->store, id, &result, NULL) == 0;
    bool had = store_get_result(explain->store, best, &old, NULL) == 0;
    result_done(&result);
    result_done(&old);
    return has != had ? has : hash_compare(id, best) < 0;
}

/* Tasks of one plan are not meant to be the same. */
static bool shares_plan(const struct explain *explain, const struct hash *a,
                        const struct hash *b)
{
    for (size_t i = 0; i < explain->n_plans; i++)
        if (plan_has(&explain->plans[i], a) && plan_has(&explain->plans[i], b))
            return true;
    return false;
}

/* Among the actions of the kind in other plans. 0: there is none. *ret_near: as many are as
 * near. */
static uint32_t find_nearest(struct explain *explain, const struct explained *task,
                             struct hash *ret, uint32_t *ret_near)
{
    struct actions all = {0};
    uint32_t best = 0;
    *ret_near = 0;
    (void)store_each_object(explain->store, collect_action, &all, NULL);
    for (size_t i = 0; i < all.n; i++) {
        struct action other = {0};
        struct difference difference = {0};
        if (!hash_equal(&all.ids[i], &task->id) &&
            !shares_plan(explain, &task->id, &all.ids[i]) &&
            explain_action(explain, &all.ids[i], &other, NULL) == 0 &&
            !strcmp(other.kind, task->action.kind)) {
            compare_keys(&difference, &task->action, &other);
            uint32_t distance = difference.distance;
            bool nearer = !best || distance < best;
            *ret_near = nearer ? 1 : *ret_near + (distance == best);
            if (nearer || (distance == best && is_better(explain, &all.ids[i], ret))) {
                best = distance;
                *ret = all.ids[i];
            }
        }
        action_done(&other);
    }
    free(all.ids);
    return best;
}

/* ---- why an input differs ---- */

/* The makers of two different inputs; false: at least one was given, not made, or both are the
 * same. */
static bool load_makers(struct explain *explain, const struct hash *here,
                        const struct hash *there, struct explained *ret_a,
                        struct explained *ret_b)
{
    const struct origin *a = origins_find(&explain->origins, here);
    const struct origin *b = origins_find(&explain->origins, there);
    return a && b && !hash_equal(&a->action, &b->action) &&
           explain_load(explain, &a->action, ret_a, NULL) == 0 &&
           explain_load(explain, &b->action, ret_b, NULL) == 0 &&
           !strcmp(ret_a->action.kind, ret_b->action.kind);
}

/* "dataset 0123456789abcdef" of an input, else the value as it is. */
static void show(struct explain *explain, const char *value, bool input, char *ret, size_t size)
{
    struct store_info info = {.type = "object"};
    struct hash id;
    (void)snprintf(ret, size, "%s", value);
    if (!input || hash_parse(value, &id, NULL))
        return;
    if (store_stat(explain->store, &id, &info, NULL))
        (void)snprintf(info.type, sizeof info.type, "freed");
    (void)snprintf(ret, size, "%s %.*s", info.type, DIGITS_SHOWN, value);
}

/* One sentence a field; of inputs the first ones, or none when something else differs that they
 * may follow from. */
static void tell_fields(struct explain *explain, json_t *answer, const json_t *fields,
                        bool with_inputs)
{
    const json_t *row;
    size_t i, inputs = 0;
    json_array_foreach(fields, i, row)
    {
        const char *field = json_string_value(json_object_get(row, "field"));
        bool input = !strncmp(field, "input ", 6);
        char here[VALUE_SHOWN], there[VALUE_SHOWN];
        inputs += input;
        if (input && (!with_inputs || inputs > INPUTS_TOLD))
            continue;
        show(explain, json_string_value(json_object_get(row, "here")), input, here,
             sizeof here);
        show(explain, json_string_value(json_object_get(row, "there")), input, there,
             sizeof there);
        explain_tell(answer, "  %s: %s here, %s there%s", field, here, there,
                     !strcmp(field, "revision")  ? ": the program changed"
                     : !strcmp(field, "profile") ? ": another machine or other libraries"
                                                 : "");
    }
    if (with_inputs && inputs > INPUTS_TOLD)
        explain_tell(answer, "  %zu more inputs differ", inputs - INPUTS_TOLD);
}

static void tell_given(struct explain *explain, json_t *answer, const struct hash *here,
                       const struct hash *there, uint32_t steps)
{
    char a[HASH_HEX_SIZE], b[HASH_HEX_SIZE];
    bool made = origins_find(&explain->origins, here) || origins_find(&explain->origins, there);
    explain_tell(answer, "That is because of %.16s here and %.16s there, %u steps before: %s.",
                 hash_hex(here, a), hash_hex(there, b), steps,
                 made ? "they came about in different ways" : "the data are other data");
}

/* Follow the first input that differs to where something else does. */
static void tell_cause(struct explain *explain, json_t *answer, const struct explained *here,
                       const struct explained *there, uint32_t input)
{
    struct explained a = {0}, b = {0};
    struct hash left = here->action.inputs[input], right = there->action.inputs[input];
    char x[EXPLAIN_NAME_SIZE], y[EXPLAIN_NAME_SIZE];
    for (uint32_t steps = 1; steps < STEPS_MAX; steps++) {
        struct difference difference = {.fields = json_array()};
        explained_done(&a);
        explained_done(&b);
        bool loaded = load_makers(explain, &left, &right, &a, &b);
        if (loaded)
            compare_keys(&difference, &a.action, &b.action);
        bool input_alone = loaded && difference.n == difference.n_inputs &&
                           difference.n_inputs > 0 &&
                           difference.first_input < a.action.n_inputs &&
                           difference.first_input < b.action.n_inputs;
        if (!loaded) {
            tell_given(explain, answer, &left, &right, steps - 1);
        } else if (!input_alone) {
            explain_tell(answer,
                         "That is because %u step%s before, %s here differs from %s:", steps,
                         steps == 1 ? "" : "s", explain_name(explain, &a.id, x),
                         explain_name(explain, &b.id, y));
            tell_fields(explain, answer, difference.fields,
                        difference.n == difference.n_inputs);
            (void)json_object_set(answer, "cause", difference.fields);
        } else {
            left = a.action.inputs[difference.first_input];
            right = b.action.inputs[difference.first_input];
        }
        json_decref(difference.fields);
        if (!input_alone)
            break;
    }
    explained_done(&a);
    explained_done(&b);
}

/* ---- the answer ---- */

static void tell_nearest(struct explain *explain, json_t *answer, const struct explained *task,
                         const struct hash *nearest, uint32_t near)
{
    struct explained other = {0};
    struct difference difference = {.fields = json_array()};
    uint64_t made_ms = 0, sequence = 0;
    char name[EXPLAIN_NAME_SIZE], time[EVENT_TIME_SIZE], hex[HASH_HEX_SIZE];
    if (explain_load(explain, nearest, &other, NULL) == 0)
        compare_keys(&difference, &task->action, &other.action);
    bool made = other.has_result && explain_made(explain, nearest, &made_ms, &sequence);
    explain_tell(answer, "Nearest to its key is that of %s (%s%s), %u field%s apart:",
                 explain_name(explain, nearest, name),
                 made               ? "result since "
                 : other.has_result ? "with a result"
                                    : "without a result",
                 made ? event_time(made_ms, time) : "", difference.n,
                 difference.n == 1 ? "" : "s");
    tell_fields(explain, answer, difference.fields, true);
    if (difference.n_inputs && difference.first_input < task->action.n_inputs &&
        difference.first_input < other.action.n_inputs)
        tell_cause(explain, answer, task, &other, difference.first_input);
    if (near > 1)
        explain_tell(answer, "%u other actions are as near.", near - 1);
    (void)json_object_set_new(answer, "nearest", json_string(hash_hex(nearest, hex)));
    (void)json_object_set_new(answer, "differs", difference.fields);
    explained_done(&other);
}

/* A result is recorded, but what it names is not all there: it counts as none. */
static void tell_damage(struct explain *explain, json_t *answer, const struct explained *task)
{
    for (size_t i = 0; !task->has_result && i < explain->origins.n; i++)
        if (hash_equal(&explain->origins.items[i].action, &task->id)) {
            explain_tell(answer, "A result of it is recorded, but an output is lost: it counts "
                                 "as none. wyckmill fsck tells more.");
            return;
        }
}

json_t *explain_key(struct explain *explain, const struct explained *task)
{
    json_t *answer = json_object();
    struct hash nearest;
    uint32_t near;
    tell_damage(explain, answer, task);
    if (find_nearest(explain, task, &nearest, &near))
        tell_nearest(explain, answer, task, &nearest, near);
    else
        explain_tell(
            answer,
            "No result could have answered for it: all other '%s' here stand beside it "
            "in a plan.",
            task->action.kind);
    return answer;
}
