// Launches: a kernel's arguments are copied at the call, and the kernel runs when its stream comes to it.
#include "module.h"
#include "stream.h"

#include "../memory.h"
#include "../scheduler.h"

#include <string.h>

namespace driver {
namespace {
// The bytes of each argument, where nobody else can change them.
struct Arguments {
    std::vector<std::vector<unsigned long long>> values;
    std::vector<void*> places;

    Arguments(const sim::Kernel& kernel, void** given) {
        for (unsigned i = 0; i < kernel.count; ++i) {
            values.emplace_back((kernel.parameters[i].bytes + 7) / 8 + 1);
            // Types that ask for 16 bytes get them.
            bool is_off = reinterpret_cast<uintptr_t>(values[i].data()) % 16 != 0;
            places.push_back(values[i].data() + is_off);
            memcpy(places[i], given[i], kernel.parameters[i].bytes);
        }
    }
};

std::vector<const void*> uses(const sim::Kernel& kernel, const Arguments& arguments) {
    std::vector<const void*> found;
    for (unsigned i = 0; i < kernel.count; ++i) {
        if (!kernel.parameters[i].is_pointer) continue;
        const void* place;
        memcpy(&place, arguments.places[i], sizeof place);
        if (sim::memory::find(place).begin != nullptr) found.push_back(place);
    }
    return found;
}

sim::Order order() {
    const std::string& name = settings().order;
    return name == "backward"                  ? sim::Order::BACKWARD
           : name.compare(0, 8, "shuffled") == 0 ? sim::Order::SHUFFLED
                                                 : sim::Order::FORWARD;
}

unsigned seed() {
    size_t colon = settings().order.find(':');
    return colon == std::string::npos ? 0 : static_cast<unsigned>(strtoul(settings().order.c_str() + colon + 1, nullptr, 10));
}

std::string text_of(dim3 size) {
    return "(" + std::to_string(size.x) + "," + std::to_string(size.y) + "," + std::to_string(size.z) + ")";
}

Result carry_out(Context& context, const sim::Launch& launch) {
    if (++context.kernels_carried_out == settings().lost_after) {
        say("GLASSBOX_SIM_LOST_AFTER: the device is lost");
        return LAUNCH_FAILED;
    }
    std::optional<sim::Report> report = sim::run(launch);
    if (!report) return SUCCESS;
    say(std::string("kernel ") + launch.kernel->name + ", grid " + text_of(launch.grid) + ", block " +
        text_of(launch.block) + ": " + sim::describe(*report));
    return static_cast<Result>(report->fault);
}

Result check(const Function& function, dim3 grid, dim3 block, unsigned dynamic_bytes) {
    unsigned long long threads = 1ull * block.x * block.y * block.z;
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) return INVALID_VALUE;
    if (grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535) return INVALID_VALUE;
    if (block.x > 1024 || block.y > 1024 || block.z > 64 || threads > 1024) return INVALID_VALUE;
    if (threads > function.entry.most_threads) return INVALID_VALUE;
    return dynamic_bytes > function.most_dynamic_bytes ? INVALID_VALUE : SUCCESS;
}
// What a launch is beside its kernel and its arguments: CUlaunchConfig, with its attributes.
struct Attribute {
    int which;
    char unused[4];
    union {
        int is_early;
        char bytes[64];
    } value;
};
struct Configuration {
    unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_bytes;
    Handle stream;
    const Attribute* attributes;
    unsigned count;
};

// CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION, and what it takes: a chip, and to record it a driver.
const int EARLY = 6, EARLY_CAPABILITY = 90, EARLY_RECORDED = 12030;

// Whether the driver takes the attributes, and whether one of them is that the kernel may start early.
Result judge(const Configuration& configuration, bool is_recorded, bool& is_early) {
    if (configuration.attributes == nullptr && configuration.count > 0) return INVALID_VALUE;
    for (unsigned i = 0; i < configuration.count; ++i) {
        if (configuration.attributes[i].which != EARLY) return NOT_SUPPORTED;
        is_early = configuration.attributes[i].value.is_early != 0;
    }
    if (is_early && settings().capability < EARLY_CAPABILITY) return NOT_SUPPORTED;
    return is_early && is_recorded && settings().driver_version < EARLY_RECORDED ? STREAM_CAPTURE_UNSUPPORTED : SUCCESS;
}

Result launch(const Configuration& asked, Handle function_handle, void** given, void** extra,
              const char* caller = __builtin_FUNCTION()) {
    auto enqueue_it = [&](Context& context) {
        std::shared_ptr<Function> function = function_of(context, function_handle);
        std::shared_ptr<Stream> stream = stream_of(context, asked.stream);
        if (function == nullptr || stream == nullptr) return INVALID_HANDLE;
        dim3 grid = {asked.grid_x, asked.grid_y, asked.grid_z}, block = {asked.block_x, asked.block_y, asked.block_z};
        unsigned dynamic_bytes = asked.dynamic_bytes;
        Result result = check(*function, grid, block, dynamic_bytes);
        bool is_early = false;
        if (result == SUCCESS) result = judge(asked, stream->capture != nullptr, is_early);
        if (result != SUCCESS) return result;
        const sim::Kernel* kernel = function->kernel;
        if (extra != nullptr || (given == nullptr && kernel->count > 0)) return INVALID_VALUE;
        auto arguments = std::make_shared<Arguments>(*kernel, given);
        Context* owner = &context;
        std::weak_ptr<Module> module = function->module;
        auto run = [=] {
            if (module.expired()) {
                say(std::string("kernel ") + kernel->name + ": its module has been unloaded");
                return ILLEGAL_ADDRESS;
            }
            return carry_out(*owner, {kernel, grid, block, dynamic_bytes, arguments->places.data(), order(), seed(),
                                      is_early && owner->is_behind_kernel});
        };
        return enqueue(context, stream, {std::string("kernel ") + kernel->name, run, uses(*kernel, *arguments), true});
    };
    return in_context(enqueue_it, caller);
}
}  // namespace
}  // namespace driver

using namespace driver;

API cuLaunchKernel(Handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned dynamic_bytes, Handle stream, void** given, void** extra) {
    return launch({grid_x, grid_y, grid_z, block_x, block_y, block_z, dynamic_bytes, stream, nullptr, 0}, function, given, extra);
}

API cuLaunchKernelEx(const Configuration* configuration, Handle function, void** given, void** extra) {
    if (configuration == nullptr) return in_context([](Context&) { return INVALID_VALUE; });
    return launch(*configuration, function, given, extra);
}
