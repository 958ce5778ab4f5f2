/* The functions that only layers beside the cells have, a vector at a time. Their
 * greatest errors are 5e-7, relative where |y| > 1. */
#ifndef SLIM_FUNCTIONS_H
#define SLIM_FUNCTIONS_H

#include "activation.h"

ALWAYS_INLINE vec magnitude(vec x) { return (vec)((ivec)x & 0x7fffffff); }

/* e^x - 1 for x <= 0 */
ALWAYS_INLINE vec exp_less_one(vec x) {
  const exponential e = exp2_parts(1, spread(1, at_least(-80.0f, x) * 1.442695041f));
  return e.power.v[0] * e.rest.v[0] + (e.power.v[0] - 1.0f);
}

/* max(x, 0) + log(1 + e^-|x|), where log(1 + e) = 2 atanh(e / (2 + e)) */
ALWAYS_INLINE vec softplus_of(vec x) {
  const vec e = 1.0f + exp_less_one(-magnitude(x)), s = e / (2.0f + e), t = s * s;
  const vec p = (0.181818187f * t + 0.222222224f) * t + 0.285714298f;
  return at_least(0.0f, x) + s * (((p * t + 0.4f) * t + 0.666666687f) * t + 2.0f);
}

/* max(x, 0) - |x| P(X > |x|) of a normal X, by Abramowitz and Stegun's 7.1.26 */
ALWAYS_INLINE vec gelu_of(vec x) {
  const vec z = at_most(12.0f, magnitude(x)), t = 1.0f / (1.0f + 0.231641888f * z);
  vec p = 0.530702715f * t - 0.726576014f;
  p = (p * t + 0.710706871f) * t - 0.142248368f;
  p = (p * t + 0.127414796f) * t;
  return at_least(0.0f, x) - z * p * (1.0f + exp_less_one(-0.5f * z * z));
}

/* x tanh(softplus(x)), with n = e^x (e^x + 2) */
ALWAYS_INLINE vec mish_of(vec x) {
  const vec within = at_most(20.0f, at_least(-60.0f, x)) * 1.442695041f;
  const exponential parts = exp2_parts(1, spread(1, within));
  const vec e = parts.power.v[0] + parts.power.v[0] * parts.rest.v[0];
  const vec n = e * (e + 2.0f);
  return x * (n / (n + 2.0f));
}

ALWAYS_INLINE vec gated(vec x, vec by) { return x * sigmoid_of(1, spread(1, by)).v[0]; }

ALWAYS_INLINE vec function_of(int32_t which, vec x) {
  switch (which) {
    case SLIM_RELU6: return at_most(6.0f, at_least(0.0f, x));
    case SLIM_HARD_TANH: return at_most(1.0f, at_least(-1.0f, x));
    case SLIM_SOFTSIGN: return x / (1.0f + magnitude(x));
    case SLIM_ELU: return at_least(0.0f, x) + exp_less_one(at_most(0.0f, x));
    case SLIM_SELU:
      return 1.05070099f * at_least(0.0f, x) +
             1.75809934f * exp_less_one(at_most(0.0f, x));
    case SLIM_SOFTPLUS: return softplus_of(x);
    case SLIM_GELU: return gelu_of(x);
    case SLIM_GELU_TANH:
      return gated(x, 1.59576912f * (x + 0.044715f * x * x * x));
    case SLIM_SILU: return gated(x, x);
    case SLIM_HARD_SILU: return x * hard_sigmoid_of(x, 1 / 6.0f);
    case SLIM_MISH: return mish_of(x);
    default: return activate_one(which, x);
  }
}

#endif
