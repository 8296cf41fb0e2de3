//! Memory on the device that several sessions share.
//!
//! Takes an allocator; gives flat vectors and views into them that sessions read and write
//! without copies. Lives as long as its views are used: whoever makes views keeps the vector.

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use ort::AsPointer;
use ort::memory::Allocator;
use ort::value::{DynValue, Tensor, Value};

/// A flat vector of 32-bit floating-point numbers on the device.
#[derive(Debug)]
pub(super) struct Flat {
    tensor: Tensor<f32>,
    allocator: Allocator,
    len: usize,
}

impl Flat {
    /// Allocates `len` elements, all 0.
    ///
    /// # Errors
    /// ONNX Runtime's, as when the device has no memory left.
    pub(super) fn new(allocator: Allocator, len: usize) -> ort::Result<Self> {
        let tensor = Tensor::<f32>::new(&allocator, [len])?;
        let mut flat = Flat { tensor, allocator, len };
        flat.write(0, &vec![0.0; len])?;
        Ok(flat)
    }

    /// Returns a tensor of `shape` that is the memory from element `start` on.
    ///
    /// # Errors
    /// ONNX Runtime's.
    ///
    /// # Panics
    /// When the view would reach beyond the end.
    pub(super) fn view(&self, start: usize, shape: &[usize]) -> ort::Result<DynValue> {
        let volume: usize = shape.iter().product();
        assert!(start + volume <= self.len, "a view of {shape:?} at {start} of {}", self.len);
        let extents: Vec<i64> = shape.iter().map(|&extent| extent as i64).collect();
        let bytes = volume * size_of::<f32>();
        let mut value = null_mut();
        // SAFETY: the memory belongs to `tensor` and holds the bytes asked for, by the check
        // above. It outlives the view by this module's contract.
        #[expect(unsafe_code, reason = "ort has no view into a tensor on the device")]
        unsafe {
            let base = self.tensor.data_ptr().cast::<f32>();
            let data = base.add(start).cast::<c_void>().cast_mut();
            let status = (ort::api().CreateTensorWithDataAsOrtValue)(
                self.tensor.memory_info().ptr(),
                data,
                bytes,
                extents.as_ptr(),
                extents.len(),
                ort::sys::ONNXTensorElementDataType::ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT,
                &raw mut value,
            );
            ort::Error::result_from_status(status)?;
            let value = NonNull::new(value).ok_or_else(|| ort::Error::new("no view was made"))?;
            Ok(Value::from_ptr(value, Some(&self.allocator)))
        }
    }

    /// Writes elements from `start` on.
    ///
    /// # Errors
    /// ONNX Runtime's.
    ///
    /// # Panics
    /// When they reach beyond the end.
    pub(super) fn write(&mut self, start: usize, elements: &[f32]) -> ort::Result<()> {
        if self.allocator.memory_info().is_cpu_accessible() {
            let (_, all) = self.tensor.try_extract_tensor_mut::<f32>()?;
            all[start..start + elements.len()].copy_from_slice(elements);
            return Ok(());
        }
        let view =
            self.view(start, &[elements.len()])?.downcast::<ort::value::TensorValueType<f32>>()?;
        Tensor::from_array(([elements.len()], elements.to_vec()))?.copy_into(view)
    }

    /// Reads `count` elements from `start` on.
    ///
    /// # Errors
    /// ONNX Runtime's.
    ///
    /// # Panics
    /// When they reach beyond the end.
    pub(super) fn read(&self, start: usize, count: usize) -> ort::Result<Vec<f32>> {
        if self.allocator.memory_info().is_cpu_accessible() {
            let (_, all) = self.tensor.try_extract_tensor::<f32>()?;
            return Ok(all[start..start + count].to_vec());
        }
        let view = self.view(start, &[count])?.downcast::<ort::value::TensorValueType<f32>>()?;
        let host = view.to(ort::memory::AllocationDevice::CPU, 0)?;
        Ok(host.try_extract_tensor::<f32>()?.1.to_vec())
    }

    /// Returns the number of elements.
    pub(super) fn len(&self) -> usize {
        self.len
    }
}
