// Vectors to and from groups of neighbors in memory.
#pragma once

#include "kernels/shuffle.h"

namespace layoutrt::kernels::LRT_ISA {

// Lanes First, First + 2, ... of a and b joined.
template <int First, int... Lane>
LRT_INLINE Vector every_second(Vector a, Vector b, Lanes<Lane...>) {
  return shuffle<(First + 2 * Lane)...>(a, b);
}

// a[First], b[First], a[First + 1], b[First + 1], ...
template <int First, int... Lane>
LRT_INLINE Vector zip(Vector a, Vector b, Lanes<Lane...>) {
  return shuffle<(First + Lane / 2 + (Lane % 2) * kLanes)...>(a, b);
}

// to[s][i] = from[4 * i + s].
LRT_INLINE void split_by_four(const float* from, Vector (&to)[4]) {
  constexpr AllLanes all{};
  const Vector a = load(from), b = load(from + kLanes);
  const Vector c = load(from + 2 * kLanes), d = load(from + 3 * kLanes);
  const Vector even_low = every_second<0>(a, b, all), even_high = every_second<0>(c, d, all);
  const Vector odd_low = every_second<1>(a, b, all), odd_high = every_second<1>(c, d, all);
  to[0] = every_second<0>(even_low, even_high, all);
  to[1] = every_second<0>(odd_low, odd_high, all);
  to[2] = every_second<1>(even_low, even_high, all);
  to[3] = every_second<1>(odd_low, odd_high, all);
}

template <int First, int... Lane>
LRT_INLINE Vector every_third(Vector a, Vector b, Vector c, Lanes<Lane...>) {
  constexpr int kEnd = 2 * kLanes;
  const Vector of_two = shuffle<(First + 3 * Lane < kEnd ? First + 3 * Lane : 0)...>(a, b);
  return shuffle<(First + 3 * Lane < kEnd ? Lane : First + 3 * Lane - kLanes)...>(of_two, c);
}

// out[s][i] = value 3 * i + s of a, b and c joined.
LRT_INLINE void split_by_three(Vector a, Vector b, Vector c, Vector (&out)[3]) {
  constexpr AllLanes all{};
  out[0] = every_third<0>(a, b, c, all);
  out[1] = every_third<1>(a, b, c, all);
  out[2] = every_third<2>(a, b, c, all);
}

// to[4 * i + s] = from[s][i].
LRT_INLINE void join_by_four(const Vector* from, float* to) {
  constexpr AllLanes all{};
  constexpr int kHalf = kLanes / 2;
  const Vector even_low = zip<0>(from[0], from[2], all), even_high = zip<kHalf>(from[0], from[2], all);
  const Vector odd_low = zip<0>(from[1], from[3], all), odd_high = zip<kHalf>(from[1], from[3], all);
  store(to, zip<0>(even_low, odd_low, all));
  store(to + kLanes, zip<kHalf>(even_low, odd_low, all));
  store(to + 2 * kLanes, zip<0>(even_high, odd_high, all));
  store(to + 3 * kLanes, zip<kHalf>(even_high, odd_high, all));
}

}  // namespace layoutrt::kernels::LRT_ISA
