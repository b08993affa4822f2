// The numbers that NumPy's PCG64 draws, by many threads at once: each jumps to where its part of the stream begins.
// PCG XSL RR 128/64: O'Neill, "PCG: a family of simple fast space-efficient generators", 2014; the jump: Brown,
// "Random number generation with arbitrary strides", 1994.

typedef unsigned long long Word;

struct Wide {
    Word high, low;
};

struct Stream {
    Wide state, increment;
    int has_half;   // whether the first 32 bits are `half`, left over from the number drawn before
    unsigned half;
};

#define MOST_STREAMS 48
struct Streams {
    Stream at[MOST_STREAMS];
};

#define DRAWS 8  // of 64 bits, by a thread at a stretch

__device__ Wide wide_sum(Wide a, Wide b) {
    Wide sum;
    sum.low = a.low + b.low;
    sum.high = a.high + b.high + (sum.low < a.low);
    return sum;
}

__device__ Wide wide_product(Wide a, Wide b) {
    Wide product;
    product.low = a.low * b.low;
    product.high = __umul64hi(a.low, b.low) + a.high * b.low + a.low * b.high;
    return product;
}

__device__ Wide multiplier() {
    Wide a;
    a.high = 0x2360ED051FC65DA4ULL;
    a.low = 0x4385DF649FCCF645ULL;
    return a;
}

// The state after so many steps: of x -> a x + c, the square is x -> a a x + (a + 1) c.
__device__ Wide jumped(Wide state, Wide increment, unsigned steps) {
    Wide a = multiplier(), c = increment;
    Wide one;
    one.high = 0;
    one.low = 1;
    for (; steps; steps /= 2) {
        if (steps % 2) state = wide_sum(wide_product(a, state), c);
        c = wide_product(wide_sum(a, one), c);
        a = wide_product(a, a);
    }
    return state;
}

// The next 64 bits.
__device__ Word drawn(Wide* state, Wide increment) {
    *state = wide_sum(wide_product(multiplier(), *state), increment);
    Word bits = state->high ^ state->low;
    int turn = (int)(state->high >> 58);
    return turn ? bits >> turn | bits << (64 - turn) : bits;
}

// Where generators stand, to where kernels that draw will read it.
KERNEL put_streams(int count, Streams streams, Stream* to) {
    EACH(i, count) to[i] = streams.at[i];
}

__device__ float as_factor(unsigned bits, float ratio, float kept) {
    return (bits >> 8) * (1.0f / 16777216.0f) >= ratio ? kept : 0.0f;
}

// Where value i of (images, channels, places) lies channels last.
__device__ int last_at(int i, int channels, int places) {
    return (i / (channels * places) * places + i % places) * channels + i / places % channels;
}

// mask = 0 with probability ratio, else kept; it lies channels last. A thread makes a stretch of 2 DRAWS values.
KERNEL dropout_mask(
    int stretches, float* mask, int count, float ratio, float kept, const Stream* at, int channels, int places
) {
    Stream stream = *at;
    EACH(stretch, stretches) {
        Wide state = jumped(stream.state, stream.increment, (unsigned)stretch * DRAWS);
        if (stretch == 0 && stream.has_half && count) mask[0] = as_factor(stream.half, ratio, kept);
        for (int draw = 0; draw < DRAWS; draw++) {
            Word bits = drawn(&state, stream.increment);
            int place = stream.has_half + 2 * (stretch * DRAWS + draw);
            if (place < count) mask[last_at(place, channels, places)] = as_factor((unsigned)bits, ratio, kept);
            if (place + 1 < count) mask[last_at(place + 1, channels, places)] = as_factor((unsigned)(bits >> 32), ratio, kept);
        }
    }
}

// values = uniform in [0, 1), of 53 bits before they are rounded to float.
KERNEL uniform(int stretches, float* values, int count, const Stream* at) {
    Stream stream = *at;
    EACH(stretch, stretches) {
        Wide state = jumped(stream.state, stream.increment, (unsigned)stretch * DRAWS);
        for (int draw = 0; draw < DRAWS; draw++) {
            Word bits = drawn(&state, stream.increment);
            int place = stretch * DRAWS + draw;
            if (place < count) values[place] = (float)((double)(bits >> 11) * (1.0 / 9007199254740992.0));
        }
    }
}
