/* Eight floats at a time. The project is built for x86-64-v3 (AVX2), so there is one code path
 * and one answer; sums run in a fixed order, and exp and log are SLEEF's deterministic FMA
 * variants. */
#ifndef WYCKMILL_NN_VEC_H
#define WYCKMILL_NN_VEC_H

#include <immintrin.h>
#include <sleef.h>

typedef __m256 v8; /* + - * / work lane by lane */

enum { V8 = 8 };

static inline v8 v8_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

static inline void v8_store(float *p, v8 x)
{
    _mm256_storeu_ps(p, x);
}

static inline v8 v8_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline v8 v8_exp(v8 x)
{
    return Sleef_finz_expf8_u10avx2(x);
}

static inline v8 v8_log(v8 x)
{
    return Sleef_finz_logf8_u10avx2(x);
}

static inline v8 v8_max(v8 a, v8 b)
{
    return _mm256_max_ps(a, b);
}

/* ((0+4) + (2+6)) + ((1+5) + (3+7)) */
static inline float v8_sum(v8 x)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static inline float v8_largest(v8 x)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

/* First n < 8 floats, `fill` behind them. */
static inline v8 v8_load_part(const float *p, int n, float fill)
{
    float x[V8];
    for (int i = 0; i < V8; i++)
        x[i] = i < n ? p[i] : fill;
    return v8_load(x);
}

static inline void v8_store_part(float *p, v8 value, int n)
{
    float x[V8];
    v8_store(x, value);
    for (int i = 0; i < n; i++)
        p[i] = x[i];
}

/* One exp by the same function as everywhere. */
static inline float expf_fixed(float x)
{
    return _mm256_cvtss_f32(v8_exp(v8_set(x)));
}

static inline float logf_fixed(float x)
{
    return _mm256_cvtss_f32(v8_log(v8_set(x)));
}

#endif
