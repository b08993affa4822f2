// Recurrence over time. Gates of one of n sequences with d outputs stand in the order i, f, o, g.

// y = on[sequence] x, or 0 where nothing was before
KERNEL carried(int n, const float* x, const float* on, float* y, int d) {
    EACH(i, n) y[i] = on[i / d] * x[i];
}

// gates = sigmoid of three quarters, tanh of the last, of the sum of pre-activations that there are
__device__ void activate(float* gates, const float* x, const float* fixed, const float* recurrent, int row, int j, int d) {
    for (int gate = 0; gate < 4; gate++) {
        int at = (row * 4 + gate) * d + j;
        float v = x[at];
        if (fixed) v += fixed[at];
        if (recurrent) v += recurrent[at];
        gates[gate] = gate < 3 ? sigmoid_of(v) : tanhf(v);
    }
}

KERNEL lstm_step(
    int n, const float* x, const float* fixed, const float* recurrent, const float* before, const float* on, float* kept,
    float* c, float* h, int d
) {
    EACH(i, n) {
        int row = i / d, j = i % d;
        float gates[4];
        activate(gates, x, fixed, recurrent, row, j, d);
        if (kept)
            for (int gate = 0; gate < 4; gate++) kept[(row * 4 + gate) * d + j] = gates[gate];
        float state = on[row] * gates[1] * before[i] + gates[0] * gates[3];
        c[i] = state;
        h[i] = gates[2] * tanhf(state);
    }
}

// The gradients of the state before and of the pre-activations. The gates are `kept`, or come from x. dh is a sum:
// of dh and, of the step after, `later` where that was not cut off.
KERNEL lstm_step_grad(
    int n, const float* kept, const float* x, const float* before, const float* state, const float* on, const float* dc,
    const float* dh, const float* later, const float* on_later, float* dbefore, float* dx, int d
) {
    EACH(i, n) {
        int row = i / d, j = i % d;
        float gates[4];
        if (!kept) activate(gates, x, 0, 0, row, j, d);
        else
            for (int gate = 0; gate < 4; gate++) gates[gate] = kept[(row * 4 + gate) * d + j];
        float hidden = dh[i] + (later ? on_later[row] * later[i] : 0.0f);
        float out = tanhf(state[i]), fi = gates[0], ff = gates[1], fo = gates[2], fg = gates[3];
        float inner = (dc ? dc[i] : 0.0f) + hidden * fo * (1 - out * out);
        float old = before[i];
        if (dbefore) dbefore[i] = inner * on[row] * ff;
        if (!dx) continue;
        float* at = dx + row * 4 * d + j;
        at[0] = inner * fg * fi * (1 - fi);
        at[d] = inner * old * on[row] * ff * (1 - ff);
        at[2 * d] = hidden * out * fo * (1 - fo);
        at[3 * d] = inner * fi * (1 - fg * fg);
    }
}

KERNEL rnn_step(int n, const float* x, const float* fixed, const float* recurrent, float* h) {
    EACH(i, n) h[i] = tanhf(x[i] + (fixed ? fixed[i] : 0.0f) + recurrent[i]);
}

KERNEL rnn_step_grad(int n, const float* h, const float* dh, const float* later, const float* on_later, float* dx, int d) {
    EACH(i, n) {
        float hidden = dh[i] + (later ? on_later[i / d] * later[i] : 0.0f);
        dx[i] = hidden * (1 - h[i] * h[i]);
    }
}

// y = the sum of x over all steps
KERNEL sum_steps(int n, const float* x, float* y, int steps) {
    EACH(i, n) {
        float sum = 0;
        for (int t = 0; t < steps; t++) sum += x[t * n + i];
        y[i] = sum;
    }
}
