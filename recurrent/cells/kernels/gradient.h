/* The gradients of recurrence.c's layer. A share of the sequences at a time, and of its steps a chunk at a time from
   the end on: first what the recurrence hands back, d_z, then the products of it with states and features. */
enum { PARTS = GATES + APART, SHARE = 12, CHUNK = 32 };
enum { TALL = LANES == 16 && WIDE == 2 ? 8 : HIGH }; /* 8 divides most sizes, and what is left over is slow */

/* Sequences whose share of the weights' gradient is summed apart. */
long sequences_of_a_share(void) { return SHARE; }

/* Weights (depth, width) as panels of PANEL columns. */
static void pack_backward(out panels, long depth, long width, in source) {
    for (long k = 0; k < depth; k++)
        for (long n = 0; n < width; n++) panels[(n / PANEL * depth + k) * PANEL + n % PANEL] = source[k * width + n];
}

typedef struct {
    long T, D, H, A;
    in x, start, start_memory, w_in, w, states, kept, head, d_states, d_outputs, nothing; /* packed: w_in, w, head */
    out d_x, d_z, d_h, carried, sums; /* d_z: SHARE times line_of(Hp); d_h, carried: (SHARE, Hp); sums: the share's */
} Backward;

/* Floats from one step's d_z (PARTS, Hp) to the next's: 64 bytes more, or all would fall on the same cache sets. And
   from one sequence's (CHUNK and the step behind) to the next's. */
ALWAYS long step_of(long Hp) { return PARTS * Hp + 16; }
ALWAYS long line_of(long Hp) { return (CHUNK + 1) * step_of(Hp); }

/* What the step before, of `at`, left: rows (B, T, stride) or, before the first step, (B, H) or zeros. */
ALWAYS const float *before_of(in rows, long stride, in start, in nothing, long b, long at, long t, long H) {
    return t ? rows + (at - 1) * stride : start ? start + b * H : nothing;
}

/* sum (rows, WIDE) += d_z (rows, part, :) panels, over the units of all gates; depth: H, or 0 where there is no d_z. */
ALWAYS void through(const int rows, vec sum[], in d_z, long Hp, in panels, long H, long depth, const int of_input) {
    for (int g = 0; g < GATES; g++)
        accumulate(rows, WIDE, sum, d_z + (g + (!of_input && APART && g == GATES - 1)) * Hp, line_of(Hp), 1,
                   panels + g * H * PANEL, PANEL, depth);
}

/* The recurrence backwards through the steps end..begin of the sequences b..b + rows: sets d_z; that of the
   step behind `end` is there already. After the first step of all, sets d_h, the gradient of the start. */
