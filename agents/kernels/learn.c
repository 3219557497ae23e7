/* All of an update's arithmetic but the step itself, for a dense network with one seat a stream and choices that are
   one of a few: forward, policy, V-trace, the loss's gradient, backward; see learn.py. Sixteen columns at a time
   pass through all of it before the next ones come, so that what they leave on the way stays in the cache.
*/
#include <stdlib.h>

#include "dense.h"
#include "rows.h"

#ifdef TARGET

typedef struct {
    Net net;                    /* gives the logits, then the value */
    int64_t steps, columns;     /* T and B; every field has T + 1 rows */
    int64_t to_row, to_column;  /* bytes from one row, and from one column, to the next, in every field */
    const char *observation, *mask, *action, *log_prob, *acting, *reward, *terminated;
    int64_t bytes;              /* whether observations are bytes, else float32 */
    Clips clips;
    float discount, reward_clip; /* 0 for no clip */
    float entropy_cost, baseline_cost;
    float scale;                /* 1 / decisions of the whole batch */
    float *const *for_weights;  /* [out, in] of each layer, zeroed by the caller */
    float *const *for_biases;   /* [out] of each layer, zeroed by the caller */
    double *sums;               /* policy loss, value loss, entropy, clipped importance weight: added to */
} Batch;

typedef struct {
    half *input, *hidden[16];
    float *out, *log_rho, *entropy, *log_prob, *discount, *reward, *value, *vs, *advantage;
    uint8_t *mask, *acting;
    int32_t *action;
    Room room;
} Scratch;

/* Every array of a block of LANES columns, [T + 1, LANES, ...]. */
TARGET static void *claim(const Batch *batch, Scratch *s) {
    const Net *net = &batch->net;
    int64_t rows = (batch->steps + 1) * LANES, wide = widest(net), out = net->widths[net->layers];
    int64_t halves = rows * (EVEN(net->widths[0]) + 2 * wide), floats = rows * (out + 8);
    for (int64_t i = 1; i < net->layers; i++) halves += rows * net->widths[i];
    int64_t pairs = (rows + 1) / 2 * wide;
    char *at = malloc(halves * 2 + floats * 4 + pairs * 8 + rows * (4 + out) + 64), *all = at;
    if (!all) return 0;
#define CLAIM(name, count) s->name = (void *)at, at += (count) * sizeof(*s->name)
    CLAIM(room.of_gradient, pairs);
    CLAIM(room.of_input, pairs);
    CLAIM(out, rows * out);
    CLAIM(log_rho, rows);
    CLAIM(entropy, rows);
    CLAIM(log_prob, rows);
    CLAIM(discount, rows);
    CLAIM(reward, rows);
    CLAIM(value, rows);
    CLAIM(vs, rows);
    CLAIM(advantage, rows);
    CLAIM(action, rows);
    CLAIM(input, rows * EVEN(net->widths[0]));
    CLAIM(room.gradient[0], rows * wide);
    CLAIM(room.gradient[1], rows * wide);
    for (int64_t i = 1; i < net->layers; i++) CLAIM(hidden[i - 1], rows * net->widths[i]);
    CLAIM(mask, rows * (out - 1));
    CLAIM(acting, rows);
    return all;
}

/* Copy `lanes` columns out of the batch. Lanes beyond repeat the last one, and decide nothing. */
INLINE void read_columns(const Batch *batch, int64_t from, int64_t lanes, Scratch *s) {
    const Net *net = &batch->net;
    int64_t width = net->widths[0], even = EVEN(width), choices = net->widths[net->layers] - 1;
    for (int64_t t = 0; t <= batch->steps; t++)
        for (int64_t lane = 0; lane < LANES; lane++) {
            int64_t row = t * LANES + lane;
            int64_t at = t * batch->to_row + (from + (lane < lanes ? lane : lanes - 1)) * batch->to_column;
            const char *seen = batch->observation + at;
            half *input = s->input + row * even;
            if (batch->bytes) {
                read_bytes((const uint8_t *)seen, width, input);
            } else {
                for (int64_t c = 0; c < width; c++) input[c] = half_of(((const float *)seen)[c]);
                if (even > width) input[width] = 0;
            }
            memcpy(s->mask + row * choices, batch->mask + at, choices);
            s->action[row] = (int32_t)*(const int64_t *)(batch->action + at);
            s->log_prob[row] = *(const float *)(batch->log_prob + at);
            s->acting[row] = t < batch->steps && lane < lanes && batch->acting[at];
            float reward = *(const float *)(batch->reward + at), most = batch->reward_clip;
            if (most > 0.0f) reward = reward > most ? most : reward < -most ? -most : reward;
            s->reward[row] = reward;
            s->discount[row] = batch->terminated[at] ? 0.0f : batch->discount;
        }
}

