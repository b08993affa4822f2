// From one way to store numbers to another, times a factor; `across` also from one order to another.

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

#define TILE 1536  // 1024 values, and room beside columns so that a warp's are in different banks

__device__ float times(float factor, float value) { return factor * value; }
__device__ int times(float factor, int value) { return value; }

// Matrices (rows, columns) in tiles of at most `high` by `wide` values, to their transposes: added to what is there, or
// over it.
template <bool ADDED, class From, class To>
__device__ void block_transpose(int tiles, const From* x, To* y, float factor, int rows, int columns, int high, int wide) {
    __shared__ From tile[TILE];
    int along = (columns + wide - 1) / wide, each = (rows + high - 1) / high * along, pitch = wide | 1;
    EACH_ROW(t, tiles) {
        int top = t % each / along * high, left = t % along * wide, base = t / each * rows * columns;
        int h = min(high, rows - top), w = min(wide, columns - left);
        __syncthreads();  // everybody has read the tile before
        ALONG(k, h * w) tile[k / w * pitch + k % w] = x[base + (top + k / w) * columns + left + k % w];
        __syncthreads();
        ALONG(k, h * w) {
            To* to = y + base + (left + k / h) * rows + top + k % h;
            From value = tile[k % h * pitch + k / h];
            if (ADDED) *to = *to + times(factor, value);
            else *to = times(factor, value);
        }
    }
}

KERNEL narrowed_across(int tiles, const float* x, real* y, float factor, int rows, int columns, int high, int wide) {
    block_transpose<false>(tiles, x, y, factor, rows, columns, high, wide);
}

KERNEL widened_across(int tiles, const real* x, float* y, float factor, int rows, int columns, int high, int wide) {
    block_transpose<false>(tiles, x, y, factor, rows, columns, high, wide);
}

KERNEL rescaled_across(int tiles, const real* x, real* y, float factor, int rows, int columns, int high, int wide) {
    block_transpose<false>(tiles, x, y, factor, rows, columns, high, wide);
}

KERNEL added_across(int tiles, const real* x, float* y, float factor, int rows, int columns, int high, int wide) {
    block_transpose<true>(tiles, x, y, factor, rows, columns, high, wide);
}

// Numbers of 32 bits, whatever they are.
KERNEL words_across(int tiles, const int* x, int* y, int rows, int columns, int high, int wide) {
    block_transpose<false>(tiles, x, y, 1.0f, rows, columns, high, wide);
}
