/* The look at bytes before msgpack-c sees them: are they one well-formed value, and is every
 * size, depth and count within limits? Inside proto/ only. */
#ifndef WYCKMILL_PROTO_SCAN_H
#define WYCKMILL_PROTO_SCAN_H

#include "proto/value.h"

/* Allocates nothing. `canonical`: also refuse every form the writer would not make.
 * Errors: ERR_CORRUPT, ERR_LIMIT; the sentence names the byte. */
int scan_document(struct span bytes, const struct value_limits *limits, bool canonical,
                  struct err *err);

#endif
