// Values that only go elsewhere: joined, cut, repeated, looked up.

// The part (outer, count, inner) of `whole` that begins at `start` along the middle axis, of `size`.
KERNEL join(int n, const real* part, real* whole, int count, int size, int start, int inner) {
    EACH(i, n) {
        int rest = i % (count * inner);
        whole[i / (count * inner) * size * inner + start * inner + rest] = part[i];
    }
}

// y = the part of x that begins at offsets
KERNEL crop(int n, const real* x, real* y, int axes, Sizes x_sizes, Sizes y_sizes, Sizes offsets) {
    EACH(i, n) {
        int at = 0, step = 1, rest = i;
        for (int a = axes - 1; a >= 0; a--) {
            at += (rest % y_sizes.at[a] + offsets.at[a]) * step;
            rest /= y_sizes.at[a];
            step *= x_sizes.at[a];
        }
        y[i] = x[at];
    }
}

// dx = dy at its part, 0 around it
KERNEL crop_grad(int n, const real* dy, real* dx, int axes, Sizes x_sizes, Sizes y_sizes, Sizes offsets) {
    EACH(i, n) {
        int at = 0, step = 1, rest = i, inside = 1;
        for (int a = axes - 1; a >= 0; a--) {
            int position = rest % x_sizes.at[a] - offsets.at[a];
            rest /= x_sizes.at[a];
            inside = inside && position >= 0 && position < y_sizes.at[a];
            at += position * step;
            step *= y_sizes.at[a];
        }
        dx[i] = inside ? dy[at] : 0.0f;
    }
}

// y (outer, tiles, size) = x (outer, size)
KERNEL tile(int n, const real* x, real* y, int size, int tiles) {
    EACH(i, n) y[i] = x[i / size / tiles * size + i % size];
}

KERNEL tile_grad(int n, const real* dy, real* dx, int size, int tiles) {
    EACH(i, n) {
        float sum = 0;
        for (int t = 0; t < tiles; t++) sum += dy[(i / size * tiles + t) * size + i % size];
        dx[i] = sum;
    }
}

// y[i] = x[index[i]] + bias; 0 where the index is no row
KERNEL take_rows(
    int n, const float* x, const float* index, const float* bias, float* y, int width, int rows, int* faults, int check
) {
    EACH(i, n) {
        int row = whole(index[i / width], rows, faults, check);
        y[i] = row < 0 ? 0.0f : x[row * width + i % width] + (bias ? bias[i % width] : 0.0f);
    }
}

// dx[row] = the sum of dy[i] where index[i] is row, added to dx if there is `more` of it there
KERNEL take_rows_grad(
    int rows, const float* dy, const float* index, float* dx, int width, int count, int more, int* faults, int check
) {
    EACH_ROW(row, rows) {
        ALONG(k, width) {
            float sum = more ? dx[row * width + k] : 0.0f;
            for (int i = 0; i < count; i++)
                if (whole(index[i], rows, faults, check) == row) sum += dy[i * width + k];
            dx[row * width + k] = sum;
        }
    }
}
