/* All of an update's arithmetic but the step itself, for a dense network with one seat a stream and choices that are
   one of a few: forward, policy, V-trace, the loss's gradient, backward; see learn.py. The value comes from the same
   network or from a critic, the policy moves by its gradient or by NeuRD, and a magnet may pull it. Sixteen columns at
   a time pass through all of it before the next ones come, so that what they leave on the way stays in the cache.
*/
#include <stdlib.h>

#include "dense.h"
#include "rows.h"

#ifdef TARGET

typedef struct {
    Net net;                    /* gives the logits, then the value unless a critic does */
    Net critic;                 /* of a team that learns as one: gives the value of a state; no layers for none */
    Net magnet;                 /* as net: the policy that pulls; no layers for none */
    int64_t choices;
    int64_t steps, columns;     /* T and B; every field has T + 1 rows */
    int64_t to_row, to_column;  /* bytes from one row, and from one column, to the next, in every field */
    const char *observation, *state, *mask, *action, *log_prob, *acting, *reward, *terminated;
    int64_t bytes, state_bytes; /* whether observations, and states, are bytes, else float32 */
    Clips clips;
    float discount, reward_clip; /* 0 for no clip */
    float entropy_cost, baseline_cost;
    float largest_weight, magnet_cost; /* of NeuRD; the former is 0 where the policy moves by its gradient */
    float scale;                /* 1 / decisions of the whole batch */
    float *const *for_weights;  /* [out, in] of each layer, of the net and then of the critic, zeroed by the caller */
    float *const *for_biases;   /* [out] of each layer, the same */
    double *sums;               /* policy loss, value loss, entropy, clipped importance weight: added to */
} Batch;

typedef struct {
    half *input, *hidden[16], *state, *critic_hidden[16];
    float *out, *magnet_out, *log_rho, *entropy, *log_prob, *discount, *reward, *value, *vs, *advantage;
    uint8_t *mask, *acting;
    int32_t *action;
    Room room;
} Scratch;

/* Every array of a block of LANES columns, [T + 1, LANES, ...]. */
TARGET static void *claim(const Batch *batch, Scratch *s) {
    const Net *net = &batch->net, *critic = &batch->critic;
    int64_t rows = (batch->steps + 1) * LANES, out = net->widths[net->layers], choices = batch->choices;
    int64_t wide = widest(net), seen = critic->layers ? EVEN(critic->widths[0]) : 0;
    if (critic->layers && widest(critic) > wide) wide = widest(critic);
    int64_t halves = rows * (EVEN(net->widths[0]) + seen + 2 * wide), floats = rows * (2 * out + 8);
    for (int64_t i = 1; i < net->layers; i++) halves += rows * net->widths[i];
    for (int64_t i = 1; i < critic->layers; i++) halves += rows * critic->widths[i];
    int64_t pairs = (rows + 1) / 2 * wide;
    char *at = malloc(halves * 2 + floats * 4 + pairs * 8 + rows * (5 + choices) + 64), *all = at;
    if (!all) return 0;
#define CLAIM(name, count) s->name = (void *)at, at += (count) * sizeof(*s->name)
    CLAIM(room.of_gradient, pairs);
    CLAIM(room.of_input, pairs);
    CLAIM(out, rows * out);
    CLAIM(magnet_out, rows * out);
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
    CLAIM(state, rows * seen);
    CLAIM(room.gradient[0], rows * wide);
    CLAIM(room.gradient[1], rows * wide);
    for (int64_t i = 1; i < net->layers; i++) CLAIM(hidden[i - 1], rows * net->widths[i]);
    for (int64_t i = 1; i < critic->layers; i++) CLAIM(critic_hidden[i - 1], rows * critic->widths[i]);
    CLAIM(mask, rows * choices);
    CLAIM(acting, rows);
    return all;
}

/* From wherever it lies: records may come from a file, or from a message. */
INLINE float float_at(const char *from) {
    float x;
    memcpy(&x, from, sizeof(x));
    return x;
}

/* Numbers that are seen -> bfloat16, `to` of an even width. */
INLINE void read_seen(const char *from, int64_t bytes, int64_t width, half *to) {
    if (bytes) {
        read_bytes((const uint8_t *)from, width, to);
        return;
    }
    for (int64_t c = 0; c < width; c++) to[c] = half_of(float_at(from + c * sizeof(float)));
    if (width % 2) to[width] = 0;
}

