/* Are folders, archives, compressed files and standard input read to the same items, and is
 * what cannot be read told instead of lost? */
#include "tests/support/cmocka.h"

#include "common/span.h"
#include "workers/crystal/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

static char folder[64]; /* of the test that runs */

static int begin(void **state)
{
    (void)state;
    (void)strcpy(folder, "wyckmill-ingest-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static const char cube[] = "1\nLattice=\"3 0 0 0 3 0 0 0 3\" id=po\nPo 0 0 0\n";

static const char *path_of(const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, struct span bytes)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, file), bytes.size);
    assert_int_equal(fclose(file), 0);
}

static struct buf packed(struct span bytes)
{
    struct buf out = {0};
    size_t bound = ZSTD_compressBound(bytes.size);
    uint8_t *data = malloc(bound);
    size_t size = ZSTD_compress(data, bound, bytes.data, bytes.size, 3);
    assert_false(ZSTD_isError(size));
    buf_append(&out, data, size);
    free(data);
    return out;
}

/* ustar header and content, padded to whole blocks. */
static void tar_add(struct buf *tar, const char *name, char type, const char *content)
{
    uint8_t header[512] = {0}, zeros[512] = {0};
    size_t size = strlen(content);
    unsigned sum = 0;
    (void)snprintf((char *)header, 100, "%s", name);
    (void)snprintf((char *)header + 124, 12, "%011o", (unsigned)size);
    memset(header + 148, ' ', 8);
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++)
        sum += header[i];
    (void)snprintf((char *)header + 148, 8, "%06o", sum);
    buf_append(tar, header, 512);
    buf_append(tar, content, size);
    buf_append(tar, zeros, (512 - size % 512) % 512);
}

/* "file:line format|reject" of every item, one per line. */
static void assert_items(const char *path, const char *want)
{
    struct source source = {0};
    struct err err = {0};
    struct buf got = {0};
    if (format_ingest(path, &source, &err))
        fail_msg("%s", err.text);
    for (uint32_t i = 0; i < source.n_items; i++) {
        const struct source_item *item = &source.items[i];
        buf_print(&got, "%s:%u %s%s\n", item->file, item->line, item->format, item->reject);
        assert_int_equal(item->size, item->reject[0] ? 0 : strlen(item->text));
    }
    assert_string_equal(buf_text(&got), want);
    buf_done(&got);
    source_done(&source);
}

static void test_ingest__folder_is_read_in_order_of_names(void **state)
{
    (void)state;
    write_file("b.xyz", span_text(cube));
    write_file("a.extxyz", span_text(cube));
    write_file("README", span_text("hello"));
    write_file(".hidden.xyz", span_text(cube));
    assert_int_equal(mkdir(path_of("c"), 0700), 0);
    write_file("c/POSCAR", span_text("x"));
    assert_int_equal(symlink("..", path_of("c/loop")), 0);
    assert_int_equal(symlink("nowhere", path_of("c/dangling.cif")), 0);
    struct source source = {0};
    assert_int_equal(format_ingest(folder, &source, NULL), 0);
    static const char *const files[] = {"README",   "a.extxyz",       "b.xyz",
                                        "c/POSCAR", "c/dangling.cif", "c/loop"};
    assert_int_equal(source.n_items, 6);
    for (int i = 0; i < 6; i++)
        assert_string_equal(source.items[i].file, files[i]);
    assert_non_null(strstr(source.items[0].reject, "not a known format"));
    assert_string_equal(source.items[1].format, "extxyz");
    assert_string_equal(source.items[3].format, "vasp");
    assert_non_null(strstr(source.items[4].reject, "No such file"));
    assert_non_null(strstr(source.items[5].reject, "neither a file nor a folder"));
    source_done(&source);
}

static void test_ingest__appends_to_what_is_there(void **state)
{
    (void)state;
    struct source source = {0};
    write_file("a.xyz", span_text(cube));
    for (uint32_t i = 1; i <= 5; i++) {
        assert_int_equal(format_ingest(path_of("a.xyz"), &source, NULL), 0);
        format_split("b.xyz", span_text(cube), &source);
        assert_int_equal(source.n_items, 2 * i);
    }
    source_done(&source);
}

