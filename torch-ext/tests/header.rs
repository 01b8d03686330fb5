//! `shim/shim.h` and `src/ffi.rs` say the same of every function: names, arguments, results. The C++ side is held to
//! the header by the compiler.

#![allow(clippy::unwrap_used)] // helpers of a test may fail it

use std::collections::BTreeMap;

const HEADER: &str = include_str!("../shim/shim.h");
const RUST: &str = include_str!("../src/ffi.rs");

/// Name to the types of result and arguments, as Rust spells them.
type Signatures = BTreeMap<String, Vec<String>>;

fn without_comments(text: &str) -> String {
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join(" ")
}

/// A C type in Rust's words; `declaration` is a type with a name behind it, perhaps an array.
fn rust_type(declaration: &str) -> String {
    let (declaration, is_array) = match declaration.split_once('[') {
        Some((before, _)) => (before, true),
        None => (declaration, false),
    };
    let name = declaration.rfind([' ', '*']).unwrap();
    let text = declaration[..=name].trim();
    let levels = text.matches('*').count() + usize::from(is_array);
    let base: String = text.replace('*', " ");
    let words: Vec<&str> = base.split_whitespace().collect();
    let is_const = words.first() == Some(&"const");
    let word = words.iter().find(|word| **word != "const").unwrap();
    // `at::Tensor*` is a handle, `Raw`; a list of them that is only read is `at::Tensor* const*`.
    let (mut rust, pointers, is_const) = match *word {
        "at::Tensor" => ("Raw".to_owned(), levels - 1, words.contains(&"const")),
        "int" => ("c_int".to_owned(), levels, is_const),
        "char" => ("c_char".to_owned(), levels, is_const),
        "double" => ("f64".to_owned(), levels, is_const),
        "size_t" => ("usize".to_owned(), levels, is_const),
        "int64_t" => ("i64".to_owned(), levels, is_const),
        "uint64_t" => ("u64".to_owned(), levels, is_const),
        "uint8_t" => ("u8".to_owned(), levels, is_const),
        handle if handle.starts_with("Tx") => (handle.to_owned(), levels, is_const),
        other => panic!("the test knows no C type {other}"),
    };
    for _ in 0..pointers {
        rust = format!("*{} {rust}", if is_const { "const" } else { "mut" });
    }
    rust
}

fn of_header() -> Signatures {
    let text = without_comments(HEADER);
    let declarations = text.split("TX_API ").skip(1);
    let declarations = declarations.filter(|part| part.contains("tx_"));
    declarations
        .map(|part| {
            let part = part.split(';').next().unwrap();
            let (head, rest) = part.split_once('(').unwrap();
            let inside = rest.rsplit_once(')').unwrap().0;
            let name = head.rsplit([' ', '*']).next().unwrap().to_owned();
            let mut types = match head.trim_start().starts_with("void ") {
                true => vec![String::new()],
                false => vec![rust_type(head)],
            };
            let arguments = inside.split(',').filter(|text| !text.trim().is_empty());
            types.extend(arguments.map(rust_type));
            (name, types)
        })
        .collect()
}

fn of_rust() -> Signatures {
    let text = without_comments(RUST);
    let block = text.split_once("unsafe extern \"C\" {").unwrap().1;
    let declarations = block.split("pub(crate) fn ").skip(1);
    declarations
        .map(|part| {
            let part = part.split(';').next().unwrap();
            let (name, rest) = part.split_once('(').unwrap();
            let (inside, result) = rest.rsplit_once(')').unwrap();
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut types = vec![squeeze(result.trim().trim_start_matches("->"))];
            let arguments = inside.split(',').filter(|text| !text.trim().is_empty());
            types.extend(arguments.map(|text| squeeze(text.split_once(':').unwrap().1)));
            (name.to_owned(), types)
        })
        .collect()
}

#[test]
fn the_header_and_the_rust_declarations_agree() {
    let (header, rust) = (of_header(), of_rust());
    assert!(header.len() > 60, "{} functions in shim.h", header.len());
    for (name, types) in &header {
        assert_eq!(Some(types), rust.get(name), "{name}: shim.h, ffi.rs");
    }
    for name in rust.keys() {
        assert!(header.contains_key(name), "{name} is not in shim.h");
    }
}

#[test]
fn the_struct_of_a_device_has_the_same_fields() {
    let fields = |text: &str, begin: &str| -> Vec<String> {
        let body = text.split_once(begin).unwrap().1.split_once('}').unwrap().0;
        let words = body.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let kinds = [
            "name",
            "memory_bytes",
            "capability_major",
            "capability_minor",
        ];
        words
            .filter(|word| kinds.contains(word) || *word == "256")
            .map(str::to_owned)
            .collect()
    };
    let c = fields(HEADER, "struct TxCudaDevice {");
    let rust = fields(RUST, "struct TxCudaDevice {");
    assert_eq!(
        c,
        [
            "name",
            "256",
            "memory_bytes",
            "capability_major",
            "capability_minor"
        ]
    );
    assert_eq!(c, rust);
}

#[test]
fn a_wrong_type_is_noticed() {
    assert_eq!(rust_type("at::Tensor* const* params"), "*const Raw");
    assert_eq!(rust_type("at::Tensor** out"), "*mut Raw");
    assert_eq!(rust_type("const char* host"), "*const c_char");
    assert_eq!(rust_type("int64_t out[5]"), "*mut i64");
    assert_eq!(rust_type("TxStore** out"), "*mut *mut TxStore");
    assert_ne!(rust_type("int port"), rust_type("int64_t port"));
}
