/* What tests/example.rs compiles and runs: wrong calls end in a status and a text, right ones agree with each other.
 * Arguments: a photo, a damaged one, and a model of ten classes. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resnet50.h"

static int failed = 0;

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "line %d: %s; last error: %s\n", __LINE__, #condition,    \
                    resnet50_error_message());                                        \
            failed = 1;                                                               \
        }                                                                             \
    } while (0)

#define SAYS(text) (strstr(resnet50_error_message(), (text)) != NULL)
#define CODE(text) (strcmp(resnet50_error_code(), (text)) == 0)

static unsigned char *read_whole(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    *len = (size_t)ftell(file);
    rewind(file);
    unsigned char *data = malloc(*len);
    if (data && fread(data, 1, *len, file) != *len) {
        *len = 0;
    }
    fclose(file);
    return data;
}

static void wrong_ways_to_open(const char *photo) {
    resnet50_classifier *none = (resnet50_classifier *)1;
    CHECK(resnet50_open(NULL, NULL, NULL) == RESNET50_STATUS_ARGUMENT);
    CHECK(SAYS("classifier: expected a pointer, got NULL") && CODE("argument.invalid"));
    CHECK(resnet50_open("no such.onnx", NULL, &none) == RESNET50_STATUS_MODEL);
    CHECK(none == NULL && SAYS("no such.onnx") && CODE("model.not-found"));
    CHECK(resnet50_error_remedy() && strstr(resnet50_error_remedy(), "choose another"));
    CHECK(resnet50_open(photo, NULL, &none) == RESNET50_STATUS_MODEL && none == NULL);
    resnet50_open_config config = {0};
    config.engine = "magic";
    CHECK(resnet50_open(NULL, &config, &none) == RESNET50_STATUS_ARGUMENT && SAYS("engine: expected"));
    config.engine = "\xff";
    CHECK(resnet50_open(NULL, &config, &none) == RESNET50_STATUS_ARGUMENT && SAYS("UTF-8"));
    config.engine = NULL;
    config.precision = "float8";
    CHECK(resnet50_open(NULL, &config, &none) == RESNET50_STATUS_ARGUMENT && SAYS("precision: expected"));
    config.precision = NULL;
    config.manifest = "none.yaml";
    CHECK(resnet50_open(NULL, &config, &none) == RESNET50_STATUS_MODEL && SAYS("none.yaml"));
}

static void wrong_ways_to_ask(resnet50_classifier *classifier, const char *photo) {
    resnet50_answer *none = (resnet50_answer *)1;
    unsigned char pixels[3 * 4 * 5] = {0};
    CHECK(resnet50_classify_file(NULL, photo, 5, &none) == RESNET50_STATUS_ARGUMENT && none == NULL);
    CHECK(SAYS("classifier: expected a pointer"));
    CHECK(resnet50_classify_file(classifier, NULL, 5, &none) == RESNET50_STATUS_ARGUMENT && SAYS("path"));
    CHECK(resnet50_classify_file(classifier, photo, 0, &none) == RESNET50_STATUS_ARGUMENT && SAYS("top_k"));
    CHECK(resnet50_classify_file(classifier, photo, 5, NULL) == RESNET50_STATUS_ARGUMENT && SAYS("answer"));
    CHECK(resnet50_classify_file(classifier, "no such.jpg", 5, &none) == RESNET50_STATUS_PICTURE);
    CHECK(SAYS("no such.jpg") && CODE("image.not-readable") && none == NULL);
    CHECK(resnet50_classify_bytes(classifier, NULL, 9, 5, &none) == RESNET50_STATUS_ARGUMENT && SAYS("data"));
    CHECK(resnet50_classify_bytes(classifier, pixels, SIZE_MAX, 5, &none) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_classify_bytes(classifier, NULL, 0, 5, &none) == RESNET50_STATUS_PICTURE);
    CHECK(CODE("image.empty") && resnet50_error_remedy() && strstr(resnet50_error_remedy(), "again"));
    CHECK(resnet50_classify_pixels(classifier, NULL, 60, 5, 4, 15, 5, &none) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_classify_pixels(classifier, pixels, 59, 5, 4, 15, 5, &none) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_classify_pixels(classifier, pixels, 60, 5, 4, 14, 5, &none) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_classify_pixels(classifier, pixels, 60, 0, 4, 15, 5, &none) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_classify_pixels(classifier, pixels, 60, 5, UINT32_MAX, SIZE_MAX, 5, &none) ==
          RESNET50_STATUS_ARGUMENT);
    CHECK(none == NULL);
    CHECK(resnet50_answer_get(NULL, 0, NULL) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_answer_count(NULL) == 0 && resnet50_answer_warning(NULL) == NULL);
    CHECK(resnet50_model_name(NULL) == NULL && resnet50_class_count(NULL) == 0);
    CHECK(resnet50_class_label(NULL, 0) == NULL && resnet50_class_label(classifier, SIZE_MAX) == NULL);
    resnet50_answer_free(NULL);
    resnet50_close(NULL);
}

static void same(const resnet50_answer *a, const resnet50_answer *b) {
    CHECK(resnet50_answer_count(a) == resnet50_answer_count(b));
    for (size_t place = 0; place < resnet50_answer_count(a); place++) {
        resnet50_class_score one, two;
        CHECK(resnet50_answer_get(a, place, &one) == RESNET50_STATUS_OK);
        CHECK(resnet50_answer_get(b, place, &two) == RESNET50_STATUS_OK);
        CHECK(one.index == two.index && strcmp(one.label, two.label) == 0);
        CHECK(one.probability == two.probability && one.present == RESNET50_PRESENCE_NOT_ASKED);
        CHECK(strcmp(one.id, two.id) == 0);
    }
}

static void all_ways_agree(resnet50_classifier *classifier, const char *photo, const char *damaged) {
    resnet50_answer *file = NULL, *bytes = NULL, *tight = NULL, *loose = NULL, *torn = NULL;
    size_t len = 0;
    unsigned char *data = read_whole(photo, &len);
    CHECK(data && len > 1000);
    CHECK(resnet50_classify_file(classifier, photo, 5, &file) == RESNET50_STATUS_OK);
    CHECK(resnet50_error_message()[0] == 0 && resnet50_error_code()[0] == 0 && !resnet50_error_remedy());
    CHECK(resnet50_classify_bytes(classifier, data, len, 5, &bytes) == RESNET50_STATUS_OK);
    CHECK(resnet50_answer_count(file) == 5 && resnet50_answer_warning(file) == NULL);
    same(file, bytes);
    resnet50_class_score score;
    CHECK(resnet50_answer_get(file, 5, &score) == RESNET50_STATUS_ARGUMENT && SAYS("less than 5"));
    CHECK(resnet50_answer_get(file, 0, NULL) == RESNET50_STATUS_ARGUMENT);
    CHECK(resnet50_answer_get(file, 0, &score) == RESNET50_STATUS_OK);
    CHECK(strcmp(score.label, resnet50_class_label(classifier, score.index)) == 0);

    /* Pixels with and without gaps between the rows; no gap behind the last. */
    enum { WIDTH = 31, HEIGHT = 17, STRIDE = 128 };
    unsigned char rows[STRIDE * HEIGHT], whole[3 * WIDTH * HEIGHT];
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < STRIDE; x++) {
            rows[y * STRIDE + x] = (unsigned char)(x * 7 + y * 13);
        }
        memcpy(whole + y * 3 * WIDTH, rows + y * STRIDE, 3 * WIDTH);
    }
    CHECK(resnet50_classify_pixels(classifier, whole, sizeof whole, WIDTH, HEIGHT, 3 * WIDTH, 5, &tight) ==
          RESNET50_STATUS_OK);
    CHECK(resnet50_classify_pixels(classifier, rows, STRIDE * (HEIGHT - 1) + 3 * WIDTH, WIDTH, HEIGHT, STRIDE, 5,
                                   &loose) == RESNET50_STATUS_OK);
    same(tight, loose);

    /* Damage inside, the end in place: an answer, and a word about it. */
    CHECK(resnet50_classify_file(classifier, damaged, 5, &torn) == RESNET50_STATUS_OK);
    CHECK(resnet50_answer_warning(torn) && strstr(resnet50_answer_warning(torn), "damaged"));
    resnet50_answer_free(file);
    resnet50_answer_free(bytes);
    resnet50_answer_free(tight);
    resnet50_answer_free(loose);
    resnet50_answer_free(torn);
    free(data);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        return 2;
    }
    const char *photo = argv[1];
    wrong_ways_to_open(photo);
    resnet50_classifier *classifier = NULL, *small = NULL, *strict = NULL;
    resnet50_answer *answer = NULL;
    CHECK(resnet50_open(NULL, NULL, &classifier) == RESNET50_STATUS_OK);
    CHECK(strcmp(resnet50_model_name(classifier), "efficientnet-lite0") == 0);
    CHECK(resnet50_class_count(classifier) == 1000);
    wrong_ways_to_ask(classifier, photo);
    all_ways_agree(classifier, photo, argv[2]);
    resnet50_close(classifier);

    resnet50_open_config config = {0};
    config.threads = 1;
    config.engine = "tract";
    CHECK(resnet50_open(argv[3], &config, &small) == RESNET50_STATUS_OK);
    CHECK(resnet50_class_count(small) == 10);
    CHECK(resnet50_classify_file(small, photo, 50, &answer) == RESNET50_STATUS_OK);
    CHECK(resnet50_answer_count(answer) == 10);
    resnet50_answer_free(answer);
    resnet50_close(small);

    memset(&config, 0, sizeof config);
    config.max_pixels = 1000;
    CHECK(resnet50_open(NULL, &config, &strict) == RESNET50_STATUS_OK);
    CHECK(resnet50_classify_file(strict, photo, 5, &answer) == RESNET50_STATUS_PICTURE);
    CHECK(CODE("image.too-many-pixels") && strstr(resnet50_error_remedy(), "max_pixels = "));
    resnet50_close(strict);
    return failed;
}
