/* Do a few structures more or less change only the source objects they are in, wherever they
 * stand, and are the lines in reports and ids still those of the file? */
#include "tests/support/cmocka.h"

#include "cli/ingest.h"
#include "cli/shards.h"
#include "common/cleanup.h"
#include "common/mem.h"
#include "common/rng.h"
#include "tests/support/folder.h"
#include "workers/crystal/format.h"
#include "workers/task.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

const struct task_kind task_kinds[] = {{"encode", 3, true, encode_run, "encode structures"},
                                       {"assemble", 2, false, assemble_run, "merge shards"}};
const uint32_t task_kinds_count = 2;

/* ---- ids of shards ---- */

enum { IDS_MAX = 1000 };

struct ids {
    uint32_t n;
    struct hash ids[IDS_MAX];
    struct buf bytes[IDS_MAX]; /* when asked for */
    bool keep;
};

static int put(void *context, struct span bytes, struct hash *ret_id, struct err *err)
{
    struct ids *ids = context;
    (void)err;
    assert_true(ids->n < IDS_MAX);
    *ret_id = hash_bytes(bytes);
    if (ids->keep)
        buf_append(&ids->bytes[ids->n], bytes.data, bytes.size);
    ids->ids[ids->n++] = *ret_id;
    return 0;
}

/* Takes the source. */
static struct ids *shard_ids(struct source *source, struct campaign *campaign, bool keep)
{
    struct ids *ids = mem_new(1, sizeof *ids);
    ids->keep = keep;
    assert_int_equal(ingest_shards(source, put, ids, campaign, NULL), 0);
    assert_int_equal(campaign->n_sources, ids->n);
    source_done(source);
    return ids;
}

static uint32_t changed(const struct ids *now, const struct ids *before)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < now->n; i++) {
        bool known = false;
        for (uint32_t k = 0; k < before->n && !known; k++)
            known = hash_equal(&now->ids[i], &before->ids[k]);
        n += !known;
    }
    return n;
}

/* ---- data ---- */

static void frame(struct buf *text, uint32_t number)
{
    buf_print(text,
              "2\nLattice=\"%.4f 0 0 0 5 0 0 0 5\" Properties=species:S:1:frac:R:3 gap=%u\n"
              "Cs 0 0 0\nCl 0.5 0.5 0.5\n",
              4 + 1e-4 * number, number);
}

/* What is done to the data behind structure `place`. */
struct change {
    uint32_t place, added, removed;
};

/* Numbers of the structures of a set of `n` after the change; caller frees. */
static uint32_t *numbers_after(uint32_t n, const struct change *change, uint32_t *ret_n)
{
    uint32_t *numbers = mem_new((size_t)n + change->added, sizeof *numbers), k = 0;
    for (uint32_t i = 0; i <= n; i++) {
        for (uint32_t a = 0; i == change->place && a < change->added; a++)
            numbers[k++] = 100000 + a;
        if (i < n && !(i >= change->place && i < change->place + change->removed))
            numbers[k++] = i;
    }
    *ret_n = k;
    return numbers;
}

/* All in one file without ids, so that lines matter most. */
static struct source one_file(uint32_t n, const struct change *change)
{
    struct source source = {0};
    struct buf text = {0};
    uint32_t n_numbers;
    cleanup(free_ptr) uint32_t *numbers = numbers_after(n, change, &n_numbers);
    for (uint32_t i = 0; i < n_numbers; i++)
        frame(&text, numbers[i]);
    format_split("set.extxyz", buf_span(&text), &source);
    assert_int_equal(source.n_items, n_numbers);
    buf_done(&text);
    return source;
}

/* A block each of one file: the second format whose ids depend on where a block stands. */
static struct source cif_blocks(uint32_t n, const struct change *change)
{
    struct source source = {0};
    struct buf text = {0};
    uint32_t n_numbers;
    cleanup(free_ptr) uint32_t *numbers = numbers_after(n, change, &n_numbers);
    for (uint32_t i = 0; i < n_numbers; i++)
        buf_print(&text, "data_%u\n_cell_length_a %u\n", numbers[i], numbers[i]);
    format_split("set.cif", buf_span(&text), &source);
    assert_int_equal(source.n_items, n_numbers);
    buf_done(&text);
    return source;
}

