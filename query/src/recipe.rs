//! What has to be done to a model's vectors before their first numbers mean anything alone.
//!
//! Reads from: a vector as the model gives it. Writes to: the same vector.
//! Never: a vector that was cut already; what is taken off depends on all of its numbers.

use std::fmt;
use std::str::FromStr;

/// Added to the variance, as models do that were trained with it.
const EPSILON: f64 = 1e-5;

/// A transformation of whole vectors, of rows and of queries alike, before they are cut to a shorter length.
///
/// ```
/// use foretaste_query::recipe::Recipe;
///
/// let recipe: Recipe = "layer_norm".parse()?;
/// let mut vector = [1.0, 2.0, 3.0, 4.0];
/// recipe.apply(&mut vector);
/// assert!((vector[0] + 1.341_635).abs() < 1e-6 && (vector[3] - 1.341_635).abs() < 1e-6);
/// # Ok::<(), foretaste_query::recipe::UnknownRecipe>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Recipe {
    /// Vectors are cut as they are.
    #[default]
    None,
    /// The mean of the vector's numbers is taken from each, and each divided by their standard deviation (Ba, Kiros and Hinton, "Layer
    /// Normalization", 2016, without weights): `(x - mean) / √(variance + 10⁻⁵)`. Of the model's own output, not of what was scaled to
    /// length 1: there the constant counts. So nomic-embed-text-v1.5 wants it.
    LayerNorm,
}

/// A name that is no recipe's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown recipe {0:?}; use \"none\" or \"layer_norm\"")]
pub struct UnknownRecipe(pub String);

impl Recipe {
    /// Every recipe.
    pub const ALL: [Recipe; 2] = [Recipe::None, Recipe::LayerNorm];

    /// The canonical name, which [`FromStr`] reads back.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::None => "none",
            Recipe::LayerNorm => "layer_norm",
        }
    }

    /// Transforms a vector of the full length. Finite numbers stay finite; a vector whose numbers are all the same becomes zeros.
    pub fn apply(self, vector: &mut [f32]) {
        match self {
            Recipe::None => {}
            Recipe::LayerNorm => {
                let count = vector.len().max(1) as f64;
                let mean = vector.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
                let variance = vector.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
                let scale = 1.0 / (variance + EPSILON).sqrt();
                vector.iter_mut().for_each(|x| *x = ((f64::from(*x) - mean) * scale) as f32);
            }
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Recipe {
    type Err = UnknownRecipe;

    fn from_str(text: &str) -> Result<Self, UnknownRecipe> {
        Recipe::ALL
            .into_iter()
            .find(|recipe| recipe.name() == text.to_ascii_lowercase())
            .ok_or_else(|| UnknownRecipe(text.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(vector: &[f32]) -> Vec<f32> {
        let mut vector = vector.to_vec();
        Recipe::LayerNorm.apply(&mut vector);
        vector
    }

    #[test]
    fn a_layer_norm_has_mean_zero_and_variance_one_whatever_the_scale_and_offset() {
        let vector: Vec<f32> =
            (0..768).map(|i| (i as f32 * 0.7).sin() * 3.0 + (i as f32 * 0.11).cos()).collect();
        let out = normalised(&vector);
        let mean = out.iter().map(|x| f64::from(*x)).sum::<f64>() / 768.0;
        let variance = out.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 768.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5, "{mean} {variance}");
        let moved: Vec<f32> = vector.iter().map(|x| 4.0 * x + 2.0).collect();
        assert!(normalised(&moved).iter().zip(&out).all(|(a, b)| (a - b).abs() < 1e-5));
        // The constant is felt where the variance is small, as that of a vector of length 1 is.
        let small: Vec<f32> = vector.iter().map(|x| x / 60.0).collect();
        assert!(normalised(&small).iter().zip(&out).any(|(a, b)| (a - b).abs() > 1e-3));
    }

    #[test]
    fn it_comes_before_the_cut() {
        let vector = [5.0, 1.0, -2.0, 0.5];
        assert!((normalised(&vector)[0] - normalised(&vector[..2])[0]).abs() > 0.1);
    }

    #[test]
    fn extremes_stay_finite_and_equal_numbers_become_zeros() {
        for size in [f32::MAX, f32::MIN_POSITIVE, f32::from_bits(1)] {
            assert!(normalised(&[size, -size, 0.0, size]).iter().all(|x| x.is_finite()), "{size}");
        }
        assert_eq!(normalised(&[7.5; 3]), [0.0; 3]);
        assert_eq!(normalised(&[]), [0.0f32; 0]);
        let mut same = [1.0, 2.0];
        Recipe::None.apply(&mut same);
        assert_eq!(same, [1.0, 2.0]);
    }

    #[test]
    fn names_read_back() {
        for recipe in Recipe::ALL {
            assert_eq!(recipe.to_string().parse(), Ok(recipe));
        }
        assert!("l2".parse::<Recipe>().unwrap_err().to_string().contains("layer_norm"));
    }
}
