// Copies and constants, and what several tensors of one shape give value by value.

KERNEL floats_of_ints(int n, const int* x, float* y) {
    EACH(i, n) y[i] = x[i];
}

KERNEL ints_of_floats(int n, const float* x, int* y) {
    EACH(i, n) y[i] = (int)x[i];
}

KERNEL fill(int n, float* y, float value) {
    EACH(i, n) y[i] = value;
}

KERNEL fill_ints(int n, int* y, int value) {
    EACH(i, n) y[i] = value;
}

KERNEL accumulate(int n, const float* x, float* y) {
    EACH(i, n) y[i] += x[i];
}

// y = sum of factor x, added to y if there is `more` of it there; through a ReLU of this slope if `rectified`.
KERNEL weighted_sum(int n, Inputs xs, real* y, int more, int rectified, float slope) {
    EACH(i, n) {
        float sum = xs.factor[0] * xs.at[0][i];
        for (int k = 1; k < xs.count; k++) sum += xs.factor[k] * xs.at[k][i];
        if (more) sum += y[i];
        y[i] = rectified && sum <= 0 ? (slope ? slope * sum : 0.0f) : sum;
    }
}

// y = factor x
KERNEL scale(int n, const real* x, real* y, float factor) {
    EACH(i, n) y[i] = factor * x[i];
}

// y = product of all x, times y if there is `more` of it there.
KERNEL product(int n, Inputs xs, real* y, int more) {
    EACH(i, n) {
        float product = 1;
        for (int k = 0; k < xs.count; k++) product *= xs.at[k][i];
        y[i] = more ? y[i] * product : product;
    }
}

// dx = dy y / x
KERNEL quotient_grad(int n, const real* x, const real* y, const real* dy, real* dx) {
    EACH(i, n) dx[i] = dy[i] * (y[i] / x[i]);
}

// y = the largest of xs, which are numbered from `first`, and of y if first > 0; mask = its number. Of two that are
// equal the second of all counts as larger, else the earlier one.
KERNEL maximum(int n, Inputs xs, int first, real* y, int* mask) {
    EACH(i, n) {
        float best = first ? y[i] : xs.at[0][i];
        int chosen = first ? mask[i] : 0;
        for (int k = first ? 0 : 1; k < xs.count; k++) {
            float value = xs.at[k][i];
            if (first + k == 1 ? value >= best : value > best) {
                best = value;
                chosen = first + k;
            }
        }
        y[i] = best;
        mask[i] = chosen;
    }
}

KERNEL maximum_grad(int n, const int* mask, const real* dy, real* dx, int index) {
    EACH(i, n) dx[i] = dy[i] * (mask[i] == index);
}
