/* i, f, o = sigmoid(z), g = tanh(z), c = f c + i g, h = o tanh(c). */
enum { GATES = 4, APART = 0, KEPT = 5, MEMORY = 1, DIRECT = 0 };

ALWAYS vec step(const vec z[], vec of_input, vec before, vec *memory, vec kept[]) {
    const vec i = sigmoid_of(z[0]), f = sigmoid_of(z[1]), g = tanh_of(z[2]), o = sigmoid_of(z[3]);
    const vec c = fused(f, *memory, i * g);
    kept[0] = i, kept[1] = f, kept[2] = g, kept[3] = o, kept[4] = *memory = c;
    return o * tanh_of(c);
}

ALWAYS void slopes(vec d_h, vec h, vec before, const vec kept[], vec memory_before, vec *carried, vec d_z[]) {
    const vec i = kept[0], f = kept[1], g = kept[2], o = kept[3], t = tanh_of(kept[4]), one = all(1);
    const vec d_c = fused(d_h * o, fused(-t, t, one), *carried);
    *carried = d_c * f;
    d_z[0] = d_c * g * (i * (one - i));
    d_z[1] = d_c * memory_before * (f * (one - f));
    d_z[2] = d_c * i * fused(-g, g, one);
    d_z[3] = d_h * t * (o * (one - o));
}
