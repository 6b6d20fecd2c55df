/* Video: segmentation and synthesis of consecutive frames, at the same time.
 *
 *   frame -> [queue] -> segmenter -> [queue] -> generator -> result
 *
 * The segmenter works on a frame while the generator works on the one before it, each on a thread of its own,
 * unless they would only take the processors from each other (see below). Queues are bounded, frames live in
 * buffers that are made once, and results keep the order of the frames.
 *
 *   lrt_pipeline_options options = {sizeof options};
 *   lrt_pipeline* pipeline = NULL;
 *   if (lrt_pipeline_create(segmenter, generator, &options, &pipeline) != LRT_OK) puts(lrt_last_error());
 *   const lrt_pipeline_result* result;
 *   lrt_pipeline_run(pipeline, read_camera, camera);
 *   while (lrt_pipeline_next(pipeline, &result, -1) == LRT_OK && result != NULL) show(result->image);
 *   lrt_pipeline_destroy(pipeline);
 *
 * Threads: the stages share the processors with each other and with the caller. Sessions that each have a
 * thread for every processor, which is the default, have the lowest latency: with LRT_LATEST_FRAME_WINS the
 * two stages then take turns. Sessions with their share of the processors (lrt_session_options.threads; on
 * two processors one each) work at the same time, which gives more images per second and takes longer for
 * each.
 *
 * With LRT_LATEST_FRAME_WINS every frame that is segmented is rendered: frames are dropped before the first
 * stage only, and the segmenter takes the newest one just in time for the generator.
 *
 * Any thread may call any function of one pipeline; a pipeline that was destroyed is refused, and so is one
 * of the parent after fork(). Pipelines are independent. Two that share a session take turns.
 */
#ifndef LAYOUTRT_PIPELINE_H_
#define LAYOUTRT_PIPELINE_H_

#include "layoutrt/layoutrt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A handle, whose value is never used again. */
typedef struct lrt_pipeline lrt_pipeline;

typedef enum lrt_pipeline_policy LRT_ENUM_TYPE {
  LRT_LATEST_FRAME_WINS = 0, /* a full entrance drops its oldest frame; who brings frames never waits */
  LRT_EVERY_FRAME = 1        /* no frame is dropped; who brings frames waits for room */
} lrt_pipeline_policy;

/* What became of a frame. */
typedef struct lrt_pipeline_result {
  int64_t sequence;   /* number of the frame, from 0; grows from result to result */
  int64_t user_stamp; /* what the caller gave with the frame */
  lrt_status status;  /* LRT_OK, or what failed for this frame; the next frame goes on */
  const char* error;  /* the sentence of the failure; "" for LRT_OK */
  int32_t height;
  int32_t width;
  const uint8_t* frame;     /* [height,width,3] RGB; NULL without a segmenter */
  const uint8_t* labels;    /* [height,width], class indices; NULL if segmentation failed */
  const uint8_t* image;     /* [height,width,3] RGB; NULL if the frame failed */
  int64_t captured_ns;      /* when the pipeline was given the frame. Stamps are of CLOCK_MONOTONIC, and 0 */
  int64_t segment_start_ns; /* where there was no such moment */
  int64_t segmented_ns;
  int64_t synthesis_start_ns;
  int64_t synthesized_ns;
  double segment_wait_ms;   /* from the capture until the segmenter began */
  double synthesis_wait_ms; /* from the end of segmentation, or from the capture, until the generator began */
  double latency_ms;        /* from the capture to the finished image; 0 if the frame failed */
} lrt_pipeline_result;

/* Given each result, in order, on the thread of the generator, which does nothing else meanwhile. What
 * `result` points to is good during the call. It must not throw, nor flush or destroy the pipeline. */
typedef void (*lrt_pipeline_result_fn)(void* user_data, const lrt_pipeline_result* result);

/* Told of each frame that was dropped for a later one, on the thread that brought that one, before the call
 * returns: with it, what belongs to the frame can be freed. It must not throw, nor call the pipeline. */
typedef void (*lrt_pipeline_drop_fn)(void* user_data, int64_t sequence, int64_t user_stamp);

/* Fills `frame` with the next frame, rows `stride` bytes apart: [height,width,3] RGB, or without a segmenter
 * [height,width] labels. *user_stamp, 0 at first, comes back with the result. Waits for its source by itself.
 * Returns 1 for a frame, 0 at the end of the source, and another number for a failure, which ends the capture
 * and is reported as one last result. Called on the capture thread; it must not throw, nor call the
 * pipeline. */
typedef int (*lrt_pipeline_capture_fn)(void* user_data, uint8_t* frame, size_t stride, int64_t* user_stamp);

#define LRT_PIPELINE_MAX_SIZE 16384
#define LRT_PIPELINE_MAX_CAPACITY 64

