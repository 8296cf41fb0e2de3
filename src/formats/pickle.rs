//! Pickles of Python, protocols 0 to 5, read without executing anything in them.
//!
//! A pickle is a program for a stack machine that may import and call anything. Here a call
//! stays a note of what would be called with which arguments ([`Node::Call`]); of these only
//! arrays and numbers of NumPy are understood, by [`Pickle::integers`]. Takes bytes, gives
//! nodes that refer to each other by index, so that cycles and depth cost no stack, and
//! memory grows with the number of bytes alone. Never panics, whatever the bytes.
//!
//! The reader of checkpoints (`models::weights::torch`) is the stricter sister of this one: it
//! refuses what is not on its list, where this one passes over it.
//!
//! # Source
//! The comments in CPython's `Lib/pickletools.py` define the instructions; NumPy's
//! `ndarray.__reduce_ex__` and `__setstate__` the arrays.

mod machine;

use machine::Machine;

/// Greatest length of a pickle that is read, in bytes. DeepLabCut's need about 300 for a
/// labelled frame.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// Greatest length of a string that is held as bytes: that of a path on Linux.
const LONGEST_TEXT: usize = 4096;

/// An index into the nodes of a pickle.
pub(super) type Id = u32;

/// A value of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Lists, and sets in the order in which they were written.
    List(Vec<Id>),
    Tuple(Vec<Id>),
    /// Keys and values; a later entry replaces an earlier one with its key.
    Dict(Vec<(Id, Id)>),
    /// Something that would be imported: `module.name`.
    Global(String),
    /// Something that would be called, its arguments, and the state that would be set.
    Call {
        function: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// What this reader does not understand.
    Opaque,
}

/// What a pickle means.
#[derive(Debug)]
pub(super) struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

