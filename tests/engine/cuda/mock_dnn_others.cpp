// What cuDNN 9 computes beside convolutions, as far as the engine calls it: strict, and with its formulas.

#include <math.h>

#include <initializer_list>

struct Numbers {
    Descriptor* of;
    const void* at;
};

// Tensors of one type and layout, all on the GPU of the handle; results take the place of what was there.
static int check_tensors(DnnHandle* handle, const void* alpha, const void* beta, std::initializer_list<Numbers> all) {
    DNN_NEED(handle->on == current && mine(handle->stream), DNN_BAD_PARAM);
    DNN_NEED(*(const float*)alpha == 1 && *(const float*)beta == 0, DNN_BAD_PARAM);
    for (auto& one : all) {
        DNN_KNOWN(one.of, TENSOR);
        DNN_NEED(one.of->type == all.begin()->of->type && one.of->layout == all.begin()->of->layout, DNN_BAD_PARAM);
        DNN_NUMBERS(one.of, one.at);
    }
    DNN_NEED(!dnn_refuses, DNN_NOT_SUPPORTED);
    return 0;
}
#define DNN_TENSORS(...) if (int status = check_tensors(handle, alpha, beta, {__VA_ARGS__})) return status

static bool alike(const Descriptor* a, const Descriptor* b) { return a->rank == b->rank && std::equal(a->size, a->size + a->rank, b->size); }

