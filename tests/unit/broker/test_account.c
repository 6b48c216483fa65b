/* Does the account of a campaign keep what it is told, and nothing that is not true any more?
 */
#include "tests/support/cmocka.h"

#include "broker/account.h"
#include "common/cleanup.h"
#include "common/mem.h"

#include <stdio.h>
#include <string.h>

static struct account example(void)
{
    return (struct account){
        .base.bytes = {7, 8},
        .slot_us = UINT64_C(1) << 40,
        .rounds = 12,
        .mark = {.models.bytes = {1},
                 .round = 11,
                 .ranked = 10,
                 .rounds_without = 2,
                 .rounds_lost = 1,
                 .batches = 88,
                 .batches_lost = 9,
                 .tasks = 300,
                 .failed = 9,
                 .bytes = 123456789,
                 .distinct = 50,
                 .meeting = 20,
                 .ranking = {{{2}}, {{3}}, {{4}}},
                 .why = "a slot died"},
    };
}

static void assert_same(const struct account *a, const struct account *b)
{
    struct buf one = {0}, two = {0};
    account_encode(a, &one);
    account_encode(b, &two);
    assert_int_equal(one.size, two.size);
    assert_memory_equal(one.data, two.data, one.size);
    buf_done(&one);
    buf_done(&two);
}

static void test_account__comes_back_as_it_was(void **state)
{
    (void)state;
    struct account account = example(), again;
    struct buf bytes = {0};
    account_encode(&account, &bytes);
    assert_int_equal(account_decode(buf_span(&bytes), &again, NULL), 0);
    assert_memory_equal(&again.base, &account.base, sizeof account.base);
    assert_true(again.slot_us == account.slot_us);
    assert_int_equal(again.rounds, 12);
    assert_int_equal(again.mark.round, 11);
    assert_int_equal(again.mark.ranked, 10);
    assert_int_equal(again.mark.batches_lost, 9);
    assert_int_equal(again.mark.meeting, 20);
    assert_int_equal(again.mark.ranking[RANKED_TALLY].bytes[0], 4);
    assert_string_equal(again.mark.why, "a slot died");
    assert_same(&account, &again);
    buf_done(&bytes);
}

/* Bytes of an earlier build (tests/golden) are read, and today's are still the same. */
static void test_account__golden_bytes(void **state)
{
    (void)state;
    uint8_t before[1024];
    struct account account = example(), again;
    struct buf now = {0};
    cleanup(fclose_ptr) FILE *file = fopen(GOLDEN "/account-v1.msgpack", "rb");
    assert_non_null(file);
    size_t size = fread(before, 1, sizeof before, file);
    account_encode(&account, &now);
    assert_int_equal(size, now.size);
    assert_memory_equal(before, now.data, size);
    assert_int_equal(account_decode((struct span){before, size}, &again, NULL), 0);
    assert_same(&account, &again);
    buf_done(&now);
}

static void test_account__damaged_bytes_are_refused(void **state)
{
    (void)state;
    struct account account = example(), again;
    struct buf bytes = {0};
    account_encode(&account, &bytes);
    for (size_t size = 0; size < bytes.size; size++)
        assert_true(account_decode((struct span){bytes.data, size}, &again, NULL) < 0);
    int refused = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 0x11;
        refused += account_decode(buf_span(&bytes), &again, NULL) != 0;
        bytes.data[i] ^= 0x11;
    }
    assert_true(refused > (int)bytes.size / 3);
    buf_done(&bytes);
}

/* Without a table in the store a mark is none; of another base there is no account at all. */
static void test_account__belongs_to_its_campaign_and_table(void **state)
{
    (void)state;
    cleanup(store_close_ptr) struct store *store = store_open_memory();
    struct campaign campaign;
    struct account account = example(), found;
    campaign_default(&campaign);
    assert_int_equal(account_load(store, &campaign, &found, NULL), 0); /* none yet */
    assert_true(found.slot_us == 0 && found.mark.round == 0);
    account.base = campaign_base(&campaign);
    assert_int_equal(account_save(store, campaign.name, &account, NULL), 0);
    assert_int_equal(account_load(store, &campaign, &found, NULL), 0);
    assert_true(found.slot_us == account.slot_us);
    static const char *const texts[RANK_OUTPUTS] = {"table", "report", "tally"};
    for (int i = 0; i < RANK_OUTPUTS; i++) {
        assert_int_equal(found.mark.round, 0); /* something is missing yet */
        assert_int_equal(
            store_put(store, texts[i], span_text(texts[i]), &account.mark.ranking[i], NULL), 0);
        assert_int_equal(account_save(store, campaign.name, &account, NULL), 0);
        assert_int_equal(account_load(store, &campaign, &found, NULL), 0);
    }
    campaign.budget_tasks = 77; /* more budget: the same account */
    assert_int_equal(account_load(store, &campaign, &found, NULL), 0);
    assert_same(&account, &found);
    campaign.seed++;
    assert_int_equal(account_load(store, &campaign, &found, NULL), 0);
    assert_true(found.slot_us == 0 && found.rounds == 0 && found.mark.round == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account__comes_back_as_it_was),
        cmocka_unit_test(test_account__golden_bytes),
        cmocka_unit_test(test_account__damaged_bytes_are_refused),
        cmocka_unit_test(test_account__belongs_to_its_campaign_and_table),
    };
    if (argc > 1 && !strcmp(argv[1], "--write")) {
        struct account account = example();
        struct buf bytes = {0};
        account_encode(&account, &bytes);
        cleanup(fclose_ptr) FILE *file = fopen(GOLDEN "/account-v1.msgpack", "wb");
        return !file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