/* Copy `lanes` columns out of the batch. Lanes beyond repeat the last one, and decide nothing. */
INLINE void read_columns(const Batch *batch, int64_t from, int64_t lanes, Scratch *s) {
    int64_t width = batch->net.widths[0], wide = batch->critic.layers ? batch->critic.widths[0] : 0;
    int64_t choices = batch->choices;
    for (int64_t t = 0; t <= batch->steps; t++)
        for (int64_t lane = 0; lane < LANES; lane++) {
            int64_t row = t * LANES + lane;
            int64_t at = t * batch->to_row + (from + (lane < lanes ? lane : lanes - 1)) * batch->to_column;
            read_seen(batch->observation + at, batch->bytes, width, s->input + row * EVEN(width));
            if (wide) read_seen(batch->state + at, batch->state_bytes, wide, s->state + row * EVEN(wide));
            memcpy(s->mask + row * choices, batch->mask + at, choices);
            int64_t action;
            memcpy(&action, batch->action + at, sizeof(action));
            s->action[row] = (int32_t)action;
            s->log_prob[row] = float_at(batch->log_prob + at);
            s->acting[row] = t < batch->steps && lane < lanes && batch->acting[at];
            float reward = float_at(batch->reward + at), most = batch->reward_clip;
            if (most > 0.0f) reward = reward > most ? most : reward < -most ? -most : reward;
            s->reward[row] = reward;
            s->discount[row] = batch->terminated[at] ? 0.0f : batch->discount;
        }
}

