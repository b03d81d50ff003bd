//! Token matrices as single vectors whose dot product is about the sum that MaxSim takes.
//!
//! Each repetition cuts space into buckets by the signs of random projections. A query's vector holds the sum of its tokens in each
//! bucket, a row's the mean of its tokens there; where a row has none, the token whose bucket's signs differ least. So each token
//! of a query meets about the nearest token of the row.
//! Reads from: token matrices in memory. Writes to: the encodings it returns.
//! Never: a state that is learnt from rows, so that encodings made apart can be compared.

use super::{Tokens, dots};
use crate::index::parallel::mix;

/// Most bits of a bucket's number.
const MOST_BITS: u32 = 12;
/// Most numbers of an encoding: as many as a vector may have.
const MOST_DIMS: usize = foretaste_storage::limits::DIMENSION as usize;
/// Most numbers before the final projection.
const MOST_INNER: usize = 1 << 24;

/// How tokens are encoded. Encodings can be compared when all of it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodingOptions {
    /// Numbers of a token.
    pub dims: usize,
    /// Signs that tell buckets apart: `2^bits` buckets, up to 12 bits.
    pub bits: u32,
    /// Independent repetitions, whose products are averaged.
    pub repetitions: usize,
    /// Numbers of the encoding after a random projection; None leaves it at `repetitions * 2^bits * dims`.
    pub project: Option<usize>,
    /// Of everything that is drawn.
    pub seed: u64,
}

impl EncodingOptions {
    /// The usual ones for tokens of `dims` numbers: 16 buckets, 20 repetitions, projected to 2,048 numbers.
    pub fn new(dims: usize) -> Self {
        EncodingOptions { dims, bits: 4, repetitions: 20, project: Some(2048), seed: 0 }
    }
}

/// Options of which no encoding can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an encoding of tokens needs at least one dimension and one repetition, at most 12 bits, and at most 65,536 numbers"
)]
pub struct EncodingError;

/// Makes fixed dimensional encodings.
///
/// MUVERA (Jayaram, Dhulipala, Hadian, Lee and Mirrokni 2024, [arXiv:2405.19504](https://arxiv.org/abs/2405.19504)), with SimHash
/// buckets, no projection within a bucket, empty buckets filled, and a final projection by random signs into as many sums as are
/// wanted (each number goes to one: a count sketch), which keeps dot products on average.
///
/// ```
/// use foretaste_query::rerank::maxsim::{Encoder, EncodingOptions, Tokens};
///
/// let options = EncodingOptions { dims: 2, bits: 3, repetitions: 16, project: None, seed: 7 };
/// let encoder = Encoder::new(options)?;
/// let query = encoder.query(Tokens::new(&[1.0, 0.0, 0.0, 1.0], 2).unwrap());
/// let row = encoder.row(Tokens::new(&[1.0, 0.0, 0.0, 1.0, -1.0, 0.0], 2).unwrap());
/// let product: f32 = query.iter().zip(&row).map(|(q, x)| q * x).sum();
/// assert!((product - 2.0).abs() < 0.5);
/// assert_eq!(query.len(), 16 * 8 * 2);
/// # Ok::<(), foretaste_query::rerank::maxsim::EncodingError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Encoder {
    options: EncodingOptions,
    /// Normals of the cuts, `bits` for each repetition.
    planes: Vec<f32>,
}

impl Encoder {
    /// Draws what is random.
    ///
    /// # Errors
    /// [`EncodingError`] when a number is 0 that must not be, or one is too large.
    pub fn new(options: EncodingOptions) -> Result<Self, EncodingError> {
        let inner = options
            .repetitions
            .checked_mul(1usize.checked_shl(options.bits).ok_or(EncodingError)?)
            .and_then(|n| n.checked_mul(options.dims))
            .ok_or(EncodingError)?;
        let dims = options.project.unwrap_or(inner);
        if inner == 0 || inner > MOST_INNER || options.bits > MOST_BITS || dims == 0 || dims > MOST_DIMS {
            return Err(EncodingError);
        }
        let count = options.repetitions * options.bits as usize * options.dims;
        let planes = (0..count as u64).map(|i| normal(mix(options.seed) ^ i)).collect();
        Ok(Encoder { options, planes })
    }

