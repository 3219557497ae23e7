/* What one row of a policy and of V-trace needs; see rows.c and learn.c.

   Rows are worked on LANES at a time, choices one after the other, so that a compiler turns every inner loop
   into vector instructions.
*/
#ifndef ROWS_H
#define ROWS_H
#include <stdint.h>

#define LANES 16
#define LOWEST -1.7e38f /* half the lowest float32: subtracting a logit from it stays finite */

#define ROW_INLINE static inline __attribute__((always_inline))

/* exp(x) for x <= 0, within 2 ulp; exactly 0 below -87, where float32 ends. */
ROW_INLINE float exp_of(float x) {
    float clipped = x < -87.0f ? -87.0f : x;
    float whole = __builtin_floorf(clipped * 1.44269504f + 0.5f);
    float rest = clipped - whole * 0.693359375f;
    rest += whole * 2.12194440e-4f;
    float y = 1.9875691500e-4f;
    y = y * rest + 1.3981999507e-3f;
    y = y * rest + 8.3334519073e-3f;
    y = y * rest + 4.1665795894e-2f;
    y = y * rest + 1.6666665459e-1f;
    y = y * rest + 5.0000001201e-1f;
    y = y * rest * rest + rest + 1.0f;
    union { uint32_t i; float f; } power = {(uint32_t)((int32_t)whole + 127) << 23};
    return x < -87.0f ? 0.0f : y * power.f;
}

/* ln(x) for normal x > 0, within 2 ulp; a NaN stays one. */
ROW_INLINE float log_of(float x) {
    union { float f; int32_t i; } bits = {x};
    int32_t exponent = ((bits.i - 0x3f3504f3) >> 23); /* so that the rest lies in [sqrt(1/2), sqrt(2)) */
    bits.i -= (int32_t)((uint32_t)exponent << 23);
    float f = bits.f - 1.0f, e = (float)exponent, z = f * f;
    float y = 7.0376836292e-2f;
    y = y * f - 1.1514610310e-1f;
    y = y * f + 1.1676998740e-1f;
    y = y * f - 1.2420140846e-1f;
    y = y * f + 1.4249322787e-1f;
    y = y * f - 1.6668057665e-1f;
    y = y * f + 2.0000714765e-1f;
    y = y * f - 2.4999993993e-1f;
    y = y * f + 3.3333331174e-1f;
    y = y * f * z - 2.12194440e-4f * e - 0.5f * z;
    return x == x ? f + y + 0.693359375f * e : x;
}

/* Softmax of the legal choices of `rows` <= LANES rows: weights [choices][LANES] before they are divided by
   `total`, of logits shifted by `shift`. Lanes beyond `rows` repeat the last row. */
ROW_INLINE void softmax(const float *logits, int64_t stride, const uint8_t *mask, int64_t mask_stride, int64_t rows,
                    int64_t choices, float (*x)[LANES], float (*weights)[LANES], float *total) {
    for (int64_t lane = 0; lane < LANES; lane++) {
        int64_t row = lane < rows ? lane : rows - 1;
        for (int64_t c = 0; c < choices; c++)
            x[c][lane] = mask[row * mask_stride + c] ? logits[row * stride + c] : LOWEST;
    }
    float shift[LANES];
    for (int lane = 0; lane < LANES; lane++) shift[lane] = x[0][lane], total[lane] = 0.0f;
    for (int64_t c = 1; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++) shift[lane] = x[c][lane] > shift[lane] ? x[c][lane] : shift[lane];
    for (int64_t c = 0; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++) {
            x[c][lane] -= shift[lane];
            weights[c][lane] = exp_of(x[c][lane]);
            total[lane] += weights[c][lane];
        }
}

/* What softmax left for a choice of one lane; NaN for a choice that there is not. */
ROW_INLINE float chosen_of(float (*x)[LANES], int64_t choices, int64_t choice, int64_t lane) {
    return (uint64_t)choice < (uint64_t)choices ? x[choice][lane] : __builtin_nanf("");
}

typedef struct {
    float rho_bar, c_bar, pg_rho_bar, lambda;
} Clips;

/* One step of V-trace, from the last to the first (returns.py has the equations): of `lanes` <= LANES columns.
   next_value and next_vs are those of the step after, and become those of this one. */
ROW_INLINE void vtrace_step(const Clips *clip, int64_t lanes, const float *log_rho, const float *discount,
                            const float *reward, const float *value, const uint8_t *decided, float *next_value,
                            float *next_vs, float *advantage) {
    for (int64_t l = 0; l < lanes; l++) {
        float raw = log_rho[l], low = raw > 0.0f ? 0.0f : raw, high = raw < 0.0f ? 0.0f : raw; /* NaN stays one */
        float rho = high > 80.0f ? 5.5e34f : exp_of(low) / exp_of(-high);
        if (decided && !decided[l]) rho = 0.0f;
        float v = value[l], gamma = discount[l], r = reward[l];
        float error = (rho > clip->rho_bar ? clip->rho_bar : rho) * (r + gamma * next_value[l] - v);
        float trace = gamma * (rho > clip->c_bar ? clip->c_bar : rho) * clip->lambda;
        advantage[l] = (rho > clip->pg_rho_bar ? clip->pg_rho_bar : rho) * (r + gamma * next_vs[l] - v);
        next_vs[l] = v + (error + trace * (next_vs[l] - next_value[l]));
        next_value[l] = v;
    }
}

/* Gradient for the logits of LANES rows, in place of `weights` (see softmax): g for the log-probability of
   choice `index`, h for the entropy. d log p_a / d z_k = 1[k = a] - p_k and d H / d z_k = -p_k (log p_k + H). */
ROW_INLINE void softmax_gradient(int64_t choices, float (*x)[LANES], float (*weights)[LANES], const float *total,
                                 const int32_t *index, const float *g, const float *h) {
    float mean[LANES], inverse[LANES];
    for (int lane = 0; lane < LANES; lane++) mean[lane] = 0.0f, inverse[lane] = 1.0f / total[lane];
    for (int64_t c = 0; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++)
            mean[lane] += weights[c][lane] > 0.0f ? weights[c][lane] * x[c][lane] * inverse[lane] : 0.0f;
    for (int64_t c = 0; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++) {
            float p = weights[c][lane] * inverse[lane];
            float of_entropy = p > 0.0f ? p * (mean[lane] - x[c][lane]) : 0.0f; /* log Z cancels */
            weights[c][lane] = h[lane] * of_entropy + g[lane] * ((index[lane] == c ? 1.0f : 0.0f) - p);
        }
}

#endif
