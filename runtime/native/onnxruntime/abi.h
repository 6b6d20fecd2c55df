// The part of ONNX Runtime's C ABI that is used here, so that building needs none of its headers.
//
// OrtApi is a table of function pointers that only ever grows at its end: a function keeps its slot for good.
// The slots below exist since API version 18; ONNX Runtime >= 1.20 is what is tested. Order and signatures
// follow onnxruntime_c_api.h; tests/runtime/test_c_api.py compares the slots with that header where it is at
// hand.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtAllocator;
struct OrtCustomOpDomain;
struct OrtEnv;
struct OrtKernelContext;
struct OrtKernelInfo;
struct OrtMemoryInfo;
struct OrtModelMetadata;
struct OrtOpAttr;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtShapeInferContext;
struct OrtStatus;  // null where a call succeeded
struct OrtTensorTypeAndShapeInfo;
struct OrtTypeInfo;
struct OrtValue;

struct OrtApi;  // an array of function pointers
struct OrtApiBase {
  const OrtApi* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

namespace layoutrt::ort {

struct CustomOp;

constexpr uint32_t kApiVersion = 18;

enum ErrorCode : int {
  kFail = 1,
  kInvalidArgument = 2,
  kNoSuchFile = 3,
  kInvalidProtobuf = 7,
};
enum LoggingLevel : int { kLogError = 3 };
enum GraphOptimization : int { kOptimizeAll = 99 };
enum AttributeType : int { kAttributeInts = 2 };
enum ElementType : int { kFloat = 1, kUint8 = 2, kInt8 = 3 };

// X(slot, result, name, parameters)
#define LRT_ORT_FUNCTIONS(X)                                                                                 \
  X(0, OrtStatus*, CreateStatus, (int code, const char* message))                                            \
  X(1, int, GetErrorCode, (const OrtStatus*))                                                                \
  X(2, const char*, GetErrorMessage, (const OrtStatus*))                                                     \
  X(3, OrtStatus*, CreateEnv, (int logging_level, const char* id, OrtEnv**))                                 \
  X(6, OrtStatus*, DisableTelemetryEvents, (const OrtEnv*))                                                  \
  X(7, OrtStatus*, CreateSession, (const OrtEnv*, const char* path, const OrtSessionOptions*, OrtSession**)) \
  X(8, OrtStatus*, CreateSessionFromArray,                                                                   \
    (const OrtEnv*, const void* data, size_t size, const OrtSessionOptions*, OrtSession**))                  \
  X(9, OrtStatus*, Run,                                                                                      \
    (OrtSession*, const OrtRunOptions*, const char* const* input_names, const OrtValue* const* inputs,       \
     size_t input_count, const char* const* output_names, size_t output_count, OrtValue** outputs))          \
  X(10, OrtStatus*, CreateSessionOptions, (OrtSessionOptions**))                                             \
  X(17, OrtStatus*, DisableMemPattern, (OrtSessionOptions*))                                                 \
  X(22, OrtStatus*, SetSessionLogSeverityLevel, (OrtSessionOptions*, int level))                             \
  X(23, OrtStatus*, SetSessionGraphOptimizationLevel, (OrtSessionOptions*, int level))                       \
  X(24, OrtStatus*, SetIntraOpNumThreads, (OrtSessionOptions*, int threads))                                 \
  X(25, OrtStatus*, SetInterOpNumThreads, (OrtSessionOptions*, int threads))                                 \
  X(26, OrtStatus*, CreateCustomOpDomain, (const char* name, OrtCustomOpDomain**))                           \
  X(27, OrtStatus*, CustomOpDomain_Add, (OrtCustomOpDomain*, const CustomOp*))                               \
  X(28, OrtStatus*, AddCustomOpDomain, (OrtSessionOptions*, OrtCustomOpDomain*))                             \
  X(30, OrtStatus*, SessionGetInputCount, (const OrtSession*, size_t*))                                      \
  X(31, OrtStatus*, SessionGetOutputCount, (const OrtSession*, size_t*))                                     \
  X(33, OrtStatus*, SessionGetInputTypeInfo, (const OrtSession*, size_t index, OrtTypeInfo**))               \
  X(34, OrtStatus*, SessionGetOutputTypeInfo, (const OrtSession*, size_t index, OrtTypeInfo**))              \
  X(36, OrtStatus*, SessionGetInputName, (const OrtSession*, size_t index, OrtAllocator*, char**))           \
  X(37, OrtStatus*, SessionGetOutputName, (const OrtSession*, size_t index, OrtAllocator*, char**))          \
  X(49, OrtStatus*, CreateTensorWithDataAsOrtValue,                                                          \
    (const OrtMemoryInfo*, void* data, size_t bytes, const int64_t* dims, size_t rank, int type,             \
     OrtValue**))                                                                                            \
  X(51, OrtStatus*, GetTensorMutableData, (OrtValue*, void**))                                               \
  X(55, OrtStatus*, CastTypeInfoToTensorInfo, (const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**))       \
  X(57, OrtStatus*, CreateTensorTypeAndShapeInfo, (OrtTensorTypeAndShapeInfo**))                             \
  X(58, OrtStatus*, SetTensorElementType, (OrtTensorTypeAndShapeInfo*, int type))                            \
  X(59, OrtStatus*, SetDimensions, (OrtTensorTypeAndShapeInfo*, const int64_t* dims, size_t rank))           \
  X(60, OrtStatus*, GetTensorElementType, (const OrtTensorTypeAndShapeInfo*, int*))                          \
  X(61, OrtStatus*, GetDimensionsCount, (const OrtTensorTypeAndShapeInfo*, size_t*))                         \
  X(62, OrtStatus*, GetDimensions, (const OrtTensorTypeAndShapeInfo*, int64_t* dims, size_t rank))           \
  X(63, OrtStatus*, GetSymbolicDimensions,                                                                   \
    (const OrtTensorTypeAndShapeInfo*, const char** names, size_t rank))                                     \
  X(65, OrtStatus*, GetTensorTypeAndShape, (const OrtValue*, OrtTensorTypeAndShapeInfo**))                   \
  X(69, OrtStatus*, CreateCpuMemoryInfo, (int allocator_type, int memory_type, OrtMemoryInfo**))             \
  X(76, OrtStatus*, AllocatorFree, (OrtAllocator*, void*))                                                   \
  X(78, OrtStatus*, GetAllocatorWithDefaultOptions, (OrtAllocator**))                                        \
  X(85, OrtStatus*, KernelInfoGetAttribute_float, (const OrtKernelInfo*, const char* name, float* value))    \
  X(86, OrtStatus*, KernelInfoGetAttribute_int64, (const OrtKernelInfo*, const char* name, int64_t* value))  \
  X(88, OrtStatus*, KernelContext_GetInputCount, (const OrtKernelContext*, size_t*))                         \
  X(90, OrtStatus*, KernelContext_GetInput, (const OrtKernelContext*, size_t index, const OrtValue**))       \
  X(91, OrtStatus*, KernelContext_GetOutput,                                                                 \
    (OrtKernelContext*, size_t index, const int64_t* dims, size_t rank, OrtValue**))                         \
  X(93, void, ReleaseStatus, (OrtStatus*))                                                                   \
  X(94, void, ReleaseMemoryInfo, (OrtMemoryInfo*))                                                           \
  X(95, void, ReleaseSession, (OrtSession*))                                                                 \
  X(96, void, ReleaseValue, (OrtValue*))                                                                     \
  X(98, void, ReleaseTypeInfo, (OrtTypeInfo*))                                                               \
  X(99, void, ReleaseTensorTypeAndShapeInfo, (OrtTensorTypeAndShapeInfo*))                                   \
  X(100, void, ReleaseSessionOptions, (OrtSessionOptions*))                                                  \
  X(111, OrtStatus*, SessionGetModelMetadata, (const OrtSession*, OrtModelMetadata**))                       \
  X(116, OrtStatus*, ModelMetadataLookupCustomMetadataMap,                                                   \
    (const OrtModelMetadata*, OrtAllocator*, const char* key, char** value))                                 \
  X(118, void, ReleaseModelMetadata, (OrtModelMetadata*))                                                    \
  X(123, OrtStatus*, ModelMetadataGetCustomMetadataMapKeys,                                                  \
    (const OrtModelMetadata*, OrtAllocator*, char*** keys, int64_t* count))                                  \
  X(130, OrtStatus*, AddSessionConfigEntry, (OrtSessionOptions*, const char* key, const char* value))        \
  X(162, OrtStatus*, KernelInfoGetAttributeArray_float,                                                      \
    (const OrtKernelInfo*, const char* name, float* values, size_t* count))                                  \
  X(163, OrtStatus*, KernelInfoGetAttributeArray_int64,                                                      \
    (const OrtKernelInfo*, const char* name, int64_t* values, size_t* count))                                \
  X(249, OrtStatus*, KernelInfoGetConstantInput_tensor,                                                      \
    (const OrtKernelInfo*, size_t index, int* is_constant, const OrtValue**))                                \
  X(267, OrtStatus*, ShapeInferContext_GetInputCount, (const OrtShapeInferContext*, size_t*))                \
  X(268, OrtStatus*, ShapeInferContext_GetInputTypeShape,                                                    \
    (const OrtShapeInferContext*, size_t index, OrtTensorTypeAndShapeInfo**))                                \
  X(269, OrtStatus*, ShapeInferContext_GetAttribute,                                                         \
    (const OrtShapeInferContext*, const char* name, const OrtOpAttr**))                                      \
  X(270, OrtStatus*, ShapeInferContext_SetOutputTypeShape,                                                   \
    (const OrtShapeInferContext*, size_t index, const OrtTensorTypeAndShapeInfo*))                           \
  X(271, OrtStatus*, SetSymbolicDimensions, (OrtTensorTypeAndShapeInfo*, const char** names, size_t rank))   \
  X(272, OrtStatus*, ReadOpAttr, (const OrtOpAttr*, int type, void* data, size_t bytes, size_t* bytes_read)) \
  X(274, OrtStatus*, KernelContext_ParallelFor,                                                              \
    (const OrtKernelContext*, void (*)(void* data, size_t index), size_t total, size_t batches, void* data))

// The functions of one ONNX Runtime. Two of them may live in one process: the one inside the Python module
// `onnxruntime` and the shared library this runtime opens.
struct Functions {
  explicit Functions(const OrtApi* api) {
    const auto* table = reinterpret_cast<void* const*>(api);
#define LRT_LOAD(slot, result, name, parameters) name = reinterpret_cast<result(*) parameters>(table[slot]);
    LRT_ORT_FUNCTIONS(LRT_LOAD)
#undef LRT_LOAD
  }
#define LRT_DECLARE(slot, result, name, parameters) result(*name) parameters;
  LRT_ORT_FUNCTIONS(LRT_DECLARE)
#undef LRT_DECLARE
};

// OrtCustomOp, as of API version 18.
struct CustomOp {
  uint32_t version;
  void* (*CreateKernel)(const CustomOp*, const OrtApi*, const OrtKernelInfo*);
  const char* (*GetName)(const CustomOp*);
  const char* (*GetExecutionProviderType)(const CustomOp*);
  int (*GetInputType)(const CustomOp*, size_t index);
  size_t (*GetInputTypeCount)(const CustomOp*);
  int (*GetOutputType)(const CustomOp*, size_t index);
  size_t (*GetOutputTypeCount)(const CustomOp*);
  void (*KernelCompute)(void* kernel, OrtKernelContext*);
  void (*KernelDestroy)(void* kernel);
  int (*GetInputCharacteristic)(const CustomOp*, size_t index);
  int (*GetOutputCharacteristic)(const CustomOp*, size_t index);
  int (*GetInputMemoryType)(const CustomOp*, size_t index);
  int (*GetVariadicInputMinArity)(const CustomOp*);
  int (*GetVariadicInputHomogeneity)(const CustomOp*);
  int (*GetVariadicOutputMinArity)(const CustomOp*);
  int (*GetVariadicOutputHomogeneity)(const CustomOp*);
  OrtStatus* (*CreateKernelV2)(const CustomOp*, const OrtApi*, const OrtKernelInfo*, void** kernel);
  OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext*);
  OrtStatus* (*InferOutputShapeFn)(const CustomOp*, OrtShapeInferContext*);
  int (*GetStartVersion)(const CustomOp*);
  int (*GetEndVersion)(const CustomOp*);
  size_t (*GetMayInplace)(int** inputs, int** outputs);
  void (*ReleaseMayInplace)(int* inputs, int* outputs);
  size_t (*GetAliasMap)(int** inputs, int** outputs);
  void (*ReleaseAliasMap)(int* inputs, int* outputs);
};
static_assert(sizeof(CustomOp) == 26 * sizeof(void*));

}  // namespace layoutrt::ort
