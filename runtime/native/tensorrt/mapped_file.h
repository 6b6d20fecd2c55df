// A file's bytes, as pages that the system may drop again.
#pragma once

#include <cstddef>
#include <string>

namespace layoutrt::trt {

class MappedFile {
 public:
  // Throws Error with LRT_NOT_FOUND: the file cannot be read.
  explicit MappedFile(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const void* data() const { return data_; }  // null for an empty file
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace layoutrt::trt
