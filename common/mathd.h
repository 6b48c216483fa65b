/* Double-precision elementary functions with the same bits on every x86-64 CPU: SLEEF's
 * deterministic pure-C variants (no FMA dispatch, as glibc has). Use these, not libm's,
 * wherever a result is stored. sqrt, floor, fabs, rint are exact in libm and used directly. */
#ifndef WYCKMILL_COMMON_MATHD_H
#define WYCKMILL_COMMON_MATHD_H

#define MATHD_PI 3.14159265358979323846

double mathd_exp(double x);
double mathd_log(double x);
double mathd_sin(double x);
double mathd_cos(double x);
double mathd_acos(double x);
double mathd_atan2(double y, double x);
double mathd_erf(double x);
double mathd_erfc(double x);
double mathd_cbrt(double x);
double mathd_pow(double x, double y);

#endif
