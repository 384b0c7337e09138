/* The Elman recurrence h(t) = tanh(W_in x(t) + b + W h(t - 1)) and its gradients, float32.

   Sequences of a batch do not meet, so ROWS of them run through all steps at a time, while their states stay in
   the first-level cache. Everything is one product: rows [x(t), 1, h(t - 1)] of K = D + 1 + H columns against
   weights packed in panels of WIDE columns (the way of GotoBLAS: K. Goto, R. van de Geijn, ACM TOMS 34, 12, 2008).
   Legend: B sequences, T steps, D features, H states, Hp: H filled up to whole panels; matrices are row by row. */
#include <stdlib.h>
#include <string.h>

#ifdef __AVX512F__
enum { LANES = 16, ROWS = 8 }; /* ROWS x 2 sums fill the registers */
#else
enum { LANES = 8, ROWS = 6 };
#endif
enum { WIDE = 2 * LANES, CHUNK = 8 }; /* steps whose share of the weights' gradient is summed at a time */

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef const float *restrict in;
typedef float *restrict out;

static long filled(long n, long unit) { return (n + unit - 1) / unit * unit; }
static long least(long a, long b) { return a < b ? a : b; }
/* Where a row [x, 1, h] begins, so that h is aligned. */
static long shift(long D) { return filled(D + 1, LANES) - (D + 1); }
long rows_of_a_block(void) { return ROWS; }
long width_of_gradient(long H) { return filled(H, WIDE); }
long height_of_gradient(long D, long H) { return filled(D + 1 + H, ROWS); }

