/* h = tanh(z), z = W_in x + b_in + W h + b. */
enum { GATES = 1, APART = 0, KEPT = 0, MEMORY = 0, DIRECT = 0 };

ALWAYS vec step(const vec z[], vec of_input, vec before, vec *memory, vec kept[]) { return tanh_of(z[0]); }

ALWAYS void slopes(vec d_h, vec h, vec before, const vec kept[], vec memory_before, vec *carried, vec d_z[]) {
    d_z[0] = d_h * fused(-h, h, all(1));
}
