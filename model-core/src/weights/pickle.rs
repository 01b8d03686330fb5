//! Python pickles as inert data: a stack machine that builds values and never imports, calls or constructs anything.
//!
//! Known tensor-rebuilding calls become [`Value::Tensor`] descriptions; every other call becomes [`Value::Opaque`],
//! a note of its name. A file that names a function able to run commands is refused outright, because only an
//! attack does that. Opcodes: `pickletools` of CPython, protocols 0 to 5.
//!
//! Here are the values and the loop over opcodes; `stack` is what the opcodes are made of, `rebuild` the calls.

mod rebuild;
mod stack;

use std::collections::HashMap;

use super::convert::Number;
use rebuild::long;

/// Index of a value in a [`Pickle`]; containers hold indices, so sharing and cycles cost nothing.
pub(super) type Id = usize;

/// Most values one pickle may build.
const MAX_VALUES: usize = 10_000_000;

#[derive(Clone, Debug)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(String),
    Storage(Storage),
    Tensor(TensorRef),
    /// Something we do not build, by the name of what would have built it.
    Opaque(String),
}

/// A reference to a block of numbers elsewhere in the file.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) number: Number,
    /// Length of the root storage, in numbers.
    pub(super) numel: usize,
    /// Start of a view into the root storage, in numbers (legacy files only).
    pub(super) view_offset: usize,
}

/// A strided view of a storage: `torch._utils._rebuild_tensor_v2`.
#[derive(Clone, Debug)]
pub(super) struct TensorRef {
    pub(super) storage: Storage,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

/// The values of one pickle and the index of its result.
pub(super) struct Pickle {
    values: Vec<Value>,
    pub(super) root: Id,
    /// Bytes of input used.
    pub(super) length: usize,
}

impl Pickle {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// Every storage the pickle describes.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(storage),
            _ => None,
        })
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Modules and functions that can run commands or reach the system when a pickle is loaded the usual way.
fn is_dangerous(global: &str) -> bool {
    const MODULES: [&str; 16] = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "shutil",
        "socket",
        "runpy",
        "importlib",
        "ctypes",
        "pty",
        "code",
        "webbrowser",
        "urllib",
        "multiprocessing",
        "commands",
    ];
    const BUILTINS: [&str; 9] = [
        "eval",
        "exec",
        "compile",
        "open",
        "__import__",
        "getattr",
        "setattr",
        "execfile",
        "input",
    ];
    let module = global.split('.').next().unwrap_or_default();
    let name = global.rsplit('.').next().unwrap_or_default();
    MODULES.contains(&module)
        || (["builtins", "__builtin__"].contains(&module) && BUILTINS.contains(&name))
}

