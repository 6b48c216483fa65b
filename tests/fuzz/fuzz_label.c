/* Any text as a label: what is taken passes the check and comes back from its printed form. */
#include "tests/fuzz/fuzz.h"
#include "workers/crystal/structure.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct protostructure proto, again;
    struct err err = {0};
    bool anonymous = false, again_anonymous = false;
    char *text = calloc(size + 1, 1);
    if (size > 0)
        memcpy(text, data, size);
    int rc = protostructure_parse(text, &proto, &anonymous, &err);
    if (rc) {
        assert(rc == ERR_INVALID && err.code == rc && strncmp(err.text, "character ", 10) == 0);
        free(text);
        return 0;
    }
    assert(protostructure_check(&proto, NULL) == 0);
    char *printed = anonymous ? protostructure_prototype(&proto) : protostructure_label(&proto);
    rc = protostructure_parse(printed, &again, &again_anonymous, &err);
    assert(rc == 0 && again_anonymous == anonymous && protostructure_equal(&proto, &again));
    protostructure_done(&proto);
    protostructure_done(&again);
    free(printed);
    free(text);
    return 0;
}
