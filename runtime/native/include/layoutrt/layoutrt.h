/* The C API of layoutrt: load an exported model and run it.
 *
 *   lrt_session* session = NULL;
 *   if (lrt_session_create("model.onnx", NULL, &session) != LRT_OK) { puts(lrt_last_error()); return 1; }
 *   uint8_t labels[192 * 256];
 *   uint8_t image[192 * 256 * 3];
 *   lrt_tensor input = {.name = "labels", .dtype = LRT_UINT8, .rank = 3, .dims = {1, 192, 256},
 *                       .data = labels, .size_bytes = sizeof labels};
 *   lrt_tensor output = {.name = "image", .dtype = LRT_UINT8, .rank = 4, .dims = {1, 192, 256, 3},
 *                        .data = image, .size_bytes = sizeof image};
 *   if (lrt_session_run(session, &input, 1, &output, 1) != LRT_OK) puts(lrt_last_error());
 *   lrt_session_destroy(session);
 *
 * Every function that can fail returns a status; lrt_last_error() then has a sentence that says what was
 * wrong and what to do. Structs that start with struct_size may grow: the caller sets it to sizeof.
 *
 * Any thread may call any function. A session runs one call at a time: calls from several threads wait for
 * each other. Different sessions are independent. A session that was destroyed, or is being destroyed, is
 * refused with LRT_INVALID_ARGUMENT. So is, after fork(), a session of the parent in the child, also by
 * lrt_session_destroy(): its memory stays as it is until the child ends. The child can create its own.
 *
 * The memory of an input must not overlap that of an output.
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

/* The type of enums, which C has from their values: in C++ a caller's wrong number is then no undefined
 * behavior. */
#ifdef __cplusplus
#define LRT_ENUM_TYPE : int32_t
#else
#define LRT_ENUM_TYPE
#endif

/* Version of this header. */
#define LRT_VERSION_MAJOR 0
#define LRT_VERSION_MINOR 1
#define LRT_VERSION_PATCH 0

/* Counts the changes after which a program must be compiled again. */
#define LRT_ABI_VERSION 2