/* Entropy, importance weights and values of all rows, from what the network gave. */
INLINE void read_policy(const Batch *batch, Scratch *s, float (*x)[LANES], float (*weights)[LANES]) {
    int64_t out = batch->net.widths[batch->net.layers], choices = out - 1;
    float total[LANES];
    for (int64_t row = 0; row < (batch->steps + 1) * LANES; row += LANES) {
        softmax(s->out + row * out, out, s->mask + row * choices, choices, LANES, choices, x, weights, total);
        float mean[LANES], log_total[LANES];
        for (int lane = 0; lane < LANES; lane++) mean[lane] = 0.0f, log_total[lane] = log_of(total[lane]);
        for (int64_t c = 0; c < choices; c++)
            for (int lane = 0; lane < LANES; lane++)
                mean[lane] += weights[c][lane] > 0.0f ? weights[c][lane] * x[c][lane] : 0.0f;
        for (int64_t lane = 0; lane < LANES; lane++) {
            float log_prob = x[s->action[row + lane]][lane] - log_total[lane];
            s->entropy[row + lane] = log_total[lane] - mean[lane] / total[lane];
            s->log_rho[row + lane] = s->acting[row + lane] ? log_prob - s->log_prob[row + lane] : 0.0f;
            s->log_prob[row + lane] = log_prob;
            s->value[row + lane] = s->out[(row + lane) * out + choices];
        }
    }
}

/* Value targets and advantages, backwards in time. */
INLINE void trace(const Batch *batch, Scratch *s) {
    float next_value[LANES], next_vs[LANES];
    int64_t last = batch->steps * LANES;
    for (int lane = 0; lane < LANES; lane++) next_value[lane] = next_vs[lane] = s->value[last + lane];
    for (int64_t row = last - LANES; row >= 0; row -= LANES) {
        vtrace_step(&batch->clips, LANES, s->log_rho + row, s->discount + row, s->reward + row, s->value + row,
                    s->acting + row, next_value, next_vs, s->advantage + row);
        memcpy(s->vs + row, next_vs, sizeof(next_vs));
    }
}

/* The loss's terms, and its gradient for what the network gave; nothing for rows that decide nothing. */
INLINE void write_gradient(const Batch *batch, Scratch *s, float (*x)[LANES], float (*weights)[LANES]) {
    int64_t out = batch->net.widths[batch->net.layers], choices = out - 1;
    float total[LANES], g[LANES], h[LANES];
    for (int64_t row = 0; row < batch->steps * LANES; row += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            int64_t r = row + lane;
            float decides = s->acting[r] ? batch->scale : 0.0f, error = s->vs[r] - s->value[r];
            float rho = exp_of(s->log_rho[r] < 0.0f ? s->log_rho[r] : 0.0f);
            g[lane] = -decides * s->advantage[r];
            h[lane] = -decides * batch->entropy_cost;
            if (!s->acting[r]) continue;
            if (s->log_rho[r] > 0.0f) rho = 1.0f / exp_of(-(s->log_rho[r] < 80.0f ? s->log_rho[r] : 80.0f));
            batch->sums[0] += g[lane] * s->log_prob[r];
            batch->sums[1] += 0.5f * decides * error * error;
            batch->sums[2] += decides * s->entropy[r];
            batch->sums[3] += decides * (rho < batch->clips.rho_bar ? rho : batch->clips.rho_bar);
        }
        const uint8_t *mask = s->mask + row * choices;
        softmax(s->out + row * out, out, mask, choices, LANES, choices, x, weights, total);
        softmax_gradient(choices, x, weights, total, s->action + row, g, h);
        for (int64_t lane = 0; lane < LANES; lane++) {
            half *to = s->room.gradient[0] + (row + lane) * EVEN(out);
            float decides = s->acting[row + lane] ? batch->scale * batch->baseline_cost : 0.0f;
            for (int64_t c = 0; c < choices; c++)
                to[c] = mask[lane * choices + c] ? half_of(weights[c][lane]) : 0;
            to[choices] = half_of(decides * (s->value[row + lane] - s->vs[row + lane]));
            if (out % 2) to[out] = 0;
        }
    }
}

/* Returns 0, or 1 where there is no memory. */
TARGET int learn(const Batch *batch) {
    Scratch s;
    int64_t rows = (batch->steps + 1) * LANES, choices = batch->net.widths[batch->net.layers] - 1;
    float x[choices][LANES], weights[choices][LANES];
    void *memory = claim(batch, &s);
    if (!memory) return 1;
    for (int64_t from = 0; from < batch->columns; from += LANES) {
        int64_t lanes = batch->columns - from < LANES ? batch->columns - from : LANES;
        read_columns(batch, from, lanes, &s);
        forward_block(&batch->net, rows, s.input, s.hidden, s.out);
        read_policy(batch, &s, x, weights);
        trace(batch, &s);
        write_gradient(batch, &s, x, weights);
        backward_block(&batch->net, rows - LANES, s.input, s.hidden, &s.room, batch->for_weights, batch->for_biases,
                       0); /* the last row only bootstraps */
    }
    free(memory);
    return 0;
}
#else
int learn(void) { return 1; }
#endif
