// Between OrtStatus and exceptions.
#pragma once

#include <string>

#include "error.h"
#include "onnxruntime/abi.h"

namespace layoutrt::ort {

// Throw the message of a failed call.
inline void check(const Functions& api, OrtStatus* status) {
  if (status == nullptr) return;
  const std::string message = api.GetErrorMessage(status);
  // An output of another shape than the caller gave memory for; up to 1.24 its code is that of any failure.
  const bool shape = message.find("shape verification failed") != std::string::npos;
  const bool argument = api.GetErrorCode(status) == kInvalidArgument || shape;
  api.ReleaseStatus(status);
  throw Error(argument ? LRT_INVALID_ARGUMENT : LRT_RUNTIME_ERROR, message);
}

// Run `body` and hand an exception back as a status, as ONNX Runtime's callbacks need it.
template <class Body>
OrtStatus* guarded(const Functions& api, const Body& body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const Error& error) {
    return api.CreateStatus(error.status() == LRT_INVALID_ARGUMENT ? kInvalidArgument : kFail, error.what());
  } catch (const std::exception& error) {
    return api.CreateStatus(kFail, error.what());
  } catch (...) {
    return api.CreateStatus(kFail, "unknown error");
  }
}

}  // namespace layoutrt::ort
