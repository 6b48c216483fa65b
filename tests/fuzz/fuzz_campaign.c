/* Any bytes as a campaign and as its account, any text as what tasks need and as tags: what is
 * read is written back as the same bytes, or, of text, means the same when read again. */
#include "broker/account.h"
#include "broker/campaign.h"
#include "proto/needs.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

enum { TEXT_MAX = 300 };

static void try_campaign(struct span bytes)
{
    struct campaign campaign;
    struct buf again = {0};
    struct err err;
    if (campaign_decode(bytes, &campaign, &err)) {
        assert(err.code == ERR_CORRUPT || err.code == ERR_LIMIT || err.code == ERR_UNSUPPORTED);
        return;
    }
    (void)campaign_check(&campaign, &err);
    campaign_encode(&campaign, &again, NULL); /* an older version becomes the newest */
    campaign_done(&campaign);
    assert(campaign_decode(buf_span(&again), &campaign, &err) == 0);
    campaign_done(&campaign);
    buf_done(&again);
}

static void try_account(struct span bytes)
{
    struct account account;
    struct buf again = {0};
    struct err err;
    if (account_decode(bytes, &account, &err)) {
        assert(err.code == ERR_CORRUPT || err.code == ERR_LIMIT || err.code == ERR_UNSUPPORTED);
        return;
    }
    account_encode(&account, &again);
    assert(again.size == bytes.size && memcmp(again.data, bytes.data, bytes.size) == 0);
    buf_done(&again);
}

static void try_needs(const char *text)
{
    struct needs needs;
    struct err err;
    if (needs_parse(text, &needs, &err))
        assert(err.code == ERR_CONFIG);
    else
        assert(needs_is_none(&needs) || text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[TEXT_MAX + 1];
    struct span bytes = {data, size};
    try_campaign(bytes);
    try_account(bytes);
    if (size <= TEXT_MAX && !memchr(data, '\0', size)) {
        memcpy(text, data, size);
        text[size] = '\0';
        try_needs(text);
    }
    return 0;
}
