// Coefficients that repeat: the one of value i is number (i / inner) % channels. Sums over what shares a coefficient.

KERNEL affine(int n, const real* x, const float* scale, const float* shift, real* y, int channels, int inner) {
    EACH(i, n) {
        int c = i / inner % channels;
        float v = scale ? scale[c] * x[i] : x[i];
        y[i] = shift ? v + shift[c] : v;
    }
}

// y += bias and what else there is to add, and then through a ReLU of this slope if `rectified`.
KERNEL add_bias(int n, const float* bias, const real* other, real* y, int channels, int inner, int rectified, float slope) {
    EACH(i, n) {
        float v = bias ? y[i] + bias[i / inner % channels] : y[i];
        if (other) v += other[i];
        y[i] = rectified && v <= 0 ? (slope ? slope * v : 0.0f) : v;
    }
}

// Weights, so many each channel, and a bias that do what weight, bias, a normalization, scale and shift do: what is not there does nothing.
KERNEL fold(
    int n, const float* weight, const float* bias, const float* means, const float* deviation, const float* scale, const float* shift,
    float* folded, float* offsets, int each
) {
    EACH(i, n) {
        int c = i / each;
        float factor = scale ? scale[c] : 1;
        if (deviation) factor /= deviation[c];
        folded[i] = factor * weight[i];
        if (i % each) continue;
        float offset = bias ? bias[c] : 0;
        if (means) offset -= means[c];
        offsets[c] = factor * offset + (shift ? shift[c] : 0);
    }
}

// parts[share][c] = the sum of a b (of a, where there is no b) over a share of all (outer, inner).
KERNEL channel_parts(int blocks, const real* a, const real* b, float* parts, int channels, int outer, int inner, int shares) {
    EACH_ROW(block, blocks) {
        Walk w = walk(block, channels, outer, inner, shares);
        float sum = 0;
        ALONG_PART(&w) sum += b ? a[w.at] * b[w.at] : a[w.at];
        sum = block_part_sum(sum, w);
        if (w.writes) parts[w.part] = sum;
    }
}

// total += factor times the sum over all parts.
KERNEL add_parts(int tiles, const float* parts, float* total, int channels, int shares, float factor) {
    EACH_ROW(tile, tiles) {
        Walk w;
        float sum = block_total(&w, parts, tile, channels, shares);
        if (w.writes) total[w.channel] += factor * sum;
    }
}
