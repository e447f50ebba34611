//! Sixteen floats at a time: the instructions that the kernels are written in.
//!
//! Kernels are generic over [`Simd`] and inlined into one function per instruction set, which the caller picks at run
//! time. Both sets do the same arithmetic in the same order, so their results are equal bit for bit.

#![allow(unsafe_op_in_unsafe_fn, reason = "each function is a few instructions, and demands what they demand")]

use std::arch::x86_64::*;

/// Lanes of a vector; channels are padded to a multiple of it.
pub const LANES: usize = 16;

/// Marks a pooling window in which nothing is above zero, where ReLU lets no gradient through.
pub const NO_WINNER: u8 = 9;

/// An instruction set.
///
/// # Safety
/// Every method needs a processor with the instructions of the implementing type, and pointers to sixteen values.
pub trait Simd: Copy {
    /// Sixteen floats.
    type Vector: Copy;
    /// Sixteen small numbers: which pixel of a pooling window won.
    type Index: Copy;
    /// Output columns whose sums fit into registers beside two vectors of weights.
    const COLUMNS: usize;
    /// Vectors of output channels a block of columns.
    const DEPTH: usize;

    unsafe fn zero() -> Self::Vector;
    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, value: Self::Vector);
    /// a * b + c, rounded once.
    unsafe fn fma(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// The sum of all lanes, halves first, so that every instruction set rounds alike.
    unsafe fn sum(value: Self::Vector) -> f32;
    /// Whether any lane is not zero.
    unsafe fn any(from: *const f32) -> bool;
    /// Writes the lanes that are not zero to `values` and `first` plus their numbers to `places`, one after the other,
    /// and returns how many they are. Both have room for sixteen.
    unsafe fn compress(from: *const f32, first: u32, values: *mut f32, places: *mut u32) -> usize;

    unsafe fn index(value: u8) -> Self::Index;
    unsafe fn store_index(to: *mut u8, index: Self::Index);
    /// The larger of `best` and `value`; where that is `value`, `index` becomes `pixel`.
    unsafe fn challenge(
        best: Self::Vector,
        index: Self::Index,
        value: Self::Vector,
        pixel: u8,
    ) -> (Self::Vector, Self::Index);
    /// `sum`, with `value` added where `index` is `pixel`.
    unsafe fn add_where(sum: Self::Vector, value: Self::Vector, index: *const u8, pixel: u8) -> Self::Vector;
    /// `value` where there is a winner, else zero.
    unsafe fn won(value: Self::Vector, index: *const u8) -> Self::Vector;
    /// Writes `first` plus the offset that `index` has in a table to each of sixteen places.
    unsafe fn places(index: *const u8, offsets: &[u32; LANES], first: u32, places: *mut u32);
    /// For every lane the three by three pixels that the window of its winner sees, of five rows of eight.
    unsafe fn windows(rows: [*const f32; 5], index: *const u8) -> [Self::Vector; 9];
}

/// Where the window of each winner begins in rows of eight pixels; no winner has the first.
const IN_ROWS_OF_EIGHT: [i32; LANES] = [0, 1, 2, 8, 9, 10, 16, 17, 18, 0, 0, 0, 0, 0, 0, 0];

/// AVX-512 F, BW and VL.
#[derive(Debug, Clone, Copy)]
pub struct Avx512;

impl Simd for Avx512 {
    type Vector = __m512;
    type Index = __m128i;
    const COLUMNS: usize = 13;
    const DEPTH: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> __m512 {
        _mm512_setzero_ps()
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        _mm512_set1_ps(value)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        _mm512_loadu_ps(from)
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: __m512) {
        _mm512_storeu_ps(to, value)
    }

    #[inline(always)]
    unsafe fn fma(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }

    #[inline(always)]
    unsafe fn sum(value: __m512) -> f32 {
        let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(value)));
        sum_of_eight(_mm256_add_ps(_mm512_castps512_ps256(value), upper))
    }

    #[inline(always)]
    unsafe fn any(from: *const f32) -> bool {
        _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(_mm512_loadu_ps(from), _mm512_setzero_ps()) != 0
    }

    #[inline(always)]
    unsafe fn compress(from: *const f32, first: u32, values: *mut f32, places: *mut u32) -> usize {
        let lanes = _mm512_loadu_ps(from);
        let kept = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(lanes, _mm512_setzero_ps());
        let numbers = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        let numbers = _mm512_add_epi32(numbers, _mm512_set1_epi32(first as i32));
        // Compressing in a register and storing all of it is faster than a compressing store.
        _mm512_storeu_ps(values, _mm512_maskz_compress_ps(kept, lanes));
        _mm512_storeu_epi32(places.cast(), _mm512_maskz_compress_epi32(kept, numbers));
        kept.count_ones() as usize
    }

    #[inline(always)]
    unsafe fn index(value: u8) -> __m128i {
        _mm_set1_epi8(value as i8)
    }

    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: __m128i) {
        _mm_storeu_si128(to.cast(), index)
    }

    #[inline(always)]
    unsafe fn challenge(best: __m512, index: __m128i, value: __m512, pixel: u8) -> (__m512, __m128i) {
        let wins = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, best);
        (_mm512_mask_mov_ps(best, wins, value), _mm_mask_mov_epi8(index, wins, _mm_set1_epi8(pixel as i8)))
    }

    #[inline(always)]
    unsafe fn add_where(sum: __m512, value: __m512, index: *const u8, pixel: u8) -> __m512 {
        let won = _mm_cmpeq_epi8_mask(_mm_loadu_si128(index.cast()), _mm_set1_epi8(pixel as i8));
        _mm512_mask_add_ps(sum, won, sum, value)
    }

    #[inline(always)]
    unsafe fn won(value: __m512, index: *const u8) -> __m512 {
        let won = _mm_cmpneq_epi8_mask(_mm_loadu_si128(index.cast()), _mm_set1_epi8(NO_WINNER as i8));
        _mm512_maskz_mov_ps(won, value)
    }

    #[inline(always)]
    unsafe fn places(index: *const u8, offsets: &[u32; LANES], first: u32, places: *mut u32) {
        let index = _mm512_cvtepu8_epi32(_mm_loadu_si128(index.cast()));
        let offsets = _mm512_permutexvar_epi32(index, _mm512_loadu_epi32(offsets.as_ptr().cast()));
        _mm512_storeu_epi32(places.cast(), _mm512_add_epi32(offsets, _mm512_set1_epi32(first as i32)));
    }

    #[inline(always)]
    unsafe fn windows(rows: [*const f32; 5], index: *const u8) -> [__m512; 9] {
        let index = _mm512_cvtepu8_epi32(_mm_loadu_si128(index.cast()));
        let table = _mm512_loadu_epi32(IN_ROWS_OF_EIGHT.as_ptr());
        let left = _mm512_permutexvar_epi32(index, table);
        // Plain loops: closures are not compiled for this instruction set.
        let mut windows = [_mm512_setzero_ps(); 9];
        for row in 0..3 {
            let (above, below) = (_mm256_loadu_ps(rows[row]), _mm256_loadu_ps(rows[row + 1]));
            let upper = _mm512_castps_pd(_mm512_castps256_ps512(above));
            let pair = _mm512_castpd_ps(_mm512_insertf64x4::<1>(upper, _mm256_castps_pd(below)));
            let last = _mm512_castps256_ps512(_mm256_loadu_ps(rows[row + 2]));
            for column in 0..3 {
                let places = _mm512_add_epi32(left, _mm512_set1_epi32(column as i32));
                windows[3 * row + column] = _mm512_permutex2var_ps(pair, places, last);
            }
        }
        windows
    }
}

/// AVX2 and FMA: two halves of eight lanes.
#[derive(Debug, Clone, Copy)]
pub struct Avx2;