typedef struct lrt_pipeline_options {
  size_t struct_size; /* sizeof(lrt_pipeline_options) */
  int32_t height;     /* of the frames, at most LRT_PIPELINE_MAX_SIZE. Both 0: the size that the */
  int32_t width;      /* generator has or was trained at */
  int32_t capacity;   /* of each queue, at most LRT_PIPELINE_MAX_CAPACITY; 0: 1 */
  lrt_pipeline_policy policy;
  lrt_pipeline_result_fn on_result; /* NULL: results are read with lrt_pipeline_next */
  void* user_data;                  /* of on_result and on_drop */
  lrt_pipeline_drop_fn on_drop;     /* NULL: nobody is told */
} lrt_pipeline_options;

/* Make a pipeline of two sessions, which must outlive it. `segmenter` has the one input `frame` uint8
 * [N,H,W,3] and the output `labels` uint8 [N,H,W]; NULL: frames are labels. `generator` has the one input
 * `labels` and the output `image` uint8 [N,H,W,3]. Both must be of the same label set, where they name one.
 * `options` may be NULL for defaults. On failure *pipeline is NULL. */
LRT_EXPORT lrt_status lrt_pipeline_create(lrt_session* segmenter, lrt_session* generator,
                                          const lrt_pipeline_options* options, lrt_pipeline** pipeline);

/* Copy a frame in: [height,width,3] RGB, or without a segmenter [height,width] labels, rows `stride` bytes
 * apart; 0: without padding. `user_stamp` comes back with the result. With LRT_EVERY_FRAME this waits for
 * room, and for other threads' pushes, up to `timeout_ms` ms, a negative number for ever; LRT_TIMEOUT: the
 * frame was not taken. Where results are read with lrt_pipeline_next, those that wait take room too: a thread
 * that both pushes and reads must read when it is told LRT_TIMEOUT. */
LRT_EXPORT lrt_status lrt_pipeline_push(lrt_pipeline* pipeline, const uint8_t* frame, size_t stride,
                                        int64_t user_stamp, int32_t timeout_ms);

/* Take frames from `capture` on a thread of the pipeline, until it returns something else than 1. Returns at
 * once. Until then no frame can be pushed. With LRT_LATEST_FRAME_WINS a source that never waits, such as a
 * file, is read at full speed and mostly dropped: read it with LRT_EVERY_FRAME. */
LRT_EXPORT lrt_status lrt_pipeline_run(lrt_pipeline* pipeline, lrt_pipeline_capture_fn capture,
                                       void* user_data);

/* The next result; one thread reads. Waits for it up to `timeout_ms` ms: LRT_TIMEOUT if there is none by
 * then. A negative number waits as long as a result can come of the frames that are in the pipeline or are
 * being captured; LRT_OK and *result NULL: none can. What *result points to is good until the next call.
 * Results that are not read wait in a queue, to which the policy applies as to the others. */
LRT_EXPORT lrt_status lrt_pipeline_next(lrt_pipeline* pipeline, const lrt_pipeline_result** result,
                                        int32_t timeout_ms);

/* Wait until capturing has ended and every frame pushed before has its result or was dropped, and on_result
 * has returned. */
LRT_EXPORT lrt_status lrt_pipeline_flush(lrt_pipeline* pipeline);

/* pushed = done + failed + dropped + inside. */
typedef struct lrt_pipeline_stats {
  size_t struct_size;       /* sizeof(lrt_pipeline_stats), set by the caller */
  double elapsed_ms;        /* since the pipeline was made */
  int64_t pushed;           /* frames taken in */
  int64_t done;             /* frames that became an image */
  int64_t failed;           /* frames whose result is a failure */
  int64_t dropped;          /* frames dropped before the first stage, for later ones */
  int64_t inside;           /* frames that have not come out yet */
  int64_t unread;           /* results dropped because they were not read; part of done and failed */
  double segment_busy_ms;   /* spent in the segmenter */
  double synthesis_busy_ms; /* spent in the generator */
  int32_t frames_waiting;   /* in the queue before the first stage */
  int32_t labels_waiting;   /* in the queue before the generator, where there is a segmenter */
  int32_t results_waiting;  /* to be read */
  int32_t window;           /* number of the latest images that the latencies are of, at most 256 */
  double latency_p50_ms;    /* from the capture to the finished image; 0 if there is none yet */
  double latency_p95_ms;
  double latency_max_ms;
  int32_t buffers; /* frames that there is memory for, fixed when the pipeline was made */
  int32_t height;  /* of the frames */
  int32_t width;
  int32_t capturing;    /* 1: lrt_pipeline_run is at work */
  int64_t buffer_bytes; /* of all of them */
} lrt_pipeline_stats;

LRT_EXPORT lrt_status lrt_pipeline_get_stats(const lrt_pipeline* pipeline, lrt_pipeline_stats* stats);

/* Drop what is queued, wait for the runs and callbacks under way, at most one for each stage, and end the
 * threads. Calls of other threads that wait for this pipeline return with a failure. NULL is allowed; a
 * callback of the pipeline itself is refused. */
LRT_EXPORT lrt_status lrt_pipeline_destroy(lrt_pipeline* pipeline);

#ifdef __cplusplus
}
#endif

#endif /* LAYOUTRT_PIPELINE_H_ */
