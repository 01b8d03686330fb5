//! What the opcodes of a pickle are made of: bytes, the stack, marks and the memo.

use super::{Id, MAX_VALUES, Machine, Value, is_dangerous};

impl<'a> Machine<'a> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
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
    pub(super) fn number(&mut self, width: usize) -> Result<u64, String> {
        let mut wide = [0u8; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        Ok(u64::from_le_bytes(wide))
    }

    pub(super) fn length(&mut self, width: usize) -> Result<usize, String> {
        usize::try_from(self.number(width)?)
            .map_err(|_| "a length beyond the address space".to_string())
    }

    pub(super) fn line(&mut self) -> Result<String, String> {
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

    pub(super) fn text(&mut self, count: usize) -> Result<Value, String> {
        Ok(Value::Text(
            String::from_utf8_lossy(self.take(count)?).into_owned(),
        ))
    }

    pub(super) fn new_value(&mut self, value: Value) -> Result<Id, String> {
        if self.values.len() >= MAX_VALUES {
            return Err(format!("more than {MAX_VALUES} values in the pickle"));
        }
        self.values.push(value);
        Ok(self.values.len() - 1)
    }

    pub(super) fn push(&mut self, value: Value) -> Result<(), String> {
        let id = self.new_value(value)?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Id, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("the pickle takes a value that is not there".into());
        }
        self.stack
            .pop()
            .ok_or_else(|| "the pickle takes a value that is not there".into())
    }

    pub(super) fn top(&self) -> Result<Id, String> {
        self.stack
            .last()
            .copied()
            .ok_or_else(|| "the pickle looks at an empty stack".into())
    }

    pub(super) fn pop_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self
            .marks
            .pop()
            .ok_or("the pickle has no mark to go back to")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    pub(super) fn pop_tuple(&mut self, count: usize) -> Result<(), String> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    pub(super) fn extend_list(&mut self, items: Vec<Id>) -> Result<(), String> {
        let list = self.top()?;
        if let Value::List(values) = &mut self.values[list] {
            values.extend(items);
        }
        Ok(())
    }

    pub(super) fn extend_dict(&mut self, items: &[Id]) -> Result<(), String> {
        let dict = self.top()?;
        if !items.len().is_multiple_of(2) {
            return Err("the pickle has a key without a value".into());
        }
        if let Value::Dict(values) = &mut self.values[dict] {
            values.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }

    pub(super) fn remember(&mut self, key: u64) -> Result<(), String> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    pub(super) fn recall(&mut self, key: u64) -> Result<(), String> {
        let id = *self
            .memo
            .get(&key)
            .ok_or("the pickle recalls a value it never stored")?;
        self.stack.push(id);
        Ok(())
    }

    pub(super) fn global(&mut self, module: &str, name: &str) -> Result<(), String> {
        let global = format!("{module}.{name}");
        if is_dangerous(&global) {
            return Err(format!(
                "refused: the file asks to call {global} when it is loaded, which no checkpoint needs"
            ));
        }
        self.push(Value::Global(global))
    }
}
