// Many values to one: sums, and where the largest are.

#define SUM 0
#define ASUM 1
#define SUMSQ 2

KERNEL reduce(int rows, const float* x, float* y, int values, int kind, float factor) {
    EACH_ROW(row, rows) {
        float sum = 0;
        ALONG(k, values) {
            float v = x[row * values + k];
            sum += kind == ASUM ? fabsf(v) : kind == SUMSQ ? v * v : v;
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) y[row] = factor * sum;
    }
}

KERNEL reduce_grad(int n, const float* x, const float* dy, float* dx, int values, int kind, float factor) {
    EACH(i, n) {
        float v = factor * dy[i / values];
        dx[i] = kind == ASUM ? v * sign_of(x[i]) : kind == SUMSQ ? v * 2 * x[i] : v;
    }
}

// Value (row, k) of `size` goes to place (row / inner, rank, row % inner) of `wanted`, its rank being how many values
// of the row are larger; of equals the later one is, and NaN is larger than all numbers. Each result may be absent;
// places of one are `step` further for each row / inner than its values fill, as where two lie side by side.
KERNEL largest(int n, const float* x, float* indices, float* values, int size, int inner, int wanted, int step) {
    EACH(i, n) {
        int k = i / inner % size, outer = i / inner / size;
        const float* row = x + outer * size * inner + i % inner;
        float v = row[k * inner];
        int rank = 0;
        for (int j = 0; j < size && rank < wanted; j++) {
            float other = row[j * inner];
            bool equal = other == v || (other != other && v != v);
            rank += equal ? j > k : other > v || (other != other);
        }
        if (rank >= wanted) continue;
        int at = outer * step + rank * inner + i % inner;
        if (indices) indices[at] = k;
        if (values) values[at] = v;
    }
}

// parts[block] = a block's part of the sum of squares
KERNEL squares(int n, const float* x, float* parts) {
    float sum = 0;
    EACH(i, n) sum += x[i] * x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

KERNEL sum_of_parts(int one, const float* parts, float* total, int count) {
    EACH_ROW(only, one) {
        float sum = 0;
        ALONG(k, count) sum += parts[k];
        sum = block_sum(sum);
        if (threadIdx.x == 0) total[0] = sum;
    }
}
