//! A reader of the pickles in PyTorch's checkpoints that executes nothing.
//!
//! A pickle is a program for a stack machine that may import and call anything. Here
//! the machine has the instructions that `torch.save` emits (protocol 2), "calling"
//! is done by [`Global`], a list of four harmless things, and everything else is an
//! error. Objects live in one table and refer to each other by index, so that cycles
//! and deep nesting cost neither a stack nor a leak.
//!
//! # Source
//! The comments in CPython's `Lib/pickletools.py` define the instructions.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::models::weights::tensors::Stored;

/// Instructions after which a pickle is given up: some 40,000 tensors' worth.
const MAX_STEPS: usize = 1 << 22;
/// Greatest number of axes of a tensor, PyTorch's own limit for most of its functions.
const MAX_AXES: usize = 64;
/// Greatest length of a module's or function's name in bytes.
const MAX_NAME: usize = 256;

/// What a pickle means.
#[derive(Debug)]
pub(super) struct Pickle {
    /// Everything with parts, in the order in which it was made.
    pub(super) objects: Vec<Object>,
    /// The result.
    pub(super) root: Value,
    /// Bytes that the pickle takes.
    pub(super) len: usize,
}

/// A value on the machine's stack.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float,
    Text(Rc<str>),
    Global(Global),
    /// An index into the objects.
    Object(usize),
}

/// A thing with parts.
#[derive(Debug)]
pub(super) enum Object {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    /// Keys and values; a later entry replaces an earlier one with its key.
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    View(View),
    /// The options of a training run, which nobody asks for.
    Namespace,
}

/// Numbers that one or more tensors are views of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// Type of the numbers.
    pub(super) stored: Stored,
    /// Name within the file.
    pub(super) key: Rc<str>,
    /// Count of numbers.
    pub(super) len: usize,
}

/// A tensor: which numbers of a storage it is made of.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) storage: Storage,
    /// Place of the first number, in numbers.
    pub(super) offset: usize,
    /// Size of each axis.
    pub(super) shape: Vec<usize>,
    /// Numbers between neighbours along each axis.
    pub(super) strides: Vec<usize>,
}

/// The things that a pickle may name. None of them runs code of the file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`: makes a view of a storage.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: a tensor that is trained.
    RebuildParameter,
    /// `torch.FloatStorage` and its like: a type of number.
    Storage(Stored),
    /// `argparse.Namespace`: options that timm's training script saves; left unread.
    Namespace,
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Global> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("argparse", "Namespace") => Global::Namespace,
            ("torch", "DoubleStorage") => Global::Storage(Stored::F64),
            ("torch", "FloatStorage") => Global::Storage(Stored::F32),
            ("torch", "HalfStorage") => Global::Storage(Stored::F16),
            ("torch", "BFloat16Storage") => Global::Storage(Stored::Bf16),
            ("torch", "LongStorage") => Global::Storage(Stored::I64),
            ("torch", "IntStorage") => Global::Storage(Stored::I32),
            ("torch", "ShortStorage") => Global::Storage(Stored::I16),
            ("torch", "CharStorage") => Global::Storage(Stored::I8),
            ("torch", "ByteStorage" | "BoolStorage") => Global::Storage(Stored::U8),
            _ => return None,
        })
    }
}

/// Why a pickle is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The bytes end within the pickle.
    #[error("the pickle is cut short")]
    Truncated,
    /// The pickle names something that is not on the list.
    #[error(
        "the pickle wants to call {module}.{name}, which labelvet does not do; \
         save the model's state_dict alone, or as safetensors"
    )]
    Global {
        /// The Python module.
        module: String,
        /// The name in it.
        name: String,
    },
    /// The pickle has an instruction that `torch.save` does not emit.
    #[error("the pickle has the instruction {code:#04x} at byte {at}, which is not read")]
    Instruction {
        /// The instruction's byte.
        code: u8,
        /// Its place from the start of the pickle.
        at: usize,
    },
    /// An instruction does not find on the stack what it needs.
    #[error("the pickle makes no sense at byte {at}: {what}")]
    Malformed {
        /// Place of the instruction from the start of the pickle.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// The pickle has more instructions than any checkpoint.
    #[error("the pickle has more than {MAX_STEPS} instructions")]
    TooLong,
}

