/*
 * Classify photos offline with one ONNX file. README.md beside this folder tells how to build and link.
 *
 * Functions that can fail return a resnet50_status. What went wrong is told by resnet50_error_message(), _code() and
 * _remedy() until the same thread calls another function of this library that can fail. Text is UTF-8 and ends in 0.
 * Every pointer is checked for NULL. A classifier may be used by several threads at once.
 */

#ifndef RESNET50_H
#define RESNET50_H

/* Made by cbindgen from the crate resnet50-c. Do not edit: UPDATE_HEADER=1 cargo test -p resnet50-c --test header */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// How a call ended.
typedef enum {
  // It did what it should.
  RESNET50_STATUS_OK = 0,
  // An argument is NULL, or not what the function takes.
  RESNET50_STATUS_ARGUMENT = 1,
  // This one picture cannot be read or classified.
  RESNET50_STATUS_PICTURE = 2,
  // The model, or what runs it, is at fault: no other picture would do better.
  RESNET50_STATUS_MODEL = 3,
  // A mistake of ours. Nothing was done.
  RESNET50_STATUS_BUG = 4,
} resnet50_status;

// Whether a class counts as present, where classes do not exclude each other.
typedef enum {
  // Exactly one class is right, so the question does not arise.
  RESNET50_PRESENCE_NOT_ASKED = 0,
  // The score does not reach the model's threshold.
  RESNET50_PRESENCE_ABSENT = 1,
  // The score reaches the model's threshold.
  RESNET50_PRESENCE_PRESENT = 2,
} resnet50_presence;

// What a classifier answered about one picture: classes, best first. Free it with `resnet50_answer_free`.
typedef struct resnet50_answer resnet50_answer;

// A loaded model. Close it with `resnet50_close`.
typedef struct resnet50_classifier resnet50_classifier;

// One class and how sure the model is. The texts belong to the answer.
typedef struct {
  // Place of the class in the network's output, from 0.
  size_t index;
  // The class's id (WordNet for ImageNet); NULL if it has none.
  const char *id;
  // The class's name.
  const char *label;
  // The class's score, 0 to 1.
  float probability;
  // Whether it counts as present.
  resnet50_presence present;
} resnet50_class_score;

// How to open a model. Zeros mean the usual: begin with `resnet50_open_config config = {0};`.
typedef struct {
  // What runs the network: "auto", "kernels", "tract" or "onnxruntime"; NULL for "auto".
  const char *engine;
  // In what numbers a float32 network is computed: "float32", "bf16" or "auto"; NULL for "float32".
  const char *precision;
  // A manifest.yaml that takes the place of what the model says of itself, or NULL.
  const char *manifest;
  // Threads that run the network; 0 takes one for every core.
  size_t threads;
  // Pictures of more pixels are refused; 0 for the usual limit.
  uint64_t max_pixels;
  // Pictures with a longer side are refused; 0 for the usual limit.
  uint32_t max_side;
  // Larger files are refused; 0 for the usual limit.
  uint64_t max_file_bytes;
  // Pictures that take more memory to decode are refused; 0 for the usual limit.
  uint64_t max_memory_bytes;
} resnet50_open_config;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// What was expected and what was got, on one line; empty when the last call on this thread went well.
const char *resnet50_error_message(void);

// A stable name of the error, as "image.truncated"; empty when the last call on this thread went well.
const char *resnet50_error_code(void);

// What to do about it; NULL where nothing sensible can be advised.
const char *resnet50_error_remedy(void);

// How many classes the answer holds; 0 for NULL.
//
// # Safety
// `answer` is NULL or an answer that was not freed.
size_t resnet50_answer_count(const resnet50_answer *answer);

// Writes the class at `place` (0 is the best) to `score`. Its texts live as long as the answer.
//
// # Safety
// `answer` is NULL or an answer that was not freed; `score` is NULL or a place for a score.
resnet50_status resnet50_answer_get(const resnet50_answer *answer, size_t place, resnet50_class_score *score);

// Why the answer may be wrong (the picture is damaged, or only a preview was read); NULL where nothing is known
// against it. The text lives as long as the answer.
//
// # Safety
// `answer` is NULL or an answer that was not freed.
const char *resnet50_answer_warning(const resnet50_answer *answer);

// Frees an answer and its texts. NULL is fine.
//
// # Safety
// `answer` is NULL or an answer that was not freed, and nobody uses it or its texts afterwards.
void resnet50_answer_free(resnet50_answer *answer);

// The version of this library, as "0.1.0".
const char *resnet50_version(void);

// Loads the ONNX file at `path`, or for NULL the model inside the library. `config` may be NULL.
//
// # Safety
// `path` is NULL or ends in a zero, `config` is NULL or holds texts that are so, `classifier` is NULL or a place for
// a pointer.
resnet50_status resnet50_open(const char *path,
                              const resnet50_open_config *config,
                              resnet50_classifier **classifier);

// Closes a classifier. NULL is fine.
//
// # Safety
// `classifier` is NULL or was not closed, and nobody uses it or its texts afterwards.
void resnet50_close(resnet50_classifier *classifier);

// The model's name; NULL for NULL. The text lives as long as the classifier.
//
// # Safety
// `classifier` is NULL or was not closed.
const char *resnet50_model_name(const resnet50_classifier *classifier);

// How many classes the model tells apart; 0 for NULL.
//
// # Safety
// `classifier` is NULL or was not closed.
size_t resnet50_class_count(const resnet50_classifier *classifier);

// The name of a class; NULL where there is no such class. The text lives as long as the classifier.
//
// # Safety
// `classifier` is NULL or was not closed.
const char *resnet50_class_label(const resnet50_classifier *classifier, size_t index);

// Classifies the image file at `path`: the `top_k` most likely classes.
//
// # Safety
// `classifier` is NULL or was not closed, `path` is NULL or ends in a zero, `answer` is NULL or a place for a pointer.
resnet50_status resnet50_classify_file(const resnet50_classifier *classifier,
                                       const char *path,
                                       size_t top_k,
                                       resnet50_answer **answer);

// Classifies the `len` bytes of an image file at `data`: the `top_k` most likely classes.
//
// # Safety
// `classifier` is NULL or was not closed, `data` leads to `len` bytes, `answer` is NULL or a place for a pointer.
resnet50_status resnet50_classify_bytes(const resnet50_classifier *classifier,
                                        const uint8_t *data,
                                        size_t len,
                                        size_t top_k,
                                        resnet50_answer **answer);

// Classifies upright pixels, 3 bytes each in the order red, green, blue: the `top_k` most likely classes. Row `y`
// begins at `rgb + y * stride_bytes`; `len` bytes may be read.
//
// # Safety
// `classifier` is NULL or was not closed, `rgb` leads to `len` bytes, `answer` is NULL or a place for a pointer.
resnet50_status resnet50_classify_pixels(const resnet50_classifier *classifier,
                                         const uint8_t *rgb,
                                         size_t len,
                                         uint32_t width,
                                         uint32_t height,
                                         size_t stride_bytes,
                                         size_t top_k,
                                         resnet50_answer **answer);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RESNET50_H */
