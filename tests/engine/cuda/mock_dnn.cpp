// cuDNN 9 as far as the engine convolves by it, on the processor and strict as the driver above: descriptors, sizes, pointers,
// workspaces, streams and moments are checked. Its algorithms differ in what they need and promise, not in numbers.

#include <algorithm>
#include <set>

static const int DNN_BAD_PARAM = 2000, DNN_MISALIGNED = 2003, DNN_TOO_SMALL = 2006, DNN_NOT_SUPPORTED = 3000, DNN_EXECUTION_FAILED = 5000;
static const int DNN_DIMS = 8, FORWARD = 0, DATA = 1, FILTER = 2;
enum Kind { TENSOR, WEIGHTS, WINDOWS, ACTIVATION, POOLING, NEIGHBOURS };

struct Descriptor {
    Kind kind;
    bool set;
    int type, layout, rank, size[DNN_DIMS];                        // of tensors and filters
    int axes, pad[DNN_DIMS], stride[DNN_DIMS], dilation[DNN_DIMS];  // of convolutions
    int groups, math;
    int mode;  // of activations and poolings
    int window[DNN_DIMS];
    double alpha, beta, k;  // of ELUs, and of neighbourhoods of so many channels
    unsigned channels;
    size_t count() const {
        size_t n = 1;
        for (int i = 0; i < rank; i++) n *= size[i];
        return n;
    }
    size_t bytes() const { return count() * (type ? 2 : 4); }
    int inner() const {
        int n = 1;
        for (int i = 2; i < rank; i++) n *= size[i];
        return n;
    }
    // Where value (a, b, place) is.
    size_t at(int a, int b, int place) const {
        return layout ? ((size_t)a * inner() + place) * size[1] + b : ((size_t)a * size[1] + b) * inner() + place;
    }
};
struct DnnHandle {
    Gpu* on;
    void* stream;
};
struct Performance {
    int algorithm, status;
    float time;
    size_t memory;
    int determinism, math, reserved[3];
};
struct Algorithm {
    int number, determinism;
    size_t bytes;  // of workspace, for each value written
    bool small;    // only for windows of 3 by 3, one next to the other
};

static const std::vector<Algorithm> algorithms[3] = {
    {{7, 1, 1 << 30, true}, {6, 1, 3, true}, {1, 1, 8, false}, {0, 1, 0, false}},
    {{0, 0, 0, false}, {4, 1, 2, true}, {1, 1, 4, false}},
    {{0, 0, 0, false}, {3, 0, 4, false}, {1, 1, 16, false}},
};
static std::set<Descriptor*> descriptors;
static std::map<std::string, int> dnn_calls;
static std::string dnn_words;
static size_t dnn_version = 91002;
static bool dnn_refuses, dnn_refuses_last;
static int dnn_last[3] = {-1, -1, -1}, dnn_layout[3];

