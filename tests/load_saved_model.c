/* Asks a SavedModel that takes texts, through TensorFlow's C API alone: no Python, and none of this project's code.
 *
 *   load_saved_model DIRECTORY INPUT OUTPUT TEXT...
 *
 * INPUT and OUTPUT are tensors as a signature names them ("serving_default_text:0"): string [N] and float [N, M].
 * Prints a line of M numbers for each text. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

static TF_Status* status;

static void check(const char* doing) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s: %s\n", doing, TF_Message(status));
  exit(1);
}

/* "name:index" to the output of an operation. */
static TF_Output find(TF_Graph* graph, const char* tensor) {
  const char* colon = strrchr(tensor, ':');
  int length = colon ? (int)(colon - tensor) : (int)strlen(tensor);
  char* name = malloc(length + 1);
  memcpy(name, tensor, length);
  name[length] = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, name), colon ? atoi(colon + 1) : 0};
  free(name);
  if (!output.oper) {
    fprintf(stderr, "there is no tensor %s\n", tensor);
    exit(1);
  }
  return output;
}

static TF_Tensor* string_tensor(char** texts, int64_t count) {
  TF_Tensor* tensor = TF_AllocateTensor(TF_STRING, &count, 1, count * sizeof(TF_TString));
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    TF_StringInit(&strings[i]);
    TF_StringCopy(&strings[i], texts[i], strlen(texts[i]));
  }
  return tensor;
}

static void delete_string_tensor(TF_Tensor* tensor) {
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); ++i) TF_StringDealloc(&strings[i]);
  TF_DeleteTensor(tensor);
}

int main(int argc, char** argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: %s DIRECTORY INPUT OUTPUT TEXT...\n", argv[0]);
    return 2;
  }
  status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check("loading");

  TF_Output input = find(graph, argv[2]), output = find(graph, argv[3]);
  TF_Tensor* texts = string_tensor(argv + 4, argc - 4);
  TF_Tensor* answers = NULL;
  TF_SessionRun(session, NULL, &input, &texts, 1, &output, &answers, 1, NULL, 0, NULL, status);
  check("running");
  if (TF_TensorType(answers) != TF_FLOAT || TF_NumDims(answers) != 2) {
    fprintf(stderr, "%s is not float [N, M]\n", argv[3]);
    return 1;
  }
  const float* values = TF_TensorData(answers);
  for (int64_t row = 0; row < TF_Dim(answers, 0); ++row)
    for (int64_t column = 0; column < TF_Dim(answers, 1); ++column)
      printf("%.7g%c", *values++, column + 1 < TF_Dim(answers, 1) ? ' ' : '\n');

  TF_DeleteTensor(answers);
  delete_string_tensor(texts);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
