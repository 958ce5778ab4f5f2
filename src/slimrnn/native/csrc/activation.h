/* The activations, some vectors at a time, and their slopes as functions of their
 * outputs. The greatest error of tanh and sigmoid is 2e-7; tanh is accurate
 * relatively, too, near 0. */
#ifndef SLIM_ACTIVATION_H
#define SLIM_ACTIVATION_H

#include "slimrnn.h"
#include "simd.h"

ALWAYS_INLINE lanes tanh_of(const int Q, lanes x) {
  /* beyond 9.02, float32 has nothing between tanh(x) and 1 */
  EACH(x.v[q] = at_most(9.02f, at_least(-9.02f, x.v[q])) * 2.885390082f); /* 2 / ln 2 */
  exponential e = exp2_parts(Q, x);
  lanes em1, y; /* e^2x - 1 */
  EACH(em1.v[q] = e.power.v[q] * e.rest.v[q] + (e.power.v[q] - 1.0f));
  EACH(y.v[q] = reciprocal(em1.v[q] + 2.0f));
  EACH(y.v[q] *= em1.v[q]);
  return y;
}

ALWAYS_INLINE lanes sigmoid_of(const int Q, lanes x) {
  EACH(x.v[q] = at_most(80.0f, at_least(-80.0f, x.v[q])) * -1.442695041f); /* 1 / ln 2 */
  exponential e = exp2_parts(Q, x);
  lanes y;
  EACH(y.v[q] = 1.0f + (e.power.v[q] + e.power.v[q] * e.rest.v[q]));
  EACH(y.v[q] = reciprocal(y.v[q]));
  return y;
}

ALWAYS_INLINE vec hard_sigmoid_of(vec x, float steepness) {
  return at_most(1.0f, at_least(0.0f, x * steepness + 0.5f));
}

ALWAYS_INLINE lanes activate(const int Q, int32_t which, lanes x) {
  switch (which) {
    case SLIM_TANH: return tanh_of(Q, x);
    case SLIM_SIGMOID: return sigmoid_of(Q, x);
    case SLIM_RELU: EACH(x.v[q] = at_least(0.0f, x.v[q])); break;
    case SLIM_HARD_SIGMOID: EACH(x.v[q] = hard_sigmoid_of(x.v[q], 1 / 6.0f)); break;
    case SLIM_HARD_SIGMOID_KERAS2: EACH(x.v[q] = hard_sigmoid_of(x.v[q], 0.2f)); break;
    default: break;
  }
  return x;
}

ALWAYS_INLINE vec activate_one(int32_t which, vec x) {
  return activate(1, which, spread(1, x)).v[0];
}

ALWAYS_INLINE vec slope(int32_t which, vec y) {
  switch (which) {
    case SLIM_TANH: return 1.0f - y * y;
    case SLIM_SIGMOID: return y * (1.0f - y);
    case SLIM_RELU: return where(y > all(0), all(1));
    case SLIM_HARD_SIGMOID: return where((y > all(0)) & (y < all(1)), all(1 / 6.0f));
    case SLIM_HARD_SIGMOID_KERAS2: return where((y > all(0)) & (y < all(1)), all(0.2f));
    default: return all(1);
  }
}

#endif
