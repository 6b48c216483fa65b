/* Any bytes as a key file: what is taken comes back from its printed form. */
#include "keys/keys.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct key_pair pair, again;
    struct err err = {0};
    struct buf text = {0};
    if (key_parse((struct span){data, size}, &pair, &err)) {
        assert(err.code == ERR_CORRUPT && err.text[0]);
        return 0;
    }
    assert(strlen(pair.public) == 40 && (!pair.secret[0] || strlen(pair.secret) == 40));
    key_print(&pair, pair.secret[0], &text);
    assert(key_parse(buf_span(&text), &again, NULL) == 0);
    assert(!strcmp(pair.public, again.public) && !strcmp(pair.secret, again.secret));
    buf_done(&text);
    return 0;
}
