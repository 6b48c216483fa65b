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
    STEPS_MAX = 4096,    /* back from an input */
    STEPS_WEIGHED = 8,   /* of them, to choose among those that are as near */
    TIES_WEIGHED = 4096, /* so many of these are looked at */
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

/* ---- where inputs come from ---- */

struct maker {
    struct hash id;
    struct action action;
};

static bool load_maker(struct explain *explain, const struct hash *object, struct maker *ret)
{
    const struct origin *origin = origins_find(&explain->origins, object);
    action_done(&ret->action);
    if (origin)
        ret->id = origin->action;
    return origin && explain_action(explain, &ret->id, &ret->action, NULL) == 0;
}

/* The makers of two different inputs, in place of what was there; false: at least one was
 * given, not made, or they are not of a kind. */
static bool load_makers(struct explain *explain, const struct hash *here,
                        const struct hash *there, struct maker *ret_a, struct maker *ret_b)
{
    return load_maker(explain, here, ret_a) && load_maker(explain, there, ret_b) &&
           !hash_equal(&ret_a->id, &ret_b->id) &&
           !strcmp(ret_a->action.kind, ret_b->action.kind);
}

/* The first input that both have and that differs; false: there is none. */
static bool first_inputs(const struct difference *difference, const struct action *here,
                         const struct action *there, struct hash *ret_here,
                         struct hash *ret_there)
{
    uint32_t i = difference->first_input;
    if (!difference->n_inputs || i >= here->n_inputs || i >= there->n_inputs)
        return false;
    *ret_here = here->inputs[i];
    *ret_there = there->inputs[i];
    return true;
}

/* Fields that differ in those that made the first input, in those that made theirs, and so on.
 */