extern "C" {

// -- for the tests
void mock_dnn_set(size_t version, int refuses) { dnn_version = version; dnn_refuses = refuses; }
void mock_dnn_refuse_last(int refuses) { dnn_refuses_last = refuses; }  // whatever lies channels last
int mock_dnn_calls(const char* name) { return dnn_calls[name]; }
int mock_dnn_last(int way) { return dnn_last[way]; }  // 10 * algorithm + math
int mock_dnn_layout(int way) { return dnn_layout[way]; }  // of the last one
size_t mock_dnn_descriptors() { return descriptors.size(); }

static int dnn_check(const char* name, bool in_context) {
    dnn_calls[name]++;
    dnn_words = "";
    int status = check(name, in_context);
    return status == INVALID_CONTEXT ? DNN_EXECUTION_FAILED : status;
}
#define DNN_CHECK(name) if (int status = dnn_check(name, true)) return status
#define DNN_CHECK_ANYWHERE(name) if (int status = dnn_check(name, false)) return status
#define DNN_NEED(condition, status) if (!(condition)) { dnn_words = #condition; return status; }
#define DNN_KNOWN(descriptor, is) DNN_NEED(descriptors.count(descriptor) && descriptor->kind == is && descriptor->set, DNN_BAD_PARAM)

size_t cudnnGetVersion() { return dnn_version; }
const char* cudnnGetErrorString(int status) {
    return status == DNN_NOT_SUPPORTED ? "CUDNN_STATUS_NOT_SUPPORTED" : status == DNN_BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" :
        status == 4003 ? "CUDNN_STATUS_ALLOC_FAILED" : status == DNN_EXECUTION_FAILED ? "CUDNN_STATUS_EXECUTION_FAILED" : "CUDNN_UNKNOWN_STATUS";
}
void cudnnGetLastErrorString(char* words, size_t most) { snprintf(words, most, "%s", dnn_words.c_str()); }

int cudnnCreate(void** made) {
    DNN_CHECK("cudnnCreate");
    DNN_NEED(!current->capturing, DNN_EXECUTION_FAILED);
    *made = new DnnHandle{current, 0};
    return 0;
}
int cudnnSetStream(DnnHandle* handle, void* stream) { handle->stream = stream; return mine(stream) ? 0 : DNN_BAD_PARAM; }

static int make(void** made, Kind kind) {
    auto descriptor = new Descriptor();
    descriptor->kind = kind;
    descriptors.insert(descriptor);
    *made = descriptor;
    return 0;
}
static int end(Descriptor* descriptor) {
    DNN_NEED(descriptors.erase(descriptor), DNN_BAD_PARAM);
    delete descriptor;
    return 0;
}
int cudnnCreateTensorDescriptor(void** made) { DNN_CHECK_ANYWHERE("cudnnCreateTensorDescriptor"); return make(made, TENSOR); }
int cudnnCreateFilterDescriptor(void** made) { DNN_CHECK_ANYWHERE("cudnnCreateFilterDescriptor"); return make(made, WEIGHTS); }
int cudnnCreateConvolutionDescriptor(void** made) { DNN_CHECK_ANYWHERE("cudnnCreateConvolutionDescriptor"); return make(made, WINDOWS); }
int cudnnCreateActivationDescriptor(void** made) { DNN_CHECK_ANYWHERE("cudnnCreateActivationDescriptor"); return make(made, ACTIVATION); }
int cudnnDestroyTensorDescriptor(Descriptor* it) { return end(it); }
int cudnnDestroyFilterDescriptor(Descriptor* it) { return end(it); }
int cudnnDestroyConvolutionDescriptor(Descriptor* it) { return end(it); }
int cudnnDestroyActivationDescriptor(Descriptor* it) { return end(it); }

static int set_sizes(Descriptor* it, Kind kind, int type, int layout, int rank, const int* sizes) {
    DNN_NEED(descriptors.count(it) && it->kind == kind && !it->set, DNN_BAD_PARAM);
    DNN_NEED((type == 0 || type == 2 || type == 9) && (layout == 0 || layout == 1), DNN_BAD_PARAM);
    DNN_NEED(rank >= 4 && rank <= DNN_DIMS && *std::min_element(sizes, sizes + rank) > 0, DNN_BAD_PARAM);
    it->type = type;
    it->layout = layout;
    it->rank = rank;
    std::copy(sizes, sizes + rank, it->size);
    DNN_NEED(it->count() < (1u << 31), DNN_NOT_SUPPORTED);
    it->set = true;
    return 0;
}
int cudnnSetTensorNdDescriptorEx(Descriptor* it, int layout, int type, int rank, const int* sizes) {
    DNN_CHECK_ANYWHERE("cudnnSetTensorNdDescriptorEx");
    return set_sizes(it, TENSOR, type, layout, rank, sizes);
}
int cudnnSetFilterNdDescriptor(Descriptor* it, int type, int layout, int rank, const int* sizes) {
    DNN_CHECK_ANYWHERE("cudnnSetFilterNdDescriptor");
    return set_sizes(it, WEIGHTS, type, layout, rank, sizes);
}
int cudnnSetConvolutionNdDescriptor(Descriptor* it, int axes, const int* pad, const int* stride, const int* dilation, int mode, int type) {
    DNN_CHECK_ANYWHERE("cudnnSetConvolutionNdDescriptor");
    DNN_NEED(descriptors.count(it) && it->kind == WINDOWS && !it->set && mode == 1 && type == 0, DNN_BAD_PARAM);
    DNN_NEED(axes >= 2 && axes <= DNN_DIMS - 2 && *std::min_element(pad, pad + axes) >= 0, DNN_BAD_PARAM);
    DNN_NEED(*std::min_element(stride, stride + axes) > 0 && *std::min_element(dilation, dilation + axes) > 0, DNN_BAD_PARAM);
    it->axes = axes;
    it->groups = 1;
    std::copy(pad, pad + axes, it->pad);
    std::copy(stride, stride + axes, it->stride);
    std::copy(dilation, dilation + axes, it->dilation);
    it->set = true;
    return 0;
}
int cudnnSetConvolutionGroupCount(Descriptor* it, int groups) { DNN_KNOWN(it, WINDOWS); it->groups = groups; return groups > 0 ? 0 : DNN_BAD_PARAM; }
int cudnnSetConvolutionMathType(Descriptor* it, int math) { DNN_KNOWN(it, WINDOWS); it->math = math; return math >= 0 && math <= 3 ? 0 : DNN_BAD_PARAM; }
int cudnnSetActivationDescriptor(Descriptor* it, int mode, int nan, double coefficient) {
    DNN_CHECK_ANYWHERE("cudnnSetActivationDescriptor");
    DNN_NEED(descriptors.count(it) && it->kind == ACTIVATION && mode >= 0 && mode <= 5 && mode != 3, DNN_BAD_PARAM);
    DNN_NEED(nan == (mode != 5) && (mode == 4 || coefficient == 0), DNN_BAD_PARAM);
    it->mode = mode;
    it->alpha = coefficient;
    it->set = true;
    return 0;
}

// -- what fits together

static void count_result(const Descriptor* c, const Descriptor* x, const Descriptor* w, int* sizes) {
    sizes[0] = x->size[0];
    sizes[1] = w->size[0];
    for (int i = 0; i < c->axes; i++)
        sizes[i + 2] = 1 + (x->size[i + 2] + 2 * c->pad[i] - ((w->size[i + 2] - 1) * c->dilation[i] + 1)) / c->stride[i];
}
int cudnnGetConvolutionNdForwardOutputDim(Descriptor* c, Descriptor* x, Descriptor* w, int rank, int* sizes) {
    DNN_CHECK_ANYWHERE("cudnnGetConvolutionNdForwardOutputDim");
    DNN_KNOWN(c, WINDOWS);
    DNN_KNOWN(x, TENSOR);
    DNN_KNOWN(w, WEIGHTS);
    DNN_NEED(rank == x->rank && rank == w->rank && rank == c->axes + 2, DNN_BAD_PARAM);
    DNN_NEED(x->size[1] == w->size[1] * c->groups && w->size[0] % c->groups == 0, DNN_BAD_PARAM);
    count_result(c, x, w, sizes);
    return 0;
}

static int check_all(DnnHandle* handle, Descriptor* x, Descriptor* w, Descriptor* y, Descriptor* c) {
    DNN_NEED(handle->on == current && mine(handle->stream), DNN_BAD_PARAM);
    DNN_KNOWN(x, TENSOR);
    DNN_KNOWN(w, WEIGHTS);
    DNN_KNOWN(y, TENSOR);
    int sizes[DNN_DIMS];
    if (int status = cudnnGetConvolutionNdForwardOutputDim(c, x, w, x->rank, sizes)) return status;
    DNN_NEED(y->rank == x->rank && std::equal(sizes, sizes + y->rank, y->size), DNN_BAD_PARAM);
    DNN_NEED(x->type == w->type && x->type == y->type && x->layout == w->layout && x->layout == y->layout, DNN_BAD_PARAM);
    DNN_NEED(!x->type || c->math != 3, DNN_NOT_SUPPORTED);
    DNN_NEED(!dnn_refuses && !(dnn_refuses_last && x->layout), DNN_NOT_SUPPORTED);
    return 0;
}
static int check_numbers(const Descriptor* it, const void* at) {
    DNN_NEED(inside((uintptr_t)at, it->bytes()), DNN_BAD_PARAM);
    DNN_NEED((uintptr_t)at % 4 == 0, DNN_MISALIGNED);
    return 0;
}
#define DNN_NUMBERS(it, at) if (int status = check_numbers(it, at)) return status

static bool small_windows(const Descriptor* w, const Descriptor* c) {
    for (int i = 0; i < c->axes; i++)
        if (w->size[i + 2] != 3 || c->stride[i] != 1 || c->dilation[i] != 1) return false;
    return c->axes == 2;
}
// Of those for each way only one computes channels last.
static const Algorithm* algorithm_of(int way, int number, const Descriptor* w, const Descriptor* c) {
    for (auto& one : algorithms[way])
        if (one.number == number && (!one.small || small_windows(w, c)) && (!w->layout || number == 1)) return &one;
    return 0;
}

// The guesses come in the order of the table; what was measured in the other one, with tensor cores first.
static int tell(int way, Descriptor* w, Descriptor* c, Descriptor* result, int most, int* count, Performance* found, bool measured, size_t room) {
    std::vector<Performance> all;
    for (auto& one : algorithms[way]) {
        size_t bytes = one.bytes * result->count();
        bool can = algorithm_of(way, one.number, w, c) && (!measured || bytes <= room);
        Performance fits = {one.number, can ? 0 : DNN_NOT_SUPPORTED, can ? 1.0f : -1.0f, bytes, one.determinism, c->math, {}};
        all.push_back(fits);
        if (!measured) continue;
        fits.math = 2;
        all.push_back(fits);
        fits.math = 1;
        all.push_back(fits);
    }
    if (measured) std::reverse(all.begin(), all.end());
    *count = std::min<int>(most, all.size());
    std::copy(all.begin(), all.begin() + *count, found);
    return 0;
}

static int guess(const char* name, int way, DnnHandle* handle, Descriptor* x, Descriptor* w, Descriptor* y, Descriptor* c, int most, int* count, Performance* found) {
    DNN_CHECK(name);
    if (int status = check_all(handle, x, w, y, c)) return status;
    return tell(way, w, c, way == FORWARD ? y : way == DATA ? x : w, most, count, found, false, 0);
}
int cudnnGetConvolutionForwardAlgorithm_v7(DnnHandle* h, Descriptor* x, Descriptor* w, Descriptor* c, Descriptor* y, int most, int* count, Performance* found) {
    return guess("cudnnGetConvolutionForwardAlgorithm_v7", FORWARD, h, x, w, y, c, most, count, found);
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(DnnHandle* h, Descriptor* w, Descriptor* y, Descriptor* c, Descriptor* x, int most, int* count, Performance* found) {
    return guess("cudnnGetConvolutionBackwardDataAlgorithm_v7", DATA, h, x, w, y, c, most, count, found);
}
int cudnnGetConvolutionBackwardFilterAlgorithm_v7(DnnHandle* h, Descriptor* x, Descriptor* y, Descriptor* c, Descriptor* w, int most, int* count, Performance* found) {
    return guess("cudnnGetConvolutionBackwardFilterAlgorithm_v7", FILTER, h, x, w, y, c, most, count, found);
}

// Measuring writes over the result and the workspace.
static int measure(const char* name, int way, DnnHandle* handle, Descriptor* x, const void* xs, Descriptor* w, const void* ws, Descriptor* y, const void* ys,
                   Descriptor* c, int most, int* count, Performance* found, void* workspace, size_t room) {
    DNN_CHECK(name);
    DNN_NEED(!current->capturing, DNN_EXECUTION_FAILED);
    if (int status = check_all(handle, x, w, y, c)) return status;
    DNN_NUMBERS(x, xs);
    DNN_NUMBERS(w, ws);
    DNN_NUMBERS(y, ys);
    DNN_NEED(!room || inside((uintptr_t)workspace, room), DNN_BAD_PARAM);
    Descriptor* result = way == FORWARD ? y : way == DATA ? x : w;
    memset((void*)(way == FORWARD ? ys : way == DATA ? xs : ws), 0xff, result->bytes());
    if (room) memset(workspace, 0xff, room);
    return tell(way, w, c, result, most, count, found, true, room);
}
int cudnnFindConvolutionForwardAlgorithmEx(DnnHandle* h, Descriptor* x, const void* xs, Descriptor* w, const void* ws, Descriptor* c, Descriptor* y, void* ys,
                                           int most, int* count, Performance* found, void* workspace, size_t room) {
    return measure("cudnnFindConvolutionForwardAlgorithmEx", FORWARD, h, x, xs, w, ws, y, ys, c, most, count, found, workspace, room);
}
int cudnnFindConvolutionBackwardDataAlgorithmEx(DnnHandle* h, Descriptor* w, const void* ws, Descriptor* y, const void* ys, Descriptor* c, Descriptor* x, void* xs,
                                                int most, int* count, Performance* found, void* workspace, size_t room) {
    return measure("cudnnFindConvolutionBackwardDataAlgorithmEx", DATA, h, x, xs, w, ws, y, ys, c, most, count, found, workspace, room);
}
int cudnnFindConvolutionBackwardFilterAlgorithmEx(DnnHandle* h, Descriptor* x, const void* xs, Descriptor* y, const void* ys, Descriptor* c, Descriptor* w, void* ws,
                                                  int most, int* count, Performance* found, void* workspace, size_t room) {
    return measure("cudnnFindConvolutionBackwardFilterAlgorithmEx", FILTER, h, x, xs, w, ws, y, ys, c, most, count, found, workspace, room);
}

static int size_up(const char* name, int way, DnnHandle* handle, Descriptor* x, Descriptor* w, Descriptor* y, Descriptor* c, int number, size_t* bytes) {
    DNN_CHECK(name);
    if (int status = check_all(handle, x, w, y, c)) return status;
    const Algorithm* one = algorithm_of(way, number, w, c);
    DNN_NEED(one, DNN_NOT_SUPPORTED);
    *bytes = one->bytes * (way == FORWARD ? y : way == DATA ? x : w)->count();
    return 0;
}
int cudnnGetConvolutionForwardWorkspaceSize(DnnHandle* h, Descriptor* x, Descriptor* w, Descriptor* c, Descriptor* y, int number, size_t* bytes) {
    return size_up("cudnnGetConvolutionForwardWorkspaceSize", FORWARD, h, x, w, y, c, number, bytes);
}
int cudnnGetConvolutionBackwardDataWorkspaceSize(DnnHandle* h, Descriptor* w, Descriptor* y, Descriptor* c, Descriptor* x, int number, size_t* bytes) {
    return size_up("cudnnGetConvolutionBackwardDataWorkspaceSize", DATA, h, x, w, y, c, number, bytes);
}
int cudnnGetConvolutionBackwardFilterWorkspaceSize(DnnHandle* h, Descriptor* x, Descriptor* y, Descriptor* c, Descriptor* w, int number, size_t* bytes) {
    return size_up("cudnnGetConvolutionBackwardFilterWorkspaceSize", FILTER, h, x, w, y, c, number, bytes);
}

}

// -- numbers

static float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023, bits;
    if (exponent == 31) bits = sign | 0x7f800000 | mantissa << 13;
    else if (exponent) bits = sign | (exponent + 112) << 23 | mantissa << 13;
    else {
        float small = mantissa * 5.9604644775390625e-8f;
        memcpy(&bits, &small, 4);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
static uint16_t float_to_half(float value) {  // to the nearest, ties to even
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = bits >> 16 & 0x8000;
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return sign | 0x7e00;
    if (bits >= 0x477ff000) return sign | 0x7c00;
    if (bits < 0x38800000) {
        float small;
        memcpy(&small, &bits, 4);
        small += 0.5f;
        memcpy(&bits, &small, 4);
        return sign | (bits - 0x3f000000);
    }
    return sign | (bits + 0xc8000fff + (bits >> 13 & 1)) >> 13;
}
static float read(const Descriptor* it, const void* from, size_t i) {
    if (!it->type) return ((const float*)from)[i];
    uint16_t bits = ((const uint16_t*)from)[i];
    if (it->type == 2) return half_to_float(bits);
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}
static void write(const Descriptor* it, void* to, size_t i, float value) {
    if (!it->type) ((float*)to)[i] = value;
    else if (it->type == 2) ((uint16_t*)to)[i] = float_to_half(value);
    else {
        uint32_t bits;
        memcpy(&bits, &value, 4);
        ((uint16_t*)to)[i] = value != value ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    }
}

// Every product of a convolution: where its x, w and y are.
template <class Each> static void each_product(const Descriptor& x, const Descriptor& w, const Descriptor& y, const Descriptor& c, Each each) {
    int outputs = y.size[1] / c.groups;
    for (int n = 0; n < y.size[0]; n++)
        for (int o = 0; o < y.size[1]; o++)
            for (int place = 0; place < y.inner(); place++)
                for (int tap = 0; tap < w.inner(); tap++) {
                    int at = 0, step = 1, p = place, t = tap;
                    bool sees = true;
                    for (int i = c.axes - 1; i >= 0; i--) {
                        int position = p % y.size[i + 2] * c.stride[i] - c.pad[i] + t % w.size[i + 2] * c.dilation[i];
                        p /= y.size[i + 2];
                        t /= w.size[i + 2];
                        sees = sees && position >= 0 && position < x.size[i + 2];
                        at += position * step;
                        step *= x.size[i + 2];
                    }
                    for (int k = 0; sees && k < w.size[1]; k++)
                        each(x.at(n, o / outputs * w.size[1] + k, at), w.at(o, k, tap), y.at(n, o, place));
                }
}

extern "C" {

static int compute(int way, DnnHandle* handle, const void* alpha, Descriptor* x, const void* xs, Descriptor* w, const void* ws, Descriptor* y, const void* ys,
                   Descriptor* c, int number, void* workspace, size_t room, const void* beta, const void* bias = 0, int mode = 5, const void* other = 0) {
    size_t bytes = 0;
    if (int status = check_all(handle, x, w, y, c)) return status;
    const Algorithm* one = algorithm_of(way, number, w, c);
    DNN_NEED(one, DNN_NOT_SUPPORTED);
    DNN_NUMBERS(x, xs);
    DNN_NUMBERS(w, ws);
    DNN_NUMBERS(y, ys);
    bytes = one->bytes * (way == FORWARD ? y : way == DATA ? x : w)->count();
    DNN_NEED(room >= bytes, DNN_TOO_SMALL);
    DNN_NEED(!bytes || inside((uintptr_t)workspace, room), DNN_BAD_PARAM);
    DNN_NEED((uintptr_t)workspace % 16 == 0, DNN_MISALIGNED);
    float factor = *(const float*)alpha, kept = *(const float*)beta;
    dnn_last[way] = 10 * number + c->math;
    dnn_layout[way] = x->layout;
    Descriptor dx = *x, dw = *w, dy = *y, windows = *c;  // cuDNN looks at descriptors when it is called
    return enqueue(handle->stream, [=] {
        if (bytes) memset(workspace, 0xff, bytes);
        const Descriptor& result = way == FORWARD ? dy : way == DATA ? dx : dw;
        void* to = (void*)(way == FORWARD ? ys : way == DATA ? xs : ws);
        std::vector<float> sums(result.count());
        each_product(dx, dw, dy, windows, [&](size_t i, size_t j, size_t k) {
            if (way == FORWARD) sums[k] += read(&dx, xs, i) * read(&dw, ws, j);
            else if (way == DATA) sums[i] += read(&dw, ws, j) * read(&dy, ys, k);
            else sums[j] += read(&dx, xs, i) * read(&dy, ys, k);
        });
        for (size_t i = 0; i < sums.size(); i++) {
            float value = factor * sums[i] + (kept ? kept * read(&result, other ? other : to, i) : 0);
            if (bias) value += read(&dy, bias, dy.layout ? i % dy.size[1] : i / dy.inner() % dy.size[1]);
            write(&result, to, i, mode == 1 && value <= 0 ? 0 : value);
        }
    });
}
int cudnnConvolutionForward(DnnHandle* h, const void* alpha, Descriptor* x, const void* xs, Descriptor* w, const void* ws, Descriptor* c, int number,
                            void* workspace, size_t room, const void* beta, Descriptor* y, void* ys) {
    DNN_CHECK("cudnnConvolutionForward");
    return compute(FORWARD, h, alpha, x, xs, w, ws, y, ys, c, number, workspace, room, beta);
}
int cudnnConvolutionBackwardData(DnnHandle* h, const void* alpha, Descriptor* w, const void* ws, Descriptor* y, const void* ys, Descriptor* c, int number,
                                 void* workspace, size_t room, const void* beta, Descriptor* x, void* xs) {
    DNN_CHECK("cudnnConvolutionBackwardData");
    return compute(DATA, h, alpha, x, xs, w, ws, y, ys, c, number, workspace, room, beta);
}
int cudnnConvolutionBackwardFilter(DnnHandle* h, const void* alpha, Descriptor* x, const void* xs, Descriptor* y, const void* ys, Descriptor* c, int number,
                                   void* workspace, size_t room, const void* beta, Descriptor* w, void* ws) {
    DNN_CHECK("cudnnConvolutionBackwardFilter");
    return compute(FILTER, h, alpha, x, xs, w, ws, y, ys, c, number, workspace, room, beta);
}
int cudnnConvolutionBiasActivationForward(DnnHandle* h, const void* alpha, Descriptor* x, const void* xs, Descriptor* w, const void* ws, Descriptor* c,
                                          int number, void* workspace, size_t room, const void* alpha2, Descriptor* z, const void* zs, Descriptor* b,
                                          const void* bias, Descriptor* end, Descriptor* y, void* ys) {
    DNN_CHECK("cudnnConvolutionBiasActivationForward");
    DNN_KNOWN(end, ACTIVATION);
    DNN_KNOWN(b, TENSOR);
    DNN_NEED(b->rank == y->rank && b->size[0] == 1 && b->size[1] == y->size[1] && b->inner() == 1 && b->type == y->type, DNN_BAD_PARAM);
    DNN_NEED(z == y && (zs == ys) == (*(const float*)alpha2 == 0), DNN_BAD_PARAM);
    DNN_NUMBERS(z, zs);
    DNN_NEED(end->mode == 1 || number == 1, DNN_NOT_SUPPORTED);
    DNN_NUMBERS(b, bias);
    return compute(FORWARD, h, alpha, x, xs, w, ws, y, ys, c, number, workspace, room, alpha2, bias, end->mode, zs);
}
}
