// Normalization by neighbours (LRN), by the batch, and of rows. y may be x, and dx may be dy, but for LRN.

// Where the values of a neighbourhood are: along the channels, or along h and w.
struct Neighbours {
    int channels, h, w, reach;  // reach = size / 2
    int within;
};

// The sum over the neighbourhood of value i: of x^2, or of dy y / scale where there is a scale.
__device__ float neighbours_sum(int i, const real* x, const real* dy, const real* scale, Neighbours s) {
    int area = s.h * s.w, channel = i / area % s.channels, row = i / s.w % s.h, column = i % s.w;
    float sum = 0;
    if (!s.within) {
        int end = min(channel + s.reach, s.channels - 1);
        for (int c = max(channel - s.reach, 0); c <= end; c++) {
            int at = i + (c - channel) * area;
            sum += scale ? dy[at] * x[at] / scale[at] : x[at] * x[at];
        }
        return sum;
    }
    int end_r = min(row + s.reach, s.h - 1), end_c = min(column + s.reach, s.w - 1);
    for (int r = max(row - s.reach, 0); r <= end_r; r++)
        for (int c = max(column - s.reach, 0); c <= end_c; c++) {
            int at = i + (r - row) * s.w + c - column;
            sum += scale ? dy[at] * x[at] / scale[at] : x[at] * x[at];
        }
    return sum;
}

// share = alpha / n
KERNEL lrn(int n, const real* x, real* y, real* scale, Neighbours s, float share, float beta, float k) {
    EACH(i, n) {
        float divisor = k + share * neighbours_sum(i, x, 0, 0, s);
        scale[i] = divisor;
        y[i] = x[i] * powf(divisor, -beta);
    }
}

// factor = 2 alpha beta / n
KERNEL lrn_grad(
    int n, const real* x, const real* y, const real* scale, const real* dy, real* dx, Neighbours s, float factor, float beta
) {
    EACH(i, n) dx[i] = dy[i] * powf(scale[i], -beta) - factor * x[i] * neighbours_sum(i, y, dy, scale, s);
}

__device__ int value_of(int k, int c, int channels, int places) { return (k / places * channels + c) * places + k % places; }

// The mean and the deviation of each channel, and the running sums that follow.
KERNEL batch_statistics(
    int channels, const real* x, float* means, float* deviation, float* mean, float* variance, float* weight, int outer,
    int places, float eps, float fraction, float unbiased
) {
    EACH_ROW(c, channels) {
        int count = outer * places;
        float sum = 0, squares = 0;
        ALONG(k, count) sum += x[value_of(k, c, channels, places)];
        float m = block_sum(sum) / count;
        ALONG(k, count) {
            float d = x[value_of(k, c, channels, places)] - m;
            squares += d * d;
        }
        float v = block_sum(squares) / count;
        if (threadIdx.x) continue;
        means[c] = m;
        deviation[c] = sqrtf(v + eps);
        mean[c] = fraction * mean[c] + m;
        variance[c] = fraction * variance[c] + v * unbiased;
        if (c == 0) weight[0] = fraction * weight[0] + 1;
    }
}

// The same from the running sums.
KERNEL global_statistics(
    int channels, const float* mean, const float* variance, const float* weight, float* means, float* deviation, float eps
) {
    EACH(c, channels) {
        float share = weight[0] ? 1 / weight[0] : 0.0f;
        means[c] = share * mean[c];
        deviation[c] = sqrtf(share * variance[c] + eps);
    }
}

KERNEL normalize(int n, const real* x, const float* means, const float* deviation, real* normalized, real* y, int channels, int places) {
    EACH(i, n) {
        int c = i / places % channels;
        float v = (x[i] - means[c]) / deviation[c];
        if (normalized) normalized[i] = v;
        y[i] = v;
    }
}

// sums[c] = the mean of dy, sums[channels + c] = the mean of dy y.
KERNEL gradient_means(int channels, const real* y, const real* dy, float* sums, int outer, int places) {
    EACH_ROW(c, channels) {
        float sum = 0, along = 0;
        ALONG(k, outer * places) {
            int at = value_of(k, c, channels, places);
            sum += dy[at];
            along += dy[at] * y[at];
        }
        sum = block_sum(sum);
        along = block_sum(along);
        if (threadIdx.x) continue;
        sums[c] = sum / (outer * places);
        sums[channels + c] = along / (outer * places);
    }
}

KERNEL batch_norm_grad(
    int n, const real* y, const float* deviation, const float* sums, const real* dy, real* dx, int channels, int places
) {
    EACH(i, n) {
        int c = i / places % channels;
        dx[i] = (dy[i] - sums[c] - sums[channels + c] * y[i]) / deviation[c];
    }
}

KERNEL divide_channels(int n, const real* dy, const float* deviation, real* dx, int channels, int places) {
    EACH(i, n) dx[i] = dy[i] / deviation[i / places % channels];
}

KERNEL mvn(int rows, const real* x, real* y, float* deviation, int values, float eps) {
    EACH_ROW(row, rows) {
        const real* from = x + row * values;
        real* to = y + row * values;
        float sum = 0, squares = 0, divisor = 1;
        ALONG(k, values) sum += from[k];
        float mean = block_sum(sum) / max(1, values);
        if (deviation) {
            ALONG(k, values) squares += (from[k] - mean) * (from[k] - mean);
            divisor = sqrtf(block_sum(squares) / max(1, values)) + eps;
            if (threadIdx.x == 0) deviation[row] = divisor;
        }
        ALONG(k, values) to[k] = (from[k] - mean) / divisor;
    }
}

KERNEL mvn_grad(int rows, const real* y, const float* deviation, const real* dy, real* dx, int values) {
    EACH_ROW(row, rows) {
        const real *normalized = y + row * values, *from = dy + row * values;
        real* to = dx + row * values;
        float sum = 0, along = 0;
        ALONG(k, values) {
            sum += from[k];
            if (deviation) along += from[k] * normalized[k];
        }
        float mean = block_sum(sum) / max(1, values);
        along = block_sum(along) / max(1, values);
        ALONG(k, values) to[k] = deviation ? (from[k] - mean - normalized[k] * along) / deviation[row] : from[k] - mean;
    }
}