#ifdef __cplusplus
extern "C" {
#endif

typedef enum lrt_status LRT_ENUM_TYPE {
  LRT_OK = 0,
  LRT_INVALID_ARGUMENT = 1, /* a null pointer, a dead session, or a name, dtype, shape, stride or size that
                               does not fit the model */
  LRT_NOT_FOUND = 2,        /* a model file, the library of ONNX Runtime or TensorRT, a GPU or its driver, a
                               metadata key or a label set */
  LRT_INVALID_MODEL = 3,    /* a file that is no model, is truncated, or needs something this build lacks */
  LRT_RUNTIME_ERROR = 4,    /* the engine failed */
  LRT_OUT_OF_MEMORY = 5,
  LRT_TIMEOUT = 6 /* what was waited for has not happened yet */
} lrt_status;

/* Element types, numbered as in ONNX's TensorProto.DataType. */
typedef enum lrt_dtype LRT_ENUM_TYPE {
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
#define LRT_MAX_THREADS 256

/* A handle: it points to nothing of the caller's, and its value is never used again. */
typedef struct lrt_session lrt_session;

/* What the last failed call of this thread was about, as one sentence; "" if none failed. Valid until the
 * next call of this thread that fails. */
LRT_EXPORT const char* lrt_last_error(void);

/* Version of this library, such as "0.1.0", and its LRT_ABI_VERSION. */
LRT_EXPORT const char* lrt_version(void);
LRT_EXPORT int32_t lrt_abi_version(void);

/* Instruction set of the operator kernels on this machine: "AVX-512 VNNI", "AVX-512", "AVX2" or "SSE2" on
 * x86-64, "NEON dot product" or "NEON" on AArch64, "generic" on others. The environment variable LAYOUTRT_ISA
 * holds them to a narrower one, by one of these names or as avx512vnni, avx512, avx2, dotprod or baseline, in
 * any case. Where it names one that the machine or this build lacks, this is "", and sessions of ONNX models
 * are refused with LRT_INVALID_ARGUMENT and a sentence that lists what can be named. */
LRT_EXPORT const char* lrt_simd(void);

/* Threads of one run where lrt_session_options.threads is 0: the processors that this process may use, but in
 * a control group (a container) with a CPU quota no more than the quota is worth, rounded up. At least 1. */
LRT_EXPORT int32_t lrt_default_threads(void);

/* Memory that this process may use, in bytes: the machine's, or less in a control group with a limit. */
LRT_EXPORT int64_t lrt_usable_memory(void);

/* 1: this library runs TensorRT engines; 0: it was built without TensorRT's headers or CUDA. */
LRT_EXPORT int32_t lrt_has_tensorrt(void);

/* What the threads of a session do while they wait for work. */
typedef enum lrt_spinning LRT_ENUM_TYPE {
  LRT_SPIN_DURING_RUNS = 0, /* spin within a run, sleep between runs: as fast as the next, and what runs on
                               the processors between two runs has them to itself */
  LRT_SPIN_NEVER = 1,       /* sleep, also within a run: for processors that other work keeps busy meanwhile.
                               Costs up to a tenth of the speed where they are idle */
  LRT_SPIN_ALWAYS = 2       /* spin for a while after a run too. Two sessions that run in turns then have half
                               the speed or less */
} lrt_spinning;

typedef struct lrt_session_options {
  size_t struct_size;           /* sizeof(lrt_session_options) */
  const char* onnxruntime_path; /* path of libonnxruntime.so. NULL: the environment variable
                                   LAYOUTRT_ONNXRUNTIME, else libonnxruntime.so.1 (or .so, or one with a
                                   version) in the folder of this library, else the system's library search.
                                   Its telemetry is switched off, unless the environment variable
                                   ORT_DISABLE_TELEMETRY is 0 */
  int32_t threads;              /* threads of one run, at most LRT_MAX_THREADS; 0: one for each processor that
                                   `affinity` names, else lrt_default_threads(). Where the system starts fewer,
                                   there are fewer, as lrt_session_info.backend says */
  const char* affinity;         /* processors of the session's threads, numbered from 0, such as "0-3,8". The
                                   first is for the thread that runs: the session's own in an asynchronous run,
                                   which is moved there; the caller's otherwise, which is left alone. The others
                                   are for the threads that help it, in order; processors are given out again
                                   from the first where they are too few. NULL or "": the system decides */
  lrt_spinning spinning; /* of threads that wait for work, and of the one that waits for the GPU, which is
                            within a run */
  int32_t reserved;      /* 0 */
} lrt_session_options;

/* Load a model file. `options` may be NULL for defaults. On failure *session is NULL.
 *
 * A file M.engine is a TensorRT engine of layoutrt build-engine, which has its manifest beside it in
 * M.engine.json; any other file is an ONNX model. An engine runs on the calling thread's current CUDA device;
 * of the options it heeds spinning, and affinity for the thread of asynchronous runs. TensorRT is opened
 * when it is first needed: LAYOUTRT_TENSORRT names another libnvinfer.so than the system's,
 * LAYOUTRT_TRT_LIBRARY another liblayoutrt_trt.so than that beside this library.
 *
 * A model in a single file is read into memory: the file may then be replaced, shortened or removed. Weights
 * in files of their own (external data) stay mapped: replace such a file by renaming another over it, never
 * by writing into it while a session is open. */
LRT_EXPORT lrt_status lrt_session_create(const char* model_path, const lrt_session_options* options,
                                         lrt_session** session);

/* Load a model from `size` bytes at `data`, which may be freed when the call returns. */
LRT_EXPORT lrt_status lrt_session_create_from_memory(const void* data, size_t size,
                                                     const lrt_session_options* options,
                                                     lrt_session** session);

/* Destroy a session and all that it owns. NULL is allowed. New calls are refused at once; those under way and
 * the asynchronous runs that were submitted are waited for. Called by a callback of the session itself it
 * does not wait: the session ends after its last run. */
LRT_EXPORT lrt_status lrt_session_destroy(lrt_session* session);

typedef struct lrt_tensor_info {
  const char* name;
  lrt_dtype dtype;
  int32_t rank;
  int64_t dims[LRT_MAX_RANK]; /* -1: dynamic, fixed by each run */
} lrt_tensor_info;

typedef struct lrt_session_info {
  size_t struct_size; /* sizeof(lrt_session_info), set by the caller */
  size_t input_count;
  const lrt_tensor_info* inputs;
  size_t output_count;
  const lrt_tensor_info* outputs;
  const char* backend; /* such as "ONNX Runtime 1.32.0 CPU, AVX-512 operators, 2 threads", or
                          "TensorRT 10.3.0, Orin (8.7), CUDA graph" */
  int32_t threads;     /* of a run; 0: the model runs on a GPU */
} lrt_session_info;

/* Describe the model. What `info` points to lives as long as the session. */
LRT_EXPORT lrt_status lrt_session_get_info(const lrt_session* session, lrt_session_info* info);

typedef struct lrt_label_set {
  size_t struct_size;         /* sizeof(lrt_label_set), set by the caller */
  const char* name;           /* such as "camvid" */
  size_t count;               /* class indices, an extra "don't care" included: 1 to 255 */
  int32_t dont_care;          /* the index that means "don't care"; -1: none */
  const char* const* names;   /* [count], UTF-8 */
  const uint8_t* palette;     /* [count,3], RGB */
  const uint8_t* file_values; /* [count], the byte that stands for each class in the data set's files */
  const uint8_t* things;      /* [count], 1: countable objects, such as cars; 0: stuff, such as road */
} lrt_label_set;

/* The classes that a generator reads and a segmenter writes; LRT_NOT_FOUND if the model names none. What
 * `label_set` points to lives as long as the session.
 *
 * A generator takes any byte as a label: those that are no class index mean "don't care" where the label set
 * has an extra index for that (dont_care == count - 1 without a label of its own), and else contribute
 * nothing. */
LRT_EXPORT lrt_status lrt_session_label_set(const lrt_session* session, lrt_label_set* label_set);

/* Value of the model's custom metadata under `key`; LRT_NOT_FOUND if there is none. Lives as long as the
 * session. */
LRT_EXPORT lrt_status lrt_session_metadata(const lrt_session* session, const char* key, const char** value);

/* Number of metadata keys, and the key number `index`. The key lives as long as the session. */
LRT_EXPORT lrt_status lrt_session_metadata_count(const lrt_session* session, size_t* count);
LRT_EXPORT lrt_status lrt_session_metadata_key(const lrt_session* session, size_t index, const char** key);

/* A tensor in memory of the caller.
 *
 * With all strides 0 it is contiguous in row-major order, and size_bytes is exactly its size. Otherwise
 * strides[i] is the distance in bytes between neighbors along dimension i, as for rows with padding, a
 * window of a larger image, or RGB within RGBX pixels; size_bytes is then the size of the buffer from `data`
 * on, and must hold the last element. Strides must be positive, except along dimensions of 1, and no two
 * elements may share memory. Such a tensor is copied; so is one whose data is not aligned to its elements. */
typedef struct lrt_tensor {
  const char* name;
  lrt_dtype dtype;
  int32_t rank;
  int64_t dims[LRT_MAX_RANK];
  void* data;
  size_t size_bytes;
  int64_t strides[LRT_MAX_RANK];
} lrt_tensor;

/* Run the model: every input once, in any order, and the outputs that are wanted.
 *
 * An output is written to memory of the caller or of the session:
 *  - data given: the tensor is described like an input, and the model's result must have just this shape.
 *    Bytes between strided elements are left as they are;
 *  - data NULL: the call sets dtype, rank, dims, data, size_bytes and strides. The memory belongs to the
 * session and is good until its next run, of any thread, or its end. This is how a result is had whose shape
 * is not known in advance.
 *
 * When the shapes and buffers of a run are those of the run before, the library itself allocates nothing. */
LRT_EXPORT lrt_status lrt_session_run(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                                      lrt_tensor* outputs, size_t output_count);

/* The two parts of a run, for models with a latent that were exported with --cache-layout (in two files, of
 * which lrt_session_create is given the first): lrt_session_set_layout takes the inputs of the layout and
 * keeps all that can be computed of them, lrt_session_render takes the others, makes an image of the layout
 * that was set last, by this call or by a run, and can be called again and again at a small part of a run's
 * cost. LRT_INVALID_ARGUMENT: the model is another, or no layout was set. Each counts as a run in the
 * timings. */
LRT_EXPORT lrt_status lrt_session_set_layout(lrt_session* session, const lrt_tensor* inputs,
                                             size_t input_count);
LRT_EXPORT lrt_status lrt_session_render(lrt_session* session, const lrt_tensor* inputs, size_t input_count,
                                         lrt_tensor* outputs, size_t output_count);

/* Run a TensorRT engine on memory of the GPU: as lrt_session_run, but `data` are pointers to memory of the
 * session's GPU that start at a multiple of 256 bytes, tensors are contiguous, and every output that is asked
 * for has data.
 *
 * The run is enqueued on `cuda_stream`, a cudaStream_t (NULL: the default stream) of the session's device,
 * and the call returns without waiting for it: inputs must stay as they are, and outputs must not be read,
 * until the stream has got past it. Runs of one session follow each other whatever their streams are. A
 * stream that is being captured is refused.
 *
 * The second run with the same shapes and pointers is captured into a CUDA graph, of which a session keeps
 * four; with a fifth set of shapes or pointers it waits for the run before and drops that which was not used
 * for the longest time. Errors of the GPU itself appear on the stream. The run counts in the timings with
 * the time of the call alone: total_ms and wait_ms, the other stages are 0.
 *
 * LRT_INVALID_ARGUMENT also where the session is not of an engine. */
LRT_EXPORT lrt_status lrt_session_run_device(lrt_session* session, const lrt_tensor* inputs,
                                             size_t input_count, const lrt_tensor* outputs,
                                             size_t output_count, void* cuda_stream);

/* Told of the end of an asynchronous run, on the session's own thread: its status, and the sentence of a
 * failure
 * ("" for LRT_OK, valid during the call). It may submit the next run; the session does nothing else
 * meanwhile. */
typedef void (*lrt_run_callback)(void* user_data, lrt_status status, const char* error);

/* Queue a run and return. Runs are done one after the other, in the order of their submission. What is wrong
 * with the arguments is said at once; what fails later, by the callback and by lrt_session_wait.
 *
 * The memory of every input and output must stay valid until the run has ended; `inputs` and `outputs`
 * themselves are copied, so each output must have data. At most LRT_MAX_PENDING runs can be pending.
 * `callback` and `ticket` may be NULL; *ticket is 1 for a session's first run, 2 for its second. */
#define LRT_MAX_PENDING 64
LRT_EXPORT lrt_status lrt_session_run_async(lrt_session* session, const lrt_tensor* inputs,
                                            size_t input_count, const lrt_tensor* outputs,
                                            size_t output_count, lrt_run_callback callback, void* user_data,
                                            uint64_t* ticket);

/* Wait until a run has ended and its callback has returned, and return that run's status. LRT_TIMEOUT: it has
 * not within `timeout_ms` ms; a negative number waits for ever. The status of one of the last LRT_MAX_PENDING
 * runs is kept, older ones are refused. Ticket 0: all runs submitted so far; LRT_OK whatever became of them.
 * A callback of the session cannot wait for it. Waiting works while another thread destroys the session; once
 * that is done all runs have ended. */
LRT_EXPORT lrt_status lrt_session_wait(lrt_session* session, uint64_t ticket, int32_t timeout_ms);

/* Where the time of runs went, in ms. */
typedef struct lrt_stage_times {
  double wait_ms;     /* from the call, or the submission, until the session was free */
  double copy_in_ms;  /* strided inputs packed, inputs sent to a device */
  double engine_ms;   /* the computation itself */
  double copy_out_ms; /* outputs fetched from a device, strided outputs written */
  double total_ms;    /* all of it */
} lrt_stage_times;

typedef struct lrt_timings {
  size_t struct_size;   /* sizeof(lrt_timings), set by the caller */
  int64_t runs;         /* runs that succeeded since the session was created or its timings were reset */
  lrt_stage_times last; /* of the last of them */
  lrt_stage_times sum;  /* of all of them */
} lrt_timings;

/* Does not wait for a run that is under way. */
LRT_EXPORT lrt_status lrt_session_timings(const lrt_session* session, lrt_timings* timings);
LRT_EXPORT lrt_status lrt_session_reset_timings(lrt_session* session);

#ifdef __cplusplus
}
#endif

#endif /* LAYOUTRT_LAYOUTRT_H_ */
