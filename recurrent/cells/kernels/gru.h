/* r, u = sigmoid(z), n = tanh(W_in x + b_in + r (W h + b)), h = n + u (h - n). */
enum { GATES = 3, APART = 1, KEPT = 4, MEMORY = 0, DIRECT = 1 };

ALWAYS vec step(const vec z[], vec of_input, vec before, vec *memory, vec kept[]) {
    const vec r = sigmoid_of(z[0]), u = sigmoid_of(z[1]), n = tanh_of(fused(r, z[2], of_input));
    kept[0] = r, kept[1] = u, kept[2] = n, kept[3] = z[2];
    return fused(u, before - n, n);
}

ALWAYS void slopes(vec d_h, vec h, vec before, const vec kept[], vec memory_before, vec *carried, vec d_z[]) {
    const vec r = kept[0], u = kept[1], n = kept[2], one = all(1);
    d_h += *carried;
    *carried = d_h * u;
    d_z[2] = d_h * (one - u) * fused(-n, n, one);
    d_z[3] = d_z[2] * r;
    d_z[1] = d_h * (before - n) * (u * (one - u));
    d_z[0] = d_z[2] * kept[3] * (r * (one - r));
}
