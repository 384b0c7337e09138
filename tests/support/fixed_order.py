"""The sums of docs/numerics.md once more, in numpy: slow, and in the order that the page gives.

Legend of shapes: B sequences, T steps, D features, H states, A answers of a step.
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


def forward(x, start, w_in, w, bias, head, head_bias):
    """States (B, T, H) and answers (B, T, A)."""
    (B, T, D), (A, H) = x.shape, head.shape
    h, states = start, np.empty((B, T, H), np.float32)
    for t in range(T):
        z = np.broadcast_to(bias, (B, H))
        for d in range(D):
            z = fma(w_in[:, d], x[:, t, d, None], z)
        for k in range(H):
            z = fma(w[:, k], h[:, k, None], z)
        states[:, t] = h = tanh(z)
    return states, np.stack([dot(states, head[a]) + head_bias[a] for a in range(A)], axis=-1)


def backward(x, start, w_in, w, states, head, d_answers):
    """Gradients of start, w_in, bias, w, head and its bias."""
    (B, T, D), (A, H) = x.shape, head.shape
    d_h, d_z = np.zeros((B, H), np.float32), np.empty((B, T, H), np.float32)
    for t in range(T - 1, -1, -1):
        for a in range(A):
            d_h = fma(d_answers[:, t, a, None], head[a], d_h)
        d_z[:, t] = d_h * fma(-states[:, t], states[:, t], 1)
        d_h = np.zeros((B, H), np.float32)
        for n in range(H):
            d_h = fma(d_z[:, t, n, None], w[n], d_h)
    shapes = ((D, H), (1, H), (H, H), (A, H), (A,))
    shares = []
    for share in range(0, B, SHARE):
        sums = [np.zeros(shape, np.float32) for shape in shapes]
        for end in range(T, 0, -CHUNK):
            for b in range(share, min(share + SHARE, B)):
                for t in range(max(0, end - CHUNK), end):
                    before = states[b, t - 1] if t else start[b]
                    for i, left in enumerate((x[b, t], np.ones(1, np.float32), before)):
                        sums[i] = fma(left[:, None], d_z[b, t], sums[i])
                    sums[3] = fma(d_answers[b, t, :, None], states[b, t], sums[3])
                    sums[4] = sums[4] + d_answers[b, t]
        shares.append(sums)
    d_w_in, d_bias, d_w, d_head, d_head_bias = (sum(of[1:], start=of[0]) for of in zip(*shares, strict=True))
    return d_h, d_w_in.T, d_bias[0], d_w.T, d_head, d_head_bias
