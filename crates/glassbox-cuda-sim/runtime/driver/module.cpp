// Loads PTX. It is checked as a driver would check it, and against the source that will run in its place.
#include "module.h"
#include "stream.h"

#include <string.h>

#include <algorithm>

namespace driver {
namespace {
const sim::Kernel* compiled(const std::string& name) {
    const sim::Kernel* kernel = sim::kernels;
    while (kernel != nullptr && name != kernel->name) kernel = kernel->next;
    return kernel;
}

// PTX 8.0 came with CUDA 12.0, 7.4 with 11.4, and so on.
bool is_known_to_the_driver(ptx::Version version) {
    int driver = settings().driver_version;
    int newest = (driver / 1000 - 4) * 100 + driver % 1000 / 10;
    return version.major * 100 + version.minor <= newest;
}

// Why the driver refuses the text; nothing is said if it takes it.
Result judge(const std::string& text, std::string& why) {
    std::optional<ptx::Version> version = ptx::version(text);
    bool is_ptx = text.compare(0, 1, ".") == 0 || text.compare(0, 2, "//") == 0;
    int target = ptx::target(text);
    if (!version || target == 0) {
        why = "no .version or no .target";
        return !version && !is_ptx ? INVALID_IMAGE : INVALID_PTX;
    }
    if (!is_known_to_the_driver(*version)) {
        why = "unsupported .version " + std::to_string(version->major) + "." + std::to_string(version->minor);
        return UNSUPPORTED_PTX_VERSION;
    }
    if (target <= settings().capability) return SUCCESS;
    why = "the target sm_" + std::to_string(target) + " is not sm_" + std::to_string(settings().capability);
    return NO_BINARY_FOR_GPU;
}

// The options that a caller gives as two arrays, of which two say where errors are to be written, and how much.
struct ErrorLog {
    char* buffer = nullptr;
    void** bytes = nullptr;

