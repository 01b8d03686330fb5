//! Which class of a model a folder's name means: the one rule for evaluation, calibration, proofs and training.

use std::collections::HashMap;

use super::Label;

/// Finds a model's classes by what people call their folders.
///
/// A name matches, in this order, a class's id (`n02124075`), its name without regard to case, `_` and `-`
/// (`Egyptian_cat`), or its number in the model (`285`).
#[derive(Clone, Debug)]
pub struct ClassMatcher {
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, Named>,
    classes: usize,
}

#[derive(Clone, Copy, Debug)]
enum Named {
    One(usize),
    Several,
}

/// Why a name means no class.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// No id, name or number of the model is like it.
    #[error("'{0}' is no class of the model")]
    Unknown(String),
    /// Several classes have this name; only an id or a number can tell them apart.
    #[error("several classes of the model are called '{0}'; its id or number would be clear")]
    Ambiguous(String),
}

impl ClassMatcher {
    /// A matcher for a model's labels, in the order of its outputs.
    pub fn new(labels: &[Label]) -> Self {
        let mut by_id = HashMap::new();
        let mut by_name = HashMap::new();
        for (class, label) in labels.iter().enumerate() {
            if let Some(id) = &label.id {
                by_id.entry(id.clone()).or_insert(class);
            }
            by_name
                .entry(plain(&label.name))
                .and_modify(|named| *named = Named::Several)
                .or_insert(Named::One(class));
        }
        Self {
            by_id,
            by_name,
            classes: labels.len(),
        }
    }

    /// The class that `name` means.
    ///
    /// # Errors
    /// [`MatchError`] when it means none, or more than one.
    pub fn find(&self, name: &str) -> Result<usize, MatchError> {
        if let Some(&class) = self.by_id.get(name) {
            return Ok(class);
        }
        match self.by_name.get(&plain(name)) {
            Some(Named::One(class)) => return Ok(*class),
            Some(Named::Several) => return Err(MatchError::Ambiguous(name.to_owned())),
            None => {}
        }
        name.parse::<usize>()
            .ok()
            .filter(|&class| class < self.classes)
            .ok_or_else(|| MatchError::Unknown(name.to_owned()))
    }
}

fn plain(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', '-'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::imagenet1k;

    #[test]
    fn ids_names_and_numbers_are_found() {
        let matcher = ClassMatcher::new(imagenet1k());
        for name in [
            "n02124075",
            "Egyptian cat",
            "egyptian_cat",
            "Egyptian-Cat",
            "285",
        ] {
            assert_eq!(matcher.find(name), Ok(285), "{name}");
        }
        assert_eq!(
            matcher.find("no such thing"),
            Err(MatchError::Unknown("no such thing".into()))
        );
        assert_eq!(
            matcher.find("1000"),
            Err(MatchError::Unknown("1000".into()))
        );
    }

    #[test]
    fn a_name_that_two_classes_share_is_ambiguous() {
        let mut labels: Vec<Label> = ["crane", "tabby", "Crane"].map(Label::named).into();
        labels[2].id = Some("n02012849".into());
        let matcher = ClassMatcher::new(&labels);
        assert_eq!(
            matcher.find("crane"),
            Err(MatchError::Ambiguous("crane".into()))
        );
        assert_eq!(matcher.find("n02012849"), Ok(2));
        assert_eq!(matcher.find("0"), Ok(0));
    }

    #[test]
    fn a_number_as_a_name_is_the_name() {
        let labels: Vec<Label> = ["7", "3"].map(Label::named).into();
        assert_eq!(ClassMatcher::new(&labels).find("3"), Ok(1));
    }
}
