// Names and texts of results: cuGetErrorName and cuGetErrorString. Also the whole of the stub library, for it needs
// nothing else.
#ifdef GLASSBOX_SIM_STUB
#include "results.h"
#else
#include "driver.h"
#endif

namespace {
struct Text {
    driver::Result result;
    const char *name, *text;
};
const Text TEXTS[] = {
    {driver::SUCCESS, "CUDA_SUCCESS", "no error"},
    {driver::INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {driver::OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {driver::NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {driver::NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {driver::INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {driver::INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {driver::INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {driver::NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {driver::INVALID_PTX, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {driver::UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {driver::INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {driver::ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {driver::NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {driver::NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {driver::ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {driver::LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {driver::CONTEXT_IS_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {driver::ASSERT, "CUDA_ERROR_ASSERT", "device-side assert triggered"},
    {driver::MISALIGNED_ADDRESS, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {driver::LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {driver::NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {driver::STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {driver::STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {driver::STREAM_CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "the capture was not initiated in this stream"},
    {driver::STREAM_CAPTURE_UNJOINED, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capturing stream has unjoined work"},
    {driver::CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {driver::UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

const Text* find(driver::Result result) {
    for (const Text& text : TEXTS)
        if (text.result == result) return &text;
    return nullptr;
}
}  // namespace

#define API extern "C" __attribute__((visibility("default"))) driver::Result

API cuGetErrorName(driver::Result result, const char** name) {
    const Text* found = find(result);
    *name = found == nullptr ? nullptr : found->name;
    return found == nullptr ? driver::INVALID_VALUE : driver::SUCCESS;
}

API cuGetErrorString(driver::Result result, const char** text) {
#ifndef GLASSBOX_SIM_STUB
    // This is how programs come to say which setting is wrong: nothing else here is unknown.
    const std::string& mistake = driver::settings().mistake;
    if (result == driver::UNKNOWN && !mistake.empty()) {
        *text = mistake.c_str();
        return driver::SUCCESS;
    }
#endif
    const Text* found = find(result);
    *text = found == nullptr ? nullptr : found->text;
    return found == nullptr ? driver::INVALID_VALUE : driver::SUCCESS;
}

#ifdef GLASSBOX_SIM_STUB
API cuInit(unsigned) { return driver::SUCCESS; }
API cuDriverGetVersion(int* version) {
    *version = 12000;
    return driver::SUCCESS;
}
#endif
