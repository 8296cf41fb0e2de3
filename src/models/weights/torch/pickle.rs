//! A reader of the pickles in PyTorch's checkpoints that executes nothing.
//!
//! A pickle is a program for a stack machine that may import and call anything. Here
//! the [`Machine`] has the instructions that `torch.save` emits (protocol 2), what can
//! be named is [`Global`], a list of harmless things, and everything else is an error. Objects live in one table and refer to each other by index, so that cycles
//! and deep nesting cost neither a stack nor a leak.

use std::rc::Rc;

use super::machine::Machine;
use crate::models::weights::tensors::Stored;

/// Instructions after which a pickle is given up: over 100,000 tensors' worth.
const MAX_STEPS: usize = 1 << 22;

/// Reads the pickle that bytes begin with.
pub(super) fn load(bytes: &[u8]) -> Result<Pickle, PickleError> {
    let mut machine = Machine::new(bytes);
    for _ in 0..MAX_STEPS {
        if let Some(root) = machine.step()? {
            return Ok(machine.finish(root));
        }
    }
    Err(PickleError::TooLong)
}

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
    pub(super) fn find(module: &str, name: &str) -> Option<Global> {
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

    /// A storage, its shape of 64 axes and the arguments of a tensor are stored, then the tensor
    /// is made anew by every five bytes.
    #[test]
    fn a_shape_that_is_recalled_without_end_is_refused() {
        let mut bytes = b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n".to_vec();
        bytes.extend(b"X\x01\x00\x00\x000NK\x01tQq\x00(");
        bytes.extend(b"K\x01".repeat(64));
        bytes.extend(b"tq\x01ctorch._utils\n_rebuild_tensor_v2\nq\x02(h\x00K\x00h\x01h\x01tq\x03");
        let loads =
            |tensors: usize| load(&[&bytes, &b"h\x02h\x03R".repeat(tensors)[..], b"."].concat());
        let Object::View(view) = &loads(1).unwrap().objects[4] else { panic!("a tensor") };
        assert_eq!(view.shape.len(), 64);
        let Err(error) = loads(100_000) else { panic!("100 MB of axes") };
        assert!(error.to_string().contains("it repeats shapes"), "{error}");
    }

    #[test]
    fn endless_pickles_are_given_up() {
        let mut bytes = vec![0x80, 2];
        bytes.resize(MAX_STEPS + 10, b'N');
        assert_eq!(load(&bytes).unwrap_err(), PickleError::TooLong);
    }
}
