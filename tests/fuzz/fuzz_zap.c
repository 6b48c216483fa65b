/* Any frames as a ZAP request (each: one byte of length, then its bytes): welcome are the
 * frames of a real request with the one key in the list, and nothing else. */
#include "broker/zap.h"
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <string.h>

#define OWN "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"

enum { FRAMES_MAX = 9 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span frames[FRAMES_MAX];
    struct zap_answer answer;
    size_t n = 0;
    struct allowed *allowed = allowed_new("/nonexistent", OWN);
    for (; n < FRAMES_MAX && size > 0; n++) {
        size_t part = data[0] < size ? data[0] : size - 1;
        frames[n] = (struct span){data + 1, part};
        data += 1 + part;
        size -= 1 + part;
    }
    zap_decide(frames, n, allowed, &answer);
    bool welcome = !strcmp(answer.code, "200");
    assert(welcome == (answer.user[0] != '\0') && welcome == (answer.metadata_size > 0));
    assert(!welcome || (n == 7 && frames[6].size == 32 && !strcmp(answer.key, OWN)));
    allowed_free(allowed);
    return 0;
}
