//! The stack machine that a pickle is a program for, with the instructions that
//! `torch.save` emits. Takes bytes, gives objects; never calls anything of Python's.
//!
//! # Source
//! The comments in CPython's `Lib/pickletools.py` define the instructions.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::pickle::{Global, Object, Pickle, PickleError, Storage, Value, View};

/// Greatest number of axes of a tensor, PyTorch's own limit for most of its functions.
const MAX_AXES: usize = 64;
/// Greatest length of a module's or function's name in bytes.
const MAX_NAME: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// Place of the next byte.
    at: usize,
    /// Place of the instruction that runs.
    start: usize,
    stack: Vec<Value>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Value>,
    objects: Vec<Object>,
    /// Axes, of shapes and of strides, that tensors may still have together.
    axes_left: usize,
}

impl<'a> Machine<'a> {
    /// Returns a machine before its first instruction.
    pub(super) fn new(bytes: &'a [u8]) -> Machine<'a> {
        // Everything else takes a constant size an instruction, but a shape that is stored once
        // can be recalled for every tensor. Torch writes it out, an axis in two bytes or more.
        Machine { bytes, axes_left: bytes.len(), ..Machine::default() }
    }

    /// Returns what the machine has made, after its last instruction.
    pub(super) fn finish(self, root: Value) -> Pickle {
        Pickle { objects: self.objects, root, len: self.at }
    }

    /// Runs one instruction, and returns the result when it was the last.
    pub(super) fn step(&mut self) -> Result<Option<Value>, PickleError> {
        self.start = self.at;
        let [code] = self.take()?;
        match code {
            // PROTO
            0x80 => match self.take()? {
                [2] => {}
                _ => return Err(self.malformed("its protocol is not 2")),
            },
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            // POP_MARK
            b'1' => drop(self.pop_mark()?),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            b'K' => {
                let [value] = self.take()?;
                self.stack.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.stack.push(Value::Int(value.into()));
            }
            0x8a => self.long()?,
            // BINFLOAT
            b'G' => {
                let _: [u8; 8] = self.take()?;
                self.stack.push(Value::Float);
            }
            // BINUNICODE, BINSTRING, SHORT_BINSTRING
            b'X' | b'T' => {
                let len = u32::from_le_bytes(self.take()?);
                self.text(usize::try_from(len).unwrap_or(usize::MAX))?;
            }
            b'U' => {
                let [len] = self.take()?;
                self.text(len.into())?;
            }
            b']' => self.make(Object::List(Vec::new())),
            b')' => self.make(Object::Tuple(Vec::new())),
            b'}' => self.make(Object::Dict(Vec::new())),
            // TUPLE, TUPLE1 to TUPLE3
            b't' => {
                let items = self.pop_mark()?;
                self.make(Object::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(code - 0x84))?;
                self.make(Object::Tuple(items));
            }
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set(items)?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(items)?;
            }
            // BINGET, LONG_BINGET, BINPUT, LONG_BINPUT
            b'h' => {
                let [place] = self.take()?;
                self.get(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.take()?);
                self.get(place)?;
            }
            b'q' => {
                let [place] = self.take()?;
                self.put(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.take()?);
                self.put(place)?;
            }
            b'c' => self.global()?,
            // REDUCE, NEWOBJ: both make an object of a callable and arguments.
            b'R' | 0x81 => self.call()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            code => return Err(PickleError::Instruction { code, at: self.start }),
        }
        Ok(None)
    }

    fn malformed(&self, what: &'static str) -> PickleError {
        PickleError::Malformed { at: self.start, what }
    }

