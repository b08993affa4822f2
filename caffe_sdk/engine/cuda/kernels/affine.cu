// Coefficients that repeat: the one of value i is number (i / inner) % channels. Sums over what shares a coefficient.

KERNEL affine(int n, const real* x, const float* scale, const float* shift, real* y, int channels, int inner) {
    EACH(i, n) {
        int c = i / inner % channels;
        float v = scale ? scale[c] * x[i] : x[i];
        y[i] = shift ? v + shift[c] : v;
    }
}

// y = bias, over the same values and then through a ReLU of this slope if `rectified`.
KERNEL add_bias(int n, const float* bias, real* y, int channels, int inner, int rectified, float slope) {
    EACH(i, n) {
        float v = bias ? y[i] + bias[i / inner % channels] : y[i];
        y[i] = rectified && v <= 0 ? (slope ? slope * v : 0.0f) : v;
    }
}

// parts[part][c] = the sum of a b (of a, where there is no b) over the part of all (outer, inner) that a block has.
KERNEL channel_parts(int blocks, const real* a, const real* b, float* parts, int channels, int outer, int inner, int shares) {
    EACH_ROW(block, blocks) {
        float sum = 0;
        ALONG_PART(w, block, channels, outer, inner, shares) sum += b ? a[w.at] * b[w.at] : a[w.at];
        sum = block_sum(sum);
        if (threadIdx.x == 0) parts[block] = sum;
    }
}

// The same for inner = 1, where neighbours in memory are of different channels: a thread has a channel.
KERNEL column_parts(int n, const real* a, const real* b, float* parts, int channels, int outer, int shares) {
    EACH(i, n) {
        int c = i % channels, part = i / channels;
        int each = (outer + shares - 1) / shares;
        int end = min((part + 1) * each, outer);
        float sum = 0;
        for (int k = part * each; k < end; k++) sum += b ? a[k * channels + c] * b[k * channels + c] : a[k * channels + c];
        parts[i] = sum;
    }
}

// total += factor times the sum over all parts.
KERNEL add_parts(int channels, const float* parts, float* total, int shares, float factor) {
    EACH(c, channels) {
        float sum = 0;
        for (int part = 0; part < shares; part++) sum += parts[part * channels + c];
        total[c] += factor * sum;
    }
}
