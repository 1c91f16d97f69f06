/* Judges pictures by a trained model of Vedette, from any language that can call C. docs/engine-library.md shows how to link it.
 *
 *   vedette_model* model;
 *   vedette_verdict* verdict;
 *   vedette_error error;
 *   if (vedette_model_open("model", 0, &model, &error) != VEDETTE_OK) return complain(error.message);
 *   if (vedette_judge_encoded(model, bytes, size, &verdict, &error) != VEDETTE_OK) return complain(error.message);
 *   if (vedette_verdict_is_anomalous(verdict)) reject_part(vedette_verdict_confidence(verdict));
 *   vedette_verdict_free(verdict);
 *   vedette_model_close(model);
 *
 * Rules of this interface:
 * - Handles are opaque. Functions are only added within one soname, and none changes its meaning. Each type of this header has a
 *   fixed size.
 * - Functions that can fail return a kind of enum vedette_kind. After a failure they have written no handle, and `error`, if it is
 *   not NULL, holds the kind and a message. No C++ exception leaves the library. A NULL argument is an error and not a crash,
 *   except that freeing NULL does nothing; getters of a NULL handle return 0, NULL or an empty text.
 * - Text is UTF-8 and ends with a zero byte. What a getter points to belongs to the handle and lives as long as the handle.
 * - Any thread may call any function. A model may be used by any number of threads at the same time; it must be closed after
 *   the last call with it has returned. Verdicts do not need their model any more. A process that has opened a model must
 *   not fork and go on to use the library in the child.
 */
#ifndef VEDETTE_H
#define VEDETTE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define VEDETTE_API __attribute__((visibility("default")))
#else
#define VEDETTE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong. Later versions may add kinds: treat an unknown one like VEDETTE_INTERNAL. */
enum vedette_kind {
  VEDETTE_OK = 0,
  VEDETTE_INVALID_INPUT = 1, /* The folder, the picture or an argument is not usable; the message says why. */
  VEDETTE_OUT_OF_MEMORY = 2, /* There was not enough memory. The call may be repeated. */
  VEDETTE_INTERNAL = 3       /* The fault is the library's or the machine's. */
};

typedef struct vedette_error {
  int32_t kind;      /* One of enum vedette_kind. */
  char message[508]; /* A sentence for people; empty after success. */
} vedette_error;

typedef struct vedette_model vedette_model;     /* A model in memory. It does not change. */
typedef struct vedette_verdict vedette_verdict; /* What a model says about one picture. It does not change. */

/* Returns the version of the library, such as "0.1.0". */
VEDETTE_API const char* vedette_version(void);

/* Reads a model from its folder, which `vedette train --out` or a packaging job wrote, verifies it and runs its golden samples.
 * A threshold that was moved and corrections count. Every call with this model uses at most `threads` threads, 1 … 1024, and 0
 * means as many as there are cores. Where several pictures are judged at the same time, 1 is best. */
VEDETTE_API int32_t vedette_model_open(const char* folder, int32_t threads, vedette_model** model, vedette_error* error);
VEDETTE_API void vedette_model_close(vedette_model* model);

/* The size of the pictures that the model was trained on, in pixels. It judges no others. */
VEDETTE_API int32_t vedette_model_image_height(const vedette_model* model);
VEDETTE_API int32_t vedette_model_image_width(const vedette_model* model);
/* The anomaly score from which on a picture is anomalous. */
VEDETTE_API double vedette_model_threshold(const vedette_model* model);
/* The labels that the model tells apart, 0 … 254; a model without labels draws no masks. */
VEDETTE_API size_t vedette_model_label_count(const vedette_model* model);
VEDETTE_API const char* vedette_model_label_name(const vedette_model* model, size_t label);
/* The colour of a label in masks as 0xRRGGBB. The background is white. */
VEDETTE_API uint32_t vedette_model_label_color(const vedette_model* model, size_t label);

/* Decodes and judges the bytes of a JPEG or PNG file. Fails with VEDETTE_INVALID_INPUT if they are none, are broken, or if the
 * picture does not have the model's size. */
VEDETTE_API int32_t vedette_judge_encoded(const vedette_model* model, const void* bytes, size_t size, vedette_verdict** verdict,
                                       vedette_error* error);
/* Judges pixels: 8-bit RGB, the top row first, with `stride` ≥ 3 · width bytes from the beginning of one row to that of the next.
 * The verdict is that of a PNG file with these pixels. The memory is only read during the call. */
VEDETTE_API int32_t vedette_judge_rgb(const vedette_model* model, const uint8_t* pixels, int32_t height, int32_t width,
                                      size_t stride, vedette_verdict** verdict, vedette_error* error);
VEDETTE_API void vedette_verdict_free(vedette_verdict* verdict);

VEDETTE_API int32_t vedette_verdict_is_anomalous(const vedette_verdict* verdict); /* 1 or 0 */
/* The confidence in the verdict: 0.5 … 1, or 0 … 1 if the threshold was moved. */
VEDETTE_API double vedette_verdict_confidence(const vedette_verdict* verdict);
/* Above 0; a larger score is more anomalous. Scores of two models cannot be compared. */
VEDETTE_API double vedette_verdict_score(const vedette_verdict* verdict);
VEDETTE_API double vedette_verdict_threshold(const vedette_verdict* verdict);
/* Why the model cannot judge the picture, which therefore counts as anomalous: it is too dark, for example. Else empty. */
VEDETTE_API const char* vedette_verdict_reason(const vedette_verdict* verdict);
/* The verified picture that corrected the verdict. Else empty. */
VEDETTE_API const char* vedette_verdict_corrected_by(const vedette_verdict* verdict);

/* The areas of the picture: first the background, then each label that covers anything. None if the model has no labels. */
VEDETTE_API size_t vedette_verdict_area_count(const vedette_verdict* verdict);
VEDETTE_API const char* vedette_verdict_area_name(const vedette_verdict* verdict, size_t area);
VEDETTE_API const char* vedette_verdict_area_color(const vedette_verdict* verdict, size_t area);  /* "#rrggbb" */
VEDETTE_API double vedette_verdict_area_fraction(const vedette_verdict* verdict, size_t area);    /* 0 … 1 */

/* The label of each pixel of the picture, height · width bytes, the top row first: 0 is the background, any other value the index
 * of the model's label + 1. NULL, with sizes of 0, if the model has no labels. The pointers for the sizes may be NULL. */
VEDETTE_API const uint8_t* vedette_verdict_label_map(const vedette_verdict* verdict, int32_t* height, int32_t* width);
/* How anomalous each cell of a grid over the picture is, height · width floats, the top row first. 1 is what good pictures reach. */
VEDETTE_API const float* vedette_verdict_anomaly_map(const vedette_verdict* verdict, int32_t* height, int32_t* width);
/* Writes the label map in the labels' colours on white, 8-bit RGB, into `size` bytes at `rgb`. Rows begin `stride` ≥ 3 · width
 * bytes apart, so (height − 1) · stride + 3 · width bytes must be there. Fails if they are not, or if there is no label map. */
VEDETTE_API int32_t vedette_verdict_write_mask(const vedette_verdict* verdict, uint8_t* rgb, size_t size, size_t stride,
                                               vedette_error* error);

#ifdef __cplusplus
}
#endif

#endif