/* A folder of CIFs, as a user has it. */
static void write_cif(const char *folder, const char *name, uint32_t number)
{
    char path[TEST_FOLDER_SIZE + 64];
    (void)snprintf(path, sizeof path, "%s/%s.cif", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "data_%u\n_cell_length_a %u\n", number, number);
    (void)fclose(file);
}

/* ---- where the cuts are ---- */

static void test_shards__sizes_are_bounded_and_cover_all(void **state)
{
    (void)state;
    const struct change none = {0};
    const uint32_t sizes[] = {1, 63, 64, 127, 128, 129, 400, 5000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct source source = one_file(sizes[s], &none);
        struct shard *shards;
        uint32_t n = shards_cut(&source, &shards), next = 0;
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(shards[i].first, next);
            assert_true(shards[i].n <= SHARD_ITEMS_MAX);
            assert_true(shards[i].n >= SHARD_WINDOW || n == 1);
            next += shards[i].n;
        }
        assert_int_equal(next, sizes[s]);
        if (sizes[s] == 5000) {
            print_message("5000 structures: %u shards\n", n);
            assert_true(n > 5000 / 160 && n < 5000 / 95); /* 128 on average */
        }
        free(shards);
        source_done(&source);
    }
}

/* ---- changes ---- */

typedef struct source make_source(uint32_t n, const struct change *change);

/* Changes at many places: at most two shards are new, and mostly one. */
static void check_changes(make_source *make, const char *what)
{
    enum { N = 1500, PLACES = 60 };
    const struct change none = {0};
    struct campaign campaign;
    struct rng rng = rng_stream(6, 0, 0, 0);
    uint32_t counts[4] = {0};
    campaign_default(&campaign);
    struct source source = make(N, &none);
    struct ids *before = shard_ids(&source, &campaign, false);
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t place = i == 0 ? 0 : i == 1 ? N : i == 2 ? N / 2 : rng_below(&rng, N);
        const struct change changes[] = {{place, 10, 0}, {place, 0, place < N}, {place, 1, 1}};
        for (int k = 0; k < 3; k++) {
            source = make(N, &changes[k]);
            struct ids *now = shard_ids(&source, &campaign, false);
            uint32_t n = changed(now, before);
            if (n > 2)
                fail_msg("%s: change %d at %u makes %u new shards", what, k, place, n);
            counts[n]++;
            free(now);
        }
    }
    print_message("%s, %u shards: 0, 1, 2 new in %u, %u, %u of %d changes\n", what, before->n,
                  counts[0], counts[1], counts[2], 3 * PLACES);
    assert_true(counts[1] > 4 * counts[2]);
    free(before);
    campaign_done(&campaign);
}

static void test_shards__changes_of_one_file_stay_where_they_are(void **state)
{
    (void)state;
    check_changes(one_file, "extXYZ");
    check_changes(cif_blocks, "CIF blocks");
}

static void test_shards__files_added_to_a_folder_change_their_shard(void **state)
{
    (void)state;
    enum { N = 600 };
    char folder[TEST_FOLDER_SIZE], name[32];
    struct campaign campaign;
    const char *const places[] = {"0000", "0300", "0599", "zzz"};
    test_folder_new(folder);
    campaign_default(&campaign);
    for (uint32_t i = 0; i < N; i++) {
        (void)snprintf(name, sizeof name, "%04u", i);
        write_cif(folder, name, i + 3);
    }
    struct source source = {0};
    assert_int_equal(format_ingest(folder, &source, NULL), 0);
    assert_int_equal(source.n_items, N);
    struct ids *before = shard_ids(&source, &campaign, false);
    assert_true(before->n >= 3);
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        for (uint32_t i = 0; i < 10; i++) { /* one place behind another: they add up */
            (void)snprintf(name, sizeof name, "%s-%u", places[p], i);
            write_cif(folder, name, 7000 + 10 * (uint32_t)p + i);
        }
        assert_int_equal(format_ingest(folder, &source, NULL), 0);
        struct ids *now = shard_ids(&source, &campaign, false);
        assert_in_range(changed(now, before), 1, 2);
        free(before);
        before = now;
    }
    free(before);
    test_folder_remove(folder);
    campaign_done(&campaign);
}