    ErrorLog(unsigned count, const int* options, void** values) {
        for (unsigned i = 0; i < count; ++i) {
            if (options[i] == 5) buffer = static_cast<char*>(values[i]);
            if (options[i] == 6) bytes = &values[i];
        }
    }
    // The size is replaced by that of what was written.
    void write(const std::string& text) {
        if (buffer == nullptr || bytes == nullptr) return;
        size_t room = static_cast<unsigned>(reinterpret_cast<uintptr_t>(*bytes));
        size_t length = room == 0 ? 0 : text.copy(buffer, room - 1);
        if (room != 0) buffer[length] = 0;
        *bytes = reinterpret_cast<void*>(length);
    }
};

Result load(Handle* handle, const void* image, ErrorLog log, const char* function = __builtin_FUNCTION()) {
    return in_context([&](Context& context) {
        if (disturbs_a_capture(context)) return STREAM_CAPTURE_UNSUPPORTED;
        if (handle == nullptr || image == nullptr) return INVALID_VALUE;
        std::string text = static_cast<const char*>(image), why;
        Result result = judge(text, why);
        log.write(why);
        if (result != SUCCESS) return result;
        auto module = std::make_shared<Module>();
        module->image = std::move(text);
        *handle = context.modules.add(module);
        return SUCCESS;
    }, function);
}

std::string list(const std::vector<unsigned>& sizes) {
    std::string text = std::to_string(sizes.size()) + " parameters (";
    for (size_t i = 0; i < sizes.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(sizes[i]);
    return text + " bytes)";
}

// The PTX that a GPU would run has to be made from the source that runs here.
bool is_up_to_date(const sim::Kernel& kernel, const ptx::Entry& entry) {
    std::vector<unsigned> sizes;
    for (unsigned i = 0; i < kernel.count; ++i) sizes.push_back(kernel.parameters[i].bytes);
    if (sizes == entry.parameters) return true;
    say(std::string("stale PTX: kernel ") + kernel.name + " has " + list(entry.parameters) + " in the PTX and " +
        list(sizes) + " in " + kernel.file);
    return false;
}
}  // namespace

unsigned most_shared_bytes() {
    int capability = settings().capability;
    return (capability < 80 ? 64u : capability < 90 ? 163u : 227u) << 10;
}

std::shared_ptr<Function> function_of(Context& context, Handle handle) {
    std::shared_ptr<Function> function = context.functions.find(handle);
    return function == nullptr || function->module.expired() ? nullptr : function;
}
}  // namespace driver

using namespace driver;

API cuModuleLoadData(Handle* handle, const void* image) { return load(handle, image, {0, nullptr, nullptr}); }
API cuModuleLoadDataEx(Handle* handle, const void* image, unsigned count, int* options, void** values) {
    return load(handle, image, {count, options, values});
}

API cuModuleUnload(Handle handle) {
    return in_context([&](Context& context) { return context.modules.remove(handle) ? SUCCESS : INVALID_HANDLE; });
}

API cuModuleGetFunction(Handle* handle, Handle module_handle, const char* name) {
    return in_context([&](Context& context) {
        std::shared_ptr<Module> module = context.modules.find(module_handle);
        if (module == nullptr) return INVALID_HANDLE;
        if (handle == nullptr || name == nullptr) return INVALID_VALUE;
        const sim::Kernel* kernel = compiled(name);
        std::optional<ptx::Entry> entry = ptx::entry(module->image, name);
        if (!entry && kernel != nullptr)
            say(std::string("stale PTX: no kernel ") + name + ", which " + kernel->file + " has");
        if (entry && kernel == nullptr) say(std::string("stale PTX: kernel ") + name + ", which no source has");
        if (!entry || kernel == nullptr) return NOT_FOUND;
        if (!is_up_to_date(*kernel, *entry)) return INVALID_PTX;
        unsigned dynamic = SHARED_BYTES - std::min(SHARED_BYTES, entry->shared_bytes);
        Function function = {kernel, *entry, ptx::target(module->image), module, dynamic};
        *handle = context.functions.add(std::make_shared<Function>(function));
        return SUCCESS;
    });
}

// The numbers of CUfunction_attribute.
API cuFuncGetAttribute(int* value, int which, Handle handle) {
    return in_context([&](Context& context) {
        std::shared_ptr<Function> function = function_of(context, handle);
        if (function == nullptr) return INVALID_HANDLE;
        if (value == nullptr || which < 0) return INVALID_VALUE;
        switch (which) {
            case 0: *value = static_cast<int>(function->entry.most_threads); break;
            case 1: *value = static_cast<int>(function->entry.shared_bytes); break;
            case 4: *value = 32; break;  // registers: unknown here, and any number is as good
            case 5: *value = function->target; break;
            case 6: *value = settings().capability; break;
            case 8: *value = static_cast<int>(function->most_dynamic_bytes); break;
            default: *value = 0;
        }
        return SUCCESS;
    });
}

API cuFuncSetAttribute(Handle handle, int which, int value) {
    return in_context([&](Context& context) {
        std::shared_ptr<Function> function = function_of(context, handle);
        if (function == nullptr) return INVALID_HANDLE;
        if (which == 9) return SUCCESS;  // how the cache is divided: a hint
        if (which != 8 || value < 0) return INVALID_VALUE;
        unsigned bytes = static_cast<unsigned>(value);
        if (bytes + function->entry.shared_bytes > most_shared_bytes()) return INVALID_VALUE;
        function->most_dynamic_bytes = bytes;
        return SUCCESS;
    });
}

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, Handle handle, int threads, size_t dynamic_bytes) {
    return in_context([&](Context& context) {
        std::shared_ptr<Function> function = function_of(context, handle);
        if (function == nullptr) return INVALID_HANDLE;
        if (blocks == nullptr || threads <= 0) return INVALID_VALUE;
        bool is_turing = settings().capability < 80;
        size_t shared = function->entry.shared_bytes + dynamic_bytes + 1024;
        size_t most = is_turing ? 16 : 32;
        most = std::min(most, static_cast<size_t>((is_turing ? 1024 : 2048) / ((threads + 31) / 32 * 32)));
        most = std::min(most, (most_shared_bytes() + 1024) / shared);
        *blocks = static_cast<unsigned>(threads) > function->entry.most_threads ? 0 : static_cast<int>(most);
        return SUCCESS;
    });
}
