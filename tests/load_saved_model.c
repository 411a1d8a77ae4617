/* Asks a SavedModel through TensorFlow's C API alone: no Python, and none of this project's code.
 *
 *   load_saved_model DIRECTORY INPUT OUTPUT VALUE...
 *
 * INPUT and OUTPUT are tensors as a signature names them ("serving_default_text:0"): string [N]; string or float, [N] or
 * [N, M]. A VALUE is a text, or with "@PATH" the content of a file. Prints a line for each VALUE: a string, or numbers. */

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

static void copy_file(const char* path, TF_TString* string) {
  FILE* file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  size_t size = ftell(file);
  rewind(file);
  char* content = malloc(size + 1); /* not 0 for an empty file */
  if (fread(content, 1, size, file) != size) {
    perror(path);
    exit(1);
  }
  TF_StringCopy(string, content, size);
  free(content);
  fclose(file);
}

static TF_Tensor* string_tensor(char** values, int64_t count) {
  TF_Tensor* tensor = TF_AllocateTensor(TF_STRING, &count, 1, count * sizeof(TF_TString));
  TF_TString* strings = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    TF_StringInit(&strings[i]);
    if (values[i][0] == '@')
      copy_file(values[i] + 1, &strings[i]);
    else
      TF_StringCopy(&strings[i], values[i], strlen(values[i]));
  }
  return tensor;
}

static void delete_tensor(TF_Tensor* tensor) {
  if (TF_TensorType(tensor) == TF_STRING) {
    TF_TString* strings = TF_TensorData(tensor);
    for (int64_t i = 0; i < TF_TensorElementCount(tensor); ++i) TF_StringDealloc(&strings[i]);
  }
  TF_DeleteTensor(tensor);
}

static void print(const TF_Tensor* answers) {
  int64_t columns = TF_NumDims(answers) == 2 ? TF_Dim(answers, 1) : 1;
  for (int64_t i = 0; i < TF_TensorElementCount(answers); ++i) {
    if (TF_TensorType(answers) == TF_FLOAT) {
      printf("%.7g", ((const float*)TF_TensorData(answers))[i]);
    } else {
      const TF_TString* string = (const TF_TString*)TF_TensorData(answers) + i;
      fwrite(TF_StringGetDataPointer(string), 1, TF_StringGetSize(string), stdout);
    }
    putchar((i + 1) % columns ? ' ' : '\n');
  }
}

int main(int argc, char** argv) {
  if (argc < 5) {
    fprintf(stderr, "usage: %s DIRECTORY INPUT OUTPUT VALUE...\n", argv[0]);
    return 2;
  }
  status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check("loading");

  TF_Output input = find(graph, argv[2]), output = find(graph, argv[3]);
  TF_Tensor* values = string_tensor(argv + 4, argc - 4);
  TF_Tensor* answers = NULL;
  TF_SessionRun(session, NULL, &input, &values, 1, &output, &answers, 1, NULL, 0, NULL, status);
  check("running");
  TF_DataType type = TF_TensorType(answers);
  int dimensions = TF_NumDims(answers);
  if ((type != TF_FLOAT && type != TF_STRING) || dimensions < 1 || dimensions > 2) {
    fprintf(stderr, "%s is neither string nor float, [N] or [N, M]\n", argv[3]);
    return 1;
  }
  print(answers);

  delete_tensor(answers);
  delete_tensor(values);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