/* c (ROWS, WIDE) = a (ROWS, depth) b (depth, WIDE), or += where `add`. */
static inline void product(out c, long c_row, in a, long a_row, long a_column, in b, long b_row, long depth, int add) {
    vec sum[ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < 2; v++) sum[r][v] = add ? *(const vec *)(c + r * c_row + v * LANES) : (vec){0};
    for (long k = 0; k < depth; k++) {
        const vec left = *(const vec *)(b + k * b_row), right = *(const vec *)(b + k * b_row + LANES);
#pragma GCC unroll 8
        for (int r = 0; r < ROWS; r++) {
            const float one = a[r * a_row + k * a_column];
            sum[r][0] += one * left;
            sum[r][1] += one * right;
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < 2; v++) *(vec *)(c + r * c_row + v * LANES) = sum[r][v];
}

static inline vec larger(vec a, vec b) { return (vec)(((mask)a & (a > b)) | ((mask)b & ~(a > b))); } /* NaN: b */

/* A rational function, fitted to a relative error of 1.3e-7 up to 7.9; NaN comes through. */
static inline vec tanh_of(vec z) {
    const vec limit = (vec){0} + 7.9f, x = -larger(-limit, -larger(-limit, z)), u = x * x;
    const vec p = 0.99999987f + u * (0.12934402f + u * (0.0029604562f + u * 1.1531653e-5f));
    const vec q = 1 + u * (0.46267628f + u * (0.023854013f + u * (0.00024000963f + u * 2.4924881e-7f)));
    return x * p / q;
}

/* Rows `first`... of a source of `depth` rows and `width` columns go to each panel of `whole` rows. */
static void pack(out panels, long whole, long first, long depth, long width, in source, long row, long column) {
    for (long n = 0; n < filled(width, WIDE); n++)
        for (long k = 0; k < depth; k++)
            panels[(n / WIDE * whole + first + k) * WIDE + n % WIDE] = n < width ? source[k * row + n * column] : 0;
}

static inline void copy(float *to, const float *from, long n) { /* WIDE floats, or n where that is less */
    memcpy(to, from, n >= WIDE ? WIDE * sizeof(float) : n * sizeof(float));
}

static float *zeros(long floats) {
    float *memory = aligned_alloc(64, filled(4 * floats, 64));
    return memory ? memset(memory, 0, 4 * floats) : NULL;
}

/* Blocks first..last of the batch: x (B, T, D), start (B, H) or NULL -> states (B, T, H). Not 0: no memory. */
int forward(long first, long last, long B, long T, long D, long H, in x, in start, in w_in, in w, in bias, out states) {
    const long K = D + 1 + H, Hp = filled(H, WIDE), line = filled(D + 1, LANES) + Hp, rows = ROWS * line;
    float *panels = zeros(K * Hp + LANES + 2 * rows), *input = panels + K * Hp + shift(D);
    if (!panels) return 1;
    pack(panels, K, 0, D, H, w_in, 1, D);
    pack(panels, K, D, 1, H, bias, 0, 1);
    pack(panels, K, D + 1, H, H, w, 1, H);
    for (long b = first * ROWS; b < least(last * ROWS, B); b += ROWS) {
        const long real = least(ROWS, B - b);
        memset(input, 0, (2 * rows - shift(D)) * sizeof(float));
        for (long r = 0; r < 2 * ROWS; r++) input[r * line + D] = 1;
        for (long r = 0; start && r < real; r++) memcpy(input + r * line + D + 1, start + (b + r) * H, 4 * H);
        for (long t = 0; t < T; t++) {
            float *now = input + t % 2 * rows, *next = input + (t + 1) % 2 * rows;
            for (long r = 0; r < real; r++)
                for (long d = 0; d < D; d++) now[r * line + d] = x[((b + r) * T + t) * D + d];
            for (long n = 0; n < Hp; n += WIDE) {
                float z[ROWS * WIDE] __attribute__((aligned(64)));
                product(z, WIDE, now, line, 1, panels + n * K, WIDE, K, 0);
                for (long r = 0; r < ROWS; r++) {
                    float *to = next + r * line + D + 1 + n;
                    for (int i = 0; i < WIDE; i += LANES) *(vec *)(to + i) = tanh_of(*(vec *)(z + r * WIDE + i));
                    if (r < real) copy(states + ((b + r) * T + t) * H + n, to, H - n);
                }
            }
        }
    }
    free(panels);
    return 0;
}

/* Shares first..last of the batch: from d_states, or NULL, and d_answers (B, T, A) of a linear head (A, H), adds to
   d_weights, for each share (K, Hp) as `height` and `width` have it; d_x and d_start, or NULL, are set. */
int backward(long first, long last, long shares, long B, long T, long D, long H, long A, in x, in start, in w_in, in w, in states,
             in head, in d_states, in d_answers, out d_weights, float *d_x, float *d_start) {
    const long K = D + 1 + H, Hp = filled(H, WIDE), Dp = filled(D, WIDE);
    const long line = filled(D + 1, LANES) + Hp, rows = ROWS * line;
    float *panels = zeros(H * (Hp + Dp) + (CHUNK + 1) * rows + (CHUNK + 1) * ROWS * Hp + ROWS * Dp);
    if (!panels) return 1;
    float *panels_x = panels + H * Hp, *input = panels_x + H * Dp + shift(D);
    float *d_z = input - shift(D) + (CHUNK + 1) * rows, *d_h = d_z + CHUNK * ROWS * Hp, *d_now = d_h + ROWS * Hp;
    pack(panels, H, 0, H, H, w, H, 1);
    if (d_x) pack(panels_x, H, 0, H, D, w_in, D, 1);
    const long blocks = filled(B, ROWS) / ROWS;
    for (long block = blocks * first / shares; block < blocks * last / shares; block++) {
        const long b = block * ROWS, real = least(ROWS, B - b), share = ((block + 1) * shares - 1) / blocks;
        float *sums = d_weights + (share - first) * height_of_gradient(D, H) * Hp;
        memset(input, 0, ((CHUNK + 1) * (rows + ROWS * Hp) - shift(D)) * sizeof(float));
        for (long end = T; end > 0; end -= CHUNK) {
            const long begin = end > CHUNK ? end - CHUNK : 0, steps = end - begin;
            for (long t = begin; t <= end; t++)
                for (long r = 0; r < real; r++) {
                    float *now = input + (t - begin) * rows + r * line;
                    for (long d = 0; d < D && t < T; d++) now[d] = x[((b + r) * T + t) * D + d];
                    now[D] = 1;
                    if (t) memcpy(now + D + 1, states + ((b + r) * T + t - 1) * H, 4 * H);
                    else if (start) memcpy(now + D + 1, start + (b + r) * H, 4 * H);
                    else memset(now + D + 1, 0, 4 * H);
                }
            for (long t = end - 1; t >= begin; t--) {
                float *d = d_z + (t - begin) * ROWS * Hp;
                for (long r = 0; r < real; r++) {
                    in h = input + (t + 1 - begin) * rows + r * line + D + 1;
                    const long at = (b + r) * T + t;
                    float *restrict to = d + r * Hp, *restrict sum = d_h + r * Hp;
                    for (long a = 0; a < A; a++)
                        for (long i = 0; i < H; i++) sum[i] += d_answers[at * A + a] * head[a * H + i];
                    for (long i = 0; d_states && i < H; i++) sum[i] += d_states[at * H + i];
                    for (long i = 0; i < H; i++) to[i] = sum[i] * (1 - h[i] * h[i]);
                }
                for (long n = 0; n < Hp; n += WIDE)
                    product(d_h + n, Hp, d, Hp, 1, panels + n * H, WIDE, H, 0);
                for (long n = 0; d_x && n < Dp; n += WIDE)
                    product(d_now + n, Dp, d, Hp, 1, panels_x + n * H, WIDE, H, 0);
                for (long r = 0; d_x && r < real; r++) memcpy(d_x + ((b + r) * T + t) * D, d_now + r * Dp, 4 * D);
            }
            for (long k = 0; k < K; k += ROWS)
                for (long n = 0; n < Hp; n += WIDE)
                    product(sums + k * Hp + n, Hp, input + k, 1, line, d_z + n, Hp, steps * ROWS, 1);
        }
        for (long r = 0; d_start && r < real; r++) memcpy(d_start + (b + r) * H, d_h + r * Hp, 4 * H);
    }
    free(panels);
    return 0;
}
