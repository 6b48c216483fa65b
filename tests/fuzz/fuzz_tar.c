/* Any bytes as a tar archive, or as a zstd file of extended XYZ: through a file, as users give
 * them. */
#include "tests/fuzz/fuzz.h"
#include "workers/crystal/format.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "wyckmill-fuzz-XXXXXX.tar";
    int file = mkstemps(path, 4);
    assert(file >= 0);
    assert(write(file, data, size) == (ssize_t)size);
    (void)close(file);
    struct source source = {0};
    assert(format_ingest(path, &source, NULL) == 0);
    for (uint32_t i = 0; i < source.n_items; i++)
        assert(source.items[i].file[0] != '\0');
    source_done(&source);
    (void)unlink(path);
    return 0;
}