/// Reads the pickle that bytes begin with.
pub(super) fn load(bytes: &[u8]) -> Result<Pickle, PickleError> {
    let mut machine = Machine { bytes, ..Machine::default() };
    for _ in 0..MAX_STEPS {
        machine.start = machine.at;
        if let Some(root) = machine.step()? {
            return Ok(Pickle { objects: machine.objects, root, len: machine.at });
        }
    }
    Err(PickleError::TooLong)
}

#[derive(Debug, Default)]
struct Machine<'a> {
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
}

impl Machine<'_> {
    /// Runs one instruction, and returns the result when it was the last.
    fn step(&mut self) -> Result<Option<Value>, PickleError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        load(bytes).expect_err("no pickle of torch.save").to_string()
    }

    #[test]
    fn integers_of_every_width_are_read() {
        let int = |bytes: &[u8]| match load(bytes).unwrap().root {
            Value::Int(value) => value,
            other => panic!("an integer, not {other:?}"),
        };
        assert_eq!(int(b"\x80\x02K\xff."), 255);
        assert_eq!(int(b"\x80\x02M\xff\xff."), 65535);
        assert_eq!(int(b"\x80\x02J\xfe\xff\xff\xff."), -2);
        assert_eq!(int(b"\x80\x02\x8a\x00."), 0);
        assert_eq!(int(b"\x80\x02\x8a\x02\x00\xff."), -256);
        let magic = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";
        assert_eq!(int(magic), 0x1950_a86a_20f9_469c_fc6c);
    }

    #[test]
    fn a_dictionary_that_holds_itself_is_no_trouble() {
        let pickle = load(b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.").unwrap();
        let Object::Dict(items) = &pickle.objects[0] else { panic!("a dictionary") };
        assert!(matches!(items[..], [(Value::Text(_), Value::Object(0))]));
    }

    #[test]
    fn whatever_is_not_on_the_list_is_named() {
        // What a pickle does that deletes files, and one that opens a shell.
        let message = error(b"\x80\x02cshutil\nrmtree\nX\x01\x00\x00\x00/\x85R.");
        assert!(message.contains("shutil.rmtree"), "{message}");
        let message = error(b"\x80\x02ctorch\nload\n.");
        assert!(message.contains("torch.load"), "{message}");
        // INST and OBJ call things, too; STACK_GLOBAL names them otherwise.
        for code in [b'i', b'o', 0x93, 0x82] {
            let message = error(&[0x80, 2, code, b'.']);
            assert!(message.contains(&format!("{code:#04x} at byte 2")), "{message}");
        }
    }

    #[test]
    fn senseless_pickles_are_errors() {
        for (bytes, what) in [
            (&b"\x80\x04N."[..], "protocol is not 2"),
            (b"\x80\x02.", "empty stack"),
            (b"\x80\x02N(.", "across a mark"),
            (b"\x80\x02t.", "lacks a mark"),
            (b"\x80\x02h\x05.", "recalls what it never stored"),
            (b"\x80\x02q\x05.", "stores from an empty stack"),
            (b"\x80\x02NNa.", "no list"),
            (b"\x80\x02NNNs.", "no dictionary"),
            (b"\x80\x02}(Nu.", "a key has no value"),
            (b"\x80\x02N)R.", "calls what is no function"),
            (b"\x80\x02ctorch\nFloatStorage\n)R.", "wrong arguments"),
            (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.", "wrong arguments"),
            (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR.", "needs a storage"),
            (b"\x80\x02NNb.", "sets attributes"),
            (b"\x80\x02)Q.", "not described as torch.save does"),
            (b"\x80\x02X\x01\x00\x00\x00\xff.", "not UTF-8"),
            (b"\x80\x02\x8a\x11aaaaaaaaaaaaaaaaa.", "more than 16 bytes"),
        ] {
            let message = error(bytes);
            assert!(message.contains(what), "{message} instead of {what}");
        }
        let long = [&b"\x80\x02c"[..], &[b'a'; 300], b"\nb\n."].concat();
        assert!(error(&long).contains("too long"));
    }

    #[test]
    fn endless_pickles_are_given_up() {
        let mut bytes = vec![0x80, 2];
        bytes.resize(MAX_STEPS + 10, b'N');
        assert_eq!(load(&bytes).unwrap_err(), PickleError::TooLong);
    }
}
