/* Any bytes as a tar archive, or as a zstd file of extended XYZ: through a file, as users give
 * them. */
#include "tests/fuzz/format.h"
#include "tests/fuzz/fuzz.h"

#include <unistd.h>
#include <zstd.h>

/* Reading goes by two pieces of 256 KiB, and a zstd stream has its own tables and a window of
 * at most 128 MiB, as large as the file's header says. */
enum { INGEST_FIXED_BYTES = 1 << 20, ZSTD_FIXED_BYTES = (128 << 20) + (4 << 20) };

/* Packed bytes are no measure: the reader's input is what comes out of them. */
static size_t unpacked_size(const uint8_t *data, size_t size)
{
    static uint8_t chunk[1 << 16];
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer input = {data, size, 0};
    size_t total = 0;
    for (bool more = true; more;) {
        ZSTD_outBuffer output = {chunk, sizeof chunk, 0};
        more = !ZSTD_isError(ZSTD_decompressStream(stream, &output, &input)) &&
               (input.pos < input.size || output.pos == output.size);
        total += output.pos;
    }
    (void)ZSTD_freeDStream(stream);
    return total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[] = "wyckmill-fuzz-XXXXXX.tar";
    int file = mkstemps(path, 4);
    assert(file >= 0);
    assert(write(file, data, size) == (ssize_t)size);
    (void)close(file);
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    bool packed = size >= sizeof magic && !memcmp(data, magic, sizeof magic);
    size_t bytes = packed ? unpacked_size(data, size) : size;
    struct source source = {0};
    heap_begin();
    assert(format_ingest(path, &source, NULL) == 0);
    fuzz_heap(bytes, packed ? ZSTD_FIXED_BYTES : INGEST_FIXED_BYTES);
    for (uint32_t i = 0; i < source.n_items; i++)
        assert(source.items[i].file[0] != '\0');
    source_done(&source);
    (void)unlink(path);
    return 0;
}
