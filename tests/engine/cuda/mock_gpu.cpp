// NVIDIA's driver and cuBLAS as far as the engine calls them, on the processor, strict: a wrong handle, address, size
// or moment is an error. Modules are libraries of the simulated device, whose paths stand for their images.
//
// What is asked for is done at once, or as late as can be: when somebody waits (`mock_order`). Then a wait too few shows.

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

typedef int (*Launch)(void (*)(void**), int, int, int, void**);
typedef std::function<void()> Work;

struct Function {
    void (*call)(void**);
    Launch launch;
    const size_t* sizes;
    int cooperative;
};

static const int INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, INVALID_HANDLE = 400, NOT_READY = 600,
                 LAUNCH_FAILED = 719, NOT_PERMITTED = 900;
struct Gpu;
struct Stream;
struct Event {
    Gpu* of;
    bool timed, destroyed;
    Stream* on;
    unsigned long recorded, passed;  // how often
    long at;                         // in works done
};
// Something to do, when an event has passed so often.
struct Entry {
    Work work;
    Event* after;
    unsigned long times;
};
struct Stream {
    std::deque<Entry> queue;
    bool computes;  // or only copies
};
// A GPU's handles, which are the addresses of these.
struct Gpu {
    int context, pool;
    size_t used;
    bool capturing;
    std::vector<Work>* written;
};
struct Room {
    size_t bytes;
    Gpu* on;
    int writing;  // copies to it that other streams have yet to make
};
struct Pinned {
    size_t bytes;
    int copying;
};

static Gpu all_gpus[8];
static std::map<void*, Gpu*> streams;
static std::map<uintptr_t, Pinned> pinned;
enum { AT_ONCE, LATE, COPIES_EARLY };
static int order, broken, waits;
static long done;
static thread_local Gpu* current;
static std::map<uintptr_t, Room> rooms;
static size_t total = 1 << 30;
static bool device_has_pools = true;
static std::string failing;
static int failure, gpus = 2, math_mode = -1, captured, launched;

