//! The stack machine that a pickle is a program for. Takes bytes, gives nodes; what would be
//! imported or called becomes a note of it.

use rustc_hash::FxHashMap;

use super::{Id, Node, PickleError};

#[derive(Debug)]
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    /// Place of the next byte.
    at: usize,
    /// Place of the instruction that runs.
    start: usize,
    stack: Vec<Id>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: FxHashMap<u64, Id>,
    nodes: Vec<Node>,
}

impl<'a> Machine<'a> {
    /// Returns a machine before its first instruction.
    pub(super) fn new(bytes: &'a [u8]) -> Machine<'a> {
        Machine {
            bytes,
            at: 0,
            start: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: FxHashMap::default(),
            nodes: Vec::new(),
        }
    }

    /// Returns what the machine has made.
    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// Runs one instruction, and returns the result when it was the last.
    pub(super) fn step(&mut self) -> Result<Option<Id>, PickleError> {
        self.start = self.at;
        let [code] = self.take()?;
        match code {
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => self.pop_or_mark()?,
            // POP_MARK
            b'1' => drop(self.pop_mark()?),
            // DUP
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            // PROTO, FRAME: nothing that a reader of whole files needs.
            0x80 => drop(self.take::<1>()?),
            0x95 => drop(self.take::<8>()?),
            _ if self.number(code)? || self.text(code)? || self.collect(code)? => {}
            _ if self.memory(code)? || self.call(code)? => {}
            _ => return Err(self.malformed("no protocol has this instruction")),
        }
        Ok(None)
    }

    /// Runs an instruction that makes a number; returns whether it is one.
    fn number(&mut self, code: u8) -> Result<bool, PickleError> {
        let node = match code {
            // BININT, BININT1, BININT2
            b'J' => Node::Int(i32::from_le_bytes(self.take()?).into()),
            b'K' => Node::Int(self.take::<1>()?[0].into()),
            b'M' => Node::Int(u16::from_le_bytes(self.take()?).into()),
            // LONG1, LONG4
            0x8a => {
                let [len] = self.take()?;
                long(self.take_many(len.into())?)
            }
            0x8b => {
                let len = self.length4()?;
                long(self.take_many(len)?)
            }
            // BINFLOAT
            b'G' => Node::Float(f64::from_be_bytes(self.take()?)),
            // FLOAT, INT, LONG: a line of text each.
            b'F' => self.line()?.trim().parse().map_or(Node::Opaque, Node::Float),
            b'I' | b'L' => match self.line()?.trim().trim_end_matches('L') {
                "00" => Node::Bool(false),
                "01" => Node::Bool(true),
                digits => digits.parse().map_or(Node::Opaque, Node::Int),
            },
            _ => return Ok(false),
        };
        self.push(node);
        Ok(true)
    }

    /// Runs an instruction that makes a text or bytes; returns whether it is one.
    fn text(&mut self, code: u8) -> Result<bool, PickleError> {
        let len = match code {
            // SHORT_BINUNICODE, SHORT_BINBYTES, SHORT_BINSTRING
            0x8c | b'C' | b'U' => self.take::<1>()?[0].into(),
            // BINUNICODE, BINBYTES, BINSTRING
            b'X' | b'B' | b'T' => self.length4()?,
            // BINUNICODE8, BINBYTES8, BYTEARRAY8
            0x8d | 0x8e | 0x96 => {
                let len = u64::from_le_bytes(self.take()?);
                usize::try_from(len).map_err(|_| PickleError::Truncated)?
            }
            // STRING, UNICODE: a line of text each.
            b'S' => {
                let line = self.line_bytes()?.trim_ascii();
                let inner = line.get(1..line.len().saturating_sub(1)).unwrap_or_default();
                let letters = unescaped(inner);
                // Strings of Python 2 are bytes.
                let bytes = letters.chars().map(|letter| u8::try_from(u32::from(letter)));
                let node = bytes.collect::<Result<_, _>>().map_or(Node::Opaque, Node::Bytes);
                self.push(node);
                return Ok(true);
            }
            b'V' => {
                let node = Node::Text(unescaped(self.line_bytes()?));
                self.push(node);
                return Ok(true);
            }
            _ => return Ok(false),
        };
        let bytes = self.take_many(len)?;
        let node = match code {
            // Python writes lone surrogates, too, of which no text can be made.
            0x8c | b'X' | 0x8d => match std::str::from_utf8(bytes) {
                Ok(text) => Node::Text(text.into()),
                Err(_) => Node::Opaque,
            },
            _ => Node::Bytes(bytes.into()),
        };
        self.push(node);
        Ok(true)
    }

    /// Runs an instruction that makes or fills a collection; returns whether it is one.
    fn collect(&mut self, code: u8) -> Result<bool, PickleError> {
        match code {
            // EMPTY_LIST, EMPTY_SET, EMPTY_TUPLE, EMPTY_DICT
            b']' | 0x8f => self.push(Node::List(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            // LIST, FROZENSET, TUPLE, DICT
            b'l' | 0x91 => {
                let items = self.pop_mark()?;
                self.push(Node::List(items));
            }
            b't' => {
                let items = self.pop_mark()?;
                self.push(Node::Tuple(items));
            }
            b'd' => {
                let items = self.pop_mark()?;
                self.push(Node::Dict(Vec::new()));
                self.set(items)?;
            }
            // TUPLE1 to TUPLE3
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(code - 0x84))?;
                self.push(Node::Tuple(items));
            }
            // APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' | 0x90 => {
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
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Runs an instruction that stores or recalls; returns whether it is one.
    fn memory(&mut self, code: u8) -> Result<bool, PickleError> {
        let place = match code {
            // BINGET, BINPUT
            b'h' | b'q' => self.take::<1>()?[0].into(),
            // LONG_BINGET, LONG_BINPUT
            b'j' | b'r' => u32::from_le_bytes(self.take()?).into(),
            // GET, PUT
            b'g' | b'p' => {
                let place = self.line()?.trim().parse();
                place.map_err(|_| self.malformed("a place in memory is no number"))?
            }
            // MEMOIZE
            0x94 => self.memo.len() as u64,
            _ => return Ok(false),
        };
        if matches!(code, b'h' | b'j' | b'g') {
            let found = self.memo.get(&place).copied();
            let found = found.ok_or_else(|| self.malformed("it recalls what it never stored"))?;
            self.stack.push(found);
        } else {
            let top = self.top()?;
            self.memo.insert(place, top);
        }
        Ok(true)
    }

    /// Runs an instruction that would import or call something; returns whether it is one.
    fn call(&mut self, code: u8) -> Result<bool, PickleError> {
        match code {
            // GLOBAL
            b'c' => {
                let name = self.global()?;
                self.push(Node::Global(name));
            }
            // STACK_GLOBAL
            0x93 => {
                let names = self.pop_many(2)?;
                let text = |id: Id| match &self.nodes[id as usize] {
                    Node::Text(text) => Some(text.as_str()),
                    _ => None,
                };
                let node = match [text(names[0]), text(names[1])] {
                    [Some(module), Some(name)] => Node::Global(format!("{module}.{name}")),
                    _ => Node::Opaque,
                };
                self.push(node);
            }
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let items = self.pop_many(2)?;
                self.called(items[0], items[1]);
            }
            // NEWOBJ_EX: arguments with names, too.
            0x92 => {
                let items = self.pop_many(3)?;
                self.called(items[0], items[1]);
            }
            // INST, OBJ: the class in two lines, or below the arguments.
            b'i' => {
                let name = self.global()?;
                let arguments = self.pop_mark()?;
                let function = self.make(Node::Global(name));
                let arguments = self.make(Node::Tuple(arguments));
                self.called(function, arguments);
            }
            b'o' => {
                let mut items = self.pop_mark()?;
                if items.is_empty() {
                    return Err(self.malformed("it makes an object of no class"));
                }
                let function = items.remove(0);
                let arguments = self.make(Node::Tuple(items));
                self.called(function, arguments);
            }
            // BUILD
            b'b' => {
                let new = self.pop()?;
                let top = self.top()?;
                if let Node::Call { state, .. } = &mut self.nodes[top as usize] {
                    *state = Some(new);
                }
            }
            // PERSID, BINPERSID: things that lie outside of the pickle.
            b'P' => {
                self.line()?;
                self.push(Node::Opaque);
            }
            b'Q' => {
                self.pop()?;
                self.push(Node::Opaque);
            }
            // EXT1, EXT2, EXT4, NEXT_BUFFER: the same.
            0x82 => {
                self.take::<1>()?;
                self.push(Node::Opaque);
            }
            0x83 => {
                self.take::<2>()?;
                self.push(Node::Opaque);
            }
            0x84 => {
                self.take::<4>()?;
                self.push(Node::Opaque);
            }
            0x97 => self.push(Node::Opaque),
            // READONLY_BUFFER: changes nothing that is read.
            0x98 => drop(self.top()?),
            _ => return Ok(false),
        }
        Ok(true)
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

    fn take_many(&mut self, len: usize) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_at_checked(len).ok_or(PickleError::Truncated)?;
        self.at += len;
        Ok(taken)
    }

    /// Takes a length of four bytes.
    fn length4(&mut self) -> Result<usize, PickleError> {
        let len = u32::from_le_bytes(self.take()?);
        usize::try_from(len).map_err(|_| PickleError::Truncated)
    }

    /// Takes the bytes up to the end of the line, which is passed over.
    fn line_bytes(&mut self) -> Result<&'a [u8], PickleError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::Truncated)?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    /// Takes a line of text.
    fn line(&mut self) -> Result<String, PickleError> {
        Ok(String::from_utf8_lossy(self.line_bytes()?).into_owned())
    }

    /// Takes a module and a name in it, a line each.
    fn global(&mut self) -> Result<String, PickleError> {
        let (module, name) = (self.line()?, self.line()?);
        Ok(format!("{}.{}", module.trim(), name.trim()))
    }

    fn make(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        // A pickle of at most 64 MiB makes fewer nodes than an index can tell apart.
        (self.nodes.len() - 1) as Id
    }

    fn push(&mut self, node: Node) {
        let id = self.make(node);
        self.stack.push(id);
    }

    fn called(&mut self, function: Id, arguments: Id) {
        self.push(Node::Call { function, arguments, state: None });
    }

    /// Pops a value, never one below the last mark.
    fn pop(&mut self) -> Result<Id, PickleError> {
        if self.marks.last().is_some_and(|&mark| self.stack.len() <= mark) {
            return Err(self.malformed("it takes a value across a mark"));
        }
        self.stack.pop().ok_or_else(|| self.malformed("it takes a value from an empty stack"))
    }

    /// Pops a value, or the mark where there is none above it, as POP does.
    fn pop_or_mark(&mut self) -> Result<(), PickleError> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(drop)
    }

    /// Pops values, the deepest first.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        Ok(items)
    }

