// Floats in device memory that a plugin owns.
#pragma once

#include <vector>

namespace layoutrt::trt {

class DeviceFloats {
 public:
  DeviceFloats() = default;
  // Memory belongs to one plugin: a clone makes its own.
  DeviceFloats(const DeviceFloats&) {}
  DeviceFloats& operator=(const DeviceFloats&) = delete;
  ~DeviceFloats();

  // Copy `values` to the device, once: a second call does nothing. Throws std::runtime_error.
  void upload(const std::vector<float>& values);

  const float* data() const { return data_; }  // null before upload

 private:
  float* data_ = nullptr;
};

}  // namespace layoutrt::trt
