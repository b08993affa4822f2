// Softmax of rows (outer, inner) of classes; class k of row r is value (r / inner * classes + k) * inner + r % inner.

__device__ int class_at(int row, int k, int classes, int inner) { return (row / inner * classes + k) * inner + row % inner; }

// A block for each row: where the classes of a row are neighbours.
KERNEL softmax_of_rows(int rows, const real* x, float* y, int classes) {
    EACH_ROW(row, rows) {
        const real* from = x + row * classes;
        float* to = y + row * classes;
        float most = LOWEST_FLOAT, sum = 0;
        ALONG(k, classes) most = fmaxf(most, from[k]);
        most = block_max(most);
        ALONG(k, classes) sum += expf(from[k] - most);
        sum = block_sum(sum);
        ALONG(k, classes) to[k] = expf(from[k] - most) / sum;
    }
}

// A thread for each row: where the rows are neighbours.
KERNEL softmax_of_columns(int rows, const real* x, float* y, int classes, int inner) {
    EACH(row, rows) {
        float most = LOWEST_FLOAT, sum = 0;
        for (int k = 0; k < classes; k++) most = fmaxf(most, x[class_at(row, k, classes, inner)]);
        for (int k = 0; k < classes; k++) sum += expf(x[class_at(row, k, classes, inner)] - most);
        for (int k = 0; k < classes; k++) {
            int at = class_at(row, k, classes, inner);
            y[at] = expf(x[at] - most) / sum;
        }
    }
}

KERNEL softmax_grad_of_rows(int rows, const float* y, const float* dy, float* dx, int classes) {
    EACH_ROW(row, rows) {
        int at = row * classes;
        float along = 0;
        ALONG(k, classes) along += dy[at + k] * y[at + k];
        along = block_sum(along);
        ALONG(k, classes) dx[at + k] = y[at + k] * (dy[at + k] - along);
    }
}

KERNEL softmax_grad_of_columns(int rows, const float* y, const float* dy, float* dx, int classes, int inner) {
    EACH(row, rows) {
        float along = 0;
        for (int k = 0; k < classes; k++) {
            int at = class_at(row, k, classes, inner);
            along += dy[at] * y[at];
        }
        for (int k = 0; k < classes; k++) {
            int at = class_at(row, k, classes, inner);
            dx[at] = y[at] * (dy[at] - along);
        }
    }
}

// right[row] = 1 where the label is among the top_k scores, 0 where not, -1 where it is ignored or none. An equal
// score counts as a better one, NaN too.
KERNEL accurate(
    int rows, const float* scores, const float* label, float* right, int classes, int inner, int top_k, int ignores,
    int ignored, int* faults, int check
) {
    EACH(row, rows) {
        int chosen = label_at(label[row], classes, ignores, ignored, faults, check);
        right[row] = -1;
        if (chosen < 0) continue;
        float score = scores[class_at(row, chosen, classes, inner)];
        int as_good = -1;
        for (int k = 0; k < classes; k++) as_good += !(scores[class_at(row, k, classes, inner)] < score);
        right[row] = as_good < top_k;
    }
}

// For class c of `classes`, or over all of them if there is one: the share of rows that are right.
KERNEL accuracy(int classes, const float* right, const float* label, float* share, int rows) {
    EACH_ROW(c, classes) {
        float count = 0, hits = 0;
        ALONG(row, rows) {
            if (right[row] < 0 || (label && (int)label[row] != c)) continue;
            count += 1;
            hits += right[row];
        }
        count = block_sum(count);
        hits = block_sum(hits);
        if (threadIdx.x == 0) share[c] = hits / fmaxf(1, count);
    }
}
