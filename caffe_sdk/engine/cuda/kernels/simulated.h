// A GPU that is none: what the kernels need of CUDA, in C++, so that the very same text runs on the processor.
//
// The threads of a block whose threads work together are fibres: each runs until it comes to a barrier and then lets
// the next one run, so that a barrier too few or too many shows. A warp's exchange is a barrier too. Other kernels'
// threads run one after the other.

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <ucontext.h>

#include <utility>

#define __global__
#define __device__ static inline
#define __shared__ static
#define MEMBER

struct Dim {
    unsigned x;
};
static Dim gridDim, blockDim, blockIdx, threadIdx;

static const unsigned MOST_FIBRES = 256;
static const int STACK = 1 << 16;
static ucontext_t begin[MOST_FIBRES];
static jmp_buf at[MOST_FIBRES], scheduler;
static char stacks[MOST_FIBRES][STACK];
static bool done[MOST_FIBRES];
static float exchanged[MOST_FIBRES];
static void (*work)(void**);
static void** work_arguments;

static inline void __syncthreads() {
    if (!_setjmp(at[threadIdx.x])) _longjmp(scheduler, 1);
}

static inline float __shfl_xor_sync(unsigned, float value, int step) {
    unsigned lane = threadIdx.x;
    exchanged[lane] = value;
    __syncthreads();
    float other = exchanged[lane ^ step];
    __syncthreads();
    return other;
}

static inline int atomicCAS(int* at, int expected, int value) {
    int before = *at;
    if (before == expected) *at = value;
    return before;
}

static inline int __float_as_int(float value) {
    union { float number; int bits; } both = {value};
    return both.bits;
}

static inline float __int_as_float(int value) {
    union { int bits; float number; } both = {value};
    return both.number;
}

static inline unsigned short float16_of(float value) {
    unsigned bits = __float_as_int(value), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > 0x7f800000) return 0x7fff;         // NaN
    if (size >= 0x477ff000) return sign | 0x7c00;  // 65520 and more
    if (size < 0x38800000) return sign | (unsigned)rintf(fabsf(value) * 16777216);  // as many times 2^-24
    return sign | (size - 0x38000000 + 0xfff + (size >> 13 & 1)) >> 13;
}

static inline float float_of(unsigned short float16_bits) {
    unsigned sign = (float16_bits & 0x8000) << 16, size = float16_bits & 0x7fff;
    if (size >= 0x7c00) return __int_as_float(sign | 0x7f800000 | (size & 0x3ff) << 13);
    if (size < 0x400) return copysignf(size / 16777216.0f, __int_as_float(sign));
    return __int_as_float(sign | ((size << 13) + 0x38000000));
}

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

static void fibre() {
    work(work_arguments);
    done[threadIdx.x] = true;
    _longjmp(scheduler, 1);
}

// Run one block of fibres; false where some wait for others that have ended.
static bool run_fibres() {
    for (unsigned t = 0; t < blockDim.x; t++) {
        getcontext(&begin[t]);
        begin[t].uc_stack.ss_sp = stacks[t];
        begin[t].uc_stack.ss_size = STACK;
        makecontext(&begin[t], fibre, 0);
        done[t] = false;
    }
    for (bool first = true;; first = false) {
        unsigned ended = 0;
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) {
            if (!_setjmp(scheduler)) {
                if (first) setcontext(&begin[threadIdx.x]);
                else _longjmp(at[threadIdx.x], 1);
            }
            ended += done[threadIdx.x];
        }
        if (ended) return ended == blockDim.x;
    }
}

// Run a kernel; 1 where the threads of a block do not meet at the same barriers.
extern "C" int simulated_launch(void (*kernel)(void**), int cooperative, int blocks, int threads, void** arguments) {
    work = kernel;
    work_arguments = arguments;
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        if (cooperative) {
            if (!run_fibres()) return 1;
            continue;
        }
        for (threadIdx.x = 0; threadIdx.x < blockDim.x; threadIdx.x++) kernel(arguments);
    }
    return 0;
}

template <class... Types, size_t... I>
static inline void call(void (*kernel)(Types...), void** arguments, std::index_sequence<I...>) {
    kernel(*(typename std::decay<Types>::type*)arguments[I]...);
}

template <class... Types>
static inline void call(void (*kernel)(Types...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Types...>{});
}

template <class... Types>
static inline const size_t* sizes(void (*)(Types...)) {
    static const size_t all[] = {sizeof(typename std::decay<Types>::type)..., 0};
    return all;
}

// Makes `call_name`, which takes arguments by their addresses, as devices do, and `sizes_name`, their sizes up to a 0;
// `cooperative_name` says whether threads of a block work together.
#define ENTRY(name, together) \
    extern "C" { extern const int cooperative_##name = together; } \
    extern "C" void call_##name(void** arguments) { call(&name, arguments); } \
    extern "C" const size_t* sizes_##name() { return sizes(&name); }
