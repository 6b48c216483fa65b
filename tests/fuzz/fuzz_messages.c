/* Any bytes as a frame: what decodes prints on one line, and encodes to a frame that decodes to
 * the same. */
#include "proto/messages.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message, second;
    struct err err = {0};
    struct buf line = {0}, frame = {0}, again = {0};
    if (message_decode((struct span){data, size}, &message, &err) != 0) {
        assert(err.code == ERR_CORRUPT || err.code == ERR_LIMIT || err.code == ERR_UNSUPPORTED);
        assert(err.text[0]);
        return 0;
    }
    message_print(&message, &line);
    assert(line.size > 0 && !memchr(line.data, '\n', line.size));
    message_encode(&message, &frame);
    assert(message_decode(buf_span(&frame), &second, NULL) == 0);
    message_encode(&second, &again);
    assert(frame.size == again.size && memcmp(frame.data, again.data, frame.size) == 0);
    buf_done(&line);
    buf_done(&frame);
    buf_done(&again);
    return 0;
}
