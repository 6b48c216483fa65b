/* One structure's text to its record: see encode.h. */
#include "workers/encode/encode.h"

#include "workers/crystal/format.h"

#include <stdio.h>

int encode_item(const struct source_item *item, double symprec, struct structure *ret_structure,
                struct record *ret_record, struct reject *ret_reject)
{
    struct structure structure = {0};
    struct err err = {0};
    uint32_t line = item->line;
    int rc = format_parse(item, &structure, &line, &err);
    if (rc == 0) {
        line = item->line;
        rc = structure_check(&structure, &err);
    }
    if (rc == 0)
        rc = structure_to_record(&structure, symprec, ret_record, &err);
    if (rc == 0) {
        *ret_structure = structure;
        return 0;
    }
    *ret_reject = (struct reject){.line = line};
    if (!structure.unnamed)
        memcpy(ret_reject->id, structure.id, sizeof ret_reject->id);
    memcpy(ret_reject->file, item->file, sizeof ret_reject->file);
    (void)snprintf(ret_reject->reason, sizeof ret_reject->reason, "%s", err.text);
    structure_done(&structure);
    return rc;
}
