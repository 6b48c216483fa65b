/* Are a campaign's bytes canonical, and does it say what is wrong with its settings? */
#include "tests/support/cmocka.h"

#include "broker/campaign.h"
#include "common/cleanup.h"
#include "common/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct campaign example(void)
{
    struct campaign campaign;
    campaign_default(&campaign);
    (void)strcpy(campaign.name, "demo-1");
    (void)strcpy(campaign.profile, "x86-64-v3 openblas");
    campaign.n_sources = 3;
    campaign.sources = mem_new(3, sizeof *campaign.sources);
    for (uint8_t i = 0; i < 3; i++)
        campaign.sources[i].bytes[0] = i;
    campaign.lines_before = mem_new(3, sizeof *campaign.lines_before);
    campaign.lines_before[1] = 128;
    campaign.lines_before[2] = 70000;
    campaign.n_elements = 2;
    campaign.elements[0] = 8;
    campaign.elements[1] = 56;
    campaign.n_spacegroups = 1;
    campaign.spacegroups[0] = 221;
    campaign.targets.n = 1;
    campaign.targets.items[0] = (struct target){
        .property = "band_gap", .low = 1.5, .high = (double)INFINITY, .weight = 1};
    campaign.needs[KIND_train_step] = (struct needs){
        .memory_bytes = UINT64_C(4) << 30, .time_ms = 7200000, .gpus = 1, .tags = "big,gpu"};
    campaign.needs[KIND_encode].time_ms = 1000;
    return campaign;
}

/* With every way to end it. */
static struct campaign bounded(void)
{
    struct campaign campaign = example();
    campaign.rounds_max = 0;
    campaign.stop_found = false;
    campaign.stop_meeting = 20;
    campaign.stop_rounds_without = 3;
    campaign.budget_tasks = 500;
    campaign.budget_slot_hours = 2.5;
    campaign.budget_bytes = UINT64_C(1) << 40;
    return campaign;
}

static void test_campaign__bytes_round_trip(void **state)
{
    (void)state;
    struct campaign campaign = example(), again;
    struct buf bytes = {0}, second = {0};
    struct hash id, id_again;
    struct err err;
    campaign.priority = -3;
    campaign.seed = UINT64_MAX;
    campaign_encode(&campaign, &bytes, &id);
    assert_int_equal(value_check_canonical(buf_span(&bytes), &err), 0);
    assert_int_equal(campaign_decode(buf_span(&bytes), &again, &err), 0);
    assert_int_equal(again.seed == UINT64_MAX, 1);
    assert_int_equal(again.priority, -3);
    assert_string_equal(again.profile, campaign.profile);
    assert_int_equal(again.denoiser.width, campaign.denoiser.width);
    assert_memory_equal(again.sources, campaign.sources, 3 * sizeof *again.sources);
    campaign_encode(&again, &second, &id_again);
    assert_true(hash_equal(&id, &id_again));
    assert_int_equal(bytes.size, second.size);
    campaign_done(&campaign);
    campaign_done(&again);
    buf_done(&bytes);
    buf_done(&second);
}

static void read_golden(const char *name, struct buf *ret)
{
    char path[4096];
    uint8_t part[4096];
    (void)snprintf(path, sizeof path, "%s/%s", GOLDEN, name);
    cleanup(fclose_ptr) FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;)
        buf_append(ret, part, n);
}

static void check_needs(const struct campaign *campaign)
{
    const struct needs *needs = &campaign->needs[KIND_train_step];
    assert_int_equal(needs->memory_bytes, UINT64_C(4) << 30);
    assert_int_equal(needs->time_ms, 7200000);
    assert_int_equal(needs->gpus, 1);
    assert_string_equal(needs->tags, "big,gpu");
    assert_int_equal(campaign->needs[KIND_encode].time_ms, 1000);
    for (int k = KIND_sample; k < KIND_COUNT; k++)
        assert_true(needs_is_none(&campaign->needs[k]));
}

