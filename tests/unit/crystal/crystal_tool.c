/* Our readers and writers as a program, for tests in other languages:
 *   crystal_tool examples DIR            NNN.cif, .extxyz, .vasp of every space group NNN
 *   crystal_tool convert FILE...         any structure file to extXYZ on stdout
 *   crystal_tool decode STRIDE FILE...   every STRIDE-th structure, encoded and decoded
 *   crystal_tool write STRIDE DIR FILE... the same, each as ID.cif, ID.extxyz and ID.vasp in
 * DIR Rejected structures are lines "file:line: reason" on stderr; the exit status is 3 then.
 */
#include "tests/unit/crystal/example.h"
#include "workers/crystal/format.h"

#include <stdlib.h>

static const double symprec = 0.1;

static int write_file(const char *folder, const char *name, const char *ending,
                      const struct buf *bytes)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes->data, 1, bytes->size, file) != bytes->size)
        return 1;
    return fclose(file) != 0;
}

static int write_formats(const struct record *record, const struct structure *structure,
                         const char *folder, struct err *err)
{
    struct buf cif = {0}, xyz = {0}, vasp = {0};
    int rc = cif_write(record, record->id, NULL, &cif, err);
    extxyz_write(structure, NULL, &xyz);
    poscar_write(structure, record->id, &vasp);
    if (rc == 0 && (write_file(folder, record->id, "cif", &cif) ||
                    write_file(folder, record->id, "extxyz", &xyz) ||
                    write_file(folder, record->id, "vasp", &vasp)))
        rc = err_set(err, ERR_IO, "cannot write to '%s'", folder);
    buf_done(&cif);
    buf_done(&xyz);
    buf_done(&vasp);
    return rc;
}

/* Each as NNN.cif, .extxyz and .vasp. */
static int write_examples(const char *folder)
{
    int failed = 0;
    for (int number = 1; number <= GROUP_MAX && !failed; number++) {
        struct example e;
        struct structure s;
        example_init(&e, number);
        (void)snprintf(e.record.id, sizeof e.record.id, "%03d", number);
        failed = record_to_structure(&e.record, &s, NULL) ||
                 write_formats(&e.record, &s, folder, NULL);
        structure_done(&s);
    }
    return failed;
}

enum mode { CONVERT, DECODE, WRITE };

static int give(enum mode mode, const struct structure *structure, const char *folder,
                struct err *err)
{
    struct record record = {0};
    struct structure decoded = {0};
    int rc = structure_check(structure, err);
    if (rc == 0 && mode != CONVERT)
        rc = structure_to_record(structure, symprec, &record, err);
    if (rc == 0 && mode != CONVERT)
        rc = record_to_structure(&record, &decoded, err);
    if (rc == 0 && mode == WRITE)
        rc = write_formats(&record, &decoded, folder, err);
    if (rc == 0 && mode != WRITE) {
        struct buf out = {0};
        char keys[32];
        (void)snprintf(keys, sizeof keys, "spacegroup=%u", record.proto.spacegroup);
        extxyz_write(mode == DECODE ? &decoded : structure, mode == DECODE ? keys : NULL, &out);
        (void)fwrite(out.data, 1, out.size, stdout);
        buf_done(&out);
    }
    record_done(&record);
    structure_done(&decoded);
    return rc;
}

static int read_files(enum mode mode, uint32_t stride, const char *folder, int n, char **files)
{
    int status = 0;
    for (int f = 0; f < n; f++) {
        struct source source = {0};
        struct err err = {0};
        if (format_ingest(files[f], &source, &err)) {
            (void)fprintf(stderr, "%s\n", err.text);
            return 1;
        }
        for (uint32_t i = 0; i < source.n_items; i += stride) {
            struct structure structure = {0};
            uint32_t line;
            int rc = format_parse(&source.items[i], &structure, &line, &err);
            if (rc == 0)
                rc = give(mode, &structure, folder, &err);
            if (rc) {
                (void)fprintf(stderr, "%s:%u: %s\n", source.items[i].file, line, err.text);
                status = 3;
            }
            structure_done(&structure);
        }
        source_done(&source);
    }
    return status;
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "examples"))
        return write_examples(argv[2]);
    if (argc > 2 && !strcmp(argv[1], "convert"))
        return read_files(CONVERT, 1, NULL, argc - 2, argv + 2);
    if (argc > 3 && !strcmp(argv[1], "decode") && atoi(argv[2]) > 0)
        return read_files(DECODE, (uint32_t)atoi(argv[2]), NULL, argc - 3, argv + 3);
    if (argc > 4 && !strcmp(argv[1], "write") && atoi(argv[2]) > 0)
        return read_files(WRITE, (uint32_t)atoi(argv[2]), argv[3], argc - 4, argv + 4);
    return 2;
}