extern "C" {

// -- for the tests
void mock_fail(const char* name, int status) { failing = name; failure = status; }
void mock_set(size_t memory, int count, int pools) { total = memory; gpus = count; device_has_pools = pools; }
int mock_math_mode() { return math_mode; }
int mock_captured() { return captured; }
int mock_launched() { return launched; }
size_t mock_used() {
    size_t used = 0;
    for (auto& gpu : all_gpus) used += gpu.used;
    return used;
}
size_t mock_rooms() { return rooms.size(); }
void mock_order(int wanted) { order = wanted; }
int mock_waits() { return waits; }  // for what was not yet done
size_t mock_pinned() {
    size_t bytes = 0;
    for (auto& block : pinned) bytes += block.second.bytes;
    return bytes;
}

static int check(const char* name, bool in_context = true) {
    if (failing == name) {
        failing.clear();
        return failure;
    }
    if (broken) {
        broken = 0;
        return LAUNCH_FAILED;
    }
    return in_context && !current ? INVALID_CONTEXT : 0;
}
static std::recursive_mutex everything;
#define CHECK(name) std::lock_guard<std::recursive_mutex> turn(everything); if (int status = check(name)) return status
#define NEED(condition, status) if (!(condition)) return status

static bool inside(uintptr_t address, size_t bytes) {
    auto room = rooms.upper_bound(address);
    if (room == rooms.begin()) return false;
    --room;
    return room->second.on == current && address + bytes <= room->first + room->second.bytes;
}

static bool mine(void* stream) {
    auto found = streams.find(stream);
    return found != streams.end() && found->second == current;
}

static Gpu* gpu_of(void* context) {
    for (auto& gpu : all_gpus)
        if (context == &gpu.context) return &gpu;
    return 0;
}

// Do what a stream has to do next; false where there is nothing, or nothing that may be done yet.
static bool step(Stream* stream) {
    if (stream->queue.empty()) return false;
    Entry next = stream->queue.front();
    if (next.after && next.after->passed < next.times) return false;
    stream->queue.pop_front();
    if (next.work) next.work();
    done++;
    return true;
}

static void go_on() {
    bool more = order != LATE;
    while (more) {
        more = false;
        for (auto& each : streams) {
            Stream* stream = (Stream*)each.first;
            if (order == AT_ONCE || !stream->computes) more |= step(stream);
        }
    }
}

static void reach(Event* event, unsigned long times);
static bool force(Stream* stream) {
    if (stream->queue.empty()) return false;
    if (step(stream)) go_on();
    else reach(stream->queue.front().after, stream->queue.front().times);
    return true;
}
static void reach(Event* event, unsigned long times) {
    while (event->passed < times && force(event->on)) {}
    go_on();
}
static void finish(Stream* stream) {
    while (force(stream)) {}
    go_on();
}

static int ask(void* on, Entry entry) {
    if (current->capturing) {
        current->written->push_back(entry.work);
        return 0;
    }
    ((Stream*)on)->queue.push_back(entry);
    go_on();
    return 0;
}

static int enqueue(void* on, Work work) {
    ((Stream*)on)->computes = true;
    return ask(on, {work});
}

static int take(unsigned long long* at, size_t bytes, void* on = 0) {
    NEED(bytes, INVALID_VALUE);
    NEED(current->used + bytes <= total, OUT_OF_MEMORY);
    float* room = (float*)malloc(bytes + 4);
    rooms[(uintptr_t)room] = {bytes, current, 0};
    if (on) enqueue(on, [=] { memset(room, 0xff, bytes + 4); });
    else memset(room, 0xff, bytes + 4);
    current->used += bytes;
    *at = (uintptr_t)room;
    return 0;
}

static int give(unsigned long long at, void* on = 0) {
    auto room = rooms.find(at);
    NEED(room != rooms.end() && room->second.on == current, INVALID_VALUE);
    current->used -= room->second.bytes;
    Work last = [=] {
        auto found = rooms.find(at);
        if (found->second.writing) {
            broken = 1;
            return;
        }
        rooms.erase(found);
        free((void*)at);
    };
    room->second.on = 0;
    if (on) return enqueue(on, last);
    last();
    return 0;
}

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : check("cuInit", false); }
int cuDriverGetVersion(int* version) { *version = 12040; return 0; }
int cuDeviceGetCount(int* count) { *count = gpus; return check("cuDeviceGetCount", false); }
int cuDeviceGet(int* device, int number) { *device = number; return number < gpus ? 0 : 101; }
int cuDeviceGetName(char* name, int length, int device) { strncpy(name, "Mock GPU", length); return 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
    std::map<int, int> values = {{16, 1}, {75, 9}, {76, 0}, {115, device_has_pools}};
    NEED(values.count(attribute), INVALID_VALUE);
    *value = values[attribute];
    return 0;
}
int cuDevicePrimaryCtxRetain(void** made, int device) { *made = &all_gpus[device].context; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return check("cuDevicePrimaryCtxRelease_v2", false); }
static thread_local Gpu* pushed;
int cuCtxPushCurrent_v2(void* wanted) { pushed = current; current = gpu_of(wanted); return current ? 0 : INVALID_CONTEXT; }
int cuCtxPopCurrent_v2(void** was) { *was = &current->context; current = pushed; return 0; }
int cuDeviceGetDefaultMemPool(void** made, int device) { *made = &all_gpus[device].pool; return 0; }
int cuMemPoolSetAttribute(void* of, int attribute, void* value) {
    return of == &current->pool && attribute == 4 && *(uint64_t*)value == ~0ull ? 0 : INVALID_VALUE;
}
int cuMemPoolTrimTo(void* of, size_t bytes) { return of == &current->pool ? 0 : INVALID_HANDLE; }
int cuCtxSetCurrent(void* wanted) { current = gpu_of(wanted); return current ? 0 : INVALID_CONTEXT; }
int cuMemGetInfo_v2(size_t* free_bytes, size_t* all) { CHECK("cuMemGetInfo_v2"); *free_bytes = total - current->used; *all = total; return 0; }
int cuMemAllocAsync(unsigned long long* at, size_t bytes, void* on) {
    CHECK("cuMemAllocAsync");
    NEED(mine(on), INVALID_HANDLE);
    NEED(!current->capturing, NOT_PERMITTED);
    return take(at, bytes, on);
}
int cuMemFreeAsync(unsigned long long at, void* on) {
    CHECK("cuMemFreeAsync");
    NEED(mine(on), INVALID_HANDLE);
    NEED(!current->capturing, NOT_PERMITTED);
    return give(at, on);
}
int cuMemAlloc_v2(unsigned long long* at, size_t bytes) { CHECK("cuMemAlloc_v2"); return take(at, bytes); }
int cuMemFree_v2(unsigned long long at) {
    CHECK("cuMemFree_v2");
    for (auto& each : streams)
        if (each.second == current) finish((Stream*)each.first);
    return give(at);
}
int cuMemHostAlloc(void** made, size_t bytes, unsigned flags) {
    CHECK("cuMemHostAlloc");
    NEED(flags == 3 || flags == 1, INVALID_VALUE);
    *made = malloc(bytes);
    memset(*made, 0x55, bytes);
    if (flags == 1) pinned[(uintptr_t)*made] = {bytes, 0};
    return 0;
}
int cuMemFreeHost(void* at) {
    CHECK("cuMemFreeHost");
    auto block = pinned.find((uintptr_t)at);
    NEED(block != pinned.end() && !block->second.copying, INVALID_VALUE);
    pinned.erase(block);
    free(at);
    return 0;
}
static Pinned* pinned_at(const void* address, size_t bytes) {
    auto block = pinned.upper_bound((uintptr_t)address);
    if (block == pinned.begin()) return 0;
    --block;
    return (uintptr_t)address + bytes <= block->first + block->second.bytes ? &block->second : 0;
}
int cuMemHostGetDevicePointer_v2(unsigned long long* at, void* host, unsigned flags) { *at = (uintptr_t)host; return flags; }
int cuMemcpyHtoDAsync_v2(unsigned long long to, const void* from, size_t bytes, void* on) {
    CHECK("cuMemcpyHtoDAsync_v2");
    NEED(mine(on) && !current->capturing, NOT_PERMITTED);
    NEED(inside(to, bytes), INVALID_VALUE);
    Pinned* block = pinned_at(from, bytes);
    std::string bytes_then((const char*)from, bytes);
    Room* room = ((Stream*)on)->computes ? 0 : &(--rooms.upper_bound(to))->second;
    if (block) block->copying++;
    if (room) room->writing++;
    return ask(on, {[=] {
        if (block) {
            block->copying--;
            if (memcmp(from, bytes_then.data(), bytes)) broken = 1;  // page-locked memory is read when the copy is made
        }
        if (room) room->writing--;
        memcpy((void*)to, bytes_then.data(), bytes);
    }});
}
int cuMemcpyDtoHAsync_v2(void* to, unsigned long long from, size_t bytes, void* on) {
    CHECK("cuMemcpyDtoHAsync_v2");
    NEED(mine(on) && !current->capturing, NOT_PERMITTED);
    NEED(inside(from, bytes), INVALID_VALUE);
    Pinned* block = pinned_at(to, bytes);
    if (block) block->copying++;
    ask(on, {[=] {
        if (block) block->copying--;
        memcpy(to, (void*)from, bytes);
    }});
    if (!block) finish((Stream*)on);
    return 0;
}
int cuMemcpyPeerAsync(unsigned long long to, void* to_context, unsigned long long from, void* from_context, size_t bytes, void* on) {
    CHECK("cuMemcpyPeerAsync");
    NEED(mine(on) && to_context == &current->context && inside(to, bytes), INVALID_VALUE);
    Gpu *here = current, *other = gpu_of(from_context);
    NEED(other && other != here, INVALID_CONTEXT);
    current = other;
    bool is_there = inside(from, bytes);
    current = here;
    NEED(is_there, INVALID_VALUE);
    return enqueue(on, [=] { memcpy((void*)to, (void*)from, bytes); });
}
int cuEventCreate(void** made, unsigned flags) {
    CHECK("cuEventCreate");
    *made = new Event{current, !flags};
    return flags == 2 || flags == 0 ? 0 : INVALID_VALUE;
}
int cuEventRecord(void* which, void* on) {
    CHECK("cuEventRecord");
    Event* event = (Event*)which;
    NEED(event->of == current && !event->destroyed && mine(on), INVALID_HANDLE);
    NEED(!current->capturing, NOT_PERMITTED);
    unsigned long times = ++event->recorded;
    event->on = (Stream*)on;
    return ask(on, {[=] {
        event->passed = times;
        event->at = done;
    }});
}
int cuStreamWaitEvent(void* on, void* which, unsigned flags) {
    CHECK("cuStreamWaitEvent");
    Event* event = (Event*)which;
    NEED(mine(on) && event->recorded && !event->destroyed && !flags, INVALID_HANDLE);
    NEED(!current->capturing, NOT_PERMITTED);
    return ask(on, {Work(), event, event->recorded});
}
int cuEventQuery(void* which) {
    CHECK("cuEventQuery");
    Event* event = (Event*)which;
    NEED(!event->destroyed, INVALID_HANDLE);
    if (event->passed == event->recorded) return 0;
    force(event->on);  // time passes
    return NOT_READY;
}
int cuEventSynchronize(void* which) {
    CHECK("cuEventSynchronize");
    Event* event = (Event*)which;
    NEED(!event->destroyed, INVALID_HANDLE);
    waits += event->passed < event->recorded;
    reach(event, event->recorded);
    return check("cuEventSynchronize");
}
int cuEventElapsedTime(float* milliseconds, void* first, void* last) {
    CHECK("cuEventElapsedTime");
    Event *a = (Event*)first, *b = (Event*)last;
    NEED(a->timed && b->timed && a->recorded && b->recorded, INVALID_HANDLE);
    if (a->passed < a->recorded || b->passed < b->recorded) return NOT_READY;
    *milliseconds = b->at - a->at;
    return 0;
}
int cuEventDestroy_v2(void* event) {  // it stays, for who waits for it
    CHECK("cuEventDestroy_v2");
    NEED(!((Event*)event)->destroyed && ((Event*)event)->of == current, INVALID_HANDLE);
    ((Event*)event)->destroyed = true;
    return 0;
}
int cuMemcpyDtoDAsync_v2(unsigned long long to, unsigned long long from, size_t bytes, void* on) {
    CHECK("cuMemcpyDtoDAsync_v2");
    NEED(mine(on) && inside(to, bytes) && inside(from, bytes), INVALID_VALUE);
    return enqueue(on, [=] { memmove((void*)to, (void*)from, bytes); });
}
int cuMemsetD8Async(unsigned long long at, unsigned char value, size_t bytes, void* on) {
    CHECK("cuMemsetD8Async");
    NEED(mine(on) && inside(at, bytes), INVALID_VALUE);
    return enqueue(on, [=] { memset((void*)at, value, bytes); });
}
int cuStreamCreate(void** made, unsigned flags) {
    CHECK("cuStreamCreate");
    streams[*made = new Stream()] = current;
    return flags == 1 ? 0 : INVALID_VALUE;
}
int cuStreamDestroy_v2(void* on) {
    CHECK("cuStreamDestroy_v2");
    NEED(mine(on), INVALID_HANDLE);
    finish((Stream*)on);
    streams.erase(on);
    return 0;
}
// For the mock of NCCL: whether what is at an address may be exchanged on a stream now.
int mock_ready(uintptr_t address, size_t bytes, void* on) { return mine(on) && inside(address, bytes) && !current->capturing; }
// And puts its work on a stream; -1 where everything is done at once, also this.
int mock_put(void* on, void (*work)(void*), void* with) {
    std::lock_guard<std::recursive_mutex> turn(everything);
    return order == AT_ONCE ? -1 : ask(on, {[=] { work(with); }});
}
int cuStreamBeginCapture_v2(void* on, int mode) {
    CHECK("cuStreamBeginCapture_v2");
    NEED(mine(on) && !current->capturing && mode == 1, INVALID_VALUE);
    current->capturing = true;
    current->written = new std::vector<Work>;
    return 0;
}
int cuStreamEndCapture(void* on, void** graph) {
    CHECK("cuStreamEndCapture");
    NEED(mine(on) && current->capturing, INVALID_VALUE);
    current->capturing = false;
    captured++;
    *graph = current->written;
    return 0;
}
int cuGraphInstantiateWithFlags(void** made, void* graph, unsigned long long flags) {
    CHECK("cuGraphInstantiateWithFlags");
    *made = new std::vector<Work>(*(std::vector<Work>*)graph);
    return flags ? INVALID_VALUE : 0;
}
int cuGraphLaunch(void* graph, void* on) {
    CHECK("cuGraphLaunch");
    NEED(mine(on) && !current->capturing, INVALID_VALUE);
    launched++;
    for (auto& work : *(std::vector<Work>*)graph) enqueue(on, work);
    return 0;
}
int cuGraphExecDestroy(void* graph) { CHECK("cuGraphExecDestroy"); delete (std::vector<Work>*)graph; return 0; }
int cuGraphDestroy(void* graph) { CHECK("cuGraphDestroy"); delete (std::vector<Work>*)graph; return 0; }
int cuModuleLoadData(void** made, const void* image) {
    CHECK("cuModuleLoadData");
    *made = dlopen((const char*)image, RTLD_NOW | RTLD_LOCAL);
    return *made ? 0 : 200;
}
int cuModuleGetFunction(void** made, void* module, const char* name) {
    CHECK("cuModuleGetFunction");
    std::string is = name;
    void* call = dlsym(module, ("call_" + is).c_str());
    NEED(call, 500);
    auto sizes = (const size_t* (*)())dlsym(module, ("sizes_" + is).c_str());
    auto together = (const int*)dlsym(module, ("cooperative_" + is).c_str());
    *made = new Function{(void (*)(void**))call, (Launch)dlsym(module, "simulated_launch"), sizes(), *together};
    return 0;
}
int cuLaunchKernel(void* what, unsigned bx, unsigned by, unsigned bz, unsigned tx, unsigned ty, unsigned tz, unsigned shared,
                   void* on, void** arguments, void** extra) {
    CHECK("cuLaunchKernel");
    NEED(mine(on) && !extra && !shared && by * bz * ty * tz == 1 && bx && tx && tx <= 1024, INVALID_VALUE);
    Function* function = (Function*)what;
    auto kept = new std::vector<std::vector<char>>;  // the driver copies arguments when it is called
    for (int i = 0; function->sizes[i]; i++) kept->emplace_back((char*)arguments[i], (char*)arguments[i] + function->sizes[i]);
    return enqueue(on, [=] {
        std::vector<void*> at;
        for (auto& value : *kept) at.push_back(value.data());
        function->launch(function->call, function->cooperative, bx, tx, at.data());
    });
}
int cuGetErrorName(int status, const char** name) { *name = status == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : status == 999 ? "CUDA_ERROR_UNKNOWN" : 0; return 0; }
int cuGetErrorString(int status, const char** text) { *text = status == 2 ? "out of memory" : status == 999 ? "unknown error" : 0; return 0; }

