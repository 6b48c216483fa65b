/* The answer to a ZAP request: see zap.h. */
#include "broker/zap.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum {
    FRAME_VERSION,
    FRAME_ID,
    FRAME_DOMAIN,
    FRAME_ADDRESS,
    FRAME_ROUTING_ID,
    FRAME_MECHANISM,
    FRAME_KEY,
    FRAMES,
    KEY_BYTES = 32,
};

static bool is_text(struct span frame, const char *text)
{
    return frame.size == strlen(text) && memcmp(frame.data, text, frame.size) == 0;
}

/* One property as ZMTP writes it: length of the name (1 byte), name, length of the value (4
 * bytes, big endian), value. */
static void add_key_property(struct zap_answer *answer)
{
    static const char name[] = ZAP_KEY_PROPERTY;
    enum { NAME_SIZE = sizeof name - 1, VALUE_SIZE = KEY_TEXT_SIZE - 1 };
    static_assert(1 + NAME_SIZE + 4 + VALUE_SIZE <= ZAP_METADATA_SIZE, "it has room");
    uint8_t *at = answer->metadata;
    *at++ = NAME_SIZE;
    memcpy(at, name, NAME_SIZE);
    at += NAME_SIZE;
    memcpy(at, (const uint8_t[4]){0, 0, 0, VALUE_SIZE}, 4);
    memcpy(at + 4, answer->key, VALUE_SIZE);
    answer->metadata_size = 1 + NAME_SIZE + 4 + VALUE_SIZE;
}

void zap_decide(const struct span *frames, size_t n, const struct allowed *allowed,
                struct zap_answer *ret)
{
    *ret = (struct zap_answer){.code = "500", .text = "this is no question about a key"};
    if (n != FRAMES || !is_text(frames[FRAME_VERSION], "1.0") ||
        frames[FRAME_KEY].size != KEY_BYTES)
        return;
    ret->code = "400";
    ret->text = "denied";
    if (!is_text(frames[FRAME_DOMAIN], ZAP_DOMAIN) ||
        !is_text(frames[FRAME_MECHANISM], "CURVE"))
        return;
    (void)zmq_z85_encode(ret->key, frames[FRAME_KEY].data, KEY_BYTES);
    const char *name = allowed_name(allowed, ret->key);
    if (!name)
        return;
    ret->code = "200";
    ret->text = "welcome";
    (void)snprintf(ret->user, sizeof ret->user, "%s", name);
    add_key_property(ret);
}