impl Simd for Avx2 {
    type Vector = [__m256; 2];
    type Index = [__m256i; 2];
    const COLUMNS: usize = 5;
    const DEPTH: usize = 1;

    #[inline(always)]
    unsafe fn zero() -> [__m256; 2] {
        [_mm256_setzero_ps(); 2]
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [__m256; 2] {
        [_mm256_set1_ps(value); 2]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [__m256; 2] {
        [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))]
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: [__m256; 2]) {
        _mm256_storeu_ps(to, value[0]);
        _mm256_storeu_ps(to.add(8), value[1]);
    }

    #[inline(always)]
    unsafe fn fma(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])]
    }

    #[inline(always)]
    unsafe fn sum(value: [__m256; 2]) -> f32 {
        sum_of_eight(_mm256_add_ps(value[0], value[1]))
    }

    #[inline(always)]
    unsafe fn any(from: *const f32) -> bool {
        nonzero(from) != 0
    }

    #[inline(always)]
    unsafe fn compress(from: *const f32, first: u32, values: *mut f32, places: *mut u32) -> usize {
        let mut lanes = nonzero(from);
        let mut count = 0;
        while lanes != 0 {
            let lane = lanes.trailing_zeros();
            *values.add(count) = *from.add(lane as usize);
            *places.add(count) = first + lane;
            count += 1;
            lanes &= lanes - 1;
        }
        count
    }

    #[inline(always)]
    unsafe fn index(value: u8) -> [__m256i; 2] {
        [_mm256_set1_epi32(i32::from(value)); 2]
    }

    #[inline(always)]
    unsafe fn store_index(to: *mut u8, index: [__m256i; 2]) {
        // Packing works within halves of 128 bits, so the middle quarters come out swapped.
        let words = _mm256_permute4x64_epi64::<0b1101_1000>(_mm256_packus_epi32(index[0], index[1]));
        let bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
        _mm_storeu_si128(to.cast(), bytes);
    }

    #[inline(always)]
    unsafe fn challenge(
        best: [__m256; 2],
        index: [__m256i; 2],
        value: [__m256; 2],
        pixel: u8,
    ) -> ([__m256; 2], [__m256i; 2]) {
        let pixel = _mm256_set1_epi32(i32::from(pixel));
        let wins = [_mm256_cmp_ps::<_CMP_GT_OQ>(value[0], best[0]), _mm256_cmp_ps::<_CMP_GT_OQ>(value[1], best[1])];
        let best = [_mm256_blendv_ps(best[0], value[0], wins[0]), _mm256_blendv_ps(best[1], value[1], wins[1])];
        let index = [
            _mm256_blendv_epi8(index[0], pixel, _mm256_castps_si256(wins[0])),
            _mm256_blendv_epi8(index[1], pixel, _mm256_castps_si256(wins[1])),
        ];
        (best, index)
    }

    #[inline(always)]
    unsafe fn add_where(sum: [__m256; 2], value: [__m256; 2], index: *const u8, pixel: u8) -> [__m256; 2] {
        let pixel = _mm256_set1_epi32(i32::from(pixel));
        let [low, high] = widened(index);
        let (low, high) = (_mm256_cmpeq_epi32(low, pixel), _mm256_cmpeq_epi32(high, pixel));
        // Adding a zero would turn -0 into +0; blending the sum keeps both instruction sets equal bit for bit.
        let sums = [_mm256_add_ps(sum[0], value[0]), _mm256_add_ps(sum[1], value[1])];
        [
            _mm256_blendv_ps(sum[0], sums[0], _mm256_castsi256_ps(low)),
            _mm256_blendv_ps(sum[1], sums[1], _mm256_castsi256_ps(high)),
        ]
    }

    #[inline(always)]
    unsafe fn won(value: [__m256; 2], index: *const u8) -> [__m256; 2] {
        let nobody = _mm256_set1_epi32(i32::from(NO_WINNER));
        let [low, high] = widened(index);
        let low = _mm256_castsi256_ps(_mm256_cmpeq_epi32(low, nobody));
        let high = _mm256_castsi256_ps(_mm256_cmpeq_epi32(high, nobody));
        [_mm256_andnot_ps(low, value[0]), _mm256_andnot_ps(high, value[1])]
    }

    #[inline(always)]
    unsafe fn places(index: *const u8, offsets: &[u32; LANES], first: u32, places: *mut u32) {
        let first = _mm256_set1_epi32(first as i32);
        let [low, high] = widened(index);
        let low = _mm256_add_epi32(look_up(offsets.as_ptr().cast(), low), first);
        let high = _mm256_add_epi32(look_up(offsets.as_ptr().cast(), high), first);
        _mm256_storeu_si256(places.cast(), low);
        _mm256_storeu_si256(places.add(8).cast(), high);
    }

    #[inline(always)]
    unsafe fn windows(rows: [*const f32; 5], index: *const u8) -> [[__m256; 2]; 9] {
        let mut windows = [Self::zero(); 9];
        let halves = widened(index);
        for half in 0..2 {
            let first = look_up(IN_ROWS_OF_EIGHT.as_ptr(), halves[half]);
            let row = _mm256_srli_epi32::<3>(first);
            let second = _mm256_castsi256_ps(_mm256_cmpeq_epi32(row, _mm256_set1_epi32(1)));
            let third = _mm256_castsi256_ps(_mm256_cmpeq_epi32(row, _mm256_set1_epi32(2)));
            for tap in 0..9 {
                // Permuting looks at the lowest three bits alone: the column.
                let column = _mm256_add_epi32(first, _mm256_set1_epi32((tap % 3) as i32));
                let a = _mm256_permutevar8x32_ps(_mm256_loadu_ps(rows[tap / 3]), column);
                let b = _mm256_permutevar8x32_ps(_mm256_loadu_ps(rows[tap / 3 + 1]), column);
                let c = _mm256_permutevar8x32_ps(_mm256_loadu_ps(rows[tap / 3 + 2]), column);
                windows[tap][half] = _mm256_blendv_ps(_mm256_blendv_ps(a, b, second), c, third);
            }
        }
        windows
    }
}