/* ---- what is not like other data ---- */

static void test_shards__equal_structures_are_cut_too(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct buf text = {0};
    struct source source = {0};
    struct shard *shards;
    for (uint32_t i = 0; i < N; i++)
        frame(&text, 1);
    format_split("same.extxyz", buf_span(&text), &source);
    uint32_t n = shards_cut(&source, &shards);
    for (uint32_t i = 0; i + 1 < n; i++)
        assert_in_range(shards[i].n, SHARD_WINDOW, SHARD_ITEMS_MAX);
    assert_true(n <= N / SHARD_WINDOW);
    free(shards);
    source_done(&source);
    buf_done(&text);
}

static void test_shards__bytes_are_bounded(void **state)
{
    (void)state;
    enum { N = 90, BIG = 3 << 20 };
    struct source source = {.n_items = N, .items = mem_new(N, sizeof *source.items)};
    char *text = mem_new(BIG + 1, 1);
    struct shard *shards;
    for (uint32_t i = 0; i < N; i++)
        source.items[i] = (struct source_item){
            .file = "", .line = i + 1, .text = text, .size = BIG, .reject = ""};
    uint32_t n = shards_cut(&source, &shards), next = 0;
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(shards[i].first, next);
        assert_true(shards[i].n > 0 && (size_t)shards[i].n * BIG <= SHARD_BYTES_MAX);
        next += shards[i].n;
    }
    assert_int_equal(next, N);
    free(shards);
    free(source.items);
    free(text);
}

/* ---- lines ---- */

/* The data through encode and assemble, shard by shard. */
static void through_tasks(struct source *source, struct task_outputs *ret)
{
    struct campaign campaign;
    struct buf params = {0};
    struct pack pack;
    struct err err = {0};
    campaign_default(&campaign);
    struct ids *ids = shard_ids(source, &campaign, true);
    struct buf *shards = mem_new(ids->n, sizeof *shards);
    struct span *inputs = mem_new(ids->n, sizeof *inputs);
    pack_init(&pack, &params);
    pack_map(&pack, 1);
    pack_key(&pack, "symprec");
    pack_f64(&pack, 0.01);
    for (uint32_t i = 0; i < ids->n; i++) {
        struct task_outputs outputs;
        struct span input = buf_span(&ids->bytes[i]);
        if (task_run_local("encode", buf_span(&params), &input, 1, &outputs, &err))
            fail_msg("%s", err.text);
        shards[i] = outputs.bytes[0];
        outputs.bytes[0] = (struct buf){0};
        task_outputs_done(&outputs);
        inputs[i] = buf_span(&shards[i]);
    }
    buf_done(&params);
    pack_init(&pack, &params);
    pack_map(&pack, 3);
    pack_key(&pack, "atoms_max");
    pack_u64(&pack, 100);
    pack_key(&pack, "lines_before");
    pack_array(&pack, ids->n);
    for (uint32_t i = 0; i < ids->n; i++)
        pack_u64(&pack, campaign.lines_before[i]);
    pack_key(&pack, "validation");
    pack_f64(&pack, 0.1);
    if (task_run_local("assemble", buf_span(&params), inputs, ids->n, ret, &err))
        fail_msg("%s", err.text);
    assert_true(ids->n >= 4); /* else this tests nothing */
    for (uint32_t i = 0; i < ids->n; i++) {
        buf_done(&shards[i]);
        buf_done(&ids->bytes[i]);
    }
    free(shards);
    free(inputs);
    free(ids);
    buf_done(&params);
    campaign_done(&campaign);
}

/* Every structure is in line 1 + 4 k of its file, and its gap tells which one it is; every
 * seventh is broken in its last line, which stands in the report. */
