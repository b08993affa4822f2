// What every file of kernels begins with. Blocks have a whole number of warps, and tensors at most 2^31 - 2^25 values.

#define KERNEL extern "C" __global__ void

// All of n values, shared out among the threads of all blocks.
#define EACH(i, n) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += blockDim.x * gridDim.x)
// All of n rows, a block for each.
#define EACH_ROW(row, n) for (int row = blockIdx.x; row < (n); row += gridDim.x)
// All of n values, shared out among the threads of a block.
#define ALONG(i, n) for (int i = threadIdx.x; i < (n); i += blockDim.x)

// A thread's values of a part of (outer, channels, inner): `w->at` is where.
#define ALONG_PART(w) for (; (w)->left > 0; step(w))

#define LOWEST_FLOAT (-3.402823466e38f)
#define WARP 32
#define MOST_WARPS 32
#define ALL_LANES 0xffffffffu

// `real` is what values between layers are stored as: a float, or 16 bits that are read and written as one. A file of
// kernels is compiled once for each; whatever is computed is computed in floats. Rounding is to the nearest, of two
// equally near to the even one.
#ifdef __CUDACC__
#define MEMBER __device__
__device__ unsigned short float16_of(float value) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
__device__ float float_of(unsigned short float16_bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(float16_bits));
    return value;
}
#endif

struct float16 {
    unsigned short bits;
    MEMBER operator float() const { return float_of(bits); }
    MEMBER float16& operator=(float value) {
        bits = float16_of(value);
        return *this;
    }
};

struct bfloat16 {
    unsigned short bits;
    MEMBER operator float() const { return __int_as_float((unsigned)bits << 16); }
    MEMBER bfloat16& operator=(float value) {
        unsigned whole = __float_as_int(value);
        bits = value != value ? 0x7fff : (whole + 0x7fff + (whole >> 16 & 1)) >> 16;
        return *this;
    }
};

#ifdef REAL
typedef REAL real;
#else
typedef float real;
#endif

// A thread's way through a block's part of (outer, channels, inner): it divides once, and only adds from then on. A
// part is of one channel. Where inner = 1, and so neighbours are of different channels, it is of as many channels as a
// warp has threads, and the warps share out the rest.
struct Walk {
    int channel, part;      // whose values they are, and the number of the sum over them
    int writes;             // whether the thread is the one to store that sum
    int at, place;          // in memory, and along `inner`
    int left;               // values between here and the part's end
    int threads, inner;
    int jump, along, skip;  // to the thread's next value: in memory, along `inner`, and in memory where `inner` ends
};

__device__ Walk walk(int block, int channels, int outer, int inner, int shares) {
    Walk w;
    int tiles = inner == 1 ? (channels + WARP - 1) / WARP : channels, share = block / tiles;
    int each = (outer * inner + shares - 1) / shares, begin = share * each, i = begin;
    if (inner == 1) {
        w.channel = block % tiles * WARP + threadIdx.x % WARP;
        w.threads = blockDim.x / WARP;
        w.writes = threadIdx.x < WARP && w.channel < channels;
        i += threadIdx.x / WARP;
    } else {
        w.channel = block % tiles;
        w.threads = blockDim.x;
        w.writes = threadIdx.x == 0;
        i += threadIdx.x;
    }
    w.part = share * channels + w.channel;
    w.place = i % inner;
    w.at = (i / inner * channels + w.channel) * inner + w.place;
    w.left = w.channel < channels ? min(begin + each, outer * inner) - i : 0;
    w.inner = inner;
    w.along = w.threads % inner;
    w.jump = w.threads / inner * channels * inner + w.along;
    w.skip = (channels - 1) * inner;
    return w;
}

__device__ void step(Walk* w) {
    w->left -= w->threads;
    if (w->left <= 0) return;
    w->at += w->jump;
    w->place += w->along;
    if (w->place < w->inner) return;
    w->place -= w->inner;
    w->at += w->skip;
}

// Several tensors, and a number for each.
#define MOST_INPUTS 16
struct Inputs {
    const real* at[MOST_INPUTS];
    float factor[MOST_INPUTS];
    int count;
};

// Sizes along several axes.
#define MOST_AXES 8
struct Sizes {
    int at[MOST_AXES];
};

// The sum over a block's threads, for all of them.
__device__ float block_sum(float value) {
    __shared__ float parts[MOST_WARPS];
    for (int step = WARP / 2; step; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
    __syncthreads();  // everybody has read the parts of the sum before
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;
    __syncthreads();
    float total = 0;
    for (int warp = 0; warp * WARP < blockDim.x; warp++) total += parts[warp];
    return total;
}

// The sum over all threads of a block that have values of one part.
__device__ float block_part_sum(float value, Walk w) {
    __shared__ float parts[MOST_WARPS][WARP];
    if (w.inner > 1) return block_sum(value);
    int lane = threadIdx.x % WARP;
    __syncthreads();
    parts[threadIdx.x / WARP][lane] = value;
    __syncthreads();
    float total = 0;
    for (int warp = 0; warp * WARP < blockDim.x; warp++) total += parts[warp][lane];
    return total;
}

// The sum over all parts[share][channel] for each channel of a tile; `w` says which is whose.
__device__ float block_total(Walk* w, const float* parts, int tile, int channels, int shares) {
    *w = walk(tile, channels, shares, 1, 1);
    float sum = 0;
    ALONG_PART(w) sum += parts[w->at];
    return block_part_sum(sum, *w);
}

// The largest value over a block's threads, for all of them; NaN counts for nothing.
__device__ float block_max(float value) {
    __shared__ float parts[MOST_WARPS];
    for (int step = WARP / 2; step; step /= 2) value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, step));
    __syncthreads();
    if (threadIdx.x % WARP == 0) parts[threadIdx.x / WARP] = value;
    __syncthreads();
    float most = parts[0];
    for (int warp = 1; warp * WARP < blockDim.x; warp++) most = fmaxf(most, parts[warp]);
    return most;
}

// Tell the host of a value that is wrong; the first one told of is kept. `faults` is {which check, the value's bits}.
__device__ void tell(int* faults, int check, float value) {
    if (atomicCAS(faults, 0, check) == 0) faults[1] = __float_as_int(value);
}

// A label or an index as a whole number, a fraction cut off; -1, and the host is told, where it is not one of `count`.
__device__ int whole(float value, int count, int* faults, int check) {
    float number = truncf(value);
    if (number >= 0 && number < count) return (int)number;
    tell(faults, check, number);
    return -1;
}

// The same where labels may be ignored: -1 for those too, and nobody is told.
__device__ int label_at(float value, int count, int ignores, int ignored, int* faults, int check) {
    return ignores && truncf(value) == ignored ? -1 : whole(value, count, faults, check);
}

__device__ float sigmoid_of(float x) { return 0.5f + 0.5f * tanhf(0.5f * x); }

__device__ float sign_of(float x) { return x > 0 ? 1.0f : x < 0 ? -1.0f : x; }

// log(1 + exp(x)), without overflow.
__device__ float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }
