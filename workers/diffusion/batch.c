/* Records and states as ragged batches: see batch.h. */
#include "workers/diffusion/batch.h"

#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- states ---- */

bool state_from_protostructure(struct row_state *ret_rows, const struct protostructure *proto)
{
    memset(ret_rows, 0, spacegroup_get(proto->spacegroup)->n_positions * sizeof *ret_rows);
    for (uint32_t i = 0; i < proto->n_sites; i++)
        if (++ret_rows[proto->sites[i].letter].count[proto->sites[i].element] > COUNT_MAX)
            return false;
    return true;
}

void state_to_protostructure(const struct row_state *rows, const struct spacegroup *group,
                             struct protostructure *ret)
{
    size_t n = 0;
    for (size_t p = 0; p < group->n_positions; p++)
        for (size_t z = 1; z < STATE_SIZE; z++)
            n += rows[p].count[z];
    *ret = (struct protostructure){.spacegroup = group->number,
                                   .n_sites = (uint16_t)n,
                                   .sites = mem_new(n, sizeof *ret->sites)};
    struct site *site = ret->sites;
    for (size_t p = 0; p < group->n_positions; p++)
        for (size_t z = 1; z < STATE_SIZE; z++)
            for (int k = 0; k < rows[p].count[z]; k++)
                *site++ = (struct site){.letter = (uint8_t)p, .element = (uint8_t)z};
}

uint32_t state_category(const struct row_state *row)
{
    for (uint32_t z = 1; z < STATE_SIZE; z++)
        if (row->count[z])
            return z;
    return 0;
}

static uint32_t row_orbits(const struct row_state *row)
{
    uint32_t n = 0;
    for (size_t z = 1; z < STATE_SIZE; z++)
        n += row->count[z];
    return n;
}

uint32_t state_atoms(const struct row_state *rows, const struct spacegroup *group)
{
    uint32_t atoms = 0;
    for (size_t p = 0; p < group->n_positions; p++)
        atoms += row_orbits(&rows[p]) * group->positions[p].multiplicity;
    return atoms;
}

/* ---- batches ---- */

uint32_t input_table_size(enum input_table table)
{
    switch (table) {
    case INPUT_POSITION:
        return POSITIONS_TOTAL;
    case INPUT_SYMMETRY:
        return positions_get()->n_symmetries;
    case INPUT_FEATURE:
        return POSITION_FEATURES;
    case INPUT_GROUP:
        return GROUP_MAX;
    case INPUT_ELEMENT:
    case INPUT_REPEAT:
    case INPUT_COMPOSITION:
        return STATE_SIZE;
    case INPUT_COUNT:
        return COUNT_MAX + 1;
    case INPUT_TABLES:
        break;
    }
    return 0;
}

void batch_clear(struct batch *batch)
{
    batch->n_crystals = batch->n_rows = 0;
    memset(batch->n_entries, 0, sizeof batch->n_entries);
}

void batch_done(struct batch *batch)
{
    free(batch->first);
    free(batch->crystal);
    free(batch->position);
    free(batch->spacegroup);
    free(batch->time);
    free(batch->state);
    free(batch->atoms);
    free(batch->weight);
    free(batch->crystal_index);
    for (int t = 0; t < INPUT_TABLES; t++)
        free(batch->entries[t]);
    *batch = (struct batch){0};
}

static void grow_rows(struct batch *batch, size_t rows)
{
    if (rows <= batch->rows_capacity)
        return;
    size_t n = batch->rows_capacity = 2 * rows;
    batch->crystal = mem_resize(batch->crystal, n, sizeof *batch->crystal);
    batch->position = mem_resize(batch->position, n, sizeof *batch->position);
    batch->state = mem_resize(batch->state, n, sizeof *batch->state);
    batch->weight = mem_resize(batch->weight, n, sizeof *batch->weight);
}

