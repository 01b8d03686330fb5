/* The library in forty lines: classify PHOTO [MODEL.onnx]. README.md tells how to compile it. */

#include <stdio.h>

#include "resnet50.h"

static int fail(const char *what) {
    const char *remedy = resnet50_error_remedy();
    fprintf(stderr, "%s: %s (%s)%s%s\n", what, resnet50_error_message(), resnet50_error_code(),
            remedy ? "; " : "", remedy ? remedy : "");
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "expected: classify PHOTO [MODEL.onnx]\n");
        return 2;
    }
    resnet50_open_config config = {0};
    resnet50_classifier *classifier = NULL;
    if (resnet50_open(argc > 2 ? argv[2] : NULL, &config, &classifier) != RESNET50_STATUS_OK) {
        return fail("no model");
    }
    resnet50_answer *answer = NULL;
    if (resnet50_classify_file(classifier, argv[1], 5, &answer) != RESNET50_STATUS_OK) {
        int status = fail("no answer");
        resnet50_close(classifier);
        return status;
    }
    if (resnet50_answer_warning(answer)) {
        fprintf(stderr, "%s: %s\n", argv[1], resnet50_answer_warning(answer));
    }
    for (size_t place = 0; place < resnet50_answer_count(answer); place++) {
        resnet50_class_score score;
        if (resnet50_answer_get(answer, place, &score) == RESNET50_STATUS_OK) {
            /* Nine digits tell every float32 from its neighbors. */
            printf("%.9g\t%s\n", score.probability, score.label);
        }
    }
    resnet50_answer_free(answer);
    resnet50_close(classifier);
    return 0;
}
