/* The Elman recurrence h(t) = tanh(W_in x(t) + b + W h(t - 1)), a linear head, and their gradients, float32.

   The order of every sum is that of docs/numerics.md: it depends on no vector width, tile, thread or compiler. Each
   element has its own sum, over one index in order, by fused multiply-adds; so tiles of any shape give the same bits.

   Sequences of a batch do not meet, so a block of them runs through all steps at a time, while its states stay in the
   first-level cache. Products are of `rows` x 2 vectors of sums, against weights packed in panels of WIDE columns
   (the way of GotoBLAS: K. Goto, R. van de Geijn, ACM TOMS 34, 12, 2008).
   Legend: B sequences, T steps, D features, H states, A answers of a step; Hp, Dp: filled up to whole panels; matrices
   are row by row. */
#include <stdlib.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#if !defined __FMA__
#error "this CPU has no fused multiply-add, so the results would differ from those of every other machine"
#endif
#endif

#ifdef __AVX512F__
enum { LANES = 16, ROWS = 12 }; /* ROWS x 2 sums fill the registers */
#else
enum { LANES = 8, ROWS = 6 };
#endif
enum { WIDE = 2 * LANES, PARTIAL = 16, SHARE = 12, CHUNK = 32, AHEAD = 8 };

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int mask __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef const float *restrict in;
typedef float *restrict out;
#define ALWAYS static inline __attribute__((always_inline))

static long filled(long n, long unit) { return (n + unit - 1) / unit * unit; }
static long least(long a, long b) { return a < b ? a : b; }
/* Sequences whose share of the weights' gradient is summed apart. */
long sequences_of_a_share(void) { return SHARE; }
/* Columns of the weights' gradient. */
long width_of_gradient(long H) { return filled(H, WIDE); }

ALWAYS vec load(const float *at) { return *(const vec *)at; }
/* The first n floats, zeros where there are no more. */
ALWAYS vec first_of(const float *at, long n) {
    vec values = {0};
    if (n >= LANES) return load(at);
    memcpy(&values, at, 4 * n);
    return values;
}
ALWAYS void store(float *at, vec values) { *(vec *)at = values; }

/* a b + c, rounded once. */
ALWAYS vec fused(vec a, vec b, vec c) {
#if defined __AVX512F__
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined __x86_64__
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    for (int i = 0; i < LANES; i++) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
    return c;
#endif
}

ALWAYS vec larger(vec a, vec b) { return (vec)(((mask)a & (a > b)) | ((mask)b & ~(a > b))); } /* NaN: b */

/* A rational function, fitted to a relative error of 1.3e-7 up to 7.9; NaN comes through. */
ALWAYS vec tanh_of(vec z) {
    const vec zero = {0}, limit = zero + 7.9f, x = -larger(-limit, -larger(-limit, z)), u = x * x;
    const vec p = fused(u, fused(u, fused(u, zero + 1.1531653e-5f, zero + 0.0029604562f), zero + 0.12934402f), zero + 0.99999987f);
    const vec q = fused(u, fused(u, fused(u, fused(u, zero + 2.4924881e-7f, zero + 0.00024000963f), zero + 0.023854013f), zero + 0.46267628f), zero + 1);
    return x * p / q;
}

/* sum (rows, WIDE) += a (rows, depth) b (depth, WIDE), one index of depth after the other. */
ALWAYS void accumulate(const int rows, vec sum[][2], in a, long a_row, long a_column, in b, long b_row, long depth) {
    for (long k = 0; k < depth; k++) {
        const vec left = load(b + k * b_row), right = load(b + k * b_row + LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            const vec one = (vec){0} + a[r * a_row + k * a_column];
            sum[r][0] = fused(one, left, sum[r][0]);
            sum[r][1] = fused(one, right, sum[r][1]);
        }
    }
}