extern "C" {

// -- functions of single values

int cudnnActivationForward(DnnHandle* handle, Descriptor* function, const void* alpha, Descriptor* x, const void* xs, const void* beta, Descriptor* y, void* ys) {
    DNN_CHECK("cudnnActivationForward");
    DNN_KNOWN(function, ACTIVATION);
    DNN_NEED(function->mode != 5, DNN_BAD_PARAM);
    DNN_TENSORS({x, xs}, {y, ys});
    DNN_NEED(alike(x, y), DNN_BAD_PARAM);
    Descriptor of = *x, f = *function;
    return enqueue(handle->stream, [=] {
        for (size_t i = 0; i < of.count(); i++) {
            float v = read(&of, xs, i);
            float made = f.mode == 0 ? 1 / (1 + expf(-v)) : f.mode == 2 ? tanhf(v) : v > 0 || v != v ? v : f.mode == 1 ? 0 : f.alpha * expm1f(v);
            write(&of, ys, i, made);
        }
    });
}
int cudnnActivationBackward(DnnHandle* handle, Descriptor* function, const void* alpha, Descriptor* y, const void* ys, Descriptor* dy, const void* dys,
                            Descriptor* x, const void* xs, const void* beta, Descriptor* dx, void* dxs) {
    DNN_CHECK("cudnnActivationBackward");
    DNN_KNOWN(function, ACTIVATION);
    DNN_NEED(function->mode <= 2, DNN_BAD_PARAM);
    DNN_TENSORS({y, ys}, {dy, dys}, {x, xs}, {dx, dxs});
    DNN_NEED(alike(x, y) && alike(y, dy) && alike(dy, dx), DNN_BAD_PARAM);
    Descriptor of = *x, f = *function;
    return enqueue(handle->stream, [=] {
        for (size_t i = 0; i < of.count(); i++) {
            float v = read(&of, ys, i), d = read(&of, dys, i);
            write(&of, dxs, i, f.mode == 0 ? d * v * (1 - v) : f.mode == 2 ? d * (1 - v * v) : read(&of, xs, i) > 0 ? d : 0);
        }
    });
}

// -- softmax

int cudnnSoftmaxForward(DnnHandle* handle, int algorithm, int mode, const void* alpha, Descriptor* x, const void* xs, const void* beta, Descriptor* y, void* ys) {
    DNN_CHECK("cudnnSoftmaxForward");
    DNN_NEED(algorithm == 1 && mode == 1, DNN_BAD_PARAM);
    DNN_TENSORS({x, xs}, {y, ys});
    DNN_NEED(alike(x, y) && xs != ys, DNN_BAD_PARAM);
    Descriptor of = *x;
    return enqueue(handle->stream, [=] {
        for (int n = 0; n < of.size[0]; n++)
            for (int place = 0; place < of.inner(); place++) {
                float most = -INFINITY, sum = 0;
                for (int c = 0; c < of.size[1]; c++) most = fmaxf(most, read(&of, xs, of.at(n, c, place)));
                for (int c = 0; c < of.size[1]; c++) sum += expf(read(&of, xs, of.at(n, c, place)) - most);
                for (int c = 0; c < of.size[1]; c++) write(&of, ys, of.at(n, c, place), expf(read(&of, xs, of.at(n, c, place)) - most) / sum);
            }
    });
}
int cudnnSoftmaxBackward(DnnHandle* handle, int algorithm, int mode, const void* alpha, Descriptor* y, const void* ys, Descriptor* dy, const void* dys,
                         const void* beta, Descriptor* dx, void* dxs) {
    DNN_CHECK("cudnnSoftmaxBackward");
    DNN_NEED(algorithm == 1 && mode == 1, DNN_BAD_PARAM);
    DNN_TENSORS({y, ys}, {dy, dys}, {dx, dxs});
    DNN_NEED(alike(y, dy) && alike(dy, dx), DNN_BAD_PARAM);
    Descriptor of = *y;
    return enqueue(handle->stream, [=] {
        for (int n = 0; n < of.size[0]; n++)
            for (int place = 0; place < of.inner(); place++) {
                float along = 0;
                for (int c = 0; c < of.size[1]; c++) along += read(&of, dys, of.at(n, c, place)) * read(&of, ys, of.at(n, c, place));
                for (int c = 0; c < of.size[1]; c++) {
                    size_t at = of.at(n, c, place);
                    write(&of, dxs, at, read(&of, ys, at) * (read(&of, dys, at) - along));
                }
            }
    });
}

// -- pooling: of a plane

enum { MAX, AVERAGE, AVERAGE_INSIDE, MAX_IN_ORDER };

int cudnnCreatePoolingDescriptor(void** made) { DNN_CHECK_ANYWHERE("cudnnCreatePoolingDescriptor"); return make(made, POOLING); }
int cudnnDestroyPoolingDescriptor(Descriptor* it) { return end(it); }
int cudnnSetPoolingNdDescriptor(Descriptor* it, int mode, int nan, int axes, const int* window, const int* pad, const int* stride) {
    DNN_CHECK_ANYWHERE("cudnnSetPoolingNdDescriptor");
    DNN_NEED(descriptors.count(it) && it->kind == POOLING && !it->set && axes == 2 && nan == 1, DNN_BAD_PARAM);
    DNN_NEED(mode == AVERAGE || mode == MAX_IN_ORDER, DNN_BAD_PARAM);
    for (int i = 0; i < axes; i++) DNN_NEED(stride[i] > 0 && pad[i] >= 0 && pad[i] < window[i], DNN_BAD_PARAM);
    it->mode = mode;
    it->axes = axes;
    std::copy(window, window + axes, it->window);
    std::copy(pad, pad + axes, it->pad);
    std::copy(stride, stride + axes, it->stride);
    it->set = true;
    return 0;
}
int cudnnGetPoolingNdForwardOutputDim(Descriptor* p, Descriptor* x, int rank, int* sizes) {
    DNN_CHECK_ANYWHERE("cudnnGetPoolingNdForwardOutputDim");
    DNN_KNOWN(p, POOLING);
    DNN_KNOWN(x, TENSOR);
    DNN_NEED(rank == x->rank && rank == p->axes + 2, DNN_BAD_PARAM);
    std::copy(x->size, x->size + 2, sizes);
    for (int i = 0; i < p->axes; i++) {
        int room = x->size[i + 2] + 2 * p->pad[i] - p->window[i];
        DNN_NEED(room >= 0, DNN_BAD_PARAM);
        sizes[i + 2] = 1 + room / p->stride[i];
    }
    return 0;
}
static int check_pooling(Descriptor* p, Descriptor* x, Descriptor* y) {
    int sizes[DNN_DIMS];
    if (int status = cudnnGetPoolingNdForwardOutputDim(p, x, x->rank, sizes)) return status;
    DNN_NEED(y->rank == x->rank && std::equal(sizes, sizes + y->rank, y->size), DNN_BAD_PARAM);
    return 0;
}
}

