/* The campaign file: YAML to struct campaign, every key overridable by `-S key=value`. */
#ifndef WYCKMILL_CLI_CONFIG_H
#define WYCKMILL_CLI_CONFIG_H

#include "broker/campaign.h"
#include "common/err.h"

#include <stdio.h>

struct campaign_file {
    struct campaign campaign; /* its sources stay empty: ingest fills them */
    uint32_t n_data;
    char **data; /* (n_data) "demo", or files and folders as seen from the current folder */
    /* unit asked for each target, "" when none; to be compared with the data's own */
    char target_units[TARGETS_MAX][UNIT_SIZE];
};

/* Read the file at `path`, then apply the overrides ("denoiser.steps=100") in order. Starts
 * from campaign_default. Caller: campaign_file_done.
 * Errors: ERR_CONFIG: "FILE:LINE:COLUMN: ..." or "-S KEY=VALUE: ...", with what is allowed or
 * nearest in the hint. */
int config_load(const char *path, const char *const *overrides, size_t n_overrides,
                struct campaign_file *ret, struct err *err);
void campaign_file_done(struct campaign_file *file);

/* All keys with default, range, unit and meaning. */
void config_help(FILE *out);

#endif