static void grow_crystals(struct batch *batch, size_t crystals)
{
    if (crystals <= batch->crystals_capacity)
        return;
    size_t n = batch->crystals_capacity = 2 * crystals;
    batch->first = mem_resize(batch->first, n + 1, sizeof *batch->first);
    batch->spacegroup = mem_resize(batch->spacegroup, n, sizeof *batch->spacegroup);
    batch->time = mem_resize(batch->time, n, sizeof *batch->time);
    batch->atoms = mem_resize(batch->atoms, n, sizeof *batch->atoms);
    batch->crystal_index = mem_resize(batch->crystal_index, n, sizeof *batch->crystal_index);
}

uint32_t batch_add(struct batch *batch, const struct spacegroup *group, double time)
{
    uint32_t c = batch->n_crystals, from = batch->n_rows;
    uint32_t rows = group->n_positions + 1u;
    grow_rows(batch, from + rows);
    grow_crystals(batch, c + 1);
    batch->first[c] = from;
    batch->first[c + 1] = from + rows;
    batch->spacegroup[c] = group->number;
    batch->time[c] = time;
    batch->crystal_index[c] = c;
    for (uint32_t r = 0; r < rows; r++) {
        batch->crystal[from + r] = c;
        batch->position[from + r] = (uint16_t)(group->position_first + (r ? r - 1 : 0));
    }
    memset(&batch->state[from], 0, rows * sizeof *batch->state);
    batch->n_crystals++;
    batch->n_rows += rows;
    return from + 1;
}

static void put(struct batch *batch, enum input_table table, uint32_t row, uint32_t index,
                float weight)
{
    mem_reserve(batch->entries[table], batch->entries_capacity[table],
                batch->n_entries[table] + 1);
    batch->entries[table][batch->n_entries[table]++] = (struct gather){row, index, weight};
}

const float count_log2[COUNT_MAX + 1] = {
    [2] = 1.0f,         [3] = 1.5849625f,   [4] = 2.0f,        [5] = 2.32192809f,
    [6] = 2.5849625f,   [7] = 2.80735492f,  [8] = 3.0f,        [9] = 3.169925f,
    [10] = 3.32192809f, [11] = 3.45943162f, [12] = 3.5849625f,
};

static void put_position(struct batch *batch, uint32_t row, uint32_t global)
{
    const struct positions *all = positions_get();
    uint32_t position = batch->position[row];
    put(batch, INPUT_POSITION, row, position, 1);
    put(batch, INPUT_SYMMETRY, row, all->symmetry[position], 1);
    for (uint32_t f = 0; f < POSITION_FEATURES; f++)
        if (all->features[position][f] != 0)
            put(batch, INPUT_FEATURE, row, f, all->features[position][f]);
    float share = (float)all->multiplicity[position] / batch->atoms[batch->crystal[row]];
    batch->weight[row] = share * (float)row_orbits(&batch->state[row]);
    if (batch->weight[row] == 0)
        return;
    for (uint32_t z = 1; z < STATE_SIZE; z++) {
        uint32_t count = batch->state[row].count[z];
        if (count == 0)
            continue;
        put(batch, INPUT_ELEMENT, row, z, 1);
        if (count > 1)
            put(batch, INPUT_REPEAT, row, z, count_log2[count]);
        if (all->dof[position] > 0)
            put(batch, INPUT_COUNT, row, count, 1);
        put(batch, INPUT_COMPOSITION, global, z, share * (float)count);
    }
}

void batch_prepare(struct batch *batch)
{
    memset(batch->n_entries, 0, sizeof batch->n_entries);
    for (uint32_t c = 0; c < batch->n_crystals; c++) {
        uint32_t global = batch->first[c];
        const struct spacegroup *group = spacegroup_get(batch->spacegroup[c]);
        uint32_t atoms = state_atoms(&batch->state[global + 1], group);
        batch->atoms[c] = atoms ? (float)atoms : 1;
        batch->weight[global] = 0;
        put(batch, INPUT_GROUP, global, batch->spacegroup[c] - 1u, 1);
        for (uint32_t row = global + 1; row < batch->first[c + 1]; row++)
            put_position(batch, row, global);
    }
}
