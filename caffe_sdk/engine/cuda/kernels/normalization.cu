// Normalization by neighbours (LRN), by the batch, and of rows. y may be x, and dx may be dy, but for LRN.

// Where the values of a neighbourhood are: along the channels, or along h and w.
struct Neighbours {
    int channels, h, w, reach;  // reach = size / 2
    int within;
    int across, along;  // from one channel to the next, and from one place to the next
};

// The sum over the neighbourhood of value i: of x^2, or of dy y / scale where there is a scale.
__device__ float neighbours_sum(int i, const real* x, const real* dy, const real* scale, Neighbours s) {
    float sum = 0;
    if (!s.within) {
        int channel = i / s.across % s.channels, end = min(channel + s.reach, s.channels - 1);
        for (int c = max(channel - s.reach, 0); c <= end; c++) {
            int at = i + (c - channel) * s.across;
            sum += scale ? dy[at] * x[at] / scale[at] : x[at] * x[at];
        }
        return sum;
    }
    int row = i / s.along / s.w % s.h, column = i / s.along % s.w;
    int end_r = min(row + s.reach, s.h - 1), end_c = min(column + s.reach, s.w - 1);
    for (int r = max(row - s.reach, 0); r <= end_r; r++)
        for (int c = max(column - s.reach, 0); c <= end_c; c++) {
            int at = i + ((r - row) * s.w + c - column) * s.along;
            sum += scale ? dy[at] * x[at] / scale[at] : x[at] * x[at];
        }
    return sum;
}

// x^-beta; Caffe's usual 0.75 is two roots.
__device__ float shrink(float x, float beta) {
    if (beta != 0.75f) return powf(x, -beta);
    float root = sqrtf(x);
    return 1 / (root * sqrtf(root));
}

// share = alpha / n; there may be no `scale`
KERNEL lrn(int n, const real* x, real* y, real* scale, Neighbours s, float share, float beta, float k) {
    EACH(i, n) {
        float divisor = k + share * neighbours_sum(i, x, 0, 0, s);
        if (scale) scale[i] = divisor;
        y[i] = x[i] * shrink(divisor, beta);
    }
}

// factor = 2 alpha beta / n
KERNEL lrn_grad(
    int n, const real* x, const real* y, const real* dy, real* dx, const real* scale, Neighbours s, float factor, float beta
) {
    EACH(i, n) dx[i] = dy[i] * shrink(scale[i], beta) - factor * x[i] * neighbours_sum(i, y, dy, scale, s);
}

// parts[share][c] = the sum of x over a share of channel c; where there are means, of (x - mean)^2.
KERNEL moment_parts(int blocks, const real* x, const float* means, float* parts, int channels, int outer, int places, int shares) {
    EACH_ROW(block, blocks) {
        Walk w = walk(block, channels, outer, places, shares);
        float mean = means && w.left > 0 ? means[w.channel] : 0.0f, sum = 0;
        ALONG_PART(&w) {
            float v = x[w.at] - mean;
            sum += means ? v * v : v;
        }
        sum = block_part_sum(sum, w);
        if (w.writes) parts[w.part] = sum;
    }
}

// What comes through a ReLU of this slope, where there is one: `top` is what it made.
__device__ float behind(const real* dy, const real* top, float slope, int i) {
    float d = dy[i];
    return top && !(top[i] > 0) ? slope * d : d;
}

// parts[k][share][c] = a sum over a share of channel c: of dy, of dy y, and of dy x where there is x.
KERNEL gradient_parts(
    int blocks, const real* y, const real* dy, const real* top, const real* x, float* parts, int channels, int outer, int places,
    int shares, float slope
) {
    EACH_ROW(block, blocks) {
        Walk w = walk(block, channels, outer, places, shares);
        float sum = 0, along = 0, other = 0;
        ALONG_PART(&w) {
            float d = behind(dy, top, slope, w.at);
            sum += d;
            along += d * y[w.at];
            if (x) other += d * x[w.at];
        }
        sum = block_part_sum(sum, w);
        along = block_part_sum(along, w);
        other = block_part_sum(other, w);
        if (!w.writes) continue;
        parts[w.part] = sum;
        parts[channels * shares + w.part] = along;
        parts[2 * channels * shares + w.part] = other;
    }
}

// means[k][c] = the mean over channel c of what parts[k] are sums of; there are so many tiles of channels for each k.
KERNEL means_of_parts(int all, const float* parts, float* means, int tiles, int channels, int shares, int count) {
    EACH_ROW(row, all) {
        Walk w;
        int k = row / tiles;
        float sum = block_total(&w, parts + k * channels * shares, row % tiles, channels, shares);
        if (w.writes) means[k * channels + w.channel] = sum / count;
    }
}

// The deviation of each channel of the mean of squares, and the running sums that follow.
KERNEL batch_statistics(
    int tiles, const float* parts, const float* means, float* deviation, float* mean, float* variance, float* weight, int channels,
    int shares, int count, float eps, float fraction, float unbiased
) {
    EACH_ROW(tile, tiles) {
        Walk w;
        float v = block_total(&w, parts, tile, channels, shares) / count;
        if (!w.writes) continue;
        int c = w.channel;
        deviation[c] = sqrtf(v + eps);
        mean[c] = fraction * mean[c] + means[c];
        variance[c] = fraction * variance[c] + v * unbiased;
        if (c == 0) weight[0] = fraction * weight[0] + 1;
    }
}

// The same from the running sums; and where there is room for them, the variances, ones and zeros, which cuDNN is given.
KERNEL global_statistics(
    int channels, const float* mean, const float* variance, const float* weight, float* means, float* deviation, float* given,
    float eps
) {
    EACH(c, channels) {
        float share = weight[0] ? 1 / weight[0] : 0.0f;
        means[c] = share * mean[c];
        deviation[c] = sqrtf(share * variance[c] + eps);
        if (!given) continue;
        given[c] = share * variance[c];
        given[channels + c] = 1;
        given[2 * channels + c] = 0;
    }
}

// What is normalized, twice if it has to be kept twice, and y = scale v + shift, through a ReLU of this slope if `rectified`.
KERNEL normalize(
    int n, const real* x, const float* means, const float* deviation, const float* scale, const float* shift,
    real* normalized, real* kept, real* y, int channels, int places, int rectified, float slope
) {
    EACH(i, n) {
        int c = i / places % channels;
        float v = (x[i] - means[c]) / deviation[c];
        if (normalized) normalized[i] = v;
        if (kept) kept[i] = v;
        if (scale) v = scale[c] * v;
        if (shift) v += shift[c];
        y[i] = rectified && v <= 0 ? (slope ? slope * v : 0.0f) : v;
    }
}

// means[c] = the mean of dy, means[channels + c] = the mean of dy y. dy comes from behind a ReLU, and a scale, if there are.
KERNEL batch_norm_grad(
    int n, const real* y, const float* deviation, const float* means, const real* dy, const real* top, const float* scale, real* dx,
    int channels, int places, float slope
) {
    EACH(i, n) {
        int c = i / places % channels;
        float d = behind(dy, top, slope, i) - means[c] - means[channels + c] * y[i];
        dx[i] = (scale ? scale[c] * d : d) / deviation[c];
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
