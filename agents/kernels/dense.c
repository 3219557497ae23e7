/* Dense layers, forward and backward, of as many rows as there are; see dense.h. */
#include "dense.h"

#ifdef TARGET
#define BLOCK 192 /* rows: a multiple of 2 and of 3; what a block leaves between layers fits the second cache */

int dense_works(void) { return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw"); }

/* Weights [out, in] of float32 -> pairs of inputs [in / 2, out], and pairs of outputs [out / 2, in]; rows padded
   to whole registers, zeros beyond. */
TARGET void dense_pack(const float *weight, int64_t out, int64_t in, pair *by_input, pair *by_output) {
    int64_t wide_out = WHOLE(out), wide_in = WHOLE(in);
    half *forward = (half *)by_input, *back = (half *)by_output;
    memset(by_input, 0, EVEN(in) / 2 * wide_out * 4);
    memset(by_output, 0, EVEN(out) / 2 * wide_in * 4);
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++) {
            half w = half_of(weight[o * in + i]);
            forward[((i / 2) * wide_out + o) * 2 + i % 2] = w;
            back[((o / 2) * wide_in + i) * 2 + o % 2] = w;
        }
}

/* What a call is about: first what both ways need. */
typedef struct {
    Net net;
    int64_t rows;
    const void *x;              /* [rows, widths[0]] bytes or bfloat16, `stride` numbers from row to row */
    int64_t bytes, stride;
    half *const *kept;          /* [layers - 1] of [rows, widths[i + 1]]: what hidden layers give; null: not kept */
    float *out;                 /* [rows, widths[layers]] */
    const float *gradient;      /* back: for out */
    float *const *for_weights;  /* back: [out, in] of each layer, zeroed by the caller */
    float *const *for_biases;   /* back: [out] of each layer, zeroed by the caller */
    half *for_x;                /* back: [rows, widths[0]]; null where nobody asks */
} Call;

INLINE void read_block(const Call *call, int64_t from, int64_t rows, half *to) {
    int64_t width = call->net.widths[0], even = EVEN(width);
    for (int64_t r = 0; r < rows; r++) {
        if (call->bytes) {
            read_bytes((const uint8_t *)call->x + (from + r) * call->stride, width, to + r * even);
        } else {
            memcpy(to + r * even, (const half *)call->x + (from + r) * call->stride, width * sizeof(half));
            if (even > width) to[r * even + width] = 0;
        }
    }
}

TARGET void dense_forward(const Call *call) {
    const Net *net = &call->net;
    half spare[2][BLOCK * widest(net)], input[BLOCK * EVEN(net->widths[0])], *hidden[net->layers];
    for (int64_t from = 0; from < call->rows; from += BLOCK) {
        int64_t rows = call->rows - from < BLOCK ? call->rows - from : BLOCK;
        for (int64_t i = 0; i < net->layers - 1; i++)
            hidden[i] = call->kept ? call->kept[i] + from * net->widths[i + 1] : spare[i % 2];
        read_block(call, from, rows, input);
        forward_block(net, rows, input, hidden, call->out + from * net->widths[net->layers]);
    }
}

/* Several networks of one shape, each over its own rows of x: `rows[i]` from `first[i]` on; what they give lies
   together in out, in their order. */
TARGET void dense_forward_each(const Call *call, int64_t count, const Net *const *nets, const int64_t *first,
                               const int64_t *rows) {
    Call one = *call;
    for (int64_t i = 0; i < count; i++) {
        one.net = *nets[i], one.rows = rows[i];
        one.x = (const char *)call->x + first[i] * call->stride * (call->bytes ? 1 : (int64_t)sizeof(half));
        dense_forward(&one);
        one.out += rows[i] * one.net.widths[one.net.layers];
    }
}

TARGET void dense_backward(const Call *call) {
    const Net *net = &call->net;
    int64_t width = widest(net), out = net->widths[net->layers];
    half input[BLOCK * EVEN(net->widths[0])], gradient[2][BLOCK * width], *hidden[net->layers];
    pair of_gradient[BLOCK / 2 * width], of_input[BLOCK / 2 * width];
    Room room = {{gradient[0], gradient[1]}, of_gradient, of_input};
    for (int64_t from = 0; from < call->rows; from += BLOCK) {
        int64_t rows = call->rows - from < BLOCK ? call->rows - from : BLOCK;
        for (int64_t i = 0; i < net->layers - 1; i++) hidden[i] = call->kept[i] + from * net->widths[i + 1];
        read_block(call, from, rows, input);
        for (int64_t r = 0; r < rows; r++) { /* past the last ReLU, if there is one */
            const float *g = call->gradient + (from + r) * out, *y = call->out + (from + r) * out;
            half *to = gradient[0] + r * EVEN(out);
            for (int64_t c = 0; c < out; c++) to[c] = net->relu_last && !(y[c] > 0.0f) ? 0 : half_of(g[c]);
            if (out % 2) to[out] = 0;
        }
        half *for_x = call->for_x ? call->for_x + from * net->widths[0] : 0;
        backward_block(net, rows, input, hidden, &room, call->for_weights, call->for_biases, for_x);
    }
}
#else
int dense_works(void) { return 0; }
void dense_pack(void) {}
void dense_forward(void) {}
void dense_forward_each(void) {}
void dense_backward(void) {}
#endif
