/* The end of a campaign: its files and its story, from the store alone. */
#ifndef WYCKMILL_CLI_DELIVER_H
#define WYCKMILL_CLI_DELIVER_H

#include "common/err.h"
#include "store/store.h"

/* Write the candidates of the campaign `name`, those found so far when it is not over, into
 * `out` (candidates.csv, candidates.extxyz, cif/), with the reports beside them
 * (dataset-report.json and .txt: what is in the data; rejected.json: what was left out of them;
 * report.json: both arms of the comparison), and tell the outcome on stdout: the best ten,
 * guided beside unguided, what was left out, the next useful command. *ret_exit: EXIT_DONE or
 * EXIT_PARTLY. Errors: ERR_NOT_FOUND (nothing ranked yet, failed), as export_write. */
int deliver(struct store *store, const char *store_path, const char *name, const char *out,
            int *ret_exit, struct err *err);

#endif
