//! Numbers to work on: where the host has them, or where some library has them on the device.

use crate::driver::{Context, Result, memory};

/// Numbers in the device's memory, one after another without gaps, as libraries tell of theirs by
/// `__cuda_array_interface__` or DLPack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePointer {
    /// The address of the first.
    pub address: u64,
    /// How many numbers of type `f32` there are.
    pub len: usize,
}

/// Numbers, wherever they are.
#[derive(Clone, Copy, Debug)]
pub enum Inputs<'a> {
    /// In memory of the host.
    Host(&'a [f32]),
    /// In memory of the device, which stays as it is until the call that gets them is over. What was queued to write them
    /// is done before: see [`Engine::wait_for_stream`](crate::Engine::wait_for_stream).
    Device(DevicePointer),
}

impl Inputs<'_> {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Inputs::Host(numbers) => numbers.len(),
            Inputs::Device(pointer) => pointer.len,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fails unless an address is that of so many numbers in the memory of this device.
    pub(crate) fn check(self, context: &Context) -> Result<()> {
        match self {
            Inputs::Host(_) => Ok(()),
            Inputs::Device(DevicePointer { address, len }) => {
                memory::check_range(context, address, len.saturating_mul(size_of::<f32>()))
            }
        }
    }

    /// So many of them from place `first` on, once all were checked.
    pub(crate) fn part(self, first: usize, len: usize) -> Self {
        assert!(first + len <= self.len(), "a part of the numbers");
        match self {
            Inputs::Host(numbers) => Inputs::Host(&numbers[first..][..len]),
            Inputs::Device(DevicePointer { address, .. }) => {
                let address = address + (first * size_of::<f32>()) as u64;
                Inputs::Device(DevicePointer { address, len })
            }
        }
    }
}
