//! The text of an XMP sidecar (ISO 16684-1): keywords are added, and every other byte stays as it is.
//!
//! The packet is parsed only to find the places where something has to be put in, so what other programs wrote, known
//! here or not, in whatever form, is kept. Keywords go into `dc:subject` (words), `lr:hierarchicalSubject`
//! (`animal|cat`) and `digiKam:TagsList` (`animal/cat`). The last two get those that were in any of the three before: a
//! program that finds `lr:hierarchicalSubject` may read nothing else.

use std::collections::BTreeSet;
use std::ops::Range;

use roxmltree::{Document, Node};

const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const DC: &str = "http://purl.org/dc/elements/1.1/";
const LR: &str = "http://ns.adobe.com/lightroom/1.0/";
const DIGIKAM: &str = "http://www.digikam.org/ns/1.0/";

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why keywords could not be added to a sidecar. It stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// It is in another encoding, or damaged.
    #[error("expected an XMP sidecar in UTF-8, got other bytes")]
    NotUtf8,
    /// It is no XML.
    #[error("expected an XMP sidecar, got something that is no XML (line {0})")]
    NotXml(u32),
    /// It is XML and holds no `rdf:RDF`.
    #[error("expected an XMP sidecar, got XML without rdf:RDF")]
    NoRdf,
    /// A keyword list in a form that is not known.
    #[error("expected {0} as a list, got another form")]
    UnknownForm(&'static str),
}

/// A keyword below wider ones, the widest first: `animal`, `cat`.
pub type KeywordPath = Vec<String>;

/// The sidecar with these keywords; without `sidecar` a new one. None where it holds all of them already.
pub(super) fn with_keywords(
    sidecar: Option<&[u8]>,
    keywords: &[KeywordPath],
) -> Result<Option<Vec<u8>>, PacketError> {
    let text = match sidecar {
        Some(bytes) => std::str::from_utf8(bytes).map_err(|_| PacketError::NotUtf8)?,
        None => EMPTY,
    };
    // The mark is no part of the XML, so places are counted without it.
    let (mark, xml) = match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => (&text[..text.len() - rest.len()], rest),
        None => ("", text),
    };
    let edits = edits(xml, keywords)?;
    if edits.is_empty() {
        return Ok(None);
    }
    let mut out = xml.to_owned();
    for (range, new) in edits.into_iter().rev() {
        out.replace_range(range, &new);
    }
    Ok(Some(format!("{mark}{out}").into_bytes()))
}

const EMPTY: &str = concat!(
    "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n",
    "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\" x:xmptk=\"ResNet50 Toolkit ",
    env!("CARGO_PKG_VERSION"),
    "\">\n <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n",
    "  <rdf:Description rdf:about=\"\">\n  </rdf:Description>\n",
    " </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n"
);

/// One list of keywords as it stands in a packet.
struct List<'a, 'input> {
    /// `dc:subject`, for messages and for a list that has to be made.
    name: &'static str,
    namespace: &'static str,
    node: Option<Node<'a, 'input>>,
    words: Vec<String>,
}

/// Places from front to back, and what goes there.
fn edits(xml: &str, keywords: &[KeywordPath]) -> Result<Vec<(Range<usize>, String)>, PacketError> {
    let document = Document::parse(xml).map_err(|error| PacketError::NotXml(error.pos().row))?;
    let rdf = document
        .descendants()
        .find(|node| node.has_tag_name((RDF, "RDF")))
        .ok_or(PacketError::NoRdf)?;
    let subject = list(rdf, "dc:subject", DC)?;
    let hierarchical = list(rdf, "lr:hierarchicalSubject", LR)?;
    let tags = list(rdf, "digiKam:TagsList", DIGIKAM)?;
    let paths = all_paths(&subject, &hierarchical, &tags, keywords);
    let joined = |sign: char| -> Vec<String> {
        let other = |word: &String| word.replace(sign, "_");
        let join = |path: &KeywordPath| {
            let words: Vec<String> = path.iter().map(other).collect();
            words.join(&sign.to_string())
        };
        paths.iter().map(join).collect()
    };
    let words: Vec<String> = keywords.iter().flatten().cloned().collect();

    let (mut edits, mut new_lists) = (Vec::new(), String::new());
    let description = rdf
        .children()
        .find(|node| node.has_tag_name((RDF, "Description")));
    let prefix = prefix_of(xml, description.unwrap_or(rdf));
    for (list, wanted) in [
        (subject, words),
        (hierarchical, joined('|')),
        (tags, joined('/')),
    ] {
        let mut seen: BTreeSet<&String> = list.words.iter().collect();
        let missing: Vec<&String> = wanted.iter().filter(|word| seen.insert(word)).collect();
        if missing.is_empty() {
            continue;
        }
        match list.node {
            Some(node) => edits.push(grown(xml, node, list.name, &list.words, &missing)?),
            None => new_lists.push_str(&made(&list, prefix, &missing)),
        }
    }
    if !new_lists.is_empty() {
        edits.push(match description {
            Some(node) => inside(xml, node, &new_lists),
            None => {
                let whole = format!(
                    "  <{prefix}Description {prefix}about=\"\">\n{new_lists}  </{prefix}Description>\n "
                );
                inside(xml, rdf, &whole)
            }
        });
    }
    edits.sort_by_key(|(range, _)| range.start);
    Ok(edits)
}

