/* Deterministic elementary functions: see mathd.h. */
#include "common/mathd.h"

#include <sleef.h>

double mathd_exp(double x)
{
    return Sleef_cinz_expd1_u10purec(x);
}

double mathd_log(double x)
{
    return Sleef_cinz_logd1_u10purec(x);
}

double mathd_sin(double x)
{
    return Sleef_cinz_sind1_u10purec(x);
}

double mathd_cos(double x)
{
    return Sleef_cinz_cosd1_u10purec(x);
}

double mathd_acos(double x)
{
    return Sleef_cinz_acosd1_u10purec(x);
}

double mathd_atan2(double y, double x)
{
    return Sleef_cinz_atan2d1_u10purec(y, x);
}

double mathd_erf(double x)
{
    return Sleef_cinz_erfd1_u10purec(x);
}

double mathd_erfc(double x)
{
    return Sleef_cinz_erfcd1_u15purec(x);
}

double mathd_cbrt(double x)
{
    return Sleef_cinz_cbrtd1_u10purec(x);
}

double mathd_pow(double x, double y)
{
    return Sleef_cinz_powd1_u10purec(x, y);
}
