// What a test may say to the emulation and ask it, for ctypes.
#include "block.h"
#include "cuda_fp16.h"

extern "C" {

void emulation_schedule(int backwards, int eager_copies, int multiprocessors) {
  emulation::set_schedule({backwards != 0, eager_copies != 0, multiprocessors});
}

const char* emulation_failure() { return emulation::failure(); }

// Reads of matrices by the latest launch in which two rows met in a bank.
long emulation_bank_conflicts() { return emulation::bank_conflicts(); }

// Of a block of the latest launch.
int emulation_block_threads() { return emulation::block_threads(); }

void emulation_halves_to_floats(const uint16_t* from, float* to, int count) {
  for (int i = 0; i < count; ++i) to[i] = emulation::half_to_float(from[i]);
}

void emulation_floats_to_halves(const float* from, uint16_t* to, int count) {
  for (int i = 0; i < count; ++i) to[i] = emulation::float_to_half(from[i]);
}
}