/// Sixteen small numbers as two halves of eight.
///
/// # Safety
/// Needs AVX2, and sixteen bytes at `index`.
#[inline(always)]
unsafe fn widened(index: *const u8) -> [__m256i; 2] {
    let bytes = _mm_loadu_si128(index.cast());
    [_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128::<8>(bytes))]
}

/// Entries of a table of sixteen.
///
/// # Safety
/// Needs AVX2, and sixteen numbers at `table`.
#[inline(always)]
unsafe fn look_up(table: *const i32, index: __m256i) -> __m256i {
    let lower = _mm256_permutevar8x32_epi32(_mm256_loadu_si256(table.cast()), index);
    let upper = _mm256_permutevar8x32_epi32(_mm256_loadu_si256(table.add(8).cast()), index);
    _mm256_blendv_epi8(lower, upper, _mm256_cmpgt_epi32(index, _mm256_set1_epi32(7)))
}

/// # Safety
/// Needs AVX.
#[inline(always)]
unsafe fn sum_of_eight(value: __m256) -> f32 {
    let four = _mm_add_ps(_mm256_castps256_ps128(value), _mm256_extractf128_ps::<1>(value));
    let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
}

/// A bit for every one of sixteen lanes that is not zero.
///
/// # Safety
/// Needs AVX, and sixteen floats at `from`.
#[inline(always)]
unsafe fn nonzero(from: *const f32) -> u32 {
    let half = |from| _mm256_cmp_ps::<_CMP_NEQ_UQ>(_mm256_loadu_ps(from), _mm256_setzero_ps());
    (_mm256_movemask_ps(half(from)) | _mm256_movemask_ps(half(from.add(8))) << 8) as u32
}