// -- cuBLAS: column by column

static std::map<void*, void*> blas_streams;
int cublasCreate_v2(void** made) {
    blas_streams[*made = new char] = 0;
    return check("cublasCreate_v2");
}
int cublasGetProperty(int which, int* value) { *value = (int[]){12, 4, 5}[which]; return 0; }
int cublasSetStream_v2(void* with, void* on) {
    if (!blas_streams.count(with) || !mine(on)) return 7;
    blas_streams[with] = on;
    return 0;
}
int cublasSetWorkspace_v2(void* with, void* at, size_t bytes) { return inside((uintptr_t)at, bytes) ? 0 : 7; }
int cublasSetMathMode(void* with, int mode) { math_mode = mode; return 0; }

static bool holds(const float* at, int rows, int columns, int lead) {
    return lead >= (rows > 1 ? rows : 1) && inside((uintptr_t)at, ((size_t)(columns - 1) * lead + rows) * 4);
}

int cublasSgemmStridedBatched(void* with, int ta, int tb, int m, int n, int k, const float* alpha, const float* a, int lda,
                              long long a_step, const float* b, int ldb, long long b_step, const float* beta, float* c, int ldc,
                              long long c_step, int batch) {
    CHECK("cublasSgemm");
    for (int i = 0; i < batch; i++) {
        if (!holds(a + i * a_step, ta ? k : m, ta ? m : k, lda) || !holds(b + i * b_step, tb ? n : k, tb ? k : n, ldb)) return 7;
        if (!holds(c + i * c_step, m, n, ldc)) return 7;
    }
    float one = *alpha, more = *beta;
    return enqueue(blas_streams[with], [=] {
        for (int i = 0; i < batch; i++)
            for (int x = 0; x < m; x++)
                for (int y = 0; y < n; y++) {
                    const float *left = a + i * a_step, *right = b + i * b_step;
                    float sum = 0, *to = c + i * c_step + y * ldc + x;
                    for (int z = 0; z < k; z++) sum += left[ta ? x * lda + z : z * lda + x] * right[tb ? z * ldb + y : y * ldb + z];
                    *to = one * sum + (more ? more * *to : 0);
                }
    });
}