// Every window of every plane: which value it makes, and those it sees.
template <class Each> static void each_window(const Descriptor& p, const Descriptor& x, const Descriptor& y, Each each) {
    for (int n = 0; n < y.size[0]; n++)
        for (int c = 0; c < y.size[1]; c++)
            for (int place = 0; place < y.inner(); place++) {
                std::vector<size_t> seen;
                int top = place / y.size[3] * p.stride[0] - p.pad[0], left = place % y.size[3] * p.stride[1] - p.pad[1];
                for (int r = std::max(top, 0); r < std::min(top + p.window[0], x.size[2]); r++)
                    for (int k = std::max(left, 0); k < std::min(left + p.window[1], x.size[3]); k++) seen.push_back(x.at(n, c, r * x.size[3] + k));
                each(y.at(n, c, place), seen);
            }
}

extern "C" {

int cudnnPoolingForward(DnnHandle* handle, Descriptor* p, const void* alpha, Descriptor* x, const void* xs, const void* beta, Descriptor* y, void* ys) {
    DNN_CHECK("cudnnPoolingForward");
    DNN_TENSORS({x, xs}, {y, ys});
    if (int status = check_pooling(p, x, y)) return status;
    Descriptor windows = *p, from = *x, to = *y;
    return enqueue(handle->stream, [=] {
        each_window(windows, from, to, [&](size_t at, const std::vector<size_t>& seen) {
            float most = -INFINITY, sum = 0;
            for (size_t i : seen) {
                float v = read(&from, xs, i);
                sum += v;
                if (v > most || v != v) most = v;
            }
            write(&to, ys, at, windows.mode == AVERAGE ? sum / (windows.window[0] * windows.window[1]) : most);
        });
    });
}
int cudnnPoolingBackward(DnnHandle* handle, Descriptor* p, const void* alpha, Descriptor* y, const void* ys, Descriptor* dy, const void* dys, Descriptor* x,
                         const void* xs, const void* beta, Descriptor* dx, void* dxs) {
    DNN_CHECK("cudnnPoolingBackward");
    DNN_TENSORS({y, ys}, {dy, dys}, {x, xs}, {dx, dxs});
    DNN_NEED(alike(y, dy) && alike(x, dx), DNN_BAD_PARAM);
    if (int status = check_pooling(p, x, y)) return status;
    Descriptor windows = *p, from = *x, to = *y;
    return enqueue(handle->stream, [=] {
        std::vector<float> sums(from.count());
        each_window(windows, from, to, [&](size_t at, const std::vector<size_t>& seen) {
            float d = read(&to, dys, at);
            for (size_t i : seen) {
                if (windows.mode == AVERAGE) sums[i] += d / (windows.window[0] * windows.window[1]);
                else if (read(&from, xs, i) == read(&to, ys, at)) {
                    sums[i] += d;
                    break;
                }
            }
        });
        for (size_t i = 0; i < sums.size(); i++) write(&from, dxs, i, sums[i]);
    });
}

// -- neighbours (LRN)

int cudnnCreateLRNDescriptor(void** made) { DNN_CHECK_ANYWHERE("cudnnCreateLRNDescriptor"); return make(made, NEIGHBOURS); }
int cudnnDestroyLRNDescriptor(Descriptor* it) { return end(it); }
int cudnnSetLRNDescriptor(Descriptor* it, unsigned n, double alpha, double beta, double k) {
    DNN_CHECK_ANYWHERE("cudnnSetLRNDescriptor");
    DNN_NEED(descriptors.count(it) && it->kind == NEIGHBOURS && n >= 1 && n <= 16 && k >= 1e-5 && beta >= 0.01, DNN_BAD_PARAM);
    it->channels = n;
    it->alpha = alpha;
    it->beta = beta;
    it->k = k;
    it->set = true;
    return 0;
}
}

// The channels of a neighbourhood: as many before as behind, where their number is odd.
template <class Each> static void each_neighbour(const Descriptor& rule, const Descriptor& of, int c, Each each) {
    int before = (rule.channels - 1) / 2, behind = rule.channels - 1 - before;
    for (int k = std::max(0, c - before); k <= std::min(of.size[1] - 1, c + behind); k++) each(k);
}
static float divisor(const Descriptor& rule, const Descriptor& of, const void* xs, int n, int c, int place) {
    float sum = 0;
    each_neighbour(rule, of, c, [&](int k) {
        float v = read(&of, xs, of.at(n, k, place));
        sum += v * v;
    });
    return rule.k + rule.alpha / rule.channels * sum;
}

