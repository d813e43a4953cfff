// How the runtime finds a kernel by its name and calls it with the driver's untyped arguments.
#pragma once
#include <stddef.h>

#include <type_traits>
#include <utility>

namespace sim {
struct Parameter {
    unsigned bytes;
    bool is_pointer;
};

// One for each __global__ function, in a list that exists before main does.
struct Kernel {
    const char* name;
    const char* file;
    void (*call)(void** arguments);
    unsigned count;
    const Parameter* parameters;
    // The file's static shared memory, if it has any.
    char *shared_begin, *shared_end;
    Kernel* next;
};
extern Kernel* kernels;

template <auto function>
struct Registered;

// Takes apart the type of the function, so that no kernel has to tell its parameters a second time.
template <class... T, void (*function)(T...)>
struct Registered<function> {
    static constexpr Parameter parameters[sizeof...(T) + 1] = {{sizeof(T), std::is_pointer<T>::value}..., {0, false}};

    template <size_t... i>
    __attribute__((no_sanitize("thread", "undefined"))) static void call_with(void** arguments,
                                                                              std::index_sequence<i...>) {
        function(*static_cast<std::remove_cv_t<T>*>(arguments[i])...);
    }
    __attribute__((no_sanitize("thread", "undefined"))) static void call(void** arguments) {
        call_with(arguments, std::index_sequence_for<T...>{});
    }

    Kernel kernel;
    Registered(const char* name, const char* file, char* shared_begin, char* shared_end)
        : kernel{name, file, &call, sizeof...(T), parameters, shared_begin, shared_end, kernels} {
        kernels = &kernel;
    }
};
}  // namespace sim
