// Says what is wrong with an engine on a host: nothing, or the sentence of the C API.
//
//   test_engine_manifest ENGINE TENSORRT GPU_NAME COMPUTE_CAPABILITY OPERATOR_LIBRARY

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "error.h"
#include "formats/engine_manifest.h"

int main(int count, char** arguments) {
  if (count != 6) return 2;
  const std::string engine = arguments[1];
  try {
    const layoutrt::EngineManifest manifest = layoutrt::read_engine_manifest(engine);
    layoutrt::check_engine_host(manifest, engine, {arguments[2], arguments[3], arguments[4], arguments[5]});
    std::ifstream file(engine, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    layoutrt::check_engine_file(manifest, engine, bytes.data(), bytes.size());
  } catch (const layoutrt::Error& error) {
    std::puts(error.what());
  }
  return 0;
}
