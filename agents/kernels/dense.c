/* Dense layers with ReLUs, forward and backward, in bfloat16 with float32 sums, for processors that multiply
   bfloat16 (AVX512-BF16); see dense.py, which has the same in PyTorch.

   Rows go through all layers a block at a time, so that what one layer leaves for the next is still in the
   cache. All products are one small kernel: a few rows of A times up to 128 columns of B, where both are
   pairs of bfloat16 numbers along the axis that is summed over.

       forward    rows of x       times  weights by pairs of inputs
       backward   rows of g       times  weights by pairs of outputs
       weights    outputs of g    times  inputs, both by pairs of rows
*/
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define BLOCK 192 /* rows: a multiple of 2 and of 3; what a block leaves between layers fits the second cache */
#define TILE 128 /* columns: 8 registers, 24 for 3 rows */
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define EVEN(n) (((n) + 1) & ~(int64_t)1)
#define WHOLE(n) (((n) + 15) & ~(int64_t)15)

typedef uint16_t half;

int dense_works(void) { return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw"); }

INLINE half half_of(float x) {
    union { float f; uint32_t i; } bits = {x};
    if ((bits.i & 0x7fffffff) > 0x7f800000) return (half)((bits.i >> 16) | 64); /* a NaN stays one */
    return (half)((bits.i + 0x7fff + ((bits.i >> 16) & 1)) >> 16);
}

/* sum[r][v] = sum over k of a[r][k] . b[k][v], R rows and V registers of 16 columns; `a_row` and `a_step` are the
   pairs from one row, and from one k, to the next; b has `b_row` pairs in a row. */
INLINE void product(const int R, const int V, const int32_t *a, int64_t a_row, int64_t a_step, const int32_t *b,
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
                if (to->kind == LAST_RELU) y = _mm512_max_ps(y, _mm512_setzero_ps());
                _mm512_mask_storeu_ps(to->floats + at, in, y);
            } else if (to->kind == HIDDEN) {
                __m512 y = _mm512_max_ps(_mm512_add_ps(bias, sum[r][v]), _mm512_setzero_ps());
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

TARGET static void multiply(const int32_t *a, int64_t a_row, int64_t a_step, int64_t rows, const int32_t *b,
                            int64_t b_row, int64_t pairs, const To *to) {
    for (int64_t column = 0; column < to->columns; column += TILE) {
        int64_t left = to->columns - column;
        switch (left >= TILE ? 8 : (left + 15) / 16) {
            COLUMNS(1) COLUMNS(2) COLUMNS(3) COLUMNS(4) COLUMNS(5) COLUMNS(6) COLUMNS(7) COLUMNS(8)
        }
    }
}

/* [rows, width] numbers -> pairs of rows [rows / 2, padded], zeros beyond. */
INLINE void pair_rows(const half *restrict x, int64_t stride, int64_t rows, int64_t width, int32_t *restrict pairs,
                      int64_t padded) {
    for (int64_t p = 0; p < (rows + 1) / 2; p++) {
        const half *low = x + 2 * p * stride, *high = low + stride;
        int32_t *to = pairs + p * padded;
        if (2 * p + 1 < rows)
            for (int64_t c = 0; c < width; c++) to[c] = (int32_t)(low[c] | (uint32_t)high[c] << 16);
        else
            for (int64_t c = 0; c < width; c++) to[c] = low[c];
        for (int64_t c = width; c < padded; c++) to[c] = 0;
    }
}

/* Weights [out, in] of float32 -> pairs of inputs [in / 2, out], and pairs of outputs [out / 2, in]; rows padded
   to whole registers, zeros beyond. */
TARGET void dense_pack(const float *weight, int64_t out, int64_t in, int32_t *by_input, int32_t *by_output) {
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

/* Block of observations of bytes or bfloat16 -> bfloat16, rows padded to an even width. */
INLINE void read_rows(const void *x, int bytes, int64_t stride, int64_t from, int64_t rows, int64_t width, half *to) {
    int64_t even = EVEN(width);
    for (int64_t r = 0; r < rows; r++) {
        half *row = to + r * even;
        if (bytes) {
            const uint8_t *given = (const uint8_t *)x + (from + r) * stride;
            int64_t c = 0;
            for (; c + 16 <= width; c += 16) {
                __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(given + c)));
                _mm256_storeu_si256((__m256i *)(row + c), (__m256i)_mm512_cvtneps_pbh(_mm512_cvtepi32_ps(wide)));
            }
            for (; c < width; c++) row[c] = half_of(given[c]);
        } else {
            memcpy(row, (const half *)x + (from + r) * stride, width * sizeof(half));
        }
        if (even > width) row[width] = 0;
    }
}

/* What a call is about. The first four are needed on the way there and back. */
typedef struct {
    int64_t layers, rows;
    const int64_t *widths;        /* [layers + 1]: of x, and of what every layer gives; those between are even */
    const void *x;                /* [rows, widths[0]] bytes or bfloat16, `stride` numbers from row to row */
    int64_t bytes, stride, relu_last;
    const int32_t *const *weights; /* by pairs of inputs on the way there, of outputs on the way back */
    const float *const *biases;   /* there */
    half *const *kept;            /* [layers - 1] of [rows, widths[i + 1]]: what hidden layers give; null: not kept */
    float *out;                   /* [rows, widths[layers]] */
    const float *gradient;        /* back: [rows, widths[layers]] for out */
    float *const *for_weights;    /* back: [out, in] of each layer, zeroed by the caller */
    float *const *for_biases;     /* back: [out] of each layer, zeroed by the caller */
    half *for_x;                  /* back: [rows, widths[0]]; null where nobody asks */
} Dense;

INLINE int64_t widest(const Dense *d) {
    int64_t most = 0;
    for (int64_t i = 0; i <= d->layers; i++) most = d->widths[i] > most ? d->widths[i] : most;
    return WHOLE(most);
}

TARGET void dense_forward(const Dense *d) {
    half hidden[2][BLOCK * widest(d)], input[BLOCK * EVEN(d->widths[0])];
    for (int64_t from = 0; from < d->rows; from += BLOCK) {
        int64_t rows = d->rows - from < BLOCK ? d->rows - from : BLOCK;
        read_rows(d->x, d->bytes, d->stride, from, rows, d->widths[0], input);
        const half *a = input;
        for (int64_t i = 0; i < d->layers; i++) {
            int64_t in = d->widths[i], width = d->widths[i + 1];
            To to = {.kind = HIDDEN, .bias = d->biases[i], .to_row = width, .columns = width};
            if (i < d->layers - 1) {
                to.halves = d->kept ? d->kept[i] + from * width : hidden[i % 2];
            } else {
                to.kind = d->relu_last ? LAST_RELU : LAST;
                to.floats = d->out + from * width;
            }
            multiply((const int32_t *)a, EVEN(in) / 2, 1, rows, d->weights[i], WHOLE(width), EVEN(in) / 2, &to);
            a = to.halves;
        }
    }
}

/* The gradient for a block of `out`, past its ReLU if it has one, as bfloat16 in rows of an even width. */
INLINE void read_gradient(const Dense *d, int64_t from, int64_t rows, half *to) {
    int64_t width = d->widths[d->layers], even = EVEN(width);
    for (int64_t r = 0; r < rows; r++) {
        const float *given = d->gradient + (from + r) * width, *out = d->out + (from + r) * width;
        for (int64_t c = 0; c < width; c++)
            to[r * even + c] = d->relu_last && !(out[c] > 0.0f) ? 0 : half_of(given[c]);
        if (even > width) to[r * even + width] = 0;
    }
}

INLINE void add_rows(const half *restrict x, int64_t stride, int64_t rows, int64_t width, float *restrict sum) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < width; c++) {
            union { uint32_t i; float f; } wide = {(uint32_t)x[r * stride + c] << 16};
            sum[c] += wide.f;
        }
}

