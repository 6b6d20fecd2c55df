/* Stand-ins for shared libraries that no development machine has, one for each -D: enough symbols that
 * TensorRT's Python bindings can be imported, that a driver and an operator library can be asked who they
 * are, and nothing that works. Answers come from the environment where a test sets them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text ? atoi(text) : otherwise;
}

static const char* text(const char* name, const char* otherwise) {
  const char* found = getenv(name);
  return found ? found : otherwise;
}

#ifdef NVINFER
void* createInferBuilder_INTERNAL(void* logger, int32_t version) { return NULL; }
void* createInferRuntime_INTERNAL(void* logger, int32_t version) { return NULL; }
void* createInferRefitter_INTERNAL(void* engine, void* logger, int32_t version) { return NULL; }
void* getPluginRegistry(void) { return NULL; }
void* getBuilderPluginRegistry(int32_t capability) { return NULL; }
void* getLogger(void) { return NULL; }
int32_t getInferLibVersion(void) { return number("STUB_NVINFER", VERSION); }
int32_t getInferLibMajorVersion(void) { return VERSION / 10000; }
#endif

#ifdef NVINFER_PLUGIN
_Bool initLibNvInferPlugins(void* logger, const char* name) { return 1; }
#endif

#ifdef NVONNXPARSER
void* createNvOnnxParser_INTERNAL(void* network, void* logger, int version) { return NULL; }
void* createNvOnnxParserRefitter_INTERNAL(void* refitter, void* logger, int version) { return NULL; }
int getNvOnnxParserVersion(void) { return VERSION; }
#endif

#ifdef CUDA
int cuInit(unsigned flags) { return number("STUB_CUINIT", 0); }
int cuDriverGetVersion(int* version) { return *version = number("STUB_CUDA", 13000), 0; }
int cuDeviceGetCount(int* count) { return *count = number("STUB_GPUS", 1), 0; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, 0; }
int cuDeviceGetName(char* name, int size, int device) {
  strncpy(name, text("STUB_GPU", "Orin"), size);
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) { return *bytes = (size_t)8 << 30, 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const int capability = number("STUB_CAPABILITY", 87);
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
#endif

#ifdef OPERATORS
const char* lrt_trt_version(void) { return text("STUB_LIBRARY", "0.1.0"); }
int32_t lrt_trt_tensorrt_version(void) { return number("STUB_LIBRARY_TENSORRT", 100300); }
int32_t lrt_trt_tensorrt_major(void) { return lrt_trt_tensorrt_version() / 10000; }
#endif
