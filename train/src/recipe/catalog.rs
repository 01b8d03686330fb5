//! The recipes that ship with the program, from `models/recipes/`.

macro_rules! recipes {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../models/recipes/", $name, ".yaml")))),*]
    };
}

/// Name and YAML text, the default first.
const RECIPES: &[(&str, &str)] = recipes![
    "resnet50-imagenet",
    "resnet50-torchvision-v1",
    "resnet50-torchvision-v2",
    "resnet50-nvidia-90",
    "resnet50-fast-40",
    "resnet50-timm-a3",
    "cifar10-whitened-vgg",
    "cifar10-resnet20",
    "cifar10-resnet20-augmented",
    "cifar10-resnet20-second",
    "cifar10-resnet20-average",
    "finetune",
    "finetune-lite0-cpu",
];

/// The recipe used where none is asked for.
pub const DEFAULT: &str = "resnet50-imagenet";

/// Names, the default first.
pub fn names() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|(name, _)| *name)
}

/// The YAML text of a recipe.
pub fn text(name: &str) -> Option<&'static str> {
    RECIPES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

/// The recipe for an architecture where only that is asked for: CIFAR networks expect CIFAR images.
pub fn default_for(arch: &str) -> &'static str {
    let arch = arch.replace('-', "_");
    if arch == "cifar_whitened_vgg" {
        "cifar10-whitened-vgg"
    } else if arch.starts_with("cifar") {
        "cifar10-resnet20"
    } else {
        DEFAULT
    }
}
