//! Python pickles as inert data: a stack machine that builds values and never imports, calls or constructs anything.
//!
//! Known tensor-rebuilding calls become [`Value::Tensor`] descriptions; every other call becomes [`Value::Opaque`],
//! a note of its name. A file that names a function able to run commands is refused outright, because only an
//! attack does that. Opcodes: `pickletools` of CPython, protocols 0 to 5.

use std::collections::HashMap;

use super::convert::Number;

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

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let end = self
            .at
            .checked_add(count)
            .filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("the checkpoint is cut short inside its pickle")?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    /// A little-endian unsigned number of `width` bytes (at most 8).
    fn number(&mut self, width: usize) -> Result<u64, String> {
        let mut wide = [0u8; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(wide))
    }

    fn length(&mut self, width: usize) -> Result<usize, String> {
        usize::try_from(self.number(width)?)
            .map_err(|_| "a length beyond the address space".to_string())
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("a line without end in the pickle")?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end])
            .trim_end_matches('\r')
            .to_string())
    }

    fn text(&mut self, count: usize) -> Result<Value, String> {
        Ok(Value::Text(
            String::from_utf8_lossy(self.take(count)?).into_owned(),
        ))
    }

    fn new_value(&mut self, value: Value) -> Result<Id, String> {
        if self.values.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values in the pickle"));
        }
        self.values.push(value);
        Ok(self.values.len() - 1)
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        let id = self.new_value(value)?;
        self.stack.push(id);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("the pickle takes a value that is not there".into());
        }
        self.stack
            .pop()
            .ok_or_else(|| "the pickle takes a value that is not there".into())
    }

    fn top(&self) -> Result<Id, String> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "the pickle looks at an empty stack".into())
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self
            .marks
            .pop()
            .ok_or("the pickle has no mark to go back to")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn pop_tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn extend_list(&mut self, items: Vec<Id>) -> Result<(), String> {
        let list = self.top()?;
        if let Value::List(values) = &mut self.values[list] {
            values.extend(items);
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        if !items.len().is_multiple_of(2) {
            return Err("the pickle has a key without a value".into());
        }
        if let Value::Dict(values) = &mut self.values[dict] {
            values.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    fn remember(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = *self
            .memo
            .get(&key)
            .ok_or("the pickle recalls a value it never stored")?;
        self.stack.push(id);
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let global = format!("{module}.{name}");
        if is_dangerous(&global) {
            return Err(format!(
                "refused: the file asks to call {global} when it is loaded, which no checkpoint needs"
            ));
        }
        self.push(Value::Global(global))
    }

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

    /// What calling `function` would build: a tensor description, a plain container, or a note of the name.
    fn call(&mut self, function: Id, arguments: Id) -> Result<Value, String> {
        let Value::Global(name) = self.values[function].clone() else {
            return Ok(Value::Opaque("an object".into()));
        };
        let Value::Tuple(arguments) = self.values[arguments].clone() else {
            return Ok(Value::Opaque(name));
        };
        match name.as_str() {
            "collections.OrderedDict" | "builtins.dict" | "__builtin__.dict" => {
                self.ordered_dict(&arguments)
            }
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                self.tensor(&arguments)
            }
            "torch._utils._rebuild_parameter"
            | "torch._utils._rebuild_parameter_with_state"
            | "torch.Size"
            | "torch.nn.parameter.Parameter" => Ok(arguments
                .first()
                .map_or(Value::Opaque(name), |first| self.values[*first].clone())),
            _ => Ok(Value::Opaque(name)),
        }
    }

    fn ordered_dict(&self, arguments: &[Id]) -> Result<Value, String> {
        let Some(first) = arguments.first() else {
            return Ok(Value::Dict(Vec::new()));
        };
        let (Value::List(items) | Value::Tuple(items)) = &self.values[*first] else {
            return Ok(self.values[*first].clone());
        };
        let pair = |item: &Id| match &self.values[*item] {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err("an OrderedDict of something other than pairs".to_string()),
        };
        items
            .iter()
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Value::Dict)
    }

    fn tensor(&self, arguments: &[Id]) -> Result<Value, String> {
        let [storage, offset, shape, stride, ..] = arguments else {
            return Err("a tensor with too few parts".into());
        };
        let Value::Storage(storage) = &self.values[*storage] else {
            return Err("a tensor without storage".into());
        };
        Ok(Value::Tensor(TensorRef {
            storage: storage.clone(),
            offset: self.size(*offset)?,
            shape: self.sizes(*shape)?,
            stride: self.sizes(*stride)?,
        }))
    }

    fn size(&self, id: Id) -> Result<usize, String> {
        match self.values[id] {
            Value::Int(value) => {
                usize::try_from(value).map_err(|_| format!("a tensor with the size {value}"))
            }
            _ => Err("a tensor whose size is no number".into()),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, String> {
        match &self.values[id] {
            Value::Tuple(items) | Value::List(items) => {
                items.iter().map(|item| self.size(*item)).collect()
            }
            _ => Err("a tensor whose shape is no list".into()),
        }
    }

    /// `('storage', type, key, location, numel[, view])`: the only persistent identifier of a checkpoint.
    fn persistent(&self, id: Id) -> Result<Value, String> {
        let unknown = || "a persistent value that is no storage".to_string();
        let Value::Tuple(parts) = &self.values[id] else {
            return Err(unknown());
        };
        let [tag, kind, key, _location, numel, view @ ..] = parts.as_slice() else {
            return Err(unknown());
        };
        let (Value::Text(tag), Value::Global(kind), Value::Text(key)) =
            (&self.values[*tag], &self.values[*kind], &self.values[*key])
        else {
            return Err(unknown());
        };
        if tag != "storage" {
            return Err(unknown());
        }
        let number = storage_number(kind).unwrap_or(Number::Other);
        let view_offset = match view.first().map(|view| &self.values[*view]) {
            Some(Value::Tuple(view)) if view.len() == 3 => self.size(view[1])?,
            _ => 0,
        };
        Ok(Value::Storage(Storage {
            key: key.clone(),
            number,
            numel: self.size(*numel)?,
            view_offset,
        }))
    }
}

fn storage_number(kind: &str) -> Option<Number> {
    let name = kind
        .strip_prefix("torch.")
        .or_else(|| kind.strip_prefix("torch.cuda."))?;
    Some(match name.rsplit('.').next().unwrap_or_default() {
        "FloatStorage" => Number::F32,
        "DoubleStorage" => Number::F64,
        "HalfStorage" => Number::F16,
        "BFloat16Storage" => Number::Bf16,
        "LongStorage" => Number::I64,
        "IntStorage" => Number::I32,
        "ShortStorage" => Number::I16,
        "CharStorage" => Number::I8,
        "ByteStorage" => Number::U8,
        "BoolStorage" => Number::Bool,
        _ => return None,
    })
}

/// Two's complement of up to 8 bytes; longer ones (PyTorch's magic number) only as a note.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Opaque("a long integer".into());
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 8] } else { [0; 8] };
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}