    /// Pops everything above the last mark, the deepest first.
    fn pop_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("it lacks a mark"))?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.stack.last().copied().ok_or_else(|| self.malformed("it needs a value on the stack"))
    }

    /// Appends to the list on top of the stack. What is filled that way without being a list,
    /// such as a class of somebody's, stays what it is.
    fn append(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let top = self.top()?;
        if let Node::List(list) = &mut self.nodes[top as usize] {
            list.extend(items);
        }
        Ok(())
    }

    /// Sets entries of the dictionary on top of the stack.
    fn set(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        if !items.len().is_multiple_of(2) {
            return Err(self.malformed("a key has no value"));
        }
        let top = self.top()?;
        if let Node::Dict(entries) = &mut self.nodes[top as usize] {
            entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
        }
        Ok(())
    }
}

/// Returns an integer of any length in two's complement; one of more than 8 bytes is not
/// understood.
fn long(bytes: &[u8]) -> Node {
    let sign = bytes.last().map_or(0, |&last| if last & 0x80 == 0 { 0 } else { 0xff });
    let mut filled = [sign; 8];
    match filled.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return Node::Opaque,
    }
    Node::Int(i64::from_le_bytes(filled))
}

/// Returns the text of Latin-1 letters with escapes, as the protocols of lines write it. What
/// is no escape stays as it stands.
fn unescaped(mut bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    while let [first, rest @ ..] = bytes {
        let (letter, len) = match (first, rest) {
            (b'\\', [b'n', ..]) => (Some('\n'), 2),
            (b'\\', [b'r', ..]) => (Some('\r'), 2),
            (b'\\', [b't', ..]) => (Some('\t'), 2),
            (b'\\', [letter @ (b'\\' | b'\'' | b'"'), ..]) => (Some(char::from(*letter)), 2),
            (b'\\', [b'x', ..]) => (hexadecimal(rest, 2), 4),
            (b'\\', [b'u', ..]) => (hexadecimal(rest, 4), 6),
            (b'\\', [b'U', ..]) => (hexadecimal(rest, 8), 10),
            _ => (None, 1),
        };
        text.push(letter.unwrap_or(char::from(*first)));
        bytes = &bytes[if letter.is_some() { len } else { 1 }..];
    }
    text
}

/// Returns the letter whose number stands in so many hexadecimal digits behind the first byte.
fn hexadecimal(bytes: &[u8], digits: usize) -> Option<char> {
    let digits = std::str::from_utf8(bytes.get(1..=digits)?).ok()?;
    char::from_u32(u32::from_str_radix(digits, 16).ok()?)
}