/* Call f(rows, first, ...) for first..last in tiles of ROWS rows, and what remains in smaller ones. */
#define IN_TILES(first, last, f, ...)                                                                                  \
    for (long at_ = (first), left_; (left_ = (last) - at_) > 0;) {                                                     \
        if (left_ >= ROWS) f(ROWS, at_, __VA_ARGS__), at_ += ROWS;                                                     \
        else if (left_ >= 4) f(4, at_, __VA_ARGS__), at_ += 4;                                                         \
        else f(1, at_, __VA_ARGS__), at_ += 1;                                                                         \
    }

/* A source of `depth` rows and `width` columns -> panels of WIDE columns, zeros where there are none. */
static void pack(out panels, long depth, long width, in source, long row, long column) {
    for (long n = 0; n < filled(width, WIDE); n++)
        for (long k = 0; k < depth; k++)
            panels[(n / WIDE * depth + k) * WIDE + n % WIDE] = n < width ? source[k * row + n * column] : 0;
}

static float *zeros(long floats) {
    float *memory = aligned_alloc(64, filled(4 * floats, 64));
    return memory ? memset(memory, 0, 4 * floats) : NULL;
}

/* a b over n elements: element i goes to partial sum i % PARTIAL, and halves of them are added until one is left. */
ALWAYS float dot(in a, in b, long n) {
    float sums[PARTIAL] __attribute__((aligned(64)));
    vec sum[PARTIAL / LANES] = {{0}};
    long i = 0;
    for (; i + PARTIAL <= n; i += PARTIAL)
        for (int v = 0; v < PARTIAL / LANES; v++) sum[v] = fused(load(a + i + v * LANES), load(b + i + v * LANES), sum[v]);
    for (int v = 0; v < PARTIAL / LANES; v++) store(sums + v * LANES, sum[v]);
    for (int p = 0; i < n; i++, p++) sums[p] = __builtin_fmaf(a[i], b[i], sums[p]);
    for (int half = PARTIAL / 2; half; half /= 2)
        for (int p = 0; p < half; p++) sums[p] += sums[p + half];
    return sums[0];
}

typedef struct {
    long T, D, H, A;
    in x, start, w_in, w, bias, head, head_bias; /* packed: w_in, w, bias */
    out states, answers, h;                      /* h: room for 2 ROWS rows of Hp */
} Forward;

ALWAYS void forward_rows(const int rows, long b, const Forward *restrict f) {
    const long T = f->T, D = f->D, H = f->H, Hp = filled(H, WIDE);
    memset(f->h, 0, ROWS * Hp * sizeof(float));
    for (int r = 0; r < rows && f->start; r++) memcpy(f->h + r * Hp, f->start + (b + r) * H, 4 * H);
    for (long t = 0; t < T; t++) {
        in before = f->h + t % 2 * ROWS * Hp;
        out now = f->h + (t + 1) % 2 * ROWS * Hp;
        for (long n = 0; n < Hp; n += WIDE) {
            vec sum[ROWS][2];
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) sum[r][0] = load(f->bias + n), sum[r][1] = load(f->bias + n + LANES);
            accumulate(rows, sum, f->x + (b * T + t) * D, T * D, 1, f->w_in + n * D, WIDE, D);
            accumulate(rows, sum, before, Hp, 1, f->w + n * H, WIDE, H);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                const vec left = tanh_of(sum[r][0]), right = tanh_of(sum[r][1]);
                store(now + r * Hp + n, left), store(now + r * Hp + n + LANES, right);
                float *to = f->states + ((b + r) * T + t) * H + n;
                if (n + WIDE <= H) store(to, left), store(to + LANES, right);
                else memcpy(to, now + r * Hp + n, 4 * (H - n));
            }
        }
        for (int r = 0; r < rows; r++)
            for (long a = 0; a < f->A; a++)
                f->answers[((b + r) * T + t) * f->A + a] = dot(now + r * Hp, f->head + a * H, H) + f->head_bias[a];
    }
}

/* Sequences first..last of the batch: x (B, T, D), start (B, H) or NULL, and a head (A, H) with its bias (A) where A > 0
   -> states (B, T, H), answers (B, T, A). Not 0: no memory. */