/* Bytes of an earlier build (tests/golden) are read, and today's are still the same. */
static void test_campaign__golden_bytes(void **state)
{
    (void)state;
    struct campaign campaign = example(), again;
    struct buf now = {0}, one = {0}, two = {0}, three = {0};
    read_golden("campaign-v1.msgpack", &one);
    read_golden("campaign-v2.msgpack", &two);
    read_golden("campaign-v3.msgpack", &three);
    struct campaign newest = bounded();
    campaign_encode(&newest, &now, NULL);
    assert_int_equal(now.size, three.size);
    assert_memory_equal(now.data, three.data, three.size);
    assert_int_equal(campaign_decode(buf_span(&three), &again, NULL), 0);
    assert_int_equal(again.stop_meeting, 20);
    assert_false(again.stop_found);
    assert_int_equal(again.budget_tasks, 500);
    assert_int_equal(again.budget_bytes, UINT64_C(1) << 40);
    check_needs(&again);
    campaign_done(&again);
    campaign_done(&newest);

    assert_int_equal(campaign_decode(buf_span(&two), &again, NULL), 0);
    assert_memory_equal(again.lines_before, campaign.lines_before, 3 * sizeof(uint32_t));
    assert_true(again.stop_found); /* as there was no choice then */
    assert_int_equal(again.budget_tasks, 0);
    for (int k = 0; k < KIND_COUNT; k++)
        assert_true(needs_is_none(&again.needs[k]));
    campaign_done(&again);

    assert_int_equal(campaign_decode(buf_span(&one), &again, NULL), 0);
    assert_null(again.lines_before);
    assert_memory_equal(again.sources, campaign.sources, 3 * sizeof *again.sources);
    assert_string_equal(again.name, campaign.name);
    assert_int_equal(again.spacegroups[0], 221);
    now.size = 0; /* written again: as one of today without lines */
    campaign_encode(&again, &now, NULL);
    campaign_done(&again);
    assert_int_equal(campaign_decode(buf_span(&now), &again, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(again.lines_before[i], 0);
    campaign_done(&again);
    campaign_done(&campaign);
    buf_done(&now);
    buf_done(&one);
    buf_done(&two);
    buf_done(&three);
}

/* More budget makes another campaign with the same base; anything else, another base. */
static void test_campaign__base_forgets_the_budget(void **state)
{
    (void)state;
    struct campaign campaign = bounded();
    struct hash ids[2], bases[3];
    for (int i = 0; i < 2; i++) {
        struct buf bytes = {0};
        campaign_encode(&campaign, &bytes, &ids[i]);
        bases[i] = campaign_base(&campaign);
        campaign.budget_tasks = 1000;
        campaign.budget_slot_hours = 0;
        campaign.budget_bytes = 7;
        buf_done(&bytes);
    }
    campaign.stop_meeting++;
    bases[2] = campaign_base(&campaign);
    assert_false(hash_equal(&ids[0], &ids[1]));
    assert_true(hash_equal(&bases[0], &bases[1]));
    assert_false(hash_equal(&bases[0], &bases[2]));
    campaign_done(&campaign);
}

/* Every cut and every flipped byte is refused or still a campaign; none is a crash. */
static void test_campaign__damaged_bytes_are_refused(void **state)
{
    (void)state;
    struct campaign campaign = example(), again;
    struct buf bytes = {0};
    campaign_encode(&campaign, &bytes, NULL);
    for (size_t size = 0; size < bytes.size; size++)
        assert_true(campaign_decode((struct span){bytes.data, size}, &again, NULL) < 0);
    int refused = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 0x11;
        if (campaign_decode(buf_span(&bytes), &again, NULL))
            refused++;
        else
            campaign_done(&again);
        bytes.data[i] ^= 0x11;
    }
    assert_true(refused > (int)bytes.size / 2);
    campaign_done(&campaign);
    buf_done(&bytes);
}

static void complains(struct campaign *campaign, const char *sentence)
{
    struct err err = {0};
    assert_int_equal(campaign_check(campaign, &err), ERR_CONFIG);
    assert_string_equal(err.text, sentence);
    campaign_done(campaign);
    *campaign = example();
}

static void test_campaign__check_names_the_setting(void **state)
{
    (void)state;
    struct campaign campaign = example();
    assert_int_equal(campaign_check(&campaign, NULL), 0);
    campaign.denoiser.width = 100;
    complains(&campaign,
              "denoiser.width is 100, want a multiple of 8 and of denoiser.heads (4)");
    campaign.guide.learning_rate = (double)NAN;
    complains(&campaign, "guide.learning_rate is nan, want 1.0000000000000001e-09 to 10");
    campaign.atoms_max = 0;
    complains(&campaign, "atoms_max is 0, want 1 to 2000");
    campaign.sample_steps = campaign.timesteps + 1;
    complains(&campaign, "sample_steps is 101, want at most timesteps (100)");
    (void)strcpy(campaign.name, "../etc");
    complains(&campaign, "name is '../etc', want it to begin with a letter or digit");
    (void)strcpy(campaign.name, "a b");
    complains(&campaign, "name is 'a b', want lower-case letters, digits, '.', '_' and '-'");
    campaign.n_sources = 0;
    complains(&campaign, "the data are 0 source objects, want 1 to 32768");
    campaign.spacegroups[0] = 231;
    complains(&campaign, "spacegroups: 231 is no space group, want 1 to 230");
    campaign.targets.items[0].low = 7;
    campaign.targets.items[0].high = 6;
    complains(&campaign, "targets: the range of band_gap, 7..6, is empty");
    campaign.rounds_max = 1000000;
    campaign.tasks = 1000;
    complains(&campaign,
              "rounds_max (1000000) x tasks (1000) x batch (32) is over 2^32 samples");
    campaign.stop_meeting = 51;
    complains(&campaign, "stop_meeting is 51, want at most candidates (50)");
    campaign.budget_slot_hours = (double)NAN;
    complains(&campaign, "budget_slot_hours is nan, want 0 to 1000000000");
    campaign_done(&campaign);
}

/* `test_campaign --write FILE`: the golden file of a new format. */
static int write_golden(const char *path)
{
    struct campaign campaign = bounded();
    struct buf bytes = {0};
    cleanup(fclose_ptr) FILE *file = fopen(path, "wb");
    campaign_encode(&campaign, &bytes, NULL);
    return !file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--write"))
        return write_golden(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_campaign__bytes_round_trip),
        cmocka_unit_test(test_campaign__golden_bytes),
        cmocka_unit_test(test_campaign__base_forgets_the_budget),
        cmocka_unit_test(test_campaign__damaged_bytes_are_refused),
        cmocka_unit_test(test_campaign__check_names_the_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
