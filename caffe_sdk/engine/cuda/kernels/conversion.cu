// From one way to store numbers to another, times a factor.

KERNEL narrowed(int n, const float* x, real* y, float factor) {
    EACH(i, n) y[i] = factor * x[i];
}

KERNEL widened(int n, const real* x, float* y, float factor) {
    EACH(i, n) y[i] = factor * x[i];
}

KERNEL added(int n, const real* x, float* y, float factor) {
    EACH(i, n) y[i] += factor * x[i];
}

// y may be x
KERNEL rescaled(int n, const real* x, real* y, float factor) {
    EACH(i, n) y[i] = factor * x[i];
}
