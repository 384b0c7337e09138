"""The sums of docs/numerics.md once more, in numpy: slow, and in the order that the page gives.

Legend of shapes: B sequences, T steps, D features, H states, A answers of a step, G gates.
"""

import numpy as np

SHARE, CHUNK, PARTIAL = 12, 32, 16


def fma(a, b, c):
    """Give a b + c of float32, rounded once: exact in float64 but for the last bit, which rounding to odd saves.

    S. Boldo, G. Melquiond, Emulation of FMA and correctly rounded sums, IEEE Trans. Comput. 57, 462 (2008).
    """
    a, b, c = (np.asarray(x, np.float32).astype(np.float64) for x in (a, b, c))
    product = a * b
    total = product + c
    other = total - product
    left = (product - (total - other)) + (c - other)
    even = total.view(np.int64) % 2 == 0
    odd = np.where((left != 0) & even, np.nextafter(total, np.where(left > 0, np.inf, -np.inf)), total)
    return odd.astype(np.float32)


def tanh(z):
    f = np.float32
    x = np.clip(z, f(-7.9), f(7.9))
    u = x * x
    p = q = None
    for c in (1.1531653e-5, 0.0029604562, 0.12934402, 0.99999987):
        p = np.full_like(u, f(c)) if p is None else fma(u, p, f(c))
    for c in (2.4924881e-7, 0.00024000963, 0.023854013, 0.46267628, 1.0):
        q = np.full_like(u, f(c)) if q is None else fma(u, q, f(c))
    return x * p / q


def dot(a, b):
    """Sum a b over the last axis."""
    sums = np.zeros((*np.broadcast_shapes(a.shape, b.shape)[:-1], PARTIAL), np.float32)
    for i in range(a.shape[-1]):
        sums[..., i % PARTIAL] = fma(a[..., i], b[..., i], sums[..., i % PARTIAL])
    while (half := sums.shape[-1] // 2) > 0:
        sums = sums[..., :half] + sums[..., half:]
    return sums[..., 0]


def sigmoid(z):
    return fma(tanh(z * np.float32(0.5)), np.float32(0.5), np.float32(0.5))


def product(first, a, w):
    """Add a (B, n) w (G H, n) to `first`, one index of n after the other."""
    for k in range(w.shape[1]):
        first = fma(w[:, k], a[:, k, None], first)
    return first


def forward(cell, x, start, w_in, b_in, w, b, head, head_bias):
    """States (B, T, H), what the gradient needs of each step, answers (B, T, A); `start` is (h,) or (h, c)."""
    (B, T, _), (A, H) = x.shape, head.shape
    h, c = start if len(start) == 2 else (start[0], None)
    states, kept = np.empty((B, T, H), np.float32), []
    for t in range(T):
        from_both = b_in + b
        if cell == "gru":
            from_both[2 * H :] = b_in[2 * H :]
        z = product(np.broadcast_to(from_both, (B, len(b))), x[:, t], w_in)
        if cell == "gru":
            r, u = (sigmoid(product(z[:, g * H :][:, :H], h, w[g * H :][:H])) for g in (0, 1))
            hidden = product(np.broadcast_to(b[2 * H :], (B, H)), h, w[2 * H :])
            n = tanh(fma(r, hidden, z[:, 2 * H :]))
            kept.append((h, r, u, n, hidden))
            h = fma(u, h - n, n)
        elif cell == "lstm":
            i, f, g, o = np.split(product(z, h, w), 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
            before, c = c, fma(f, c, i * g)
            kept.append((h, i, f, g, o, before, tanh(c)))
            h = o * tanh(c)
        else:
            kept.append((h,))
            h = tanh(product(z, h, w))
        states[:, t] = h
    return states, kept, np.stack([dot(states, head[a]) + head_bias[a] for a in range(A)], axis=-1)


def slopes(cell, d_h, h, kept, carried):
    """Gradients of what enters the gates from the input and from the state before, and what goes past the product."""
    one = np.float32(1)
    if cell == "gru":
        before, r, u, n, hidden = kept
        d_h = d_h + carried
        d_n = d_h * (one - u) * fma(-n, n, 1)
        d_u, d_r = d_h * (before - n) * (u * (one - u)), d_n * hidden * (r * (one - r))
        return np.hstack([d_r, d_u, d_n]), np.hstack([d_r, d_u, d_n * r]), d_h * u
    if cell == "lstm":
        _, i, f, g, o, before, tanh_c = kept
        d_c = fma(d_h * o, fma(-tanh_c, tanh_c, 1), carried)
        d_i, d_f, d_g = d_c * g * (i * (one - i)), d_c * before * (f * (one - f)), d_c * i * fma(-g, g, 1)
        d_z = np.hstack([d_i, d_f, d_g, d_h * tanh_c * (o * (one - o))])
        return d_z, d_z, d_c * f
    d_z = d_h * fma(-h, h, 1)
    return d_z, d_z, None


def backward(cell, x, w_in, w, states, kept, head, d_answers):
    """Gradients of the start, w_in, b_in, w, b, head and its bias."""
    (B, T, D), (A, H) = x.shape, head.shape
    d_h, carried = np.zeros((B, H), np.float32), np.zeros((B, H), np.float32)
    of_input, of_hidden = np.empty((2, B, T, len(w)), np.float32)
    for t in range(T - 1, -1, -1):
        for a in range(A):
            d_h = fma(d_answers[:, t, a, None], head[a], d_h)
        of_input[:, t], of_hidden[:, t], carried = slopes(cell, d_h, states[:, t], kept[t], carried)
        d_h = product(np.zeros((B, H), np.float32), of_hidden[:, t], w.T)
    d_start = (d_h + carried,) if cell == "gru" else (d_h, carried)[: 1 + (cell == "lstm")]
    shapes = ((D, len(w)), (1, len(w)), (H, len(w)), (1, len(w)), (A, H), (A,))
    shares = []
    for share in range(0, B, SHARE):
        sums = [np.zeros(shape, np.float32) for shape in shapes]
        for end in range(T, 0, -CHUNK):
            for b in range(share, min(share + SHARE, B)):
                for t in range(max(0, end - CHUNK), end):
                    ones, before = np.ones(1, np.float32), kept[t][0][b]
                    pairs = (x[b, t], of_input), (ones, of_input), (before, of_hidden), (ones, of_hidden)
                    for i, (left, d_z) in enumerate(pairs):
                        sums[i] = fma(left[:, None], d_z[b, t], sums[i])
                    sums[4] = fma(d_answers[b, t, :, None], states[b, t], sums[4])
                    sums[5] = sums[5] + d_answers[b, t]
        shares.append(sums)
    d_w_in, d_b_in, d_w, d_b, d_head, d_head_bias = (sum(of[1:], start=of[0]) for of in zip(*shares, strict=True))
    return *d_start, d_w_in.T, d_b_in[0], d_w.T, d_b[0], d_head, d_head_bias