/// Every keyword that is there or wanted, with its wider ones. A word without a place of its own is one that no path
/// holds.
fn all_paths(
    subject: &List<'_, '_>,
    hierarchical: &List<'_, '_>,
    tags: &List<'_, '_>,
    keywords: &[KeywordPath],
) -> Vec<KeywordPath> {
    let split = |list: &List<'_, '_>, sign: char| -> Vec<KeywordPath> {
        let words = list.words.iter();
        words
            .map(|word| word.split(sign).map(str::to_owned).collect())
            .collect()
    };
    let mut paths = split(hierarchical, '|');
    paths.extend(split(tags, '/'));
    paths.extend(keywords.iter().cloned());
    let placed: BTreeSet<&String> = paths.iter().flatten().collect();
    let alone: Vec<KeywordPath> = subject
        .words
        .iter()
        .filter(|word| !placed.contains(word))
        .map(|word| vec![word.clone()])
        .collect();
    paths.extend(alone);
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

fn list<'a, 'input>(
    rdf: Node<'a, 'input>,
    name: &'static str,
    namespace: &'static str,
) -> Result<List<'a, 'input>, PacketError> {
    let local = name.split_once(':').map_or(name, |(_, local)| local);
    let description = |node: &Node<'_, '_>| node.has_tag_name((RDF, "Description"));
    let node = rdf
        .children()
        .filter(description)
        .flat_map(|node| node.children())
        .find(|node| node.has_tag_name((namespace, local)));
    let words = match node {
        None => Vec::new(),
        Some(node) => match container(node) {
            Some(container) => container
                .children()
                .filter(|item| item.has_tag_name((RDF, "li")))
                .map(text_of)
                .collect(),
            None if node.children().any(|child| child.is_element()) => {
                return Err(PacketError::UnknownForm(name));
            }
            None => Some(text_of(node))
                .filter(|word| !word.is_empty())
                .into_iter()
                .collect(),
        },
    };
    Ok(List {
        name,
        namespace,
        node,
        words,
    })
}

fn container<'a, 'input>(list: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
    let is_list = |node: &Node<'_, '_>| {
        let tag = node.tag_name();
        tag.namespace() == Some(RDF) && ["Bag", "Seq", "Alt"].contains(&tag.name())
    };
    list.children().find(is_list)
}

fn text_of(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text);
    let text: String = texts.filter_map(|one| one.text()).collect();
    text.trim().to_owned()
}

/// `rdf:` of `<rdf:Bag`, as the packet spells it.
fn prefix_of<'x>(xml: &'x str, node: Node<'_, '_>) -> &'x str {
    let start = node.range().start + 1;
    let name = &xml[start..];
    let end = name
        .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .unwrap_or(name.len());
    name[..end].find(':').map_or("", |colon| &name[..=colon])
}

fn items(prefix: &str, words: &[&String]) -> String {
    let item = |word: &&String| format!("     <{prefix}li>{}</{prefix}li>\n", escaped(word));
    words.iter().map(item).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A list that was not there.
fn made(list: &List<'_, '_>, prefix: &str, words: &[&String]) -> String {
    let (name, namespace) = (list.name, list.namespace);
    let space = name.split_once(':').map_or(name, |(space, _)| space);
    format!(
        "   <{name} xmlns:{space}=\"{namespace}\">\n    <{prefix}Bag>\n{}    </{prefix}Bag>\n   </{name}>\n",
        items(prefix, words)
    )
}

/// A list that was there, with more words.
fn grown(
    xml: &str,
    node: Node<'_, '_>,
    name: &'static str,
    old: &[String],
    words: &[&String],
) -> Result<(Range<usize>, String), PacketError> {
    if let Some(container) = container(node) {
        return Ok(inside(
            xml,
            container,
            &items(prefix_of(xml, container), words),
        ));
    }
    // A single word, or nothing: the form of a program that did not know better. What it says of it has no place in a
    // list.
    if node.attributes().next().is_some() {
        return Err(PacketError::UnknownForm(name));
    }
    let parent = node.parent().unwrap_or(node);
    let prefix = prefix_of(xml, parent);
    let all: Vec<&String> = old.iter().chain(words.iter().copied()).collect();
    let bag = format!(
        "\n    <{prefix}Bag>\n{}    </{prefix}Bag>\n   ",
        items(prefix, &all)
    );
    let (range, filled) = inside(xml, node, &bag);
    if range.is_empty() {
        let (_, start_end) = start_tag(xml, node);
        return Ok((start_end..range.end, bag));
    }
    Ok((range, filled))
}

/// The place before an element's end tag, with what goes there; `<a/>` becomes `<a>...</a>`.
fn inside(xml: &str, node: Node<'_, '_>, new: &str) -> (Range<usize>, String) {
    let range = node.range();
    let (empty, start_end) = start_tag(xml, node);
    if empty {
        let tag = xml[range.start..start_end - 2].trim_end();
        let end = tag.find(char::is_whitespace).unwrap_or(tag.len());
        let name = &tag[1..end];
        return (range.clone(), format!("{tag}>\n{new}</{name}>"));
    }
    let end_tag = xml[range.clone()].rfind("</").unwrap_or(range.len());
    let mut at = range.start + end_tag;
    // Before the white space that indents the end tag, so that it stays where it was.
    let before = &xml[start_end..at];
    let kept = before.trim_end_matches([' ', '\t']);
    if kept.ends_with('\n') {
        at = start_end + kept.len();
    }
    (at..at, new.to_owned())
}

/// Whether an element is one tag (`<a/>`), and where its first tag ends.
fn start_tag(xml: &str, node: Node<'_, '_>) -> (bool, usize) {
    let range = node.range();
    let mut quote = None;
    for (at, c) in xml[range.clone()].char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => {
                let end = range.start + at + 1;
                return (xml[..end].ends_with("/>"), end);
            }
            _ => {}
        }
    }
    (false, range.end)
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
