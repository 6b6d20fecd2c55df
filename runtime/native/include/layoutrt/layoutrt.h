/* The C API of layoutrt: load an exported model and run it.
 *
 *   lrt_session* session = NULL;
 *   if (lrt_session_create("model.onnx", NULL, &session) != LRT_OK) { puts(lrt_last_error()); return 1; }
 *   uint8_t labels[256 * 256];
 *   uint8_t image[256 * 256 * 3];
 *   lrt_tensor input  = {"labels", LRT_UINT8, 3, {1, 256, 256}, labels, sizeof labels};
 *   lrt_tensor output = {"image", LRT_UINT8, 4, {1, 256, 256, 3}, image, sizeof image};
 *   if (lrt_session_run(session, &input, 1, &output, 1) != LRT_OK) puts(lrt_last_error());
 *   lrt_session_destroy(session);
 *
 * Every function that can fail returns a status; lrt_last_error() then has a sentence that says what was
 * wrong and what to do. A session runs one call at a time: calls from several threads wait for each other.
 * Different sessions are independent.
 */
#ifndef LAYOUTRT_LAYOUTRT_H_
#define LAYOUTRT_LAYOUTRT_H_

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define LRT_EXPORT __attribute__((visibility("default")))
#else
#define LRT_EXPORT
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lrt_status {
  LRT_OK = 0,
  LRT_INVALID_ARGUMENT = 1, /* a null pointer, or a name, dtype, shape or size that does not fit the model */
  LRT_NOT_FOUND = 2,        /* a model file or the ONNX Runtime library is not there, or a metadata key */
  LRT_INVALID_MODEL = 3,    /* a file that is no model, is truncated, or needs something this build lacks */
  LRT_RUNTIME_ERROR = 4,    /* the engine failed */
  LRT_OUT_OF_MEMORY = 5
} lrt_status;

/* Element types, numbered as in ONNX's TensorProto.DataType. */
typedef enum lrt_dtype {
  LRT_UNDEFINED = 0,
  LRT_FLOAT32 = 1,
  LRT_UINT8 = 2,
  LRT_INT8 = 3,
  LRT_UINT16 = 4,
  LRT_INT16 = 5,
  LRT_INT32 = 6,
  LRT_INT64 = 7,
  LRT_BOOL = 9,
  LRT_FLOAT16 = 10,
  LRT_FLOAT64 = 11,
  LRT_UINT32 = 12,
  LRT_UINT64 = 13
} lrt_dtype;

#define LRT_MAX_RANK 8

typedef struct lrt_session lrt_session;

/* What the last failed call of this thread was about, as one sentence; "" if none failed. Valid until the
 * next call of this thread that fails. */
LRT_EXPORT const char* lrt_last_error(void);

/* Version of this library, such as "0.1.0". */
LRT_EXPORT const char* lrt_version(void);

/* Instruction set of the operator kernels on this machine: "AVX-512", "AVX2", "SSE2", "NEON" or "generic".
 * The environment variable LAYOUTRT_ISA (avx512, avx2, baseline) holds them to a narrower one. */
LRT_EXPORT const char* lrt_simd(void);

typedef struct lrt_session_options {
  size_t struct_size;           /* sizeof(lrt_session_options): lets the struct grow */
  const char* onnxruntime_path; /* path of libonnxruntime.so. NULL: the environment variable
                                   LAYOUTRT_ONNXRUNTIME, else the system's library search */
  int32_t threads;              /* threads of one run; 0: one for each processor */
} lrt_session_options;

/* Load a model file. `options` may be NULL for defaults. On failure *session is NULL. */
LRT_EXPORT lrt_status lrt_session_create(const char* model_path, const lrt_session_options* options,
                                         lrt_session** session);

/* Load a model from `size` bytes at `data`, which may be freed when the call returns. */
LRT_EXPORT lrt_status lrt_session_create_from_memory(const void* data, size_t size,
                                                     const lrt_session_options* options,
                                                     lrt_session** session);

/* Destroy a session and all that it owns. NULL is allowed. */
LRT_EXPORT void lrt_session_destroy(lrt_session* session);

typedef struct lrt_tensor_info {
  const char* name;
  lrt_dtype dtype;
  int32_t rank;
  int64_t dims[LRT_MAX_RANK]; /* -1: dynamic, fixed by each run */
} lrt_tensor_info;

typedef struct lrt_session_info {
  size_t input_count;
  const lrt_tensor_info* inputs;
  size_t output_count;
  const lrt_tensor_info* outputs;
  const char* backend; /* such as "ONNX Runtime 1.32.0 CPU, AVX-512 operators, 2 threads" */
} lrt_session_info;

/* Describe the model. What `info` points to lives as long as the session. */
LRT_EXPORT lrt_status lrt_session_get_info(const lrt_session* session, lrt_session_info* info);

/* Value of the model's custom metadata under `key`; LRT_NOT_FOUND if there is none. Lives as long as the
 * session. */
LRT_EXPORT lrt_status lrt_session_metadata(const lrt_session* session, const char* key, const char** value);

/* Number of metadata keys, and the key number `index`. The key lives as long as the session. */
LRT_EXPORT lrt_status lrt_session_metadata_count(const lrt_session* session, size_t* count);
LRT_EXPORT lrt_status lrt_session_metadata_key(const lrt_session* session, size_t index, const char** key);

/* A contiguous tensor in row-major order. */
typedef struct lrt_tensor {
  const char* name;
  lrt_dtype dtype;
  int32_t rank;
  int64_t dims[LRT_MAX_RANK];
  void* data;
  size_t size_bytes; /* exactly the product of dims times the element size */
} lrt_tensor;

/* Run the model: every input once, in any order, and the outputs that are wanted.
 *
 * An output is written to memory of the caller or of the session:
 *  - data given: the tensor is described like an input, and the model's result must have just this shape;
 *  - data NULL: the call sets dtype, rank, dims, data and size_bytes. The memory belongs to the session and
 * is good until its next run, or its end. This is how a result is had whose shape is not known in advance.
 */
LRT_EXPORT lrt_status lrt_session_run(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                                      lrt_tensor* outputs, size_t output_count);

typedef struct lrt_timings {
  double total_ms;    /* of the last run that succeeded */
  double copy_in_ms;  /* inputs to the device; 0 where the engine reads the caller's memory */
  double engine_ms;   /* the computation itself */
  double copy_out_ms; /* outputs from the device; 0 where the engine writes the caller's memory */
  int64_t runs;       /* runs that succeeded since the session was created */
} lrt_timings;

LRT_EXPORT lrt_status lrt_session_timings(const lrt_session* session, lrt_timings* timings);

#ifdef __cplusplus
}
#endif

#endif /* LAYOUTRT_LAYOUTRT_H_ */