int forward(long first, long last, long T, long D, long H, long A, in x, in start, in w_in, in w, in bias, in head,
            in head_bias, out states, out answers) {
    const long Hp = filled(H, WIDE);
    float *panels = zeros((D + H + 1 + 2 * ROWS) * Hp), *biases = panels + (D + H) * Hp;
    if (!panels) return 1;
    pack(panels, D, H, w_in, 1, D);
    pack(panels + D * Hp, H, H, w, 1, H);
    memcpy(biases, bias, 4 * H);
    const Forward f = {T, D, H, A, x, start, panels, panels + D * Hp, biases, head, head_bias, states, answers, biases + Hp};
    IN_TILES(first, last, forward_rows, &f)
    free(panels);
    return 0;
}

typedef struct {
    long T, D, H, A;
    in x, start, w_in, w, states, head, d_states, d_answers; /* packed: w_in, w, head */
    out d_x, d_z, d_h, sums; /* d_z: SHARE times line_of(Hp); d_h: (SHARE, Hp); sums: the share's, see size_of_gradient */
} Backward;

/* Floats from one sequence's d_z (CHUNK, Hp) to the next's: 64 bytes more, or all would fall on the same cache sets. */
ALWAYS long line_of(long Hp) { return CHUNK * Hp + 16; }

/* c (rows, WIDE) += a(t, i) b(t, :), one step t after the other. */
ALWAYS void outer(const int rows, long i, out c, long Hp, in a, long a_step, in b, long steps) {
    vec sum[ROWS][2];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r][0] = load(c + (i + r) * Hp), sum[r][1] = load(c + (i + r) * Hp + LANES);
    accumulate(rows, sum, a + i, 1, a_step, b, Hp, steps);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) store(c + (i + r) * Hp, sum[r][0]), store(c + (i + r) * Hp + LANES, sum[r][1]);
}

/* What the steps begin..end of sequence b add to the weights' gradient, the earlier step first. */
static void weights_of(long b, in d_z, long begin, long end, const Backward *restrict g) {
    const long T = g->T, D = g->D, H = g->H, A = g->A, Hp = filled(H, WIDE), steps = end - begin;
    static const float one = 1;
    out d_w_in = g->sums, d_bias = d_w_in + D * Hp, d_w = d_bias + Hp, d_head = d_w + H * Hp, d_head_bias = d_head + A * Hp;
    in x = g->x + (b * T + begin) * D, h = g->states + (b * T + begin) * H;
    const long first = begin == 0; /* before it there was the start */
    for (long n = 0; n < Hp; n += WIDE) {
        IN_TILES(0, D, outer, d_w_in + n, Hp, x, D, d_z + n, steps)
        outer(1, 0, d_bias + n, Hp, &one, 0, d_z + n, steps);
        if (first && g->start) { IN_TILES(0, H, outer, d_w + n, Hp, g->start + b * H, 0, d_z + n, 1) }
        IN_TILES(0, H, outer, d_w + n, Hp, h + (first - 1) * H, H, d_z + n + first * Hp, steps - first)
    }
    for (long t = 0; t < steps; t++)
        for (long a = 0; a < A; a++) {
            const float d = g->d_answers[(b * T + begin + t) * A + a];
            for (long i = 0; i < H; i++) d_head[a * Hp + i] = __builtin_fmaf(d, h[t * H + i], d_head[a * Hp + i]);
            d_head_bias[a] += d;
        }
}

/* The recurrence backwards through the steps end..begin of the sequences b..b + rows, of which d_h is what comes from
   behind: sets d_z, and d_h for the steps before. */
