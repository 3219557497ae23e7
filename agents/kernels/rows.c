/* Loops that PyTorch would take many passes over memory for; see rows.py.

   All arrays are float32 unless it says otherwise, row-major, and dense but for the row strides that are
   given in numbers. A build holds versions for several instruction sets and takes the best that the
   processor has when it is loaded.
*/
#include "rows.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FAST
#endif

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
            log_prob[at + lane] = chosen_of(x, choices, action[(at + lane) * action_stride], lane) - log_total[lane];
            entropy[at + lane] = log_total[lane] - mean[lane] / total[lane];
        }
    }
}

/* Gradient [n, choices] for the logits, from those for log-probability [n] and entropy [n]. */
FAST void categorical_gradient(const float *logits, int64_t stride, const uint8_t *mask, int64_t mask_stride,
                               const int64_t *action, int64_t action_stride, const float *for_log_prob,
                               const float *for_entropy, int64_t n, int64_t choices, float *gradient) {
    float x[choices][LANES], weights[choices][LANES], total[LANES], g[LANES], h[LANES];
    int32_t index[LANES];
    for (int64_t at = 0; at < n; at += LANES) {
        int64_t rows = n - at < LANES ? n - at : LANES;
        softmax(logits + at * stride, stride, mask + at * mask_stride, mask_stride, rows, choices, x, weights, total);
        for (int lane = 0; lane < LANES; lane++) {
            int64_t row = at + (lane < rows ? lane : rows - 1);
            g[lane] = for_log_prob[row], h[lane] = for_entropy[row];
            index[lane] = (int32_t)action[row * action_stride];
        }
        softmax_gradient(choices, x, weights, total, index, g, h);
        for (int64_t lane = 0; lane < rows; lane++)
            for (int64_t c = 0; c < choices; c++)
                gradient[(at + lane) * choices + c] = mask[(at + lane) * mask_stride + c] ? weights[c][lane] : 0.0f;
    }
}

/* V-trace over [steps, columns]; see returns.py for the equations. `decided` may be null: all rows. */
FAST void vtrace(const float *log_rho, const float *discount, const float *reward, const float *value,
                 const float *bootstrap, const uint8_t *decided, float rho_bar, float c_bar, float pg_rho_bar,
                 float lambda, int64_t steps, int64_t columns, float *vs, float *advantage) {
    Clips clips = {rho_bar, c_bar, pg_rho_bar, lambda};
    for (int64_t b = 0; b < columns; b += LANES) {
        int64_t lanes = columns - b < LANES ? columns - b : LANES;
        float next_value[LANES], next_vs[LANES];
        for (int64_t l = 0; l < lanes; l++) next_value[l] = next_vs[l] = bootstrap[b + l];
        for (int64_t t = steps - 1; t >= 0; t--) {
            int64_t at = t * columns + b;
            vtrace_step(&clips, lanes, log_rho + at, discount + at, reward + at, value + at,
                        decided ? decided + at : 0, next_value, next_vs, advantage + at);
            for (int64_t l = 0; l < lanes; l++) vs[at + l] = next_vs[l];
        }
    }
}
