//! First values of a convolution that whitens patches, from the training images: its outputs are uncorrelated and of one
//! variance, so that the layers behind it learn faster (Page 2018, "How to train your ResNet"; Jordan 2024, arXiv
//! 2404.00498). Each direction comes with its opposite, because an activation follows that flattens what is negative.

use anyhow::{Context, Result, bail};
use model_core::arch::{Architecture, Conv, Op};
use tch::{Device, Kind, Tensor, no_grad};

use crate::collective::Collective;
use crate::data::DataSource;
use crate::input::Normalizer;
use crate::model::TorchNetwork;
use crate::recipe::Recipe;

/// Added to the variance of each direction, so that noise is not blown up: Jordan's value, for images of variance 1.
const EPS: f64 = 5e-4;

/// The first convolution of a network, if it can whiten: without groups, and with two filters for each number of a patch.
pub fn whitening_convolution(architecture: &Architecture) -> Option<Conv> {
    let first = architecture
        .graph()
        .nodes
        .into_iter()
        .find_map(|node| match node.op {
            Op::Conv(conv) => Some(conv),
            _ => None,
        })?;
    let numbers = first.in_channels * first.kernel * first.kernel;
    (first.groups == 1 && first.out_channels == 2 * numbers).then_some(first)
}

/// Sets the first convolution of `network`, which is on the CPU, from the first `images` training images of an epoch over
/// all processes.
///
/// # Errors
/// A network whose first convolution cannot whiten; images that cannot be read.
pub fn whiten(
    network: &TorchNetwork,
    recipe: &Recipe,
    images: u64,
    source: &dyn DataSource,
    collective: &mut dyn Collective,
) -> Result<()> {
    let conv = whitening_convolution(network.architecture()).context("no whitening convolution")?;
    let normalizer = Normalizer::new(&recipe.preprocessing, Device::Cpu)?;
    let share = images.div_ceil(collective.size() as u64);
    let numbers = (conv.in_channels * conv.kernel * conv.kernel) as i64;
    let mut products = Tensor::f_zeros([numbers, numbers], (Kind::Double, Device::Cpu))?;
    let (mut patches, mut seen) = (0, 0);
    for batch in source.look(recipe.augment.size_at(0))? {
        let pixels = batch?.pixels;
        let count = pixels.size()[0].min((share - seen) as i64);
        let inputs = normalizer.apply(&pixels.f_narrow(0, 0, count)?)?;
        let side = conv.kernel as i64;
        // [N, C * k * k, patches], the order of a filter's weights.
        let columns = inputs.f_im2col([side; 2], [1, 1], [0, 0], [1, 1])?;
        let columns = columns.f_permute([1, 0, 2])?.f_reshape([numbers, -1])?;
        let columns = columns.f_to_kind(Kind::Double)?;
        products = products.f_add(&columns.f_matmul(&columns.f_transpose(0, 1)?)?)?;
        patches += columns.size()[1];
        seen += count as u64;
        if seen >= share {
            break;
        }
    }
    let mut sums: Vec<f64> = Vec::try_from(&products.f_view([-1])?)?;
    sums.push(patches as f64);
    collective.sum(&mut sums)?;
    let patches = sums.pop().unwrap_or_default();
    if patches == 0.0 {
        bail!("whitening_images: expected training images, got none");
    }
    let covariance = Tensor::f_from_slice(&sums)?.f_view([numbers, numbers])?;
    let filters = filters(&(covariance.f_div_scalar(patches)?))?;
    let weight = network
        .tensors()
        .iter()
        .find(|named| named.name == format!("{}.weight", conv.name))
        .context("the convolution's weight")?;
    no_grad(|| {
        let filters = filters.f_view_as(&weight.tensor)?;
        weight.tensor.shallow_clone().f_copy_(&filters)
    })?;
    Ok(())
}

/// Whitening filters `[2 n, n]` of patches with this covariance `[n, n]`: eigenvectors over the root of their variance,
/// largest first, then their opposites.
fn filters(covariance: &Tensor) -> Result<Tensor> {
    let (values, vectors) = covariance.f_linalg_eigh("L")?;
    let scale = values.f_clamp_min(0.0)?.f_add_scalar(EPS)?.f_rsqrt()?;
    // An eigenvector's sign is its library's whim: the largest number of each is positive.
    let largest = vectors.f_abs()?.f_argmax(0, true)?;
    let sign = vectors.f_gather(0, &largest, false)?.f_sign()?;
    let rows = vectors
        .f_mul(&(sign * scale))?
        .f_transpose(0, 1)?
        .f_flip([0])?;
    Ok(Tensor::f_cat(&[&rows, &rows.f_neg()?], 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whitened_numbers_are_uncorrelated_and_of_variance_one() {
        tch::manual_seed(4);
        let mix = Tensor::randn([5, 5], (Kind::Double, Device::Cpu)) + 2.0;
        let samples = Tensor::randn([5, 4000], (Kind::Double, Device::Cpu));
        let samples = mix.matmul(&samples);
        let covariance = samples.matmul(&samples.transpose(0, 1)) / 4000.0;
        let filters = filters(&covariance).unwrap();
        assert_eq!(filters.size(), [10, 5]);
        let whitened = filters.narrow(0, 0, 5).matmul(&samples);
        let after = whitened.matmul(&whitened.transpose(0, 1)) / 4000.0;
        let identity = Tensor::eye(5, (Kind::Double, Device::Cpu));
        // The part that is added to each variance is missing from 1.
        let variances = covariance.linalg_eigvalsh("L");
        let least = variances.min().double_value(&[]);
        let difference = (after - identity).abs().max().double_value(&[]);
        assert!(difference <= EPS / least + 1e-9, "{difference} {least}");
        let opposite = filters.narrow(0, 0, 5) + filters.narrow(0, 5, 5);
        assert_eq!(opposite.abs().max().double_value(&[]), 0.0);
    }

    #[test]
    fn only_a_convolution_with_two_filters_a_number_whitens() {
        let conv = |name| {
            let architecture = model_core::arch::by_name(name, 10).unwrap();
            whitening_convolution(&architecture).map(|conv| conv.name)
        };
        assert_eq!(conv("cifar_whitened_vgg").as_deref(), Some("whiten"));
        assert_eq!(conv("resnet50"), None);
    }
}