static void test_ingest__compressed_files(void **state)
{
    (void)state;
    struct buf twice = {0}, zst, again = {0};
    buf_print(&twice, "%s%s", cube, cube);
    zst = packed(buf_span(&twice));
    write_file("a.extxyz.zst", buf_span(&zst));
    assert_items(path_of("a.extxyz.zst"), "a.extxyz.zst:1 extxyz\na.extxyz.zst:4 extxyz\n");
    /* two zstd frames behind each other, as zstd -c a b gives */
    buf_append(&again, zst.data, zst.size);
    buf_append(&again, zst.data, zst.size);
    write_file("b.xyz.zst", buf_span(&again));
    assert_items(path_of("b.xyz.zst"), "b.xyz.zst:1 extxyz\nb.xyz.zst:4 extxyz\n"
                                       "b.xyz.zst:7 extxyz\nb.xyz.zst:10 extxyz\n");
    /* cut off behind the first frame: what came before is used */
    write_file("c.xyz.zst", (struct span){again.data, again.size - 7});
    struct source source = {0};
    assert_int_equal(format_ingest(path_of("c.xyz.zst"), &source, NULL), 0);
    assert_true(source.n_items >= 3);
    assert_string_equal(source.items[1].format, "extxyz");
    assert_non_null(strstr(source.items[source.n_items - 1].reject, "cut off"));
    source_done(&source);
    zst.data[4] |= 0x08; /* the reserved bit of the frame header */
    write_file("d.xyz.zst", buf_span(&zst));
    assert_int_equal(format_ingest(path_of("d.xyz.zst"), &source, NULL), 0);
    assert_non_null(strstr(source.items[source.n_items - 1].reject, "zstd"));
    source_done(&source);
    buf_done(&twice);
    buf_done(&zst);
    buf_done(&again);
}

static void test_ingest__tar_archives(void **state)
{
    (void)state;
    struct buf tar = {0}, zst;
    char name[151], record[200];
    memset(name, 'n', 150);
    memcpy(name + 146, ".xyz", 5);
    tar_add(&tar, "set/", '5', "");
    tar_add(&tar, "set/a.xyz", '0', cube);
    tar_add(&tar, "set/.hidden", '0', cube);
    tar_add(&tar, "././@LongLink", 'L', name);
    tar_add(&tar, "short.xyz", '0', cube);
    (void)snprintf(record, sizeof record, "%zu path=%s\n", strlen(name) + 10, name);
    tar_add(&tar, "pax", 'x', record);
    tar_add(&tar, "short.xyz", '0', cube);
    tar_add(&tar, "empty.cif", '0', "");
    static const uint8_t end_blocks[1024];
    buf_append(&tar, end_blocks, sizeof end_blocks);
    char want[2000];
    int n = snprintf(want, sizeof want,
                     "x.tar/set/a.xyz:1 extxyz\nx.tar/%s:1 extxyz\nx.tar/%s:1 extxyz\n"
                     "x.tar/empty.cif:0 the file is empty\n",
                     name, name);
    assert_true(n < (int)sizeof want);
    write_file("x.tar", buf_span(&tar));
    assert_items(path_of("x.tar"), want);
    zst = packed(buf_span(&tar));
    write_file("y.tar.zst", buf_span(&zst));
    struct source source = {0};
    assert_int_equal(format_ingest(path_of("y.tar.zst"), &source, NULL), 0);
    assert_int_equal(source.n_items, 4);
    assert_string_equal(source.items[0].file, "y.tar.zst/set/a.xyz");
    source_done(&source);
    /* cut off inside the first file; a damaged header behind it */
    write_file("x.tar", (struct span){tar.data, 512 + 512 + 20});
    assert_items(path_of("x.tar"), "x.tar:0 the tar is cut off inside 'set/a.xyz'\n");
    tar.data[3 * 512] ^= 1;
    write_file("x.tar", buf_span(&tar));
    assert_items(path_of("x.tar"),
                 "x.tar/set/a.xyz:1 extxyz\nx.tar:0 damaged tar header at byte 1536\n");
    write_file("x.tar", span_text("short"));
    assert_items(path_of("x.tar"), "x.tar:0 not a tar: 5 bytes\n");
    buf_done(&tar);
    buf_done(&zst);
}

static void test_ingest__standard_input(void **state)
{
    (void)state;
    struct buf zst = packed(span_text(cube));
    int kept = dup(STDIN_FILENO);
    write_file("plain", span_text(cube));
    write_file("packed", buf_span(&zst));
    static const char *const names[] = {"plain", "packed"};
    for (int i = 0; i < 2; i++) {
        assert_non_null(freopen(path_of(names[i]), "rb", stdin));
        assert_items("-", "stdin.extxyz:1 extxyz\n");
    }
    assert_int_equal(dup2(kept, STDIN_FILENO), STDIN_FILENO);
    (void)close(kept);
    buf_done(&zst);
}

static void test_ingest__missing_path_is_the_only_error(void **state)
{
    (void)state;
    struct source source = {0};
    struct err err = {0};
    assert_int_equal(format_ingest(path_of("nothing.cif"), &source, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "nothing.cif"));
    assert_int_equal(source.n_items, 0);
    assert_items(folder, "");
    source_done(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ingest__folder_is_read_in_order_of_names, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_ingest__appends_to_what_is_there, begin, end),
        cmocka_unit_test_setup_teardown(test_ingest__compressed_files, begin, end),
        cmocka_unit_test_setup_teardown(test_ingest__tar_archives, begin, end),
        cmocka_unit_test_setup_teardown(test_ingest__standard_input, begin, end),
        cmocka_unit_test_setup_teardown(test_ingest__missing_path_is_the_only_error, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