extern "C" {

int cudnnLRNCrossChannelForward(DnnHandle* handle, Descriptor* rule, int mode, const void* alpha, Descriptor* x, const void* xs, const void* beta, Descriptor* y, void* ys) {
    DNN_CHECK("cudnnLRNCrossChannelForward");
    DNN_KNOWN(rule, NEIGHBOURS);
    DNN_NEED(mode == 0, DNN_BAD_PARAM);
    DNN_TENSORS({x, xs}, {y, ys});
    DNN_NEED(alike(x, y) && xs != ys, DNN_BAD_PARAM);
    Descriptor how = *rule, of = *x;
    return enqueue(handle->stream, [=] {
        for (int n = 0; n < of.size[0]; n++)
            for (int c = 0; c < of.size[1]; c++)
                for (int place = 0; place < of.inner(); place++) {
                    size_t at = of.at(n, c, place);
                    write(&of, ys, at, read(&of, xs, at) * powf(divisor(how, of, xs, n, c, place), -how.beta));
                }
    });
}
int cudnnLRNCrossChannelBackward(DnnHandle* handle, Descriptor* rule, int mode, const void* alpha, Descriptor* y, const void* ys, Descriptor* dy, const void* dys,
                                 Descriptor* x, const void* xs, const void* beta, Descriptor* dx, void* dxs) {
    DNN_CHECK("cudnnLRNCrossChannelBackward");
    DNN_KNOWN(rule, NEIGHBOURS);
    DNN_NEED(mode == 0, DNN_BAD_PARAM);
    DNN_TENSORS({y, ys}, {dy, dys}, {x, xs}, {dx, dxs});
    DNN_NEED(alike(x, y) && alike(y, dy) && alike(dy, dx) && dxs != xs && dxs != ys && dxs != dys, DNN_BAD_PARAM);
    Descriptor how = *rule, of = *x;
    return enqueue(handle->stream, [=] {
        for (int n = 0; n < of.size[0]; n++)
            for (int c = 0; c < of.size[1]; c++)
                for (int place = 0; place < of.inner(); place++) {
                    float sum = 0;
                    each_neighbour(how, of, c, [&](int k) {
                        size_t other = of.at(n, k, place);
                        sum += read(&of, dys, other) * read(&of, ys, other) / divisor(how, of, xs, n, k, place);
                    });
                    size_t at = of.at(n, c, place);
                    float own = read(&of, dys, at) * powf(divisor(how, of, xs, n, c, place), -how.beta);
                    write(&of, dxs, at, own - 2 * how.alpha * how.beta / how.channels * read(&of, xs, at) * sum);
                }
    });
}

// -- normalization by known statistics, which are floats as the coefficients are, one of each channel

static int check_coefficients(Descriptor* given, Descriptor* x, std::initializer_list<const void*> all) {
    DNN_KNOWN(given, TENSOR);
    DNN_NEED(!given->type && given->count() == (size_t)x->size[1] && given->size[1] == x->size[1] && given->rank == x->rank, DNN_BAD_PARAM);
    for (const void* one : all) DNN_NUMBERS(given, one);
    return 0;
}
int cudnnBatchNormalizationForwardInference(DnnHandle* handle, int mode, const void* alpha, const void* beta, Descriptor* x, const void* xs, Descriptor* y, void* ys,
                                            Descriptor* of_channels, const void* scale, const void* shift, const void* means, const void* variances, double eps) {
    DNN_CHECK("cudnnBatchNormalizationForwardInference");
    DNN_NEED(mode == 1 && eps >= 0, DNN_BAD_PARAM);
    DNN_TENSORS({x, xs}, {y, ys});
    DNN_NEED(alike(x, y) && xs != ys, DNN_BAD_PARAM);
    if (int status = check_coefficients(of_channels, x, {scale, shift, means, variances})) return status;
    Descriptor of = *x;
    return enqueue(handle->stream, [=] {
        auto s = (const float*)scale, b = (const float*)shift, m = (const float*)means, v = (const float*)variances;
        for (int n = 0; n < of.size[0]; n++)
            for (int c = 0; c < of.size[1]; c++)
                for (int place = 0; place < of.inner(); place++) {
                    size_t at = of.at(n, c, place);
                    write(&of, ys, at, s[c] * (read(&of, xs, at) - m[c]) / sqrtf(v[c] + eps) + b[c]);
                }
    });
}
}