ALWAYS void backward_rows(const int rows, long b, long first, long begin, long end, const Backward *restrict g) {
    const long T = g->T, D = g->D, H = CONSTANT(g->H), A = g->A, Hp = filled(H, PANEL), step = step_of(Hp);
    const long line = line_of(Hp);
    out d_zs = g->d_z + (b - first) * line, carry = g->carried + (b - first) * Hp;
    for (long t = end - 1; t >= begin; t--) {
        out d_z = d_zs + (t - begin) * step;
        for (long n = 0; n < Hp; n += PANEL) {
            vec sum[32] = {{0}};
            through(rows, sum, d_z + step, Hp, g->w + n * GATES * H, H, t < T - 1 ? H : 0, 0);
            UNROLL for (int r = 0; r < rows; r++) {
                const long at = (b + r) * T + t;
                in before = before_of(g->states, H, g->start, g->nothing, b + r, at, t, H);
                in memory = before_of(g->kept + (KEPT - 1) * H, KEPT * H, g->start_memory, g->nothing, b + r, at, t, H);
                for (long a = 0; a < A; a++) {
                    const vec d = all(g->d_outputs[at * A + a]);
                    UNROLL for (int v = 0; v < WIDE; v++)
                        sum[r * WIDE + v] = fused(d, load(g->head + a * Hp + n + v * LANES), sum[r * WIDE + v]);
                }
                UNROLL for (int v = 0; v < WIDE; v++) {
                    const long i = n + v * LANES, left = H - i;
                    __builtin_prefetch(g->states + (at - AHEAD) * H + i);
                    UNROLL for (int q = 0; q < KEPT; q++)
                        __builtin_prefetch(g->kept + ((at - AHEAD) * KEPT + q) * H + i);
                    vec d_h = sum[r * WIDE + v], carried = {0}, was = {0}, memory_was = {0}, kept[KEPT + 1], d[PARTS];
                    if (g->d_states) d_h += load_first(g->d_states + at * H + i, left);
                    if (DIRECT || MEMORY) carried = load(carry + r * Hp + i);
                    if (DIRECT) was = load_first(before + i, left);
                    if (MEMORY) memory_was = load_first(memory + i, left);
                    UNROLL for (int q = 0; q < KEPT; q++) kept[q] = load_first(g->kept + (at * KEPT + q) * H + i, left);
                    slopes(d_h, load_first(g->states + at * H + i, left), was, kept, memory_was, &carried, d);
                    if (DIRECT || MEMORY) store(carry + r * Hp + i, carried);
                    UNROLL for (int p = 0; p < PARTS; p++) store(d_z + r * line + p * Hp + i, d[p]);
                }
            }
        }
        for (long n = 0; g->d_x && n < D; n += PANEL) {
            vec sum[32] = {{0}};
            through(rows, sum, d_z, Hp, g->w_in + n * GATES * H, H, H, 1);
            for (int r = 0; r < rows; r++)
                memcpy(g->d_x + ((b + r) * T + t) * D + n, sum + r * WIDE, 4 * least(PANEL, D - n));
        }
    }
    for (long n = 0; g->d_h && begin == 0 && n < Hp; n += PANEL) {
        vec sum[32] = {{0}};
        through(rows, sum, d_zs, Hp, g->w + n * GATES * H, H, H, 0);
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < WIDE; v++) {
                const long i = n + v * LANES;
                if (DIRECT) sum[r * WIDE + v] += load(carry + r * Hp + i);
                store_first(g->d_h + (b + r) * H + i, sum[r * WIDE + v], H - i);
            }
    }
}

/* c (rows, PANEL) += a(t, i) d_z(t, :), sequence by sequence, one step t after the other; a: x or, of_states, the state
   before. */
ALWAYS void outer(const int rows, long i, out c, long width, in a, long stride, long of_states, in d_z, long from,
                  long to, long begin, long end, const Backward *restrict g) {
    const long T = g->T, H = CONSTANT(g->H), Hp = filled(H, PANEL), step = step_of(Hp), line = line_of(Hp);
    const long first = of_states && begin == 0; /* before it there was the start */
    vec sum[32];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < WIDE; v++) sum[r * WIDE + v] = load(c + (i + r) * width + v * LANES);
    for (long b = from; b < to; b++, d_z += line) {
        if (first && g->start) accumulate(rows, WIDE, sum, g->start + b * H + i, 1, 0, d_z, 0, 1);
        accumulate(rows, WIDE, sum, a + (b * T + begin + first - of_states) * stride + i, 1, stride, d_z + first * step,
                   step, end - begin - first);
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < WIDE; v++) store(c + (i + r) * width + v * LANES, sum[r * WIDE + v]);
}

static void products(long first, long last, out c, long width, in a, long stride, long of_states, in d_z, long from,
                     long to, long begin, long end, const Backward *restrict g) {
    IN_TILES(TALL, first, last, outer, c, width, a, stride, of_states, d_z, from, to, begin, end, g)
}

