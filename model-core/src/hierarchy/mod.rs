//! Words above the classes: "cat" for five breeds, "musical instrument" for an oboe and a bassoon.
//!
//! A network that wavers between fine classes may still be sure of what they have in common. Their probabilities are
//! summed, and the finest word that is likely enough answers ([`Hierarchy::answer`]). For ImageNet's classes the words
//! are WordNet's, less those that nobody uses of a photo (`scripts/make-hierarchy`); any other model brings groups of
//! its own in its manifest ([`GroupSpec`]), or none.
//!
//! Not here: probabilities (they come in calibrated), and how an answer is shown.

mod spec;

use std::sync::LazyLock;

use serde::Serialize;

use crate::labels::{Label, imagenet1k};

pub use spec::{GroupSpec, HierarchyError};

/// How likely a word must be to answer, unless somebody says otherwise.
pub const DEFAULT_AT_LEAST: f32 = 0.8;

/// A word and the classes it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The WordNet id, if it has one.
    pub id: Option<String>,
    /// The word: `cat`.
    pub name: String,
    /// The classes below it, ascending, at least one.
    pub classes: Vec<usize>,
}

/// The words above the classes of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Fewest classes first.
    groups: Vec<Group>,
}

/// The finest word that is likely enough. Written out, as in JSON, it says how many classes it covers, not which.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EverydayAnswer {
    /// The WordNet id of the word, if it has one.
    pub id: Option<String>,
    /// The word: a group's, or a class's own name.
    pub label: String,
    /// Sum over the classes that the word covers.
    pub probability: f32,
    /// Whether the probability reaches what was asked for; if not, the word is the best class's.
    pub sure: bool,
    /// Places in the network's output of the classes that the word covers, the likeliest first.
    #[serde(serialize_with = "count")]
    pub classes: Vec<usize>,
}

fn count<S: serde::Serializer>(classes: &[usize], serializer: S) -> Result<S::Ok, S::Error> {
    classes.len().serialize(serializer)
}

impl EverydayAnswer {
    /// Whether the word covers several classes, or calls a class otherwise than the model does.
    pub fn is_group(&self, labels: &[Label]) -> bool {
        match self.classes[..] {
            [class] => labels
                .get(class)
                .is_none_or(|label| label.name != self.label),
            _ => true,
        }
    }
}

