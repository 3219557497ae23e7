/* Loops that PyTorch would take many passes over memory for; see rows.py.

   All arrays are float32 unless it says otherwise, row-major, and dense but for the row strides that are
   given in numbers. Rows are worked on LANES at a time, choices one after the other, so that a compiler
   turns every inner loop into vector instructions. A build holds versions for several instruction sets
   and takes the best that the processor has when it is loaded.
*/
#include <stdint.h>

#define LANES 16
#define LOWEST -1.7e38f /* half the lowest float32: subtracting a logit from it stays finite */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FAST
#endif
#define INLINE static inline __attribute__((always_inline))

/* exp(x) for x <= 0, within 2 ulp; exactly 0 below -87, where float32 ends. */
INLINE float exp_of(float x) {
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
    union { int32_t i; float f; } power = {((int32_t)whole + 127) << 23};
    return x < -87.0f ? 0.0f : y * power.f;
}

/* ln(x) for normal x > 0, within 2 ulp. */
INLINE float log_of(float x) {
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
    return f + y + 0.693359375f * e;
}

/* Softmax of the legal choices of `rows` <= LANES rows: weights [choices][LANES] before they are divided by
   `total`, of logits shifted by `shift`. Lanes beyond `rows` repeat the last row. */
INLINE void softmax(const float *logits, int64_t stride, const uint8_t *mask, int64_t mask_stride, int64_t rows,
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

/* Draw one legal choice a row by inverting the cumulative distribution at uniform [n] in [0, 1). */
FAST void categorical_sample(const float *logits, int64_t stride, const uint8_t *mask, int64_t mask_stride,
                             const float *uniform, int64_t n, int64_t choices, int64_t *action, float *log_prob) {
    float x[choices][LANES], weights[choices][LANES], total[LANES];
    for (int64_t at = 0; at < n; at += LANES) {
        int64_t rows = n - at < LANES ? n - at : LANES;
        softmax(logits + at * stride, stride, mask + at * mask_stride, mask_stride, rows, choices, x, weights, total);
        float threshold[LANES], sum[LANES], chosen[LANES];
        int32_t index[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            threshold[lane] = total[lane] * uniform[at + (lane < rows ? lane : rows - 1)];
            sum[lane] = 0.0f, index[lane] = 0;
        }
        for (int64_t c = 0; c < choices; c++)
            for (int lane = 0; lane < LANES; lane++) {
                sum[lane] += weights[c][lane];
                index[lane] += sum[lane] <= threshold[lane];
            }
        for (int lane = 0; lane < LANES; lane++) chosen[lane] = weights[index[lane]][lane];
        for (int lane = 0; lane < LANES; lane++) chosen[lane] = log_of(chosen[lane] / total[lane]);
        for (int64_t lane = 0; lane < rows; lane++) action[at + lane] = index[lane], log_prob[at + lane] = chosen[lane];
    }
}

/* log-probability [n] of action [n], and entropy [n] in nats. */
FAST void categorical_evaluate(const float *logits, int64_t stride, const uint8_t *mask, int64_t mask_stride,
                               const int64_t *action, int64_t action_stride, int64_t n, int64_t choices,
                               float *log_prob, float *entropy) {
    float x[choices][LANES], weights[choices][LANES], total[LANES];
    for (int64_t at = 0; at < n; at += LANES) {
        int64_t rows = n - at < LANES ? n - at : LANES;
        softmax(logits + at * stride, stride, mask + at * mask_stride, mask_stride, rows, choices, x, weights, total);
        float mean[LANES], log_total[LANES];
        for (int lane = 0; lane < LANES; lane++) mean[lane] = 0.0f, log_total[lane] = log_of(total[lane]);
        for (int64_t c = 0; c < choices; c++)
            for (int lane = 0; lane < LANES; lane++)
                mean[lane] += weights[c][lane] > 0.0f ? weights[c][lane] * x[c][lane] : 0.0f;
        for (int64_t lane = 0; lane < rows; lane++) {
            log_prob[at + lane] = x[action[(at + lane) * action_stride]][lane] - log_total[lane];
            entropy[at + lane] = log_total[lane] - mean[lane] / total[lane];
        }
    }
}

/* Gradient [n, choices] for the logits, from those for log-probability [n] and entropy [n]:
   d log p_a / d z_k = 1[k = a] - p_k and d H / d z_k = -p_k (log p_k + H). */
FAST void categorical_gradient(const float *logits, int64_t stride, const uint8_t *mask, int64_t mask_stride,
                               const int64_t *action, int64_t action_stride, const float *for_log_prob,
                               const float *for_entropy, int64_t n, int64_t choices, float *gradient) {
    float x[choices][LANES], weights[choices][LANES], total[LANES];
    for (int64_t at = 0; at < n; at += LANES) {
        int64_t rows = n - at < LANES ? n - at : LANES;
        softmax(logits + at * stride, stride, mask + at * mask_stride, mask_stride, rows, choices, x, weights, total);
        float mean[LANES], inverse[LANES], g[LANES], h[LANES];
        int32_t index[LANES];
        for (int lane = 0; lane < LANES; lane++) {
            int64_t row = at + (lane < rows ? lane : rows - 1);
            mean[lane] = 0.0f, inverse[lane] = 1.0f / total[lane];
            g[lane] = for_log_prob[row], h[lane] = for_entropy[row];
            index[lane] = (int32_t)action[row * action_stride];
        }
        for (int64_t c = 0; c < choices; c++)
            for (int lane = 0; lane < LANES; lane++)
                mean[lane] += weights[c][lane] > 0.0f ? weights[c][lane] * x[c][lane] * inverse[lane] : 0.0f;
        for (int64_t c = 0; c < choices; c++)
            for (int lane = 0; lane < LANES; lane++) {
                float p = weights[c][lane] * inverse[lane];
                float of_entropy = p > 0.0f ? p * (mean[lane] - x[c][lane]) : 0.0f; /* log Z cancels */
                weights[c][lane] = h[lane] * of_entropy + g[lane] * ((index[lane] == c ? 1.0f : 0.0f) - p);
            }
        for (int64_t lane = 0; lane < rows; lane++)
            for (int64_t c = 0; c < choices; c++)
                gradient[(at + lane) * choices + c] = mask[(at + lane) * mask_stride + c] ? weights[c][lane] : 0.0f;
    }
}

/* V-trace over [steps, columns]; see returns.py for the equations. `decided` may be null: all rows. */
FAST void vtrace(const float *log_rho, const float *discount, const float *reward, const float *value,
                 const float *bootstrap, const uint8_t *decided, float rho_bar, float c_bar, float pg_rho_bar,
                 float lam, int64_t steps, int64_t columns, float *vs, float *advantage) {
    for (int64_t b = 0; b < columns; b += LANES) {
        int64_t lanes = columns - b < LANES ? columns - b : LANES;
        float next_value[LANES], next_vs[LANES];
        for (int64_t l = 0; l < lanes; l++) next_value[l] = next_vs[l] = bootstrap[b + l];
        for (int64_t t = steps - 1; t >= 0; t--) {
            int64_t at = t * columns + b;
            for (int64_t l = 0; l < lanes; l++) {
                float raw = log_rho[at + l];
                float low = raw < 0.0f ? raw : 0.0f, high = raw > 0.0f ? raw : 0.0f;
                float rho = high > 80.0f ? 5.5e34f : exp_of(low) / exp_of(-high);
                if (decided && !decided[at + l]) rho = 0.0f;
                float v = value[at + l], gamma = discount[at + l], r = reward[at + l];
                float error = (rho < rho_bar ? rho : rho_bar) * (r + gamma * next_value[l] - v);
                float trace = gamma * (rho < c_bar ? rho : c_bar) * lam;
                advantage[at + l] = (rho < pg_rho_bar ? rho : pg_rho_bar) * (r + gamma * next_vs[l] - v);
                float target = v + (error + trace * (next_vs[l] - next_value[l]));
                vs[at + l] = target, next_vs[l] = target, next_value[l] = v;
            }
        }
    }
}