/* Entropy, importance weights and values of all rows, from what the network gave. */
INLINE void read_policy(const Batch *batch, Scratch *s, float (*x)[LANES], float (*weights)[LANES]) {
    int64_t out = batch->net.widths[batch->net.layers], choices = batch->choices;
    float total[LANES];
    for (int64_t row = 0; row < (batch->steps + 1) * LANES; row += LANES) {
        softmax(s->out + row * out, out, s->mask + row * choices, choices, LANES, choices, x, weights, total);
        float mean[LANES], log_total[LANES];
        for (int lane = 0; lane < LANES; lane++) mean[lane] = 0.0f, log_total[lane] = log_of(total[lane]);
        for (int64_t c = 0; c < choices; c++)
            for (int lane = 0; lane < LANES; lane++)
                mean[lane] += weights[c][lane] > 0.0f ? weights[c][lane] * x[c][lane] : 0.0f;
        for (int64_t lane = 0; lane < LANES; lane++) {
            float log_prob = chosen_of(x, choices, s->action[row + lane], lane) - log_total[lane];
            s->entropy[row + lane] = log_total[lane] - mean[lane] / total[lane];
            s->log_rho[row + lane] = s->acting[row + lane] ? log_prob - s->log_prob[row + lane] : 0.0f;
            s->log_prob[row + lane] = log_prob;
            if (!batch->critic.layers) s->value[row + lane] = s->out[(row + lane) * out + choices];
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

/* NeuRD (losses.py has the equation): its gradient for the logits of LANES rows, in place of `weights`, and minus its
   loss. `logits` and `pulls` of the magnet are [LANES, stride]; a row counts `decides`. */
INLINE double neurd(const Batch *batch, const uint8_t *mask, const int32_t *action, const float *advantage,
                    const float *decides, const float *logits, const float *pulls, int64_t stride, float (*x)[LANES],
                    float (*weights)[LANES], const float *total, float (*y)[LANES], float (*pulling)[LANES]) {
    int64_t choices = batch->choices;
    float magnet_total[LANES], mean[LANES], centre[LANES], legal[LANES];
    double gained = 0.0;
    if (batch->magnet.layers) softmax(pulls, stride, mask, choices, LANES, choices, y, pulling, magnet_total);
    for (int lane = 0; lane < LANES; lane++) mean[lane] = centre[lane] = legal[lane] = 0.0f;
    for (int64_t c = 0; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++) {
            float log_policy = x[c][lane] - log_of(total[lane]), pull = batch->entropy_cost * log_policy;
            if (batch->magnet.layers)
                pull += batch->magnet_cost * (log_policy - (y[c][lane] - log_of(magnet_total[lane])));
            float chance = weights[c][lane] / total[lane];
            if (mask[lane * choices + c]) mean[lane] += chance * pull, legal[lane] += 1.0f;
            x[c][lane] = pull;
            weights[c][lane] = chance;
        }
    for (int64_t c = 0; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++) {
            float weight = 1.0f / weights[c][lane], most = batch->largest_weight; /* of a chance of 0: infinite */
            float moved = action[lane] == c ? advantage[lane] * (weight < most ? weight : most) : 0.0f;
            x[c][lane] = mask[lane * choices + c] ? moved - x[c][lane] + mean[lane] : 0.0f;
            centre[lane] += x[c][lane];
        }
    for (int64_t c = 0; c < choices; c++)
        for (int lane = 0; lane < LANES; lane++) {
            float g = legal[lane] > 0.0f ? decides[lane] * (x[c][lane] - centre[lane] / legal[lane]) : 0.0f;
            weights[c][lane] = mask[lane * choices + c] ? -g : 0.0f;
            if (decides[lane] > 0.0f && mask[lane * choices + c]) gained += g * logits[lane * stride + c];
        }
    return gained;
}

/* The loss's derivative for a value. */
INLINE float for_value(const Batch *batch, const Scratch *s, int64_t r) {
    return s->acting[r] ? batch->scale * batch->baseline_cost * (s->value[r] - s->vs[r]) : 0.0f;
}

/* The loss's terms, and its gradient for what the network gave; nothing for rows that decide nothing. */
INLINE void write_gradient(const Batch *batch, Scratch *s, float (*x)[LANES], float (*weights)[LANES],
                           float (*y)[LANES], float (*pulling)[LANES]) {
    int64_t out = batch->net.widths[batch->net.layers], choices = batch->choices;
    float total[LANES], decides[LANES], g[LANES], h[LANES];
    for (int64_t row = 0; row < batch->steps * LANES; row += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            int64_t r = row + lane;
            float error = s->vs[r] - s->value[r], rho = exp_of(s->log_rho[r] < 0.0f ? s->log_rho[r] : 0.0f);
            decides[lane] = s->acting[r] ? batch->scale : 0.0f;
            g[lane] = -decides[lane] * s->advantage[r];
            h[lane] = -decides[lane] * batch->entropy_cost;
            if (!s->acting[r]) continue;
            if (s->log_rho[r] > 0.0f) rho = 1.0f / exp_of(-(s->log_rho[r] < 80.0f ? s->log_rho[r] : 80.0f));
            if (!(batch->largest_weight > 0.0f)) batch->sums[0] += g[lane] * s->log_prob[r];
            batch->sums[1] += 0.5f * decides[lane] * error * error;
            batch->sums[2] += decides[lane] * s->entropy[r];
            batch->sums[3] += decides[lane] * (rho < batch->clips.rho_bar ? rho : batch->clips.rho_bar);
        }
        const uint8_t *mask = s->mask + row * choices;
        const float *logits = s->out + row * out;
        softmax(logits, out, mask, choices, LANES, choices, x, weights, total);
        if (batch->largest_weight > 0.0f)
            batch->sums[0] -= neurd(batch, mask, s->action + row, s->advantage + row, decides, logits,
                                    s->magnet_out + row * out, out, x, weights, total, y, pulling);
        else
            softmax_gradient(choices, x, weights, total, s->action + row, g, h);
        for (int64_t lane = 0; lane < LANES; lane++) {
            half *to = s->room.gradient[0] + (row + lane) * EVEN(out);
            for (int64_t c = 0; c < choices; c++)
                to[c] = mask[lane * choices + c] ? half_of(weights[c][lane]) : 0;
            if (out > choices) to[choices] = half_of(for_value(batch, s, row + lane));
            if (out % 2) to[out] = 0;
        }
    }
}

/* Returns 0, or 1 where there is no memory. */
TARGET int learn(const Batch *batch) {
    Scratch s;
    const Net *net = &batch->net, *critic = &batch->critic;
    int64_t rows = (batch->steps + 1) * LANES, decisions = rows - LANES; /* the last row only bootstraps */
    float x[batch->choices][LANES], weights[batch->choices][LANES], y[batch->choices][LANES], pulling[batch->choices][LANES];
    void *memory = claim(batch, &s);
    if (!memory) return 1;
    for (int64_t from = 0; from < batch->columns; from += LANES) {
        int64_t lanes = batch->columns - from < LANES ? batch->columns - from : LANES;
        read_columns(batch, from, lanes, &s);
        if (batch->magnet.layers) forward_block(&batch->magnet, decisions, s.input, s.hidden, s.magnet_out);
        if (critic->layers) forward_block(critic, rows, s.state, s.critic_hidden, s.value);
        forward_block(net, rows, s.input, s.hidden, s.out);
        read_policy(batch, &s, x, weights);
        trace(batch, &s);
        write_gradient(batch, &s, x, weights, y, pulling);
        backward_block(net, decisions, s.input, s.hidden, &s.room, batch->for_weights, batch->for_biases, 0);
        if (!critic->layers) continue;
        for (int64_t r = 0; r < decisions; r++)
            s.room.gradient[0][2 * r] = half_of(for_value(batch, &s, r)), s.room.gradient[0][2 * r + 1] = 0;
        backward_block(critic, decisions, s.state, s.critic_hidden, &s.room, batch->for_weights + net->layers,
                       batch->for_biases + net->layers, 0);
    }
    free(memory);
    return 0;
}
#else
int learn(void) { return 1; }
#endif
