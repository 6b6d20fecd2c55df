// What tests ask of the toy libnvinfer.so, by dlsym.
#pragma once

extern "C" {

// Let the next call of a function of TensorRT fail, with this message in its log.
using ToyFail = void(const char* function, const char* message);
// Calls of a function since the last reset; of loadLibrary, since the start.
using ToyCount = long(const char* function);
using ToyReset = void();

}  // extern "C"
