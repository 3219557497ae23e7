/* Dense layers with ReLUs in bfloat16 with float32 sums, for processors that multiply bfloat16 (AVX512-BF16); see
   dense.py, which has the same in PyTorch.

   Rows go through all layers a block at a time, so that what one layer leaves for the next is still in the
   cache. All products are one small kernel: a few rows of A times up to 128 columns of B, where both are
   pairs of bfloat16 numbers along the axis that is summed over.

       forward    rows of x       times  weights by pairs of inputs
       backward   rows of g       times  weights by pairs of outputs
       weights    outputs of g    times  inputs, both by pairs of rows
*/
#ifndef DENSE_H
#define DENSE_H
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__) /* elsewhere TARGET is not defined */
#include <immintrin.h>

#define TILE 128 /* columns: 8 registers, 24 for 3 rows */
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define EVEN(n) (((n) + 1) & ~(int64_t)1)
#define WHOLE(n) (((n) + 15) & ~(int64_t)15)

typedef uint16_t half;
typedef int32_t pair __attribute__((may_alias)); /* two of them, read out of an array of halves */

INLINE half half_of(float x) {
    union { float f; uint32_t i; } bits = {x};
    if ((bits.i & 0x7fffffff) > 0x7f800000) return (half)((bits.i >> 16) | 64); /* a NaN stays one */
    return (half)((bits.i + 0x7fff + ((bits.i >> 16) & 1)) >> 16);
}

/* sum[r][v] = sum over k of a[r][k] . b[k][v], R rows and V registers of 16 columns; `a_row` and `a_step` are the
   pairs from one row, and from one k, to the next; b has `b_row` pairs in a row. */
INLINE void product(const int R, const int V, const pair *a, int64_t a_row, int64_t a_step, const pair *b,
                    int64_t b_row, int64_t pairs, __m512 (*sum)[8]) {
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) sum[r][v] = _mm512_setzero_ps();
    for (int64_t k = 0; k < pairs; k++) {
        __m512bh left[8]; /* these stay in registers, and one of b's at a time: 24 sums leave no more room */
        for (int r = 0; r < R; r++) left[r] = (__m512bh)_mm512_set1_epi32(a[r * a_row + k * a_step]);
        for (int v = 0; v < V; v++) {
            __m512bh right = (__m512bh)_mm512_loadu_si512(b + k * b_row + 16 * v);
            for (int r = 0; r < R; r++) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], left[r], right);
        }
    }
}

enum Kind { HIDDEN, LAST, LAST_RELU, BACK, WEIGHTS };

typedef struct {
    enum Kind kind;
    const float *bias;   /* HIDDEN, LAST */
    const half *active;  /* BACK: what the ReLU gave; null for none */
    half *halves;        /* HIDDEN, BACK: where to, `to_row` numbers from one row to the next */
    float *floats;       /* LAST, WEIGHTS: the latter are added to */
    int64_t to_row;
    int64_t columns;     /* that exist; registers may reach beyond */
} To;

INLINE void put(const int R, const int V, __m512 (*sum)[8], const To *to, int64_t row, int64_t column) {
    for (int v = 0; v < V; v++) {
        int64_t c = column + 16 * v, left = to->columns - c;
        __mmask16 in = left >= 16 ? 0xffff : left <= 0 ? 0 : (__mmask16)((1u << left) - 1);
        __m512 bias = to->kind <= LAST_RELU ? _mm512_maskz_loadu_ps(in, to->bias + c) : _mm512_setzero_ps();
        for (int r = 0; r < R; r++) {
            int64_t at = (row + r) * to->to_row + c;
            if (to->kind == WEIGHTS) {
                __m512 old = _mm512_maskz_loadu_ps(in, to->floats + at);
                _mm512_mask_storeu_ps(to->floats + at, in, _mm512_add_ps(old, sum[r][v]));
            } else if (to->kind == LAST || to->kind == LAST_RELU) {
                __m512 y = _mm512_add_ps(bias, sum[r][v]);
                if (to->kind == LAST_RELU) y = _mm512_max_ps(_mm512_setzero_ps(), y);
                _mm512_mask_storeu_ps(to->floats + at, in, y);
            } else if (to->kind == HIDDEN) {
                __m512 y = _mm512_max_ps(_mm512_setzero_ps(), _mm512_add_ps(bias, sum[r][v])); /* keeps NaN */
                _mm256_mask_storeu_epi16(to->halves + at, in, (__m256i)_mm512_cvtneps_pbh(y));
            } else {
                __m256i y = (__m256i)_mm512_cvtneps_pbh(sum[r][v]);
                if (to->active) {
                    __m256i active = _mm256_maskz_loadu_epi16(in, to->active + at);
                    y = _mm256_maskz_mov_epi16(_mm256_test_epi16_mask(active, active), y);
                }
                _mm256_mask_storeu_epi16(to->halves + at, in, y);
            }
        }
    }
}

#define STRIP(R, V)                                                                                              \
    for (; row + R <= rows; row += R) {                                                                          \
        __m512 sum[R][8];                                                                                        \
        product(R, V, a + row * a_row, a_row, a_step, b + column, b_row, pairs, sum);                            \
        put(R, V, sum, to, row, column);                                                                         \
    }