    /// Takes bytes of the pickle.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = *rest.first_chunk().ok_or(PickleError::Truncated)?;
        self.at += N;
        Ok(taken)
    }

    fn take_many(&mut self, len: usize) -> Result<&[u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_at_checked(len).ok_or(PickleError::Truncated)?;
        self.at += len;
        Ok(taken)
    }

    /// Pops a value, never one below the last mark.
    fn pop(&mut self) -> Result<Value, PickleError> {
        if self.marks.last().is_some_and(|&mark| self.stack.len() <= mark) {
            return Err(self.malformed("it takes a value across a mark"));
        }
        self.stack.pop().ok_or_else(|| self.malformed("it takes a value from an empty stack"))
    }

    /// Pops values, the deepest first.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, PickleError> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        Ok(items)
    }

    /// Pops everything above the last mark, the deepest first.
    fn pop_mark(&mut self) -> Result<Vec<Value>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("it lacks a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn make(&mut self, object: Object) {
        self.stack.push(Value::Object(self.objects.len()));
        self.objects.push(object);
    }

    /// LONG1: an integer of any length up to 16 bytes, two's complement.
    fn long(&mut self) -> Result<(), PickleError> {
        let [len] = self.take()?;
        let bytes = self.take_many(len.into())?;
        let sign = bytes.last().map_or(0, |&last| if last & 0x80 == 0 { 0 } else { 0xff });
        let mut filled = [sign; 16];
        match filled.get_mut(..bytes.len()) {
            Some(low) => low.copy_from_slice(bytes),
            None => return Err(self.malformed("an integer has more than 16 bytes")),
        }
        self.stack.push(Value::Int(i128::from_le_bytes(filled)));
        Ok(())
    }

    fn text(&mut self, len: usize) -> Result<(), PickleError> {
        let text = std::str::from_utf8(self.take_many(len)?).map(Rc::from);
        let text = text.map_err(|_| self.malformed("a string is not UTF-8"))?;
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        match self.top() {
            Some(Object::List(list)) => list.extend(items),
            _ => return Err(self.malformed("it appends to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Value>) -> Result<(), PickleError> {
        if !items.len().is_multiple_of(2) {
            return Err(self.malformed("a key has no value"));
        }
        let Some(Object::Dict(dict)) = self.top() else {
            return Err(self.malformed("it sets an item of what is no dictionary"));
        };
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            dict.push((key, value));
        }
        Ok(())
    }

    /// Returns the object on top of the stack.
    fn top(&mut self) -> Option<&mut Object> {
        match self.stack.last() {
            Some(Value::Object(index)) => self.objects.get_mut(*index),
            _ => None,
        }
    }

    fn get(&mut self, place: u32) -> Result<(), PickleError> {
        let value = self.memo.get(&place).cloned();
        let value = value.ok_or_else(|| self.malformed("it recalls what it never stored"))?;
        self.stack.push(value);
        Ok(())
    }

    fn put(&mut self, place: u32) -> Result<(), PickleError> {
        let value = self.stack.last().cloned();
        let value = value.ok_or_else(|| self.malformed("it stores from an empty stack"))?;
        self.memo.insert(place, value);
        Ok(())
    }

    /// GLOBAL: two lines, a module and a name in it.
    fn global(&mut self) -> Result<(), PickleError> {
        let mut lines = [String::new(), String::new()];
        for line in &mut lines {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let len = rest.iter().take(MAX_NAME + 1).position(|&b| b == b'\n');
            let len = match len {
                Some(len) => len,
                None if rest.len() <= MAX_NAME => return Err(PickleError::Truncated),
                None => return Err(self.malformed("a name is too long")),
            };
            *line = String::from_utf8_lossy(self.take_many(len)?).into_owned();
            self.at += 1;
        }
        let [module, name] = lines;
        let Some(global) = Global::find(&module, &name) else {
            return Err(PickleError::Global { module, name });
        };
        self.stack.push(Value::Global(global));
        Ok(())
    }

    fn call(&mut self) -> Result<(), PickleError> {
        let arguments = self.pop()?;
        let Value::Global(global) = self.pop()? else {
            return Err(self.malformed("it calls what is no function"));
        };
        let arguments = self.tuple(&arguments)?;
        match (global, arguments) {
            (Global::OrderedDict, []) => self.make(Object::Dict(Vec::new())),
            (Global::Namespace, []) => self.make(Object::Namespace),
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let view = self.view(storage, offset, shape, strides)?;
                let axes = view.shape.len() + view.strides.len();
                let left = self.axes_left.checked_sub(axes);
                self.axes_left = left.ok_or_else(|| self.malformed("it repeats shapes"))?;
                self.make(Object::View(view));
            }
            (Global::RebuildParameter, [tensor, ..]) => {
                let tensor = tensor.clone();
                self.stack.push(tensor);
            }
            _ => return Err(self.malformed("a function has the wrong arguments")),
        }
        Ok(())
    }

    fn tuple(&self, value: &Value) -> Result<&[Value], PickleError> {
        match value {
            Value::Object(index) => match self.objects.get(*index) {
                Some(Object::Tuple(items)) => Ok(items),
                _ => Err(self.malformed("a tuple is needed")),
            },
            _ => Err(self.malformed("a tuple is needed")),
        }
    }

    fn count(&self, value: &Value) -> Result<usize, PickleError> {
        match value {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| self.malformed("a count is needed"))
    }

    fn counts(&self, value: &Value) -> Result<Vec<usize>, PickleError> {
        match self.tuple(value)? {
            values if values.len() > MAX_AXES => Err(self.malformed("a tensor has too many axes")),
            values => values.iter().map(|value| self.count(value)).collect(),
        }
    }

    fn view(
        &self,
        storage: &Value,
        offset: &Value,
        shape: &Value,
        strides: &Value,
    ) -> Result<View, PickleError> {
        let storage = match storage {
            Value::Object(index) => self.objects.get(*index),
            _ => None,
        };
        let Some(Object::Storage(storage)) = storage else {
            return Err(self.malformed("a tensor needs a storage"));
        };
        let (shape, strides) = (self.counts(shape)?, self.counts(strides)?);
        if shape.len() != strides.len() {
            return Err(self.malformed("a tensor's shape and strides differ in length"));
        }
        Ok(View { storage: storage.clone(), offset: self.count(offset)?, shape, strides })
    }

    /// BUILD: sets attributes of an object. None of those that can be made needs any.
    fn build(&mut self) -> Result<(), PickleError> {
        self.pop()?;
        match self.top() {
            Some(Object::Dict(_) | Object::Namespace) => Ok(()),
            _ => Err(self.malformed("it sets attributes of what has none")),
        }
    }

    /// BINPERSID: a storage by type, key, device and count. Before 2018 a sixth item
    /// could make it a view of another storage.
    fn persistent(&mut self) -> Result<(), PickleError> {
        let id = self.pop()?;
        let (stored, key, len) = match self.tuple(&id)? {
            [
                Value::Text(kind),
                Value::Global(Global::Storage(stored)),
                Value::Text(key),
                _,
                len,
            ]
            | [
                Value::Text(kind),
                Value::Global(Global::Storage(stored)),
                Value::Text(key),
                _,
                len,
                Value::None,
            ] if &**kind == "storage" => (*stored, key.clone(), len),
            _ => return Err(self.malformed("a storage is not described as torch.save does")),
        };
        let len = self.count(len)?;
        self.make(Object::Storage(Storage { stored, key, len }));
        Ok(())
    }
}
