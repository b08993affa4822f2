// Losses. Each is a sum over all values: every block leaves its part of the sum, and of how many labels counted, in
// parts[0..blocks) and parts[blocks..2 blocks); `finish_loss` adds these up and divides.


__device__ void leave(float* parts, float sum, float counted) {
    sum = block_sum(sum);
    counted = block_sum(counted);
    if (threadIdx.x) return;
    parts[blockIdx.x] = sum;
    parts[gridDim.x + blockIdx.x] = counted;
}

// loss = factor sum / max(1, counted), or factor sum where `valid` is not asked for. Without `loss`: scale = what the
// gradient is multiplied with, dloss / max(1, counted) or dloss.
KERNEL finish_loss(int one, const float* parts, const float* dloss, float* result, int blocks, float factor, int valid) {
    EACH_ROW(only, one) {
        float sum = 0, counted = 0;
        ALONG(k, blocks) {
            sum += parts[k];
            counted += parts[blocks + k];
        }
        sum = block_sum(sum);
        counted = block_sum(counted);
        if (threadIdx.x) continue;
        float whole = dloss ? dloss[0] : sum;
        result[0] = factor * whole / (valid ? fmaxf(1, counted) : 1.0f);
    }
}

__device__ int place_of(int row, int k, int classes, int inner) { return (row / inner * classes + k) * inner + row % inner; }

KERNEL softmax_loss(
    int rows, const float* prob, const float* label, float* parts, int classes, int inner, int ignores, int ignored,
    float smallest, int* faults, int check
) {
    float sum = 0, counted = 0;
    EACH(row, rows) {
        int c = label_at(label[row], classes, ignores, ignored, faults, check);
        if (c < 0) continue;
        float p = prob[place_of(row, c, classes, inner)];
        sum -= logf(p < smallest ? smallest : p);
        counted += 1;
    }
    leave(parts, sum, counted);
}

KERNEL softmax_loss_grad(
    int n, const float* prob, const float* label, const float* scale, float* dx, int classes, int inner, int ignores,
    int ignored, int* faults, int check
) {
    EACH(i, n) {
        int row = i / inner / classes * inner + i % inner;
        int c = label_at(label[row], classes, ignores, ignored, faults, check);
        dx[i] = c < 0 ? 0.0f : (prob[i] - (i / inner % classes == c)) * scale[0];
    }
}

// parts of (x - target)^2
KERNEL squared_differences(int n, const float* x, const float* target, float* parts) {
    float sum = 0;
    EACH(i, n) sum += (x[i] - target[i]) * (x[i] - target[i]);
    leave(parts, sum, 0);
}

// dx = dloss factor (x - target)
KERNEL difference_grad(int n, const float* x, const float* target, const float* dloss, float* dx, float factor) {
    EACH(i, n) dx[i] = dloss[0] * factor * (x[i] - target[i]);
}

KERNEL sigmoid_loss(int n, const float* x, const float* target, float* parts, int ignores, int ignored) {
    float sum = 0, counted = 0;
    EACH(i, n) {
        if (ignores && truncf(target[i]) == ignored) continue;
        sum += softplus(x[i]) - x[i] * target[i];
        counted += 1;
    }
    leave(parts, sum, counted);
}

KERNEL sigmoid_loss_grad(
    int n, const float* x, const float* target, const float* scale, float* dx, int ignores, int ignored
) {
    EACH(i, n) dx[i] = ignores && truncf(target[i]) == ignored ? 0.0f : scale[0] * (sigmoid_of(x[i]) - target[i]);
}

KERNEL hinge_loss(
    int n, const float* x, const float* label, float* parts, int classes, int squared, int* faults, int check
) {
    float sum = 0;
    EACH(i, n) {
        int c = whole(label[i / classes], classes, faults, check);
        float margin = 1 - (i % classes == c ? x[i] : -x[i]);
        margin = margin <= 0 ? 0.0f : margin;
        sum += squared ? margin * margin : margin;
    }
    leave(parts, sum, 0);
}

KERNEL hinge_loss_grad(
    int n, const float* x, const float* label, const float* dloss, float* dx, int classes, int squared, float factor,
    int* faults, int check
) {
    EACH(i, n) {
        float sign = i % classes == whole(label[i / classes], classes, faults, check) ? 1.0f : -1.0f;
        float margin = 1 - sign * x[i];
        margin = margin <= 0 ? 0.0f : margin;
        dx[i] = -sign * (squared ? 2 * margin : sign_of(margin)) * (dloss[0] * factor);
    }
}

KERNEL multinomial_grad(
    int n, const float* prob, const float* label, const float* dloss, float* dx, int classes, float factor,
    float smallest, int* faults, int check
) {
    EACH(i, n) {
        int c = whole(label[i / classes], classes, faults, check);
        dx[i] = i % classes == c ? -dloss[0] * factor / (prob[i] < smallest ? smallest : prob[i]) : 0.0f;
    }
}

KERNEL infogain_loss(
    int n, const float* prob, const float* label, const float* matrix, float* parts, int classes, int inner,
    int ignores, int ignored, float smallest, int* faults, int check
) {
    float sum = 0, counted = 0;
    EACH(i, n) {
        int row = i / inner / classes * inner + i % inner, k = i / inner % classes;
        int c = label_at(label[row], classes, ignores, ignored, faults, check);
        if (c < 0) continue;
        sum -= matrix[c * classes + k] * logf(prob[i] < smallest ? smallest : prob[i]);
        counted += k == 0;
    }
    leave(parts, sum, counted);
}

KERNEL infogain_loss_grad(
    int n, const float* prob, const float* label, const float* matrix, const float* scale, float* dx, int classes,
    int inner, int ignores, int ignored, int* faults, int check
) {
    EACH(i, n) {
        int row = i / inner / classes * inner + i % inner, k = i / inner % classes;
        int c = label_at(label[row], classes, ignores, ignored, faults, check);
        dx[i] = 0;
        if (c < 0) continue;
        float sum = 0;
        for (int j = 0; j < classes; j++) sum += matrix[c * classes + j];
        dx[i] = (prob[i] * sum - matrix[c * classes + k]) * scale[0];
    }
}

// squares[row] = the squared distance of the row's two vectors
KERNEL squared_distances(int rows, const float* a, const float* b, float* squares, int values) {
    EACH_ROW(row, rows) {
        float sum = 0;
        ALONG(k, values) {
            float d = a[row * values + k] - b[row * values + k];
            sum += d * d;
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) squares[row] = sum;
    }
}

KERNEL contrastive_loss(int rows, const float* squares, const float* similar, float* parts, float margin, int legacy) {
    float sum = 0;
    EACH(row, rows) {
        float room = margin - (legacy ? squares[row] : sqrtf(squares[row]));
        room = room <= 0 ? 0.0f : room;
        sum += truncf(similar[row]) != 0 ? squares[row] : legacy ? room : room * room;
    }
    leave(parts, sum, 0);
}

KERNEL contrastive_loss_grad(
    int n, const float* a, const float* b, const float* squares, const float* similar, const float* dloss, float* da,
    int values, float margin, int legacy, float factor
) {
    EACH(i, n) {
        int row = i / values;
        float distance = sqrtf(squares[row]);
        float room = margin - (legacy ? squares[row] : distance);
        float pull = legacy ? 1.0f : room / (distance + 1e-4f);
        float way = truncf(similar[row]) != 0 ? 1.0f : room > 0 ? -pull : 0.0f;
        da[i] = way * (dloss[0] * factor) * (a[i] - b[i]);
    }
}