#define COLUMNS(V)                                                                                               \
    case V: {                                                                                                    \
        int64_t row = 0;                                                                                         \
        STRIP(3, V) STRIP(2, V) STRIP(1, V) break;                                                               \
    }

TARGET static void multiply(const pair *a, int64_t a_row, int64_t a_step, int64_t rows, const pair *b,
                            int64_t b_row, int64_t pairs, const To *to) {
    for (int64_t column = 0; column < to->columns; column += TILE) {
        int64_t left = to->columns - column;
        switch (left >= TILE ? 8 : (left + 15) / 16) {
            COLUMNS(1) COLUMNS(2) COLUMNS(3) COLUMNS(4) COLUMNS(5) COLUMNS(6) COLUMNS(7) COLUMNS(8)
        }
    }
}

/* [rows, width] numbers -> pairs of rows [rows / 2, padded], zeros beyond. */
INLINE void pair_rows(const half *restrict x, int64_t stride, int64_t rows, int64_t width, pair *restrict pairs,
                      int64_t padded) {
    for (int64_t p = 0; p < (rows + 1) / 2; p++) {
        const half *low = x + 2 * p * stride, *high = low + stride;
        pair *to = pairs + p * padded;
        if (2 * p + 1 < rows)
            for (int64_t c = 0; c < width; c++) to[c] = (pair)(low[c] | (uint32_t)high[c] << 16);
        else
            for (int64_t c = 0; c < width; c++) to[c] = low[c];
        for (int64_t c = width; c < padded; c++) to[c] = 0;
    }
}

/* Bytes -> bfloat16, `to` of an even width. */
INLINE void read_bytes(const uint8_t *from, int64_t width, half *to) {
    int64_t c = 0;
    for (; c + 16 <= width; c += 16) {
        __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(from + c)));
        _mm256_storeu_si256((__m256i *)(to + c), (__m256i)_mm512_cvtneps_pbh(_mm512_cvtepi32_ps(wide)));
    }
    for (; c < width; c++) to[c] = half_of(from[c]);
    if (width % 2) to[width] = 0;
}

/* Layers of a network, and what comes of a block of rows in it. */
typedef struct {
    int64_t layers;
    const int64_t *widths;           /* [layers + 1]: of x, and of what every layer gives; those between are even */
    const pair *const *by_input;     /* weights of each layer, as dense_pack leaves them */
    const pair *const *by_output;
    const float *const *biases;
    int64_t relu_last;               /* whether a ReLU follows the last layer as well */
} Net;

INLINE int64_t widest(const Net *net) {
    int64_t most = 0;
    for (int64_t i = 0; i <= net->layers; i++) most = net->widths[i] > most ? net->widths[i] : most;
    return WHOLE(most);
}

/* input [rows, even width] -> hidden[i] [rows, widths[i + 1]] of every layer but the last, and out. */
INLINE void forward_block(const Net *net, int64_t rows, const half *input, half *const *hidden, float *out) {
    const half *a = input;
    for (int64_t i = 0; i < net->layers; i++) {
        int64_t in = net->widths[i], width = net->widths[i + 1], last = i == net->layers - 1;
        To to = {.kind = HIDDEN, .bias = net->biases[i], .to_row = width, .columns = width};
        if (last) to.kind = net->relu_last ? LAST_RELU : LAST, to.floats = out;
        else to.halves = hidden[i];
        multiply((const pair *)a, EVEN(in) / 2, 1, rows, net->by_input[i], WHOLE(width), EVEN(in) / 2, &to);
        a = to.halves;
    }
}

/* Room for backward_block, of `rows` rows: gradients of two layers, and pairs of rows. */
typedef struct {
    half *gradient[2];      /* [rows, even width]; the first holds the gradient for out, which is overwritten */
    pair *of_gradient;      /* [rows / 2, whole width], as the next */
    pair *of_input;
} Room;

/* Adds to the gradients of every weight and bias; writes for_x [rows, widths[0]] if there is one. */
INLINE void backward_block(const Net *net, int64_t rows, const half *input, half *const *hidden, const Room *room,
                           float *const *for_weights, float *const *for_biases, half *for_x) {
    half *g = room->gradient[0];
    for (int64_t i = net->layers - 1; i >= 0; i--) {
        int64_t in = net->widths[i], out = net->widths[i + 1];
        const half *h = i ? hidden[i - 1] : input;
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < out; c++) {
                union { uint32_t i; float f; } wide = {(uint32_t)g[r * EVEN(out) + c] << 16};
                for_biases[i][c] += wide.f;
            }
        pair_rows(g, EVEN(out), rows, out, room->of_gradient, WHOLE(out));
        pair_rows(h, EVEN(in), rows, in, room->of_input, WHOLE(in));
        To weights = {.kind = WEIGHTS, .floats = for_weights[i], .to_row = in, .columns = in};
        multiply(room->of_gradient, 1, WHOLE(out), out, room->of_input, WHOLE(in), (rows + 1) / 2, &weights);
        if (!i && !for_x) break;
        half *before = i ? room->gradient[g == room->gradient[0]] : for_x;
        To back = {.kind = BACK, .active = i ? h : 0, .halves = before, .to_row = in, .columns = in};
        multiply((const pair *)g, EVEN(out) / 2, 1, rows, net->by_output[i], WHOLE(in), EVEN(out) / 2, &back);
        g = before;
    }
}

#endif
#endif