static uint32_t distance_before(struct explain *explain, const struct action *here,
                                const struct action *there)
{
    struct difference difference = {0};
    struct maker a = {0}, b = {0};
    struct hash left, right;
    uint32_t sum = 0;
    compare_keys(&difference, here, there);
    bool more = first_inputs(&difference, here, there, &left, &right);
    for (int steps = 0; more && steps < STEPS_WEIGHED; steps++) {
        more = load_makers(explain, &left, &right, &a, &b);
        difference = (struct difference){0};
        if (more)
            compare_keys(&difference, &a.action, &b.action);
        sum += difference.distance;
        more = more && first_inputs(&difference, &a.action, &b.action, &left, &right);
    }
    action_done(&a.action);
    action_done(&b.action);
    return sum;
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

struct nearest {
    struct hash id;
    uint32_t distance, before; /* see struct difference, distance_before */
    bool has_result;
    uint32_t n; /* as near by their own fields; 0: there is none at all */
};

static bool has_result(struct explain *explain, const struct hash *task)
{
    struct result result = {0};
    bool has = store_get_result(explain->store, task, &result, NULL) == 0;
    result_done(&result);
    return has;
}

/* Of those that are as near, one with a result could have answered; then those whose inputs
 * came about in the most similar way; then the smallest id, so that it is always the same. */
static bool is_better(const struct nearest *a, const struct nearest *b)
{
    if (a->distance != b->distance)
        return a->distance < b->distance;
    if (a->has_result != b->has_result)
        return a->has_result;
    return a->before != b->before ? a->before < b->before : hash_compare(&a->id, &b->id) < 0;
}

static void consider(struct explain *explain, const struct explained *task,
                     const struct hash *id, const struct action *other, struct nearest *best)
{
    struct difference difference = {0};
    compare_keys(&difference, &task->action, other);
    uint32_t distance = difference.distance;
    if (best->n > 0 && distance > best->distance)
        return;
    uint32_t n = best->n > 0 && distance == best->distance ? best->n + 1 : 1;
    struct nearest found = {.id = *id, .distance = distance};
    if (n <= TIES_WEIGHED) {
        found.has_result = has_result(explain, id);
        found.before = distance_before(explain, &task->action, other);
        if (n == 1 || is_better(&found, best))
            *best = found;
    }
    best->n = n;
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

/* Among the actions of the kind in other plans. */
static void find_nearest(struct explain *explain, const struct explained *task,
                         struct nearest *ret)
{
    struct actions all = {0};
    *ret = (struct nearest){0};
    (void)store_each_object(explain->store, collect_action, &all, NULL);
    for (size_t i = 0; i < all.n; i++) {
        struct action other = {0};
        if (!hash_equal(&all.ids[i], &task->id) &&
            explain_action(explain, &all.ids[i], &other, NULL) == 0 &&
            !strcmp(other.kind, task->action.kind) &&
            !shares_plan(explain, &task->id, &all.ids[i]))
            consider(explain, task, &all.ids[i], &other, ret);
        action_done(&other);
    }
    free(all.ids);
}

/* ---- why an input differs ---- */

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
static void tell_cause(struct explain *explain, json_t *answer, struct hash here,
                       struct hash there)
{
    struct maker a = {0}, b = {0};
    char x[EXPLAIN_NAME_SIZE], y[EXPLAIN_NAME_SIZE];
    bool more = true;
    for (uint32_t steps = 1; more && steps < STEPS_MAX; steps++) {
        struct difference difference = {.fields = json_array()};
        bool made = load_makers(explain, &here, &there, &a, &b);
        if (made)
            compare_keys(&difference, &a.action, &b.action);
        more = made && difference.n == difference.n_inputs &&
               first_inputs(&difference, &a.action, &b.action, &here, &there);
        if (!made) {
            tell_given(explain, answer, &here, &there, steps - 1);
        } else if (!more) {
            explain_tell(answer,
                         "That is because %u step%s before, %s here differs from %s:", steps,
                         steps == 1 ? "" : "s", explain_name(explain, &a.id, x),
                         explain_name(explain, &b.id, y));
            tell_fields(explain, answer, difference.fields,
                        difference.n == difference.n_inputs);
            (void)json_object_set(answer, "cause", difference.fields);
        }
        json_decref(difference.fields);
    }
    action_done(&a.action);
    action_done(&b.action);
}

/* ---- the answer ---- */

static void tell_nearest(struct explain *explain, json_t *answer, const struct explained *task,
                         const struct nearest *nearest)
{
    struct action other = {0};
    struct difference difference = {.fields = json_array()};
    struct hash here, there;
    uint64_t made_ms = 0, sequence = 0;
    char name[EXPLAIN_NAME_SIZE], time[EVENT_TIME_SIZE], hex[HASH_HEX_SIZE];
    if (explain_action(explain, &nearest->id, &other, NULL) == 0)
        compare_keys(&difference, &task->action, &other);
    bool made = nearest->has_result && explain_made(explain, &nearest->id, &made_ms, &sequence);
    explain_tell(answer, "Nearest to its key is that of %s (%s%s), %u field%s apart:",
                 explain_name(explain, &nearest->id, name),
                 made                  ? "result since "
                 : nearest->has_result ? "with a result"
                                       : "without a result",
                 made ? event_time(made_ms, time) : "", difference.n,
                 difference.n == 1 ? "" : "s");
    tell_fields(explain, answer, difference.fields, true);
    if (first_inputs(&difference, &task->action, &other, &here, &there))
        tell_cause(explain, answer, here, there);
    if (nearest->n > 1)
        explain_tell(answer, "%u others have as few fields apart.", nearest->n - 1);
    (void)json_object_set_new(answer, "nearest", json_string(hash_hex(&nearest->id, hex)));
    (void)json_object_set_new(answer, "differs", difference.fields);
    action_done(&other);
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
    struct nearest nearest;
    tell_damage(explain, answer, task);
    find_nearest(explain, task, &nearest);
    if (nearest.n > 0)
        tell_nearest(explain, answer, task, &nearest);
    else
        explain_tell(
            answer,
            "No result could have answered for it: all other '%s' here stand beside it "
            "in a plan.",
            task->action.kind);
    return answer;
}