// Values of 16 bits, as cudaDataType numbers them.
static const int FLOAT = 0, HALF = 2, BFLOAT = 14;
static float read(int type, const void* at, size_t i) {
    if (type == FLOAT) return ((const float*)at)[i];
    uint16_t bits = ((const uint16_t*)at)[i];
    if (type == HALF) {
        _Float16 value;
        memcpy(&value, &bits, 2);
        return value;
    }
    uint32_t whole = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &whole, 4);
    return value;
}
static void write(int type, void* at, size_t i, float value) {
    if (type == FLOAT) ((float*)at)[i] = value;
    if (type == HALF) {
        _Float16 rounded = value;
        memcpy((uint16_t*)at + i, &rounded, 2);
    }
    if (type == BFLOAT) {
        uint32_t whole;
        memcpy(&whole, &value, 4);
        ((uint16_t*)at)[i] = value != value ? 0x7fff : (whole + 0x7fff + (whole >> 16 & 1)) >> 16;
    }
}
static bool room(int type, const void* at, long long step, int batch, int rows, int columns, int lead) {
    size_t count = (size_t)(batch - 1) * step + (size_t)(columns - 1) * lead + rows, size = type == FLOAT ? 4 : 2;
    return lead >= (rows > 1 ? rows : 1) && (uintptr_t)at % size == 0 && inside((uintptr_t)at, count * size);
}

