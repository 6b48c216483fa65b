/* The codec of targets: see targets.h. */
#include "proto/targets.h"

#include <assert.h>
#include <math.h>

void targets_pack(struct pack *pack, const struct targets *targets)
{
    assert(targets->n <= TARGETS_MAX);
    pack_array(pack, targets->n);
    for (uint32_t i = 0; i < targets->n; i++) {
        const struct target *target = &targets->items[i];
        pack_map(pack, 4);
        pack_key(pack, "high");
        pack_f64(pack, target->high);
        pack_key(pack, "low");
        pack_f64(pack, target->low);
        pack_key(pack, "property");
        pack_text(pack, target->property);
        pack_key(pack, "weight");
        pack_f64(pack, target->weight);
    }
}

static int unpack_target(struct value map, struct target *ret, struct err *err)
{
    int rc = value_map(map, "target", 4, err);
    if (rc == 0)
        rc = value_f64(value_get(map, "high"), "high", &ret->high, err);
    if (rc == 0)
        rc = value_f64(value_get(map, "low"), "low", &ret->low, err);
    if (rc == 0)
        rc = value_f64(value_get(map, "weight"), "weight", &ret->weight, err);
    if (rc == 0)
        rc = value_text(value_get(map, "property"), "property", ret->property,
                        sizeof ret->property, err);
    if (rc != 0)
        return rc;
    if (!ret->property[0])
        return err_set(err, ERR_CORRUPT, "'property' is empty");
    if (!(ret->low <= ret->high)) /* also NaN */
        return err_set(err, ERR_CORRUPT, "%s: range %.17g..%.17g is empty", ret->property,
                       ret->low, ret->high);
    if (!isfinite(ret->weight) || ret->weight < 0)
        return err_set(err, ERR_CORRUPT, "%s: weight %.17g, want a number >= 0", ret->property,
                       ret->weight);
    return 0;
}

int targets_unpack(struct value array, struct targets *ret, struct err *err)
{
    struct targets targets = {0};
    int rc = value_array(array, "targets", TARGETS_MAX, &targets.n, err);
    for (uint32_t i = 0; rc == 0 && i < targets.n; i++) {
        rc = unpack_target(value_at(array, i), &targets.items[i], err);
        for (uint32_t k = 0; rc == 0 && k < i; k++)
            if (strcmp(targets.items[k].property, targets.items[i].property) == 0)
                rc = err_set(err, ERR_CORRUPT, "%s is there twice", targets.items[i].property);
        if (rc != 0)
            return err_context(err, rc, "target %u", i);
    }
    if (rc == 0)
        *ret = targets;
    return rc;
}
