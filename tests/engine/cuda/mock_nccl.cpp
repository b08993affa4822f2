// NCCL as far as it is called, between threads and processes of one computer, strict: ranks that call different things,
// memory that is no GPU's, or calls outside a group that none of the others makes are errors. Sums are taken in the
// order of ranks. Whoever waits for a rank that is gone gets an error, as from NCCL when it notices.

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

static const int MOST = 8, SYSTEM = 2, INVALID_ARGUMENT = 4, INVALID_USAGE = 5, REMOTE = 6;
static const size_t PIECE = 1 << 16;
typedef int (*Ready)(uintptr_t, size_t, void*);
typedef int (*Put)(void*, void (*)(void*), void*);

struct Id {
    char name[128];
};
struct Call {
    int what, type, op;
    size_t count;
    bool operator!=(const Call& o) const { return what != o.what || type != o.type || op != o.op || count != o.count; }
};
struct Shared {
    std::atomic<int> pids[MOST];
    std::atomic<unsigned> steps[MOST];
    Call calls[MOST];
    char rooms[MOST][PIECE];
};
struct Communicator {
    Shared* shared;
    int rank, size;
    bool gone;
};

static Ready ready;
static Put put;
static float mark;  // added to every mean
static std::string failing;
static int failure, asynchronous, destroyed, aborted, reduced;
static thread_local int depth;
static thread_local std::vector<std::function<int()>> group;
static const size_t SIZES[] = {1, 1, 4, 4, 8, 8, 2, 4, 8};

static bool alive(int pid) {
    char path[64], text[512] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY);
    if (file < 0) return false;
    ssize_t got = read(file, text, sizeof text - 1);
    close(file);
    const char* state = got > 0 ? strrchr(text, ')') : 0;
    return state && state[2] != 'Z';
}

// Until all ranks have made as many steps as this one.
static int meet(Communicator* with) {
    Shared* shared = with->shared;
    unsigned step = ++shared->steps[with->rank];
    for (int rank = 0; rank < with->size; rank++)
        for (int turn = 1; (int)(shared->steps[rank] - step) < 0; turn++) {
            if (turn % 64 == 0 && shared->pids[rank] && !alive(shared->pids[rank])) return REMOTE;
            usleep(turn < 64 ? 0 : 500);
        }
    return 0;
}

// All ranks ask for the same.
static int agree(Communicator* with, Call call) {
    with->shared->calls[with->rank] = call;
    if (int status = meet(with)) return status;
    bool same = true;
    for (int rank = 0; rank < with->size; rank++) same = same && !(with->shared->calls[rank] != call);
    if (int status = meet(with)) return status;
    return same ? 0 : INVALID_ARGUMENT;
}

static int exchange(Communicator* with, const char* from, char* to, Call call) {
    if (int status = agree(with, call)) return status;
    size_t bytes = call.count * SIZES[call.type];
    for (size_t at = 0; at < bytes; at += PIECE) {
        size_t now = bytes - at < PIECE ? bytes - at : PIECE;
        memcpy(with->shared->rooms[with->rank], from + at, now);
        if (int status = meet(with)) return status;
        if (call.what) memcpy(to + at, with->shared->rooms[0], now);
        else {
            float* sum = (float*)(to + at);
            for (int rank = 0; rank < with->size; rank++)
                for (size_t i = 0; i < now / 4; i++) {
                    float value = ((float*)with->shared->rooms[rank])[i] * (1.0f / with->size);
                    sum[i] = rank ? sum[i] + value : value + mark;
                }
        }
        if (int status = meet(with)) return status;
    }
    return 0;
}

static void run(void* later) { (*(std::function<int()>*)later)(); }

static int ask(const char* name, Communicator* with, const void* from, void* to, Call call, void* stream) {
    if (failing == name) {
        failing.clear();
        return failure;
    }
    if (!with || with->gone) return INVALID_USAGE;
    if (ready && !(ready((uintptr_t)from, call.count * SIZES[call.type], stream) && ready((uintptr_t)to, call.count * SIZES[call.type], stream)))
        return INVALID_ARGUMENT;
    auto now = [=] { return exchange(with, (const char*)from, (char*)to, call); };
    auto work = [=] {
        auto later = new std::function<int()>(now);
        int status = put ? put(stream, run, later) : -1;
        return status < 0 ? now() : status;
    };
    reduced++;
    if (!depth) return work();
    group.push_back(work);
    return 0;
}

extern "C" {

// -- for the tests
void mock_nccl_fail(const char* name, int status) { failing = name; failure = status; }
void mock_nccl_asynchronous(int status) { asynchronous = status; }
void mock_nccl_check(Ready check, Put on_streams) { ready = check; put = on_streams; }
void mock_nccl_mark(float wanted) { mark = wanted; }
int mock_nccl_destroyed() { return destroyed; }
int mock_nccl_aborted() { return aborted; }
int mock_nccl_exchanges() { return reduced; }

int ncclGetVersion(int* version) { *version = failing == "old" ? 20804 : 22304; return 0; }
const char* ncclGetErrorString(int status) { return status == REMOTE ? "remote process exited or there was a network error" : "mock error"; }
const char* ncclGetLastError(void*) { return ""; }
int ncclGetUniqueId(Id* id) {
    static std::atomic<int> made;
    memset(id, 0, sizeof *id);
    snprintf(id->name, sizeof id->name, "/mock_nccl_%d_%d", getpid(), made++);
    return 0;
}
int ncclCommInitRank(void** made, int size, Id id, int rank) {
    if (failing == "ncclCommInitRank") {
        failing.clear();
        return failure;
    }
    if (size < 1 || size > MOST || rank < 0 || rank >= size) return INVALID_ARGUMENT;
    int file = shm_open(id.name, O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, sizeof(Shared))) return SYSTEM;
    auto shared = (Shared*)mmap(0, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (shared == MAP_FAILED) return SYSTEM;
    shared->pids[rank] = getpid();
    auto with = new Communicator{shared, rank, size, false};
    *made = with;
    int status = meet(with);
    shm_unlink(id.name);
    return status;
}
int ncclCommDestroy(void* with) { destroyed++; ((Communicator*)with)->gone = true; return meet((Communicator*)with); }
int ncclCommAbort(void* with) { aborted++; ((Communicator*)with)->gone = true; return 0; }
int ncclCommGetAsyncError(void* with, int* status) { *status = asynchronous; return ((Communicator*)with)->gone ? INVALID_USAGE : 0; }
int ncclAllReduce(const void* from, void* to, size_t count, int type, int op, void* with, void* stream) {
    if (type != 7 || op != 4) return INVALID_ARGUMENT;
    return ask("ncclAllReduce", (Communicator*)with, from, to, {0, type, op, count}, stream);
}
int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, void* with, void* stream) {
    if (type > 8 || root) return INVALID_ARGUMENT;
    return ask("ncclBroadcast", (Communicator*)with, from, to, {1, type, root, count}, stream);
}
int ncclGroupStart() { depth++; return 0; }
int ncclGroupEnd() {
    if (!depth) return INVALID_USAGE;
    if (--depth) return 0;
    auto works = std::move(group);
    group.clear();
    for (auto& work : works)
        if (int status = work()) return status;
    return 0;
}
}