/// Reads one pickle at the start of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Pickle, String> {
    let mut machine = Machine {
        bytes,
        at: 0,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    let root = machine.run()?;
    Ok(Pickle {
        values: machine.values,
        root,
        length: machine.at,
    })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let opcode = self.take(1)?[0];
            match opcode {
                b'.' => return self.pop(),
                0x80 => {
                    self.take(1)?;
                }
                0x95 => {
                    self.take(8)?;
                }
                b'(' => self.marks.push(self.stack.len()),
                b'0' => {
                    if self.stack.len() == self.marks.last().copied().unwrap_or(0)
                        && !self.marks.is_empty()
                    {
                        self.marks.pop();
                    } else {
                        self.pop()?;
                    }
                }
                b'1' => {
                    self.pop_mark()?;
                }
                b'2' => {
                    let top = self.top()?;
                    self.stack.push(top);
                }
                b'N' => self.push(Value::None)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'J' => {
                    let value = self.number(4)? as u32 as i32;
                    self.push(Value::Int(i64::from(value)))?;
                }
                b'K' => {
                    let value = self.number(1)? as i64;
                    self.push(Value::Int(value))?;
                }
                b'M' => {
                    let value = self.number(2)? as i64;
                    self.push(Value::Int(value))?;
                }
                0x8a | 0x8b => {
                    let count = self.length(if opcode == 0x8a { 1 } else { 4 })?;
                    let value = long(self.take(count)?);
                    self.push(value)?;
                }
                b'I' | b'L' => {
                    let line = self.line()?;
                    let value = match (opcode, line.as_str()) {
                        (b'I', "00") => Value::Bool(false),
                        (b'I', "01") => Value::Bool(true),
                        _ => line
                            .trim_end_matches('L')
                            .parse()
                            .map(Value::Int)
                            .unwrap_or(Value::Opaque("int".into())),
                    };
                    self.push(value)?;
                }
                b'F' => {
                    let value = self
                        .line()?
                        .parse()
                        .map_err(|_| "a broken number in the pickle")?;
                    self.push(Value::Float(value))?;
                }
                b'G' => {
                    let value = f64::from_bits(self.number(8)?.swap_bytes());
                    self.push(Value::Float(value))?;
                }
                b'U' | 0x8c | b'C' => {
                    let count = self.length(1)?;
                    let value = self.text(count)?;
                    self.push(value)?;
                }
                b'T' | b'X' | b'B' => {
                    let count = self.length(4)?;
                    let value = self.text(count)?;
                    self.push(value)?;
                }
                0x8d | 0x8e | 0x96 => {
                    let count = self.length(8)?;
                    let value = self.text(count)?;
                    self.push(value)?;
                }
                b'S' | b'V' => {
                    let line = self.line()?;
                    self.push(Value::Text(line.trim_matches(['\'', '"']).to_string()))?;
                }
                b']' | 0x8f => self.push(Value::List(Vec::new()))?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b'l' | 0x91 => {
                    let items = self.pop_mark()?;
                    self.push(Value::List(items))?;
                }
                b't' => {
                    let items = self.pop_mark()?;
                    self.push(Value::Tuple(items))?;
                }
                b'd' => {
                    let items = self.pop_mark()?;
                    self.push(Value::Dict(Vec::new()))?;
                    self.extend_dict(&items)?;
                }
                0x85 => self.pop_tuple(1)?,
                0x86 => self.pop_tuple(2)?,
                0x87 => self.pop_tuple(3)?,
                b'a' => {
                    let item = self.pop()?;
                    self.extend_list(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.pop_mark()?;
                    self.extend_list(items)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.extend_dict(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_mark()?;
                    self.extend_dict(&items)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.global(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let both = (self.values[module].clone(), self.values[name].clone());
                    let (Value::Text(module), Value::Text(name)) = both else {
                        return Err("the pickle names a function without text".into());
                    };
                    self.global(&module, &name)?;
                }
                b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.pop_mark()?;
                    self.global(&module, &name)?;
                }
                b'o' => {
                    self.pop_mark()?;
                    self.push(Value::Opaque("an object".into()))?;
                }
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    let value = self.call(function, arguments)?;
                    self.push(value)?;
                }
                0x92 => {
                    let (_, arguments, function) = (self.pop()?, self.pop()?, self.pop()?);
                    let value = self.call(function, arguments)?;
                    self.push(value)?;
                }
                // Attributes of an object: an OrderedDict's `_metadata`, nothing we need.
                b'b' => {
                    self.pop()?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    let value = self.persistent(id)?;
                    self.push(value)?;
                }
                b'g' => {
                    let key = self
                        .line()?
                        .parse()
                        .map_err(|_| "a broken memo key in the pickle")?;
                    self.recall(key)?;
                }
                b'h' | b'j' => {
                    let key = self.number(if opcode == b'h' { 1 } else { 4 })?;
                    self.recall(key)?;
                }
                b'p' => {
                    let key = self
                        .line()?
                        .parse()
                        .map_err(|_| "a broken memo key in the pickle")?;
                    self.remember(key)?;
                }
                b'q' | b'r' => {
                    let key = self.number(if opcode == b'q' { 1 } else { 4 })?;
                    self.remember(key)?;
                }
                0x94 => self.remember(self.memo.len() as u64)?,
                other => return Err(format!("unknown pickle instruction 0x{other:02x}")),
            }
        }
    }
}
