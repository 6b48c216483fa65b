/* cmocka with the headers it needs in front of it. */
#ifndef WYCKMILL_TESTS_SUPPORT_CMOCKA_H
#define WYCKMILL_TESTS_SUPPORT_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