/// Why bytes are no pickle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PickleError {
    /// There are more bytes than any pickle of a dataset has.
    #[error("expected a pickle of at most {MAX_BYTES} bytes, found {0}")]
    TooLong(usize),
    /// The bytes end within the pickle.
    #[error("the pickle is cut short")]
    Truncated,
    /// An instruction that no protocol has, or that does not find what it needs.
    #[error("the pickle makes no sense at byte {at}: {what}")]
    Malformed {
        /// Place of the instruction from the start of the pickle.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// Reads the pickle that bytes begin with.
///
/// # Errors
/// [`PickleError`] where they hold none.
pub(super) fn load(bytes: &[u8]) -> Result<Pickle, PickleError> {
    if bytes.len() > MAX_BYTES {
        return Err(PickleError::TooLong(bytes.len()));
    }
    let mut machine = Machine::new(bytes);
    loop {
        // Each instruction takes a byte at least, so that this ends.
        if let Some(root) = machine.step()? {
            return Ok(Pickle { nodes: machine.into_nodes(), root });
        }
    }
}

impl Pickle {
    /// Returns the result.
    pub(super) fn root(&self) -> Id {
        self.root
    }

    /// Returns a value; [`Node::Opaque`] for an index that is none.
    pub(super) fn node(&self, id: Id) -> &Node {
        self.nodes.get(id as usize).unwrap_or(&Node::Opaque)
    }

    /// Returns the items of a list or tuple.
    pub(super) fn items(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(items) | Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the value of a dictionary's key.
    pub(super) fn value(&self, id: Id, key: &str) -> Option<Id> {
        let Node::Dict(entries) = self.node(id) else { return None };
        let is_key = |entry: &&(Id, Id)| self.text(entry.0) == Some(key);
        entries.iter().rev().find(is_key).map(|entry| entry.1)
    }

    /// Returns a string. Those of Python 2 are bytes.
    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            // The same bytes may be asked for by every item of a list.
            Node::Bytes(bytes) if bytes.len() <= LONGEST_TEXT => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Returns a number, also one of NumPy.
    pub(super) fn number(&self, id: Id) -> Option<f64> {
        match *self.node(id) {
            Node::Int(value) => Some(value as f64),
            Node::Float(value) => Some(value),
            _ => self.scalar(id),
        }
    }

    /// Returns the integers of a list, tuple or array, an array of several axes in the order of
    /// its values; numbers with a fraction are none.
    pub(super) fn integers(&self, id: Id) -> Option<Vec<i64>> {
        let whole =
            |value: f64| (value.fract() == 0.0 && value.abs() < 9e15).then_some(value as i64);
        if let Some(items) = self.items(id) {
            return items.iter().map(|&item| whole(self.number(item)?)).collect();
        }
        self.array(id)?.into_iter().map(whole).collect()
    }

    /// Returns the values of an array of NumPy, in the order in which they are stored.
    fn array(&self, id: Id) -> Option<Vec<f64>> {
        let Node::Call { arguments, state, .. } = *self.node(id) else { return None };
        let (dtype, data) = match self.function(id)? {
            "_reconstruct" => match self.items(state?)? {
                [_, _, dtype, _, data] => (*dtype, *data),
                _ => return None,
            },
            "_frombuffer" => match self.items(arguments)? {
                [data, dtype, ..] => (*dtype, *data),
                _ => return None,
            },
            _ => return None,
        };
        self.values(dtype, data, MAX_BYTES)
    }

    /// Returns a number of NumPy.
    fn scalar(&self, id: Id) -> Option<f64> {
        let Node::Call { arguments, .. } = *self.node(id) else { return None };
        match (self.function(id)?, self.items(arguments)?) {
            ("scalar", [dtype, data]) => match self.values(*dtype, *data, size_of::<f64>())?[..] {
                [value] => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the last part of the name of a function of NumPy that would be called.
    fn function(&self, id: Id) -> Option<&str> {
        let Node::Call { function, .. } = *self.node(id) else { return None };
        let Node::Global(name) = self.node(function) else { return None };
        // NumPy 2 calls `core` `_core`.
        let inside = name.strip_prefix("numpy.")?;
        Some(inside.rsplit('.').next().unwrap_or(inside))
    }

    /// Returns numbers by their type and bytes, where there are at most so many bytes.
    fn values(&self, dtype: Id, data: Id, most: usize) -> Option<Vec<f64>> {
        let Node::Call { arguments, state, .. } = *self.node(dtype) else { return None };
        if self.function(dtype)? != "dtype" {
            return None;
        }
        let name = self.text(*self.items(arguments)?.first()?)?;
        let order = state.and_then(|state| self.text(*self.items(state)?.get(1)?));
        let bytes = self.bytes(data, most)?;
        // A file of another machine may have the other order of bytes.
        let big = order == Some(">");
        macro_rules! read {
            ($type:ty) => {{
                let chunks = bytes.chunks_exact(size_of::<$type>());
                chunks.remainder().is_empty().then(|| {
                    let value = |chunk: &[u8]| {
                        let mut own = [0; size_of::<$type>()];
                        own.copy_from_slice(chunk);
                        if big { <$type>::from_be_bytes(own) } else { <$type>::from_le_bytes(own) }
                    };
                    chunks.map(|chunk| value(chunk) as f64).collect()
                })
            }};
        }
        match name {
            "i1" => read!(i8),
            "i2" => read!(i16),
            "i4" => read!(i32),
            "i8" => read!(i64),
            "u1" => read!(u8),
            "u2" => read!(u16),
            "u4" => read!(u32),
            "u8" => read!(u64),
            "f4" => read!(f32),
            "f8" => read!(f64),
            _ => None,
        }
    }

    /// Returns at most so many bytes, also those that protocols before 3 write as the letters of
    /// a text.
    fn bytes(&self, id: Id, most: usize) -> Option<Vec<u8>> {
        match *self.node(id) {
            Node::Bytes(ref bytes) => (bytes.len() <= most).then(|| bytes.clone()),
            Node::Call { function, arguments, .. } => {
                match (self.node(function), self.items(arguments)?) {
                    (Node::Global(name), &[text, ..]) if name == "_codecs.encode" => {
                        let letter = |letter| u8::try_from(u32::from(letter)).ok();
                        // A letter of Latin-1 takes at most two bytes.
                        let text = self.text(text).filter(|text| text.len() <= 2 * most);
                        text?.chars().map(letter).collect()
                    }
                    (Node::Global(name), []) if name.ends_with(".bytes") => Some(Vec::new()),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
