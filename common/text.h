/* Small text helpers. */
#ifndef WYCKMILL_COMMON_TEXT_H
#define WYCKMILL_COMMON_TEXT_H

/* Levenshtein distance (insertions, deletions, substitutions); texts over 63 bytes are cut. For
 * "did you mean" only. */
unsigned text_distance(const char *a, const char *b);

#endif