ALWAYS void backward_rows(const int rows, long b, long first, long begin, long end, const Backward *restrict g) {
    const long T = g->T, D = g->D, H = g->H, A = g->A, Hp = filled(H, WIDE), Dp = filled(D, WIDE), line = line_of(Hp);
    out d_h = g->d_h + (b - first) * Hp;
    for (long t = end - 1; t >= begin; t--) {
        out d_z = g->d_z + (b - first) * line + (t - begin) * Hp;
        for (int r = 0; r < rows; r++) {
            const long at = (b + r) * T + t;
            for (long i = 0; t >= AHEAD && i < H; i += 16) __builtin_prefetch(g->states + (at - AHEAD) * H + i);
            for (long i = 0; i < H; i += LANES) {
                vec sum = load(d_h + r * Hp + i), state = first_of(g->states + at * H + i, H - i);
                for (long a = 0; a < A; a++)
                    sum = fused((vec){0} + g->d_answers[at * A + a], load(g->head + a * Hp + i), sum);
                if (g->d_states) sum += first_of(g->d_states + at * H + i, H - i);
                store(d_z + r * line + i, sum * fused(-state, state, (vec){0} + 1));
            }
        }
        for (long n = 0; n < Hp; n += WIDE) {
            vec sum[ROWS][2] = {{{0}}};
            accumulate(rows, sum, d_z, line, 1, g->w + n * H, WIDE, H);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++)
                store(d_h + r * Hp + n, sum[r][0]), store(d_h + r * Hp + n + LANES, sum[r][1]);
        }
        for (long n = 0; g->d_x && n < Dp; n += WIDE) {
            vec sum[ROWS][2] = {{{0}}};
            accumulate(rows, sum, d_z, line, 1, g->w_in + n * H, WIDE, H);
            for (int r = 0; r < rows; r++)
                memcpy(g->d_x + ((b + r) * T + t) * D + n, sum[r], 4 * least(WIDE, D - n));
        }
    }
}

/* Floats of a share's part of the gradients: w_in (D, Hp), bias (Hp), w (H, Hp), head (A, Hp), its bias (A). */
long size_of_gradient(long D, long H, long A) { return (D + 1 + H + A) * filled(H, WIDE) + filled(A, LANES); }

/* Shares first..last of the batch: from d_states, or NULL, and d_answers (B, T, A) of a head (A, H), adds to d_weights,
   of each share size_of_gradient floats; d_x and d_start, or NULL, are set. Not 0: no memory. */
int backward(long first, long last, long B, long T, long D, long H, long A, in x, in start, in w_in, in w, in states,
             in head, in d_states, in d_answers, out d_weights, float *d_x, float *d_start) {
    const long Hp = filled(H, WIDE), Dp = filled(D, WIDE), size = size_of_gradient(D, H, A);
    const long rest = SHARE * line_of(Hp) + (SHARE + A) * Hp;
    float *panels = zeros(H * (Hp + Dp) + rest), *panels_x = panels + H * Hp, *d_h = panels_x + H * Dp;
    if (!panels) return 1;
    float *heads = d_h + SHARE * Hp, *d_z = heads + A * Hp;
    pack(panels, H, H, w, H, 1);
    if (d_x) pack(panels_x, H, D, w_in, D, 1);
    for (long a = 0; a < A; a++) memcpy(heads + a * Hp, head + a * H, 4 * H);
    for (long share = first; share < last; share++) {
        const long from = share * SHARE, to = least(from + SHARE, B);
        const Backward g = {T, D, H, A, x, start, panels_x, panels, states, heads, d_states, d_answers, d_x, d_z, d_h,
                            d_weights + (share - first) * size};
        memset(d_h, 0, SHARE * Hp * sizeof(float));
        for (long end = T; end > 0;) {
            const long begin = end > CHUNK ? end - CHUNK : 0;
            IN_TILES(from, to, backward_rows, from, begin, end, &g)
            for (long b = from; b < to; b++) weights_of(b, d_z + (b - from) * line_of(Hp), begin, end, &g);
            end = begin;
        }
        for (long b = from; d_start && b < to; b++) memcpy(d_start + b * H, d_h + (b - from) * Hp, 4 * H);
    }
    free(panels);
    return 0;
}