TARGET void dense_backward(const Dense *d) {
    int64_t width = widest(d);
    half input[BLOCK * EVEN(d->widths[0])], gradient[2][BLOCK * width];
    int32_t pairs_of_gradient[BLOCK / 2 * width], pairs_of_input[BLOCK / 2 * width];
    for (int64_t from = 0; from < d->rows; from += BLOCK) {
        int64_t rows = d->rows - from < BLOCK ? d->rows - from : BLOCK;
        half *g = gradient[0];
        read_gradient(d, from, rows, g);
        for (int64_t i = d->layers - 1; i >= 0; i--) {
            int64_t in = d->widths[i], out = d->widths[i + 1];
            const half *h = i ? d->kept[i - 1] + from * in : input;
            if (!i) read_rows(d->x, d->bytes, d->stride, from, rows, in, input);
            add_rows(g, EVEN(out), rows, out, d->for_biases[i]);
            pair_rows(g, EVEN(out), rows, out, pairs_of_gradient, WHOLE(out));
            pair_rows(h, EVEN(in), rows, in, pairs_of_input, WHOLE(in));
            To weights = {.kind = WEIGHTS, .floats = d->for_weights[i], .to_row = in, .columns = in};
            multiply(pairs_of_gradient, 1, WHOLE(out), out, pairs_of_input, WHOLE(in), (rows + 1) / 2, &weights);
            if (!i && !d->for_x) break;
            half *before = i ? gradient[g == gradient[0]] : d->for_x + from * in;
            To back = {.kind = BACK, .active = i ? h : 0, .halves = before, .to_row = in, .columns = in};
            multiply((const int32_t *)g, EVEN(out) / 2, 1, rows, d->weights[i], WHOLE(in), EVEN(out) / 2, &back);
            g = before;
        }
    }
}
#else
int dense_works(void) { return 0; }
void dense_pack(void) {}
void dense_forward(void) {}
void dense_backward(void) {}
#endif
