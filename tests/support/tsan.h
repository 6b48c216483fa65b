/* libzmq is not built with the thread sanitizer, so its lock-free queues look like races to it.
 * What it and the C++ library do is not ours to check; our own accesses are still seen.
 * Include this once in a test program. */
#ifndef WYCKMILL_TESTS_SUPPORT_TSAN_H
#define WYCKMILL_TESTS_SUPPORT_TSAN_H

const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\nrace:libzmq.so\n"
           "called_from_lib:libstdc++.so\nrace:libstdc++.so\n";
}

#endif
