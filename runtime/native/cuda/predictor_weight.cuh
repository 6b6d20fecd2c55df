// The weight's way to shared memory, in stages: 64 bytes of each of the 144 rows of a group of channels.
#pragma once

#include <device/ptx.cuh>

#include "predictor.cuh"

namespace layoutrt::cuda {

// Place of 16-byte unit `unit` of a row in a stage. Rows are 64 bytes: the units of neighboring pairs of
// rows are exchanged, so that 8 rows' units with the same number are in different banks.
__device__ inline int weight_address(int row, int unit) {
  return row * kStageBytes + ((unit ^ (row >> 1 & 3)) * 16);
}

// A row of a stage is tap * 16 + channel of the group, so that all taps of a channel come to the same thread.
template <class Element, class Tile>
class WeightStages {
 public:
  __device__ WeightStages(const PredictorParameters& p, unsigned char* stages, int taps)
      : p_(p), row_bytes_(taps * p.feature_bytes) {
    const int row = thread() / kUnits;  // and further ones kRowsAtOnce apart, which have the same channel
    to_ = stages + weight_address(row, thread() % kUnits);
  }

  // The rows of the group that begins with `channel0`.
  __device__ void select(int channel0) {
    const int channel = channel0 + thread() / kUnits % kGroup;
    valid_ = channel < p_.channels;
    from_ = static_cast<const unsigned char*>(p_.weight) +
            (static_cast<int64_t>(channel) * kTaps + first_tap()) * row_bytes_ + thread() % kUnits * 16;
  }

  // Bytes `first` to `first` + 63 of the features under tap `tap` of the predictor; zero past the last.
  __device__ void request(int stage, int tap, int first) const {
    const int at = first + thread() % kUnits * 16;
    const unsigned char* from = from_ + tap * p_.feature_bytes + first;
    unsigned char* to = to_ + stage * (kTaps * kGroup * kStageBytes);
    if (p_.whole_segments) {
      const bool valid = valid_ && at < p_.feature_bytes;
#pragma unroll
      for (int i = 0; i < kPasses; ++i) {
        if (first_tap() + i * kTapsAtOnce >= kTaps) break;
        copy_async(to + i * kRowsAtOnce * kStageBytes, from, valid);
        from += kTapsAtOnce * row_bytes_;
      }
      return;
    }
    const int left = valid_ ? (p_.feature_bytes - at) / static_cast<int>(sizeof(Element)) : 0;
#pragma unroll 1
    for (int i = 0; first_tap() + i * kTapsAtOnce < kTaps; ++i) {
      const Element* elements = reinterpret_cast<const Element*>(from);
      Element* out = reinterpret_cast<Element*>(to + i * kRowsAtOnce * kStageBytes);
#pragma unroll 1
      for (int e = 0; e < 16 / static_cast<int>(sizeof(Element)); ++e) {
        out[e] = e < left ? elements[e] : Element(0);
      }
      from += kTapsAtOnce * row_bytes_;
    }
  }

 private:
  static constexpr int kUnits = kStageBytes / 16;
  static constexpr int kRowsAtOnce = Tile::kThreads / kUnits;
  static constexpr int kTapsAtOnce = kRowsAtOnce / kGroup;
  static constexpr int kPasses = (kTaps + kTapsAtOnce - 1) / kTapsAtOnce;
  static_assert(kRowsAtOnce % kGroup == 0);

  // These are computed again where they are needed: registers are scarce.
  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int first_tap() { return thread() / kUnits / kGroup; }

  const PredictorParameters& p_;
  int row_bytes_;
  bool valid_ = false;
  const unsigned char* from_ = nullptr;
  unsigned char* to_;
};

}  // namespace layoutrt::cuda
