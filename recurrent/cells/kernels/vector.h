/* Vectors of floats, what is done with them, and sums of products in registers; the same bits on every machine.

   The order of every sum is that of docs/numerics.md: it depends on no vector width, tile, thread or compiler. Each
   element has its own sum, over one index in order, by fused multiply-adds; so tiles of any shape give the same
   bits. */
#include <stdlib.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#if !defined __FMA__
#error "this CPU has no fused multiply-add, so the results would differ from those of every other machine"
#endif
#endif

#ifdef __AVX512F__
enum { LANES = 16, TILE = 24 }; /* TILE sums, what they are made of and constants fill the registers */
#else
enum { LANES = 8, TILE = 12 };
#endif

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef const float *restrict in;
typedef float *restrict out;
#define ALWAYS static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 24")

ALWAYS long filled(long n, long unit) { return (n + unit - 1) / unit * unit; }
ALWAYS long least(long a, long b) { return a < b ? a : b; }

ALWAYS vec load(const float *at) { return *(const vec *)at; }
ALWAYS void store(float *at, vec values) { *(vec *)at = values; }
ALWAYS vec all(float value) { return value - (vec){0}; } /* not +, which is no copy: -0 + 0 is 0 */
/* The first n floats, zeros where there are no more. */
ALWAYS vec load_first(const float *at, long n) {
    vec values = {0};
    if (n >= LANES) return load(at);
    if (n > 0) memcpy(&values, at, 4 * n);
    return values;
}
ALWAYS void store_first(float *at, vec values, long n) {
    if (n >= LANES) store(at, values);
    else if (n > 0) memcpy(at, &values, 4 * n);
}
/* The same, and ask for the memory of a later store. */
ALWAYS void store_ahead(float *at, vec values, long n, long distance) {
    __builtin_prefetch(at + distance, 1);
    store_first(at, values, n);
}

#if defined __AVX512F__
#define OF_VECTORS(name) _mm512_##name##_ps
#elif defined __x86_64__
#define OF_VECTORS(name) _mm256_##name##_ps
#endif
#ifdef OF_VECTORS
typedef __typeof__(OF_VECTORS(setzero)()) native;
/* a b + c, rounded once. */
ALWAYS vec fused(vec a, vec b, vec c) { return (vec)OF_VECTORS(fmadd)((native)a, (native)b, (native)c); }
ALWAYS vec larger(vec a, vec b) { return (vec)OF_VECTORS(max)((native)a, (native)b); } /* NaN: b */
ALWAYS vec smaller(vec a, vec b) { return (vec)OF_VECTORS(min)((native)a, (native)b); }
#else
ALWAYS vec fused(vec a, vec b, vec c) {
    for (int i = 0; i < LANES; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
}
ALWAYS vec larger(vec a, vec b) { return (vec)(((mask)a & (a > b)) | ((mask)b & ~(a > b))); }
ALWAYS vec smaller(vec a, vec b) { return (vec)(((mask)a & (a < b)) | ((mask)b & ~(a < b))); }
#endif

/* A rational function, fitted to a relative error of 1.3e-7 up to 7.9; NaN comes through. */
ALWAYS vec tanh_of(vec z) {
    const vec x = larger(all(-7.9f), smaller(all(7.9f), z)), u = x * x;
    const vec p = fused(u, fused(u, fused(u, all(1.1531653e-5f), all(0.0029604562f)), all(0.12934402f)),
                        all(0.99999987f));
    const vec q = fused(u, fused(u, fused(u, fused(u, all(2.4924881e-7f), all(0.00024000963f)), all(0.023854013f)),
                              all(0.46267628f)), all(1));
    return x * p / q;
}
ALWAYS vec sigmoid_of(vec z) { return fused(tanh_of(z * 0.5f), all(0.5f), all(0.5f)); }

/* sum (rows, width) += a (rows, depth) b (depth, width vectors), one index of depth after the other. */
ALWAYS void accumulate(const int rows, const int width, vec *sum, in a, long a_row, long a_column, in b, long b_row,
                       long depth) {
    for (long k = 0; k < depth; k++) {
        vec right[TILE];
        UNROLL for (int v = 0; v < width; v++) right[v] = load(b + k * b_row + v * LANES);
        UNROLL for (int r = 0; r < rows; r++) {
            const vec left = all(a[r * a_row + k * a_column]);
            UNROLL for (int v = 0; v < width; v++) sum[r * width + v] = fused(left, right[v], sum[r * width + v]);
        }
    }
}

#if defined __clang__ || __GNUC__ >= 12
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
/* Of each 2 `half` lanes of a, then of b: the first half plus the second. */
ALWAYS vec halved(const int half, vec a, vec b) {
#if defined __AVX512F__
    if (half == 8)
        return PICK(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
               PICK(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    if (half == 4)
        return PICK(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
               PICK(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
    if (half == 2)
        return PICK(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29) +
               PICK(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31);
    return PICK(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30) +
           PICK(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
#else
    if (half == 4) return PICK(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + PICK(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    if (half == 2) return PICK(a, b, 0, 1, 4, 5, 8, 9, 12, 13) + PICK(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
    return PICK(a, b, 0, 2, 4, 6, 8, 10, 12, 14) + PICK(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
#endif
}

/* Lane r: a(r) b over n elements. Element i goes to partial sum i % 16, and halves of them are added until one is
   left. */
ALWAYS vec dots(const int rows, in a, long a_row, in b, long n) {
    vec sum[2 * TILE] = {{0}};
    UNROLL for (int r = 0; r < rows; r++) {
        vec part[16 / LANES] = {{0}};
        for (long i = 0; i < n; i += 16)
            for (int v = 0; v < 16 / LANES; v++) {
                const long at = i + v * LANES;
                part[v] = fused(load_first(a + r * a_row + at, n - at), load_first(b + at, n - at), part[v]);
            }
        sum[r] = part[0];
        if (LANES < 16) sum[r] += part[16 / LANES - 1];
    }
    int left = rows;
    UNROLL for (int half = LANES / 2; half; half /= 2) {
        left = (left + 1) / 2;
        UNROLL for (int i = 0; i < left; i++) sum[i] = halved(half, sum[2 * i], sum[2 * i + 1]);
    }
    return sum[0];
}

static float *zeros(long floats) {
    float *memory = aligned_alloc(64, filled(4 * floats, 64));
    return memory ? memset(memory, 0, 4 * floats) : NULL;
}