/* The same for PANEL columns of the bias, of the first feature and of output `a`; NULL: not wanted. */
static void edges(out c_bias, out c_x, out c_head, out c_head_bias, in d_z, long n, long a, long from, long to,
                  long begin, long end, const Backward *restrict g) {
    const long T = g->T, H = CONSTANT(g->H), Hp = filled(H, PANEL), step = step_of(Hp), line = line_of(Hp);
    in outputs = c_head ? g->d_outputs + a : g->x;
    const long A = c_head ? g->A : g->D;
    vec bias[WIDE] = {{0}}, x[WIDE] = {{0}}, head[WIDE] = {{0}};
    float head_bias = c_head ? *c_head_bias : 0;
    UNROLL for (int v = 0; v < WIDE; v++) {
        if (c_bias) bias[v] = load(c_bias + v * LANES);
        if (c_x) x[v] = load(c_x + v * LANES);
        if (c_head) head[v] = load(c_head + v * LANES);
    }
    for (long b = from; b < to; b++, d_z += line)
        for (long t = begin; t < end; t++) {
            const long at = b * T + t;
            UNROLL for (int v = 0; v < WIDE; v++) {
                const vec d = load(d_z + (t - begin) * step + v * LANES);
                bias[v] += d;
                x[v] = fused(all(g->x[at * g->D]), d, x[v]);
                const long i = n + v * LANES;
                head[v] = fused(all(outputs[at * A]), load_first(g->states + at * H + i, H - i), head[v]);
            }
            head_bias += outputs[at * A];
        }
    UNROLL for (int v = 0; v < WIDE; v++) {
        if (c_bias) store(c_bias + v * LANES, bias[v]);
        if (c_x) store(c_x + v * LANES, x[v]);
        if (c_head) store(c_head + v * LANES, head[v]);
    }
    if (c_head && n == 0) *c_head_bias = head_bias;
}

/* What the steps begin..end of the sequences from..to add to the gradients of the weights, the earlier step first. */
static void weights_of(long from, long to, long begin, long end, const Backward *restrict g) {
    const long D = g->D, H = CONSTANT(g->H), A = g->A, Hp = filled(H, PANEL), Gp = GATES * Hp;
    out d_w_in = g->sums, d_bias = d_w_in + D * Gp, d_w = d_bias + PARTS * Hp, d_head = d_w + H * Gp;
    out d_head_bias = d_head + A * Hp;
    for (long p = 0; p < PARTS; p++)
        for (long n = 0; n < Hp; n += PANEL) {
            in d_z = g->d_z + p * Hp + n;
            const long gate = p - (p == GATES);
            out c_w = d_w + gate * Hp + n, c_x = d_w_in + gate * Hp + n;
            if (!APART || p != GATES - 1) products(0, H, c_w, Gp, g->states, H, 1, d_z, from, to, begin, end, g);
            if (p < GATES) products(1, D, c_x, Gp, g->x, D, 0, d_z, from, to, begin, end, g);
            for (long a = 0; a == 0 || (p == 0 && a < A); a++)
                edges(a ? NULL : d_bias + p * Hp + n, a || p == GATES ? NULL : c_x,
                      p == 0 && a < A ? d_head + a * Hp + n : NULL, d_head_bias + a, d_z, n, a, from, to,
                      begin, end, g);
        }
}

/* Floats of a share's part of the gradients: w_in (D, G, Hp), bias (PARTS, Hp), w (H, G, Hp), head (A, Hp), its
   bias (A). */
long size_of_gradient(long D, long H, long A) {
    const long Hp = filled(H, PANEL);
    return (D + H) * GATES * Hp + PARTS * Hp + A * Hp + filled(A, LANES);
}

/* Shares first..last of the batch: from d_states, or NULL, d_memory (B, H), or NULL, and d_outputs (B, T, A) of a head
   (A, H) -> d_weights, of each share size_of_gradient floats; d_x and, in rows of H, d_start and d_start_memory, or
   NULL. Not 0: no memory. */
