// Windows over the two spatial axes of (outer, h, w, step): step is the number of channels where they are last, else 1.

struct Pool {
    int h, w, out_h, out_w;
    int kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
    int step;
};

struct Window {
    int top, left, bottom, right;  // clipped to the image
    int whole;                     // whether nothing was clipped
    int divisor;                   // values inside the image and its padding, at least 1
};

__device__ Window window_at(Pool p, int row, int column) {
    Window s;
    int top = row * p.stride_h - p.pad_h, left = column * p.stride_w - p.pad_w;
    int bottom = min(top + p.kernel_h, p.h + p.pad_h), right = min(left + p.kernel_w, p.w + p.pad_w);
    s.divisor = max(1, bottom - top) * max(1, right - left);
    s.top = max(top, 0);
    s.left = max(left, 0);
    s.bottom = min(bottom, p.h);
    s.right = min(right, p.w);
    s.whole = s.bottom - s.top == p.kernel_h && s.right - s.left == p.kernel_w;
    return s;
}

// Where value i of (outer, h, w, step) is.
struct Spot {
    int outer, row, column, channel;
};

__device__ Spot spot_of(int i, int h, int w, int step) {
    Spot s;
    int rest = i / step;
    s.channel = i % step;
    s.column = rest % w;
    s.row = rest / w % h;
    s.outer = rest / w / h;
    return s;
}

// Where the plane that a spot is on begins; its values are `step` apart.
__device__ int plane_of(Spot s, int h, int w, int step) { return s.outer * h * w * step + s.channel; }

// The first and the one after the last window, of `count`, that sees a position.
__device__ int first_window(int position, int kernel, int stride, int pad) {
    int reach = position + pad - kernel;
    return reach < 0 ? 0 : reach / stride + 1;
}

__device__ int end_window(int position, int stride, int pad, int count) { return min((position + pad) / stride + 1, count); }


KERNEL max_pool(int n, const real* x, real* y, int* mask, Pool p) {
    EACH(i, n) {
        Spot spot = spot_of(i, p.out_h, p.out_w, p.step);
        const real* plane = x + plane_of(spot, p.h, p.w, p.step);
        Window s = window_at(p, spot.row, spot.column);
        float best = LOWEST_FLOAT;
        int chosen = -1, any = !s.whole;  // what is outside the image counts as LOWEST_FLOAT, and is nowhere
        for (int r = s.top; r < s.bottom; r++)
            for (int c = s.left; c < s.right; c++) {
                float v = plane[(r * p.w + c) * p.step];
                if (!any || v > best || (v != v && best == best)) {
                    best = v;
                    chosen = r * p.w + c;
                    any = 1;
                }
            }
        y[i] = best;
        if (mask) mask[i] = chosen;
    }
}

KERNEL max_pool_grad(int n, const real* dy, const int* mask, real* dx, Pool p) {
    EACH(i, n) {
        Spot spot = spot_of(i, p.h, p.w, p.step);
        int base = plane_of(spot, p.out_h, p.out_w, p.step), at = spot.row * p.w + spot.column;
        int end_r = end_window(spot.row, p.stride_h, p.pad_h, p.out_h);
        int end_c = end_window(spot.column, p.stride_w, p.pad_w, p.out_w);
        float sum = 0;
        for (int r = first_window(spot.row, p.kernel_h, p.stride_h, p.pad_h); r < end_r; r++)
            for (int c = first_window(spot.column, p.kernel_w, p.stride_w, p.pad_w); c < end_c; c++) {
                int o = base + (r * p.out_w + c) * p.step;
                if (mask[o] == at) sum += dy[o];
            }
        dx[i] = sum;
    }
}

KERNEL average_pool(int n, const real* x, real* y, Pool p) {
    EACH(i, n) {
        Spot spot = spot_of(i, p.out_h, p.out_w, p.step);
        const real* plane = x + plane_of(spot, p.h, p.w, p.step);
        Window s = window_at(p, spot.row, spot.column);
        float sum = 0;
        for (int r = s.top; r < s.bottom; r++)
            for (int c = s.left; c < s.right; c++) sum += plane[(r * p.w + c) * p.step];
        y[i] = sum / s.divisor;
    }
}

