// Update rules. A launch updates up to MOST_UPDATES parameters, whose first values are at `begin` of all of them.

#define MOST_UPDATES 48

struct Updates {
    float *weight[MOST_UPDATES], *diff[MOST_UPDATES], *first[MOST_UPDATES], *second[MOST_UPDATES];
    int begin[MOST_UPDATES + 1];
    float rate[MOST_UPDATES], decay[MOST_UPDATES];
    int count;
};

// One value of a parameter, its gradient regularised.
struct Value {
    int which, at;
    float weight, gradient;
};

// The parameter that value i of all of them belongs to.
__device__ int parameter_of(const Updates& u, int i) {
    int low = 0, high = u.count - 1;
    while (low < high) {
        int middle = (low + high + 1) / 2;
        if (u.begin[middle] <= i) low = middle;
        else high = middle - 1;
    }
    return low;
}

__device__ Value value_at(const Updates& u, int i, int l1, float scale) {
    Value v;
    int low = v.which = parameter_of(u, i);
    v.at = i - u.begin[low];
    v.weight = u.weight[low][v.at];
    v.gradient = scale * u.diff[low][v.at];
    if (u.decay[low]) v.gradient += u.decay[low] * (l1 ? sign_of(v.weight) : v.weight);
    return v;
}

__device__ void take(const Updates& u, Value v, float step, int* faults, int check) {
    u.diff[v.which][v.at] = step;
    u.weight[v.which][v.at] = v.weight - step;
    if (!(fabsf(step) <= 3.402823466e38f)) tell(faults, check, step);
}

// found = 1 where a gradient is no finite number
KERNEL find_not_finite(int n, Updates u, float* found) {
    EACH(i, n) {
        int which = parameter_of(u, i);
        if (!(fabsf(u.diff[which][i - u.begin[which]]) <= 3.402823466e38f)) found[0] = 1;
    }
}

// How many of n values are updated: none of them if `unless` is there and not 0.
__device__ int updated(int n, const float* unless) { return unless && unless[0] ? 0 : n; }

KERNEL sgd_update(int n, Updates u, float momentum, int l1, float scale, int* faults, int check, const float* unless) {
    n = updated(n, unless);
    EACH(i, n) {
        Value v = value_at(u, i, l1, scale);
        float* history = u.first[v.which] + v.at;
        *history = momentum * *history + u.rate[v.which] * v.gradient;
        take(u, v, *history, faults, check);
    }
}

KERNEL nesterov_update(int n, Updates u, float momentum, int l1, float scale, int* faults, int check, const float* unless) {
    n = updated(n, unless);
    EACH(i, n) {
        Value v = value_at(u, i, l1, scale);
        float* history = u.first[v.which] + v.at;
        float before = *history;
        *history = momentum * before + u.rate[v.which] * v.gradient;
        take(u, v, (1 + momentum) * *history - momentum * before, faults, check);
    }
}

KERNEL adagrad_update(int n, Updates u, float delta, int l1, float scale, int* faults, int check, const float* unless) {
    n = updated(n, unless);
    EACH(i, n) {
        Value v = value_at(u, i, l1, scale);
        float* squares = u.first[v.which] + v.at;
        *squares += v.gradient * v.gradient;
        take(u, v, v.gradient * (u.rate[v.which] / (sqrtf(*squares) + delta)), faults, check);
    }
}

KERNEL rmsprop_update(int n, Updates u, float rms_decay, float rest, float delta, int l1, float scale, int* faults, int check, const float* unless) {
    n = updated(n, unless);
    EACH(i, n) {
        Value v = value_at(u, i, l1, scale);
        float* squares = u.first[v.which] + v.at;
        *squares = rms_decay * *squares + rest * v.gradient * v.gradient;
        take(u, v, v.gradient * (u.rate[v.which] / (sqrtf(*squares) + delta)), faults, check);
    }
}

KERNEL adadelta_update(int n, Updates u, float momentum, float rest, float delta, int l1, float scale, int* faults, int check, const float* unless) {
    n = updated(n, unless);
    EACH(i, n) {
        Value v = value_at(u, i, l1, scale);
        float *squares = u.first[v.which] + v.at, *steps = u.second[v.which] + v.at;
        *squares = momentum * *squares + rest * v.gradient * v.gradient;
        float step = v.gradient * sqrtf((*steps + delta) / (*squares + delta));
        *steps = momentum * *steps + rest * step * step;
        take(u, v, u.rate[v.which] * step, faults, check);
    }
}

KERNEL adam_update(
    int n, Updates u, float beta1, float rest1, float beta2, float rest2, float delta, int l1, float scale, int* faults, int check, const float* unless
) {
    n = updated(n, unless);
    EACH(i, n) {
        Value v = value_at(u, i, l1, scale);
        float *mean = u.first[v.which] + v.at, *squares = u.second[v.which] + v.at;
        *mean = beta1 * *mean + rest1 * v.gradient;
        *squares = beta2 * *squares + rest2 * v.gradient * v.gradient;
        take(u, v, u.rate[v.which] * *mean / (sqrtf(*squares) + delta), faults, check);
    }
}
