//! Every architecture by name: the one place where a network is added.

use super::resnet::{Block, ResNet, Stage, Stem};
use super::{
    ConvNext, DenseNet, EfficientNet, Family, MobileNetV2, MobileNetV3, Origin, RegNet, ResNetV2,
    Vgg, WhitenedVgg,
};

pub(super) type Entry = (&'static str, u32, fn() -> Family);

const BOTTLENECK: Block = Block::Bottleneck {
    groups: 1,
    width_per_group: 64,
};
const WIDE: Block = Block::Bottleneck {
    groups: 1,
    width_per_group: 128,
};
const RESNEXT: Block = Block::Bottleneck {
    groups: 32,
    width_per_group: 4,
};

/// Name, side of the square input it is usually trained at, description.
pub(super) const ENTRIES: &[Entry] = &[
    ("resnet18", 224, || {
        Family::ResNet(ResNet::imagenet(Block::Basic, [2, 2, 2, 2]))
    }),
    ("resnet34", 224, || {
        Family::ResNet(ResNet::imagenet(Block::Basic, [3, 4, 6, 3]))
    }),
    ("resnet50", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 4, 6, 3]))
    }),
    ("resnet101", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 4, 23, 3]))
    }),
    ("resnet152", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 8, 36, 3]))
    }),
    ("wide_resnet50_2", 224, || {
        Family::ResNet(ResNet::imagenet(WIDE, [3, 4, 6, 3]))
    }),
    ("resnext50_32x4d", 224, || {
        Family::ResNet(ResNet::imagenet(RESNEXT, [3, 4, 6, 3]))
    }),
    ("cifar_resnet20", 32, || Family::ResNet(ResNet::cifar(3))),
    ("cifar_resnet32", 32, || Family::ResNet(ResNet::cifar(5))),
    ("cifar_resnet44", 32, || Family::ResNet(ResNet::cifar(7))),
    ("cifar_resnet56", 32, || Family::ResNet(ResNet::cifar(9))),
    ("cifar_whitened_vgg", 32, || {
        Family::WhitenedVgg(WhitenedVgg {
            widths: [96, 320, 320],
            depth: 2,
        })
    }),
    ("resnet18_blurpool", 224, || {
        Family::ResNet(ResNet::imagenet(Block::Basic, [2, 2, 2, 2]).with_blur())
    }),
    ("resnet50_blurpool", 224, || {
        Family::ResNet(ResNet::imagenet(BOTTLENECK, [3, 4, 6, 3]).with_blur())
    }),
    ("resnet18d", 224, || {
        Family::ResNet(ResNet::deep(Block::Basic, [2, 2, 2, 2]))
    }),
    ("resnet26d", 224, || {
        Family::ResNet(ResNet::deep(BOTTLENECK, [2, 2, 2, 2]))
    }),
    ("resnet34d", 224, || {
        Family::ResNet(ResNet::deep(Block::Basic, [3, 4, 6, 3]))
    }),
    ("resnet50d", 224, || {
        Family::ResNet(ResNet::deep(BOTTLENECK, [3, 4, 6, 3]))
    }),
    ("resnet101d", 224, || {
        Family::ResNet(ResNet::deep(BOTTLENECK, [3, 4, 23, 3]))
    }),
    ("resnet152d", 224, || {
        Family::ResNet(ResNet::deep(BOTTLENECK, [3, 8, 36, 3]))
    }),
    ("resnetv2_50", 224, || {
        Family::ResNetV2(ResNetV2 {
            depths: [3, 4, 6, 3],
        })
    }),
    ("resnetv2_101", 224, || {
        Family::ResNetV2(ResNetV2 {
            depths: [3, 4, 23, 3],
        })
    }),
    ("resnetv2_152", 224, || {
        Family::ResNetV2(ResNetV2 {
            depths: [3, 8, 36, 3],
        })
    }),
    ("tf_efficientnet_lite0", 224, || {
        Family::EfficientNet(EfficientNet::lite(0, Origin::TensorFlow))
    }),
    ("tf_efficientnet_lite1", 240, || {
        Family::EfficientNet(EfficientNet::lite(1, Origin::TensorFlow))
    }),
    ("tf_efficientnet_lite2", 260, || {
        Family::EfficientNet(EfficientNet::lite(2, Origin::TensorFlow))
    }),
    ("tf_efficientnet_lite3", 280, || {
        Family::EfficientNet(EfficientNet::lite(3, Origin::TensorFlow))
    }),
    ("tf_efficientnet_lite4", 300, || {
        Family::EfficientNet(EfficientNet::lite(4, Origin::TensorFlow))
    }),
    ("efficientnet_lite0", 224, || {
        Family::EfficientNet(EfficientNet::lite(0, Origin::Torch))
    }),
    ("efficientnet_lite1", 240, || {
        Family::EfficientNet(EfficientNet::lite(1, Origin::Torch))
    }),
    ("efficientnet_lite2", 260, || {
        Family::EfficientNet(EfficientNet::lite(2, Origin::Torch))
    }),
    ("efficientnet_lite3", 280, || {
        Family::EfficientNet(EfficientNet::lite(3, Origin::Torch))
    }),
    ("efficientnet_lite4", 300, || {
        Family::EfficientNet(EfficientNet::lite(4, Origin::Torch))
    }),
    ("tf_efficientnet_b0", 224, || {
        Family::EfficientNet(EfficientNet::b(0, Origin::TensorFlow))
    }),
    ("tf_efficientnet_b1", 240, || {
        Family::EfficientNet(EfficientNet::b(1, Origin::TensorFlow))
    }),
    ("tf_efficientnet_b2", 260, || {
        Family::EfficientNet(EfficientNet::b(2, Origin::TensorFlow))
    }),
    ("tf_efficientnet_b3", 300, || {
        Family::EfficientNet(EfficientNet::b(3, Origin::TensorFlow))
    }),
    ("tf_efficientnet_b4", 380, || {
        Family::EfficientNet(EfficientNet::b(4, Origin::TensorFlow))
    }),
    ("efficientnet_b0", 224, || {
        Family::EfficientNet(EfficientNet::b(0, Origin::Torch))
    }),
    ("efficientnet_b1", 240, || {
        Family::EfficientNet(EfficientNet::b(1, Origin::Torch))
    }),
    ("efficientnet_b2", 288, || {
        Family::EfficientNet(EfficientNet::b(2, Origin::Torch))
    }),
    ("efficientnet_b3", 300, || {
        Family::EfficientNet(EfficientNet::b(3, Origin::Torch))
    }),
    ("efficientnet_b4", 380, || {
        Family::EfficientNet(EfficientNet::b(4, Origin::Torch))
    }),
    ("vgg11", 224, || vgg([1, 1, 2, 2, 2], false)),
    ("vgg11_bn", 224, || vgg([1, 1, 2, 2, 2], true)),
    ("vgg13", 224, || vgg([2, 2, 2, 2, 2], false)),
    ("vgg13_bn", 224, || vgg([2, 2, 2, 2, 2], true)),
    ("vgg16", 224, || vgg([2, 2, 3, 3, 3], false)),
    ("vgg16_bn", 224, || vgg([2, 2, 3, 3, 3], true)),
    ("vgg19", 224, || vgg([2, 2, 4, 4, 4], false)),
    ("vgg19_bn", 224, || vgg([2, 2, 4, 4, 4], true)),
    ("mobilenet_v2", 224, || Family::MobileNetV2(MobileNetV2)),
    ("mobilenet_v3_large", 224, || {
        Family::MobileNetV3(MobileNetV3::Large)
    }),
    ("mobilenet_v3_small", 224, || {
        Family::MobileNetV3(MobileNetV3::Small)
    }),
    ("regnet_x_400mf", 224, || {
        Family::RegNet(RegNet::new(22, [24.0, 24.48, 2.54], 16, false))
    }),
    ("regnet_x_800mf", 224, || {
        Family::RegNet(RegNet::new(16, [56.0, 35.73, 2.28], 16, false))
    }),
    ("regnet_x_1_6gf", 224, || {
        Family::RegNet(RegNet::new(18, [80.0, 34.01, 2.25], 24, false))
    }),
    ("regnet_x_3_2gf", 224, || {
        Family::RegNet(RegNet::new(25, [88.0, 26.31, 2.25], 48, false))
    }),
    ("regnet_x_8gf", 224, || {
        Family::RegNet(RegNet::new(23, [80.0, 49.56, 2.88], 120, false))
    }),
    ("regnet_x_16gf", 224, || {
        Family::RegNet(RegNet::new(22, [216.0, 55.59, 2.1], 128, false))
    }),
    ("regnet_x_32gf", 224, || {
        Family::RegNet(RegNet::new(23, [320.0, 69.86, 2.0], 168, false))
    }),
    ("regnet_y_400mf", 224, || {
        Family::RegNet(RegNet::new(16, [48.0, 27.89, 2.09], 8, true))
    }),
    ("regnet_y_800mf", 224, || {
        Family::RegNet(RegNet::new(14, [56.0, 38.84, 2.4], 16, true))
    }),
    ("regnet_y_1_6gf", 224, || {
        Family::RegNet(RegNet::new(27, [48.0, 20.71, 2.65], 24, true))
    }),
    ("regnet_y_3_2gf", 224, || {
        Family::RegNet(RegNet::new(21, [80.0, 42.63, 2.66], 24, true))
    }),
    ("regnet_y_8gf", 224, || {
        Family::RegNet(RegNet::new(17, [192.0, 76.82, 2.19], 56, true))
    }),
    ("regnet_y_16gf", 224, || {
        Family::RegNet(RegNet::new(18, [200.0, 106.23, 2.48], 112, true))
    }),
    ("regnet_y_32gf", 224, || {
        Family::RegNet(RegNet::new(20, [232.0, 115.89, 2.53], 232, true))
    }),
    ("densenet121", 224, || densenet(32, [6, 12, 24, 16], 64)),
    ("densenet161", 224, || densenet(48, [6, 12, 36, 24], 96)),
    ("densenet169", 224, || densenet(32, [6, 12, 32, 32], 64)),
    ("densenet201", 224, || densenet(32, [6, 12, 48, 32], 64)),
    ("convnext_tiny", 224, || {
        convnext([3, 3, 9, 3], [96, 192, 384, 768])
    }),
    ("convnext_small", 224, || {
        convnext([3, 3, 27, 3], [96, 192, 384, 768])
    }),
    ("convnext_base", 224, || {
        convnext([3, 3, 27, 3], [128, 256, 512, 1024])
    }),
    ("convnext_large", 224, || {
        convnext([3, 3, 27, 3], [192, 384, 768, 1536])
    }),
    ("resnet_tiny", 32, || Family::ResNet(tiny())),
    ("resnet_tiny_blurpool", 32, || {
        Family::ResNet(tiny().with_blur())
    }),
];

fn vgg(depths: [usize; 5], batch_norm: bool) -> Family {
    Family::Vgg(Vgg { depths, batch_norm })
}

fn densenet(growth: usize, depths: [usize; 4], stem_channels: usize) -> Family {
    Family::DenseNet(DenseNet {
        growth,
        depths,
        stem_channels,
    })
}

fn convnext(depths: [usize; 4], widths: [usize; 4]) -> Family {
    Family::ConvNext(ConvNext { depths, widths })
}

/// Depths 1-1-1-1 and a few channels: the whole chain in a test's time. Bottlenecks, so that nothing of ResNet50 is missing.
fn tiny() -> ResNet {
    let stages = [8, 16, 24, 32]
        .into_iter()
        .enumerate()
        .map(|(i, width)| Stage {
            depth: 1,
            width,
            stride: if i == 0 { 1 } else { 2 },
        })
        .collect();
    ResNet {
        stem: Stem::ImageNet { channels: 8 },
        block: BOTTLENECK,
        stages,
        blur: false,
    }
}