impl Hierarchy {
    /// The words above ImageNet's 1,000 classes.
    pub fn imagenet1k() -> &'static Self {
        static HIERARCHY: LazyLock<Hierarchy> = LazyLock::new(|| {
            let lines = include_str!("../../data/imagenet1k-hierarchy.tsv").lines();
            Hierarchy::new(lines.filter_map(parse_line).collect())
        });
        &HIERARCHY
    }

    /// The words above a model's classes: those of its manifest, else WordNet's above every class that has the id of an
    /// ImageNet class. None where no word covers two classes.
    ///
    /// # Errors
    /// When the manifest's groups name classes that are not there.
    pub fn of(labels: &[Label], own: Option<&[GroupSpec]>) -> Result<Option<Self>, HierarchyError> {
        let found = match own {
            Some(groups) => Self::from_specs(groups, labels)?,
            None => Self::above_imagenet_ids(labels),
        };
        let useful = found.groups.iter().any(|group| group.classes.len() > 1);
        Ok(useful.then_some(found))
    }

    fn new(mut groups: Vec<Group>) -> Self {
        groups.sort_by_key(|group| group.classes.len());
        Self { groups }
    }

    fn from_specs(groups: &[GroupSpec], labels: &[Label]) -> Result<Self, HierarchyError> {
        Ok(Self::new(spec::resolve(groups, labels)?))
    }

    fn above_imagenet_ids(labels: &[Label]) -> Self {
        // Where a model has ImageNet's classes as they are, nothing has to be looked up.
        if labels == imagenet1k() {
            return Self::imagenet1k().clone();
        }
        let mut places = vec![None; imagenet1k().len()];
        for (place, label) in labels.iter().enumerate() {
            let id = label.id.as_deref();
            let found = imagenet1k().binary_search_by(|known| known.id.as_deref().cmp(&id));
            if let Ok(class) = found {
                places[class] = Some(place);
            }
        }
        let groups = Self::imagenet1k().groups.iter().filter_map(|group| {
            let mut classes: Vec<usize> = group
                .classes
                .iter()
                .filter_map(|class| places[*class])
                .collect();
            classes.sort_unstable();
            // A word above a single one of the model's classes would be coarser than that class for nothing.
            let kept = classes.len() > 1 || (group.classes.len() == 1 && classes.len() == 1);
            kept.then(|| Group {
                classes,
                ..group.clone()
            })
        });
        Self::new(groups.collect())
    }

    /// The words, fewest classes first.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The word over the fewest classes whose probabilities sum to `at_least`; of several the likeliest. A person's word
    /// for a class wins over the model's own. Where nothing is likely enough, the best class, marked as not sure.
    ///
    /// None without probabilities.
    pub fn answer(
        &self,
        probabilities: &[f32],
        labels: &[Label],
        at_least: f32,
    ) -> Option<EverydayAnswer> {
        let best = *crate::scores::top_k(probabilities, 1).first()?;
        let single = |sure| {
            let group = self
                .groups
                .iter()
                .take_while(|group| group.classes.len() == 1)
                .find(|group| group.classes[0] == best);
            let label = labels.get(best)?;
            Some(EverydayAnswer {
                id: label.id.clone(),
                label: group.map_or_else(|| label.name.clone(), |group| group.name.clone()),
                probability: probabilities[best],
                sure,
                classes: vec![best],
            })
        };
        if probabilities[best] >= at_least {
            return single(true);
        }
        let mut found: Option<(&Group, f32)> = None;
        for group in &self.groups {
            if found.is_some_and(|(finer, _)| finer.classes.len() < group.classes.len()) {
                break;
            }
            let sum = sum(probabilities, &group.classes);
            if sum >= at_least && found.is_none_or(|(_, most)| sum > most) {
                found = Some((group, sum));
            }
        }
        let Some((group, probability)) = found else {
            return single(false);
        };
        let mut classes = group.classes.clone();
        let of = |class: usize| probabilities.get(class).copied().unwrap_or(0.0);
        classes.sort_by(|a, b| of(*b).total_cmp(&of(*a)).then(a.cmp(b)));
        Some(EverydayAnswer {
            id: group.id.clone(),
            label: group.name.clone(),
            probability,
            sure: true,
            classes,
        })
    }

    /// The words above these classes, the widest first, each within the one before it: `animal`, `mammal`, `pet`.
    pub fn path(&self, classes: &[usize]) -> Vec<&Group> {
        let covers = |group: &Group, all: &[usize]| {
            all.iter()
                .all(|class| group.classes.binary_search(class).is_ok())
        };
        let mut path: Vec<&Group> = Vec::new();
        // From the finest up: each step must contain the one before it, so the path never changes branches.
        for group in &self.groups {
            let inner = path.last().map_or(classes, |inner| &inner.classes);
            if group.classes.len() > inner.len() && covers(group, inner) {
                path.push(group);
            }
        }
        path.reverse();
        path
    }
}

fn sum(probabilities: &[f32], classes: &[usize]) -> f32 {
    let of = |class: &usize| f64::from(probabilities.get(*class).copied().unwrap_or(0.0));
    let sum: f64 = classes.iter().map(of).sum();
    // Rounding may carry a sum of everything past 1. NaN stays NaN, so that a network that failed is never sure.
    if sum > 1.0 { 1.0 } else { sum as f32 }
}

/// `id<TAB>name<TAB>1-3,7`.
fn parse_line(line: &str) -> Option<Group> {
    let mut fields = line.split('\t');
    let (id, name, members) = (fields.next()?, fields.next()?, fields.next()?);
    let mut classes = Vec::new();
    for part in members.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        classes.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(Group {
        id: Some(id.to_owned()),
        name: name.to_owned(),
        classes,
    })
}

#[cfg(test)]
mod tests;
