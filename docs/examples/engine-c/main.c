/* Judges one picture by a model, in C. docs/engine-library.md explains it. */
#include <stdio.h>
#include <vedette.h>

int main(int argc, char** argv) {
  vedette_model* model = NULL;
  vedette_verdict* verdict = NULL;
  vedette_error error;
  static unsigned char bytes[16 << 20];
  FILE* file = argc == 3 ? fopen(argv[2], "rb") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: judge MODEL_DIR PICTURE\n");
    return 2;
  }
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  if (vedette_model_open(argv[1], 0, &model, &error) != VEDETTE_OK ||
      vedette_judge_encoded(model, bytes, size, &verdict, &error) != VEDETTE_OK) {
    fprintf(stderr, "%s\n", error.message);
    vedette_model_close(model);
    return 1;
  }
  printf("%s %.17g %.17g %s\n", vedette_verdict_is_anomalous(verdict) ? "anomaly" : "normal",
         vedette_verdict_confidence(verdict), vedette_verdict_score(verdict), vedette_verdict_reason(verdict));
  for (size_t a = 0; a < vedette_verdict_area_count(verdict); ++a)
    printf("%s %s %.17g\n", vedette_verdict_area_name(verdict, a), vedette_verdict_area_color(verdict, a),
           vedette_verdict_area_fraction(verdict, a));
  vedette_verdict_free(verdict);
  vedette_model_close(model);
  return 0;
}
