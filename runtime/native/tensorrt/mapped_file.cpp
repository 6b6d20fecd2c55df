#include "tensorrt/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "error.h"

namespace layoutrt::trt {

MappedFile::MappedFile(const std::string& path) {
  const auto refuse = [&] {
    throw Error(LRT_NOT_FOUND, "the file '" + path + "' cannot be read: " + std::strerror(errno));
  };
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) refuse();
  struct stat status{};
  if (fstat(file, &status) != 0) {
    close(file);
    refuse();
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    void* mapped = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED) {
      close(file);
      refuse();
    }
    data_ = mapped;
  }
  close(file);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace layoutrt::trt
