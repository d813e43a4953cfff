//! Named arrays: what a model or an optimizer hands over to be stored.

use super::FileError;

/// The most dimensions an array may have, as for tensors.
pub const MAX_RANK: usize = 4;
/// The longest name in bytes.
pub const MAX_NAME: usize = 1024;
/// The most arrays in one file.
pub const MAX_ARRAYS: usize = 16_384;

/// One array with its name: `layers.0.weight`, shape (o,i), numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedArray {
    /// PyTorch's name for it.
    pub name: String,
    /// At most four sizes; none at all is a single number.
    pub shape: Vec<usize>,
    /// As many numbers as the product of the sizes.
    pub data: Vec<f32>,
}

impl NamedArray {
    /// An array from its parts. Whether they fit together is checked when it is written.
    pub fn new(name: impl Into<String>, shape: &[usize], data: Vec<f32>) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), data }
    }
}

/// How many numbers a shape holds, unless that is more than a `usize` can count.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))
}

/// Checks what a reader will check, so that nothing is written that could not be read.
/// Returns the arrays in the order in which they are stored: by name.
pub(crate) fn checked(arrays: &[NamedArray]) -> Result<Vec<&NamedArray>, FileError> {
    if arrays.len() > MAX_ARRAYS {
        let (expected, found) = (format!("at most {MAX_ARRAYS} arrays"), arrays.len().to_string());
        return Err(FileError::Unstorable { what: "the arrays".into(), expected, found });
    }
    arrays.iter().try_for_each(check)?;
    let mut sorted: Vec<_> = arrays.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    match sorted.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(unstorable(pair[0], "a name of its own", "two arrays of this name")),
        None => Ok(sorted),
    }
}

fn check(array: &NamedArray) -> Result<(), FileError> {
    if array.name == "__metadata__" {
        return Err(unstorable(array, "any other name", "the name the format keeps for itself"));
    }
    if array.name.len() > MAX_NAME {
        let found = format!("{} bytes", array.name.len());
        return Err(unstorable(array, format!("a name of at most {MAX_NAME} bytes"), found));
    }
    if array.shape.len() > MAX_RANK {
        let found = format!("shape {:?}", array.shape);
        return Err(unstorable(array, format!("at most {MAX_RANK} dimensions"), found));
    }
    if element_count(&array.shape) != Some(array.data.len()) {
        let expected = format!("as many numbers as shape {:?} holds", array.shape);
        return Err(unstorable(array, expected, array.data.len().to_string()));
    }
    Ok(())
}

fn unstorable(
    array: &NamedArray,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> FileError {
    let name: String = array.name.chars().take(80).collect();
    FileError::Unstorable {
        what: format!("array {name:?}"),
        expected: expected.into(),
        found: found.into(),
    }
}
