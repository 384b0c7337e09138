/* A recurrent layer, a linear head on its states, and their gradients, float32. CELL says what a step computes.

   Sequences of a batch do not meet, so a block of them runs through all steps at a time, while its states stay in the
   first-level cache. Products are of `rows` x `width` vectors of sums, against weights packed in panels as wide as
   those (the way of GotoBLAS: K. Goto, R. van de Geijn, ACM TOMS 34, 12, 2008). With HIDDEN, the states' number is a
   constant. Legend: B sequences, T steps, D features, H states, A outputs of a step, G gates; Hp: H filled up to whole
   panels; matrices are row by row. */
#include "vector.h"

#ifndef CELL
#define CELL "manual.h"
#endif
#include CELL

#ifdef HIDDEN
#define CONSTANT(H) HIDDEN
#else
#define HIDDEN 1
#define CONSTANT(H) (H)
#endif

enum { WIDE = LANES == 16 && HIDDEN % (4 * LANES) == 0 ? 4 : 2, HIGH = TILE / WIDE, PANEL = WIDE * LANES };
enum { AHEAD = 2 }; /* steps for which rows are prefetched: they lie too far apart for the CPU to see */
enum { UNITS = GATES == 1 ? WIDE : 1, WIDTH = GATES * UNITS, ROWS = TILE / WIDTH, BLOCK = UNITS * LANES };

/* Call f(rows, first, ...) for first..last in tiles of `most` rows, and what remains in smaller ones. */
#define IN_TILES(most, first, last, f, ...)                                                                            \
    for (long at_ = (first), left_; (left_ = (last) - at_) > 0;) {                                                     \
        if (left_ >= (most)) f(most, at_, __VA_ARGS__), at_ += (most);                                                 \
        else if ((most) > 4 && left_ >= 4) f(4, at_, __VA_ARGS__), at_ += 4;                                           \
        else f(1, at_, __VA_ARGS__), at_ += 1;                                                                         \
    }

/* Weights (G, H, depth) as panels of all gates of BLOCK units, of which those beyond H stay zeros. */
static void pack_forward(out panels, long depth, long H, in source) {
    for (long n = 0; n < H; n += BLOCK)
        for (long g = 0; g < GATES; g++)
            for (long k = 0; k < depth; k++)
                for (long i = 0; i < least(BLOCK, H - n); i++)
                    panels[(n * depth + k * BLOCK) * GATES + g * BLOCK + i] = source[(g * H + n + i) * depth + k];
}

typedef struct {
    long T, D, H, A;
    in x, start, start_memory, w_in, b_in, w, b, head, head_bias; /* packed: w_in, b_in, w, b */
    out states, kept, last, last_memory, outputs, h, memory;      /* h: two times ROWS rows of Hp; memory: ROWS */
} Forward;

ALWAYS void forward_rows(const int rows, long b, const Forward *restrict f) {
    const long T = f->T, D = f->D, H = CONSTANT(f->H), A = f->A, Hp = filled(H, PANEL);
    memset(f->h, 0, ROWS * Hp * sizeof(float));
    if (MEMORY) memset(f->memory, 0, ROWS * Hp * sizeof(float));
    for (int r = 0; r < rows && f->start; r++) memcpy(f->h + r * Hp, f->start + (b + r) * H, 4 * H);
    for (int r = 0; MEMORY && r < rows && f->start_memory; r++)
        memcpy(f->memory + r * Hp, f->start_memory + (b + r) * H, 4 * H);
    for (long t = 0; t < T; t++) {
        in before = f->h + t % 2 * ROWS * Hp;
        out now = f->h + (t + 1) % 2 * ROWS * Hp;
        for (long n = 0; n < Hp; n += BLOCK) {
            vec sum[32], of_input[32];
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int v = 0; v < WIDTH; v++) sum[r * WIDTH + v] = load(f->b_in + n * GATES + v * LANES);
            accumulate(rows, WIDTH, sum, f->x + (b * T + t) * D, T * D, 1, f->w_in + n * GATES * D, WIDTH * LANES, D);
            if (APART) UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int j = 0; j < UNITS; j++) {
                    const int v = (GATES - 1) * UNITS + j;
                    of_input[r * UNITS + j] = sum[r * WIDTH + v];
                    sum[r * WIDTH + v] = load(f->b + n + j * LANES);
                }
            accumulate(rows, WIDTH, sum, before, Hp, 1, f->w + n * GATES * H, WIDTH * LANES, H);
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int j = 0; j < UNITS; j++) {
                    const long at = (b + r) * T + t, i = n + j * LANES, left = H - i;
                    vec z[GATES], kept[KEPT + 1], memory = {0}, of = {0}, was = {0};
                    UNROLL for (int g = 0; g < GATES; g++) z[g] = sum[r * WIDTH + g * UNITS + j];
                    if (MEMORY) memory = load(f->memory + r * Hp + i);
                    if (APART) of = of_input[r * UNITS + j];
                    if (DIRECT) was = load(before + r * Hp + i);
                    const vec h = step(z, of, was, &memory, kept);
                    store(now + r * Hp + i, h);
                    if (f->states) store_ahead(f->states + at * H + i, h, left, AHEAD * H);
                    if (MEMORY) store(f->memory + r * Hp + i, memory);
                    if (KEPT && f->kept)
                        UNROLL for (int q = 0; q < KEPT; q++)
                            store_ahead(f->kept + (at * KEPT + q) * H + i, kept[q], left, AHEAD * KEPT * H);
                }
        }
        for (long a = 0; a < A; a++) {
            const vec output = dots(rows, now, Hp, f->head + a * H, H) + f->head_bias[a];
            for (int r = 0; r < rows; r++) f->outputs[((b + r) * T + t) * A + a] = output[r];
        }
    }
    for (int r = 0; r < rows; r++) {
        memcpy(f->last + (b + r) * H, f->h + (T % 2 * ROWS + r) * Hp, 4 * H);
        if (MEMORY) memcpy(f->last_memory + (b + r) * H, f->memory + r * Hp, 4 * H);
    }
}

/* Sequences from..to of the batch: x (B, T, D), start and start_memory (B, H) or NULL, and a head (A, H) with its bias
   (A) where A > 0 -> states (B, T, H) and kept (B, T, KEPT, H), or NULL, last and last_memory (B, H), outputs
   (B, T, A). Not 0: no memory. */
int forward(long from, long to, long T, long D, long H_, long A, in x, in start, in start_memory, in w_in, in b_in,
            in w, in b, in head, in head_bias, out states, out kept, out last, out last_memory, out outputs) {
    const long H = CONSTANT(H_), Hp = filled(H, PANEL), Gp = GATES * Hp;
    float *panels = zeros((D + H + 1) * Gp + (1 + 3 * ROWS) * Hp), *biases = panels + (D + H) * Gp;
    if (!panels) return 1;
    out apart = biases + Gp, h = apart + Hp, sums = h; /* of biases */
    pack_forward(panels, D, H, w_in);
    pack_forward(panels + D * Gp, H, H, w);
    for (long i = 0; i < GATES * H; i++) sums[i] = APART && i >= (GATES - 1) * H ? b_in[i] : b_in[i] + b[i];
    pack_forward(biases, 1, H, sums);
    if (APART) memcpy(apart, b + (GATES - 1) * H, 4 * H);
    const Forward f = {T, D, H, A, x, start, start_memory, panels, biases, panels + D * Gp, apart, head, head_bias,
                       states, kept, last, last_memory, outputs, h, h + 2 * ROWS * Hp};
    IN_TILES(ROWS, from, to, forward_rows, &f)
    free(panels);
    return 0;
}

#include "gradient.h"