    /// Numbers of an encoding.
    pub fn dims(&self) -> usize {
        self.options.project.unwrap_or_else(|| self.inner())
    }

    /// The encoding of a query: the sum of its tokens in each bucket. Zeros when its tokens have another length.
    pub fn query(&self, tokens: Tokens<'_>) -> Vec<f32> {
        self.encode(tokens, |_, _, _| {})
    }

    /// The encoding of a row: the mean of its tokens in each bucket, empty ones filled. Zeros when it has no token or
    /// its tokens have another length.
    pub fn row(&self, tokens: Tokens<'_>) -> Vec<f32> {
        self.encode(tokens, |sums, counts, buckets| {
            let dims = self.options.dims;
            for ((bucket, sum), &count) in sums.chunks_exact_mut(dims).enumerate().zip(counts) {
                if count > 0 {
                    sum.iter_mut().for_each(|x| *x /= count as f32);
                    continue;
                }
                // The first of those that differ least, so that the answer is the same everywhere.
                let nearest =
                    buckets.iter().zip(tokens.iter()).min_by_key(|(b, _)| (**b ^ bucket).count_ones());
                if let Some((_, token)) = nearest {
                    sum.copy_from_slice(token);
                }
            }
        })
    }

    /// The sums of each repetition's buckets, finished by `finish(sums, tokens in each bucket, bucket of each token)`.
    fn encode(&self, tokens: Tokens<'_>, finish: impl Fn(&mut [f32], &[u32], &[usize])) -> Vec<f32> {
        let mut out = vec![0f32; self.dims()];
        let EncodingOptions { dims, bits, repetitions, .. } = self.options;
        if tokens.dims() != dims || tokens.is_empty() {
            return out;
        }
        // Each side has the root of what divides the sum of the repetitions.
        let scale = (1.0 / (repetitions as f64).sqrt()) as f32;
        let (mut sums, mut counts) = (vec![0f32; dims << bits], vec![0u32; 1 << bits]);
        for repetition in 0..repetitions {
            sums.fill(0.0);
            counts.fill(0);
            let buckets: Vec<usize> = tokens.iter().map(|token| self.bucket(repetition, token)).collect();
            for (&bucket, token) in buckets.iter().zip(tokens.iter()) {
                let sum = sums.get_mut(bucket * dims..(bucket + 1) * dims).unwrap_or_default();
                sum.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
                counts.get_mut(bucket).into_iter().for_each(|count| *count += 1);
            }
            finish(&mut sums, &counts, &buckets);
            let from = repetition * sums.len();
            match self.options.project {
                None => {
                    let part = out.get_mut(from..from + sums.len()).unwrap_or_default();
                    part.iter_mut().zip(&sums).for_each(|(out, x)| *out = x * scale);
                }
                Some(wanted) => {
                    for (i, x) in sums.iter().enumerate() {
                        let drawn = mix(mix(!self.options.seed) ^ (from + i) as u64);
                        let signed = if drawn & 1 == 0 { x * scale } else { -x * scale };
                        let place = ((u128::from(drawn) * wanted as u128) >> 64) as usize;
                        out.get_mut(place).into_iter().for_each(|out| *out += signed);
                    }
                }
            }
        }
        out
    }

    /// The bucket of a token: a bit for each plane, set on its positive side.
    fn bucket(&self, repetition: usize, token: &[f32]) -> usize {
        let EncodingOptions { dims, bits, .. } = self.options;
        let one = bits as usize * dims;
        let planes = self.planes.get(repetition * one..(repetition + 1) * one).unwrap_or_default();
        planes.chunks_exact(dims).fold(0, |bucket, plane| {
            let [side] = dots(token, [plane]);
            bucket << 1 | usize::from(side > 0.0)
        })
    }

    fn inner(&self) -> usize {
        (self.options.repetitions << self.options.bits) * self.options.dims
    }
}

/// A number of the standard normal distribution (Box and Muller 1958).
fn normal(drawn: u64) -> f32 {
    let unit = |x: u64| ((x >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let (radius, angle) = (unit(mix(drawn)), unit(mix(!drawn)));
    ((-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()) as f32
}
