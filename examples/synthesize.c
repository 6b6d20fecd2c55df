/* A layout as PNG in, the image a generator makes of it as PNG out.
 *
 *   synthesize camvid-edge.onnx layout.png image.png
 *
 * The layout is a gray or palette PNG with the bytes of the data set's files, or one in the label set's
 * colors. Where ONNX Runtime is comes from the environment variable LAYOUTRT_ONNXRUNTIME. */
#include <layoutrt/layoutrt.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of a PNG; channels is 1 (gray values or palette indices) or 3 (RGB). */
typedef struct picture {
  png_uint_32 width, height;
  int channels;
  unsigned char* pixels;
} picture;

static void on_png_error(png_structp png, png_const_charp message) {
  fprintf(stderr, "error: %s: %s\n", (const char*)png_get_error_ptr(png), message);
  exit(1);
}

static picture read_png(const char* path) {
  picture read = {0, 0, 0, NULL};
  FILE* file = fopen(path, "rb");
  if (file == NULL) {
    fprintf(stderr, "error: cannot read %s; check the path\n", path);
    exit(1);
  }
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, (png_voidp)path, on_png_error, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, file);
  png_read_info(png, info);
  read.width = png_get_image_width(png, info);
  read.height = png_get_image_height(png, info);
  /* One byte for each index or gray value; neither colors for indices, nor white for gray 1. */
  png_set_packing(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  read.channels = png_get_channels(png, info);
  const size_t row_bytes = png_get_rowbytes(png, info);
  read.pixels = malloc(row_bytes * read.height);
  png_bytep* rows = malloc(sizeof(png_bytep) * read.height);
  if (read.pixels == NULL || rows == NULL) png_error(png, "out of memory");
  for (png_uint_32 y = 0; y < read.height; ++y) rows[y] = read.pixels + row_bytes * y;
  png_read_image(png, rows);
  free(rows);
  png_destroy_read_struct(&png, &info, NULL);
  fclose(file);
  return read;
}

/* Turn the pixels into class indices, uint8 [H,W], in place. Returns 0 if a pixel is no class. */
static int to_labels(picture* layout, const lrt_label_set* set) {
  const size_t count = (size_t)layout->width * layout->height;
  for (size_t i = 0; i < count; ++i) {
    const unsigned char* pixel = layout->pixels + i * (size_t)layout->channels;
    size_t label = 0;
    while (label < set->count && (layout->channels == 1 ? set->file_values[label] != *pixel
                                                        : memcmp(set->palette + 3 * label, pixel, 3) != 0)) {
      ++label;
    }
    if (label == set->count) {
      fprintf(stderr, "error: pixel (x=%lu, y=%lu) is not a class of label set '%s'\n",
              (unsigned long)(i % layout->width), (unsigned long)(i / layout->width), set->name);
      return 0;
    }
    layout->pixels[i] = (unsigned char)label;
  }
  return 1;
}

static int write_png(const char* path, const lrt_tensor* image) {
  png_image header;
  memset(&header, 0, sizeof header);
  header.version = PNG_IMAGE_VERSION;
  header.height = (png_uint_32)image->dims[1];
  header.width = (png_uint_32)image->dims[2];
  header.format = PNG_FORMAT_RGB;
  if (!png_image_write_to_file(&header, path, 0, image->data, 0, NULL)) {
    fprintf(stderr, "error: cannot write %s: %s\n", path, header.message);
    return 0;
  }
  return 1;
}

static int failed(void) {
  fprintf(stderr, "error: %s\n", lrt_last_error());
  return 1;
}

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s MODEL.onnx LAYOUT.png IMAGE.png\n", argv[0]);
    return 2;
  }
  lrt_session* session = NULL;
  lrt_label_set set = {.struct_size = sizeof set};
  lrt_timings timings = {.struct_size = sizeof timings};
  if (lrt_session_create(argv[1], NULL, &session) != LRT_OK) return failed();
  if (lrt_session_label_set(session, &set) != LRT_OK) return failed();

  picture layout = read_png(argv[2]);
  if (layout.channels != 1 && layout.channels != 3) {
    fprintf(stderr, "error: %s has %d channels; give a gray, palette or RGB image\n", argv[2],
            layout.channels);
    return 1;
  }
  if (!to_labels(&layout, &set)) return 1;

  lrt_tensor labels = {.name = "labels",
                       .dtype = LRT_UINT8,
                       .rank = 3,
                       .dims = {1, layout.height, layout.width},
                       .data = layout.pixels,
                       .size_bytes = (size_t)layout.width * layout.height};
  lrt_tensor image = {.name = "image"}; /* without data: the session provides memory */
  if (lrt_session_run(session, &labels, 1, &image, 1) != LRT_OK) return failed();
  if (!write_png(argv[3], &image)) return 1;

  if (lrt_session_timings(session, &timings) != LRT_OK) return failed();
  printf("%s: %d x %d pixels in %.1f ms\n", argv[3], (int)image.dims[2], (int)image.dims[1],
         timings.last.total_ms);
  free(layout.pixels);
  return lrt_session_destroy(session) == LRT_OK ? 0 : failed();
}
