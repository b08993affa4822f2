// Functions of single values. y may be x, and dx may be dy: every thread reads a value before it writes there.

KERNEL relu(int n, const real* x, real* y, float slope) {
    EACH(i, n) {
        float v = x[i];
        y[i] = v <= 0 ? (slope ? slope * v : 0.0f) : v;
    }
}

KERNEL relu_grad(int n, const real* x, const real* dy, real* dx, float slope) {
    EACH(i, n) dx[i] = x[i] > 0 ? dy[i] : slope * dy[i];
}

// The slope of value i is slope[(i / inner) % channels].
KERNEL prelu(int n, const real* x, const float* slope, real* y, int channels, int inner) {
    EACH(i, n) {
        float v = x[i];
        y[i] = v <= 0 ? slope[i / inner % channels] * v : v;
    }
}

KERNEL prelu_grad_data(
    int n, const real* x, const float* slope, const real* dy, real* dx, int channels, int inner
) {
    EACH(i, n) dx[i] = x[i] > 0 ? dy[i] : slope[i / inner % channels] * dy[i];
}

// parts[share][c] = the sum of dy min(x, 0) over a share of what has slope c.
KERNEL slope_parts(int blocks, const real* x, const real* dy, float* parts, int channels, int outer, int inner, int shares) {
    EACH_ROW(block, blocks) {
        Walk w = walk(block, channels, outer, inner, shares);
        float sum = 0;
        ALONG_PART(&w) sum += dy[w.at] * (x[w.at] <= 0 ? x[w.at] : x[w.at] > 0 ? 0.0f : x[w.at]);
        sum = block_part_sum(sum, w);
        if (w.writes) parts[w.part] = sum;
    }
}

KERNEL multiply(int n, const real* a, const float* b, real* y) {
    EACH(i, n) y[i] = a[i] * b[i];
}

KERNEL sigmoid(int n, const real* x, real* y) {
    EACH(i, n) y[i] = sigmoid_of(x[i]);
}

KERNEL sigmoid_grad(int n, const real* y, const real* dy, real* dx) {
    EACH(i, n) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

KERNEL tanh_of(int n, const real* x, real* y) {
    EACH(i, n) y[i] = tanhf(x[i]);
}

KERNEL tanh_grad(int n, const real* y, const real* dy, real* dx) {
    EACH(i, n) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

KERNEL elu(int n, const real* x, real* y, float alpha) {
    EACH(i, n) y[i] = x[i] > 0 ? x[i] : alpha * expm1f(x[i]);
}

KERNEL elu_grad(int n, const real* x, const real* dy, real* dx, float alpha) {
    EACH(i, n) dx[i] = x[i] > 0 ? dy[i] : alpha * expf(x[i]) * dy[i];
}

KERNEL swish(int n, const real* x, real* y, float beta) {
    EACH(i, n) y[i] = x[i] * sigmoid_of(beta * x[i]);
}

KERNEL swish_grad(int n, const real* x, const real* dy, real* dx, float beta) {
    EACH(i, n) {
        float s = sigmoid_of(beta * x[i]);
        dx[i] = dy[i] * s * (1 + beta * x[i] * (1 - s));
    }
}

KERNEL bnll(int n, const real* x, real* y) {
    EACH(i, n) y[i] = softplus(x[i]);
}

KERNEL bnll_grad(int n, const real* x, const real* dy, real* dx) {
    EACH(i, n) dx[i] = dy[i] * sigmoid_of(x[i]);
}

KERNEL clip(int n, const real* x, real* y, float low, float high) {
    EACH(i, n) {
        float v = x[i];
        v = v < low ? low : v;
        y[i] = v > high ? high : v;
    }
}

KERNEL clip_grad(int n, const real* x, const real* dy, real* dx, float low, float high) {
    EACH(i, n) dx[i] = dy[i] * (x[i] >= low && x[i] <= high);
}

KERNEL threshold(int n, const real* x, real* y, float threshold) {
    EACH(i, n) y[i] = x[i] > threshold;
}

KERNEL absolute(int n, const real* x, real* y) {
    EACH(i, n) y[i] = fabsf(x[i]);
}

KERNEL absolute_grad(int n, const real* x, const real* dy, real* dx) {
    EACH(i, n) dx[i] = dy[i] * sign_of(x[i]);
}

KERNEL power(int n, const real* x, real* y, float power, float scale, float shift) {
    EACH(i, n) {
        float v = scale * x[i] + shift;
        y[i] = power == 1 ? v : power == 2 ? v * v : powf(v, power);
    }
}

KERNEL power_grad(int n, const real* x, const real* dy, real* dx, float power, float scale, float shift) {
    EACH(i, n) {
        float factor = power * scale;
        float v = factor * dy[i];
        dx[i] = factor && power != 1 ? v * powf(scale * x[i] + shift, power - 1) : v;
    }
}

KERNEL exponential(int n, const real* x, real* y, float scale, float shift) {
    EACH(i, n) y[i] = expf(scale * x[i] + shift);
}

KERNEL exponential_grad(int n, const real* y, const real* dy, real* dx, float scale) {
    EACH(i, n) dx[i] = dy[i] * scale * y[i];
}

KERNEL logarithm(int n, const real* x, real* y, float factor, float scale, float shift) {
    EACH(i, n) y[i] = factor * logf(scale * x[i] + shift);
}

KERNEL logarithm_grad(int n, const real* x, const real* dy, real* dx, float factor, float scale, float shift) {
    EACH(i, n) dx[i] = dy[i] * (factor * scale) / (scale * x[i] + shift);
}