KERNEL average_pool_grad(int n, const real* dy, real* dx, Pool p) {
    EACH(i, n) {
        Spot spot = spot_of(i, p.h, p.w, p.step);
        const real* plane = dy + plane_of(spot, p.out_h, p.out_w, p.step);
        int end_r = end_window(spot.row, p.stride_h, p.pad_h, p.out_h);
        int end_c = end_window(spot.column, p.stride_w, p.pad_w, p.out_w);
        float sum = 0;
        for (int r = first_window(spot.row, p.kernel_h, p.stride_h, p.pad_h); r < end_r; r++)
            for (int c = first_window(spot.column, p.kernel_w, p.stride_w, p.pad_w); c < end_c; c++)
                sum += plane[(r * p.out_w + c) * p.step] / window_at(p, r, c).divisor;
        dx[i] = sum;
    }
}

// y = the value at which the running sum over a window reaches draw times the whole sum; outside the image are zeros.
// Channels are never last.
KERNEL stochastic_pool(int n, const real* x, const float* draws, real* y, int* mask, Pool p) {
    EACH(i, n) {
        Spot spot = spot_of(i, p.out_h, p.out_w, 1);
        const real* plane = x + plane_of(spot, p.h, p.w, 1);
        Window s = window_at(p, spot.row, spot.column);
        float total = 0;
        for (int r = s.top; r < s.bottom; r++)
            for (int c = s.left; c < s.right; c++) total += plane[r * p.w + c];
        float goal = draws[i] * total, sum = 0, value = 0;
        int chosen = -1, found = goal <= 0 && !s.whole;  // a place outside the image, or the window's first one
        int top = spot.row * p.stride_h - p.pad_h, left = spot.column * p.stride_w - p.pad_w;
        if (found && top >= 0 && left >= 0 && top < p.h && left < p.w) {
            value = plane[top * p.w + left];
            chosen = top * p.w + left;
        }
        for (int r = s.top; r < s.bottom && !found; r++)
            for (int c = s.left; c < s.right && !found; c++) {
                sum += plane[r * p.w + c];
                if (sum >= goal) {
                    value = plane[r * p.w + c];
                    chosen = r * p.w + c;
                    found = 1;
                }
            }
        y[i] = value;
        mask[i] = chosen;
    }
}

#define SMALLEST 1.17549435e-38f

__device__ void window_sums(const real* plane, Pool p, Window s, float* sum, float* squares) {
    *sum = *squares = 0;
    for (int r = s.top; r < s.bottom; r++)
        for (int c = s.left; c < s.right; c++) {
            float v = plane[(r * p.w + c) * p.step];
            *sum += v;
            *squares += v * v;
        }
    *sum += SMALLEST;
}

KERNEL expected_pool(int n, const real* x, real* y, Pool p) {
    EACH(i, n) {
        float sum, squares;
        Spot spot = spot_of(i, p.out_h, p.out_w, p.step);
        window_sums(x + plane_of(spot, p.h, p.w, p.step), p, window_at(p, spot.row, spot.column), &sum, &squares);
        y[i] = squares / sum;
    }
}

KERNEL expected_pool_grad(int n, const real* x, const real* dy, real* dx, Pool p) {
    EACH(i, n) {
        Spot spot = spot_of(i, p.h, p.w, p.step);
        const real *image = x + plane_of(spot, p.h, p.w, p.step), *given = dy + plane_of(spot, p.out_h, p.out_w, p.step);
        int end_r = end_window(spot.row, p.stride_h, p.pad_h, p.out_h);
        int end_c = end_window(spot.column, p.stride_w, p.pad_w, p.out_w);
        float total = 0;
        for (int r = first_window(spot.row, p.kernel_h, p.stride_h, p.pad_h); r < end_r; r++)
            for (int c = first_window(spot.column, p.kernel_w, p.stride_w, p.pad_w); c < end_c; c++) {
                float sum, squares;
                window_sums(image, p, window_at(p, r, c), &sum, &squares);
                total += given[(r * p.out_w + c) * p.step] * (2 * x[i] - squares / sum) / sum;
            }
        dx[i] = total;
    }
}
