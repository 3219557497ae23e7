/* One step of Muon for one matrix, its products in bfloat16; see muon.py. */
#include <math.h>
#include <stdlib.h>

#include "dense.h"

#ifdef TARGET

typedef struct {
    float *parameter, *momentum;   /* [rows, width], both changed */
    const float *gradient;
    int64_t rows, width, rounds;
    float keep;                    /* of the momentum, and of the momentum in what is stepped along */
    float a, b, c;                 /* of Newton-Schulz: x <- a x + b (x x') x + c (x x')^2 x */
    float rate;
} Step;

/* [rows, width] numbers, times `by` -> bfloat16 [rows, even width]. */
INLINE void halve(const float *from, float by, int64_t rows, int64_t width, half *to) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < EVEN(width); c += 16) {
            int64_t in = width - c, out = EVEN(width) - c;
            __mmask16 here = in >= 16 ? 0xffff : in <= 0 ? 0 : (__mmask16)((1u << in) - 1);
            __mmask16 there = out >= 16 ? 0xffff : (__mmask16)((1u << out) - 1);
            __m512 x = _mm512_mul_ps(_mm512_set1_ps(by), _mm512_maskz_loadu_ps(here, from + r * width + c));
            _mm256_mask_storeu_epi16(to + r * EVEN(width) + c, there, (__m256i)_mm512_cvtneps_pbh(x));
        }
}

/* The momentum moves, and the gradient it looks ahead to is `x` [less, more]: lying down, if it stands. */
INLINE double look_ahead(const Step *step, int lies, int64_t more, float *x) {
    double squares = 0.0;
    for (int64_t r = 0; r < step->rows; r++)
        for (int64_t c = 0; c < step->width; c++) {
            int64_t at = r * step->width + c;
            float g = step->gradient[at];
            float m = step->momentum[at] = step->momentum[at] + (1.0f - step->keep) * (g - step->momentum[at]);
            float ahead = g + step->keep * (m - g);
            x[lies ? at : c * more + r] = ahead;
            squares += (double)ahead * ahead;
        }
    return sqrt(squares);
}

/* to [rows, columns] += a [rows, sum], as bfloat16 in rows, times b, as pairs of rows. */
INLINE void add_product(const half *a, int64_t rows, int64_t sum, const pair *b, int64_t columns, float *to) {
    To where = {.kind = WEIGHTS, .floats = to, .to_row = columns, .columns = columns};
    multiply((const pair *)a, EVEN(sum) / 2, 1, rows, b, WHOLE(columns), EVEN(sum) / 2, &where);
}

/* Returns 0, or 1 where there is no memory; then nothing was changed. */
TARGET int muon_step(const Step *step) {
    int lies = step->rows <= step->width;
    int64_t less = lies ? step->rows : step->width, more = lies ? step->width : step->rows, wide = WHOLE(more);
    int64_t floats = less * more + 2 * less * less, halves = less * (EVEN(more) + EVEN(less));
    int64_t pairs = EVEN(more) / 2 * WHOLE(less) + EVEN(less) / 2 * wide;
    char *at = malloc(4 * (floats + pairs) + 2 * halves), *all = at;
    if (!all) return 1;
#define CLAIM(name, type, count) type *name = (type *)at; at += (count) * sizeof(type)
    CLAIM(x, float, less * more);
    CLAIM(gram, float, less * less);
    CLAIM(mix, float, less * less);
    CLAIM(across, pair, EVEN(more) / 2 * WHOLE(less));
    CLAIM(down, pair, EVEN(less) / 2 * wide);
    CLAIM(half_x, half, less * EVEN(more));
    CLAIM(half_square, half, less * EVEN(less));
    float by = (float)(1.0 / (look_ahead(step, lies, more, x) + 1e-7));
    for (int64_t round = 0; round < step->rounds; round++, by = 1.0f) {
        halve(x, by, less, more, half_x);
        for (int64_t r = 0; r < less; r++)
            for (int64_t p = 0; p < EVEN(more) / 2; p++)
                across[p * WHOLE(less) + r] = ((const pair *)half_x)[r * (EVEN(more) / 2) + p];
        memset(gram, 0, less * less * sizeof(float));
        add_product(half_x, less, more, across, less, gram);
        halve(gram, 1.0f, less, less, half_square);
        pair_rows(half_square, EVEN(less), less, less, down, WHOLE(less));
        halve(gram, step->c, less, less, half_square);
        for (int64_t i = 0; i < less * less; i++) mix[i] = step->b * gram[i];
        for (int64_t i = 0; i < less; i++) mix[i * less + i] += step->a;
        add_product(half_square, less, less, down, less, mix);
        halve(mix, 1.0f, less, less, half_square);
        pair_rows(half_x, EVEN(more), less, more, down, wide);
        memset(x, 0, less * more * sizeof(float));
        add_product(half_square, less, less, down, more, x);
    }
    for (int64_t r = 0; r < step->rows; r++)
        for (int64_t c = 0; c < step->width; c++)
            step->parameter[r * step->width + c] -= step->rate * x[lies ? r * step->width + c : c * more + r];
    free(all);
    return 0;
}
#else
int muon_step(void) { return 1; }
#endif