static void test_shards__lines_are_those_of_the_file(void **state)
{
    (void)state;
    enum { N = 260, LINES = 4 };
    static const char *const files[] = {"first.extxyz", "second.extxyz"};
    struct source source = {0};
    struct task_outputs outputs;
    struct dataset dataset;
    uint32_t n_bad = 0;
    for (int f = 0; f < 2; f++) {
        struct buf text = {0};
        for (uint32_t i = 0; i < N; i++) {
            frame(&text, (uint32_t)f * N + i);
            if (i % 7 == 3)
                memcpy(text.data + text.size - 4, "bad", 3);
        }
        format_split(files[f], buf_span(&text), &source);
        buf_done(&text);
    }
    through_tasks(&source, &outputs);
    assert_int_equal(dataset_decode(buf_span(&outputs.bytes[0]), &dataset, NULL), 0);
    int gap = dataset_property_find(&dataset, "gap");
    for (uint32_t i = 0; i < dataset.n_records; i++) {
        const struct record *record = &dataset.records[i];
        uint32_t number = (uint32_t)record->properties[gap], f = number / N;
        char id[ID_SIZE];
        assert_int_equal(record->line, 1 + LINES * (number % N));
        assert_string_equal(record->source, files[f]);
        (void)snprintf(id, sizeof id, "%s:%u", f ? "second" : "first", record->line);
        assert_string_equal(record->id, id);
    }
    for (uint32_t i = 0; i < dataset.n_rejects; i++) {
        const struct reject *reject = &dataset.rejects[i];
        uint32_t f = !strcmp(reject->file, files[1]);
        assert_string_equal(reject->file, files[f]);
        assert_int_equal(reject->line % LINES, 0); /* the last line of a frame */
        assert_int_equal((reject->line / LINES - 1) % 7, 3);
        assert_string_equal(reject->id, "");
        n_bad++;
    }
    assert_int_equal(n_bad, 2 * ((N + 3) / 7));
    assert_int_equal(dataset.n_records + n_bad, 2 * N);
    dataset_done(&dataset);
    task_outputs_done(&outputs);
}

/* Blocks of one CIF keep their names when the shard begins with them. */
static void test_shards__blocks_keep_their_names(void **state)
{
    (void)state;
    enum { N = 700 };
    struct source source = {0};
    struct task_outputs outputs;
    struct dataset dataset;
    struct buf text = {0};
    for (uint32_t i = 0; i < N; i++)
        buf_print(&text,
                  "data_b%u\n_cell_length_a %.4f\n_cell_length_b 5\n_cell_length_c 5\n"
                  "_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
                  "_symmetry_Int_Tables_number 1\nloop_\n_atom_site_label\n_atom_site_fract_x\n"
                  "_atom_site_fract_y\n_atom_site_fract_z\nCs 0 0 0\n",
                  i, 4 + 1e-4 * i);
    format_split("set.cif", buf_span(&text), &source);
    through_tasks(&source, &outputs);
    assert_int_equal(dataset_decode(buf_span(&outputs.bytes[0]), &dataset, NULL), 0);
    assert_int_equal(dataset.n_records, N);
    assert_string_equal(dataset.records[0].id, "set");
    for (uint32_t i = 1; i < N; i++) {
        char id[ID_SIZE];
        uint32_t block = (dataset.records[i].line - 1) / 14;
        (void)snprintf(id, sizeof id, "set:b%u", block);
        assert_string_equal(dataset.records[i].id, id);
        assert_int_equal(dataset.records[i].line, 1 + 14 * block);
    }
    dataset_done(&dataset);
    task_outputs_done(&outputs);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards__sizes_are_bounded_and_cover_all),
        cmocka_unit_test(test_shards__changes_of_one_file_stay_where_they_are),
        cmocka_unit_test(test_shards__files_added_to_a_folder_change_their_shard),
        cmocka_unit_test(test_shards__equal_structures_are_cut_too),
        cmocka_unit_test(test_shards__bytes_are_bounded),
        cmocka_unit_test(test_shards__lines_are_those_of_the_file),
        cmocka_unit_test(test_shards__blocks_keep_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