int cublasGemmStridedBatchedEx(void* with, int ta, int tb, int m, int n, int k, const void* alpha, const void* a, int a_type,
                               int lda, long long a_step, const void* b, int b_type, int ldb, long long b_step, const void* beta,
                               void* c, int c_type, int ldc, long long c_step, int batch, int compute, int algorithm) {
    CHECK("cublasGemmStridedBatchedEx");
    if (!blas_streams.count(with) || compute != 68 || algorithm != -1 || a_type != b_type) return 7;
    if ((a_type != HALF && a_type != BFLOAT) || (c_type != a_type && c_type != FLOAT)) return 15;
    if (!room(a_type, a, a_step, batch, ta ? k : m, ta ? m : k, lda) || !room(c_type, c, c_step, batch, m, n, ldc)) return 7;
    if (!room(b_type, b, b_step, batch, tb ? n : k, tb ? k : n, ldb)) return 7;
    float one = *(const float*)alpha, more = *(const float*)beta;
    return enqueue(blas_streams[with], [=] {
        for (int i = 0; i < batch; i++)
            for (int x = 0; x < m; x++)
                for (int y = 0; y < n; y++) {
                    float sum = 0;
                    size_t left = i * a_step, right = i * b_step, to = i * c_step + (size_t)y * ldc + x;
                    for (int z = 0; z < k; z++)
                        sum += read(a_type, a, left + (ta ? x * lda + z : z * lda + x)) *
                               read(b_type, b, right + (tb ? z * ldb + y : y * ldb + z));
                    write(c_type, c, to, one * sum + (more ? more * read(c_type, c, to) : 0));
                }
    });
}
int cublasSgemm_v2(void* with, int ta, int tb, int m, int n, int k, const float* alpha, const float* a, int lda, const float* b,
                   int ldb, const float* beta, float* c, int ldc) {
    return cublasSgemmStridedBatched(with, ta, tb, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
}
