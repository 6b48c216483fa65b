/* Error sentences: bounded formatting, never fails. */
#include "common/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    err->code = code;
    err->hint[0] = '\0';
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return code;
}

int err_hint(struct err *err, const char *format, ...)
{
    if (!err)
        return ERR_INVALID;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    return err->code;
}

int err_context(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof text)
        (void)snprintf(text + n, sizeof text - (size_t)n, ": %s", err->text);
    memcpy(err->text, text, sizeof text);
    return err->code;
}

int err_errno(struct err *err, int errno_value, const char *format, ...)
{
    bool full = errno_value == ENOSPC || errno_value == EDQUOT || errno_value == EFBIG;
    int code = full ? ERR_FULL : errno_value == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    if (!err)
        return code;
    err->code = code;
    err->hint[0] = '\0';
    if (full)
        (void)err_hint(err, "free some space and run the same command again: nothing that was "
                            "stored is lost");
    if (errno_value == EIO)
        (void)err_hint(err, "the disk fails or its connection does: look at the kernel's "
                            "messages (dmesg), then run the same command again");
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->text)
        (void)snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s",
                       strerror(errno_value));
    return code;
}

const char *err_code_text(int code)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
#define X(name, value, sentence) {value, sentence},
        ERR_LIST(X)
#undef X
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code)
            return rows[i].text;
    return "unknown error";
}
