//! Groups of classes as a manifest writes them, and what they mean for its labels.

use serde::{Deserialize, Serialize};

use super::Group;
use crate::diagnostic::{Diagnose, Remedy};
use crate::labels::{ClassMatcher, Label};

/// A group of classes in a manifest.
///
/// ```yaml
/// hierarchy:
/// - name: cat
///   members: [tabby, n02124075]
/// - name: animal
///   members: [cat, dog]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSpec {
    /// An id that a program compares, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The word.
    pub name: String,
    /// Classes by id, name or number, and groups above in the list by name.
    pub members: Vec<String>,
}

/// Why groups cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyError {
    /// A member is neither a class nor an earlier group.
    #[error(
        "hierarchy: expected members of '{group}' that are classes or groups before it, got '{member}'"
    )]
    UnknownMember {
        /// The group.
        group: String,
        /// What is not there.
        member: String,
    },
    /// A group without members covers nothing.
    #[error("hierarchy: expected members of '{group}', got none")]
    Empty {
        /// The group.
        group: String,
    },
    /// Two groups of one name could not be told apart.
    #[error("hierarchy: expected groups of different names, got '{group}' twice")]
    Twice {
        /// The name.
        group: String,
    },
}

impl Diagnose for HierarchyError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownMember { .. } => "hierarchy.unknown-member",
            Self::Empty { .. } => "hierarchy.empty-group",
            Self::Twice { .. } => "hierarchy.name-twice",
        }
    }

    fn remedy(&self) -> Option<Remedy> {
        Some(Remedy::FixLabels)
    }
}

/// The classes of every group. A group's name wins over a class of the same name, as the nearer meaning.
pub(super) fn resolve(specs: &[GroupSpec], labels: &[Label]) -> Result<Vec<Group>, HierarchyError> {
    let matcher = ClassMatcher::new(labels);
    let mut groups: Vec<Group> = Vec::with_capacity(specs.len());
    for spec in specs {
        if groups.iter().any(|known| known.name == spec.name) {
            return Err(HierarchyError::Twice {
                group: spec.name.clone(),
            });
        }
        let mut classes = Vec::new();
        for member in &spec.members {
            if let Some(group) = groups.iter().find(|known| known.name == *member) {
                classes.extend(&group.classes);
            } else if let Ok(class) = matcher.find(member) {
                classes.push(class);
            } else {
                return Err(HierarchyError::UnknownMember {
                    group: spec.name.clone(),
                    member: member.clone(),
                });
            }
        }
        classes.sort_unstable();
        classes.dedup();
        if classes.is_empty() {
            return Err(HierarchyError::Empty {
                group: spec.name.clone(),
            });
        }
        groups.push(Group {
            id: spec.id.clone(),
            name: spec.name.clone(),
            classes,
        });
    }
    Ok(groups)
}