int backward(long first, long last, long B, long T, long D, long H_, long A, in x, in start, in start_memory, in w_in,
             in w, in states, in kept, in head, in d_states, in d_memory, in d_outputs, out d_weights, out d_x,
             out d_start, out d_start_memory) {
    const long H = CONSTANT(H_), Hp = filled(H, PANEL), Gp = GATES * H, size = size_of_gradient(D, H, A);
    const long Dp = d_x ? filled(D, PANEL) : 0;
    float *panels = zeros(Gp * (Hp + Dp) + SHARE * line_of(Hp) + (SHARE + A + 1) * Hp), *panels_x = panels + Gp * Hp;
    if (!panels) return 1;
    float *heads = panels_x + Gp * Dp, *nothing = heads + A * Hp, *carried = nothing + Hp, *d_z = carried + SHARE * Hp;
    pack_backward(panels, Gp, H, w);
    if (d_x) pack_backward(panels_x, Gp, D, w_in);
    for (long a = 0; a < A; a++) memcpy(heads + a * Hp, head + a * H, 4 * H);
    for (long share = first; share < last; share++) {
        const long from = share * SHARE, to = least(from + SHARE, B);
        const Backward g = {T, D, H, A, x, start, start_memory, panels_x, panels, states, kept, heads, d_states,
                            d_outputs, nothing, d_x, d_z, d_start, carried, d_weights + (share - first) * size};
        memset(carried, 0, SHARE * Hp * sizeof(float));
        memset(g.sums, 0, size * sizeof(float));
        for (long b = from; MEMORY && d_memory && b < to; b++)
            memcpy(carried + (b - from) * Hp, d_memory + b * H, 4 * H);
        for (long end = T, begin; end > 0; end = begin) {
            begin = end > CHUNK ? end - CHUNK : 0;
            for (long b = 0; end < T && b < to - from; b++) /* the step behind */
                memcpy(d_z + b * line_of(Hp) + (end - begin) * step_of(Hp), d_z + b * line_of(Hp), 4 * PARTS * Hp);
            IN_TILES(HIGH, from, to, backward_rows, from, begin, end, &g)
            weights_of(from, to, begin, end, &g);
        }
        for (long b = from; d_start_memory && b < to; b++)
            memcpy(d_start_memory + b * H, carried + (b - from) * Hp, 4 * H);
    }
    free(panels);
    return 0;
}

/* Adds the shares' sums, one after the other -> gradients as nn.Linear has its weights: w_in (G, H, D), b_in (G, H),
   w (G, H, H), b (G, H), head (A, H), its bias (A). */
int together(long shares, long D, long H_, long A, out sums, out total) {
    const long H = CONSTANT(H_), Hp = filled(H, PANEL), size = size_of_gradient(D, H, A);
    in d_w_in = sums, d_bias = d_w_in + D * GATES * Hp, d_w = d_bias + PARTS * Hp, d_head = d_w + H * GATES * Hp;
    for (long share = 1; share < shares; share++)
        for (long i = 0; i < size; i++) sums[i] += sums[share * size + i];
    out b_in = total + GATES * H * D, w = b_in + GATES * H, b = w + GATES * H * H, head = b + GATES * H;
    for (long g = 0; g < GATES; g++)
        for (long n = 0; n < H; n++) {
            for (long d = 0; d < D; d++) total[(g * H + n) * D + d] = d_w_in[(d * GATES + g) * Hp + n];
            for (long k = 0; k < H; k++) w[(g * H + n) * H + k] = d_w[(k * GATES + g) * Hp + n];
            b_in[g * H + n] = d_bias[g * Hp + n];
            b[g * H + n] = d_bias[(g + (APART && g == GATES - 1)) * Hp + n];
        }
    for (long a = 0; a < A; a++) memcpy(head + a * H, d_head + a * Hp, 4 * H);
    memcpy(head + A * H, d_head + A * Hp, 4 * A);
    return 0;
}
