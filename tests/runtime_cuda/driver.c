/* An NVIDIA driver without a GPU: device memory is the host's, launches and graphs are written to stderr, one a line.

As much of the interface as graphc/runtime_cuda/nvidia.py calls. What it calls wrongly (another stream or context, a copy
to the host during a capture) returns an error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT ((void *)0x1000)
#define STREAM ((void *)0x2000)
#define CHECK(condition) do { if (!(condition)) return 1; } while (0)
#define CAPACITY (1ul << 24)

typedef unsigned long long Pointer;
static size_t used, sizes[4096], count;
static Pointer starts[4096];
static int capturing, nodes;

static int say(const char *what, const char *name, unsigned long a, unsigned long b, unsigned long c) {
  fprintf(stderr, "%s %s %lu %lu %lu\n", what, name, a, b, c);
  return 0;
}

int cuInit(unsigned flags) { return flags; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }
int cuDeviceGetCount(int *devices) { *devices = 1; return 0; }
int cuDeviceGet(int *device, int number) { *device = number; return 0; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "no GPU", length); return device; }
int cuDeviceGetAttribute(int *value, int which, int device) { *value = which == 75 ? 9 : 0; return device; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = CONTEXT; return device; }
int cuCtxSetCurrent(void *context) { CHECK(context == CONTEXT); return 0; }
int cuStreamCreate(void **stream, unsigned flags) { *stream = STREAM; CHECK(flags == 1); return 0; }
int cuStreamSynchronize(void *stream) { CHECK(stream == STREAM && !capturing); return 0; }
int cuGetErrorString(int error, const char **text) { *text = error == 2 ? "out of memory" : "wrong call"; return 0; }
int cuMemGetInfo_v2(size_t *free, size_t *total) { *free = CAPACITY - used; *total = CAPACITY; return 0; }

int cuMemAlloc_v2(Pointer *address, size_t size) {
  void *made;
  if (used + size > CAPACITY || count == 4096 || posix_memalign(&made, 256, size)) return 2;
  used += sizes[count] = size;
  starts[count++] = *address = (Pointer)made;
  return 0;
}

int cuMemFree_v2(Pointer address) {
  for (size_t i = 0; i < count; i++)
    if (starts[i] == address) { used -= sizes[i]; sizes[i] = starts[i] = 0; free((void *)address); return 0; }
  return 1;
}

static int inside(Pointer address, size_t size) {
  for (size_t i = 0; i < count; i++)
    if (starts[i] && starts[i] <= address && address + size <= starts[i] + sizes[i]) return 1;
  return 0;
}

int cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t size, void *stream) {
  CHECK(stream == STREAM && !capturing && inside(to, size));
  memcpy((void *)to, from, size);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t size, void *stream) {
  CHECK(stream == STREAM && !capturing && inside(from, size));
  memcpy(to, (void *)from, size);
  return 0;
}
int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t size, void *stream) {
  CHECK(stream == STREAM && inside(from, size) && inside(to, size));
  if (capturing) nodes++; else memcpy((void *)to, (void *)from, size);
  return 0;
}
int cuMemsetD8Async(Pointer to, unsigned char value, size_t size, void *stream) {
  CHECK(stream == STREAM && inside(to, size));
  if (capturing) nodes++; else memset((void *)to, value, size);
  return 0;
}

int cuModuleLoadData(void **module, const void *image) {
  CHECK(!memcmp(image, "\177ELF", 4));
  *module = (void *)image;
  return 0;
}
int cuModuleGetFunction(void **function, void *module, const char *name) {
  *function = strdup(name);
  return module == NULL;
}
int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
  CHECK(stream == STREAM && gx && gy == 1 && gz == 1 && by == 1 && bz == 1 && !shared && !extra);
  if (capturing) nodes++;
  return say("launch", function, gx, bx, *(unsigned long *)parameters[0]);
}

int cuStreamBeginCapture_v2(void *stream, int mode) {
  CHECK(stream == STREAM && !capturing && mode == 1);
  capturing = 1;
  nodes = 0;
  return 0;
}
int cuStreamEndCapture(void *stream, void **graph) {
  CHECK(stream == STREAM && capturing);
  capturing = 0;
  *graph = (void *)(uintptr_t)nodes;
  return 0;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
  *executable = graph;
  return flags != 0;
}
int cuGraphLaunch(void *executable, void *stream) {
  CHECK(stream == STREAM && !capturing);
  return say("replay", "graph", (unsigned long)executable, 0, 0);
}
int cuGraphExecDestroy(void *executable) { return executable == NULL; }
int cuGraphDestroy(void *graph) { return graph == NULL; }

int cuGetProcAddress_v2(const char *name, void **address, int version, uint64_t flags, void *status) {
  static const char *endings[] = {"_v2", "", "WithFlags"};
  char whole[200];
  Dl_info here;
  dladdr((void *)cuInit, &here);
  void *library = dlopen(here.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *address = NULL;
  for (int i = 0; i < 3 && !*address; i++) {
    snprintf(whole, sizeof whole, "%s%s", name, endings[i]);
    *address = dlsym(library, whole);
  }
  if (status) *(int *)status = *address == NULL;
  return *address ? 0 : 500;
}
